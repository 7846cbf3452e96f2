"""Reductions, positions of extremes and running reductions against NumPy."""

import numpy as np
import pytest
from ml_dtypes import bfloat16

import millrace as tf
from ops.opcases import OpCase, OpSuite, floats, ints

_X = floats(2, 3, 4)
_Z = floats(2, 3, dtype=np.complex64)
_I = ints(2, 3, 4)
_FLAGS = ints(2, 3, 4, low=0, high=2).astype(bool)
_ZEROS = np.float32([[1.0, 0.0, 3.0, 2.0], [0.5, 0.0, 0.0, 4.0], [1.5, 2.5, -1.0, 2.0]])


def _over(function, axes, **kwargs):
    return lambda x, _: function(x, axis=axes, **kwargs)


def _mean_of_integers(axes):
    return lambda x, _: np.trunc(x.astype(np.float64).mean(axis=axes)).astype(x.dtype)


def _norm(axes):
    return lambda x, _: np.sqrt((np.abs(x) ** 2).sum(axis=axes)).astype(x.dtype)


class TestReduce(OpSuite):
    """Sums, means, products, extremes, norms, logic."""

    cases = (
        OpCase("Sum", [_X, [0, 2]], _over(np.sum, (0, 2))),
        OpCase("Sum", [_X, [0, 1, 2]], _over(np.sum, None)),
        OpCase("Sum", [_X, [-1]], _over(np.sum, 2, keepdims=True), keep_dims=True),
        OpCase("Sum", [_X, 1], _over(np.sum, 1)),
        OpCase("Sum", [_X, [1, -2]], _over(np.sum, 1)),
        OpCase("Sum", [_Z, [0]], _over(np.sum, 0)),
        OpCase("Sum", [_I.astype(np.int8), [0, 2]], _over(np.sum, (0, 2), dtype=np.int8)),
        OpCase("Sum", [floats(0, 3), [0]], _over(np.sum, 0)),
        OpCase("Sum", [np.ones(1000).astype(bfloat16), [0]], lambda x, _: np.array(1000).astype(bfloat16)),
        OpCase("Mean", [_X, [0, 2]], _over(np.mean, (0, 2))),
        OpCase("Mean", [_X, [0, 1, 2]], _over(np.mean, None)),
        OpCase("Mean", [_X, [1]], _over(np.mean, 1, keepdims=True), keep_dims=True),
        OpCase("Mean", [_Z, [1]], _over(np.mean, 1)),
        OpCase("Mean", [_I, [1]], _mean_of_integers(1)),
        OpCase("Mean", [np.int8([100, 100, 100]), [0]], lambda x, _: np.int8(100)),
        OpCase("Mean", [np.float16([60000, 60000]), [0]], lambda x, _: np.float16(60000), wrt=()),
        OpCase("Prod", [_X, [0, 2]], _over(np.prod, (0, 2)), tolerance=1e-5),
        OpCase("Prod", [_X[0], [-1]], _over(np.prod, -1)),
        OpCase("Prod", [_ZEROS, [1]], _over(np.prod, 1)),
        OpCase("Prod", [_I, [1]], _over(np.prod, 1, dtype=np.int32)),
        OpCase("Max", [_X, [0, 2]], _over(np.max, (0, 2))),
        OpCase("Max", [_I, [1]], _over(np.max, 1, keepdims=True), keep_dims=True),
        OpCase("Max", [floats(0, 3), [0]], lambda x, _: np.full(3, -np.inf, np.float32), wrt=()),
        OpCase("Min", [_X, [0, 2]], _over(np.min, (0, 2))),
        OpCase("Min", [ints(0, 3), [0]], lambda x, _: np.full(3, 2**31 - 1, np.int32)),
        OpCase("All", [_FLAGS, [1]], _over(np.all, 1)),
        OpCase("Any", [_FLAGS, [0, 2]], _over(np.any, (0, 2), keepdims=True), keep_dims=True),
        OpCase("EuclideanNorm", [_X, [0, 2]], _norm((0, 2))),
        OpCase("EuclideanNorm", [ints(3, 4), [1]], _norm(1)),
    )


class TestPositions(OpSuite):
    """Where the extremes are."""

    cases = (
        OpCase("ArgMax", [_X, 1], _over(np.argmax, 1)),
        OpCase("ArgMax", [_I, -1], lambda x, _: x.argmax(-1).astype(np.int32), output_type=tf.int32),
        OpCase("ArgMin", [_X, 0], _over(np.argmin, 0)),
        OpCase("ArgMin", [np.float32([2, 1, 1]), 0], lambda x, _: np.int64(1)),
    )


def _exclusive(function, axis, start, reverse=False):
    def oracle(x, _):
        x = np.flip(x, axis) if reverse else x
        moved = np.moveaxis(x, axis, 0)
        out = np.concatenate([np.full_like(moved[:1], start), function(moved, axis=0)[:-1]])
        out = np.moveaxis(out, 0, axis)
        return np.flip(out, axis) if reverse else out

    return oracle


def _reversed(function, axis):
    return lambda x, _: np.flip(function(np.flip(x, axis), axis=axis), axis)


class TestRunning(OpSuite):
    """Running sums, products and log-sum-exps."""

    cases = (
        OpCase("Cumsum", [_X, 1], _over(np.cumsum, 1)),
        OpCase("Cumsum", [_X, -1], _reversed(np.cumsum, 2), reverse=True),
        OpCase("Cumsum", [_X, 0], _exclusive(np.cumsum, 0, 0), exclusive=True),
        OpCase("Cumsum", [_X, 1], _exclusive(np.cumsum, 1, 0, reverse=True), exclusive=True, reverse=True),
        OpCase("Cumsum", [_I.astype(np.int8), 2], _over(np.cumsum, 2, dtype=np.int8)),
        OpCase("Cumsum", [_Z, 1], _over(np.cumsum, 1)),
        OpCase("Cumsum", [floats(0, 2), 0], _over(np.cumsum, 0)),
        OpCase("Cumprod", [_X, 1], _over(np.cumprod, 1)),
        OpCase("Cumprod", [_X, 2], _reversed(np.cumprod, 2), reverse=True, tolerance=1e-5),
        OpCase("Cumprod", [_X, 2], _exclusive(np.cumprod, 2, 1, reverse=True), exclusive=True, reverse=True),
        OpCase("Cumprod", [_Z, 1], _over(np.cumprod, 1), tolerance=1e-5),
        OpCase("Cumprod", [_ZEROS, 1], _over(np.cumprod, 1), order=1),
        OpCase("Cumprod", [_ZEROS, 1], _exclusive(np.cumprod, 1, 1), exclusive=True, order=1),
        OpCase("Cumprod", [_ZEROS, 1], _reversed(np.cumprod, 1), reverse=True, order=1),
        OpCase("CumulativeLogsumexp", [_X, 1], lambda x, _: np.logaddexp.accumulate(x, 1), order=1),
        OpCase(
            "CumulativeLogsumexp",
            [_X, 1],
            _exclusive(np.logaddexp.accumulate, 1, np.finfo(np.float32).min),
            exclusive=True,
            wrt=(),
        ),
    )


def _run(value, feed=None):
    with tf.Session() as session:
        return session.run(value, feed)


@pytest.mark.parametrize("axis", [None, 0, [1], [0, -1]])
@pytest.mark.parametrize("keepdims", [False, True])
def test_public_arguments(axis, keepdims):
    over = tuple(axis) if isinstance(axis, list) else axis
    for public, oracle in ((tf.reduce_sum, np.sum), (tf.reduce_max, np.max), (tf.reduce_mean, np.mean)):
        want = oracle(_X, axis=over, keepdims=keepdims)
        np.testing.assert_allclose(_run(public(_X, axis, keepdims)), want, rtol=1e-5)
        np.testing.assert_allclose(
            _run(public(tf.constant(_X), reduction_indices=axis, keep_dims=keepdims)), want, rtol=1e-5
        )


def test_argument_under_both_names():
    with pytest.raises(ValueError, match="reduction_indices"):
        tf.reduce_sum(_X, axis=0, reduction_indices=0)
    with pytest.raises(ValueError, match="keep_dims"):
        tf.reduce_sum(_X, 0, keepdims=True, keep_dims=True)
    with pytest.raises(ValueError, match="dimension"):
        tf.argmax(_X, axis=0, dimension=0)


def test_axis_out_of_range():
    with pytest.raises(ValueError, match=r"Sum.*reduction index.*\[-3, 3\).*Received: 3"):
        tf.reduce_sum(_X, 3)
    x = tf.placeholder(tf.float32)
    with pytest.raises(tf.errors.InvalidArgumentError, match="reduction index"):
        _run(tf.reduce_sum(x, 3), {x: _X})


def test_all_axes_of_unknown_rank():
    x = tf.placeholder(tf.float32)
    total = tf.reduce_sum(x)
    assert total.shape == ()
    assert _run(total, {x: _X}) == pytest.approx(_X.sum(), rel=1e-5)
    (gradient,) = tf.gradients(total * 2, x)
    assert _run(gradient, {x: _X}).tolist() == np.full(_X.shape, 2.0).tolist()


def test_axes_that_are_fed():
    x, axes = tf.constant(_X), tf.placeholder(tf.int32)
    np.testing.assert_allclose(_run(tf.reduce_sum(x, axes), {axes: [0, 2]}), _X.sum((0, 2)), rtol=1e-5)
    (gradient,) = tf.gradients(tf.reduce_prod(x, axes), x)
    want = _X.prod(1, keepdims=True) / _X
    np.testing.assert_allclose(_run(gradient, {axes: 1}), want, rtol=1e-4)


def test_extremes_share_the_gradient_among_equals():
    x = tf.constant([[1.0, 3.0, 3.0], [2.0, 2.0, 1.0]])
    assert _run(tf.gradients(tf.reduce_max(x, 1), x)[0]).tolist() == [[0, 0.5, 0.5], [0.5, 0.5, 0]]


def test_extremes_keep_nan():
    x = np.float32([[1, np.nan, np.inf], [2, 3, -np.inf]])
    np.testing.assert_equal(_run(tf.reduce_min(x, 0)), np.float32([1, np.nan, -np.inf]))
    assert np.isnan(_run(tf.reduce_max(x)))


def test_logsumexp_of_large_and_infinite_numbers():
    x = np.float32([[1000, 1000], [-1000, -1001], [np.inf, 1], [-np.inf, -np.inf]])
    want = [1000 + np.log(2), -1000 + np.log1p(np.exp(-1)), np.inf, -np.inf]
    np.testing.assert_allclose(_run(tf.reduce_logsumexp(x, 1)), want, rtol=1e-6)
    assert _run(tf.reduce_logsumexp(x, 1, keepdims=True)).shape == (4, 1)
    y = tf.constant(floats(3))
    softmax = np.exp(floats(3)) / np.exp(floats(3)).sum()
    np.testing.assert_allclose(_run(tf.gradients(tf.reduce_logsumexp(y), y)[0]), softmax, rtol=1e-5)


def test_variance_and_deviation():
    np.testing.assert_allclose(_run(tf.math.reduce_variance(_X, [0, 2])), _X.var((0, 2)), rtol=1e-5)
    np.testing.assert_allclose(_run(tf.math.reduce_std(_X)), _X.std(), rtol=1e-5)
    np.testing.assert_allclose(_run(tf.math.reduce_variance(_Z)), _Z.var(), rtol=1e-5)


def test_count_nonzero():
    assert _run(tf.count_nonzero(_I)) == np.count_nonzero(_I)
    assert _run(tf.count_nonzero(_FLAGS, 1, keepdims=True, dtype=tf.int32)).dtype == np.int32
    assert _run(tf.count_nonzero(np.array([b"", b"a"], object))) == 1


def test_argmax_of_nothing():
    with pytest.raises(tf.errors.InvalidArgumentError, match="empty"):
        _run(tf.argmax(tf.zeros([0, 3]), 0))
    with pytest.raises(ValueError, match="ArgMax.*dimension"):
        tf.argmax(_X, 3)


def test_running_axis_out_of_range():
    with pytest.raises(tf.errors.InvalidArgumentError, match="axis"):
        _run(tf.cumsum([[1.0]], 2))


def test_cumprod_gradient_is_finite_at_zero():
    x = tf.constant([1.0, 0.0, 2.0, 3.0])
    assert _run(tf.gradients(tf.cumprod(x), x)[0]).tolist() == [1, 9, 0, 0]
