"""Losses, their weights, reductions and collections against NumPy."""

import numpy as np
import pytest
from scipy import special

import millrace as tf
from ops.opcases import floats

_P, _L = floats(3, 4), floats(3, 4, seed=1)
_PROBABLE, _BINARY = special.expit(_P), (_L > 0).astype(np.float32)
_WEIGHTS = np.float32([[0], [1], [2]])


def _run(fetches, feed=None):
    with tf.Session() as session:
        return session.run(fetches, feed)


def _huber(labels, predictions):
    size = abs(predictions - labels)
    return np.where(size < 1, size**2 / 2, size - 0.5)


_ELEMENTWISE = {
    "absolute_difference": (_L, _P, lambda t, p: abs(p - t)),
    "mean_squared_error": (_L, _P, lambda t, p: (p - t) ** 2),
    "huber_loss": (_L, _P, _huber),
    "hinge_loss": (_BINARY, _P, lambda t, p: np.maximum(0, 1 - (2 * t - 1) * p)),
    "log_loss": (_BINARY, _PROBABLE, lambda t, p: -t * np.log(p + 1e-7) - (1 - t) * np.log(1 - p + 1e-7)),
    "sigmoid_cross_entropy": (_BINARY, _P, lambda t, p: np.logaddexp(0, p) - t * p),
}
_REDUCED = {
    tf.losses.Reduction.NONE: lambda x, w: x * w,
    tf.losses.Reduction.SUM: lambda x, w: (x * w).sum(),
    tf.losses.Reduction.MEAN: lambda x, w: (x * w).sum() / (w + 0 * x).sum(),
    tf.losses.Reduction.SUM_OVER_BATCH_SIZE: lambda x, w: (x * w).sum() / x.size,
    tf.losses.Reduction.SUM_BY_NONZERO_WEIGHTS: lambda x, w: (x * w).sum() / (w + 0 * x != 0).sum(),
}


@pytest.mark.parametrize("reduction", _REDUCED)
@pytest.mark.parametrize("name", _ELEMENTWISE)
def test_elementwise_losses(name, reduction):
    labels, predictions, formula = _ELEMENTWISE[name]
    want = _REDUCED[reduction](formula(labels, predictions), _WEIGHTS)
    got = _run(getattr(tf.losses, name)(labels, predictions, _WEIGHTS, reduction=reduction))
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("weights", [2.0, 0.0, np.float32([[1, 0, 2, 0]]), floats(3, 4, seed=2)])
def test_weights_of_any_shape_that_broadcasts(weights):
    losses = (_P - _L) ** 2
    spread = weights + np.zeros_like(losses)
    want = (losses * spread).sum() / max(1, (spread != 0).sum())
    np.testing.assert_allclose(_run(tf.losses.mean_squared_error(_L, _P, weights)), want, rtol=1e-5)


def test_no_weight_leaves_no_slope():
    p = tf.constant(_P)
    loss = tf.losses.mean_squared_error(_L, p, 0.0)
    value, slope = _run([loss, tf.gradients(loss, p)[0]])
    assert value == 0
    assert not slope.any()


@pytest.mark.parametrize(
    "weights", [np.ones(2, np.float32), np.ones((2, 4), np.float32), np.ones((3, 4, 1), np.float32)]
)
def test_weights_that_do_not_fit_are_refused(weights):
    with pytest.raises(ValueError, match="weights must be a scalar"):
        tf.losses.mean_squared_error(_L, _P, weights)


@pytest.mark.parametrize(
    ("shape", "fits"), [((), True), ((3, 1), True), ((3, 4), True), ((2, 1), False), ((3,), False)]
)
def test_weights_of_unknown_shape_are_checked_when_run(shape, fits):
    p, weights = tf.placeholder(tf.float32), tf.placeholder(tf.float32)
    loss = tf.losses.mean_squared_error(_L, p, weights)
    w = np.full(shape, 2, np.float32)
    if fits:
        np.testing.assert_allclose(_run(loss, {p: _P, weights: w}), 2 * ((_P - _L) ** 2).mean(), rtol=1e-5)
    else:
        with pytest.raises(tf.errors.InvalidArgumentError):
            _run(loss, {p: _P, weights: w})


def test_softmax_losses():
    onehot, logs = np.eye(4, dtype=np.float32)[[1, 3, 0]], special.log_softmax(_P, axis=1)
    smooth = onehot * 0.9 + 0.1 / 4
    got = _run(
        [
            tf.losses.softmax_cross_entropy(onehot, _P),
            tf.losses.softmax_cross_entropy(onehot, _P, label_smoothing=0.1),
            tf.losses.sparse_softmax_cross_entropy([1, 3, 0], _P),
            tf.losses.sparse_softmax_cross_entropy([[1], [3], [0]], _P, [[1.0], [0.0], [2.0]]),
        ]
    )
    each = -(onehot * logs).sum(1)
    want = [each.mean(), -(smooth * logs).sum(1).mean(), each.mean(), (each[0] + 2 * each[2]) / 2]
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_label_smoothing_of_probabilities():
    got = _run(tf.losses.sigmoid_cross_entropy(_BINARY, _P, label_smoothing=0.2))
    smooth = _BINARY * 0.8 + 0.1
    np.testing.assert_allclose(got, (np.logaddexp(0, _P) - smooth * _P).mean(), rtol=1e-5)


def test_cosine_distance():
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (_P, _L))
    got = _run([tf.losses.cosine_distance(a, b, axis=1), tf.losses.cosine_distance(a, b, dim=1)])
    np.testing.assert_allclose(got, [np.mean(1 - (a * b).sum(1))] * 2, rtol=1e-5)


def test_mean_pairwise_squared_error():
    errors = _P - _L
    pairs = [(row[:, None] - row)[~np.eye(4, dtype=bool)] ** 2 for row in errors]
    np.testing.assert_allclose(
        _run(tf.losses.mean_pairwise_squared_error(_L, _P)), np.sum([p.mean() for p in pairs]), rtol=1e-5
    )


@pytest.mark.parametrize("name", [*_ELEMENTWISE, "mean_pairwise_squared_error"])
def test_shapes_that_differ_and_missing_arguments_are_refused(name):
    function = getattr(tf.losses, name)
    with pytest.raises(ValueError, match="compatible shapes"):
        function(_L, _P[:, :3])
    with pytest.raises(ValueError, match="must be given"):
        function(None, _P)


def test_an_unknown_reduction_is_refused():
    with pytest.raises(ValueError, match="reduction must be one of"):
        tf.losses.mean_squared_error(_L, _P, reduction="median")


def test_losses_gather():
    first = tf.losses.mean_squared_error(_L, _P, scope="a")
    second = tf.losses.huber_loss(_L, _P)
    tf.losses.absolute_difference(_L, _P, loss_collection=None)
    tf.losses.absolute_difference(_L, _P, loss_collection="mine")
    assert tf.losses.get_losses() == [first, second]
    assert tf.losses.get_losses("a") == [first]
    assert len(tf.get_collection("mine")) == 1
    tf.add_to_collection(tf.GraphKeys.REGULARIZATION_LOSSES, tf.constant(3.0))
    total, bare = tf.losses.get_total_loss(name="total"), tf.losses.get_total_loss(False)
    assert total.op.name == "total"
    values = _run([first, second, total, bare, tf.losses.get_regularization_loss()])
    np.testing.assert_allclose(values[2:], [values[0] + values[1] + 3, values[0] + values[1], 3], rtol=1e-6)


def test_no_regularization_is_zero():
    assert _run(tf.losses.get_regularization_loss()) == 0
    assert tf.losses.get_regularization_losses() == []


def test_other_floats_come_back_as_themselves():
    assert tf.losses.compute_weighted_loss(_P.astype(np.float64)).dtype == tf.float64
    assert tf.losses.softmax_cross_entropy(np.eye(4)[:3], _P.astype(np.float16)).dtype == tf.float16
