"""Depthwise convolutions against loops over windows."""

import numpy as np
import pytest

import millrace as tf
from ops.nn import window_oracles as oracle
from ops.opcases import OpCase, OpSuite, floats

_X, _W = floats(2, 5, 6, 3), floats(3, 2, 3, 2)
_S = [1, 2, 1, 1]


def _depthwise(strides=(2, 1), padding="SAME", dilations=None):
    return lambda x, w: oracle.depthwise(x, w, strides, padding, dilations).astype(x.dtype)


class TestDepthwise(OpSuite):
    """One channel at a time."""

    cases = (
        OpCase("DepthwiseConv2dNative", [_X, _W], _depthwise(), strides=_S, padding="SAME"),
        OpCase(
            "DepthwiseConv2dNative",
            [_X, floats(2, 3, 3, 1)],
            _depthwise((1, 1), "VALID"),
            strides=[1, 1, 1, 1],
            padding="VALID",
        ),
        OpCase(
            "DepthwiseConv2dNative",
            [_X, _W],
            _depthwise((1, 1), "VALID", [2, 3]),
            strides=[1, 1, 1, 1],
            padding="VALID",
            dilations=[1, 2, 3, 1],
        ),
        OpCase(
            "DepthwiseConv2dNative",
            [_X.transpose(0, 3, 1, 2).copy(), _W],
            lambda x, w: _depthwise()(x.transpose(0, 2, 3, 1), w).transpose(0, 3, 1, 2),
            strides=[1, 1, 2, 1],
            padding="SAME",
            data_format="NCHW",
        ),
        OpCase(
            "DepthwiseConv2dNative",
            [_X.astype(np.float16), _W.astype(np.float16)],
            _depthwise(),
            strides=_S,
            padding="SAME",
            wrt=(),
        ),
        OpCase(
            "DepthwiseConv2dNativeBackpropInput",
            [[1, 4, 3, 2], floats(3, 2, 2, 2), floats(1, 2, 3, 4)],
            lambda n, w, dy: oracle.transposed(
                lambda x: oracle.depthwise(x, w, (2, 1), "SAME"), tuple(n), dy
            ).astype(dy.dtype),
            strides=_S,
            padding="SAME",
        ),
        OpCase(
            "DepthwiseConv2dNativeBackpropFilter",
            [floats(1, 4, 3, 2), [3, 2, 2, 2], floats(1, 2, 3, 4)],
            lambda x, n, dy: oracle.transposed(
                lambda w: oracle.depthwise(x, w, (2, 1), "SAME"), tuple(n), dy
            ).astype(dy.dtype),
            strides=_S,
            padding="SAME",
        ),
    )


def test_channels_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="filter expects 2 input channels but input has 3"):
        tf.nn.depthwise_conv2d_native(tf.zeros([1, 4, 4, 3]), tf.zeros([2, 2, 2, 1]), [1, 1, 1, 1], "SAME")
