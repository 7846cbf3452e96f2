"""Lists of tensors put together, resized, and filled at chosen places."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.core import dtypes
from millrace.core.dtypes import ALL
from millrace.core.errors import refusal
from millrace.dialect.numpy.control import Stack
from millrace.graph.attrs import dtype
from millrace.graph.attrs import shape as shape_attr
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare

_INDEX = frozenset((dtypes.int32, dtypes.int64))


def _placed(items: list[Any], tensor: Any, indices: Any) -> Stack:
    """A list with the rows of `tensor` at the places `indices`, longer where they ask for it."""
    if len(indices) != len(tensor):
        raise refusal(
            f"Specified a list with shape [{len(indices)}] from a tensor with shape {list(tensor.shape)}"
        )
    for place, row in zip(indices.tolist(), tensor, strict=True):
        if place < 0:
            raise refusal(f"Indices in TensorListScatter must all be non-negative. Received: {place}")
        items.extend([None] * (place + 1 - len(items)))
        items[place] = row
    return Stack(items)


@declare(
    "TensorListConcat(input_handle: variant) -> tensor: element_dtype, lengths: int64",
    element_dtype=dtype(ALL),
    element_shape=shape_attr(None),
    host=True,
)
class TensorListConcat:
    """The elements end to end along their first dimension, and their lengths."""

    def shape(input_handle, element_shape):
        return [None if not element_shape else (None, *element_shape[1:]), (None,)]

    def kernel(xp, input_handle, element_dtype, element_shape):
        lengths = np.array([len(v) for v in input_handle], np.int64)
        if len(input_handle):
            return np.concatenate(list(input_handle)), lengths
        rest = tuple(d or 0 for d in (element_shape or ())[1:])
        return np.zeros((0, *rest), element_dtype.np_dtype), lengths

    def grad(op, dtensor, _):
        return raw.TensorListSplit(dtensor, -1, op.outputs[1])


@declare(
    "TensorListConcatLists(input_a: variant, input_b: variant) -> output: variant",
    element_dtype=dtype(ALL),
    host=True,
)
class TensorListConcatLists:
    """The elements of one list, then those of another."""

    def shape(input_a, input_b):
        return None

    def kernel(xp, input_a, input_b):
        return Stack([*input_a, *input_b])

    grad = NOT_DIFFERENTIABLE


@declare("TensorListResize(input_handle: variant, size: int32) -> output_handle: variant", host=True)
class TensorListResize:
    """A list of `size` elements: cut off, or with elements that are not set."""

    def shape(input_handle, size):
        return None

    def kernel(xp, input_handle, size):
        if size < 0:
            raise refusal(f"TensorListResize expects size to be non-negative. Got: {size}")
        items = list(input_handle)[: int(size)]
        return Stack(items + [None] * (int(size) - len(items)))

    def grad(op, dlist):
        return raw.TensorListResize(dlist, raw.TensorListLength(op.inputs[0])), None


@declare(
    "TensorListScatter(tensor: element_dtype, indices: int32, element_shape: shape_type) -> "
    "output_handle: variant",
    element_dtype=ALL,
    shape_type=_INDEX,
    host=True,
)
class TensorListScatter:
    """A list with the rows of `tensor` at the places `indices`."""

    def shape(tensor, indices, element_shape):
        return None

    def kernel(xp, tensor, indices, element_shape):
        return _placed([], tensor, indices)

    def grad(op, dlist):
        tensor, indices, _ = op.inputs
        return (
            raw.TensorListGather(dlist, indices, raw.Shape(tensor)[1:], element_dtype=tensor.dtype),
            None,
            None,
        )


@declare(
    "TensorListScatterV2(tensor: element_dtype, indices: int32, element_shape: shape_type, "
    "num_elements: int32) -> output_handle: variant",
    element_dtype=ALL,
    shape_type=_INDEX,
    host=True,
)
class TensorListScatterV2:
    """TensorListScatter into a list of `num_elements`; -1 for as many as the indices ask for."""

    def shape(tensor, indices, element_shape, num_elements):
        return None

    def kernel(xp, tensor, indices, element_shape, num_elements):
        size = int(num_elements)
        if size < -1:
            raise refusal(f"TensorListScatter expects num_elements >= -1. Received: {size}")
        if size >= 0 and len(indices) and indices.max() >= size:
            raise refusal(f"TensorListScatter: an index is beyond {size} elements. Received: {indices.max()}")
        return _placed([None] * max(size, 0), tensor, indices)

    def grad(op, dlist):
        tensor, indices, *_ = op.inputs
        rows = raw.TensorListGather(dlist, indices, raw.Shape(tensor)[1:], element_dtype=tensor.dtype)
        return rows, None, None, None


@declare(
    "TensorListScatterIntoExistingList(input_handle: variant, tensor: element_dtype, indices: int32) "
    "-> output_handle: variant",
    element_dtype=ALL,
    host=True,
)
class TensorListScatterIntoExistingList:
    """A list with the rows of `tensor` at the places `indices`, its other elements as they were."""

    def shape(input_handle, tensor, indices):
        return None

    def kernel(xp, input_handle, tensor, indices):
        return _placed(list(input_handle), tensor, indices)

    grad = NOT_DIFFERENTIABLE
