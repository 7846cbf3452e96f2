"""Shape rules and gradient idioms of operations on (batches of) matrices."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.core import shapes
from millrace.core.dtypes import int32
from millrace.core.errors import refusal
from millrace.core.shapes import Dims
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.idioms import conj
from millrace.opkit.rules.shape_rules import at_least


def split(dims: Dims, what: str = "input") -> tuple[Dims, int | None, int | None]:
    """The batch dims, rows and columns of a batch of matrices; a batch of None where the rank is unknown.

    Raises:
      ValueError: there are fewer than two dimensions.
    """
    at_least(dims, 2, what)
    return (None, None, None) if dims is None else (dims[:-2], dims[-2], dims[-1])


def square(dims: Dims, what: str = "input") -> tuple[Dims, int | None]:
    """The batch dims and the order of a batch of square matrices.

    Raises:
      ValueError: the matrices are not square.
    """
    batch, rows, columns = split(dims, what)
    if rows is not None and columns is not None and rows != columns:
        shown = shapes.format_dims(dims)
        raise ValueError(
            f"Dimensions must be equal, but are {rows} and {columns}; '{what}' is square. Received: {shown}"
        )
    return batch, columns if rows is None else rows


def join(batch: Dims, *last: int | None) -> Dims:
    """Batch dims followed by others; unknown when the batch is."""
    return None if batch is None else (*batch, *last)


def like_square(dims: Dims) -> Dims:
    """Square matrices to matrices of the same shape."""
    batch, order = square(dims)
    return join(batch, order, order)


def solved(matrix: Dims, rhs: Dims, is_square: bool = True) -> Dims:
    """The shape of X in `matrix X = rhs`.

    Raises:
      ValueError: the batches or the rows do not fit.
    """
    batch, rows, columns = split(matrix, "matrix")
    if is_square:
        batch, rows = square(matrix, "matrix")
        columns = rows
    batch_rhs, rows_rhs, width = split(rhs, "rhs")
    if rows is not None and rows_rhs is not None and rows != rows_rhs:
        shown = f"{shapes.format_dims(matrix)} and {shapes.format_dims(rhs)}"
        raise ValueError(f"Dimensions must be equal, but are {rows} and {rows_rhs}. Received: {shown}")
    if is_square and columns is None:
        columns = rows_rhs
    return join(shapes.merge(batch, batch_rhs), columns, width)


def check_square(a: Any) -> None:
    """Refuses values that are not square matrices.

    Raises:
      InvalidArgumentError: the last two dimensions differ or do not exist.
    """
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise refusal(f"Input matrix must be square. Received: shape {list(a.shape)}")


def check_system(a: Any, b: Any) -> None:
    """Refuses values that are not a matrix and right-hand sides for it.

    Raises:
      InvalidArgumentError: the batches differ, or the numbers of rows.
    """
    if a.ndim < 2 or b.ndim < 2 or a.shape[:-1] != b.shape[:-1]:
        shown = f"{list(a.shape)} vs. {list(b.shape)}"
        raise refusal(f"Input matrix and rhs must have the same batch and rows. Received: {shown}")


def product(a: Tensor, b: Tensor, adjoint_a: bool = False, adjoint_b: bool = False) -> Tensor:
    """Products of two batches of matrices of equal batch shape."""
    if all(t.dims is not None and len(t.dims) == 2 for t in (a, b)):
        left, right = conj(a) if adjoint_a else a, conj(b) if adjoint_b else b
        return raw.MatMul(left, right, transpose_a=adjoint_a, transpose_b=adjoint_b)
    return raw.BatchMatMulV2(a, b, adj_x=adjoint_a, adj_y=adjoint_b)


def adjoint(a: Tensor) -> Tensor:
    """The conjugate transposes of a batch of matrices."""
    if a.dims is not None:
        rank = len(a.dims)
        return raw.Transpose(conj(a), [*range(rank - 2), rank - 1, rank - 2])
    rank = raw.Rank(a)
    front = raw.Range(0, rank - 2, 1)
    return raw.Transpose(conj(a), raw.ConcatV2([front, raw.Pack([rank - 1, rank - 2])], 0))


def multiply_diag(v: Tensor, d: Tensor) -> Tensor:
    """Computes v @ diag(d) for `[..., m, n]` and `[..., n]`; `d` may be real where `v` is complex."""
    if d.dtype is not v.dtype:
        d = raw.Cast(d, DstT=v.dtype.base_dtype)
    return raw.Mul(v, raw.ExpandDims(d, -2))


def half(x: Tensor) -> Tensor:
    """Half of `x`."""
    return raw.Mul(constant_like(0.5, x), x)


def constant_like(value: float, x: Tensor) -> Tensor:
    """A scalar constant of the dtype of `x`."""
    import numpy as np

    dtype = x.dtype.base_dtype
    return raw.Const(value=np.array(value, dtype.np_dtype), dtype=dtype)


def batch_eye(a: Tensor, order: Tensor) -> Tensor:
    """Identity matrices of `order`, one for each matrix of the batch `a`."""
    shape = raw.Shape(a)[:-2]
    ones = raw.Fill(raw.ConcatV2([shape, raw.Pack([order])], 0), constant_like(1.0, a))
    return raw.MatrixDiag(ones)


def last_dim(a: Tensor, back: int = 1) -> Tensor:
    """The length of an axis counted from the end, an int32 scalar."""
    if a.dims is not None and a.dims[-back] is not None:
        import numpy as np

        return raw.Const(value=np.array(a.dims[-back], np.int32), dtype=int32)
    return raw.Shape(a)[-back]
