"""Halves, booleans, weights and gradients that are only there at times."""

import numpy as np
import pytest

import millrace as tf


def run(fetches, feeds=None):
    """The values in a new session."""
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return sess.run(fetches, feeds)


IDS = [[0, 0], [0, 1], [1, 0]]


@pytest.mark.parametrize(("combiner", "wanted"), [("sum", [6, 1]), ("mean", [3, 1]), ("sqrtn", [18**0.5, 1])])
def test_embeddings_of_halves_are_summed_in_single_precision(combiner, wanted):
    ids = tf.SparseTensor(IDS, tf.constant([1, 2, 0], tf.int64), [2, 2])
    table = tf.constant([[1.0], [2.0], [4.0]], tf.float16)
    y = tf.nn.embedding_lookup_sparse(table, ids, None, combiner=combiner)
    assert y.dtype == tf.float32
    np.testing.assert_allclose(run(y)[:, 0], wanted, rtol=1e-6)
    weights = tf.SparseTensor(IDS, tf.constant([1.0, 1.0, 1.0], tf.float16), [2, 2])
    mixed = tf.nn.embedding_lookup_sparse(table, ids, weights, combiner=combiner)
    assert mixed.dtype == tf.float32
    np.testing.assert_allclose(run(mixed)[:, 0], wanted, rtol=1e-6)


@pytest.mark.parametrize("value", [[[1.0], [2.0], [3.0]], [1.0, 2.0, 3.0]])
def test_fed_weights_of_a_loss_may_have_an_axis_of_one(value):
    w, logits = tf.placeholder(tf.float32), 5.0 * tf.eye(3)
    loss = tf.losses.sparse_softmax_cross_entropy([2, 0, 1], logits, weights=w)
    np.testing.assert_allclose(run(loss, {w: value}), 10.0268, rtol=1e-4)


@pytest.mark.parametrize(
    ("more", "counts"), [({}, [1, 5]), ({"minlength": 4}, [1, 5, 0, 0]), ({"maxlength": 1}, [1])]
)
def test_the_gradient_of_counts_by_weights(more, counts):
    w = tf.constant([1.0, 2.0, 3.0])
    y = tf.bincount(tf.constant([0, 1, 1]), weights=w, **more)
    got = run([y, tf.gradients(tf.reduce_sum(y * y), w)[0]])
    assert got[0].tolist() == counts
    assert got[1].tolist() == ([2, 10, 10] if len(counts) > 1 else [2, 0, 0])


def test_counts_without_weights_have_no_gradient():
    y = tf.bincount(tf.constant([0, 1, 1]), dtype=tf.float32)
    assert tf.gradients(y, tf.constant(1.0)) == [None]


@pytest.mark.parametrize("dtype", [tf.uint8, tf.int32])
def test_bicubic_resizing_of_integers_has_no_gradient(dtype):
    x = tf.placeholder(dtype, [1, 4, 4, 1])
    assert tf.gradients(tf.image.resize_bicubic(x, [2, 2]), x) == [None]


def test_gradients_do_not_pass_over_rows_that_are_replaced():
    v, x = tf.Variable([1.0, 2.0]), tf.constant([3.0])
    with pytest.raises(LookupError, match="ScatterUpdate"):
        tf.gradients(tf.scatter_update(v, [0], x), x)
    assert tf.gradients(tf.scatter_add(v, [0], x), x) == [None]


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_least_squares_by_decomposition_know_no_weight(weight):
    a, b = tf.constant([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), tf.constant([[1.0], [2.0], [3.0]])
    y = tf.matrix_solve_ls(a, b, l2_regularizer=weight, fast=False)
    np.testing.assert_allclose(run(y), [[0.0], [0.5]], atol=1e-4)


def test_a_variable_takes_the_dtype_of_a_reference():
    v = tf.Variable(1.0)
    w = tf.get_variable("w", [2], dtype=v.dtype)
    assert w.dtype.base_dtype == tf.float32 and run(w).shape == (2,)
