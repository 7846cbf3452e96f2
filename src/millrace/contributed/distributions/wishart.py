"""`tf.contrib.distributions`: Wishart distributions, over symmetric positive definite matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import control_dependencies, name_scope
from millrace.building.static import static_value
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.distributions.base import FULLY_REPARAMETERIZED, Distribution, new_seed
from millrace.lib.linear_operators.diagonal import LinearOperatorLowerTriangular
from millrace.lib.math.checks import assert_less_equal, assert_positive
from millrace.lib.math.reductions import reduce_sum
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import ones
from millrace.ops.array.reshape import expand_dims
from millrace.ops.array.shape import broadcast_static_shape
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.linalg.decomposition import cholesky
from millrace.ops.linalg.diag import matrix_band_part
from millrace.ops.linalg.diag_band import matrix_diag_part, matrix_set_diag
from millrace.ops.linalg.matmul import matmul
from millrace.ops.math.elementwise import log, sqrt, square
from millrace.ops.math.select import where
from millrace.ops.math.special import digamma, lgamma
from millrace.ops.random.counts import random_gamma
from millrace.ops.random.draws import random_normal


class _Wishart(Distribution):
    """Of the degrees of freedom and a lower triangular factor of the scale."""

    def _begin(self, given: dict[str, Any], df: Tensor, factor: Tensor, scope: str) -> None:
        self._df = df
        self._scale_operator = LinearOperatorLowerTriangular(
            factor, is_non_singular=True, is_positive_definite=True
        )
        self._cholesky = bool(given["cholesky_input_output_matrices"])
        size = factor.shape[-1].value
        self._size = shape_of(factor)[-1] if size is None else size
        self._dimension = raw.Cast(convert_to_tensor(self._size), DstT=df.dtype.base_dtype, name="dimension")
        checks = given["validate_args"], given["allow_nan_stats"]
        super().__init__(factor.dtype, FULLY_REPARAMETERIZED, *checks, given, [df, factor], scope)

    @property
    def df(self) -> Tensor:
        """The degrees of freedom."""
        return self._df

    @property
    def scale_operator(self) -> Any:
        """The factor of the scale, a linear operator."""
        return self._scale_operator

    @property
    def cholesky_input_output_matrices(self) -> bool:
        """Whether arguments and results are lower triangular factors."""
        return self._cholesky

    @property
    def dimension(self) -> Tensor:
        """The number of rows, as a number of the dtype."""
        return self._dimension

    def scale(self) -> Tensor:
        """The scale: a factor of it where arguments and results are factors."""
        factor = self._scale_operator.to_dense()
        return factor if self._cholesky else matmul(factor, factor, adjoint_b=True)

    def _batch_shape(self) -> Any:
        return broadcast_static_shape(self._df.shape, self._scale_operator.batch_shape)

    def _batch_shape_tensor(self) -> Tensor:
        return raw.BroadcastArgs(shape_of(self._df), self._scale_operator.batch_shape_tensor())

    def _event_shape(self) -> Any:
        return self._scale_operator.shape[-2:]

    def _event_shape_tensor(self) -> Tensor:
        return convert_to_tensor([self._size, self._size])

    def _halves(self) -> Tensor:
        """df / 2 less 0, 1/2, 1, ... for each row: the arguments of the gamma functions."""
        steps = raw.Cast(raw.Range(0, self._size, 1), DstT=self.dtype.base_dtype)
        return expand_dims(0.5 * self._df, -1) - 0.5 * steps

    def _matrix_df(self) -> Tensor:
        return expand_dims(expand_dims(self._df, -1), -1)

    def _output(self, factor: Tensor) -> Tensor:
        """What is given to the caller, of a lower triangular factor."""
        return factor if self._cholesky else matmul(factor, factor, adjoint_b=True)

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        batch = self.batch_shape_tensor()
        shape = concat([[n], batch, self.event_shape_tensor()], 0)
        x = random_normal(shape, 0.0, 1.0, self.dtype, seed)
        full = raw.BroadcastTo(self._halves(), concat([batch, [self._size]], 0))
        g = random_gamma([n], full, 0.5, self.dtype, new_seed(seed, "wishart"))
        x = matrix_set_diag(matrix_band_part(x, -1, 0), sqrt(g))
        return self._output(matmul(ones(shape, self.dtype) * self._scale_operator.to_dense(), x))

    def _log_gamma(self) -> Tensor:
        p = self._dimension
        return 0.25 * p * (p - 1.0) * math.log(math.pi) + reduce_sum(lgamma(self._halves()), -1)

    def _log_prob(self, x: Tensor) -> Tensor:
        root = x if self._cholesky else cholesky(x)
        wide = concat([shape_of(x)[:-2], shape_of(self._scale_operator.to_dense())[-2:]], 0)
        ratio = raw.MatrixTriangularSolve(raw.BroadcastTo(self._scale_operator.to_dense(), wide), root)
        trace = reduce_sum(square(ratio), [-2, -1])
        half_log_det = reduce_sum(log(matrix_diag_part(root)), -1)
        return (self._df - self._dimension - 1.0) * half_log_det - 0.5 * trace - self.log_normalization()

    def log_normalization(self, name: str = "log_normalization") -> Tensor:
        """The logarithm of the constant that makes the density sum up to 1."""
        with self._name_scope(name):
            logs = self._scale_operator.log_abs_determinant()
            both = self._df * logs + 0.5 * self._df * self._dimension * math.log(2.0)
            return both + self._log_gamma()

    def mean_log_det(self, name: str = "mean_log_det") -> Tensor:
        """The mean of the logarithm of a sample's determinant."""
        with self._name_scope(name):
            logs = reduce_sum(digamma(self._halves()), -1) + self._dimension * math.log(2.0)
            return logs + 2.0 * self._scale_operator.log_abs_determinant()

    def _entropy(self) -> Tensor:
        half = 0.5 * self._dimension + 0.5
        logs = (
            half * self._dimension * math.log(2.0) + 2.0 * half * self._scale_operator.log_abs_determinant()
        )
        spread = (half - 0.5 * self._df) * reduce_sum(digamma(self._halves()), -1)
        return logs + self._log_gamma() + spread + 0.5 * self._df * self._dimension

    def _mean(self) -> Tensor:
        df = self._matrix_df()
        return (sqrt(df) if self._cholesky else df) * self.scale()

    def _variance(self) -> Tensor:
        factor = self._scale_operator.to_dense()
        scale = matmul(factor, factor, adjoint_b=True)
        diagonal = expand_dims(matrix_diag_part(scale), -1)
        value = self._matrix_df() * (square(scale) + matmul(diagonal, diagonal, adjoint_b=True))
        return cholesky(value) if self._cholesky else value

    def _stddev(self) -> Tensor:
        if self._cholesky:
            raise ValueError(
                "Computing std. dev. when is cholesky_input_output_matrices=True does not make sense."
            )
        return cholesky(self._variance())

    def _mode(self) -> Tensor:
        s = self._df - self._dimension - 1.0
        s = where(raw.Less(s, 0.0), raw.OnesLike(s) * np.nan, s)
        s = expand_dims(expand_dims(s, -1), -1)
        return (sqrt(s) if self._cholesky else s) * self.scale()


def _parameters(df: Any, scale: Any) -> tuple[Tensor, Tensor]:
    df, scale = convert_to_tensor(df, name="df"), convert_to_tensor(scale, name="scale")
    for name, x in (("df", df), ("scale", scale)):
        if not x.dtype.is_floating:
            raise TypeError(f"{name} must be floating. Received: {x.dtype.name}")
    if df.dtype.base_dtype != scale.dtype.base_dtype:
        raise ValueError(f"df and scale must have one dtype. Received: {df.dtype.name}, {scale.dtype.name}")
    return df, scale


def _checks(df: Tensor, scale: Tensor) -> list[Any]:
    """What `validate_args` checks; what is known at once, fails at once."""
    size, known = scale.shape[-1].value, static_value(df)
    rule = "Degrees of freedom must not be less than dimension of scale matrix."
    if size is not None and known is not None:
        if (known < size).any():
            raise ValueError(f"{rule} Received: {known.tolist()} for {size} rows")
        return []
    return [assert_less_equal(raw.Cast(shape_of(scale)[-1], DstT=df.dtype.base_dtype), df, message=rule)]


@public("contrib.distributions.WishartCholesky")
class WishartCholesky(_Wishart):
    """Wishart distributions by a lower triangular factor of the scale.

    Args:
      df: `[...]`, floating: degrees of freedom, not less than the number of rows.
      scale: `[..., p, p]`: the factor, with a positive diagonal.
      cholesky_input_output_matrices: whether arguments and results are such factors, too.
      validate_args, allow_nan_stats, name: as for `Distribution`.

    Raises:
      TypeError: a parameter is not floating, or dtypes differ.
      ValueError: `validate_args`, and there are too few degrees of freedom.
    """

    def __init__(
        self,
        df: Any,
        scale: Any,
        cholesky_input_output_matrices: bool = False,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "WishartCholesky",
    ) -> None:
        given = dict(locals())
        with name_scope(name, values=[df, scale]) as scope:
            df, scale = _parameters(df, scale)
            checks = []
            if validate_args:
                rule = "scale must be positive definite"
                checks = [assert_positive(matrix_diag_part(scale), message=rule), *_checks(df, scale)]
            with control_dependencies(checks):
                factor = raw.Identity(scale)
        self._begin(given, df, factor, scope)


@public("contrib.distributions.WishartFull")
class WishartFull(_Wishart):
    """Wishart distributions by the scale.

    Args:
      df: `[...]`, floating: degrees of freedom, not less than the number of rows.
      scale: `[..., p, p]`: symmetric and positive definite.
      cholesky_input_output_matrices: whether arguments and results of methods are lower triangular factors.
      validate_args, allow_nan_stats, name: as for `Distribution`.

    Raises:
      TypeError: a parameter is not floating, or dtypes differ.
      ValueError: `validate_args`, and there are too few degrees of freedom.
    """

    def __init__(
        self,
        df: Any,
        scale: Any,
        cholesky_input_output_matrices: bool = False,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "WishartFull",
    ) -> None:
        given = dict(locals())
        with name_scope(name, values=[df, scale]) as scope:
            df, scale = _parameters(df, scale)
            with control_dependencies(_checks(df, scale) if validate_args else []):
                factor = cholesky(scale)
        self._begin(given, df, factor, scope)
