"""Metrics of true and false decisions: counts, precision and recall."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import operators, raw
from millrace.building.scopes import control_dependencies
from millrace.core.dtypes import bool_, float32
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.checks import assert_rank_in, assert_type
from millrace.lib.math.reductions import reduce_sum
from millrace.lib.metrics.inputs import aligned, metric_variable, registered
from millrace.lib.variables.assigning import assign_add
from millrace.lib.variables.scope import variable_scope
from millrace.opkit.rules.idioms import rank_tensor
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import equal, greater, logical_and

Pair = tuple[Tensor, Tensor]


def _count(happened: Tensor, weights: Any, metrics_collections: Any, updates_collections: Any) -> Pair:
    """How often something happened so far, each time with its weight."""
    assert_type(happened, bool_)
    count = metric_variable([], float32, name="count")
    values = cast(happened, float32)
    if weights is not None:
        with control_dependencies([assert_rank_in(weights, (0, rank_tensor(values)))]):
            values = raw.Mul(values, cast(weights, float32))
    value = raw.Identity(count)
    return registered(value, assign_add(count, reduce_sum(values)), metrics_collections, updates_collections)


def _decisions(labels: Any, predictions: Any, weights: Any) -> tuple[Tensor, Tensor, Any]:
    predictions, labels, weights = aligned(cast(predictions, bool_), cast(labels, bool_), weights)
    return labels, predictions, weights


def _counted(
    default: str,
    label: bool,
    prediction: bool,
    labels: Any,
    predictions: Any,
    weights: Any,
    metrics_collections: Any,
    updates_collections: Any,
    name: str | None,
) -> Pair:
    """How often a label came with a prediction."""
    with variable_scope(name, default, (predictions, labels, weights)):
        labels, predictions, weights = _decisions(labels, predictions, weights)
        happened = logical_and(equal(labels, label), equal(predictions, prediction))
        return _count(happened, weights, metrics_collections, updates_collections)


@public("metrics.true_positives")
def true_positives(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """How often True was predicted for True.

    Args:
      labels: `[...]`, converted to bool.
      predictions: same shape, converted to bool.
      weights: what each example counts: a scalar, or of the rank of `labels`; default 1.
      metrics_collections, updates_collections: collections of the value and of the update.
      name: a variable scope; default the name of the function.

    Returns:
      The count so far and the update that gives the new one, float32 scalars.

    Raises:
      ValueError: the shapes differ, or the weights do not apply.
    """
    arguments = (labels, predictions, weights, metrics_collections, updates_collections, name)
    return _counted("true_positives", True, True, *arguments)


@public("metrics.true_negatives")
def true_negatives(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """How often False was predicted for False; arguments and result are those of `true_positives`."""
    arguments = (labels, predictions, weights, metrics_collections, updates_collections, name)
    return _counted("true_negatives", False, False, *arguments)


@public("metrics.false_positives")
def false_positives(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """How often True was predicted for False; arguments and result are those of `true_positives`."""
    arguments = (labels, predictions, weights, metrics_collections, updates_collections, name)
    return _counted("false_positives", False, True, *arguments)


@public("metrics.false_negatives")
def false_negatives(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """How often False was predicted for True; arguments and result are those of `true_positives`."""
    arguments = (labels, predictions, weights, metrics_collections, updates_collections, name)
    return _counted("false_negatives", True, False, *arguments)


def _share(hits: Any, misses: Any, name: str) -> Tensor:
    """hits / (hits + misses); 0 where there are neither."""
    some = greater(hits + misses, 0)
    return raw.Select(some, operators.public_div(hits, hits + misses), 0, name=name)


def _hit_rate(
    default: str,
    missed: Callable[..., Pair],
    labels: Any,
    predictions: Any,
    weights: Any,
    metrics_collections: Any,
    updates_collections: Any,
    name: str | None,
) -> Pair:
    with variable_scope(name, default, (predictions, labels, weights)):
        labels, predictions, weights = _decisions(labels, predictions, weights)
        hits, new_hits = true_positives(labels, predictions, weights)
        misses, new_misses = missed(labels, predictions, weights)
        value = _share(hits, misses, "value")
        update = _share(new_hits, new_misses, "update_op")
        return registered(value, update, metrics_collections, updates_collections)


@public("metrics.precision")
def precision(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The share of what is predicted True that is True.

    Args:
      labels: `[...]`, converted to bool.
      predictions: same shape, converted to bool.
      weights: what each example counts: a scalar, or of the rank of `labels`; default 1.
      metrics_collections, updates_collections: collections of the value and of the update.
      name: a variable scope; default the name of the function.

    Returns:
      The precision so far and the update that gives the new one, float32 scalars; 0 where nothing was
      predicted True.

    Raises:
      ValueError: the shapes differ, or the weights do not apply.
    """
    arguments = (labels, predictions, weights, metrics_collections, updates_collections, name)
    return _hit_rate("precision", false_positives, *arguments)


@public("metrics.recall")
def recall(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> Pair:
    """The share of what is True that is predicted True; arguments and result are those of `precision`."""
    arguments = (labels, predictions, weights, metrics_collections, updates_collections, name)
    return _hit_rate("recall", false_negatives, *arguments)
