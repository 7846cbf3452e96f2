"""Counts of integers in dense, sparse and ragged rows, as later releases write them."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core.dtypes import INDEX, float32, float64, int32, int64
from millrace.core.errors import refusal
from millrace.graph.attrs import Attr, flag, integer
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare

_COUNTED = frozenset({int32, int64, float32, float64})


def _counted(rows: Any, values: Any, count: int, size: Any, weights: Any, binary: bool) -> np.ndarray:
    """`[count, size]`: the sums of the weights of each number in each row, or how often it is there."""
    size = int(size)
    if size < 0:
        raise refusal(f"size must be non-negative. Received: {size}")
    if values.size and values.min() < 0:
        raise refusal("Input must be non-negative")
    kind = weights.dtype
    if weights.size and weights.size != values.size:
        raise refusal(f"weights must have the shape of the input. Received: {weights.size} and {values.size}")
    held = values < size
    places = rows[held] * size + values[held]
    found = np.zeros(count * size, kind)
    if binary:
        found[places] = 1
    elif weights.size:
        np.add.at(found, places, weights.reshape(-1)[held])
    else:
        found += np.bincount(places, minlength=count * size).astype(kind)
    return found.reshape(count, size)


def _ragged_rows(splits: Any, values: Any) -> tuple[np.ndarray, int]:
    """The row of each value, and how many rows there are."""
    sizes = np.diff(splits)
    if not len(splits) or splits[0] or (sizes < 0).any() or splits[-1] != len(values):
        raise refusal(f"splits must go from 0 to the number of values. Received: {splits.tolist()[:20]}")
    return np.repeat(np.arange(len(sizes)), sizes), len(sizes)


_KINDS: dict[str, Any] = {
    "Tidx": INDEX,
    "T": _COUNTED,
    "binary_output": flag(False),
    "static": ("size",),
    "host": True,
}


@declare("DenseBincount(input: Tidx, size: Tidx, weights: T) -> output: T", **_KINDS)
class DenseBincount:
    """How often each number occurs in a vector, or in each row of a matrix."""

    def shape(input, size, weights):
        if input is not None and len(input) > 2:
            raise ValueError(f"input must be at most of rank 2. Received: rank {len(input)}")
        bins = size.scalar("size")
        return None if input is None else (*input[: len(input) - 1], bins)

    def kernel(xp, input, size, weights, binary_output):
        wide = np.atleast_2d(input)
        rows = np.repeat(np.arange(wide.shape[0]), wide.shape[1])
        found = _counted(rows, wide.reshape(-1), wide.shape[0], size, weights, binary_output)
        return found if input.ndim == 2 else found[0]

    grad = NOT_DIFFERENTIABLE


@declare(
    "SparseBincount(indices: int64, values: Tidx, dense_shape: int64, size: Tidx, weights: T) -> output: T",
    **_KINDS,
)
class SparseBincount:
    """How often each number occurs in each row of a sparse matrix, or in a sparse vector."""

    def shape(indices, values, dense_shape, size, weights):
        bins = size.scalar("size")
        rank = dense_shape[0] if dense_shape else None
        return None if rank is None else (None, bins) if rank == 2 else (bins,)

    def kernel(xp, indices, values, dense_shape, size, weights, binary_output):
        rows = indices[:, 0] if len(dense_shape) == 2 else np.zeros(len(values), np.int64)
        count = int(dense_shape[0]) if len(dense_shape) == 2 else 1
        if len(rows) and (rows.min() < 0 or rows.max() >= count):
            raise refusal(f"an index is out of the dense shape {dense_shape.tolist()}")
        found = _counted(rows, values, count, size, weights, binary_output)
        return found if len(dense_shape) == 2 else found[0]

    grad = NOT_DIFFERENTIABLE


@declare("RaggedBincount(splits: int64, values: Tidx, size: Tidx, weights: T) -> output: T", **_KINDS)
class RaggedBincount:
    """How often each number occurs in each ragged row."""

    def shape(splits, values, size, weights):
        rows = None if splits is None or splits[0] is None else splits[0] - 1
        return (rows, size.scalar("size"))

    def kernel(xp, splits, values, size, weights, binary_output):
        rows, count = _ragged_rows(splits, values)
        return _counted(rows, values, count, size, weights, binary_output)

    grad = NOT_DIFFERENTIABLE


_SPARSE_KINDS: dict[str, Any] = {
    "T": INDEX,
    "minlength": integer(-1, -1),
    "maxlength": integer(-1, -1),
    "binary_output": flag(),
    "output_type": Attr("type", allowed=_COUNTED),
    "host": True,
}


def _check_values(values: Any, weights: Any, binary: bool) -> None:
    if weights.size and weights.shape != values.shape:
        shown = f"{weights.size} and {values.size} elements"
        raise refusal(f"Weights and values must have the same shape. Received: {shown}")
    if binary and weights.size:
        raise refusal("binary_output does not go with weights")
    if values.size and values.min() < 0:
        raise refusal("Input values must all be non-negative")


def _sparse_counts(rows: Any, values: Any, count: int | None, weights: Any, minlength: int, maxlength: int,
                   binary_output: bool, output_type: Any) -> list[np.ndarray]:  # fmt: skip
    """What each row holds, as the parts of a sparse tensor; `count` rows, or None for a vector."""
    _check_values(values, weights, binary_output)
    held = values < maxlength if maxlength >= 0 else np.ones(len(values), bool)
    pairs = np.stack([rows[held], values[held].astype(np.int64)], 1).reshape(-1, 2)
    found, at = np.unique(pairs, axis=0, return_inverse=True)
    sums = np.zeros(len(found), output_type.np_dtype)
    np.add.at(sums, at.reshape(-1), weights[held] if weights.size else output_type.np_dtype.type(1))
    if binary_output:
        sums = np.ones_like(sums)
    width = int(values.max()) + 1 if values.size else 0
    width = min(width, maxlength) if maxlength >= 0 else width
    width = max(width, minlength)
    places, dims = (found[:, 1:], [width]) if count is None else (found, [count, width])
    return [places.astype(np.int64), sums, np.asarray(dims, np.int64)]


def _parts(rank: int | None) -> list[Any]:
    return [(None, rank), (None,), (rank,)]


@declare(
    "DenseCountSparseOutput(values: T, weights: output_type) -> output_indices: int64, "
    "output_values: output_type, output_dense_shape: int64",
    **_SPARSE_KINDS,
)
class DenseCountSparseOutput:
    """How often each number is in a vector, or in each row of a matrix, as a sparse tensor."""

    def shape(values, weights):
        return _parts(None if values is None else len(values))

    def kernel(xp, values, weights, minlength, maxlength, binary_output, output_type):
        if values.ndim not in (1, 2):
            raise refusal(f"Input must be a 1 or 2-dimensional tensor. Received: {list(values.shape)}")
        count = len(values) if values.ndim == 2 else None
        rows = np.repeat(np.arange(count or 1), values.shape[-1])
        flat = values.reshape(-1), weights.reshape(-1)
        return _sparse_counts(rows, flat[0], count, flat[1], minlength, maxlength, binary_output, output_type)

    grad = NOT_DIFFERENTIABLE


@declare(
    "SparseCountSparseOutput(indices: int64, values: T, dense_shape: int64, weights: output_type) -> "
    "output_indices: int64, output_values: output_type, output_dense_shape: int64",
    **_SPARSE_KINDS,
)
class SparseCountSparseOutput:
    """How often each number is in a sparse vector, or in each row of a sparse matrix, as a sparse tensor."""

    def shape(indices, values, dense_shape, weights):
        return _parts(dense_shape[0] if dense_shape else None)

    def kernel(xp, indices, values, dense_shape, weights, minlength, maxlength, binary_output, output_type):
        wide = len(dense_shape) == 2
        rows = indices[:, 0] if wide else np.zeros(len(values), np.int64)
        count = int(dense_shape[0]) if wide else None
        if len(rows) and (rows.min() < 0 or (wide and rows.max() >= dense_shape[0])):
            raise refusal(f"an index is out of the dense shape {dense_shape.tolist()}")
        return _sparse_counts(rows, values, count, weights, minlength, maxlength, binary_output, output_type)

    grad = NOT_DIFFERENTIABLE


@declare(
    "RaggedCountSparseOutput(splits: int64, values: T, weights: output_type) -> output_indices: int64, "
    "output_values: output_type, output_dense_shape: int64",
    **_SPARSE_KINDS,
)
class RaggedCountSparseOutput:
    """How often each number is in each ragged row, as a sparse tensor."""

    def shape(splits, values, weights):
        return _parts(2)

    def kernel(xp, splits, values, weights, minlength, maxlength, binary_output, output_type):
        rows, count = _ragged_rows(splits, values)
        return _sparse_counts(rows, values, count, weights, minlength, maxlength, binary_output, output_type)

    grad = NOT_DIFFERENTIABLE
