"""Row splits: where rows begin and end in their values, and what follows from that."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.composites import CompositeTensor, spec_of
from millrace.building.convert import to_tensor
from millrace.building.scopes import name_scope
from millrace.core import dtypes, late, shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.array import repeat
from millrace.lib.math.counting import bincount
from millrace.lib.ragged.values import RaggedTensorValue
from millrace.ops.array.concat import concat
from millrace.ops.array.fill import fill, range_
from millrace.ops.array.shape import shape
from millrace.ops.math.cumulative import cumsum


class Ragged(CompositeTensor):
    """Base of `RaggedTensor`, for the files that it is built on."""

    values: Any
    flat_values: Tensor
    row_splits: Tensor
    nested_row_splits: tuple[Tensor, ...]
    ragged_rank: int
    shape: shapes.TensorShape
    dtype: dtypes.DType

    def __init__(
        self,
        values: Any,
        row_splits: Tensor,
        cached_row_lengths: Tensor | None = None,
        cached_value_rowids: Tensor | None = None,
        cached_nrows: Tensor | None = None,
        internal: bool = False,
    ) -> None:
        del internal
        self._values = values
        self._row_splits = row_splits
        self._cached_row_lengths = cached_row_lengths
        self._cached_value_rowids = cached_value_rowids
        self._cached_nrows = cached_nrows

    @property
    def _type_spec(self) -> Any:
        return spec_of(self)


def shape_of(tensor: Tensor, out_type: Any = dtypes.int64) -> Tensor:
    """The shape of a tensor, a constant where it is known."""
    return shape(tensor, out_type=out_type)


def tensor_or_ragged(value: Any, dtype: Any = None, name: str | None = None, splits_dtype: Any = None) -> Any:
    """`value` as a tensor, or as the ragged tensor that it is.

    Raises:
      ValueError: a ragged tensor has another dtype than `dtype`.
    """
    dtype = None if dtype is None else dtypes.as_dtype(dtype)
    if isinstance(value, Ragged):
        if dtype is not None and not dtype.is_compatible_with(value.dtype):
            raise ValueError(
                f"Tensor conversion requested dtype {dtype.name} for one of {value.dtype.name}. "
                f"Received: {value!r}"
            )
        return value
    if isinstance(value, RaggedTensorValue):
        return late.module("ragged_conversion").of_value(value, dtype, name, splits_dtype)
    return to_tensor(value, dtype, name)


def check_rows(new: Any, old: Any) -> None:
    """Checks that two values may have equally many rows.

    Raises:
      ValueError: they have different numbers, or `new` is a scalar.
    """
    ours, theirs = shapes.as_dims(new.shape), shapes.as_dims(old.shape)
    if ours is not None and not ours:
        raise ValueError(f"Shape {new.shape} must have rank at least 1")
    if ours and theirs:
        shapes.merge(ours[:1], theirs[:1])


def nonnegative_axis(axis: int, rank: int | None) -> int:
    """`axis` counted from the front.

    Raises:
      TypeError: it is not an int.
      ValueError: it is out of range, or negative where the rank is unknown.
    """
    if not isinstance(axis, int):
        raise TypeError(f"axis must be an int; got {type(axis).__name__}")
    if rank is None:
        if axis < 0:
            raise ValueError("axis may only be negative if ndims is statically known.")
        return axis
    if not -rank <= axis < rank:
        raise ValueError(f"axis={axis} out of bounds: expected {-rank}<=axis<{rank}")
    return axis + rank if axis < 0 else axis


def row_lengths(value: Any, axis: int = 1) -> Any:
    """`row_lengths` of a ragged tensor; for a tensor, its dimension for every row."""
    if isinstance(value, Ragged):
        return value.row_lengths(axis)  # type: ignore[attr-defined]
    with name_scope(None, "row_lengths"):
        whole = shape_of(value)
        return fill(whole[:axis], whole[axis])


@public("ragged.row_splits_to_segment_ids")
def row_splits_to_segment_ids(splits: Any, name: str | None = None, out_type: Any = None) -> Tensor:
    """For each value the number of its row, given where the rows begin and end.

    Args:
      splits: `[rows + 1]` int32 or int64, sorted, from 0 on.
      name: the scope; default "RaggedSplitsToSegmentIds".
      out_type: int32 or int64; default: as `splits`.

    Raises:
      ValueError: `splits` is of another dtype, or empty.
    """
    with name_scope(name, "RaggedSplitsToSegmentIds"):
        splits = to_tensor(splits, name="splits", preferred=dtypes.int64)
        if splits.dtype.base_dtype not in (dtypes.int32, dtypes.int64):
            raise ValueError(f"splits must have dtype int32 or int64. Received: {splits.dtype.name}")
        splits.dims = shapes.merge(splits.dims, (None,))
        if splits.dims and splits.dims[0] == 0:
            raise ValueError("Invalid row_splits: []")
        kind = splits.dtype.base_dtype if out_type is None else dtypes.as_dtype(out_type)
        lengths = splits[1:] - splits[:-1]
        rows = shape_of(splits, kind)[0] - 1
        return repeat(range_(rows), lengths, axis=0)


@public("ragged.segment_ids_to_row_splits")
def segment_ids_to_row_splits(
    segment_ids: Any, num_segments: Any = None, out_type: Any = None, name: str | None = None
) -> Tensor:
    """Where rows begin and end, given the number of the row of each value.

    Args:
      segment_ids: `[n]` int32 or int64, sorted.
      num_segments: the number of rows; default: one more than the last id.
      out_type: int32 or int64; default: as `segment_ids`.
      name: the scope; default "SegmentIdsToRaggedSplits".

    Raises:
      ValueError: `segment_ids` is of another dtype.
    """
    preferred = dtypes.int64 if out_type is None else dtypes.as_dtype(out_type)
    with name_scope(name, "SegmentIdsToRaggedSplits"):
        segment_ids = to_tensor(segment_ids, name="segment_ids", preferred=preferred)
        if segment_ids.dtype.base_dtype not in (dtypes.int32, dtypes.int64):
            raise ValueError(
                f"segment_ids must have dtype int32 or int64. Received: {segment_ids.dtype.name}"
            )
        segment_ids.dims = shapes.merge(segment_ids.dims, (None,))
        kind = segment_ids.dtype.base_dtype if out_type is None else preferred
        narrow, rows = raw.Cast(segment_ids, DstT=dtypes.int32), None
        if num_segments is not None:
            rows = to_tensor(num_segments, name="num_segments", preferred=preferred)
            rows.dims = shapes.merge(rows.dims, ())
            rows = raw.Cast(rows, DstT=dtypes.int32)
        counts = bincount(
            narrow,
            minlength=rows,
            maxlength=rows,
            dtype=kind,
        )
        found = concat([[0], cumsum(counts)], axis=0)
        known = None if num_segments is None or isinstance(num_segments, Tensor) else int(num_segments) + 1
        found.dims = shapes.merge(found.dims, (known,))
        return found
