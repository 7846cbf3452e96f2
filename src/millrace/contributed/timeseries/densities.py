"""Logarithms of densities, and a heavy-tailed distribution to match a normal one."""

from __future__ import annotations

import math
from typing import Any

from millrace.building import operators  # noqa: F401 - operators gives tensors their arithmetic
from millrace.core.public import public
from millrace.lib.math.reductions import reduce_sum
from millrace.ops.array.shape import shape
from millrace.ops.linalg.diag_band import matrix_diag_part
from millrace.ops.linalg.solve import matrix_triangular_solve
from millrace.ops.math.cast import cast
from millrace.ops.math.elementwise import log, log1p, sqrt, square

LOG_TWO_PI = math.log(2.0 * math.pi)


@public("contrib.timeseries.python.timeseries.math_utils.normal_log_prob")
def normal_log_prob(loc: Any, scale: Any, x: Any) -> Any:
    """The log density of normal distributions, as TensorFlow 1.15 has it: with log(scale) halved.

    Args:
      loc: means.
      scale: standard deviations, of a shape that broadcasts with `loc`.
      x: where.

    Returns:
      The logs, element by element.
    """
    z = (x - loc) / scale
    return -0.5 * (square(z) + LOG_TWO_PI + log(scale))


@public("contrib.timeseries.python.timeseries.math_utils.cauchy_log_prob")
def cauchy_log_prob(loc: Any, scale: Any, x: Any) -> Any:
    """The log density of Cauchy distributions.

    Args:
      loc: medians.
      scale: half widths at half maximum, of a shape that broadcasts with `loc`.
      x: where.

    Returns:
      The logs, element by element.
    """
    z = (x - loc) / scale
    normalization = -math.log(math.pi) - log(scale)
    return normalization - log1p(square(z))


@public("contrib.timeseries.python.timeseries.math_utils.mvn_tril_log_prob")
def mvn_tril_log_prob(loc: Any, scale_tril: Any, x: Any) -> Any:
    """The log density of multivariate normal distributions.

    Args:
      loc: means `[..., n]`.
      scale_tril: lower triangles `[..., n, n]`, the Cholesky factors of covariances.
      x: where, `[..., n]`.

    Returns:
      The logs `[...]`.
    """
    z = matrix_triangular_solve(scale_tril, (x - loc)[..., None])[..., 0]
    log_determinant = 2.0 * reduce_sum(log(matrix_diag_part(scale_tril)), axis=-1)
    dimensions = cast(shape(scale_tril)[-1], scale_tril.dtype)
    return -0.5 * (reduce_sum(square(z), axis=-1) + dimensions * LOG_TWO_PI + log_determinant)


@public("contrib.timeseries.python.timeseries.math_utils.entropy_matched_cauchy_scale")
def entropy_matched_cauchy_scale(covariance: Any) -> Any:
    """The scales of Cauchy distributions with the entropies of a normal distribution's features.

    The entropies are log(4 pi scale) and log(2 pi e variance) / 2.

    Args:
      covariance: `[..., n, n]`.

    Returns:
      `[..., n]`.
    """
    return sqrt(math.e / (8.0 * math.pi) * matrix_diag_part(covariance))
