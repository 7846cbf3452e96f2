"""Functions of one number, their inverses and gradients, against NumPy and SciPy."""

import numpy as np
import pytest
from ml_dtypes import bfloat16

import millrace as tf
from ops.opcases import OpCase, OpSuite, floats, ints

_X = floats(3, 4)
_POSITIVE = floats(3, 4, low=0.3, high=3.0)
_UNIT = floats(3, 4, low=-0.9, high=0.9)
_Z = floats(2, 3, dtype=np.complex64, low=0.2, high=1.5)
_I = ints(3, 4)
_HALF = floats(5, low=0.3, high=3.0, dtype=np.float16)
_BRAIN = floats(5, low=0.3, high=3.0).astype(bfloat16)


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


class TestElementwise(OpSuite):
    """Signs, roundings, powers, exponentials."""

    cases = (
        OpCase("Neg", [_X], lambda x: -x),
        OpCase("Neg", [_I], lambda x: -x),
        OpCase("Neg", [_Z], lambda x: -x),
        OpCase("Abs", [_X], np.abs),
        OpCase("Abs", [_I.astype(np.int8)], np.abs),
        OpCase("Sign", [_X], np.sign),
        OpCase("Sign", [_I], np.sign),
        OpCase("Sign", [_Z], lambda z: z / np.abs(z)),
        OpCase("Square", [_X], lambda x: x * x),
        OpCase("Square", [_Z], lambda x: x * x),
        OpCase("Square", [_I.astype(np.int64)], lambda x: x * x),
        OpCase("Sqrt", [_POSITIVE], lambda x: x**0.5),
        OpCase("Sqrt", [_Z], np.emath.sqrt),
        OpCase("Sqrt", [_HALF], np.sqrt),
        OpCase("SqrtGrad", [_POSITIVE, _X], lambda y, dy: dy / (2 * y)),
        OpCase("SqrtGrad", [_Z, 2 * _Z], lambda y, dy: dy / (2 * np.conj(y))),
        OpCase("Rsqrt", [_POSITIVE], lambda x: x**-0.5),
        OpCase("Rsqrt", [_Z], lambda z: 1 / np.sqrt(z), tolerance=1e-5),
        OpCase("RsqrtGrad", [_POSITIVE, _X], lambda y, dy: -dy * y**3 / 2),
        OpCase("RsqrtGrad", [_Z, 2 * _Z], lambda y, dy: -dy * np.conj(y) ** 3 / 2, tolerance=1e-5),
        OpCase("Exp", [_X], np.exp),
        OpCase("Exp", [_Z], np.exp),
        OpCase("Exp", [_BRAIN], lambda x: np.exp(x.astype(np.float32)).astype(bfloat16)),
        OpCase("Expm1", [1e-3 * _X], np.expm1),
        OpCase("Log", [_POSITIVE], np.log),
        OpCase("Log", [_Z], np.log),
        OpCase("Log", [_BRAIN], lambda x: np.log(x.astype(np.float32)).astype(bfloat16)),
        OpCase("Log1p", [1e-3 * _X], np.log1p),
        OpCase("Sigmoid", [_X], _sigmoid),
        OpCase("Sigmoid", [_Z], _sigmoid),
        OpCase(
            "Sigmoid",
            [np.float16([-12.0, 0.0, 12.0])],
            lambda x: _sigmoid(x.astype(float)).astype(np.float16),
            wrt=(),
        ),
        OpCase("SigmoidGrad", [_UNIT, _X], lambda y, dy: dy * y * (1 - y)),
        OpCase("SigmoidGrad", [_Z, 2 * _Z], lambda y, dy: dy * y * (1 - y)),
        OpCase("Floor", [_X], np.floor),
        OpCase("Ceil", [_X], np.ceil),
        OpCase("Rint", [np.float32([-2.5, -1.5, 0.5, 1.5, 2.4])], np.rint),
        OpCase("Round", [np.float32([-2.5, -1.5, 0.5, 1.5, 2.6])], np.rint),
        OpCase("Round", [_I], lambda x: x),
        OpCase("Exp", [floats(0, 3)], np.exp),
        OpCase("Exp", [floats()], np.exp),
    )


class TestTrigonometric(OpSuite):
    """Circular and hyperbolic functions and their inverses."""

    cases = (
        OpCase("Sin", [_X], np.sin),
        OpCase("Sin", [_Z], np.sin),
        OpCase("Cos", [_X], np.cos),
        OpCase("Cos", [_Z], np.cos),
        OpCase("Tan", [_UNIT], np.tan),
        OpCase("Tan", [_Z], np.tan, tolerance=1e-5),
        OpCase("Asin", [_UNIT], np.arcsin),
        OpCase("Acos", [_UNIT], np.arccos),
        OpCase("Atan", [_X], np.arctan),
        OpCase("Sinh", [_X], np.sinh),
        OpCase("Cosh", [_X], np.cosh),
        OpCase("Tanh", [_X], np.tanh),
        OpCase("Tanh", [_Z], np.tanh),
        OpCase("TanhGrad", [_UNIT, _X], lambda y, dy: dy * (1 - y * y)),
        OpCase("TanhGrad", [_Z, 2 * _Z], lambda y, dy: dy * (1 - y * y), tolerance=1e-5),
        OpCase("Asinh", [_X], np.arcsinh),
        OpCase("Asinh", [_Z], np.arcsinh, tolerance=1e-5),
        OpCase("Acosh", [1 + _POSITIVE], np.arccosh),
        OpCase("Acosh", [_Z], np.arccosh, tolerance=1e-5),
        OpCase("Atanh", [_UNIT], np.arctanh),
        OpCase("Atanh", [_Z], np.arctanh, tolerance=1e-5),
        OpCase("Atan2", [_X, floats(4, seed=1)], np.arctan2),
    )


class TestComplex(OpSuite):
    """Parts of complex numbers."""

    cases = (
        # Tout says complex64: no double precision for finite differences
        OpCase("Complex", [_X, floats(4, seed=2)], lambda a, b: (a + 1j * b).astype(np.complex64), wrt=()),
        OpCase(
            "Complex",
            [_X.astype(np.float64), _X.astype(np.float64)],
            lambda a, b: a + 1j * b,
            Tout=tf.complex128,
        ),
        OpCase("Real", [_Z], np.real, wrt=()),
        OpCase("Real", [_Z.astype(np.complex128)], np.real, Tout=tf.float64),
        OpCase("Imag", [_Z.astype(np.complex128)], np.imag, Tout=tf.float64),
        OpCase("Conj", [_Z], np.conj),
        OpCase("ComplexAbs", [_Z.astype(np.complex128)], np.abs, Tout=tf.float64),
        OpCase("Angle", [_Z.astype(np.complex128)], np.angle, Tout=tf.float64),
    )


def _run(value):
    with tf.Session() as session:
        return session.run(value)


def test_special_values():
    nan, inf = np.nan, np.inf
    x = tf.constant([nan, inf, -inf, 0.0, -1.0])
    np.testing.assert_equal(_run(tf.sign(x)), np.float32([nan, 1, -1, 0, -1]))
    np.testing.assert_equal(_run(tf.sqrt(x)), np.float32([nan, inf, nan, 0, nan]))
    np.testing.assert_equal(_run(tf.log(x)), np.float32([nan, inf, nan, -inf, nan]))
    np.testing.assert_equal(_run(tf.reciprocal(x)), np.float32([nan, 0, -0.0, inf, -1]))
    np.testing.assert_equal(_run(tf.sigmoid(x))[:4], np.float32([nan, 1, 0, 0.5]))


@pytest.mark.parametrize(
    "function", [tf.sqrt, tf.exp, tf.sin, tf.floor, tf.sigmoid, tf.is_nan], ids=lambda f: f.__name__
)
def test_integers_are_refused_when_building(function):
    with pytest.raises(TypeError, match=r"must be one of.*Received: int32"):
        function(tf.constant([1, 2]))


@pytest.mark.parametrize("function", [tf.tan, tf.asin, tf.atan, tf.reciprocal], ids=lambda f: f.__name__)
def test_integers_are_refused_when_run(function):
    y = function(tf.constant([1, 2]))
    with pytest.raises(tf.errors.InvalidArgumentError):
        _run(y)


def test_abs_of_complex_numbers_is_real():
    y = tf.abs(tf.constant([3 + 4j], tf.complex64))
    assert y.dtype == tf.float32
    assert y.op.name == "Abs"
    assert _run(y).tolist() == [5]


def test_round_gives_integers_back():
    x = tf.constant([1, 2])
    assert tf.round(x) is x


def test_parts_of_real_numbers():
    x = tf.constant([-1.5, 2.0])
    assert tf.real(x) is x
    assert tf.conj(x) is x
    assert _run(tf.imag(x)).tolist() == [0, 0]
    assert _run(tf.angle(x)).tolist() == [0, 0]  # of real numbers it is zero, as in 1.15


def test_complex_needs_parts_of_one_dtype():
    with pytest.raises(TypeError, match="complex: real and imag"):
        tf.complex(tf.constant(1.0), tf.constant(1.0, tf.float64))


def test_abs_gradient_of_complex_numbers_points_outwards():
    x = tf.constant([3 + 4j], tf.complex64)
    (gradient,) = tf.gradients(tf.abs(x), x)
    np.testing.assert_allclose(_run(gradient), [0.6 + 0.8j], rtol=1e-6)
