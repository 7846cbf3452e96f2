"""Ragged tensors as dense and sparse tensors and as variants, and the way back."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.convert import to_tensor
from millrace.building.scopes import control_dependencies, name_scope
from millrace.building.slicing import boolean_mask
from millrace.building.sparse_tensor import SparseTensor
from millrace.core import dtypes, shapes
from millrace.graph.tensor import Tensor
from millrace.lib.flow.assertion import Assert
from millrace.lib.flow.control_flow import cond
from millrace.lib.math.array import sequence_mask
from millrace.lib.math.reductions import reduce_all, reduce_any, reduce_max, reduce_sum
from millrace.lib.ragged.ragged_tensor import RaggedTensor
from millrace.lib.ragged.splits import nonnegative_axis, shape_of, tensor_or_ragged
from millrace.lib.ragged.values import RaggedTensorValue
from millrace.ops.array.concat import concat, stack
from millrace.ops.array.constant import constant, ones, zeros
from millrace.ops.array.fill import fill, range_
from millrace.ops.array.gather import gather
from millrace.ops.array.reshape import expand_dims, reshape
from millrace.ops.array.shape import rank as rank_of
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import equal, logical_and, logical_not, not_equal
from millrace.ops.math.cumulative import cumprod, cumsum
from millrace.ops.math.select import maximum, minimum, where


def bounding_shape(rt: RaggedTensor, axis: Any, name: str | None, out_type: Any) -> Tensor:
    """The shape of the smallest dense tensor that all rows fit in, or some of its dimensions."""
    kind = rt.row_splits.dtype if out_type is None else dtypes.as_dtype(out_type)
    with name_scope(name, "RaggedBoundingBox", [rt, axis]):
        nested, flat = rt.nested_row_splits, rt.flat_values
        if isinstance(axis, int):
            axis = nonnegative_axis(axis, rt.shape.ndims)
            if axis == 0:
                return cast(shape_of(nested[0], kind)[0] - 1, kind)
            if axis == 1:
                return cast(maximum(reduce_max(rt.row_lengths()), 0), kind)
        first = shape_of(nested[0], kind)
        flat_shape = shape_of(flat, kind)
        sizes = [first[0] - 1]
        sizes += [cast(maximum(reduce_max(part[1:] - part[:-1]), 0), kind) for part in nested]
        if isinstance(axis, int) and axis < len(sizes):
            return sizes[axis]
        if isinstance(axis, list | tuple) and all(0 <= a < len(sizes) for a in axis):
            return stack([sizes[a] for a in axis])
        whole = concat([stack(sizes), flat_shape[1:]], axis=0)
        return whole if axis is None else gather(whole, axis)


def to_tensor_(rt: Any, default_value: Any, name: str | None) -> Tensor:
    """A dense tensor with `default_value` behind the rows."""
    with name_scope(name, "RaggedToTensor", [rt, default_value]):
        if default_value is not None:
            default_value = to_tensor(default_value, rt.dtype, "default_value")
        return _padded(rt, default_value)


def _padded(rt: Any, default_value: Tensor | None) -> Tensor:
    values = rt.values
    if isinstance(values, RaggedTensor):
        with name_scope(None, "RaggedToTensor", [values, default_value]):
            values = _padded(values, default_value)
    splits = rt.row_splits
    lengths = splits[1:] - splits[:-1]
    rows = shape_of(splits, splits.dtype)[0] - 1
    columns = maximum(reduce_max([lengths]), 0)
    whole = shape_of(values, splits.dtype)
    inner, count = whole[1:], whole[0]
    if default_value is None:
        padding = zeros(inner, dtype=values.dtype)
    elif isinstance(rt.values, RaggedTensor):
        padding = default_value + zeros(inner, dtype=values.dtype)
    else:
        padding = default_value
    starts, limits = expand_dims(splits[:-1], axis=1), expand_dims(splits[1:], axis=1)
    numbers = expand_dims(range_(0, columns), axis=0)
    every = concat([values, stack([padding])], axis=0)
    places = starts + numbers
    inside = places < limits
    nowhere = fill(stack([rows, columns]), count)
    return gather(every, where(inside, places, nowhere))


def from_tensor(
    tensor: Any, lengths: Any, padding: Any, ragged_rank: int, name: str | None, row_splits_dtype: Any
) -> RaggedTensor:
    """The rows of a dense tensor, whole, of given lengths, or without padding."""
    kind = dtypes.as_dtype(row_splits_dtype)
    if lengths is not None and padding is not None:
        raise ValueError("Specify lengths or padding, but not both")
    if not isinstance(ragged_rank, int):
        raise TypeError(f"ragged_rank expected int, got {ragged_rank!r}")
    if ragged_rank <= 0:
        raise ValueError(f"ragged_rank must be greater than 0; got {ragged_rank}")
    with name_scope(name, "RaggedFromTensor", [tensor, lengths, padding]):
        tensor = to_tensor(tensor, name="tensor")
        if tensor.dims is not None and len(tensor.dims) <= ragged_rank:
            raise ValueError(
                f"Shape {tensor.shape} must have rank at least {ragged_rank + 1}: ragged_rank={ragged_rank}"
            )
        if isinstance(lengths, list | tuple) and lengths and not isinstance(lengths[0], int | float):
            return _of_nested_lengths(tensor, lengths, ragged_rank, kind)
        if ragged_rank > 1:
            return _of_several(tensor, lengths, padding, ragged_rank, kind)
        whole = shape_of(tensor, kind)
        columns = whole[1]
        if padding is not None:
            lengths = _lengths_without(tensor, padding, columns, kind)
        if lengths is not None:
            return _of_lengths(tensor, lengths, columns, kind)
        rows = whole[0]
        total = rows * columns
        splits = range_(rows + 1) * columns
        flat = reshape(tensor, concat([[total], whole[2:]], axis=0))
        return RaggedTensor.from_row_splits(flat, splits, validate=False)


def _of_nested_lengths(tensor: Tensor, lengths: Any, ragged_rank: int, kind: Any) -> RaggedTensor:
    """The beginnings of rows, of the rows inside them, and so on."""
    if ragged_rank not in (1, len(lengths)):
        raise ValueError("ragged_rank must be the number of vectors in lengths, where that is a tuple")
    vectors = [cast(to_tensor(part, name="lengths"), kind) for part in lengths]
    flags = ones([reduce_sum(vectors[-1])], dtypes.bool_)
    rows = RaggedTensor.from_nested_row_lengths(flags, vectors, validate=False)
    mask = _fitted(to_tensor_(rows, None, None), tensor, len(lengths) + 1)
    return rows.with_flat_values(boolean_mask(tensor, mask))


def _fitted(mask: Tensor, tensor: Tensor, rank: int) -> Tensor:
    whole, found = shape_of(tensor)[:rank], shape_of(mask)
    padded = raw.Pad(mask, stack([found * 0, whole - found], axis=1))
    if tensor.dims is not None:
        padded.dims = shapes.merge(padded.dims, tensor.dims[:rank])
    return padded


def _of_several(tensor: Tensor, lengths: Any, padding: Any, ragged_rank: int, kind: Any) -> RaggedTensor:
    """The outer dimensions become one, whose rows become ragged; then the rows of each of them."""
    whole = shape_of(tensor, kind)
    joined = concat([constant([-1], kind), whole[ragged_rank:]], axis=0)
    result = RaggedTensor.from_tensor(
        reshape(tensor, joined), lengths, padding, row_splits_dtype=kind, ragged_rank=1
    )
    counts = cumprod(whole)
    for dimension in range(ragged_rank - 1, 0, -1):
        rows = range_(counts[dimension - 1] + 1) * whole[dimension]
        result = RaggedTensor.from_row_splits(result, rows, validate=False)
    return result


def _lengths_without(tensor: Tensor, padding: Any, columns: Tensor, kind: Any) -> Tensor:
    """The lengths of rows without the padding at their ends."""
    padding = to_tensor(padding, tensor.dtype, "padding")
    if padding.dims is not None and tensor.dims is not None:
        shapes.merge(padding.dims, tensor.dims[2:])
    same = equal(padding, tensor)
    rank = rank_of(same)
    axes = range_(2, rank)
    whole = cond(raw.Greater(rank, 2), lambda: reduce_all(same, axis=axes), lambda: same)
    whole.dims = None if tensor.dims is None else tensor.dims[:2]
    there = cast(logical_not(whole), kind)
    numbered = there * expand_dims(range_(1, columns + 1), 0)
    return reduce_max(numbered, axis=1)


def _of_lengths(tensor: Tensor, lengths: Any, columns: Tensor, kind: Any) -> RaggedTensor:
    lengths = to_tensor(lengths, name="lengths", preferred=kind)
    lengths.dims = shapes.merge(lengths.dims, (None,))
    fitting = maximum(minimum(raw.Cast(lengths, DstT=kind), columns), 0)
    limits = cumsum(fitting)
    splits = concat([zeros([1], kind), limits], axis=0)
    mask = sequence_mask(fitting, maxlen=columns)
    return RaggedTensor.from_row_splits(boolean_mask(tensor, mask), splits, validate=False)


def from_sparse(st_input: Any, name: str | None, row_splits_dtype: Any) -> RaggedTensor:
    """The rows of a sparse matrix whose elements stand at the beginnings of the rows."""
    kind = dtypes.as_dtype(row_splits_dtype)
    if not isinstance(st_input, SparseTensor):
        raise TypeError(f"Expected SparseTensor, got {type(st_input).__name__}")
    with name_scope(name, "RaggedFromSparse", [st_input]):
        if (st_input.dense_shape.dims or (None,))[0] not in (2, None) or st_input.shape.ndims not in (
            2,
            None,
        ):
            raise ValueError("rank(st_input) must be 2")
        rank = (st_input.dense_shape.dims or (None,))[0]
        if rank is None and st_input.indices.dims is not None and st_input.indices.dims[1] is None:
            raise ValueError("rank(st_input) must be 2")
        with control_dependencies(_assert_rows_whole(st_input.indices)):
            ids = cast(st_input.indices[:, 0], kind)
            rows = cast(st_input.dense_shape[0], kind)
            return RaggedTensor.from_value_rowids(
                values=st_input.values, value_rowids=ids, nrows=rows, validate=False
            )


def _assert_rows_whole(indices: Tensor) -> list[Any]:
    """Checks that each element stands behind another of its row, or at its beginning."""
    prefix, column = indices[:, :-1], indices[:, -1]
    new_row = reduce_any(not_equal(prefix[1:], prefix[:-1]), axis=1)
    fits = where(new_row, equal(column[1:], 0), equal(column[1:], column[:-1] + 1))
    whole = logical_and(reduce_all(equal(column[:1], 0)), reduce_all(fits))
    message = "SparseTensor is not right-ragged"
    return [Assert(whole, [message, "SparseTensor.indices =", indices])]


def to_sparse(rt: RaggedTensor, name: str | None) -> SparseTensor:
    """The values at their places."""
    with name_scope(name, "RaggedToSparse", [rt]):
        rt = tensor_or_ragged(rt)
        found = raw.RaggedTensorToSparse(
            list(rt.nested_row_splits), rt.flat_values, name="RaggedTensorToSparse"
        )
        return SparseTensor(found.sparse_indices, found.sparse_values, found.sparse_dense_shape)


def to_variant(rt: RaggedTensor, batched_input: bool, name: str | None) -> Tensor:
    """One variant of a ragged tensor, or one for each row."""
    with name_scope(name, "RaggedToVariant", [rt, batched_input]):
        return raw.RaggedTensorToVariant(
            list(rt.nested_row_splits), rt.flat_values, batched_input=batched_input, name=name
        )


def from_variant(
    variant: Any, dtype: Any, output_ragged_rank: int, input_ragged_rank: int | None, name: str | None
) -> Any:
    """The ragged tensor of variants that `to_variant` made."""
    variant = to_tensor(variant, dtypes.variant, "variant")
    outer = None if variant.dims is None else len(variant.dims)
    if None not in (outer, input_ragged_rank) and output_ragged_rank != input_ragged_rank + outer:  # type: ignore[operator]
        raise ValueError(
            "output_ragged_rank must be equal to input_ragged_rank + variant.shape.ndims. Received: "
            f"{output_ragged_rank}, {input_ragged_rank} and {outer}"
        )
    rank = -1 if input_ragged_rank is None else input_ragged_rank
    with name_scope(name, "RaggedFromVariant", [variant]):
        found = raw.RaggedTensorFromVariant(
            variant,
            input_ragged_rank=rank,
            output_ragged_rank=output_ragged_rank,
            Tvalues=dtypes.as_dtype(dtype),
            Tsplits=dtypes.int64,
            name=name,
        )
        nested, flat = found.output_nested_splits, found.output_dense_values
        return RaggedTensor.from_nested_row_splits(flat, list(nested), validate=False)


def of_value(value: RaggedTensorValue, dtype: Any, name: str | None, splits_dtype: Any) -> RaggedTensor:
    """The constant of a RaggedTensorValue."""
    with name_scope(name, "ConvertToTensorOrRaggedTensor", []):
        flat = to_tensor(value.flat_values, dtype, "flat_values")
        kind = dtypes.as_dtype(value.row_splits.dtype if splits_dtype is None else splits_dtype)
        outer = [to_tensor(np.asarray(part, kind.np_dtype), kind) for part in value.nested_row_splits]
        return RaggedTensor.from_nested_row_splits(flat, outer, validate=False)
