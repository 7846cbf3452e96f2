"""Distributions against results recorded from TensorFlow 1.15, and against SciPy."""

import numpy as np
import pytest
from scipy import stats

import millrace as tf
from lib.golden_programs import check, programs

ds = tf.distributions


@pytest.mark.parametrize("program", programs("distribution"))
def test_agrees_with_tensorflow(program):
    check(program)


_PAIRS = (
    ("Normal", (0.5, 2.0), stats.norm(0.5, 2.0), [-60.0, -3.0, 0.1, 2.0, 9.0]),
    ("Laplace", (0.5, 2.0), stats.laplace(0.5, 2.0), [-60.0, -3.0, 0.1, 2.0, 9.0]),
    ("StudentT", (3.0, 0.5, 2.0), stats.t(3.0, 0.5, 2.0), [-3.0, 0.1, 2.0, 9.0]),
    ("Uniform", (0.5, 2.0), stats.uniform(0.5, 1.5), [0.6, 1.0, 1.9]),
    ("Gamma", (3.0, 2.0), stats.gamma(3.0, scale=0.5), [0.1, 1.0, 4.0]),
    ("Exponential", (2.0,), stats.expon(scale=0.5), [0.1, 1.0, 4.0]),
    ("Beta", (3.0, 2.0), stats.beta(3.0, 2.0), [0.1, 0.5, 0.9]),
)


@pytest.mark.parametrize(("name", "parameters", "reference", "values"), _PAIRS, ids=[p[0] for p in _PAIRS])
def test_agrees_with_scipy(name, parameters, reference, values):
    made = getattr(ds, name)(*map(np.float64, parameters))
    x = tf.constant(values, tf.float64)
    with tf.Session() as session:
        got = session.run([made.log_prob(x), made.log_cdf(x), made.entropy(), made.mean(), made.variance()])
    want = [
        reference.logpdf(values),
        reference.logcdf(values),
        reference.entropy(),
        reference.mean(),
        reference.var(),
    ]
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-12)


def test_samples_have_the_moments():
    made = [
        ds.Normal(1.0, 2.0),
        ds.Laplace(1.0, 2.0),
        ds.StudentT(9.0, 1.0, 2.0),
        ds.Uniform(1.0, 4.0),
        ds.Gamma(3.0, 2.0),
        ds.Exponential(2.0),
        ds.Beta(2.0, 3.0),
        ds.Bernoulli(probs=0.3),
        ds.Dirichlet([1.0, 2.0, 3.0]),
        ds.Multinomial(5.0, probs=[0.2, 0.3, 0.5]),
        ds.DirichletMultinomial(5.0, [1.0, 2.0, 3.0]),
    ]
    with tf.Session() as session:
        for d in made:
            sample, mean, spread = session.run([d.sample(20000, seed=1), d.mean(), d.stddev()])
            np.testing.assert_allclose(sample.mean(0), mean, atol=5 * np.max(spread) / 141)
            np.testing.assert_allclose(sample.std(0), spread, rtol=0.06)


def test_gradients_pass_through_reparameterized_samples():
    loc, scale, rate = (tf.placeholder(tf.float32, []) for _ in range(3))
    feed = {loc: 1.0, scale: 2.0, rate: 4.0}
    normal, gamma = ds.Normal(loc, scale), ds.Gamma(2.0, rate)
    assert normal.reparameterization_type == ds.FULLY_REPARAMETERIZED
    z, g = normal.sample(5, seed=1), gamma.sample(5, seed=1)
    slopes = tf.gradients(z, [loc, scale]) + tf.gradients(g, rate)
    with tf.Session() as session:
        (by_loc, by_scale, by_rate), z, g = session.run([slopes, z, g], feed)
    assert by_loc == 5
    np.testing.assert_allclose(by_scale, ((z - 1) / 2).sum(), rtol=1e-5)
    np.testing.assert_allclose(by_rate, -(g / 4).sum(), rtol=1e-5)


def test_divergences_are_registered_for_the_closest_classes():
    class Mine(ds.Normal):
        pass

    class Other(ds.Normal):
        pass

    @ds.RegisterKL(Mine, ds.Normal)
    def _divergence(a, b, name=None):
        return tf.constant(7.0)

    with tf.Session() as session:
        assert session.run(ds.kl_divergence(Mine(0.0, 1.0), Other(0.0, 1.0))) == 7
        assert session.run(ds.kl_divergence(Other(0.0, 1.0), Mine(0.0, 1.0))) == 0
    with pytest.raises(ValueError, match="registered already"):
        ds.RegisterKL(Mine, ds.Normal)(_divergence)
    with pytest.raises(NotImplementedError, match="Uniform"):
        ds.kl_divergence(ds.Uniform(), ds.Normal(0.0, 1.0))


def test_broadcasting_where_tensorflow_refuses():
    values = np.float32([[0.1], [0.5]])
    with tf.Session() as session:
        got = session.run(ds.Beta([0.5, 2.0], [1.0, 1.0]).cdf(values))
    np.testing.assert_allclose(got, stats.beta.cdf(values, [0.5, 2.0], [1.0, 1.0]), rtol=1e-5)
