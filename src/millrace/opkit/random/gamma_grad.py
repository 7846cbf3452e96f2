"""How a gamma-distributed sample moves with its shape parameter: the derivative behind `RandomGammaGrad`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

# Above this shape parameter the power series takes thousands of terms, and Wilson and Hilferty's cube is
# exact to nine digits.
_LARGE: Final = 1e6
_CLOSE: Final = 1e-16
_MOST_TERMS: Final = 20_000
_RESCALE: Final = 1e150


def gamma_sample_gradient(xp: Any, alpha: np.ndarray, sample: np.ndarray) -> np.ndarray:
    """The derivative of a sample by alpha where its quantile is held: -(dP/dalpha) / (dP/dsample), P the CDF.

    Args:
      xp: the NumPy dialect.
      alpha: the shape parameters, of any shape.
      sample: samples of scale 1; broadcasts with `alpha`.

    Returns:
      float64, the broadcast shape; NaN where `alpha` is not positive or `sample` is negative.
    """
    alpha, sample = np.broadcast_arrays(alpha.astype(np.float64), sample.astype(np.float64))
    a, x = alpha.reshape(-1), sample.reshape(-1)
    out = np.full(a.shape, np.nan)
    valid = (a > 0) & (x >= 0) & np.isfinite(a) & np.isfinite(x)
    out[valid & (x == 0)] = 0.0
    valid &= x > 0
    large = a >= _LARGE
    tail = (x > 1) & (x > a)
    for chosen, method in ((large, _by_cube), (~large & tail, _by_fraction), (~large & ~tail, _by_series)):
        where = np.flatnonzero(valid & chosen)
        out[where] = method(xp, a[where], x[where])
    return out.reshape(alpha.shape)


def _by_cube(xp: Any, a: np.ndarray, x: np.ndarray) -> np.ndarray:
    # x = a c**3 with c = 1 - 1/(9a) + z/(3 sqrt(a)): the derivative by a at constant z.
    c = np.cbrt(x / a)
    z_part = c - 1.0 + 1.0 / (9.0 * a)
    return c**3 + 3.0 * a * c**2 * (1.0 / (9.0 * a**2) - z_part / (2.0 * a))


def _by_series(xp: Any, a: np.ndarray, x: np.ndarray) -> np.ndarray:
    # P = x**a exp(-x) / gamma(a + 1) * s with s = sum of x**n / ((a + 1) ... (a + n)).
    log_part = np.log(x) - xp.digamma(a + 1.0)

    def terms(active: np.ndarray, state: list[np.ndarray], n: int) -> np.ndarray:
        total, slope, term, harmonic = state
        step = a[active] + n
        term[active] *= x[active] / step
        harmonic[active] -= 1.0 / step
        total[active] += term[active]
        change = term[active] * harmonic[active]
        slope[active] += change
        return np.abs(change) > _CLOSE * np.abs(slope[active])

    ones, zeros = np.ones_like(a), np.zeros_like(a)
    total, slope, *_ = _iterate([ones, zeros, ones.copy(), zeros.copy()], terms)
    return -(x / a) * (total * log_part + slope)


def _by_fraction(xp: Any, a: np.ndarray, x: np.ndarray) -> np.ndarray:
    # 1 - P = x**a exp(-x) / gamma(a) * c with c a continued fraction, whose convergents p / q are followed
    # together with their derivatives by a.
    log_part = np.log(x) - xp.digamma(a)

    def terms(active: np.ndarray, state: list[np.ndarray], n: int) -> np.ndarray:
        p2, q2, p1, q1, dp2, dq2, dp1, dq1, value, slope = (s[active] for s in state)
        y = 1.0 - a[active] + n
        z = y + x[active] + 1.0 + n
        p, dp = p1 * z - p2 * y * n, dp1 * z - p1 - dp2 * y * n + p2 * n
        q, dq = q1 * z - q2 * y * n, dq1 * z - q1 - dq2 * y * n + q2 * n
        next_value = p / q
        next_slope = (dp - next_value * dq) / q
        moving = (np.abs(next_slope - slope) > _CLOSE * np.abs(next_slope)) | (
            np.abs(next_value - value) > _CLOSE * np.abs(next_value)
        )
        scale = np.where(np.abs(p) > _RESCALE, 1.0 / _RESCALE, 1.0)
        for held, new in zip(state, (p1, q1, p, q, dp1, dq1, dp, dq)):
            held[active] = new * scale
        state[8][active], state[9][active] = next_value, next_slope
        return moving

    one, zero, z0 = np.ones_like(a), np.zeros_like(a), x + 2.0 - a
    start = [one, x, x + 1.0, z0 * x, zero, zero, zero, -x, (x + 1.0) / (z0 * x)]
    slope = start[8] / z0
    *_, value, slope = _iterate([s.copy() for s in (*start, slope)], terms)
    return x * (value * log_part + slope)


def _iterate(
    state: list[np.ndarray], terms: Callable[[np.ndarray, list[np.ndarray], int], np.ndarray]
) -> list[np.ndarray]:
    # Adds terms until none of the elements moves any more; those that stand still are left out of further
    # work.
    active, n = np.arange(state[0].size), 1
    while active.size and n < _MOST_TERMS:
        active, n = active[terms(active, state, n)], n + 1
    return state
