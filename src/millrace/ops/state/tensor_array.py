"""Tensor arrays: lists of tensors written and read by index, as values that flow through the graph.

TensorFlow keeps the contents in a resource and orders its users by a scalar called the flow. Here the flow
*is* the contents: a write gives a new flow, nothing is shared, and a gradient of a flow is a flow that holds
the gradients of the elements. The handle stands for an empty array of the same size and kind. The static
shape of a flow is that of the elements, as far as it is known.
"""

from __future__ import annotations

import contextlib
from typing import Any

from millrace.building import raw
from millrace.core import shapes
from millrace.core.dtypes import ALL
from millrace.core.shapes import Dims
from millrace.graph.attrs import dtype, flag, shape, text
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.operation import Operation


def _element(known: Dims, written: Dims) -> Dims:
    """The shape of the elements after one of shape `written` joined those of shape `known`; elements may
    differ.
    """
    if known is None or written is None:
        return written if known is None else known
    return shapes.most_general(known, written)


def _after(op: Operation) -> Any:
    """A context in which operations wait for `op`: an array has its final size before it has gradients.

    Beside a loop's body there is nothing to wait for: the loop has ended.
    """
    graph = op.graph
    return graph.control_dependencies([op]) if op.body is graph.body else contextlib.nullcontext()


@declare(
    "TensorArrayV3(size: int32) -> handle: resource, flow: variant",
    dtype=dtype(),
    element_shape=shape(default=None),
    dynamic_size=flag(False),
    clear_after_read=flag(True),
    identical_element_shapes=flag(False),
    tensor_array_name=text(default=""),
    static=("size",),
)
class TensorArrayV3:
    """An array of `size` elements, none of them written."""

    def shape(size):
        return [(2,), None]

    def kernel(xp, size, dtype, dynamic_size, element_shape):
        empty = xp.ta_new(size, dtype.np_dtype, dynamic_size, element_shape)
        return empty, empty

    def grad(op, *dys):
        return None


def _count_handle(op: Any, entering: int) -> None:
    """Counts the handle that TensorFlow makes for a gradient's array, and its flow.

    Args:
      entering: how many tensors of it a loop lets in.
    """
    op.graph.count(2 + (entering if op.body is not None else 0))


@declare(
    "TensorArrayWriteV3(handle: resource, index: int32, value: T, flow_in: variant) -> flow_out: variant",
    T=ALL,
)
class TensorArrayWriteV3:
    """The array with `value` at `index`."""

    def shape(handle, index, value, flow_in):
        return _element(flow_in, value)

    def kernel(xp, handle, index, value, flow_in):
        return xp.ta_write(flow_in, index, value)

    def grad(op, flow):
        handle, index, value, _ = op.inputs
        _count_handle(op, 1)
        return None, None, raw.TensorArrayReadOrZero(handle, index, value, flow), flow


@declare(
    "TensorArrayReadV3(handle: resource, index: int32, flow_in: variant) -> value: dtype",
    dtype=dtype(ALL),
    alias=True,
)
class TensorArrayReadV3:
    """The element at `index`."""

    def shape(handle, index, flow_in):
        return flow_in

    def kernel(xp, handle, index, flow_in):
        return xp.ta_read(flow_in, index)

    def grad(op, dy):
        with _after(op):
            _count_handle(op, 2)
            return None, None, raw.TensorArrayOneHot(op.inputs[0], op.inputs[1], dy)


@declare(
    "TensorArrayGatherV3(handle: resource, indices: int32, flow_in: variant) -> value: dtype",
    dtype=dtype(ALL),
    element_shape=shape(default=None),
)
class TensorArrayGatherV3:
    """The elements at `indices`, stacked along a new first dimension."""

    def shape(handle, indices, flow_in, element_shape):
        element = shapes.merge(element_shape, flow_in)
        return None if element is None else (indices[0] if indices else None, *element)

    def kernel(xp, handle, indices, flow_in, element_shape):
        return xp.ta_gather(flow_in, indices, None if element_shape is None else (None, *element_shape))

    def grad(op, dy):
        with _after(op):
            _count_handle(op, 0)
            return None, None, raw.TensorArrayRows(op.inputs[0], op.inputs[1], dy)


@declare(
    "TensorArrayScatterV3(handle: resource, indices: int32, value: T, flow_in: variant) -> flow_out: variant",
    T=ALL,
)
class TensorArrayScatterV3:
    """The array with the rows of `value` at `indices`."""

    def shape(handle, indices, value, flow_in):
        return _element(flow_in, None if value is None else value[1:])

    def kernel(xp, handle, indices, value, flow_in):
        return xp.ta_scatter(flow_in, indices, value)

    def grad(op, flow):
        handle, indices, value, _ = op.inputs
        _count_handle(op, 0)
        return None, None, raw.TensorArrayGatherOrZero(handle, indices, value, flow), flow


@declare(
    "TensorArrayConcatV3(handle: resource, flow_in: variant) -> value: dtype, lengths: int64",
    dtype=dtype(ALL),
    element_shape_except0=shape(default=None),
)
class TensorArrayConcatV3:
    """The elements end to end along their first dimension, and their lengths."""

    def shape(handle, flow_in, element_shape_except0):
        rest = element_shape_except0
        return [None if rest is None else (None, *rest), (None,)]

    def kernel(xp, handle, flow_in, element_shape_except0):
        rest = element_shape_except0
        return xp.ta_concat(flow_in, None if rest is None else (None, *rest))

    def grad(op, dy, _):
        with _after(op):
            return None, raw.TensorArrayParts(op.inputs[0], dy, op.outputs[1])


@declare(
    "TensorArraySplitV3(handle: resource, value: T, lengths: int64, flow_in: variant) -> flow_out: variant",
    T=ALL,
)
class TensorArraySplitV3:
    """The array with the pieces of `value`, of the given lengths, as its elements."""

    def shape(handle, value, lengths, flow_in):
        return _element(flow_in, None if value is None else (None, *value[1:]))

    def kernel(xp, handle, value, lengths, flow_in):
        return xp.ta_split(flow_in, value, lengths)

    def grad(op, flow):
        handle, value, lengths, _ = op.inputs
        return None, raw.TensorArrayConcatOrZero(handle, value, lengths, flow), None, flow


@declare("TensorArraySizeV3(handle: resource, flow_in: variant) -> size: int32")
class TensorArraySizeV3:
    """How many elements the array has."""

    def shape(handle, flow_in):
        return ()

    def kernel(xp, handle, flow_in):
        return xp.ta_size(flow_in)

    grad = NOT_DIFFERENTIABLE


@declare("TensorArrayCloseV3(handle: resource)")
class TensorArrayCloseV3:
    """Nothing: an array is a value, which is freed when nobody needs it."""

    def shape(handle):
        return []

    def kernel(xp, handle):
        return []

    grad = NOT_DIFFERENTIABLE


# --- what gradients are made of -----------------------------------------------------------------------------


@declare("TensorArrayOneHot(handle: resource, index: int32, value: T) -> flow: variant", T=ALL)
class TensorArrayOneHot:
    """A gradient that is `value` at `index` and zero elsewhere."""

    def shape(handle, index, value):
        return value

    def kernel(xp, handle, index, value):
        return xp.ta_accumulate(handle, index, value)

    def grad(op, flow):
        handle, index, value = op.inputs
        return None, None, raw.TensorArrayReadOrZero(handle, index, value, flow)


@declare(
    "TensorArrayAccumulate(handle: resource, index: int32, value: T, flow_in: variant) -> flow_out: variant",
    T=ALL,
)
class TensorArrayAccumulate:
    """A gradient with `value` added at `index`."""

    def shape(handle, index, value, flow_in):
        return _element(flow_in, value)

    def kernel(xp, handle, index, value, flow_in):
        return xp.ta_accumulate(flow_in, index, value)

    def grad(op, flow):
        handle, index, value, _ = op.inputs
        _count_handle(op, 1)
        return None, None, raw.TensorArrayReadOrZero(handle, index, value, flow), flow


@declare("TensorArrayRows(handle: resource, indices: int32, value: T) -> flow: variant", T=ALL)
class TensorArrayRows:
    """A gradient with the rows of `value` added at `indices`, zero elsewhere."""

    def shape(handle, indices, value):
        return None if value is None else value[1:]

    def kernel(xp, handle, indices, value):
        return xp.ta_accumulate_rows(handle, indices, value)

    def grad(op, flow):
        handle, indices, value = op.inputs
        return None, None, raw.TensorArrayGatherOrZero(handle, indices, value, flow)


@declare("TensorArrayParts(handle: resource, value: T, lengths: int64) -> flow: variant", T=ALL)
class TensorArrayParts:
    """A gradient whose elements are the pieces of `value`, of the given lengths."""

    def shape(handle, value, lengths):
        return None if value is None else (None, *value[1:])

    def kernel(xp, handle, value, lengths):
        return xp.ta_split(handle, value, lengths)

    def grad(op, flow):
        handle, value, lengths = op.inputs
        return None, raw.TensorArrayConcatOrZero(handle, value, lengths, flow), None


@declare(
    "TensorArrayReadOrZero(handle: resource, index: int32, like: T, flow_in: variant) -> value: T",
    T=ALL,
    alias=True,
)
class TensorArrayReadOrZero:
    """The gradient at `index`, zeros of the shape of `like` where there is none."""

    def shape(handle, index, like, flow_in):
        return like

    def kernel(xp, handle, index, like, flow_in):
        return xp.ta_read_or_zero(flow_in, index, like)

    def grad(op, dy):
        return None, None, None, raw.TensorArrayOneHot(op.inputs[0], op.inputs[1], dy)


@declare(
    "TensorArrayGatherOrZero(handle: resource, indices: int32, like: T, flow_in: variant) -> value: T", T=ALL
)
class TensorArrayGatherOrZero:
    """The gradients at `indices`, stacked; zeros where there is none. Shaped as `like`."""

    def shape(handle, indices, like, flow_in):
        return like

    def kernel(xp, handle, indices, like, flow_in):
        return xp.ta_gather_or_zero(flow_in, indices, like)

    def grad(op, dy):
        return None, None, None, raw.TensorArrayRows(op.inputs[0], op.inputs[1], dy)


@declare(
    "TensorArrayConcatOrZero(handle: resource, like: T, lengths: int64, flow_in: variant) -> value: T", T=ALL
)
class TensorArrayConcatOrZero:
    """The gradients end to end; zeros where there is none. Shaped as `like`."""

    def shape(handle, like, lengths, flow_in):
        return like

    def kernel(xp, handle, like, lengths, flow_in):
        return xp.ta_concat_or_zero(flow_in, lengths, like)

    def grad(op, dy):
        return None, None, None, raw.TensorArrayParts(op.inputs[0], dy, op.inputs[2])
