"""Tests of the functions of tf.contrib.distributions, with numbers recorded from TensorFlow 1.15."""

import numpy as np
import pytest

import millrace as tf

D = tf.contrib.distributions
_X = np.array([[1, 2, 3, 4, 5, 6], [0, 1, 5, 2, 7, 3]], np.float32)


def _run(x):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(x)


@pytest.mark.parametrize("upper", [False, True])
def test_triangles(upper):
    filled = D.fill_triangular(_X, upper=upper)
    first = [[1, 2, 3], [0, 5, 6], [0, 0, 4]] if upper else [[4, 0, 0], [6, 5, 0], [3, 2, 1]]
    np.testing.assert_array_equal(_run(filled)[0], first)
    np.testing.assert_array_equal(_run(D.fill_triangular_inverse(filled, upper=upper)), _X)
    with pytest.raises(ValueError, match="triangular"):
        D.fill_triangular(tf.ones([5]))


def test_diagonals():
    got = _run(D.tridiag([1.0, 2.0], [3.0, 4.0, 5.0], [6.0, 7.0]))
    np.testing.assert_array_equal(got, [[3, 6, 0], [1, 4, 7], [0, 2, 5]])
    got = _run(D.matrix_diag_transform(tf.constant([[1.0, 2.0], [3.0, -4.0]]), tf.nn.softplus))
    np.testing.assert_allclose(got, [[1.3133, 2], [3, 0.0181]], atol=1e-4)
    with pytest.raises(ValueError, match="at least one"):
        D.tridiag()


def test_percentiles():
    x = tf.constant(_X)
    assert _run(D.percentile(x, 30.0)) == 2
    np.testing.assert_array_equal(_run(D.percentile(x, 30.0, axis=1, interpolation="lower")), [2, 1])
    high = D.percentile(x, 50.0, axis=[1], interpolation="higher", keep_dims=True)
    np.testing.assert_array_equal(_run(high), [[4], [3]])
    np.testing.assert_array_equal(_run(D.percentile(x, 71.0, axis=0)), [1, 2, 5, 4, 7, 6])
    with pytest.raises(ValueError, match="interpolation"):
        D.percentile(x, 1.0, interpolation="middle")


def test_weighted_sums_of_exponentials():
    w = [-1.0, -1.0, 2.0, 1.0, 0.5, 1.0]
    got, sign = _run(
        D.reduce_weighted_logsumexp(tf.constant(_X), w, axis=0, keep_dims=True, return_sign=True)
    )
    exact = (np.exp(_X) * w).sum(0)
    np.testing.assert_allclose(got[0], np.log(np.abs(exact)), rtol=1e-5)
    np.testing.assert_array_equal(sign[0], np.sign(exact))
    np.testing.assert_allclose(_run(D.reduce_weighted_logsumexp(tf.constant(_X))), 7.5564, rtol=1e-4)


def test_auto_correlation():
    got = _run(D.auto_correlation(tf.constant(_X), max_lags=3))
    np.testing.assert_allclose(got[0], [1, 0.6, 0.0857, -0.5429], atol=1e-4)
    got = _run(D.auto_correlation(tf.constant(_X), normalize=False, center=False))
    np.testing.assert_allclose(got[1], [14.6667, 10, 10.75, 7.3333, 1.5, 0], atol=1e-4)
    assert _run(D.auto_correlation(tf.constant(_X), axis=0)).shape == (2, 6)
    with pytest.raises(ValueError, match="max_lags"):
        D.auto_correlation(tf.constant(_X), max_lags=6)


def test_conjugates_and_seeds():
    prior = D.Normal(1.0, 2.0)
    after = D.normal_conjugates_known_scale_posterior(prior, 0.5, tf.constant(3.0), 4)
    following = D.normal_conjugates_known_scale_predictive(prior, 0.5, tf.constant(3.0), 4)
    got = _run([after.loc, after.scale, following.loc, following.scale])
    np.testing.assert_allclose(got, [0.7538, 0.2481, 0.7538, 0.5582], atol=1e-4)
    with pytest.raises(TypeError, match="Normal"):
        D.normal_conjugates_known_scale_posterior(3, 0.5, tf.constant(3.0), 4)
    stream = D.SeedStream(3, "salt")
    assert str(stream()).startswith("82659524798456372070169244630999449878014069618717548484")
    assert stream() != stream() and D.SeedStream(None, "a")() is None
    assert (stream.original_seed, stream.salt) == (3, "salt")


def test_moving_values():
    mean, variance, log_mean = (tf.Variable(v) for v in (0.0, 1.0, 0.0))
    moved = D.assign_moving_mean_variance(mean, variance, 2.0, 0.9)
    logs = D.assign_log_moving_mean_exp(log_mean, 1.0, 0.9)
    kept = D.moving_mean_variance(tf.constant([1.0, 2.0]), 0.9)
    assert [v.op.name for v in tf.global_variables()[3:]] == [
        "moving_mean_variance/moving_variance", "moving_mean_variance/moving_mean",
    ]  # fmt: skip
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        np.testing.assert_allclose(session.run(moved), [0.2, 1.26], rtol=1e-5)
        np.testing.assert_allclose(session.run(moved), [0.38, 1.4256], rtol=1e-5)
        np.testing.assert_allclose(session.run(logs), 0.1586, atol=1e-4)
        np.testing.assert_allclose(session.run(kept), [[0.1, 0.2], [0.09, 0.36]], rtol=1e-5)


def test_softplus_inverse():
    np.testing.assert_allclose(_run(D.softplus_inverse([0.1, 1.0, 20.0])), [-2.2522, 0.5413, 20], atol=1e-4)
