"""Biases and half the squared norm against NumPy."""

import numpy as np
import pytest

import millrace as tf
from ops.opcases import OpCase, OpSuite, floats, ints

_X, _B = floats(2, 3, 4), floats(4)


class TestBias(OpSuite):
    """One number per channel, last or second."""

    cases = (
        OpCase("BiasAdd", [_X, _B], np.add),
        OpCase("BiasAdd", [_X, floats(3)], lambda x, b: x + b[:, None], data_format="NCHW"),
        OpCase("BiasAdd", [ints(2, 3), ints(3)], np.add),
        OpCase("BiasAddV1", [_X, _B], np.add),
        OpCase("BiasAddGrad", [_X], lambda dy: dy.sum((0, 1)), tolerance=1e-5),
        OpCase("BiasAddGrad", [_X], lambda dy: dy.sum((0, 2)), data_format="NCHW", tolerance=1e-5),
        OpCase("BiasAddGrad", [np.ones((3000, 2), np.float16)], lambda dy: np.float16([3000, 3000]), wrt=()),
        OpCase("L2Loss", [_X], lambda t: np.float32((t.astype(np.float64) ** 2).sum() / 2)),
        OpCase("L2Loss", [np.full(4000, 0.5, np.float16)], lambda t: np.float16(500), wrt=()),
        OpCase("L2Loss", [np.zeros((0, 3), np.float32)], lambda t: np.float32(0), wrt=()),
    )


@pytest.mark.parametrize(("value", "bias"), [([2, 3], [2]), ([3], [3]), ([2, 3], [3, 1])])
def test_shapes_that_do_not_fit_are_refused(value, bias):
    with pytest.raises(ValueError, match="BiasAdd"):
        tf.nn.bias_add(tf.zeros(value), tf.zeros(bias))


@pytest.mark.parametrize("layout", ["NWC", "NHWC", "NDHWC", None])
def test_channels_last(layout):
    assert tf.nn.bias_add(tf.zeros([2, 5, 3]), tf.zeros([3]), layout).op.get_attr("data_format") == b"NHWC"


def test_another_layout_is_refused():
    with pytest.raises(ValueError, match=r"N\.\.\.C or NC"):
        tf.nn.bias_add(tf.zeros([2, 5, 3]), tf.zeros([3]), "CHW")
