"""What the parsing operations want of records, told by keys, dtypes and shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from millrace.core import shapes
from millrace.core.dtypes import DType
from millrace.opkit.records.example import Dense, Sparse, SparseParts
from millrace.opkit.text.pieces import strings


def sparse_features(keys: Sequence[bytes], dtypes: Sequence[DType]) -> list[Sparse]:
    """What is wanted of features of any length."""
    return [Sparse(key, dtype.np_dtype) for key, dtype in zip(keys, dtypes, strict=True)]


def dense_features(
    keys: Sequence[bytes], defaults: Sequence[Any], sizes: Sequence[shapes.Dims]
) -> list[Dense]:
    """What is wanted of features of a fixed length, or of rows of one."""
    out = []
    for key, default, dims in zip(keys, defaults, sizes, strict=True):
        value = strings(default) if isinstance(default, bytes) else np.asarray(default)
        out.append(Dense(key, value.dtype, _sizes(dims), value if value.size else None))
    return out


def _sizes(dims: shapes.Dims) -> tuple[int, ...]:
    """The sizes, -1 for one that is unknown."""
    return tuple(-1 if d is None else d for d in dims or ())


def ragged_parts(parts: SparseParts, dtype: DType) -> tuple[np.ndarray, np.ndarray]:
    """Values and row splits of a column of a batch."""
    indices, values, dims = parts
    counts = np.bincount(indices[:, 0], minlength=int(dims[0])) if len(indices) else np.zeros(dims[0], int)
    return values, np.concatenate([[0], np.cumsum(counts)]).astype(dtype.np_dtype)


def list_dense_features(
    keys: Sequence[bytes], dtypes: Sequence[DType], sizes: Sequence[shapes.Dims]
) -> list[Dense]:
    """What is wanted of lists of features of a fixed length."""
    rows = zip(keys, dtypes, sizes, strict=True)
    return [Dense(key, dtype.np_dtype, _sizes(dims)) for key, dtype, dims in rows]
