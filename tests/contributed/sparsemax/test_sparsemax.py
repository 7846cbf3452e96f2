"""Tests of tf.contrib.sparsemax: the projection onto the simplex, and the gradient of its loss."""

import numpy as np

import millrace as tf


def test_projection_and_gradient():
    logits = np.array([[0.1, 1.1, 0.2], [3.0, 0.0, 0.0]], np.float32)
    labels = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        given = tf.constant(logits)
        shares = tf.contrib.sparsemax.sparsemax(given)
        loss = tf.contrib.sparsemax.sparsemax_loss(given, shares, labels)
        slope = tf.gradients(loss, given)[0]
        got, slope = session.run([shares, slope])
    np.testing.assert_allclose(got, [[0.0, 0.95, 0.05], [1, 0, 0]], atol=1e-6)
    np.testing.assert_allclose(slope, got - labels, atol=1e-6)
