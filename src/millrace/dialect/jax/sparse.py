"""Verbs of the JAX dialect for sparse matrices."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp


class SparseVerbs:
    """Products with sparse matrices."""

    def sparse_product(self, rows: Any, columns: Any, values: Any, count: int, dense: Any) -> Any:
        """A sparse matrix times a dense one; arguments as in the NumPy dialect."""
        values, dense = jnp.asarray(values), jnp.asarray(dense)
        parts = values[:, None] * dense[columns]
        return jnp.zeros((count, dense.shape[1]), dense.dtype).at[rows].add(parts)
