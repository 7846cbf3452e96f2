"""`tf.contrib.distributions`: distributions of transformed variables, batches taken as events."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.building.static import constant_value_as_shape, static_value
from millrace.contributed.distributions.bijectors.elementwise import Identity
from millrace.core import shapes
from millrace.core.dtypes import int32
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.tensor import Tensor
from millrace.lib.distributions.base import Distribution, as_vector
from millrace.lib.distributions.divergence import RegisterKL, kl_divergence
from millrace.lib.math.reductions import reduce_prod, reduce_sum
from millrace.opkit.rules.idioms import shape_tensor
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import ones
from millrace.ops.array.reshape import reshape, transpose
from millrace.ops.array.shape import shape as shape_of

# How many operations 1.15 adds that only tell shapes; default seeds count them.
MORE_AT_FIRST = 28
MORE_OF_LOG_PROB = 16


@public("contrib.distributions.TransformedDistribution")
class TransformedDistribution(Distribution):
    """The distribution of `bijector.forward(x)`, where x is of `distribution`.

    Args:
      distribution: of x.
      bijector: default the identity.
      batch_shape: the shape of a batch, where `distribution` has a scalar one.
      event_shape: the shape of an event, where `distribution` has a scalar one.
      validate_args: as for `Distribution`.
      name: default the names of both.

    Raises:
      ValueError: a shape is given where `distribution` has one.
    """

    def __init__(
        self,
        distribution: Any,
        bijector: Any = None,
        batch_shape: Any = None,
        event_shape: Any = None,
        validate_args: bool = False,
        name: str | None = None,
    ) -> None:
        parameters = dict(locals())
        bijector = Identity(validate_args=validate_args) if bijector is None else bijector
        name = name or bijector.name + distribution.name
        with name_scope(name, values=[event_shape, batch_shape]) as scope:
            self._own_batch = _override(batch_shape, distribution.batch_shape, "batch_shape")
            self._own_event = _override(event_shape, distribution.event_shape, "event_shape")
        self._distribution, self._bijector = distribution, bijector
        super().__init__(
            distribution.dtype,
            distribution.reparameterization_type,
            validate_args,
            distribution.allow_nan_stats,
            parameters,
            [],
            scope,
        )
        get_default_graph().count(MORE_AT_FIRST if self._own_event is None else MORE_AT_FIRST + 2)

    @property
    def distribution(self) -> Any:
        """The distribution of x."""
        return self._distribution

    @property
    def bijector(self) -> Any:
        """The function of x."""
        return self._bijector

    def _event_ndims(self) -> int:
        """The axes of x that make one event of the bijector."""
        rank = self._distribution.event_shape.ndims if self._own_event is None else _length(self._own_event)
        return max(rank or 0, self._bijector.forward_min_event_ndims)

    def _base_event(self) -> shapes.TensorShape:
        return self._distribution.event_shape if self._own_event is None else _static(self._own_event)

    def _event_shape(self) -> Any:
        return self._bijector.forward_event_shape(self._base_event())

    def _event_shape_tensor(self) -> Tensor:
        base = self._distribution.event_shape_tensor() if self._own_event is None else self._own_event
        return self._bijector.forward_event_shape_tensor(base)

    def _batch_shape(self) -> Any:
        return self._distribution.batch_shape if self._own_batch is None else _static(self._own_batch)

    def _batch_shape_tensor(self) -> Tensor:
        return self._distribution.batch_shape_tensor() if self._own_batch is None else self._own_batch

    def _draw(
        self,
        sample_shape: Any,
        seed: int | None,
        name: str,
        bijector_kwargs: Any = None,
        distribution_kwargs: Any = None,
    ) -> Tensor:
        """`sample`: the bijector is applied last, so that it knows the way back from what is returned."""
        with self._name_scope(name, values=[sample_shape]):
            sample_shape = convert_to_tensor(sample_shape, int32, name="sample_shape")
            sample_shape, count = as_vector(sample_shape, "sample_shape")
            x = self._sampled(convert_to_tensor([count], int32), seed, distribution_kwargs or {})
            own = shape_tensor(x)[1:]
            x = raw.Reshape(x, raw.ConcatV2([sample_shape, own], 0, name="concat"))
            drawn = self._bijector.forward(x, **(bijector_kwargs or {}))
            known = constant_value_as_shape(sample_shape)
            drawn.set_shape(known.concatenate(self.batch_shape).concatenate(self.event_shape))
            get_default_graph().count(self._more_of_samples())
            return drawn

    def _sampled(self, count: Tensor, seed: int | None, condition: dict[str, Any]) -> Tensor:
        """`[count, ...]` samples of x."""
        rotated = self._own_batch is None and self._own_event is not None
        parts = [count, *(x for x in (self._own_batch, self._own_event) if x is not None)]
        known = [value for part in parts if (value := static_value(part)) is not None]
        if len(known) == len(parts):
            shape = convert_to_tensor(np.concatenate(known))
        else:
            get_default_graph().count(1 if len(parts) > 1 else 3)
            shape = concat(parts, 0) if len(parts) > 1 else count
        x = self._distribution.sample(shape, seed=seed, **condition)
        if rotated and self._distribution.batch_shape.ndims:
            event, batch = _length(self._own_event), self._distribution.batch_shape.ndims
            x = transpose(x, [0, *range(1 + event, 1 + event + batch), *range(1, 1 + event)])
        return x

    def _more_of_samples(self) -> int:
        """How many operations 1.15 adds to samples that only tell shapes; default seeds count them."""
        return 0

    def _more_of_log_prob(self, known: bool) -> int:
        """The same for logarithms of probabilities; `known`: the inverse had been drawn before."""
        del known
        return MORE_OF_LOG_PROB - 3 if self._own_event is not None else MORE_OF_LOG_PROB

    def _over_event(self, x: Tensor, reduce: Any = reduce_sum) -> Tensor:
        """`x` without the axes that `event_shape` added."""
        rank = 0 if self._own_event is None else _length(self._own_event)
        return reduce(x, axis=list(range(-rank, 0))) if rank else x

    def _log_prob(self, y: Tensor, bijector_kwargs: Any = None, distribution_kwargs: Any = None) -> Tensor:
        of_x, of_y = distribution_kwargs or {}, bijector_kwargs or {}
        x, jacobian, more = self._back(y, of_y)
        found = self._over_event(self._distribution.log_prob(x, **of_x)) + jacobian
        get_default_graph().count(more)
        return found

    def _prob(self, y: Tensor, bijector_kwargs: Any = None, distribution_kwargs: Any = None) -> Tensor:
        of_x, of_y = distribution_kwargs or {}, bijector_kwargs or {}
        x, jacobian, more = self._back(y, of_y)
        found = self._over_event(self._distribution.prob(x, **of_x), reduce_prod) * raw.Exp(jacobian)
        get_default_graph().count(more)
        return found

    def _back(self, y: Tensor, of_y: dict[str, Any]) -> tuple[Tensor, Tensor, int]:
        """The x of `y`, the logarithm of its Jacobian, and how many operations 1.15 adds."""
        known = self._bijector.knows_inverse(y, of_y)
        x = self._bijector.inverse(y, **of_y)
        ndims = self._event_ndims() + self._bijector.inverse_min_event_ndims
        jacobian = self._bijector.inverse_log_det_jacobian(
            y, event_ndims=ndims - self._bijector.forward_min_event_ndims, **of_y
        )
        return x, jacobian, self._more_of_log_prob(known)

    def _plain(self, what: str) -> None:
        if self._own_event is not None:
            raise NotImplementedError(f"{what} is not implemented when overriding event_shape")

    def _of_inverse(self, what: str, y: Tensor, bijector_kwargs: Any, distribution_kwargs: Any) -> Tensor:
        """The function `what` of `distribution`, at the x of `y`."""
        self._plain(what)
        x = self._bijector.inverse(y, **(bijector_kwargs or {}))
        return getattr(self._distribution, what)(x, **(distribution_kwargs or {}))

    def _log_cdf(self, y: Tensor, bijector_kwargs: Any = None, distribution_kwargs: Any = None) -> Tensor:
        return self._of_inverse("log_cdf", y, bijector_kwargs, distribution_kwargs)

    def _cdf(self, y: Tensor, bijector_kwargs: Any = None, distribution_kwargs: Any = None) -> Tensor:
        return self._of_inverse("cdf", y, bijector_kwargs, distribution_kwargs)

    def _log_survival_function(
        self, y: Tensor, bijector_kwargs: Any = None, distribution_kwargs: Any = None
    ) -> Tensor:
        return self._of_inverse("log_survival_function", y, bijector_kwargs, distribution_kwargs)

    def _survival_function(
        self, y: Tensor, bijector_kwargs: Any = None, distribution_kwargs: Any = None
    ) -> Tensor:
        return self._of_inverse("survival_function", y, bijector_kwargs, distribution_kwargs)

    def _quantile(self, value: Tensor) -> Tensor:
        self._plain("quantile")
        return self._bijector.forward(self._distribution.quantile(value))

    def _mean(self) -> Tensor:
        if not self._bijector.is_constant_jacobian:
            raise NotImplementedError("mean is not implemented for non-affine bijectors")
        self._plain("mean")
        x = self._distribution.mean()
        if self._own_batch is not None:
            x = x * ones(self._own_batch, x.dtype.base_dtype)
        return self._bijector.forward(x)

    def _entropy(self) -> Tensor:
        if not self._bijector.is_constant_jacobian:
            raise NotImplementedError("entropy is not implemented")
        entropy = self._distribution.entropy()
        if self._own_event is not None:
            entropy = entropy * raw.Cast(reduce_prod(self._own_event), DstT=entropy.dtype.base_dtype)
        if self._own_batch is not None:
            entropy = entropy * ones(self._own_batch, entropy.dtype.base_dtype)
        dummy = convert_to_tensor(np.zeros([1] * self._event_ndims(), self.dtype.as_numpy_dtype))
        ndims = self._event_ndims()
        return entropy - self._bijector.inverse_log_det_jacobian(dummy, event_ndims=ndims)


def _override(shape: Any, own: shapes.TensorShape, name: str) -> Tensor | None:
    if shape is None:
        return None
    shape = convert_to_tensor(shape, int32, name=name)
    if _length(shape) == 0:
        return None
    if own.ndims not in (None, 0):
        raise ValueError(f"{name} must be given for a scalar one only. Received: a distribution with {own}")
    return shape


def _length(shape: Any) -> int:
    count = shape.dims[0] if shape.dims else None
    if count is None:
        raise ValueError(f"the length of a shape must be known. Received: {shape}")
    return count


def _static(shape: Tensor) -> shapes.TensorShape:
    return constant_value_as_shape(shape)


@public("contrib.distributions.Independent")
class Independent(Distribution):
    """A distribution some of whose batch axes are taken as axes of its events.

    Args:
      distribution: the distribution.
      reinterpreted_batch_ndims: how many axes, the last ones; default all but the first.
      validate_args: as for `Distribution`.
      name: default "Independent" and the name of `distribution`.

    Raises:
      ValueError: there are fewer axes.
    """

    def __init__(
        self,
        distribution: Any,
        reinterpreted_batch_ndims: int | None = None,
        validate_args: bool = False,
        name: str | None = None,
    ) -> None:
        parameters = dict(locals())
        with name_scope(name or "Independent" + distribution.name) as scope:
            self._distribution = distribution
            rank = distribution.batch_shape.ndims
            if reinterpreted_batch_ndims is None:
                reinterpreted_batch_ndims = max(0, (rank or 0) - 1)
            self._count = count = int(reinterpreted_batch_ndims or 0)
            convert_to_tensor(count, int32, name="reinterpreted_batch_ndims")  # default seeds count it
            if rank is not None and count > rank:
                raise ValueError(
                    f"reinterpreted_batch_ndims({self._count}) cannot exceed distribution.batch_ndims({rank})"
                )
        super().__init__(
            distribution.dtype,
            distribution.reparameterization_type,
            validate_args,
            distribution.allow_nan_stats,
            parameters,
            [],
            scope,
        )

    @property
    def distribution(self) -> Any:
        """The distribution."""
        return self._distribution

    @property
    def reinterpreted_batch_ndims(self) -> int:
        """How many batch axes are taken."""
        return self._count

    def _split(self) -> int:
        rank = self._distribution.batch_shape.ndims
        if rank is None:
            raise ValueError(f"the rank of a batch must be known. Received: {self._distribution}")
        return rank - self._count

    def _batch_shape(self) -> Any:
        return self._distribution.batch_shape[: self._split()]

    def _batch_shape_tensor(self) -> Tensor:
        return self._distribution.batch_shape_tensor()[: self._split()]

    def _event_shape(self) -> Any:
        return self._distribution.batch_shape[self._split() :].concatenate(self._distribution.event_shape)

    def _event_shape_tensor(self) -> Tensor:
        own = self._distribution.batch_shape_tensor()[self._split() :]
        return concat([own, self._distribution.event_shape_tensor()], 0)

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        return self._distribution.sample(sample_shape=n, seed=seed)

    def _sum(self, x: Tensor) -> Tensor:
        return reduce_sum(x, axis=list(range(-self._count, 0))) if self._count else x

    def _log_prob(self, x: Tensor) -> Tensor:
        return self._sum(self._distribution.log_prob(x))

    def _entropy(self) -> Tensor:
        return self._sum(self._distribution.entropy())

    def _mean(self) -> Tensor:
        return self._distribution.mean()

    def _variance(self) -> Tensor:
        return self._distribution.variance()

    def _stddev(self) -> Tensor:
        return self._distribution.stddev()

    def _mode(self) -> Tensor:
        return self._distribution.mode()


@RegisterKL(Independent, Independent)
def _kl_independent(a: Independent, b: Independent, name: str | None = None) -> Tensor:
    if not a.event_shape.is_compatible_with(b.event_shape):
        raise ValueError("KL between Independents with different event shapes not supported.")
    with name_scope(name, "kl_independent"):
        return a._sum(kl_divergence(a.distribution, b.distribution))


@public("contrib.distributions.BatchReshape")
class BatchReshape(Distribution):
    """A distribution with another batch shape of as many elements.

    Args:
      distribution: the distribution.
      batch_shape: the new shape.
      validate_args, allow_nan_stats, name: as for `Distribution`.
    """

    def __init__(
        self,
        distribution: Any,
        batch_shape: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str | None = None,
    ) -> None:
        parameters = dict(locals())
        with name_scope(name or "BatchReshape" + distribution.name, values=[batch_shape]) as scope:
            self._new_batch = convert_to_tensor(batch_shape, int32, name="batch_shape")
            self._distribution = distribution
        super().__init__(
            distribution.dtype,
            distribution.reparameterization_type,
            validate_args,
            allow_nan_stats,
            parameters,
            [],
            scope,
        )

    @property
    def distribution(self) -> Any:
        """The distribution."""
        return self._distribution

    def _batch_shape(self) -> Any:
        known = _static(self._new_batch)
        count = self._distribution.batch_shape.num_elements()
        dims = known.dims
        if dims is not None and count is not None and sum(d.value is None for d in dims) == 1:
            rest = int(np.prod([d.value for d in dims if d.value is not None]))
            return [count // rest if d.value is None else d.value for d in dims]
        return known

    def _batch_shape_tensor(self) -> Tensor:
        return self._new_batch

    def _event_shape(self) -> Any:
        return self._distribution.event_shape

    def _event_shape_tensor(self) -> Tensor:
        return self._distribution.event_shape_tensor()

    def _reshaped(self, x: Tensor, event: bool = False) -> Tensor:
        parts = [self.batch_shape_tensor(), *([self.event_shape_tensor()] if event else [])]
        return reshape(x, concat(parts, 0) if event else parts[0])

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        x = self._distribution.sample(sample_shape=n, seed=seed)
        return reshape(x, concat([[n], self.batch_shape_tensor(), self.event_shape_tensor()], 0))

    def _of(self, x: Tensor, method: str) -> Tensor:
        ndims = (self.batch_shape.ndims or 0) + (self.event_shape.ndims or 0)
        lead = shape_of(x)[: len(x.dims or ()) - ndims]
        inner = concat([lead, self._distribution.batch_shape_tensor(), self.event_shape_tensor()], 0)
        value = getattr(self._distribution, method)(reshape(x, inner))
        return reshape(value, concat([lead, self.batch_shape_tensor()], 0))

    def _log_prob(self, x: Tensor) -> Tensor:
        return self._of(x, "log_prob")

    def _cdf(self, x: Tensor) -> Tensor:
        return self._of(x, "cdf")

    def _entropy(self) -> Tensor:
        return self._reshaped(self._distribution.entropy())

    def _mean(self) -> Tensor:
        return self._reshaped(self._distribution.mean(), True)

    def _variance(self) -> Tensor:
        return self._reshaped(self._distribution.variance(), True)

    def _mode(self) -> Tensor:
        return self._reshaped(self._distribution.mode(), True)
