"""Tests of tf.contrib.distributions: densities that integrate to 1, samples, bijectors both ways."""

import numpy as np
import pytest

import millrace as tf

D = tf.contrib.distributions
B = D.bijectors


def _value(make):
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(make())


@pytest.mark.parametrize(
    "make",
    [
        lambda: D.Logistic(0.3, 0.7),
        lambda: D.HalfNormal(1.5),
        lambda: D.InverseGamma(5.0, 2.0),
        lambda: D.Chi2(4.0),
        lambda: D.TransformedDistribution(D.Normal(0.0, 0.5), B.Softplus()),
        lambda: D.MixtureSameFamily(D.Categorical(probs=[0.3, 0.7]), D.Normal([0.0, 2.0], [1.0, 0.5])),
        lambda: D.RelaxedBernoulli(0.8, probs=0.4),
    ],
)
def test_densities_and_samples_agree(make):
    x = np.linspace(-30, 60, 360_001, dtype=np.float64).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        one = make()
        density, drawn = session.run([one.prob(x), one.sample(20_000, seed=3)])
    density = np.where(np.isfinite(density), density, 0)
    step = 90 / 360_000
    np.testing.assert_allclose(density.sum() * step, 1, atol=2e-3)
    np.testing.assert_allclose((density * x).sum() * step, drawn.mean(), atol=0.06)


@pytest.mark.parametrize("make", [
    lambda: D.Poisson(3.0), lambda: D.Geometric(probs=0.3), lambda: D.Binomial(6.0, probs=0.3),
    lambda: D.NegativeBinomial(4.0, probs=0.4), lambda: D.QuantizedDistribution(D.Normal(1.0, 2.0)),
])  # fmt: skip
def test_chances_sum_to_one(make):
    counts = np.arange(-20, 60, dtype=np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        one = make()
        valid = counts if isinstance(one, D.QuantizedDistribution) else counts[counts >= 0]
        valid = valid[valid <= 6] if isinstance(one, D.Binomial) else valid
        chances, below = session.run([one.prob(valid), one.cdf(valid)])
    np.testing.assert_allclose(chances.sum(), 1, atol=1e-4)
    np.testing.assert_allclose(np.cumsum(chances), below, atol=1e-4)


def test_normal_vectors():
    scale = np.array([[1.0, 0.0], [0.5, 2.0]], np.float32)
    covariance = scale @ scale.T
    x = np.array([0.3, -0.8], np.float32)
    z = x - [0, 1]
    expected = -0.5 * (z @ np.linalg.inv(covariance) @ z) - np.log(2 * np.pi * 2.0)
    made = [
        lambda: D.MultivariateNormalTriL([0.0, 1.0], scale),
        lambda: D.MultivariateNormalFullCovariance([0.0, 1.0], covariance),
    ]
    for make in made:
        np.testing.assert_allclose(_value(lambda make=make: make().log_prob(x)), expected, rtol=1e-5)
        np.testing.assert_allclose(_value(lambda make=make: make().covariance()), covariance, rtol=1e-5)
    drawn = _value(lambda: made[0]().sample(20_000, seed=1))
    np.testing.assert_allclose(np.cov(drawn.T), covariance, atol=0.2)
    kl = _value(lambda: D.kl_divergence(made[0](), D.MultivariateNormalDiag([0.0, 0.0], [1.0, 1.0])))
    by_hand = 0.5 * (np.trace(covariance) + 1 - 2 - np.log(np.linalg.det(covariance)))
    np.testing.assert_allclose(kl, by_hand, rtol=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: B.Softplus(),
        lambda: B.Sigmoid(),
        lambda: B.Softsign(),
        lambda: B.PowerTransform(0.5),
        lambda: B.Gumbel(0.2, 1.5),
        lambda: B.AffineScalar(1.0, -2.0),
        lambda: B.Square(),
        lambda: B.Chain([B.Exp(), B.AffineScalar(shift=0.5)]),
        lambda: B.Invert(B.Exp()),
    ],
)
def test_bijectors_of_numbers(make):
    x = np.array([0.3, 0.6], np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        one, given = make(), tf.constant(x)
        y = one.forward(given)
        there = one.forward_log_det_jacobian(given, event_ndims=0)
        back = one.inverse_log_det_jacobian(y, event_ndims=0)
        slope = tf.log(tf.abs(tf.gradients(y, given)[0]))
        got = session.run([one.inverse(y), there, slope, -back])
    np.testing.assert_allclose(got[0], x, rtol=1e-4)
    np.testing.assert_allclose(got[1] + np.zeros(2), got[2], atol=1e-4)
    np.testing.assert_allclose(got[3] + np.zeros(2), got[2], atol=1e-4)


def test_bijectors_of_vectors():
    x = np.array([0.3, 0.6, -0.2], np.float32)
    for make in (
        B.SoftmaxCentered,
        lambda: B.Permute([2, 0, 1]),
        lambda: B.Affine([1.0, 2, 3], scale_diag=[1.0, 2, 3]),
    ):
        np.testing.assert_allclose(
            _value(lambda make=make: make().inverse(make().forward(x))), x, rtol=1e-4, atol=1e-6
        )
    assert B.SoftmaxCentered().forward_event_shape([3]) == [4]
    assert B.Chain([B.Exp(), B.Softplus()]).name == "chain_of_exp_of_softplus"
    with tf.Graph().as_default():
        with pytest.raises(ValueError, match="must be at least 1"):
            B.SoftmaxCentered().forward_log_det_jacobian(x, event_ndims=0)
        with pytest.raises(TypeError, match="Received: float32"):
            B.Permute([0.5])
        with pytest.raises(ValueError, match="not both"):
            D.Poisson(1.0, 1.0)
        with pytest.raises(ValueError, match="does not equal"):
            D.MixtureSameFamily(D.Categorical(probs=[0.3, 0.7]), D.Normal([0.0] * 3, 1.0))
        with pytest.raises(ValueError, match="cannot exceed"):
            D.Independent(D.Normal([0.0], 1.0), 2)
