"""The arguments of `tf.Variable`, checked and completed: distribution, collections, initial values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import convert
from millrace.building.scopes import device, name_scope
from millrace.core import dtypes
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.graph.tensor import Tensor
from millrace.lib.variables.kinds import VariableAggregation, VariableSynchronization


def check_distribution(
    synchronization: Any, aggregation: Any, trainable: bool | None, name: str | None
) -> tuple[VariableSynchronization, VariableAggregation, bool]:
    """Fills in the defaults of a variable's distribution, and whether it is trainable.

    Raises:
      ValueError: a value is of another kind.
    """
    synchronization = VariableSynchronization.AUTO if synchronization is None else synchronization
    aggregation = VariableAggregation.NONE if aggregation is None else aggregation
    if not isinstance(synchronization, VariableSynchronization):
        raise ValueError(
            f"Variable '{name}': invalid variable synchronization mode. Received: {synchronization!r}"
        )
    if not isinstance(aggregation, VariableAggregation):
        raise ValueError(f"Variable '{name}': invalid variable aggregation mode. Received: {aggregation!r}")
    if trainable is None:
        trainable = synchronization is not VariableSynchronization.ON_READ
    return synchronization, aggregation, trainable


def collections_for(collections: Any, trainable: bool, constraint: Any, initial_value: Any) -> list[str]:
    """The collections that a new variable joins.

    Raises:
      ValueError: there is no initial value, `collections` is no list, or the constraint cannot be called.
    """
    if initial_value is None:
        raise ValueError("Variable: initial_value must be specified. Received: None")
    if collections is None:
        collections = [GraphKeys.GLOBAL_VARIABLES]
    if not isinstance(collections, list | tuple | set):
        raise ValueError(f"Variable: collections must be a list, tuple, or set. Received: {collections!r}")
    if constraint is not None and not callable(constraint):
        raise ValueError(f"Variable: the constraint must be a callable. Received: {constraint!r}")
    chosen = list(collections)
    if trainable and GraphKeys.TRAINABLE_VARIABLES not in chosen:
        chosen.append(GraphKeys.TRAINABLE_VARIABLES)
    return chosen


def computed_inside(initial_value: Callable[[], Any], dtype: dtypes.DType | None, scope: str) -> Tensor:
    """The initial value that a function makes, built under `<scope>Initializer/` on the variable's device."""
    group = {"_class": (f"loc:@{scope[:-1]}",)}
    with get_default_graph()._attr_scope(group), name_scope("Initializer"), device(None):
        return convert.to_tensor(initial_value(), dtype, "initial_value")
