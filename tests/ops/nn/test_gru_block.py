"""The step of a gated recurrent unit as one operation."""

import numpy as np
from scipy import special

from ops.opcases import OpCase, OpSuite, floats

_STEP = [floats(2, 3), floats(2, 4, seed=1), floats(7, 8, seed=2), floats(7, 4, seed=3), floats(8), floats(4)]


def _step(x, h, w_ru, w_c, b_ru, b_c):
    r, u = np.split(special.expit(np.concatenate([x, h], 1) @ w_ru + b_ru), 2, 1)
    c = np.tanh(np.concatenate([x, h * r], 1) @ w_c + b_c)
    return [r, u, c, u * h + (1 - u) * c]


def _slopes(x, h, w_ru, w_c, b_ru, b_c, r, u, c, dh):
    dc = dh * (1 - u) * (1 - c**2)
    du = dh * (h - c) * u * (1 - u)
    both = dc @ w_c.T
    dr = both[:, 3:] * h * r * (1 - r)
    gates = np.concatenate([dr, du], 1)
    more = gates @ w_ru.T
    return [both[:, :3] + more[:, :3], dh * u + both[:, 3:] * r + more[:, 3:], dc, gates]


class TestGRUBlock(OpSuite):
    """The step, and its gradient."""

    cases = (
        OpCase("GRUBlockCell", _STEP, _step, wrt=(), tolerance=1e-5),
        OpCase(
            "GRUBlockCellGrad",
            [*_STEP, *_step(*_STEP)[:3], floats(2, 4, seed=9)],
            _slopes,
            wrt=(),
            tolerance=1e-5,
        ),
    )
