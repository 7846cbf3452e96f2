"""Sums, products, quotients, remainders and powers against NumPy."""

import numpy as np
import pytest

import millrace as tf
from ops.opcases import OpCase, OpSuite, floats, ints

_X, _Y = floats(2, 3), floats(4, 1, 3, seed=1)
_Z, _W = floats(2, 3, dtype=np.complex64), floats(3, dtype=np.complex64, seed=1)
_POSITIVE = floats(4, 3, low=0.5, high=3.0)
_I, _J = ints(3, 4), ints(4, low=1, seed=1)


def _trunc_div(x, y):
    return np.trunc(x.astype(np.float64) / y).astype(x.dtype)


class TestArithmetic(OpSuite):
    """Each operation on floats, complex numbers and integers, broadcasting."""

    cases = (
        OpCase("Add", [_X, _Y], np.add),
        OpCase("Add", [_Z, _W], np.add),
        OpCase("Add", [_I.astype(np.int8), _J.astype(np.int8)], np.add),
        OpCase("Add", [floats(0, 3), floats(3)], np.add),
        OpCase("AddV2", [_X, _Y], np.add),
        OpCase("Sub", [_X, _Y], np.subtract),
        OpCase("Sub", [_Z, _W], np.subtract),
        OpCase("Sub", [floats(2, 3, dtype=np.float16), floats(3, dtype=np.float16)], np.subtract),
        OpCase("Mul", [_X, _Y], np.multiply),
        OpCase("Mul", [_Z, _W], np.multiply),
        OpCase("Mul", [_X, floats()], np.multiply),
        OpCase("MulNoNan", [_X, np.float32([1.5, 0.0, -2.0])], np.multiply, wrt=[0]),
        OpCase("SquaredDifference", [_X, _Y], lambda x, y: (x - y) ** 2),
        OpCase("SquaredDifference", [_I, _J], lambda x, y: (x - y) ** 2),
        OpCase("Pow", [_POSITIVE, floats(3, seed=3)], np.power),
        OpCase(
            "Pow", [floats(2, dtype=np.complex64, low=0.5), floats(2, dtype=np.complex64, seed=2)], np.power
        ),
        OpCase("Pow", [_I, np.abs(_J)], np.power),
        OpCase("AddN", [(_X, 2 * _X, floats(2, 3, seed=5))], lambda xs: xs[0] + xs[1] + xs[2]),
        OpCase("AddN", [(_X, floats(2, 3, seed=5))], lambda xs: xs[0] + xs[1]),
        OpCase("AddN", [(_X,)], lambda xs: xs[0]),
        OpCase("AccumulateNV2", [(_X, 2 * _X)], lambda xs: xs[0] + xs[1], shape=[2, 3]),
    )


class TestDivision(OpSuite):
    """Quotients and remainders of either sign."""

    cases = (
        OpCase("RealDiv", [_X, _POSITIVE[:, None]], np.divide),
        OpCase("RealDiv", [_Z, _W], np.divide),
        OpCase("Div", [_X, _POSITIVE[:, None]], np.divide),
        OpCase("Div", [_I, _J], _trunc_div),
        OpCase("Div", [_I, -_J], _trunc_div),
        OpCase(
            "DivNoNan", [_X, np.float32([1.5, 0.0, -2.0])], lambda x, y: np.where(y == 0, 0, x / y), wrt=[0]
        ),
        OpCase("FloorDiv", [_X, _POSITIVE[:, None]], lambda x, y: np.floor(x / y)),
        OpCase("FloorDiv", [_I, -_J], np.floor_divide),
        OpCase("FloorDiv", [ints(5, low=0, dtype=np.uint8), np.uint8([1, 2, 3, 4, 5])], np.floor_divide),
        OpCase("TruncateDiv", [_I, -_J], _trunc_div),
        OpCase("TruncateDiv", [np.int8([-128, 127, 7]), np.int8([2, -3, -2])], _trunc_div),
        OpCase("FloorMod", [_X, np.float32([0.7, -0.9, 1.1])], np.mod, order=1),
        OpCase("FloorMod", [_I, -_J], np.mod),
        OpCase(
            "TruncateMod", [np.float32([2.0, -1.7, -3.1]), np.float32([0.7, -0.9, 1.1])], np.fmod, order=1
        ),
        OpCase("Mod", [_I, -_J], np.fmod),
        OpCase("Reciprocal", [_POSITIVE], lambda x: 1 / x),
        OpCase("Reciprocal", [_Z], lambda x: 1 / x),
        OpCase("Inv", [_POSITIVE], lambda x: 1 / x),
        OpCase("ReciprocalGrad", [_X, _POSITIVE[:2]], lambda y, dy: -dy * y * y),
        OpCase("ReciprocalGrad", [_Z, 2 * _Z], lambda y, dy: -dy * np.conj(y) ** 2),
        OpCase("InvGrad", [_X, _POSITIVE[:2]], lambda y, dy: -dy * y * y),
    )


def _run(value):
    with tf.Session() as session:
        return session.run(value)


@pytest.mark.parametrize("divide", [tf.floordiv, tf.floormod, tf.div], ids=lambda f: f.__name__)
def test_integer_division_by_zero(divide):
    with pytest.raises(tf.errors.InvalidArgumentError, match="division by zero"):
        _run(divide(tf.placeholder_with_default([1, 2], [2]), [1, 0]))


def test_nothing_divided_by_zero_is_no_error():
    assert _run(tf.floordiv(tf.placeholder_with_default(np.zeros(0, np.int32), [0]), 0)).shape == (0,)


def test_negative_integer_power():
    with pytest.raises(tf.errors.InvalidArgumentError, match="negative integer powers"):
        _run(tf.pow(tf.placeholder_with_default([2], [1]), [-1]))


def test_truediv_converts_integers():
    assert tf.truediv(np.int8(7), np.int8(2)).dtype == tf.float32
    quotient = tf.truediv(tf.constant([7, -7]), 2)
    assert quotient.dtype == tf.float64
    assert _run(quotient).tolist() == [3.5, -3.5]


def test_dtypes_that_differ():
    with pytest.raises(TypeError, match=r"Mul.*int32.*float32"):
        tf.multiply(tf.constant(1.0), tf.constant(1))
    with pytest.raises(TypeError, match="truediv"):
        tf.truediv(tf.constant(1.0), tf.constant(1))


def test_shapes_that_do_not_broadcast():
    with pytest.raises(ValueError, match=r"Add.*\[2\].*\[3\]"):
        tf.add([1.0, 2.0], [1.0, 2.0, 3.0])
    x = tf.placeholder(tf.float32)
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match="Incompatible shapes"):
        session.run(x + [1.0, 2.0], {x: [1.0, 2.0, 3.0]})


def test_no_nan_products_and_quotients():
    x = tf.constant([np.inf, np.nan, 3.0])
    assert _run(tf.math.multiply_no_nan(x, [0.0, 0.0, 2.0])).tolist() == [0, 0, 6]
    assert _run(tf.div_no_nan(x, [0.0, 0.0, 2.0])).tolist() == [0, 0, 1.5]
    assert _run(tf.math.reciprocal_no_nan([0.0, 4.0])).tolist() == [0, 0.25]


def test_add_joins_strings():
    assert _run(tf.add([b"a", b"b"], b"c")).tolist() == [b"ac", b"bc"]


def test_add_n_of_one_tensor_is_that_tensor():
    x = tf.constant(1.0)
    assert tf.add_n([x]) is x
    assert tf.add_n([x], name="sum").op.name == "sum"


def test_add_n_refuses_other_shapes():
    with pytest.raises(ValueError, match="AddN"):
        tf.add_n([tf.zeros([2]), tf.zeros([3])])
    x = tf.placeholder(tf.float32)
    with tf.Session() as session, pytest.raises(tf.errors.InvalidArgumentError, match="one shape"):
        session.run(tf.add_n([x, tf.zeros([2])]), {x: 1.0})


def test_accumulate_n_checks_its_arguments():
    with pytest.raises(TypeError, match="accumulate_n"):
        tf.accumulate_n([tf.zeros([2])], tensor_dtype=tf.int32)
    with pytest.raises(ValueError, match="at least one"):
        tf.accumulate_n([])
