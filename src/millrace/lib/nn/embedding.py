"""Looking rows up in tables that may be kept in parts: `tf.nn.embedding_lookup` and its sparse relatives."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import shape_tensor, to_tensor
from millrace.building.scopes import colocate_with, name_scope
from millrace.building.sparse_tensor import SparseTensor
from millrace.core import shapes
from millrace.core.dtypes import bfloat16, bool_, float16, float32, int32
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.linalg.norms import clip_by_norm
from millrace.lib.math.reductions import reduce_prod
from millrace.lib.sparse.shaping import sparse_fill_empty_rows, sparse_reshape, sparse_retain
from millrace.lib.variables.partitioned import PartitionedVariable
from millrace.opkit.rules.idioms import rank_tensor, size_tensor
from millrace.ops.array.concat import stack
from millrace.ops.array.fill import ones_like, zeros_like
from millrace.ops.array.gather import gather


def _check_sparse(who: str, **given: Any) -> None:
    for what, value in given.items():
        if not isinstance(value, SparseTensor):
            raise TypeError(f"{who}: {what} must be a SparseTensor. Received: {value!r}")


def _parts(params: Any) -> list[Any]:
    """The parts of a table, each a tensor or a variable.

    Raises:
      ValueError: there are none.
    """
    if isinstance(params, PartitionedVariable):
        params = list(params)
    if not isinstance(params, list | tuple):
        params = [params]
    if not params:
        raise ValueError("embedding_lookup: the table must have at least one part. Received: an empty list")
    return list(params)


def _converted(parts: list[Any]) -> list[Any]:
    """The parts as tensors, but for variables: of those only some rows are read."""
    return [
        p if hasattr(p, "sparse_read") or isinstance(p, Tensor) else to_tensor(p, name=f"params_{i}")
        for i, p in enumerate(parts)
    ]


def _rows(part: Any, ids: Any, name: str | None = None) -> Tensor:
    """The rows of one part: only those are read where the part is a variable with a handle."""
    if getattr(part, "_is_resource", False):
        return part.sparse_read(ids, name=name)
    return raw.GatherV2(to_tensor(part, name="params"), ids, 0, name=name)


def _clipped(rows: Tensor, ids: Any, max_norm: Any) -> Tensor:
    """`rows` with the norm of each limited to `max_norm`; None for no limit."""
    if max_norm is None:
        return rows
    ids_dims = ids.dims if isinstance(ids, Tensor) else np.shape(ids)
    if rows.dims is not None and ids_dims is not None:
        axes: Any = list(range(len(ids_dims), len(rows.dims)))
    else:
        first = len(ids_dims) if ids_dims is not None else rank_tensor(to_tensor(ids))
        axes = raw.Range(first, rank_tensor(rows), 1)
    return clip_by_norm(rows, max_norm, axes=axes)


@public("nn.embedding_lookup")
def embedding_lookup(
    params: Any,
    ids: Any,
    partition_strategy: str = "mod",
    name: str | None = None,
    validate_indices: bool = True,
    max_norm: float | None = None,
) -> Tensor:
    """Rows of a table that may be kept in parts.

    Args:
      params: a table `[rows, ...]`, or a list of its parts, or a partitioned variable.
      ids: `[...]`, int32 or int64.
      partition_strategy: where row `i` of `n` parts is: "mod" in part `i % n`, "div" in consecutive ranges.
      name: scope and op name; default "embedding_lookup".
      validate_indices: kept for callers that pass it; ids are always checked.
      max_norm: rows with a greater Euclidean norm are scaled down to it.

    Returns:
      The shape of `ids` followed by that of a row.

    Raises:
      ValueError: no parts, or an unknown strategy.

    Example:
      >>> table = tf.constant([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.nn.embedding_lookup(table, [2, 0])))
      [[3. 3.]
       [1. 1.]]
    """
    parts = _parts(params)
    with name_scope(name, "embedding_lookup", [*parts, ids]) as scope:
        parts = _converted(parts)
        if len(parts) == 1:
            with colocate_with(getattr(parts[0], "op", None) or to_tensor(parts[0]).op):
                ids = to_tensor(ids, name="ids")
                return raw.Identity(_clipped(_rows(parts[0], ids, scope), ids, max_norm))
        ids = to_tensor(ids, name="ids")
        flat = raw.Reshape(ids, [-1])
        order = raw.Range(0, size_tensor(flat), 1, name="range")
        part, row = _placed(parts, flat, partition_strategy)
        part = part if part.dtype.base_dtype is int32 else raw.Cast(part, DstT=int32)
        found_ids = raw.DynamicPartition(row, part, num_partitions=len(parts))
        places = raw.DynamicPartition(order, part, num_partitions=len(parts))
        found = [_rows(p, i) for p, i in zip(parts, found_ids, strict=True)]
        stitched = raw.ParallelDynamicStitch(places, found, name=scope)
        row_dims = _row_dims(parts)
        if shapes.fully_defined(row_dims):
            sizes: Any = np.array(row_dims, np.int32)
        else:
            sizes = raw.Slice(raw.Shape(to_tensor(parts[0])), [1], [-1])
        whole = raw.Reshape(stitched, raw.ConcatV2([shape_tensor(ids), sizes], 0, name="concat"))
        whole.set_shape(shapes.concat(ids.dims, row_dims))
        return _clipped(whole, ids, max_norm)


def _row_dims(parts: list[Any]) -> shapes.Dims:
    """The static shape of a row, from what is known of all parts."""
    dims: shapes.Dims = None
    for part in parts:
        known = part.get_shape()
        if known.ndims is not None:
            dims = shapes.merge(dims, shapes.as_dims(known[1:]))
    return dims


def _placed(parts: list[Any], ids: Tensor, strategy: str) -> tuple[Tensor, Tensor]:
    """Which part holds each id, and in which of its rows."""
    count = len(parts)
    if strategy == "mod":
        return ids % count, ids // count
    if strategy != "div":
        raise ValueError(
            f"embedding_lookup: partition_strategy must be 'mod' or 'div'. Received: {strategy!r}"
        )
    lengths = [p.get_shape()[0].value if p.get_shape().ndims else None for p in parts]
    if None not in lengths:
        total: Any = to_tensor(sum(lengths), ids.dtype.base_dtype)  # pyright: ignore[reportArgumentType, reportCallIssue]
    else:
        each = [raw.Shape(to_tensor(p), out_type=ids.dtype.base_dtype)[0] for p in parts]
        total = raw.AddN(each)
    # The first `extra` parts have one row more than the others.
    short, extra = total // count, total % count
    part = raw.Maximum(ids // (short + 1), (ids - extra) // short)
    row = raw.Select(raw.Less(part, extra), ids % (short + 1), (ids - extra) % short)
    return part, row


@public("nn.embedding_lookup_sparse")
def embedding_lookup_sparse(
    params: Any,
    sp_ids: SparseTensor,
    sp_weights: SparseTensor | None,
    partition_strategy: str = "mod",
    name: str | None = None,
    combiner: str | None = None,
    max_norm: float | None = None,
) -> Tensor:
    """Combines the rows that each row of a sparse matrix names.

    Args:
      params: a table `[rows, ...]`, a list of its parts, or a partitioned variable.
      sp_ids: `[batch, most]`, the ids of each example; every example has at least one.
      sp_weights: the weights of the ids, sparse like them; None for ones.
      partition_strategy: as for `embedding_lookup`.
      name: scope and op name; default "embedding_lookup_sparse".
      combiner: "sum", "mean" (over the sum of weights; default) or "sqrtn" (over the root of their squares).
      max_norm: rows with a greater Euclidean norm are scaled down to it.

    Returns:
      `[batch, ...]`.

    Raises:
      TypeError: `sp_ids` or `sp_weights` is not sparse.
      ValueError: an unknown combiner.
    """
    if combiner is None:
        warnings.warn("embedding_lookup_sparse: no combiner was given; 'mean' is used", stacklevel=2)
        combiner = "mean"
    if combiner not in ("mean", "sqrtn", "sum"):
        raise ValueError(
            f"embedding_lookup_sparse: combiner must be mean, sqrtn or sum. Received: {combiner!r}"
        )
    _check_sparse("embedding_lookup_sparse", sp_ids=sp_ids)
    if sp_weights is not None:
        _check_sparse("embedding_lookup_sparse", sp_weights=sp_weights)
    parts = _parts(params)
    with name_scope(name, "embedding_lookup_sparse", [*parts, sp_ids.values]) as scope:
        parts = _converted(parts)
        example, ids = sp_ids.indices[:, 0], sp_ids.values
        if example.dtype.base_dtype is not int32:
            example = raw.Cast(example, DstT=int32)
        ids, index = raw.Unique(ids)
        rows = embedding_lookup(parts, ids, partition_strategy=partition_strategy, max_norm=max_norm)
        if rows.dtype.base_dtype in (float16, bfloat16):
            rows = raw.Cast(rows, DstT=float32)  # sums of halves are kept in single precision
        if sp_weights is None:
            segment = {
                "sum": raw.SparseSegmentSum,
                "mean": raw.SparseSegmentMean,
                "sqrtn": raw.SparseSegmentSqrtN,
            }
            return segment[combiner](rows, index, example, name=scope)
        weights, dtype = sp_weights.values, rows.dtype.base_dtype
        weights = weights if weights.dtype.base_dtype is dtype else raw.Cast(weights, DstT=dtype)
        rows = gather(rows, index)
        known = rows.dims
        ones = raw.Fill(raw.ExpandDims(rank_tensor(rows) - 1, 0), 1)
        column = raw.Reshape(weights, raw.ConcatV2([shape_tensor(weights), ones], 0, name="concat"))
        if weights.dims is not None and known is not None:
            column.set_shape((*weights.dims, *(1,) * (len(known) - 1)))
        rows = rows * column
        rows.set_shape(known)
        total = raw.SegmentSum(rows, example, name=scope if combiner == "sum" else None)
        if combiner == "sum":
            return total
        if combiner == "mean":
            return raw.RealDiv(total, raw.SegmentSum(column, example), name=scope)
        return raw.RealDiv(total, raw.Sqrt(raw.SegmentSum(column**2, example)), name=scope)


@public("nn.safe_embedding_lookup_sparse")
def safe_embedding_lookup_sparse(
    embedding_weights: Any,
    sparse_ids: SparseTensor,
    sparse_weights: SparseTensor | None = None,
    combiner: str = "mean",
    default_id: int | None = None,
    name: str | None = None,
    partition_strategy: str = "div",
    max_norm: float | None = None,
) -> Tensor:
    """`embedding_lookup_sparse` that drops invalid ids and allows examples without any.

    Args:
      embedding_weights: a table `[rows, ...]`, a list of its parts, or a partitioned variable.
      sparse_ids: `[..., most]`; negative ids are dropped.
      sparse_weights: the weights of the ids, sparse like them; ids whose weight is not positive are dropped.
      combiner: "sum", "mean" or "sqrtn".
      default_id: the id that an example without ids gets; None for a row of zeros.
      name: scope; default "embedding_lookup".
      partition_strategy: as for `embedding_lookup`.
      max_norm: rows with a greater Euclidean norm are scaled down to it.

    Returns:
      The shape of `sparse_ids` without its last axis, followed by that of a row.

    Raises:
      TypeError: `sparse_ids` or `sparse_weights` is not sparse.
      ValueError: no table.
    """
    if embedding_weights is None:
        raise ValueError("safe_embedding_lookup_sparse: a table is needed. Received: None")
    _check_sparse("safe_embedding_lookup_sparse", sparse_ids=sparse_ids)
    if sparse_weights is not None:
        _check_sparse("safe_embedding_lookup_sparse", sparse_weights=sparse_weights)
    parts = _parts(embedding_weights)
    given = [sparse_ids.values, *([] if sparse_weights is None else [sparse_weights.values])]
    with name_scope(name, "embedding_lookup", [*parts, *given]) as scope:
        whole = sparse_ids.dense_shape
        static = sparse_ids.get_shape()
        rank = raw.Size(whole) if static.ndims is None else static.ndims
        batch = reduce_prod(raw.Slice(whole, [0], [rank - 1]))
        sizes = [batch, raw.GatherV2(whole, rank - 1, 0)]
        ids = sparse_reshape(sparse_ids, sizes)
        weights = sparse_weights
        if weights is not None:
            weights = SparseTensor(ids.indices, weights.values, ids.dense_shape)
        ids, weights = _without_invalid(ids, weights)
        if combiner != "sum" and weights is not None:
            positive = raw.Greater(weights.values, 0)
            ids, weights = sparse_retain(ids, positive), sparse_retain(weights, positive)
        ids, empty = sparse_fill_empty_rows(ids, default_id or 0)
        if weights is not None:
            weights, _ = sparse_fill_empty_rows(weights, 1.0)
        inner = None if default_id is None else scope
        result = embedding_lookup_sparse(parts, ids, weights, partition_strategy, inner, combiner, max_norm)
        if default_id is None:
            # An example without ids got row 0 so far: it becomes zeros.
            column = raw.Reshape(empty, [-1, 1])
            width = stack([1, shape_tensor(result)[1]])
            result = raw.Select(raw.Tile(column, width), zeros_like(result), result, name=scope)
        outer = raw.Slice(raw.Cast(whole, DstT=int32), [0], [rank - 1])
        row = raw.Slice(shape_tensor(result), [1], [-1])
        final = raw.Reshape(result, raw.ConcatV2([outer, row], 0, name="concat"))
        if static.ndims is not None and result.dims is not None:
            final.set_shape((*(d.value for d in static[:-1]), *result.dims[1:]))
        return final


def _without_invalid(
    ids: SparseTensor, weights: SparseTensor | None
) -> tuple[SparseTensor, SparseTensor | None]:
    """The entries with an id that is not negative."""
    valid = raw.GreaterEqual(ids.values, 0)
    if weights is None:
        return sparse_retain(ids, valid), None
    valid = raw.LogicalAnd(valid, ones_like(weights.values, bool_))
    return sparse_retain(ids, valid), sparse_retain(weights, valid)
