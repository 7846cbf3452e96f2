"""`tf.contrib.metrics`: rates, F1, points on curves and areas under them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor, to_tensor
from millrace.building.scopes import control_dependencies, name_scope
from millrace.building.slicing import boolean_mask
from millrace.core.dtypes import bool_, float32, float64, int32, int64
from millrace.core.public import public
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import group
from millrace.lib.math.checks import assert_greater_equal, assert_less_equal
from millrace.lib.math.reductions import reduce_max, reduce_sum
from millrace.lib.metrics import counts, means, top_k
from millrace.lib.metrics.inputs import aligned, metric_variable, registered
from millrace.lib.metrics.thresholds import counts_at, spread
from millrace.lib.variables.assigning import assign_add
from millrace.lib.variables.scope import variable_scope
from millrace.ops.array.concat import stack
from millrace.ops.array.fill import lin_space
from millrace.ops.array.reshape import reshape
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import greater, greater_equal, logical_not
from millrace.ops.math.counting import histogram_fixed_width
from millrace.ops.math.cumulative import cumsum
from millrace.ops.math.elementwise import floor
from millrace.ops.math.extremes import argmin
from millrace.ops.math.select import where
from millrace.ops.math.top_k import in_top_k

Pair = tuple[Any, Any]
_TINY = 1e-7


@public("contrib.metrics.f1_score")
def f1_score(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The best F1 score that any threshold gives.

    Args:
      labels: `[...]`, converted to bool.
      predictions: same shape, float in [0, 1].
      weights: what each example counts: broadcasts to `labels`; default 1.
      num_thresholds: how many thresholds are tried.
      metrics_collections, updates_collections: collections of the value and of the update.
      name: a variable scope; default "f1".

    Returns:
      The score so far and the update that gives the new one, float32 scalars.
    """
    with variable_scope(name, "f1", (labels, predictions, weights)):
        wanted = ("tp", "fp", "fn")
        values, updates = counts_at(labels, predictions, spread(num_thresholds), weights, wanted)

        def best(found: dict[str, Any], part: str) -> Tensor:
            tp = found["tp"]
            precision = raw.RealDiv(tp, _TINY + tp + found["fp"], name=f"precision_{part}")
            recall = raw.RealDiv(tp, _TINY + tp + found["fn"], name=f"recall_{part}")
            return reduce_max(2.0 * precision * recall / (precision + recall + _TINY))

        pair = best(values, "value"), best(updates, "update")
        return registered(*pair, metrics_collections, updates_collections)


@public("contrib.metrics.precision_at_recall")
def precision_at_recall(
    labels: Any,
    predictions: Any,
    target_recall: float,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """Precision at the highest threshold whose recall is at least `target_recall`; else as `f1_score`.

    Raises:
      ValueError: `target_recall` is not in [0, 1].
    """
    if not 0 <= target_recall <= 1:
        raise ValueError(f"`target_recall` must be in the range [0, 1]. Received: {target_recall}")
    with variable_scope(name, "precision_at_recall", (predictions, labels, weights)):
        wanted = ("tp", "fp", "tn", "fn")
        values, updates = counts_at(
            labels, predictions, spread(num_thresholds), weights, wanted, anything=True
        )

        def precision(found: dict[str, Any], part: str) -> Tensor:
            tp, fp, fn = found["tp"], found["fp"], found["fn"]
            recalls = raw.RealDiv(tp, tp + fn + _TINY, name="div")
            at = reduce_sum(cast(greater_equal(recalls, target_recall), int64)) - 1
            return raw.RealDiv(tp[at] + _TINY, tp[at] + fp[at] + _TINY, name=part)

        pair = precision(values, "value"), precision(updates, "update_op")
        return registered(*pair, metrics_collections, updates_collections)


@public("contrib.metrics.recall_at_precision")
def recall_at_precision(
    labels: Any,
    predictions: Any,
    precision: float,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
    strict_mode: bool = False,
) -> Pair:
    """Recall at the threshold whose precision is nearest to `precision`; else as `f1_score`.

    Args:
      strict_mode: take the nearest precision that is not lower; where there is none, the recall is 0.

    Raises:
      ValueError: `precision` is not in [0, 1].
    """
    if not 0 <= precision <= 1:
        raise ValueError(f"`precision` must be in the range [0, 1]. Received: {precision}")
    with variable_scope(name, "recall_at_precision", (predictions, labels, weights)):
        wanted = ("tp", "fp", "tn", "fn")
        values, updates = counts_at(
            labels, predictions, spread(num_thresholds), weights, wanted, anything=True
        )

        def recall(found: dict[str, Any], part: str) -> Tensor:
            tp, fp, fn = found["tp"], found["fp"], found["fn"]
            precisions = raw.RealDiv(tp, tp + fp + _TINY, name="div")
            if not strict_mode:
                at = argmin(raw.Abs(precisions - precision), 0, output_type=int32)
                return raw.RealDiv(tp[at], tp[at] + fn[at] + _TINY, name=part)
            distance = raw.Abs(precisions - precision)
            enough = greater_equal(precisions, precision)
            at = argmin(where(enough, distance, raw.OnesLike(distance) * 2.0), 0, output_type=int32)
            share = raw.RealDiv(tp[at], tp[at] + fn[at] + _TINY, name=part)
            return where(enough[at], share, 0.0)

        pair = recall(values, "value"), recall(updates, "update_op")
        return registered(*pair, metrics_collections, updates_collections)


def _rate(hit: Any, rest: Any, name: str) -> Tensor:
    some = greater(hit + rest, 0.0)
    return where(some, raw.RealDiv(hit, hit + rest, name="div"), 0.0, name=name)


def _error_rate(
    which: str, against: str, predictions: Any, labels: Any, weights: Any, collections: Any, name: str | None
) -> Pair:
    with variable_scope(name, which[:-1] + "_rate", (predictions, labels, weights)):
        predictions, labels, weights = aligned(cast(predictions, bool_), cast(labels, bool_), weights)
        wrong = getattr(counts, which)(labels, predictions, weights)
        right = getattr(counts, against)(labels, predictions, weights)
        value = _rate(wrong[0], right[0], "value")
        return registered(value, _rate(wrong[1], right[1], "update_op"), *collections)


@public("contrib.metrics.streaming_false_positive_rate")
def streaming_false_positive_rate(
    predictions: Any,
    labels: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The share of what is False that was predicted True; 0 before anything False was seen."""
    collections = (metrics_collections, updates_collections)
    return _error_rate("false_positives", "true_negatives", predictions, labels, weights, collections, name)


@public("contrib.metrics.streaming_false_negative_rate")
def streaming_false_negative_rate(
    predictions: Any,
    labels: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The share of what is True that was predicted False; 0 before anything True was seen."""
    collections = (metrics_collections, updates_collections)
    return _error_rate("false_negatives", "true_positives", predictions, labels, weights, collections, name)


def _rates_at(
    short: str,
    wrong: str,
    right: str,
    default: str,
    inputs: tuple[Any, ...],
    collections: Any,
    name: str | None,
) -> Pair:
    predictions, labels, thresholds, weights = inputs
    with variable_scope(name, default, (predictions, labels, weights)):
        values, updates = counts_at(labels, predictions, thresholds, weights, (wrong, right), anything=True)
        pair = (
            raw.RealDiv(found[wrong], _TINY + found[wrong] + found[right], name=f"{short}_{part}")
            for found, part in ((values, "value"), (updates, "update_op"))
        )
        return registered(*pair, *collections)


@public("contrib.metrics.streaming_false_positive_rate_at_thresholds")
def streaming_false_positive_rate_at_thresholds(
    predictions: Any,
    labels: Any,
    thresholds: Sequence[float],
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The share of what is False whose score is above each threshold, `[thresholds]`."""
    inputs, collections = (
        (predictions, labels, thresholds, weights),
        (metrics_collections, updates_collections),
    )
    return _rates_at("fpr", "fp", "tn", "false_positive_rate_at_thresholds", inputs, collections, name)


@public("contrib.metrics.streaming_false_negative_rate_at_thresholds")
def streaming_false_negative_rate_at_thresholds(
    predictions: Any,
    labels: Any,
    thresholds: Sequence[float],
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The share of what is True whose score is not above each threshold, `[thresholds]`."""
    inputs, collections = (
        (predictions, labels, thresholds, weights),
        (metrics_collections, updates_collections),
    )
    return _rates_at("fnr", "fn", "tp", "false_negative_rate_at_thresholds", inputs, collections, name)


@public("contrib.metrics.streaming_curve_points")
def streaming_curve_points(
    labels: Any = None,
    predictions: Any = None,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    curve: str = "ROC",
    name: str | None = None,
) -> Pair:
    """Points of the ROC or the precision-recall curve.

    Args:
      curve: "ROC" (false positive rate, true positive rate) or "PR" (recall, precision).

    Returns:
      The points so far, `[num_thresholds, 2]`, and the operation that counts a batch.

    Raises:
      ValueError: `curve` is another word.
    """
    if curve not in ("ROC", "PR"):
        raise ValueError(f"curve must be either ROC or PR. Received: {curve!r}")
    tiny = 1e-6
    with variable_scope(name, "curve_points", (labels, predictions, weights)):
        wanted = ("tp", "fp", "tn", "fn")
        found, updates = counts_at(
            labels, predictions, spread(num_thresholds), weights, wanted, anything=True
        )
        tp, fp, tn, fn = (found[key] for key in ("tp", "fp", "tn", "fn"))
        recall = raw.RealDiv(tp + tiny, tp + fn + tiny, name="div")
        if curve == "ROC":
            x, y = raw.RealDiv(fp, fp + tn + tiny, name="div"), recall
        else:
            x, y = recall, raw.RealDiv(tp + tiny, tp + fp + tiny, name="div")
        points = stack([x, y], axis=1)
        return registered(points, group(*updates.values()), metrics_collections, updates_collections)


@public("contrib.metrics.streaming_recall_at_k")
def streaming_recall_at_k(
    predictions: Any,
    labels: Any,
    k: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The share of labels `[batch]` among the `k` best of predictions `[batch, classes]`."""
    hits = cast(in_top_k(predictions, labels, k), float32)
    return means.mean(hits, weights, metrics_collections, updates_collections, name or f"recall_at_{k}")


@public("contrib.metrics.streaming_sparse_precision_at_top_k")
def streaming_sparse_precision_at_top_k(
    top_k_predictions: Any,
    labels: Any,
    class_id: int | None = None,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The share of labels among given best classes; as `tf.metrics.precision_at_top_k`."""
    return top_k.precision_at_top_k(
        labels, top_k_predictions, None, class_id, weights, metrics_collections, updates_collections, name
    )


@public("contrib.metrics.streaming_sparse_average_precision_at_top_k")
def streaming_sparse_average_precision_at_top_k(
    top_k_predictions: Any,
    labels: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """Average precision of given best classes, `[..., k]`; else as `tf.metrics.average_precision_at_k`."""
    return top_k.average_precision_at_top_k(
        labels, top_k_predictions, weights, metrics_collections, updates_collections, name
    )


@public("contrib.metrics.sparse_recall_at_top_k")
def sparse_recall_at_top_k(
    labels: Any,
    top_k_predictions: Any,
    class_id: int | None = None,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The share of labels that are among given best classes; as `tf.metrics.recall_at_top_k`."""
    return top_k.recall_at_top_k(
        labels, top_k_predictions, None, class_id, weights, metrics_collections, updates_collections, name
    )


class PrecisionRecallData(NamedTuple):
    """Counts and shares for each threshold."""

    tp: Tensor
    fp: Tensor
    tn: Tensor
    fn: Tensor
    precision: Tensor
    recall: Tensor
    thresholds: Tensor


@public("contrib.metrics.precision_recall_at_equal_thresholds")
def precision_recall_at_equal_thresholds(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    num_thresholds: int | None = None,
    use_locking: bool | None = None,
    name: str | None = None,
) -> tuple[PrecisionRecallData, Operation]:
    """Precision and recall at thresholds evenly over [0, 1], in time that does not grow with their number.

    Args:
      labels: bool `[...]`.
      predictions: same shape, float in [0, 1].
      weights: what each example counts: broadcasts to `labels`; default 1.
      num_thresholds: how many; default 201.
      use_locking: lock the counts when they are updated.
      name: a variable scope.

    Returns:
      Counts and shares so far, each `[num_thresholds]`, and the operation that counts a batch.

    Raises:
      ValueError: the shapes differ, or there are fewer than two thresholds.
    """
    predictions, labels = to_tensor(predictions), cast(labels, bool_)
    dtype = predictions.dtype.base_dtype
    if num_thresholds is None:
        num_thresholds = 201
    if num_thresholds < 2:
        raise ValueError(f"num_thresholds must be at least 2. Received: {num_thresholds}")
    predictions.shape.assert_is_compatible_with(labels.shape)
    told = "predictions must be in [0, 1]"
    scope = variable_scope(name, "precision_recall_at_equal_thresholds", (predictions, labels, weights))
    with scope:
        inside = [
            assert_greater_equal(predictions, cast(0.0, dtype), message=told),
            assert_less_equal(predictions, cast(1.0, dtype), message=told),
        ]
        with control_dependencies(inside):
            each = cast(1.0 if weights is None else weights, dtype)
            true = cast(labels, dtype)
            positive, negative = true * each, (1.0 - true) * each
        buckets = cast(floor(reshape(predictions, [-1]) * float(num_thresholds - 1)), int32)
        with name_scope("variables"):
            tp_buckets = metric_variable([num_thresholds], float64, name="tp_buckets")
            fp_buckets = metric_variable([num_thresholds], float64, name="fp_buckets")
        updates = [
            raw.ScatterAdd(held, buckets, cast(reshape(seen, [-1]), float64), use_locking=bool(use_locking))
            for held, seen in ((tp_buckets, positive), (fp_buckets, negative))
        ]
        tp, fp = (cumsum(held, reverse=True, name=n) for held, n in ((tp_buckets, "tp"), (fp_buckets, "fp")))
        tn, fn = fp[0] - fp, tp[0] - tp
        tiny = cast(_TINY, float64)
        precision, recall = tp / raw.Maximum(tiny, tp + fp), tp / raw.Maximum(tiny, tp + fn)
        tp, fp, tn, fn, precision, recall = (cast(x, dtype) for x in (tp, fp, tn, fn, precision, recall))
        result = PrecisionRecallData(
            tp, fp, tn, fn, precision, recall, lin_space(cast(0.0, dtype), cast(1.0, dtype), num_thresholds)
        )
        return result, group(*updates)


@public("contrib.metrics.auc_using_histogram")
def auc_using_histogram(
    boolean_labels: Any,
    scores: Any,
    score_range: Any,
    nbins: int = 100,
    collections: Any = None,
    check_shape: bool = True,
    name: str | None = None,
) -> Pair:
    """The area under the ROC curve, from histograms of the scores of True and of False.

    Args:
      boolean_labels: bool `[batch]`.
      scores: `[batch]`.
      score_range: [least, greatest] score; what is outside counts at its end.
      nbins: bins of the histograms.
      collections: collections of the histograms; default LOCAL_VARIABLES.
      check_shape: check, when run, that both have one axis.
      name: a variable scope; default "auc_using_histogram".

    Returns:
      The area so far (NaN before both were seen) and the operation that counts a batch.
    """
    with variable_scope(name, "auc_using_histogram", [boolean_labels, scores, score_range]):
        scores = to_tensor(scores)
        labels = cast(boolean_labels, bool_)
        limits = convert_to_tensor(score_range, dtype=scores.dtype.base_dtype, name="score_range")
        if check_shape:
            for what, x in (("boolean_labels", labels), ("scores", scores)):
                if x.dims is not None and len(x.dims) != 1:
                    raise ValueError(f"auc_using_histogram: {what} must have rank 1. Received: {x}")
        with name_scope("hist_accumulate"):
            true = metric_variable([nbins], float32, name="hist_true_acc")
            false = metric_variable([nbins], float32, name="hist_false_acc")
        updates = [
            assign_add(held, cast(histogram_fixed_width(boolean_mask(scores, mask), limits, nbins), float32))
            for held, mask in ((true, labels), (false, logical_not(labels)))
        ]
        for key in collections or ():
            for held in (true, false):
                held.graph.add_to_collection(key, held)
        shares = [raw.RealDiv(held, reduce_sum(held), name="normed") for held in (true, false)]
        above = cumsum(shares[0], reverse=True)
        after = raw.ConcatV2([above[1:], cast([0.0], float32)], 0, name="concat")
        area = reduce_sum(shares[1] * (above + after) / 2.0, name="auc")
        return area, group(*updates, name="update_op")
