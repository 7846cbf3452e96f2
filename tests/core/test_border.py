"""Wrong arguments of public functions are refused by name; what anybody raises goes through."""

import inspect

import pytest

import millrace as tf
from millrace.core.border import bordered


def test_the_argument_is_named():
    with pytest.raises(TypeError, match=r"LinearOperatorInversion: argument 'operator' .*'is_square'.*1\.5"):
        tf.linalg.LinearOperatorInversion(1.5)
    with pytest.raises(TypeError, match=r"MovingAverageOptimizer: argument 'opt'"):
        tf.contrib.opt.MovingAverageOptimizer({1.0})


def test_the_stumble_is_the_cause():
    with pytest.raises(TypeError) as caught:
        tf.train.global_step(3, tf.Variable(1))
    assert isinstance(caught.value.__cause__, AttributeError)


def test_what_functions_of_the_caller_raise_goes_through():
    def broken(*_, **__):
        return None.nothing

    with pytest.raises(AttributeError, match="nothing"):
        bordered(lambda f: f())(broken)
    with pytest.raises(AttributeError, match="nothing"):
        tf.contrib.slim.repeat(tf.ones([1, 2]), 2, broken)


def test_signatures_and_names_stay():
    function = tf.contrib.opt.MovingAverageOptimizer.__init__
    assert list(inspect.signature(function).parameters)[:2] == ["self", "opt"]
    assert inspect.getfullargspec(tf.keras.backend.bias_add).args == ["x", "bias", "data_format"]
    assert tf.keras.backend.bias_add.__name__ == "bias_add"
