"""Arrays and sparse tensors as serialized TensorProtos, and JSON as serialized Examples."""

from collections.abc import Iterable, Sequence

import numpy as np

from millrace.core import protos, tensor_proto
from millrace.core.dtypes import DType, as_dtype, int64
from millrace.core.errors import refusal
from millrace.opkit.text.pieces import objects


def serialize(array: np.ndarray, dtype: DType) -> bytes:
    """One array as a TensorProto: numbers as their memory, strings listed.

    Args:
      array: any shape.
      dtype: its element type.
    """
    if array.dtype.kind == "O":
        return tensor_proto.encode(array, dtype).SerializeToString()
    proto = protos.TensorProto(dtype=dtype.as_datatype_enum)
    proto.tensor_shape.SetInParent()
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    proto.tensor_content = np.ascontiguousarray(array).tobytes()
    return proto.SerializeToString()


def parse(data: bytes, dtype: DType) -> np.ndarray:
    """The array that a serialized TensorProto holds.

    Args:
      data: the serialized TensorProto.
      dtype: what its elements must be.

    Raises:
      InvalidArgumentError: the bytes are not a TensorProto, or one of another dtype.
    """
    proto = protos.TensorProto()
    try:
        proto.ParseFromString(data)
    except Exception as problem:  # protobuf's implementations raise different classes
        shown = data[:60].decode("latin-1")
        raise refusal(
            f"Could not parse `serialized` as TensorProto: {problem}. Received: '{shown}'"
        ) from None
    found = as_dtype(proto.dtype).name if proto.dtype else "invalid"
    if found != dtype.name:
        raise refusal(f"Type mismatch between parsed tensor ({found}) and dtype ({dtype.name})")
    try:
        return tensor_proto.decode(proto)
    except (TypeError, ValueError) as problem:
        raise refusal(f"Cannot parse tensor from proto: {problem}") from None


# ---------------------------------------------------------------- sparse tensors


def serialize_sparse(indices: np.ndarray, values: np.ndarray, shape: np.ndarray, dtype: DType) -> np.ndarray:
    """A sparse tensor as three strings.

    Args:
      indices: `[n, rank]` int64.
      values: `[n]`.
      shape: `[rank]` int64.
      dtype: element type of the values.

    Returns:
      `[3]` object array of `bytes`.

    Raises:
      InvalidArgumentError: the three parts do not fit together.
    """
    _check_parts(indices, values, shape)
    return objects([serialize(indices, int64), serialize(values, dtype), serialize(shape, int64)])


def serialize_many_sparse(
    indices: np.ndarray, values: np.ndarray, shape: np.ndarray, dtype: DType
) -> np.ndarray:
    """A batch of sparse tensors, cut along the first dimension, as three strings each.

    Args:
      indices: `[n, rank]` int64, ordered by the first column; rank at least 2.
      values: `[n]`.
      shape: `[rank]` int64.
      dtype: element type of the values.

    Returns:
      `[shape[0], 3]` object array of `bytes`.

    Raises:
      InvalidArgumentError: the parts do not fit together, or the indices are out of order or bounds.
    """
    _check_parts(indices, values, shape)
    rank, count = len(shape), int(shape[0]) if len(shape) else 0
    if rank < 2:
        raise refusal(f"Rank of input SparseTensor should be > 1, but saw rank: {rank}")
    rows = indices[:, 0]
    if rows.size and (rows.min() < 0 or rows.max() >= count):
        raise refusal(f"indices are out of bounds: need 0 <= row < {count}. Received: {rows.tolist()[:10]}")
    if (rows[1:] < rows[:-1]).any():
        raise refusal(f"indices are out of order. Received: rows {rows.tolist()[:10]}")
    cuts = np.searchsorted(rows, np.arange(count + 1))
    inner = serialize(shape[1:], int64)
    out = np.empty((count, 3), object)
    for row in range(count):
        part = slice(cuts[row], cuts[row + 1])
        out[row] = serialize(indices[part, 1:], int64), serialize(values[part], dtype), inner
    return out


def _check_parts(indices: np.ndarray, values: np.ndarray, shape: np.ndarray) -> None:
    if indices.ndim != 2 or values.ndim != 1 or shape.ndim != 1:
        raise refusal(
            "Input indices should be a matrix, values and shape vectors. "
            f"Received: shapes {list(indices.shape)}, {list(values.shape)}, {list(shape.shape)}"
        )
    if len(indices) != len(values) or indices.shape[1] != len(shape):
        raise refusal(
            "Number of values and rank must match the indices. "
            f"Received: shapes {list(indices.shape)}, {list(values.shape)}, {list(shape.shape)}"
        )


def deserialize_sparse(serialized: np.ndarray, dtype: DType) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reads sparse tensors back; with leading dimensions they become one tensor with those in front.

    Args:
      serialized: `[..., 3]` object array of `bytes`.
      dtype: element type of the values.

    Returns:
      `[n, rank]` int64 indices, `[n]` values, `[rank]` int64 dense shape. Along the leading dimensions the
      parts may have different shapes; the result is as large as the largest.

    Raises:
      InvalidArgumentError: a string is not a TensorProto of the right kind, or ranks differ.
    """
    if serialized.ndim < 1 or serialized.shape[-1] != 3:
        raise refusal(
            f"Serialized sparse should have 3 as the last dimension. Received: {list(serialized.shape)}"
        )
    outer = serialized.shape[:-1]
    parts = [_parse_parts(row, dtype) for row in serialized.reshape((-1, 3)).tolist()]
    if not outer:
        return parts[0]
    if not parts:
        raise refusal(
            f"Cannot tell the rank of an empty batch of sparse tensors. Received: {list(serialized.shape)}"
        )
    ranks = {len(shape) for _, _, shape in parts}
    if len(ranks) > 1:
        raise refusal(f"Inconsistent rank across SparseTensors. Received: ranks {sorted(ranks)}")
    places = np.indices(outer).reshape((len(outer), -1)).T
    indices = [np.hstack((np.tile(at, (len(p[0]), 1)), p[0])) for at, p in zip(places, parts, strict=True)]
    largest = np.max([shape for _, _, shape in parts], axis=0)
    return (
        np.concatenate(indices).astype(np.int64, copy=False),
        np.concatenate([values for _, values, _ in parts]),
        np.concatenate((np.array(outer, np.int64), largest)),
    )


def _parse_parts(row: Sequence[bytes], dtype: DType) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    indices, values, shape = parse(row[0], int64), parse(row[1], dtype), parse(row[2], int64)
    _check_parts(indices, values, shape)
    return indices, values, shape


# ---------------------------------------------------------------- JSON


def examples_from_json(texts: Iterable[bytes]) -> list[bytes]:
    """Examples given as JSON, by protobuf's mapping, in wire format.

    Args:
      texts: one Example each.

    Raises:
      InvalidArgumentError: a text is not JSON, or not an Example.
    """
    from google.protobuf import json_format  # large, and needed by nobody else

    out = []
    for text in texts:
        try:
            example = json_format.Parse(text, protos.Example())
        except (json_format.ParseError, UnicodeDecodeError) as problem:
            raise refusal(f"Error while parsing JSON: {problem}") from None
        out.append(example.SerializeToString())
    return out
