"""Tridiagonal matrices: systems of equations and products."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.convert import to_tensor
from millrace.building.scopes import name_scope
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.ops.array.concat import stack
from millrace.ops.array.gather import gather_nd
from millrace.ops.array.reshape import matrix_transpose, transpose


def _whole(diagonals: Any, who: str) -> Tensor:
    given = to_tensor(diagonals, name="diagonals")
    if given.dims is not None and len(given.dims) >= 2 and given.dims[-2] not in (None, 3):
        raise ValueError(f"{who}: compact diagonals have the shape [..., 3, m]. Received: {given.shape}")
    return given


def _square(diagonals: Any, who: str) -> Tensor:
    matrix = to_tensor(diagonals, name="diagonals")
    if matrix.dims is not None and len(matrix.dims) >= 2:
        rows, columns = matrix.dims[-2:]
        if rows is not None and columns is not None and rows != columns:
            raise ValueError(f"{who}: expected square matrices. Received: {matrix.shape}")
    return matrix


def _tridiagonal_parts(diagonals: Any, diagonals_format: str, who: str) -> list[Tensor]:
    """Super-, main and subdiagonal, each `[..., m]`, with one unused element in the first and third."""
    if diagonals_format == "compact":
        given = _whole(diagonals, who)
        return [given[..., i, :] for i in range(3)]
    if diagonals_format == "sequence":
        if not isinstance(diagonals, tuple | list) or len(diagonals) != 3:
            raise ValueError(f"{who}: diagonals must be a sequence of 3 tensors. Received: {diagonals!r}")
        above, main, below = (to_tensor(d) for d in diagonals)
        order = main.dims[-1] if main.dims else None
        if order is None or above.dims is None or below.dims is None:
            return [above, main, below]
        for part in (above, below):
            if part.dims[-1] not in (None, order, order - 1):  # pyright: ignore[reportOptionalSubscript]
                raise ValueError(
                    f"{who}: diagonals must have {order} or {order - 1} elements. Received: {part.shape}"
                )
        pad_above, pad_below = ([0, order - above.dims[-1]], [order - below.dims[-1], 0])  # pyright: ignore[reportOperatorIssue]
        front = [[0, 0]] * (len(main.dims or ()) - 1)
        above = raw.Pad(above, [*front, pad_above]) if any(pad_above) else above
        below = raw.Pad(below, [*front, pad_below]) if any(pad_below) else below
        return [above, main, below]
    if diagonals_format == "matrix":
        matrix = _square(diagonals, who)
        main = raw.MatrixDiagPart(matrix)
        zero = raw.ZerosLike(main[..., :1])
        above = raw.ConcatV2([raw.MatrixDiagPart(matrix[..., :-1, 1:]), zero], -1)
        below = raw.ConcatV2([zero, raw.MatrixDiagPart(matrix[..., 1:, :-1])], -1)
        return [above, main, below]
    raise ValueError(f"{who}: unrecognized diagonals_format. Received: {diagonals_format!r}")


def _compact(diagonals: Any, diagonals_format: str) -> Tensor:
    """The three diagonals as rows `[..., 3, m]`."""
    if diagonals_format == "compact":
        return _whole(diagonals, "tridiagonal_solve")
    if diagonals_format == "matrix":
        matrix = _square(diagonals, "tridiagonal_solve")
        order = None if matrix.dims is None else matrix.dims[-1] or matrix.dims[-2]
        if order:
            places = [[[min(i + 1, order), i], [i, i], [i - 1, i]] for i in range(order)]
            places[0][2] = places[-1][0] = [0, 0]  # unused
            return transpose(gather_nd(transpose(matrix), places))
    return stack(_tridiagonal_parts(diagonals, diagonals_format, "tridiagonal_solve"), -2)


@public("linalg.tridiagonal_solve")
def tridiagonal_solve(
    diagonals: Any,
    rhs: Any,
    diagonals_format: str = "compact",
    transpose_rhs: bool = False,
    conjugate_rhs: bool = False,
    name: str | None = None,
    partial_pivoting: bool = True,
) -> Tensor:
    """Solves tridiagonal systems of linear equations.

    Args:
      diagonals: "compact": `[..., 3, m]`, rows for the super-, main and subdiagonal (the last element of the
        first and the first of the third are unused); "sequence": the three separately, the outer ones of m or
        m - 1 elements; "matrix": `[..., m, m]`. float32, float64 or complex.
      rhs: `[..., m]` or `[..., m, k]`, same dtype.
      diagonals_format: which of the three.
      transpose_rhs: `rhs` is `[..., k, m]`.
      conjugate_rhs: take its conjugate.
      name: op name; default "TridiagonalSolve".
      partial_pivoting: exchange rows for stability.

    Returns:
      The shape of `rhs`, or `[..., m, k]`.

    Raises:
      ValueError: a shape or the format is wrong.
      InvalidArgumentError: when run, a matrix is singular.
    """
    compact = _compact(diagonals, diagonals_format)
    rhs = to_tensor(rhs, name="rhs")
    if compact.dims is not None and rhs.dims is not None and len(rhs.dims) == len(compact.dims) - 1:
        if conjugate_rhs and rhs.dtype.is_complex:
            rhs = raw.Conj(rhs)
        column = raw.ExpandDims(rhs, -1)
        solved = raw.TridiagonalSolve(compact, column, partial_pivoting=partial_pivoting, name=name)
        return raw.Squeeze(solved, squeeze_dims=[-1])
    if transpose_rhs:
        rhs = matrix_transpose(rhs, conjugate=conjugate_rhs)
    elif conjugate_rhs and rhs.dtype.is_complex:
        rhs = raw.Conj(rhs)
    return raw.TridiagonalSolve(compact, rhs, partial_pivoting=partial_pivoting, name=name)


@public("linalg.tridiagonal_matmul")
def tridiagonal_matmul(
    diagonals: Any, rhs: Any, diagonals_format: str = "compact", name: str | None = None
) -> Tensor:
    """The products of tridiagonal matrices with `rhs`.

    Args:
      diagonals, diagonals_format: as for `tridiagonal_solve`.
      rhs: `[..., m, k]`, same dtype.
      name: op name; default "tridiagonal_matmul".

    Returns:
      The shape of `rhs`.

    Raises:
      ValueError: a shape or the format is wrong.
    """
    with name_scope(name, "tridiagonal_matmul", [rhs]):
        parts = _tridiagonal_parts(diagonals, diagonals_format, "tridiagonal_matmul")
        return raw.TridiagonalMatMul(*(raw.ExpandDims(p, -2) for p in parts), to_tensor(rhs, name="rhs"))  # pyright: ignore[reportCallIssue]
