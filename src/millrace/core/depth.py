"""Structures nested deeper than Python's calls may go end in an error that says so."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

_F = TypeVar("_F", bound=Callable[..., Any])


def bounded(function: _F) -> _F:
    """`function`, which calls itself for each level of a structure or shows the structure in a message; where
    that goes too deep it raises ValueError.
    """
    name = function.__qualname__.removesuffix(".__init__")

    @functools.wraps(function)
    def within(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except RecursionError:
            pass
        raise ValueError(f"{name}: lists, tuples or dicts are nested too deeply")

    return within  # type: ignore[return-value]
