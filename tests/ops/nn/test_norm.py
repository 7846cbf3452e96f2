"""Batch normalisation against NumPy in double precision."""

import numpy as np
import pytest

import millrace as tf
from ops.opcases import OpCase, OpSuite, floats

_X, _DY = floats(2, 3, 4, 5), floats(2, 3, 4, 5, seed=1)
_SCALE, _OFFSET, _MEAN = floats(5), floats(5, seed=1), floats(5, seed=2)
_VARIANCE = floats(5, low=0.5, high=2)
_EMPTY = np.zeros(0, np.float32)
_TINY = 0.01


def _forward(training, extra=0):
    def compute(x, scale, offset, mean, variance):
        wide, count = x.astype(np.float64), x.size // x.shape[-1]
        if training:
            mean, variance = wide.mean((0, 1, 2)), wide.var((0, 1, 2))
        y = (wide - mean) / np.sqrt(variance + _TINY) * scale + offset
        corrected = variance * count / (count - 1) if training else variance
        vectors = [np.float32(v) for v in (mean, corrected, mean, variance)]
        return [y.astype(x.dtype), *vectors, *[np.float32(0)] * extra]

    return compute


def _backward(training):
    def compute(dy, x, scale, mean, variance, *_):
        dy, x = dy.astype(np.float64), x.astype(np.float64)
        root = 1 / np.sqrt(variance.astype(np.float64) + _TINY)
        unit, over = (x - mean) * root, (0, 1, 2)
        d_scale, d_offset = (dy * unit).sum(over), dy.sum(over)
        dx = dy * scale * root
        if training:
            dx = scale * root * (dy - dy.mean(over) - unit * (dy * unit).mean(over))
        unused = np.zeros(0 if training else 5, np.float32)
        return [np.float32(v) for v in (dx, d_scale, d_offset)] + [unused, unused]

    return compute


_OWN = [np.float32(v) for v in (_X.astype(np.float64).mean((0, 1, 2)), _X.astype(np.float64).var((0, 1, 2)))]
_TRAIN = dict(epsilon=_TINY, wrt=(), tolerance=2e-5)
_APPLY = dict(epsilon=_TINY, is_training=False, wrt=(), tolerance=2e-5)


class TestFused(OpSuite):
    """All versions; single precision leaves gradients to the tests below."""

    cases = (
        OpCase("FusedBatchNorm", [_X, _SCALE, _OFFSET, _EMPTY, _EMPTY], _forward(True), **_TRAIN),
        OpCase("FusedBatchNorm", [_X, _SCALE, _OFFSET, _MEAN, _VARIANCE], _forward(False), **_APPLY),
        OpCase("FusedBatchNormV2", [_X, _SCALE, _OFFSET, _EMPTY, _EMPTY], _forward(True), **_TRAIN),
        OpCase(
            "FusedBatchNormV2",
            [_X.astype(np.float16), _SCALE, _OFFSET, _MEAN, _VARIANCE],
            _forward(False),
            epsilon=_TINY,
            is_training=False,
            wrt=(),
            tolerance=4e-3,
        ),
        OpCase("FusedBatchNormV3", [_X, _SCALE, _OFFSET, _EMPTY, _EMPTY], _forward(True, 1), **_TRAIN),
        OpCase("FusedBatchNormGrad", [_DY, _X, _SCALE, *_OWN], _backward(True), **_TRAIN),
        OpCase("FusedBatchNormGrad", [_DY, _X, _SCALE, _MEAN, _VARIANCE], _backward(False), **_APPLY),
        OpCase("FusedBatchNormGradV2", [_DY, _X, _SCALE, *_OWN], _backward(True), **_TRAIN),
        OpCase("FusedBatchNormGradV3", [_DY, _X, _SCALE, *_OWN, np.float32(0)], _backward(True), **_TRAIN),
    )


def _global(t, m, v, beta, gamma):
    return ((t - m) / np.sqrt(v + _TINY) * gamma + beta).astype(t.dtype)


def _global_grad(t, m, v, gamma, dy):
    root, over = 1 / np.sqrt(v + _TINY), (0, 1, 2)
    spread = (dy * (t - m)).sum(over)
    found = (
        dy * root * gamma,
        -dy.sum(over) * root * gamma,
        -spread * gamma * root**3 / 2,
        dy.sum(over),
        spread * root,
    )
    return [g.astype(t.dtype) for g in found]


class TestGlobal(OpSuite):
    """The operation of the first releases."""

    cases = (
        OpCase(
            "BatchNormWithGlobalNormalization",
            [_X, _MEAN, _VARIANCE, _OFFSET, _SCALE],
            _global,
            variance_epsilon=_TINY,
            scale_after_normalization=True,
            tolerance=2e-5,
        ),
        OpCase(
            "BatchNormWithGlobalNormalization",
            [_X, _MEAN, _VARIANCE, _OFFSET, _SCALE],
            lambda t, m, v, b, g: _global(t, m, v, b, 1),
            variance_epsilon=_TINY,
            scale_after_normalization=False,
            tolerance=2e-5,
            wrt=(0, 1, 2, 3),
        ),
        OpCase(
            "BatchNormWithGlobalNormalizationGrad",
            [_X, _MEAN, _VARIANCE, _SCALE, _DY],
            _global_grad,
            variance_epsilon=_TINY,
            scale_after_normalization=True,
            tolerance=5e-5,
        ),
    )


def _slopes(normalize, dtype, order):
    """The gradients of a weighted sum in x, scale and offset; of order 2, of a weighted sum of those."""
    with tf.Graph().as_default(), tf.Session() as session:
        xs = [tf.constant(v, dtype) for v in (_X, _SCALE, _OFFSET)]
        level = tf.reduce_sum(tf.square(normalize(*xs)) * tf.constant(_DY, dtype))
        for _ in range(order):
            found = tf.gradients(level, xs)
            level = tf.add_n([tf.reduce_sum(tf.cos(g)) for g in found])
        return session.run(found)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_gradients_are_those_of_the_formula(layout, training, order):
    def fused(x, scale, offset):
        given = () if training else (_MEAN, _VARIANCE)
        x = tf.transpose(x, [0, 3, 1, 2]) if layout == "NCHW" else x
        y = tf.nn.fused_batch_norm(
            x, scale, offset, *given, epsilon=_TINY, data_format=layout, is_training=training
        )[0]
        return tf.transpose(y, [0, 2, 3, 1]) if layout == "NCHW" else y

    def formula(x, scale, offset):
        mean, variance = tf.constant(_MEAN, x.dtype), tf.constant(_VARIANCE, x.dtype)
        if training:
            mean = tf.reduce_mean(x, [0, 1, 2])
            variance = tf.reduce_mean(tf.square(x - mean), [0, 1, 2])
        return (x - mean) / tf.sqrt(variance + _TINY) * scale + offset

    pairs = zip(_slopes(fused, tf.float32, order), _slopes(formula, tf.float64, order), strict=True)
    for got, want in pairs:
        np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-3 * np.abs(want).max())


def test_given_moments_are_refused_while_training():
    with pytest.raises(ValueError, match="while training"):
        tf.nn.fused_batch_norm(_X, _SCALE, _OFFSET, _MEAN, _VARIANCE)


def test_one_element_per_channel_does_not_divide_by_zero():
    y, _, variance = tf.nn.fused_batch_norm(tf.ones([1, 1, 1, 5]), _SCALE, _OFFSET)
    with tf.Session() as session:
        got = session.run([y, variance])
    np.testing.assert_allclose(got[0][0, 0, 0], _OFFSET)
    np.testing.assert_array_equal(got[1], np.zeros(5))
