"""Metrics that are means over everything seen: `(value, update)` pairs that keep running totals.

Each function adds local variables (collections LOCAL_VARIABLES and METRIC_VARIABLES), an operation that
updates them with the values of one step, and a tensor with the value of the metric so far.
"""

from __future__ import annotations

from typing import Any

from millrace.building import operators, raw
from millrace.building.scopes import control_dependencies
from millrace.core.dtypes import float32
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.reductions import reduce_sum
from millrace.lib.metrics.confusion import without_last
from millrace.lib.metrics.inputs import (
    aligned,
    merged,
    metric_variable,
    ratio,
    registered,
    weights_for,
)
from millrace.lib.variables.assigning import assign_add
from millrace.lib.variables.scope import variable_scope
from millrace.opkit.rules.idioms import size_tensor
from millrace.ops.array.fill import ones_like, zeros_like
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import equal, less

Pair = tuple[Tensor, Tensor]


@public("metrics.mean")
def mean(
    values: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The mean of all values seen.

    Args:
      values: `[...]`, numeric.
      weights: what each value counts: a scalar, or broadcasts to `values`; default 1.
      metrics_collections: collections that the value is added to.
      updates_collections: collections that the update is added to.
      name: a variable scope; default "mean".

    Returns:
      The mean so far and the update that gives the new one, float32 scalars; 0 before anything was seen.

    Raises:
      ValueError: the weights do not apply to the values.
    """
    with variable_scope(name, "mean", (values, weights)):
        values = cast(values, float32)
        total = metric_variable([], float32, name="total")
        count = metric_variable([], float32, name="count")
        if weights is None:
            seen = cast(size_tensor(values), float32)
        else:
            values, _, weights = aligned(values, None, weights)
            weights = weights_for(weights, values)
            values = raw.Mul(values, weights)
            seen = reduce_sum(weights)
        new_total = assign_add(total, reduce_sum(values))
        with control_dependencies([values]):
            new_count = assign_add(count, seen)
        value = ratio(total, count, "value")
        update = ratio(new_total, new_count, "update_op")
        return registered(value, update, metrics_collections, updates_collections)


@public("metrics.mean_tensor")
def mean_tensor(
    values: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The mean of all values seen, element by element.

    Args:
      values: `[...]`, numeric, of a shape known when building.
      weights: what each value counts: a scalar, or broadcasts to `values`; default 1.
      metrics_collections, updates_collections: collections of the value and of the update.
      name: a variable scope; default "mean".

    Returns:
      The means so far and the update that gives the new ones, float32 in the shape of `values`.
    """
    with variable_scope(name, "mean", (values, weights)):
        values = cast(values, float32)
        total = metric_variable(values.shape, float32, name="total_tensor")
        count = metric_variable(values.shape, float32, name="count_tensor")
        seen = ones_like(values)
        if weights is not None:
            values, _, weights = aligned(values, None, weights)
            weights = weights_for(weights, values)
            values = raw.Mul(values, weights)
            seen = raw.Mul(seen, weights)
        new_total = assign_add(total, values)
        with control_dependencies([values]):
            new_count = assign_add(count, seen)
        value = ratio(total, count, "value")
        update = ratio(new_total, new_count, "update_op")
        return registered(value, update, metrics_collections, updates_collections)


@public("metrics.accuracy")
def accuracy(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """How often predictions equal labels.

    Args:
      labels: `[...]`, any dtype.
      predictions: same shape; converted to the dtype of the labels.
      weights: what each example counts: a scalar, or broadcasts to `labels`; default 1.
      metrics_collections, updates_collections: collections of the value and of the update.
      name: a variable scope; default "accuracy".

    Returns:
      The accuracy so far and the update that gives the new one, float32 scalars.

    Raises:
      ValueError: the shapes differ.
    """
    predictions, labels, weights = aligned(predictions, labels, weights)
    merged(predictions, labels)
    predictions = cast(predictions, labels.dtype)
    correct = cast(equal(predictions, labels), float32)
    return mean(correct, weights, metrics_collections, updates_collections, name or "accuracy")


@public("metrics.mean_absolute_error")
def mean_absolute_error(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The mean of |prediction - label|.

    Args:
      labels: `[...]`, numeric.
      predictions: same shape and dtype.
      weights: what each example counts: a scalar, or broadcasts to `labels`; default 1.
      metrics_collections, updates_collections: collections of the value and of the update.
      name: a variable scope; default "mean_absolute_error".

    Returns:
      The error so far and the update that gives the new one, float32 scalars.

    Raises:
      ValueError: the shapes differ.
    """
    predictions, labels, weights = aligned(predictions, labels, weights)
    errors = raw.Abs(predictions - labels)
    return mean(errors, weights, metrics_collections, updates_collections, name or "mean_absolute_error")


@public("metrics.mean_squared_error")
def mean_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The mean of (prediction - label)^2.

    Args:
      labels: `[...]`, numeric.
      predictions: same shape and dtype.
      weights: what each example counts: a scalar, or broadcasts to `labels`; default 1.
      metrics_collections, updates_collections: collections of the value and of the update.
      name: a variable scope; default "mean_squared_error".

    Returns:
      The error so far and the update that gives the new one, float32 scalars.

    Raises:
      ValueError: the shapes differ.
    """
    predictions, labels, weights = aligned(predictions, labels, weights)
    errors = raw.SquaredDifference(labels, predictions)
    return mean(errors, weights, metrics_collections, updates_collections, name or "mean_squared_error")


@public("metrics.root_mean_squared_error")
def root_mean_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The root of the mean of (prediction - label)^2.

    Args:
      labels: `[...]`, numeric.
      predictions: same shape and dtype.
      weights: what each example counts: a scalar, or broadcasts to `labels`; default 1.
      metrics_collections, updates_collections: collections of the value and of the update.
      name: a variable scope; default "root_mean_squared_error".

    Returns:
      The error so far and the update that gives the new one, float32 scalars.

    Raises:
      ValueError: the shapes differ.
    """
    predictions, labels, weights = aligned(predictions, labels, weights)
    square, update = mean_squared_error(
        labels, predictions, weights, None, None, name or "root_mean_squared_error"
    )
    return registered(raw.Sqrt(square), raw.Sqrt(update), metrics_collections, updates_collections)


@public("metrics.mean_relative_error")
def mean_relative_error(
    labels: Any,
    predictions: Any,
    normalizer: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The mean of |label - prediction| / normalizer; 0 where the normalizer is 0.

    Args:
      labels: `[...]`, numeric.
      predictions: same shape and dtype.
      normalizer: same shape and dtype.
      weights: what each example counts: a scalar, or broadcasts to `labels`; default 1.
      metrics_collections, updates_collections: collections of the value and of the update.
      name: a variable scope; default "mean_relative_error".

    Returns:
      The error so far and the update that gives the new one, float32 scalars.

    Raises:
      ValueError: the shapes differ.
    """
    predictions, labels, weights = aligned(predictions, labels, weights)
    predictions, normalizer = without_last(predictions, normalizer)
    merged(predictions, normalizer)
    absent, nothing = equal(normalizer, 0.0), zeros_like(labels)
    errors = raw.Select(absent, nothing, operators.public_div(raw.Abs(labels - predictions), normalizer))
    return mean(errors, weights, metrics_collections, updates_collections, name or "mean_relative_error")


@public("metrics.mean_cosine_distance")
def mean_cosine_distance(
    labels: Any,
    predictions: Any,
    dim: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """One minus the mean cosine between labels and predictions, which must have length 1 along `dim`.

    Args:
      labels: `[...]`, numeric.
      predictions: same shape and dtype.
      dim: the dimension that holds a vector's elements.
      weights: what each vector counts: a scalar, or broadcasts to `labels` with length 1 in `dim`; default 1.
      metrics_collections, updates_collections: collections of the value and of the update.
      name: a variable scope; default "mean_cosine_distance".

    Returns:
      The distance so far and the update that gives the new one, float32 scalars.

    Raises:
      ValueError: the shapes differ.
    """
    predictions, labels, weights = aligned(predictions, labels, weights)
    merged(predictions, labels)
    cosines = reduce_sum(raw.Mul(predictions, labels), [dim], keepdims=True)
    value, update = mean(cosines, weights, None, None, name or "mean_cosine_distance")
    return registered(raw.Sub(1.0, value), raw.Sub(1.0, update), metrics_collections, updates_collections)


@public("metrics.percentage_below")
def percentage_below(
    values: Any,
    threshold: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The share of values below a threshold.

    Args:
      values: `[...]`, numeric.
      threshold: scalar.
      weights: what each value counts: a scalar, or broadcasts to `values`; default 1.
      metrics_collections, updates_collections: collections of the value and of the update.
      name: a variable scope; default "percentage_below_threshold".

    Returns:
      The share so far, in [0, 1], and the update that gives the new one, float32 scalars.
    """
    below = cast(less(values, threshold), float32)
    return mean(
        below, weights, metrics_collections, updates_collections, name or "percentage_below_threshold"
    )
