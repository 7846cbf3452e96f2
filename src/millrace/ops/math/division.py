"""Quotients and remainders, and how each of them rounds."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import operators, raw
from millrace.building.apply import apply
from millrace.building.convert import convert_to_tensor
from millrace.building.dispatch import elementwise
from millrace.building.scopes import name_scope
from millrace.core import dtypes, errors
from millrace.core.dtypes import COMPLEX, FLOATING
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph.opdef import NOT_DIFFERENTIABLE
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.families import binary, gradient_of, nothing_from_nothing, unary
from millrace.opkit.rules.idioms import Unbroadcast, conj

_DIVISIBLE = FLOATING | COMPLEX | {
    dtypes.uint8, dtypes.int8, dtypes.uint16, dtypes.int16, dtypes.int32, dtypes.int64,
}  # fmt: skip
_REMAINDERS = FLOATING | {dtypes.int32, dtypes.int64}
_INVERTIBLE = FLOATING | COMPLEX | {dtypes.int32, dtypes.int64}


def _by_zero() -> errors.InvalidArgumentError:
    return refusal("Integer division by zero")


def _truncated_by_zero() -> errors.InternalError:
    # TensorFlow reports this one as an internal error; programs that catch it expect that class.
    return errors.InternalError(None, None, "Integer division by zero")


def _check_divisor(xp, x, y, by_zero):
    if 0 not in x.shape:  # nothing is divided where there is nothing
        xp.check(y != 0, by_zero)


def _real_divide(xp, x, y):
    if x.dtype.name in ("int16", "uint16"):
        raise refusal(f"RealDiv does not divide 16-bit integers. Received: {x.dtype}")
    return _divide(xp, x, y)


def _floor_divide(xp, x, y):
    if x.dtype.kind not in "iu":
        return xp.floor(xp.divide(x, y))
    _check_divisor(xp, x, y, _by_zero)
    return xp.floor_divide(x, y)


def _divide(xp, x, y):
    return xp.divide(x, y) if x.dtype.kind not in "iu" else _truncate_quotient(xp, x, y, _by_zero)


def _truncate_quotient(xp, x, y, by_zero):
    _check_divisor(xp, x, y, by_zero)
    quotient = xp.floor_divide(x, y)
    inexact = xp.multiply(quotient, y) != x
    return xp.where(inexact & ((x < 0) != (y < 0)), quotient + xp.ones((), x.dtype), quotient)


def _truncate_divide(xp, x, y):
    if x.dtype.kind in "iu":
        return _truncate_quotient(xp, x, y, _truncated_by_zero)
    return xp.divide(x, y)


def _floor_remainder(xp, x, y):
    if x.dtype.kind in "iu":
        _check_divisor(xp, x, y, _by_zero)
    return xp.remainder(x, y)


def _truncate_remainder(xp, x, y):
    if x.dtype.kind in "iu":
        _check_divisor(xp, x, y, _truncated_by_zero)
    return xp.fmod(x, y)


def _remainder(xp, x, y):
    if x.dtype.kind in "iu":
        _check_divisor(xp, x, y, _by_zero)
    return xp.fmod(x, y)


def _divide_no_nan(xp, x, y):
    return xp.where(y == 0, xp.zeros((), x.dtype), xp.divide(x, y))


def _reciprocal(xp, x):
    if x.dtype.kind in "iu":
        raise refusal(f"1/x is not an integer. Received: {x.dtype}")
    return xp.divide(xp.ones((), x.dtype), x)


def _bind_real(function):
    return lambda dims, values, attributes: None if attributes["T"].is_integer else function


def _bind_floor_remainder(dims, values, attributes):
    return _integer_remainder if attributes["T"].is_integer else np.remainder


def _integer_remainder(x, y):
    if np.count_nonzero(y) < y.size and 0 not in x.shape:  # nothing is divided where there is nothing
        raise _by_zero()
    return np.remainder(x, y)


def _real_div_grad(op, dz):
    x, y = op.inputs
    to = Unbroadcast(x, y)
    x, y = conj(x), conj(y)
    dx = to.x(raw.RealDiv(dz, y))
    return dx, to.y(dz * raw.RealDiv(raw.RealDiv(raw.Neg(x), y), y))


def _div_grad(op, dz):
    x, y = op.inputs
    if x.dtype.is_integer:
        return None, None
    to = Unbroadcast(x, y)
    x, y = conj(x), conj(y)
    dx = to.x(raw.Div(dz, y, name="div"))
    return dx, to.y(dz * raw.Div(raw.Div(raw.Neg(x), y), y, name="div"))


def _div_no_nan_grad(op, dz):
    x, y = op.inputs
    to = Unbroadcast(x, y)
    x, y = conj(x), conj(y)
    dx = to.x(raw.DivNoNan(dz, y))
    return dx, to.y(dz * raw.DivNoNan(raw.DivNoNan(raw.Neg(x), y), y))


def _floor_mod_grad(op, dz):
    x, y = op.inputs
    to = Unbroadcast(x, y)
    quotient = raw.FloorDiv(x, y, name="floordiv")
    return to.x(dz), to.y(dz * raw.Neg(quotient))


def _truncate_mod_grad(op, dz):
    x, y = op.inputs
    to = Unbroadcast(x, y)
    whole = raw.TruncateDiv(x, y) if x.dtype.is_integer else raw.RealDiv(x - op.outputs[0], y)
    return to.x(dz), to.y(dz * raw.Neg(whole))


Div = binary(
    "Div",
    _DIVISIBLE,
    _divide,
    _div_grad,
    "z = x / y; integers are truncated.",
    __name__,
    bind=_bind_real(np.divide),
)
RealDiv = binary(
    "RealDiv", _DIVISIBLE, _real_divide, _real_div_grad, "z = x / y.", __name__, bind=_bind_real(np.divide)
)
DivNoNan = binary(
    "DivNoNan",
    FLOATING | COMPLEX,
    _divide_no_nan,
    _div_no_nan_grad,
    "z = x / y, and 0 where y is 0.",
    __name__,
)
FloorDiv = binary(
    "FloorDiv",
    _DIVISIBLE,
    _floor_divide,
    NOT_DIFFERENTIABLE,
    "z = x / y rounded towards minus infinity.",
    __name__,
)
TruncateDiv = binary(
    "TruncateDiv",
    _DIVISIBLE,
    _truncate_divide,
    NOT_DIFFERENTIABLE,
    "z = x / y, of integers rounded towards zero; of other numbers it is not rounded.",
    __name__,
)
FloorMod = binary(
    "FloorMod",
    _REMAINDERS,
    _floor_remainder,
    _floor_mod_grad,
    "The remainder of FloorDiv: it has the sign of y.",
    __name__,
    bind=_bind_floor_remainder,
)
TruncateMod = binary(
    "TruncateMod",
    _REMAINDERS,
    _truncate_remainder,
    _truncate_mod_grad,
    "The remainder of TruncateDiv: it has the sign of x.",
    __name__,
    bind=_bind_real(np.fmod),
)
Mod = binary(
    "Mod", _REMAINDERS, _remainder, _truncate_mod_grad, "C's remainder: it has the sign of x.", __name__
)


def _reciprocal_grad(grad_type):
    return lambda op, dy: getattr(raw, grad_type)(op.outputs[0], dy)


def _inverse_grad(xp, y, dy):
    conjugate = xp.conj(y)
    return nothing_from_nothing(xp, dy, xp.multiply(xp.multiply(xp.negative(conjugate), dy), conjugate))


def _inverse_grad_grad(grad_type):
    def grad(op, d):
        y, dy = op.inputs
        y = conj(y)
        return conj(d) * -2 * dy * y, getattr(raw, grad_type)(y, d)

    return grad


Reciprocal = unary(
    "Reciprocal", _INVERTIBLE, _reciprocal, _reciprocal_grad("ReciprocalGrad"), "y = 1 / x.", __name__
)
Inv = unary("Inv", _INVERTIBLE, _reciprocal, _reciprocal_grad("InvGrad"), "y = 1 / x.", __name__)
ReciprocalGrad = gradient_of(
    "ReciprocalGrad",
    FLOATING | COMPLEX,
    _inverse_grad,
    _inverse_grad_grad("ReciprocalGrad"),
    "-dy conj(y)**2.",
    __name__,
)
InvGrad = gradient_of(
    "InvGrad", FLOATING | COMPLEX, _inverse_grad, _inverse_grad_grad("InvGrad"), "-dy conj(y)**2.", __name__
)


@public("divide", "math.divide")
@elementwise("binary")
def divide(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x / y as Python 3 divides: in floating point, integers are converted first.

    Args:
      x: `[...]`, numeric.
      y: broadcasts with `x`; same dtype.
      name: op name; default "truediv".

    Returns:
      The broadcast shape; floating and complex dtypes stay, 8 and 16 bit integers give float32, wider ones
      float64.

    Raises:
      TypeError: the dtypes differ.
      ValueError: the shapes do not broadcast.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.divide([1, 2], [2, 2])))
      [0.5 1. ]
    """
    if not isinstance(x, Tensor) and isinstance(y, Tensor):
        x = convert_to_tensor(x, y.dtype.base_dtype)
    return truediv(x, y, name)


@public("truediv", "math.truediv")
@elementwise("binary")
def truediv(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x / y in floating point; arguments, shapes and errors as for `divide`."""
    with name_scope(name, "truediv", [x, y]) as scope:
        x = convert_to_tensor(x, name="x")
        return operators.truediv(
            x, y if isinstance(y, Tensor) else convert_to_tensor(y, x.dtype.base_dtype, "y"), scope
        )


@public("realdiv")
@elementwise("binary")
def realdiv(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x / y of floating or complex numbers.

    Args:
      x: `[...]`, floating or complex.
      y: broadcasts with `x`; same dtype.
      name: op name; default "RealDiv".
    """
    return apply(RealDiv, x, y, name=name)


@public("div_no_nan", "math.divide_no_nan")
@elementwise("binary")
def div_no_nan(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x / y, and 0 wherever y is 0.

    Args:
      x: `[...]`, floating or complex.
      y: broadcasts with `x`; same dtype.
      name: op name; default "div_no_nan".
    """
    with name_scope(name, "div_no_nan", [x, y]) as scope:
        x = convert_to_tensor(x, name="x")
        return apply(DivNoNan, x, convert_to_tensor(y, x.dtype.base_dtype, "y"), name=scope)


@public("math.reciprocal_no_nan")
def reciprocal_no_nan(x: Any, name: str | None = None) -> Tensor:
    """1 / x, and 0 wherever x is 0.

    Args:
      x: `[...]`, floating or complex.
      name: op name; default "reciprocal_no_nan".
    """
    with name_scope(name, "reciprocal_no_nan", [x]) as scope:
        x = convert_to_tensor(x, name="x")
        one = raw.Const(value=np.ones((), x.dtype.base_dtype.np_dtype), dtype=x.dtype.base_dtype, name="one")
        return apply(DivNoNan, one, x, name=scope)


@public("floordiv", "math.floordiv")
@elementwise("binary")
def floordiv(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x / y rounded towards minus infinity, as Python's // does.

    Args:
      x: `[...]`, real.
      y: broadcasts with `x`; same dtype.
      name: op name; default "floordiv".

    Raises:
      InvalidArgumentError: when run, if an integer is divided by zero.
    """
    return apply(FloorDiv, x, y, name=name or "floordiv")


@public("floor_div")
def floor_div(x: Any, y: Any, name: str | None = None) -> Tensor:
    """The same as `floordiv`, under the default name "FloorDiv"."""
    return apply(FloorDiv, x, y, name=name)


@public("truncatediv")
@elementwise("binary")
def truncatediv(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x / y, of integers rounded towards zero, as C does; of other numbers it is not rounded.

    Args:
      x: `[...]`, real.
      y: broadcasts with `x`; same dtype.
      name: op name; default "TruncateDiv".

    Raises:
      InternalError: when run, if an integer is divided by zero.
    """
    return apply(TruncateDiv, x, y, name=name)


@public("mod", "floormod", "math.mod", "math.floormod")
@elementwise("binary")
def floormod(x: Any, y: Any, name: str | None = None) -> Tensor:
    """The remainder of floor division, as Python's %: x = floordiv(x, y) * y + floormod(x, y).

    Args:
      x: `[...]`, floating, int32 or int64.
      y: broadcasts with `x`; same dtype.
      name: op name; default "FloorMod".

    Raises:
      InvalidArgumentError: when run, if an integer is divided by zero.
    """
    return apply(FloorMod, x, y, name=name)


@public("truncatemod")
@elementwise("binary")
def truncatemod(x: Any, y: Any, name: str | None = None) -> Tensor:
    """The remainder of truncating division, as C's %: it has the sign of x.

    Args:
      x: `[...]`, floating, int32 or int64.
      y: broadcasts with `x`; same dtype.
      name: op name; default "TruncateMod".

    Raises:
      InternalError: when run, if an integer is divided by zero.
    """
    return apply(TruncateMod, x, y, name=name)


@public("reciprocal", "math.reciprocal")
@elementwise("unary")
def reciprocal(x: Any, name: str | None = None) -> Tensor:
    """1 / x, element by element.

    Args:
      x: `[...]`, floating or complex.
      name: op name; default "Reciprocal".
    """
    return apply(Reciprocal, x, name=name)
