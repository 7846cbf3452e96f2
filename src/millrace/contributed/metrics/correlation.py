"""`tf.contrib.metrics`: covariance, Pearson's correlation and Cohen's kappa of everything seen."""

from __future__ import annotations

from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import to_tensor
from millrace.building.scopes import control_dependencies
from millrace.core.dtypes import float32, float64, int64
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.reductions import reduce_sum
from millrace.lib.metrics import confusion
from millrace.lib.metrics.inputs import aligned, metric_variable, registered, weights_for
from millrace.lib.variables.assigning import assign_add
from millrace.lib.variables.scope import variable_scope
from millrace.opkit.rules.idioms import size_tensor
from millrace.ops.linalg.diag import diag_part
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import less_equal
from millrace.ops.math.elementwise import sqrt
from millrace.ops.math.select import where

Pair = tuple[Tensor, Tensor]


def _quotient(comoment: Any, count: Any, name: str) -> Tensor:
    return where(
        less_equal(count, 1.0), float("nan"), raw.RealDiv(comoment, count - 1.0, name="truediv"), name=name
    )


@public("contrib.metrics.streaming_covariance")
def streaming_covariance(
    predictions: Any,
    labels: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The unbiased sample covariance of predictions and labels, batch after batch (Chan's formulas).

    Args:
      predictions: float `[...]`.
      labels: same shape and dtype.
      weights: how often each pair counts: broadcasts to `labels`; default 1.
      metrics_collections, updates_collections: collections of the value and of the update.
      name: a variable scope; default "covariance".

    Returns:
      The covariance so far (NaN before two pairs) and the update that gives the new one, float32 scalars.

    Raises:
      ValueError: the shapes differ, or the weights do not apply.
    """
    with variable_scope(name, "covariance", (predictions, labels, weights)):
        predictions, labels, weights = aligned(to_tensor(predictions), to_tensor(labels), weights)
        predictions.shape.assert_is_compatible_with(labels.shape)
        count = metric_variable([], float32, name="count")
        mean_x = metric_variable([], float32, name="mean_prediction")
        mean_y = metric_variable([], float32, name="mean_label")
        comoment = metric_variable([], float32, name="comoment")
        if weights is None:
            batch = cast(size_tensor(labels), float32)
            x, y = predictions, labels
        else:
            weights = weights_for(weights, labels)
            batch = reduce_sum(weights)
            x, y = raw.Mul(predictions, weights), raw.Mul(labels, weights)
        new_count = assign_add(count, batch)
        before = new_count - batch

        def moved(values: Tensor, mean: Any) -> tuple[Tensor, Tensor]:
            batch_mean = raw.DivNoNan(reduce_sum(values), batch, name="div_no_nan")
            step = raw.DivNoNan((batch_mean - mean) * batch, new_count, name="div_no_nan")
            return batch_mean, assign_add(mean, step) - step

        batch_x, old_x = moved(x, mean_x)
        batch_y, old_y = moved(y, mean_y)
        products = (predictions - batch_x) * (labels - batch_y)
        if weights is not None:
            products = products * weights
        inside = reduce_sum(products)
        across = (old_x - batch_x) * (old_y - batch_y) * (before * batch / new_count)
        new_comoment = assign_add(comoment, inside + across)
        value = _quotient(comoment, count, "covariance")
        with control_dependencies([new_comoment]):
            update = _quotient(comoment, count, "update_op")
        return registered(value, update, metrics_collections, updates_collections)


@public("contrib.metrics.streaming_pearson_correlation")
def streaming_pearson_correlation(
    predictions: Any,
    labels: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """Pearson's correlation coefficient of predictions and labels.

    Arguments and errors are those of `streaming_covariance`; the default scope is "pearson_r".

    Returns:
      The coefficient so far and the update that gives the new one, float32 scalars.
    """
    with variable_scope(name, "pearson_r", (predictions, labels, weights)):
        predictions, labels, weights = aligned(to_tensor(predictions), to_tensor(labels), weights)
        predictions.shape.assert_is_compatible_with(labels.shape)
        if weights is not None:
            weights = weights_for(weights, labels)
        both = streaming_covariance(predictions, labels, weights, name="covariance")
        of_x = streaming_covariance(predictions, predictions, weights, name="variance_predictions")
        of_y = streaming_covariance(labels, labels, weights, name="variance_labels")
        value, update = (
            raw.RealDiv(both[i], raw.Mul(sqrt(of_x[i]), sqrt(of_y[i])), name=part)
            for i, part in enumerate(("pearson_r", "update_op"))
        )
        return registered(value, update, metrics_collections, updates_collections)


def _kappa(po: Any, pe_row: Any, pe_col: Any, name: str) -> Tensor:
    agreed = reduce_sum(po)
    total = reduce_sum(pe_row)
    by_chance = reduce_sum(
        raw.DivNoNan(cast(pe_row * pe_col, float64), cast(total, float64), name="div_no_nan")
    )
    agreed, total = cast(agreed, float64), cast(total, float64)
    return raw.DivNoNan(agreed - by_chance, total - by_chance, name=name)


@public("contrib.metrics.cohen_kappa")
def cohen_kappa(
    labels: Any,
    predictions_idx: Any,
    num_classes: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """How much more labels and predictions agree than by chance: Cohen's kappa.

    Args:
      labels: int `[batch]` or `[batch, 1]`.
      predictions_idx: same shape: the predicted classes.
      num_classes: how many classes there are.
      weights: what each example counts; default 1.
      metrics_collections, updates_collections: collections of the value and of the update.
      name: a variable scope; default "cohen_kappa".

    Returns:
      Kappa so far and the update that gives the new one, float64 scalars.

    Raises:
      ValueError: the shapes differ, or the weights do not apply.
    """
    with variable_scope(name, "cohen_kappa", (labels, predictions_idx, weights)):
        from_labels, from_predictions, weights = _classes(labels, predictions_idx, weights)
        dtype = float64 if weights is not None and weights.dtype.is_floating else int64
        po = metric_variable((num_classes,), dtype, name="po")
        pe_row = metric_variable((num_classes,), dtype, name="pe_row")
        pe_col = metric_variable((num_classes,), dtype, name="pe_col")
        table = confusion.confusion_matrix(
            from_labels,
            from_predictions,
            num_classes=num_classes,
            weights=weights,
            dtype=dtype,
            name="counts_in_table",
        )
        agreed, columns, rows = diag_part(table), reduce_sum(table, axis=0), reduce_sum(table, axis=1)
        updates = [assign_add(po, agreed), assign_add(pe_row, columns), assign_add(pe_col, rows)]
        value = _kappa(po, pe_row, pe_col, "value")
        update = _kappa(*updates, name="update_op")
        return registered(value, update, metrics_collections, updates_collections)


def _classes(labels: Any, predictions: Any, weights: Any) -> tuple[Tensor, Tensor, Any]:
    """The three as vectors of one length."""
    predictions, labels, weights = aligned(to_tensor(predictions), to_tensor(labels), weights)
    predictions.shape.assert_is_compatible_with(labels.shape)
    return labels, predictions, None if weights is None else to_tensor(weights)
