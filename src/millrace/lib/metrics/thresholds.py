"""Metrics of scores in [0, 1], judged at many thresholds: counts, precision, recall, area under a curve."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from millrace.building import operators, raw
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import control_dependencies
from millrace.core.dtypes import bool_, float32, int32, int64
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.checks import assert_greater_equal, assert_less_equal
from millrace.lib.math.reductions import reduce_min, reduce_sum
from millrace.lib.metrics.inputs import aligned, metric_variable, registered, weights_for
from millrace.lib.variables.assigning import assign_add
from millrace.lib.variables.scope import variable_scope
from millrace.ops.array.concat import stack
from millrace.ops.array.constant import constant
from millrace.ops.array.fill import ones_like
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import equal, greater, logical_and, logical_not

Pair = tuple[Tensor, Tensor]
_TINY = 1e-7  # keeps thresholds off the ends of [0, 1], and divisors off 0
_NAMES = {"tp": "true_positives", "fn": "false_negatives", "tn": "true_negatives", "fp": "false_positives"}
_log = logging.getLogger("tensorflow")


@public("python.ops.metrics_impl._confusion_matrix_at_thresholds")
def counts_at(
    labels: Any,
    predictions: Any,
    thresholds: Sequence[float],
    weights: Any = None,
    includes: Sequence[str] | None = None,
    anything: bool = False,
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Variables with the counts for each threshold, and their updates, by `tp`, `fn`, `tn` and `fp`.

    `includes` says which; all by default. `anything`: predictions may lie outside of [0, 1].

    Raises:
      ValueError: `includes` names another count.
    """
    includes = tuple(_NAMES) if includes is None else includes
    if strange := [key for key in includes if key not in _NAMES]:
        raise ValueError(f"includes must be of {sorted(_NAMES)}. Received: {strange}")
    predictions = convert_to_tensor(predictions)
    kind, told = predictions.dtype.base_dtype, "predictions must be in [0, 1]"
    checks: list[Any] = []
    if not anything:
        checks.append(assert_greater_equal(predictions, cast(0.0, kind), message=told))
        checks.append(assert_less_equal(predictions, cast(1.0, kind), message=told))
    with control_dependencies(checks):
        predictions, labels, weights = aligned(cast(predictions, float32), cast(labels, bool_), weights)
    number = len(thresholds)
    column = raw.Reshape(predictions, [-1, 1])
    row = raw.Reshape(cast(labels, bool_), [1, -1])
    examples = column.dims[0]  # type: ignore[index]
    if examples is None:
        examples = raw.Shape(column)[0]
    limits = raw.Tile(raw.ExpandDims(constant(thresholds), [1]), stack([1, examples]), name="Tile")
    over = greater(raw.Tile(raw.Transpose(column, [1, 0], name="transpose"), [number, 1]), limits)
    under = logical_not(over) if {"fn", "tn"} & set(includes) else None
    true = raw.Tile(row, [number, 1])
    false = logical_not(true) if {"fp", "tn"} & set(includes) else None
    if weights is not None:
        weights = weights_for(weights, predictions)
        weights = raw.Tile(raw.Reshape(weights, [1, -1]), [number, 1])
        limits.shape.assert_is_compatible_with(weights.shape)
    sides: dict[str, Any] = {
        "tp": (true, over),
        "fn": (true, under),
        "tn": (false, under),
        "fp": (false, over),
    }
    values, updates = {}, {}
    for key, (label, prediction) in sides.items():
        if key in includes:
            values[key] = metric_variable([number], float32, name=_NAMES[key])
            happened = cast(logical_and(label, prediction), float32)
            if weights is not None:
                happened = happened * weights
            updates[key] = assign_add(values[key], reduce_sum(happened, 1))
    return values, updates


_MOST_THRESHOLDS = 1 << 22


def spread(number: int) -> list[float]:
    """Thresholds evenly over [0, 1], the ends just outside.

    Raises:
      ValueError: `number` would fill the graph.
    """
    if number > _MOST_THRESHOLDS:
        raise ValueError(f"num_thresholds must be at most {_MOST_THRESHOLDS}. Received: {number}")
    return [-_TINY, *((i + 1) * 1.0 / (number - 1) for i in range(number - 2)), 1.0 + _TINY]


# --- counts ------------------------------------------------------------------------------------------------


def _counted(
    key: str,
    labels: Any,
    predictions: Any,
    thresholds: Sequence[float],
    weights: Any,
    metrics_collections: Any,
    updates_collections: Any,
    name: str | None,
) -> Pair:
    with variable_scope(name, _NAMES[key], (predictions, labels, weights)):
        values, updates = counts_at(labels, predictions, thresholds, weights, (key,))
        value = raw.Identity(values[key])
        return registered(value, updates[key], metrics_collections, updates_collections)


@public("metrics.true_positives_at_thresholds")
def true_positives_at_thresholds(
    labels: Any,
    predictions: Any,
    thresholds: Sequence[float],
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """How often a score was above the threshold for True, for each threshold.

    Args:
      labels: `[...]`, converted to bool.
      predictions: same shape, floating, in [0, 1].
      thresholds: `n` numbers.
      weights: what each example counts: a scalar, or broadcasts to `labels`; default 1.
      metrics_collections, updates_collections: collections of the value and of the update.
      name: a variable scope; default "true_positives".

    Returns:
      The counts so far and the update that gives the new ones, `[n]` float32.

    Raises:
      ValueError: the shapes differ, or the weights do not apply.
    """
    arguments = (labels, predictions, thresholds, weights, metrics_collections, updates_collections, name)
    return _counted("tp", *arguments)


@public("metrics.true_negatives_at_thresholds")
def true_negatives_at_thresholds(
    labels: Any,
    predictions: Any,
    thresholds: Sequence[float],
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """How often a score was not above the threshold for False, for each threshold.

    Arguments and result are those of `true_positives_at_thresholds`.
    """
    arguments = (labels, predictions, thresholds, weights, metrics_collections, updates_collections, name)
    return _counted("tn", *arguments)


@public("metrics.false_positives_at_thresholds")
def false_positives_at_thresholds(
    labels: Any,
    predictions: Any,
    thresholds: Sequence[float],
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """How often a score was above the threshold for False, for each threshold.

    Arguments and result are those of `true_positives_at_thresholds`.
    """
    arguments = (labels, predictions, thresholds, weights, metrics_collections, updates_collections, name)
    return _counted("fp", *arguments)


@public("metrics.false_negatives_at_thresholds")
def false_negatives_at_thresholds(
    labels: Any,
    predictions: Any,
    thresholds: Sequence[float],
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """How often a score was not above the threshold for True, for each threshold.

    Arguments and result are those of `true_positives_at_thresholds`.
    """
    arguments = (labels, predictions, thresholds, weights, metrics_collections, updates_collections, name)
    return _counted("fn", *arguments)


def _hit_rate(
    what: str,
    missed: str,
    labels: Any,
    predictions: Any,
    thresholds: Sequence[float],
    weights: Any,
    metrics_collections: Any,
    updates_collections: Any,
    name: str | None,
) -> Pair:
    def share(found: dict[str, Any], part: str) -> Tensor:
        return operators.public_div(found["tp"], _TINY + found["tp"] + found[missed], f"{what}_{part}")

    with variable_scope(name, f"{what}_at_thresholds", (predictions, labels, weights)):
        values, updates = counts_at(labels, predictions, thresholds, weights, ("tp", missed))
        pair = share(values, "value"), share(updates, "update_op")
        return registered(*pair, metrics_collections, updates_collections)


@public("metrics.precision_at_thresholds")
def precision_at_thresholds(
    labels: Any,
    predictions: Any,
    thresholds: Sequence[float],
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The share of scores above the threshold that belong to True, for each threshold.

    Arguments are those of `true_positives_at_thresholds`; the default scope is the function's name.

    Returns:
      The precisions so far and the update that gives the new ones, `[n]` float32.
    """
    arguments = (labels, predictions, thresholds, weights, metrics_collections, updates_collections, name)
    return _hit_rate("precision", "fp", *arguments)


@public("metrics.recall_at_thresholds")
def recall_at_thresholds(
    labels: Any,
    predictions: Any,
    thresholds: Sequence[float],
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The share of what is True whose score is above the threshold, for each threshold.

    Arguments are those of `true_positives_at_thresholds`; the default scope is the function's name.

    Returns:
      The recalls so far and the update that gives the new ones, `[n]` float32.
    """
    arguments = (labels, predictions, thresholds, weights, metrics_collections, updates_collections, name)
    return _hit_rate("recall", "fn", *arguments)


# --- area under a curve ------------------------------------------------------------------------------------

_HEIGHTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "trapezoidal": lambda left, right: (left + right) / 2.0,
    "careful_interpolation": lambda left, right: (left + right) / 2.0,
    "minoring": lambda left, right: raw.Minimum(left, right),
    "majoring": lambda left, right: raw.Maximum(left, right),
}


def _interpolated(tp: Any, fp: Any, fn: Any) -> Tensor:
    """The area under the precision-recall curve, counts interpolated linearly between thresholds.

    Between two thresholds true positives are taken as a linear function of all positives; precision is then
    their quotient, whose integral has a logarithm.
    """
    steps = tp[:-1] - tp[1:]
    positive = tp + fp
    slope = raw.DivNoNan(steps, raw.Maximum(positive[:-1] - positive[1:], 0), name="prec_slope")
    intercept = tp[1:] - raw.Mul(slope, positive[1:])
    some = logical_and(positive[:-1] > 0, positive[1:] > 0)
    growth = raw.DivNoNan(positive[:-1], raw.Maximum(positive[1:], 0), name="recall_relative_ratio")
    growth = raw.Select(some, growth, ones_like(positive[1:]))
    pieces = slope * (steps + intercept * raw.Log(growth))
    pieces = raw.DivNoNan(pieces, raw.Maximum(tp[1:] + fn[1:], 0), name="pr_auc_increment")
    return reduce_sum(pieces, name="interpolate_pr_auc")


_TRAPEZOIDS = (
    "Trapezoidal rule is known to produce incorrect PR-AUCs; "
    'please switch to "careful_interpolation" instead.'
)


@public("metrics.auc")
def auc(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    curve: str = "ROC",
    name: str | None = None,
    summation_method: str = "trapezoidal",
    thresholds: Sequence[float] | None = None,
) -> Pair:
    """The area under a curve that is traced by the threshold of a decision.

    Args:
      labels: `[...]`, converted to bool.
      predictions: same shape, floating, in [0, 1].
      weights: what each example counts: a scalar, or broadcasts to `labels`; default 1.
      num_thresholds: the number of thresholds, evenly over [0, 1].
      metrics_collections, updates_collections: collections of the value and of the update.
      curve: "ROC" (recall over false positive rate) or "PR" (precision over recall).
      name: a variable scope; default "auc".
      summation_method: how the area between two thresholds is taken: "trapezoidal", "minoring", "majoring",
        or "careful_interpolation", which for "PR" interpolates counts instead of precisions.
      thresholds: thresholds in (0, 1) instead of even ones.

    Returns:
      The area so far and the update that gives the new one, float32 scalars.

    Raises:
      ValueError: the shapes differ, or `curve` or `summation_method` is unknown.
    """
    small = 1.0e-6
    with variable_scope(name, "auc", (labels, predictions, weights)):
        if curve not in ("ROC", "PR"):
            raise ValueError(f"auc: curve must be either ROC or PR. Received: {curve}")
        limits = spread(num_thresholds) if thresholds is None else [-_TINY, *sorted(thresholds), 1.0 + _TINY]
        values, updates = counts_at(labels, predictions, limits, weights, tuple(_NAMES))

        def area(tp: Any, fn: Any, tn: Any, fp: Any, name: str) -> Tensor:
            if curve == "PR" and summation_method == "careful_interpolation":
                return _interpolated(tp, fp, fn)
            recall = operators.public_div(tp + small, tp + fn + small)
            if curve == "ROC":
                x, y = operators.public_div(fp, fp + tn + small), recall
            else:
                x, y = recall, operators.public_div(tp + small, tp + fp + small)
            height = _HEIGHTS.get(summation_method)
            if height is None:
                raise ValueError(f"auc: invalid summation_method. Received: {summation_method}")
            if curve == "PR" and summation_method == "trapezoidal":
                _log.warning(_TRAPEZOIDS)
            return reduce_sum(raw.Mul(x[:-1] - x[1:], height(y[:-1], y[1:])), name=name)

        pair = area(**values, name="value"), area(**updates, name="update_op")
        return registered(*pair, metrics_collections, updates_collections)


# --- one rate at a given other one -------------------------------------------------------------------------


@public("metrics.sensitivity_at_specificity")
def sensitivity_at_specificity(
    labels: Any,
    predictions: Any,
    specificity: float,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The recall at the threshold where the specificity is closest to a given one.

    Args:
      labels: `[...]`, converted to bool.
      predictions: same shape, floating, in [0, 1].
      specificity: the share of what is False that should be predicted False, in [0, 1].
      weights: what each example counts: a scalar, or broadcasts to `labels`; default 1.
      num_thresholds: the number of thresholds, evenly over [0, 1].
      metrics_collections, updates_collections: collections of the value and of the update.
      name: a variable scope; default the function's name.

    Returns:
      The sensitivity so far and the update that gives the new one, float32 scalars.

    Raises:
      ValueError: the shapes differ, or `specificity` is not in [0, 1].
    """
    if not 0 <= specificity <= 1:
        raise ValueError(
            f"sensitivity_at_specificity: specificity must be in the range [0, 1]. Received: {specificity}"
        )
    with variable_scope(name, "sensitivity_at_specificity", (predictions, labels, weights)):
        values, updates = counts_at(labels, predictions, spread(num_thresholds), weights, tuple(_NAMES))

        def sensitivity(tp: Any, fn: Any, tn: Any, fp: Any, name: str) -> Tensor:
            found = operators.public_div(tn, tn + fp + _TINY)
            best = cast(raw.ArgMin(raw.Abs(found - specificity), 0), int32)
            return operators.public_div(tp[best], tp[best] + fn[best] + _TINY, name)

        pair = sensitivity(**values, name="value"), sensitivity(**updates, name="update_op")
        return registered(*pair, metrics_collections, updates_collections)


@public("metrics.specificity_at_sensitivity")
def specificity_at_sensitivity(
    labels: Any,
    predictions: Any,
    sensitivity: float,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The specificity at the threshold where the recall is closest to a given one; the highest of several.

    Args:
      labels: `[...]`, converted to bool.
      predictions: same shape, floating, in [0, 1].
      sensitivity: the share of what is True that should be predicted True, in [0, 1].
      weights: what each example counts: a scalar, or broadcasts to `labels`; default 1.
      num_thresholds: the number of thresholds, evenly over [0, 1].
      metrics_collections, updates_collections: collections of the value and of the update.
      name: a variable scope; default the function's name.

    Returns:
      The specificity so far and the update that gives the new one, float32 scalars.

    Raises:
      ValueError: the shapes differ, or `sensitivity` is not in [0, 1].
    """
    if not 0 <= sensitivity <= 1:
        raise ValueError(
            f"specificity_at_sensitivity: sensitivity must be in the range [0, 1]. Received: {sensitivity}"
        )
    with variable_scope(name, "specificity_at_sensitivity", (predictions, labels, weights)):
        limits = [*spread(num_thresholds)[:-1], 1.0 - _TINY]
        values, updates = counts_at(labels, predictions, limits, weights, tuple(_NAMES))

        def specificity(tp: Any, fn: Any, tn: Any, fp: Any, name: str) -> Tensor:
            found = operators.public_div(tp, tp + fn + _TINY)
            least = reduce_min(raw.Abs(found - sensitivity))
            # The running number of minima is highest, for the first time, at the last minimum.
            minima = raw.Cumsum(cast(equal(raw.Abs(found - sensitivity), least), int64), 0)
            best = cast(raw.ArgMax(minima, 0), int32)
            return operators.public_div(tn[best], tn[best] + fp[best] + _TINY, name)

        pair = specificity(**values, name="value"), specificity(**updates, name="update_op")
        return registered(*pair, metrics_collections, updates_collections)
