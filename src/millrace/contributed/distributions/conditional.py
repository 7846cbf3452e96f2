"""`tf.contrib.distributions`: distributions whose methods take a condition as further arguments."""

from __future__ import annotations

from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.contributed.distributions.transformed import TransformedDistribution
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.distributions.base import Distribution


@public("contrib.distributions.ConditionalDistribution")
class ConditionalDistribution(Distribution):
    """A distribution given something: each method passes its further arguments on to the subclass.

    A subclass gives `_sample_n(n, seed, **condition)`, `_log_prob(value, **condition)` and so on; arguments
    as for `Distribution`.
    """

    def sample(
        self, sample_shape: Any = (), seed: int | None = None, name: str = "sample", **condition_kwargs: Any
    ) -> Tensor:
        """Draws samples, `sample_shape + batch_shape + event_shape`."""
        return self._draw(sample_shape, seed, name, **condition_kwargs)

    def log_prob(self, value: Any, name: str = "log_prob", **condition_kwargs: Any) -> Tensor:
        """The logarithm of the probability, or density, of `value`."""
        return self._of_value(value, name, "_log_prob", "_prob", lambda p: raw.Log(p), **condition_kwargs)

    def prob(self, value: Any, name: str = "prob", **condition_kwargs: Any) -> Tensor:
        """The probability, or density, of `value`."""
        return self._of_value(value, name, "_prob", "_log_prob", lambda p: raw.Exp(p), **condition_kwargs)

    def log_cdf(self, value: Any, name: str = "log_cdf", **condition_kwargs: Any) -> Tensor:
        """The logarithm of the probability of anything up to `value`."""
        return self._of_value(value, name, "_log_cdf", "_cdf", lambda p: raw.Log(p), **condition_kwargs)

    def cdf(self, value: Any, name: str = "cdf", **condition_kwargs: Any) -> Tensor:
        """The probability of anything up to `value`."""
        return self._of_value(value, name, "_cdf", "_log_cdf", lambda p: raw.Exp(p), **condition_kwargs)

    def log_survival_function(
        self, value: Any, name: str = "log_survival_function", **condition_kwargs: Any
    ) -> Tensor:
        """The logarithm of the probability of anything above `value`."""
        first, second = "_log_survival_function", "cdf"
        return self._of_value(value, name, first, second, lambda p: raw.Log1p(-p), **condition_kwargs)

    def survival_function(
        self, value: Any, name: str = "survival_function", **condition_kwargs: Any
    ) -> Tensor:
        """The probability of anything above `value`."""
        first, second = "_survival_function", "cdf"
        return self._of_value(value, name, first, second, lambda p: 1.0 - p, **condition_kwargs)


@public("contrib.distributions.ConditionalTransformedDistribution")
class ConditionalTransformedDistribution(ConditionalDistribution, TransformedDistribution):
    """A `TransformedDistribution` given something; arguments as for it.

    The methods take `bijector_kwargs` and `distribution_kwargs`, dicts of arguments for those of the bijector
    and of the distribution.
    """
