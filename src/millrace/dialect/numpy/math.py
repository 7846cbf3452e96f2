"""Mathematical verbs of the NumPy dialect: what NumPy lacks, SciPy computes; it is imported when first
needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.core import dtypes

_BFLOAT16 = dtypes.bfloat16.np_dtype
_HALVES = (np.dtype(np.float16), _BFLOAT16)


def widened(function: Callable[..., Any], *args: Any) -> Any:
    """`function` of `args` in at least single precision, rounded back: SciPy knows no half precision."""
    dtype = args[0].dtype
    if dtype in _HALVES:
        return function(*(a.astype(np.float32) for a in args)).astype(dtype)
    return np.asarray(function(*args), dtype)


def through(source: np.dtype[Any], target: np.dtype[Any]) -> np.dtype[Any] | None:
    """The dtype in which floats become integers before the bits beyond a narrower one are cut, or None."""
    if target.kind not in "iu" or source.kind not in "fV" or target in (np.int32, np.int64, np.uint64):
        return None
    return np.dtype(np.int64 if target == np.uint32 else np.int32)


def power(x: Any, y: Any) -> Any:
    """x to the power of y; NumPy takes roots for a single exponent of 1/2, which miss (-inf)**0.5 = inf."""
    z = np.power(x, y)
    if (y.size == 1 or y.size < z.size) and x.dtype.kind not in "iuc" and (y == 0.5).any():
        z = np.where((x == -np.inf) & (y == 0.5), np.asarray(np.inf, z.dtype), z)
    return z


class MathVerbs:
    """Checks, elementary and special functions, conversions."""

    def check(self, holds: Any, error: Callable[[], Exception]) -> None:
        """Raises `error()` unless all of `holds` are true.

        Raises:
          OpError: whatever `error` makes.
        """
        held = (
            holds.all() if isinstance(holds, np.ndarray) else holds if holds.__class__ is np.bool_ else None
        )
        if not (np.all(holds) if held is None else held):
            raise error()

    # --- elementary -----------------------------------------------------------------------------------------

    def sigmoid(self, x: Any) -> Any:
        """1 / (1 + exp(-x))."""
        if x.dtype.itemsize == 2:
            return (1 / (1 + np.exp(-x.astype(np.float32)))).astype(x.dtype)
        if x.dtype.kind == "c":
            return np.divide(1, 1 + np.exp(np.negative(x)))
        out = np.exp(np.negative(x))
        out += 1
        return np.reciprocal(out, out if type(out) is np.ndarray else None)

    def rsqrt(self, x: Any) -> Any:
        """1 / sqrt(x)."""
        return np.reciprocal(np.sqrt(x)) if x.dtype.kind != "c" else np.divide(1, np.sqrt(x))

    def power(self, x: Any, y: Any) -> Any:
        """x to the power of y."""
        return power(x, y)

    # --- complex numbers ------------------------------------------------------------------------------------

    def complex(self, real: Any, imag: Any) -> Any:
        """real + i imag, whatever infinities and NaNs they hold."""
        real, imag = np.broadcast_arrays(real, imag)
        out = np.empty(real.shape, np.complex128 if real.dtype == np.float64 else np.complex64)
        out.real, out.imag = real, imag
        return out

    def real_part(self, x: Any) -> Any:
        """The real part, in memory of its own."""
        return np.array(x.real)

    def imaginary_part(self, x: Any) -> Any:
        """The imaginary part, in memory of its own."""
        return np.array(x.imag)

    # --- conversions ----------------------------------------------------------------------------------------

    def cast(self, x: Any, dtype: Any) -> Any:
        """`x` in another dtype: to an integer towards zero, from a complex number its real part."""
        dtype = np.dtype(dtype)
        if x.dtype.kind == "c" and dtype.kind not in "cb":
            x = x.real
        between = through(x.dtype, dtype)
        return np.asarray(x if between is None else x.astype(between)).astype(dtype)

    def bits_as(self, x: Any, dtype: np.dtype[Any]) -> Any:
        """The same bytes read as another dtype; the last dimension grows or goes where the sizes differ."""
        x = np.array(x)
        if x.itemsize > dtype.itemsize:
            return x[..., np.newaxis].view(dtype)
        if x.itemsize < dtype.itemsize:
            return x.view(dtype)[..., 0]
        return x.view(dtype)

    # --- special functions ----------------------------------------------------------------------------------

    def lgamma(self, x: Any) -> Any:
        """The logarithm of the absolute value of the gamma function."""
        from scipy import special

        return widened(lambda x: np.where(x == -np.inf, np.inf, special.gammaln(x)), x)  # SciPy says -inf

    def digamma(self, x: Any) -> Any:
        """The derivative of lgamma; infinity at its poles."""
        return widened(_digamma, x)

    def polygamma(self, order: Any, x: Any) -> Any:
        """The derivative of digamma of an order >= 0; NaN for an order that is not a natural number."""
        from scipy import special

        def function(n: Any, x: Any) -> Any:
            n, x = n.astype(np.float64), x.astype(np.float64)
            sign = np.where(n % 2 == 0, -1.0, 1.0)
            value = np.where(n == 0, _digamma(x), sign * special.gamma(n + 1) * special.zeta(n + 1, x))
            return np.where((n >= 0) & (n == np.floor(n)), value, np.nan)

        return function(order, x).astype(x.dtype)

    def zeta(self, x: Any, q: Any) -> Any:
        """Hurwitz's zeta function: the sum of (q + k)**-x."""
        from scipy import special

        return widened(special.zeta, x, q)

    def erf(self, x: Any) -> Any:
        """The error function."""
        from scipy import special

        return widened(special.erf, x)

    def erfc(self, x: Any) -> Any:
        """1 - erf(x), exact for large x."""
        from scipy import special

        return widened(special.erfc, x)

    def igamma(self, a: Any, x: Any) -> Any:
        """The regularised lower incomplete gamma function."""
        from scipy import special

        return widened(special.gammainc, a, x)

    def igammac(self, a: Any, x: Any) -> Any:
        """The regularised upper incomplete gamma function."""
        from scipy import special

        return widened(special.gammaincc, a, x)

    def betainc(self, a: Any, b: Any, x: Any) -> Any:
        """The regularised incomplete beta function."""
        from scipy import special

        return widened(special.betainc, a, b, x)

    def bessel_i0e(self, x: Any) -> Any:
        """The modified Bessel function of order 0, times exp(-|x|)."""
        from scipy import special

        return widened(special.i0e, x)

    def bessel_i1e(self, x: Any) -> Any:
        """The modified Bessel function of order 1, times exp(-|x|)."""
        from scipy import special

        return widened(special.i1e, x)


def _digamma(x: Any) -> Any:
    from scipy import special

    return np.where((x <= 0) & (x == np.floor(x)), np.inf, special.psi(x))
