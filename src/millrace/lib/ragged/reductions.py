"""Sums and other reductions of ragged tensors over their dimensions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building.scopes import name_scope
from millrace.core import dtypes
from millrace.lib.math import reductions as dense
from millrace.lib.math.reductions import renamed
from millrace.lib.ragged import segments
from millrace.lib.ragged.elements import map_flat_values
from millrace.lib.ragged.ragged_tensor import RaggedTensor
from millrace.lib.ragged.ranges import range_
from millrace.lib.ragged.splits import nonnegative_axis, row_splits_to_segment_ids, shape_of, tensor_or_ragged
from millrace.ops.array.fill import ones_like
from millrace.ops.math import segment
from millrace.ops.math.cast import cast
from millrace.ops.math.select import maximum


def aggregate(
    reduce: Callable[..., Any],
    by_segments: Callable[..., Any],
    value: Any,
    axis: Any,
    keepdims: Any,
    name: str | None,
    default: str,
) -> Any:
    """A reduction over one dimension, several of them, or all."""
    if not isinstance(value, RaggedTensor):
        return reduce(value, axis, name=name)
    if keepdims:
        raise ValueError("keepdims=True is not supported for RaggedTensors.")
    if axis is None:
        return reduce(value.flat_values, name=name or default)
    with name_scope(name, default, [value, axis]):
        if isinstance(axis, list | tuple):
            return _over_several(reduce, by_segments, value, list(axis))
        axis = nonnegative_axis(int(axis), value.shape.ndims)
        if axis == 0:
            lengths = value.row_splits[1:] - value.row_splits[:-1]
            longest = maximum(dense.reduce_max(lengths), 0)
            columns = range_(lengths, row_splits_dtype=value.row_splits.dtype).values
            return by_segments(value.values, columns, longest)
        if axis == 1:
            rows = shape_of(value.row_splits, value.row_splits.dtype)[0] - 1
            return by_segments(value.values, row_splits_to_segment_ids(value.row_splits), rows)
        inner = aggregate(reduce, by_segments, value.values, axis - 1, None, None, "RaggedReduce")
        return value.with_values(inner)


def _over_several(
    reduce: Callable[..., Any], by_segments: Callable[..., Any], value: Any, axes: list[int]
) -> Any:
    """One dimension after another, the innermost first."""
    if not axes:
        return value
    rank = value.shape.ndims
    if (rank is None and any(a < 0 for a in axes)) or (len(axes) > 1 and rank is None):
        raise ValueError("axis may only have several elements where the rank is known.")
    ordered = sorted({nonnegative_axis(a, rank) for a in axes}, reverse=True)
    for axis in ordered:
        value = aggregate(reduce, by_segments, value, axis, None, None, "RaggedReduce")
    return value


def _by(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same for segments of rows."""

    def by_segments(data: Any, segment_ids: Any, num_segments: Any) -> Any:
        return segments.aggregate(function, data, segment_ids, num_segments, None, "RaggedSegment")

    return by_segments


def _converted(value: Any) -> Any:
    return tensor_or_ragged(value, name="rt_input")


def _reduction(
    reduce: Callable[..., Any], by_segments: Callable[..., Any], default: str, doc: str
) -> Callable[..., Any]:
    def function(
        input_tensor: Any,
        axis: Any = None,
        keepdims: Any = None,
        name: str | None = None,
        reduction_indices: Any = None,
        keep_dims: Any = None,
    ) -> Any:
        axis = renamed(axis, reduction_indices, "axis", "reduction_indices")
        keepdims = renamed(keepdims, keep_dims, "keepdims", "keep_dims")
        return aggregate(reduce, by_segments, _converted(input_tensor), axis, keepdims, name, default)

    function.__doc__ = doc
    return function


reduce_sum = _reduction(
    dense.reduce_sum, _by(segment.unsorted_segment_sum), "RaggedReduceSum", "Sums over dimensions."
)
reduce_prod = _reduction(
    dense.reduce_prod, _by(segment.unsorted_segment_prod), "RaggedReduceProd", "Products over dimensions."
)
reduce_min = _reduction(
    dense.reduce_min,
    _by(segment.unsorted_segment_min),
    "RaggedReduceMin",
    "The least elements over dimensions.",
)
reduce_max = _reduction(
    dense.reduce_max,
    segments.unsorted_segment_max,
    "RaggedReduceMax",
    "The largest elements over dimensions.",
)


def reduce_mean(
    input_tensor: Any,
    axis: Any = None,
    keepdims: Any = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: Any = None,
) -> Any:
    """Means over dimensions of a ragged tensor; of no element, NaN."""
    axis = renamed(axis, reduction_indices, "axis", "reduction_indices")
    keepdims = renamed(keepdims, keep_dims, "keepdims", "keep_dims")
    with name_scope(name, "RaggedReduceMean", [input_tensor, axis]):
        value = _converted(input_tensor)
        total = reduce_sum(value, axis, keepdims)
        each = value.with_flat_values(ones_like(value.flat_values))
        count = reduce_sum(each, axis, keepdims)
        if isinstance(total, RaggedTensor):
            return total.with_flat_values(total.flat_values / count.flat_values)
        return total / count


def _of_bools(
    reduce: Callable[..., Any], default: str, value: Any, axis: Any, keepdims: Any, name: str | None
) -> Any:
    with name_scope(name, default, [value, axis]):
        numbers = map_flat_values(cast, _converted(value), dtypes.int32)
        found = reduce(numbers, axis, keepdims)
        return map_flat_values(cast, found, dtypes.bool_)


def reduce_all(
    input_tensor: Any,
    axis: Any = None,
    keepdims: Any = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: Any = None,
) -> Any:
    """Whether all elements over dimensions are true."""
    axis = renamed(axis, reduction_indices, "axis", "reduction_indices")
    keepdims = renamed(keepdims, keep_dims, "keepdims", "keep_dims")
    return _of_bools(reduce_prod, "RaggedReduceAll", input_tensor, axis, keepdims, name)


def reduce_any(
    input_tensor: Any,
    axis: Any = None,
    keepdims: Any = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: Any = None,
) -> Any:
    """Whether some element over dimensions is true."""
    axis = renamed(axis, reduction_indices, "axis", "reduction_indices")
    keepdims = renamed(keepdims, keep_dims, "keepdims", "keep_dims")
    return _of_bools(reduce_sum, "RaggedReduceAny", input_tensor, axis, keepdims, name)
