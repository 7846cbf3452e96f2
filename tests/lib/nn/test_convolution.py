"""Convolutions over any number of axes, dilated or not, against loops over windows."""

import numpy as np
import pytest

import millrace as tf
from ops.nn import window_oracles as oracle
from ops.opcases import floats

_SHAPES = {1: ((2, 9, 3), (3, 3, 4)), 2: ((2, 9, 8, 3), (3, 2, 3, 4)), 3: ((1, 5, 7, 6, 2), (2, 3, 2, 2, 3))}


def _run(y, feed=None):
    with tf.Session() as session:
        return session.run(y, feed)


def _first(x):
    return np.moveaxis(x, -1, 1)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize(("strides", "rate"), [(1, 1), (2, 1), (1, 2)])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_convolution(axes, strides, rate, first, padding):
    x, w = (floats(*s) for s in _SHAPES[axes])
    layout = ("NC" if first else "N") + "DHW"[-axes:] + ("" if first else "C")
    y = tf.nn.convolution(
        _first(x) if first else x, w, padding, [strides] * axes, [rate] * axes, data_format=layout
    )
    want = oracle.conv(x, w, [strides] * axes, padding, [rate] * axes)
    want = _first(want) if first else want
    got = _run(y)
    assert y.shape.is_compatible_with(got.shape)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("known", [True, False])
def test_dilation_with_sizes_known_only_when_run(known, padding):
    x, w = (floats(*s) for s in _SHAPES[2])
    fed = tf.placeholder(tf.float32, x.shape if known else [None] * 4)
    got = _run(tf.nn.atrous_conv2d(fed, w, 3 if padding == "SAME" else 2, padding), {fed: x})
    rate = 3 if padding == "SAME" else 2
    np.testing.assert_allclose(got, oracle.conv(x, w, (1, 1), padding, [rate, rate]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_conv1d(strides, padding):
    x, w = (floats(*s) for s in _SHAPES[1])
    want = oracle.conv(x, w, [strides], padding)
    np.testing.assert_allclose(_run(tf.nn.conv1d(x, w, strides, padding)), want, rtol=1e-4, atol=1e-5)
    got = _run(tf.nn.conv1d(_first(x), w, strides, padding, data_format="NCW"))
    np.testing.assert_allclose(got, _first(want), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_transposed_convolution_is_the_adjoint(axes):
    x, w = (floats(*s) for s in _SHAPES[axes])
    strides = [2] * axes
    y = oracle.conv(x, w, strides, "SAME")
    dy = floats(*y.shape, seed=1)
    spread = _run(tf.nn.conv_transpose(dy, w, list(x.shape), 2))
    assert spread.shape == x.shape
    np.testing.assert_allclose((spread * x).sum(), (y * dy).sum(), rtol=1e-4)


def test_transposed_dilated_convolution_is_the_adjoint():
    x, w = (floats(*s) for s in _SHAPES[2])
    y = oracle.conv(x, w, (1, 1), "VALID", [2, 2])
    dy = floats(*y.shape, seed=1)
    spread = _run(tf.nn.atrous_conv2d_transpose(dy, w, list(x.shape), 2, "VALID"))
    np.testing.assert_allclose((spread * x).sum(), (y * dy).sum(), rtol=1e-4)


@pytest.mark.parametrize("rate", [1, 2])
def test_depthwise_and_separable(rate):
    x, w, mix = floats(2, 7, 6, 3), floats(3, 2, 3, 2), floats(1, 1, 6, 5)
    deep = oracle.depthwise(x, w, (1, 1), "SAME", [rate, rate])
    args = ([1, 1, 1, 1], "SAME", [rate, rate])
    np.testing.assert_allclose(_run(tf.nn.depthwise_conv2d(x, w, *args)), deep, rtol=1e-4, atol=1e-5)
    got = _run(tf.nn.separable_conv2d(x, w, mix, *args))
    np.testing.assert_allclose(got, oracle.conv(deep, mix, (1, 1), "VALID"), rtol=1e-4, atol=1e-5)


def test_any_operation_can_be_dilated():
    x = floats(1, 8, 8, 2)

    def op(value, axes, padding):
        return tf.nn.max_pool(value, 2, 1, padding)

    got = _run(tf.nn.with_space_to_batch(x, [2, 2], "VALID", op))
    want = np.maximum(np.maximum(x[:, :-2, :-2], x[:, 2:, :-2]), np.maximum(x[:, :-2, 2:], x[:, 2:, 2:]))
    np.testing.assert_array_equal(got, want)


def test_strides_and_dilation_together_are_refused():
    with pytest.raises(ValueError, match="cannot both be above 1"):
        tf.nn.convolution(tf.zeros([1, 8, 8, 1]), tf.zeros([2, 2, 1, 1]), "SAME", [2, 2], [2, 2])


def test_channels_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="filter expects 2 input channels but input has 3"):
        tf.nn.convolution(tf.zeros([1, 8, 8, 3]), tf.zeros([2, 2, 2, 1]), "SAME")


def test_a_mixing_filter_that_looks_around_is_refused():
    with pytest.raises(ValueError, match="pointwise_filter"):
        tf.nn.separable_conv2d(
            tf.zeros([1, 8, 8, 3]), tf.zeros([2, 2, 3, 1]), tf.zeros([2, 1, 3, 4]), [1, 1, 1, 1], "SAME"
        )
