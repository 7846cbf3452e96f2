"""What all metrics share: their variables, the shapes of what they compare, their collections."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from millrace.core import dtypes
from millrace.core.dtypes import float32
from millrace.graph import raw
from millrace.graph.convert import convert_to_tensor
from millrace.graph.keys import GraphKeys
from millrace.graph.scopes import add_to_collections, name_scope
from millrace.graph.tensor import Tensor
from millrace.lib.broadcast_weights import broadcast_weights
from millrace.lib.control_flow import cond
from millrace.lib.variable_creation import VariableAggregation, VariableSynchronization
from millrace.lib.variables import Variable
from millrace.opkit.array_idioms import rank_tensor
from millrace.ops.cast import cast
from millrace.ops.constant import zeros


def metric_variable(shape: Any, dtype: dtypes.DType, name: str) -> Variable:
    """A local variable of zeros that belongs to a metric."""
    return Variable(
        initial_value=lambda: zeros(shape, dtype),
        trainable=False,
        collections=[GraphKeys.LOCAL_VARIABLES, GraphKeys.METRIC_VARIABLES],
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


def _names(collections: Any) -> list[str]:
    return (
        [collections]
        if isinstance(collections, str) or not isinstance(collections, Iterable)
        else list(collections)
    )


def merged(predictions: Tensor, labels: Tensor) -> None:
    """Checks that both can have one shape.

    Raises:
      ValueError: they cannot.
    """
    predictions.shape.assert_is_compatible_with(labels.shape)


def _may_be_one(dims: Any) -> bool:
    return dims is None or dims[-1] in (None, 1)


def without_last(labels: Any, predictions: Any) -> tuple[Tensor, Tensor]:
    """Both, the one of one rank more without its last dimension, which must have length 1."""
    with name_scope(None, "remove_squeezable_dimensions", [labels, predictions]):
        predictions, labels = convert_to_tensor(predictions), convert_to_tensor(labels)
        if predictions.dims is not None and labels.dims is not None:
            extra = len(predictions.dims) - len(labels.dims)
            if extra == 1 and _may_be_one(predictions.dims):
                predictions = raw.Squeeze(predictions, squeeze_dims=[-1])
            elif extra == -1 and _may_be_one(labels.dims):
                labels = raw.Squeeze(labels, squeeze_dims=[-1])
            return labels, predictions
        difference = rank_tensor(predictions) - rank_tensor(labels)
        if predictions.dims is None or (predictions.dims and _may_be_one(predictions.dims)):
            predictions = _squeezed_if(raw.Equal(1, difference), predictions)
        if labels.dims is None or (labels.dims and _may_be_one(labels.dims)):
            labels = _squeezed_if(raw.Equal(-1, difference), labels)
        return labels, predictions


def _squeezed_if(condition: Tensor, x: Tensor) -> Tensor:
    return cond(condition, lambda: raw.Squeeze(x, squeeze_dims=[-1]), lambda: x)


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
        return raw.Squeeze(weights, squeeze_dims=[-1]) if _may_be_one(weights.dims) else weights

    def same() -> Tensor:
        return cond(raw.Equal(difference, 1), shorter, longer)

    return cond(raw.Equal(rank, 0), lambda: weights, same)


def weights_for(weights: Any, values: Tensor, dtype: dtypes.DType = float32) -> Tensor:
    """`weights` as numbers in the shape of `values`.

    Raises:
      ValueError: the static shapes tell that the weights do not apply.
    """
    return broadcast_weights(cast(weights, dtype), values)


def ratio(total: Tensor, count: Tensor, name: str | None = None) -> Tensor:
    """total / count; 0 where the count is 0 (or below)."""
    return raw.DivNoNan(total, raw.Maximum(count, 0), name=name)
