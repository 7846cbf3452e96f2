"""Ragged tensors from nested lists: `constant`, `constant_value`, and the placeholder to feed them to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.building.convert import constant_of
from millrace.building.scopes import name_scope
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.lib.ragged.ragged_tensor import RaggedTensor
from millrace.lib.ragged.values import RaggedTensorValue
from millrace.ops.array.constant import constant as dense_constant
from millrace.ops.array.constant import placeholder as dense_placeholder


@public("ragged.constant")
def constant(
    pylist: Any,
    dtype: Any = None,
    ragged_rank: int | None = None,
    inner_shape: Any = None,
    name: str | None = None,
    row_splits_dtype: Any = dtypes.int64,
) -> Any:
    """A constant RaggedTensor of nested lists.

    Args:
      pylist: nested lists and tuples, whose scalars all stand at one depth.
      dtype: of the elements; default: what fits the scalars.
      ragged_rank: how many dimensions are ragged; default: all but the first and those of `inner_shape`.
      inner_shape: the shape of the elements of the innermost ragged dimension.
      name: the scope; default "RaggedConstant".
      row_splits_dtype: int32 or int64.

    Returns:
      A RaggedTensor; a tensor where no dimension is ragged.

    Raises:
      ValueError: scalars stand at different depths, or `ragged_rank` and `inner_shape` do not fit them.

    Example:
      >>> print(tf.ragged.constant([[1, 2], [], [3]]).shape)
      (3, ?)
    """

    def splits_of(value: Any) -> Any:
        return constant_of(value, dtypes.as_dtype(row_splits_dtype), None)

    def values_of(values: Any, kind: Any, shape: Any, depth: int) -> Any:
        return dense_constant(values, kind, shape, "values" if depth else "Const")

    def ragged(values: Any, row_splits: Any) -> Any:
        return RaggedTensor.from_row_splits(values, row_splits, validate=False)

    kind = None if dtype is None else dtypes.as_dtype(dtype)
    with name_scope(name, "RaggedConstant"):
        return _built(pylist, kind, ragged_rank, inner_shape, splits_of, values_of, ragged)


@public("ragged.constant_value")
def constant_value(
    pylist: Any,
    dtype: Any = None,
    ragged_rank: int | None = None,
    inner_shape: Any = None,
    row_splits_dtype: Any = "int64",
) -> Any:
    """A RaggedTensorValue of nested lists, or an array; arguments as for `constant`."""
    if isinstance(dtype, dtypes.DType):
        dtype = dtype.as_numpy_dtype
    row_splits_dtype = dtypes.as_dtype(row_splits_dtype).as_numpy_dtype

    def splits_of(value: Any) -> Any:
        return np.array(value, row_splits_dtype)

    def values_of(values: Any, kind: Any, shape: Any, depth: int) -> Any:
        del depth
        array = np.array(values, kind)
        return array if shape is None else np.reshape(array, shape)

    return _built(pylist, dtype, ragged_rank, inner_shape, splits_of, values_of, RaggedTensorValue)


def _built(
    pylist: Any,
    dtype: Any,
    ragged_rank: int | None,
    inner_shape: Any,
    splits_of: Callable[[Any], Any],
    values_of: Callable[[Any, Any, Any, int], Any],
    ragged: Callable[[Any, Any], Any],
) -> Any:
    """The splits of each level of nested lists, from the outermost on, and the flat values."""
    if isinstance(pylist, np.ndarray):
        pylist = pylist.tolist()
    if not isinstance(pylist, list | tuple):
        if ragged_rank not in (None, 0):
            raise ValueError(f"Invalid pylist={pylist!r}: incompatible with ragged_rank={ragged_rank}")
        if inner_shape:
            raise ValueError(
                f"Invalid pylist={pylist!r}: incompatible with dim(inner_shape)={len(inner_shape)}"
            )
        return values_of(pylist, dtype, (), 0)
    if ragged_rank is not None and ragged_rank < 0:
        raise ValueError(f"Invalid ragged_rank={ragged_rank}: must be nonnegative")
    scalars, depth = _depths(pylist)
    if scalars is not None:
        if inner_shape is not None and len(inner_shape) + (ragged_rank or 0) > scalars - 1 + (
            ragged_rank is None
        ):
            raise ValueError(
                f"Invalid pylist={pylist!r}: incompatible with inner_shape={inner_shape!r} and "
                f"ragged_rank={ragged_rank}"
            )
        if ragged_rank is not None and scalars <= ragged_rank:
            raise ValueError(
                f"Invalid pylist: its scalars are at depth {scalars}, and ragged_rank={ragged_rank} "
                f"needs them deeper than {ragged_rank}"
            )
    if inner_shape is not None and ragged_rank is None:
        ragged_rank = max(0, (depth - 1 if scalars is None else scalars - 1) - len(inner_shape))
    elif ragged_rank is None:
        ragged_rank = max(1, depth if scalars is None else scalars) - 1
    if inner_shape is None:
        inner_shape = _inner_shape(pylist, ragged_rank)
    values: Any = pylist
    nested = []
    for level in range(ragged_rank):
        ends = [0]
        for row in values:
            if not isinstance(row, list | tuple | np.ndarray):
                raise ValueError(f"Invalid pylist={pylist!r}: a scalar at depth {level + 1}")
            ends.append(ends[-1] + len(row))
        nested.append(ends)
        values = [item for row in values for item in row]
    flat = values_of(values, dtype, (len(values), *inner_shape) if inner_shape else None, ragged_rank)
    for ends in reversed(nested):
        flat = ragged(flat, splits_of(ends))
    return flat


def _depths(item: Any) -> tuple[int | None, int]:
    """The depth of the scalars, None where there is none, and the depth of the lists."""
    if isinstance(item, np.ndarray) and item.ndim:
        item = item.tolist()
    if not isinstance(item, list | tuple):
        return 0, 0
    scalars, deepest = None, 1
    for child in item:
        found, depth = _depths(child)
        if found is not None:
            if scalars is not None and scalars != found + 1:
                raise ValueError("all scalar values must have the same nesting depth")
            scalars = found + 1
        deepest = max(deepest, depth + 1)
    if scalars is not None and deepest > scalars:
        raise ValueError(f"Invalid pylist={item!r}: empty list nesting is greater than scalar value nesting")
    return scalars, deepest


def _inner_shape(pylist: Any, ragged_rank: int) -> tuple[int, ...]:
    """The common shape of the elements below the ragged dimensions.

    Raises:
      ValueError: there is none.
    """

    def shape_of(item: Any, level: int) -> tuple[int, ...] | None:
        if level:
            found = None
            for child in item:
                shape = shape_of(child, level - 1)
                if found is not None and shape is not None and shape != found:
                    raise ValueError("inner values have inconsistent shape")
                found = shape if found is None else found
            return found
        if not isinstance(item, list | tuple | np.ndarray):
            return ()
        shapes_inside = {shape_of(child, 0) for child in item}
        if len(shapes_inside) > 1:
            raise ValueError("inner values have inconsistent shape")
        return (len(item), *(shapes_inside.pop() if shapes_inside else ()))  # type: ignore[misc]

    return shape_of(pylist, ragged_rank + 1) or ()


@public("ragged.placeholder")
def placeholder(dtype: Any, ragged_rank: int, value_shape: Any = None, name: str | None = None) -> Any:
    """A ragged tensor to be fed, with a RaggedTensorValue.

    Args:
      dtype: of the elements.
      ragged_rank: how many dimensions are ragged; 0 gives an ordinary placeholder.
      value_shape: the shape of the elements of the innermost ragged dimension; default: unknown.
      name: the scope; default "RaggedPlaceholder".
    """
    if ragged_rank == 0:
        return dense_placeholder(dtype, value_shape, name)
    with name_scope(name, "RaggedPlaceholder"):
        inner = shapes.as_dims(shapes.TensorShape(value_shape))
        flat_dims = None if inner is None else [None, *inner]
        result = dense_placeholder(dtype, flat_dims, "flat_values")
        for level in reversed(range(ragged_rank)):
            row_splits = dense_placeholder(dtypes.int64, [None], f"row_splits_{level}")
            result = RaggedTensor.from_row_splits(result, row_splits, validate=False)
        return result
