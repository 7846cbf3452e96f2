"""Verbs of the NumPy dialect for sparse matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core import dtypes

_HALVES = (np.dtype(np.float16), dtypes.bfloat16.np_dtype)


class SparseVerbs:
    """Products with sparse matrices."""

    def sparse_product(self, rows: Any, columns: Any, values: Any, count: int, dense: Any) -> Any:
        """A sparse matrix times a dense one; values at one place add up.

        Args:
          rows, columns: `[n]` integers, places inside of the matrix.
          values: `[n]`, what stands there.
          count: the number of rows of the sparse matrix.
          dense: `[k, m]`, dtype of `values`.

        Returns:
          `[count, m]`, the same dtype.
        """
        from scipy.sparse import coo_array

        dtype = dense.dtype
        if dtype in _HALVES:
            values, dense = values.astype(np.float32), dense.astype(np.float32)
        matrix = coo_array((values, (rows, columns)), (count, dense.shape[0]))
        return np.asarray(matrix @ dense, dtype)
