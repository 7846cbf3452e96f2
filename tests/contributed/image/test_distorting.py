"""Colours distorted in YIQ: numbers recorded from TensorFlow 1.15.5, and refusals."""

import numpy as np
import pytest

import millrace as tf

ops = tf.contrib.image.python.ops.distort_image_ops


def test_random_distortion_is_that_of_tensorflow():
    tf.set_random_seed(3)
    image = tf.constant(np.linspace(0, 255, 48).reshape(4, 4, 3).astype(np.uint8))
    distorted = ops.random_hsv_in_yiq(image, 0.3, 0.5, 1.5, 0.5, 1.5, seed=3)
    with tf.Session() as session:
        got = session.run(distorted)
    assert got[0].tolist() == [[1, 3, 6], [12, 14, 18], [24, 26, 30], [36, 38, 42]]


def test_what_has_no_range_is_not_drawn():
    image = tf.constant(np.linspace(0, 1, 12).reshape(2, 2, 3).astype(np.float32))
    same = ops.random_hsv_in_yiq(image)
    with tf.Session() as session:
        np.testing.assert_allclose(*session.run([same, image]), atol=1e-6)
    assert not any(op.type == "RandomUniform" for op in tf.get_default_graph().get_operations())


@pytest.mark.parametrize("bounds", [(-0.3,), (0.3, 2.0, 1.0), (0.3, -0.2, 1.0), (0.3, 1.0, 1.0, 2.0, 1.0)])
def test_bounds_are_checked(bounds):
    with pytest.raises(ValueError, match="must be"):
        ops.random_hsv_in_yiq(tf.ones([2, 2, 3]), *bounds)
    with pytest.raises(ValueError, match="rank"):
        ops.adjust_hsv_in_yiq(tf.ones([3]), 0.1)
