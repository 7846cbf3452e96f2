"""One-hot vectors, coordinates and sorted search against NumPy."""

import numpy as np
import pytest

import millrace as tf
from ops.opcases import OpCase, OpSuite

_I = np.int64([[0, 2], [-1, 5]])
_ROWS = np.float32([[1, 2, 2, 5], [0, 3, 4, 4]])
_VALUES = np.float32([[2, 0, 9], [4, 3, -1]])


def _one_hot(axis):
    def oracle(i, n, on, off):
        return np.where(
            np.expand_dims(i, axis) == np.arange(n).reshape([-1 if k == axis % 3 else 1 for k in range(3)]),
            on,
            off,
        )

    return oracle


def _search(side):
    return lambda rows, values: np.stack([np.searchsorted(r, v, side) for r, v in zip(rows, values)]).astype(
        np.int32
    )


class TestOneHot(OpSuite):
    """Marks at places, places as coordinates, places of values."""

    cases = (
        OpCase("OneHot", [_I, 3, np.float32(1), np.float32(0)], _one_hot(2)),
        OpCase("OneHot", [_I.astype(np.int32), 4, np.int32(7), np.int32(-1)], _one_hot(0), axis=0),
        OpCase(
            "OneHot",
            [np.uint8([1, 255]), 300, np.bool_(True), np.bool_(False)],
            lambda i, n, *_: i[:, None] == np.arange(300),
        ),
        OpCase(
            "UnravelIndex",
            [np.int32([22, 41, 37]), [7, 6]],
            lambda i, d: np.stack(np.unravel_index(i, (7, 6))).astype(np.int32),
        ),
        OpCase("UnravelIndex", [np.int64(5), np.int64([2, 3])], lambda i, d: np.int64([1, 2])),
        OpCase("LowerBound", [_ROWS, _VALUES], _search("left")),
        OpCase(
            "UpperBound",
            [_ROWS, _VALUES],
            lambda r, v: _search("right")(r, v).astype(np.int64),
            out_type=tf.int64,
        ),
    )


def test_one_hot_chooses_its_dtype():
    assert tf.one_hot([0], 2).dtype == tf.float32
    assert tf.one_hot([0], 2, on_value=5).dtype == tf.int32
    assert tf.one_hot([0], 2, dtype=tf.int64).dtype == tf.int64
    with pytest.raises(TypeError, match="off_value must have dtype int32"):
        tf.one_hot([0], 2, on_value=1, off_value=0.5)
    with tf.Session() as session:
        assert session.run(tf.one_hot([1], 2, "on", "off")).tolist() == [[b"off", b"on"]]


def test_searchsorted_takes_leading_dimensions():
    with tf.Session() as session:
        assert session.run(tf.searchsorted([1.0, 2.0, 3.0], [2.0, 9.0])).tolist() == [1, 3]
        found = session.run(tf.searchsorted(_ROWS[None], _VALUES[None], side="right"))
    assert np.array_equal(found[0], _search("right")(_ROWS, _VALUES))
    with pytest.raises(ValueError, match="side"):
        tf.searchsorted([1.0], [1.0], side="middle")


def test_unravel_index_checks_its_range():
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match="out of bound"):
        session.run(tf.unravel_index([50], [7, 6]))
