"""Slices against NumPy's indexing."""

import numpy as np
import pytest

import millrace as tf
from ops.opcases import OpCase, OpSuite, floats, ints

_X = floats(5, 4, 3)
_Y = floats(2, 2, 3)


def _put(key, shape):
    def oracle(s, b, e, t, dy):
        x = np.zeros(shape, dy.dtype)
        x[key] = dy
        return x

    return oracle


def _replaced(key):
    def oracle(x, b, e, t, value):
        x = x.copy()
        x[key] = value
        return x

    return oracle


class TestSlicing(OpSuite):
    """StridedSlice with every mask, its gradient, and Slice."""

    cases = (
        OpCase("StridedSlice", [_X, [1, 0], [4, 4], [2, 3]], lambda x, *_: x[1:4:2, 0:4:3]),
        OpCase(
            "StridedSlice",
            [_X, [-1, 9], [0, -9], [-2, -1]],
            lambda x, *_: x[::-2, ::-1],
            begin_mask=1,
            end_mask=3,
        ),
        OpCase("StridedSlice", [_X, [1, 2], [2, 3], [1, 1]], lambda x, *_: x[1, 2], shrink_axis_mask=3),
        OpCase(
            "StridedSlice",
            [_X, [0, -1], [0, 0], [1, 1]],
            lambda x, *_: x[..., -1],
            ellipsis_mask=1,
            shrink_axis_mask=2,
        ),
        OpCase("StridedSlice", [_X, [0, 1], [0, 2], [1, 1]], lambda x, *_: x[None, 1:2], new_axis_mask=1),
        OpCase("StridedSlice", [ints(4), np.int64([1]), np.int64([3]), np.int64([1])], lambda x, *_: x[1:3]),
        OpCase("StridedSlice", [floats(4), [3], [3], [1]], lambda x, *_: x[3:3]),
        OpCase(
            "StridedSliceGrad", [[5, 4, 3], [1, 0], [4, 3], [2, 2], _Y], _put(np.s_[1:4:2, 0:3:2], (5, 4, 3))
        ),
        OpCase(
            "StridedSliceGrad",
            [[5, 4, 3], [1, 2], [2, 3], [1, 1], floats(3)],
            _put(np.s_[1, 2], (5, 4, 3)),
            shrink_axis_mask=3,
        ),
        OpCase("TensorStridedSliceUpdate", [_X, [1, 0], [4, 3], [2, 2], _Y], _replaced(np.s_[1:4:2, 0:3:2])),
        OpCase("Slice", [_X, [1, 0, 2], [3, -1, 1]], lambda x, b, s: x[1:4, :, 2:3]),
        OpCase("Slice", [ints(4), np.int64([1]), np.int64([2])], lambda x, b, s: x[1:3]),
        OpCase("Slice", [_X, [5, 0, 0], [0, 4, 3]], lambda x, b, s: x[5:]),
    )


def test_slice_assignment_to_a_variable():
    for use_resource in (False, True):
        with tf.Graph().as_default(), tf.Session() as session:
            v = tf.Variable(np.zeros([3, 4], np.float32), use_resource=use_resource)
            session.run(v.initializer)
            first = session.run(v[1:, ::2].assign([[1.0, 2.0], [3.0, 4.0]]))
            wanted = "ResourceStridedSliceAssign" if use_resource else "StridedSliceAssign"
            assert wanted in {op.type for op in session.graph.get_operations()}
            want = np.zeros([3, 4], np.float32)
            want[1:, ::2] = [[1, 2], [3, 4]]
            assert np.array_equal(first, want)
            session.run(v[0, 1].assign(7.0))
            want[0, 1] = 7
            assert np.array_equal(session.run(v), want)


def test_slice_reports_where_it_reaches_too_far():
    x = tf.placeholder(tf.float32, [None])
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match=r"size\[0\]"):
        session.run(tf.slice(x, [1], [5]), {x: [1.0, 2.0]})


def test_strides_default_to_one():
    x = tf.constant(_X)
    with tf.Session() as session:
        assert np.array_equal(session.run(tf.strided_slice(x, [1, 0], [3, 4])), _X[1:3, 0:4])


@pytest.mark.xla
def test_computed_places_are_compiled():
    x, i = tf.placeholder(tf.float32, [5, 4, 3]), tf.placeholder(tf.int32, [])
    row, window = x[i], tf.slice(x, [i, 0, i], [2, 3, 1])
    slope = tf.gradients(tf.reduce_sum(row * row), x)[0]
    config = tf.ConfigProto()
    config.graph_options.optimizer_options.global_jit_level = 1
    with tf.Session(config=config) as session:
        found = session.run([row, window, slope], {x: _X, i: 2})
        with pytest.raises(tf.errors.InvalidArgumentError, match="out of bounds"):
            session.run(row, {x: _X, i: 5})
    want = np.zeros_like(_X)
    want[2] = 2 * _X[2]
    np.testing.assert_allclose(found[0], _X[2])
    np.testing.assert_allclose(found[1], _X[2:4, 0:3, 2:3])
    np.testing.assert_allclose(found[2], want, rtol=1e-6)


def test_strides_left_out_are_ones_as_the_seeds_count():
    with tf.Graph().as_default() as graph:
        part = tf.strided_slice(tf.constant([1, 2, 3, 4]), [1], [3])
        names = [(op.name, op.type) for op in graph.get_operations()]
        with tf.Session() as session:
            assert session.run(part).tolist() == [2, 3] and part.shape == [2]
    assert names[1:5] == [
        ("ones_like/tensor", "Const"),
        ("ones_like/Shape", "Const"),
        ("ones_like/Const", "Const"),
        ("ones_like", "Fill"),
    ]
