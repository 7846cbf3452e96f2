"""GGT: its numbers, its variables, and what it refuses."""

import numpy as np
import pytest

import millrace as tf


@pytest.mark.parametrize("use_resource", [False, True])
def test_numbers_of_1_15(use_resource):
    start = np.array([[1.0, -2.0], [3.0, 0.5], [-0.25, 2.0]], np.float32)
    v = tf.get_variable("v", initializer=start, use_resource=use_resource)
    b = tf.get_variable("b", initializer=[0.5, -1.0], use_resource=use_resource)
    optimizer = tf.contrib.opt.GGTOptimizer(0.1, window=2, svd_eps=0.1)
    step = optimizer.minimize(tf.reduce_sum(tf.square(v * b - 1.0)))
    names = [x.name for x in tf.global_variables()]
    assert names == ["v:0", "b:0", "global_step:0", "grad_buffer:0", "moment1:0", "flat_grad:0"]
    assert (optimizer.get_slot_names(), optimizer.get_name()) == ([], "GGT")
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(5):
            sess.run(step)
        moved = [1.0235, -1.9731, 2.9841, 0.4125, -0.2019, 1.8438]
        np.testing.assert_allclose(sess.run(v).ravel(), moved, atol=6e-5)
        np.testing.assert_allclose(sess.run(b), [0.4243, -0.4509], atol=6e-5)


def test_a_sparse_gradient_is_refused():
    v = tf.get_variable("v", initializer=np.ones([3, 2], np.float32))
    with pytest.raises(NotImplementedError, match="Sparse gradient updates are not supported"):
        tf.contrib.opt.GGTOptimizer().minimize(tf.reduce_sum(tf.gather(v, [0, 2])))
