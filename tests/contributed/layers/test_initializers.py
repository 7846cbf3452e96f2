"""Tests of tf.contrib.layers' initializers against their formulas."""

import math

import numpy as np
import pytest

import millrace as tf


def _value(initializer, shape):
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(initializer(shape, tf.float32))


@pytest.mark.parametrize(
    "mode,count", [("FAN_IN", 2 * 3 * 40), ("FAN_OUT", 2 * 3 * 50), ("FAN_AVG", 2 * 3 * 45)]
)
@pytest.mark.parametrize("uniform", [True, False])
def test_variance_scaling_has_the_variance(mode, count, uniform):
    made = tf.contrib.layers.variance_scaling_initializer(3.0, mode, uniform, seed=5)
    value = _value(made, [2, 3, 40, 50])
    limit = math.sqrt(9.0 / count) if uniform else 2 * math.sqrt(1.3 * 3.0 / count)
    assert np.abs(value).max() <= limit
    np.testing.assert_allclose(value.var(), 3.0 / count, rtol=0.05)
    assert abs(value.mean()) < 0.01


def test_xavier_is_variance_scaling_of_the_mean():
    one = tf.contrib.layers.xavier_initializer(seed=3)
    other = tf.contrib.layers.variance_scaling_initializer(1.0, "FAN_AVG", True, seed=3)
    np.testing.assert_array_equal(_value(one, [7, 5]), _value(other, [7, 5]))
    assert tf.contrib.layers.xavier_initializer_conv2d is tf.contrib.layers.xavier_initializer


def test_refusals():
    with pytest.raises(TypeError, match=r"floating.*Received"):
        tf.contrib.layers.xavier_initializer(dtype=tf.int32)
    with pytest.raises(TypeError, match="Received: 'fan'"):
        tf.contrib.layers.variance_scaling_initializer(mode="fan")
    with pytest.raises(TypeError, match="floating"):
        tf.contrib.layers.xavier_initializer()([2], dtype=tf.int32)
