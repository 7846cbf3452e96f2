"""What all metrics share: their variables, the shapes of what they compare, their collections."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from millrace.building import raw
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import add_to_collections
from millrace.core.public import public
from millrace.graph.keys import GraphKeys
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import cond
from millrace.lib.math.broadcast_weights import broadcast_weights
from millrace.lib.metrics.confusion import without_last
from millrace.lib.variables.kinds import VariableAggregation, VariableSynchronization
from millrace.lib.variables.variable import Variable
from millrace.opkit.rules.idioms import rank_tensor
from millrace.ops.array.constant import zeros
from millrace.ops.math.cast import cast


@public("python.ops.metrics_impl.metric_variable")
def metric_variable(shape: Any, dtype: Any, validate_shape: bool = True, name: str | None = None) -> Variable:
    """A local variable of zeros that belongs to a metric."""
    return Variable(
        initial_value=lambda: zeros(shape, dtype),
        trainable=False,
        collections=[GraphKeys.LOCAL_VARIABLES, GraphKeys.METRIC_VARIABLES],
        validate_shape=validate_shape,
        name=name,
        synchronization=VariableSynchronization.ON_READ,
        aggregation=VariableAggregation.SUM,
    )


def registered(
    value: Any, update: Any, metrics_collections: Any, updates_collections: Any
) -> tuple[Any, Any]:
    """The pair that a metric returns, after it was added to the collections asked for."""
    if metrics_collections:
        add_to_collections(_names(metrics_collections), value)
    if updates_collections:
        add_to_collections(_names(updates_collections), update)
    return value, update


@public("python.ops.metrics_impl._aggregate_across_replicas")
def aggregated(metrics_collections: Any, metric_value_fn: Callable[..., Any], *args: Any) -> Any:
    """The value of a metric of its variables: one process keeps them once, so `metric_value_fn` has them all.

    Args:
      metrics_collections: collections that the value is added to, or None.
      metric_value_fn: of (the strategy, or None where there is one replica; the variables) to the value.
      *args: the variables.
    """
    value = metric_value_fn(None, *args)
    return registered(value, None, metrics_collections, None)[0]


@public("python.ops.metrics_impl._aggregate_variable")
def aggregated_variable(v: Any, collections: Any) -> Any:
    """The value of one variable of a metric, added to `collections`."""
    return aggregated(collections, lambda _, value: raw.Identity(value), v)


def _names(collections: Any) -> list[str]:
    return (
        [collections]
        if isinstance(collections, str) or not isinstance(collections, Iterable)
        else list(collections)
    )


def merged(predictions: Tensor, labels: Tensor) -> None:
    """Checks that both can have one shape.

    Raises:
      TypeError: one of them is not a tensor.
      ValueError: they cannot.
    """
    for given in (predictions, labels):
        if not hasattr(given, "shape"):
            raise TypeError(f"predictions and labels must be tensors. Received: {given!r}")
    predictions.shape.assert_is_compatible_with(labels.shape)


@public("python.ops.metrics_impl._remove_squeezable_dimensions")
def aligned(predictions: Any, labels: Any, weights: Any) -> tuple[Tensor, Any, Any]:
    """Predictions, labels and weights of one rank where a last dimension of length 1 is the only difference.

    Args:
      predictions: `[...]`.
      labels: as predictions, or None.
      weights: as predictions, a scalar, or None.

    Raises:
      ValueError: predictions and labels have different static shapes.
    """
    predictions = convert_to_tensor(predictions)
    if labels is not None:
        labels, predictions = without_last(labels, predictions)
        merged(predictions, labels)
    if weights is None:
        return predictions, labels, None
    weights = convert_to_tensor(weights)
    if weights.dims == ():
        return predictions, labels, weights
    if predictions.dims is not None and weights.dims is not None:
        extra = len(weights.dims) - len(predictions.dims)
        if extra == 1:
            weights = raw.Squeeze(weights, squeeze_dims=[-1])
        elif extra == -1:
            weights = raw.ExpandDims(weights, [-1])
        return predictions, labels, weights
    return predictions, labels, _aligned_when_run(predictions, weights)


def _aligned_when_run(predictions: Tensor, weights: Tensor) -> Tensor:
    rank = rank_tensor(weights)
    difference = rank - rank_tensor(predictions)

    def longer() -> Tensor:
        return cond(raw.Equal(difference, -1), lambda: raw.ExpandDims(weights, [-1]), lambda: weights)

    def shorter() -> Tensor:
        return (
            raw.Squeeze(weights, squeeze_dims=[-1])
            if weights.dims is None or weights.dims[-1] in (None, 1)
            else weights
        )

    def same() -> Tensor:
        return cond(raw.Equal(difference, 1), shorter, longer)

    return cond(raw.Equal(rank, 0), lambda: weights, same)


def weights_for(weights: Any, values: Tensor) -> Tensor:
    """`weights`, converted to the dtype of `values`, in their shape.

    Raises:
      ValueError: the static shapes tell that the weights do not apply.
    """
    kind = values.dtype.base_dtype
    return broadcast_weights(cast(weights, kind), values)


@public("python.ops.metrics_impl._safe_scalar_div")
def scalar_ratio(numerator: Any, denominator: Any, name: str | None) -> Tensor:
    """numerator / denominator of two scalars; 0 where the denominator is."""
    numerator = convert_to_tensor(numerator)
    return raw.DivNoNan(numerator, denominator, name=name)


@public("python.ops.metrics_impl._safe_div")
def ratio(total: Any, count: Any, name: str | None = None) -> Tensor:
    """total / count, element by element; 0 where the count is not positive."""
    return raw.DivNoNan(total, raw.Maximum(count, 0), name=name)
