"""Bessel functions of order 0 and 1, which graphs of later releases hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import raw
from millrace.core.dtypes import FLOATING
from millrace.graph.opdef import OpDef, make_opdef
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.idioms import after
from millrace.opkit.rules.scipy_functions import wide


def _bessel(name: str, function: str, doc: str, slope: Callable[[Tensor, Tensor], Tensor]) -> OpDef:
    """Declares one; `slope` gives the derivative from input and output."""

    def shape(x: Any) -> Any:
        return x

    def kernel(xp: Any, x: Any) -> Any:
        from scipy import special

        return wide(getattr(special, function), x)

    def grad(op: Any, dy: Tensor) -> Tensor:
        with after(dy):
            return dy * slope(op.inputs[0], op.outputs[0])

    members = {"shape": shape, "kernel": kernel, "grad": grad}
    flags = {"doc": doc, "room": __name__, "host": True}
    return make_opdef(f"{name}(x: T) -> y: T", members, flags, {"T": FLOATING})


# fmt: off
BesselI0 = _bessel("BesselI0", "i0", "I0(x), modified, of the first kind.", lambda x, y: raw.BesselI1(x))
BesselI1 = _bessel("BesselI1", "i1", "I1(x), modified, of the first kind.",
    lambda x, y: _halved(x, y, raw.BesselI0(x)))
BesselJ0 = _bessel("BesselJ0", "j0", "J0(x), of the first kind.", lambda x, y: -raw.BesselJ1(x))
BesselJ1 = _bessel("BesselJ1", "j1", "J1(x), of the first kind.", lambda x, y: _halved(x, y, raw.BesselJ0(x)))
BesselK0 = _bessel("BesselK0", "k0", "K0(x), modified, of the second kind.", lambda x, y: -raw.BesselK1(x))
BesselK1 = _bessel("BesselK1", "k1", "K1(x), modified, of the second kind.",
    lambda x, y: -raw.BesselK0(x) - raw.Div(y, x))
BesselK0e = _bessel("BesselK0e", "k0e", "exp(x) K0(x).", lambda x, y: y - raw.BesselK1e(x))
BesselK1e = _bessel("BesselK1e", "k1e", "exp(x) K1(x).",
    lambda x, y: y * (1.0 - raw.Reciprocal(x)) - raw.BesselK0e(x))
BesselY0 = _bessel("BesselY0", "y0", "Y0(x), of the second kind.", lambda x, y: -raw.BesselY1(x))
BesselY1 = _bessel("BesselY1", "y1", "Y1(x), of the second kind.",
    lambda x, y: raw.BesselY0(x) - raw.Div(y, x))
# fmt: on


def _halved(x: Tensor, y: Tensor, order_zero: Tensor) -> Tensor:
    """The derivative of a function of order 1: 1/2 at 0, where it is a quotient of zeros."""
    zero = raw.Equal(x, raw.ZerosLike(x))
    safe = raw.Select(zero, raw.OnesLike(x), x)
    half = raw.Mul(raw.OnesLike(x), 0.5)
    return raw.Select(zero, half, order_zero - raw.Div(y, safe))
