"""Inverses, determinants, linear systems and functions of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.core import dtypes, shapes
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph.attrs import flag
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare, renamed
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.idioms import conj
from millrace.opkit.rules.matrix_shapes import (
    adjoint,
    batch_eye,
    check_square,
    check_system,
    constant_like,
    join,
    last_dim,
    like_square,
    product,
    solved,
    split,
    square,
)

_MATRIX = frozenset({dtypes.float16, dtypes.float32, dtypes.float64}) | dtypes.COMPLEX
_BANDED = frozenset({dtypes.float32, dtypes.float64}) | dtypes.COMPLEX


@declare("MatrixInverse(input: T) -> output: T", T=_MATRIX, adjoint=flag(False))
class MatrixInverse:
    """The inverses of square matrices, or of their adjoints."""

    def shape(input):
        return like_square(input)

    def kernel(xp, input, adjoint):
        check_square(input)
        turned = xp.conj(xp.swapaxes(input, -1, -2)) if adjoint else input
        return xp.mat_inverse(turned)

    def grad(op, dy):
        inverse = op.outputs[0]
        # TensorFlow 1.15 uses this formula with and without `adjoint`, and so do programs tuned on it
        return raw.Neg(product(inverse, product(dy, inverse, adjoint_b=True), adjoint_a=True))


@declare("MatrixDeterminant(input: T) -> output: T", T=_MATRIX)
class MatrixDeterminant:
    """The determinants of square matrices."""

    def shape(input):
        return square(input)[0]

    def kernel(xp, input):
        check_square(input)
        return xp.det(input)

    def grad(op, dy):
        turned = adjoint(raw.MatrixInverse(op.inputs[0]))
        return raw.Mul(_over_matrix(raw.Mul(dy, conj(op.outputs[0]))), turned)


@declare("LogMatrixDeterminant(input: T) -> sign: T, log_abs_determinant: T", T=_MATRIX)
class LogMatrixDeterminant:
    """Signs of the determinants of square matrices, and logarithms of their moduli."""

    def shape(input):
        batch = square(input)[0]
        return [batch, batch]

    def kernel(xp, input):
        check_square(input)
        return xp.slogdet(input)

    def grad(op, _, dlog):
        return raw.Mul(_over_matrix(dlog), adjoint(raw.MatrixInverse(op.inputs[0])))


def _over_matrix(x: Tensor) -> Tensor:
    return raw.ExpandDims(raw.ExpandDims(x, -1), -1)


@declare("MatrixSolve(matrix: T, rhs: T) -> output: T", T=_MATRIX, adjoint=flag(False))
class MatrixSolve:
    """X in matrix X = rhs, or in matrix^H X = rhs."""

    def shape(matrix, rhs):
        return solved(matrix, rhs)

    def kernel(xp, matrix, rhs, adjoint):
        check_square(matrix)
        check_system(matrix, rhs)
        return xp.mat_solve(xp.conj(xp.swapaxes(matrix, -1, -2)) if adjoint else matrix, rhs)

    def grad(op, dy):
        matrix, result = op.inputs[0], op.outputs[0]
        turned = op.attrs["adjoint"]
        drhs = raw.MatrixSolve(matrix, dy, adjoint=not turned)
        pair = (result, drhs) if turned else (drhs, result)
        return raw.Neg(product(*pair, adjoint_b=True)), drhs


@declare(
    "MatrixTriangularSolve(matrix: T, rhs: T) -> output: T", T=_MATRIX, lower=flag(True), adjoint=flag(False)
)
class MatrixTriangularSolve:
    """X in matrix X = rhs (or matrix^H X = rhs), where only one triangle of `matrix` is read."""

    def shape(matrix, rhs):
        return solved(matrix, rhs)

    def kernel(xp, matrix, rhs, lower, adjoint):
        check_square(matrix)
        check_system(matrix, rhs)
        return xp.tri_solve(matrix, rhs, lower, adjoint)

    def grad(op, dy):
        matrix, result = op.inputs[0], op.outputs[0]
        turned, lower = op.attrs["adjoint"], op.attrs["lower"]
        drhs = raw.MatrixTriangularSolve(matrix, dy, lower=lower, adjoint=not turned)
        pair = (result, drhs) if turned else (drhs, result)
        full = raw.Neg(product(*pair, adjoint_b=True))
        bounds = (-1, 0) if lower else (0, -1)
        return raw.MatrixBandPart(full, *(np.array(b, np.int64) for b in bounds)), drhs


@declare(
    "MatrixSolveLs(matrix: T, rhs: T, l2_regularizer: double) -> output: T",
    T=_MATRIX,
    fast=flag(True),
)
class MatrixSolveLs:
    """X that minimises |matrix X - rhs|^2 + l2_regularizer |X|^2."""

    def shape(matrix, rhs, l2_regularizer):
        return solved(matrix, rhs, is_square=False)

    def kernel(xp, matrix, rhs, l2_regularizer, fast):
        check_system(matrix, rhs)
        if not fast:
            return xp.least_squares(matrix, rhs)
        turned = xp.conj(xp.swapaxes(matrix, -1, -2))
        weight = xp.asarray(l2_regularizer).astype(matrix.dtype)
        tall = matrix.shape[-2] >= matrix.shape[-1]
        gram = xp.mat_product(turned, matrix) if tall else xp.mat_product(matrix, turned)
        gram = gram + weight * xp.eye(gram.shape[-1], dtype=matrix.dtype)
        factor = xp.cholesky(gram)
        right = xp.mat_product(turned, rhs) if tall else rhs
        inner = xp.tri_solve(factor, xp.tri_solve(factor, right, True, False), True, True)
        return inner if tall else xp.mat_product(turned, inner)

    def grad(op, dy):
        return _least_squares_gradient(op, dy)


def _least_squares_gradient(op: Any, dy: Tensor) -> tuple[Tensor, Tensor, None]:
    a, b, weight = op.inputs
    x = op.outputs[0]
    tall, wide = _tall_gradient, _wide_gradient
    dims = a.dims
    if dims is not None and dims[-1] is not None and dims[-2] is not None:
        rule = tall if dims[-2] >= dims[-1] else wide
        return *rule(a, b, x, dy, raw.Cast(weight, DstT=a.dtype.base_dtype)), None
    is_tall = raw.GreaterEqual(last_dim(a, 2), last_dim(a))
    one, real = constant_like(1.0, a), raw.Cast(weight, DstT=a.dtype.base_dtype)
    zero = raw.ZerosLike(one)
    # only one of the two Gram matrices is regular: the other is shifted, and its result not used
    first = tall(a, b, x, dy, raw.Add(real, raw.Select(is_tall, zero, one)))
    second = wide(a, b, x, dy, raw.Add(real, raw.Select(is_tall, one, zero)))
    chosen = [raw.Select(raw.Fill(raw.Shape(p), is_tall), p, q) for p, q in zip(first, second, strict=True)]
    return chosen[0], chosen[1], None


def _shifted(gram: Tensor, weight: Tensor) -> Tensor:
    return raw.Add(gram, raw.Mul(weight, batch_eye(gram, last_dim(gram))))


def _factor_solve(gram: Tensor, rhs: Tensor) -> Tensor:
    factor = raw.Cholesky(gram)
    return raw.MatrixTriangularSolve(factor, raw.MatrixTriangularSolve(factor, rhs), adjoint=True)


def _tall_gradient(a: Tensor, b: Tensor, x: Tensor, dy: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Of x = (a^H a + w)^-1 a^H b."""
    z = _factor_solve(_shifted(product(a, a, adjoint_a=True), weight), dy)
    az = product(a, z)
    rest = raw.Sub(b, product(a, x))
    da = raw.Sub(product(rest, z, adjoint_b=True), product(az, x, adjoint_b=True))
    return da, az


def _wide_gradient(a: Tensor, b: Tensor, x: Tensor, dy: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Of x = a^H (a a^H + w)^-1 b."""
    gram = _shifted(product(a, a, adjoint_b=True), weight)
    w, h = _factor_solve(gram, b), _factor_solve(gram, product(a, dy))
    rest = raw.Sub(dy, product(a, h, adjoint_a=True))
    da = raw.Sub(product(w, rest, adjoint_b=True), product(h, x, adjoint_b=True))
    return da, h


@declare("MatrixExponential(input: T) -> output: T", T=_MATRIX)
class MatrixExponential:
    """The matrix exponentials of square matrices."""

    def shape(input):
        return like_square(input)

    def kernel(xp, input):
        check_square(input)
        return xp.mat_exp(input)

    def grad(op, dy):
        # exp([[A^H, G], [0, A^H]]) holds the adjoint of the Frechet derivative, applied to G, in its corner
        turned = adjoint(op.inputs[0])
        top = raw.ConcatV2([turned, dy], -1)
        bottom = raw.ConcatV2([raw.ZerosLike(turned), turned], -1)
        blocks = raw.MatrixExponential(raw.ConcatV2([top, bottom], -2))
        order = last_dim(turned)
        return blocks[..., :order, order:]


@declare("MatrixLogarithm(input: T) -> output: T", T=dtypes.COMPLEX, host=True)
class MatrixLogarithm:
    """The principal matrix logarithms of square matrices."""

    def shape(input):
        return like_square(input)

    def kernel(xp, input):
        from scipy.linalg import logm

        return _each_matrix(input, logm)

    grad = NOT_DIFFERENTIABLE


@declare("MatrixSquareRoot(input: T) -> output: T", T=_MATRIX, host=True)
class MatrixSquareRoot:
    """The principal square roots of square matrices."""

    def shape(input):
        return like_square(input)

    def kernel(xp, input):
        from scipy.linalg import sqrtm

        if input.dtype == np.float16:
            return _each_matrix(input.astype(np.float32), sqrtm).astype(np.float16)
        return _each_matrix(input, sqrtm)

    def grad(op, dy):
        # X in R^H X + X R^H = dy, as one system for the rows of X laid end to end
        turned = adjoint(op.outputs[0])
        order = last_dim(turned)
        one = batch_eye(turned, order)
        front = raw.Shape(turned)[:-2]
        both = raw.ConcatV2([front, raw.Pack([order * order, order * order])], 0)
        system = raw.Add(_kronecker(turned, one), _kronecker(one, conj(op.outputs[0])))
        column = raw.Reshape(dy, raw.ConcatV2([front, raw.Pack([order * order, 1])], 0))
        return raw.Reshape(raw.MatrixSolve(raw.Reshape(system, both), column), raw.Shape(dy))


def _kronecker(a: Tensor, b: Tensor) -> Tensor:
    """`[..., n, n, n, n]`, to be reshaped to matrices of order n^2."""
    left = raw.ExpandDims(raw.ExpandDims(a, -2), -1)
    right = raw.ExpandDims(raw.ExpandDims(b, -2), -4)
    return raw.Mul(left, right)


def _each_matrix(a: Any, function: Any) -> Any:
    check_square(a)
    out = np.empty_like(a)
    with np.errstate(all="ignore"):
        for at in np.ndindex(a.shape[:-2]):
            if a.shape[-1]:
                found = np.asarray(function(a[at]))
                out[at] = np.nan if found.dtype.kind == "c" and a.dtype.kind != "c" else found
    return out


@declare("TridiagonalSolve(diagonals: T, rhs: T) -> output: T", T=_BANDED, partial_pivoting=flag(True))
class TridiagonalSolve:
    """X in T X = rhs; the super-, main and subdiagonal of T are the three rows of `diagonals`."""

    def shape(diagonals, rhs):
        batch, three, order = split(diagonals, "diagonals")
        if three not in (None, 3):
            raise ValueError(f"'diagonals' must have 3 rows. Received: shape {shapes.format_dims(diagonals)}")
        batch_rhs, rows, width = split(rhs, "rhs")
        if order is not None and rows is not None and order != rows:
            shown = f"{shapes.format_dims(diagonals)} and {shapes.format_dims(rhs)}"
            raise ValueError(f"Dimensions must be equal, but are {order} and {rows}. Received: {shown}")
        return join(shapes.merge(batch, batch_rhs), order if rows is None else rows, width)

    def kernel(xp, diagonals, rhs, partial_pivoting):
        if (
            diagonals.shape[-2] != 3
            or diagonals.shape[:-2] != rhs.shape[:-2]
            or diagonals.shape[-1] != rhs.shape[-2]
        ):
            shown = f"{list(diagonals.shape)} and {list(rhs.shape)}"
            raise refusal(f"diagonals and rhs must be [..., 3, m] and [..., m, k]: {shown}")
        return xp.tridiagonal_solve(diagonals, rhs, partial_pivoting)

    def grad(op, dy):
        diagonals, x = op.inputs[0], op.outputs[0]
        turned = _transposed_diagonals(diagonals)
        drhs = raw.TridiagonalSolve(conj(turned), dy, partial_pivoting=op.attrs["partial_pivoting"])
        main = raw.Neg(raw.Sum(raw.Mul(drhs, conj(x)), -1))
        above = raw.Neg(raw.Sum(raw.Mul(_rolled(drhs, 0, -1), conj(_rolled(x, 1, 0))), -1))
        below = raw.Neg(raw.Sum(raw.Mul(_rolled(drhs, 1, 0), conj(_rolled(x, 0, -1))), -1))
        zero = raw.ZerosLike(main[..., :1])
        parts = [raw.ConcatV2([above, zero], -1), main, raw.ConcatV2([zero, below], -1)]
        return raw.ConcatV2([raw.ExpandDims(p, -2) for p in parts], -2), drhs


def _rolled(x: Tensor, start: int, stop: int) -> Tensor:
    return x[..., start : stop or None, :]


def _transposed_diagonals(diagonals: Tensor) -> Tensor:
    above, main, below = (diagonals[..., i, :] for i in range(3))
    zero = raw.ZerosLike(main[..., :1])
    parts = [raw.ConcatV2([below[..., 1:], zero], -1), main, raw.ConcatV2([zero, above[..., :-1]], -1)]
    return raw.ConcatV2([raw.ExpandDims(p, -2) for p in parts], -2)


@declare("TridiagonalMatMul(superdiag: T, maindiag: T, subdiag: T, rhs: T) -> output: T", T=_BANDED)
class TridiagonalMatMul:
    """T rhs for T of three diagonals, each `[..., 1, m]`, the last above and first below unused."""

    def shape(superdiag, maindiag, subdiag, rhs):
        return rhs

    def kernel(xp, superdiag, maindiag, subdiag, rhs):
        above, main, below = (xp.swapaxes(d, -1, -2) for d in (superdiag, maindiag, subdiag))
        zero = xp.zeros_like(rhs[..., :1, :])
        following = xp.concatenate([rhs[..., 1:, :], zero], axis=-2)
        preceding = xp.concatenate([zero, rhs[..., :-1, :]], axis=-2)
        return main * rhs + above * following + below * preceding

    def grad(op, dy):
        above, main, below, x = op.inputs
        zero = raw.ZerosLike(x[..., :1, :])

        def down(t: Tensor) -> Tensor:
            return raw.ConcatV2([zero, t[..., :-1, :]], -2)

        def up(t: Tensor) -> Tensor:
            return raw.ConcatV2([t[..., 1:, :], zero], -2)

        def diagonal(t: Tensor) -> Tensor:
            return raw.ExpandDims(raw.Sum(raw.Mul(dy, conj(t)), -1), -2)

        turn_above = raw.Mul(adjoint(above), dy)
        turn_below = raw.Mul(adjoint(below), dy)
        dx = raw.Add(raw.Add(raw.Mul(adjoint(main), dy), down(turn_above)), up(turn_below))
        return diagonal(up(x)), diagonal(x), diagonal(down(x)), dx


BatchMatrixDeterminant = renamed("BatchMatrixDeterminant", MatrixDeterminant)
BatchMatrixInverse = renamed("BatchMatrixInverse", MatrixInverse)
BatchMatrixSolve = renamed("BatchMatrixSolve", MatrixSolve)
BatchMatrixSolveLs = renamed("BatchMatrixSolveLs", MatrixSolveLs)
BatchMatrixTriangularSolve = renamed("BatchMatrixTriangularSolve", MatrixTriangularSolve)


@public("matrix_inverse", "linalg.inv")
def matrix_inverse(input: Any, adjoint: bool = False, name: str | None = None) -> Tensor:
    """The inverses of square matrices.

    Args:
      input: `[..., m, m]`, float16, float32, float64 or complex.
      adjoint: invert the conjugate transposes.
      name: op name; default "MatrixInverse".

    Returns:
      Same shape and dtype.

    Raises:
      InvalidArgumentError: when run, a matrix is singular.
    """
    return raw.MatrixInverse(input, adjoint=adjoint, name=name)


@public("matrix_determinant", "linalg.det")
def matrix_determinant(input: Any, name: str | None = None) -> Tensor:
    """The determinants `[...]` of square matrices `[..., m, m]`; the dtype of `input`."""
    return raw.MatrixDeterminant(input, name=name)


@public("linalg.slogdet")
def slogdet(input: Any, name: str | None = None) -> Any:
    """Signs of determinants and logarithms of their moduli.

    Args:
      input: `[..., m, m]`, float16, float32, float64 or complex.
      name: op name; default "LogMatrixDeterminant".

    Returns:
      `(sign, log_abs_determinant)`, both `[...]` and of the dtype of `input`.
    """
    return raw.LogMatrixDeterminant(input, name=name)


@public("matrix_solve", "linalg.solve")
def matrix_solve(matrix: Any, rhs: Any, adjoint: bool = False, name: str | None = None) -> Tensor:
    """Solves systems of linear equations.

    Args:
      matrix: `[..., m, m]`, float16, float32, float64 or complex.
      rhs: `[..., m, k]`, same dtype and batch.
      adjoint: solve with the conjugate transposes.
      name: op name; default "MatrixSolve".

    Returns:
      X with matrix X = rhs, `[..., m, k]`.

    Raises:
      InvalidArgumentError: when run, a matrix is singular.
    """
    return raw.MatrixSolve(matrix, rhs, adjoint=adjoint, name=name)


@public("matrix_triangular_solve", "linalg.triangular_solve")
def matrix_triangular_solve(
    matrix: Any, rhs: Any, lower: bool = True, adjoint: bool = False, name: str | None = None
) -> Tensor:
    """Solves triangular systems of linear equations.

    Args:
      matrix: `[..., m, m]`, float16, float32, float64 or complex; only one triangle is read.
      rhs: `[..., m, k]`, same dtype and batch.
      lower: which triangle.
      adjoint: solve with the conjugate transposes.
      name: op name; default "MatrixTriangularSolve".

    Returns:
      X with matrix X = rhs, `[..., m, k]`.

    Raises:
      InvalidArgumentError: when run, there is a zero on a diagonal.
    """
    return raw.MatrixTriangularSolve(matrix, rhs, lower=lower, adjoint=adjoint, name=name)


# How many operations TensorFlow's matrix exponential is beyond one, and how many more for open shapes.
_OF_A_SERIES, _OF_A_LONG_SERIES = 176, 297
_OF_OPEN_SIDES, _OF_AN_OPEN_BATCH, _OF_AN_OPEN_RANK = 7, 11, 14


@public("linalg.expm")
def matrix_exponential(input: Any, name: str | None = None) -> Tensor:
    """The exponentials of `[..., m, m]` matrices, float or complex; same shape and dtype."""
    exponential = raw.MatrixExponential(input, name=name or "matrix_exponential")
    exponential.graph.count(_of_an_exponential(exponential))
    return exponential


def _of_an_exponential(x: Tensor) -> int:
    """How much more TensorFlow adds for a matrix exponential, whose series and branches are operations."""
    kind = x.dtype.base_dtype
    series = _OF_A_LONG_SERIES if kind.real_dtype is dtypes.float64 else _OF_A_SERIES
    if x.dims is None:
        opened = _OF_AN_OPEN_RANK
    elif None in x.dims[:-2]:
        opened = _OF_AN_OPEN_BATCH
    else:
        opened = _OF_OPEN_SIDES * (None in x.dims)
    return series + opened + kind.is_complex


@public("linalg.logm")
def matrix_logarithm(input: Any, name: str | None = None) -> Tensor:
    """The principal logarithms of complex `[..., m, m]` matrices; same shape and dtype."""
    return raw.MatrixLogarithm(input, name=name)


@public("matrix_square_root", "linalg.sqrtm")
def matrix_square_root(input: Any, name: str | None = None) -> Tensor:
    """The principal square roots of `[..., m, m]` matrices, float or complex; same shape and dtype."""
    return raw.MatrixSquareRoot(input, name=name)
