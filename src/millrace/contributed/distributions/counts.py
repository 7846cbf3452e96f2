"""Distributions of counts: how often, and how many until."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import control_dependencies, name_scope
from millrace.contributed.distributions.scalars import Numbers
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.distributions.arguments import checked_counts, logits_and_probs
from millrace.lib.distributions.base import NOT_REPARAMETERIZED, new_seed
from millrace.lib.distributions.special import betainc
from millrace.lib.flow.control_flow import with_dependencies
from millrace.lib.math.checks import assert_less, assert_less_equal, assert_positive
from millrace.lib.math.functions import log_sigmoid
from millrace.ops.array.constant import constant
from millrace.ops.array.fill import ones_like, zeros_like
from millrace.ops.math.elementwise import exp, expm1, floor, log, log1p, sigmoid
from millrace.ops.math.select import where
from millrace.ops.nn.activation import softplus
from millrace.ops.random.counts import random_gamma, random_poisson


class _Counted(Numbers):
    def _counted(self, x: Tensor) -> Tensor:
        """`x`, checked to be whole numbers that are not negative, where that is asked for."""
        return checked_counts(x) if self.validate_args else x


@public("contrib.distributions.Poisson")
class Poisson(_Counted):
    """Poisson distributions, over whole numbers; others are taken as if counts were continuous.

    Args:
      rate: `[...]`, floating: the means, positive.
      log_rate: their logarithms, in place of them.
      validate_args, allow_nan_stats, name: as for `Distribution`.

    Raises:
      ValueError: neither or both were given.
      TypeError: they are not floating.
    """

    def __init__(
        self,
        rate: Any = None,
        log_rate: Any = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Poisson",
    ) -> None:
        given = dict(locals())
        if (rate is None) == (log_rate is None):
            raise ValueError(f"Poisson takes rate or log_rate, and not both. Received: {rate}, {log_rate}")
        with name_scope(name, values=[rate]) as scope:
            told = "rate" if log_rate is None else "log_rate"
            value = convert_to_tensor(rate if log_rate is None else log_rate, name=told)
            if not value.dtype.is_floating:
                raise TypeError(f"{told} must be floating. Received: {value.dtype.name}")
            if log_rate is None:
                with control_dependencies([assert_positive(value)] if validate_args else []):
                    self._rate, self._log_rate = raw.Identity(value, name="rate"), log(value, name="log_rate")
            else:
                self._rate, self._log_rate = exp(value, name="rate"), value
            self._named = {"rate": self._rate}
        self._finish(given, NOT_REPARAMETERIZED, scope)

    @property
    def rate(self) -> Tensor:
        """The means."""
        return self._rate

    @property
    def log_rate(self) -> Tensor:
        """Their logarithms."""
        return self._log_rate

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        return random_poisson(self._rate, [n], dtype=self.dtype, seed=seed)

    def _log_prob(self, x: Tensor) -> Tensor:
        x = self._counted(x)
        return x * self._log_rate - raw.Lgamma(1.0 + x) - self._rate

    def _log_cdf(self, x: Tensor) -> Tensor:
        return log(self.cdf(x))

    def _cdf(self, x: Tensor) -> Tensor:
        return raw.Igammac(1.0 + self._counted(x), self._rate)

    def _mean(self) -> Tensor:
        return raw.Identity(self._rate)

    def _variance(self) -> Tensor:
        return raw.Identity(self._rate)

    def _mode(self) -> Tensor:
        return floor(self._rate)


class _Chances(_Counted):
    _logits: Tensor
    _probs: Tensor

    @property
    def logits(self) -> Tensor:
        """The log odds."""
        return self._logits

    @property
    def probs(self) -> Tensor:
        """The probabilities of success."""
        return self._probs


@public("contrib.distributions.Geometric")
class Geometric(_Chances):
    """How many failures come before the first success.

    Args:
      logits, probs: `[...]`, floating: log odds or probability of success; one of them.
      validate_args, allow_nan_stats, name: as for `Distribution`.
    """

    def __init__(
        self,
        logits: Any = None,
        probs: Any = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Geometric",
    ) -> None:
        given = dict(locals())
        with name_scope(name, values=[logits, probs]) as scope:
            self._logits, self._probs = logits_and_probs(logits, probs, False, validate_args, scope)
            with control_dependencies([assert_positive(self._probs)] if validate_args else []):
                self._probs = raw.Identity(self._probs, name="probs")
            self._named = {"probs": self._probs}
        self._finish(given, NOT_REPARAMETERIZED, scope)

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        u = self._uniform(n, seed, float(np.finfo(self.dtype.as_numpy_dtype).tiny))
        return floor(log(u) / log1p(-self._probs))

    def _cdf(self, x: Tensor) -> Tensor:
        x = self._everywhere(x)
        return where(x < 0.0, zeros_like(x), -expm1((1.0 + x) * log1p(-self._probs)))

    def _everywhere(self, x: Tensor) -> Tensor:
        """Whole numbers, in the shape of `x` with the probabilities."""
        x = checked_counts(x) if self.validate_args else floor(x)
        return x * ones_like(self._probs)

    def _log_prob(self, x: Tensor) -> Tensor:
        x = self._everywhere(x)
        probs = self._probs * ones_like(x)
        # Where there is no failure the chance of one may be 1.
        sure = where(raw.Equal(x, 0.0), zeros_like(probs), probs)
        return x * log1p(-sure) + log(probs)

    def _entropy(self) -> Tensor:
        probs = self._probs
        if self.validate_args:
            told = "Entropy is undefined when logits = inf or probs = 1."
            probs = with_dependencies([assert_less(probs, constant(1.0, probs.dtype), message=told)], probs)
        return softplus(self._logits) / probs - self._logits

    def _mean(self) -> Tensor:
        return exp(-self._logits)

    def _variance(self) -> Tensor:
        return self._mean() / self._probs

    def _mode(self) -> Tensor:
        return self._full(0.0)


@public("contrib.distributions.NegativeBinomial")
class NegativeBinomial(_Chances):
    """How many successes come before `total_count` failures.

    Args:
      total_count: `[...]`, floating.
      logits, probs: log odds or probability of success; one of them.
      validate_args, allow_nan_stats, name: as for `Distribution`.
    """

    def __init__(
        self,
        total_count: Any,
        logits: Any = None,
        probs: Any = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "NegativeBinomial",
    ) -> None:
        given = dict(locals())
        with name_scope(name, values=[total_count, logits, probs]) as scope:
            self._logits, self._probs = logits_and_probs(logits, probs, False, validate_args, scope)
            with control_dependencies([assert_positive(total_count)] if validate_args else []):
                self._named = {"total_count": raw.Identity(total_count, name="Identity")}
            self._named["probs"] = self._probs
        self._finish(given, NOT_REPARAMETERIZED, scope)

    @property
    def total_count(self) -> Tensor:
        """How many failures end it."""
        return self._named["total_count"]

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        rate = random_gamma([n], self.total_count, exp(-self._logits), self.dtype, seed)
        return random_poisson(rate, [], dtype=self.dtype, seed=new_seed(seed, "negative_binom"))

    def _cdf(self, x: Tensor) -> Tensor:
        return betainc(self.total_count, 1.0 + self._counted(x), sigmoid(-self._logits))

    def _log_prob(self, x: Tensor) -> Tensor:
        n = self.total_count
        weight = n * log_sigmoid(-self._logits) + self._counted(x) * log_sigmoid(self._logits)
        x = self._counted(x)
        return weight - (-raw.Lgamma(n + x) + raw.Lgamma(1.0 + x) + raw.Lgamma(n))

    def _mean(self) -> Tensor:
        return self.total_count * exp(self._logits)

    def _variance(self) -> Tensor:
        return self._mean() / sigmoid(-self._logits)

    def _mode(self) -> Tensor:
        n = self.total_count
        more = raw.SelectV2(raw.Less(1.0, n), n - 1.0, zeros_like(n))
        return floor(more * exp(self._logits))


@public("contrib.distributions.Binomial")
class Binomial(_Chances):
    """How many of `total_count` trials succeed.

    Args:
      total_count: `[...]`, floating.
      logits, probs: log odds or probability of success; one of them.
      validate_args, allow_nan_stats, name: as for `Distribution`.
    """

    def __init__(
        self,
        total_count: Any,
        logits: Any = None,
        probs: Any = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Binomial",
    ) -> None:
        given = dict(locals())
        with name_scope(name, values=[total_count, logits, probs]) as scope:
            count = convert_to_tensor(total_count, name="total_count")
            count = checked_counts(count) if validate_args else count
            self._logits, self._probs = logits_and_probs(logits, probs, False, validate_args, scope)
            self._named = {"total_count": count, "probs": self._probs}
        self._finish(given, NOT_REPARAMETERIZED, scope)

    @property
    def total_count(self) -> Tensor:
        """How many trials there are."""
        return self._named["total_count"]

    def _log_prob(self, x: Tensor) -> Tensor:
        n, x, again = self.total_count, self._fitting(x), x
        weight = x * log(self._probs) + (n - x) * log1p(-self._probs)
        x = self._fitting(again)
        return weight - (raw.Lgamma(1.0 + n - x) + raw.Lgamma(1.0 + x) - raw.Lgamma(1.0 + n))

    def _prob(self, x: Tensor) -> Tensor:
        return exp(self._log_prob(x))

    def _fitting(self, x: Tensor) -> Tensor:
        """`x`, checked to be whole numbers from 0 to the count of trials, where that is asked for."""
        if not self.validate_args:
            return x
        x, told = checked_counts(x), "counts are not less than or equal to n."
        return with_dependencies([assert_less_equal(x, self.total_count, message=told)], x)

    def _cdf(self, x: Tensor) -> Tensor:
        n, probs, x = self.total_count, self._probs, self._fitting(x)
        known = x.shape.is_fully_defined() and probs.shape.is_fully_defined()
        if not (known and x.shape.is_compatible_with(probs.shape)):
            probs = probs + zeros_like(x)
            x = x + zeros_like(self._probs)
        one = ones_like(n - x)
        everything = raw.Equal(x, n)
        left = raw.SelectV2(everything, one, n - x)  # the function is not defined for 0
        return raw.SelectV2(everything, one, betainc(left, x + 1, 1 - probs))

    def _mean(self) -> Tensor:
        return self.total_count * self._probs

    def _variance(self) -> Tensor:
        return self._mean() * (1.0 - self._probs)

    def _mode(self) -> Tensor:
        return floor((1.0 + self.total_count) * self._probs)
