"""From Python and NumPy values to the array a constant holds, with TensorFlow's choice of dtype."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

from millrace.core import dtypes, shapes
from millrace.core.depth import bounded
from millrace.core.dtypes import DType
from millrace.graph.tensor import Tensor

# typed so that what passes the test stays `Any`, as in core/kinds.py
_LIST: tuple[type, ...] = (list,)
_TUPLE: tuple[type, ...] = (tuple,)
_ARRAYS: tuple[type, ...] = (np.ndarray,)
_SEQUENCES: tuple[type, ...] = (list, tuple, range)
_NESTED = (*_SEQUENCES, *_ARRAYS)
_NUMBERS: tuple[type, ...] = (np.generic,)
_EXACT = {
    float: dtypes.float32,
    bool: dtypes.bool,
    complex: dtypes.complex128,
    str: dtypes.string,
    bytes: dtypes.string,
}
_INT32 = range(-(2**31), 2**31)
_FLOAT32 = (2 - 2**-23) * 2.0**127  # the largest


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
    if shape is not None and 0 in shape and shapes.fully_defined(shape):
        return np.empty(shape, (dtype or dtypes.float32).np_dtype)  # of which the value says nothing
    if shape is None:
        kind: Any = value.__class__
        if kind is float and (dtype is None or dtype is dtypes.float32) and -_FLOAT32 <= value <= _FLOAT32:
            return np.array(value, np.float32)
        if kind is int and (dtype is None or dtype is dtypes.int32) and value in _INT32:
            return np.array(value, np.int32)
    if value is None:
        raise ValueError("None values are not supported; a tensor must hold numbers, bools or strings")
    array = unstretched(value, dtype)
    return array if shape is None else _stretch(array, shape)


def is_message(value: Any) -> bool:
    """Whether a value is a `TensorProto`."""
    return hasattr(value, "tensor_shape") and hasattr(value, "SerializeToString")


def unstretched(value: Any, dtype: DType | None) -> np.ndarray:
    """The array for `value` in its own shape; arguments and errors as for `to_array`."""
    if isinstance(value, Tensor):
        raise TypeError(f"a Python value or an array is needed, not a tensor. Received: {value}")
    if not isinstance(value, np.ndarray | np.generic | str | bytes) and hasattr(value, "__array__"):
        value = np.asarray(value)
    if isinstance(value, np.ndarray | np.generic):
        return _from_numpy(value, dtype)
    return _from_python(value, dtype)


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
        first = next(iter(array.reshape(-1)[:1].tolist()), None)
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


@bounded
def _from_python(value: Any, dtype: DType | None) -> np.ndarray:
    shape, flat = _flatten(value)
    if dtype is not None and dtype.is_quantized and shape and shape[-1] == 1 and _holds_singletons(value):
        shape = shape[:-1]  # a quantized number is a tuple of one
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
    """Integers of `dtype`; those beyond its range wrap around, as TensorFlow's constants do.

    Raises:
      OverflowError: one needs more than 64 bits.
    """
    try:
        return np.array(flat, dtype.np_dtype)
    except OverflowError:
        return np.array([int(v) for v in flat], np.int64).astype(dtype.np_dtype)


def _flatten(value: Any) -> tuple[tuple[int, ...], list[Any]]:
    """The shape of nested lists, and their elements in order.

    Raises:
      ValueError: the lists are ragged.
    """
    if hasattr(value, "as_list") and hasattr(value, "ndims"):  # a TensorShape
        value = value.as_list()
    if isinstance(value, _ARRAYS):
        return value.shape, value.reshape(-1).tolist() if value.dtype.kind != "O" else list(value.reshape(-1))
    if not isinstance(value, _SEQUENCES):
        return (), [value]
    if not any(isinstance(v, _NESTED) for v in value):
        return (len(value),), list(value)
    shape: tuple[int, ...] | None = None
    flat: list[Any] = []
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


def _holds_singletons(value: Any) -> bool:
    while isinstance(value, _LIST) and value:
        value = value[0]
    return isinstance(value, _TUPLE) and len(value) == 1


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 200 else text[:197] + "..."


def _python_kind(item: Any) -> DType:
    exact: Any = item.__class__
    kind = _EXACT.get(exact)
    if kind is not None:
        return kind
    if isinstance(item, _NUMBERS):
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
    """The dtype of what a list holds: NumPy's for all of it, but float32 for float64 and int32 for int64."""
    if not flat:
        return dtypes.float32
    kinds = {_python_kind(item) for item in flat}
    if dtypes.string in kinds and len(kinds) > 1:
        first = _python_kind(flat[0])
        odd = next(i for i in flat if _python_kind(i) is not first)
        raise TypeError(
            f"Expected {first.name}. Received: {odd!r} of type '{type(odd).__name__}' in {_short(value)}"
        )
    if len(kinds) == 1:
        (kind,) = kinds
    else:
        kind = dtypes.as_dtype(np.result_type(*(_as_python(i, _python_kind(i)) for i in flat)))
    if kind is dtypes.float64:
        return dtypes.float32
    if kind not in (dtypes.int32, dtypes.int64) or all(int(i) in _INT32 for i in flat):
        return dtypes.int32 if kind is dtypes.int64 else kind
    least, most = min(map(int, flat)), max(map(int, flat))
    if most >= 2**64 or least < -(2**63) or (most >= 2**63 and least < 0):
        raise TypeError(f"Python integers must fit 64 bits. Received: {_short(value)}")
    return dtypes.uint64 if most >= 2**63 else dtypes.int64


def _as_python(item: Any, kind: DType) -> np.dtype[Any]:
    """The dtype that NumPy gives an item of a list."""
    if isinstance(item, _NUMBERS):
        return item.dtype
    wide = {dtypes.int32: np.int64, dtypes.float32: np.float64}
    return np.dtype(wide.get(kind, kind.np_dtype))


def _check(flat: list[Any], dtype: DType) -> None:
    """Every element must be of a kind that converts to `dtype` without loss of kind."""
    for item in flat:
        kind = _python_kind(item)
        if dtype is dtypes.string or kind is dtypes.string:
            good = kind is dtype
        elif dtype.is_bool or kind.is_bool:  # Python's own booleans are numbers
            good = kind.is_bool and (dtype.is_bool or type(item) is bool)
        elif dtype.is_integer or dtype.is_quantized:
            good = kind.is_integer
        elif dtype.is_complex:
            good = True
        else:
            good = not kind.is_complex
        if not good:
            received = f"{item!r} of type '{type(item).__name__}'"
            raise TypeError(f"Expected {dtype.name}. Received: {received}{_remedy(kind, dtype)}")


def _remedy(kind: DType, wanted: DType) -> str:
    """What a program may do that meets a number of another kind with a tensor of dtype `wanted`."""
    if wanted.is_integer and kind.is_floating:
        return f"; tf.cast(x, tf.{kind.name}) makes a tensor of integers one that works with it"
    if wanted.is_integer and kind.is_bool:
        return f"; tf.cast(x, tf.{wanted.name}) makes integers of truth values"
    return ""


def _stretch(array: np.ndarray, shape: shapes.Dims) -> np.ndarray:
    size = shapes.num_elements(shape)
    if size is None:
        raise ValueError(f"a constant's shape must be fully defined. Received: {shapes.format_dims(shape)}")
    if array.size == size:
        return array.reshape(shape)  # type: ignore[arg-type]
    if array.size == 0 and array.dtype.kind != "O":
        return np.zeros(shape, array.dtype)  # type: ignore[arg-type]
    if array.size > size or array.size == 0:
        raise ValueError(
            f"{array.size} elements do not fit shape {shapes.format_dims(shape)}, which has {size}"
        )
    if array.size == 1:  # takes no memory, and is written as the one element that was given
        return np.broadcast_to(array.reshape(()), shape)  # type: ignore[arg-type]
    try:
        flat = np.empty(size, array.dtype)
    except MemoryError:
        raise ValueError(f"the shape is too large for this machine. Received: {shape}") from None
    flat[: array.size] = array.reshape(-1)
    flat[array.size :] = array.reshape(-1)[-1]
    return flat.reshape(shape)  # type: ignore[arg-type]
