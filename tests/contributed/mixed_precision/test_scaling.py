"""Tests of tf.contrib.mixed_precision."""

import numpy as np
import pytest

import millrace as tf

M = tf.contrib.mixed_precision


def test_the_scale_follows_the_gradients():
    v, x = tf.Variable([1.0, 2.0]), tf.placeholder(tf.float32, [])
    manager = M.ExponentialUpdateLossScaleManager(8.0, 2, decr_every_n_nan_or_inf=2, decr_ratio=0.5)
    train = M.LossScaleOptimizer(tf.train.GradientDescentOptimizer(0.5), manager).minimize(
        tf.reduce_sum(v * x)
    )
    seen = []
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for fed in (1.0, 1.0, 1.0, np.inf, np.nan, 1.0):
            session.run(train, {x: fed})
            seen.append((float(session.run(v)[0]), float(session.run(manager.get_loss_scale()))))
    assert seen == [(0.5, 8), (0.0, 16), (-0.5, 16), (-0.5, 16), (-0.5, 8), (-1.0, 8)]


def test_a_fixed_scale_and_sparse_gradients():
    table = tf.Variable(tf.ones([3, 2]))
    optimizer = M.LossScaleOptimizer(tf.train.GradientDescentOptimizer(1.0), M.FixedLossScaleManager(4.0))
    pairs = optimizer.compute_gradients(tf.reduce_sum(tf.gather(table, [1])) * 3.0)
    assert isinstance(pairs[0][0], tf.IndexedSlices)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        np.testing.assert_array_equal(session.run(pairs[0][0]).values, [[3, 3]])
        session.run(optimizer.apply_gradients(pairs))
        np.testing.assert_array_equal(session.run(table)[:, 0], [1, -2, 1])
    with pytest.raises(ValueError, match="at least 1"):
        M.FixedLossScaleManager(0.5)
