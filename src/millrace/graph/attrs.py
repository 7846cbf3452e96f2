"""Attribute kinds: what an operation's attributes may hold, checked and made canonical once, while
building.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from millrace.core import dtypes, shapes
from millrace.core.kinds import ITERABLES, TEXTS

MISSING: Any = object()
_CANONICAL_TYPES = {"int": int, "bool": bool, "float": float, "string": str, "tensor": np.ndarray}


@dataclass(frozen=True, slots=True)
class Attr:
    """One attribute: its kind in GraphDef's words, default, and which values are allowed."""

    kind: str
    default: Any = MISSING
    allowed: frozenset[Any] | None = None
    minimum: int | None = None
    closed: bool = False  # a function with a graph of its own, not a body
    later: bool = False  # added after TensorFlow 1.15: not written while it has its default
    canonical_type: type | None = field(init=False)  # values of exactly this type need no check
    of_functions: bool = field(init=False)

    def __post_init__(self) -> None:
        free = self.allowed is None and self.minimum is None
        object.__setattr__(self, "canonical_type", _CANONICAL_TYPES.get(self.kind) if free else None)
        object.__setattr__(self, "of_functions", "func" in self.kind)

    def canonical(self, value: Any, op: str, name: str) -> Any:
        """`value` in the one form that kernels see.

        Raises:
          TypeError: the value is of another kind.
          ValueError: the value is not allowed.
        """
        try:
            if self.kind == "type" and type(value) is dtypes.DType:
                value = value.base_dtype
            else:
                value = _CONVERTERS[self.kind](value)
        except (TypeError, ValueError) as error:
            raise type(error)(
                f"{op}: attribute '{name}' must be {self.kind}: {error}. Received: {value!r}"
            ) from None
        if self.allowed is not None and self.kind != "list(type)" and value not in self.allowed:
            shown = sorted(a.name if isinstance(a, dtypes.DType) else str(a) for a in self.allowed)
            error = TypeError if self.kind == "type" else ValueError
            raise error(
                f"{op}: attribute '{name}' must be one of {', '.join(shown)}. Received: {_show(value)}"
            )
        if self.minimum is not None:
            size = len(value) if self.kind.startswith("list") else value
            if size < self.minimum:
                raise ValueError(
                    f"{op}: attribute '{name}' must be at least {self.minimum}. Received: {value!r}"
                )
        return value


def _show(value: Any) -> str:
    return value.name if isinstance(value, dtypes.DType) else repr(value)


def _as_int(value: Any) -> int:
    if isinstance(value, bool | np.bool_):
        raise TypeError("a bool is not an integer")
    if hasattr(value, "value") and hasattr(value, "is_compatible_with"):  # a Dimension
        value = value.value
    return int(value) if isinstance(value, _FLOATS) else operator.index(value)


_FLOATS: tuple[type, ...] = (float, np.floating)  # old programs divide: strides=[1, k / 2, k / 2, 1]
_TRUTHS: tuple[type, ...] = (bool, np.bool_, int)
_DTYPE_SETS: tuple[type, ...] = (frozenset,)


def _as_bool(value: Any) -> bool:
    if not isinstance(value, _TRUTHS):
        raise TypeError("not a bool")
    return bool(value)


def _as_float(value: Any) -> float:
    if isinstance(value, str | bytes):
        raise TypeError("not a number")
    return float(value)


def _as_text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value


def _as_list(element: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    def convert(value: Any) -> tuple[Any, ...]:
        if isinstance(value, TEXTS) or not isinstance(value, ITERABLES):
            raise TypeError("not a list")
        return tuple(element(v) for v in value)

    return convert


def _base_dtype(value: Any) -> dtypes.DType:
    return dtypes.as_dtype(value).base_dtype


def _identity(value: Any) -> Any:
    return value


_SCALARS: dict[str, Callable[[Any], Any]] = {
    "int": _as_int,
    "bool": _as_bool,
    "float": _as_float,
    "string": _as_text,
    "type": _base_dtype,
    "shape": shapes.as_dims,
    "tensor": _identity,
    "func": _identity,
}
_CONVERTERS = {**_SCALARS, **{f"list({kind})": _as_list(f) for kind, f in _SCALARS.items()}}


def as_attr(value: Any) -> Attr:
    """A set of dtypes stands for a type attribute; anything else must already be an `Attr`."""
    if isinstance(value, Attr):
        return value
    if isinstance(value, _DTYPE_SETS):
        return Attr("type", allowed=value)
    raise TypeError(f"not an attribute kind: {value!r}")


def later(kind: Attr) -> Attr:
    """An attribute that a release after 1.15 added: files have it where it is not as its default says."""
    return replace(kind, later=True)


def dtype(allowed: frozenset[dtypes.DType] | None = None, default: Any = MISSING) -> Attr:
    """A dtype, one of `allowed`."""
    return Attr("type", default if default is MISSING else dtypes.as_dtype(default), allowed)


def types(
    default: Any = MISSING, minimum: int | None = None, allowed: frozenset[dtypes.DType] | None = None
) -> Attr:
    """A list of dtypes."""
    return Attr("list(type)", default, allowed, minimum)


def integer(default: Any = MISSING, minimum: int | None = None) -> Attr:
    """An integer."""
    return Attr("int", default, None, minimum)


def count(minimum: int | None = None) -> Attr:
    """The length of a homogeneous list."""
    return Attr("int", MISSING, None, minimum)


def ints(default: Any = MISSING, minimum: int | None = None) -> Attr:
    """A list of integers, held as a tuple."""
    return Attr("list(int)", default, None, minimum)


def number(default: Any = MISSING) -> Attr:
    """A float."""
    return Attr("float", default)


def numbers(default: Any = MISSING) -> Attr:
    """A list of floats."""
    return Attr("list(float)", default)


def flag(default: Any = MISSING) -> Attr:
    """A bool."""
    return Attr("bool", default)


def text(default: Any = MISSING) -> Attr:
    """A string."""
    return Attr("string", default)


def texts(default: Any = MISSING) -> Attr:
    """A list of strings."""
    return Attr("list(string)", default)


def one_of(*values: str, default: Any = MISSING) -> Attr:
    """One of the given strings."""
    return Attr("string", default, frozenset(values))


def shape(default: Any = MISSING) -> Attr:
    """A static shape, held as dims."""
    return Attr("shape", default)


def shape_list(default: Any = MISSING, minimum: int | None = None) -> Attr:
    """A list of static shapes."""
    return Attr("list(shape)", default, None, minimum)


def tensor(default: Any = MISSING) -> Attr:
    """A constant array."""
    return Attr("tensor", default)


def body(default: Any = MISSING) -> Attr:
    """A sub-graph."""
    return Attr("func", default)


def function(default: Any = MISSING) -> Attr:
    """A function with a graph of its own."""
    return Attr("func", default, closed=True)


def functions(default: Any = MISSING) -> Attr:
    """A list of such functions."""
    return Attr("list(func)", default, closed=True)


def bodies(default: Any = MISSING) -> Attr:
    """A list of sub-graphs."""
    return Attr("list(func)", default)
