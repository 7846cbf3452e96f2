"""Areas under curves of all predictions so far, without thresholds."""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist
from typing import Any, NamedTuple

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import to_tensor
from millrace.building.scopes import control_dependencies
from millrace.contributed.metrics.collected import streaming_concat
from millrace.core.dtypes import float32, float64
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import cond, group
from millrace.lib.math.array import argsort
from millrace.lib.math.checks import assert_greater_equal, assert_less_equal
from millrace.lib.math.reductions import reduce_sum
from millrace.lib.metrics.inputs import registered
from millrace.lib.ragged.masks import boolean_mask
from millrace.lib.variables.scope import variable_scope
from millrace.ops.array.constant import constant
from millrace.ops.array.fill import ones_like, zeros_like
from millrace.ops.array.gather import gather
from millrace.ops.array.one_hot import searchsorted
from millrace.ops.array.reshape import reshape
from millrace.ops.math.cast import cast
from millrace.ops.math.cumulative import cumsum
from millrace.ops.math.elementwise import log, sigmoid, sqrt

Pair = tuple[Any, Any]


class _Seen(NamedTuple):
    """All that was seen: predictions and float64 weights of the two classes.

    Attributes:
      predictions, labels, weights: of all, float64 but for the labels.
      update: what takes one more batch.
    """

    predictions: Tensor
    labels: Tensor
    weights: Tensor
    update: Any


def _collected(labels: Any, predictions: Any, weights: Any) -> _Seen:
    """Labels, predictions and weights of all batches, flat.

    Raises:
      ValueError: the shapes differ.
    """
    predictions, labels = to_tensor(predictions), to_tensor(labels)
    predictions.get_shape().assert_is_compatible_with(labels.get_shape())
    labels = reshape(labels, [-1])
    is_class = [
        assert_greater_equal(labels, zeros_like(labels), message="labels must be 0 or 1, at least one is <0"),
        assert_less_equal(labels, ones_like(labels), message="labels must be 0 or 1, at least one is >1"),
    ]
    with control_dependencies(is_class):
        predictions = reshape(predictions, [-1])
        parts = [
            streaming_concat(predictions, name="concat_preds"),
            streaming_concat(labels, name="concat_labels"),
        ]
        if weights is not None:
            given = reshape(cast(to_tensor(weights), float32), [-1])
            given.get_shape().assert_is_compatible_with(labels.get_shape())
            parts.append(streaming_concat(given, name="concat_weights"))
    (seen, classes), update = (value for value, _ in parts[:2]), group(*(u for _, u in parts))
    seen = cast(seen, float64)
    return _Seen(
        seen, classes, cast(parts[2][0], float64) if weights is not None else ones_like(seen), update
    )


def _where_both(seen: _Seen, then: Callable[[Tensor, Tensor], Any], otherwise: Callable[[], Any]) -> Any:
    """`then` of which are positive and negative, where there are both."""
    positive = raw.Equal(seen.labels, ones_like(seen.labels))
    negative = raw.LogicalNot(positive)
    both = raw.LogicalAnd(raw.Any(positive, [0]), raw.Any(negative, [0]))
    return cond(both, lambda: then(positive, negative), otherwise)


def _part(seen: _Seen, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Predictions and weights of some, in ascending order of the predictions."""
    values, weights = boolean_mask(seen.predictions, chosen), boolean_mask(seen.weights, chosen)
    order = argsort(values, stable=True)
    return gather(values, order), gather(weights, order)


def _share_below(values: Tensor, others: Tensor, weights: Tensor) -> Tensor:
    """For each value how much of the weight of `others`, which ascend, is below it; half of what is equal."""
    below = raw.ConcatV2([constant([0.0], float64), cumsum(weights)], 0)
    left = gather(below, searchsorted(others, values, side="left"))
    right = gather(below, searchsorted(others, values, side="right"))
    return (left + right) / (2.0 * reduce_sum(weights))


class _Placed(NamedTuple):
    """One class against the other: the share of the other below each, and the weights."""

    share: Tensor
    weights: Tensor

    def mean(self) -> Tensor:
        return reduce_sum(self.share * self.weights) / reduce_sum(self.weights)

    def variance_of_mean(self) -> Tensor:
        total = reduce_sum(self.weights)
        apart = reduce_sum(self.weights * raw.Square(self.share - self.mean()))
        return apart / (total - 1.0) / total


def _placed(seen: _Seen, positive: Tensor, negative: Tensor) -> tuple[_Placed, _Placed]:
    ups, up_weights = _part(seen, positive)
    downs, down_weights = _part(seen, negative)
    above = 1.0 - _share_below(downs, ups, up_weights)
    return _Placed(_share_below(ups, downs, down_weights), up_weights), _Placed(above, down_weights)


def _precision_recall_area(seen: _Seen, positive: Tensor) -> Tensor:
    order = argsort(seen.predictions, direction="DESCENDING", stable=True)
    values = gather(seen.predictions, order)
    hit = gather(seen.weights * cast(positive, float64), order)
    # Equal predictions are one threshold: its last place counts.
    last = raw.ConcatV2([raw.NotEqual(values[1:], values[:-1]), constant([True])], 0)
    hits = boolean_mask(cumsum(hit), last)
    taken = boolean_mask(cumsum(gather(seen.weights, order)), last)
    precision = raw.ConcatV2([constant([1.0], float64), hits / taken], 0)
    recall = raw.ConcatV2([constant([0.0], float64), hits / hits[-1]], 0)
    return reduce_sum((precision[1:] + precision[:-1]) / 2.0 * (recall[1:] - recall[:-1]))


@public("contrib.metrics.streaming_dynamic_auc")
def streaming_dynamic_auc(
    labels: Any,
    predictions: Any,
    curve: str = "ROC",
    metrics_collections: Any = (),
    updates_collections: Any = (),
    name: str | None = None,
    weights: Any = None,
) -> Pair:
    """The area under the curve of all predictions so far; equal ones are one threshold.

    All values are kept, so memory and time grow with them.

    Args:
      labels: 0 or 1.
      predictions: of their shape, any numbers.
      curve: "ROC" or "PR".
      metrics_collections, updates_collections: collections of the value and of the update.
      name: a variable scope; default "dynamic_auc".
      weights: of the shape of `labels`; None for 1.

    Returns:
      The area, a float64 scalar, 0 without both classes; and the operation that takes one more batch.

    Raises:
      ValueError: `curve` is another one, or the shapes differ.
      InvalidArgumentError: when run, if a label is neither 0 nor 1.
    """
    if curve not in ("ROC", "PR"):
        raise ValueError(f"curve must be either ROC or PR. Received: {curve}")
    with variable_scope(name, "dynamic_auc", values=[labels, predictions, weights]):
        seen = _collected(labels, predictions, weights)

        def area(positive: Tensor, negative: Tensor) -> Tensor:
            if curve == "PR":
                return _precision_recall_area(seen, positive)
            return _placed(seen, positive, negative)[0].mean()

        value = _where_both(seen, area, lambda: constant(0.0, float64))
        return registered(value, seen.update, metrics_collections, updates_collections)


class AucData(NamedTuple):
    """The area under a ROC curve with the bounds of its confidence interval; scalars."""

    auc: Any
    lower: Any
    upper: Any


@public("contrib.metrics.auc_with_confidence_intervals")
def auc_with_confidence_intervals(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    alpha: float = 0.95,
    logit_transformation: bool = True,
    metrics_collections: Any = (),
    updates_collections: Any = (),
    name: str | None = None,
) -> Pair:
    """The area under the ROC curve of all predictions so far, with a confidence interval.

    The interval is that of a normal distribution with DeLong's variance of the area (DeLong, DeLong and
    Clarke-Pearson, 1988), in which weights count examples.

    Args:
      labels: 0 or 1.
      predictions: of their shape, any numbers.
      weights: of the shape of `labels`; None for 1.
      alpha: how sure the interval is, between 0 and 1.
      logit_transformation: compute the interval of the logit of the area, so that it stays in [0, 1].
      metrics_collections, updates_collections: collections of the value and of the update.
      name: a variable scope; default "auc_with_confidence_intervals".

    Returns:
      `auc`, `lower` and `upper`, all 0 without both classes, and the update, which gives True.

    Raises:
      ValueError: `alpha` is not between 0 and 1, or the shapes differ.
      InvalidArgumentError: when run, if a label is neither 0 nor 1.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be between 0 and 1. Received: {alpha}")
    quantile = NormalDist().inv_cdf((1.0 + alpha) / 2.0)
    with variable_scope(name, "auc_with_confidence_intervals", values=[labels, predictions, weights]):
        predictions = to_tensor(predictions)
        seen = _collected(labels, predictions, ones_like(predictions) if weights is None else weights)

        def interval(positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            up, down = _placed(seen, positive, negative)
            auc = up.mean()
            deviation = sqrt(up.variance_of_mean() + down.variance_of_mean())
            if not logit_transformation:
                return auc, auc - quantile * deviation, auc + quantile * deviation
            inside = raw.LogicalAnd(auc > 0.0, auc < 1.0)
            safe = raw.SelectV2(inside, auc, constant(0.5, float64))
            logit, spread = log(safe / (1.0 - safe)), quantile * deviation / (safe * (1.0 - safe))
            lower = raw.SelectV2(inside, sigmoid(logit - spread), auc)
            return auc, lower, raw.SelectV2(inside, sigmoid(logit + spread), auc)

        def nothing() -> tuple[Tensor, ...]:
            return tuple(constant(0.0, float64) for _ in range(3))

        value = AucData(*(cast(x, float32) for x in _where_both(seen, interval, nothing)))
        with control_dependencies([seen.update]):
            done = constant(True)
        return registered(value, done, metrics_collections, updates_collections)
