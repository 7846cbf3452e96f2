"""Tests of tf.contrib.kernel_methods and tf.contrib.memory_stats."""

import numpy as np
import pytest

import millrace as tf

K = tf.contrib.kernel_methods


def test_features_approach_the_gaussian_kernel():
    x = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    mapper = K.RandomFourierFeatureMapper(3, 20000, stddev=2.0, seed=5)
    assert (mapper.input_dim, mapper.output_dim) == (3, 20000)
    with tf.Session() as session:
        a, b = session.run(mapper.map(tf.constant(x)))
        again = session.run(mapper.map(tf.constant(x)))
    np.testing.assert_array_equal(a, again[0])
    np.testing.assert_allclose(a @ b, np.exp(-((x[0] - x[1]) ** 2).sum() / 8), atol=0.03)
    with pytest.raises(Exception, match="expected 3"):
        mapper.map(tf.ones([2, 4]))


def test_hinge():
    logits = np.array([[1.0, 0.5, -1.0], [0.0, 2.0, 1.5]], np.float32)
    loss = K.sparse_multiclass_hinge_loss(tf.constant([0, 2]), tf.constant(logits), reduction="none")
    with tf.Session() as session:
        np.testing.assert_allclose(session.run(loss), [0.5, 1.5])
        with pytest.raises(tf.errors.InvalidArgumentError):
            session.run(K.sparse_multiclass_hinge_loss(tf.constant([0, 3]), tf.constant(logits)))
    with pytest.raises(ValueError, match="at least 2"):
        K.sparse_multiclass_hinge_loss(tf.constant([0]), tf.constant([[1.0]]))


def test_memory():
    M = tf.contrib.memory_stats
    with tf.Session() as session:
        now, most, limit = session.run([M.BytesInUse(), M.MaxBytesInUse(), M.BytesLimit()])
    assert 0 < now <= most < limit
