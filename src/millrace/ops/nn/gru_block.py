"""A step of a gated recurrent unit as one operation, with its gradient."""

from __future__ import annotations

from millrace.building import raw
from millrace.core import shapes
from millrace.core.dtypes import float32
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.rules.shape_rules import with_rank


def _dims(x, h_prev, w_ru, w_c):
    """(batch, depth, units)."""
    batch, depth = with_rank(x, 2, "x") or (None, None)
    rows, units = with_rank(h_prev, 2, "h_prev") or (None, None)
    height, wide = with_rank(w_ru, 2, "w_ru") or (None, None)
    narrow = (with_rank(w_c, 2, "w_c") or (None, None))[1]
    if None not in (depth, units, height) and height != depth + units:  # type: ignore[operator]
        raise ValueError(f"'w_ru' must have depth + units = {depth + units} rows. Received: {height}")  # type: ignore[operator]
    if None not in (units, wide) and wide != 2 * units:  # type: ignore[operator]
        raise ValueError(f"'w_ru' must have 2 * units = {2 * units} columns. Received: {wide}")  # type: ignore[operator]
    if None not in (units, narrow) and narrow != units:
        raise ValueError(f"'w_c' must have {units} columns. Received: {narrow}")
    return shapes.merge((batch,), (rows,))[0], depth, units  # type: ignore[index]


@declare(
    "GRUBlockCell(x: T, h_prev: T, w_ru: T, w_c: T, b_ru: T, b_c: T) -> r: T, u: T, c: T, h: T",
    T=frozenset({float32}),
)
class GRUBlockCell:
    """One step: reset gate, update gate, candidate and output."""

    def shape(x, h_prev, w_ru, w_c, b_ru, b_c):
        batch, _, units = _dims(x, h_prev, w_ru, w_c)
        return [(batch, units)] * 4

    def kernel(xp, x, h_prev, w_ru, w_c, b_ru, b_c):
        units = h_prev.shape[-1]
        gates = xp.sigmoid(xp.mat_product(xp.concatenate([x, h_prev], 1), w_ru) + b_ru)
        r, u = gates[:, :units], gates[:, units:]
        c = xp.tanh(xp.mat_product(xp.concatenate([x, h_prev * r], 1), w_c) + b_c)
        return r, u, c, u * h_prev + (1 - u) * c

    def grad(op, *grads):
        x, h_prev, w_ru, w_c, b_ru, b_c = op.inputs
        r, u, c, h = op.outputs
        dh = raw.ZerosLike(h) if grads[3] is None else grads[3]
        dx, dh_prev, dc, dru = raw.GRUBlockCellGrad(x, h_prev, w_ru, w_c, b_ru, b_c, r, u, c, dh)
        dw_ru = raw.MatMul(raw.ConcatV2([x, h_prev], 1), dru, transpose_a=True)
        dw_c = raw.MatMul(raw.ConcatV2([x, h_prev * r], 1), dc, transpose_a=True)
        return dx, dh_prev, dw_ru, dw_c, raw.Sum(dru, [0]), raw.Sum(dc, [0])


@declare(
    "GRUBlockCellGrad(x: T, h_prev: T, w_ru: T, w_c: T, b_ru: T, b_c: T, r: T, u: T, c: T, d_h: T) -> "
    "d_x: T, d_h_prev: T, d_c_bar: T, d_r_bar_u_bar: T",
    T=frozenset({float32}),
)
class GRUBlockCellGrad:
    """The gradients of one step in its input, its state and its gates' sums."""

    def shape(x, h_prev, w_ru, w_c, b_ru, b_c, r, u, c, d_h):
        batch, depth, units = _dims(x, h_prev, w_ru, w_c)
        wide = None if units is None else 2 * units
        return [(batch, depth), (batch, units), (batch, units), (batch, wide)]

    def kernel(xp, x, h_prev, w_ru, w_c, b_ru, b_c, r, u, c, d_h):
        depth = x.shape[-1]
        dc = d_h * (1 - u) * (1 - c * c)
        du = d_h * (h_prev - c) * u * (1 - u)
        both = xp.mat_product(dc, w_c.T)
        dx, dhr = both[:, :depth], both[:, depth:]
        dr = dhr * h_prev * r * (1 - r)
        gates = xp.concatenate([dr, du], 1)
        both = xp.mat_product(gates, w_ru.T)
        return dx + both[:, :depth], d_h * u + dhr * r + both[:, depth:], dc, gates

    grad = NOT_DIFFERENTIABLE
