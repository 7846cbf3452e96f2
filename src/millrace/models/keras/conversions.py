"""Arguments as Keras' own code turns them: lists, shapes as tuples, slices of several arrays."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from millrace.core.nest import flatten
from millrace.core.public import public
from millrace.core.shapes import TensorShape
from millrace.graph.tensor import Tensor
from millrace.lib.variables.variable import Variable


@public("python.keras.utils.generic_utils.to_list")
def to_list(x: Any) -> list[Any]:
    """A list itself, anything else as the one element of a list."""
    return x if isinstance(x, list) else [x]


@public("python.keras.utils.generic_utils.has_arg")
def has_arg(fn: Callable[..., Any], name: str, accept_all: bool = False) -> bool:
    """Whether a function has the argument `name`; with `accept_all` also whether it takes any."""
    full = inspect.getfullargspec(fn)
    return name in full.args or name in full.kwonlyargs or (accept_all and full.varkw is not None)


@public("python.keras.utils.generic_utils.is_all_none")
def is_all_none(structure: Any) -> bool:
    """Whether None is all that a structure holds."""
    return all(part is None for part in flatten(structure))


@public("python.keras.utils.generic_utils.slice_arrays")
def slice_arrays(arrays: Any, start: Any = None, stop: Any = None) -> list[Any]:
    """Rows of several arrays.

    Args:
      arrays: an array, or a list of arrays and Nones, which stay.
      start: the first row, or which rows to take.
      stop: the row after the last.

    Raises:
      ValueError: `start` tells the rows and `stop` is given, too.
    """
    if arrays is None:
        return [None]
    if isinstance(start, list) and stop is not None:
        raise ValueError(
            f"The stop argument has to be None if the value of start is a list. Received: {stop}"
        )
    rows: Any = slice(start, stop)
    if hasattr(start, "__len__"):
        rows = np.asarray(start).tolist()
    if isinstance(arrays, list):
        return [None if one is None else one[rows] for one in arrays]
    return arrays[rows] if hasattr(start, "__len__") or hasattr(start, "__getitem__") else [None]


@public("python.keras.utils.generic_utils.check_for_unexpected_keys")
def check_for_unexpected_keys(name: str, input_dict: dict[str, Any], expected_values: Iterable[str]) -> None:
    """Refuses keys that nobody expects.

    Raises:
      ValueError: there are some.
    """
    expected = list(expected_values)
    if unknown := [key for key in input_dict if key not in expected]:
        raise ValueError(
            f"Unknown entries in {name} dictionary: {unknown}. Only expected following keys: {expected}"
        )


@public("python.keras.utils.tf_utils.is_tensor_or_variable")
def is_tensor_or_variable(x: Any) -> bool:
    """Whether a value is a tensor or a variable."""
    return isinstance(x, Tensor | Variable)


def _is_shape(value: Any) -> bool:
    if isinstance(value, TensorShape):
        return True
    return isinstance(value, list | tuple) and all(
        part is None or isinstance(part, int) or hasattr(part, "value") for part in value
    )


@public("python.keras.utils.tf_utils.convert_shapes")
def convert_shapes(input_shape: Any, to_tuples: bool = True) -> Any:
    """A structure of shapes with each as a tuple, or as a `TensorShape`."""
    if input_shape is None:
        return None
    if _is_shape(input_shape):
        shape = TensorShape(input_shape)
        return tuple(shape.as_list()) if to_tuples else shape
    if isinstance(input_shape, dict):
        return {key: convert_shapes(value, to_tuples) for key, value in input_shape.items()}
    return type(input_shape)(convert_shapes(value, to_tuples) for value in input_shape)


@public("python.keras.utils.tf_utils.shape_type_conversion")
def shape_type_conversion(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A method of a layer that takes shapes as tuples, for callers that speak `TensorShape`."""

    @functools.wraps(fn)
    def converted(instance: Any, input_shape: Any) -> Any:
        found = fn(instance, convert_shapes(input_shape))
        return convert_shapes(found, to_tuples=False)

    return converted
