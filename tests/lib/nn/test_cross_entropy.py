"""Cross entropies over any axis, of any rank, against SciPy."""

import numpy as np
import pytest
from scipy import special

import millrace as tf
from ops.opcases import floats

_X, _LABELS = floats(2, 3, 4), floats(2, 3, 4, seed=1)


def _run(*fetches):
    with tf.Session() as session:
        return session.run(fetches if len(fetches) > 1 else fetches[0])


def _dense(x, labels, axis):
    return -(labels * special.log_softmax(x.astype(np.float64), axis=axis)).sum(axis)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
@pytest.mark.parametrize("version", ["", "_v2"])
def test_dense_losses_over_any_axis(version, axis):
    function = getattr(tf.nn, "softmax_cross_entropy_with_logits" + version)
    loss = function(labels=_LABELS, logits=_X, axis=axis)
    want = _dense(_X, _LABELS, axis)
    assert loss.shape == want.shape
    np.testing.assert_allclose(_run(loss), want, rtol=2e-6, atol=1e-6)


def test_dense_losses_of_unknown_rank():
    x, labels = tf.placeholder(tf.float32), tf.placeholder(tf.float32)
    loss = tf.nn.softmax_cross_entropy_with_logits_v2(labels=labels, logits=x)
    with tf.Session() as session:
        got = session.run(loss, {x: _X, labels: _LABELS})
    np.testing.assert_allclose(got, _dense(_X, _LABELS, -1), rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_sparse_losses_of_any_rank(shape):
    x, labels = floats(*shape, 4), np.asarray(np.random.default_rng(0).integers(0, 4, shape), np.int32)
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=x)
    want = _dense(x, np.eye(4)[labels], -1)
    assert loss.shape == want.shape
    np.testing.assert_allclose(_run(loss), want, rtol=2e-6, atol=1e-6)


def test_half_precision_is_computed_in_single_and_given_back():
    x = floats(3, 4, dtype=np.float16)
    found = _run(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=[0, 1, 2], logits=x),
        tf.nn.softmax_cross_entropy_with_logits_v2(labels=np.eye(4, dtype=np.float16)[:3], logits=x),
    )
    for value in found:
        assert value.dtype == np.float16
        np.testing.assert_allclose(value, _dense(x, np.eye(4)[:3], -1), rtol=1e-3)


def test_logistic_losses():
    x, labels = np.float32([-300, -2, 0, 3, 300]), np.float32([0, 1, 0.5, 0.2, 1])
    got = _run(
        tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=x),
        tf.nn.weighted_cross_entropy_with_logits(labels, x, 2.5),
    )
    wide = x.astype(np.float64)
    yes, no = np.logaddexp(0, -wide), np.logaddexp(0, wide)
    np.testing.assert_allclose(got[0], labels * yes + (1 - labels) * no, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(got[1], 2.5 * labels * yes + (1 - labels) * no, rtol=1e-6, atol=1e-6)


def test_the_slope_of_the_logistic_loss_at_zero():
    x = tf.constant([0.0])
    loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=[1.0], logits=x)
    assert _run(tf.gradients(loss, x)[0]) == [-0.5]


def test_poisson_losses():
    counts, rates = np.float32([0, 0.5, 1, 2, 7]), np.float32([-1, 0, 1, 2, 3])
    got = _run(
        tf.nn.log_poisson_loss(counts, rates), tf.nn.log_poisson_loss(counts, rates, compute_full_loss=True)
    )
    plain = np.exp(rates) - counts * rates
    with np.errstate(all="ignore"):
        stirling = counts * np.log(counts) - counts + 0.5 * np.log(2 * np.pi * counts)
    np.testing.assert_allclose(got[0], plain, rtol=1e-6)
    np.testing.assert_allclose(got[1], plain + np.where(counts > 1, stirling, 0), rtol=1e-6)


@pytest.mark.parametrize(
    "function",
    [
        tf.nn.softmax_cross_entropy_with_logits,
        tf.nn.sparse_softmax_cross_entropy_with_logits,
        tf.nn.sigmoid_cross_entropy_with_logits,
    ],
)
def test_positional_and_missing_arguments_are_refused(function):
    with pytest.raises(ValueError, match="must be named arguments"):
        function(_LABELS, _X)
    with pytest.raises(ValueError, match="must be given"):
        function(labels=_LABELS)


@pytest.mark.parametrize("labels", [[[0, 1, 2]], [0, 1], 1])
def test_labels_of_another_shape_are_refused(labels):
    with pytest.raises(ValueError, match="labels must have"):
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=tf.zeros([3, 4]))


def test_rows_of_unknown_number_are_checked_against_their_labels():
    with tf.Graph().as_default() as graph, tf.Session() as sess:
        labels = tf.placeholder(tf.int32, [2, None])
        logits = tf.placeholder(tf.float32, [2, None, 5])
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
        assert len(graph.get_operations()) == 36  # as many as 1.15 builds: they make default seeds
        x = np.zeros([2, 3, 5], np.float32)
        assert sess.run(loss, {labels: np.zeros([2, 3]), logits: x}).shape == (2, 3)
        with pytest.raises(tf.errors.InvalidArgumentError):
            sess.run(loss, {labels: np.zeros([2, 2]), logits: x})
