"""`Metric`, and metrics that average or sum."""

from __future__ import annotations

import abc
from typing import Any

import numpy as np

from millrace.building import convert, raw
from millrace.building.scopes import control_dependencies
from millrace.core import dtypes
from millrace.core.public import public
from millrace.lib.layers import settings
from millrace.lib.layers.descendants import late
from millrace.lib.layers.layer import Layer
from millrace.lib.layers.node import int_shape
from millrace.lib.math.broadcast_weights import broadcast_weights
from millrace.lib.math.reductions import reduce_mean, reduce_sum
from millrace.lib.variables.kinds import VariableAggregation, VariableSynchronization
from millrace.models.keras.backend.session import batch_set_value
from millrace.models.keras.losses.weighting import aligned, weights_for
from millrace.ops.array.fill import ones_like
from millrace.ops.array.shape import size
from millrace.ops.math.cast import cast
from millrace.ops.math.division import div_no_nan


class _Wrapping(abc.ABCMeta):
    """Makes a subclass' `update_state` note its operation, and its `result` a tensor of the metric."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        metric = super().__call__(*args, **kwargs)
        update, result = metric.update_state, metric.result

        def noted(*a: Any, **k: Any) -> Any:
            found = update(*a, **k)
            if found is not None:
                metric.add_update(found)
            return found

        def marked(*a: Any, **k: Any) -> Any:
            found = raw.Identity(result(*a, **k))
            found._metric_obj = metric
            metric._call_result = found
            return found

        object.__setattr__(metric, "update_state", noted)
        object.__setattr__(metric, "result", marked)
        return metric


@public("keras.metrics.Metric")
class Metric(Layer, metaclass=_Wrapping):
    """Base of metrics: variables that `update_state` changes and `result` reads.

    Args:
      name: its name; default from the class.
      dtype: of its variables; default `floatx()`.
      **kwargs: as for `tf.keras.layers.Layer`.
    """

    _call_result: Any = None

    def __init__(self, name: str | None = None, dtype: Any = None, **kwargs: Any) -> None:
        super().__init__(name=name, dtype=dtype, **kwargs)
        self.stateful = True
        self.built = True
        self._dtype = settings.floatx() if dtype is None else dtypes.as_dtype(dtype).name

    def _set_name(self, name: str | None, zero_based: bool = True) -> None:
        super()._set_name(name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The result after the state was updated with the arguments."""
        update = self.update_state(*args, **kwargs)
        with control_dependencies([] if update is None else [update]):
            return self.result()

    def reset_states(self) -> None:
        """Sets all variables to zero; called at the start of each epoch."""
        batch_set_value([(v, 0) for v in self.variables])

    def update_state(self, *args: Any, **kwargs: Any) -> Any:
        """The operation that adds a batch's figures; subclasses say which.

        Raises:
          NotImplementedError: the subclass does not.
        """
        raise NotImplementedError("Must be implemented in subclasses.")

    def result(self) -> Any:
        """The figure so far; subclasses say which.

        Raises:
          NotImplementedError: the subclass does not.
        """
        raise NotImplementedError("Must be implemented in subclasses.")

    def add_weight(
        self,
        name: str | None = None,
        shape: Any = (),
        aggregation: Any = VariableAggregation.SUM,
        synchronization: Any = VariableSynchronization.ON_READ,
        initializer: Any = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> Any:
        """A variable of the metric: not trained, and in no collection."""
        return super().add_weight(
            name=name,
            shape=shape,
            dtype=self._dtype if dtype is None else dtype,
            trainable=False,
            initializer=initializer,
            collections=[],
            synchronization=synchronization,
            aggregation=aggregation,
        )

    def get_config(self) -> dict[str, Any]:
        """Name and dtype."""
        return {"name": self.name, "dtype": self._dtype}


@public("python.keras.metrics.Reduce")
class Reduce(Metric):
    """Sums values, and divides by their number or weights where `divides` says.

    Args:
      name, dtype: as for `Metric`.
    """

    divides = True

    def __init__(self, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_weight("total", initializer="zeros")
        if self.divides:
            self.count = self.add_weight("count", initializer="zeros")

    def update_state(self, values: Any, sample_weight: Any = None) -> Any:
        """The operation that adds values.

        Args:
          values: `[...]`.
          sample_weight: their factors; broadcasts with them.
        """
        values = cast(values, self._dtype)
        if sample_weight is not None:
            sample_weight = weights_for(values, cast(sample_weight, self._dtype))
            sample_weight, values = self._matched(sample_weight, values)
            values = raw.Mul(values, sample_weight)
        total = reduce_sum(values)
        with control_dependencies([total]):
            update = self.total.assign_add(total)
        if not self.divides:
            return update
        if sample_weight is None:
            count = cast(size(values), self._dtype)
        else:
            count = reduce_sum(sample_weight)
        with control_dependencies([update.op]):
            return self.count.assign_add(count)

    def _matched(self, weights: Any, values: Any) -> tuple[Any, Any]:
        try:
            return broadcast_weights(weights, values), values
        except ValueError:
            axes = list(range(len(weights.dims), len(values.dims)))
            reduce = reduce_mean if self.divides else reduce_sum
            return weights, reduce(values, axis=axes)

    def result(self) -> Any:
        """The sum or the mean so far."""
        return div_no_nan(self.total, self.count) if self.divides else raw.Identity(self.total)


@public("keras.metrics.Sum")
class Sum(Reduce):
    """The weighted sum of all values."""

    divides = False

    def __init__(self, name: str = "sum", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)


@public("keras.metrics.Mean")
class Mean(Reduce):
    """The weighted mean of all values."""

    def __init__(self, name: str = "mean", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)


@public("python.keras.metrics.MeanMetricWrapper")
class MeanMetricWrapper(Mean):
    """The mean of a function of truth and predictions.

    Args:
      fn: the function.
      name, dtype: as for `Metric`.
      **kwargs: more arguments of the function.
    """

    def __init__(self, fn: Any, name: str | None = None, dtype: Any = None, **kwargs: Any) -> None:
        super().__init__(name=name or "mean", dtype=dtype)
        self._fn, self._fn_kwargs = fn, kwargs

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The operation that adds the function of a batch.

        Args:
          y_true: what is true.
          y_pred: what was predicted.
          sample_weight: factors of the function's values.
        """
        y_true, y_pred = cast(y_true, self._dtype), cast(y_pred, self._dtype)
        y_true, y_pred = aligned(convert.to_tensor(y_true), convert.to_tensor(y_pred))
        matches = self._fn(y_true, y_pred, **self._fn_kwargs)
        return super().update_state(matches, sample_weight=sample_weight)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal metric."""
        return {**super().get_config(), **self._fn_kwargs}


@public("keras.metrics.MeanTensor")
class MeanTensor(Metric):
    """The weighted mean of each element of a tensor over the batches.

    Args:
      name, dtype: as for `Metric`.
    """

    def __init__(self, name: str = "mean_tensor", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self._shape: Any = None
        self.total = self.count = None
        self.built = False

    def _build(self, dims: Any) -> None:
        self._shape = dims
        self.total = self.add_weight("total", shape=dims, initializer="zeros")
        self.count = self.add_weight("count", shape=dims, initializer="zeros")
        self.built = True

    def update_state(self, values: Any, sample_weight: Any = None) -> Any:
        """The operation that adds a tensor.

        Raises:
          ValueError: its shape is not that of the first.
        """
        values = convert.to_tensor(cast(values, self._dtype))
        if not self.built:
            self._build(values.dims)
        elif values.dims != self._shape:
            raise ValueError(
                "MeanTensor input values must always have the same shape. Expected shape (set during the "
                f"first call): {self._shape}. Received: {values.dims}"
            )
        count = ones_like(values)
        if sample_weight is not None:
            sample_weight = weights_for(values, cast(sample_weight, self._dtype))
            try:
                sample_weight = broadcast_weights(sample_weight, values)
            except ValueError:
                axes = list(range(len(sample_weight.dims), len(values.dims or ())))
                values = reduce_mean(values, axis=axes)
            count = raw.Mul(count, sample_weight)
            values = raw.Mul(values, sample_weight)
        update = self.total.assign_add(values)  # type: ignore[union-attr]
        with control_dependencies([update.op]):
            return self.count.assign_add(count)  # type: ignore[union-attr]

    def result(self) -> Any:
        """The mean so far.

        Raises:
          ValueError: there was not a tensor yet.
        """
        if not self.built:
            raise ValueError(
                "MeanTensor does not have any result yet. Please call the MeanTensor instance or use "
                "`.update_state(value)` before retrieving the result."
            )
        return div_no_nan(self.total, self.count)

    def reset_states(self) -> None:
        """Forgets all tensors."""
        if self.built:
            batch_set_value([(v, np.zeros(int_shape(v) or ())) for v in self.variables])


late.mean = Mean
