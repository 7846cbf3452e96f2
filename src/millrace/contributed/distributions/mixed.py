"""`tf.contrib.distributions`: one-hot and relaxed choices, mixtures, numbers rounded up."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.contributed.distributions.bijectors.elementwise import Exp, Sigmoid
from millrace.contributed.distributions.scalars import Logistic
from millrace.contributed.distributions.transformed import MORE_OF_LOG_PROB, TransformedDistribution
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.tensor import Tensor
from millrace.lib.distributions.arguments import logits_and_probs
from millrace.lib.distributions.base import (
    FULLY_REPARAMETERIZED,
    NOT_REPARAMETERIZED,
    Distribution,
)
from millrace.lib.distributions.divergence import RegisterKL
from millrace.lib.math.reductions import reduce_logsumexp, reduce_sum
from millrace.ops.array.concat import concat
from millrace.ops.array.fill import zeros_like
from millrace.ops.array.one_hot import one_hot
from millrace.ops.array.reshape import expand_dims, reshape, transpose
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.linalg.diag_band import matrix_set_diag
from millrace.ops.math.cast import cast
from millrace.ops.math.elementwise import ceil, exp, log, log1p, square
from millrace.ops.math.extremes import argmax
from millrace.ops.math.select import where
from millrace.ops.nn.softmax import log_softmax
from millrace.ops.random.draws import multinomial, random_uniform


class _Choices(Distribution):
    """A distribution over vectors, by logits or probabilities of classes."""

    _logits: Tensor
    _probs: Tensor

    def _measure(self) -> None:
        """Draws the rank and the size of events as 1.15 does: default seeds count them."""
        convert_to_tensor(max(len(self._logits.dims or ()) - 1, 0), dtypes.int32, name="batch_rank")
        with name_scope("event_size"):
            shape_of(self._logits)[-1]  # pyright: ignore[reportUnusedExpression]

    def _count_fitting(self, x: Tensor, more: int) -> None:
        """Counts operations that 1.15 adds, 8 more where `x` may have to take the shape of the logits."""
        same = x.dims == self._logits.dims and None not in (x.dims or (None,))
        get_default_graph().count(more if same else more + 8)

    @property
    def logits(self) -> Tensor:
        """The log probabilities, not normalized."""
        return self._logits

    @property
    def probs(self) -> Tensor:
        """The probabilities."""
        return self._probs

    @property
    def event_size(self) -> Any:
        """How many classes there are."""
        known = self._logits.dims[-1] if self._logits.dims else None
        return shape_of(self._logits)[-1] if known is None else known

    def _batch_shape_tensor(self) -> Tensor:
        return shape_of(self._logits)[:-1]

    def _batch_shape(self) -> Any:
        return self._logits.shape[:-1]

    def _event_shape_tensor(self) -> Tensor:
        return shape_of(self._logits)[-1:]

    def _event_shape(self) -> Any:
        return self._logits.shape[-1:]


@public("contrib.distributions.OneHotCategorical")
class OneHotCategorical(_Choices):
    """A choice of one class, as a vector with a 1 in its place.

    Args:
      logits, probs: `[..., classes]`, floating; one of them.
      dtype: of samples.
      validate_args, allow_nan_stats, name: as for `Distribution`.

    Raises:
      ValueError: not exactly one of them is given.
    """

    def __init__(
        self,
        logits: Any = None,
        probs: Any = None,
        dtype: Any = dtypes.int32,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "OneHotCategorical",
    ) -> None:
        given = dict(locals())
        with name_scope(name, values=[logits, probs]) as scope:
            self._logits, self._probs = logits_and_probs(logits, probs, True, validate_args, scope)
            self._measure()
        parents = [self._logits, self._probs]
        super().__init__(dtype, NOT_REPARAMETERIZED, validate_args, allow_nan_stats, given, parents, scope)

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        shape = concat([[n], shape_of(self._logits)], 0)
        rows = reshape(self._logits, [-1, self.event_size])
        get_default_graph().count(1 if len(self._logits.dims or (0, 0)) == 1 else -2)
        drawn = transpose(multinomial(rows, n, seed=seed))
        get_default_graph().count(-1)
        return reshape(one_hot(drawn, self.event_size, dtype=self.dtype), shape)

    def _log_prob(self, x: Tensor) -> Tensor:
        self._count_fitting(x, 39)
        return reduce_sum(cast(x, self._logits.dtype) * log_softmax(self._logits), -1)

    def _entropy(self) -> Tensor:
        return -reduce_sum(self._probs * log_softmax(self._logits), -1)

    def _variance(self) -> Tensor:
        return self._probs * (1.0 - self._probs)

    def _covariance(self) -> Tensor:
        p = self._probs
        outer = expand_dims(p, -1) * expand_dims(p, -2)
        return matrix_set_diag(-outer, self._variance())

    def _mode(self) -> Tensor:
        get_default_graph().count(-2)
        return one_hot(argmax(self._logits, -1), self.event_size, dtype=self.dtype)


@RegisterKL(OneHotCategorical, OneHotCategorical)
def _kl_one_hot(a: OneHotCategorical, b: OneHotCategorical, name: str | None = None) -> Tensor:
    with name_scope(name, "kl_categorical_categorical"):
        return reduce_sum(a.probs * (log_softmax(a.logits) - log_softmax(b.logits)), -1)


@public("contrib.distributions.ExpRelaxedOneHotCategorical")
class ExpRelaxedOneHotCategorical(_Choices):
    """The logarithm of a relaxed one-hot choice.

    Args:
      temperature: a positive scalar: near 0, samples are near one-hot.
      logits, probs: `[..., classes]`, floating; one of them.
      dtype: of samples; default that of the logits.
      validate_args, allow_nan_stats, name: as for `Distribution`.
    """

    def __init__(
        self,
        temperature: Any,
        logits: Any = None,
        probs: Any = None,
        dtype: Any = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "ExpRelaxedOneHotCategorical",
    ) -> None:
        given = dict(locals())
        with name_scope(name, values=[logits, probs, temperature]) as scope:
            self._logits, self._probs = logits_and_probs(logits, probs, True, validate_args, scope)
            dtype = self._logits.dtype.base_dtype if dtype is None else dtype
            self._temperature = raw.Identity(convert_to_tensor(temperature, dtype), name="temperature")
            self._measure()
            get_default_graph().count(2)
        parents = [self._logits, self._probs, self._temperature]
        super().__init__(dtype, FULLY_REPARAMETERIZED, validate_args, allow_nan_stats, given, parents, scope)

    @property
    def temperature(self) -> Tensor:
        """The temperature."""
        return self._temperature

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        shape = concat([[n], shape_of(self._logits)], 0)
        least = float(np.finfo(self.dtype.as_numpy_dtype).tiny)
        get_default_graph().count(7)
        u = random_uniform(shape, minval=least, maxval=1.0, dtype=self.dtype, seed=seed)
        get_default_graph().count(1)
        noisy = (-log(-log(u)) + self._logits) / self._temperature
        return log_softmax(noisy)

    def _log_prob(self, x: Tensor) -> Tensor:
        self._count_fitting(x, 9)
        size = cast(self.event_size, self.dtype.base_dtype)
        constant = raw.Lgamma(size) + (size - 1.0) * log(self._temperature)
        shares = log_softmax(self._logits - x * self._temperature)
        return reduce_sum(shares, -1) + constant


@public("contrib.distributions.RelaxedOneHotCategorical")
class RelaxedOneHotCategorical(TransformedDistribution):
    """A one-hot choice made continuous (the concrete distribution); arguments as for its logarithm."""

    def __init__(
        self,
        temperature: Any,
        logits: Any = None,
        probs: Any = None,
        dtype: Any = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "RelaxedOneHotCategorical",
    ) -> None:
        base = ExpRelaxedOneHotCategorical(
            temperature, logits, probs, dtype, validate_args=validate_args, allow_nan_stats=allow_nan_stats
        )
        super().__init__(base, Exp(validate_args=validate_args), name=name)

    def _more_of_log_prob(self, known: bool) -> int:
        return MORE_OF_LOG_PROB - 2

    @property
    def temperature(self) -> Tensor:
        """The temperature."""
        return self.distribution.temperature

    @property
    def logits(self) -> Tensor:
        """The log probabilities, not normalized."""
        return self.distribution.logits

    @property
    def probs(self) -> Tensor:
        """The probabilities."""
        return self.distribution.probs

    @property
    def event_size(self) -> Any:
        """How many classes there are."""
        return self.distribution.event_size


@public("contrib.distributions.RelaxedBernoulli")
class RelaxedBernoulli(TransformedDistribution):
    """A 0 or 1 made continuous.

    Args:
      temperature: positive: near 0, samples are near 0 or 1.
      logits, probs: `[...]`, floating: of a 1; one of them.
      validate_args, allow_nan_stats, name: as for `Distribution`.
    """

    def __init__(
        self,
        temperature: Any,
        logits: Any = None,
        probs: Any = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "RelaxedBernoulli",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[logits, probs, temperature]) as scope:
            self._temperature = convert_to_tensor(temperature, name="temperature")
            self._logits, self._probs = logits_and_probs(
                logits, probs, False, validate_args, "get_logits_and_probs"
            )
            loc, scale = self._logits / self._temperature, 1.0 / self._temperature
            base = Logistic(loc, scale, validate_args, allow_nan_stats, name=scope + "/Logistic")
        super().__init__(base, Sigmoid(validate_args=validate_args), validate_args=validate_args, name=scope)
        get_default_graph().count(1)
        self._parameters = parameters

    @property
    def temperature(self) -> Tensor:
        """The temperature."""
        return self._temperature

    @property
    def logits(self) -> Tensor:
        """The log odds of a 1."""
        return self._logits

    @property
    def probs(self) -> Tensor:
        """The probabilities of a 1."""
        return self._probs


@public("contrib.distributions.MixtureSameFamily")
class MixtureSameFamily(Distribution):
    """A choice among the last batch axis of one distribution.

    Args:
      mixture_distribution: a `Categorical`: which component.
      components_distribution: a distribution whose last batch axis is the components.
      validate_args, allow_nan_stats, name: as for `Distribution`.

    Raises:
      ValueError: the numbers of components differ, or the components are not chosen by integers.
    """

    def __init__(
        self,
        mixture_distribution: Any,
        components_distribution: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "MixtureSameFamily",
    ) -> None:
        given = dict(locals())
        with name_scope(name) as scope:
            self._mixture, self._components = mixture_distribution, components_distribution
            if not mixture_distribution.dtype.is_integer:
                raise ValueError(
                    "mixture_distribution must be over integers. "
                    f"Received: dtype {mixture_distribution.dtype.name}"
                )
            chosen = mixture_distribution.logits.shape[-1].value
            there = components_distribution.batch_shape[-1].value
            if chosen is not None and there is not None and chosen != there:
                raise ValueError(
                    f"`mixture_distribution components` ({chosen}) does not equal "
                    f"`components_distribution.batch_shape[-1]` ({there})"
                )
            self._event_ndims = components_distribution.event_shape.ndims or 0
        kind = components_distribution.dtype
        super().__init__(kind, NOT_REPARAMETERIZED, validate_args, allow_nan_stats, given, [], scope)
        get_default_graph().count(1)  # as 1.15 counts, here and below

    @property
    def mixture_distribution(self) -> Any:
        """Which component."""
        return self._mixture

    @property
    def components_distribution(self) -> Any:
        """The components."""
        return self._components

    def _batch_shape(self) -> Any:
        return self._components.batch_shape[:-1]

    def _batch_shape_tensor(self) -> Tensor:
        return self._components.batch_shape_tensor()[:-1]

    def _event_shape(self) -> Any:
        return self._components.event_shape

    def _event_shape_tensor(self) -> Tensor:
        return self._components.event_shape_tensor()

    def _padded(self, x: Tensor) -> Tensor:
        """Room for the components' axis."""
        return expand_dims(x, -1 - self._event_ndims)

    def _wide(self, x: Tensor) -> Tensor:
        """Weights of components, with axes for events."""
        for _ in range(self._event_ndims):
            x = expand_dims(x, -1)
        return x

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        del seed  # as in 1.15, which draws both by the graph's seed
        x = self._components.sample(n)
        which = self._mixture.sample(n)
        mask = one_hot(
            which, shape_of(self._mixture.logits)[-1], on_value=1.0, off_value=0.0, dtype=x.dtype.base_dtype
        )
        missing = (len(x.dims or ()) - self._event_ndims) - len(mask.dims or ())
        for _ in range(missing):
            mask = expand_dims(mask, 1)
        get_default_graph().count(18)
        return reduce_sum(x * self._wide(mask), axis=-1 - self._event_ndims)

    def _weights(self) -> Tensor:
        return log_softmax(self._mixture.logits, axis=-1)

    def _log_prob(self, x: Tensor) -> Tensor:
        get_default_graph().count(11)
        return reduce_logsumexp(self._components.log_prob(self._padded(x)) + self._weights(), axis=-1)

    def _log_cdf(self, x: Tensor) -> Tensor:
        return reduce_logsumexp(self._components.log_cdf(self._padded(x)) + self._weights(), axis=-1)

    def _prob(self, x: Tensor) -> Tensor:
        return exp(self._log_prob(x))

    def _probs(self) -> Tensor:
        return self._wide(self._mixture.probs)

    def _mean(self) -> Tensor:
        return reduce_sum(self._probs() * self._components.mean(), axis=-1 - self._event_ndims)

    def _variance(self) -> Tensor:
        axis = -1 - self._event_ndims
        spread = reduce_sum(self._probs() * self._components.variance(), axis=axis)
        away = square(self._components.mean() - self._padded(self._mean()))
        return spread + reduce_sum(self._probs() * away, axis=axis)

    def _covariance(self) -> Tensor:
        if self._event_ndims != 1:
            raise NotImplementedError("covariance is for vectors only. Received: events of another rank")
        weights = expand_dims(self._probs(), -1)
        inside = reduce_sum(weights * self._components.covariance(), axis=-3)
        away = self._components.mean() - self._padded(self._mean())
        outer = expand_dims(away, -1) * expand_dims(away, -2)
        return inside + reduce_sum(weights * outer, axis=-3)


@public("contrib.distributions.QuantizedDistribution")
class QuantizedDistribution(Distribution):
    """Numbers rounded up to whole ones, and kept within bounds.

    Args:
      distribution: of the numbers.
      low, high: whole numbers: the least, below which nothing is, and the greatest; None for none.
      validate_args, name: as for `Distribution`.
    """

    def __init__(
        self,
        distribution: Any,
        low: Any = None,
        high: Any = None,
        validate_args: bool = False,
        name: str = "QuantizedDistribution",
    ) -> None:
        given = dict(locals())
        with name_scope(name, values=[low, high]) as scope:
            self._dist = distribution
            kind = distribution.dtype.base_dtype
            self._low = None if low is None else convert_to_tensor(low, kind, name="low")
            self._high = None if high is None else convert_to_tensor(high, kind, name="high")
        super().__init__(
            distribution.dtype,
            NOT_REPARAMETERIZED,
            validate_args,
            distribution.allow_nan_stats,
            given,
            [],
            scope,
        )

    @property
    def distribution(self) -> Any:
        """The distribution of the numbers."""
        return self._dist

    def _batch_shape(self) -> Any:
        return self._dist.batch_shape

    def _batch_shape_tensor(self) -> Tensor:
        return self._dist.batch_shape_tensor()

    def _event_shape(self) -> Any:
        return self._dist.event_shape

    def _event_shape_tensor(self) -> Tensor:
        return self._dist.event_shape_tensor()

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        x = ceil(self._dist.sample(n, seed=seed))
        if self._low is not None:
            x = raw.Maximum(x, self._low + zeros_like(x))
        return x if self._high is None else raw.Minimum(x, self._high + zeros_like(x))

    def _log_cdf(self, y: Tensor) -> Tensor:
        j = raw.Floor(y)
        value = self._dist.log_cdf(j)
        if self._low is not None:
            value = where(raw.BroadcastTo(j < self._low, shape_of(value)), zeros_like(value) - np.inf, value)
        if self._high is not None:
            value = where(raw.BroadcastTo(j >= self._high, shape_of(value)), zeros_like(value), value)
        return value

    def _log_survival_function(self, y: Tensor) -> Tensor:
        j = ceil(y)
        value = self._dist.log_survival_function(j)
        if self._low is not None:
            value = where(raw.BroadcastTo(j < self._low, shape_of(value)), zeros_like(value), value)
        if self._high is not None:
            value = where(
                raw.BroadcastTo(j >= self._high, shape_of(value)), zeros_like(value) - np.inf, value
            )
        return value

    def _cdf(self, y: Tensor) -> Tensor:
        return exp(self._log_cdf(y))

    def _survival_function(self, y: Tensor) -> Tensor:
        return exp(self._log_survival_function(y))

    def _log_prob(self, y: Tensor) -> Tensor:
        left = _log_sub_exp(self._log_cdf(y), self._log_cdf(y - 1.0))
        above, below = self._log_survival_function(y - 1.0), self._log_survival_function(y)
        return where(raw.Greater(below, self._log_cdf(y)), left, _log_sub_exp(above, below))

    def _prob(self, y: Tensor) -> Tensor:
        below, above = self._cdf(y), self._survival_function(y)
        right, left = self._survival_function(y - 1.0) - above, below - self._cdf(y - 1.0)
        return where(raw.Less(above, below), right, left)


def _log_sub_exp(larger: Tensor, smaller: Tensor) -> Tensor:
    """log(exp(larger) - exp(smaller))."""
    return larger + log1p(-exp(smaller - larger))
