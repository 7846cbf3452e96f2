"""Expectations by sampling: against exact sums, and the gradient of samples that are not differentiable."""

import numpy as np
import pytest

import millrace as tf

D = tf.contrib.distributions
MC = tf.contrib.bayesflow.monte_carlo


def run(*tensors: tf.Tensor) -> list[np.ndarray]:
    with tf.Session() as session:
        return session.run(list(tensors))


def test_mean_of_given_samples() -> None:
    samples = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    kept = MC.expectation(lambda x: x * x, samples, axis=1, keep_dims=True)
    np.testing.assert_allclose(run(kept)[0], np.array([[2.5], [12.5]]))


def test_gradient_of_the_score_function() -> None:
    logits = tf.constant(0.3)
    coin = D.Bernoulli(logits=logits, dtype=tf.float32)
    mean = MC.expectation(
        lambda x: 2.0 * x, tf.constant([0.0, 1.0, 1.0]), log_prob=coin.log_prob, use_reparametrization=False
    )
    (gradient,) = tf.gradients(mean, logits)
    value, slope = run(mean, gradient)
    assert value == pytest.approx(4 / 3)
    p = 1 / (1 + np.exp(-0.3))
    assert slope == pytest.approx(2 * 2 * (1 - p) / 3, rel=1e-5)


def test_importance_sampling_of_given_samples() -> None:
    z = np.float32([[-1.0], [0.5], [2.0]])
    p, q = D.Normal(0.0, 1.0), D.Normal(0.0, 2.0)
    plain = MC.expectation_importance_sampler(lambda x: x - 0.2, p.log_prob, q, z=z)
    in_logs = MC.expectation_importance_sampler_logspace(lambda x: tf.log(x * x), p.log_prob, q, z=z)
    weights, got, logs = run(tf.exp(p.log_prob(z) - q.log_prob(z)), plain, in_logs)
    np.testing.assert_allclose(got, np.mean((z - 0.2) * weights, 0), rtol=1e-5)
    np.testing.assert_allclose(logs, np.log(np.mean(z * z * weights, 0)), rtol=1e-5)


def test_refusals() -> None:
    with pytest.raises(ValueError, match="callable"):
        MC.expectation(None, tf.ones([2]))
    with pytest.raises(ValueError, match="log_prob"):
        MC.expectation(tf.square, tf.ones([2]), use_reparametrization=False)
    normal = D.Normal(0.0, 1.0)
    with pytest.raises(ValueError, match="exactly one"):
        MC.expectation_importance_sampler(tf.square, normal.log_prob, normal, z=[1.0], n=2)
