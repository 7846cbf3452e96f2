"""From Python and NumPy values to the array a constant holds, with TensorFlow's choice of dtype."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

from millrace.core import dtypes, shapes
from millrace.core.dtypes import DType

_EXACT = {
    float: dtypes.float32,
    bool: dtypes.bool,
    complex: dtypes.complex128,
    str: dtypes.string,
    bytes: dtypes.string,
}
_INT32 = range(-(2**31), 2**31)


def to_array(value: Any, dtype: DType | None = None, shape: shapes.Dims = None) -> np.ndarray:
    """The array for `value`: Python floats become float32, integers int32 (int64 when they do not fit).

    Args:
      value: a number, string, nested list, or array.
      dtype: the dtype wanted, or None to take the value's own.
      shape: fully defined dims that a scalar or shorter list is stretched to by repeating the last element.

    Returns:
      A C-contiguous array of dtype's NumPy type; strings as an object array of bytes.

    Raises:
      TypeError: the value's elements are of another kind than `dtype`, or of no kind a tensor can hold.
      ValueError: ragged lists, None, or elements that do not fit `shape`.
    """
    if shape is None:
        kind = type(value)
        if kind is float and (dtype is None or dtype is dtypes.float32):
            return np.array(value, np.float32)
        if kind is int and (dtype is None or dtype is dtypes.int32) and value in _INT32:
            return np.array(value, np.int32)
    if value is None:
        raise ValueError("None values are not supported; a tensor must hold numbers, bools or strings")
    array = (
        _from_numpy(value, dtype)
        if isinstance(value, np.ndarray | np.generic)
        else _from_python(value, dtype)
    )
    if shape is None:
        return array
    return _stretch(array, shape)


def _from_numpy(value: Any, dtype: DType | None) -> np.ndarray:
    array = np.asarray(value)
    kind = array.dtype.kind
    if kind in "SUO":
        return _strings(array, dtype)
    if dtype is None:
        dtypes.as_dtype(array.dtype)
        return np.array(array, order="C")
    if dtype is dtypes.string:
        raise TypeError(f"Expected string values. Received: an array of {array.dtype}")
    if dtype.np_dtype.kind not in "c" and kind == "c":
        raise TypeError(f"Expected {dtype.name}. Received: an array of {array.dtype}")
    return np.array(array, dtype.np_dtype, order="C")


def _strings(array: np.ndarray, dtype: DType | None) -> np.ndarray:
    if dtype is not None and dtype is not dtypes.string:
        first = array.reshape(-1)[0] if array.size else None
        if not isinstance(first, str | bytes):
            return np.array(array.tolist(), dtype.np_dtype)
        raise TypeError(f"Expected {dtype.name}. Received: {first!r} of type 'str'")
    out = np.empty(array.shape, object)
    flat, source = out.reshape(-1), array.reshape(-1)
    for i, item in enumerate(source.tolist()):
        flat[i] = _to_bytes(item)
    return out


def _to_bytes(item: Any) -> bytes:
    if isinstance(item, bytes):
        return item
    if isinstance(item, str):
        return item.encode()
    raise TypeError(f"Expected string. Received: {item!r} of type '{type(item).__name__}'")


def _from_python(value: Any, dtype: DType | None) -> np.ndarray:
    shape, flat = _flatten(value)
    if dtype is None:
        dtype = _infer(flat, value)
    else:
        _check(flat, dtype)
    if dtype is dtypes.string:
        out = np.empty(len(flat), object)
        for i, item in enumerate(flat):
            out[i] = _to_bytes(item)
        return out.reshape(shape)
    try:
        with np.errstate(over="ignore"):
            if dtype.is_integer or dtype.is_bool or dtype.is_quantized:
                return _integers(flat, dtype).reshape(shape)
            return (
                np.array(flat, np.complex128 if dtype.is_complex else np.float64)
                .astype(dtype.np_dtype)
                .reshape(shape)
            )
    except OverflowError:
        raise ValueError(f"Python integer out of range for {dtype.name}. Received: {value!r}") from None


def _integers(flat: list[Any], dtype: DType) -> np.ndarray:
    """Integers of `dtype`; those beyond its range wrap around, as TensorFlow's constants do."""
    try:
        return np.array(flat, dtype.np_dtype)
    except OverflowError:
        bits = 8 * dtype.np_dtype.itemsize
        return np.array([int(v) & ((1 << bits) - 1) for v in flat], f"u{bits // 8}").view(dtype.np_dtype)


def _flatten(value: Any) -> tuple[tuple[int, ...], list[Any]]:
    """The shape of nested lists, and their elements in order.

    Raises:
      ValueError: the lists are ragged.
    """
    if hasattr(value, "as_list") and hasattr(value, "ndims"):  # a TensorShape
        value = value.as_list()
    if not isinstance(value, list | tuple | range | np.ndarray):
        return (), [value]
    if isinstance(value, np.ndarray):
        return value.shape, value.reshape(-1).tolist() if value.dtype.kind != "O" else list(value.reshape(-1))
    if not any(isinstance(v, list | tuple | range | np.ndarray) for v in value):
        return (len(value),), list(value)
    shape, flat = None, []
    for item in value:
        inner, elements = _flatten(item)
        if shape is None:
            shape = inner
        elif shape != inner:
            raise ValueError(
                f"Argument must be a dense tensor: the lists are ragged, rows have shapes {shape} and "
                f"{inner}. Received: {_short(value)}"
            )
        flat.extend(elements)
    return (len(value), *(shape or ())), flat


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 200 else text[:197] + "..."


def _python_kind(item: Any) -> DType:
    kind = _EXACT.get(type(item))
    if kind is not None:
        return kind
    if isinstance(item, np.generic):
        return dtypes.as_dtype(item.dtype) if not isinstance(item, np.str_ | np.bytes_) else dtypes.string
    if hasattr(item, "is_compatible_with") and hasattr(item, "value"):  # a Dimension
        if item.value is None:
            raise ValueError("Cannot convert an unknown Dimension to a tensor: None values are not supported")
        return dtypes.int32
    if isinstance(item, numbers.Integral):
        return dtypes.int32
    if isinstance(item, numbers.Real):
        return dtypes.float32
    if isinstance(item, str | bytes):
        return dtypes.string
    raise TypeError(
        f"Failed to convert object of type '{type(item).__name__}' to a tensor. Received: {_short(item)}"
    )


def _infer(flat: list[Any], value: Any) -> DType:
    if not flat:
        return dtypes.float32
    kinds = {_python_kind(item) for item in flat}
    if len(kinds) == 1:
        (kind,) = kinds
        if kind is dtypes.int32 and not all(int(i) in _INT32 for i in flat):
            return dtypes.uint64 if max(map(int, flat)) >= 2**63 else dtypes.int64
        return kind
    if kinds <= {dtypes.int32, dtypes.float32}:
        return dtypes.float32
    if all(k.is_floating or k.is_integer for k in kinds):
        return dtypes.as_dtype(np.result_type(*(k.np_dtype for k in kinds)))
    if kinds <= {dtypes.int32, dtypes.float32, dtypes.complex128}:
        return dtypes.complex128
    first = _python_kind(flat[0])
    odd = next(i for i in flat if _python_kind(i) is not first)
    raise TypeError(
        f"Expected {first.name}. Received: {odd!r} of type '{type(odd).__name__}' in {_short(value)}"
    )


def _check(flat: list[Any], dtype: DType) -> None:
    """Every element must be of a kind that converts to `dtype` without loss of kind."""
    for item in flat:
        kind = _python_kind(item)
        if dtype is dtypes.string or kind is dtypes.string:
            good = kind is dtype
        elif dtype.is_bool or kind.is_bool:
            good = kind.is_bool and dtype.is_bool
        elif dtype.is_integer or dtype.is_quantized:
            good = kind.is_integer
        elif dtype.is_complex:
            good = True
        else:
            good = not kind.is_complex
        if not good:
            raise TypeError(f"Expected {dtype.name}. Received: {item!r} of type '{type(item).__name__}'")


def _stretch(array: np.ndarray, shape: shapes.Dims) -> np.ndarray:
    size = shapes.num_elements(shape)
    if size is None:
        raise ValueError(f"a constant's shape must be fully defined. Received: {shapes.format_dims(shape)}")
    if array.size == size:
        return array.reshape(shape)  # type: ignore[arg-type]
    if array.size > size or array.size == 0:
        raise ValueError(
            f"{array.size} elements do not fit shape {shapes.format_dims(shape)}, which has {size}"
        )
    if array.size == 1:  # takes no memory, and is written as the one element that was given
        return np.broadcast_to(array.reshape(()), shape)  # type: ignore[arg-type]
    flat = np.empty(size, array.dtype)
    flat[: array.size] = array.reshape(-1)
    flat[array.size :] = array.reshape(-1)[-1]
    return flat.reshape(shape)  # type: ignore[arg-type]
