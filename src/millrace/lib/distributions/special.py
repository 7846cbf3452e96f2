"""The normal distribution function, its logarithm and inverse; the logarithm of Laplace's distribution."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.core.dtypes import float32, float64
from millrace.graph.tensor import Tensor
from millrace.ops.array.fill import fill, zeros_like

# Beyond these bounds the logarithm of the distribution function is taken from expansions instead.
_LOWER = {float32: -10.0, float64: -20.0}
_UPPER = {float32: 5.0, float64: 8.0}
_TERMS = 3

# Rational approximations of the inverse, from the Cephes library; highest power first.
_MIDDLE = (
    (-59.96335010141079, 98.00107541859997, -56.67628574690703, 13.931260938727968, -1.2391658386738125),
    (1.0, 1.9544885833814176, 4.676279128988815, 86.36024213908905, -225.46268785411937, 200.26021238006066,
     -82.03722561683334, 15.90562251262117, -1.1833162112133),
)  # fmt: skip
_TAIL = (
    (4.0554489230596245, 31.525109459989388, 57.16281922464213, 44.08050738932008, 14.684956192885803,
     2.1866330685079025, -0.1402560791713545, -0.03504246268278482, -0.0008574567851546854),
    (1.0, 15.779988325646675, 45.39076351288792, 41.3172038254672, 15.04253856929075, 2.504649462083094,
     -0.14218292285478779, -0.03808064076915783, -0.0009332594808954574),
)  # fmt: skip
_FAR_TAIL = (
    (3.2377489177694603, 6.915228890689842, 3.9388102529247444, 1.3330346081580755, 0.20148538954917908,
     0.012371663481782003, 0.00030158155350823543, 2.6580697468673755e-06, 6.239745391849833e-09),
    (1.0, 6.02427039364742, 3.6798356385616087, 1.3770209948908132, 0.21623699359449663,
     0.013420400608854318, 0.00032801446468212774, 2.8924786474538068e-06, 6.790194080099813e-09),
)  # fmt: skip


def _ndtr(x: Tensor) -> Tensor:
    half = convert_to_tensor(0.5 * math.sqrt(2.0), x.dtype.base_dtype, name="half_sqrt_2")
    w = x * half
    z = raw.Abs(w)
    near, centre = raw.Less(z, half), 1.0 + raw.Erf(w)
    tail = raw.SelectV2(raw.Greater(w, 0.0), 2.0 - raw.Erfc(z), raw.Erfc(z))
    return 0.5 * raw.SelectV2(near, centre, tail)


def ndtr(x: Any, name: str = "ndtr") -> Tensor:
    """The area under the standard normal density from minus infinity to `x`; floating, shape of `x`."""
    with name_scope(name, values=[x]):
        return _ndtr(_precise(x))


def _precise(x: Any) -> Tensor:
    x = convert_to_tensor(x, name="x")
    if x.dtype.base_dtype not in _LOWER:
        raise TypeError(f"x must be float32 or float64. Received: {x.dtype.name}")
    return x


def log_ndtr(x: Any, name: str = "log_ndtr") -> Tensor:
    """The logarithm of `ndtr`, accurate far into both tails; floating, shape of `x`."""
    with name_scope(name, values=[x]):
        x = _precise(x)
        kind = x.dtype.base_dtype
        lower, upper = _LOWER[kind], _UPPER[kind]
        right, high = raw.Greater(x, upper), -_ndtr(-x)  # log(1 - small) = -small
        inside, middle = raw.Greater(x, lower), raw.Log(_ndtr(raw.Maximum(x, lower)))
        low = _log_ndtr_lower(raw.Minimum(x, lower))
        return raw.SelectV2(right, high, raw.SelectV2(inside, middle, low))


def _log_ndtr_lower(x: Tensor) -> Tensor:
    """The asymptotic expansion for large negative x."""
    square = raw.Square(x)
    leading = -0.5 * square - raw.Log(-x) - 0.5 * math.log(2.0 * math.pi)
    square = raw.Square(x)
    even, odd, power, factor = zeros_like(x), zeros_like(x), square, 1.0
    for n in range(1, _TERMS + 1):
        factor *= 2 * n - 1  # (2n - 1)!!
        term = factor / power
        if n % 2:
            odd = odd + term
        else:
            even = even + term
        power = power * square
    return leading + raw.Log(1.0 + even - odd)


def _quotient(
    coefficients: tuple[tuple[float, ...], tuple[float, ...]],
    x: Tensor,
    again: Callable[[], Tensor] | None = None,
) -> Tensor:
    """The quotient of two polynomials in `x`, which `again` computes a second time for the second."""
    above = _polynomial(coefficients[0], x)
    return above / _polynomial(coefficients[1], x if again is None else again())


def _polynomial(coefficients: tuple[float, ...], x: Tensor) -> Tensor:
    total: Any = coefficients[0] + zeros_like(x) * x
    for c in coefficients[1:]:
        total = c + total * x
    return total


def ndtri(p: Any, name: str = "ndtri") -> Tensor:
    """The inverse of `ndtr`: infinite for 0 and 1; floating, shape of `p`."""
    with name_scope(name, values=[p]):
        p = _precise(p)
        kind = p.dtype.base_dtype
        rare = math.exp(-2.0)
        smaller = raw.SelectV2(raw.Greater(p, -math.expm1(-2.0)), 1.0 - p, p)
        none = raw.LessEqual(smaller, 0.0)
        safe = raw.SelectV2(none, fill(raw.Shape(p), np.array(0.5, kind.np_dtype)), smaller)
        # around the middle: a polynomial in (p - 1/2)^2
        w = safe - 0.5
        square = raw.Pow(w, 2.0, name="pow")
        middle = (w + w * square * _quotient(_MIDDLE, square)) * -math.sqrt(2.0 * math.pi)
        # in the tails: in 1 / sqrt(-2 log p)
        z = raw.Sqrt(-2.0 * raw.Log(safe))
        first = z - raw.Log(z) / z
        near = _quotient(_TAIL, 1.0 / z, lambda: 1.0 / z) / z
        far = _quotient(_FAR_TAIL, 1.0 / z, lambda: 1.0 / z) / z
        near, far = first - near, first - far
        inside = raw.Greater(safe, rare)
        tail = raw.SelectV2(raw.GreaterEqual(z, 8.0), far, near)
        found = raw.SelectV2(inside, middle, tail)
        found = raw.SelectV2(raw.Greater(p, 1.0 - rare), found, -found)
        infinity = convert_to_tensor(np.inf, kind)
        infinite = raw.Fill(raw.Shape(p), infinity)
        least, most = (raw.LessEqual(p, 0.0), -infinite), raw.GreaterEqual(p, 1.0)
        return raw.SelectV2(most, infinite, raw.SelectV2(*least, found))


def betainc(a: Tensor, b: Tensor, x: Tensor) -> Tensor:
    """The regularised incomplete beta function; the operation takes one shape, and others are broadcast."""
    shapes = [t.shape for t in (a, b, x) if t.dims != ()]
    if all(s.is_compatible_with(t) for s, t in itertools.pairwise([*shapes, *shapes[:1]])):
        return raw.Betainc(a, b, x)
    whole = zeros_like(a) + zeros_like(b) + zeros_like(x)
    return raw.Betainc(a + whole, b + whole, x + whole)


def erfinv(x: Any, name: str = "erfinv") -> Tensor:
    """The inverse of the error function; floating, shape of `x`."""
    with name_scope(name, values=[x]):
        return ndtri((_precise(x) + 1.0) / 2.0) / math.sqrt(2.0)


def log_cdf_laplace(x: Any, name: str = "log_cdf_laplace") -> Tensor:
    """The logarithm of the standard Laplace distribution function; floating, shape of `x`."""
    with name_scope(name, values=[x]):
        x = convert_to_tensor(x, name="x")
        lower = -math.log(2.0) + x
        upper = raw.Log1p(-0.5 * raw.Exp(-raw.Abs(x)))  # the exponent is never positive, so nothing overflows
        return raw.SelectV2(raw.Less(x, 0.0), lower, upper)
