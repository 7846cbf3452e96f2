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
        elif not np.all(holds):
            raise error()

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

    def cast(self, x: Any, dtype: np.dtype[Any]) -> Any:
        """`x` in another dtype: to an integer towards zero, from a complex number its real part."""
        if x.dtype.kind == "c" and dtype.kind not in "cb":
            x = jnp.real(x)
        return jnp.asarray(x).astype(dtype)

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
        """The derivative of lgamma."""
        return lax.digamma(x)

    def polygamma(self, order: Any, x: Any) -> Any:
        """The derivative of digamma of an order >= 0; NaN for an order that is not a natural number."""
        order, x = jnp.broadcast_arrays(order, x)
        return lax.polygamma(order, x)

    def zeta(self, x: Any, q: Any) -> Any:
        """Hurwitz's zeta function: the sum of (q + k)**-x."""
        return special.zeta(x, q)

    def erf(self, x: Any) -> Any:
        """The error function."""
        return lax.erf(x)

    def erfc(self, x: Any) -> Any:
        """1 - erf(x), exact for large x."""
        return lax.erfc(x)

    def igamma(self, a: Any, x: Any) -> Any:
        """The regularised lower incomplete gamma function."""
        return lax.igamma(*jnp.broadcast_arrays(a, x))

    def igammac(self, a: Any, x: Any) -> Any:
        """The regularised upper incomplete gamma function."""
        return lax.igammac(*jnp.broadcast_arrays(a, x))

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
