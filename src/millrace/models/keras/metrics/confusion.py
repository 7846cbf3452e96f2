"""Metrics that count true and false, positive and negative predictions at thresholds."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import convert, raw
from millrace.building.scopes import control_dependencies
from millrace.core import dtypes
from millrace.core.public import public
from millrace.lib.flow.control_flow import group
from millrace.lib.layers import settings
from millrace.lib.math.broadcast_weights import broadcast_weights
from millrace.lib.math.checks import assert_greater_equal, assert_less_equal
from millrace.lib.math.reductions import reduce_sum
from millrace.models.keras.backend.session import batch_set_value
from millrace.models.keras.losses.weighting import aligned, weights_for
from millrace.models.keras.metrics.base import Metric
from millrace.ops.array.concat import stack
from millrace.ops.array.fill import ones_like
from millrace.ops.array.one_hot import one_hot
from millrace.ops.array.reshape import expand_dims
from millrace.ops.array.shape import size
from millrace.ops.array.tile import tile
from millrace.ops.math.arithmetic import multiply
from millrace.ops.math.cast import cast
from millrace.ops.math.division import div_no_nan
from millrace.ops.math.select import where

_POSITIVE = {"true_positives", "false_positives"}  # what counts positive predictions
_RIGHT = {"true_positives", "false_negatives"}  # what counts where the truth is positive
_KINDS = ("true_positives", "true_negatives", "false_positives", "false_negatives")


def _thresholds_of(thresholds: Any, default: float) -> list[float]:
    """The thresholds as a list.

    Raises:
      ValueError: one lies outside [0, 1].
    """
    found = settings.as_list(default if thresholds is None else thresholds)
    wrong = [t for t in found if t is None or t < 0 or t > 1]
    if wrong:
        raise ValueError(f"Threshold values must be in [0, 1]. Invalid values: {wrong}")
    return found


def count_update(
    variables: dict[str, Any],
    y_true: Any,
    y_pred: Any,
    thresholds: list[float],
    top_k: int | None = None,
    class_id: int | None = None,
    sample_weight: Any = None,
) -> Any:
    """The operation that adds a batch to counts.

    Args:
      variables: counts by kind, `[thresholds]`.
      y_true: what is true, numbers that count as booleans.
      y_pred: predictions in [0, 1].
      thresholds: a prediction above one is positive there.
      top_k: only the `k` greatest predictions along the last axis can be positive.
      class_id: only this index of the last axis counts.
      sample_weight: how much each prediction counts.
    """
    dtype = next(iter(variables.values())).dtype.base_dtype
    y_true, y_pred = cast(y_true, dtype), cast(y_pred, dtype)
    refusal = "predictions must be {} "
    above = assert_greater_equal(y_pred, cast(0.0, dtype), message=refusal.format(">= 0"))
    below = assert_less_equal(y_pred, cast(1.0, dtype), message=refusal.format("<= 1"))
    with control_dependencies([above, below]):
        y_true, y_pred = aligned(y_true, y_pred)
        if sample_weight is not None:
            sample_weight = weights_for(y_pred, cast(sample_weight, dtype))
    if top_k is not None:
        y_pred = _only_top(y_pred, top_k)
    if class_id is not None:
        y_true, y_pred = y_true[..., class_id], y_pred[..., class_id]
    count, rows = size(y_pred), [len(thresholds), 1]
    flat_pred = raw.Reshape(y_pred, [1, -1])
    flat_true = raw.Reshape(cast(y_true, dtypes.bool_), [1, -1])
    bounds = tile(expand_dims(convert.to_tensor(thresholds, dtype), [1]), stack([1, count]))
    positive = raw.Greater(tile(flat_pred, rows), bounds)
    right = tile(flat_true, rows)
    weights = None
    if sample_weight is not None:
        weights = tile(raw.Reshape(broadcast_weights(sample_weight, y_pred), [1, -1]), rows)
    negative = None if set(variables) <= _POSITIVE else raw.LogicalNot(positive)
    wrong = None if set(variables) <= _RIGHT else raw.LogicalNot(right)
    made = {
        "true_positives": (right, positive),
        "false_negatives": (right, negative),
        "false_positives": (wrong, positive),
        "true_negatives": (wrong, negative),
    }
    updates = []
    for kind, pair in made.items():
        if kind in variables:
            hits = cast(raw.LogicalAnd(*pair), dtype)
            hits = hits if weights is None else hits * weights
            updates.append(variables[kind].assign_add(reduce_sum(hits, 1)).op)
    return group(*updates)


def _only_top(y_pred: Any, k: int) -> Any:
    places = raw.TopKV2(y_pred, k, sorted=False).indices
    mask = reduce_sum(one_hot(places, y_pred.dims[-1]), axis=-2)
    return y_pred * mask + -1e10 * (1 - mask)


class _Counting(Metric):
    """Counts of some kinds at some thresholds."""

    kinds: tuple[str, ...]
    names: tuple[str, ...]

    def __init__(
        self, thresholds: Any, name: str | None, dtype: Any, top_k: Any = None, class_id: Any = None
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.init_thresholds, self.top_k, self.class_id = thresholds, top_k, class_id
        # Without thresholds, each of the greatest predictions is positive.
        default = 0.5 if top_k is None else -1e9
        self.thresholds = [default] if thresholds is None else _thresholds_of(thresholds, default)
        for variable in self.names:
            setattr(
                self,
                variable,
                self.add_weight(variable, shape=(len(self.thresholds),), initializer="zeros"),
            )

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The operation that counts a batch.

        Args:
          y_true: what is true.
          y_pred: predictions in [0, 1].
          sample_weight: how much each prediction counts.
        """
        variables = {k: getattr(self, n) for k, n in zip(self.kinds, self.names, strict=True)}
        return count_update(
            variables, y_true, y_pred, self.thresholds, self.top_k, self.class_id, sample_weight
        )

    def reset_states(self) -> None:
        """Sets all counts to zero."""
        count = len(self.thresholds)
        batch_set_value([(v, np.zeros((count,))) for v in self.variables])

    def _single(self, value: Any) -> Any:
        return value[0] if len(self.thresholds) == 1 else value


class _Count(_Counting):
    names = ("accumulator",)
    accumulator: Any

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(thresholds, name, dtype)

    def result(self) -> Any:
        """The count at each threshold."""
        return self._single(convert.to_tensor(self.accumulator))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal metric."""
        return {**super().get_config(), "thresholds": self.init_thresholds}


@public("keras.metrics.TruePositives")
class TruePositives(_Count):
    """How many positive predictions are true.

    Args:
      thresholds: a prediction above it is positive; a number or several; default 0.5.
      name, dtype: as for `Metric`.
    """

    kinds = ("true_positives",)


@public("keras.metrics.TrueNegatives")
class TrueNegatives(_Count):
    """How many negative predictions are true; arguments as for `TruePositives`."""

    kinds = ("true_negatives",)


@public("keras.metrics.FalsePositives")
class FalsePositives(_Count):
    """How many positive predictions are false; arguments as for `TruePositives`."""

    kinds = ("false_positives",)


@public("keras.metrics.FalseNegatives")
class FalseNegatives(_Count):
    """How many negative predictions are false; arguments as for `TruePositives`."""

    kinds = ("false_negatives",)


class _Share(_Counting):
    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(thresholds, name, dtype, top_k, class_id)

    def result(self) -> Any:
        """The share at each threshold."""
        first, second = (getattr(self, n) for n in self.names)
        return self._single(div_no_nan(first, first + second))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal metric."""
        return {
            **super().get_config(),
            "thresholds": self.init_thresholds,
            "top_k": self.top_k,
            "class_id": self.class_id,
        }


@public("keras.metrics.Precision")
class Precision(_Share):
    """Which share of the positive predictions is true.

    Args:
      thresholds: a prediction above it is positive; a number or several; default 0.5.
      top_k: only the `k` greatest predictions along the last axis can be positive.
      class_id: only this index of the last axis counts.
      name, dtype: as for `Metric`.
    """

    kinds = names = ("true_positives", "false_positives")


@public("keras.metrics.Recall")
class Recall(_Share):
    """Which share of what is true was predicted; arguments as for `Precision`."""

    kinds = names = ("true_positives", "false_negatives")


class _AllFour(Metric):
    """The four counts at many thresholds."""

    true_positives: Any
    true_negatives: Any
    false_positives: Any
    false_negatives: Any

    def __init__(self, thresholds: list[float], name: str | None, dtype: Any) -> None:
        super().__init__(name=name, dtype=dtype)
        self.thresholds = thresholds
        for kind in _KINDS:
            setattr(self, kind, self.add_weight(kind, shape=(len(thresholds),), initializer="zeros"))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The operation that counts a batch.

        Args:
          y_true: what is true.
          y_pred: predictions in [0, 1].
          sample_weight: how much each prediction counts.
        """
        variables = {kind: getattr(self, kind) for kind in _KINDS}
        return count_update(variables, y_true, y_pred, self.thresholds, sample_weight=sample_weight)

    def reset_states(self) -> None:
        """Sets all counts to zero."""
        count = len(self.thresholds)
        batch_set_value([(v, np.zeros((count,))) for v in self.variables])


def _even(count: int) -> list[float]:
    return [(i + 1) * 1.0 / (count - 1) for i in range(count - 2)]


class _AtOther(_AllFour):
    def __init__(self, value: float, num_thresholds: int, name: str | None, dtype: Any, what: str) -> None:
        if num_thresholds <= 0:
            raise ValueError("`num_thresholds` must be > 0.")
        if value < 0 or value > 1:
            raise ValueError(f"`{what}` must be in the range [0, 1]. Received: {value}")
        self.value, self.num_thresholds = value, num_thresholds
        found = [0.5] if num_thresholds == 1 else [0.0, *_even(num_thresholds), 1.0]
        super().__init__(found, name, dtype)

    def _at_nearest(self, right: Any, wrong: Any, wanted: Any, missed: Any) -> Any:
        """Which share of `wanted` and `missed` is wanted, where that of `right` is nearest to the value."""
        place = raw.ArgMin(raw.Abs(div_no_nan(right, right + wrong) - self.value), 0)
        place = cast(place, dtypes.int32)
        return div_no_nan(wanted[place], wanted[place] + missed[place])


@public("keras.metrics.SensitivityAtSpecificity")
class SensitivityAtSpecificity(_AtOther):
    """The sensitivity at the threshold where the specificity is nearest to a given one.

    Args:
      specificity: the given one, in [0, 1].
      num_thresholds: how many thresholds are tried.
      name, dtype: as for `Metric`.

    Raises:
      ValueError: an argument is out of range.
    """

    def __init__(
        self, specificity: float, num_thresholds: int = 200, name: str | None = None, dtype: Any = None
    ) -> None:
        super().__init__(specificity, num_thresholds, name, dtype, "specificity")
        self.specificity = specificity

    def result(self) -> Any:
        """The sensitivity so far."""
        return self._at_nearest(
            self.true_negatives, self.false_positives, self.true_positives, self.false_negatives
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal metric."""
        return {
            **super().get_config(),
            "num_thresholds": self.num_thresholds,
            "specificity": self.specificity,
        }


@public("keras.metrics.SpecificityAtSensitivity")
class SpecificityAtSensitivity(_AtOther):
    """The specificity at the threshold where the sensitivity is nearest to a given one.

    Args:
      sensitivity: the given one, in [0, 1].
      num_thresholds: how many thresholds are tried.
      name, dtype: as for `Metric`.

    Raises:
      ValueError: an argument is out of range.
    """

    def __init__(
        self, sensitivity: float, num_thresholds: int = 200, name: str | None = None, dtype: Any = None
    ) -> None:
        super().__init__(sensitivity, num_thresholds, name, dtype, "sensitivity")
        self.sensitivity = sensitivity

    def result(self) -> Any:
        """The specificity so far."""
        return self._at_nearest(
            self.true_positives, self.false_negatives, self.true_negatives, self.false_positives
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal metric."""
        return {
            **super().get_config(),
            "num_thresholds": self.num_thresholds,
            "sensitivity": self.sensitivity,
        }


@public("keras.metrics.AUC")
class AUC(_AllFour):
    """The area under the curve of recall over false positives (ROC), or of precision over recall (PR).

    Args:
      num_thresholds: at how many thresholds the curve is known.
      curve: "ROC" or "PR".
      summation_method: "interpolation", "minoring" or "majoring".
      name, dtype: as for `Metric`.
      thresholds: the thresholds between 0 and 1, instead of their number.

    Raises:
      ValueError: an argument is unknown or out of range.
    """

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Any = None,
    ) -> None:
        if curve not in ("ROC", "PR"):
            raise ValueError(f'Invalid AUC curve value "{curve}".')
        if summation_method not in ("interpolation", "minoring", "majoring"):
            raise ValueError(f'Invalid AUC summation method value "{summation_method}".')
        if thresholds is not None:
            inner = sorted(_thresholds_of(list(thresholds), 0.5))
            num_thresholds = len(inner) + 2
        else:
            if num_thresholds <= 1:
                raise ValueError("`num_thresholds` must be > 1.")
            inner = _even(num_thresholds)
        margin = settings.epsilon()
        super().__init__([0.0 - margin, *inner, 1.0 + margin], name, dtype)
        self.num_thresholds, self.curve, self.summation_method = num_thresholds, curve, summation_method

    def result(self) -> Any:
        """The area so far."""
        if self.curve == "PR" and self.summation_method == "interpolation":
            return self._interpolated_pr()
        recall = div_no_nan(self.true_positives, self.true_positives + self.false_negatives)
        if self.curve == "ROC":
            x = div_no_nan(self.false_positives, self.false_positives + self.true_negatives)
            y = recall
        else:
            x = recall
            y = div_no_nan(self.true_positives, self.true_positives + self.false_positives)
        last = self.num_thresholds - 1
        if self.summation_method == "interpolation":
            heights = (y[:last] + y[1:]) / 2.0
        elif self.summation_method == "minoring":
            heights = raw.Minimum(y[:last], y[1:])
        else:
            heights = raw.Maximum(y[:last], y[1:])
        return reduce_sum(multiply(x[:last] - x[1:], heights), name=self.name)

    def _interpolated_pr(self) -> Any:
        """The area where true positives grow linearly with positives (Davis and Goadrich)."""
        last, true = self.num_thresholds - 1, self.true_positives
        gained = true[:last] - true[1:]
        positives = true + self.false_positives
        more = positives[:last] - positives[1:]
        slope = div_no_nan(gained, raw.Maximum(more, 0.0), name="prec_slope")
        intercept = true[1:] - multiply(slope, positives[1:])
        both = raw.LogicalAnd(positives[:last] > 0, positives[1:] > 0)
        before, after = positives[:last], raw.Maximum(positives[1:], 0.0)
        ratio = div_no_nan(before, after, name="recall_relative_ratio")
        ratio = where(both, ratio, ones_like(positives[1:]))
        area = slope * (gained + intercept * raw.Log(ratio))
        whole = raw.Maximum(true[1:] + self.false_negatives[1:], 0.0)
        return reduce_sum(div_no_nan(area, whole, name="pr_auc_increment"), name="interpolate_pr_auc")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal metric."""
        return {
            **super().get_config(),
            "num_thresholds": self.num_thresholds,
            "curve": self.curve,
            "summation_method": self.summation_method,
            "thresholds": self.thresholds[1:-1],
        }
