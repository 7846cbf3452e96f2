"""Steps and runs of memories as single operations, against NumPy and against differences."""

import numpy as np
import pytest
from scipy import special

import millrace as tf
from millrace.building import raw
from ops.opcases import OpCase, OpSuite, floats

_X, _C, _H = floats(2, 3), floats(2, 4, seed=1), floats(2, 4, seed=2)
_W, _B = floats(7, 16, seed=3), floats(16, seed=4)
_PEEP = [floats(4, seed=s) for s in (5, 6, 7)]
_RUN = floats(5, 2, 3, seed=8)


def _step(clip, peephole, forget_bias=1.0):
    def compute(x, c, h, w, wci, wcf, wco, b):
        i, new, f, o = np.split(np.concatenate([x, h], 1) @ w + b, 4, 1)
        see = (wci, wcf, wco) if peephole else (0, 0, 0)
        i, f = special.expit(i + see[0] * c), special.expit(f + forget_bias + see[1] * c)
        new = np.tanh(new)
        cs = new * i + c * f
        cs = np.clip(cs, -clip, clip) if clip > 0 else cs
        o = special.expit(o + see[2] * cs)
        co = np.tanh(cs)
        return [i, cs, f, o, new, co, co * o]

    return compute


def _run(clip, peephole):
    def compute(n, x, c, h, w, *rest):
        out = np.zeros((7, *x.shape[:2], 4), x.dtype)
        for t in range(min(int(n), len(x))):
            found = _step(clip, peephole)(x[t], c, h, w, *rest)
            c, h = found[1], found[6]
            out[:, t] = found
        return list(out)

    return compute


_LOOSE = {"wrt": (), "tolerance": 1e-5}
_STEP = [_X, _C, _H, _W, *_PEEP, _B]
_ALL = [_RUN, _C, _H, _W, *_PEEP, _B]


class TestLSTMBlock(OpSuite):
    """With and without peepholes and clipping."""

    cases = (
        OpCase("LSTMBlockCell", _STEP, _step(3, False), **_LOOSE),
        OpCase("LSTMBlockCell", _STEP, _step(0.4, True), cell_clip=0.4, use_peephole=True, **_LOOSE),
        OpCase(
            "LSTMBlockCell",
            _STEP,
            _step(-1, True, 0.0),
            cell_clip=-1,
            forget_bias=0.0,
            use_peephole=True,
            **_LOOSE,
        ),
        OpCase("BlockLSTM", [np.int64(5), *_ALL], _run(3, False), **_LOOSE),
        OpCase("BlockLSTM", [np.int64(3), *_ALL], _run(-1, True), cell_clip=-1, use_peephole=True, **_LOOSE),
    )


class TestLSTMBlockGrad(OpSuite):
    """Shapes and both tiers; the numbers are checked through the gradients below."""

    cases = (
        OpCase(
            "LSTMBlockCellGrad",
            [*_STEP, *_step(3, True)(*_STEP)[:6], _C, _H],
            lambda *a: _slopes(*a),
            wrt=(),
            tolerance=1e-5,
            use_peephole=True,
        ),
        OpCase(
            "BlockLSTMGrad",
            [np.int64(1), *_ALL, *_run(3, False)(1, *_ALL), floats(5, 2, 4), floats(5, 2, 4, seed=1)],
            lambda *a: _run_slopes(*a),
            wrt=(),
            tolerance=1e-5,
            use_peephole=False,
        ),
    )


def _slopes(x, c, h, w, wci, wcf, wco, b, i, cs, f, o, ci, co, dcs, dh):
    do = dh * co * o * (1 - o)
    dcs = dcs + dh * o * (1 - co**2) + do * wco
    dci, df, di = dcs * i * (1 - ci**2), dcs * c * f * (1 - f), dcs * ci * i * (1 - i)
    before = dcs * f + di * wci + df * wcf
    gates = np.concatenate([di, dci, df, do], 1)
    return [before, gates, (di * c).sum(0), (df * c).sum(0), (do * cs).sum(0)]


def _run_slopes(n, x, c, h, w, wci, wcf, wco, b, i, cs, f, o, ci, co, hs, dcs, dh):
    zero = np.zeros(4, x.dtype)
    values = [v[0] for v in (i, cs, f, o, ci, co, dcs, dh)]
    before, gates, *_ = _slopes(x[0], c, h, w, zero, zero, zero, b, *values)
    dx = np.zeros_like(x)
    both = gates @ w.T
    dx[0] = both[:, :3]
    dw = np.concatenate([x[0], h], 1).T @ gates
    return [dx, before, both[:, 3:], dw, zero, zero, zero, gates.sum(0)]


@pytest.mark.parametrize("peephole", [False, True])
def test_gradients_of_a_run_are_those_of_its_steps(peephole):
    inputs = [tf.constant(v) for v in _ALL]
    x, c, h, *rest = inputs
    _, cs, _, _, _, _, hs = raw.BlockLSTM(tf.constant(5, tf.int64), *inputs, use_peephole=peephole)
    for t in range(5):
        _, c, _, _, _, _, h = raw.LSTMBlockCell(x[t], c, h, *rest, use_peephole=peephole)
    whole = tf.gradients(tf.reduce_sum(hs[-1]) + 2 * tf.reduce_sum(cs[-1]), inputs)
    parts = tf.gradients(tf.reduce_sum(h) + 2 * tf.reduce_sum(c), inputs)
    with tf.Session() as sess:
        for a, b in zip(*sess.run([whole, parts])):
            np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-5)


def test_gradients_of_a_step_are_differences():
    inputs = [tf.placeholder(tf.float32, v.shape) for v in _STEP]
    outputs = raw.LSTMBlockCell(*inputs, use_peephole=True, cell_clip=-1)
    total = tf.reduce_sum(outputs[1] * _H + outputs[6] * _C)
    grads = tf.gradients(total, inputs)
    with tf.Session() as sess:
        feed = dict(zip(inputs, _STEP))
        for k, slope in enumerate(sess.run(grads, feed)):
            direction = floats(*_STEP[k].shape, seed=20 + k)
            ends = [sess.run(total, {**feed, inputs[k]: _STEP[k] + s * 1e-2 * direction}) for s in (1, -1)]
            np.testing.assert_allclose(
                (slope * direction).sum(), (ends[0] - ends[1]) / 2e-2, rtol=2e-2, atol=2e-2
            )
