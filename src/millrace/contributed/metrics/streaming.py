"""`tf.contrib.metrics.streaming_*`: the metrics of `tf.metrics`, with predictions before labels."""

from __future__ import annotations

from typing import Any

from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.metrics import classes, counts, means, top_k
from millrace.lib.metrics import thresholds as at_thresholds

Pair = tuple[Tensor, Tensor]


@public("contrib.metrics.streaming_accuracy")
def streaming_accuracy(
    predictions: Any,
    labels: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """How often a prediction was its label.

    Arguments, result and errors as for `tf.metrics.accuracy`.
    """
    return means.accuracy(labels, predictions, weights, metrics_collections, updates_collections, name)


@public("contrib.metrics.streaming_mean_absolute_error")
def streaming_mean_absolute_error(
    predictions: Any,
    labels: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The mean of |label - prediction|.

    Arguments, result and errors as for `tf.metrics.mean_absolute_error`.
    """
    return means.mean_absolute_error(
        labels, predictions, weights, metrics_collections, updates_collections, name
    )


@public("contrib.metrics.streaming_mean_squared_error")
def streaming_mean_squared_error(
    predictions: Any,
    labels: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The mean of (label - prediction)².

    Arguments, result and errors as for `tf.metrics.mean_squared_error`.
    """
    return means.mean_squared_error(
        labels, predictions, weights, metrics_collections, updates_collections, name
    )


@public("contrib.metrics.streaming_root_mean_squared_error")
def streaming_root_mean_squared_error(
    predictions: Any,
    labels: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The root of the mean of (label - prediction)².

    Arguments, result and errors as for `tf.metrics.root_mean_squared_error`.
    """
    return means.root_mean_squared_error(
        labels, predictions, weights, metrics_collections, updates_collections, name
    )


@public("contrib.metrics.streaming_precision")
def streaming_precision(
    predictions: Any,
    labels: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The share of True labels among what was predicted True.

    Arguments, result and errors as for `tf.metrics.precision`.
    """
    return counts.precision(labels, predictions, weights, metrics_collections, updates_collections, name)


@public("contrib.metrics.streaming_recall")
def streaming_recall(
    predictions: Any,
    labels: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The share of True predictions among what is True.

    Arguments, result and errors as for `tf.metrics.recall`.
    """
    return counts.recall(labels, predictions, weights, metrics_collections, updates_collections, name)


@public("contrib.metrics.streaming_true_positives")
def streaming_true_positives(
    predictions: Any,
    labels: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """How often True was predicted for True.

    Arguments, result and errors as for `tf.metrics.true_positives`.
    """
    return counts.true_positives(labels, predictions, weights, metrics_collections, updates_collections, name)


@public("contrib.metrics.streaming_true_negatives")
def streaming_true_negatives(
    predictions: Any,
    labels: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """How often False was predicted for False.

    Arguments, result and errors as for `tf.metrics.true_negatives`.
    """
    return counts.true_negatives(labels, predictions, weights, metrics_collections, updates_collections, name)


@public("contrib.metrics.streaming_false_positives")
def streaming_false_positives(
    predictions: Any,
    labels: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """How often True was predicted for False.

    Arguments, result and errors as for `tf.metrics.false_positives`.
    """
    return counts.false_positives(
        labels, predictions, weights, metrics_collections, updates_collections, name
    )


@public("contrib.metrics.streaming_false_negatives")
def streaming_false_negatives(
    predictions: Any,
    labels: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """How often False was predicted for True.

    Arguments, result and errors as for `tf.metrics.false_negatives`.
    """
    return counts.false_negatives(
        labels, predictions, weights, metrics_collections, updates_collections, name
    )


@public("contrib.metrics.streaming_mean_relative_error")
def streaming_mean_relative_error(
    predictions: Any,
    labels: Any,
    normalizer: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The mean of |label - prediction| / normalizer.

    Arguments, result and errors as for `tf.metrics.mean_relative_error`.
    """
    return means.mean_relative_error(
        labels, predictions, normalizer, weights, metrics_collections, updates_collections, name
    )


@public("contrib.metrics.streaming_mean_cosine_distance")
def streaming_mean_cosine_distance(
    predictions: Any,
    labels: Any,
    dim: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The mean of 1 - cosine along one axis.

    Arguments, result and errors as for `tf.metrics.mean_cosine_distance`.
    """
    return means.mean_cosine_distance(
        labels, predictions, dim, weights, metrics_collections, updates_collections, name
    )


@public("contrib.metrics.streaming_mean_iou")
def streaming_mean_iou(
    predictions: Any,
    labels: Any,
    num_classes: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The mean over classes of intersection / union.

    Arguments, result and errors as for `tf.metrics.mean_iou`.
    """
    return classes.mean_iou(
        labels, predictions, num_classes, weights, metrics_collections, updates_collections, name
    )


@public("contrib.metrics.streaming_precision_at_thresholds")
def streaming_precision_at_thresholds(
    predictions: Any,
    labels: Any,
    thresholds: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """Precision where predictions above each threshold count as True.

    Arguments, result and errors as for `tf.metrics.precision_at_thresholds`.
    """
    return at_thresholds.precision_at_thresholds(
        labels, predictions, thresholds, weights, metrics_collections, updates_collections, name
    )


@public("contrib.metrics.streaming_recall_at_thresholds")
def streaming_recall_at_thresholds(
    predictions: Any,
    labels: Any,
    thresholds: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """Recall where predictions above each threshold count as True.

    Arguments, result and errors as for `tf.metrics.recall_at_thresholds`.
    """
    return at_thresholds.recall_at_thresholds(
        labels, predictions, thresholds, weights, metrics_collections, updates_collections, name
    )


@public("contrib.metrics.streaming_sparse_average_precision_at_k")
def streaming_sparse_average_precision_at_k(
    predictions: Any,
    labels: Any,
    k: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The mean of the average precision among the k best predictions.

    Arguments, result and errors as for `tf.metrics.average_precision_at_k`.
    """
    return top_k.average_precision_at_k(
        labels, predictions, k, weights, metrics_collections, updates_collections, name
    )


@public("contrib.metrics.streaming_sensitivity_at_specificity")
def streaming_sensitivity_at_specificity(
    predictions: Any,
    labels: Any,
    specificity: float,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The sensitivity at a given specificity.

    Arguments, result and errors as for `tf.metrics.sensitivity_at_specificity`.
    """
    return at_thresholds.sensitivity_at_specificity(
        labels,
        predictions,
        specificity,
        weights,
        num_thresholds,
        metrics_collections,
        updates_collections,
        name,
    )


@public("contrib.metrics.streaming_specificity_at_sensitivity")
def streaming_specificity_at_sensitivity(
    predictions: Any,
    labels: Any,
    sensitivity: float,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The specificity at a given sensitivity.

    Arguments, result and errors as for `tf.metrics.specificity_at_sensitivity`.
    """
    return at_thresholds.specificity_at_sensitivity(
        labels,
        predictions,
        sensitivity,
        weights,
        num_thresholds,
        metrics_collections,
        updates_collections,
        name,
    )


@public("contrib.metrics.streaming_sparse_precision_at_k")
def streaming_sparse_precision_at_k(
    predictions: Any,
    labels: Any,
    k: int,
    class_id: int | None = None,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The share of labels among the k best predictions.

    Arguments, result and errors as for `tf.metrics.precision_at_k`.
    """
    return top_k.precision_at_k(
        labels, predictions, k, class_id, weights, metrics_collections, updates_collections, name
    )


@public("contrib.metrics.streaming_sparse_recall_at_k")
def streaming_sparse_recall_at_k(
    predictions: Any,
    labels: Any,
    k: int,
    class_id: int | None = None,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The share of labels that are among the k best predictions.

    Arguments, result and errors as for `tf.metrics.recall_at_k`.
    """
    return top_k.recall_at_k(
        labels, predictions, k, class_id, weights, metrics_collections, updates_collections, name
    )


@public("contrib.metrics.streaming_auc")
def streaming_auc(
    predictions: Any,
    labels: Any,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    curve: str = "ROC",
    name: str | None = None,
) -> Pair:
    """The area under a curve.

    Arguments, result and errors as for `tf.metrics.auc`.
    """
    return at_thresholds.auc(
        labels, predictions, weights, num_thresholds, metrics_collections, updates_collections, curve, name
    )


@public("contrib.metrics.streaming_mean")
def streaming_mean(
    values: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The mean of all values seen.

    Arguments, result and errors as for `tf.metrics.mean`.
    """
    return means.mean(values, weights, metrics_collections, updates_collections, name)


@public("contrib.metrics.streaming_mean_tensor")
def streaming_mean_tensor(
    values: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The mean of all values seen.

    Arguments, result and errors as for `tf.metrics.mean_tensor`.
    """
    return means.mean_tensor(values, weights, metrics_collections, updates_collections, name)


@public("contrib.metrics.streaming_percentage_less")
def streaming_percentage_less(
    values: Any,
    threshold: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The share of values below a threshold.

    Arguments, result and errors as for `tf.metrics.percentage_below`.
    """
    return means.percentage_below(values, threshold, weights, metrics_collections, updates_collections, name)


def _counted(which: str, predictions: Any, labels: Any, thresholds: Any, weights: Any) -> Pair:
    counts, updates = at_thresholds.counts_at(
        labels, predictions, thresholds, weights, (which,), anything=True
    )
    return counts[which], updates[which]


@public("contrib.metrics.streaming_true_positives_at_thresholds")
def streaming_true_positives_at_thresholds(
    predictions: Any, labels: Any, thresholds: Any, weights: Any = None
) -> Pair:
    """As `tf.metrics.true_positives_at_thresholds`, of any predictions."""
    return _counted("tp", predictions, labels, thresholds, weights)


@public("contrib.metrics.streaming_true_negatives_at_thresholds")
def streaming_true_negatives_at_thresholds(
    predictions: Any, labels: Any, thresholds: Any, weights: Any = None
) -> Pair:
    """As `tf.metrics.true_negatives_at_thresholds`, of any predictions."""
    return _counted("tn", predictions, labels, thresholds, weights)


@public("contrib.metrics.streaming_false_positives_at_thresholds")
def streaming_false_positives_at_thresholds(
    predictions: Any, labels: Any, thresholds: Any, weights: Any = None
) -> Pair:
    """As `tf.metrics.false_positives_at_thresholds`, of any predictions."""
    return _counted("fp", predictions, labels, thresholds, weights)


@public("contrib.metrics.streaming_false_negatives_at_thresholds")
def streaming_false_negatives_at_thresholds(
    predictions: Any, labels: Any, thresholds: Any, weights: Any = None
) -> Pair:
    """As `tf.metrics.false_negatives_at_thresholds`, of any predictions."""
    return _counted("fn", predictions, labels, thresholds, weights)
