"""Summing the gradients that reach one tensor along several paths."""

from __future__ import annotations

from typing import Any, Final

from millrace.building import raw
from millrace.building.indexed_slices import IndexedSlices
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor


@public("AggregationMethod")
class AggregationMethod:
    """How gradients of one tensor are summed: all at once (ADD_N), or pairwise as they come (the others)."""

    ADD_N = 0
    DEFAULT = ADD_N
    EXPERIMENTAL_TREE = 1
    EXPERIMENTAL_ACCUMULATE_N = 2


METHODS = (0, 1, 2)
_OF_DENSE_ROWS: Final = 5  # an UnsortedSegmentSum, and the number of rows cut out of the shape


def total(gradients: list[Any], op: Operation, method: int | None) -> Any:
    """The sum of `gradients`, tensors or IndexedSlices, which all belong to one output of `op`."""
    if len(gradients) == 1:
        return gradients[0]
    if gradients[0].dtype is dtypes.variant:
        running = gradients[0]
        for gradient in gradients[1:]:
            running = add(running, gradient)
        return running
    rows = sum(isinstance(g, IndexedSlices) for g in gradients)
    if rows == len(gradients):
        return _concatenated([_as_slices(g) for g in gradients])
    if rows:
        with get_default_graph().counted_as(_OF_DENSE_ROWS * rows + 1):  # TensorFlow 1.15 adds dense ones
            return _concatenated([_as_slices(g) for g in gradients])
    if method in (AggregationMethod.EXPERIMENTAL_TREE, AggregationMethod.EXPERIMENTAL_ACCUMULATE_N):
        with get_default_graph().name_scope(op.name + "_gradient_sum"):
            running = gradients[0]
            for gradient in gradients[1:]:
                running = raw.Add(running, gradient, name="Add")
        return running
    return _added(gradients)


def _added(gradients: list[Tensor]) -> Tensor:
    """The sum, computed beside the first gradient; where there are several devices, first on each of them."""
    beside: dict[str, list[Tensor]] = {}
    for gradient in gradients:
        beside.setdefault(gradient.device, []).append(gradient)
    parts = []
    for _, own in sorted(beside.items()):
        if len(own) > 1:
            with get_default_graph().colocate_with(own[0].op, ignore_existing=True):
                parts.append(raw.AddN(own))
        else:
            parts.extend(own)
    return parts[0] if len(parts) == 1 else raw.AddN(parts)


def _as_slices(gradient: Any) -> IndexedSlices:
    """A dense gradient as the slices of all its rows; slices whose values are slices flattened."""
    if isinstance(gradient, Tensor):
        rows = raw.Range(0, raw.StridedSlice(raw.Shape(gradient), [0], [1], [1], shrink_axis_mask=1), 1)
        return IndexedSlices(gradient, rows, raw.Shape(gradient))
    values = gradient.values
    if isinstance(values, IndexedSlices):
        values = _as_slices(values)
        return IndexedSlices(
            values.values, raw.GatherV2(gradient.indices, values.indices, 0), gradient.dense_shape
        )
    return gradient


def _concatenated(slices: list[IndexedSlices]) -> IndexedSlices:
    indices = [s.indices for s in slices]
    if len({i.dtype for i in indices}) > 1:
        indices = [i if i.dtype is dtypes.int64 else raw.Cast(i, DstT=dtypes.int64) for i in indices]
    return IndexedSlices(
        raw.ConcatV2([s.values for s in slices], 0, name="concat"),
        raw.ConcatV2(indices, 0, name="concat"),
        slices[0].dense_shape,
    )


def add(total: Tensor, gradient: Tensor) -> Tensor:
    """`total + gradient`; one element of a tensor array is added in place of a whole one."""
    if gradient.dtype is not dtypes.variant:
        return raw.Add(total, gradient)
    if gradient.op.type == "TensorArrayOneHot":
        handle, index, value = gradient.op.inputs
        return raw.TensorArrayAccumulate(handle, index, value, total)
    if gradient.op.type == "VariantSum":
        for part in gradient.op.inputs:
            total = add(total, part)
        return total
    return raw.VariantSum([total, gradient])
