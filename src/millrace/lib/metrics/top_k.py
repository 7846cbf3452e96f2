"""Metrics of ranked classes: precision, recall and average precision of the k best."""

from __future__ import annotations

from typing import Any

from millrace.building import operators, raw
from millrace.building.convert import convert_to_tensor, shape_tensor
from millrace.building.scopes import control_dependencies, name_scope
from millrace.building.sparse_tensor import (
    SparseTensor,
    SparseTensorValue,
    convert_to_tensor_or_sparse_tensor,
)
from millrace.core.dtypes import float64, int64
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import cond
from millrace.lib.math.broadcast_weights import assert_broadcastable
from millrace.lib.math.reductions import reduce_max, reduce_sum
from millrace.lib.metrics.inputs import metric_variable, registered, weights_for
from millrace.lib.sparse.shaping import sparse_concat, sparse_reshape, sparse_retain
from millrace.lib.variables.assigning import assign_add
from millrace.opkit.rules.idioms import rank_tensor, size_tensor
from millrace.ops.array.fill import fill, ones_like, zeros_like
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import equal, greater_equal
from millrace.ops.sparse.sets import set_difference, set_intersection, set_size

Pair = tuple[Tensor, Tensor]


@public("python.ops.metrics_impl._at_k_name")
def name_at_k(name: str, k: int | None = None, class_id: int | None = None) -> str:
    """The name of a metric of the `k` best, of one class where that is given."""
    named = f"{name}_at_k" if k is None else f"{name}_at_{k}"
    return named if class_id is None else f"{named}_class{class_id}"


def _labels(labels: Any) -> Any:
    if isinstance(labels, SparseTensorValue):
        return SparseTensor.from_value(labels)
    return convert_to_tensor_or_sparse_tensor(labels)


# --- labels as sets ----------------------------------------------------------------------------------------


def _as_sets(labels: Any, predictions: Tensor) -> Any:
    """Labels with a last dimension that holds a set: one of length 1 is added where there is one label each.

    Raises:
      ValueError: the ranks do not fit.
    """
    with name_scope(None, "expand_labels", [predictions]) as scope:
        labels = _labels(labels)
        if isinstance(labels, SparseTensor):
            return _sparse_as_sets(labels, predictions, scope)
        if labels.dims is not None and predictions.dims is not None:
            extra = len(predictions.dims) - len(labels.dims)
            if extra == 0:
                return labels
            if extra == 1:
                return raw.ExpandDims(labels, -1, name=scope)
            raise ValueError(
                f"labels must have the rank of predictions, or one less. Received: labels {labels.shape}, "
                f"predictions {predictions.shape}"
            )
        one_less = equal(rank_tensor(predictions), rank_tensor(labels) + 1)
        return cond(one_less, lambda: raw.ExpandDims(labels, -1), lambda: labels)


def _sparse_as_sets(labels: SparseTensor, predictions: Tensor, scope: str) -> SparseTensor:
    def longer() -> SparseTensor:
        return sparse_reshape(labels, raw.ConcatV2([labels.dense_shape, [1]], 0, name="concat"), name=scope)

    rank = labels.shape.ndims
    if rank is not None and predictions.dims is not None:
        return longer() if len(predictions.dims) == rank + 1 else labels
    one_less = equal(rank_tensor(predictions), size_tensor(labels.dense_shape) + 1)
    parts = cond(
        one_less,
        lambda: _parts(longer()),
        lambda: [raw.Identity(part) for part in _parts(labels)],
    )
    return SparseTensor(*parts)


def _parts(x: SparseTensor) -> list[Tensor]:
    return [x.indices, x.values, x.dense_shape]


# How much more TensorFlow adds to put a one in place of the last length.
_OF_A_REDUCED_SHAPE = 9


def _only(ids: Any, class_id: int | None) -> Any:
    """The sets in the last dimension of `ids`, with nothing but one class."""
    if class_id is None:
        return ids
    if isinstance(ids, SparseTensor):
        return sparse_retain(ids, equal(ids.values, class_id))
    shape = shape_tensor(ids, int64)
    wanted = raw.ConcatV2([shape[:-1], [1]], 0, name="concat")
    wanted.graph.count(_OF_A_REDUCED_SHAPE)
    found = set_intersection(fill(wanted, cast(class_id, int64)), ids)
    return SparseTensor(found.indices, found.values, shape)


def _weighted(count: Tensor, weights: Any) -> Tensor:
    count = cast(count, float64)
    if weights is None:
        return count
    with control_dependencies([assert_broadcastable(weights, count)]):
        return raw.Mul(count, cast(weights, float64))


def _hits(labels: Any, ids: Any, weights: Any) -> Tensor:
    """How many of the ids are labels."""
    return _weighted(set_size(set_intersection(ids, labels)), weights)


def _false_alarms(labels: Any, ids: Any, weights: Any) -> Tensor:
    """How many of the ids are not labels."""
    return _weighted(set_size(set_difference(ids, labels, aminusb=True)), weights)


def _misses(labels: Any, ids: Any, weights: Any) -> Tensor:
    """How many labels are not among the ids."""
    return _weighted(set_size(set_difference(ids, labels, aminusb=False)), weights)


_COUNTS = {"true_positive": _hits, "false_positive": _false_alarms, "false_negative": _misses}


def _total(
    what: str, labels: Any, ids: Tensor, k: int | None, class_id: int | None, weights: Any
) -> tuple[Any, Tensor]:
    """A variable with a count over all steps, and its update."""
    with name_scope(None, name_at_k(what, k, class_id), [ids]) as scope:
        with name_scope(None, f"{what}s", [ids]):
            step = _COUNTS[what](_only(labels, class_id), _only(ids, class_id), weights)
        step = reduce_sum(step)
        variable = metric_variable([], float64, name=scope)
        return variable, assign_add(variable, step, name="update")


# --- precision and recall ----------------------------------------------------------------------------------


def _hit_rate(
    what: str,
    missed: str,
    labels: Any,
    predictions_idx: Any,
    k: int | None,
    class_id: int | None,
    weights: Any,
    metrics_collections: Any,
    updates_collections: Any,
    name: str | None,
) -> Pair:
    with name_scope(name, name_at_k(what, k, class_id), [predictions_idx, weights]) as scope:
        predictions_idx = convert_to_tensor(predictions_idx)
        labels = _as_sets(labels, predictions_idx)
        ids = cast(predictions_idx, int64)
        hits, new_hits = _total("true_positive", labels, ids, k, class_id, weights)
        others, new_others = _total(missed, labels, ids, k, class_id, weights)
        value = operators.public_div(hits, raw.Add(hits, others), scope)
        update = operators.public_div(new_hits, raw.Add(new_hits, new_others), "update")
        return registered(value, update, metrics_collections, updates_collections)


def _of_scores(
    what: str, missed: str, labels: Any, predictions: Any, k: int, class_id: int | None, *rest: Any
) -> Pair:
    weights, metrics_collections, updates_collections, name = rest
    with name_scope(name, name_at_k(what, k, class_id), [predictions, weights]) as scope:
        _, ids = raw.TopKV2(predictions, k)
        collections = (metrics_collections, updates_collections)
        return _hit_rate(what, missed, labels, ids, k, class_id, weights, *collections, scope)


@public("metrics.precision_at_k")
def precision_at_k(
    labels: Any,
    predictions: Any,
    k: int,
    class_id: int | None = None,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The share of the k classes with the highest scores that are labels.

    Args:
      labels: int64 Tensor or SparseTensor `[..., number of labels]`, or `[...]` for one label each.
      predictions: `[..., classes]`, floating: a score for each class.
      k: how many classes are predicted.
      class_id: look at this class only.
      weights: what each example counts: a scalar, or broadcasts to the outer dimensions; default 1.
      metrics_collections, updates_collections: collections of the value and of the update.
      name: a scope; default "precision_at_" and the number.

    Returns:
      The precision so far and the update that gives the new one, float64 scalars; NaN before anything was
      predicted.

    Raises:
      ValueError: the ranks do not fit, or the weights do not apply.
    """
    rest = (weights, metrics_collections, updates_collections, name)
    return _of_scores("precision", "false_positive", labels, predictions, k, class_id, *rest)


@public("metrics.sparse_precision_at_k")
def sparse_precision_at_k(
    labels: Any,
    predictions: Any,
    k: int,
    class_id: int | None = None,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The old name of `precision_at_k`."""
    return precision_at_k(
        labels, predictions, k, class_id, weights, metrics_collections, updates_collections, name
    )


@public("metrics.precision_at_top_k")
def precision_at_top_k(
    labels: Any,
    predictions_idx: Any,
    k: int | None = None,
    class_id: int | None = None,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The share of predicted classes that are labels.

    Args:
      labels: int64 Tensor or SparseTensor `[..., number of labels]`, or `[...]` for one label each.
      predictions_idx: `[..., k]`, integers: the classes predicted.
      k: their number, for the names only.
      class_id: look at this class only.
      weights: what each example counts: a scalar, or broadcasts to the outer dimensions; default 1.
      metrics_collections, updates_collections: collections of the value and of the update.
      name: a scope; default "precision_at_" and the number.

    Returns:
      The precision so far and the update that gives the new one, float64 scalars; NaN before anything was
      predicted.

    Raises:
      ValueError: the ranks do not fit, or the weights do not apply.
    """
    rest = (weights, metrics_collections, updates_collections, name)
    return _hit_rate("precision", "false_positive", labels, predictions_idx, k, class_id, *rest)


@public("metrics.recall_at_k")
def recall_at_k(
    labels: Any,
    predictions: Any,
    k: int,
    class_id: int | None = None,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The share of labels that are among the k classes with the highest scores.

    Arguments and result are those of `precision_at_k`.
    """
    rest = (weights, metrics_collections, updates_collections, name)
    return _of_scores("recall", "false_negative", labels, predictions, k, class_id, *rest)


@public("metrics.recall_at_top_k")
def recall_at_top_k(
    labels: Any,
    predictions_idx: Any,
    k: int | None = None,
    class_id: int | None = None,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The share of labels that are among the predicted classes.

    Arguments and result are those of `precision_at_top_k`.
    """
    rest = (weights, metrics_collections, updates_collections, name)
    return _hit_rate("recall", "false_negative", labels, predictions_idx, k, class_id, *rest)


# --- average precision -------------------------------------------------------------------------------------


def _without_strangers(labels: Any, classes: Tensor) -> Any:
    """Labels with -1, which nothing predicts, for classes that do not exist."""
    values = labels.values if isinstance(labels, SparseTensor) else labels
    known = cond(
        greater_equal(reduce_max(values), classes),
        lambda: raw.SelectV2(greater_equal(values, classes), -1 * ones_like(values), values),
        lambda: values,
    )
    if isinstance(labels, SparseTensor):
        return SparseTensor(labels.indices, known, labels.dense_shape)
    return known


def _repeated(labels: Any, times: int, name: str) -> Any:
    """The sets in the last dimension `times` times, along a new dimension before it."""
    if not isinstance(labels, SparseTensor):
        wide = raw.ExpandDims(labels, -2, name="expand")
        once = ones_like(shape_tensor(labels))
        multiples = raw.ConcatV2([once[:-1], [times], once[-1:]], 0, name="multiples")
        return raw.Tile(wide, multiples, name=name)
    shape = raw.ConcatV2([labels.dense_shape[:-1], [1], labels.dense_shape[-1:]], 0, name="expanded_shape")
    wide = sparse_reshape(labels, shape, name="expand")
    return wide if times == 1 else sparse_concat(-2, [wide] * times)


def _relevant(labels: Any, k: int, name: str) -> Tensor:
    """How many labels could be among k predictions."""
    if isinstance(labels, SparseTensor):
        return raw.Minimum(set_size(labels), k, name=name)
    there = raw.SelectV2(greater_equal(labels, 0), ones_like(labels), zeros_like(labels))
    return raw.Minimum(reduce_sum(there, -1), k, name=name)


def _average_precision(labels: Any, ids: Tensor) -> Tensor:
    """The average precision of each example, float64, for ids `[..., k]` from the best on."""
    if ids.dims is None or not ids.dims or ids.dims[-1] is None:
        raise ValueError(
            f"average_precision_at_k: the number of predictions must be known. Received: {ids.shape}"
        )
    k = ids.dims[-1]
    with name_scope(None, "average_precision", [ids]) as scope:
        ids = cast(ids, int64, name="predictions_idx")
        labels = _as_sets(labels, ids)
        single = raw.ExpandDims(ids, -1, name="predictions_idx_per_k")
        with name_scope(None, "labels_per_k") as inner:
            repeated = _repeated(labels, k, inner)
        with name_scope(None, "relevant_per_k"):
            relevant = _hits(repeated, single, None)
        found = raw.Cumsum(relevant, -1, name="tp_per_k")
        retrieved = raw.Cumsum(ones_like(relevant), -1, name="retrieved_per_k")
        precision = operators.public_div(found, retrieved, "precision_per_k")
        products = raw.Mul(precision, relevant, name="relevant_precision_per_k")
        total = reduce_sum(products, (-1,), name="precision_sum")
        with name_scope(None, "num_relevant") as inner:
            count = _relevant(labels, k, inner)
        return operators.public_div(total, cast(count, float64), scope)


@public("metrics.average_precision_at_k")
def average_precision_at_k(
    labels: Any,
    predictions: Any,
    k: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The mean over examples of the average precision of the k classes with the highest scores.

    An example's average precision is the mean, over the labels that could be found, of the precision down to
    the rank where the label was found.

    Args:
      labels: int64 Tensor or SparseTensor `[..., number of labels]`, or `[...]` for one label each; classes
        that do not exist are never found.
      predictions: `[..., classes]`, floating: a score for each class.
      k: how many classes are predicted.
      weights: what each example counts: a scalar, or broadcasts to the outer dimensions; default 1.
      metrics_collections, updates_collections: collections of the value and of the update.
      name: a scope; default "average_precision_at_" and the number.

    Returns:
      The mean so far and the update that gives the new one, float64 scalars; 0 before anything was seen.

    Raises:
      ValueError: `k` is below 1, the ranks do not fit, or the weights do not apply.
    """
    if k < 1:
        raise ValueError(f"average_precision_at_k: k must be at least 1. Received: {k}")
    with name_scope(name, name_at_k("average_precision", k), [predictions, weights]) as scope:
        predictions = convert_to_tensor(predictions)
        _, ids = raw.TopKV2(predictions, k)
        classes = cast(shape_tensor(predictions)[-1], int64)
        precision = _average_precision(_without_strangers(_labels(labels), classes), ids)
        return _averaged(precision, weights, metrics_collections, updates_collections, scope)


@public("python.ops.metrics_impl._streaming_sparse_average_precision_at_top_k")
def average_precision_at_top_k(
    labels: Any,
    predictions_idx: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """As `average_precision_at_k`, of the classes `[..., k]` that are predicted, from the best on."""
    with name_scope(name, "average_precision_at_top_k", [predictions_idx, labels, weights]) as scope:
        precision = _average_precision(_labels(labels), convert_to_tensor(predictions_idx))
        return _averaged(precision, weights, metrics_collections, updates_collections, scope)


def _averaged(
    precision: Tensor, weights: Any, metrics_collections: Any, updates_collections: Any, scope: str
) -> Pair:
    """The mean of what examples have, and its update, which is named `scope`."""
    if weights is not None:
        weights = weights_for(weights, precision)
        precision = raw.Mul(precision, weights)
    with name_scope(None, "max", [precision]) as inner:
        highest = metric_variable([], float64, name=inner)
        if weights is None:
            step = cast(size_tensor(precision, "batch_max"), float64)
        else:
            step = reduce_sum(weights, name="batch_max")
        new_highest = assign_add(highest, step, name="update")
    with name_scope(None, "total", [precision]) as inner:
        total = metric_variable([], float64, name=inner)
        new_total = assign_add(total, reduce_sum(precision, name="batch_total"), name="update")
    value = raw.DivNoNan(total, highest, name="mean")
    update = raw.DivNoNan(new_total, new_highest, name=scope)
    return registered(value, update, metrics_collections, updates_collections)


@public("metrics.sparse_average_precision_at_k")
def sparse_average_precision_at_k(
    labels: Any,
    predictions: Any,
    k: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The old name of `average_precision_at_k`."""
    return average_precision_at_k(
        labels, predictions, k, weights, metrics_collections, updates_collections, name
    )
