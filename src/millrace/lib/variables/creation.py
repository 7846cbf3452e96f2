"""How `tf.Variable(...)` comes to its make: the chain of creators, and the choice."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from millrace.core.public import public
from millrace.graph.defaults import executing_eagerly, get_default_graph
from millrace.lib.variables.resource_variables import ResourceVariable
from millrace.lib.variables.scope import get_variable_scope
from millrace.lib.variables.variable import RefVariable, Variable


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
    made_of = arguments.get("variable_def")
    if made_of is not None:
        if not hasattr(made_of, "is_resource"):
            raise TypeError(f"Variable: variable_def must be a VariableDef message. Received: {made_of!r}")
        use_resource = made_of.is_resource
    if use_resource is None:
        use_resource = get_variable_scope().use_resource
    if use_resource is None:
        use_resource = _default_make.resource or executing_eagerly()
    if use_resource:
        return ResourceVariable(**arguments)
    return RefVariable(**arguments)
