"""Distributions over answers and counts: Bernoulli, categorical, multinomial, Dirichlet-multinomial."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.convert import convert_to_tensor, shape_tensor
from millrace.building.scopes import name_scope
from millrace.core import dtypes
from millrace.core.dtypes import int32, int64
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.distributions.arguments import (
    checked_classes,
    checked_counts,
    checked_indices,
    logits_and_probs,
)
from millrace.lib.distributions.base import (
    NOT_REPARAMETERIZED,
    Distribution,
    drawn_shape,
    new_seed,
    same_shape_params,
)
from millrace.lib.distributions.divergence import RegisterKL
from millrace.lib.distributions.positive import covariance_of
from millrace.lib.flow.control_flow import with_dependencies
from millrace.lib.flow.functional import map_fn
from millrace.lib.math.array import sequence_mask
from millrace.lib.math.checks import assert_equal, assert_less_equal, assert_non_negative, assert_positive
from millrace.lib.math.functions import lbeta
from millrace.lib.math.reductions import reduce_sum
from millrace.lib.nn.cross_entropy import (
    sigmoid_cross_entropy_with_logits,
    sparse_softmax_cross_entropy_with_logits,
)
from millrace.ops.array.constant import ones
from millrace.ops.array.fill import ones_like, zeros_like
from millrace.ops.array.one_hot import one_hot
from millrace.ops.array.shape import rank as rank_of
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.linalg.matmul import matmul
from millrace.ops.math.cast import cast
from millrace.ops.nn.softmax import log_softmax, softmax
from millrace.ops.random.counts import random_gamma
from millrace.ops.random.draws import multinomial, random_uniform


class _Answers(Distribution):
    """A distribution given by log-odds or probabilities."""

    _logits: Tensor
    _probs: Tensor

    @property
    def logits(self) -> Tensor:
        """The log-odds, or unnormalised log-probabilities."""
        return self._logits

    @property
    def probs(self) -> Tensor:
        """The probabilities."""
        return self._probs


@public("distributions.Bernoulli", "contrib.distributions.Bernoulli")
class Bernoulli(_Answers):
    """Distributions of a 0 or a 1.

    Args:
      logits: `[...]`, floating: the log-odds of a 1.
      probs: `[...]`, floating: the probabilities of a 1; instead of `logits`.
      dtype: of samples.
      validate_args, allow_nan_stats, name: as for `Distribution`.

    Raises:
      ValueError: not exactly one of `logits` and `probs` is given.
    """

    def __init__(
        self,
        logits: Any = None,
        probs: Any = None,
        dtype: Any = dtypes.int32,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Bernoulli",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name) as scope:
            self._logits, self._probs = logits_and_probs(logits, probs, False, validate_args, scope)
        parents = [self._logits, self._probs]
        super().__init__(
            dtype, NOT_REPARAMETERIZED, validate_args, allow_nan_stats, parameters, parents, scope
        )

    @classmethod
    def _param_shapes(cls, sample_shape: Any) -> dict[str, Tensor]:
        return same_shape_params(("logits",), sample_shape)

    def _batch_shape_tensor(self) -> Tensor:
        return shape_tensor(self._logits)

    def _batch_shape(self) -> Any:
        return self._logits.shape

    def _event_shape_tensor(self) -> Tensor:
        return convert_to_tensor(np.zeros(0, np.int32))

    def _event_shape(self) -> Any:
        return ()

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        shape = drawn_shape(n, self.batch_shape_tensor())
        numbers = random_uniform(shape, dtype=self._probs.dtype, seed=seed)
        return cast(raw.Less(numbers, self._probs), self.dtype)

    def _log_prob(self, event: Tensor) -> Tensor:
        if self.validate_args:
            one = ones_like(event)
            checks = [assert_non_negative(event), assert_less_equal(event, one)]
            event = with_dependencies(checks, event)
        event, logits = cast(event, self._logits.dtype), self._logits
        if not (event.shape.is_fully_defined() and event.dims == logits.dims):
            logits, event = ones_like(event) * logits, ones_like(logits) * event
        return -sigmoid_cross_entropy_with_logits(labels=event, logits=logits)

    def _entropy(self) -> Tensor:
        return -self._logits * (raw.Sigmoid(self._logits) - 1) + raw.Softplus(-self._logits)

    def _mean(self) -> Tensor:
        return raw.Identity(self._probs)

    def _variance(self) -> Tensor:
        return self._mean() * (1.0 - self._probs)

    def _mode(self) -> Tensor:
        return cast(raw.Greater(self._probs, 0.5), self.dtype)


@RegisterKL(Bernoulli, Bernoulli)
def _kl_bernoulli_bernoulli(a: Bernoulli, b: Bernoulli, name: str | None = None) -> Tensor:
    with name_scope(name, "kl_bernoulli_bernoulli", values=[a.logits, b.logits]):
        of_zero = raw.Softplus(-b.logits) - raw.Softplus(-a.logits)
        of_one = raw.Softplus(b.logits) - raw.Softplus(a.logits)
        return raw.Sigmoid(a.logits) * of_zero + raw.Sigmoid(-a.logits) * of_one


@public("distributions.Categorical", "contrib.distributions.Categorical")
class Categorical(_Answers):
    """Distributions over the classes 0 to k - 1.

    Args:
      logits: `[..., k]`, floating: the unnormalised log-probabilities.
      probs: `[..., k]`, floating: the probabilities; instead of `logits`.
      dtype: of samples.
      validate_args, allow_nan_stats, name: as for `Distribution`.

    Raises:
      ValueError: not exactly one of `logits` and `probs` is given.
    """

    def __init__(
        self,
        logits: Any = None,
        probs: Any = None,
        dtype: Any = dtypes.int32,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Categorical",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[logits, probs]) as scope:
            self._logits, self._probs = logits_and_probs(logits, probs, True, validate_args, scope)
            if validate_args:
                self._logits = checked_classes(self._logits)
            rank = self._logits.shape.with_rank_at_least(1).ndims
            if rank is not None:
                before = convert_to_tensor(rank - 1, int32, name="batch_rank")
            else:
                with name_scope("batch_rank"):
                    before = rank_of(self._logits) - 1
            self._batch_rank = before
            sizes = shape_of(self._logits, name="logits_shape")
            classes = self._logits.shape.with_rank_at_least(1)[-1].value
            if classes is not None:
                self._event_size = convert_to_tensor(classes, int32, name="event_size")
            else:
                with name_scope("event_size"):
                    self._event_size = sizes[before]
            if self._logits.shape[:-1].is_fully_defined():
                known = np.array(self._logits.shape[:-1].as_list(), np.int32)
                self._batch_sizes = convert_to_tensor(known, name="batch_shape")
            else:
                with name_scope("batch_shape"):
                    self._batch_sizes = sizes[:-1]
        parents = [self._logits, self._probs]
        super().__init__(
            dtype, NOT_REPARAMETERIZED, validate_args, allow_nan_stats, parameters, parents, scope
        )

    @property
    def event_size(self) -> Tensor:
        """The number of classes, an int32 scalar."""
        return self._event_size

    def _batch_shape_tensor(self) -> Tensor:
        return raw.Identity(self._batch_sizes)

    def _batch_shape(self) -> Any:
        return self._logits.shape[:-1]

    def _event_shape_tensor(self) -> Tensor:
        return convert_to_tensor(np.zeros(0, np.int32))

    def _event_shape(self) -> Any:
        return ()

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        rows = self._logits
        if rows.dims is None or len(rows.dims) != 2:
            rows = raw.Reshape(rows, [-1, self._event_size])
        drawn = multinomial(rows, n, seed=seed, output_dtype=int64 if self.dtype.size > 4 else int32)
        turned = raw.Transpose(drawn, [1, 0], name="transpose")
        return cast(raw.Reshape(turned, drawn_shape(n, self.batch_shape_tensor())), self.dtype)

    def _with_classes(self, k: Any, parameter: Tensor) -> tuple[Tensor, Tensor]:
        """Events and parameters in one batch shape."""
        k = convert_to_tensor(k, name="k")
        if self.validate_args:
            k = checked_indices(k)
        if not k.dtype.is_integer:
            k = cast(k, int32)
        wide = parameter.dims
        if not k.get_shape().is_fully_defined() or wide is None or wide[:-1] != k.dims:
            parameter = parameter * ones_like(k[..., None], parameter.dtype.base_dtype)
            k = k * ones(shape_of(parameter)[:-1], k.dtype.base_dtype)
        return k, parameter

    def _cdf(self, k: Tensor) -> Tensor:
        k, probs = self._with_classes(k, self._probs)
        rows = raw.Reshape(probs, [-1, self._event_size])
        below = sequence_mask(raw.Reshape(k, [-1]), self._event_size)
        total = reduce_sum(raw.Select(below, rows, zeros_like(rows)), -1)
        return raw.Reshape(total, shape_tensor(k))

    def _log_prob(self, k: Tensor) -> Tensor:
        k, logits = self._with_classes(k, self._logits)
        return -sparse_softmax_cross_entropy_with_logits(labels=k, logits=logits)

    def _entropy(self) -> Tensor:
        return -reduce_sum(log_softmax(self._logits) * self._probs, -1)

    def _mode(self) -> Tensor:
        return cast(raw.ArgMax(self._logits, self._batch_rank), self.dtype)


@RegisterKL(Categorical, Categorical)
def _kl_categorical_categorical(a: Categorical, b: Categorical, name: str | None = None) -> Tensor:
    with name_scope(name, "kl_categorical_categorical", values=[a.logits, b.logits]):
        gaps = log_softmax(a.logits) - log_softmax(b.logits)
        return reduce_sum(softmax(a.logits) * gaps, -1)


def _log_combinations(n: Tensor, counts: Tensor, name: str = "log_combinations") -> Tensor:
    """The logarithm of in how many orders `n` draws can give `counts`."""
    with name_scope(name, values=[n, counts]):
        return raw.Lgamma(n + 1) - reduce_sum(raw.Lgamma(counts + 1), [-1])


class _Counts(Distribution):
    """A distribution over how often each of k classes is drawn."""

    _total_count: Tensor

    @property
    def total_count(self) -> Tensor:
        """How many draws there are."""
        return self._total_count

    def _wide_count(self) -> Tensor:
        return self._total_count[..., None]

    def _checked(self, counts: Tensor) -> Tensor:
        if not self.validate_args:
            return counts
        counts = checked_counts(counts)
        told = "counts must sum to `self.total_count`"
        total = assert_equal(self._total_count, reduce_sum(counts, -1), message=told)
        return with_dependencies([total], counts)


@public("distributions.Multinomial", "contrib.distributions.Multinomial")
class Multinomial(_Counts):
    """Distributions over how often each of k classes is drawn in `total_count` draws.

    Args:
      total_count: `[...]`, floating, whole numbers, not negative.
      logits: `[..., k]`, same dtype: the unnormalised log-probabilities.
      probs: `[..., k]`, same dtype: the probabilities; instead of `logits`.
      validate_args, allow_nan_stats, name: as for `Distribution`.

    Raises:
      ValueError: not exactly one of `logits` and `probs` is given.
    """

    def __init__(
        self,
        total_count: Any,
        logits: Any = None,
        probs: Any = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Multinomial",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[total_count, logits, probs]) as scope:
            self._total_count = convert_to_tensor(total_count, name="total_count")
            if validate_args:
                self._total_count = checked_counts(self._total_count)
            self._logits, self._probs = logits_and_probs(logits, probs, True, validate_args, scope)
            self._mean_value = self._wide_count() * self._probs
        parents = [self._total_count, self._logits, self._probs]
        super().__init__(
            self._probs.dtype, NOT_REPARAMETERIZED, validate_args, allow_nan_stats, parameters, parents, scope
        )

    @property
    def logits(self) -> Tensor:
        """The unnormalised log-probabilities."""
        return self._logits

    @property
    def probs(self) -> Tensor:
        """The probabilities."""
        return self._probs

    def _batch_shape_tensor(self) -> Tensor:
        return shape_tensor(self._mean_value)[:-1]

    def _batch_shape(self) -> Any:
        return self._mean_value.shape.with_rank_at_least(1)[:-1]

    def _event_shape_tensor(self) -> Tensor:
        return shape_tensor(self._mean_value)[-1:]

    def _event_shape(self) -> Any:
        return self._mean_value.shape.with_rank_at_least(1)[-1:]

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        draws = cast(self._total_count, int32)
        classes = self.event_shape_tensor()[0]
        draws = ones_like(self._logits[..., 0], int32) * draws
        logits = ones_like(draws[..., None], self.dtype.base_dtype) * self._logits
        rows = raw.Reshape(logits, [-1, classes])
        row_draws = n * raw.Reshape(draws, [-1])

        def single(pair: Any) -> Tensor:
            row, count = pair
            drawn = multinomial(row[None, ...], count, seed=seed)
            drawn = raw.Reshape(drawn, [n, -1])
            return reduce_sum(one_hot(drawn, depth=classes), -2)

        counts = map_fn(single, [rows, row_draws], dtype=self.dtype)
        counts = raw.Transpose(counts, [1, 0, 2], name="transpose")
        shape = raw.ConcatV2([[n], self.batch_shape_tensor(), [classes]], 0, name="concat")
        return raw.Reshape(counts, shape)

    def _log_prob(self, counts: Tensor) -> Tensor:
        powers = reduce_sum(self._checked(counts) * log_softmax(self._logits), -1)
        return powers - -_log_combinations(self._total_count, self._checked(counts))

    def _mean(self) -> Tensor:
        return raw.Identity(self._mean_value)

    def _wide_probs(self) -> Tensor:
        return self._probs * ones_like(self._total_count)[..., None]

    def _covariance(self) -> Tensor:
        probs = self._wide_probs()
        products = -matmul(self._mean_value[..., None], probs[..., None, :])
        return raw.MatrixSetDiag(products, self._variance(), name="set_diag")

    def _variance(self) -> Tensor:
        return self._mean_value - self._mean_value * self._wide_probs()


@public("distributions.DirichletMultinomial", "contrib.distributions.DirichletMultinomial")
class DirichletMultinomial(_Counts):
    """Distributions over how often each of k classes is drawn, with probabilities drawn from a Dirichlet.

    Args:
      total_count: `[...]`, floating, whole numbers, not negative: the number of draws.
      concentration: `[..., k]`, same dtype: the Dirichlet's concentrations, positive.
      validate_args, allow_nan_stats, name: as for `Distribution`.
    """

    def __init__(
        self,
        total_count: Any,
        concentration: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "DirichletMultinomial",
    ) -> None:
        parameters = dict(locals())
        with name_scope(name, values=[total_count, concentration]) as scope:
            self._total_count = convert_to_tensor(total_count, name="total_count")
            if validate_args:
                self._total_count = checked_counts(self._total_count)
            concentration = convert_to_tensor(concentration, name="concentration")
            if validate_args:
                concentration = checked_classes(concentration)
                told = "Concentration parameter must be positive."
                positive = assert_positive(concentration, message=told)
                concentration = with_dependencies([positive], concentration)
            self._concentration = concentration
            self._total = reduce_sum(concentration, -1)
        parents = [self._total_count, concentration]
        super().__init__(
            concentration.dtype,
            NOT_REPARAMETERIZED,
            validate_args,
            allow_nan_stats,
            parameters,
            parents,
            scope,
        )

    @property
    def concentration(self) -> Tensor:
        """The Dirichlet's concentrations."""
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

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        draws, classes = cast(self._total_count, int32), self.event_shape_tensor()[0]
        weights = random_gamma([n], self._concentration, dtype=self.dtype, seed=seed)
        rows = raw.Reshape(raw.Log(weights), [-1, classes])
        drawn = multinomial(rows, draws, seed=new_seed(seed, "dirichlet_multinomial"))
        counts = reduce_sum(one_hot(drawn, depth=classes), -2)
        shape = raw.ConcatV2([[n], self.batch_shape_tensor(), [classes]], 0, name="concat")
        return cast(raw.Reshape(counts, shape), self.dtype)

    def _log_prob(self, counts: Tensor) -> Tensor:
        counts = self._checked(counts)
        ordered = lbeta(self._concentration + counts) - lbeta(self._concentration)
        return ordered + _log_combinations(self._total_count, counts)

    def _prob(self, counts: Tensor) -> Tensor:
        return raw.Exp(self._log_prob(counts))

    def _mean(self) -> Tensor:
        return self._total_count * (self._concentration / self._total[..., None])

    def _scaled_mean(self) -> tuple[Tensor, Tensor]:
        total = self._total[..., None]
        scale = raw.Sqrt((1.0 + total / self._total_count) / (1.0 + total))
        return scale, scale * self._mean()

    def _covariance(self) -> Tensor:
        _, x = self._scaled_mean()
        return covariance_of(x, self._variance)

    def _variance(self) -> Tensor:
        scale, x = self._scaled_mean()
        return x * (self._total_count * scale - x)
