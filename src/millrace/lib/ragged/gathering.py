"""Rows and elements of ragged tensors by their numbers."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.scopes import name_scope
from millrace.core import shapes
from millrace.graph.tensor import Tensor
from millrace.lib.math.array import repeat
from millrace.lib.ragged.ragged_tensor import RaggedTensor
from millrace.lib.ragged.splits import tensor_or_ragged
from millrace.ops.array.gather import gather as dense_gather
from millrace.ops.array.gather import gather_nd as dense_gather_nd
from millrace.ops.array.reshape import reshape
from millrace.ops.math.cast import cast


def gather(
    params: Any,
    indices: Any,
    validate_indices: Any = None,
    name: str | None = None,
    axis: Any = None,
    batch_dims: int = 0,
) -> Any:
    """Rows of a tensor or ragged tensor, by a tensor or ragged tensor of their numbers.

    Raises:
      ValueError: `axis` or `batch_dims` is not 0, which ragged tensors do not support.
    """
    del validate_indices
    if axis not in (None, 0):
        raise ValueError("axis != 0 is not supported for ragged gather yet.")
    if batch_dims:
        raise ValueError("batch_dims != 0 is not supported for ragged gather yet.")
    with name_scope(name, "RaggedGather", [params, indices]):
        params = tensor_or_ragged(params, name="params")
        indices = tensor_or_ragged(indices, name="indices")
        if isinstance(indices, RaggedTensor):
            return indices.with_values(gather(params, indices.values))
        if not isinstance(params, RaggedTensor):
            return dense_gather(params, indices)
        return _rows(params, indices)


def _rows(params: RaggedTensor, indices: Tensor) -> Any:
    if indices.dims is None:
        raise ValueError("indices.shape.ndims must be known statically")
    outer = params.ragged_rank + len(indices.dims) - 1
    found = raw.RaggedGather(
        list(params.nested_row_splits),
        params.flat_values,
        indices,
        OUTPUT_RAGGED_RANK=outer,
        name="RaggedGather",
    )
    flat = found.output_dense_values
    inner = params.flat_values.dims
    flat.dims = shapes.merge(flat.dims, None if inner is None else (None, *inner[1:]))
    return RaggedTensor.from_nested_row_splits(flat, list(found.output_nested_splits), validate=False)


def batch_gather(params: Any, indices: Any, name: str | None = None) -> Any:
    """From row i of `params` the elements that row i of `indices` numbers.

    Raises:
      ValueError: `indices` is a scalar, or has an unknown rank.
    """
    with name_scope(name, "RaggedBatchGather", [params, indices]):
        params = tensor_or_ragged(params, name="params")
        indices = tensor_or_ragged(indices, name="indices")
        if indices.shape.ndims is None:
            raise ValueError("batch_gather does not allow indices with unknown shape.")
        if indices.shape.ndims == 0:
            raise ValueError("indices.rank must be at least 1.")
        if indices.shape.ndims == 1:
            return gather(params, indices)
        if not isinstance(indices, RaggedTensor):
            indices = RaggedTensor.from_tensor(indices, ragged_rank=1)
            dense = not isinstance(params, RaggedTensor)
            found = batch_gather(params, indices)
            return found.to_tensor() if dense and isinstance(found, RaggedTensor) else found
        if not isinstance(params, RaggedTensor):
            params = RaggedTensor.from_tensor(
                params, ragged_rank=1, row_splits_dtype=indices.row_splits.dtype
            )
        if indices.shape.ndims is not None and indices.shape.ndims > 2:
            return indices.with_values(batch_gather(params.values, indices.values))
        counts = indices.row_lengths()
        offsets = repeat(params.row_starts(), counts, axis=0)
        places = cast(indices.values, params.row_splits.dtype) + offsets
        return indices.with_values(gather(params.values, places))


def gather_nd(params: Any, indices: Any, name: str | None = None, batch_dims: int = 0) -> Any:
    """Slices of a ragged tensor at places that the innermost dimension of `indices` tells.

    Raises:
      ValueError: `batch_dims` is not 0, or the innermost dimension of `indices` is unknown or ragged.
    """
    if not isinstance(batch_dims, int) or batch_dims:
        raise ValueError("batch_dims != 0 is not supported for ragged gather yet.")
    with name_scope(name, "RaggedGatherNd", [params, indices]):
        params = tensor_or_ragged(params, name="params")
        indices = tensor_or_ragged(indices, name="indices")
        if not isinstance(params, RaggedTensor) and not isinstance(indices, RaggedTensor):
            return dense_gather_nd(params, indices)
        dims = shapes.as_dims(indices.shape)
        if dims is None:
            raise ValueError("indices.rank be statically known.")
        if not dims:
            raise ValueError("indices.rank must be at least 1.")
        if isinstance(indices, RaggedTensor) and len(dims) == indices.ragged_rank + 1:
            raise ValueError("The innermost dimension of indices may not be ragged")
        size = dims[-1]
        if size is None:
            raise ValueError("indices.shape[-1] must be statically known.")
        if isinstance(indices, RaggedTensor):
            return indices.with_flat_values(gather_nd(params, indices.flat_values))
        if size == 0:
            raise ValueError("indices.shape[-1] must be at least 1.")
        if size == 1:
            return gather(params, reshape(indices, [-1]) if len(dims) == 2 else indices[..., 0])
        indices = cast(indices, params.row_splits.dtype)
        found, place = params, None
        for i in range(size):
            column = indices[..., i]
            place = column if place is None else place + column
            if i + 1 < size and isinstance(found, RaggedTensor):
                place = dense_gather(found.row_splits, place)
                found = found.values
            elif i + 1 < size:
                return dense_gather_nd(found, _with_rest(place, indices, i))
        return gather(found, place)


def _with_rest(place: Tensor, indices: Tensor, at: int) -> Tensor:
    """The places in flat values, where the rest of the innermost dimension goes into dense dimensions."""
    return raw.ConcatV2([place[..., None], indices[..., at + 1 :]], -1)
