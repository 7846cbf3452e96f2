"""Arrays to TensorProto and back, in the encoding TensorFlow chooses and every one it accepts.

A TensorProto keeps its elements in one of two places. `tensor_content` is the array's memory. Otherwise a
repeated field chosen by the dtype (`float_val`, `int_val`, ...) lists elements, and may stop early: the last
one listed then fills the rest of the shape. `encode` writes the bytes that TensorFlow 1.15 writes; `decode`
reads every form.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from millrace.core import dtypes, protos
from millrace.core.dtypes import DType, as_dtype

_MAX_BYTES = 2 << 30  # protobuf cannot serialize a message of 2 GiB


@dataclass(frozen=True)
class _Field:
    """Where and how elements of one dtype are listed.

    Attributes:
      name: the repeated field.
      listed: NumPy type of the numbers it lists; a complex element is two of them.
      storage: NumPy type of the same memory in the array.
      bulk: whether TensorFlow prefers `tensor_content` for more than one element.
    """

    name: str
    listed: type[np.generic]
    storage: type[np.generic]
    bulk: bool


_BYTES = "float8_val"  # the one field that is not repeated: a byte is an element
_FIELDS: dict[DType, _Field] = {
    dtypes.float32: _Field("float_val", np.float32, np.float32, bulk=True),
    dtypes.float64: _Field("double_val", np.float64, np.float64, bulk=True),
    dtypes.float16: _Field("half_val", np.int32, np.uint16, bulk=False),
    dtypes.bfloat16: _Field("half_val", np.int32, np.uint16, bulk=False),
    dtypes.int8: _Field("int_val", np.int32, np.int8, bulk=True),
    dtypes.int16: _Field("int_val", np.int32, np.int16, bulk=True),
    dtypes.int32: _Field("int_val", np.int32, np.int32, bulk=True),
    dtypes.int64: _Field("int64_val", np.int64, np.int64, bulk=True),
    dtypes.uint8: _Field("int_val", np.int32, np.uint8, bulk=True),
    dtypes.uint16: _Field("int_val", np.int32, np.uint16, bulk=False),
    dtypes.uint32: _Field("uint32_val", np.uint32, np.uint32, bulk=True),
    dtypes.uint64: _Field("uint64_val", np.uint64, np.uint64, bulk=True),
    dtypes.bool_: _Field("bool_val", np.bool_, np.bool_, bulk=False),
    dtypes.complex64: _Field("scomplex_val", np.float32, np.float32, bulk=False),
    dtypes.complex128: _Field("dcomplex_val", np.float64, np.float64, bulk=False),
    dtypes.qint8: _Field("int_val", np.int32, np.int8, bulk=True),
    dtypes.quint8: _Field("int_val", np.int32, np.uint8, bulk=True),
    dtypes.qint16: _Field("int_val", np.int32, np.int16, bulk=True),
    dtypes.quint16: _Field("int_val", np.int32, np.uint16, bulk=True),
    dtypes.qint32: _Field("int_val", np.int32, np.int32, bulk=True),
    dtypes.float8_e5m2: _Field(_BYTES, np.uint8, np.uint8, bulk=True),
    dtypes.float8_e4m3fn: _Field(_BYTES, np.uint8, np.uint8, bulk=True),
    dtypes.int4: _Field("int_val", np.int32, np.int8, bulk=True),
    dtypes.uint4: _Field("int_val", np.int32, np.uint8, bulk=True),
}


def encode(array: np.ndarray[Any, Any], dtype: DType, shape: Sequence[int] | None = None) -> Any:
    """Encodes `array` as TensorFlow would.

    Args:
      array: `[...]`; of `dtype.np_dtype` or a type that converts to it; for string, `bytes` or `str`.
      dtype: any type but resource and variant; a reference type stands for its base.
      shape: what the TensorProto claims, when it is not `array.shape`. `array` may then have fewer elements:
        the last one fills the rest.

    Returns:
      A `protos.TensorProto`.

    Raises:
      TypeError: `dtype` has no encoding, or a string element is neither `bytes` nor `str`.
      ValueError: `array` has more elements than `shape`, or they take 2 GiB or more.
    """
    dtype = dtype.base_dtype
    array = np.asarray(array)
    dims = array.shape if shape is None else tuple(shape)
    count = math.prod(dims)
    if array.size > count:
        raise ValueError(
            f"tensor_proto.encode: shape {list(dims)} holds {count} elements, received {array.size}"
            f" (array of shape {list(array.shape)})"
        )
    proto = protos.TensorProto(dtype=dtype.as_datatype_enum)
    proto.tensor_shape.SetInParent()  # a scalar's shape is present and empty
    for size in dims:
        proto.tensor_shape.dim.add(size=size)
    if dtype is dtypes.string:
        list_elements(proto, array, dtype)
        return proto
    bulk = _field_of(dtype, "encode").bulk
    if (size_in_bytes := array.size * dtype.np_dtype.itemsize) >= _MAX_BYTES:
        raise ValueError(
            f"tensor_proto.encode: a TensorProto must stay below 2 GiB, received {size_in_bytes} bytes"
            f" ({dtype.name}, shape {list(dims)})"
        )
    if bulk and array.size == count > 1:
        proto.tensor_content = np.ascontiguousarray(array, dtype.np_dtype).tobytes()
    else:
        list_elements(proto, array, dtype)
    return proto


def list_elements(proto: Any, array: np.ndarray[Any, Any], dtype: DType) -> None:
    """Appends the elements of `array` to the repeated field of a TensorProto that lists those of `dtype`.

    Raises:
      TypeError: `dtype` has no encoding.
    """
    if dtype is dtypes.string:
        proto.string_val.extend(_as_bytes(element) for element in array.ravel().tolist())
        return
    field = _field_of(dtype, "encode")
    flat = np.ascontiguousarray(array, dtype.np_dtype).reshape(-1)
    if field.name == _BYTES:
        proto.float8_val += flat.tobytes()
        return
    getattr(proto, field.name).extend(flat.view(field.storage).tolist())


def decode(proto: Any, writable: bool = True) -> np.ndarray[Any, Any]:
    """Decodes a TensorProto of any encoding.

    Args:
      proto: a `protos.TensorProto`, or one of TensorFlow's own.
      writable: the caller will write into the array; otherwise it may share memory with bytes.

    Returns:
      An array of the proto's shape and of its dtype's `np_dtype`; string elements are `bytes`.

    Raises:
      TypeError: the dtype has no array form (resource, variant).
      ValueError: the shape is not fully known, `tensor_content` does not fit it, or far too little is
        listed for it.
    """
    dtype = as_dtype(proto.dtype).base_dtype
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if proto.tensor_shape.unknown_rank or any(size < 0 for size in shape):
        received = "unknown rank" if proto.tensor_shape.unknown_rank else list(shape)
        raise ValueError(f"tensor_proto.decode: the shape must be fully known, received {received}")
    count = math.prod(shape)
    if dtype is dtypes.string:
        listed = _split_strings(proto.tensor_content, count) if proto.tensor_content else proto.string_val
        values = np.empty(min(len(listed), count), object)
        values[:] = listed[:count]
        return _fill(values, count, b"").reshape(shape)
    field = _field_of(dtype, "decode")
    if proto.tensor_content:
        content = proto.tensor_content
        if len(content) != count * dtype.np_dtype.itemsize:
            raise ValueError(
                f"tensor_proto.decode: tensor_content of {dtype.name} with shape {list(shape)} needs"
                f" {count * dtype.np_dtype.itemsize} bytes, received {len(content)}"
            )
        array = np.frombuffer(content, dtype.np_dtype).reshape(shape)
        return array.copy() if writable else array
    numbers = np.fromiter(getattr(proto, field.name), field.listed).astype(field.storage, copy=False)
    parts = dtype.np_dtype.itemsize // numbers.itemsize
    values = numbers[: numbers.size // parts * parts].view(dtype.np_dtype)  # half a complex number is dropped
    if not writable and len(values) <= 1 < count:  # takes no memory, however large the shape is
        return np.broadcast_to(values[0] if len(values) else np.zeros((), dtype.np_dtype), shape)
    return _fill(values, count, np.zeros((), dtype.np_dtype)).reshape(shape)


def listed(proto: Any) -> int:
    """How many elements a TensorProto lists; those that follow repeat the last."""
    dtype = as_dtype(proto.dtype).base_dtype
    if dtype is dtypes.string:
        return len(proto.string_val)
    field = _field_of(dtype, "listed")
    parts = dtype.np_dtype.itemsize // np.dtype(field.storage).itemsize
    return len(getattr(proto, field.name)) // parts


def _field_of(dtype: DType, who: str) -> _Field:
    try:
        return _FIELDS[dtype]
    except KeyError:
        raise TypeError(f"tensor_proto.{who}: only value types have an array, received {dtype!r}") from None


_MOST_FILLED = 1 << 27  # elements that a short list is filled up to


def _fill(values: np.ndarray[Any, Any], count: int, nothing: Any) -> np.ndarray[Any, Any]:
    """The first `count` of `values`, the last one repeated as needed; all `nothing` when there are none."""
    if len(values) >= count:
        return values[:count]
    if count > _MOST_FILLED:
        raise ValueError(
            f"tensor_proto.decode: {len(values)} listed elements do not become so many, received {count}"
        )
    full = np.empty(count, values.dtype)
    full[: len(values)] = values
    full[len(values) :] = values[-1] if len(values) else nothing
    return full


def _as_bytes(element: Any) -> bytes:
    if isinstance(element, bytes):
        return element
    if isinstance(element, str):
        return element.encode()
    raise TypeError(
        f"tensor_proto.encode: a string tensor's elements must be bytes or str,"
        f" received {element!r} ({type(element).__name__})"
    )


def _split_strings(content: bytes, count: int) -> list[bytes]:
    """Splits the memory form of a string tensor: all lengths as varints, then all bytes."""
    lengths, at = [], 0
    try:
        for _ in range(count):
            length = shift = 0
            while content[at] & 0x80:
                length |= (content[at] & 0x7F) << shift
                shift, at = shift + 7, at + 1
            lengths.append(length | content[at] << shift)
            at += 1
    except IndexError:
        raise _bad_strings(content, count) from None
    ends = list(accumulate(lengths, initial=at))
    if ends[-1] != len(content):
        raise _bad_strings(content, count)
    return [content[start:end] for start, end in pairwise(ends)]


def _bad_strings(content: bytes, count: int) -> ValueError:
    return ValueError(
        f"tensor_proto.decode: tensor_content must list {count} string lengths and then exactly their bytes,"
        f" received {len(content)} bytes"
    )
