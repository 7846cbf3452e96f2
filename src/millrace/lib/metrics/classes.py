"""Metrics over classes: intersection over union, accuracy of each class."""

from __future__ import annotations

from typing import Any

from millrace.building import operators, raw
from millrace.building.convert import convert_to_tensor
from millrace.core.dtypes import float32, float64, int64
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.reductions import reduce_mean, reduce_sum
from millrace.lib.metrics.confusion import confusion_matrix
from millrace.lib.metrics.inputs import merged, metric_variable, ratio, registered
from millrace.lib.variables.assigning import assign_add, scatter_add
from millrace.lib.variables.scope import variable_scope
from millrace.opkit.rules.idioms import size_tensor
from millrace.ops.array.constant import ones
from millrace.ops.array.fill import ones_like
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import equal, greater, not_equal

Pair = tuple[Tensor, Tensor]


def _flat(x: Tensor) -> Tensor:
    return raw.Reshape(x, [-1]) if x.dims is not None and len(x.dims) > 1 else x


@public("metrics.mean_iou")
def mean_iou(
    labels: Any,
    predictions: Any,
    num_classes: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The mean over classes of intersection over union: hits / (hits + misses + false alarms).

    Args:
      labels: `[...]`, integers in [0, num_classes).
      predictions: same shape, integers in [0, num_classes).
      num_classes: the number of classes.
      weights: `[...]`, what each example counts; default 1.
      metrics_collections, updates_collections: collections of the value and of the update.
      name: a variable scope; default "mean_iou".

    Returns:
      The mean so far over the classes seen, a float32 scalar, and the update, which gives the new confusion
      matrix, `[num_classes, num_classes]` float64.

    Raises:
      ValueError: the shapes differ.
      InvalidArgumentError: when run, if a class is out of range.
    """
    with variable_scope(name, "mean_iou", (predictions, labels, weights)):
        labels, predictions = convert_to_tensor(labels), convert_to_tensor(predictions)
        merged(predictions, labels)
        matrix, update = total_confusion(labels, predictions, num_classes, weights)
        value = _mean_of_classes(matrix)
        return registered(value, update, metrics_collections, updates_collections)


@public("python.ops.metrics_impl._streaming_confusion_matrix")
def total_confusion(
    labels: Any, predictions: Any, num_classes: int, weights: Any = None
) -> tuple[Any, Tensor]:
    """How often each label got each prediction, over all batches so far.

    Args:
      labels: `[...]`, integers in [0, num_classes).
      predictions: same shape, integers in [0, num_classes).
      num_classes: the number of classes.
      weights: `[...]`, what each example counts; default 1.

    Returns:
      The variable of the counts, `[num_classes, num_classes]` float64, a row a label, and the update, which
      gives it with this batch.

    Raises:
      InvalidArgumentError: when run, if a class is out of range.
    """
    matrix = metric_variable([num_classes, num_classes], float64, name="total_confusion_matrix")
    predictions, labels = cast(predictions, int64), cast(labels, int64)
    classes = cast(num_classes, int64)
    predictions, labels = _flat(predictions), _flat(labels)
    weights = None if weights is None else _flat(convert_to_tensor(weights))
    step = confusion_matrix(labels, predictions, classes, weights=weights, dtype=float64)
    return matrix, assign_add(matrix, step)


def _mean_of_classes(matrix: Any) -> Tensor:
    predicted = cast(reduce_sum(matrix, 0), float32)
    labelled = cast(reduce_sum(matrix, 1), float32)
    hits = cast(raw.DiagPart(matrix), float32)
    union = predicted + labelled - hits
    seen = reduce_sum(cast(not_equal(union, 0), float32))
    union = raw.Select(greater(union, 0), union, ones_like(union))
    shares = operators.public_div(hits, union)
    return raw.Select(greater(seen, 0), reduce_sum(shares, name="mean_iou") / seen, 0)


@public("metrics.mean_per_class_accuracy")
def mean_per_class_accuracy(
    labels: Any,
    predictions: Any,
    num_classes: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The mean over classes of how often a label of the class was predicted.

    Args:
      labels: `[...]`, integers in [0, num_classes).
      predictions: same shape, integers.
      num_classes: the number of classes.
      weights: `[...]`, what each example counts; default 1.
      metrics_collections, updates_collections: collections of the value and of the update.
      name: a variable scope; default "mean_accuracy".

    Returns:
      The mean so far, a float32 scalar, and the update, which gives the new accuracy of each class,
      `[num_classes]` float32.

    Raises:
      ValueError: the shapes differ.
      InvalidArgumentError: when run, if a label is out of range.
    """
    with variable_scope(name, "mean_accuracy", (predictions, labels, weights)):
        labels = _flat(cast(labels, int64))
        predictions = _flat(convert_to_tensor(predictions))
        merged(predictions, labels)
        total = metric_variable([num_classes], float32, name="total")
        count = metric_variable([num_classes], float32, name="count")
        seen = ones([size_tensor(labels)], float32)
        correct = cast(equal(cast(predictions, labels.dtype), labels), float32)
        if weights is not None:
            weights = cast(_flat(convert_to_tensor(weights)), float32)
            correct = correct * weights
            seen = seen * weights
        new_total = scatter_add(total, labels, seen)
        new_count = scatter_add(count, labels, correct)
        value = reduce_mean(ratio(count, total, "div_no_nan"), name="mean_accuracy")
        update = ratio(new_count, new_total, "update_op")
        return registered(value, update, metrics_collections, updates_collections)
