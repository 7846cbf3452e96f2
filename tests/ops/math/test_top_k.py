"""The largest entries against NumPy."""

import numpy as np
import pytest

import millrace as tf
from ops.opcases import OpCase, OpSuite, floats, ints

_X = floats(3, 6)
_TIES = ints(4, 8, low=0, high=3)
_LONG = floats(3, 40)
_LONG[0, 7:] = -np.inf
_LONG[1, 2:] = -np.inf  # fewer entries than are asked for are above the lowest
_LONG[2, [5, 9]] = np.inf


def _top(x, k):
    order = np.argsort(-x.astype(np.float64), axis=-1, kind="stable")[..., : int(k)]
    return [np.take_along_axis(x, order, -1), order.astype(np.int32)]


def _in_top(k):
    return lambda x, t, *_: np.array([(row > row[i]).sum() < k for row, i in zip(x, t)])


class TestTopK(OpSuite):
    """Of equals the first comes first."""

    cases = (
        OpCase("TopKV2", [_X, 3], _top),
        OpCase("TopKV2", [floats(2, 2, 5), 5], _top),
        OpCase("TopKV2", [_TIES, 4], _top),
        OpCase("TopKV2", [_TIES.astype(np.uint8), 4], _top),
        OpCase("TopKV2", [floats(6), 0], _top, wrt=()),
        OpCase("TopKV2", [floats(2, 3, 40), 3], _top, order=1),
        OpCase("TopKV2", [ints(4, 64, low=0, high=5), 5], _top),
        OpCase("TopKV2", [_LONG, 3], _top, wrt=()),
        OpCase("TopK", [_X], lambda x: _top(x, 2), k=2),
        OpCase("NthElement", [_X, 2], lambda x, n: np.sort(x)[:, 2]),
        OpCase("NthElement", [_TIES, 2], lambda x, n: np.sort(x)[:, -3], reverse=True),
        OpCase("InTopK", [_X, np.int32([0, 3, 5])], _in_top(2), k=2),
        OpCase("InTopK", [np.float32([[1, 2, 2, 0]] * 2), np.int64([1, 0])], _in_top(1), k=1),
        OpCase("InTopKV2", [_X, np.int64([0, 3, 5]), np.int64(3)], _in_top(3)),
    )


def test_a_target_that_is_no_class_or_not_finite_is_not_among_them():
    x = np.float32([[1, 2, 3], [1, np.nan, 0], [np.inf, 1, 2], [1, 2, 3]])
    with tf.Session() as session:
        assert session.run(tf.nn.in_top_k(x, [7, 1, 0, -1], 3)).tolist() == [False] * 4


def test_more_than_there_are_is_refused():
    with pytest.raises(ValueError, match="at least k = 7 columns"):
        tf.nn.top_k(_X, 7)


def test_more_than_there_are_is_refused_when_run():
    k = tf.placeholder(tf.int32, [])
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match="at least k = 7"):
        session.run(tf.nn.top_k(_X, k)[0], {k: 7})
