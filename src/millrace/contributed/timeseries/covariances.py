"""Covariance matrices: from unconstrained variables, with a prior, and kept positive."""

from __future__ import annotations

from typing import Any

from millrace.building import operators  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.contributed.layers.core import fully_connected
from millrace.core.dtypes import int32
from millrace.core.public import public
from millrace.lib.math.reductions import reduce_max
from millrace.lib.variables.initializers import Zeros
from millrace.lib.variables.scope import get_variable
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import constant, identity, ones
from millrace.ops.array.reshape import matrix_transpose, reshape
from millrace.ops.array.shape import rank, shape
from millrace.ops.linalg.diag import diag, matrix_band_part
from millrace.ops.linalg.diag_band import matrix_diag, matrix_diag_part, matrix_set_diag
from millrace.ops.linalg.matmul import matmul
from millrace.ops.linalg.solve import matrix_determinant
from millrace.ops.math.cast import cast
from millrace.ops.math.elementwise import exp, log
from millrace.ops.math.select import maximum
from millrace.ops.nn.activation import softsign


@public("contrib.timeseries.python.timeseries.math_utils.clip_covariance")
def clip_covariance(covariance_matrix: Any, maximum_variance_ratio: float, minimum_variance: float) -> Any:
    """Covariances with no variance too small.

    Args:
      covariance_matrix: `[..., n, n]`.
      maximum_variance_ratio: of the largest variance to any other.
      minimum_variance: of any.

    Returns:
      The matrices with other diagonals where that was needed.
    """
    variances = matrix_diag_part(covariance_matrix)
    least = reduce_max(variances, axis=-1, keepdims=True) / maximum_variance_ratio
    return matrix_set_diag(covariance_matrix, maximum(maximum(variances, least), minimum_variance))


@public("contrib.timeseries.python.timeseries.math_utils.log_noninformative_covariance_prior")
def log_noninformative_covariance_prior(covariance: Any) -> Any:
    """The log of Jeffreys' prior of a covariance, but for a constant.

    Args:
      covariance: `[n, n]`.

    Returns:
      A scalar: -(n + 1) / 2 times the log of the determinant.
    """
    epsilon = constant(1e-8, dtype=covariance.dtype)
    steadied = covariance + diag(epsilon * ones(shape(covariance)[0:1], dtype=covariance.dtype))
    power = -(cast(shape(covariance)[0] + 1, covariance.dtype) / 2.0)
    return power * log(matrix_determinant(steadied))


def _spread(scale: Any, like: Any) -> Any:
    """A batch of scales with the rank of what they scale."""
    return reshape(scale, concat([shape(scale), ones([rank(like) - rank(scale)], dtype=int32)], axis=0))


@public("contrib.timeseries.python.timeseries.math_utils.sign_magnitude_positive_definite")
def sign_magnitude_positive_definite(
    raw: Any, off_diagonal_scale: Any = 0.0, overall_scale: Any = 0.0
) -> Any:
    """Positive definite matrices U^T U from any numbers: signs and logs of magnitudes.

    Args:
      raw: `[..., n, n]`; the diagonal and the lower triangle count.
      off_diagonal_scale: added to the logs beside the diagonal, `[...]` or a number.
      overall_scale: added to all logs, `[...]` or a number.

    Returns:
      `[..., n, n]`.
    """
    raw = convert_to_tensor(raw)
    diagonal = matrix_diag_part(raw)

    def shifted(logs: Any, *scales: Any) -> Any:
        for scale in scales:
            logs = logs + _spread(convert_to_tensor(scale, dtype=raw.dtype), logs)
        return logs

    magnitudes = exp(shifted(raw, off_diagonal_scale, overall_scale) / 2.0)
    upper = matrix_band_part(magnitudes * softsign(matrix_transpose(raw)), 0, -1)
    upper = matrix_set_diag(upper, exp(shifted(diagonal, overall_scale) / 2.0))
    return matmul(upper, upper, transpose_a=True)


@public("contrib.timeseries.python.timeseries.math_utils.transform_to_covariance_matrices")
def transform_to_covariance_matrices(input_vectors: Any, matrix_size: int) -> Any:
    """Covariances that a fully connected layer makes of vectors.

    Args:
      input_vectors: `[batch, k]`.
      matrix_size: n.

    Returns:
      `[batch, n, n]`.
    """
    made = fully_connected(input_vectors, matrix_size**2 + 2, activation_fn=None)
    raw = reshape(made[..., :-2], concat([shape(made)[:-1], [matrix_size, matrix_size]], axis=0))
    return sign_magnitude_positive_definite(
        raw=raw, off_diagonal_scale=made[..., -2], overall_scale=made[..., -1]
    )


@public("contrib.timeseries.python.timeseries.math_utils.variable_covariance_matrix")
def variable_covariance_matrix(
    size: int,
    name: str,
    dtype: Any,
    initial_diagonal_values: Any = None,
    initial_overall_scale_log: Any = 0.0,
) -> Any:
    """A covariance made of variables, without constraints on them.

    Args:
      size: n.
      name: of the result; the variables are called `name` with `_pre_transform`, `_off_diagonal_scale` and
        `_overall_scale` behind.
      dtype: of all.
      initial_diagonal_values: `[n]`, or None for ones.
      initial_overall_scale_log: the log of a factor, a scalar.

    Returns:
      `[n, n]`.
    """
    raw: Any = get_variable(
        name=f"{name}_pre_transform", dtype=dtype, shape=[size, size], initializer=Zeros()
    )
    if initial_diagonal_values is not None:
        raw = raw + matrix_diag(log(initial_diagonal_values))
    beside = get_variable(
        name=f"{name}_off_diagonal_scale", dtype=dtype, initializer=constant(-5.0, dtype=dtype)
    )
    overall = convert_to_tensor(initial_overall_scale_log, dtype=dtype) + get_variable(
        name=f"{name}_overall_scale", dtype=dtype, shape=[], initializer=Zeros()
    )
    made = sign_magnitude_positive_definite(raw=raw, off_diagonal_scale=beside, overall_scale=overall)
    return identity(made, name=name)
