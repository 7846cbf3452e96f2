"""Windows over nothing, and windows that fit nowhere."""

import numpy as np
import pytest

import millrace as tf

WAYS = {
    "conv": lambda x, k, s: tf.nn.conv2d(x, tf.ones([k, k, 3, 2]), [1, s, s, 1], "VALID"),
    "depthwise": lambda x, k, s: tf.nn.depthwise_conv2d(x, tf.ones([k, k, 3, 2]), [1, s, s, 1], "VALID"),
    "max": lambda x, k, s: tf.nn.max_pool(x, k, s, "VALID"),
    "mean": lambda x, k, s: tf.nn.avg_pool(x, k, s, "VALID"),
}


@pytest.mark.parametrize("tier", ["interpret", "compile"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("k", "s", "height"), [(1, 1, 0), (2, 1, 1), (2, 2, 0), (3, 2, 2), (3, 2, 0)])
def test_a_window_that_fits_zero_times(tier, way, k, s, height, monkeypatch):
    monkeypatch.setenv("MILLRACE_TIER", tier)
    x = tf.placeholder(tf.float32, [None] * 4)
    y = WAYS[way](x, k, s)
    value = np.zeros([1, height, 3, 3])
    with tf.Session() as sess:
        got, slope = sess.run([y, tf.gradients(y, x)[0]], {x: value})
    assert got.shape[:3] == (1, 0, (3 - k) // s + 1)
    assert slope.shape == value.shape and not slope.any()


@pytest.mark.parametrize("tier", ["interpret", "compile"])
@pytest.mark.parametrize("way", WAYS)
def test_an_empty_batch(tier, way, monkeypatch):
    monkeypatch.setenv("MILLRACE_TIER", tier)
    x = tf.placeholder(tf.float32, [None, 5, 5, 3])
    y = WAYS[way](x, 2, 1)
    with tf.Session() as sess:
        got, slope = sess.run([y, tf.gradients(y, x)[0]], {x: np.zeros([0, 5, 5, 3])})
    assert got.shape[:3] == (0, 4, 4) and slope.shape == (0, 5, 5, 3)


def test_a_window_far_too_long_is_refused():
    x = tf.placeholder(tf.float32, [None] * 4)
    for way in WAYS.values():
        with tf.Session() as sess, pytest.raises(tf.errors.InvalidArgumentError, match="must fit"):
            sess.run(way(x, 3, 1), {x: np.zeros([1, 1, 3, 3])})


def test_a_dilation_whose_window_fits_nowhere_has_a_static_shape():
    y = tf.nn.dilation2d(tf.ones([1, 1, 3, 3]), tf.ones([2, 2, 3]), [1] * 4, [1] * 4, "VALID")
    assert y.shape.as_list() == [1, 0, 2, 3]
