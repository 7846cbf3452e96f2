"""Sums of gradients that reach one tensor along several paths."""

from __future__ import annotations

import numpy as np
import pytest

import millrace as tf


def _dense(gradient: tf.IndexedSlices) -> np.ndarray:
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return sess.run(tf.convert_to_tensor(gradient))


def test_slices_by_int32_and_int64_rows() -> None:
    v = tf.Variable(np.zeros([4, 2], np.float32))
    taken = tf.gather(v, tf.constant([0, 2], tf.int32)), tf.gather(v, tf.constant([2, 3], tf.int64))
    (gradient,) = tf.gradients([tf.reduce_sum(taken[0]) * 2.0, tf.reduce_sum(taken[1])], [v])
    assert isinstance(gradient, tf.IndexedSlices) and gradient.indices.dtype == tf.int64
    assert _dense(gradient).tolist() == [[2, 2], [0, 0], [3, 3], [1, 1]]


def test_slices_of_one_index_dtype_keep_it() -> None:
    v = tf.Variable(np.zeros([4, 2], np.float32))
    taken = [tf.gather(v, tf.constant(rows, tf.int32)) for rows in ([0], [0, 1])]
    (gradient,) = tf.gradients(taken, [v])
    assert gradient.indices.dtype == tf.int32
    assert _dense(gradient).tolist() == [[2, 2], [1, 1], [0, 0], [0, 0]]


def test_slices_beside_a_dense_gradient() -> None:
    v = tf.Variable(np.ones([3, 2], np.float32))
    (gradient,) = tf.gradients([tf.gather(v, [1]), tf.square(v)], [v])
    assert _dense(gradient).tolist() == [[2, 2], [3, 3], [2, 2]]


def test_slices_of_slices() -> None:
    v = tf.Variable(np.ones([4, 2], np.float32))
    inner = tf.gather(tf.gather(v, [3, 1, 0]), [1, 1, 2])
    (gradient,) = tf.gradients([inner, tf.gather(v, [0])], [v])
    assert _dense(gradient).tolist() == [[2, 2], [2, 2], [0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("method", "types"),
    [
        (tf.AggregationMethod.DEFAULT, {"AddN"}),
        (tf.AggregationMethod.ADD_N, {"AddN"}),
        (tf.AggregationMethod.EXPERIMENTAL_TREE, {"Add"}),
        (tf.AggregationMethod.EXPERIMENTAL_ACCUMULATE_N, {"Add"}),
    ],
)
def test_methods(method: int, types: set[str]) -> None:
    x = tf.placeholder(tf.float32, [])
    y = tf.exp(x) + tf.square(x) + tf.sin(x)
    count = len(tf.get_default_graph().get_operations())
    (gradient,) = tf.gradients(y, x, aggregation_method=method)
    made = {op.type for op in tf.get_default_graph().get_operations()[count:]}
    assert types <= made and not {"Add", "AddN"} - types & made
    with tf.Session() as sess:
        assert sess.run(gradient, {x: 0.0}) == 2.0


def test_one_gradient_is_handed_on() -> None:
    x = tf.placeholder(tf.float32, [])
    count = len(tf.get_default_graph().get_operations())
    tf.gradients(tf.exp(x), x)
    assert "AddN" not in [op.type for op in tf.get_default_graph().get_operations()[count:]]


def test_a_sum_stands_beside_its_first_gradient() -> None:
    w = tf.constant([[1.0]])
    y = tf.matmul(w, tf.ones([1, 2])) + tf.matmul(w, tf.ones([1, 2]))
    (beside,) = tf.gradients(y, w, colocate_gradients_with_ops=True)
    assert beside.op.colocation_groups() == [b"loc:@MatMul"]
    (plain,) = tf.gradients(y, w)
    assert plain.op.colocation_groups() == [b"loc:@gradients_1/MatMul_grad/MatMul"]


@pytest.mark.parametrize(
    "function",
    [
        lambda v: tf.where(v > 0.4, v, v * 2.0),
        lambda v: tf.clip_by_value(v, 0.2, 0.6),
        lambda v: tf.squared_difference(v, 0.5),
        lambda v: tf.erf(v),
        lambda v: tf.maximum(v, 0.5),
    ],
)
def test_gradients_of_what_rows_are_taken_of(function) -> None:
    v = tf.Variable([[0.3, 0.7], [0.2, 0.5], [0.9, 0.1]])
    (rows,) = tf.gradients(tf.gather(function(v), [0, 1]) * 3.0, v)
    (whole,) = tf.gradients(function(v)[:2] * 3.0, v)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        np.testing.assert_allclose(*sess.run([tf.convert_to_tensor(rows), whole]), rtol=1e-6)


def test_rows_stay_rows_through_signs_and_casts() -> None:
    v = tf.Variable([[0.3], [0.7]])
    for taken in (tf.gather(-v, [1]), tf.gather(tf.cast(v, tf.float64), [1])):
        assert isinstance(tf.gradients(taken, v)[0], tf.IndexedSlices)
