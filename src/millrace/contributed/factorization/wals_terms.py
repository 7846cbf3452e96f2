"""The equations and the loss of weighted alternating least squares, for one batch of rows."""

from __future__ import annotations

from typing import Any, NamedTuple

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.sparse_tensor import SparseTensor
from millrace.core.dtypes import float32
from millrace.graph.tensor import Tensor
from millrace.lib.sparse.math import sparse_add, sparse_reduce_sum
from millrace.ops.linalg.matmul import matmul
from millrace.ops.linalg.products import trace
from millrace.ops.linalg.solve import matrix_solve
from millrace.ops.sparse.dense import sparse_tensor_dense_matmul


class Entries(NamedTuple):
    """A batch of a sparse matrix, renumbered so that all its rows and columns hold something.

    Attributes:
      block: the entries, a `SparseTensor` `[rows, columns]`.
      rows, columns: the numbers that they had, `[rows]` and `[columns]`.
      count: how many rows the batch has, int64.
      factors: the factors of the columns, float32 `[columns, k]`.
      row_weights, column_weights: float32 `[rows]` and `[columns]`; None without weights.
    """

    block: SparseTensor
    rows: Tensor
    columns: Tensor
    count: Tensor
    factors: Tensor
    row_weights: Any
    column_weights: Any


def solved(entries: Entries, gramian: Any, unobserved: float, regularization: Any) -> Tensor:
    """The factors of the rows that minimize the loss, `[rows, k]`.

    Args:
      entries: the batch.
      gramian: the product of all columns' factors with themselves, `[k, k]`.
      unobserved: the weight of what the matrix does not hold.
      regularization: a matrix that is added to the left side, or None.
    """
    left = unobserved * gramian
    if regularization is not None:
        left = left + regularization
    if entries.row_weights is None:
        right = unobserved * sparse_tensor_dense_matmul(entries.block, entries.factors)
        return raw.Transpose(matrix_solve(left, raw.Transpose(right, [1, 0])), [1, 0])
    own_left, own_right = raw.WALSComputePartialLhsAndRhs(
        entries.factors,
        entries.column_weights,
        unobserved,
        entries.row_weights,
        entries.block.indices,
        entries.block.values,
        [],
        entries.count,
        False,
        name="wals_compute_partial_lhs_rhs",
    )
    whole = raw.ExpandDims(left, 0) + own_left
    return raw.Squeeze(matrix_solve(whole, raw.ExpandDims(own_right, -1)), squeeze_dims=[2])


def loss_terms(
    entries: Entries,
    found: Any,
    gramian: Any,
    unobserved: float,
    regularization: float | None,
    sizes: tuple[int, int],
) -> tuple[Tensor, Any, Tensor]:
    """What a batch says about the loss of the whole matrix.

    Args:
      entries: the batch.
      found: the factors of its rows.
      gramian, unobserved: as for `solved`.
      regularization: the weight of the squares of all factors, or None.
      sizes: how many rows and columns the matrix has.

    Returns:
      The unregularized loss, the regularization, and the sum of all weights.
    """
    block = entries.block
    guessed = raw.MaskedMatmul(found, entries.factors, block.indices, False, True)
    negated = SparseTensor(block.indices, raw.Neg(guessed), block.dense_shape)
    wrong = sparse_add(block, negated, 0.0)
    squared = SparseTensor(wrong.indices, raw.Square(wrong.values), wrong.dense_shape)
    own = SparseTensor(block.indices, raw.Square(guessed), block.dense_shape)
    share = float(sizes[0]) / raw.Cast(entries.count, DstT=float32)
    products = matmul(found, found, transpose_a=True)
    everywhere = sparse_reduce_sum(squared) - sparse_reduce_sum(own) + trace(matmul(products, gramian))
    loss, weights = unobserved * everywhere, 0.0
    if entries.row_weights is not None:
        loss = loss + sparse_reduce_sum(_weighted(squared, entries))
        ones = SparseTensor(block.indices, raw.OnesLike(block.values), block.dense_shape)
        weights = share * sparse_reduce_sum(_weighted(ones, entries))
    regular: Any = 0.0
    if regularization is not None:
        regular = regularization * (trace(products) * share + trace(gramian))
    total = unobserved * float(sizes[0] * sizes[1])
    return loss * share, regular, raw.AddV2(total, weights)


def _weighted(entries: SparseTensor, batch: Entries) -> SparseTensor:
    values = entries.values
    for weights in (raw.ExpandDims(batch.column_weights, 0), raw.ExpandDims(batch.row_weights, 1)):
        values = raw.SparseDenseCwiseMul(entries.indices, values, entries.dense_shape, weights)
    return SparseTensor(entries.indices, values, entries.dense_shape)
