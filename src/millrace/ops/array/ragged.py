"""Ragged rows as row splits and flat values."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core.dtypes import ALL, INDEX, float32, float64, int32, int64
from millrace.core.errors import refusal
from millrace.graph import attrs
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare

_COUNTED = frozenset((float32, float64, int32, int64))


@declare("RaggedRange(starts: T, limits: T, deltas: T) -> rt_nested_splits: Tsplits, rt_dense_values: T",
    T=attrs.dtype(_COUNTED, int32), Tsplits=attrs.dtype(INDEX, int64), host=True)  # fmt: skip
class RaggedRange:
    """One range for each row; a scalar serves all rows."""

    def shape(starts, limits, deltas):
        rows = 1
        for what, dims in (("starts", starts), ("limits", limits), ("deltas", deltas)):
            if dims is None:
                rows = None if rows == 1 else rows
                continue
            if len(dims) > 1:
                raise ValueError(f"{what} must be a scalar or a vector. Received: {what} {list(dims)}")
            if not dims or dims[0] is None:
                rows = None if dims and rows == 1 else rows
                continue
            if rows not in (None, 1, dims[0]):
                raise ValueError(
                    f"starts, limits and deltas must have the same shape. Received: {rows} and {dims[0]} rows"
                )
            rows = dims[0]
        return [None if rows is None else (rows + 1,), (None,)]

    def kernel(xp, starts, limits, deltas, Tsplits):
        rows = _rows(starts, limits, deltas)
        wide = [np.broadcast_to(part, (rows,)) for part in (starts, limits, deltas)]
        ranges = [_range(*one, row) for row, one in enumerate(zip(*wide, strict=True))]  # pyright: ignore[reportCallIssue]
        splits = np.cumsum([0, *map(len, ranges)], dtype=Tsplits.as_numpy_dtype)
        return splits, np.concatenate([np.zeros(0, starts.dtype), *ranges]).astype(starts.dtype)

    grad = NOT_DIFFERENTIABLE


def _rows(*parts: Any) -> int:
    sizes = {part.shape[0] for part in parts if part.ndim}
    if len(sizes) > 1:
        raise refusal(f"starts, limits, and deltas must have the same shape. Received: {sorted(sizes)} rows")
    return sizes.pop() if sizes else 1


def _range(start: Any, limit: Any, delta: Any, row: int) -> np.ndarray[Any, Any]:
    if not delta:
        raise refusal(f"Requires delta != 0. Received: 0 in row {row}")
    if np.issubdtype(start.dtype, np.floating):
        count = max(0, int(np.ceil((limit - start) / delta)))
    else:
        count = max(0, -(-(int(limit) - int(start)) // int(delta)))
    return start + np.arange(count, dtype=start.dtype) * delta


@declare("RaggedGather(params_nested_splits: PARAMS_RAGGED_RANK*Tsplits, params_dense_values: Tvalues, "
    "indices: Tindices) -> output_nested_splits: OUTPUT_RAGGED_RANK*Tsplits, output_dense_values: Tvalues",
    Tvalues=ALL, Tindices=INDEX, Tsplits=attrs.dtype(INDEX, int64), PARAMS_RAGGED_RANK=attrs.count(minimum=1),
    OUTPUT_RAGGED_RANK=attrs.count(minimum=0), host=True)  # fmt: skip
class RaggedGather:
    """Rows of a ragged tensor, by their numbers."""

    def shape(params_nested_splits, params_dense_values, indices, OUTPUT_RAGGED_RANK):
        inner = None if params_dense_values is None else (None, *params_dense_values[1:])
        splits = [(None,)] * OUTPUT_RAGGED_RANK
        if OUTPUT_RAGGED_RANK and indices is not None and len(indices) == 1 and indices[0] is not None:
            splits[0] = (indices[0] + 1,)
        return [*splits, inner]

    def kernel(xp, params_nested_splits, params_dense_values, indices):
        splits = [np.asarray(part) for part in params_nested_splits]
        rows = len(splits[0]) - 1
        flat = indices.ravel().astype(np.int64)
        bad = np.flatnonzero((flat < 0) | (flat >= rows))
        if bad.size:
            raise refusal(f"indices must be in [0, {rows}). Received: {flat[bad[0]]} at {bad[0]}")
        outer = [
            np.arange(0, int(np.prod(indices.shape[:k])) + 1, dtype=splits[0].dtype) * indices.shape[k]
            for k in range(1, indices.ndim)
        ]
        found = []
        for part in splits:
            starts, sizes = part[flat], part[flat + 1] - part[flat]
            ends = np.cumsum(sizes)
            found.append(np.concatenate([[0], ends]).astype(part.dtype))
            flat = np.repeat(starts - (ends - sizes), sizes) + np.arange(sizes.sum())
        return [*outer, *found], params_dense_values[flat]

    grad = NOT_DIFFERENTIABLE
