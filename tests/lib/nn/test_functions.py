"""Dropout and other small pieces against NumPy."""

import numpy as np
import pytest

import millrace as tf
from ops.opcases import floats


def _run(fetches, feed=None):
    with tf.Session() as session:
        return session.run(fetches, feed)


_ONES = np.ones((200, 50), np.float32)


@pytest.mark.parametrize("given", [dict(keep_prob=0.7), dict(rate=0.3), dict(keep_prob=tf.constant(0.7))])
def test_dropout_keeps_a_share_and_scales_it(given):
    with tf.Graph().as_default():
        given = {k: tf.constant(0.7) if isinstance(v, tf.Tensor) else v for k, v in given.items()}
        value = _run(tf.nn.dropout(_ONES, seed=1, **given))
    assert set(np.unique(value)) == {0, np.float32(1) / np.float32(0.7)}
    assert abs((value > 0).mean() - 0.7) < 0.02


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_dropout_of_other_floats(dtype):
    value = _run(tf.nn.dropout(_ONES.astype(dtype), 0.7, seed=1))
    assert value.dtype == dtype
    assert abs((value > 0).mean() - 0.7) < 0.02


@pytest.mark.parametrize("shape", [[200, 1], [None, 1]])
def test_dropout_of_whole_rows(shape):
    value = _run(tf.nn.dropout(_ONES, 0.5, noise_shape=shape, seed=1)) > 0
    assert (value == value[:, :1]).all()
    assert 60 < value[:, 0].sum() < 140


def test_dropout_draws_anew_in_every_run_but_alike_with_its_gradient():
    x = tf.constant(_ONES)
    y = tf.nn.dropout(x, 0.5, seed=1)
    slope = tf.gradients(y, x)[0]
    with tf.Session() as session:
        first, second = session.run([y, slope]), session.run([y, slope])
    np.testing.assert_array_equal(*first)
    assert (first[0] != second[0]).any()


def test_keeping_everything_changes_nothing():
    x = tf.constant(_ONES)
    assert tf.nn.dropout(x, 1.0) is x


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (dict(), "neither"),
        (dict(keep_prob=0.5, rate=0.5), "both"),
        (dict(keep_prob=0.0), r"in \(0, 1\]"),
        (dict(keep_prob=1.5), r"in \(0, 1\]"),
        (dict(rate=1.0), r"in \(0, 1\]"),
    ],
)
def test_dropout_refuses_other_probabilities(given, match):
    with pytest.raises(ValueError, match=match):
        tf.nn.dropout(_ONES, **given)


def test_dropout_refuses_integers():
    with pytest.raises(ValueError, match="must be floating"):
        tf.nn.dropout([1, 2], 0.5)


@pytest.mark.parametrize("axis", [0, -1])
def test_crelu(axis):
    x = floats(3, 4)
    want = np.maximum(np.concatenate([x, -x], axis), 0)
    np.testing.assert_array_equal(_run(tf.nn.crelu(x, axis=axis)), want)


def test_swish():
    x = floats(3, 4)
    np.testing.assert_allclose(_run(tf.nn.swish(x)), x / (1 + np.exp(-x)), rtol=1e-6)


def test_layers_in_one_call():
    x, w, b = floats(2, 3), floats(3, 4), floats(4)
    plain, rectified = _run([tf.nn.xw_plus_b(x, w, b), tf.nn.relu_layer(x, w, b)])
    np.testing.assert_allclose(plain, x @ w + b, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(rectified, np.maximum(plain, 0))


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.float64])
def test_zero_fraction(dtype):
    assert _run(tf.nn.zero_fraction(np.array([0, 1, 0, 2], dtype))) == np.float32(0.5)


def test_zero_fraction_of_nothing_is_nan():
    assert np.isnan(_run(tf.nn.zero_fraction(tf.zeros([0]))))


def test_average_loss():
    x, weights = floats(4), floats(4, seed=1)
    got = _run([tf.nn.compute_average_loss(x), tf.nn.compute_average_loss(x, weights, 10)])
    np.testing.assert_allclose(got, [x.sum() / 4, (x * weights).sum() / 10], rtol=1e-5, atol=1e-6)
