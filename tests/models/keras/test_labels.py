"""Classes as vectors, and vectors of length 1."""

import numpy as np

import millrace as tf


def test_classes_become_vectors():
    found = tf.keras.utils.to_categorical([[1], [0], [2]])
    np.testing.assert_array_equal(found, [[0, 1, 0], [1, 0, 0], [0, 0, 1]])
    assert found.dtype == np.float32
    assert tf.keras.utils.to_categorical([[1, 0]], 3).shape == (1, 2, 3)


def test_vectors_get_length_one_unless_they_are_zero():
    found = tf.keras.utils.normalize(np.array([[3.0, 4.0], [0.0, 0.0]]))
    np.testing.assert_allclose(found, [[0.6, 0.8], [0.0, 0.0]])
