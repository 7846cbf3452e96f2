"""Shapes as tensors, and shapes that broadcast, against NumPy."""

import numpy as np
import pytest

import millrace as tf
from ops.opcases import OpCase, OpSuite, floats, ints


def _broadcast(a, b):
    return np.array(np.broadcast_shapes(tuple(a), tuple(b)), a.dtype)


def _summed(a, b):
    whole = np.broadcast_shapes(tuple(a), tuple(b))
    parts = []
    for s in (a, b):
        padded = (1,) * (len(whole) - len(s)) + tuple(s)
        parts.append(np.array([i for i, d in enumerate(padded) if d == 1], s.dtype))
    return parts


class TestShapes(OpSuite):
    """Shape, size, rank and broadcasting."""

    cases = (
        OpCase("Shape", [floats(2, 3)], lambda x: np.int32([2, 3])),
        OpCase("Shape", [np.float32(1)], lambda x: np.zeros(0, np.int32)),
        OpCase("Shape", [floats(2, 0)], lambda x: np.int64([2, 0]), out_type=tf.int64),
        OpCase("ShapeN", [(floats(2, 3), floats(4))], lambda xs: [np.int32([2, 3]), np.int32([4])]),
        OpCase("Size", [floats(2, 3)], lambda x: np.int32(6)),
        OpCase("Size", [floats(2, 0)], lambda x: np.int64(0), out_type=tf.int64),
        OpCase("Rank", [floats(2, 3)], lambda x: np.int32(2)),
        OpCase("EnsureShape", [floats(2, 3)], lambda x: x, shape=[None, 3]),
        OpCase("BroadcastArgs", [np.int32([2, 1, 3]), np.int32([4, 1])], _broadcast),
        OpCase("BroadcastArgs", [np.int64([3]), np.int64([2, 1])], _broadcast),
        OpCase("BroadcastGradientArgs", [np.int32([2, 1, 3]), np.int32([4, 1])], _summed),
        OpCase("BroadcastGradientArgs", [np.int32([2, 3]), np.int32([2, 3])], _summed),
        OpCase("BroadcastGradientArgs", [np.int64([]), np.int64([2])], _summed),
    )


def test_a_whole_static_shape_is_a_constant():
    x = tf.placeholder(tf.float32, [2, 3])
    assert [t.op.type for t in (tf.shape(x), tf.size(x), tf.rank(x))] == ["Const"] * 3
    assert tf.shape(x, out_type=tf.int64).dtype == tf.int64
    partly = tf.placeholder(tf.float32, [None, 3])
    assert [t.op.type for t in (tf.shape(partly), tf.size(partly), tf.rank(partly))] == [
        "Shape",
        "Size",
        "Const",
    ]
    assert tf.shape(partly).shape == [2]


def test_ensure_shape_fails_when_run():
    x = tf.placeholder(tf.float32, [None])
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match="EnsureShape"):
        session.run(tf.ensure_shape(x, [3]), {x: [1.0]})


def test_broadcast_static_shape():
    assert tf.broadcast_static_shape(tf.TensorShape([2, 1]), tf.TensorShape([3])) == [2, 3]
    with pytest.raises(ValueError):
        tf.broadcast_static_shape(tf.TensorShape([2]), tf.TensorShape([3]))


def test_incompatible_shapes_fail_when_run():
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match="broadcast"):
        session.run(tf.broadcast_dynamic_shape(ints(2, low=2, high=4), np.int32([5, 7])))
