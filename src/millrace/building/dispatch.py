"""What a function does with arguments that are not tensors: where it refuses them, those are asked that know
the arguments' types.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from millrace.core import late, nest
from millrace.core.kinds import LISTS
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph

_F = TypeVar("_F", bound=Callable[..., Any])


@public("python.util.dispatch.OpDispatcher")
class OpDispatcher:
    """Does what a function does, for arguments of some types; a program derives from it."""

    NOT_SUPPORTED = object()

    def handle(self, args: Any, kwargs: Any) -> Any:
        """The result for these arguments, or `NOT_SUPPORTED`."""
        del args, kwargs
        return self.NOT_SUPPORTED

    def register(self, op: Any) -> None:
        """Is asked from now on where `op` refuses its arguments.

        Raises:
          AssertionError: `op` does not ask anybody.
        """
        if not hasattr(op, "_tf_dispatchers"):
            raise AssertionError(f"Dispatching not enabled for {op}")
        op._tf_dispatchers.append(self)


class _ForTypes(OpDispatcher):
    """A function for arguments of which one is of some types."""

    def __init__(self, function: Callable[..., Any], types: tuple[type, ...]) -> None:
        self._function = function
        self._types = types

    def handle(self, args: Any, kwargs: Any) -> Any:
        given = (*args, *kwargs.values())
        if any(isinstance(a, self._types) for a in given):
            return self._function(*args, **kwargs)
        return self.NOT_SUPPORTED


@public("python.util.dispatch.add_dispatch_support")
def overridable(function: _F) -> _F:
    """`function`, which asks the dispatchers registered with it where it refuses its arguments."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except (TypeError, ValueError):
            found = dispatch(call, *args, **kwargs)
            if found is OpDispatcher.NOT_SUPPORTED:
                raise
            return found

    call.__signature__ = inspect.signature(function)  # type: ignore[attr-defined] - for getfullargspec
    call._tf_dispatchers = []  # type: ignore[attr-defined]
    return call  # type: ignore[return-value]


def elementwise(kind: str) -> Callable[[_F], _F]:
    """Decorates a function of elements: composites of many rows give it their flat values.

    Args:
      kind: "unary", "binary", or "list" where the first argument is a list.
    """

    def marked(function: _F) -> _F:
        call = overridable(function)
        call._elementwise = kind  # type: ignore[attr-defined]
        return call

    return marked


@public("python.util.dispatch.add_dispatch_list")
def add_dispatch_list(target: Any) -> Any:
    """Gives a function its list of dispatchers."""
    target._tf_dispatchers = []
    return target


@public("python.util.dispatch.dispatch_for_types")
def dispatch_for_types(op: Any, *types: type) -> Callable[[_F], _F]:
    """Decorator: the function is called where `op` refuses arguments of which one is of `types`."""

    def registered(function: _F) -> _F:
        _ForTypes(function, types).register(op)
        return function

    return registered


@public("python.util.dispatch.dispatch")
def dispatch(op: Any, *args: Any, **kwargs: Any) -> Any:
    """What the dispatchers of `op` make of the arguments; `NOT_SUPPORTED` where none knows them."""
    for dispatcher in op._tf_dispatchers:
        found = dispatcher.handle(args, kwargs)
        if found is not OpDispatcher.NOT_SUPPORTED:
            return found
    if not _has_composite(args) and not _has_composite(tuple(kwargs.values())):
        return OpDispatcher.NOT_SUPPORTED
    get_default_graph().retake_names()
    return late.module("ragged_dispatch").handle(op, args, kwargs)


def _has_composite(values: Any) -> bool:
    return any(
        nest.is_composite(v) or (isinstance(v, LISTS) and any(nest.is_composite(i) for i in v))
        for v in values
    )
