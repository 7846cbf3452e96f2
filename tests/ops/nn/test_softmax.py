"""Softmax against SciPy."""

import numpy as np
import pytest
from scipy import special

import millrace as tf
from ops.opcases import OpCase, OpSuite, floats


def _wide(function):
    return lambda x: function(x.astype(np.float64), axis=-1).astype(x.dtype)


class TestSoftmax(OpSuite):
    """Over the last axis."""

    cases = (
        OpCase("Softmax", [floats(2, 3, 5)], _wide(special.softmax)),
        OpCase("Softmax", [floats(5)], _wide(special.softmax)),
        OpCase(
            "Softmax", [np.float32([[1e30, 0, -1e30], [1000, 1001, 999]])], _wide(special.softmax), wrt=()
        ),
        OpCase("Softmax", [np.zeros((0, 3), np.float32)], lambda x: x, wrt=()),
        OpCase("Softmax", [floats(4, 300, dtype=np.float16)], _wide(special.softmax), wrt=()),
        OpCase("LogSoftmax", [floats(2, 3, 5)], _wide(special.log_softmax)),
        OpCase("LogSoftmax", [np.float32([[1000, 1001, 999]])], _wide(special.log_softmax), wrt=()),
        OpCase("LogSoftmax", [floats(4, 300, dtype=np.float16)], _wide(special.log_softmax), wrt=()),
    )


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_any_axis(name, axis):
    x = floats(2, 3, 4)
    with tf.Session() as session:
        got = session.run(getattr(tf.nn, name)(x, axis=axis))
    np.testing.assert_allclose(
        got, getattr(special, name)(x.astype(np.float64), axis=axis), rtol=2e-6, atol=2e-6
    )


def test_an_axis_out_of_range_is_refused():
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"\[-2, 2\)"):
        tf.nn.softmax(tf.zeros([2, 3]), axis=2)


def test_a_scalar_is_refused():
    with pytest.raises(ValueError, match="rank at least 1"):
        tf.nn.softmax(tf.constant(1.0))


def test_two_names_of_the_axis_are_refused():
    with pytest.raises(ValueError, match="'dim'"):
        tf.nn.softmax(tf.zeros([2, 3]), axis=1, dim=1)
