"""Densities where a power of zero meets a logarithm of zero."""

import numpy as np
import pytest

import millrace as tf

D = tf.distributions


@pytest.mark.parametrize("tier", ["interpret", "compile"])
def test_densities_at_the_boundary(tier, monkeypatch):
    monkeypatch.setenv("MILLRACE_TIER", tier)
    fetches = [
        D.Exponential(3.0).prob(0.0),
        D.Gamma(1.0, 2.0).log_prob(0.0),
        D.Beta(1.0, 2.0).log_prob(0.0),
        D.Beta(1.0, 1.0).prob(0.0),
        D.Dirichlet([1.0, 2.0]).prob([0.0, 1.0]),
        D.Dirichlet([1.0, 1.0]).prob([0.0, 1.0]),
        D.Gamma(1.0, 0.5).prob(0.0),
        D.Gamma(2.0, 2.0).prob(0.0),
        D.Gamma(0.5, 2.0).prob(0.0),
    ]
    with tf.Session() as sess:
        got = sess.run(fetches)
    np.testing.assert_allclose(got, [3, np.log(2), np.log(2), 1, 2, 1, 0.5, 0, np.inf], rtol=1e-5)


def test_gradients_at_the_boundary():
    rate, one = tf.constant(2.0), tf.constant(1.0)
    fetches = tf.gradients(D.Beta(one, rate).prob(0.0), rate) + tf.gradients(
        D.Exponential(rate).prob(0.0), rate
    )
    with tf.Session() as sess:
        np.testing.assert_allclose(sess.run(fetches), [1, 1], rtol=1e-4)
