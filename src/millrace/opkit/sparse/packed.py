"""Sparse tensors as variants: arrays of objects that hold indices, values and dense shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core.dtypes import DType
from millrace.core.errors import refusal


def pack(indices: Any, values: Any, dense_shape: Any) -> np.ndarray:
    """The three parts in one array of objects, `[3]`."""
    found = np.empty(3, object)
    found[0], found[1], found[2] = np.asarray(indices), np.asarray(values), np.asarray(dense_shape)
    return found


def pack_rows(indices: Any, values: Any, dense_shape: Any) -> np.ndarray:
    """Each row of a sparse tensor in three objects, `[rows, 3]`.

    Raises:
      InvalidArgumentError: it has no rows, or its indices are not ordered by row.
    """
    indices, values, dense_shape = np.asarray(indices), np.asarray(values), np.asarray(dense_shape)
    if len(dense_shape) < 2:
        raise refusal(f"Rank of input SparseTensor should be > 1. Received: rank {len(dense_shape)}")
    rows = indices[:, 0]
    if (np.diff(rows) < 0).any():
        raise refusal("indices must be ordered along the first dimension")
    count = int(dense_shape[0])
    bounds = np.searchsorted(rows, np.arange(count + 1))
    found = np.empty((count, 3), object)
    for i in range(count):
        part = slice(bounds[i], bounds[i + 1])
        found[i, 0], found[i, 1], found[i, 2] = indices[part, 1:], values[part], dense_shape[1:]
    return found


def unpack(objects: Any, dtype: DType) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The parts of packed sparse tensors `[..., 3]`, which are joined along new leading dimensions.

    Raises:
      InvalidArgumentError: they are of other dtypes or different ranks.
    """
    array = np.asarray(objects, object)
    lead = array.shape[:-1]
    rows = array.reshape(-1, 3)
    if not len(rows):
        return np.zeros((0, len(lead)), np.int64), np.zeros(0, dtype.np_dtype), np.array([*lead], np.int64)
    for row in rows:
        _check(row, rows[0], dtype)
    if not lead:
        return rows[0][0], rows[0][1], rows[0][2]
    places = np.stack(np.unravel_index(np.arange(len(rows)), lead), 1)
    indices = [
        np.concatenate([np.broadcast_to(place, (len(row[0]), len(lead))), row[0]], 1)
        for place, row in zip(places, rows, strict=True)
    ]
    dense = np.max(np.stack([row[2] for row in rows]), 0)
    values = np.concatenate([row[1] for row in rows])
    return np.concatenate(indices), values, np.array([*lead, *dense], np.int64)


def _check(row: Any, first: Any, dtype: DType) -> None:
    if row[1].dtype != np.dtype(dtype.np_dtype):
        raise refusal(f"Requested SparseTensor of type {dtype.name}. Received: {row[1].dtype}")
    if len(row[2]) != len(first[2]):
        raise refusal(f"Inconsistent rank across SparseTensors. Received: {len(first[2])} and {len(row[2])}")
