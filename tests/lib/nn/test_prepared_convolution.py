"""`nn_ops.Convolution`, which layers of old programs keep."""

import importlib

import numpy as np
import pytest

import millrace as tf

Convolution = importlib.import_module("millrace.python.ops.nn_ops").Convolution
_X = np.random.default_rng(1).normal(size=[1, 6, 6, 2]).astype(np.float32)
_W = np.random.default_rng(2).normal(size=[3, 3, 2, 4]).astype(np.float32)


@pytest.mark.parametrize("arguments", [{}, {"strides": [2, 1]}, {"dilation_rate": [2, 2]}])
def test_it_convolves_as_the_function_does(arguments):
    op = Convolution(tf.TensorShape([None, 6, 6, 2]), tf.TensorShape([3, 3, 2, 4]), "SAME", **arguments)
    x, w = tf.constant(_X), tf.constant(_W)
    with tf.Session() as sess:
        once, again, expected = sess.run([op(x, w), op(x, w), tf.nn.convolution(x, w, "SAME", **arguments)])
    np.testing.assert_array_equal(once, expected)
    np.testing.assert_array_equal(again, expected)


def test_the_operation_has_its_own_name():
    op = Convolution(tf.TensorShape([None, 6, 6, 2]), tf.TensorShape([3, 3, 2, 4]), "VALID")
    assert op(tf.constant(_X), tf.constant(_W)).name == "Conv2D:0"


@pytest.mark.parametrize(
    ("channels", "arguments"), [(3, {}), (2, {"strides": [2, 2], "dilation_rate": [2, 2]})]
)
def test_what_does_not_fit_is_refused_before_there_is_an_input(channels, arguments):
    with pytest.raises(ValueError):
        Convolution(tf.TensorShape([None, 6, 6, channels]), tf.TensorShape([3, 3, 2, 4]), "SAME", **arguments)
