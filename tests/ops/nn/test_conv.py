"""Two-dimensional convolutions against loops over windows."""

import numpy as np
import pytest

import millrace as tf
from ops.nn import window_oracles as oracle
from ops.opcases import OpCase, OpSuite, floats

_X, _W = floats(2, 6, 5, 3), floats(3, 2, 3, 4)
_S = [1, 1, 1, 1]


def _conv(strides=(1, 1), padding="SAME", dilations=None):
    return lambda x, w: oracle.conv(x, w, strides, padding, dilations).astype(x.dtype)


def _nchw(function):
    return lambda x, *rest: function(x.transpose(0, 2, 3, 1), *rest).transpose(0, 3, 1, 2)


def _input_grad(strides, padding, dilations=None):
    def adjoint(sizes, w, dy):
        def linear(x):
            return oracle.conv(x, w, strides, padding, dilations)

        return oracle.transposed(linear, tuple(sizes), dy).astype(dy.dtype)

    return adjoint


def _filter_grad(strides, padding, dilations=None):
    def adjoint(x, sizes, dy):
        def linear(w):
            return oracle.conv(x, w, strides, padding, dilations)

        return oracle.transposed(linear, tuple(sizes), dy).astype(dy.dtype)

    return adjoint


class TestConv2D(OpSuite):
    """Strides, paddings, dilations, layouts, groups."""

    cases = (
        OpCase("Conv2D", [_X, _W], _conv(), strides=_S, padding="SAME"),
        OpCase("Conv2D", [_X, _W], _conv((2, 1), "VALID"), strides=[1, 2, 1, 1], padding="VALID"),
        OpCase("Conv2D", [_X, _W], _conv((3, 2)), strides=[1, 3, 2, 1], padding="SAME"),
        OpCase(
            "Conv2D",
            [_X, _W],
            _conv((1, 1), "SAME", [2, 3]),
            strides=_S,
            padding="SAME",
            dilations=[1, 2, 3, 1],
        ),
        OpCase(
            "Conv2D",
            [_X, _W],
            _conv((1, 2), [(0, 2), (1, 0)]),
            strides=[1, 1, 2, 1],
            padding="EXPLICIT",
            explicit_paddings=[0, 0, 0, 2, 1, 0, 0, 0],
        ),
        OpCase(
            "Conv2D", [_X, floats(1, 1, 3, 2)], _conv((2, 2), "VALID"), strides=[1, 2, 2, 1], padding="VALID"
        ),
        OpCase(
            "Conv2D",
            [_X.transpose(0, 3, 1, 2).copy(), _W],
            _nchw(_conv((2, 1))),
            strides=[1, 1, 2, 1],
            padding="SAME",
            data_format="NCHW",
        ),
        OpCase(
            "Conv2D",
            [floats(2, 5, 4, 6), floats(2, 3, 2, 9)],
            _conv((2, 1)),
            strides=[1, 2, 1, 1],
            padding="SAME",
        ),
        OpCase("Conv2D", [floats(0, 5, 4, 3), _W], _conv(), strides=_S, padding="SAME", wrt=()),
        OpCase(
            "Conv2D",
            [_X.astype(np.float16), _W.astype(np.float16)],
            _conv(),
            strides=_S,
            padding="SAME",
            wrt=(),
        ),
    )


class TestBackprop(OpSuite):
    """The adjoints, one basis element at a time."""

    cases = (
        OpCase(
            "Conv2DBackpropInput",
            [[1, 4, 5, 2], floats(3, 2, 2, 3), floats(1, 2, 5, 3)],
            _input_grad((2, 1), "SAME"),
            strides=[1, 2, 1, 1],
            padding="SAME",
        ),
        OpCase(
            "Conv2DBackpropInput",
            [[1, 5, 4, 4], floats(2, 2, 2, 4), floats(1, 3, 3, 4)],
            _input_grad((1, 1), "VALID", [2, 1]),
            strides=_S,
            padding="VALID",
            dilations=[1, 2, 1, 1],
        ),
        OpCase(
            "Conv2DBackpropFilter",
            [floats(2, 4, 5, 2), [3, 2, 2, 3], floats(2, 2, 5, 3)],
            _filter_grad((2, 1), "SAME"),
            strides=[1, 2, 1, 1],
            padding="SAME",
        ),
        OpCase(
            "Conv2DBackpropFilter",
            [floats(1, 5, 4, 4), [2, 2, 2, 4], floats(1, 3, 3, 4)],
            _filter_grad((1, 1), "VALID", [2, 1]),
            strides=_S,
            padding="VALID",
            dilations=[1, 2, 1, 1],
        ),
    )


@pytest.mark.parametrize("strides", [1, [1], [1, 1], [1, 1, 1, 1]])
def test_strides_of_any_length(strides):
    assert tf.nn.conv2d(tf.ones([1, 4, 4, 3]), tf.ones([2, 2, 3, 5]), strides, "VALID").shape == (1, 3, 3, 5)


def test_channels_that_do_not_fit_are_refused():
    with pytest.raises(
        ValueError, match=r"filter expects 4 input channels but input has 3 \(input \[8,28,28,3\]"
    ):
        tf.nn.conv2d(tf.zeros([8, 28, 28, 3]), tf.zeros([5, 5, 4, 32]), 1, "SAME", name="c1")


def test_a_window_longer_than_the_input_is_refused():
    with pytest.raises(ValueError, match="must fit into the input"):
        tf.nn.conv2d(tf.zeros([1, 2, 2, 1]), tf.zeros([3, 3, 1, 1]), 1, "VALID")


def test_strides_over_the_batch_are_refused_when_run():
    y = tf.nn.conv2d(tf.zeros([2, 4, 4, 2]), tf.zeros([3, 3, 2, 2]), [2, 1, 1, 1], "SAME")
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match="batch and channels"):
        session.run(y)


def test_transposed_convolution_checks_its_channels():
    with pytest.raises(ValueError, match="3 != 4"):
        tf.nn.conv2d_transpose(tf.zeros([1, 2, 2, 3]), tf.zeros([2, 2, 5, 4]), [1, 4, 4, 5], 2)


def test_a_gradient_of_another_shape_is_refused_when_run():
    dx = tf.nn.conv2d_backprop_input(
        [1, 4, 4, 2], tf.zeros([3, 3, 2, 3]), tf.zeros([1, 3, 4, 3]), [1, 1, 1, 1], "SAME"
    )
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match=r"\[1, 4, 4, 3\]"):
        session.run(dx)
