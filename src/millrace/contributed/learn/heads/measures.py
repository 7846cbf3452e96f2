"""Means and areas that heads of `tf.contrib.learn` measure, of all classes or of one."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.convert import to_tensor
from millrace.core.dtypes import bool_, float32, int32
from millrace.lib.math.broadcast_weights import broadcast_weights
from millrace.lib.metrics.means import accuracy, mean
from millrace.lib.metrics.thresholds import auc, precision_at_thresholds, recall_at_thresholds
from millrace.ops.array.fill import ones_like, zeros_like
from millrace.ops.array.reshape import squeeze
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import equal, greater_equal
from millrace.ops.math.select import where

Pair = tuple[Any, Any]


def mean_of(values: Any, weights: Any, class_id: int | None = None) -> Pair:
    """The weighted mean of numbers `[batch, classes]`, of one class alone where it is given."""
    values = cast(values, float32)
    if weights is not None:
        weights = broadcast_weights(weights, values)
    if class_id is not None:
        values = values[:, class_id]
        weights = None if weights is None else weights[:, class_id]
    return mean(values, weights)


def share_of(classes: Any, weights: Any, class_id: int) -> Pair:
    """The share of examples of one class; `classes` are numbers."""
    found = equal(cast(class_id, int32), cast(classes, int32))
    return mean(where(found, ones_like(classes), zeros_like(classes)), weights)


def area(
    predictions: Any, labels: Any, weights: Any, curve: str = "ROC", class_id: int | None = None
) -> Pair:
    """The area under a curve, of one class alone where it is given."""
    predictions = to_tensor(predictions)
    labels = cast(labels, bool_)
    if weights is not None:
        weights = broadcast_weights(weights, predictions)
    if class_id is not None:
        predictions, labels = predictions[:, class_id], labels[:, class_id]
        weights = None if weights is None else weights[:, class_id]
    return auc(labels, predictions, weights, curve=curve)


def accuracy_at(predictions: Any, labels: Any, weights: Any, threshold: float) -> Pair:
    """How often a probability is on its label's side of a threshold."""
    sides = cast(greater_equal(predictions, threshold), float32)
    return accuracy(labels, sides, weights)


def precision_at(predictions: Any, labels: Any, weights: Any, threshold: float) -> Pair:
    """The precision at a threshold."""
    return _only(precision_at_thresholds(labels, predictions, (threshold,), weights))


def recall_at(predictions: Any, labels: Any, weights: Any, threshold: float) -> Pair:
    """The recall at a threshold."""
    return _only(recall_at_thresholds(labels, predictions, (threshold,), weights))


def _only(pair: Pair) -> Pair:
    return squeeze(pair[0]), squeeze(pair[1])


def sides(logits: Any) -> Any:
    """One logit as those of two classes: `[batch, 2]`."""
    return raw.ConcatV2([zeros_like(logits), logits], 1)
