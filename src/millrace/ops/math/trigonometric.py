"""Circular and hyperbolic functions and their inverses."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.building.dispatch import elementwise
from millrace.core import dtypes
from millrace.core.dtypes import COMPLEX, FLOATING
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.families import binary, gradient_of, unary
from millrace.opkit.rules.idioms import Unbroadcast, after, conj
from millrace.opkit.sparse.values import on_stored

_CONTINUOUS = FLOATING | COMPLEX
# TensorFlow lets integers into these when building and refuses them when run.
_LATE = _CONTINUOUS | {dtypes.int32, dtypes.int64}


def _refusing_integers(verb: str):
    def kernel(xp, x):
        if x.dtype.kind in "iu":
            raise refusal(f"{verb} takes no integers. Received: {x.dtype}")
        return getattr(xp, verb)(x)

    return kernel


def _sin_grad(op, dy):
    with after(dy):
        return dy * raw.Cos(conj(op.inputs[0]))


def _cos_grad(op, dy):
    with after(dy):
        return raw.Neg(dy) * raw.Sin(conj(op.inputs[0]))


def _tan_grad(op, dy):
    with after(dy):
        return dy * raw.Square(raw.Reciprocal(raw.Cos(conj(op.inputs[0]))))


def _asin_grad(op, dy):
    with after(dy):
        return dy * raw.Reciprocal(raw.Sqrt(1 - raw.Square(conj(op.inputs[0]))))


def _acos_grad(op, dy):
    with after(dy):
        return raw.Neg(dy) * raw.Reciprocal(raw.Sqrt(1 - raw.Square(conj(op.inputs[0]))))


def _atan_grad(op, dy):
    with after(dy):
        return dy * raw.Reciprocal(1 + raw.Square(conj(op.inputs[0])))


def _sinh_grad(op, dy):
    with after(dy):
        return dy * raw.Cosh(conj(op.inputs[0]))


def _cosh_grad(op, dy):
    with after(dy):
        return dy * raw.Sinh(conj(op.inputs[0]))


def _asinh_grad(op, dy):
    with after(dy):
        return raw.RealDiv(dy, raw.Cosh(conj(op.outputs[0])))


def _acosh_grad(op, dy):
    with after(dy):
        return raw.RealDiv(dy, raw.Sinh(conj(op.outputs[0])))


def _atanh_grad(op, dy):
    with after(dy):
        return dy * raw.Reciprocal(1 - raw.Square(conj(op.inputs[0])))


def _tanh_grad(op, dy):
    with after(dy):
        return raw.TanhGrad(conj(op.outputs[0]), dy)


def _tanh_grad_kernel(xp, y, dy):
    return dy * (1 - y * y)


def _bind_tanh_grad(dims, values, attributes):
    """The kernel with one array instead of three."""
    kind, first = attributes["T"], dims[0]
    if kind not in (dtypes.float32, dtypes.float64) or not first or None in first or first != dims[1]:
        return None
    one = np.ones((), kind.np_dtype)

    def kernel(y, dy):
        z = y * y
        np.subtract(one, z, out=z)
        z *= dy
        return z

    return kernel


def _tanh_grad_grad(op, d):
    y, dy = (conj(t) for t in op.inputs)
    with after(d):
        return d * -2 * dy * y, raw.TanhGrad(y, d)


def _atan2_grad(op, dz):
    y, x = op.inputs
    to = Unbroadcast(y, x)
    scale = raw.RealDiv(dz, raw.Square(x) + raw.Square(y))
    return to.x(x * scale), to.y(raw.Neg(y) * scale)


Sin = unary("Sin", _CONTINUOUS, "sin", _sin_grad, "The sine.", __name__)
Cos = unary("Cos", _CONTINUOUS, "cos", _cos_grad, "The cosine.", __name__)
Tan = unary("Tan", _LATE, _refusing_integers("tan"), _tan_grad, "The tangent.", __name__)
Asin = unary("Asin", _LATE, _refusing_integers("arcsin"), _asin_grad, "The inverse of the sine.", __name__)
Acos = unary("Acos", _LATE, _refusing_integers("arccos"), _acos_grad, "The inverse of the cosine.", __name__)
Atan = unary("Atan", _LATE, _refusing_integers("arctan"), _atan_grad, "The inverse of the tangent.", __name__)
Sinh = unary("Sinh", _CONTINUOUS, "sinh", _sinh_grad, "The hyperbolic sine.", __name__)
Cosh = unary("Cosh", _CONTINUOUS, "cosh", _cosh_grad, "The hyperbolic cosine.", __name__)
Tanh = unary("Tanh", _CONTINUOUS, "tanh", _tanh_grad, "The hyperbolic tangent.", __name__)
TanhGrad = gradient_of(
    "TanhGrad",
    _CONTINUOUS,
    _tanh_grad_kernel,
    _tanh_grad_grad,
    "dy (1 - y**2).",
    __name__,
    bind=_bind_tanh_grad,
)
Asinh = unary("Asinh", _CONTINUOUS, "arcsinh", _asinh_grad, "The inverse of the hyperbolic sine.", __name__)
Acosh = unary("Acosh", _CONTINUOUS, "arccosh", _acosh_grad, "The inverse of the hyperbolic cosine.", __name__)
Atanh = unary(
    "Atanh", _CONTINUOUS, "arctanh", _atanh_grad, "The inverse of the hyperbolic tangent.", __name__
)
Atan2 = binary(
    "Atan2",
    FLOATING,
    "arctan2",
    _atan2_grad,
    "The angle of the point (x, y).",
    __name__,
    names=("y", "x", "z"),
)


@public("sin", "math.sin")
@elementwise("unary")
def sin(x: Any, name: str | None = None) -> Tensor:
    """The sine of x in radians.

    Args:
      x: `[...]`, floating or complex.
      name: op name; default "Sin".

    Returns:
      Shape and dtype of `x`.
    """
    return apply(Sin, x, name=name)


@public("cos", "math.cos")
@elementwise("unary")
def cos(x: Any, name: str | None = None) -> Tensor:
    """The cosine of x in radians.

    Args:
      x: `[...]`, floating or complex.
      name: op name; default "Cos".

    Returns:
      Shape and dtype of `x`.
    """
    return apply(Cos, x, name=name)


@public("tan", "math.tan")
@elementwise("unary")
def tan(x: Any, name: str | None = None) -> Tensor:
    """The tangent of x in radians.

    Args:
      x: `[...]`, floating or complex.
      name: op name; default "Tan".

    Returns:
      Shape and dtype of `x`.
    """
    return apply(Tan, x, name=name)


@public("asin", "math.asin")
@elementwise("unary")
def asin(x: Any, name: str | None = None) -> Tensor:
    """The angle in radians whose sine is x.

    Args:
      x: `[...]`, floating or complex.
      name: op name; default "Asin".

    Returns:
      Shape and dtype of `x`.
    """
    return apply(Asin, x, name=name)


@public("acos", "math.acos")
@elementwise("unary")
def acos(x: Any, name: str | None = None) -> Tensor:
    """The angle in radians whose cosine is x.

    Args:
      x: `[...]`, floating or complex.
      name: op name; default "Acos".

    Returns:
      Shape and dtype of `x`.
    """
    return apply(Acos, x, name=name)


@public("atan", "math.atan")
@elementwise("unary")
def atan(x: Any, name: str | None = None) -> Tensor:
    """The angle in radians whose tangent is x.

    Args:
      x: `[...]`, floating or complex.
      name: op name; default "Atan".

    Returns:
      Shape and dtype of `x`.
    """
    return apply(Atan, x, name=name)


@public("sinh", "math.sinh")
@elementwise("unary")
def sinh(x: Any, name: str | None = None) -> Tensor:
    """The hyperbolic sine.

    Args:
      x: `[...]`, floating or complex.
      name: op name; default "Sinh".

    Returns:
      Shape and dtype of `x`.
    """
    return apply(Sinh, x, name=name)


@public("cosh", "math.cosh")
@elementwise("unary")
def cosh(x: Any, name: str | None = None) -> Tensor:
    """The hyperbolic cosine.

    Args:
      x: `[...]`, floating or complex.
      name: op name; default "Cosh".

    Returns:
      Shape and dtype of `x`.
    """
    return apply(Cosh, x, name=name)


@public("tanh", "math.tanh", "nn.tanh")
def tanh(x: Any, name: str | None = None) -> Any:
    """The hyperbolic tangent.

    Args:
      x: `[...]`, floating or complex; or a SparseTensor.
      name: op name; default "Tanh".

    Returns:
      Shape and dtype of `x`.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.tanh([0.0, 100.0])))
      [0. 1.]
    """
    return on_stored(x, lambda x: apply(Tanh, x, name=name), name or "Tanh")


@public("asinh", "math.asinh")
@elementwise("unary")
def asinh(x: Any, name: str | None = None) -> Tensor:
    """The number whose hyperbolic sine is x.

    Args:
      x: `[...]`, floating or complex.
      name: op name; default "Asinh".

    Returns:
      Shape and dtype of `x`.
    """
    return apply(Asinh, x, name=name)


@public("acosh", "math.acosh")
@elementwise("unary")
def acosh(x: Any, name: str | None = None) -> Tensor:
    """The number whose hyperbolic cosine is x.

    Args:
      x: `[...]`, floating or complex.
      name: op name; default "Acosh".

    Returns:
      Shape and dtype of `x`.
    """
    return apply(Acosh, x, name=name)


@public("atanh", "math.atanh")
@elementwise("unary")
def atanh(x: Any, name: str | None = None) -> Tensor:
    """The number whose hyperbolic tangent is x.

    Args:
      x: `[...]`, floating or complex.
      name: op name; default "Atanh".

    Returns:
      Shape and dtype of `x`.
    """
    return apply(Atanh, x, name=name)


@public("atan2", "math.atan2")
@elementwise("binary")
def atan2(y: Any, x: Any, name: str | None = None) -> Tensor:
    """The angle in radians, in [-pi, pi], of the point (x, y).

    Args:
      y: `[...]`, floating.
      x: broadcasts with `y`; same dtype.
      name: op name; default "Atan2".

    Returns:
      The broadcast shape, dtype of `y`.
    """
    return apply(Atan2, y, x, name=name)
