"""Functions of one number: signs, roundings, powers, exponentials and logarithms."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.building.convert import convert_to_tensor
from millrace.building.dispatch import elementwise
from millrace.building.scopes import name_scope
from millrace.core import dtypes
from millrace.core.dtypes import COMPLEX, FLOATING
from millrace.core.public import public
from millrace.graph.opdef import NOT_DIFFERENTIABLE
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.families import gradient_of, nothing_from_nothing, unary
from millrace.opkit.rules.idioms import after, conj
from millrace.opkit.sparse.values import on_stored, on_values

_CONTINUOUS = FLOATING | COMPLEX
_WIDE = _CONTINUOUS | {dtypes.int32, dtypes.int64}
_ABSOLUTE = FLOATING | {dtypes.int8, dtypes.int16, dtypes.int32, dtypes.int64}


def _square_grad(op, dy):
    with after(dy):
        return dy * (2 * conj(op.inputs[0]))


def _sqrt_grad_kernel(xp, y, dy):
    return nothing_from_nothing(xp, dy, xp.divide(dy, 2 * xp.conj(y)))


def _sqrt_grad_grad(op, d):
    y, _ = op.inputs
    with after(d):
        half = raw.RealDiv(d, y)
        return raw.Neg(conj(half)) * op.outputs[0], 0.5 * half


def _rsqrt_grad_kernel(xp, y, dy):
    conjugate = xp.conj(y)
    return nothing_from_nothing(xp, dy, xp.divide(dy * conjugate * (conjugate * conjugate), -2))


def _rsqrt_grad_grad(op, d):
    y, dy = op.inputs
    with after(d):
        y = conj(y)
        return -1.5 * conj(d) * dy * raw.Square(y), raw.RsqrtGrad(y, d)


def _exp_grad(op, dy):
    with after(dy):
        return dy * conj(op.outputs[0])


def _expm1_grad(op, dy):
    with after(dy):
        return dy * raw.Exp(conj(op.inputs[0]))


def _log_grad(op, dy):
    with after(dy):
        return dy * raw.Reciprocal(conj(op.inputs[0]))


def _log1p_grad(op, dy):
    with after(dy):
        return dy * raw.Reciprocal(1 + conj(op.inputs[0]))


def _sigmoid_grad_kernel(xp, y, dy):
    return dy * y * (1 - y)


def _sigmoid_grad_grad(op, d):
    y, dy = (conj(t) for t in op.inputs)
    with after(d):
        product = d * dy
        return product - 2 * product * y, raw.SigmoidGrad(y, d)


def _sigmoid_grad(op, dy):
    with after(dy):
        return raw.SigmoidGrad(conj(op.outputs[0]), dy)


def _sign_grad(op, dy):
    x = op.inputs[0]
    if not x.dtype.is_complex:
        with x.graph.counted_as(3):  # 1.15 fills the shape of x
            return raw.ZerosLike(x, name="zeros")
    # z / |z| turns with z but does not grow: only the part of dy across z remains.
    modulus = raw.ComplexAbs(x, Tout=x.dtype.real_dtype)
    across = dy - conj(dy) * raw.Square(op.outputs[0])
    return raw.DivNoNan(across, 2 * raw.Complex(modulus, raw.ZerosLike(modulus), Tout=x.dtype.base_dtype))


def _sign(xp, x):
    if x.dtype.kind != "c":
        return xp.sign(x)
    modulus = xp.abs(x)
    direction = xp.complex(xp.divide(xp.real_part(x), modulus), xp.divide(xp.imaginary_part(x), modulus))
    return xp.where(x == 0, xp.zeros((), x.dtype), direction)


def _bind_sign(dims, values, attributes):
    return None if attributes["T"].is_complex else np.sign


def _round(xp, x):
    return xp.positive(x) if x.dtype.kind in "iu" else xp.rint(x)


def _bind_round(dims, values, attributes):
    return None if attributes["T"].is_integer else np.rint


Neg = unary("Neg", _WIDE, "negative", lambda op, dy: on_values(dy, raw.Neg), "y = -x.", __name__)
Abs = unary("Abs", _ABSOLUTE, "absolute", lambda op, dy: dy * raw.Sign(op.inputs[0]), "y = |x|.", __name__)
Sign = unary(
    "Sign",
    _WIDE,
    _sign,
    _sign_grad,
    "-1, 0 or 1; x / |x| for complex x, 0 at 0.",
    __name__,
    bind=_bind_sign,
)
Square = unary("Square", _WIDE, "square", _square_grad, "y = x x.", __name__)
Sqrt = unary(
    "Sqrt",
    _CONTINUOUS,
    "sqrt",
    lambda op, dy: raw.SqrtGrad(op.outputs[0], dy),
    "The root with non-negative real part.",
    __name__,
)
SqrtGrad = gradient_of(
    "SqrtGrad", _CONTINUOUS, _sqrt_grad_kernel, _sqrt_grad_grad, "dy / (2 conj(y)).", __name__
)
Rsqrt = unary(
    "Rsqrt",
    _CONTINUOUS,
    "rsqrt",
    lambda op, dy: raw.RsqrtGrad(op.outputs[0], dy),
    "y = 1 / sqrt(x).",
    __name__,
)
RsqrtGrad = gradient_of(
    "RsqrtGrad", _CONTINUOUS, _rsqrt_grad_kernel, _rsqrt_grad_grad, "-dy conj(y)**3 / 2.", __name__
)
Exp = unary("Exp", _CONTINUOUS, "exp", _exp_grad, "y = e**x.", __name__)
Expm1 = unary("Expm1", _CONTINUOUS, "expm1", _expm1_grad, "y = e**x - 1, exact for small x.", __name__)
Log = unary("Log", _CONTINUOUS, "log", _log_grad, "The natural logarithm.", __name__)
Log1p = unary("Log1p", _CONTINUOUS, "log1p", _log1p_grad, "log(1 + x), exact for small x.", __name__)
Sigmoid = unary("Sigmoid", _CONTINUOUS, "sigmoid", _sigmoid_grad, "y = 1 / (1 + e**-x).", __name__)
SigmoidGrad = gradient_of(
    "SigmoidGrad", _CONTINUOUS, _sigmoid_grad_kernel, _sigmoid_grad_grad, "dy y (1 - y).", __name__
)
Floor = unary("Floor", FLOATING, "floor", NOT_DIFFERENTIABLE, "The largest integer not above x.", __name__)
Ceil = unary("Ceil", FLOATING, "ceil", NOT_DIFFERENTIABLE, "The smallest integer not below x.", __name__)
Rint = unary(
    "Rint", FLOATING, "rint", NOT_DIFFERENTIABLE, "The nearest integer, the even one of two.", __name__
)
Round = unary(
    "Round",
    _WIDE,
    _round,
    NOT_DIFFERENTIABLE,
    "The nearest integer, the even one of two.",
    __name__,
    bind=_bind_round,
)


@public("negative", "math.negative")
@elementwise("unary")
def negative(x: Any, name: str | None = None) -> Any:
    """-x, element by element.

    Args:
      x: `[...]`, floating, complex, int32 or int64; or a SparseTensor.
      name: op name; default "Neg".

    Returns:
      Shape and dtype of `x`.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.negative([1, -2])))
      [-1  2]
    """
    return on_stored(x, lambda x: apply(Neg, x, name=name), name or "Neg")


@public("abs", "math.abs")
@elementwise("unary")
def abs(x: Any, name: str | None = None) -> Any:
    """The absolute value; of complex numbers, the modulus.

    Args:
      x: `[...]`, floating, complex or signed integer; or a SparseTensor.
      name: op name; default "Abs".

    Returns:
      Shape of `x`; its dtype, for complex64 float32 and for complex128 float64.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.abs([-1.5, 2.0])))
      [1.5 2. ]
    """
    return on_stored(x, lambda x: _absolute(x, name), name or "Abs")


def _absolute(x: Any, name: str | None) -> Tensor:
    with name_scope(name, "Abs", [x]) as scope:
        x = convert_to_tensor(x, name="x")
        if x.dtype.is_complex:
            return raw.ComplexAbs(x, Tout=x.dtype.base_dtype.real_dtype, name=scope)
        return apply(Abs, x, name=scope)


@public("sign", "math.sign")
@elementwise("unary")
def sign(x: Any, name: str | None = None) -> Any:
    """-1, 0 or 1 as x is negative, zero or positive; for complex x, x / |x|.

    Args:
      x: `[...]`, floating, complex, int32 or int64; or a SparseTensor.
      name: op name; default "Sign".

    Returns:
      Shape and dtype of `x`.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.sign([-2.0, 0.0, 3.0])))
      [-1.  0.  1.]
    """
    return on_stored(x, lambda x: apply(Sign, x, name=name), name or "Sign")


@public("square", "math.square")
@elementwise("unary")
def square(x: Any, name: str | None = None) -> Any:
    """x * x, element by element.

    Args:
      x: `[...]`, floating, complex, int32 or int64; or a SparseTensor.
      name: op name; default "Square".

    Returns:
      Shape and dtype of `x`.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.square([1.0, -3.0])))
      [1. 9.]
    """
    return on_stored(x, lambda x: apply(Square, x, name=name), name or "Square")


@public("sqrt", "math.sqrt")
@elementwise("unary")
def sqrt(x: Any, name: str | None = None) -> Any:
    """The square root; NaN for negative numbers.

    Args:
      x: `[...]`, floating or complex; or a SparseTensor.
      name: op name; default "Sqrt".

    Returns:
      Shape and dtype of `x`.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.sqrt([4.0, 2.25])))
      [2.  1.5]
    """
    return on_stored(x, lambda x: apply(Sqrt, x, name=name), name or "Sqrt")


@public("rsqrt", "math.rsqrt")
@elementwise("unary")
def rsqrt(x: Any, name: str | None = None) -> Tensor:
    """1 / sqrt(x), element by element.

    Args:
      x: `[...]`, floating or complex.
      name: op name; default "Rsqrt".

    Returns:
      Shape and dtype of `x`.
    """
    return apply(Rsqrt, x, name=name)


@public("exp", "math.exp")
@elementwise("unary")
def exp(x: Any, name: str | None = None) -> Tensor:
    """e to the power of x, element by element.

    Args:
      x: `[...]`, floating or complex.
      name: op name; default "Exp".

    Returns:
      Shape and dtype of `x`.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.exp([0.0, -1000.0])))
      [1. 0.]
    """
    return apply(Exp, x, name=name)


@public("expm1", "math.expm1")
@elementwise("unary")
def expm1(x: Any, name: str | None = None) -> Tensor:
    """e**x - 1, element by element, exact where x is small.

    Args:
      x: `[...]`, floating or complex.
      name: op name; default "Expm1".

    Returns:
      Shape and dtype of `x`.
    """
    return apply(Expm1, x, name=name)


@public("log", "math.log")
@elementwise("unary")
def log(x: Any, name: str | None = None) -> Tensor:
    """The natural logarithm, element by element.

    Args:
      x: `[...]`, floating or complex.
      name: op name; default "Log".

    Returns:
      Shape and dtype of `x`.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.log([1.0, 0.0])))
      [  0. -inf]
    """
    return apply(Log, x, name=name)


@public("log1p", "math.log1p")
@elementwise("unary")
def log1p(x: Any, name: str | None = None) -> Tensor:
    """log(1 + x), element by element, exact where x is small.

    Args:
      x: `[...]`, floating or complex.
      name: op name; default "Log1p".

    Returns:
      Shape and dtype of `x`.
    """
    return apply(Log1p, x, name=name)


@public("sigmoid", "math.sigmoid", "nn.sigmoid")
def sigmoid(x: Any, name: str | None = None) -> Tensor:
    """1 / (1 + e**-x), element by element.

    Args:
      x: `[...]`, floating or complex.
      name: op name; default "Sigmoid".

    Returns:
      Shape and dtype of `x`.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.sigmoid([0.0, 100.0])))
      [0.5 1. ]
    """
    return apply(Sigmoid, x, name=name)


@public("floor", "math.floor")
@elementwise("unary")
def floor(x: Any, name: str | None = None) -> Tensor:
    """The largest integer not above x, element by element.

    Args:
      x: `[...]`, floating.
      name: op name; default "Floor".

    Returns:
      Shape and dtype of `x`.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.floor([1.7, -1.2])))
      [ 1. -2.]
    """
    return apply(Floor, x, name=name)


@public("ceil", "math.ceil")
@elementwise("unary")
def ceil(x: Any, name: str | None = None) -> Tensor:
    """The smallest integer not below x, element by element.

    Args:
      x: `[...]`, floating.
      name: op name; default "Ceil".

    Returns:
      Shape and dtype of `x`.
    """
    return apply(Ceil, x, name=name)


@public("rint", "math.rint")
@elementwise("unary")
def rint(x: Any, name: str | None = None) -> Tensor:
    """The nearest integer; of two, the even one.

    Args:
      x: `[...]`, floating.
      name: op name; default "Rint".

    Returns:
      Shape and dtype of `x`.
    """
    return apply(Rint, x, name=name)


@public("round", "math.round")
@elementwise("unary")
def round(x: Any, name: str | None = None) -> Tensor:
    """The nearest integer; of two, the even one. Integers are given back as they are.

    Args:
      x: `[...]`, real.
      name: op name; default "Round".

    Returns:
      Shape and dtype of `x`.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.round([0.5, 1.5, 2.6])))
      [0. 2. 3.]
    """
    x = convert_to_tensor(x, name="x")
    return x if x.dtype.is_integer else apply(Round, x, name=name)
