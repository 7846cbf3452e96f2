"""How `tf.Variable(...)` comes to its make: the chain of creators, the choice, checks, initial values."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from millrace.building import convert
from millrace.building.scopes import device, name_scope
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.graph.tensor import Tensor

if TYPE_CHECKING:
    from millrace.lib.variables.variable import Variable


@public("VariableSynchronization")
class VariableSynchronization(enum.Enum):
    """When the copies of a variable on several replicas are made to agree."""

    AUTO = 0
    NONE = 1
    ON_WRITE = 2
    ON_READ = 3


@public("VariableAggregation")
class VariableAggregation(enum.Enum):
    """How the updates of several replicas combine."""

    NONE = 0
    SUM = 1
    MEAN = 2
    ONLY_FIRST_REPLICA = 3
    ONLY_FIRST_TOWER = 3

    def __hash__(self) -> int:
        return hash(self.value)


class _DefaultMake:
    """Which make `tf.Variable` picks where nobody says."""

    def __init__(self) -> None:
        self.resource = False


_default_make = _DefaultMake()


@public("enable_resource_variables")
def enable_resource_variables() -> None:
    """Makes variables name their values by handles from now on, unless told otherwise."""
    _default_make.resource = True


@public("disable_resource_variables")
def disable_resource_variables() -> None:
    """Makes variables name their values by references from now on, unless told otherwise."""
    _default_make.resource = False


@public("resource_variables_enabled")
def resource_variables_enabled() -> bool:
    """Whether variables name their values by handles where the program does not say."""
    return _default_make.resource


# --- creators -----------------------------------------------------------------------------------------------


def _creators() -> list[Callable[..., Any]]:
    return get_default_graph().get_scoped("variable_creators", list)


@public("variable_creator_scope")
@contextlib.contextmanager
def variable_creator_scope(variable_creator: Callable[..., Any]) -> Iterator[None]:
    """Lets `variable_creator` make the variables of the default graph inside the scope.

    Args:
      variable_creator: `(next_creator, **kwargs) -> Variable`; the keywords are those of `tf.Variable`. It
        may change them, and calls `next_creator(**kwargs)` to go on to the creator around it.
    """
    creators = _creators()
    creators.append(variable_creator)
    try:
        yield
    finally:
        creators.pop()


def create(arguments: dict[str, Any]) -> Variable:
    """The variable that the creators in force, innermost first, make of the arguments of `tf.Variable`."""
    creator: Callable[..., Any] = _make
    for outer in _creators():
        creator = _chained(outer, creator)
    return creator(**arguments)


def _chained(creator: Callable[..., Any], following: Callable[..., Any]) -> Callable[..., Any]:
    return lambda **arguments: creator(following, **arguments)


def _make(use_resource: bool | None = None, **arguments: Any) -> Variable:
    if arguments.get("variable_def") is not None:
        use_resource = arguments["variable_def"].is_resource
    if use_resource is None:
        from millrace.lib.variables.scope import get_variable_scope

        use_resource = get_variable_scope().use_resource
    if use_resource is None:
        use_resource = _default_make.resource
    if use_resource:
        from millrace.lib.variables.resource_variables import ResourceVariable

        return ResourceVariable(**arguments)
    from millrace.lib.variables.variable import RefVariable

    return RefVariable(**arguments)


# --- arguments ----------------------------------------------------------------------------------------------


def check_distribution(
    synchronization: Any, aggregation: Any, trainable: bool | None, name: str | None
) -> tuple[VariableSynchronization, VariableAggregation, bool]:
    """Fills in the defaults of a variable's distribution, and whether it is trainable.

    Raises:
      ValueError: a value is of another kind, or a trainable variable synchronizes on read.
    """
    synchronization = VariableSynchronization.AUTO if synchronization is None else synchronization
    aggregation = VariableAggregation.NONE if aggregation is None else aggregation
    if not isinstance(synchronization, VariableSynchronization):
        raise ValueError(
            f"Variable '{name}': invalid variable synchronization mode. Received: {synchronization!r}"
        )
    if not isinstance(aggregation, VariableAggregation):
        raise ValueError(f"Variable '{name}': invalid variable aggregation mode. Received: {aggregation!r}")
    if synchronization is VariableSynchronization.ON_READ:
        if trainable:
            raise ValueError(
                f"Variable '{name}': synchronization ON_READ needs trainable=False: replicas update "
                "such a variable apart"
            )
        trainable = False
    return synchronization, aggregation, True if trainable is None else trainable


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
