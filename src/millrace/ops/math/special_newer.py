"""Special functions that graphs of later releases hold."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from millrace.building import raw
from millrace.core.dtypes import FLOATING
from millrace.graph.opdef import declare
from millrace.opkit.rules import shape_rules
from millrace.opkit.rules.idioms import Unbroadcast, after


def _wide(function: Any, *values: Any) -> Any:
    """A function of SciPy's on values that it knows, in their own dtype."""
    kind = values[0].dtype
    wide = kind if kind in (np.float32, np.float64) else np.dtype(np.float32)
    return np.asarray(function(*(np.asarray(v, wide) for v in values)), wide).astype(kind)[()]


@declare("Erfinv(x: T) -> y: T", T=FLOATING, host=True)
class Erfinv:
    """The inverse of the error function."""

    def shape(x):
        return x

    def kernel(xp, x):
        from scipy import special

        return _wide(special.erfinv, x)

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

        return _wide(special.ndtri, x)

    def grad(op, dy):
        with after(dy):
            return dy * math.sqrt(2 * math.pi) * raw.Exp(raw.Square(op.outputs[0]) * 0.5)


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
