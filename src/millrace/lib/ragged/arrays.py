"""Joining, stacking, repeating and reshaping ragged tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.convert import to_tensor
from millrace.building.scopes import control_dependencies, name_scope
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.assertion import Assert
from millrace.lib.math.array import repeat
from millrace.lib.math.checks import assert_equal
from millrace.lib.math.reductions import reduce_all
from millrace.lib.ragged.gathering import gather
from millrace.lib.ragged.ragged_tensor import RaggedTensor
from millrace.lib.ragged.splits import nonnegative_axis, shape_of, tensor_or_ragged
from millrace.ops.array import concat as joining
from millrace.ops.array import one_hot as dense_one_hot
from millrace.ops.array import reshape as reshaping
from millrace.ops.array import shape as shapes_of
from millrace.ops.array.fill import range_
from millrace.ops.array.gather import gather as dense_gather
from millrace.ops.array.tile import tile as dense_tile
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import equal
from millrace.ops.math.cumulative import cumsum


def concat(values: Any, axis: int, name: str | None = None) -> Any:
    """Ragged tensors joined along one dimension; the other dimensions need not have the same lengths."""
    if not isinstance(values, list | tuple):
        values = [values]
    with name_scope(name if name != "concat" else None, "RaggedConcat", list(values)):
        return _joined(values, axis, stacked=False)


@public("ragged.stack")
def stack(values: Any, axis: int = 0, name: str | None = None) -> Any:
    """Tensors and ragged tensors of one rank along a new dimension.

    Args:
      values: a list; its elements need not have the same shape where the new dimension makes theirs ragged.
      axis: the place of the new dimension.
      name: the scope; default "RaggedConcat".

    Returns:
      A RaggedTensor with one dimension more.

    Raises:
      ValueError: `values` is empty, its ranks differ, or `axis` is out of range.
    """
    if not isinstance(values, list | tuple):
        values = [values]
    with name_scope(name if name != "stack" else None, "RaggedConcat", list(values)):
        return _joined(values, axis, stacked=True)


def _joined(given: Any, axis: int, stacked: bool) -> Any:
    if not given:
        raise ValueError("rt_inputs may not be empty.")
    values = [tensor_or_ragged(v, name="rt_input") for v in given]
    if len(values) == 1:
        return expand_dims(values[0], axis) if stacked else values[0]
    ranks = {v.shape.ndims for v in values if v.shape.ndims is not None}
    if len(ranks) > 1:
        raise ValueError(f"Ranks of the values must match. Received: {[str(v.shape) for v in values]}")
    rank = next(iter(ranks), None)
    whole = None if rank is None else rank + 1 if stacked else rank
    axis = nonnegative_axis(axis, whole)
    if all(not isinstance(v, RaggedTensor) for v in values) and (axis == 0 or rank in (None, 1)):
        return joining.stack(values, axis) if stacked else joining.concat(values, axis)
    return _along(values, axis, stacked)


def _along(values: list[Any], axis: int, stacked: bool) -> Any:
    depth = max((v.ragged_rank for v in values if isinstance(v, RaggedTensor)), default=0)
    if (axis > depth and all(isinstance(v, RaggedTensor) for v in values)) or (depth == 0 and axis > 1):
        return _inside(values, axis, stacked)
    values = [_ragged_to(v, max(depth, axis, 1)) for v in values]
    values = _one_splits_dtype(values)
    if axis == 0:
        return _outermost(values, stacked)
    if axis == 1:
        return _within_rows(values, stacked)
    ragged_splits = values[0].row_splits
    with control_dependencies(_same_splits([v.row_splits for v in values])):
        return RaggedTensor.from_row_splits(
            _along([v.values for v in values], axis - 1, stacked), ragged_splits, validate=False
        )


def _inside(values: list[Any], axis: int, stacked: bool) -> Any:
    """Along a dense dimension of the flat values, where all have the same rows."""
    if not isinstance(values[0], RaggedTensor):
        return joining.stack(values, axis) if stacked else joining.concat(values, axis)
    first = values[0]
    checks = [
        check
        for pair in zip(*[v.nested_row_splits for v in values], strict=True)
        for check in _same_splits(list(pair))
    ]
    with control_dependencies(checks):
        flat = [v.flat_values for v in values]
        at = axis - first.ragged_rank
        return first.with_flat_values(joining.stack(flat, at) if stacked else joining.concat(flat, at))


def _same_splits(splits: list[Tensor]) -> list[Any]:
    message = "Inputs must have identical ragged splits"
    return [assert_equal(splits[0], other, message=message) for other in splits[1:]]


def _ragged_to(value: Any, depth: int) -> RaggedTensor:
    """A value with `depth` ragged dimensions."""
    if not isinstance(value, RaggedTensor):
        if value.dims is not None and len(value.dims) == 1:  # a vector stands for its only dimension
            return value
        return RaggedTensor.from_tensor(
            value, ragged_rank=min(depth, (len(value.dims or ()) or depth + 1) - 1)
        )
    missing = depth - value.ragged_rank
    if missing <= 0 or (value.flat_values.dims is not None and len(value.flat_values.dims) < 2):
        return value
    flat = value.flat_values
    inner = RaggedTensor.from_tensor(
        flat, ragged_rank=min(missing, len(flat.dims or ()) - 1), row_splits_dtype=value.row_splits.dtype
    )
    return value.with_flat_values(inner)


def _one_splits_dtype(values: list[Any]) -> list[Any]:
    kinds = {v.row_splits.dtype for v in values if isinstance(v, RaggedTensor)}
    if len(kinds) < 2:
        return values
    return [v.with_row_splits_dtype(dtypes.int64) if isinstance(v, RaggedTensor) else v for v in values]


def _outermost(values: list[Any], stacked: bool) -> Any:
    """All rows of the first, then all rows of the second, and so on."""
    if any(not isinstance(v, RaggedTensor) for v in values):  # vectors: each is a row of its own
        if not stacked:
            return joining.concat(values, 0)
        lengths = joining.stack([shape_of(v)[0] for v in values])
        return RaggedTensor.from_row_lengths(joining.concat(values, 0), lengths, validate=False)
    inner = [v.values for v in values]
    if any(isinstance(v, RaggedTensor) for v in inner):
        joined = _outermost([_ragged_to(v, 1) for v in inner], stacked=False)
    else:
        joined = joining.concat(inner, 0)
    splits = _splits_in_a_row([v.row_splits for v in values])
    result = RaggedTensor.from_row_splits(joined, splits, validate=False)
    if not stacked:
        return result
    ends = cumsum(joining.stack([v.nrows() for v in values]))
    return RaggedTensor.from_row_splits(result, joining.concat([[0], ends], 0), validate=False)


def _splits_in_a_row(splits: list[Tensor]) -> Tensor:
    """The splits of ragged tensors whose values stand one behind the other."""
    offset, parts = splits[0][-1], [splits[0]]
    for part in splits[1:]:
        parts.append(part[1:] + offset)
        offset = offset + part[-1]
    return joining.concat(parts, 0)


def _within_rows(values: list[Any], stacked: bool) -> Any:
    """Row i of each value, one behind the other."""
    count = len(values)
    rows = [v.nrows() for v in values]
    with control_dependencies(
        [assert_equal(r, rows[0], message="Input tensors have incompatible shapes") for r in rows[1:]]
    ):
        everything = _outermost(values, stacked=False)
        numbers = reshaping.reshape(range_(rows[0] * count), [count, -1])
        order = reshaping.reshape(raw.Transpose(numbers, np.array([1, 0], np.int32), name="transpose"), [-1])
        interleaved = gather(everything, order)
        if stacked:
            splits = range_(0, rows[0] * count + 1, count)
            return RaggedTensor.from_row_splits(interleaved, splits, validate=False)
        return RaggedTensor.from_row_splits(
            interleaved.values, interleaved.row_splits[::count], validate=False
        )


def expand_dims(input: Any, axis: Any = None, name: str | None = None, dim: Any = None) -> Any:
    """A new dimension of size 1 in a ragged tensor."""
    axis = dim if axis is None else axis
    with name_scope(name, "RaggedExpandDims", [input]):
        value = tensor_or_ragged(input, name="input")
        if not isinstance(value, RaggedTensor):
            return reshaping.expand_dims(value, axis)
        rank = value.shape.ndims
        axis = nonnegative_axis(axis, None if rank is None else rank + 1)
        if axis == 0:
            rows = value.nrows()
            splits = joining.stack([0, rows])
            return RaggedTensor.from_row_splits(value, splits, validate=False)
        if axis == 1:
            splits = range_(value.nrows() + 1)
            return RaggedTensor.from_row_splits(value, splits, validate=False)
        return value.with_values(expand_dims(value.values, axis - 1))


def squeeze(input: Any, axis: Any = None, name: str | None = None, squeeze_dims: Any = None) -> Any:
    """Dimensions of size 1 taken out of a ragged tensor.

    Raises:
      ValueError: no axis is given.
    """
    axis = squeeze_dims if axis is None else axis
    with name_scope(name, "RaggedSqueeze", [input]):
        value = tensor_or_ragged(input)
        if not isinstance(value, RaggedTensor):
            return reshaping.squeeze(value, axis)
        if axis is None:
            raise ValueError("Ragged.squeeze must have an axis argument.")
        axes = sorted(
            {nonnegative_axis(a, value.shape.ndims) for a in ([axis] if isinstance(axis, int) else axis)}
        )
        ragged = [a for a in axes if a <= value.ragged_rank]
        one = to_tensor(1, value.row_splits.dtype)
        lengths = value.nested_row_lengths()
        checks = []
        for a in ragged:
            size = value.nrows() if a == 0 else lengths[a - 1]
            checks.append(Assert(reduce_all(equal(size, one)), ["the given axis (axis = "
                                 f"{a}) is not squeezable!"]))  # fmt: skip
        with control_dependencies(checks):
            flat = raw.Identity(value.flat_values, name="control_dependency")
            inside = [a - value.ragged_rank for a in axes if a > value.ragged_rank]
            flat = reshaping.squeeze(flat, inside) if inside else flat
            nested = _without_dimensions(list(value.nested_row_splits), ragged)
            return RaggedTensor.from_nested_row_splits(flat, nested)


def _without_dimensions(nested: list[Tensor], axes: list[int]) -> list[Tensor]:
    """The splits of the dimensions that are left, where those of size 1 are gone."""
    left = list(nested)
    for axis in reversed(axes):
        del left[0 if axis == 0 else axis - 1]
    return left


def tile(input: Any, multiples: Any, name: str | None = None) -> Any:
    """A ragged tensor repeated along its dimensions."""
    with name_scope(name, "RaggedTile", [input, multiples]):
        value = tensor_or_ragged(input, name="input")
        if not isinstance(value, RaggedTensor):
            return dense_tile(value, multiples, name)
        kind = value.row_splits.dtype
        multiples = cast(tensor_or_ragged(multiples, name="multiples"), kind)
        multiples.dims = shapes.merge(multiples.dims, (value.shape.ndims,))
        nested = [multiples[i] for i in range(value.ragged_rank + 1)]
        places, lengths = _tiled_rows(value, nested)
        flat = dense_gather(value.flat_values, places)
        inner = flat.dims is None or len(flat.dims) > 1
        if inner:
            one = to_tensor([1], kind)
            flat = dense_tile(flat, joining.concat([one, multiples[value.ragged_rank + 1 :]], 0))
        return RaggedTensor.from_nested_row_lengths(flat, lengths, validate=False)


def _tiled_rows(value: RaggedTensor, times: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """The places of the flat values in the result, and the lengths of the rows of all dimensions."""
    rows = value.nrows()
    places = dense_tile(range_(rows), [times[0]])
    found = []
    for part, count in zip(value.nested_row_splits, times[1:], strict=True):
        starts = dense_gather(part[:-1], places)
        own = dense_gather(part[1:] - part[:-1], places)
        lengths = own * count
        found.append(lengths)
        row = repeat(range_(shape_of(lengths, part.dtype)[0]), lengths, axis=0)
        ends = cumsum(lengths)
        column = range_(shape_of(row, part.dtype)[0]) - dense_gather(ends - lengths, row)
        places = dense_gather(starts, row) + column % dense_gather(own, row)
    return places, found


def size(input: Any, name: str | None = None, out_type: Any = dtypes.int32) -> Tensor:
    """The number of elements of a ragged tensor."""
    value = input.flat_values if isinstance(input, RaggedTensor) else input
    return shapes_of.size(value, name, out_type)


def rank(input: Any, name: str | None = None) -> Any:
    """The number of dimensions of a ragged tensor."""
    with name_scope(name, "RaggedRank", [input]):
        if not isinstance(input, RaggedTensor):
            return shapes_of.rank(input, name)
        return input.ragged_rank + shapes_of.rank(input.flat_values)


def one_hot(
    indices: Any,
    depth: Any,
    on_value: Any = None,
    off_value: Any = None,
    axis: int | None = None,
    dtype: Any = None,
    name: str | None = None,
) -> Any:
    """One-hot rows of the elements of a ragged tensor, along a dimension behind the ragged ones.

    Raises:
      ValueError: `axis` is a ragged dimension or before one.
    """
    with name_scope(name, "RaggedOneHot", [indices]):
        value = tensor_or_ragged(indices, name="indices")
        if axis is not None:
            axis = nonnegative_axis(axis, value.shape.ndims)
            if axis < value.ragged_rank:
                raise ValueError(
                    f"axis ({axis}) must be greater than indices.ragged_rank ({value.ragged_rank})."
                )
            axis -= value.ragged_rank
        flat = dense_one_hot.one_hot(value.flat_values, depth, on_value, off_value, axis, dtype)
        return value.with_flat_values(flat)
