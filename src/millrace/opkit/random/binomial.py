"""Binomial numbers, of which each output has a stream of its own."""

from __future__ import annotations

import numpy as np

from millrace.opkit.random.rejection import Lanes

_STRIDE = 42  # blocks from one output's stream to the next where gaps are counted
_REJECTS_FROM = 10  # expected successes from which candidates are rejected instead of gaps counted


def binomial(state: np.ndarray, samples: int, counts: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """Draws binomial numbers: from the gaps between successes, and by Hormann's BTRS (1993) where many are
    expected.

    Args:
      state: uint32 `[6]`.
      samples: how many numbers for each pair of parameters.
      counts, probs: `[n]` float64, trials and their probability of success.

    Returns:
      `[n, samples]`, float64.
    """
    trials, chance = np.repeat(counts, samples), np.repeat(probs, samples)
    swapped = chance > 0.5
    rare = np.where(swapped, 1 - chance, chance)
    out = np.full(trials.size, np.nan)
    known = (trials >= 0) & (rare >= 0) & np.isfinite(trials)
    many = trials * rare >= _REJECTS_FROM
    few = np.flatnonzero(known & ~many)
    out[few] = _by_gaps(state, few, trials[few], rare[few])
    rest = np.flatnonzero(known & many)
    out[rest] = _by_rejection(state, rest, trials[rest], rare[rest])
    out = np.where(swapped, trials - out, out)
    return out.reshape(counts.size, samples)


def _by_gaps(state: np.ndarray, lanes: np.ndarray, trials: np.ndarray, chance: np.ndarray) -> np.ndarray:
    streams, todo = Lanes(state, lanes, _STRIDE), np.flatnonzero(chance > 0)
    out, passed = np.zeros(lanes.size), np.zeros(lanes.size)
    with np.errstate(divide="ignore"):
        while todo.size:
            drawn = streams.draw("uniform", todo)
            passed[todo] += np.ceil(np.log(drawn) / np.log1p(-chance[todo]))
            todo = todo[passed[todo] <= trials[todo]]
            out[todo] += 1
    return out


def _tail(k: np.ndarray) -> np.ndarray:
    """What Stirling's formula lacks for log k!."""
    table = np.array([0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.02079067210376509,
                      0.0166446911898211, 0.0138761288230707, 0.0118967099458917, 0.0104112652619720,
                      0.00925546218271273, 0.00833056343336287])  # fmt: skip
    square = (k + 1) ** 2
    rest = (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1)
    return np.where(k <= 9, table[np.clip(k, 0, 9).astype(int)], rest)


def _by_rejection(state: np.ndarray, lanes: np.ndarray, trials: np.ndarray, chance: np.ndarray) -> np.ndarray:
    streams, todo = Lanes(state, lanes), np.arange(lanes.size)
    out = np.empty(lanes.size)
    spread = np.sqrt(trials * chance * (1 - chance))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * chance
    centre = trials * chance + 0.5
    sure = 0.92 - 4.2 / b
    odds = chance / (1 - chance)
    alpha = (2.83 + 5.1 / b) * spread
    mode = np.floor((trials + 1) * chance)
    while todo.size:
        u = streams.draw("uniform", todo) - 0.5
        v = streams.draw("uniform", todo)
        n, r, m, at, bt = (x[todo] for x in (trials, odds, mode, a, b))
        edge = 0.5 - np.abs(u)
        k = np.floor((2 * at / edge + bt) * u + centre[todo])
        with np.errstate(invalid="ignore", divide="ignore"):
            height = np.log(v * alpha[todo] / (at / (edge * edge) + bt))
            bound = (
                (m + 0.5) * np.log((m + 1) / (r * (n - m + 1)))
                + (n + 1) * np.log((n - m + 1) / (n - k + 1))
                + (k + 0.5) * np.log(r * (n - k + 1) / (k + 1))
                + (_tail(m) + _tail(n - m) - _tail(k) - _tail(n - k))
            )
        taken = ((edge >= 0.07) & (v <= sure[todo])) | ((k >= 0) & (k <= n) & (height <= bound))
        out[todo[taken]] = k[taken]
        todo = todo[~taken]
    return out
