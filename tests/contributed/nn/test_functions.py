"""Tests of tf.contrib.nn."""

import numpy as np
import pytest

import millrace as tf

N = tf.contrib.nn
_X = np.array([-1.0, 0.4, -0.4, 1.0], np.float32)


def _run(x):
    with tf.Session() as session:
        return session.run(x)


def test_alpha_dropout():
    np.testing.assert_allclose(
        _run(N.alpha_dropout(_X, 0.7, seed=3)), [-0.4069, 0.7985, 0.1097, -1.0595], atol=5e-1
    )
    many = _run(N.alpha_dropout(tf.nn.selu(tf.random_normal([200000], seed=1)), 0.6, seed=2))
    assert abs(many.mean()) < 0.02 and abs(many.std() - 1) < 0.02
    assert N.alpha_dropout(tf.constant(_X), 1.0).op.type == "Const"
    with pytest.raises(ValueError, match="keep_prob"):
        N.alpha_dropout(_X, 0.0)


def test_scaled_softplus():
    x = tf.constant(_X)
    y = N.scaled_softplus(x, 2.0, clip=1.5)
    exact = np.minimum(2 * np.log1p(np.exp(_X / 2)), 1.5)
    np.testing.assert_allclose(_run(y), exact, rtol=1e-6)
    (slope,) = _run(tf.gradients(y, x))
    np.testing.assert_allclose(slope, np.where(exact < 1.5, 1 / (1 + np.exp(-_X / 2)), 0), rtol=1e-6)


def test_losses_over_samples():
    rng = np.random.default_rng(0)
    w, b, x = (rng.normal(size=s).astype(np.float32) for s in ((5, 3), (5,), (2, 3)))
    labels = np.array([[1], [3]])
    sampled = (
        np.array([0, 2, 4]),
        np.array([[0.5], [0.3]], np.float32),
        np.array([0.2, 0.3, 0.4], np.float32),
    )
    got = _run(N.sampled_sparse_softmax_loss(w, b, labels, x, 3, 5, sampled))
    logits = x @ w.T + b
    for row, loss in enumerate(got):
        true = labels[row, 0]
        all_ = np.append(
            logits[row, true] - np.log(sampled[1][row]), logits[row, [0, 2, 4]] - np.log(sampled[2])
        )
        np.testing.assert_allclose(loss, np.log(np.exp(all_).sum()) - all_[0], rtol=1e-5)
    best = np.argsort(-np.log(np.exp(logits[:, [0, 2, 4]]).sum(0)))[:2]
    ranked = _run(N.rank_sampled_softmax_loss(w, b, labels, x, 3, 2, 5, 1, sampled, 1.0, True, "mod"))
    few = (sampled[0][best], sampled[1], sampled[2][best])
    np.testing.assert_allclose(
        ranked, _run(N.sampled_sparse_softmax_loss(w, b, labels, x, 2, 5, few)), rtol=1e-5
    )
    with pytest.raises(ValueError, match="num_resampled"):
        N.rank_sampled_softmax_loss(w, b, labels, x, 3, 4, 5, 1, sampled, 1.0, True, "mod")


def test_arguments_in_the_old_order():
    logits, labels = tf.constant([[1.0, 2.0]]), tf.constant([[0.0, 1.0]])
    got = _run(N.deprecated_flipped_softmax_cross_entropy_with_logits(logits, labels))
    np.testing.assert_allclose(got, np.log1p(np.exp(-1)), rtol=1e-6)
    sparse = N.deprecated_flipped_sparse_softmax_cross_entropy_with_logits(logits, tf.constant([1]))
    np.testing.assert_allclose(_run(sparse), got)
    sigmoid = N.deprecated_flipped_sigmoid_cross_entropy_with_logits(logits, labels)
    np.testing.assert_allclose(_run(sigmoid), [[np.log1p(np.e), np.log1p(np.exp(-2))]], rtol=1e-6)
