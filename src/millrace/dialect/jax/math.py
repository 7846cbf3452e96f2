"""Mathematical verbs of the JAX dialect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jax.scipy import special

from millrace.dialect.jax.control import Checks


class MathVerbs:
    """Checks, elementary and special functions, conversions."""

    def check(self, holds: Any, error: Callable[[], Exception]) -> None:
        """Checks what is known while tracing; what depends on data is checked when the program has run.

        Raises:
          OpError: whatever `error` makes.
        """
        if isinstance(holds, Tracer):
            Checks.current().add(holds, error)
            return
        if not np.all(holds):
            raise error()
        Checks.decided()

    # --- elementary -----------------------------------------------------------------------------------------

    def sigmoid(self, x: Any) -> Any:
        """1 / (1 + exp(-x))."""
        return lax.logistic(x)

    def rsqrt(self, x: Any) -> Any:
        """1 / sqrt(x)."""
        return lax.rsqrt(x)

    def divide(self, x: Any, y: Any) -> Any:
        """x / y, rounded once: XLA would multiply by the reciprocal of a known y, and miss 5 / 5 = 1."""
        if isinstance(x, Tracer) and not isinstance(y, Tracer):
            y = lax.optimization_barrier(jnp.asarray(y))
        return jnp.divide(x, y)

    def power(self, x: Any, y: Any) -> Any:
        """x ** y; of a root of float32 numbers known here, exp(y log x), which XLA computes many at a time.

        With |y| < 1 that is within a few units in the last place, and has all the limits of a power that is
        not whole. XLA calls a function for each number: 80,000 of them take 1.1 ms in place of 0.26.
        """
        known = np.asarray(y) if isinstance(x, Tracer) and not isinstance(y, Tracer) else None
        if known is not None and known.dtype == np.float32 and known.size == 1:
            root = abs(float(known.ravel()[0]))
            if x.dtype == np.float32 and 0 < root < 1 and root != 0.5:
                return jnp.exp(jnp.multiply(y, jnp.log(jnp.where(jnp.isneginf(x), -x, x))))
        return jnp.power(x, y)

    # --- complex numbers ------------------------------------------------------------------------------------

    def complex(self, real: Any, imag: Any) -> Any:
        """real + i imag, whatever infinities and NaNs they hold."""
        return lax.complex(*jnp.broadcast_arrays(real, imag))

    def real_part(self, x: Any) -> Any:
        """The real part."""
        return jnp.real(x)

    def imaginary_part(self, x: Any) -> Any:
        """The imaginary part."""
        return jnp.imag(x)

    # --- conversions ----------------------------------------------------------------------------------------

    def cast(self, x: Any, dtype: Any) -> Any:
        """`x` in another dtype: to an integer towards zero, from a complex number its real part.

        What does not fit an integer becomes what the processor's own conversion makes of it, as in the
        interpreter; XLA's would be the nearest that fits.
        """
        dtype = np.dtype(dtype)
        if x.dtype.kind == "c" and dtype.kind not in "cb":
            x = jnp.real(x)
        x = jnp.asarray(x)
        if dtype.kind in "iu" and jnp.issubdtype(x.dtype, jnp.floating):
            return _towards_zero(x, dtype)
        return x.astype(dtype)

    def bits_as(self, x: Any, dtype: np.dtype[Any]) -> Any:
        """The same bytes read as another dtype; the last dimension grows or goes where the sizes differ."""
        if x.dtype.kind != "c" and dtype.kind != "c":
            return lax.bitcast_convert_type(x, dtype)
        return _complex_bits_as(x, dtype)

    # --- special functions ----------------------------------------------------------------------------------

    def lgamma(self, x: Any) -> Any:
        """The logarithm of the absolute value of the gamma function."""
        return lax.lgamma(x)

    def digamma(self, x: Any) -> Any:
        """The derivative of lgamma; infinity at its poles."""
        return jnp.where(_no_gamma(x), jnp.asarray(jnp.inf, x.dtype), lax.digamma(x))

    def polygamma(self, order: Any, x: Any) -> Any:
        """The derivative of digamma of an order >= 0; NaN for an order that is not a natural number."""
        order, x = jnp.broadcast_arrays(order, x)
        value = jnp.where(_no_gamma(x) & (order == 0), jnp.asarray(jnp.inf, x.dtype), lax.polygamma(order, x))
        far = (x == jnp.inf) & (order > 0) & (order == jnp.floor(order))
        return jnp.where(far, jnp.zeros((), x.dtype), value)

    def zeta(self, x: Any, q: Any) -> Any:
        """Hurwitz's zeta function: the sum of (q + k)**-x."""
        x, q = jnp.broadcast_arrays(x, q)
        value = jnp.where(_no_gamma(q) & (x > 1), jnp.asarray(jnp.inf, x.dtype), special.zeta(x, q))
        value = jnp.where((q == jnp.inf) & (x > 1), jnp.zeros((), x.dtype), value)
        return jnp.where(x < 1, jnp.asarray(jnp.nan, x.dtype), value)

    def erf(self, x: Any) -> Any:
        """The error function."""
        return lax.erf(x)

    def erfc(self, x: Any) -> Any:
        """1 - erf(x), exact for large x."""
        return lax.erfc(x)

    def igamma(self, a: Any, x: Any) -> Any:
        """The regularised lower incomplete gamma function."""
        return _limits_of_gamma(a, x, lax.igamma, 1.0)

    def igammac(self, a: Any, x: Any) -> Any:
        """The regularised upper incomplete gamma function."""
        return _limits_of_gamma(a, x, lax.igammac, 0.0)

    def igamma_grad_a(self, a: Any, x: Any) -> Any:
        """The derivative of `igamma` by a."""
        return lax.igamma_grad_a(*jnp.broadcast_arrays(a, x))

    def betainc(self, a: Any, b: Any, x: Any) -> Any:
        """The regularised incomplete beta function."""
        return lax.betainc(*jnp.broadcast_arrays(a, b, x))

    def bessel_i0e(self, x: Any) -> Any:
        """The modified Bessel function of order 0, times exp(-|x|)."""
        return lax.bessel_i0e(x)

    def bessel_i1e(self, x: Any) -> Any:
        """The modified Bessel function of order 1, times exp(-|x|)."""
        return lax.bessel_i1e(x)


def _no_gamma(x: Any) -> Any:
    """Where x is 0 or a negative whole number, -inf included: the poles of the gamma function."""
    return (x <= 0) & (x == jnp.floor(x))


def _limits_of_gamma(a: Any, x: Any, function: Callable[..., Any], far: float) -> Any:
    """An incomplete gamma function with its limits where a is 0 or infinite; `far` is its value far out."""
    a, x = jnp.broadcast_arrays(a, x)
    value = jnp.where((a == 0) & (x > 0), jnp.asarray(far, x.dtype), function(a, x))
    value = jnp.where((a == jnp.inf) & (x >= 0) & (x < jnp.inf), jnp.asarray(1 - far, x.dtype), value)
    return jnp.where((a == jnp.inf) & (x == jnp.inf), jnp.asarray(jnp.nan, x.dtype), value)


def _towards_zero(x: Any, dtype: np.dtype[Any]) -> Any:
    """Numbers without their fractions, through 32 or 64 bits with a sign; NaN and whatever does not fit those
    is the least number that they hold, and the bits beyond a narrower dtype are cut off.
    """
    if x.dtype.itemsize < 4:
        x = x.astype(jnp.float32)
    wide = np.dtype(np.int64 if dtype.itemsize == 8 or dtype == np.uint32 else np.int32)
    end = -float(np.iinfo(wide).min)
    if dtype == np.uint64:
        beyond = x >= end
        low = _towards_zero(jnp.where(beyond, x - end, x), wide).astype(dtype)
        return low ^ (beyond.astype(dtype) << np.uint64(63))
    inside = (x >= -end) & (x < end)
    return jnp.where(inside, x, jnp.asarray(-end, x.dtype)).astype(wide).astype(dtype)


def _complex_bits_as(x: Any, dtype: np.dtype[Any]) -> Any:
    """`bits_as` where one side is complex: XLA reinterprets real numbers only, so everything goes through
    bytes.
    """
    shape, old, new = x.shape, x.dtype.itemsize, dtype.itemsize
    parts = jnp.stack([jnp.real(x), jnp.imag(x)], -1) if x.dtype.kind == "c" else x
    octets = lax.bitcast_convert_type(parts, jnp.uint8).reshape(*shape, old)
    if new > old:
        octets = octets.reshape(*shape[:-1], new)
    elif new < old:
        octets = octets.reshape(*shape, old // new, new)
    if dtype.kind != "c":
        return lax.bitcast_convert_type(octets if new > 1 else octets[..., 0], dtype)
    half = np.dtype(np.float32 if dtype == np.complex64 else np.float64)
    pairs = lax.bitcast_convert_type(octets.reshape(*octets.shape[:-1], 2, new // 2), half)
    return lax.complex(pairs[..., 0], pairs[..., 1])
