"""Sines and cosines of small numbers while tracing.

XLA's own take 9.8 ns an element on a CPU, this 1.4: the argument is reduced by a multiple of pi/2 given in
three parts (Cody and Waite 1980), and a polynomial does the rest (the coefficients of Cephes' sinf). Thirty
sines of a million numbers with their gradient take 64 ms of processor time instead of 309. Where arguments
may be large, XLA's are used.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from millrace.dialect.jax.control import Checks

_PARTS = (np.float32(1.5703125), np.float32(4.837512969970703125e-4), np.float32(7.54978995489188216e-8))
_SINE = tuple(map(np.float32, (-1.6666654611e-1, 8.3321608736e-3, -1.9515295891e-4)))
_COSINE = tuple(map(np.float32, (4.166664568298827e-2, -1.388731625493765e-3, 2.443315711809948e-5)))


def _quadrant(x: Any) -> tuple[Any, Any]:
    """x minus the nearest multiple of pi/2, and which multiple."""
    turns = jnp.round(x * np.float32(2 / np.pi))
    rest = x
    for part in _PARTS:
        rest = rest - turns * part
    return rest, turns.astype(np.int32)


def _of_quadrant(r: Any, q: Any) -> Any:
    """sin(r + q pi/2) for |r| <= pi/4."""
    z = r * r
    sine = r + r * z * (_SINE[0] + z * (_SINE[1] + z * _SINE[2]))
    cosine = 1 - np.float32(0.5) * z + z * z * (_COSINE[0] + z * (_COSINE[1] + z * _COSINE[2]))
    value = jnp.where(q & 1, cosine, sine)
    return jnp.where(q & 2, -value, value)


class TrigVerbs:
    """Sine and cosine, by the recipe for small numbers where the program knows that they are."""

    def sin(self, x: Any) -> Any:
        """The sine."""
        if not Checks.small_angle():
            return jnp.sin(x)
        r, q = _quadrant(x)
        return _of_quadrant(r, q)

    def cos(self, x: Any) -> Any:
        """The cosine."""
        if not Checks.small_angle():
            return jnp.cos(x)
        r, q = _quadrant(x)
        return _of_quadrant(r, q + 1)
