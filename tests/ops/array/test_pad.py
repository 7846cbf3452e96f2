"""Borders and copies against NumPy."""

import numpy as np
import pytest

import millrace as tf
from ops.opcases import OpCase, OpSuite, floats, ints

_X = floats(3, 4)
_BORDER = [[1, 2], [0, 3]]


def _folded(mode):
    """The transpose of padding, from padding the numbers of the elements."""

    def oracle(dy, paddings):
        inner = tuple(n - b - a for n, (b, a) in zip(dy.shape, paddings))
        places = np.pad(np.arange(np.prod(inner)).reshape(inner), paddings, mode)
        return np.bincount(places.reshape(-1), dy.reshape(-1), np.prod(inner)).reshape(inner).astype(dy.dtype)

    return oracle


class TestPad(OpSuite):
    """Pads of three kinds."""

    cases = (
        OpCase("Pad", [_X, _BORDER], lambda x, p: np.pad(x, p)),
        OpCase("Pad", [ints(3), np.int64([[2, 0]])], lambda x, p: np.pad(x, p)),
        OpCase(
            "PadV2",
            [_X, _BORDER, np.array(7, np.float32)],
            lambda x, p, v: np.pad(x, p, constant_values=v),
            wrt=[0],
        ),
        OpCase("MirrorPad", [_X, _BORDER], lambda x, p: np.pad(x, p, "reflect"), mode="REFLECT"),
        OpCase("MirrorPad", [_X, [[3, 0], [4, 1]]], lambda x, p: np.pad(x, p, "symmetric"), mode="SYMMETRIC"),
        OpCase("MirrorPadGrad", [floats(6, 7), _BORDER], _folded("reflect"), mode="REFLECT"),
        OpCase("MirrorPadGrad", [floats(6, 7), [[1, 2], [2, 0]]], _folded("symmetric"), mode="SYMMETRIC"),
    )


class TestTile(OpSuite):
    """Tiles and broadcasts."""

    cases = (
        OpCase("Tile", [_X, [2, 3]], lambda x, m: np.tile(x, (2, 3))),
        OpCase("Tile", [ints(3), np.int64([0])], lambda x, m: np.tile(x, 0)),
        OpCase("TileGrad", [floats(4, 6), [2, 3]], lambda x, m: x.reshape(2, 2, 3, 2).sum((0, 2))),
        OpCase("BroadcastTo", [floats(1, 3), [2, 4, 3]], lambda x, s: np.broadcast_to(x, (2, 4, 3))),
        OpCase("BroadcastTo", [np.float32(2), [3]], lambda x, s: np.full(3, x)),
    )


def test_known_rows_of_a_packed_padding_fix_the_shape():
    x = tf.placeholder(tf.float32, [None, 3])
    assert tf.pad(x, [[0, 5 - tf.shape(x)[0]], [1, 0]]).shape.as_list() == [None, 4]


def test_strings_are_padded_with_empty_ones():
    with tf.Session() as session:
        assert session.run(tf.pad(tf.constant(["a"]), [[1, 1]])).tolist() == [b"", b"a", b""]


def test_refusals():
    x = tf.zeros([2, 3])
    with pytest.raises(ValueError, match="mode must be"):
        tf.pad(x, [[0, 0], [0, 0]], "WRAP")
    with pytest.raises(ValueError, match="rows"):
        tf.pad(x, [[0, 0]])
    with pytest.raises(ValueError, match="non-negative"):
        tf.pad(x, [[-1, 0], [0, 0]])
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match="REFLECT"):
        session.run(tf.pad(x, [[2, 0], [0, 0]], "REFLECT"))
    with pytest.raises(ValueError, match="broadcast"):
        tf.broadcast_to(x, [4, 2])
