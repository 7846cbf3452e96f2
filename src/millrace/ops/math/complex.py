"""Complex numbers: made of parts, taken apart, conjugated, measured."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.apply import apply
from millrace.building.convert import convert_to_tensor
from millrace.building.dispatch import elementwise
from millrace.building.scopes import name_scope
from millrace.core import dtypes, shapes
from millrace.core.dtypes import COMPLEX, complex64, complex128, float32, float64
from millrace.core.public import public
from millrace.graph import attrs
from millrace.graph.opdef import declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules import shape_rules
from millrace.opkit.rules.idioms import Unbroadcast, filled

_WHOLE = attrs.dtype(COMPLEX, complex64)
_PART = attrs.dtype(frozenset({float32, float64}), float32)


def _real_of(x: Tensor) -> Any:
    return x.dtype.base_dtype.real_dtype


@declare("Complex(real: T, imag: T) -> out: Tout", T=_PART, Tout=_WHOLE)
class Complex:
    """real + i imag."""

    def shape(real, imag):
        return shape_rules.broadcast(real, imag)

    def kernel(xp, real, imag):
        return xp.complex(real, imag)

    def grad(op, dz):
        to = Unbroadcast(*op.inputs)
        part = op.attrs["T"]
        return to.x(raw.Real(dz, Tout=part)), to.y(raw.Imag(dz, Tout=part))


@declare("Real(input: T) -> output: Tout", T=_WHOLE, Tout=_PART)
class Real:
    """The real part."""

    def shape(input):
        return input

    def kernel(xp, input):
        return xp.real_part(input)

    def grad(op, dy):
        return raw.Complex(dy, raw.ZerosLike(dy), Tout=op.attrs["T"])


@declare("Imag(input: T) -> output: Tout", T=_WHOLE, Tout=_PART)
class Imag:
    """The imaginary part."""

    def shape(input):
        return input

    def kernel(xp, input):
        return xp.imaginary_part(input)

    def grad(op, dy):
        return raw.Complex(raw.ZerosLike(dy), dy, Tout=op.attrs["T"])


@declare("Conj(input: T) -> output: T", T=attrs.dtype(COMPLEX | {dtypes.variant}, complex64))
class Conj:
    """The complex conjugate."""

    def shape(input):
        return input

    def kernel(xp, input):
        return xp.conj(input)

    def grad(op, dy):
        return raw.Conj(dy)


@declare("ComplexAbs(x: T) -> y: Tout", T=_WHOLE, Tout=_PART)
class ComplexAbs:
    """The modulus."""

    def shape(x):
        return x

    def kernel(xp, x):
        return xp.absolute(x)

    def grad(op, dy):
        return raw.Complex(dy, raw.ZerosLike(dy), Tout=op.attrs["T"]) * raw.Sign(op.inputs[0])


@declare("Angle(input: T) -> output: Tout", T=_WHOLE, Tout=_PART)
class Angle:
    """The angle from the positive real axis."""

    def shape(input):
        return input

    def kernel(xp, input):
        return xp.arctan2(xp.imag(input), xp.real(input))

    def grad(op, dy):
        z = op.inputs[0]
        part = op.attrs["Tout"]
        swapped = raw.Complex(raw.Imag(z, Tout=part), raw.Real(z, Tout=part), Tout=op.attrs["T"])
        return raw.Neg(raw.Complex(dy, raw.ZerosLike(dy), Tout=op.attrs["T"])) * raw.Reciprocal(swapped)


@public("complex", "dtypes.complex")
@elementwise("binary")
def complex(real: Any, imag: Any, name: str | None = None) -> Tensor:
    """real + i imag, element by element.

    Args:
      real: `[...]`, float32 or float64.
      imag: broadcasts with `real`; same dtype.
      name: op name; default "Complex".

    Returns:
      The broadcast shape; complex64 for float32, complex128 for float64.

    Raises:
      TypeError: the parts have different dtypes or another one.
    """
    real = convert_to_tensor(real, name="real")
    imag = convert_to_tensor(imag, name="imag")
    with name_scope(name, "Complex", [real, imag]) as scope:
        wholes = {(float64, float64): complex128, (float32, float32): complex64}
        found = wholes.get((real.dtype.base_dtype, imag.dtype.base_dtype))
        if found is None:
            raise TypeError(
                f"complex: real and imag must both be float32 or both float64. "
                f"Received: {real.dtype.name} and {imag.dtype.name}"
            )
        return apply(Complex, real, imag, Tout=found, name=scope)


@public("real", "math.real")
@elementwise("unary")
def real(input: Any, name: str | None = None) -> Tensor:
    """The real part; real numbers are given back as they are.

    Args:
      input: `[...]`, numeric.
      name: op name; default "Real".

    Returns:
      Shape of `input`; float32 for complex64, float64 for complex128.
    """
    with name_scope(name, "Real", [input]) as scope:
        input = convert_to_tensor(input, name="input")
        return apply(Real, input, Tout=_real_of(input), name=scope) if input.dtype.is_complex else input


@public("imag", "math.imag")
@elementwise("unary")
def imag(input: Any, name: str | None = None) -> Tensor:
    """The imaginary part, 0 for real numbers; arguments and result as for `real`."""
    with name_scope(name, "Imag", [input]) as scope:
        input = convert_to_tensor(input, name="input")
        if input.dtype.is_complex:
            return apply(Imag, input, Tout=_real_of(input), name=scope)
        if shapes.fully_defined(input.dims):
            return filled(input.dims, 0, input.dtype.base_dtype, "zeros_like")
        return raw.ZerosLike(input, name="zeros_like")


@public("conj", "math.conj")
@elementwise("unary")
def conj(x: Any, name: str | None = None) -> Tensor:
    """The complex conjugate; real numbers are given back as they are.

    Args:
      x: `[...]`, numeric.
      name: op name; default "Conj".

    Returns:
      Shape and dtype of `x`.

    Raises:
      TypeError: `x` is not numeric.
    """
    if isinstance(x, Tensor) and (x.dtype.is_floating or x.dtype.is_integer):
        return x
    with name_scope(name, "Conj", [x]) as scope:
        x = convert_to_tensor(x, name="x")
        if x.dtype.is_complex or x.dtype.base_dtype is dtypes.variant:
            return apply(Conj, x, name=scope)
        if x.dtype.is_floating or x.dtype.is_integer:
            return x
        raise TypeError(f"conj: x must be numeric. Received: {x.dtype.name}")


@public("angle", "math.angle")
@elementwise("unary")
def angle(input: Any, name: str | None = None) -> Tensor:
    """The angle from the positive real axis, in radians in [-pi, pi].

    Args:
      input: `[...]`, numeric.
      name: op name; default "Angle".

    Returns:
      Shape of `input`; float32 for complex64, float64 for complex128, else the dtype of `input`: of real
      numbers, negative ones too, it is 0 as in TensorFlow 1.15.
    """
    with name_scope(name, "Angle", [input]) as scope:
        input = convert_to_tensor(input, name="input")
        dtype = input.dtype.base_dtype
        if dtype.is_complex:
            return apply(Angle, input, Tout=_real_of(input), name=scope)
        return raw.ZerosLike(input)
