"""What all probability distributions share: parameters, shapes, samples, functions derived from others."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor, shape_tensor
from millrace.building.scopes import name_scope
from millrace.building.static import constant_value_as_shape, static_value
from millrace.core import dtypes, shapes
from millrace.core.dtypes import int32
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.distributions import divergence as distribution_kl
from millrace.lib.math.reductions import reduce_prod


@public("distributions.ReparameterizationType", "contrib.distributions.ReparameterizationType")
class ReparameterizationType:
    """Whether gradients pass through samples to the parameters; equal only to itself.

    Args:
      rep_type: what it is called.
    """

    def __init__(self, rep_type: str) -> None:
        self._rep_type = rep_type

    def __repr__(self) -> str:
        return f"<Reparameteriation Type: {self._rep_type}>"  # TensorFlow's spelling

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__


FULLY_REPARAMETERIZED = public(
    "distributions.FULLY_REPARAMETERIZED", "contrib.distributions.FULLY_REPARAMETERIZED"
)(ReparameterizationType("FULLY_REPARAMETERIZED"))
NOT_REPARAMETERIZED = public(
    "distributions.NOT_REPARAMETERIZED", "contrib.distributions.NOT_REPARAMETERIZED"
)(ReparameterizationType("NOT_REPARAMETERIZED"))


def new_seed(seed: int | None, salt: str) -> int | None:
    """A seed for a second random operation, which follows from the first and a text."""
    if seed is None:
        return None
    return int(hashlib.md5(f"{seed}{salt}".encode()).hexdigest()[:8], 16) & 0x7FFFFFFF


@public("distributions.Distribution", "contrib.distributions.Distribution")
class Distribution:
    """A batch of probability distributions over events of one shape.

    A subclass gives some of `_sample_n`, `_log_prob` or `_prob`, `_log_cdf` or `_cdf`, `_entropy`, `_mean`,
    `_variance` or `_stddev`, `_covariance`, `_mode`, `_quantile`, and the shapes; the public methods derive
    the others from them.

    Args:
      dtype: of samples.
      reparameterization_type: FULLY_REPARAMETERIZED or NOT_REPARAMETERIZED.
      validate_args: check parameters and arguments when run, at a cost.
      allow_nan_stats: give NaN where a statistic is undefined; else that is an error when run.
      parameters: what the constructor was given, for `copy`.
      graph_parents: tensors that belong to it.
      name: the prefix of all names; default the class's name.

    Raises:
      ValueError: `graph_parents` holds something that is not a tensor.
    """

    def __init__(
        self,
        dtype: Any,
        reparameterization_type: ReparameterizationType,
        validate_args: bool,
        allow_nan_stats: bool,
        parameters: dict[str, Any] | None = None,
        graph_parents: Any = None,
        name: str | None = None,
    ) -> None:
        graph_parents = [] if graph_parents is None else list(graph_parents)
        for i, parent in enumerate(graph_parents):
            if not isinstance(parent, Tensor):
                raise ValueError(f"Distribution: graph parent item {i} is not a Tensor. Received: {parent!r}")
        if not name or name[-1] != "/":
            with name_scope(name or type(self).__name__) as scope:
                name = scope
        self._dtype = None if dtype is None else dtypes.as_dtype(dtype)
        self._reparameterization_type = reparameterization_type
        self._allow_nan_stats = allow_nan_stats
        self._validate_args = validate_args
        self._parameters = parameters or {}
        self._graph_parents = graph_parents
        self._name = name

    @contextmanager
    def _name_scope(self, name: str | None = None, values: Any = None) -> Iterator[str]:
        with name_scope(self._name), name_scope(name, values=values) as scope:
            yield scope

    # --- what it is ----------------------------------------------------------------------------------------

    @classmethod
    def param_shapes(cls, sample_shape: Any, name: str = "DistributionParamShapes") -> dict[str, Tensor]:
        """The shapes that the parameters need for samples of `sample_shape`, as int32 vectors by name."""
        with name_scope(name, values=[sample_shape]):
            return cls._param_shapes(sample_shape)

    @classmethod
    def _param_shapes(cls, sample_shape: Any) -> dict[str, Tensor]:
        raise NotImplementedError(f"{cls.__name__} has no param_shapes. Received: {sample_shape!r}")

    @classmethod
    def param_static_shapes(cls, sample_shape: Any) -> dict[str, shapes.TensorShape]:
        """The shapes that the parameters need for samples of `sample_shape`, as TensorShapes by name.

        Raises:
          ValueError: `sample_shape` is not fully known.
        """
        if isinstance(sample_shape, shapes.TensorShape):
            if not sample_shape.is_fully_defined():
                raise ValueError(f"TensorShape sample_shape must be fully defined. Received: {sample_shape}")
            sample_shape = sample_shape.as_list()
        found = {}
        for name, shape in cls.param_shapes(sample_shape).items():
            known = static_value(shape)
            if known is None:
                raise ValueError(
                    "sample_shape must be a fully-defined TensorShape or list/tuple. "
                    f"Received: {sample_shape!r}"
                )
            found[name] = shapes.TensorShape(known.tolist())
        return found

    @property
    def name(self) -> str:
        """The prefix of all names, ending with a slash."""
        return self._name

    @property
    def dtype(self) -> Any:
        """The dtype of samples."""
        return self._dtype

    @property
    def parameters(self) -> dict[str, Any]:
        """What the constructor was given, by name."""
        return {k: v for k, v in self._parameters.items() if not k.startswith("__") and k != "self"}

    @property
    def reparameterization_type(self) -> ReparameterizationType:
        """Whether gradients pass through samples to the parameters."""
        return self._reparameterization_type

    @property
    def allow_nan_stats(self) -> bool:
        """Whether undefined statistics are NaN instead of an error."""
        return self._allow_nan_stats

    @property
    def validate_args(self) -> bool:
        """Whether parameters and arguments are checked when run."""
        return self._validate_args

    def copy(self, **override_parameters_kwargs: Any) -> Any:
        """A distribution of the same class with some parameters replaced."""
        return type(self)(**{**self.parameters, **override_parameters_kwargs})

    def __str__(self) -> str:
        parts = "".join(
            f", {what}={shape}"
            for what, shape in (("batch_shape", self.batch_shape), ("event_shape", self.event_shape))
            if shape.ndims is not None
        )
        return f'tfp.distributions.{type(self).__name__}("{self.name}"{parts}, dtype={self.dtype.name})'

    def __repr__(self) -> str:
        return (
            f"<tfp.distributions.{type(self).__name__} '{self.name}' batch_shape={self.batch_shape} "
            f"event_shape={self.event_shape} dtype={self.dtype.name}>"
        )

    # --- shapes --------------------------------------------------------------------------------------------

    def _batch_shape(self) -> Any:
        return None

    def _event_shape(self) -> Any:
        return None

    def _batch_shape_tensor(self) -> Tensor:
        return self._undefined("batch_shape_tensor")

    def _event_shape_tensor(self) -> Tensor:
        return self._undefined("event_shape_tensor")

    def _undefined(self, what: str) -> Any:
        raise NotImplementedError(f"{what} is not implemented. Received: a {type(self).__name__}")

    @property
    def batch_shape(self) -> shapes.TensorShape:
        """The static shape of one draw from each, without the event's."""
        return shapes.TensorShape(self._batch_shape())

    @property
    def event_shape(self) -> shapes.TensorShape:
        """The static shape of one event."""
        return shapes.TensorShape(self._event_shape())

    def batch_shape_tensor(self, name: str = "batch_shape_tensor") -> Tensor:
        """The batch shape, an int32 vector."""
        with self._name_scope(name):
            if self.batch_shape.is_fully_defined():
                return convert_to_tensor(np.array(self.batch_shape.as_list(), np.int32), name="batch_shape")
            return self._batch_shape_tensor()

    def event_shape_tensor(self, name: str = "event_shape_tensor") -> Tensor:
        """The event shape, an int32 vector."""
        with self._name_scope(name):
            if self.event_shape.is_fully_defined():
                return convert_to_tensor(np.array(self.event_shape.as_list(), np.int32), name="event_shape")
            return self._event_shape_tensor()

    def is_scalar_batch(self, name: str = "is_scalar_batch") -> Tensor:
        """Whether the batch shape is that of a scalar, a bool scalar."""
        with self._name_scope(name):
            return _is_scalar(self.batch_shape, self.batch_shape_tensor, "is_scalar_batch")

    def is_scalar_event(self, name: str = "is_scalar_event") -> Tensor:
        """Whether the event shape is that of a scalar, a bool scalar."""
        with self._name_scope(name):
            return _is_scalar(self.event_shape, self.event_shape_tensor, "is_scalar_event")

    # --- samples -------------------------------------------------------------------------------------------

    def sample(self, sample_shape: Any = (), seed: int | None = None, name: str = "sample") -> Tensor:
        """Draws samples.

        Args:
          sample_shape: scalar or vector of int32: how many, in which shape.
          seed: the operation's seed.
          name: a scope.

        Returns:
          `sample_shape + batch_shape + event_shape`.
        """
        return self._draw(sample_shape, seed, name)

    def _draw(self, sample_shape: Any, seed: int | None, name: str, **condition: Any) -> Tensor:
        """`sample`; `condition` goes to `_sample_n`."""
        with self._name_scope(name, values=[sample_shape]):
            sample_shape = convert_to_tensor(sample_shape, int32, name="sample_shape")
            sample_shape, count = as_vector(sample_shape, "sample_shape")
            samples = self._sample_n(count, seed, **condition)
            own = shape_tensor(samples)[1:]
            result = raw.Reshape(samples, raw.ConcatV2([sample_shape, own], 0, name="concat"))
            drawn = constant_value_as_shape(sample_shape)
            result.set_shape(drawn.concatenate(self.batch_shape).concatenate(self.event_shape))
            return result

    def _sample_n(self, n: Any, seed: int | None = None) -> Tensor:
        return self._undefined("sample")

    # --- probabilities -------------------------------------------------------------------------------------

    def _of_value(
        self, value: Any, name: str, first: str, second: str, derive: Callable[[Any], Any], **condition: Any
    ) -> Tensor:
        """`first` of the value where the subclass has it, else `derive` of `second`; both get `condition`."""
        with self._name_scope(name, values=[value]):
            value = convert_to_tensor(value, name="value", preferred_dtype=self.dtype)
            try:
                return getattr(self, first)(value, **condition)
            except NotImplementedError:
                return derive(getattr(self, second)(value, **condition))

    def log_prob(self, value: Any, name: str = "log_prob") -> Tensor:
        """The logarithm of the probability, or density, of `value`."""
        return self._of_value(value, name, "_log_prob", "_prob", lambda p: raw.Log(p))

    def prob(self, value: Any, name: str = "prob") -> Tensor:
        """The probability, or density, of `value`."""
        return self._of_value(value, name, "_prob", "_log_prob", lambda p: raw.Exp(p))

    def log_cdf(self, value: Any, name: str = "log_cdf") -> Tensor:
        """The logarithm of the probability of anything up to `value`."""
        return self._of_value(value, name, "_log_cdf", "_cdf", lambda p: raw.Log(p))

    def cdf(self, value: Any, name: str = "cdf") -> Tensor:
        """The probability of anything up to `value`."""
        return self._of_value(value, name, "_cdf", "_log_cdf", lambda p: raw.Exp(p))

    def log_survival_function(self, value: Any, name: str = "log_survival_function") -> Tensor:
        """The logarithm of the probability of anything above `value`."""
        return self._of_value(value, name, "_log_survival_function", "cdf", lambda p: raw.Log1p(-p))

    def survival_function(self, value: Any, name: str = "survival_function") -> Tensor:
        """The probability of anything above `value`."""
        return self._of_value(value, name, "_survival_function", "cdf", lambda p: 1.0 - p)

    def quantile(self, value: Any, name: str = "quantile") -> Tensor:
        """The event up to which lies the probability `value`."""
        with self._name_scope(name, values=[value]):
            return self._quantile(convert_to_tensor(value, name="value", preferred_dtype=self.dtype))

    def _log_prob(self, value: Tensor) -> Tensor:
        return self._undefined("log_prob")

    def _prob(self, value: Tensor) -> Tensor:
        return self._undefined("prob")

    def _log_cdf(self, value: Tensor) -> Tensor:
        return self._undefined("log_cdf")

    def _cdf(self, value: Tensor) -> Tensor:
        return self._undefined("cdf")

    def _log_survival_function(self, value: Tensor) -> Tensor:
        return self._undefined("log_survival_function")

    def _survival_function(self, value: Tensor) -> Tensor:
        return self._undefined("survival_function")

    def _quantile(self, value: Tensor) -> Tensor:
        return self._undefined("quantile")

    # --- statistics ----------------------------------------------------------------------------------------

    def entropy(self, name: str = "entropy") -> Tensor:
        """The entropy, in nats."""
        with self._name_scope(name):
            return self._entropy()

    def mean(self, name: str = "mean") -> Tensor:
        """The mean."""
        with self._name_scope(name):
            return self._mean()

    def variance(self, name: str = "variance") -> Tensor:
        """The variance of each element of an event."""
        with self._name_scope(name):
            try:
                return self._variance()
            except NotImplementedError:
                return raw.Square(self._stddev())

    def stddev(self, name: str = "stddev") -> Tensor:
        """The standard deviation of each element of an event."""
        with self._name_scope(name):
            try:
                return self._stddev()
            except NotImplementedError:
                return raw.Sqrt(self._variance())

    def covariance(self, name: str = "covariance") -> Tensor:
        """The covariances of the elements of an event."""
        with self._name_scope(name):
            return self._covariance()

    def mode(self, name: str = "mode") -> Tensor:
        """The most probable event."""
        with self._name_scope(name):
            return self._mode()

    def cross_entropy(self, other: Any, name: str = "cross_entropy") -> Tensor:
        """The mean under this distribution of -log(prob of `other`)."""
        with self._name_scope(name):
            return distribution_kl.cross_entropy(self, other, allow_nan_stats=self.allow_nan_stats)

    def kl_divergence(self, other: Any, name: str = "kl_divergence") -> Tensor:
        """The Kullback-Leibler divergence of this distribution from `other`."""
        with self._name_scope(name):
            return distribution_kl.kl_divergence(self, other, allow_nan_stats=self.allow_nan_stats)

    def _entropy(self) -> Tensor:
        return self._undefined("entropy")

    def _mean(self) -> Tensor:
        return self._undefined("mean")

    def _variance(self) -> Tensor:
        return self._undefined("variance")

    def _stddev(self) -> Tensor:
        return self._undefined("stddev")

    def _covariance(self) -> Tensor:
        return self._undefined("covariance")

    def _mode(self) -> Tensor:
        return self._undefined("mode")


def _is_scalar(static: shapes.TensorShape, when_run: Callable[[], Tensor], name: str) -> Tensor:
    if static.ndims is not None:
        return convert_to_tensor(static.ndims == 0, name=name)
    shape = when_run()
    if shape.dims is not None and shape.dims[0] is not None:
        return convert_to_tensor(shape.dims[0] == 0, name=name)
    return raw.Equal(raw.Shape(shape)[0], 0)


def as_vector(x: Tensor, name: str) -> tuple[Tensor, Any]:
    """A scalar or vector as a vector, and the product of its elements.

    Raises:
      ValueError: `x` has a rank of 2 or more.
    """
    known = static_value(x)
    product: Any = reduce_prod(x) if known is None else int(np.prod(known))
    if x.dims is None:
        return raw.Reshape(x, [-1]), product
    if len(x.dims) > 1:
        raise ValueError(f"{name} is neither scalar nor vector. Received: shape {x.shape}")
    if x.dims == ():
        if known is None:
            return raw.Reshape(x, [1]), product
        return convert_to_tensor(np.array([known], np.int32), name=name), product
    return x, product


def drawn_shape(n: Any, shape: Tensor) -> Tensor:
    """`[n] + shape`, for the operation that draws."""
    return raw.ConcatV2([[n], shape], 0, name="concat")


def same_shape_params(names: tuple[str, ...], sample_shape: Any) -> dict[str, Tensor]:
    """`param_shapes` of a distribution whose parameters all have the shape of a sample."""
    return dict.fromkeys(names, convert_to_tensor(sample_shape, int32))
