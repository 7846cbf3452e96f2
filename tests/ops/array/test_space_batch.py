"""Blocks moved between space, batch and depth, against a plain loop."""

import numpy as np
import pytest

import millrace as tf
from ops.opcases import OpCase, OpSuite, floats, ints

_X = floats(2, 4, 6, 3)


def _to_batch(x, block, paddings):
    x = np.pad(x, [(0, 0), *map(tuple, paddings), *[(0, 0)] * (x.ndim - 1 - len(block))])
    parts = [
        x[(slice(None), *(slice(o, None, b) for o, b in zip(place, block)))] for place in np.ndindex(*block)
    ]
    return np.concatenate(parts)


def _from_batch(x, block, crops):
    count = int(np.prod(block))
    n = len(x) // count
    space = [d * b for d, b in zip(x.shape[1:], block)]
    out = np.zeros((n, *space, *x.shape[1 + len(block) :]), x.dtype)
    for i, place in enumerate(np.ndindex(*block)):
        out[(slice(None), *(slice(o, None, b) for o, b in zip(place, block)))] = x[i * n : (i + 1) * n]
    return out[(slice(None), *(slice(b, d - a) for d, (b, a) in zip(space, crops)))]


def _to_depth(x):
    return np.concatenate([x[:, i::2, j::2] for i in range(2) for j in range(2)], -1)


def _from_depth(x):
    n, h, w, c = x.shape
    out = np.zeros((n, 2 * h, 2 * w, c // 4), x.dtype)
    for k, (i, j) in enumerate(np.ndindex(2, 2)):
        out[:, i::2, j::2] = x[..., k * c // 4 : (k + 1) * c // 4]
    return out


def _first(function, axes):
    """The same with channels first."""
    back = np.argsort(axes)
    return lambda x: function(x.transpose(axes)).transpose(back)


class TestSpaceBatch(OpSuite):
    """Space, batch and depth."""

    cases = (
        OpCase("SpaceToBatchND", [_X, [2, 3], [[0, 0], [1, 2]]], _to_batch),
        OpCase("SpaceToBatchND", [ints(1, 5), np.int64([2]), np.int64([[1, 0]])], _to_batch),
        OpCase("BatchToSpaceND", [floats(12, 2, 2, 1), [2, 3], [[1, 0], [0, 2]]], _from_batch),
        OpCase("SpaceToBatch", [_X, [[1, 1], [0, 0]]], lambda x, p: _to_batch(x, [2, 2], p), block_size=2),
        OpCase(
            "BatchToSpace",
            [floats(8, 2, 2, 1), [[0, 1], [0, 0]]],
            lambda x, c: _from_batch(x, [2, 2], c),
            block_size=2,
        ),
        OpCase("SpaceToDepth", [_X], _to_depth, block_size=2),
        OpCase(
            "SpaceToDepth",
            [floats(1, 3, 4, 2)],
            _first(_to_depth, (0, 2, 3, 1)),
            block_size=2,
            data_format="NCHW",
        ),
        OpCase("DepthToSpace", [floats(2, 2, 3, 8)], _from_depth, block_size=2),
        OpCase(
            "DepthToSpace",
            [floats(1, 8, 2, 3)],
            _first(_from_depth, (0, 2, 3, 1)),
            block_size=2,
            data_format="NCHW",
        ),
    )


def test_refusals():
    with pytest.raises(ValueError, match="divisible"):
        tf.space_to_batch_nd(tf.zeros([1, 3, 4, 1]), [2, 2], [[0, 0], [0, 0]])
    with pytest.raises(ValueError, match="divisible"):
        tf.depth_to_space(tf.zeros([1, 2, 2, 3]), 2)
    with pytest.raises(ValueError, match="at least 2"):
        tf.space_to_depth(tf.zeros([1, 2, 2, 3]), 1)


def test_square_blocks():
    x = tf.constant(_X)
    with tf.Session() as session:
        moved = tf.space_to_batch(x, [[0, 0], [0, 0]], 2)
        assert np.array_equal(session.run(tf.batch_to_space(moved, [[0, 0], [0, 0]], 2)), _X)


def test_vectors_of_channels_keep_together():
    x = floats(1, 2, 4, 4, 4)
    with tf.Session() as session:
        deep = tf.space_to_depth(tf.constant(x), 2, data_format="NCHW_VECT_C")
        assert deep.shape == [1, 8, 2, 2, 4]
        assert np.array_equal(session.run(tf.depth_to_space(deep, 2, data_format="NCHW_VECT_C")), x)
