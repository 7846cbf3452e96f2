"""Picking slices by number: gather along an axis, and gather by coordinates."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.building.convert import to_tensor
from millrace.building.dispatch import overridable
from millrace.building.indexed_slices import IndexedSlices
from millrace.building.static import static_value
from millrace.core import shapes
from millrace.core.dtypes import ALL, INDEX, int32
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.core.shapes import format_dims
from millrace.graph.attrs import dtype, flag, integer
from millrace.graph.defaults import get_default_graph
from millrace.graph.opdef import declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.idioms import shape_tensor, size_tensor
from millrace.opkit.rules.shape_rules import at_least, axis_in


@declare("Gather(params: Tparams, indices: Tindices) -> output: Tparams", Tparams=ALL, Tindices=INDEX,
         validate_indices=flag(True))  # fmt: skip
class Gather:
    """Row indices[i] of `params` for each i."""

    def shape(params, indices):
        at_least(params, 1, "params")
        return shapes.concat(indices, None if params is None else params[1:])

    def kernel(xp, params, indices):
        return xp.gathered(params, indices, 0)

    def grad(op, dy):
        params, indices = op.inputs
        return _row_slices(params, indices, dy), None


def _row_slices(params: Tensor, indices: Tensor, dy: Tensor) -> IndexedSlices:
    """The gradient of rows: only the gathered ones, not a dense tensor."""
    dense = shape_tensor(params)
    params.graph.count(1)  # 1.15 has shapes of 64 bits here, and casts them
    size = raw.ExpandDims(size_tensor(indices), 0)
    values = raw.Reshape(dy, raw.ConcatV2([size, dense[1:]], 0, name="concat"))
    return IndexedSlices(values, raw.Reshape(indices, size), dense)


@declare(
    "GatherV2(params: Tparams, indices: Tindices, axis: Taxis) -> output: Tparams",
    Tparams=ALL,
    Tindices=INDEX,
    Taxis=dtype(INDEX),
    batch_dims=integer(default=0),
    static=("axis",),
)
class GatherV2:
    """Slice indices[i] of `params` along `axis` for each i, after `batch_dims` dimensions in common."""

    def shape(params, indices, axis, batch_dims):
        place = axis.scalar("axis")
        if params is None:
            return None
        at_least(params, 1, "params")
        if place is None:
            return (
                None if indices is None else (None,) * (len(params) + len(indices) - 1 - max(batch_dims, 0))
            )
        at = axis_in(place, len(params))
        if indices is None:
            return None
        batch = (
            axis_in(batch_dims, len(indices) + 1, "batch_dims")
            if batch_dims >= 0
            else batch_dims + len(indices)
        )
        if batch > at:
            raise ValueError(f"batch_dims must be at most axis. Received: batch_dims {batch}, axis {at}")
        common = shapes.merge(params[:batch], indices[:batch])
        return (*common, *params[batch:at], *indices[batch:], *params[at + 1 :])  # type: ignore[misc]

    def kernel(xp, params, indices, axis, batch_dims):
        rank, depth = len(np.shape(params)), len(np.shape(indices))
        at = int(axis)
        if not -rank <= at < rank:
            raise refusal(f"axis must be in [{-rank}, {rank}). Received: {at}")
        batch = batch_dims + depth if batch_dims < 0 else batch_dims
        if batch == 0:
            return xp.gathered(params, indices, at % rank)
        return xp.batch_gathered(params, indices, at % rank, batch)

    def grad(op, dy):
        params, indices, axis = op.inputs
        batch = op.attrs["batch_dims"]
        at = static_value(axis)
        if batch == 0 and at is not None and int(at) == 0:
            return _row_slices(params, indices, dy), None, None
        return _gathered_grad(params, indices, axis if at is None else int(at), batch, dy), None, None


def _gathered_grad(params: Tensor, indices: Tensor, axis: Any, batch: int, dy: Tensor) -> Tensor:
    """Adds the gradient's slices up at their places, seen as [batch, before axis, axis, behind axis]."""
    if isinstance(axis, Tensor) or axis < 0:
        axis = raw.FloorMod(axis, raw.Rank(params)) if params.dims is None else axis % len(params.dims)
    if batch < 0:
        if indices.dims is None:
            raise LookupError(
                f"GatherV2 needs the rank of indices for its gradient. Received: batch_dims {batch}"
            )
        batch += len(indices.dims)
    dense, places = shape_tensor(params), shape_tensor(indices)
    product = lambda part: raw.Prod(part, [0])  # noqa: E731 - read as part of the next line
    groups, before, behind = product(dense[:batch]), product(dense[batch:axis]), product(dense[axis + 1 :])
    length, count = dense[axis], product(places[batch:])
    rows = raw.Transpose(raw.Reshape(dy, raw.Pack([groups, before, count, behind])), [0, 2, 1, 3])
    rows = raw.Reshape(rows, raw.Pack([groups * count, before, behind]))
    starts = raw.Reshape(raw.Range(0, groups, 1) * length, [-1, 1])
    flat = raw.Reshape(indices, raw.Pack([groups, count]))
    if flat.dtype.base_dtype is not int32:
        starts = raw.Cast(starts, DstT=flat.dtype.base_dtype)
    summed = raw.UnsortedSegmentSum(rows, raw.Reshape(flat + starts, [-1]), groups * length)
    split = raw.Reshape(summed, raw.Pack([groups, length, before, behind]))
    return raw.Reshape(raw.Transpose(split, [0, 2, 1, 3]), dense)


@declare("GatherNd(params: Tparams, indices: Tindices) -> output: Tparams", Tparams=ALL, Tindices=INDEX)
class GatherNd:
    """The slices of `params` at the coordinates in the last dimension of `indices`."""

    def shape(params, indices):
        at_least(indices, 1, "indices")
        if params is None or indices is None or indices[-1] is None:
            return None
        if indices[-1] > len(params):
            raise ValueError(
                f"indices.shape[-1] must be <= params.rank. "
                f"Received: {indices[-1]} for params {format_dims(params)}"
            )
        return (*indices[:-1], *params[indices[-1] :])

    def kernel(xp, params, indices):
        return xp.gathered_nd(params, indices)

    def grad(op, dy):
        params, indices = op.inputs
        shape = shape_tensor(params, indices.dtype.base_dtype)
        if indices.dims is not None and len(indices.dims) == 2 and indices.dims[-1] == 1:
            return IndexedSlices(dy, raw.Squeeze(indices, squeeze_dims=[-1]), shape), None
        return raw.ScatterNd(indices, dy, shape), None


@public("gather")
@overridable
def gather(
    params: Any,
    indices: Any,
    validate_indices: Any = None,
    name: str | None = None,
    axis: Any = None,
    batch_dims: int = 0,
) -> Tensor:
    """Slices of `params` by number along `axis`.

    Args:
      params: `[..., n, ...]`, n the length of dimension `axis`; or a variable.
      indices: `[...]`, int32 or int64, each in [0, n).
      validate_indices: taken for compatibility; indices are always checked.
      name: op name; default "GatherV2", for a variable "Gather".
      axis: int scalar; default `batch_dims`.
      batch_dims: the first so many dimensions are common to `params` and `indices`.

    Returns:
      `params.shape[:axis] + indices.shape[batch_dims:] + params.shape[axis + 1:]`, dtype of `params`.

    Raises:
      InvalidArgumentError: when it runs and an index is out of range.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.gather([10, 20, 30], [2, 0])))
      [30 10]
    """
    if axis is None:
        axis = batch_dims
    of_rows = batch_dims == 0 and isinstance(axis, int | np.integer) and axis == 0
    if of_rows and hasattr(params, "sparse_read"):
        return params.sparse_read(indices, name=name)
    return apply(GatherV2, params, indices, axis, batch_dims=batch_dims, name=name)


@public("batch_gather")
@overridable
def batch_gather(params: Any, indices: Any, name: str | None = None) -> Tensor:
    """Gathers along the last dimension of `indices`, all earlier dimensions in common.

    Args:
      params: `[b..., n, ...]`.
      indices: `[b..., m]`, int32 or int64.
      name: op name; default "BatchGather".

    Returns:
      `[b..., m, ...]`.

    Raises:
      ValueError: the rank of `indices` is unknown.
    """
    with get_default_graph().name_scope(name or "BatchGather") as scope:
        indices = to_tensor(indices, name="indices")
        params = to_tensor(params, name="params")
        if indices.dims is None:
            raise ValueError("batch_gather: indices must have a known rank. Received: shape <unknown>")
        batch = len(indices.dims) - 1
        # TensorFlow numbers the rows of all batches through, one dimension after another
        get_default_graph().count(23 + batch * (16 + batch))
        return apply(GatherV2, params, indices, batch, batch_dims=batch, name=scope)


@public("gather_nd", "manip.gather_nd")
@overridable
def gather_nd(params: Any, indices: Any, name: str | None = None, batch_dims: int = 0) -> Tensor:
    """The slices of `params` at coordinates.

    Args:
      params: `[...]` of rank r.
      indices: `[..., k]`, int32 or int64, k <= r: coordinates in the first k dimensions.
      name: op name; default "GatherNd".
      batch_dims: the first so many dimensions are common to `params` and `indices`.

    Returns:
      `indices.shape[:-1] + params.shape[k:]`, dtype of `params`.

    Raises:
      ValueError: k is known to be greater than r.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.gather_nd([[1, 2], [3, 4]], [[0, 1], [1, 0]])))
      [2 3]
    """
    if batch_dims == 0:
        return apply(GatherNd, params, indices, name=name)
    with get_default_graph().name_scope(name or "BatchGatherNd") as scope:
        indices = to_tensor(indices, name="indices")
        params = to_tensor(params, name="params")
        if indices.dims is None or not 0 <= batch_dims < len(indices.dims):
            raise ValueError(
                f"gather_nd: batch_dims must be less than the rank of indices. Received: {batch_dims}"
            )
        whole = raw.Shape(indices)
        grid = [raw.Range(0, whole[i], 1) for i in range(batch_dims)]
        columns = []
        for i, steps in enumerate(grid):
            ones = [1] * (len(indices.dims) - 1)
            ones[i] = -1
            column = raw.Reshape(steps, ones)
            columns.append(raw.BroadcastTo(column, whole[:-1]))
        batch = raw.Pack(columns, axis=len(indices.dims) - 1)
        if indices.dtype.base_dtype is not int32:
            batch = raw.Cast(batch, DstT=indices.dtype.base_dtype)
        return apply(GatherNd, params, raw.ConcatV2([batch, indices], -1), name=scope)
