"""Distributions over positive numbers and over shares: gamma, exponential, beta, Dirichlet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.building import raw
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
from millrace.lib.distributions.special import betainc
from millrace.lib.flow.control_flow import with_dependencies
from millrace.lib.math.checks import (
    assert_less,
    assert_near,
    assert_positive,
    assert_rank_at_least,
    assert_same_float_dtype,
)
from millrace.lib.math.functions import lbeta
from millrace.lib.math.reductions import reduce_all, reduce_sum
from millrace.ops.array.constant import ones
from millrace.ops.array.fill import fill, ones_like
from millrace.ops.array.shape import broadcast_dynamic_shape, broadcast_static_shape
from millrace.ops.linalg.matmul import matmul
from millrace.ops.math.cast import cast
from millrace.ops.random.counts import random_gamma
from millrace.ops.random.draws import random_uniform


def _nan(shape: Tensor, dtype: Any) -> Tensor:
    return fill(shape, np.array(np.nan, dtype.base_dtype.np_dtype), name="nan")


class _Scalar(Distribution):
    """A distribution of scalars."""

    def _event_shape_tensor(self) -> Tensor:
        return convert_to_tensor(np.zeros(0, np.int32))

    def _event_shape(self) -> Any:
        return ()


@public("distributions.Gamma", "contrib.distributions.Gamma")
class Gamma(_Scalar):
    """Gamma distributions.

    Args:
      concentration: `[...]`, floating: the shape parameters, positive.
      rate: broadcasts with `concentration`, same dtype: the inverse scales, positive.
      validate_args, allow_nan_stats, name: as for `Distribution`.

    Raises:
      TypeError: the dtypes differ.
    """

    def __init__(
        self,
        concentration: Any,
        rate: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Gamma",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[concentration, rate]) as scope:
            checks = [assert_positive(concentration), assert_positive(rate)] if validate_args else []
            with control_dependencies(checks):
                self._concentration = raw.Identity(concentration, name="concentration")
                self._rate = raw.Identity(rate, name="rate")
            assert_same_float_dtype([self._concentration, self._rate])
        parents = [self._concentration, self._rate]
        super().__init__(
            self._concentration.dtype,
            FULLY_REPARAMETERIZED,
            validate_args,
            allow_nan_stats,
            parameters,
            parents,
            scope,
        )

    @classmethod
    def _param_shapes(cls, sample_shape: Any) -> dict[str, Tensor]:
        return same_shape_params(("concentration", "rate"), sample_shape)

    @property
    def concentration(self) -> Tensor:
        """The shape parameters."""
        return self._concentration

    @property
    def rate(self) -> Tensor:
        """The inverse scales."""
        return self._rate

    def _batch_shape_tensor(self) -> Tensor:
        return broadcast_dynamic_shape(shape_tensor(self._concentration), shape_tensor(self._rate))

    def _batch_shape(self) -> Any:
        return broadcast_static_shape(self._concentration.shape, self._rate.shape)

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        return random_gamma([n], self._concentration, self._rate, self.dtype, seed)

    def _checked(self, x: Tensor) -> Tensor:
        return with_dependencies([assert_positive(x)], x) if self.validate_args else x

    def _log_prob(self, x: Tensor) -> Tensor:
        x = self._checked(x)
        power = raw.Xlogy(self._concentration - 1.0, x) - self._rate * x
        return power - (raw.Lgamma(self._concentration) - self._concentration * raw.Log(self._rate))

    def _cdf(self, x: Tensor) -> Tensor:
        return raw.Igamma(self._concentration, self._rate * self._checked(x))

    def _entropy(self) -> Tensor:
        c = self._concentration
        return c - raw.Log(self._rate) + raw.Lgamma(c) + (1.0 - c) * raw.Digamma(c)

    def _mean(self) -> Tensor:
        return self._concentration / self._rate

    def _variance(self) -> Tensor:
        return self._concentration / raw.Square(self._rate)

    def _stddev(self) -> Tensor:
        return raw.Sqrt(self._concentration) / self._rate

    def _mode(self) -> Tensor:
        mode = (self._concentration - 1.0) / self._rate
        if self.allow_nan_stats:
            nan = _nan(self.batch_shape_tensor(), self.dtype)
            return raw.SelectV2(raw.Greater(self._concentration, 1.0), mode, nan)
        message = "mode not defined when any concentration <= 1"
        return with_dependencies(
            [assert_less(ones([], self.dtype), self._concentration, message=message)], mode
        )


@RegisterKL(Gamma, Gamma)
def _kl_gamma_gamma(a: Gamma, b: Gamma, name: str | None = None) -> Tensor:
    with name_scope(name, "kl_gamma_gamma", [a.concentration, b.concentration]):
        shape = (a.concentration - b.concentration) * raw.Digamma(a.concentration)
        norm = raw.Lgamma(b.concentration) - raw.Lgamma(a.concentration)
        rates = b.concentration * raw.Log(a.rate) - b.concentration * raw.Log(b.rate)
        return shape + norm + rates + a.concentration * (b.rate / a.rate - 1.0)


@public("distributions.Exponential", "contrib.distributions.Exponential")
class Exponential(Gamma):
    """Exponential distributions.

    Args:
      rate: `[...]`, floating: the inverses of the means, positive.
      validate_args, allow_nan_stats, name: as for `Distribution`.
    """

    def __init__(
        self,
        rate: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Exponential",
    ) -> None:
        parameters = {k: v for k, v in locals().items() if k != "__class__"}
        with name_scope(name, values=[rate]) as scope:
            rate = convert_to_tensor(rate, name="rate")
        super().__init__(ones([], rate.dtype.base_dtype), rate, validate_args, allow_nan_stats, scope)
        self._parameters = parameters

    @classmethod
    def _param_shapes(cls, sample_shape: Any) -> dict[str, Tensor]:
        return same_shape_params(("rate",), sample_shape)

    def _log_survival_function(self, x: Tensor) -> Tensor:
        return self._log_prob(x) - raw.Log(self._rate)

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        shape = drawn_shape(n, shape_tensor(self._rate))
        # never 0, whose logarithm is infinite
        least = np.finfo(self.dtype.as_numpy_dtype).tiny
        return -raw.Log(random_uniform(shape, least, 1.0, self.dtype, seed)) / self._rate


@public("distributions.Beta", "contrib.distributions.Beta")
class Beta(_Scalar):
    """Beta distributions, over (0, 1).

    Args:
      concentration1: `[...]`, floating: how much the mass leans to 1, positive.
      concentration0: broadcasts with the other, same dtype: how much it leans to 0, positive.
      validate_args, allow_nan_stats, name: as for `Distribution`.

    Raises:
      TypeError: the dtypes differ.
    """

    def __init__(
        self,
        concentration1: Any = None,
        concentration0: Any = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Beta",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[concentration1, concentration0]) as scope:
            first = convert_to_tensor(concentration1, name="concentration1")
            other = convert_to_tensor(concentration0, name="concentration0")
            if validate_args:
                told = "Concentration parameter must be positive."
                first = with_dependencies([assert_positive(first, message=told)], first)
                other = with_dependencies([assert_positive(other, message=told)], other)
            assert_same_float_dtype([first, other])
            self._concentration1, self._concentration0 = first, other
            self._total = first + other
        parents = [first, other, self._total]
        super().__init__(
            self._total.dtype,
            FULLY_REPARAMETERIZED,
            validate_args,
            allow_nan_stats,
            parameters,
            parents,
            scope,
        )

    @classmethod
    def _param_shapes(cls, sample_shape: Any) -> dict[str, Tensor]:
        return same_shape_params(("concentration1", "concentration0"), sample_shape)

    @property
    def concentration1(self) -> Tensor:
        """How much the mass leans to 1."""
        return self._concentration1

    @property
    def concentration0(self) -> Tensor:
        """How much the mass leans to 0."""
        return self._concentration0

    @property
    def total_concentration(self) -> Tensor:
        """The sum of both concentrations."""
        return self._total

    def _batch_shape_tensor(self) -> Tensor:
        return shape_tensor(self._total)

    def _batch_shape(self) -> Any:
        return self._total.shape

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        wide1 = ones_like(self._total) * self._concentration1
        wide0 = ones_like(self._total) * self._concentration0
        first = random_gamma([n], wide1, dtype=self.dtype, seed=seed)
        other = random_gamma([n], wide0, dtype=self.dtype, seed=new_seed(seed, "beta"))
        return first / (first + other)

    def _checked(self, x: Tensor) -> Tensor:
        if not self.validate_args:
            return x
        checks = [
            assert_positive(x, message="sample must be positive"),
            assert_less(x, ones([], self.dtype), message="sample must be less than `1`."),
        ]
        return with_dependencies(checks, x)

    def _log_normalization(self) -> Tensor:
        both = raw.Lgamma(self._concentration1) + raw.Lgamma(self._concentration0)
        return both - raw.Lgamma(self._total)

    def _log_prob(self, x: Tensor) -> Tensor:
        x = self._checked(x)
        powers = raw.Xlogy(self._concentration1 - 1.0, x) + (self._concentration0 - 1.0) * raw.Log1p(-x)
        return powers - self._log_normalization()

    def _cdf(self, x: Tensor) -> Tensor:
        return betainc(self._concentration1, self._concentration0, x)

    def _entropy(self) -> Tensor:
        first = (self._concentration1 - 1.0) * raw.Digamma(self._concentration1)
        other = (self._concentration0 - 1.0) * raw.Digamma(self._concentration0)
        return self._log_normalization() - first - other + (self._total - 2.0) * raw.Digamma(self._total)

    def _mean(self) -> Tensor:
        return self._concentration1 / self._total

    def _variance(self) -> Tensor:
        return self._mean() * (1.0 - self._mean()) / (1.0 + self._total)

    def _mode(self) -> Tensor:
        mode = (self._concentration1 - 1.0) / (self._total - 2.0)
        if self.allow_nan_stats:
            inside = raw.LogicalAnd(
                raw.Greater(self._concentration1, 1.0), raw.Greater(self._concentration0, 1.0)
            )
            return raw.SelectV2(inside, mode, _nan(self.batch_shape_tensor(), self.dtype))
        return mode_within(mode, self._concentration1, self._concentration0)


def mode_within(mode: Tensor, concentration1: Tensor, concentration0: Tensor) -> Tensor:
    """`mode`, once both concentrations were seen to be above 1: else it is at an end."""
    checks = [
        assert_less(ones([], mode.dtype), c, message=f"Mode undefined for concentration{i} <= 1.")
        for i, c in ((1, concentration1), (0, concentration0))
    ]
    return with_dependencies(checks, mode)


@RegisterKL(Beta, Beta)
def _kl_beta_beta(a: Beta, b: Beta, name: str | None = None) -> Tensor:
    def gap(of: Callable[[Beta], Tensor]) -> Tensor:
        return of(b) - of(a)

    with name_scope(name, "kl_beta_beta", [a.concentration1, b.concentration1]):
        first = raw.Digamma(a.concentration1) * gap(lambda d: d.concentration1)
        other = raw.Digamma(a.concentration0) * gap(lambda d: d.concentration0)
        both = raw.Digamma(a.total_concentration) * gap(lambda d: d.total_concentration)
        return gap(lambda d: d._log_normalization()) - first - other + both


@public("distributions.Dirichlet", "contrib.distributions.Dirichlet")
class Dirichlet(Distribution):
    """Dirichlet distributions, over shares that sum to 1.

    Args:
      concentration: `[..., k]`, floating: how much mass each of `k` shares attracts, positive.
      validate_args, allow_nan_stats, name: as for `Distribution`.
    """

    def __init__(
        self,
        concentration: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Dirichlet",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[concentration]) as scope:
            concentration = convert_to_tensor(concentration, name="concentration")
            if validate_args:
                concentration = checked_concentration(concentration)
            self._concentration = concentration
            self._total = reduce_sum(concentration, -1)
        parents = [concentration, self._total]
        super().__init__(
            concentration.dtype,
            FULLY_REPARAMETERIZED,
            validate_args,
            allow_nan_stats,
            parameters,
            parents,
            scope,
        )

    @property
    def concentration(self) -> Tensor:
        """How much mass each share attracts."""
        return self._concentration

    @property
    def total_concentration(self) -> Tensor:
        """The sum of the concentrations."""
        return self._total

    def _batch_shape_tensor(self) -> Tensor:
        return shape_tensor(self._total)

    def _batch_shape(self) -> Any:
        return self._total.shape

    def _event_shape_tensor(self) -> Tensor:
        return shape_tensor(self._concentration)[-1:]

    def _event_shape(self) -> Any:
        return self._concentration.shape.with_rank_at_least(1)[-1:]

    def _wide_total(self) -> Tensor:
        return self._total[..., None]

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        parts = random_gamma([n], self._concentration, dtype=self.dtype, seed=seed)
        return parts / reduce_sum(parts, -1, keepdims=True)

    def _log_prob(self, x: Tensor) -> Tensor:
        if self.validate_args:
            checks = [
                assert_positive(x, message="samples must be positive"),
                assert_near(
                    ones([], self.dtype), reduce_sum(x, -1), message="sample last-dimension must sum to `1`"
                ),
            ]
            x = with_dependencies(checks, x)
        powers = reduce_sum(raw.Xlogy(self._concentration - 1.0, x), -1)
        return powers - lbeta(self._concentration)

    def _prob(self, x: Tensor) -> Tensor:
        return raw.Exp(self._log_prob(x))

    def _size(self) -> Tensor:
        return cast(self.event_shape_tensor()[0], self.dtype)

    def _entropy(self) -> Tensor:
        c = self._concentration
        return (
            lbeta(c)
            + (self._total - self._size()) * raw.Digamma(self._total)
            - reduce_sum((c - 1.0) * raw.Digamma(c), -1)
        )

    def _mean(self) -> Tensor:
        return self._concentration / self._wide_total()

    def _scaled_mean(self) -> tuple[Tensor, Tensor]:
        scale = raw.Rsqrt(1.0 + self._wide_total())
        return scale, scale * self._mean()

    def _covariance(self) -> Tensor:
        _, x = self._scaled_mean()
        return covariance_of(x, self._variance)

    def _variance(self) -> Tensor:
        scale, x = self._scaled_mean()
        return x * (scale - x)

    def _mode(self) -> Tensor:
        mode = (self._concentration - 1.0) / (self._wide_total() - self._size())
        if self.allow_nan_stats:
            inside = reduce_all(raw.Greater(self._concentration, 1.0), -1, keepdims=True)
            return raw.SelectV2(inside, mode, _nan(shape_tensor(mode), self.dtype))
        message = "Mode undefined when any concentration <= 1"
        return with_dependencies(
            [assert_less(ones([], self.dtype), self._concentration, message=message)], mode
        )


def covariance_of(x: Tensor, variance: Callable[[], Tensor]) -> Tensor:
    """Minus the products of all pairs, with the variances in the diagonal."""
    products = -matmul(x[..., None], x[..., None, :])
    return raw.MatrixSetDiag(products, variance(), name="set_diag")


def checked_concentration(concentration: Tensor) -> Tensor:
    """`concentration`, which must be positive and have at least two elements in its last dimension."""
    checks = [
        assert_positive(concentration, message="Concentration parameter must be positive."),
        assert_rank_at_least(concentration, 1, message="Concentration parameter must have >=1 dimensions."),
        assert_less(
            1, shape_tensor(concentration)[-1], message="Concentration parameter must have event_size >= 2."
        ),
    ]
    return with_dependencies(checks, concentration)


@RegisterKL(Dirichlet, Dirichlet)
def _kl_dirichlet_dirichlet(a: Dirichlet, b: Dirichlet, name: str | None = None) -> Tensor:
    with name_scope(name, "kl_dirichlet_dirichlet", [a.concentration, b.concentration]):
        total = raw.Digamma(reduce_sum(a.concentration, -1, keepdims=True))
        slopes = raw.Digamma(a.concentration) - total
        gaps = a.concentration - b.concentration
        return reduce_sum(gaps * slopes, -1) - lbeta(a.concentration) + lbeta(b.concentration)
