"""Special functions that graphs of later releases hold."""

from __future__ import annotations

import math

from millrace.building import raw
from millrace.core.dtypes import FLOATING
from millrace.graph.opdef import declare
from millrace.opkit.rules import shape_rules
from millrace.opkit.rules.idioms import Unbroadcast, after
from millrace.opkit.rules.scipy_functions import wide


@declare("Erfinv(x: T) -> y: T", T=FLOATING, host=True)
class Erfinv:
    """The inverse of the error function."""

    def shape(x):
        return x

    def kernel(xp, x):
        from scipy import special

        return wide(special.erfinv, x)

    def grad(op, dy):
        with after(dy):
            return dy * (math.sqrt(math.pi) / 2) * raw.Exp(raw.Square(op.outputs[0]))


@declare("Ndtri(x: T) -> y: T", T=FLOATING, host=True)
class Ndtri:
    """The quantiles of the normal distribution."""

    def shape(x):
        return x

    def kernel(xp, x):
        from scipy import special

        return wide(special.ndtri, x)

    def grad(op, dy):
        with after(dy):
            return dy * math.sqrt(2 * math.pi) * raw.Exp(raw.Square(op.outputs[0]) * 0.5)


@declare("Dawsn(x: T) -> y: T", T=FLOATING, host=True)
class Dawsn:
    """Dawson's integral: exp(-x²) times the integral of exp(t²) from 0 to x."""

    def shape(x):
        return x

    def kernel(xp, x):
        from scipy import special

        return wide(special.dawsn, x)

    def grad(op, dy):
        with after(dy):
            return dy * (1.0 - 2.0 * op.inputs[0] * op.outputs[0])


@declare("Expint(x: T) -> y: T", T=FLOATING, host=True)
class Expint:
    """The exponential integral: of exp(t) / t from minus infinity to x."""

    def shape(x):
        return x

    def kernel(xp, x):
        from scipy import special

        return wide(special.expi, x)

    def grad(op, dy):
        with after(dy):
            return dy * raw.Exp(op.inputs[0]) / op.inputs[0]


@declare("FresnelCos(x: T) -> y: T", T=FLOATING, host=True)
class FresnelCos:
    """The integral of cos(π t² / 2) from 0 to x."""

    def shape(x):
        return x

    def kernel(xp, x):
        from scipy import special

        return wide(lambda v: special.fresnel(v)[1], x)

    def grad(op, dy):
        with after(dy):
            return dy * raw.Cos(raw.Square(op.inputs[0]) * (math.pi / 2))


@declare("FresnelSin(x: T) -> y: T", T=FLOATING, host=True)
class FresnelSin:
    """The integral of sin(π t² / 2) from 0 to x."""

    def shape(x):
        return x

    def kernel(xp, x):
        from scipy import special

        return wide(lambda v: special.fresnel(v)[0], x)

    def grad(op, dy):
        with after(dy):
            return dy * raw.Sin(raw.Square(op.inputs[0]) * (math.pi / 2))


@declare("Spence(x: T) -> y: T", T=FLOATING, host=True)
class Spence:
    """Spence's function: the integral of log(t) / (1 - t) from 1 to x."""

    def shape(x):
        return x

    def kernel(xp, x):
        from scipy import special

        return wide(special.spence, x)

    def grad(op, dy):
        x = op.inputs[0]
        with after(dy):
            one = raw.Equal(x, raw.OnesLike(x))
            safe = raw.Select(one, raw.Mul(x, 0.5), x)
            return dy * raw.Select(one, raw.Neg(raw.OnesLike(x)), raw.Log(safe) / (1.0 - safe))


@declare("Xlog1py(x: T, y: T) -> z: T", T=FLOATING)
class Xlog1py:
    """x log(1 + y), 0 where x is 0."""

    def shape(x, y):
        return shape_rules.broadcast(x, y)

    def kernel(xp, x, y):
        return xp.where(x == 0, xp.zeros((), x.dtype), x * xp.log1p(y))

    def grad(op, dz):
        x, y = op.inputs
        to = Unbroadcast(x, y)
        with after(dz):
            nonzero = raw.Cast(raw.NotEqual(x, raw.ZerosLike(x)), DstT=x.dtype.base_dtype)
            return to.x(raw.Xlog1py(nonzero, y) * dz), to.y(raw.Xdivy(x, y + 1) * dz)
