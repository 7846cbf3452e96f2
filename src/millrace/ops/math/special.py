"""Special functions: gamma and beta functions, error functions, Bessel functions, logarithms that accept
zero.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.building.dispatch import elementwise
from millrace.core.dtypes import COMPLEX, FLOATING, float32, float64
from millrace.core.public import public
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.random.gamma_grad import gamma_sample_gradient
from millrace.opkit.rules import shape_rules
from millrace.opkit.rules.families import binary, unary
from millrace.opkit.rules.idioms import Unbroadcast, after
from millrace.opkit.sparse.values import on_stored

_PRECISE = frozenset({float32, float64})
_CONTINUOUS = (FLOATING | COMPLEX) - {next(d for d in FLOATING if d.name == "bfloat16")}


def _erf_grad(op, dy):
    with after(dy):
        return 2 / math.sqrt(math.pi) * dy * raw.Exp(raw.Neg(raw.Square(op.inputs[0])))


def _erfc_grad(op, dy):
    with after(dy):
        return -2 / math.sqrt(math.pi) * dy * raw.Exp(raw.Neg(raw.Square(op.inputs[0])))


def _lgamma_grad(op, dy):
    with after(dy):
        return dy * raw.Digamma(op.inputs[0])


def _digamma_grad(op, dy):
    x = op.inputs[0]
    with after(dy):
        return dy * raw.Polygamma(_constant(1, x), x)


def _constant(value: float, like: Tensor) -> Tensor:
    dtype = like.dtype.base_dtype
    return raw.Const(value=np.asarray(value, dtype.np_dtype), dtype=dtype)


def _bessel_i0e_grad(op, dy):
    x, y = op.inputs[0], op.outputs[0]
    with after(dy):
        return dy * (raw.BesselI1e(x) - raw.Sign(x) * y)


def _bessel_i1e_grad(op, dy):
    x, y = op.inputs[0], op.outputs[0]
    with after(dy):
        # i1e(x) / x tends to 1/2 at 0, where the quotient itself is not defined
        zero = raw.Equal(x, _constant(0, x))
        safe = raw.SelectV2(zero, _constant(1, x), x)
        quotient = raw.SelectV2(zero, _constant(0.5, x), raw.RealDiv(y, safe))
        return dy * (raw.BesselI0e(x) - quotient - raw.Sign(x) * y)


def _igamma_slopes(op, dz, sign: int):
    a, x = op.inputs
    to = Unbroadcast(a, x)
    da = raw.IgammaGradA(a, x)
    # the gamma density; xlogy and not a product, so that a = 1, x = 0 gives 1
    dx = raw.Exp(raw.Neg(x) + raw.Xlogy(a - 1, x) - raw.Lgamma(a))
    dz.graph.count(1)  # TensorFlow 1.15 has Log and Mul
    if sign < 0:
        da, dx = raw.Neg(da), raw.Neg(dx)
    return to.x(da * dz), to.y(dx * dz)


def _betainc_density(a, b, x):
    log_beta = raw.Lgamma(a) + raw.Lgamma(b) - raw.Lgamma(a + b)
    x.graph.count(2)  # TensorFlow 1.15 has Log and Mul twice
    return raw.Exp(raw.Xlogy(b - 1, 1 - x) + raw.Xlogy(a - 1, x) - log_beta)


def _zeta_grad(op, dz):
    x, q = op.inputs
    to = Unbroadcast(x, q)
    with after(dz):
        return None, to.y(dz * (raw.Neg(x) * raw.Zeta(x + 1, q)))


def _polygamma_grad(op, dz):
    n, x = op.inputs
    to = Unbroadcast(n, x)
    with after(dz):
        return None, to.y(dz * raw.Polygamma(n + 1, x))


def _xlogy(xp, x, y):
    return xp.where(x == 0, xp.zeros((), x.dtype), x * xp.log(y))


def _xlogy_grad(op, dz):
    x, y = op.inputs
    to = Unbroadcast(x, y)
    with after(dz):
        nonzero = raw.Cast(raw.NotEqual(x, _constant(0, x)), DstT=x.dtype.base_dtype)
        return to.x(raw.Xlogy(nonzero, y) * dz), to.y(raw.Xdivy(x, y) * dz)


def _xdivy(xp, x, y):
    return xp.where(x == 0, xp.zeros((), x.dtype), xp.divide(x, y))


def _xdivy_grad(op, dz):
    x, y = op.inputs
    to = Unbroadcast(x, y)
    with after(dz):
        nonzero = raw.Cast(raw.NotEqual(x, _constant(0, x)), DstT=x.dtype.base_dtype)
        dy = raw.Xdivy(raw.Neg(x), raw.Square(y))
        dz.graph.count(1)
        return to.x(raw.Xdivy(nonzero, y) * dz), to.y(dy * dz)


Lgamma = unary("Lgamma", FLOATING, "lgamma", _lgamma_grad, "log |gamma(x)|.", __name__)
Digamma = unary("Digamma", FLOATING, "digamma", _digamma_grad, "The derivative of lgamma.", __name__)
Erf = unary("Erf", FLOATING, "erf", _erf_grad, "The error function.", __name__)
Erfc = unary("Erfc", FLOATING, "erfc", _erfc_grad, "1 - erf(x).", __name__)
BesselI0e = unary("BesselI0e", FLOATING, "bessel_i0e", _bessel_i0e_grad, "exp(-|x|) I0(x).", __name__)
BesselI1e = unary("BesselI1e", FLOATING, "bessel_i1e", _bessel_i1e_grad, "exp(-|x|) I1(x).", __name__)
Igamma = binary(
    "Igamma",
    _PRECISE,
    "igamma",
    lambda op, dz: _igamma_slopes(op, dz, 1),
    "The lower incomplete gamma function P(a, x).",
    __name__,
    names=("a", "x", "z"),
)
Igammac = binary(
    "Igammac",
    _PRECISE,
    "igammac",
    lambda op, dz: _igamma_slopes(op, dz, -1),
    "The upper one, Q(a, x) = 1 - P(a, x).",
    __name__,
    names=("a", "x", "z"),
)
Zeta = binary(
    "Zeta", _PRECISE, "zeta", _zeta_grad, "Hurwitz's zeta function.", __name__, names=("x", "q", "z")
)
Polygamma = binary(
    "Polygamma",
    _PRECISE,
    "polygamma",
    _polygamma_grad,
    "The a-th derivative of digamma.",
    __name__,
    names=("a", "x", "z"),
)
Xlogy = binary("Xlogy", _CONTINUOUS, _xlogy, _xlogy_grad, "x log(y), and 0 where x is 0.", __name__)
Xdivy = binary("Xdivy", _CONTINUOUS, _xdivy, _xdivy_grad, "x / y, and 0 where x is 0.", __name__)


@declare("IgammaGradA(a: T, x: T) -> z: T", T=_PRECISE)
class IgammaGradA:
    """The derivative of igamma(a, x) by a."""

    def shape(a, x):
        return shape_rules.broadcast(a, x)

    def kernel(xp, a, x):
        a, x = np.broadcast_arrays(a, x)
        wide_a, wide_x = a.astype(np.float64), x.astype(np.float64)
        density = np.exp((wide_a - 1) * np.log(wide_x) - wide_x - xp.lgamma(wide_a))
        slope = -density * gamma_sample_gradient(xp, wide_a, wide_x)
        return np.where((wide_x == 0) & (wide_a > 0), 0.0, slope).astype(a.dtype)

    def xla(xp, a, x):
        return xp.igamma_grad_a(a, x)

    grad = NOT_DIFFERENTIABLE


@declare("Betainc(a: T, b: T, x: T) -> z: T", T=_PRECISE)
class Betainc:
    """The regularised incomplete beta function; NaN outside its domain."""

    def shape(a, b, x):
        out: Any = ()
        for dims in (a, b, x):
            if dims is None:
                out = None if out in (None, ()) else out
            elif dims != ():
                out = dims if out in (None, ()) else shape_rules.merged(out, dims)
        return out

    def kernel(xp, a, b, x):
        defined = (a > 0) & (b > 0) & (a < np.inf) & (b < np.inf) & (x >= 0) & (x <= 1)
        return xp.where(defined, xp.betainc(a, b, x), np.asarray(np.nan, x.dtype))

    def grad(op, dz):
        a, b, x = op.inputs
        density = _betainc_density(a, b, x)
        return None, None, Unbroadcast(x, dz).x(density * dz)


@public("lgamma", "math.lgamma")
@elementwise("unary")
def lgamma(x: Any, name: str | None = None) -> Tensor:
    """The logarithm of |gamma(x)|.

    Args:
      x: `[...]`, floating.
      name: op name; default "Lgamma".

    Returns:
      Shape and dtype of `x`.
    """
    return apply(Lgamma, x, name=name)


@public("digamma", "math.digamma")
@elementwise("unary")
def digamma(x: Any, name: str | None = None) -> Tensor:
    """The derivative of `lgamma`.

    Args:
      x: `[...]`, floating.
      name: op name; default "Digamma".

    Returns:
      Shape and dtype of `x`.
    """
    return apply(Digamma, x, name=name)


@public("erf", "math.erf")
@elementwise("unary")
def erf(x: Any, name: str | None = None) -> Any:
    """The error function: 2 / sqrt(pi) times the integral of exp(-t**2) from 0 to x.

    Args:
      x: `[...]`, floating; or a SparseTensor.
      name: op name; default "Erf".

    Returns:
      Shape and dtype of `x`.
    """
    return on_stored(x, lambda x: apply(Erf, x, name=name), name or "Erf")


@public("erfc", "math.erfc")
@elementwise("unary")
def erfc(x: Any, name: str | None = None) -> Tensor:
    """1 - erf(x), exact for large x.

    Args:
      x: `[...]`, floating.
      name: op name; default "Erfc".

    Returns:
      Shape and dtype of `x`.
    """
    return apply(Erfc, x, name=name)


@public("math.bessel_i0e")
def bessel_i0e(x: Any, name: str | None = None) -> Any:
    """exp(-|x|) times the modified Bessel function of order 0.

    Args:
      x: `[...]`, floating; or a SparseTensor.
      name: op name; default "BesselI0e".

    Returns:
      Shape and dtype of `x`.
    """
    return on_stored(x, lambda x: apply(BesselI0e, x, name=name), name or "BesselI0e")


@public("math.bessel_i1e")
def bessel_i1e(x: Any, name: str | None = None) -> Any:
    """exp(-|x|) times the modified Bessel function of order 1.

    Args:
      x: `[...]`, floating; or a SparseTensor.
      name: op name; default "BesselI1e".

    Returns:
      Shape and dtype of `x`.
    """
    return on_stored(x, lambda x: apply(BesselI1e, x, name=name), name or "BesselI1e")


@public("igamma", "math.igamma")
def igamma(a: Any, x: Any, name: str | None = None) -> Tensor:
    """The regularised lower incomplete gamma function P(a, x).

    Args:
      a: `[...]`, float32 or float64.
      x: broadcasts with `a`; same dtype.
      name: op name; default "Igamma".

    Returns:
      The broadcast shape, dtype of `a`.
    """
    return apply(Igamma, a, x, name=name)


@public("igammac", "math.igammac")
def igammac(a: Any, x: Any, name: str | None = None) -> Tensor:
    """The regularised upper incomplete gamma function Q(a, x) = 1 - P(a, x).

    Args:
      a: `[...]`, float32 or float64.
      x: broadcasts with `a`; same dtype.
      name: op name; default "Igammac".

    Returns:
      The broadcast shape, dtype of `a`.
    """
    return apply(Igammac, a, x, name=name)


@public("zeta", "math.zeta")
def zeta(x: Any, q: Any, name: str | None = None) -> Tensor:
    """Hurwitz's zeta function: the sum of (q + n)**-x over n = 0, 1, ...

    Args:
      x: `[...]`, float32 or float64.
      q: broadcasts with `x`; same dtype.
      name: op name; default "Zeta".

    Returns:
      The broadcast shape, dtype of `x`.
    """
    return apply(Zeta, x, q, name=name)


@public("polygamma", "math.polygamma")
def polygamma(a: Any, x: Any, name: str | None = None) -> Tensor:
    """The a-th derivative of digamma; NaN where a is not a natural number.

    Args:
      a: `[...]`, float32 or float64.
      x: broadcasts with `a`; same dtype.
      name: op name; default "Polygamma".

    Returns:
      The broadcast shape, dtype of `a`.
    """
    return apply(Polygamma, a, x, name=name)


@public("math.xlogy")
def xlogy(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x log(y), and 0 wherever x is 0.

    Args:
      x: `[...]`, floating or complex.
      y: broadcasts with `x`; same dtype.
      name: op name; default "Xlogy".

    Returns:
      The broadcast shape, dtype of `x`.
    """
    return apply(Xlogy, x, y, name=name)


@public("math.xdivy")
def xdivy(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x / y, and 0 wherever x is 0.

    Args:
      x: `[...]`, floating or complex.
      y: broadcasts with `x`; same dtype.
      name: op name; default "Xdivy".

    Returns:
      The broadcast shape, dtype of `x`.
    """
    return apply(Xdivy, x, y, name=name)


@public("betainc", "math.betainc")
def betainc(a: Any, b: Any, x: Any, name: str | None = None) -> Tensor:
    """The regularised incomplete beta function of x in [0, 1].

    Args:
      a: `[...]`, float32 or float64, positive.
      b: of the shape of `a` or a scalar; same dtype, positive.
      x: of the same shape or a scalar; same dtype.
      name: op name; default "Betainc".

    Returns:
      The shape of those that are not scalars, dtype of `a`.

    Raises:
      ValueError: two of the shapes differ and neither is a scalar.
    """
    return apply(Betainc, a, b, x, name=name)
