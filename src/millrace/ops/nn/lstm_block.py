"""A step of a long short-term memory, or all its steps, as one operation, with the gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.core import shapes
from millrace.core.dtypes import float16, float32
from millrace.graph.attrs import flag, number
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.rules.shape_rules import with_rank

_TYPES = frozenset({float16, float32})


def _gates(xp, x, h, cs, w, b, peep, forget_bias, cell_clip):
    """One step: (i, cs, f, o, ci, co, h); the matrix holds the input gate, what is new, forget, output."""
    units = cs.shape[-1]
    icfo = xp.mat_product(xp.concatenate([x, h], 1), w) + b
    i, ci, f, o = (icfo[:, k * units : (k + 1) * units] for k in range(4))
    f = f + forget_bias
    if peep is not None:
        i, f = i + cs * peep[0], f + cs * peep[1]
    i, ci, f = xp.sigmoid(i), xp.tanh(ci), xp.sigmoid(f)
    new = ci * i + cs * f
    if cell_clip > 0:
        new = xp.clip(new, -cell_clip, cell_clip)
    if peep is not None:
        o = o + new * peep[2]
    o, co = xp.sigmoid(o), xp.tanh(new)
    return i, new, f, o, ci, co, co * o


def _gates_grad(cs, peep, values, cs_grad, h_grad):
    """(gradient of the memory before, of the four gates' sums) of one step."""
    i, f, o, ci, co = values
    do = h_grad * co * o * (1 - o)
    dcs = cs_grad + h_grad * o * (1 - co * co)
    if peep is not None:
        dcs = dcs + do * peep[2]
    dci = dcs * i * (1 - ci * ci)
    df = dcs * cs * f * (1 - f)
    di = dcs * ci * i * (1 - i)
    before = dcs * f
    if peep is not None:
        before = before + di * peep[0] + df * peep[1]
    return before, (di, dci, df, do)


def _step_dims(x, cs_prev, h_prev, w):
    """(batch, depth, units) from the shapes of one step."""
    batch, depth = with_rank(x, 2, "x") or (None, None)
    rows, units = shapes.merge(with_rank(cs_prev, 2, "cs_prev"), with_rank(h_prev, 2, "h_prev")) or (
        None,
        None,
    )
    rows_w, width = with_rank(w, 2, "w") or (None, None)
    if None not in (depth, units, rows_w) and rows_w != depth + units:  # type: ignore[operator]
        raise ValueError(f"'w' must have depth + units = {depth + units} rows. Received: {rows_w}")  # type: ignore[operator]
    if None not in (units, width) and width != 4 * units:  # type: ignore[operator]
        raise ValueError(f"'w' must have 4 * units = {4 * units} columns. Received: {width}")  # type: ignore[operator]
    return shapes.merge((batch,), (rows,))[0], depth, units  # type: ignore[index]


@declare(
    "LSTMBlockCell(x: T, cs_prev: T, h_prev: T, w: T, wci: T, wcf: T, wco: T, b: T) -> "
    "i: T, cs: T, f: T, o: T, ci: T, co: T, h: T",
    T=_TYPES,
    forget_bias=number(1.0),
    cell_clip=number(3.0),
    use_peephole=flag(False),
)
class LSTMBlockCell:
    """One step: all gates, the memory and the output."""

    def shape(x, cs_prev, h_prev, w, wci, wcf, wco, b):
        batch, _, units = _step_dims(x, cs_prev, h_prev, w)
        return [(batch, units)] * 7

    def kernel(xp, x, cs_prev, h_prev, w, wci, wcf, wco, b, forget_bias, cell_clip, use_peephole):
        peep = (wci, wcf, wco) if use_peephole else None
        return _gates(xp, x, h_prev, cs_prev, w, b, peep, forget_bias, cell_clip)

    def grad(op, *grads):
        i, cs, f, o, ci, co, _ = op.outputs
        x, cs_prev, h_prev, w, wci, wcf, wco, b = op.inputs
        before, gates, dwci, dwcf, dwco = raw.LSTMBlockCellGrad(
            x,
            cs_prev,
            h_prev,
            w,
            wci,
            wcf,
            wco,
            b,
            i,
            cs,
            f,
            o,
            ci,
            co,
            _or_zeros(grads[1], cs),
            _or_zeros(grads[6], op.outputs[6]),
            use_peephole=op.attrs["use_peephole"],
        )
        both = raw.MatMul(gates, w, transpose_b=True)
        dx, dh = raw.SplitV(both, raw.Pack([raw.Shape(x)[1], raw.Shape(h_prev)[1]]), 1, num_split=2)
        dw = raw.MatMul(raw.ConcatV2([x, h_prev], 1), gates, transpose_a=True)
        return dx, before, dh, dw, dwci, dwcf, dwco, raw.Sum(gates, [0])


def _or_zeros(grad: Any, like: Any) -> Any:
    return raw.ZerosLike(like) if grad is None else grad


def _peep_grads(xp, cs, new, gates):
    """Gradients of the diagonal weights."""
    di, _, df, do = gates
    return (di * cs).sum(0), (df * cs).sum(0), (do * new).sum(0)


@declare(
    "LSTMBlockCellGrad(x: T, cs_prev: T, h_prev: T, w: T, wci: T, wcf: T, wco: T, b: T, i: T, cs: T, f: T, "
    "o: T, ci: T, co: T, cs_grad: T, h_grad: T) -> "
    "cs_prev_grad: T, dicfo: T, wci_grad: T, wcf_grad: T, wco_grad: T",
    T=_TYPES,
    use_peephole=flag(),
)
class LSTMBlockCellGrad:
    """The gradients of one step in its memory, its gates' sums and the diagonal weights."""

    def shape(x, cs_prev, h_prev, w, wci, wcf, wco, b, i, cs, f, o, ci, co, cs_grad, h_grad):
        batch, _, units = _step_dims(x, cs_prev, h_prev, w)
        wide = None if units is None else 4 * units
        return [(batch, units), (batch, wide), (units,), (units,), (units,)]

    def kernel(
        xp, x, cs_prev, h_prev, w, wci, wcf, wco, b, i, cs, f, o, ci, co, cs_grad, h_grad, use_peephole
    ):
        peep = (wci, wcf, wco) if use_peephole else None
        before, gates = _gates_grad(cs_prev, peep, (i, f, o, ci, co), cs_grad, h_grad)
        diagonals = (wci * 0, wcf * 0, wco * 0)
        if use_peephole:
            diagonals = _peep_grads(xp, cs_prev, cs, gates)
        return (before, xp.concatenate(gates, 1), *diagonals)

    grad = NOT_DIFFERENTIABLE


def _all_steps(
    xp, seq_len_max, x, cs_prev, h_prev, w, wci, wcf, wco, b, forget_bias, cell_clip, use_peephole
):
    """The seven results of each step up to `seq_len_max`, zeros beyond."""
    times, batch, _ = x.shape
    units = cs_prev.shape[-1]
    peep = (wci, wcf, wco) if use_peephole else None
    limit = xp.minimum(xp.asarray(seq_len_max, dtype=np.int32), times)
    out = xp.filled((7, times, batch, units), xp.asarray(0, dtype=x.dtype))
    if times == 0:
        return tuple(out[k] for k in range(7))

    def step(carry):
        t, cs, h, out = carry
        found = _gates(xp, x[t], h, cs, w, b, peep, forget_bias, cell_clip)
        return t + 1, found[1], found[6], xp.updated(out, (slice(None), t), xp.stack(found))

    start = (xp.asarray(0, dtype=np.int32), cs_prev, h_prev, out)
    _, _, _, out = xp.repeat_while(lambda carry: carry[0] < limit, step, start)
    return tuple(out[k] for k in range(7))


@declare(
    "BlockLSTM(seq_len_max: int64, x: T, cs_prev: T, h_prev: T, w: T, wci: T, wcf: T, wco: T, b: T) -> "
    "i: T, cs: T, f: T, o: T, ci: T, co: T, h: T",
    T=_TYPES,
    forget_bias=number(1.0),
    cell_clip=number(3.0),
    use_peephole=flag(False),
)
class BlockLSTM:
    """All steps up to `seq_len_max`, each with its gates, memory and output; zeros beyond."""

    def shape(seq_len_max, x, cs_prev, h_prev, w, wci, wcf, wco, b):
        time, batch, depth = with_rank(x, 3, "x") or (None, None, None)
        batch, _, units = _step_dims((batch, depth), cs_prev, h_prev, w)
        return [(time, batch, units)] * 7

    def kernel(
        xp, seq_len_max, x, cs_prev, h_prev, w, wci, wcf, wco, b, forget_bias, cell_clip, use_peephole
    ):
        given = (seq_len_max, x, cs_prev, h_prev, w, wci, wcf, wco, b)
        return _all_steps(xp, *given, forget_bias, cell_clip, use_peephole)

    def grad(op, *grads):
        cs, h = op.outputs[1], op.outputs[6]
        seq_len_max, x, cs_prev, h_prev, w, wci, wcf, wco, b = op.inputs
        i, _, f, o, ci, co, _ = op.outputs
        found = raw.BlockLSTMGrad(
            seq_len_max,
            x,
            cs_prev,
            h_prev,
            w,
            wci,
            wcf,
            wco,
            b,
            i,
            cs,
            f,
            o,
            ci,
            co,
            h,
            _or_zeros(grads[1], cs),
            _or_zeros(grads[6], h),
            use_peephole=op.attrs["use_peephole"],
        )
        return (None, *found)


def _all_steps_grad(
    xp,
    seq_len_max,
    x,
    cs_prev,
    h_prev,
    w,
    wci,
    wcf,
    wco,
    b,
    i,
    cs,
    f,
    o,
    ci,
    co,
    h,
    cs_grad,
    h_grad,
    use_peephole,
):
    """The gradients of all steps in all inputs but the length."""
    depth = x.shape[-1]
    peep = (wci, wcf, wco) if use_peephole else None
    limit = xp.minimum(xp.asarray(seq_len_max, dtype=np.int32), x.shape[0])
    zero = lambda value: xp.zeros_like(value)  # noqa: E731
    if x.shape[0] == 0:
        return tuple(zero(v) for v in (x, cs_prev, h_prev, w, wci, wcf, wco, b))

    def step(carry):
        t, dcs, dh, dx, dw, di_, df_, do_, db = carry
        first = t == 0
        before_cs = xp.where(first, cs_prev, cs[xp.maximum(t - 1, 0)])
        before_h = xp.where(first, h_prev, h[xp.maximum(t - 1, 0)])
        values = (i[t], f[t], o[t], ci[t], co[t])
        dcs, gates = _gates_grad(before_cs, peep, values, dcs + cs_grad[t], dh + h_grad[t])
        joined = xp.concatenate(gates, 1)
        both = xp.mat_product(joined, w.T)
        dw = dw + xp.mat_product(xp.concatenate([x[t], before_h], 1).T, joined)
        if use_peephole:
            a, c, d = _peep_grads(xp, before_cs, cs[t], gates)
            di_, df_, do_ = di_ + a, df_ + c, do_ + d
        dx = xp.updated(dx, t, both[:, :depth])
        return t - 1, dcs, both[:, depth:], dx, dw, di_, df_, do_, db + joined.sum(0)

    start = (
        limit - 1,
        *(zero(v) for v in (cs_prev, h_prev, x, w, wci, wcf, wco, b)),
    )
    _, dcs, dh, dx, dw, di_, df_, do_, db = xp.repeat_while(lambda carry: carry[0] >= 0, step, start)
    return dx, dcs, dh, dw, di_, df_, do_, db


@declare(
    "BlockLSTMGrad(seq_len_max: int64, x: T, cs_prev: T, h_prev: T, w: T, wci: T, wcf: T, wco: T, b: T, "
    "i: T, cs: T, f: T, o: T, ci: T, co: T, h: T, cs_grad: T, h_grad: T) -> x_grad: T, cs_prev_grad: T, "
    "h_prev_grad: T, w_grad: T, wci_grad: T, wcf_grad: T, wco_grad: T, b_grad: T",
    T=_TYPES,
    use_peephole=flag(),
)
class BlockLSTMGrad:
    """The gradients of all steps in all inputs."""

    def shape(seq_len_max, x, cs_prev, h_prev, w, wci, wcf, wco, b, i, cs, f, o, ci, co, h, cs_grad, h_grad):
        return [x, cs_prev, h_prev, w, wci, wcf, wco, b]

    def kernel(
        xp,
        seq_len_max,
        x,
        cs_prev,
        h_prev,
        w,
        wci,
        wcf,
        wco,
        b,
        i,
        cs,
        f,
        o,
        ci,
        co,
        h,
        cs_grad,
        h_grad,
        use_peephole,
    ):
        given = (seq_len_max, x, cs_prev, h_prev, w, wci, wcf, wco, b)
        return _all_steps_grad(xp, *given, i, cs, f, o, ci, co, h, cs_grad, h_grad, use_peephole)

    grad = NOT_DIFFERENTIABLE


# The later form: no bias of the forget gate, and the forget gate's columns before those of what is new.


def _reordered(xp: Any, x: Any) -> Any:
    """The columns of the second and third gate in each other's place."""
    units = x.shape[-1] // 4
    parts = [x[..., k * units : (k + 1) * units] for k in (0, 2, 1, 3)]
    return xp.concatenate(parts, -1)


@declare(
    "BlockLSTMV2(seq_len_max: int64, x: T, cs_prev: T, h_prev: T, w: T, wci: T, wcf: T, wco: T, b: T) -> "
    "i: T, cs: T, f: T, o: T, ci: T, co: T, h: T",
    T=_TYPES,
    cell_clip=number(0.0),
    use_peephole=flag(False),
)
class BlockLSTMV2:
    """BlockLSTM of later releases: the matrix holds the input gate, forget, what is new, output."""

    shape = BlockLSTM.shape

    def kernel(xp, seq_len_max, x, cs_prev, h_prev, w, wci, wcf, wco, b, cell_clip, use_peephole):
        w, b = _reordered(xp, w), _reordered(xp, b)
        given = (seq_len_max, x, cs_prev, h_prev, w, wci, wcf, wco, b)
        return _all_steps(xp, *given, 0.0, cell_clip, use_peephole)

    def grad(op, *grads):
        cs, h = op.outputs[1], op.outputs[6]
        given = [*op.inputs, *op.outputs, _or_zeros(grads[1], cs), _or_zeros(grads[6], h)]
        return (None, *apply(BlockLSTMGradV2, *given, use_peephole=op.attrs["use_peephole"]))


@declare(
    "BlockLSTMGradV2(seq_len_max: int64, x: T, cs_prev: T, h_prev: T, w: T, wci: T, wcf: T, wco: T, b: T, "
    "i: T, cs: T, f: T, o: T, ci: T, co: T, h: T, cs_grad: T, h_grad: T) -> x_grad: T, cs_prev_grad: T, "
    "h_prev_grad: T, w_grad: T, wci_grad: T, wcf_grad: T, wco_grad: T, b_grad: T",
    T=_TYPES,
    use_peephole=flag(),
)
class BlockLSTMGradV2:
    """The gradients of all steps of BlockLSTMV2 in all inputs."""

    shape = BlockLSTMGrad.shape

    def kernel(
        xp,
        seq_len_max,
        x,
        cs_prev,
        h_prev,
        w,
        wci,
        wcf,
        wco,
        b,
        i,
        cs,
        f,
        o,
        ci,
        co,
        h,
        cs_grad,
        h_grad,
        use_peephole,
    ):
        given = (seq_len_max, x, cs_prev, h_prev, _reordered(xp, w), wci, wcf, wco, _reordered(xp, b))
        found = _all_steps_grad(xp, *given, i, cs, f, o, ci, co, h, cs_grad, h_grad, use_peephole)
        dx, dcs, dh, dw, *diagonals, db = found
        return dx, dcs, dh, _reordered(xp, dw), *diagonals, _reordered(xp, db)

    grad = NOT_DIFFERENTIABLE
