"""What layers are given: sizes, conditions that may be known now, dimensions, collections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building.static import constant_value as static_value
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import cond
from millrace.lib.variables.variable import Variable


@public("contrib.layers.python.layers.utils.constant_value", "contrib.slim.utils.constant_value")
def constant_value(value_or_tensor_or_var: Any, dtype: Any = None) -> Any:
    """What a value is known to be: a Python value itself, a constant tensor's array, else None.

    Raises:
      ValueError: there is none, or its dtype is not `dtype`.
    """
    if value_or_tensor_or_var is None:
        raise ValueError("value_or_tensor_or_var cannot be None")
    if not isinstance(value_or_tensor_or_var, Tensor | Variable):
        return value_or_tensor_or_var
    own = value_or_tensor_or_var.dtype
    if dtype is not None and dtypes.as_dtype(dtype) is not own.base_dtype:
        raise ValueError(f"It has the wrong type {own} instead of {dtype}")
    return static_value(value_or_tensor_or_var) if isinstance(value_or_tensor_or_var, Tensor) else None


@public("contrib.layers.python.layers.utils.static_cond", "contrib.slim.utils.static_cond")
def static_cond(pred: Any, fn1: Callable[[], Any], fn2: Callable[[], Any]) -> Any:
    """The result of `fn1` where `pred` holds, else that of `fn2`.

    Raises:
      TypeError: one of them is not callable.
    """
    for label, function in (("fn1", fn1), ("fn2", fn2)):
        if not callable(function):
            raise TypeError(f"{label} must be callable. Received: {function!r}")
    return fn1() if pred else fn2()


@public("contrib.layers.python.layers.utils.smart_cond", "contrib.slim.utils.smart_cond")
def smart_cond(pred: Any, fn1: Callable[[], Any], fn2: Callable[[], Any], name: str | None = None) -> Any:
    """`static_cond` where `pred` is known now, else `tf.cond` of both; `name` is not used."""
    del name
    known = constant_value(pred)
    return cond(pred, fn1, fn2) if known is None else static_cond(known, fn1, fn2)


def _dimension(shape: Any, dim: int, min_rank: int) -> int:
    dims = shapes.as_dims(shape)
    if dims is None:
        raise ValueError(f"dims of shape must be known but is None. Received: {shape}")
    if len(dims) < min_rank:
        raise ValueError(f"rank of shape must be at least {min_rank} not: {len(dims)}")
    value = dims[dim]
    if value is None:
        raise ValueError(f"dimension {dim} of shape must be known but is None: {shape}")
    return value


@public("contrib.layers.python.layers.utils.channel_dimension", "contrib.slim.utils.channel_dimension")
def channel_dimension(shape: Any, data_format: str, min_rank: int = 1) -> int:
    """How many channels a shape has: its second dimension for "channels_first", else its last.

    Raises:
      ValueError: that is unknown, or the shape has fewer than `min_rank` dimensions.
    """
    return _dimension(shape, 1 if data_format == "channels_first" else -1, min_rank)


@public("contrib.layers.python.layers.utils.last_dimension", "contrib.slim.utils.last_dimension")
def last_dimension(shape: Any, min_rank: int = 1) -> int:
    """A shape's last dimension.

    Raises:
      ValueError: it is unknown, or the shape has fewer than `min_rank` dimensions.
    """
    return _dimension(shape, -1, min_rank)


@public("contrib.layers.python.layers.utils.two_element_tuple", "contrib.slim.utils.two_element_tuple")
def two_element_tuple(int_or_tuple: Any) -> tuple[Any, Any]:
    """Height and width: both of a pair, an int twice.

    Raises:
      ValueError: it is neither an int nor a pair.
    """
    if isinstance(int_or_tuple, int):
        return int_or_tuple, int_or_tuple
    if not isinstance(int_or_tuple, list | tuple | shapes.TensorShape):
        raise ValueError("Must be an int, a list with 2 elements or a TensorShape of length 2. "
                         f"Received: {int_or_tuple!r}")  # fmt: skip
    if len(int_or_tuple) != 2:
        raise ValueError(f"Must be a list with 2 elements: {int_or_tuple}")
    return int_or_tuple[0], int_or_tuple[1]


@public("contrib.layers.python.layers.utils.n_positive_integers", "contrib.slim.utils.n_positive_integers")
def n_positive_integers(n: int, value: Any) -> tuple[int, ...]:
    """`n` positive integers: one that is repeated, or a sequence of them.

    Raises:
      ValueError: `n` or a value is not a positive integer, or the sequence has another length.
    """
    if n < 1 or int(n) != n:
        raise ValueError(f"n must be a positive integer. Received: {n!r}")
    dims: Any = value.as_list() if isinstance(value, shapes.TensorShape) else value
    if isinstance(dims, int):
        if dims < 1:
            raise ValueError(f"expected positive integer, but received {dims}")
        return (dims,) * n
    found = tuple(dims) if isinstance(dims, list | tuple) else ()
    if len(found) != n or not all(isinstance(x, int) and x > 0 for x in found):
        raise ValueError(f"Expected sequence of {n} positive integers, but received {value!r}")
    return found


@public(
    "contrib.layers.python.layers.utils.get_variable_collections",
    "contrib.slim.utils.get_variable_collections",
)
def get_variable_collections(variables_collections: Any, name: str) -> Any:
    """The collections of the variable `name`: what a dictionary has for it, or what serves all."""
    if isinstance(variables_collections, dict):
        return variables_collections.get(name)
    return variables_collections
