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
from millrace.lib.distributions.base import (
    NOT_REPARAMETERIZED,
    new_seed,
)
from millrace.lib.distributions.discrete import logits_and_probs
from millrace.lib.distributions.divergence import RegisterKL
from millrace.lib.math.checks import assert_positive
from millrace.ops.array.fill import ones_like, zeros_like
from millrace.ops.math.elementwise import exp, expm1, floor, log, log1p
from millrace.ops.math.select import where
from millrace.ops.nn.activation import softplus
from millrace.ops.random.counts import random_gamma, random_poisson


@public("contrib.distributions.Poisson")
class Poisson(Numbers):
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
        return self._log_rate * x - raw.Lgamma(1.0 + x) - exp(self._log_rate)

    def _log_cdf(self, x: Tensor) -> Tensor:
        return log(self._cdf(x))

    def _cdf(self, x: Tensor) -> Tensor:
        return raw.Igammac(1.0 + raw.Maximum(floor(x), 0.0), self._rate)

    def _mean(self) -> Tensor:
        return raw.Identity(self._rate)

    def _variance(self) -> Tensor:
        return raw.Identity(self._rate)

    def _mode(self) -> Tensor:
        return floor(self._rate)


class _Chances(Numbers):
    def _chances(self, given: dict[str, Any], others: dict[str, Any]) -> None:
        values = [given["logits"], given["probs"]]
        with name_scope(given["name"], values=values) as scope:
            self._logits, self._probs = logits_and_probs(
                values[0], values[1], False, given["validate_args"], scope
            )
            self._named = {
                n: raw.Identity(convert_to_tensor(v, self._probs.dtype.base_dtype)) for n, v in others.items()
            }
            self._named["probs"] = self._probs
        self._finish(given, NOT_REPARAMETERIZED, scope)

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
        self._chances(dict(locals()), {})

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        u = self._uniform(n, seed, float(np.finfo(self.dtype.as_numpy_dtype).tiny))
        return floor(log(u) / log1p(-self._probs))

    def _cdf(self, x: Tensor) -> Tensor:
        x = x if self.validate_args else raw.Maximum(floor(x), -1.0)
        return where(
            raw.BroadcastTo(x < 0.0, raw.Shape(x + self._probs)),
            zeros_like(x + self._probs),
            -expm1((1.0 + x) * log1p(-self._probs)),
        )

    def _log_prob(self, x: Tensor) -> Tensor:
        x = floor(x)
        return x * log1p(-self._probs) + log(self._probs)

    def _entropy(self) -> Tensor:
        p = self._probs
        return -(log(p) + raw.Xlogy(1.0 - p, 1.0 - p) / p)

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
        self._chances(dict(locals()), {"total_count": total_count})

    @property
    def total_count(self) -> Tensor:
        """How many failures end it."""
        return self._named["total_count"]

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        rate = random_gamma([n], self.total_count, exp(-self._logits), self.dtype, seed)
        return random_poisson(rate, [], dtype=self.dtype, seed=new_seed(seed, "negative_binom"))

    def _cdf(self, x: Tensor) -> Tensor:
        return raw.Betainc(*_alike(self.total_count, raw.Maximum(floor(x), 0.0) + 1.0, 1.0 - self._probs))

    def _log_prob(self, x: Tensor) -> Tensor:
        n = self.total_count
        weight = n * -softplus(self._logits) + x * -softplus(-self._logits)
        return weight - (raw.Lgamma(1.0 + x) + raw.Lgamma(n) - raw.Lgamma(n + x))

    def _mean(self) -> Tensor:
        return self.total_count * exp(self._logits)

    def _variance(self) -> Tensor:
        return self._mean() / (1.0 - self._probs)

    def _mode(self) -> Tensor:
        adjusted = where(
            raw.BroadcastTo(self.total_count > 1.0, self.batch_shape_tensor()),
            (self.total_count - 1.0) * exp(self._logits),
            self._full(0.0),
        )
        return floor(adjusted)


def _alike(*tensors: Tensor) -> list[Tensor]:
    """The tensors in the shape that they broadcast to."""
    total = tensors[0]
    for other in tensors[1:]:
        total = total + other
    return [x + zeros_like(total) for x in tensors]


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
        self._chances(dict(locals()), {"total_count": total_count})

    @property
    def total_count(self) -> Tensor:
        """How many trials there are."""
        return self._named["total_count"]

    def _log_prob(self, x: Tensor) -> Tensor:
        n = self.total_count
        chosen = raw.Lgamma(1.0 + x) + raw.Lgamma(1.0 + n - x) - raw.Lgamma(1.0 + n)
        return x * log(self._probs) + (n - x) * log1p(-self._probs) - chosen

    def _cdf(self, x: Tensor) -> Tensor:
        n = self.total_count
        x = raw.Maximum(floor(x), -1.0)
        below = raw.Minimum(x, n - 1.0)
        share = raw.Betainc(
            *_alike(n - raw.Maximum(below, 0.0), 1.0 + raw.Maximum(below, 0.0), 1.0 - self._probs)
        )
        all_in = where(raw.BroadcastTo(x >= n, raw.Shape(share)), ones_like(share), share)
        return where(raw.BroadcastTo(x < 0.0, raw.Shape(share)), zeros_like(share), all_in)

    def _mean(self) -> Tensor:
        return self.total_count * self._probs

    def _variance(self) -> Tensor:
        return self._mean() * (1.0 - self._probs)

    def _mode(self) -> Tensor:
        return floor((1.0 + self.total_count) * self._probs)


@RegisterKL(Poisson, Poisson)
def _kl_poisson(a: Poisson, b: Poisson, name: str | None = None) -> Tensor:
    with name_scope(name, "kl_poisson_poisson"):
        return a.rate * (a.log_rate - b.log_rate) - (a.rate - b.rate)
