"""Distributions of single real numbers, beside those of `tf.distributions`."""

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
    NOT_REPARAMETERIZED,
    Distribution,
    ReparameterizationType,
    drawn_shape,
)
from millrace.lib.distributions.positive import Gamma
from millrace.lib.distributions.special import erfinv
from millrace.lib.flow.control_flow import with_dependencies
from millrace.lib.math.checks import assert_less, assert_positive, assert_same_float_dtype
from millrace.ops.array.constant import constant, ones, zeros
from millrace.ops.array.fill import fill, ones_like
from millrace.ops.array.shape import broadcast_dynamic_shape, broadcast_static_shape
from millrace.ops.math.elementwise import exp, floor, log, log1p, sigmoid, square
from millrace.ops.math.trigonometric import atan, tan
from millrace.ops.nn.activation import softplus
from millrace.ops.random.counts import random_gamma
from millrace.ops.random.draws import random_normal, random_uniform


class Numbers(Distribution):
    """A distribution of numbers, with parameters that broadcast."""

    _named: dict[str, Tensor]

    def _begin(
        self, given: dict[str, Any], kind: ReparameterizationType, positive: tuple[str, ...], **named: Any
    ) -> None:
        """Makes the parameters tensors, and the distribution of them.

        Args:
          given: the constructor's arguments.
          kind: the reparameterization.
          positive: which parameters are checked to be positive.
          **named: the parameters.
        """
        with name_scope(given["name"], values=list(named.values())) as scope:
            checks = [assert_positive(named[n]) for n in positive] if given["validate_args"] else []
            with control_dependencies(checks):
                self._named = {n: raw.Identity(v, name=n) for n, v in named.items()}
            assert_same_float_dtype(list(self._named.values()))
        self._finish(given, kind, scope)

    def _finish(self, given: dict[str, Any], kind: ReparameterizationType, scope: str) -> None:
        held = list(self._named.values())
        arguments = given["validate_args"], given["allow_nan_stats"]
        Distribution.__init__(self, held[0].dtype, kind, *arguments, dict(given), held, scope)

    def _event_shape_tensor(self) -> Tensor:
        return convert_to_tensor(np.zeros(0, np.int32))

    def _event_shape(self) -> Any:
        return ()

    def _batch_shape_tensor(self) -> Tensor:
        first, *rest = self._named.values()
        shape = shape_tensor(first)
        for other in rest:
            shape = broadcast_dynamic_shape(shape, shape_tensor(other))
        return shape

    def _batch_shape(self) -> Any:
        first, *rest = self._named.values()
        shape = first.shape
        for other in rest:
            shape = broadcast_static_shape(shape, other.shape)
        return shape

    def _full(self, value: float) -> Tensor:
        return fill(self.batch_shape_tensor(), convert_to_tensor(value, self.dtype.base_dtype))

    def _uniform(self, n: Any, seed: int | None, least: float = 0.0) -> Tensor:
        shape = drawn_shape(n, self.batch_shape_tensor())
        return random_uniform(shape, minval=least, maxval=1.0, dtype=self.dtype, seed=seed)


class _Placed(Numbers):
    @property
    def loc(self) -> Tensor:
        """The location."""
        return self._named["loc"]

    @property
    def scale(self) -> Tensor:
        """The scale."""
        return self._named["scale"]

    def _z(self, x: Tensor) -> Tensor:
        return (x - self.loc) / self.scale


@public("contrib.distributions.Logistic")
class Logistic(_Placed):
    """Logistic distributions.

    Args:
      loc: `[...]`, floating: the means.
      scale: broadcasts with `loc`: positive.
      validate_args, allow_nan_stats, name: as for `Distribution`.
    """

    def __init__(
        self,
        loc: Any,
        scale: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Logistic",
    ) -> None:
        self._begin(dict(locals()), FULLY_REPARAMETERIZED, ("scale",), loc=loc, scale=scale)

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        u = self._uniform(n, seed, float(np.finfo(self.dtype.as_numpy_dtype).tiny))
        return self.loc + self.scale * (log(u) - log1p(-1.0 * u))

    def _log_prob(self, x: Tensor) -> Tensor:
        z = self._z(x)
        return -z - 2.0 * softplus(-z) - log(self.scale)

    def _cdf(self, x: Tensor) -> Tensor:
        return sigmoid(self._z(x))

    def _log_cdf(self, x: Tensor) -> Tensor:
        return -softplus(-self._z(x))

    def _survival_function(self, x: Tensor) -> Tensor:
        return sigmoid(-self._z(x))

    def _log_survival_function(self, x: Tensor) -> Tensor:
        return -softplus(self._z(x))

    def _entropy(self) -> Tensor:
        return 2.0 + log(self.scale * ones_like(self.loc))

    def _mean(self) -> Tensor:
        return self.loc * ones_like(self.scale)

    def _stddev(self) -> Tensor:
        return self.scale * ones_like(self.loc) * math.pi / math.sqrt(3)

    def _mode(self) -> Tensor:
        return self._mean()


@public("contrib.distributions.Cauchy")
class Cauchy(_Placed):
    """Cauchy distributions.

    Args:
      loc: `[...]`, floating: the medians.
      scale: broadcasts with `loc`: positive.
      validate_args, allow_nan_stats, name: as for `Distribution`.
    """

    def __init__(
        self,
        loc: Any,
        scale: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Cauchy",
    ) -> None:
        self._begin(dict(locals()), FULLY_REPARAMETERIZED, ("scale",), loc=loc, scale=scale)

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        return self._quantile(self._uniform(n, seed))

    def _quantile(self, p: Tensor) -> Tensor:
        return self.loc + self.scale * tan(math.pi * (p - 0.5))

    def _log_prob(self, x: Tensor) -> Tensor:
        return -log1p(square(self._z(x))) - (math.log(math.pi) + log(self.scale))

    def _cdf(self, x: Tensor) -> Tensor:
        return atan(self._z(x)) / math.pi + 0.5

    def _log_cdf(self, x: Tensor) -> Tensor:
        return log1p(2 / math.pi * atan(self._z(x))) - math.log(2)

    def _entropy(self) -> Tensor:
        return (math.log(4 * math.pi) + log(self.scale)) * ones_like(self.loc)

    def _mode(self) -> Tensor:
        return self.loc * ones_like(self.scale)

    def _undefined_statistic(self, what: str) -> Tensor:
        if self.allow_nan_stats:
            return self._full(float("nan"))
        raise ValueError(f"`{what}` is undefined for Cauchy distribution.")

    def _mean(self) -> Tensor:
        return self._undefined_statistic("mean")

    def _stddev(self) -> Tensor:
        return self._undefined_statistic("stddev")


@public("contrib.distributions.HalfNormal")
class HalfNormal(Numbers):
    """The distributions of the absolute value of a normal number of mean 0.

    Args:
      scale: `[...]`, floating: positive.
      validate_args, allow_nan_stats, name: as for `Distribution`.
    """

    def __init__(
        self, scale: Any, validate_args: bool = False, allow_nan_stats: bool = True, name: str = "HalfNormal"
    ) -> None:
        self._begin(dict(locals()), FULLY_REPARAMETERIZED, ("scale",), scale=scale)

    @property
    def scale(self) -> Tensor:
        """The scale."""
        return self._named["scale"]

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        shape = drawn_shape(n, self.batch_shape_tensor())
        return raw.Abs(random_normal(shape, 0.0, 1.0, self.dtype, seed) * self.scale)

    def _prob(self, x: Tensor) -> Tensor:
        height = math.sqrt(2.0) / self.scale / math.sqrt(math.pi)
        density = height * exp(-0.5 * (x / self.scale) ** 2)
        return density * raw.Cast(x >= 0, DstT=self.dtype.base_dtype)

    def _cdf(self, x: Tensor) -> Tensor:
        return raw.Erf(raw.Relu(x) / self.scale / math.sqrt(2.0))

    def _entropy(self) -> Tensor:
        return 0.5 * log(math.pi * self.scale**2.0 / 2.0) + 0.5

    def _mean(self) -> Tensor:
        return self.scale * math.sqrt(2.0) / math.sqrt(math.pi)

    def _quantile(self, p: Tensor) -> Tensor:
        return math.sqrt(2.0) * self.scale * erfinv(p)

    def _mode(self) -> Tensor:
        return zeros(self.batch_shape_tensor())

    def _variance(self) -> Tensor:
        return self.scale**2.0 * (1.0 - 2.0 / math.pi)


@public("contrib.distributions.InverseGamma")
class InverseGamma(Numbers):
    """The distributions of the inverse of a gamma distributed number.

    Args:
      concentration: `[...]`, floating: positive.
      rate: broadcasts with it: positive.
      validate_args, allow_nan_stats, name: as for `Distribution`.
    """

    def __init__(
        self,
        concentration: Any,
        rate: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "InverseGamma",
    ) -> None:
        given = dict(locals())
        self._begin(
            given, NOT_REPARAMETERIZED, ("concentration", "rate"), concentration=concentration, rate=rate
        )

    @property
    def concentration(self) -> Tensor:
        """The shape parameters."""
        return self._named["concentration"]

    @property
    def rate(self) -> Tensor:
        """The rates."""
        return self._named["rate"]

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        return 1.0 / random_gamma([n], self.concentration, self.rate, self.dtype, seed)

    def _checked(self, x: Tensor) -> Tensor:
        assert_same_float_dtype([x], self.dtype)
        return with_dependencies([assert_positive(x)], x) if self.validate_args else x

    def _log_prob(self, x: Tensor) -> Tensor:
        a, b, x = self.concentration, self.rate, self._checked(x)
        return -(1.0 + a) * log(x) - b / x - (raw.Lgamma(a) - a * log(b))

    def _cdf(self, x: Tensor) -> Tensor:
        return raw.Igammac(self.concentration, self.rate / self._checked(x))

    def _entropy(self) -> Tensor:
        a = self.concentration
        return a + log(self.rate) + raw.Lgamma(a) - (1.0 + a) * raw.Digamma(a)

    def _defined(self, what: str, least: float, value: Tensor) -> Tensor:
        """`value` where the concentration is above `least`."""
        kind = self.dtype.base_dtype
        if self.allow_nan_stats:
            nan = fill(self.batch_shape_tensor(), np.array(np.nan, kind.np_dtype), name="nan")
            return raw.SelectV2(self.concentration > least, value, nan)
        bound = ones([], kind) if least == 1.0 else constant(least, kind)
        told = f"{what} undefined when any concentration <= {least:g}"
        return with_dependencies([assert_less(bound, self.concentration, message=told)], value)

    def _mean(self) -> Tensor:
        return self._defined("mean", 1.0, self.rate / (self.concentration - 1.0))

    def _variance(self) -> Tensor:
        a = self.concentration
        value = square(self.rate) / raw.SquaredDifference(a, 1.0) / (a - 2.0)
        return self._defined("variance", 2.0, value)

    def _mode(self) -> Tensor:
        return self.rate / (1.0 + self.concentration)


@public("contrib.distributions.Chi2")
class Chi2(Gamma):
    """Chi-squared distributions.

    Args:
      df: `[...]`, floating: degrees of freedom, positive.
      validate_args, allow_nan_stats, name: as for `Distribution`.
    """

    def __init__(
        self, df: Any, validate_args: bool = False, allow_nan_stats: bool = True, name: str = "Chi2"
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[df]) as scope:
            with control_dependencies([assert_positive(df)] if validate_args else []):
                self._df = raw.Identity(df, name="df")
            concentration = 0.5 * self._df
            rate = constant(0.5, self._df.dtype.base_dtype)
            super().__init__(concentration, rate, validate_args, allow_nan_stats, scope)
        self._parameters = {k: v for k, v in parameters.items() if k != "__class__"}

    @property
    def df(self) -> Tensor:
        """The degrees of freedom."""
        return self._df


@public("contrib.distributions.Chi2WithAbsDf")
class Chi2WithAbsDf(Chi2):
    """`Chi2` of floor(|df|)."""

    def __init__(
        self, df: Any, validate_args: bool = False, allow_nan_stats: bool = True, name: str = "Chi2WithAbsDf"
    ) -> None:
        given = {k: v for k, v in locals().items() if k != "__class__"}
        with name_scope(name, values=[df]) as scope:
            df = floor(raw.Abs(df, name="abs_df"), name="floor_abs_df")
            super().__init__(df, validate_args, allow_nan_stats, scope)
        self._parameters = given
