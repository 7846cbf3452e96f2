"""`TensorProto` messages from values and back, by the rules of constants."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import literals
from millrace.core import dtypes, shapes, tensor_proto
from millrace.core.public import public


@public("make_tensor_proto", "contrib.util.make_tensor_proto")
def make_tensor_proto(
    values: Any,
    dtype: Any = None,
    shape: Any = None,
    verify_shape: bool = False,
    allow_broadcast: bool = False,
) -> Any:
    """A `TensorProto` of `values`.

    Args:
      values: a number, string, nested list or array.
      dtype: its dtype; default as for `constant`.
      shape: its shape; a shorter value is filled up with its last element.
      verify_shape: refuse a value whose own shape is not `shape`.
      allow_broadcast: accepted.

    Raises:
      TypeError: the elements are of another kind than `dtype`, or `verify_shape` is set and the shapes
        differ.
      ValueError: ragged lists, or a value that does not fit `shape`.
    """
    if literals.is_message(values):
        return values
    chosen = None if dtype is None else dtypes.as_dtype(dtype).base_dtype
    dims = None if shape is None else shapes.as_dims(shape)
    if dims is not None and 0 in dims:
        return tensor_proto.encode(literals.to_array(values, chosen, dims), chosen or dtypes.float32)
    own = literals.to_array(values, chosen)
    if verify_shape and dims is not None and own.shape != dims:
        raise TypeError(
            f"make_tensor_proto: expected shape {shapes.format_dims(dims)}. Received: {own.shape}"
        )
    kind = chosen or dtypes.as_dtype(own.dtype)
    if dims is None or own.shape == dims:
        return tensor_proto.encode(own, kind)
    full = literals.to_array(values, chosen, dims)
    return tensor_proto.encode(full if own.size == full.size else own, kind, full.shape)


@public("make_ndarray", "contrib.util.make_ndarray")
def make_ndarray(tensor: Any) -> np.ndarray:
    """The array that a `TensorProto` holds.

    Raises:
      TypeError: it is not a `TensorProto`, or its dtype has no array.
    """
    if not hasattr(tensor, "tensor_shape"):
        raise TypeError(f"make_ndarray: a TensorProto is needed. Received: {tensor!r}")
    return tensor_proto.decode(tensor)
