"""Sampled losses against NumPy, with the sample given."""

import numpy as np
import pytest
from scipy import special

import millrace as tf
from ops.opcases import floats

_W, _B, _X = floats(7, 4), floats(7), floats(3, 4, seed=1)
_LABELS = np.int64([[1, 2], [3, 0], [6, 5]])
_SAMPLED, _EXPECTED = np.int64([1, 4, 2, 6]), np.float32([0.4, 0.3, 0.2, 0.1])
_TRUE_EXPECTED = floats(3, 2, low=0.1, high=1)


def _run(fetches):
    with tf.Session() as session:
        return session.run(fetches)


def _logits(remove):
    true = np.einsum("bd,btd->bt", _X, _W[_LABELS]) + _B[_LABELS] - np.log(_TRUE_EXPECTED)
    sampled = _X @ _W[_SAMPLED].T + _B[_SAMPLED] - np.log(_EXPECTED)
    if remove:
        hits = (_SAMPLED[None, None] == _LABELS[:, :, None]).any(1)
        sampled = np.where(hits, -np.inf, sampled)
    return true, sampled


_ARGS = dict(num_sampled=4, num_classes=7, num_true=2, sampled_values=(_SAMPLED, _TRUE_EXPECTED, _EXPECTED))


@pytest.mark.parametrize("remove", [False, True])
def test_noise_contrastive_estimation(remove):
    true, sampled = _logits(remove)
    want = (np.logaddexp(0, true) - true / 2).sum(1) + np.logaddexp(0, sampled).sum(1)
    got = _run(tf.nn.nce_loss(_W, _B, _LABELS, _X, remove_accidental_hits=remove, **_ARGS))
    np.testing.assert_allclose(got, want, rtol=1e-5)


@pytest.mark.parametrize("remove", [False, True])
def test_sampled_softmax(remove):
    true, sampled = _logits(remove)
    total = special.logsumexp(np.concatenate([true, sampled], 1), axis=1)
    got = _run(tf.nn.sampled_softmax_loss(_W, _B, _LABELS, _X, remove_accidental_hits=remove, **_ARGS))
    np.testing.assert_allclose(got, total - true.mean(1), rtol=1e-5)


def test_a_sample_is_drawn_where_none_is_given():
    loss = tf.nn.sampled_softmax_loss([_W[::2], _W[1::2]], _B, _LABELS[:, :1], _X, 4, 7, seed=3)
    assert np.isfinite(_run(loss)).all()
    assert loss.shape == (3,)


def test_only_the_rows_looked_at_learn():
    weights = tf.Variable(_W)
    loss = tf.nn.nce_loss(weights, _B, _LABELS, _X, **_ARGS)
    assert isinstance(tf.gradients(loss, weights)[0], tf.IndexedSlices)
