"""Composed functions of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.convert import to_tensor
from millrace.building.scopes import name_scope
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import cond
from millrace.lib.math.array import eye
from millrace.lib.math.lengths import length
from millrace.lib.math.reductions import reduce_max
from millrace.ops.array.reshape import matrix_transpose
from millrace.ops.array.shape import shape
from millrace.ops.linalg.decomposition import svd
from millrace.ops.linalg.matmul import matmul


@public("linalg.adjoint")
def adjoint(matrix: Any, name: str | None = None) -> Tensor:
    """The conjugate transposes `[..., n, m]` of matrices `[..., m, n]`; the dtype of `matrix`."""
    with name_scope(name, "adjoint", [matrix]):
        return matrix_transpose(to_tensor(matrix, name="matrix"), conjugate=True)


@public("linalg.logdet")
def logdet(matrix: Any, name: str | None = None) -> Tensor:
    """The logarithms of the determinants of Hermitian positive definite matrices.

    Args:
      matrix: `[..., m, m]`, float or complex.
      name: op name; default "logdet".

    Returns:
      `[...]`, real.

    Raises:
      InvalidArgumentError: when run, a matrix is not positive definite.
    """
    with name_scope(name, "logdet", [matrix]):
        diagonal = raw.MatrixDiagPart(raw.Cholesky(matrix), name="diag_part")
        if diagonal.dtype.is_complex:
            diagonal = raw.Real(diagonal, Tout=diagonal.dtype.real_dtype)
        total = raw.Sum(raw.Log(diagonal), [-1])
        return 2.0 * total


@public("cholesky_solve", "linalg.cholesky_solve")
def cholesky_solve(chol: Any, rhs: Any, name: str | None = None) -> Tensor:
    """Solves A X = rhs for A given by its Cholesky factor.

    Args:
      chol: `[..., m, m]`, lower triangular with A = chol chol^H, float or complex.
      rhs: `[..., m, k]`, same dtype and batch.
      name: op name; default "cholesky_solve".

    Returns:
      X, `[..., m, k]`.
    """
    with name_scope(name, "cholesky_solve", [chol, rhs]):
        y = raw.MatrixTriangularSolve(chol, rhs, adjoint=False, lower=True)
        return raw.MatrixTriangularSolve(chol, y, adjoint=True, lower=True)


@public("linalg.matrix_rank")
def matrix_rank(a: Any, tol: Any = None, validate_args: bool = False, name: str | None = None) -> Tensor:
    """The ranks of matrices: the numbers of singular values above a tolerance.

    Args:
      a: `[..., m, n]`, floating.
      tol: the tolerance; default the largest singular value times the larger dimension times machine epsilon.
      validate_args: kept for TensorFlow's signature; ranks are always checked.
      name: op name; default "matrix_rank".

    Returns:
      int32 `[...]`.
    """
    with name_scope(name, "matrix_rank", [a]):
        a = _float_matrix(a)
        s = svd(a, compute_uv=False)
        if tol is None:
            size = raw.Cast(_larger_side(a), DstT=a.dtype.base_dtype)
            tol = _epsilon(a) * size * raw.Max(s, [-1], keep_dims=True)
        above = raw.Greater(s, tol)
        return raw.Sum(raw.Cast(above, DstT=dtypes.int32), [-1])


@public("linalg.pinv")
def pinv(a: Any, rcond: Any = None, validate_args: bool = False, name: str | None = None) -> Tensor:
    """The Moore-Penrose pseudo-inverses of matrices.

    Args:
      a: `[..., m, n]`, floating.
      rcond: singular values up to `rcond` times the largest count as zero; default 10 max(m, n) epsilon.
      validate_args: kept for TensorFlow's signature; ranks are always checked.
      name: op name; default "pinv".

    Returns:
      `[..., n, m]`, the dtype of `a`.
    """
    with name_scope(name, "pinv", [a]):
        a = _float_matrix(a)
        dtype = a.dtype.base_dtype
        if rcond is None:
            rcond = 10.0 * _larger_of_sides(a) * _epsilon(a)
        limit = to_tensor(rcond, dtype, "rcond")
        s, u, v = svd(a)
        cutoff = limit * raw.Max(s, [-1])
        keep = raw.Greater(s, raw.ExpandDims(cutoff, -1))
        never = raw.Const(value=np.array(np.inf, dtype.np_dtype), dtype=dtype, name="SelectV2/e")
        divisors = raw.SelectV2(keep, s, never)  # what is divided by infinity is zero, and so is its gradient
        return matmul(v / raw.ExpandDims(divisors, -2), u, adjoint_b=True)


def _float_matrix(a: Any) -> Tensor:
    a = to_tensor(a, name="a")
    if not a.dtype.is_floating:
        raise TypeError(f"The input must have a floating dtype. Received: {a.dtype.name}")
    if a.dims is not None and len(a.dims) < 2:
        raise ValueError(f"The input must have at least 2 dimensions. Received: {a.shape}")
    return a


def _epsilon(a: Tensor) -> float:
    return float(np.finfo(a.dtype.base_dtype.np_dtype).eps)


def _larger_side(a: Tensor) -> Any:
    """The larger of the numbers of rows and columns, from the whole shape where the graph has not both."""
    if a.dims is not None and shapes.fully_defined(a.dims[-2:]):
        return int(max(a.dims[-2:]))  # type: ignore[type-var]
    return reduce_max(shape(a)[-2:])


def _larger_of_sides(a: Tensor) -> Any:
    """As `_larger_side`, from one length at a time, and of the dtype of `a`."""
    rows, columns = length(a, -2), length(a, -1)
    if isinstance(rows, int) and isinstance(columns, int):
        return float(max(rows, columns))
    return raw.Cast(raw.Maximum(rows, columns), DstT=a.dtype.base_dtype)


# ---------------------------------------------------------------- least squares

# Where TensorFlow keeps its kernel: more bytes than this, in more matrices than the shorter side is long.
_MANY_BYTES = 256000


@public("matrix_solve_ls", "linalg.lstsq")
def matrix_solve_ls(
    matrix: Any, rhs: Any, l2_regularizer: Any = 0.0, fast: bool = True, name: str | None = None
) -> Tensor:
    """Solves linear least-squares problems.

    Args:
      matrix: `[..., m, n]`, float16, float32, float64 or complex.
      rhs: `[..., m, k]`, same dtype and batch.
      l2_regularizer: weight of |X|^2, a number or a scalar of the dtype; it does nothing without `fast`.
      fast: by the normal equations, which needs full rank; otherwise by an orthogonal decomposition.
      name: op name; default "matrix_solve_ls", "MatrixSolveLs" for the decomposition and for many small
        matrices.

    Returns:
      `[..., n, k]`.

    Raises:
      InvalidArgumentError: when run, a matrix has not full rank and `fast` is set.
    """
    matrix = to_tensor(matrix, name="matrix")
    if not fast or _many(matrix):
        return raw.MatrixSolveLs(matrix, rhs, l2_regularizer, fast=fast, name=name)
    with name_scope(name, "matrix_solve_ls", [matrix, rhs, l2_regularizer]):
        rows, columns = (None, None) if matrix.dims is None else matrix.dims[-2:]
        if rows is not None and columns is not None:
            return (_tall if rows >= columns else _wide)(matrix, rhs, l2_regularizer)
        sides = shape(matrix)[-2:]
        return cond(
            raw.GreaterEqual(sides[-2], sides[-1]),
            lambda: _tall(matrix, rhs, l2_regularizer),
            lambda: _wide(matrix, rhs, l2_regularizer),
        )


def _many(matrix: Tensor) -> bool:
    if not shapes.fully_defined(matrix.dims):
        return False
    *batch, rows, columns = matrix.dims  # type: ignore[misc]
    size = int(np.prod(matrix.dims)) * matrix.dtype.base_dtype.size  # type: ignore[arg-type]
    return size > _MANY_BYTES and int(np.prod(batch)) > min(rows, columns)


def _tall(matrix: Tensor, rhs: Any, weight: Any) -> Tensor:
    factor = _factor_of_products(matrix, weight, tall=True)
    return cholesky_solve(factor, matmul(matrix, rhs, adjoint_a=True))


def _wide(matrix: Tensor, rhs: Any, weight: Any) -> Tensor:
    factor = _factor_of_products(matrix, weight, tall=False)
    return matmul(matrix, cholesky_solve(factor, rhs), adjoint_a=True)


def _factor_of_products(matrix: Tensor, weight: Any, tall: bool) -> Tensor:
    """The Cholesky factor of the products of columns (of rows, if not `tall`), `weight` on the diagonal."""
    products = matmul(matrix, matrix, adjoint_a=tall, adjoint_b=not tall)
    if isinstance(weight, Tensor) or weight != 0:
        sides = shape(matrix)
        batch, side = sides[:-2], sides[-1 if tall else -2]
        products = products + weight * eye(side, batch_shape=batch, dtype=matrix.dtype.base_dtype)
    return raw.Cholesky(products)
