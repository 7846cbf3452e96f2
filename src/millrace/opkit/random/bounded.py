"""Normal draws between given bounds, each row of the output with its own mean, deviation and bounds.

After Robert, "Simulation of truncated normal variables" (1995): which proposal is tried depends on where
the bounds lie against the mean. Candidates come from one stream, in order, so they are made in bulk and
sifted.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from millrace.opkit.random.fixed import double, fraction, normal_pairs64, normal_quads32
from millrace.opkit.random.philox import blocks, skip

# From this many candidates refused in a row on, the uniform and exponential proposals take what comes.
_PATIENCE: Final = 1000
# An output of one distribution is cut into runs of this many numbers.
_RUN: Final = 100
# The plain normal proposal is used when a bound lies this far beyond the mean.
_WIDE: Final = 1.3


class Layout(NamedTuple):
    """How an output is divided into runs of one distribution: `runs` of `length` numbers, `total` in all."""

    runs: int
    length: int
    total: int

    @property
    def reserved(self) -> int:
        """Blocks set aside for the whole output."""
        return self.runs * 2 * _PATIENCE * (self.length + 3) // 4


def layout(shape: tuple[int, ...], parameter_lengths: tuple[int, ...]) -> Layout:
    """Divides an output of `shape` into runs.

    Args:
      shape: the output's; its first dimension counts the rows.
      parameter_lengths: how many values each parameter has.

    Returns:
      One run for each row, or, with every parameter given once, runs of a fixed length.
    """
    rows, total = shape[0], int(np.prod(shape, dtype=np.int64))
    if all(length == 1 for length in parameter_lengths):
        return Layout(-(-total // _RUN), _RUN, total)
    return Layout(rows, total // rows if rows else 0, total)


def bounded_normal(
    state: np.ndarray,
    shape: tuple[int, ...],
    mean: np.ndarray,
    deviation: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
) -> np.ndarray:
    """Draws normal numbers that lie between bounds.

    The runs follow each other in one stream, as on a TensorFlow CPU device of one thread (with more threads
    TensorFlow's own numbers depend on how many there are).

    Args:
      state: uint32 `[6]`.
      shape: of the output; at least one dimension, the first one counts rows.
      mean: `[1]` or `[rows]`, float32 or float64.
      deviation: as `mean`; positive.
      low: as `mean`; minus infinity where the row is only bounded above.
      high: as `mean`; above `low`; infinity where the row is only bounded below.

    Returns:
      `shape`, dtype of `mean`.
    """
    parameters = mean, deviation, low, high
    plan = layout(shape, tuple(p.size for p in parameters))
    out = np.empty(plan.total, mean.dtype)
    for run in range(plan.runs):
        own = [p[0] if p.size == 1 else p[run] for p in parameters]
        begin = run * plan.length
        end = min(begin + plan.length, plan.total)
        out[begin:end], used = _run(state, end - begin, *own)
        state = skip(np, state, used)
    return out.reshape(shape)


def _run(
    state: np.ndarray, count: int, mean: Any, deviation: Any, low: Any, high: Any
) -> tuple[np.ndarray, int]:
    # Gives the numbers of one distribution and how many blocks they took.
    number = np.dtype(mean.dtype).type
    if (np.isinf(low) and low < 0) or high < mean:
        # Mirrored, so that a single bound is the lower one and two bounds on one side are both positive.
        low, high, deviation = high, low, -deviation
    low, high = (low - mean) / deviation, (high - mean) / deviation
    root = np.sqrt(low * low + number(4))
    cutoff = number(2) * np.exp(number(0.5) + low * (low - root) / number(4)) / (low + root)
    if (low < -_WIDE and high >= 0) or (high > _WIDE and low <= 0):
        propose, step, forced = _from_normal, 1, False
    elif high - low < cutoff:
        propose, step, forced = _from_uniform, 2, True
    else:
        propose, step, forced = _from_exponential, 1, True
    out = np.empty(count, mean.dtype)
    have = used = refused = 0
    while have < count:
        tries = (count - have) // 2 + 8
        candidates, accepted = propose(blocks(np, skip(np, state, used), tries * step), low, high)
        if forced:
            refused = _run_out(accepted, refused)
        chosen = np.flatnonzero(accepted)[: count - have]
        out[have : have + chosen.size] = candidates[chosen]
        have += chosen.size
        last_try = chosen[-1] // (candidates.size // tries) if have == count else tries - 1
        used += (int(last_try) + 1) * step
    return out * deviation + mean, used


def _run_out(accepted: np.ndarray, refused: int) -> int:
    # Accepts, in place, every candidate that would be the last of _PATIENCE refusals in a row, `refused` of
    # them made earlier; returns the refusals since the last acceptance.
    last = -1 - refused
    for hit in [*np.flatnonzero(accepted).tolist(), accepted.size]:
        while hit - last > _PATIENCE:
            last += _PATIENCE
            accepted[last] = True
        if hit < accepted.size:
            last = hit
    return accepted.size - 1 - last


def _from_normal(block: np.ndarray, low: Any, high: Any) -> tuple[np.ndarray, np.ndarray]:
    make = normal_pairs64 if low.dtype == np.float64 else normal_quads32
    z = make(np, block).reshape(-1)
    return z, (z >= low) & (z <= high)


def _from_uniform(block: np.ndarray, low: Any, high: Any) -> tuple[np.ndarray, np.ndarray]:
    number = low.dtype.type
    draws = _uniforms(block, low.dtype).reshape(len(block) // 2, 2, -1)
    z = (draws[:, 0] * (high - low) + low).reshape(-1)
    peak = number(0) if low < 0 else low * low
    return z, draws[:, 1].reshape(-1) <= np.exp((peak - z * z) / number(2))


def _from_exponential(block: np.ndarray, low: Any, high: Any) -> tuple[np.ndarray, np.ndarray]:
    number = low.dtype.type
    draws = _uniforms(block, low.dtype).reshape(-1, 2)
    rate = (low + np.sqrt(low * low + number(4))) / number(2)
    with np.errstate(divide="ignore"):
        z = -np.log(draws[:, 0]) / rate + low
    x = rate - z if low < rate else low - rate
    return z, (draws[:, 1] <= np.exp(-x * x / number(2))) & (z < high)


def _uniforms(block: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if dtype == np.float64:
        return double(block.reshape(-1, 2))
    return fraction(block.reshape(-1), dtype)
