"""`tf.contrib.tensor_forest.eval_metrics`: metrics of forests by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import to_tensor
from millrace.contributed.metrics.streaming import (
    streaming_accuracy,
    streaming_auc,
    streaming_mean,
    streaming_precision,
    streaming_recall,
)
from millrace.core.dtypes import float32, int32
from millrace.core.public import public
from millrace.lib.losses.weighted import sigmoid_cross_entropy, sparse_softmax_cross_entropy
from millrace.lib.math.reductions import reduce_mean, reduce_sum
from millrace.ops.array.reshape import squeeze
from millrace.ops.math.cast import cast

INFERENCE_PROB_NAME = public(
    "contrib.tensor_forest.eval_metrics.INFERENCE_PROB_NAME",
    "contrib.tensor_forest.client.eval_metrics.INFERENCE_PROB_NAME",
)("probabilities")
INFERENCE_PRED_NAME = public(
    "contrib.tensor_forest.eval_metrics.INFERENCE_PRED_NAME",
    "contrib.tensor_forest.client.eval_metrics.INFERENCE_PRED_NAME",
)("classes")
FEATURE_IMPORTANCE_NAME = public(
    "contrib.tensor_forest.eval_metrics.FEATURE_IMPORTANCE_NAME",
    "contrib.tensor_forest.client.eval_metrics.FEATURE_IMPORTANCE_NAME",
)("global_feature_importance")


def _column(targets: Any) -> Any:
    """Targets `[batch]` as `[batch, 1]`."""
    targets = to_tensor(targets)
    return raw.ExpandDims(targets, 1) if len(targets.dims) == 1 else targets


def _auc(probs: Any, targets: Any, weights: Any = None) -> Any:
    return streaming_auc(raw.Slice(probs, [0, 1], [-1, 1]), _column(targets), weights)


def _accuracy(predictions: Any, targets: Any, weights: Any = None) -> Any:
    return streaming_accuracy(predictions, targets, weights)


def _r2(probabilities: Any, targets: Any, weights: Any = None) -> Any:
    wanted = cast(targets, float32)
    left = reduce_sum(raw.SquaredDifference(wanted, probabilities), 0)
    whole = reduce_sum(raw.SquaredDifference(wanted, reduce_mean(wanted, 0)), 0)
    return streaming_mean(1 - raw.DivNoNan(left, whole), weights)


def _squeezed(targets: Any) -> Any:
    targets = to_tensor(targets)
    return squeeze(targets, axis=[1]) if len(targets.dims) > 1 else targets


def _sigmoid_entropy(probabilities: Any, targets: Any, weights: Any = None) -> Any:
    return streaming_mean(sigmoid_cross_entropy(_squeezed(targets), probabilities), weights)


def _softmax_entropy(probabilities: Any, targets: Any, weights: Any = None) -> Any:
    return streaming_mean(
        sparse_softmax_cross_entropy(cast(_squeezed(targets), int32), probabilities), weights
    )


def _precision(predictions: Any, targets: Any, weights: Any = None) -> Any:
    return streaming_precision(predictions, targets, weights)


def _recall(predictions: Any, targets: Any, weights: Any = None) -> Any:
    return streaming_recall(predictions, targets, weights)


_METRICS: dict[str, tuple[Callable[..., Any], str]] = {
    "auc": (_auc, INFERENCE_PROB_NAME),
    "accuracy": (_accuracy, INFERENCE_PRED_NAME),
    "r2": (_r2, "scores"),
    "sigmoid_entropy": (_sigmoid_entropy, INFERENCE_PROB_NAME),
    "softmax_entropy": (_softmax_entropy, INFERENCE_PROB_NAME),
    "precision": (_precision, INFERENCE_PRED_NAME),
    "recall": (_recall, INFERENCE_PRED_NAME),
}


@public(
    "contrib.tensor_forest.eval_metrics.get_metric", "contrib.tensor_forest.client.eval_metrics.get_metric"
)
def get_metric(metric_name: str) -> Callable[..., Any]:
    """The metric of a name: a function of predictions, targets and weights to value and update.

    Raises:
      KeyError: there is no such metric.
    """
    return _METRICS[metric_name][0]


@public(
    "contrib.tensor_forest.eval_metrics.get_prediction_key",
    "contrib.tensor_forest.client.eval_metrics.get_prediction_key",
)
def get_prediction_key(metric_name: str) -> str:
    """Which of a forest's predictions a metric is of.

    Raises:
      KeyError: there is no such metric.
    """
    return _METRICS[metric_name][1]
