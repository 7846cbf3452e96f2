"""Adding a border: of one value, or of mirrored elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.building.convert import to_tensor
from millrace.building.static import static_value
from millrace.core.dtypes import ALL, INDEX, int32
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.core.shapes import format_dims
from millrace.graph.attrs import dtype, one_of
from millrace.graph.opdef import declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.idioms import rank_tensor, shape_tensor

_SIZES = dtype(INDEX, default=int32)
_MODE = one_of("REFLECT", "SYMMETRIC")


def _padded_dims(input: Any, paddings: Any, sign: int = 1) -> Any:
    dims = paddings.dims
    if dims is not None and (len(dims) != 2 or dims[1] not in (2, None)):
        raise ValueError(f"paddings must be a matrix with 2 columns. Received: shape {format_dims(dims)}")
    if dims is not None and input is not None and dims[0] not in (len(input), None):
        raise ValueError(f"paddings must have {len(input)} rows, one per dimension. Received: {dims[0]}")
    value = paddings.value
    if value is None:
        if input is not None:
            return (None,) * len(input)
        return None if dims is None or dims[0] is None else (None,) * dims[0]
    if (value < 0).any():
        raise ValueError(f"Paddings must be non-negative. Received: {value.tolist()}")
    if input is None:
        return (None,) * len(value)
    return tuple(
        None if d is None else d + sign * int(before + after)
        for d, (before, after) in zip(input, value, strict=True)
    )


def _rows(x: Any, paddings: Any) -> list[tuple[int, int]]:
    rank = len(np.shape(x))
    if paddings.shape != (rank, 2):
        raise refusal(f"paddings must have shape [{rank}, 2]. Received: {list(paddings.shape)}")
    if (paddings < 0).any():
        raise refusal(f"Paddings must be non-negative. Received: {paddings.tolist()}")
    return [(before, after) for before, after in paddings.tolist()]


def _pad_grad(op: Any, dy: Tensor) -> Tensor:
    """The part of the gradient inside the border."""
    x, paddings = op.inputs[:2]
    size = to_tensor([rank_tensor(x), 1], name="stack")
    if paddings.dtype.base_dtype is not int32:
        paddings = raw.Cast(paddings, DstT=int32)
    before = raw.Slice(paddings, [0, 0], size)
    begin = raw.Reshape(before, [-1])
    return raw.Slice(dy, begin, shape_tensor(x))


@declare("Pad(input: T, paddings: Tpaddings) -> output: T", T=ALL, Tpaddings=_SIZES, static=("paddings",))
class Pad:
    """`input` with `paddings[i]` = (before, after) zeros added in dimension i."""

    def shape(input, paddings):
        return _padded_dims(input, paddings)

    def kernel(xp, input, paddings):
        zero = np.array(b"" if input.dtype.kind == "O" else 0, input.dtype)
        return xp.padded(input, _rows(input, paddings), zero)

    def grad(op, dy):
        return _pad_grad(op, dy), None


@declare("PadV2(input: T, paddings: Tpaddings, constant_values: T) -> output: T", T=ALL, Tpaddings=_SIZES,
         static=("paddings",))  # fmt: skip
class PadV2:
    """`input` with `paddings[i]` = (before, after) copies of `constant_values` added in dimension i."""

    def shape(input, paddings, constant_values):
        if constant_values not in (None, ()):
            raise ValueError(
                f"constant_values must be a scalar. Received: shape {format_dims(constant_values)}"
            )
        return _padded_dims(input, paddings)

    def kernel(xp, input, paddings, constant_values):
        return xp.padded(input, _rows(input, paddings), constant_values)

    def grad(op, dy):
        return _pad_grad(op, dy), None, None  # as TensorFlow: the border value counts as a constant


def _mirrored_rows(dims: tuple[int, ...], rows: list[tuple[int, int]], mode: str) -> None:
    """There must be enough elements to mirror: all but the border one, or all."""
    for d, (before, after) in zip(dims, rows, strict=True):
        most = d - (mode == "REFLECT")
        if before > most or after > most:
            rule = f"paddings must be at most {most} in a dimension of length {d} with mode {mode}"
            raise refusal(f"{rule}. Received: {(before, after)}")


@declare(
    "MirrorPad(input: T, paddings: Tpaddings) -> output: T",
    T=ALL,
    Tpaddings=_SIZES,
    mode=_MODE,
    static=("paddings",),
)
class MirrorPad:
    """`input` with a border that mirrors it, without (REFLECT) or with (SYMMETRIC) the outermost elements."""

    def shape(input, paddings, mode):
        return _padded_dims(input, paddings)

    def kernel(xp, input, paddings, mode):
        rows = _rows(input, paddings)
        _mirrored_rows(np.shape(input), rows, mode)
        key = []
        for d, (before, after) in zip(np.shape(input), rows, strict=True):
            places = np.arange(-before, d + after)
            if mode == "REFLECT":
                places = np.abs(places)
                key.append(np.where(places >= d, 2 * (d - 1) - places, places))
            else:
                places = np.where(places < 0, -1 - places, places)
                key.append(np.where(places >= d, 2 * d - 1 - places, places))
        return input[np.ix_(*key)] if key else xp.repeated(input, ())

    def grad(op, dy):
        return raw.MirrorPadGrad(dy, op.inputs[1], mode=op.attrs["mode"]), None


@declare("MirrorPadGrad(input: T, paddings: Tpaddings) -> output: T", T=ALL, Tpaddings=_SIZES, mode=_MODE,
         static=("paddings",))  # fmt: skip
class MirrorPadGrad:
    """The border of `input` folded back onto what it mirrors."""

    def shape(input, paddings, mode):
        return _padded_dims(input, paddings, sign=-1)

    def kernel(xp, input, paddings, mode):
        skip = int(mode == "REFLECT")
        x = input
        for axis, (before, after) in enumerate(_rows(input, paddings)):
            length = np.shape(x)[axis] - before - after
            whole = (slice(None),) * axis
            middle = x[(*whole, slice(before, before + length))]
            left = xp.flip(x[(*whole, slice(0, before))], axis)
            right = xp.flip(x[(*whole, slice(before + length, None))], axis)
            border = [(0, 0)] * len(np.shape(x))
            zero = np.zeros((), x.dtype)
            border[axis] = (skip, length - skip - before)
            middle = middle + xp.padded(left, border, zero) if before else middle
            border[axis] = (length - skip - after, skip)
            x = middle + xp.padded(right, border, zero) if after else middle
        return x + np.zeros((), x.dtype)

    def grad(op, dy):
        return raw.MirrorPad(dy, op.inputs[1], mode=op.attrs["mode"]), None


@public("pad")
def pad(
    tensor: Any, paddings: Any, mode: str = "CONSTANT", name: str | None = None, constant_values: Any = 0
) -> Tensor:
    """`tensor` with a border.

    Args:
      tensor: `[...]` of rank n.
      paddings: `[n, 2]`, int32 or int64, how many elements to add before and after.
      mode: "CONSTANT" adds `constant_values`; "REFLECT" mirrors without, "SYMMETRIC" with the border.
      name: op name; default "Pad", "PadV2" or "MirrorPad".
      constant_values: scalar, dtype of `tensor`.

    Returns:
      Dimension i is longer by `paddings[i, 0] + paddings[i, 1]`.

    Raises:
      ValueError: the mode is unknown, or the paddings do not fit.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.pad([[1, 2]], [[0, 1], [2, 0]])))
      [[0 0 1 2]
       [0 0 0 0]]
    """
    if not isinstance(mode, str):
        raise ValueError(f"pad: mode must be 'CONSTANT', 'REFLECT' or 'SYMMETRIC'. Received: {mode!r}")
    mode = mode.upper()
    if mode == "CONSTANT":
        if isinstance(constant_values, Tensor) or np.any(constant_values != 0):
            result = apply(PadV2, tensor, paddings, constant_values, name=name)
        else:
            result = apply(Pad, tensor, paddings, name=name)
    elif mode in ("REFLECT", "SYMMETRIC"):
        result = apply(MirrorPad, tensor, paddings, mode=mode, name=name)
    else:
        raise ValueError(f"pad: mode must be CONSTANT, REFLECT or SYMMETRIC. Received: {mode}")
    _add_known_rows(result)
    return result


def _add_known_rows(result: Tensor) -> None:
    """Where `paddings` is a list of rows, the known ones fix their dimension."""
    x, paddings = result.op.inputs[:2]
    if x.dims is None or paddings.op.type != "Pack" or static_value(paddings) is not None:
        return
    rows = [static_value(row) for row in paddings.op.inputs]
    if len(rows) == len(x.dims):
        result.set_shape(
            [None if r is None or d is None else d + int(r.sum()) for r, d in zip(rows, x.dims, strict=True)]
        )
