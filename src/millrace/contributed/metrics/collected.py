"""`tf.contrib.metrics`: accuracy without state, counts, everything seen so far, several metrics at once."""

from __future__ import annotations

from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import to_tensor
from millrace.building.scopes import control_dependencies
from millrace.core.dtypes import float32, int32
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import cond
from millrace.lib.math.reductions import reduce_mean, reduce_sum
from millrace.lib.metrics import confusion
from millrace.lib.metrics.inputs import metric_variable, registered, weights_for
from millrace.lib.variables.assigning import assign, assign_add
from millrace.lib.variables.scope import variable_scope
from millrace.opkit.rules.idioms import size_tensor
from millrace.ops.array.concat import stack
from millrace.ops.array.constant import no_op, zeros
from millrace.ops.array.fill import ones_like
from millrace.ops.array.reshape import transpose
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import equal, greater
from millrace.ops.math.elementwise import ceil, log
from millrace.ops.math.select import minimum

Pair = tuple[Any, Any]


@public("contrib.metrics.accuracy")
def accuracy(predictions: Any, labels: Any, weights: Any = None, name: str | None = None) -> Tensor:
    """The share of predictions that are their labels, of this batch alone.

    Args:
      predictions: `[...]`, of an integer type, bool or string.
      labels: same shape and dtype.
      weights: what each example counts: broadcasts to `labels`; default 1.
      name: a variable scope; default "accuracy".

    Returns:
      A float32 scalar.

    Raises:
      ValueError: the dtypes differ or are floating, or the shapes differ.
    """
    predictions, labels = to_tensor(predictions), to_tensor(labels)
    if not (labels.dtype.is_integer or labels.dtype.is_bool or labels.dtype.name == "string"):
        raise ValueError(f"labels must be bool, integer or string. Received: {labels.dtype.name}")
    if labels.dtype.base_dtype != predictions.dtype.base_dtype:
        raise ValueError(
            "labels and predictions must have one dtype. Received: "
            f"{labels.dtype.name} and {predictions.dtype.name}"
        )
    labels.shape.assert_is_compatible_with(predictions.shape)
    with variable_scope(name, "accuracy", [predictions, labels]):
        correct = cast(equal(predictions, labels), float32)
        if weights is None:
            return reduce_mean(correct)
        correct = raw.Mul(correct, weights)
        counted = raw.Mul(weights, ones_like(correct))
        return raw.RealDiv(reduce_sum(correct), reduce_sum(counted), name="div")


@public("contrib.metrics.confusion_matrix")
def confusion_matrix(
    labels: Any,
    predictions: Any,
    num_classes: int | None = None,
    dtype: Any = int32,
    name: str | None = None,
    weights: Any = None,
) -> Tensor:
    """`tf.math.confusion_matrix` with other places for `dtype`, `name` and `weights`."""
    return confusion.confusion_matrix(
        labels=labels,
        predictions=predictions,
        num_classes=num_classes,
        dtype=dtype,
        name=name,
        weights=weights,
    )


@public("contrib.metrics.count")
def count(
    values: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """How many values were seen, or the sum of their weights.

    Args:
      values: `[...]`.
      weights: what each value counts: broadcasts to `values`; default 1.
      metrics_collections, updates_collections: collections of the value and of the update.
      name: a variable scope; default "count".

    Returns:
      The count so far and the update that gives the new one, float32 scalars.
    """
    with variable_scope(name, "count", (values, weights)):
        total = metric_variable([], float32, name="count")
        values = to_tensor(values)
        if weights is None:
            seen = cast(size_tensor(values), float32)
        else:
            weights = cast(weights, float32)
            values = cast(values, float32)
            seen = reduce_sum(weights_for(weights, values))
        update = assign_add(total, seen)
        return registered(raw.Identity(total), update, metrics_collections, updates_collections)


def _next_size(required: Tensor, growth: float = 1.5) -> Tensor:
    """The least whole power of `growth` that holds `required` rows."""
    exponent = ceil(log(cast(required, float32)) / log(cast(growth, float32)))
    return cast(ceil(growth**exponent), int32)


@public("contrib.metrics.streaming_concat")
def streaming_concat(
    values: Any,
    axis: int = 0,
    max_size: int | None = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """All values seen, one batch after another.

    Args:
      values: of a static rank; all axes but `axis` have static lengths.
      axis: along which they are put together.
      max_size: how many are kept, the first ones; None for all.
      metrics_collections, updates_collections: collections of the value and of the update.
      name: a variable scope; default "streaming_concat".

    Returns:
      The values so far and the update that adds more.

    Raises:
      ValueError: the rank or a length is unknown, or the axis is not one of `values`.
    """
    with variable_scope(name, "streaming_concat", (values,)):
        values = to_tensor(values)
        if values.dims is None:
            raise ValueError(f"`values` must have a known static rank. Received: {values}")
        rank = len(values.dims)
        if not 0 <= axis < rank:
            raise ValueError(f"`axis` must be in [0, {rank}). Received: {axis}")
        rest = [n for i, n in enumerate(values.dims) if i != axis]
        if None in rest:
            raise ValueError(
                "all dimensions of `values` other than `axis` must be statically known. "
                f"Received: {values.shape}"
            )
        order = [axis, *(i for i in range(rank) if i != axis)]
        back = [*range(1, axis + 1), 0, *range(axis + 1, rank)]
        held = metric_variable([0, *rest], values.dtype, name="array")
        used = metric_variable([], int32, name="size")
        update = _appended(values, axis, max_size, order, held, used)
        return registered(update[0](back), update[1](), metrics_collections, updates_collections)


def _appended(
    values: Tensor, axis: int, max_size: int | None, order: list[int], held: Any, used: Any
) -> tuple[Any, Any]:
    """What gives the value, and what gives the update; both add operations when they are called."""

    def value(back: list[int]) -> Tensor:
        return transpose(held[:used], back, name="concat")

    def update() -> Any:
        incoming = shape_of(values)[axis]
        if max_size is not None:
            incoming = minimum(incoming, max_size - used)
        batch = transpose(values, order)[:incoming]
        new_size = used + incoming

        def grown() -> Any:
            shape = stack([_next_size(new_size), *(n for n in held.shape.as_list()[1:])])
            old = held[:used]
            wider = assign(held, zeros(shape, held.dtype.base_dtype), validate_shape=False)
            with control_dependencies([wider]):
                kept = held[:used].assign(old)
            with control_dependencies([kept]):
                return no_op()

        room = cond(greater(new_size, shape_of(held)[0]), grown, no_op)
        with control_dependencies([room]):
            stored = held[used:new_size].assign(batch)
        with control_dependencies([stored]):
            return assign(used, new_size)

    return value, update


@public("contrib.metrics.aggregate_metrics")
def aggregate_metrics(*value_update_tuples: Pair) -> tuple[list[Any], list[Any]]:
    """The values of several metrics in one list, and their updates in another.

    Raises:
      ValueError: nothing was given.
    """
    if not value_update_tuples:
        raise ValueError("aggregate_metrics needs at least one (value, update) pair. Received: none")
    values, updates = zip(*value_update_tuples, strict=True)
    return list(values), list(updates)


@public("contrib.metrics.aggregate_metric_map")
def aggregate_metric_map(names_to_tuples: dict[str, Pair]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The values of several metrics by name, and their updates by name."""
    return (
        {name: pair[0] for name, pair in names_to_tuples.items()},
        {name: pair[1] for name, pair in names_to_tuples.items()},
    )
