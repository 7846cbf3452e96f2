"""Lists of tensors, as TensorFlow 2's loops keep what their gradients need: values, never changed once made.

A list is a `Stack` of NumPy values, None where nothing was set. They run on the host.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.core import dtypes, errors, shapes
from millrace.core.dtypes import ALL
from millrace.core.errors import refusal
from millrace.dialect.numpy.control import Stack
from millrace.graph.attrs import dtype, flag, integer, later
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare

_INDEX = frozenset((dtypes.int32, dtypes.int64))


def _dims(known: Any) -> shapes.Dims:
    """The shape that a value of an element_shape input says, as far as it is known while building."""
    value = known.value
    if value is None or np.ndim(value) == 0:
        return None
    return tuple(None if d < 0 else int(d) for d in np.ravel(value))


def _filled(stack: Stack, index: int, element_shape: Any, element_dtype: Any) -> Any:
    """The element at `index`; zeros where none was set."""
    value = stack[index]
    if value is not None:
        return value
    known = next((v for v in stack if v is not None), None)
    if known is not None:
        return np.zeros_like(known)
    if np.ndim(element_shape) == 0 or any(d < 0 for d in np.ravel(element_shape)):
        raise _invalid(f"Trying to read an uninitialized element {index} of a list whose shape is not known")
    return np.zeros(tuple(np.ravel(element_shape)), element_dtype.np_dtype)


def _invalid(message: str) -> errors.InvalidArgumentError:
    return refusal(message)


def _checked(stack: Stack, index: Any, verb: str) -> int:
    if not 0 <= index < len(stack):
        raise _invalid(f"Trying to {verb} item {index} in a list with {len(stack)} elements.")
    return int(index)


@declare(
    "EmptyTensorList(element_shape: shape_type, max_num_elements: int32) -> handle: variant",
    element_dtype=dtype(ALL),
    shape_type=_INDEX,
    host=True,
)
class EmptyTensorList:
    """A list without elements."""

    def shape(element_shape, max_num_elements):
        return None

    def kernel(xp, element_shape, max_num_elements):
        return Stack()

    grad = NOT_DIFFERENTIABLE


@declare(
    "TensorListReserve(element_shape: shape_type, num_elements: int32) -> handle: variant",
    element_dtype=dtype(ALL),
    shape_type=_INDEX,
    host=True,
)
class TensorListReserve:
    """A list of elements that are yet to be set."""

    def shape(element_shape, num_elements):
        return None

    def kernel(xp, element_shape, num_elements):
        return Stack([None] * int(num_elements))

    grad = NOT_DIFFERENTIABLE


@declare(
    "TensorListPushBack(input_handle: variant, tensor: element_dtype) -> output_handle: variant",
    element_dtype=ALL,
    host=True,
)
class TensorListPushBack:
    """The list with `tensor` at its end."""

    def shape(input_handle, tensor):
        return None

    def kernel(xp, input_handle, tensor):
        return Stack([*input_handle, tensor])

    def grad(op, dlist):
        return raw.TensorListPopBack(dlist, -1, element_dtype=op.inputs[1].dtype)


@declare(
    "TensorListPopBack(input_handle: variant, element_shape: int32) "
    "-> output_handle: variant, tensor: element_dtype",
    element_dtype=dtype(ALL),
    host=True,
    static=("element_shape",),
)
class TensorListPopBack:
    """The list without its last element, and that element."""

    def shape(input_handle, element_shape):
        return [None, _dims(element_shape)]

    def kernel(xp, input_handle, element_shape, element_dtype):
        if not input_handle:
            raise _invalid("Trying to pop from an empty list.")
        last = _filled(input_handle, len(input_handle) - 1, element_shape, element_dtype)
        return Stack(input_handle[:-1]), last

    def grad(op, dlist, dtensor):
        if dlist is None:
            dlist = raw.EmptyTensorList(-1, -1, element_dtype=op.attrs["element_dtype"])
        return raw.TensorListPushBack(dlist, dtensor), None


@declare(
    "TensorListGetItem(input_handle: variant, index: int32, element_shape: int32) -> item: element_dtype",
    element_dtype=dtype(ALL),
    host=True,
    static=("element_shape",),
)
class TensorListGetItem:
    """The element at `index`."""

    def shape(input_handle, index, element_shape):
        return _dims(element_shape)

    def kernel(xp, input_handle, index, element_shape, element_dtype):
        return _filled(input_handle, _checked(input_handle, index, "access"), element_shape, element_dtype)

    def grad(op, ditem):
        length = raw.TensorListLength(op.inputs[0])
        zeros = raw.TensorListReserve(-1, length, element_dtype=op.attrs["element_dtype"])
        return raw.TensorListSetItem(zeros, op.inputs[1], ditem), None, None


@declare(
    "TensorListSetItem(input_handle: variant, index: int32, item: element_dtype) -> output_handle: variant",
    element_dtype=ALL,
    resize_if_index_out_of_bounds=later(flag(False)),
    host=True,
)
class TensorListSetItem:
    """The list with `item` at `index`, longer if it ends before and may grow."""

    def shape(input_handle, index, item):
        return None

    def kernel(xp, input_handle, index, item, resize_if_index_out_of_bounds):
        if resize_if_index_out_of_bounds and index >= len(input_handle):
            return Stack([*input_handle, *(None,) * (int(index) - len(input_handle)), item])
        index = _checked(input_handle, index, "modify")
        return Stack([*input_handle[:index], item, *input_handle[index + 1 :]])

    def grad(op, dlist):
        item = op.inputs[2]
        rest = raw.TensorListSetItem(dlist, op.inputs[1], raw.ZerosLike(item))
        return (
            rest,
            None,
            raw.TensorListGetItem(dlist, op.inputs[1], raw.Shape(item), element_dtype=item.dtype),
        )


@declare("TensorListLength(input_handle: variant) -> length: int32", host=True)
class TensorListLength:
    """How many elements a list has."""

    def shape(input_handle):
        return ()

    def kernel(xp, input_handle):
        return np.int32(len(input_handle))

    grad = NOT_DIFFERENTIABLE


@declare(
    "TensorListElementShape(input_handle: variant) -> element_shape: shape_type",
    shape_type=dtype(_INDEX),
    host=True,
)
class TensorListElementShape:
    """The shape of the elements, as far as they tell; -1 where there is none."""

    def shape(input_handle):
        return None

    def kernel(xp, input_handle, shape_type):
        known = next((v for v in input_handle if v is not None), None)
        return np.asarray(-1 if known is None else np.shape(known), shape_type.np_dtype)

    grad = NOT_DIFFERENTIABLE


@declare(
    "TensorListFromTensor(tensor: element_dtype, element_shape: shape_type) -> output_handle: variant",
    element_dtype=ALL,
    shape_type=_INDEX,
    host=True,
)
class TensorListFromTensor:
    """The rows of `tensor` as a list."""

    def shape(tensor, element_shape):
        return None

    def kernel(xp, tensor, element_shape):
        return Stack(tensor)

    def grad(op, dlist):
        return raw.TensorListStack(dlist, raw.Shape(op.inputs[0])[1:], element_dtype=op.inputs[0].dtype), None


@declare(
    "TensorListStack(input_handle: variant, element_shape: int32) -> tensor: element_dtype",
    element_dtype=dtype(ALL),
    num_elements=integer(default=-1),
    host=True,
    static=("element_shape",),
)
class TensorListStack:
    """The elements of a list, stacked along a new first dimension."""

    def shape(input_handle, element_shape, num_elements):
        dims = _dims(element_shape)
        return None if dims is None else (None if num_elements < 0 else num_elements, *dims)

    def kernel(xp, input_handle, element_shape, element_dtype, num_elements):
        if num_elements >= 0 and num_elements != len(input_handle):
            raise _invalid(f"Expected {num_elements} elements. Received: a list of {len(input_handle)}")
        rows = [_filled(input_handle, i, element_shape, element_dtype) for i in range(len(input_handle))]
        if rows:
            return np.stack(rows)
        dims = () if np.ndim(element_shape) == 0 else tuple(max(int(d), 0) for d in element_shape)
        return np.zeros((0, *dims), element_dtype.np_dtype)

    def grad(op, dtensor):
        return raw.TensorListFromTensor(dtensor, raw.Shape(dtensor)[1:]), None


@declare(
    "TensorListGather(input_handle: variant, indices: int32, element_shape: int32) -> values: element_dtype",
    element_dtype=dtype(ALL),
    host=True,
    static=("element_shape",),
)
class TensorListGather:
    """The elements at `indices`, stacked."""

    def shape(input_handle, indices, element_shape):
        dims = _dims(element_shape)
        return None if dims is None else (indices[0] if indices else None, *dims)

    def kernel(xp, input_handle, indices, element_shape, element_dtype):
        rows = [
            _filled(input_handle, _checked(input_handle, i, "access"), element_shape, element_dtype)
            for i in indices
        ]
        return np.stack(rows) if rows else np.zeros((0,), element_dtype.np_dtype)

    grad = NOT_DIFFERENTIABLE


@declare(
    "TensorListConcatV2(input_handle: variant, element_shape: shape_type, leading_dims: int64) "
    "-> tensor: element_dtype, lengths: int64",
    element_dtype=dtype(ALL),
    shape_type=_INDEX,
    host=True,
    static=("element_shape",),
)
class TensorListConcatV2:
    """The elements end to end along their first dimension, and their lengths."""

    def shape(input_handle, element_shape, leading_dims):
        dims = _dims(element_shape)
        return [None if not dims else (None, *dims[1:]), (None,)]

    def kernel(xp, input_handle, element_shape, leading_dims, element_dtype):
        lengths = np.array([len(v) for v in input_handle], np.int64)
        if input_handle:
            return np.concatenate(list(input_handle)), lengths
        rest = () if np.ndim(element_shape) == 0 else tuple(max(int(d), 0) for d in element_shape[1:])
        return np.zeros((0, *rest), element_dtype.np_dtype), lengths

    def grad(op, dtensor, _):
        return raw.TensorListSplit(dtensor, -1, op.outputs[1]), None, None


@declare(
    "TensorListSplit(tensor: element_dtype, element_shape: shape_type, lengths: int64) "
    "-> output_handle: variant",
    element_dtype=ALL,
    shape_type=_INDEX,
    host=True,
)
class TensorListSplit:
    """The pieces of `tensor`, of the given lengths, as a list."""

    def shape(tensor, element_shape, lengths):
        return None

    def kernel(xp, tensor, element_shape, lengths):
        if np.sum(lengths) != len(tensor):
            raise _invalid(f"Expected lengths to sum to {len(tensor)}. Received: {list(lengths)}")
        return Stack(np.split(tensor, np.cumsum(lengths)[:-1])) if len(lengths) else Stack()

    def grad(op, dlist):
        leading = raw.Const(value=np.zeros(0, np.int64), dtype=dtypes.int64)
        joined = raw.TensorListConcatV2(dlist, -1, leading, element_dtype=op.inputs[0].dtype)
        return joined[0], None, None
