"""Factorisations of matrices: Cholesky, QR, LU, singular values and eigenvalues."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from millrace.building import raw
from millrace.core import dtypes
from millrace.core.dtypes import COMPLEX, INDEX, float16
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph.attrs import dtype as dtype_attr
from millrace.graph.attrs import flag
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare, renamed
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.matrix_shapes import (
    adjoint,
    batch_eye,
    check_square,
    constant_like,
    half,
    join,
    last_dim,
    like_square,
    multiply_diag,
    product,
    split,
    square,
)

_REAL = frozenset({dtypes.float16, dtypes.float32, dtypes.float64})
_MATRIX = _REAL | dtypes.COMPLEX
# what TensorFlow 1.15 adds for these gradients
_OF_SINGULAR_VALUES: Final = 4
_OF_EIGENVALUES: Final = 14
_OF_EIGENVECTORS: Final = 24


def _lower(x: Tensor) -> Tensor:
    return raw.MatrixBandPart(x, constant_long(-1), constant_long(0))


def constant_long(value: int) -> Tensor:
    """An int64 scalar constant."""
    return raw.Const(value=np.array(value, np.int64), dtype=dtypes.int64)


def _symmetric_gradient(x: Tensor) -> Tensor:
    """Half of x + x^H."""
    return half(raw.Add(x, adjoint(x)))


def _halved_diagonal(x: Tensor) -> Tensor:
    return raw.MatrixSetDiag(x, half(raw.MatrixDiagPart(x)))


@declare("Cholesky(input: T) -> output: T", T=_MATRIX)
class Cholesky:
    """The lower triangular L with input = L L^H; only the lower triangle of `input` is read."""

    def shape(input):
        return like_square(input)

    def kernel(xp, input):
        check_square(input)
        return xp.cholesky(input) if input.size else xp.zeros_like(input)

    def grad(op, dy):
        factor = op.outputs[0]
        inner = _lower(_halved_diagonal(product(factor, dy, adjoint_a=True)))
        inner = raw.MatrixTriangularSolve(factor, inner, lower=True, adjoint=True)
        outer = adjoint(raw.MatrixTriangularSolve(factor, adjoint(inner), lower=True, adjoint=True))
        return _symmetric_gradient(outer)


@declare("CholeskyGrad(l: T, grad: T) -> output: T", T=_REAL)
class CholeskyGrad:
    """The gradient of Cholesky by its input, from the factor `l` and the gradient by it."""

    def shape(l, grad):  # noqa: E741 - TensorFlow's name
        return like_square(l)

    def kernel(xp, l, grad):  # noqa: E741 - TensorFlow's name
        check_square(l)
        inner = xp.tril(xp.mat_product(xp.swapaxes(l, -1, -2), grad))
        order = l.shape[-1]
        inner = inner * xp.where(xp.eye(order, dtype=bool), xp.asarray(0.5, l.dtype), xp.asarray(1, l.dtype))
        inner = xp.tri_solve(l, inner, True, True)
        outer = xp.swapaxes(xp.tri_solve(l, xp.swapaxes(inner, -1, -2), True, True), -1, -2)
        return (outer + xp.swapaxes(outer, -1, -2)) * xp.asarray(0.5, l.dtype)

    grad = NOT_DIFFERENTIABLE


@declare("Qr(input: T) -> q: T, r: T", T=_MATRIX, full_matrices=flag(False))
class Qr:
    """Orthonormal q and upper triangular r with input = q r."""

    def shape(input, full_matrices):
        batch, rows, columns = split(input)
        inner = rows if full_matrices else None if rows is None or columns is None else min(rows, columns)
        return [join(batch, rows, inner), join(batch, inner, columns)]

    def kernel(xp, input, full_matrices):
        return xp.mat_qr(input, full_matrices)

    def grad(op, dq, dr):
        q, r = op.outputs
        rows, columns = (None, None) if q.dims is None or r.dims is None else (q.dims[-2], r.dims[-1])
        full = op.attrs["full_matrices"]
        if rows is None or columns is None or columns > rows or (full and rows != columns):
            rule = (
                "the gradient needs known shapes, no more columns than rows, square ones with full_matrices"
            )
            # TensorFlow's own limits, and its class
            raise NotImplementedError(f"Qr '{op.name}': {rule}. Received: q {q.shape} and r {r.shape}")

        def right_solve(x: Tensor) -> Tensor:
            return adjoint(raw.MatrixTriangularSolve(r, adjoint(x), lower=False, adjoint=False))

        qdq = product(q, dq, adjoint_a=True)
        rdr = product(r, dr, adjoint_b=True)
        skew = raw.Add(raw.Sub(qdq, adjoint(qdq)), raw.Sub(rdr, adjoint(rdr)))
        first = product(q, raw.Add(dr, right_solve(_lower(skew))))
        return raw.Add(first, right_solve(raw.Sub(dq, product(q, qdq))))


@declare(
    "Lu(input: T) -> lu: T, p: output_idx_type",
    T=_MATRIX,
    output_idx_type=dtype_attr(INDEX, default=dtypes.int32),
)
class Lu:
    """L (unit diagonal) and U packed into one matrix, and the row order p with input[p] = L U."""

    def shape(input, output_idx_type):
        batch, order = square(input)
        return [join(batch, order, order), join(batch, order)]

    def kernel(xp, input, output_idx_type):
        check_square(input)
        packed, rows = xp.mat_lu(input)
        return packed, rows.astype(output_idx_type.np_dtype)

    def grad(op, dlu, _):
        packed, order = op.outputs
        size = last_dim(packed)
        one = batch_eye(packed, size)
        upper = raw.MatrixBandPart(packed, constant_long(0), constant_long(-1))
        strict = raw.Sub(_lower(packed), raw.MatrixDiag(raw.MatrixDiagPart(packed)))
        lower = raw.Add(strict, one)
        inner_l = _lower(product(lower, dlu, adjoint_a=True))
        inner_l = raw.Sub(inner_l, raw.MatrixDiag(raw.MatrixDiagPart(inner_l)))
        inner_u = raw.MatrixBandPart(product(dlu, upper, adjoint_b=True), constant_long(0), constant_long(-1))
        inner = raw.MatrixTriangularSolve(lower, raw.Add(inner_l, inner_u), lower=True, adjoint=True)
        inner = adjoint(raw.MatrixTriangularSolve(upper, adjoint(inner), lower=False, adjoint=False))
        onehot = raw.OneHot(order, size, constant_like(1.0, packed), constant_like(0.0, packed), axis=-1)
        return product(onehot, inner, adjoint_a=True)


@declare("Svd(input: T) -> s: T, u: T, v: T", T=_MATRIX, compute_uv=flag(True), full_matrices=flag(False))
class Svd:
    """Singular values, falling, and u, v with input = u diag(s) v^H; u and v are empty unless compute_uv."""

    def shape(input, compute_uv, full_matrices):
        batch, rows, columns = split(input)
        inner = None if rows is None or columns is None else min(rows, columns)
        if not compute_uv:
            return [join(batch, inner), (0,), (0,)]
        wide = (rows, columns) if full_matrices else (inner, inner)
        return [join(batch, inner), join(batch, rows, wide[0]), join(batch, columns, wide[1])]

    def kernel(xp, input, compute_uv, full_matrices):
        s, u, v = xp.mat_svd(input, compute_uv, full_matrices)
        return s.astype(input.dtype), u, v

    def grad(op, ds, du, dv):
        a = op.inputs[0]
        if not op.attrs["compute_uv"]:
            with a.graph.counted_as(_OF_SINGULAR_VALUES):
                _, u, v = raw.Svd(a, compute_uv=True)
                return product(multiply_diag(u, ds), v, adjoint_b=True)
        s, u, v = op.outputs
        if op.attrs["full_matrices"] and (a.dims is None or a.dims[-1] is None or a.dims[-1] != a.dims[-2]):
            rule = "the gradient of Svd with full_matrices exists for square matrices only"
            # TensorFlow's own limit, and its class
            raise NotImplementedError(f"Svd '{op.name}': {rule}. Received: {a.shape}")
        return _svd_gradient(s, u, v, ds, du, dv)


def _svd_gradient(s: Tensor, u: Tensor, v: Tensor, ds: Tensor, du: Tensor, dv: Tensor) -> Tensor:
    """By the differentials of A = U S V^H; singular values that coincide do not act on one another."""
    squares = raw.Mul(s, s)
    gap = raw.Sub(raw.ExpandDims(squares, -2), raw.ExpandDims(squares, -1))
    weights = _safe_reciprocal(gap)
    udu, vdv = product(u, du, adjoint_a=True), product(v, dv, adjoint_a=True)
    from_u, from_v = raw.Mul(weights, udu), raw.Mul(weights, vdv)
    inner = multiply_diag(raw.Add(from_u, adjoint(from_u)), s)
    inner = raw.Add(inner, raw.Mul(raw.ExpandDims(s, -1), raw.Add(from_v, adjoint(from_v))))
    inverse = _safe_reciprocal(s)
    diagonal = ds
    if s.dtype.is_complex:
        phase = raw.MatrixDiagPart(vdv)
        phase = half(raw.Sub(raw.Conj(phase), phase))
        diagonal = raw.Add(diagonal, raw.Mul(inverse, phase))
    inner = raw.Add(inner, raw.MatrixDiag(diagonal))
    result = product(product(u, inner), v, adjoint_b=True)
    outside_u = multiply_diag(raw.Sub(du, product(u, udu)), inverse)
    outside_v = multiply_diag(raw.Sub(dv, product(v, vdv)), inverse)
    result = raw.Add(result, product(outside_u, v, adjoint_b=True))
    return raw.Add(result, product(u, outside_v, adjoint_b=True))


def _safe_reciprocal(x: Tensor) -> Tensor:
    """1 / x, and 0 where x is 0."""
    zero = raw.ZerosLike(x)
    is_zero = raw.Equal(x, zero)
    return raw.Select(is_zero, zero, raw.Reciprocal(raw.Select(is_zero, raw.OnesLike(x), x)))


@declare("SelfAdjointEigV2(input: T) -> e: T, v: T", T=_MATRIX, compute_v=flag(True))
class SelfAdjointEigV2:
    """Eigenvalues, rising, and eigenvectors in columns; only the lower triangle of `input` is read."""

    def shape(input, compute_v):
        batch, order = square(input)
        return [join(batch, order), join(batch, order, order) if compute_v else (0,)]

    def kernel(xp, input, compute_v):
        check_square(input)
        values, v = xp.mat_eigh(input, compute_v)
        return values.astype(input.dtype), v

    def grad(op, de, dv):
        with op.graph.counted_as(_OF_EIGENVECTORS if op.attrs["compute_v"] else _OF_EIGENVALUES):
            return _eigen_gradient(op, de, dv)


def _eigen_gradient(op, de, dv) -> Tensor:
    if op.attrs["compute_v"]:
        e, v = op.outputs
        gap = raw.Sub(raw.ExpandDims(e, -2), raw.ExpandDims(e, -1))
        inner = raw.Mul(_safe_reciprocal(gap), product(v, dv, adjoint_a=True))
        inner = raw.Add(raw.MatrixDiag(de), inner)
        full = product(v, product(inner, v, adjoint_b=True))
    else:
        _, v = raw.SelfAdjointEigV2(op.inputs[0], compute_v=True)
        full = product(multiply_diag(v, de), v, adjoint_b=True)
    return _halved_diagonal(_lower(raw.Add(full, adjoint(full))))


@declare(
    "Eig(input: T) -> e: Tout, v: Tout",
    T=_MATRIX - {float16},
    Tout=dtype_attr(COMPLEX),
    compute_v=flag(True),
    host=True,
)
class Eig:
    """Eigenvalues of any square matrices, in no order, and eigenvectors of length 1 in columns."""

    def shape(input, compute_v):
        batch, order = square(input)
        return [join(batch, order), join(batch, order, order) if compute_v else ()]

    def kernel(xp, input, Tout, compute_v):
        check_square(input)
        if not np.isfinite(input).all():
            raise refusal("Eigen decomposition was not successful. The input might not be valid.")
        kind = Tout.np_dtype
        if not compute_v:
            return np.linalg.eigvals(input).astype(kind), np.zeros((), kind)
        values, vectors = np.linalg.eig(input)
        return values.astype(kind), vectors.astype(kind)

    grad = NOT_DIFFERENTIABLE


@declare("SelfAdjointEig(input: T) -> output: T", T=_REAL)
class SelfAdjointEig:
    """Eigenvalues in the first row, eigenvectors in the columns below: the form before SelfAdjointEigV2."""

    def shape(input):
        batch, order = square(input)
        return join(batch, None if order is None else order + 1, order)

    def kernel(xp, input):
        check_square(input)
        values, v = xp.mat_eigh(input, True)
        return xp.concatenate([xp.expand_dims(values, -2), v], axis=-2)

    grad = NOT_DIFFERENTIABLE


BatchCholesky = renamed("BatchCholesky", Cholesky)
BatchCholeskyGrad = renamed("BatchCholeskyGrad", CholeskyGrad)
BatchSelfAdjointEig = renamed("BatchSelfAdjointEig", SelfAdjointEig)
BatchSelfAdjointEigV2 = renamed("BatchSelfAdjointEigV2", SelfAdjointEigV2)
BatchSvd = renamed("BatchSvd", Svd)


@public("cholesky", "linalg.cholesky")
def cholesky(input: Any, name: str | None = None) -> Tensor:
    """The Cholesky factors of Hermitian positive definite matrices.

    Args:
      input: `[..., m, m]`, float16, float32, float64 or complex; only the lower triangles are read.
      name: op name; default "Cholesky".

    Returns:
      Lower triangular L with input = L L^H, same shape and dtype.

    Raises:
      ValueError: the matrices are not square.
      InvalidArgumentError: when run, a matrix is not positive definite.
    """
    return raw.Cholesky(input, name=name)


@public("qr", "linalg.qr")
def qr(input: Any, full_matrices: bool = False, name: str | None = None) -> Any:
    """The QR decompositions of matrices.

    Args:
      input: `[..., m, n]`, float16, float32, float64 or complex.
      full_matrices: give all m columns of q, not only the first min(m, n).
      name: op name; default "Qr".

    Returns:
      `(q, r)`, the dtype of `input`: q `[..., m, k]` orthonormal, r `[..., k, n]` upper triangular.
    """
    return raw.Qr(input, full_matrices=full_matrices, name=name)


@public("linalg.lu")
def lu(input: Any, output_idx_type: Any = dtypes.int32, name: str | None = None) -> Any:
    """The LU decompositions of square matrices, with row pivoting.

    Args:
      input: `[..., m, m]`, float16, float32, float64 or complex.
      output_idx_type: int32 or int64, the dtype of `p`.
      name: op name; default "Lu".

    Returns:
      `(lu, p)`: L (unit diagonal, not stored) and U in one matrix `[..., m, m]`; the row orders `[..., m]`.

    Raises:
      InvalidArgumentError: when run, a matrix is singular.
    """
    return raw.Lu(input, output_idx_type=output_idx_type, name=name)


@public("svd", "linalg.svd")
def svd(tensor: Any, full_matrices: bool = False, compute_uv: bool = True, name: str | None = None) -> Any:
    """The singular value decompositions of matrices.

    Args:
      tensor: `[..., m, n]`, float16, float32, float64 or complex.
      full_matrices: give square u and v.
      compute_uv: give u and v at all.
      name: op name; default "Svd".

    Returns:
      `(s, u, v)` with tensor = u diag(s) v^H, or `s` alone without compute_uv: s `[..., k]` real and falling,
      u `[..., m, k]`, v `[..., n, k]` for k = min(m, n).
    """
    s, u, v = raw.Svd(tensor, compute_uv=compute_uv, full_matrices=full_matrices, name=name)
    if s.dtype.is_complex:
        s = raw.Real(s, Tout=s.dtype.real_dtype)
    return (s, u, v) if compute_uv else s


@public("self_adjoint_eig", "linalg.eigh")
def self_adjoint_eig(tensor: Any, name: str | None = None) -> Any:
    """The eigenvalues and eigenvectors of Hermitian matrices.

    Args:
      tensor: `[..., m, m]`, float16, float32, float64 or complex; only the lower triangles are read.
      name: op name; default "SelfAdjointEigV2".

    Returns:
      `(e, v)`, the dtype of `tensor`: e `[..., m]` rising, v `[..., m, m]` with eigenvectors in columns.
    """
    e, v = raw.SelfAdjointEigV2(tensor, compute_v=True, name=name)
    return e, v


@public("self_adjoint_eigvals", "linalg.eigvalsh")
def self_adjoint_eigvals(tensor: Any, name: str | None = None) -> Tensor:
    """The eigenvalues of Hermitian matrices: `[..., m]`, rising; arguments as for `self_adjoint_eig`."""
    e, _ = raw.SelfAdjointEigV2(tensor, compute_v=False, name=name)
    return e
