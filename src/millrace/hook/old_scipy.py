"""Functions of SciPy that were dropped or took other arguments: old signatures over what SciPy has today."""

from __future__ import annotations

from typing import Any

import numpy as np


def simps(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1, even: str = "avg") -> Any:
    """Simpson's rule; `even` (which end gets the trapezoid) has no meaning any more."""
    from scipy.integrate import simpson

    return simpson(y, x=x, dx=dx, axis=axis)


def binom_test(x: Any, n: Any = None, p: float = 0.5, alternative: str = "two-sided") -> float:
    """The p-value of a binomial test of `x` successes in `n` trials, or of the pair `x`."""
    from scipy.stats import binomtest

    hits = np.atleast_1d(x).astype(np.int64)
    k, trials = (int(hits[0]), int(hits.sum())) if len(hits) == 2 else (int(hits[0]), int(n))
    return float(binomtest(k, trials, p, alternative).pvalue)


def itemfreq(a: Any) -> Any:
    """Rows of a value and how often it is there."""
    values, counts = np.unique(a, return_counts=True)
    return np.array([values, counts]).T


def median_absolute_deviation(
    x: Any,
    axis: Any = 0,
    center: Any = np.median,
    scale: float = 1.4826,
    nan_policy: str = "propagate",
) -> Any:
    """The median distance from the centre times `scale`."""
    from scipy.stats import median_abs_deviation

    return scale * median_abs_deviation(x, axis=axis, center=center, nan_policy=nan_policy)


def sph_harm(m: Any, n: Any, theta: Any, phi: Any) -> Any:
    """The spherical harmonic of order `m`, degree `n`, at azimuth `theta` and polar angle `phi`."""
    from scipy.special import sph_harm_y

    return sph_harm_y(n, m, phi, theta)


def wminkowski(u: Any, v: Any, p: float, w: Any) -> float:
    """The p-norm of the weighted difference of two vectors."""
    return float(np.linalg.norm(np.asarray(w) * (np.asarray(u) - np.asarray(v)), ord=p))


def derivative(func: Any, x0: float, dx: float = 1.0, n: int = 1, args: Any = (), order: int = 3) -> Any:
    """The n-th derivative by central differences over `order` points, an odd number above `n`.

    Raises:
      ValueError: `order` is even or not above `n`.
    """
    if order < n + 1 or order % 2 == 0:
        raise ValueError(f"derivative: order must be odd and above n. Received: order={order}, n={n}")
    places = np.arange(order) - order // 2
    powers = np.vander(places, increasing=True).T
    target = np.zeros(order)
    target[n] = np.prod(np.arange(1, n + 1))
    weights = np.linalg.solve(powers, target)
    found = sum(w * func(x0 + k * dx, *args) for w, k in zip(weights, places, strict=True))
    return found / np.prod((dx,) * n, axis=0)
