"""Counts of integers in dense, sparse and ragged rows, as later releases write them."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core.dtypes import INDEX, float32, float64, int32, int64
from millrace.core.errors import refusal
from millrace.graph.attrs import flag
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
        sizes = np.diff(splits)
        if not len(splits) or splits[0] or (sizes < 0).any() or splits[-1] != len(values):
            raise refusal(f"splits must go from 0 to the number of values. Received: {splits.tolist()[:20]}")
        rows = np.repeat(np.arange(len(sizes)), sizes)
        return _counted(rows, values, len(sizes), size, weights, binary_output)

    grad = NOT_DIFFERENTIABLE
