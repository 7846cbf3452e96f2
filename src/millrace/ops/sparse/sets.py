"""Sets in the last dimension of tensors: sizes, unions, intersections, differences."""

from __future__ import annotations

from typing import Any

from millrace.building.apply import apply
from millrace.building.convert import convert_to_tensor
from millrace.building.sparse_tensor import SparseTensor
from millrace.core import shapes
from millrace.core.dtypes import SIGNED, STRING, uint8, uint16
from millrace.core.public import public
from millrace.graph.attrs import flag, text
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.shape_rules import at_least, with_rank
from millrace.opkit.sparse.set_rows import SetRows, combine, sizes
from millrace.opkit.text.pieces import array_of

_ELEMENT = SIGNED | STRING | {uint8, uint16}


def _sparse_rank(indices: shapes.Dims, values: shapes.Dims, shape: shapes.Dims) -> int | None:
    """The rank of a sparse tensor's parts, where it is known."""
    columns = with_rank(indices, 2, "indices")[1]  # type: ignore[index]
    with_rank(values, 1, "values")
    return shapes.merge((columns,), with_rank(shape, 1, "shape"))[0]  # type: ignore[index]


def _result_dims(rank: int | None) -> list[shapes.Dims]:
    return [(None, rank), (None,), (rank,)]


@declare(
    "SetSize(set_indices: int64, set_values: T, set_shape: int64) -> size: int32",
    T=_ELEMENT,
    validate_indices=flag(True),
    host=True,
)
class SetSize:
    """How many different elements each set has."""

    def shape(set_indices, set_values, set_shape):
        _sparse_rank(set_indices, set_values, set_shape)

    def kernel(xp, set_indices, set_values, set_shape):
        return sizes(SetRows.sparse(set_indices, set_values, set_shape))

    grad = NOT_DIFFERENTIABLE


@public("sets.size", "sets.set_size", "contrib.metrics.set_size")
def set_size(a: Any, validate_indices: bool = True) -> Tensor:
    """How many different elements each set has.

    Args:
      a: SparseTensor `[..., m]`, a set in each last dimension.
      validate_indices: kept for compatibility; indices are always checked.

    Returns:
      `[...]` int32.

    Raises:
      TypeError: `a` is not a SparseTensor, or of a dtype without sets.
    """
    x = SparseTensor.from_value(a)
    return apply(SetSize, x.indices, x.values, x.dense_shape, validate_indices=validate_indices)


@declare(
    "DenseToDenseSetOperation(set1: T, set2: T) -> result_indices: int64, result_values: T, "
    "result_shape: int64",
    T=_ELEMENT,
    set_operation=text(),
    validate_indices=flag(True),
    host=True,
)
class DenseToDenseSetOperation:
    """Combines dense sets with dense sets."""

    def shape(set1, set2):
        at_least(set1, 2, "set1")
        at_least(set2, 2, "set2")
        if set1 is not None and set2 is not None:
            shapes.merge(set1[:-1], set2[:-1])
        known = set1 if set1 is not None else set2
        return _result_dims(None if known is None else len(known))

    def kernel(xp, set1, set2, set_operation, T):
        return combine(
            SetRows.dense(array_of(set1)), SetRows.dense(array_of(set2)), set_operation, T.np_dtype
        )

    grad = NOT_DIFFERENTIABLE


@declare(
    "DenseToSparseSetOperation(set1: T, set2_indices: int64, set2_values: T, set2_shape: int64) -> "
    "result_indices: int64, result_values: T, result_shape: int64",
    T=_ELEMENT,
    set_operation=text(),
    validate_indices=flag(True),
    host=True,
)
class DenseToSparseSetOperation:
    """Combines dense sets with sparse sets."""

    def shape(set1, set2_indices, set2_values, set2_shape):
        at_least(set1, 2, "set1")
        rank = _sparse_rank(set2_indices, set2_values, set2_shape)
        return _result_dims(rank if set1 is None else len(set1))

    def kernel(xp, set1, set2_indices, set2_values, set2_shape, set_operation, T):
        second = SetRows.sparse(set2_indices, set2_values, set2_shape)
        return combine(SetRows.dense(array_of(set1)), second, set_operation, T.np_dtype)

    grad = NOT_DIFFERENTIABLE


@declare(
    "SparseToSparseSetOperation(set1_indices: int64, set1_values: T, set1_shape: int64, set2_indices: "
    "int64, set2_values: T, set2_shape: int64) -> result_indices: int64, result_values: T, "
    "result_shape: int64",
    T=_ELEMENT,
    set_operation=text(),
    validate_indices=flag(True),
    host=True,
)
class SparseToSparseSetOperation:
    """Combines sparse sets with sparse sets."""

    def shape(set1_indices, set1_values, set1_shape, set2_indices, set2_values, set2_shape):
        first = _sparse_rank(set1_indices, set1_values, set1_shape)
        second = _sparse_rank(set2_indices, set2_values, set2_shape)
        return _result_dims(second if first is None else first)

    def kernel(
        xp, set1_indices, set1_values, set1_shape, set2_indices, set2_values, set2_shape, set_operation, T
    ):
        first = SetRows.sparse(set1_indices, set1_values, set1_shape)
        second = SetRows.sparse(set2_indices, set2_values, set2_shape)
        return combine(first, second, set_operation, T.np_dtype)

    grad = NOT_DIFFERENTIABLE


_TURNED = {"a-b": "b-a", "b-a": "a-b"}


def _set_operation(a: Any, b: Any, operation: str, validate_indices: bool) -> SparseTensor:
    a, b = _operand(a), _operand(b)
    if a.dtype.base_dtype is not b.dtype.base_dtype:
        raise TypeError(f"sets must have one dtype. Received: {a.dtype.name} and {b.dtype.name}")
    if isinstance(a, SparseTensor) and not isinstance(b, SparseTensor):
        a, b, operation = b, a, _TURNED.get(operation, operation)  # there is no sparse-to-dense operation
    attrs = {"set_operation": operation, "validate_indices": validate_indices}
    if isinstance(a, SparseTensor):
        parts = (a.indices, a.values, a.dense_shape, b.indices, b.values, b.dense_shape)
        found = apply(SparseToSparseSetOperation, *parts, **attrs)
    elif isinstance(b, SparseTensor):
        found = apply(DenseToSparseSetOperation, a, b.indices, b.values, b.dense_shape, **attrs)
    else:
        found = apply(DenseToDenseSetOperation, a, b, **attrs)
    return SparseTensor(*found)


def _operand(value: Any) -> Any:
    if hasattr(value, "dense_shape"):
        return SparseTensor.from_value(value)
    return convert_to_tensor(value)


@public("sets.intersection", "sets.set_intersection", "contrib.metrics.set_intersection")
def set_intersection(a: Any, b: Any, validate_indices: bool = True) -> SparseTensor:
    """The elements that are in both sets.

    Args:
      a: Tensor or SparseTensor `[..., m]` of integers or strings, a set in each last dimension.
      b: Tensor or SparseTensor `[..., n]`, same outer dimensions and dtype.
      validate_indices: kept for compatibility; indices are always checked.

    Returns:
      SparseTensor `[..., longest]`, elements in ascending order.
    """
    return _set_operation(a, b, "intersection", validate_indices)


@public("sets.union", "sets.set_union", "contrib.metrics.set_union")
def set_union(a: Any, b: Any, validate_indices: bool = True) -> SparseTensor:
    """The elements that are in either set.

    Args:
      a: Tensor or SparseTensor `[..., m]` of integers or strings, a set in each last dimension.
      b: Tensor or SparseTensor `[..., n]`, same outer dimensions and dtype.
      validate_indices: kept for compatibility; indices are always checked.

    Returns:
      SparseTensor `[..., longest]`, elements in ascending order.
    """
    return _set_operation(a, b, "union", validate_indices)


@public("sets.difference", "sets.set_difference", "contrib.metrics.set_difference")
def set_difference(a: Any, b: Any, aminusb: bool = True, validate_indices: bool = True) -> SparseTensor:
    """The elements that are in one set and not in the other.

    Args:
      a: Tensor or SparseTensor `[..., m]` of integers or strings, a set in each last dimension.
      b: Tensor or SparseTensor `[..., n]`, same outer dimensions and dtype.
      aminusb: elements of `a` that are not in `b`, else the other way round.
      validate_indices: kept for compatibility; indices are always checked.

    Returns:
      SparseTensor `[..., longest]`, elements in ascending order.
    """
    return _set_operation(a, b, "a-b" if aminusb else "b-a", validate_indices)
