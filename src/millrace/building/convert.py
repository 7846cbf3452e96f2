"""Turning Python values, NumPy arrays and user objects into tensors."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.building import literals
from millrace.building.create import create
from millrace.core import dtypes, shapes, tensor_proto
from millrace.core.depth import bounded
from millrace.core.dtypes import DType
from millrace.core.kinds import LISTS
from millrace.core.public import public
from millrace.graph import defaults
from millrace.graph.opdef import lookup
from millrace.graph.tensor import Tensor

_const = functools.cache(lambda: lookup("Const"))  # most conversions end in one
_PLAIN: tuple[type, ...] = (int, float, bool, str, bytes, complex, np.ndarray, np.generic)
_NO_TENSORS = (*LISTS, *_PLAIN)


class _Conversions:
    """Registered conversions by priority, with the choice for each type remembered."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int, Any, Callable[..., Any]]] = []
        self.chosen: dict[type, list[Callable[..., Any]]] = {}

    def add(self, base_type: Any, function: Callable[..., Any], priority: int) -> None:
        self.rows.append((priority, len(self.rows), base_type, function))
        self.rows.sort(key=lambda row: row[:2])
        self.chosen.clear()

    def for_type(self, kind: type) -> list[Callable[..., Any]]:
        found = self.chosen.get(kind)
        if found is None:
            found = self.chosen[kind] = [f for _, _, base, f in self.rows if issubclass(kind, base)]
        return found


_conversions = _Conversions()


@public("register_tensor_conversion_function")
def register_tensor_conversion_function(
    base_type: Any, conversion_func: Callable[..., Any], priority: int = 100
) -> None:
    """Lets objects of `base_type` be used wherever a tensor is expected.

    Args:
      base_type: a type or tuple of types.
      conversion_func: `(value, dtype=None, name=None, as_ref=False)` to a tensor, or NotImplemented to pass.
      priority: lower runs first.

    Raises:
      TypeError: `base_type` is not a type, or `conversion_func` is not callable.
    """
    kinds: tuple[Any, ...] = base_type if isinstance(base_type, LISTS) else (base_type,)
    if not (isinstance(base_type, type | tuple) and all(isinstance(kind, type) for kind in kinds)):
        raise TypeError(
            "register_tensor_conversion_function: base_type is a type or tuple of types. Received: "
            f"{base_type!r}"
        )
    if any(issubclass(kind, int | float | np.generic | np.ndarray) for kind in kinds):
        raise TypeError(
            "register_tensor_conversion_function: the conversion of Python numbers and NumPy arrays cannot "
            f"be replaced. Received: {base_type!r}"
        )
    if not callable(conversion_func):
        raise TypeError(
            f"register_tensor_conversion_function: conversion_func is callable. Received: {conversion_func!r}"
        )
    _conversions.add(base_type, conversion_func, priority)


@public("convert_to_tensor")
def convert_to_tensor(
    value: Any,
    dtype: Any = None,
    name: str | None = None,
    preferred_dtype: Any = None,
    dtype_hint: Any = None,
) -> Tensor:
    """A tensor for `value`: itself if it is one, a constant for a Python or NumPy value.

    Args:
      value: anything a tensor can be made of.
      dtype: the dtype the result must have.
      name: the name of the constant made.
      preferred_dtype, dtype_hint: a dtype to try when the value leaves the choice open.

    Raises:
      TypeError: `value` is of a kind no conversion is known for, or of elements of another kind than `dtype`.
      ValueError: a tensor has another dtype than asked for, or a list is ragged.

    Example:
      >>> print(tf.convert_to_tensor([[1.0, 2.0]]))
      Tensor("Const:0", shape=(1, 2), dtype=float32)
    """
    return to_tensor(
        value,
        None if dtype is None else dtypes.as_dtype(dtype),
        name,
        dtypes.as_dtype(hint) if (hint := preferred_dtype or dtype_hint) is not None else None,
    )


def to_tensor(
    value: Any,
    dtype: DType | None = None,
    name: str | None = None,
    preferred: DType | None = None,
    as_ref: bool = False,
) -> Tensor:
    """`convert_to_tensor` for callers that hold DTypes; with `as_ref`, variables give their reference."""
    if isinstance(value, Tensor):
        if dtype is not None and value.dtype.base_dtype is not dtype.base_dtype:
            raise ValueError(f"Tensor conversion requested dtype {dtype.name}. "
                             f"Received: tensor '{value.name}' with dtype {value.dtype.name}")  # fmt: skip
        current = defaults.graph_stack.items
        return current[-1].capture(value) if current and current[-1].is_function else value
    if isinstance(value, _PLAIN):
        return constant_of(value, dtype, name, preferred)
    kind: Any = value.__class__
    for function in _conversions.for_type(kind):
        result = NotImplemented
        if dtype is None and preferred is not None:
            try:
                result = function(value, dtype=preferred, name=name, as_ref=as_ref)
            except (TypeError, ValueError):
                result = NotImplemented
        if result is NotImplemented:
            result = function(value, dtype=dtype, name=name, as_ref=as_ref)
        if result is NotImplemented:
            continue
        if not isinstance(result, Tensor):
            raise RuntimeError(
                f"The conversion registered for {kind.__name__} returned no Tensor. Received: {result!r}"
            )
        if dtype is not None and not dtype.is_compatible_with(result.dtype):
            raise TypeError(
                f"Expected {dtype.name}. Received: {value!r}, which gives dtype {result.dtype.name}"
            )
        return result
    if isinstance(value, LISTS):
        return _from_sequence(value, dtype, name, preferred)
    if isinstance(value, shapes.TensorShape):
        return _from_shape(value, dtype, name)
    if hasattr(value, "__array__") and not hasattr(value, "_as_graph_element"):
        return constant_of(np.asarray(value), dtype, name, preferred)
    if hasattr(value, "_as_graph_element"):
        return to_tensor(value._as_graph_element(), dtype, name, preferred, as_ref)
    if literals.is_message(value):
        return _from_message(value, dtype, name)
    return constant_of(value, dtype, name, preferred)


def constant_of(value: Any, dtype: DType | None, name: str | None, preferred: DType | None = None) -> Tensor:
    """A Const operation that holds `value`."""
    array = None
    if dtype is None and preferred is not None:
        try:
            array = literals.to_array(value, preferred)
            dtype = preferred
        except (TypeError, ValueError):
            array = None
    if array is None:
        array = literals.to_array(value, dtype)
    dtype = dtype or dtypes.as_dtype(array.dtype)
    return create(_const(), value=array, dtype=dtype, name=name or "Const").outputs[0]


def shape_tensor(x: Any, out_type: DType = dtypes.int32, name: str = "Shape") -> Tensor:
    """The shape of `x`, a tensor or rows of one, as a tensor: a constant where the static shape is whole."""
    if shapes.fully_defined(x.dims):
        value = np.array(x.dims, out_type.np_dtype)
        return create(_const(), value=value, dtype=out_type, name=name).outputs[0]
    return create(lookup("Shape"), to_tensor(x), out_type=out_type, name=name).outputs[0]


def _from_shape(value: Any, dtype: DType | None, name: str | None) -> Tensor:
    if not value.is_fully_defined():
        raise ValueError(f"Cannot convert a partially known TensorShape to a Tensor. Received: {value}")
    dims = value.as_list()
    if dtype is None:
        dtype = dtypes.int32 if all(d < 2**31 for d in dims) else dtypes.int64
    elif dtype not in (dtypes.int32, dtypes.int64):
        raise TypeError(f"A TensorShape becomes an int32 or int64 tensor. Received: dtype {dtype.name}")
    elif any(d > dtype.max for d in dims):
        raise ValueError(f"A dimension of the TensorShape does not fit {dtype.name}. Received: {value}")
    return constant_of(np.array(dims, dtype.np_dtype), dtype, name or "shape_as_tensor")


@bounded
def _from_message(value: Any, dtype: DType | None, name: str | None) -> Tensor:
    own = dtypes.as_dtype(value.dtype)
    if dtype is not None and dtype is not own:
        raise TypeError(f"Expected {dtype.name}. Received: a TensorProto of dtype {own.name}")
    return constant_of(tensor_proto.decode(value), own, name)


def _from_sequence(value: Any, dtype: DType | None, name: str | None, preferred: DType | None) -> Tensor:
    """A constant, or a Pack when tensors are among the elements."""
    if not _holds_tensor(value):
        return constant_of(value, dtype, name, preferred)
    inferred = _dtype_among(value)
    if dtype is not None and inferred is not None and inferred is not dtype:
        value = _cast_to(value, dtype)
    return _pack(value, dtype or inferred, name or "packed")


def _cast_to(value: Any, dtype: DType) -> Any:
    """The tensors in a list of another dtype than the one asked for, cast."""
    if isinstance(value, LISTS):
        return [_cast_to(item, dtype) for item in value]
    if isinstance(value, Tensor) and value.dtype.base_dtype is not dtype:
        return create(lookup("Cast"), value, DstT=dtype, name="Cast").outputs[0]
    return value


def is_tensor_like(value: Any) -> bool:
    """True for tensors and objects with a registered conversion (variables, user types)."""
    kind: Any = value.__class__
    return isinstance(value, Tensor) or (
        not isinstance(value, _NO_TENSORS) and bool(_conversions.for_type(kind))
    )


def _holds_tensor(value: Any) -> bool:
    if isinstance(value, LISTS):
        return any(_holds_tensor(v) for v in value)
    return is_tensor_like(value)


def _dtype_among(value: Any) -> DType | None:
    if isinstance(value, LISTS):
        for item in value:
            found = _dtype_among(item)
            if found is not None:
                return found
        return None
    dtype = getattr(value, "dtype", None)
    return dtype.base_dtype if isinstance(dtype, DType) else None


def _element(item: Any, dtype: DType | None, place: int) -> Tensor:
    if isinstance(item, Tensor) and dtype is not None and item.dtype.base_dtype is not dtype:
        raise TypeError(
            f"Cannot pack tensors of different dtypes: the first has {dtype.name}. "
            f"Received: {item.name} of dtype {item.dtype.name}"
        )
    return to_tensor(item, dtype, str(place))


def _pack(value: Any, dtype: DType | None, name: str) -> Tensor:
    graph = defaults.get_default_graph()
    with graph.name_scope(name) as scope:
        packed: dict[int, Tensor] = {}  # lists with tensors come before everything else
        for i, item in enumerate(value):
            if isinstance(item, LISTS):
                if _holds_tensor(item):
                    packed[i] = _pack(item, dtype, str(i))
                else:
                    graph.unique_name(str(i))  # TensorFlow has looked for tensors under this name
        elements = [packed[i] if i in packed else _element(item, dtype, i) for i, item in enumerate(value)]
        return create(lookup("Pack"), elements, name=scope).outputs[0]


@public("convert_to_tensor_or_indexed_slices")
def convert_to_tensor_or_indexed_slices(value: Any, dtype: Any = None, name: str | None = None) -> Any:
    """`value` itself when it is an IndexedSlices, SparseTensor or Tensor of the dtype asked for, else a
    tensor of it.

    Raises:
      ValueError: `value` has another dtype than asked for.
    """
    if isinstance(value, Tensor) or hasattr(value, "indices"):
        if dtype is not None and not dtypes.as_dtype(dtype).is_compatible_with(value.dtype):
            raise ValueError(
                f"Tensor conversion requested dtype {dtypes.as_dtype(dtype).name}. Received: {value}"
            )
        return value
    return convert_to_tensor(value, dtype, name)


@public("convert_n_to_tensor")
def convert_n_to_tensor(
    values: Any, dtype: Any = None, name: str | None = None, preferred_dtype: Any = None
) -> list[Tensor]:
    """`convert_to_tensor` of each of `values`; `name` gets `_0`, `_1`, ... appended."""
    return [
        convert_to_tensor(v, dtype, None if name is None else f"{name}_{i}", preferred_dtype)
        for i, v in enumerate(values)
    ]
