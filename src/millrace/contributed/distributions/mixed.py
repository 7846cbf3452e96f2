"""`tf.contrib.distributions`: one-hot and relaxed choices, mixtures, numbers rounded up."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import control_dependencies, name_scope
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
from millrace.lib.flow.control_flow import with_dependencies
from millrace.lib.math.checks import assert_near, assert_non_positive, assert_positive
from millrace.lib.math.reductions import reduce_logsumexp, reduce_sum
from millrace.lib.nn.cross_entropy import softmax_cross_entropy_with_logits
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import ones, zeros
from millrace.ops.array.fill import ones_like, zeros_like
from millrace.ops.array.one_hot import one_hot
from millrace.ops.array.reshape import expand_dims, reshape, transpose
from millrace.ops.array.shape import rank as rank_of
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.linalg.diag_band import matrix_set_diag
from millrace.ops.linalg.matmul import matmul
from millrace.ops.math.cast import cast
from millrace.ops.math.elementwise import ceil, exp, log, log1p, square
from millrace.ops.math.extremes import argmax
from millrace.ops.math.select import where
from millrace.ops.nn.softmax import log_softmax, softmax
from millrace.ops.random.draws import multinomial, random_uniform


class _Choices(Distribution):
    """A distribution over vectors, by logits or probabilities of classes."""

    _logits: Tensor
    _probs: Tensor

    def _measure(self) -> None:
        """Finds the rank of batches and the number of classes."""
        rank = self._logits.shape.with_rank_at_least(1).ndims
        if rank is not None:
            self._batch_rank = convert_to_tensor(rank - 1, dtypes.int32, name="batch_rank")
        else:
            with name_scope("batch_rank"):
                self._batch_rank = rank_of(self._logits) - 1
        with name_scope("event_size"):
            self._event_size = shape_of(self._logits)[-1]

    def _in_rows(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits and events in one shape, as matrices, and the shape of their batch."""
        logits = self._logits
        known = x.shape.is_fully_defined() and logits.shape.is_fully_defined()
        if not (known and x.dims == logits.dims):
            logits = ones_like(x, logits.dtype.base_dtype) * logits
            x = ones_like(logits, x.dtype.base_dtype) * x
        batch = shape_of(reduce_sum(logits, -1))
        return reshape(logits, [-1, self._event_size]), reshape(x, [-1, self._event_size]), batch

    @property
    def logits(self) -> Tensor:
        """The log probabilities, not normalized."""
        return self._logits

    @property
    def probs(self) -> Tensor:
        """The probabilities."""
        return self._probs

    @property
    def event_size(self) -> Tensor:
        """How many classes there are, an int32 scalar."""
        return self._event_size

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
        rows = self._logits
        if rows.shape.ndims != 2:
            rows = reshape(rows, [-1, self._event_size])
        drawn = transpose(multinomial(rows, n, seed=seed))
        return reshape(one_hot(drawn, self._event_size, dtype=self.dtype), shape)

    def _log_prob(self, x: Tensor) -> Tensor:
        logits, x, batch = self._in_rows(x)
        return reshape(-softmax_cross_entropy_with_logits(labels=x, logits=logits), batch)

    def _entropy(self) -> Tensor:
        return -reduce_sum(log_softmax(self._logits) * self._probs, -1)

    def _variance(self) -> Tensor:
        return self._probs * (1.0 - self._probs)

    def _covariance(self) -> Tensor:
        p = self._probs
        return matrix_set_diag(-matmul(p[..., None], p[..., None, :]), self._variance())

    def _mode(self) -> Tensor:
        mode = one_hot(argmax(self._logits, axis=self._batch_rank), self._event_size, dtype=self.dtype)
        mode.set_shape(self._logits.shape)
        return mode


@RegisterKL(OneHotCategorical, OneHotCategorical)
def _kl_one_hot(a: OneHotCategorical, b: OneHotCategorical, name: str | None = None) -> Tensor:
    with name_scope(name, "kl_categorical_categorical"):
        return reduce_sum(softmax(a.logits) * (log_softmax(a.logits) - log_softmax(b.logits)), -1)


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
            if dtype is None:
                dtype = self._logits.dtype.base_dtype
                temperature = temperature if validate_args else cast(temperature, dtype)
            with control_dependencies([assert_positive(temperature)] if validate_args else []):
                self._temperature = raw.Identity(temperature, name="temperature")
                self._temperature_column = reshape(temperature, [-1, 1], name="temperature_2d")
            self._measure()
        parents = [self._logits, self._probs, self._temperature]
        super().__init__(dtype, FULLY_REPARAMETERIZED, validate_args, allow_nan_stats, given, parents, scope)

    @property
    def temperature(self) -> Tensor:
        """The temperature."""
        return self._temperature

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        shape = concat([[n], shape_of(self._logits)], 0)
        least = float(np.finfo(self.dtype.as_numpy_dtype).tiny)
        rows = reshape(self._logits * ones(shape, self.dtype), [-1, self._event_size])
        u = random_uniform(shape_of(rows), minval=least, maxval=1.0, dtype=self.dtype, seed=seed)
        gumbel = -log(-log(u))
        return reshape(log_softmax(raw.RealDiv(gumbel + rows, self._temperature_column, name="div")), shape)

    def _checked(self, x: Tensor) -> Tensor:
        if not self.validate_args:
            return x
        total = assert_near(zeros([], self.dtype), reduce_logsumexp(x, axis=[-1]))
        return with_dependencies([assert_non_positive(x), total], x)

    def _log_prob(self, x: Tensor) -> Tensor:
        logits, x, batch = self._in_rows(self._checked(x))
        size = cast(self._event_size, x.dtype)
        constant = raw.Lgamma(size) + (size - 1.0) * log(self._temperature)
        shares = log_softmax(logits - x * self._temperature_column)
        return reshape(constant + reduce_sum(shares, [-1]), batch)


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
    def event_size(self) -> Tensor:
        """How many classes there are, an int32 scalar."""
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
            with control_dependencies([assert_positive(temperature)] if validate_args else []):
                self._temperature = raw.Identity(temperature, name="temperature")
            self._logits, self._probs = logits_and_probs(
                logits, probs, False, validate_args, "get_logits_and_probs"
            )
            loc, scale = self._logits / self._temperature, 1.0 / self._temperature
            base = Logistic(loc, scale, validate_args, allow_nan_stats, name=scope + "/Logistic")
        super().__init__(base, Sigmoid(validate_args=validate_args), validate_args=validate_args, name=scope)
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
