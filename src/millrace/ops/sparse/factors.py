"""Operations of matrix factorization: sums over the entries that a sparse matrix holds."""

from __future__ import annotations

import numpy as np

from millrace.core.errors import refusal
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.rules.shape_rules import with_rank


@declare(
    "WALSComputePartialLhsAndRhs(factors: float, factor_weights: float, unobserved_weights: float, "
    "input_weights: float, input_indices: int64, input_values: float, entry_weights: float, "
    "input_block_size: int64, input_is_transpose: bool) -> partial_lhs: float, partial_rhs: float",
    host=True,
)
class WALSComputePartialLhsAndRhs:
    """What the entries that are there add to both sides of the equations of weighted least squares."""

    def shape(
        factors,
        factor_weights,
        unobserved_weights,
        input_weights,
        input_indices,
        input_values,
        entry_weights,
        input_block_size,
        input_is_transpose,
    ):
        width = with_rank(factors, 2, "factors")
        size = None if width is None else width[1]
        return [(None, size, size), (None, size)]

    def kernel(
        xp,
        factors,
        factor_weights,
        unobserved_weights,
        input_weights,
        input_indices,
        input_values,
        entry_weights,
        input_block_size,
        input_is_transpose,
    ):
        rows, columns = (input_indices[:, ::-1] if input_is_transpose else input_indices).T
        count, width = int(input_block_size), factors.shape[1]
        if len(rows) and (rows.max() >= count or columns.max() >= len(factors)):
            raise refusal(
                f"Entries must lie within {count} rows and {len(factors)} columns. "
                f"Received: row {rows.max()}, column {columns.max()}"
            )
        own = entry_weights if entry_weights.size else input_weights[rows] * factor_weights[columns]
        vectors = factors[columns]
        left, right = np.zeros((count, width, width), np.float32), np.zeros((count, width), np.float32)
        np.add.at(left, rows, own[:, None, None] * vectors[:, :, None] * vectors[:, None, :])
        np.add.at(right, rows, ((unobserved_weights + own) * input_values)[:, None] * vectors)
        return left, right

    grad = NOT_DIFFERENTIABLE


@declare(
    "MaskedMatmul(a: float, b: float, mask_indices: int64, transpose_a: bool, transpose_b: bool) "
    "-> prod_values: float",
    host=True,
)
class MaskedMatmul:
    """Some entries of a product of matrices."""

    def shape(a, b, mask_indices, transpose_a, transpose_b):
        return (None if mask_indices is None else mask_indices[0],)

    def kernel(xp, a, b, mask_indices, transpose_a, transpose_b):
        left, right = (a.T if transpose_a else a), (b if transpose_b else b.T)
        rows, columns = mask_indices.T
        if len(rows) and (rows.max() >= len(left) or columns.max() >= len(right)):
            raise refusal(
                f"The mask must lie within {len(left)} rows and {len(right)} columns. "
                f"Received: row {rows.max()}, column {columns.max()}"
            )
        return np.einsum("ij,ij->i", left[rows], right[columns])

    grad = NOT_DIFFERENTIABLE
