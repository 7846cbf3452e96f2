"""Distributions over the real line: normal, Laplace, Student's t, uniform."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor, shape_tensor
from millrace.building.scopes import control_dependencies, name_scope
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.distributions.base import (
    FULLY_REPARAMETERIZED,
    Distribution,
    drawn_shape,
    new_seed,
    same_shape_params,
)
from millrace.lib.distributions.divergence import RegisterKL
from millrace.lib.distributions.special import betainc, log_cdf_laplace, log_ndtr, ndtr, ndtri
from millrace.lib.flow.control_flow import with_dependencies
from millrace.lib.math.checks import assert_less, assert_positive, assert_same_float_dtype
from millrace.lib.math.functions import lbeta
from millrace.ops.array.constant import ones
from millrace.ops.array.fill import fill, ones_like, zeros_like
from millrace.ops.array.shape import broadcast_dynamic_shape, broadcast_static_shape
from millrace.ops.random.counts import random_gamma
from millrace.ops.random.draws import random_normal, random_uniform

_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


class _Located(Distribution):
    """A distribution of a scalar with a location and a scale."""

    _loc: Tensor
    _scale: Tensor

    @property
    def loc(self) -> Tensor:
        """The location."""
        return self._loc

    @property
    def scale(self) -> Tensor:
        """The scale."""
        return self._scale

    @classmethod
    def _param_shapes(cls, sample_shape: Any) -> dict[str, Tensor]:
        return same_shape_params(("loc", "scale"), sample_shape)

    def _batch_shape_tensor(self) -> Tensor:
        return broadcast_dynamic_shape(shape_tensor(self._loc), shape_tensor(self._scale))

    def _batch_shape(self) -> Any:
        return broadcast_static_shape(self._loc.shape, self._scale.shape)

    def _event_shape_tensor(self) -> Tensor:
        return convert_to_tensor(np.zeros(0, np.int32))

    def _event_shape(self) -> Any:
        return ()

    def _z(self, x: Tensor) -> Tensor:
        with name_scope("standardize", values=[x]):
            return (x - self._loc) / self._scale


@public("distributions.Normal", "contrib.distributions.Normal")
class Normal(_Located):
    """Normal distributions.

    Args:
      loc: `[...]`, floating: the means.
      scale: broadcasts with `loc`, same dtype: the standard deviations, positive.
      validate_args, allow_nan_stats, name: as for `Distribution`.

    Raises:
      TypeError: the dtypes differ.
    """

    def __init__(
        self,
        loc: Any,
        scale: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Normal",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[loc, scale]) as scope:
            with control_dependencies([assert_positive(scale)] if validate_args else []):
                self._loc = raw.Identity(loc, name="loc")
                self._scale = raw.Identity(scale, name="scale")
            assert_same_float_dtype([self._loc, self._scale])
        parents = [self._loc, self._scale]
        super().__init__(
            self._scale.dtype,
            FULLY_REPARAMETERIZED,
            validate_args,
            allow_nan_stats,
            parameters,
            parents,
            scope,
        )

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        shape = drawn_shape(n, self.batch_shape_tensor())
        numbers = random_normal(shape, 0.0, 1.0, self._loc.dtype, seed)
        return numbers * self._scale + self._loc

    def _log_prob(self, x: Tensor) -> Tensor:
        return -0.5 * raw.Square(self._z(x)) - (_HALF_LOG_2PI + raw.Log(self._scale))

    def _log_cdf(self, x: Tensor) -> Tensor:
        return log_ndtr(self._z(x))

    def _cdf(self, x: Tensor) -> Tensor:
        return ndtr(self._z(x))

    def _log_survival_function(self, x: Tensor) -> Tensor:
        return log_ndtr(-self._z(x))

    def _survival_function(self, x: Tensor) -> Tensor:
        return ndtr(-self._z(x))

    def _entropy(self) -> Tensor:
        return _HALF_LOG_2PI + 0.5 + raw.Log(self._scale * ones_like(self._loc))

    def _mean(self) -> Tensor:
        return self._loc * ones_like(self._scale)

    def _quantile(self, p: Tensor) -> Tensor:
        unit = ndtri(p)
        with name_scope("reconstruct", values=[unit]):
            return unit * self._scale + self._loc

    def _stddev(self) -> Tensor:
        return self._scale * ones_like(self._loc)

    def _mode(self) -> Tensor:
        return self._mean()


@RegisterKL(Normal, Normal)
def _kl_normal_normal(a: Normal, b: Normal, name: str | None = None) -> Tensor:
    with name_scope(name, "kl_normal_normal", [a.loc, b.loc]):
        kind = a.dtype.base_dtype
        one, two, half = (convert_to_tensor(c, kind) for c in (1.0, 2.0, 0.5))
        square_a, square_b = raw.Square(a.scale), raw.Square(b.scale)
        ratio = square_a / square_b
        apart = raw.SquaredDifference(a.loc, b.loc) / (two * square_b)
        return apart + half * (ratio - one - raw.Log(ratio))


@public("distributions.Laplace", "contrib.distributions.Laplace")
class Laplace(_Located):
    """Laplace distributions: exponential on both sides of `loc`.

    Args:
      loc: `[...]`, floating: the centres.
      scale: broadcasts with `loc`, same dtype: the mean distances from the centre, positive.
      validate_args, allow_nan_stats, name: as for `Distribution`.

    Raises:
      TypeError: the dtypes differ.
    """

    def __init__(
        self,
        loc: Any,
        scale: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Laplace",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[loc, scale]) as scope:
            with control_dependencies([assert_positive(scale)] if validate_args else []):
                self._loc = raw.Identity(loc, name="loc")
                self._scale = raw.Identity(scale, name="scale")
            assert_same_float_dtype([self._loc, self._scale])
        parents = [self._loc, self._scale]
        super().__init__(
            self._loc.dtype, FULLY_REPARAMETERIZED, validate_args, allow_nan_stats, parameters, parents, scope
        )

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        shape = drawn_shape(n, self.batch_shape_tensor())
        kind = self.dtype.np_dtype.type
        # just above -1, whose logarithm below would be infinite
        lowest = np.nextafter(kind(-1.0), kind(0.0))
        numbers = random_uniform(shape, lowest, 1.0, self.dtype, seed)
        return self._loc - self._scale * raw.Sign(numbers) * raw.Log1p(-raw.Abs(numbers))

    def _log_prob(self, x: Tensor) -> Tensor:
        return -raw.Abs(self._z(x)) - (math.log(2.0) + raw.Log(self._scale))

    def _z(self, x: Tensor) -> Tensor:
        return (x - self._loc) / self._scale

    def _log_cdf(self, x: Tensor) -> Tensor:
        return log_cdf_laplace(self._z(x))

    def _log_survival_function(self, x: Tensor) -> Tensor:
        return log_cdf_laplace(-self._z(x))

    def _cdf(self, x: Tensor) -> Tensor:
        z = self._z(x)
        return 0.5 + 0.5 * raw.Sign(z) * (1.0 - raw.Exp(-raw.Abs(z)))

    def _entropy(self) -> Tensor:
        return math.log(2.0) + 1 + raw.Log(self._scale + zeros_like(self._loc))

    def _mean(self) -> Tensor:
        return self._loc + zeros_like(self._scale)

    def _stddev(self) -> Tensor:
        return math.sqrt(2.0) * self._scale + zeros_like(self._loc)

    def _mode(self) -> Tensor:
        return self._mean()


@public("distributions.StudentT", "contrib.distributions.StudentT")
class StudentT(_Located):
    """Student's t-distributions, moved and scaled.

    Args:
      df: `[...]`, floating: the degrees of freedom, positive.
      loc: broadcasts with `df`, same dtype: the centres.
      scale: broadcasts with `df`, same dtype: the scales; the standard deviation is larger.
      validate_args, allow_nan_stats, name: as for `Distribution`.

    Raises:
      TypeError: the dtypes differ.
    """

    def __init__(
        self,
        df: Any,
        loc: Any,
        scale: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "StudentT",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[df, loc, scale]) as scope:
            with control_dependencies([assert_positive(df)] if validate_args else []):
                self._df = raw.Identity(df, name="df")
                self._loc = raw.Identity(loc, name="loc")
                self._scale = raw.Identity(scale, name="scale")
            assert_same_float_dtype([self._df, self._loc, self._scale])
        parents = [self._df, self._loc, self._scale]
        super().__init__(
            self._scale.dtype,
            FULLY_REPARAMETERIZED,
            validate_args,
            allow_nan_stats,
            parameters,
            parents,
            scope,
        )

    @classmethod
    def _param_shapes(cls, sample_shape: Any) -> dict[str, Tensor]:
        return same_shape_params(("df", "loc", "scale"), sample_shape)

    @property
    def df(self) -> Tensor:
        """The degrees of freedom."""
        return self._df

    def _batch_shape_tensor(self) -> Tensor:
        return broadcast_dynamic_shape(shape_tensor(self._df), super()._batch_shape_tensor())

    def _batch_shape(self) -> Any:
        return broadcast_static_shape(self._df.shape, super()._batch_shape())

    def _everywhere(self, value: float | None = None) -> Tensor:
        if value is None:
            return ones(self.batch_shape_tensor(), self.dtype.base_dtype)
        return fill(self.batch_shape_tensor(), convert_to_tensor(value, self.dtype.base_dtype))

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        shape = drawn_shape(n, self.batch_shape_tensor())
        normal = random_normal(shape, dtype=self.dtype, seed=seed)
        df = self._df * self._everywhere()
        squares = random_gamma([n], 0.5 * df, 0.5, self.dtype, new_seed(seed, "student_t"))
        return normal * raw.Rsqrt(squares / df) * self._scale + self._loc

    def _log_prob(self, x: Tensor) -> Tensor:
        df = self._df
        y = (x - self._loc) / self._scale
        power = -0.5 * (df + 1.0) * raw.Log1p(raw.Pow(y, 2.0, name="pow") / df)
        size = raw.Log(raw.Abs(self._scale)) + 0.5 * raw.Log(df) + 0.5 * math.log(math.pi)
        return power - (size + raw.Lgamma(0.5 * df) - raw.Lgamma(0.5 * (df + 1.0)))

    def _cdf(self, x: Tensor) -> Tensor:
        df = self._df
        y = (x - self._loc) / raw.Abs(self._scale)
        share = df / (raw.Pow(y, 2.0, name="pow") + df)
        half = convert_to_tensor(0.5, self.dtype.base_dtype)
        below = 0.5 * betainc(0.5 * df, half, share)
        return raw.SelectV2(raw.Less(y, 0.0), below, 1.0 - below)

    def _entropy(self) -> Tensor:
        df = self._df
        wide = self._everywhere()[..., None]
        pair = raw.ConcatV2([wide * df[..., None], wide], -1, name="concat") / 2.0
        size = raw.Log(raw.Abs(self._scale)) + 0.5 * raw.Log(df) + lbeta(pair)
        return size + 0.5 * (df + 1.0) * (raw.Digamma(0.5 * (df + 1.0)) - raw.Digamma(0.5 * df))

    def _defined(self, value: Tensor, what: str) -> Tensor:
        """`value` where there is more than one degree of freedom."""
        if not self.allow_nan_stats:
            message = f"{what} not defined for components of df <= 1"
            check = assert_less(ones([], self.dtype), self._df, message=message)
            return with_dependencies([check], value)
        enough = raw.Greater(self._df, self._everywhere())
        return raw.SelectV2(enough, value, self._everywhere(np.nan))

    def _mean(self) -> Tensor:
        return self._defined(self._loc * self._everywhere(), "mean")

    def _variance(self) -> Tensor:
        df = self._df
        finite = raw.Greater(df, 2.0)
        divisor = raw.SelectV2(finite, df - 2.0, ones_like(df))
        value = self._everywhere() * raw.Square(self._scale) * df / divisor
        value = raw.SelectV2(raw.Greater(df, self._everywhere(2.0)), value, self._everywhere(np.inf))
        return self._defined(value, "variance")

    def _mode(self) -> Tensor:
        return raw.Identity(self._loc)


@public("distributions.Uniform", "contrib.distributions.Uniform")
class Uniform(Distribution):
    """Uniform distributions over [low, high).

    Args:
      low: `[...]`, floating: the lower ends.
      high: broadcasts with `low`, same dtype: the upper ends, excluded.
      validate_args, allow_nan_stats, name: as for `Distribution`.

    Raises:
      TypeError: the dtypes differ.
      InvalidArgumentError: when run with `validate_args`, if an end is not above the other.
    """

    def __init__(
        self,
        low: Any = 0.0,
        high: Any = 1.0,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Uniform",
    ) -> None:
        parameters = dict(locals())
        told = "uniform not defined when low >= high."
        with name_scope(name, values=[low, high]) as scope:
            with control_dependencies([assert_less(low, high, message=told)] if validate_args else []):
                self._low = raw.Identity(low, name="low")
                self._high = raw.Identity(high, name="high")
            assert_same_float_dtype([self._low, self._high])
        parents = [self._low, self._high]
        super().__init__(
            self._low.dtype, FULLY_REPARAMETERIZED, validate_args, allow_nan_stats, parameters, parents, scope
        )

    @classmethod
    def _param_shapes(cls, sample_shape: Any) -> dict[str, Tensor]:
        return same_shape_params(("low", "high"), sample_shape)

    @property
    def low(self) -> Tensor:
        """The lower ends."""
        return self._low

    @property
    def high(self) -> Tensor:
        """The upper ends."""
        return self._high

    def range(self, name: str = "range") -> Tensor:
        """high - low."""
        with self._name_scope(name):
            return self._high - self._low

    def _batch_shape_tensor(self) -> Tensor:
        return broadcast_dynamic_shape(shape_tensor(self._low), shape_tensor(self._high))

    def _batch_shape(self) -> Any:
        return broadcast_static_shape(self._low.shape, self._high.shape)

    def _event_shape_tensor(self) -> Tensor:
        return convert_to_tensor(np.zeros(0, np.int32))

    def _event_shape(self) -> Any:
        return ()

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        shape = drawn_shape(n, self.batch_shape_tensor())
        share = random_uniform(shape, dtype=self.dtype, seed=seed)
        return self._low + self.range() * share

    def _prob(self, x: Tensor) -> Tensor:
        x = x * ones(self.batch_shape_tensor(), x.dtype)
        unknown = raw.IsNan(x)
        outside = raw.LogicalOr(raw.Less(x, self._low), raw.GreaterEqual(x, self._high))
        density = raw.SelectV2(outside, zeros_like(x), ones_like(x) / self.range())
        return raw.SelectV2(unknown, x, density)

    def _cdf(self, x: Tensor) -> Tensor:
        shape = broadcast_dynamic_shape(shape_tensor(x), self.batch_shape_tensor())
        zero, one = (fill(shape, convert_to_tensor(c, self.dtype.base_dtype)) for c in (0.0, 1.0))
        inside = raw.SelectV2(raw.Less(x, self._low), zero, (x * one - self._low) / self.range())
        return raw.SelectV2(raw.GreaterEqual(x, self._high), one, inside)

    def _entropy(self) -> Tensor:
        return raw.Log(self.range())

    def _mean(self) -> Tensor:
        return (self._low + self._high) / 2.0

    def _variance(self) -> Tensor:
        return raw.Square(self.range()) / 12.0

    def _stddev(self) -> Tensor:
        return self.range() / math.sqrt(12.0)
