"""Choosing parts of ragged tensors: by masks, by conditions, by partitions."""

from __future__ import annotations

from typing import Any

from millrace.building import slicing
from millrace.building.convert import to_tensor
from millrace.building.scopes import control_dependencies, name_scope
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.lib.math.array import argsort
from millrace.lib.math.checks import assert_equal, assert_less
from millrace.lib.math.reductions import count_nonzero
from millrace.lib.ragged import arrays
from millrace.lib.ragged.elements import map_flat_values
from millrace.lib.ragged.gathering import gather
from millrace.lib.ragged.ragged_tensor import RaggedTensor
from millrace.lib.ragged.reductions import reduce_sum
from millrace.lib.ragged.splits import segment_ids_to_row_splits, shape_of, tensor_or_ragged
from millrace.ops.array.concat import concat
from millrace.ops.array.fill import range_
from millrace.ops.array.gather import gather as dense_gather
from millrace.ops.array.reshape import expand_dims, reshape
from millrace.ops.math import select
from millrace.ops.math.cast import cast
from millrace.ops.math.cumulative import cumsum


@public("ragged.boolean_mask")
def boolean_mask(data: Any, mask: Any, name: str | None = None) -> Any:
    """The elements of `data` where `mask` is true, in their rows.

    Args:
      data: a tensor or RaggedTensor.
      mask: bool, a tensor or RaggedTensor, whose shape is the beginning of that of `data`; of known rank.
      name: the scope; default "RaggedMask".

    Returns:
      A ragged tensor of the rank of `data`; a tensor where neither argument is ragged and `mask` is a vector.

    Raises:
      ValueError: `mask` is a scalar, has an unknown rank, or does not fit.

    Example:
      >>> found = tf.ragged.boolean_mask([[1, 2], [3, 4]], [[True, False], [True, True]])
      >>> with tf.Session() as sess:
      ...     print(sess.run(found).to_list())
      [[1], [3, 4]]
    """
    with name_scope(name, "RaggedMask", [data, mask]):
        data = tensor_or_ragged(data, name="data")
        mask = tensor_or_ragged(mask, dtypes.bool_, "mask")
        rank = mask.shape.ndims
        if rank is None:
            raise ValueError("mask.shape.ndims must be known statically.")
        if rank == 0:
            raise ValueError("mask cannot be scalar.")
        if rank > 2 or (rank == 2 and isinstance(mask, RaggedTensor) and mask.ragged_rank > 1):
            return _inner_mask(data, mask)
        if isinstance(mask, RaggedTensor):
            return _row_mask(data, mask)
        if isinstance(data, RaggedTensor) and rank == 1:
            return gather(data, slicing.boolean_mask(range_(data.nrows()), mask))
        if rank == 2 and isinstance(data, RaggedTensor):
            return boolean_mask(data, RaggedTensor.from_tensor(mask, row_splits_dtype=data.row_splits.dtype))
        values = slicing.boolean_mask(data, mask)
        if rank == 1:
            return values
        lengths = reshape(count_nonzero(mask, axis=-1, dtype=dtypes.int64), [-1])
        return RaggedTensor.from_row_lengths(values, lengths, validate=False)


def _inner_mask(data: Any, mask: Any) -> Any:
    """A mask of more than two dimensions: of the rows inside."""
    if isinstance(data, RaggedTensor) and not isinstance(mask, RaggedTensor):
        mask = RaggedTensor.from_tensor(mask, row_splits_dtype=data.row_splits.dtype)
    if isinstance(mask, RaggedTensor) and not isinstance(data, RaggedTensor):
        data = RaggedTensor.from_tensor(data, row_splits_dtype=mask.row_splits.dtype)
    if not isinstance(data, RaggedTensor):
        data, mask = RaggedTensor.from_tensor(data), RaggedTensor.from_tensor(mask)
    with control_dependencies([_same_rows(mask, data)]):
        return data.with_values(boolean_mask(data.values, mask.values))


def _same_rows(mask: Any, data: Any) -> Any:
    message = "mask must have the same row splits as data"
    return assert_equal(mask.row_splits, data.row_splits, message=message)


def _row_mask(data: Any, mask: RaggedTensor) -> Any:
    """A mask of the elements of rows."""
    if not isinstance(data, RaggedTensor):
        data = RaggedTensor.from_tensor(data, row_splits_dtype=mask.row_splits.dtype)
    with control_dependencies([_same_rows(mask, data)]):
        numbers = map_flat_values(cast, mask, mask.row_splits.dtype)
        lengths = reduce_sum(numbers, axis=1)
        splits = concat([[0], cumsum(lengths)], axis=0)
        return RaggedTensor.from_row_splits(boolean_mask(data.values, mask.values), splits, validate=False)


def where(condition: Any, x: Any = None, y: Any = None, name: str | None = None) -> Any:
    """Where a ragged condition is true: its places, or the elements of `x` there and of `y` elsewhere.

    Raises:
      ValueError: only one of `x` and `y` is given.
    """
    if (x is None) is not (y is None):
        raise ValueError("x and y must be either both None or both non-None")
    with name_scope(name, "RaggedWhere", [condition, x, y]):
        condition = tensor_or_ragged(condition, name="condition")
        if x is None:
            return _places(condition)
        x, y = tensor_or_ragged(x, name="x"), tensor_or_ragged(y, name="y")
        return _chosen(condition, x, y)


def _places(condition: Any) -> Any:
    if not isinstance(condition, RaggedTensor):
        return select.where(condition)
    inner = _places(condition.values)
    first = inner[:, 0]
    rows = dense_gather(condition.value_rowids(), first)
    columns = first - dense_gather(condition.row_splits, rows)
    return concat([expand_dims(rows, 1), expand_dims(columns, 1), inner[:, 1:]], axis=1)


def _chosen(condition: Any, x: Any, y: Any) -> Any:
    ragged = [v for v in (condition, x, y) if isinstance(v, RaggedTensor)]
    if len(ragged) == 3:
        return map_flat_values(select.where, condition, x, y)
    if not ragged:
        return select.where(condition, x, y)
    if isinstance(condition, RaggedTensor) or condition.dims is None or len(condition.dims) != 1:
        raise ValueError(
            "where: condition, x and y must all be ragged, or condition be a vector that chooses rows. "
            f"Received: {condition!r}, {x!r}, {y!r}"
        )
    both = arrays.concat([x, y], 0)
    count = _row_count(x)
    numbers = select.where(condition, range_(count), count + range_(_row_count(y)))
    return gather(both, numbers)


def _row_count(value: Any) -> Any:
    return value.nrows() if isinstance(value, RaggedTensor) else shape_of(value)[0]


def dynamic_partition(data: Any, partitions: Any, num_partitions: int, name: str | None = None) -> list[Any]:
    """The rows of a ragged tensor by the numbers of their parts.

    Raises:
      TypeError: `num_partitions` is not an int.
      ValueError: it is negative.
    """
    if not isinstance(num_partitions, int) or num_partitions < 0:
        kind = ValueError if isinstance(num_partitions, int) else TypeError
        raise kind("num_partitions must be a non-negative integer")
    found = stack_dynamic_partitions(data, partitions, num_partitions, name)
    return [found[i] for i in range(num_partitions)]


@public("ragged.stack_dynamic_partitions")
def stack_dynamic_partitions(
    data: Any, partitions: Any, num_partitions: Any, name: str | None = None
) -> RaggedTensor:
    """The rows of `data` by the numbers of their parts: row i of the result has the elements of part i.

    Args:
      data: `[..., ...]`, a tensor or RaggedTensor.
      partitions: int32 or int64; its shape is the beginning of that of `data`.
      num_partitions: int scalar.
      name: the scope; default "SegmentStack".

    Raises:
      ValueError: `partitions` has an unknown rank.

    Example:
      >>> found = tf.ragged.stack_dynamic_partitions([1, 2, 3], [1, 0, 1], 2)
      >>> with tf.Session() as sess:
      ...     print(sess.run(found).to_list())
      [[2], [1, 3]]
    """
    with name_scope(name, "SegmentStack", [data, partitions, num_partitions]):
        data = tensor_or_ragged(data, name="data")
        partitions = tensor_or_ragged(partitions, name="partitions")
        num_partitions = to_tensor(num_partitions, None, "num_partitions", partitions.dtype)
        rank = partitions.shape.ndims
        if rank is None:
            raise ValueError("partitions must have known rank.")
        num_partitions.dims = shapes.merge(num_partitions.dims, ())
        if rank == 0:  # all goes to one part
            splits = segment_ids_to_row_splits(reshape(partitions, [1]), num_partitions)
            one = expand_dims(data, 0) if not isinstance(data, RaggedTensor) else arrays.expand_dims(data, 0)
            return RaggedTensor.from_row_splits(one, splits, validate=False)
        if rank > 1:
            return _of_flat(data, partitions, num_partitions)
        order = argsort(partitions, stable=True)
        sorted_parts = dense_gather(partitions, order)
        rows = gather(data, order)
        message = "partitions must be less than num_partitions"
        check = assert_less(sorted_parts[-1:], num_partitions, message=message)
        with control_dependencies([check]):
            return RaggedTensor.from_value_rowids(rows, sorted_parts, nrows=num_partitions, validate=False)


def _of_flat(data: Any, partitions: Any, num_partitions: Any) -> RaggedTensor:
    """Partitions of several dimensions, as one."""
    if isinstance(partitions, RaggedTensor):
        if not isinstance(data, RaggedTensor):
            data = RaggedTensor.from_tensor(data, row_splits_dtype=partitions.row_splits.dtype)
        message = "data and partitions have incompatible ragged shapes"
        with control_dependencies([assert_equal(partitions.row_splits, data.row_splits, message=message)]):
            return stack_dynamic_partitions(data.values, partitions.values, num_partitions)
    if isinstance(data, RaggedTensor):
        partitions = RaggedTensor.from_tensor(partitions, row_splits_dtype=data.row_splits.dtype)
        return _of_flat(data, partitions, num_partitions)
    dims = len(partitions.dims)
    whole = shape_of(data)
    flat = reshape(data, concat([[-1], whole[dims:]], axis=0))
    return stack_dynamic_partitions(flat, reshape(partitions, [-1]), num_partitions)
