"""Several diagonals at once: the second versions of the matrix diagonal operations, and their public
functions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.building.convert import to_tensor
from millrace.core.dtypes import ALL
from millrace.core.errors import InvalidArgumentError, refusal
from millrace.core.public import public
from millrace.graph.attrs import one_of
from millrace.graph.opdef import declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.shape_rules import at_least

_LEFT = "LEFT_LEFT"
_ALIGN = one_of("LEFT_RIGHT", "RIGHT_LEFT", _LEFT, "RIGHT_RIGHT", default="RIGHT_LEFT")


def _bounds(k: Any) -> tuple[int, int]:
    """The lowest and highest diagonal that `k` names.

    Raises:
      ValueError: it is not one number or an ascending pair.
    """
    ends = [int(v) for v in np.asarray(k).reshape(-1)]
    if len(ends) not in (1, 2) or ends[0] > ends[-1]:
        raise ValueError(f"k must be one number or an ascending pair. Received: {ends}")
    return ends[0], ends[-1]


def _longest(rows: int, cols: int, low: int, high: int) -> int:
    return min(rows + min(high, 0), cols - max(low, 0))


def _check_inside(rows: int, cols: int, low: int, high: int) -> None:
    for d in (low, high):
        if not (-rows < d < cols or d == 0):
            raise ValueError(f"k must name diagonals of a {rows} x {cols} matrix. Received: {[low, high]}")


def _size(low: int, high: int, longest: int, rows: int, cols: int) -> tuple[int, int]:
    """The matrix's shape: the smallest that holds the diagonals where it is not given (-1).

    Raises:
      ValueError: the given shape does not hold them.
    """
    least_rows, least_cols = longest - min(high, 0), longest + max(low, 0)
    if (rows != -1 and rows < least_rows) or (cols != -1 and cols < least_cols):
        raise ValueError(
            f"The matrix must be at least {least_rows} x {least_cols}. Received: {rows} x {cols}"
        )
    if rows == -1 and cols == -1:
        rows = cols = max(least_rows, least_cols)
    rows = least_rows if rows == -1 else rows
    cols = least_cols if cols == -1 else cols
    if rows != least_rows and cols != least_cols:
        raise ValueError(
            f"The number of rows or columns is not consistent with the diagonals. Received: {rows} x {cols}"
        )
    return rows, cols


def _shifts(d: np.ndarray, rows: int, cols: int, low: int, high: int, align: str) -> np.ndarray:
    """How far each diagonal's first element is from the start of its row: 0 where it is aligned left."""
    above, below = align.split("_")
    right = np.where(d > 0, above == "RIGHT", below == "RIGHT") & (d != 0)
    own = np.minimum(rows + np.minimum(d, 0), cols - np.maximum(d, 0))
    return np.where(right, _longest(rows, cols, low, high) - own, 0)


def _where_in_band(
    rows: int, cols: int, low: int, high: int, align: str = _LEFT
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each element of a matrix: whether it is in the band, its diagonal's row there, its place in the
    diagonal.
    """
    i, j = np.arange(rows)[:, None], np.arange(cols)
    d = j - i
    inside = (d >= low) & (d <= high)
    place = j - np.maximum(d, 0) + _shifts(d, rows, cols, low, high, align)
    return inside, np.where(inside, high - d, 0), np.where(inside, place, 0)


def _as_run_errors(error: ValueError) -> InvalidArgumentError:
    return refusal(str(error))


def _matrix(
    xp: Any, diagonal: Any, k: Any, num_rows: Any, num_cols: Any, padding_value: Any, align: str
) -> Any:
    try:
        low, high = _bounds(k)
        rows, cols = _size(low, high, np.shape(diagonal)[-1], int(num_rows), int(num_cols))
    except ValueError as error:
        raise _as_run_errors(error) from None
    if low == high:
        diagonal = xp.expand_dims(diagonal, -2)
    inside, band, place = _where_in_band(rows, cols, low, high, align)
    return xp.where(inside, diagonal[..., band, place], padding_value)


def _band_of(input: Any, k: Any) -> tuple[int, int, int, int]:
    """Rows, columns, and the lowest and highest diagonal of the matrices of `input`."""
    rows, cols = np.shape(input)[-2:]
    try:
        low, high = _bounds(k)
        _check_inside(rows, cols, low, high)
    except ValueError as error:
        raise _as_run_errors(error) from None
    return rows, cols, low, high


def _diagonals(xp: Any, input: Any, k: Any, padding_value: Any, align: str) -> Any:
    rows, cols, low, high = _band_of(input, k)
    d = np.arange(high, low - 1, -1)[:, None]
    length = _longest(rows, cols, low, high)
    step = np.arange(length) - _shifts(d, rows, cols, low, high, align)
    i, j = step + np.maximum(-d, 0), step + np.maximum(d, 0)
    inside = (step >= 0) & (i < rows) & (j < cols)
    taken = input[..., np.where(inside, i, 0), np.where(inside, j, 0)]
    result = xp.where(inside, taken, padding_value)
    return xp.reshape(result, (*np.shape(input)[:-2], length)) if low == high else result


def _replaced(xp: Any, input: Any, diagonal: Any, k: Any, align: str) -> Any:
    rows, cols, low, high = _band_of(input, k)
    if low == high:
        diagonal = xp.expand_dims(diagonal, -2)
    inside, band, place = _where_in_band(rows, cols, low, high, align)
    return xp.where(inside, diagonal[..., band, place], input)


@declare(
    "MatrixDiagV2(diagonal: T, k: int32, num_rows: int32, num_cols: int32, padding_value: T) -> output: T",
    T=ALL,
    static=("k", "num_rows", "num_cols"),
)
class MatrixDiagV2:
    """Matrices with the given diagonals `k[0]` to `k[1]`, `padding_value` elsewhere."""

    def shape(diagonal, k, num_rows, num_cols, padding_value):
        at_least(diagonal, 1, "diagonal")
        if diagonal is None or k.value is None:
            return None
        low, high = _bounds(k.value)
        lead = diagonal[:-1] if low == high else diagonal[:-2]
        rows, cols = num_rows.scalar("num_rows"), num_cols.scalar("num_cols")
        if rows is None or cols is None or diagonal[-1] is None:
            return (*lead, None, None)
        return (*lead, *_size(low, high, diagonal[-1], rows, cols))

    def kernel(xp, diagonal, k, num_rows, num_cols, padding_value):
        return _matrix(xp, diagonal, k, num_rows, num_cols, padding_value, _LEFT)

    def grad(op, dy):
        _, k, _, _, padding = op.inputs
        return raw.MatrixDiagPartV2(dy, k, raw.ZerosLike(padding)), None, None, None, None


@declare(
    "MatrixDiagV3(diagonal: T, k: int32, num_rows: int32, num_cols: int32, padding_value: T) -> output: T",
    T=ALL,
    align=_ALIGN,
    static=("k", "num_rows", "num_cols"),
)
class MatrixDiagV3:
    """MatrixDiagV2 whose short diagonals begin or end with the padding, as `align` says."""

    shape = MatrixDiagV2.shape

    def kernel(xp, diagonal, k, num_rows, num_cols, padding_value, align):
        return _matrix(xp, diagonal, k, num_rows, num_cols, padding_value, align)

    def grad(op, dy):
        _, k, _, _, padding = op.inputs
        dx = raw.MatrixDiagPartV3(dy, k, raw.ZerosLike(padding), align=op.attrs["align"])
        return dx, None, None, None, None


@declare("MatrixDiagPartV2(input: T, k: int32, padding_value: T) -> diagonal: T", T=ALL, static=("k",))
class MatrixDiagPartV2:
    """The diagonals `k[0]` to `k[1]` of matrices, filled up to one length with `padding_value`."""

    def shape(input, k, padding_value):
        at_least(input, 2, "input")
        if input is None or k.value is None:
            return None
        low, high = _bounds(k.value)
        rows, cols = input[-2:]
        longest = None
        if rows is not None and cols is not None:
            _check_inside(rows, cols, low, high)
            longest = _longest(rows, cols, low, high)
        return (*input[:-2], *(() if low == high else (high - low + 1,)), longest)

    def kernel(xp, input, k, padding_value):
        return _diagonals(xp, input, k, padding_value, _LEFT)

    def grad(op, dy):
        x, k, _ = op.inputs
        return raw.MatrixSetDiagV2(raw.ZerosLike(x), dy, k), None, None


@declare(
    "MatrixDiagPartV3(input: T, k: int32, padding_value: T) -> diagonal: T",
    T=ALL,
    align=_ALIGN,
    static=("k",),
)
class MatrixDiagPartV3:
    """MatrixDiagPartV2 whose short diagonals begin or end with the padding, as `align` says."""

    shape = MatrixDiagPartV2.shape

    def kernel(xp, input, k, padding_value, align):
        return _diagonals(xp, input, k, padding_value, align)

    def grad(op, dy):
        x, k, _ = op.inputs
        return raw.MatrixSetDiagV3(raw.ZerosLike(x), dy, k, align=op.attrs["align"]), None, None


@declare("MatrixSetDiagV2(input: T, diagonal: T, k: int32) -> output: T", T=ALL, static=("k",))
class MatrixSetDiagV2:
    """`input` with the diagonals `k[0]` to `k[1]` of its matrices replaced."""

    def shape(input, diagonal, k):
        at_least(input, 2, "input")
        if input is not None and None not in input[-2:] and k.value is not None:
            low, high = _bounds(k.value)
            _check_inside(*input[-2:], low, high)  # pyright: ignore[reportCallIssue]
            wanted = (*(() if low == high else (high - low + 1,)), _longest(*input[-2:], low, high))  # pyright: ignore[reportCallIssue]
            if diagonal is not None and any(
                a not in (None, b) for a, b in zip(diagonal[-len(wanted) :], wanted)
            ):
                raise ValueError(f"diagonal must end with {list(wanted)}. Received: {list(diagonal)}")
        return input

    def kernel(xp, input, diagonal, k):
        return _replaced(xp, input, diagonal, k, _LEFT)

    def grad(op, dy):
        _, diagonal, k = op.inputs
        zero = raw.Const(value=np.zeros((), dy.dtype.np_dtype), dtype=dy.dtype, name="zero")
        kept = raw.MatrixSetDiagV2(dy, raw.ZerosLike(diagonal), k)
        return kept, raw.MatrixDiagPartV2(dy, k, zero), None


@declare("MatrixSetDiagV3(input: T, diagonal: T, k: int32) -> output: T", T=ALL, align=_ALIGN, static=("k",))
class MatrixSetDiagV3:
    """MatrixSetDiagV2 whose short diagonals begin or end with what is ignored, as `align` says."""

    shape = MatrixSetDiagV2.shape

    def kernel(xp, input, diagonal, k, align):
        return _replaced(xp, input, diagonal, k, align)

    def grad(op, dy):
        _, diagonal, k = op.inputs
        align = op.attrs["align"]
        zero = raw.Const(value=np.zeros((), dy.dtype.np_dtype), dtype=dy.dtype, name="zero")
        kept = raw.MatrixSetDiagV3(dy, raw.ZerosLike(diagonal), k, align=align)
        return kept, raw.MatrixDiagPartV3(dy, k, zero, align=align), None


def _is(value: Any, default: int) -> bool:
    return isinstance(value, int) and value == default


@public("matrix_diag", "linalg.diag")
def matrix_diag(
    diagonal: Any,
    name: str | None = "diag",
    k: Any = 0,
    num_rows: Any = -1,
    num_cols: Any = -1,
    padding_value: Any = 0,
) -> Tensor:
    """Matrices with given diagonals.

    Args:
      diagonal: `[..., n]`; with several diagonals `[..., d, n]`, highest first, starting at the left.
      name: op name; default "diag".
      k: which diagonal, 0 is the main one, positive above; or the lowest and highest of several.
      num_rows, num_cols: the matrices' shape; default the smallest that holds the diagonals.
      padding_value: scalar, what stands elsewhere.

    Returns:
      `[..., num_rows, num_cols]`.
    """
    if _is(k, 0) and _is(num_rows, -1) and _is(num_cols, -1) and _is(padding_value, 0):
        return raw.MatrixDiag(diagonal, name=name)
    diagonal = to_tensor(diagonal, name="diagonal")
    padding_value = _padding(padding_value, diagonal)
    return apply(MatrixDiagV2, diagonal, k, num_rows, num_cols, padding_value, name=name)


def _padding(value: Any, like: Tensor) -> Tensor:
    """A number as a tensor of the dtype it pads."""
    if isinstance(value, int | float) and not like.dtype.is_bool:
        try:
            value = np.array(value, like.dtype.np_dtype)
        except OverflowError:
            raise ValueError(f"padding_value must fit {like.dtype.name}. Received: {value}") from None
    return to_tensor(
        bool(value) if like.dtype.is_bool and isinstance(value, int) else value, like.dtype.base_dtype
    )


@public("matrix_diag_part", "linalg.diag_part")
def matrix_diag_part(
    input: Any, name: str | None = "diag_part", k: Any = 0, padding_value: Any = 0
) -> Tensor:
    """Diagonals of matrices.

    Args:
      input: `[..., m, n]`.
      name: op name; default "diag_part".
      k: as for `matrix_diag`.
      padding_value: scalar that fills shorter diagonals up, where there are several.

    Returns:
      `[..., min(m, n)]` for one diagonal, `[..., d, longest]` for several.
    """
    if _is(k, 0) and _is(padding_value, 0):
        return raw.MatrixDiagPart(input, name=name)
    input = to_tensor(input, name="input")
    return apply(MatrixDiagPartV2, input, k, _padding(padding_value, input), name=name)


@public("matrix_set_diag", "linalg.set_diag")
def matrix_set_diag(input: Any, diagonal: Any, name: str | None = "set_diag", k: Any = 0) -> Tensor:
    """Matrices with diagonals replaced.

    Args:
      input: `[..., m, n]`.
      diagonal: as `matrix_diag_part` returns it.
      name: op name; default "set_diag".
      k: as for `matrix_diag`.

    Raises:
      ValueError: the shapes are known not to fit.
    """
    if _is(k, 0):
        return raw.MatrixSetDiag(input, diagonal, name=name)
    return apply(MatrixSetDiagV2, input, diagonal, k, name=name)
