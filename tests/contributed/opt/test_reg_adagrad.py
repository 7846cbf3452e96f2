"""Adagrad that can step without learning from the gradient."""

import numpy as np

import millrace as tf


def test_accumulators_are_left_where_told():
    with tf.Graph().as_default(), tf.Session() as sess:
        v = tf.Variable([1.0, 2.0])
        optimizer = tf.contrib.opt.RegAdagradOptimizer(0.5)
        step = optimizer.minimize(tf.reduce_sum(v * v))
        sess.run(tf.global_variables_initializer())
        sess.run(step)
        np.testing.assert_allclose(sess.run(v), [0.5061352, 1.5015552], rtol=1e-6)
        sess.run(step)
        np.testing.assert_allclose(sess.run(v), [0.28255537, 1.2019544], rtol=1e-6)
        with optimizer.avoid_updating_slots():
            apart = optimizer.minimize(tf.reduce_sum(v * v))
        sess.run(apart)
        np.testing.assert_allclose(sess.run(v), [0.15773953, 0.96213204], rtol=1e-6)
        np.testing.assert_allclose(
            sess.run(optimizer.get_slot(v, "accumulator")), [5.1246915, 25.118671], rtol=1e-6
        )
        assert [x.name for x in tf.global_variables()] == ["Variable:0", "Variable/RegAdagrad:0"]
        assert (step.name, apart.name) == ("RegAdagrad", "RegAdagrad_1")
