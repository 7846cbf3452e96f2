"""Sums and other combinations of rows of ragged tensors by segments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building.convert import to_tensor
from millrace.building.scopes import control_dependencies, name_scope
from millrace.graph.tensor import Tensor
from millrace.lib.math.checks import assert_equal
from millrace.lib.ragged.ragged_tensor import RaggedTensor
from millrace.lib.ragged.ranges import range_
from millrace.lib.ragged.splits import tensor_or_ragged
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import zeros
from millrace.ops.array.fill import ones_like
from millrace.ops.array.gather import gather
from millrace.ops.math import segment
from millrace.ops.math.cumulative import cumsum
from millrace.ops.math.elementwise import sqrt
from millrace.ops.math.select import maximum


def aggregate(
    function: Callable[..., Any],
    data: Any,
    segment_ids: Any,
    num_segments: Any,
    name: str | None,
    default: str,
) -> Any:
    """Rows, or elements, of one segment combined; what is missing in a shorter row does not take part."""
    if not isinstance(data, RaggedTensor) and not isinstance(segment_ids, RaggedTensor):
        return function(data, segment_ids, num_segments, name)
    with name_scope(name, default, [data, segment_ids, num_segments]):
        data = tensor_or_ragged(data, name="data")
        segment_ids = tensor_or_ragged(segment_ids, name="segment_ids")
        if isinstance(segment_ids, RaggedTensor):
            if not isinstance(data, RaggedTensor):
                raise ValueError(
                    "segment_ids.shape must be a prefix of data.shape. Received: only segment_ids is ragged"
                )
            message = "segment_ids.shape must be a prefix of data.shape"
            checks = [assert_equal(segment_ids.row_splits, data.row_splits, message=message)]
            with control_dependencies(checks):
                return aggregate(function, data.values, segment_ids.values, num_segments, None, default)
        if not isinstance(data, RaggedTensor):
            return function(data, segment_ids, num_segments)
        return _of_rows(function, data, segment_ids, num_segments, default)


def _of_rows(
    function: Callable[..., Any], data: RaggedTensor, segment_ids: Tensor, num_segments: Any, default: str
) -> Any:
    lengths = data.row_splits[1:] - data.row_splits[:-1]
    longest = maximum(segment.unsorted_segment_max(lengths, segment_ids, num_segments), 0)
    kind = data.row_splits.dtype
    splits = concat([zeros([1], kind), cumsum(longest)], axis=0)
    starts = gather(splits, segment_ids)
    limits = starts + lengths
    places = range_(starts, limits, row_splits_dtype=kind).values
    values = aggregate(function, data.values, places, splits[-1], None, default)
    return RaggedTensor.from_row_splits(values, splits, validate=False)


def unsorted_segment_sum(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Any:
    """The sums of segments of rows."""
    return aggregate(segment.unsorted_segment_sum, data, segment_ids, num_segments, name, "RaggedSegmentSum")


def unsorted_segment_prod(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Any:
    """The products of segments of rows."""
    return aggregate(
        segment.unsorted_segment_prod, data, segment_ids, num_segments, name, "RaggedSegmentProd"
    )


def unsorted_segment_min(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Any:
    """The least elements of segments of rows."""
    return aggregate(segment.unsorted_segment_min, data, segment_ids, num_segments, name, "RaggedSegmentMin")


def unsorted_segment_max(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Any:
    """The largest elements of segments of rows."""
    return aggregate(segment.unsorted_segment_max, data, segment_ids, num_segments, name, "RaggedSegmentMax")


def _totals(data: Any, segment_ids: Any, num_segments: Any) -> tuple[Any, Any]:
    """The sums of segments, and how many elements each sum has."""
    total = unsorted_segment_sum(data, segment_ids, num_segments)
    if isinstance(data, RaggedTensor):
        each = data.with_flat_values(ones_like(data.flat_values))
    else:
        each = ones_like(to_tensor(data))
    return total, unsorted_segment_sum(each, segment_ids, num_segments)


def unsorted_segment_mean(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Any:
    """The means of segments of rows."""
    with name_scope(name, "RaggedSegmentMean", [data, segment_ids, num_segments]):
        total, count = _totals(data, segment_ids, num_segments)
        if not isinstance(total, RaggedTensor):
            return total / count
        return total.with_flat_values(total.flat_values / count.flat_values)


def unsorted_segment_sqrt_n(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Any:
    """The sums of segments of rows by the square roots of their numbers of elements."""
    with name_scope(name, "RaggedSegmentSqrtN", [data, segment_ids, num_segments]):
        total, count = _totals(data, segment_ids, num_segments)
        if not isinstance(total, RaggedTensor):
            return total / sqrt(count)
        return total.with_flat_values(total.flat_values / sqrt(count.flat_values))
