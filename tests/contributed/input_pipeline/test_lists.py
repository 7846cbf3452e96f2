"""Elements of a list, one after the other; clipping functions."""

import numpy as np

import millrace as tf


def test_elements_come_round():
    with tf.Graph().as_default(), tf.Session() as session:
        counter = tf.Variable(-1, dtype=tf.int64)
        following = tf.contrib.input_pipeline.obtain_next(tf.constant(["a", "b", "c"]), counter)
        session.run(tf.global_variables_initializer())
        assert [session.run(following) for _ in range(5)] == [b"a", b"b", b"c", b"a", b"b"]
        assert session.run(counter) == 1


def test_clipping():
    with tf.Graph().as_default(), tf.Session() as session:
        v = tf.Variable([0.0, 0.0])
        clip = tf.contrib.training.clip_gradient_norms_fn(1.0)
        clipped = clip([(tf.constant([3.0, 4.0]), v)])
        np.testing.assert_allclose(session.run(clipped[0][0]), [0.6, 0.8], rtol=1e-6)
