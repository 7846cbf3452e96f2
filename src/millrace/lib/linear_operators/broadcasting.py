"""Batches of matrices brought to one batch shape, and systems of equations solved over them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.scopes import name_scope
from millrace.core import dtypes, shapes
from millrace.graph.tensor import Tensor
from millrace.lib.math.checks import assert_equal, assert_less
from millrace.lib.math.matrices import adjoint as adjoint_of
from millrace.lib.math.matrices import cholesky_solve
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import zeros
from millrace.ops.array.reshape import transpose
from millrace.ops.array.shape import shape


def with_one_batch(*matrices: Tensor) -> list[Tensor]:
    """Matrices `[..., m, n]`, their batch shapes broadcast to each other; untouched where they are alike."""
    if len(matrices) < 2:
        return list(matrices)
    with name_scope("broadcast_matrix_batch_dims"):
        batches = [None if m.dims is None else m.dims[:-2] for m in matrices]
        if all(shapes.fully_defined(b) for b in batches):
            common = functools.reduce(shapes.broadcast, batches) or ()
            return [
                m if b == common else raw.BroadcastTo(m, concat([list(common), shape(m)[-2:]], 0))
                for m, b in zip(matrices, batches, strict=True)
            ]
        batch = functools.reduce(raw.BroadcastArgs, (shape(m)[:-2] for m in matrices))
        return [raw.BroadcastTo(m, concat([batch, shape(m)[-2:]], 0)) for m in matrices]


def solve_matrix(matrix: Tensor, rhs: Tensor, adjoint: bool = False) -> Tensor:
    """X in matrix X = rhs, batches broadcast."""
    with name_scope("MatrixSolveWithBroadcast"):
        matrix, rhs, adjoint, back = _side_by_side(matrix, rhs, adjoint)
        matrix, rhs = with_one_batch(matrix, rhs)
        return back(raw.MatrixSolve(matrix, rhs, adjoint=adjoint))


def solve_triangular(matrix: Tensor, rhs: Tensor, adjoint: bool = False) -> Tensor:
    """X in matrix X = rhs for lower triangular matrices, batches broadcast."""
    with name_scope("MatrixTriangularSolve"):
        matrix, rhs, still_adjoint, back = _side_by_side(matrix, rhs, adjoint)
        matrix, rhs = with_one_batch(matrix, rhs)
        is_lower = still_adjoint == adjoint  # a matrix that was turned over is upper triangular
        return back(raw.MatrixTriangularSolve(matrix, rhs, lower=is_lower, adjoint=still_adjoint))


def solve_cholesky(factor: Tensor, rhs: Tensor) -> Tensor:
    """X in A X = rhs for A given by its Cholesky factor, batches broadcast."""
    with name_scope("CholeskySolveWithBroadcast"):
        factor, rhs = with_one_batch(factor, rhs)
        return cholesky_solve(factor, rhs)


def _side_by_side(
    matrix: Tensor, rhs: Tensor, adjoint: bool
) -> tuple[Tensor, Tensor, bool, Callable[[Tensor], Tensor]]:
    """Batches of `rhs` that `matrix` lacks become columns, so that one factorization solves for them all.

    Returns:
      The matrix, made its adjoint where something moves; the right sides; whether the adjoint is still to be
      taken; and what puts the solutions into the shape asked for.
    """
    if matrix.dims is None or rhs.dims is None or len(matrix.dims) >= len(rhs.dims):
        return matrix, rhs, adjoint, lambda solution: solution
    count = len(rhs.dims) - len(matrix.dims)
    _outer_and_inner(rhs, count)  # TensorFlow takes them before it decides whether anything moves
    if adjoint:
        matrix = adjoint_of(matrix)
    outer, inner = _outer_and_inner(rhs, count)
    order = list(range(len(rhs.dims)))
    moved = transpose(rhs, order[count:] + order[:count])
    flat = raw.Reshape(moved, concat([inner[:-1], [-1]], 0))

    def back(solution: Tensor) -> Tensor:
        rows = shape(solution)[:-1]
        whole = raw.Reshape(solution, concat([rows, [inner[-1]], outer], 0))
        return transpose(whole, order[-count:] + order[:-count])

    return matrix, flat, False, back


def _outer_and_inner(rhs: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The shape of `rhs`, cut after its first `count` dimensions."""
    return shape(rhs)[:count], shape(rhs)[count:]


def real_zero(x: Tensor) -> Tensor:
    """Zero in the real dtype of `x`, a constant."""
    real = x.dtype.base_dtype.real_dtype
    return raw.Const(value=np.zeros((), real.np_dtype), dtype=real)


def absolute(x: Tensor) -> Tensor:
    """Moduli, real."""
    if x.dtype.is_complex:
        return raw.ComplexAbs(x, Tout=x.dtype.base_dtype.real_dtype, name="Abs")
    return raw.Abs(x)


def modulus(x: Tensor) -> Tensor:
    """Moduli in the dtype of `x`."""
    return cast_to(absolute(x), x.dtype.base_dtype)


def real_part(x: Tensor) -> Tensor:
    """The real part, or `x` itself where it is real."""
    return raw.Real(x, Tout=x.dtype.base_dtype.real_dtype) if x.dtype.is_complex else x


def assert_no_zeros(x: Tensor, message: str) -> Any:
    """An operation that fails when run where an element of `x` is 0."""
    with name_scope("assert_no_entries_with_modulus_zero"):
        moduli = absolute(x)
        return assert_less(real_zero(x), moduli, message=message)


def assert_real(x: Tensor, message: str) -> Any:
    """An operation that fails when run where an element of `x` has an imaginary part."""
    with name_scope("assert_zero_imag_part"):
        if not x.dtype.is_complex:
            return raw.NoOp()
        zero = real_zero(x)
        return assert_equal(zero, raw.Imag(x, Tout=zero.dtype), message=message)


def cast_to(x: Tensor, dtype: dtypes.DType) -> Tensor:
    """`x` in `dtype`, itself where it has that dtype."""
    if x.dtype.base_dtype is dtype:
        return x
    return raw.Cast(x, DstT=dtype)


def zeros_of_batches(operators: Any) -> Tensor:
    """The batch shapes of operators broadcast to each other, as an int32 vector."""
    return shape(sum_of(zeros(o.batch_shape_tensor()) for o in operators))


def sum_of(values: Any) -> Any:
    """The sum from the left, without a zero before it."""
    return functools.reduce(lambda a, b: a + b, values)


def product_of(values: Any) -> Any:
    """The product from the left, without a one before it."""
    return functools.reduce(lambda a, b: a * b, values)
