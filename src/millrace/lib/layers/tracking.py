"""What an object made of layers holds: found in its attributes, lists and dicts included."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from millrace.core.public import public
from millrace.lib.variables.variable import Variable


def holds_parts(value: Any) -> bool:
    """Whether `value` is a list, tuple or dict, in which layers and variables may lie."""
    return isinstance(value, list | tuple | Mapping)


def parts(value: Any, kinds: Any) -> Iterator[Any]:
    """The objects of certain classes in a value: itself, or what its lists and dicts hold."""
    if isinstance(value, kinds):
        yield value
    elif isinstance(value, Mapping):
        for key in sorted(value, key=str):
            yield from parts(value[key], kinds)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from parts(item, kinds)


def unique(values: Iterable[Any]) -> list[Any]:
    """The values in order, each once, told apart by identity."""
    seen: set[int] = set()
    found = []
    for value in values:
        if id(value) not in seen:
            seen.add(id(value))
            found.append(value)
    return found


def variables_in(value: Any) -> list[Any]:
    """The variables in a value that is a variable, list, tuple or dict."""
    return list(parts(value, Variable))


class Held:
    """A list, tuple or dict of an object, as a checkpoint of objects sees it."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def _trackable_children(self) -> list[tuple[str, Any]]:
        return children(self._value)


def children(value: Any) -> list[tuple[str, Any]]:
    """The objects that a list, tuple or dict holds, by place or key; those with nothing to save left out."""
    pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
    found = []
    for key, item in pairs:
        if hasattr(item, "_trackable_children") or isinstance(item, Variable):
            found.append((str(key), item))
        elif holds_parts(item) and children(item):
            found.append((str(key), Held(item)))
    return found


@public("python.training.tracking.base.no_automatic_dependency_tracking_scope")
@contextlib.contextmanager
def no_automatic_dependency_tracking_scope(obj: Any) -> Iterator[None]:
    """Attributes that a layer gets inside are attributes alone: no layers or weights of it."""
    before = getattr(obj, "_setattr_tracking", True)
    obj._setattr_tracking = False
    try:
        yield
    finally:
        obj._setattr_tracking = before


@public("python.training.tracking.base.no_automatic_dependency_tracking")
def no_automatic_dependency_tracking(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method of a layer in which `no_automatic_dependency_tracking_scope` holds."""

    @functools.wraps(method)
    def inside(self: Any, *args: Any, **kwargs: Any) -> Any:
        with no_automatic_dependency_tracking_scope(self):
            return method(self, *args, **kwargs)

    return inside
