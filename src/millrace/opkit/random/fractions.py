"""Where the windows of a fractional pool begin: sequences of steps that fill an axis exactly."""

from __future__ import annotations

import math

import numpy as np

from millrace.opkit.random.philox import skip
from millrace.opkit.random.stream import WordStream


def boundaries(
    state: np.ndarray, length: int, count: int, pseudo_random: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The bounds of `count` windows that share an axis of `length` elements.

    Args:
      state: a generator's state.
      length: the axis' length.
      count: how many windows; at most `length`.
      pseudo_random: one random offset for regular steps, else steps in random order.

    Returns:
      The `count + 1` bounds, ascending from 0 to `length`, and the generator's next state.
    """
    if pseudo_random:
        return _regular(state, length, count), skip(np, state, 1)
    return _shuffled(state, length, count), skip(np, state, (count + 3) // 4)


def _regular(state: np.ndarray, length: int, count: int) -> np.ndarray:
    alpha, short = length / count, length // count
    widest = min((short + 2) / alpha - 1, (length + 1 - short) / alpha - (count - 1))
    offset = WordStream(state).float64() * widest
    inner = [math.ceil(alpha * (i + offset)) - 1 for i in range(1, count)]
    return np.array([0, *inner, length], np.int64)


def _shuffled(state: np.ndarray, length: int, count: int) -> np.ndarray:
    short, longer = divmod(length, count)
    steps = [short + 1] * longer + [short] * (count - longer)
    stream = WordStream(state)
    for i in range(count - 1):
        j = i + stream.word() % (count - i)
        steps[i], steps[j] = steps[j], steps[i]
    return np.cumsum([0, *steps], dtype=np.int64)
