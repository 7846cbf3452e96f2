"""Sparse tensors in queues of dense ones: a number goes in for each, the tensor itself waits in a map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from millrace.building import raw
from millrace.building.sparse_tensor import SparseTensor
from millrace.building.static import static_value
from millrace.core import dtypes
from millrace.graph.tensor import Tensor
from millrace.lib.flow import control_flow
from millrace.ops.array import constant, gather, reshape
from millrace.ops.math import select


@dataclass(slots=True)
class Kept:
    """A component of a queue whose elements are sparse.

    Attributes:
      dtype: of its values.
      map_name: the map's, which is the name of the first operation that adds to it.
      rank: of a batch, or None where it is not known.
    """

    dtype: dtypes.DType
    map_name: str
    rank: int | None


def store(
    tensors: Sequence[Any], enqueue_many: bool, keep_input: Tensor, first: Sequence[Kept | None] | None = None
) -> tuple[list[Tensor], list[Kept | None]]:
    """The tensors with a number for each sparse one, and how to get them back.

    Args:
      tensors: of one element, or of many.
      enqueue_many: they are rows of elements.
      keep_input: what says which elements are wanted; the others are not stored.
      first: what this function returned for the first of several producers, whose maps are shared.
    """
    plain: list[Tensor] = []
    kept: list[Kept | None] = []
    for i, tensor in enumerate(tensors):
        if not isinstance(tensor, SparseTensor):
            plain.append(tensor)
            kept.append(None)
            continue
        shared = first[i] if first is not None else None
        number, op_name = _number_of(tensor, enqueue_many, keep_input, shared.map_name if shared else None)
        rank = tensor.dense_shape.dims[0] if tensor.dense_shape.dims else None
        if rank is not None and not enqueue_many:
            rank += 1
        kept.append(shared or Kept(tensor.dtype, op_name, rank))
        plain.append(number)
    # a queue would squeeze numbers and vectors alike
    return [reshape.expand_dims(t, [-1]) if k else t for t, k in zip(plain, kept, strict=True)], kept


def _number_of(
    tensor: SparseTensor, enqueue_many: bool, keep_input: Tensor, map_name: str | None
) -> tuple[Tensor, str]:
    add = raw.AddManySparseToTensorsMap if enqueue_many else raw.AddSparseToTensorsMap

    def added(sparse: SparseTensor) -> Tensor:
        return add(sparse.indices, sparse.values, sparse.dense_shape, shared_name=map_name or "")

    if enqueue_many and keep_input.dims is not None and len(keep_input.dims) == 1:
        number = added(_filtered(tensor, keep_input))
        return number, number.op.name
    known = static_value(keep_input)
    if known is not None:
        number = added(tensor) if known else constant.constant(-1, dtypes.int64)
        return number, number.op.name
    names: list[str] = []

    def stored() -> Tensor:
        number = added(tensor)
        names.append(number.op.name)
        return number

    number = control_flow.cond(keep_input, stored, lambda: constant.constant(-1, dtypes.int64))
    return number, names[0]


def _filtered(tensor: SparseTensor, keep_input: Tensor) -> SparseTensor:
    """What lies in the rows to keep; their numbers stay."""
    wanted = gather.gather(keep_input, tensor.indices[:, 0])
    places = reshape.reshape(select.where(wanted), [-1])
    return SparseTensor(
        gather.gather(tensor.indices, places),
        gather.gather(tensor.values, places),
        constant.identity(tensor.dense_shape),
    )


def restore(tensors: Sequence[Tensor], kept: Sequence[Kept | None]) -> list[Any]:
    """A batch with its sparse tensors, of which each one is taken from its map with the others."""
    if not any(kept):
        return list(tensors)
    found = [t if k is None else _taken(t, k) for t, k in zip(tensors, kept, strict=True)]
    ops = list(dict.fromkeys(f.op for f in found))
    tied = [_after(f, [op for op in ops if op is not f.op]) for f in found]
    return found if len(found) == 1 else tied


def _taken(number: Tensor, kept: Kept) -> SparseTensor:
    parts = raw.TakeManySparseFromTensorsMap(
        reshape.squeeze(number, [1]), dtype=kept.dtype, shared_name=kept.map_name
    )
    indices, values, dense_shape = parts
    indices.set_shape([None, kept.rank])
    dense_shape.set_shape([kept.rank])
    return SparseTensor(indices, values, dense_shape)


def _after(found: Any, ops: list[Any]) -> Any:
    if not isinstance(found, SparseTensor):
        return control_flow.with_dependencies(ops, found)
    parts = found.indices, found.values, found.dense_shape
    return SparseTensor(*(control_flow.with_dependencies(ops, part) for part in parts))
