"""Draws that try until a candidate is accepted: truncated normal, gamma, Poisson.

Each output (or group of outputs) owns a private stretch of the generator's stream and rejects within it, so
what one lane consumes never moves another. All lanes are tried together; the ones that failed are tried
again.
"""

from __future__ import annotations

import math
from typing import Any, Final

import ml_dtypes
import numpy as np

from millrace.opkit.random.fixed import double, normal_pairs64, normal_quads32
from millrace.opkit.random.philox import RESERVED, Array, blocks, on_host

_lgamma: Final = np.frompyfunc(math.lgamma, 1, 1)


def truncated_normal(xp: Any, state: Array, count: int, dtype: np.dtype) -> Array:
    """Draws standard normal numbers, those of magnitude 2 and more left out.

    Args:
      xp: array namespace.
      state: uint32 `[6]`.
      count: how many numbers.
      dtype: float16, bfloat16, float32 or float64. The 16-bit types are rounded float32 draws.

    Returns:
      `[count]` of `dtype`.
    """
    dtype = np.dtype(dtype)
    candidates, size = (normal_pairs64, 2) if dtype == np.float64 else (normal_quads32, 4)
    groups, stride = -(-count // size), size * RESERVED // 4
    fill = _fill_on_host if on_host(xp) else _fill_traced
    out = fill(xp, candidates, state, groups, stride, size)
    return out.reshape(-1)[:count].astype(dtype, copy=False)


def _fill_on_host(xp: Any, candidates: Any, state: Array, groups: int, stride: int, size: int) -> np.ndarray:
    # A first try fills most groups whole; only the others go round again.
    out = candidates(xp, blocks(xp, state, groups, stride=stride))
    accepted = np.abs(out) < 2.0
    lanes = np.flatnonzero(~accepted.all(axis=1))
    tried, accepted, step = out[lanes], accepted[lanes], 0
    filled = np.zeros(lanes.size, np.intp)
    while lanes.size:
        place = filled[:, None] + np.cumsum(accepted, axis=1) - 1
        row, column = np.nonzero(accepted & (place < size))
        out[lanes[row], place[row, column]] = tried[row, column]
        filled += accepted.sum(axis=1)
        again = filled < size
        lanes, filled, step = lanes[again], filled[again], step + 1
        tried = candidates(xp, blocks(xp, state, lanes, stride=stride, step=step))
        accepted = np.abs(tried) < 2.0
    return out


def _fill_traced(xp: Any, candidates: Any, state: Array, groups: int, stride: int, size: int) -> Array:
    # Fixed-size work: every group is tried in every round, and each of its places picks the candidate meant
    # for it.
    def unfinished(carry: tuple[Array, Array, Array]) -> Array:
        return (carry[1] < size).any()

    def attempt(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        out, filled, step = carry
        tried = candidates(xp, blocks(xp, state, groups, stride=stride, step=step))
        accepted = abs(tried) < 2.0
        place = filled[:, None] + xp.cumsum(accepted, axis=1, dtype=np.int32) - 1
        for k in range(size):
            here = accepted & (place == k)
            chosen = xp.where(here, tried, xp.zeros_like(tried)).sum(axis=1)
            out = xp.concatenate(
                [out[:, :k], xp.where(here.any(axis=1), chosen, out[:, k])[:, None], out[:, k + 1 :]], axis=1
            )
        return out, filled + accepted.sum(axis=1, dtype=np.int32), step + np.uint32(1)

    dtype = np.float64 if size == 2 else np.float32
    start = xp.zeros((groups, size), dtype), xp.zeros((groups,), np.int32), xp.zeros((), np.uint32)
    return xp.repeat_while(unfinished, attempt, start)[0]


class Lanes:
    """The double-precision streams of many outputs, each of them drawn from when its own trial needs it.

    A block gives two numbers, of which the second is used first; what a trial leaves over is kept for the
    next.
    """

    def __init__(self, state: np.ndarray, lanes: np.ndarray, stride: int = RESERVED) -> None:
        self._state, self._lanes, self._stride = state, lanes, stride
        self._step = np.zeros(lanes.size, np.uint64)
        self._kept = {kind: np.zeros(lanes.size) for kind in ("normal", "uniform")}
        self._left = {kind: np.zeros(lanes.size, bool) for kind in ("normal", "uniform")}

    def draw(self, kind: str, which: np.ndarray) -> np.ndarray:
        """Draws one number for each of the lanes at positions `which`."""
        kept, left = self._kept[kind], self._left[kind]
        out = kept[which]
        empty = ~left[which]
        needy = which[empty]
        if needy.size:
            block = blocks(np, self._state, self._lanes[needy], stride=self._stride, step=self._step[needy])
            pair = normal_pairs64(np, block) if kind == "normal" else double(block.reshape(-1, 2, 2))
            kept[needy], out[empty] = pair[:, 0], pair[:, 1]
            self._step[needy] += np.uint64(1)
        left[which] = empty
        return out


def gamma(state: np.ndarray, samples: int, alpha: np.ndarray) -> np.ndarray:
    """Draws gamma numbers of scale 1 by Marsaglia and Tsang's method (2000), in double precision.

    Args:
      state: uint32 `[6]`.
      samples: how many numbers for each shape parameter.
      alpha: `[n]`, the shape parameters; each positive.

    Returns:
      `[samples, n]` of the dtype of `alpha`.
    """
    shape = np.repeat(alpha.astype(np.float64), samples)
    out = np.empty(shape.size)
    exponential = np.flatnonzero(shape == 1.0)
    if exponential.size:
        out[exponential] = -np.log1p(-Lanes(state, exponential).draw("uniform", np.arange(exponential.size)))
    # No candidate of a shape that is NaN, or far below zero, would ever be accepted.
    hopeless = ~(shape > -2.0 / 3)
    out[hopeless] = np.nan
    lanes = np.flatnonzero((shape != 1.0) & ~hopeless)
    streams, todo = Lanes(state, lanes), np.arange(lanes.size)
    shape = shape[lanes]
    boosted = shape < 1.0
    d = shape + np.where(boosted, 2.0 / 3, -1.0 / 3)
    c = 1.0 / 3 / np.sqrt(d)
    while todo.size:
        x = streams.draw("normal", todo)
        v = 1.0 + c[todo] * x
        positive = v > 0.0
        tried, x, v = todo[positive], x[positive], v[positive] ** 3
        u, dv = streams.draw("uniform", tried), d[tried]
        squeezed = u < 1.0 - 0.0331 * (x * x) * (x * x)
        with np.errstate(divide="ignore"):
            accepted = squeezed | (np.log(u) < 0.5 * x * x + dv * (1.0 - v + np.log(v)))
        done = tried[accepted]
        value = dv[accepted] * v[accepted]
        small = boosted[done]
        value[small] *= streams.draw("uniform", done[small]) ** (1.0 / shape[done[small]])
        out[lanes[done]] = value
        todo = np.setdiff1d(todo, done, assume_unique=True)
    return out.reshape(alpha.size, samples).T.astype(alpha.dtype)


def poisson(state: np.ndarray, samples: int, rate: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Draws Poisson numbers: Knuth's product of uniforms below a rate of 10, Hormann's PTRS (1993) above.

    Args:
      state: uint32 `[6]`.
      samples: how many numbers for each rate.
      rate: `[n]`.
      dtype: type of the result.

    Returns:
      `[samples, n]` of `dtype`.
    """
    every = np.repeat(rate.astype(np.float64), samples)
    whole = dtype.kind in "iu"
    # What stays for a rate that is not finite, for which no candidate would ever be accepted.
    out = np.full(every.size, 0 if whole else np.nan, dtype)
    small = np.flatnonzero(every < 10.0)
    large = np.flatnonzero((every >= 10.0) & np.isfinite(every))
    highest = float(np.iinfo(dtype).max if whole else ml_dtypes.finfo(dtype).max)
    out[small] = _poisson_by_product(state, small, every[small])
    out[large] = _poisson_by_rejection(state, large, every[large], highest)
    return out.reshape(rate.size, samples).T


def _poisson_by_product(state: np.ndarray, lanes: np.ndarray, rate: np.ndarray) -> np.ndarray:
    streams, todo = Lanes(state, lanes), np.arange(lanes.size)
    with np.errstate(over="ignore"):
        limit = np.exp(-rate)
    out, product, x = np.empty(lanes.size), np.ones(lanes.size), 0
    while todo.size:
        product[todo] *= streams.draw("uniform", todo)
        stop = product[todo] <= limit[todo]
        out[todo[stop]] = x
        todo, x = todo[~stop], x + 1
    return out


def _poisson_by_rejection(
    state: np.ndarray, lanes: np.ndarray, rate: np.ndarray, highest: float
) -> np.ndarray:
    out, todo, step = np.empty(lanes.size), np.arange(lanes.size), 0
    log_rate = np.log(rate)
    b = 0.931 + 2.53 * np.sqrt(rate)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    sure = 0.9277 - 3.6224 / (b - 2.0)
    while todo.size:
        pair = double(blocks(np, state, lanes[todo], stride=RESERVED, step=step).reshape(-1, 2, 2))
        u, v = pair[:, 1] - 0.5, pair[:, 0]
        a_, b_, rate_ = a[todo], b[todo], rate[todo]
        edge = 0.5 - np.abs(u)
        with np.errstate(divide="ignore", invalid="ignore"):
            k = np.floor((2.0 * a_ / edge + b_) * u + rate_ + 0.43)
            fits = k <= highest
            inside = (edge >= 0.07) & (v <= sure[todo])
            open_ = ~((k < 0.0) | ((edge < 0.013) & (v > edge)))
            s = np.log(v * inverse_alpha[todo] / (a_ / (edge * edge) + b_))
            judged = fits & open_ & ~inside
            t = np.zeros_like(k)
            kj = k[judged]
            t[judged] = (
                -rate_[judged] + kj * log_rate[todo][judged] - np.asarray(_lgamma(kj + 1.0), np.float64)
            )
            accepted = fits & (inside | (open_ & (s <= t)))
        out[todo[accepted]] = k[accepted]
        todo, step = todo[~accepted], step + 1
    return out
