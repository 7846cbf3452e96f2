"""`tf.contrib.specs.params_ops`: parameters that are drawn at random."""

from __future__ import annotations

import math
import random

from millrace.core.public import public


@public("contrib.specs.Uf", "contrib.specs.params_ops.Uf")
def Uf(lo: float = 0.0, hi: float = 1.0) -> float:  # noqa: N802
    """A uniform number between two bounds."""
    return random.uniform(lo, hi)


@public("contrib.specs.Lf", "contrib.specs.params_ops.Lf")
def Lf(lo: float, hi: float) -> float:  # noqa: N802
    """A number whose logarithm is uniform between two bounds'."""
    return math.exp(random.uniform(math.log(lo), math.log(hi)))


@public("contrib.specs.Ui", "contrib.specs.params_ops.Ui")
def Ui(lo: int, hi: int) -> int:  # noqa: N802
    """A uniform whole number between two bounds, both included."""
    return random.randint(lo, hi)


@public("contrib.specs.Li", "contrib.specs.params_ops.Li")
def Li(lo: int, hi: int) -> int:  # noqa: N802
    """A whole number whose logarithm is about uniform between two bounds'."""
    return math.floor(math.exp(random.uniform(math.log(lo), math.log(hi))))


@public("contrib.specs.Nt", "contrib.specs.params_ops.Nt")
def Nt(mu: float, sigma: float, limit: float = 3.0) -> float:  # noqa: N802
    """A normal number at most `limit` deviations from the mean."""
    return min(max(random.gauss(mu, sigma), mu - limit * sigma), mu + limit * sigma)
