"""Indexing ragged tensors: rows, slices of rows, and slices of every row."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.convert import to_tensor
from millrace.building.scopes import name_scope
from millrace.building.static import static_value
from millrace.graph.tensor import Tensor
from millrace.lib.ragged.ragged_tensor import RaggedTensor
from millrace.lib.ragged.splits import shape_of
from millrace.ops.array.concat import concat, stack
from millrace.ops.array.constant import zeros
from millrace.ops.array.fill import range_
from millrace.ops.array.gather import gather
from millrace.ops.array.shape import size
from millrace.ops.math.cast import cast
from millrace.ops.math.select import maximum, minimum


def get_item(rt: RaggedTensor, key: Any) -> Any:
    """`rt[key]` as Python spells it.

    Args:
      rt: a ragged tensor.
      key: an index, slice, `...` or None, or a tuple of these. A ragged dimension inside can be sliced, but
        not indexed.

    Returns:
      A tensor or a ragged tensor.

    Raises:
      TypeError: part of the key is not an index, or is a ragged tensor.
      ValueError: an index of a ragged dimension inside, an index out of range, or a step of zero.
    """
    with name_scope(None, "RaggedGetItem", [rt]):
        if isinstance(key, RaggedTensor):
            raise TypeError(
                f"A RaggedTensor is not an index; tf.gather and boolean_mask take one. Received: {key!r}"
            )
        keys = list(key) if isinstance(key, list | tuple) else [key]
        return _rows(rt, keys)


def _rows(rt: Any, keys: list[Any]) -> Any:
    """`rt` indexed from its outermost dimension on."""
    if not isinstance(rt, RaggedTensor):
        return rt[tuple(keys)]
    if not keys:
        return rt
    first, rest = keys[0], keys[1:]
    if first is Ellipsis:
        return _rows(rt, _without_ellipsis(keys, rt.shape.ndims))
    if first is None:
        inner = _rows(rt, rest)
        if isinstance(inner, RaggedTensor):
            whole = shape_of(inner.row_splits, inner.row_splits.dtype)[0]
            return RaggedTensor.from_row_splits(inner, stack([0, whole - 1]), validate=False)
        return inner[None]
    if isinstance(first, slice):
        return _columns(_sliced(rt, first), rest)
    first = _index(first)
    starts, limits = rt.row_splits[:-1], rt.row_splits[1:]
    row = rt.values[starts[first] : limits[first]]
    return _rows(row, rest)


def _columns(rt: Any, keys: list[Any]) -> Any:
    """`rt[:, keys...]`."""
    if not keys:
        return rt
    if not isinstance(rt, RaggedTensor):
        return rt[(slice(None), *keys)]
    first, rest = keys[0], keys[1:]
    if first is Ellipsis:
        rank = rt.shape.ndims
        return _columns(rt, _without_ellipsis(keys, None if rank is None else rank - 1))
    if first is None:
        inner = _columns(rt, rest)
        count = shape_of(inner.row_splits, inner.row_splits.dtype)[0]
        return RaggedTensor.from_row_splits(inner, range_(count), validate=False)
    if not isinstance(first, slice):
        raise ValueError("Cannot index into an inner ragged dimension.")
    if first == slice(None):
        return rt.with_values(_columns(rt.values, rest))
    sliced = _of_every_row(rt, first)
    return sliced.with_values(_columns(sliced.values, rest))


def _without_ellipsis(keys: list[Any], rank: int | None) -> list[Any]:
    """The keys with as many whole slices in place of `...` as there are dimensions left."""
    rest = keys[1:]
    if rank is None:
        raise ValueError("Ellipsis not supported for unknown shape RaggedTensors")
    if any(k is Ellipsis for k in rest):
        raise ValueError("Only one Ellipsis is allowed in a key. Received: two")
    left = rank - sum(k is not None for k in rest)
    return [slice(None)] * max(left, 0) + rest


def _index(key: Any) -> Any:
    if isinstance(key, list):  # a list of one number, as tensors take it
        return key[0]
    return key


def _sliced(rt: RaggedTensor, rows: slice) -> RaggedTensor:
    """Some of the rows."""
    if rows == slice(None):
        return rt
    starts, limits = rt.row_splits[:-1][rows], rt.row_splits[1:][rows]
    zero = zeros([1], starts.dtype)
    step = rows.step if rows.step is None or isinstance(rows.step, int) else static_value(rows.step)
    if rows.step is not None and step != 1:
        return _of_ranges(starts, limits, 1, rt.values)
    splits = concat([zero[size(starts) :], starts[:1], limits], axis=0)
    begin, end = splits[0], splits[-1]
    return RaggedTensor.from_row_splits(rt.values[begin:end], splits - begin, validate=False)


def _of_every_row(rt: RaggedTensor, columns: slice) -> RaggedTensor:
    """A slice of each row."""
    step = 1 if columns.step is None else columns.step
    known = static_value(step) if isinstance(step, Tensor) else step
    if known is None:
        raise ValueError("slice.step must be a constant when slicing a ragged dimension")
    if known == 0:
        raise ValueError("slice.step may not be zero")
    starts, limits = rt.row_splits[:-1], rt.row_splits[1:]
    if known > 0:
        first = starts if columns.start is None else _offset(rt, columns.start, 0)
        last = limits if columns.stop is None else _offset(rt, columns.stop, 0)
    else:
        first = limits - 1 if columns.start is None else _offset(rt, columns.start, -1)
        last = starts - 1 if columns.stop is None else _offset(rt, columns.stop, -1)
    return _of_ranges(first, last, step, rt.values)


def _offset(rt: RaggedTensor, offset: Any, moved: int) -> Tensor:
    """The places `offset` behind the beginnings of the rows, or before their ends, within the rows."""
    starts, limits = rt.row_splits[:-1], rt.row_splits[1:]
    below, above = (starts, limits) if not moved else (starts + moved, limits + moved)
    known = static_value(offset) if isinstance(offset, Tensor) else offset
    if known is None:
        offset = cast(offset, starts.dtype)
        forward = minimum(starts + offset, above)
        return raw.Select(raw.Fill(shape_of(starts), raw.GreaterEqual(offset, 0)), forward,
                          maximum(limits + offset, below))  # fmt: skip
    if known >= 0:
        return minimum(starts + offset, above)
    return maximum(limits + offset, below)


def _of_ranges(starts: Tensor, limits: Tensor, step: Any, values: Any) -> RaggedTensor:
    """A ragged tensor whose rows are ranges of `values`."""
    step = cast(to_tensor(step, name="step"), starts.dtype)
    found = raw.RaggedRange(starts, limits, step, Tsplits=starts.dtype, name="RaggedRange")
    return RaggedTensor.from_row_splits(
        gather(values, found.rt_dense_values), found.rt_nested_splits, validate=False
    )
