"""Diagonals: tensors made of them, taken out of matrices, set in matrices; bands."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.core import shapes
from millrace.core.dtypes import ALL, COMPLEX, FLOATING, INDEX, int64
from millrace.core.errors import InvalidArgumentError, refusal
from millrace.core.public import public
from millrace.core.shapes import format_dims
from millrace.graph.attrs import dtype
from millrace.graph.opdef import declare, renamed
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.idioms import shown
from millrace.opkit.rules.shape_rules import at_least

_DIAGONAL = FLOATING | COMPLEX | INDEX


def _zero(x: Any) -> np.ndarray:
    return np.array(b"" if x.dtype.kind == "O" else 0, x.dtype)


def _diagonal_places(rows: int, cols: int) -> np.ndarray:
    return np.eye(rows, cols, dtype=bool)


@declare("Diag(diagonal: T) -> output: T", T=_DIAGONAL)
class Diag:
    """A tensor of twice the rank that holds `diagonal` where its first coordinates equal its last, zero
    elsewhere.
    """

    def shape(diagonal):
        at_least(diagonal, 1, "diagonal")
        return shapes.concat(diagonal, diagonal)

    def kernel(xp, diagonal):
        dims = np.shape(diagonal)
        size = int(np.prod(dims))
        spread = xp.where(_diagonal_places(size, size), xp.reshape(diagonal, (size,)), _zero(diagonal))
        return xp.reshape(spread, (*dims, *dims))

    def grad(op, dy):
        return raw.DiagPart(dy)


@declare("DiagPart(input: T) -> diagonal: T", T=_DIAGONAL)
class DiagPart:
    """The elements whose first coordinates equal their last: the inverse of Diag."""

    def shape(input):
        if input is None:
            return None
        if len(input) % 2 or not input:
            raise ValueError(f"input must have an even rank above 0. Received: shape {format_dims(input)}")
        half = len(input) // 2
        return shapes.merge(input[:half], input[half:])

    def kernel(xp, input):
        dims = np.shape(input)
        half = len(dims) // 2
        if len(dims) % 2 or not dims or dims[:half] != dims[half:]:
            raise refusal(f"the shape must be one shape twice. Received: {list(dims)}")
        size = int(np.prod(dims[:half]))
        return xp.reshape(xp.reshape(input, (size * size,))[:: size + 1], dims[:half])

    def grad(op, dy):
        return raw.Diag(dy)


def _matrix_diag_dims(diagonal: Any) -> Any:
    at_least(diagonal, 1, "diagonal")
    return None if diagonal is None else (*diagonal, diagonal[-1])


def _matrix_diag(xp: Any, diagonal: Any) -> Any:
    n = np.shape(diagonal)[-1]
    return xp.where(_diagonal_places(n, n), xp.expand_dims(diagonal, -2), _zero(diagonal))


def _matrix_diag_part_dims(input: Any) -> Any:
    at_least(input, 2, "input")
    if input is None:
        return None
    known = None not in input[-2:]
    return (*input[:-2], min(input[-2:]) if known else None)


def _matrix_diag_part(xp: Any, input: Any) -> Any:
    n = min(np.shape(input)[-2:])
    places = np.arange(n)
    return input[..., places, places]


def _set_diag_dims(input: Any, diagonal: Any) -> Any:
    at_least(input, 2, "input")
    at_least(diagonal, 1, "diagonal")
    if input is None:
        return None if diagonal is None else (*diagonal[:-1], None, None)
    expected = _matrix_diag_part_dims(input)
    if not shapes.compatible(expected, diagonal):
        raise ValueError(
            f"diagonal must have shape {format_dims(expected)}. Received: {format_dims(diagonal)}"
        )
    if diagonal is None:
        return input
    return (*shapes.merge(input[:-2], diagonal[:-1]), *input[-2:])  # type: ignore[misc]


def _set_diag(xp: Any, input: Any, diagonal: Any) -> Any:
    rows, cols = np.shape(input)[-2:]
    n = min(rows, cols)
    if np.shape(diagonal) != (*np.shape(input)[:-2], n):
        raise refusal(
            f"diagonal must have shape {[*np.shape(input)[:-2], n]}. Received: {list(np.shape(diagonal))}",
        )
    border = [(0, 0)] * (len(np.shape(diagonal)) - 1) + [(0, cols - n)]
    row = xp.expand_dims(xp.padded(diagonal, border, _zero(input)), -2)
    return xp.where(_diagonal_places(rows, cols), row, input)


def _set_diag_grad(op: Any, dy: Tensor) -> tuple[Tensor, Tensor]:
    diagonal = op.inputs[1]
    zeros = raw.ZerosLike(diagonal) if diagonal.dims is None else raw.ZerosLike(raw.MatrixDiagPart(dy))
    return raw.MatrixSetDiag(dy, zeros), raw.MatrixDiagPart(dy)


@declare("MatrixDiag(diagonal: T) -> output: T", T=ALL)
class MatrixDiag:
    """Square matrices with the given diagonals, zero elsewhere."""

    def shape(diagonal):
        return _matrix_diag_dims(diagonal)

    def kernel(xp, diagonal):
        return _matrix_diag(xp, diagonal)

    def grad(op, dy):
        return raw.MatrixDiagPart(dy)


BatchMatrixDiag = renamed("BatchMatrixDiag", MatrixDiag)


@declare("MatrixDiagPart(input: T) -> diagonal: T", T=ALL)
class MatrixDiagPart:
    """The diagonals of matrices."""

    def shape(input):
        return _matrix_diag_part_dims(input)

    def kernel(xp, input):
        return _matrix_diag_part(xp, input)

    def grad(op, dy):
        return _diag_part_grad(op, dy)


BatchMatrixDiagPart = renamed("BatchMatrixDiagPart", MatrixDiagPart)


def _diag_part_grad(op: Any, dy: Tensor) -> Tensor:
    dims = op.inputs[0].dims
    if dims is not None and None not in dims[-2:] and dims[-1] == dims[-2]:
        return raw.MatrixDiag(dy)
    return raw.MatrixSetDiag(raw.ZerosLike(op.inputs[0]), dy)


@declare("MatrixSetDiag(input: T, diagonal: T) -> output: T", T=ALL)
class MatrixSetDiag:
    """`input` with the diagonals of its matrices replaced."""

    def shape(input, diagonal):
        return _set_diag_dims(input, diagonal)

    def kernel(xp, input, diagonal):
        return _set_diag(xp, input, diagonal)

    def grad(op, dy):
        return _set_diag_grad(op, dy)


BatchMatrixSetDiag = renamed("BatchMatrixSetDiag", MatrixSetDiag)


def _check_most(xp: Any, count: Any, most: int, what: str) -> None:
    def too_many() -> InvalidArgumentError:
        rule = f"{what} must be negative or at most {most}"
        return refusal(f"{rule}. Received: {shown(xp, count)}")

    xp.check(count <= most, too_many)


def _band(xp: Any, input: Any, num_lower: Any, num_upper: Any) -> Any:
    if len(np.shape(input)) < 2:
        raise refusal(f"input must be at least 2-dim. Received: {list(np.shape(input))}")
    rows, cols = np.shape(input)[-2:]
    for count, length, what in ((num_lower, rows, "num_lower"), (num_upper, cols, "num_upper")):
        _check_most(xp, count, length, what)
    below = np.arange(rows, dtype=np.int32)[:, None] - np.arange(cols, dtype=np.int32)
    inside = ((num_lower < 0) | (below <= num_lower)) & ((num_upper < 0) | (-below <= num_upper))
    return xp.where(inside, input, _zero(input))


@declare(
    "MatrixBandPart(input: T, num_lower: Tindex, num_upper: Tindex) -> band: T",
    T=ALL,
    Tindex=dtype(INDEX, default=int64),
)
class MatrixBandPart:
    """`input` with zeros outside a band around the diagonals of its matrices."""

    def shape(input, num_lower, num_upper):
        return input

    def kernel(xp, input, num_lower, num_upper):
        return _band(xp, input, num_lower, num_upper)

    def grad(op, dy):
        return raw.MatrixBandPart(dy, op.inputs[1], op.inputs[2]), None, None


BatchMatrixBandPart = renamed("BatchMatrixBandPart", MatrixBandPart)


@public("diag", "linalg.tensor_diag")
def diag(diagonal: Any, name: str | None = None) -> Tensor:
    """A tensor with a diagonal.

    Args:
      diagonal: `[d_1, ..., d_k]`.
      name: op name; default "Diag".

    Returns:
      `[d_1, ..., d_k, d_1, ..., d_k]`: `diagonal` where the two halves of the coordinates are equal, else 0.
    """
    return apply(Diag, diagonal, name=name)


@public("diag_part", "linalg.tensor_diag_part")
def diag_part(input: Any, name: str | None = None) -> Tensor:
    """The diagonal of a tensor `[d_1, ..., d_k, d_1, ..., d_k]`, of shape `[d_1, ..., d_k]`.

    Raises:
      ValueError: the shape is known not to be one shape twice.
    """
    return apply(DiagPart, input, name=name)


@public("matrix_band_part", "linalg.band_part")
def matrix_band_part(input: Any, num_lower: Any, num_upper: Any, name: str | None = None) -> Tensor:
    """Matrices with zeros outside a band around the diagonal.

    Args:
      input: `[..., m, n]`.
      num_lower: int scalar, how many diagonals below to keep; negative for all.
      num_upper: int scalar, how many above; negative for all.
      name: op name; default "MatrixBandPart".
    """
    return apply(MatrixBandPart, input, num_lower, num_upper, name=name)
