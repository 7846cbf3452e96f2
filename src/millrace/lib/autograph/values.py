"""What operators ask of values: whether a tensor decides, and whether there is a value at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import convert
from millrace.core import nest
from millrace.graph.tensor import Tensor
from millrace.lib.flow.tensor_array import TensorArray


class Missing:
    """Stands for the value of a variable that has none."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


NOTHING = Missing("return value")  # the result of a function that has not returned yet


def result(returned: Any, value: Any) -> Any:
    """What a function returns: None where it has not returned anything.

    The flag is taken along so that it leaves branches, as in TensorFlow, where default seeds count it.
    """
    del returned
    return None if value is NOTHING else value


def bound(read: Callable[[], Any], name: str) -> Any:
    """The value of a variable, or what stands for none."""
    try:
        return read()
    except NameError:
        return Missing(name)


def is_missing(value: Any) -> bool:
    """True for what stands for the value of a variable that has none."""
    return isinstance(value, Missing) and value is not NOTHING


def is_tensor(value: Any) -> bool:
    """Whether a condition is decided when the graph runs: a tensor or a variable."""
    return isinstance(value, Tensor) or (convert.is_tensor_like(value) and hasattr(value, "op"))


def as_tensors(value: Any) -> Any:
    """A value with numbers, strings and arrays in it as constants; twice each, as TensorFlow adds them."""

    def made(leaf: Any) -> Any:
        if is_tensor(leaf) or isinstance(leaf, TensorArray) or hasattr(leaf, "dense_shape"):
            return leaf
        if hasattr(leaf, "_variant_tensor"):  # a dataset
            return leaf
        convert.convert_to_tensor(leaf)
        return convert.convert_to_tensor(leaf)

    return nest.map_structure(made, value)


def shown(names: Any) -> str:
    """Names for a message."""
    return ", ".join(repr(n) for n in names)
