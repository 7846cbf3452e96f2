"""Means, variances and normalisation against NumPy."""

import numpy as np
import pytest

import millrace as tf
from ops.opcases import floats

_X = floats(3, 4, 5)


def _run(fetches):
    with tf.Session() as session:
        return session.run(fetches)


@pytest.mark.parametrize("axes", [[0], [0, 2], [-1], 1, [0, 1, 2]])
@pytest.mark.parametrize("keep", [True, False])
def test_moments(axes, keep):
    mean, variance = _run(tf.nn.moments(_X, axes, keep_dims=keep))
    over = tuple(np.atleast_1d(axes))
    np.testing.assert_allclose(mean, _X.mean(over, keepdims=keep), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(variance, _X.var(over, keepdims=keep), rtol=1e-5)


def test_half_precision_is_averaged_in_single():
    mean, variance = _run(tf.nn.moments(np.full((3000, 2), 1.5, np.float16), [0]))
    assert mean.tolist() == [1.5, 1.5]
    assert variance.tolist() == [0, 0]
    assert mean.dtype == np.float16


def test_weighted_moments_count_a_weight_for_every_element_it_broadcasts_over():
    weights = floats(3, 1, 5, low=0)
    mean, variance = _run(tf.nn.weighted_moments(_X, [0, 1], weights))
    wide = np.broadcast_to(weights, _X.shape)
    want = np.average(_X, (0, 1), wide)
    np.testing.assert_allclose(mean, want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(variance, np.average((_X - want) ** 2, (0, 1), wide), rtol=1e-5)


@pytest.mark.parametrize("shift", [None, 0.5])
@pytest.mark.parametrize("known", [True, False])
def test_statistics_and_what_follows_from_them(shift, known):
    x = tf.placeholder(tf.float32, _X.shape if known else None)
    count, mean_ss, variance_ss, back = tf.nn.sufficient_statistics(x, [0, 1], shift)
    mean, variance = tf.nn.normalize_moments(count, mean_ss, variance_ss, back)
    with tf.Session() as session:
        got = session.run([count, mean, variance], {x: _X})
    assert got[0] == 12
    np.testing.assert_allclose(got[1], _X.mean((0, 1)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(got[2], _X.var((0, 1)), rtol=1e-4)


@pytest.mark.parametrize("offset", [None, 0.3])
@pytest.mark.parametrize("scale", [None, 2.0])
def test_batch_normalization(offset, scale):
    got = _run(tf.nn.batch_normalization(_X, tf.constant(0.2), tf.constant(1.5), offset, scale, 0.01))
    want = (_X - 0.2) / np.sqrt(1.51) * (scale or 1) + (offset or 0)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_the_argument_order_of_the_first_releases():
    x = floats(1, 2, 2, 3)
    m, v, beta, gamma = (floats(3, seed=i, low=0.5) for i in range(4))
    new = tf.nn.batch_normalization(x, m, v, beta, None, 0.01)
    old = tf.nn.batch_norm_with_global_normalization(
        x, tf.constant(m), tf.constant(v), tf.constant(beta), gamma, 0.01, False
    )
    np.testing.assert_array_equal(*_run([new, old]))


@pytest.mark.parametrize("axis", [None, 0, [1, 2]])
def test_l2_normalize(axis):
    over = None if axis is None else tuple(np.atleast_1d(axis))
    want = _X / np.sqrt((_X**2).sum(over, keepdims=True))
    np.testing.assert_allclose(_run(tf.nn.l2_normalize(_X, axis)), want, rtol=1e-5)


def test_l2_normalize_of_zeros_is_zeros():
    assert not _run(tf.nn.l2_normalize(tf.zeros([3]), 0)).any()
