"""Approximate quantiles of weighted streams: summaries that merge and shrink within a bound of error.

A summary has a row for each of some values: the value, its weight, and between which ranks (sums of weights)
it lies. Arithmetic is in float32, as in TensorFlow's files and messages.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from millrace.core.errors import refusal
from millrace.opkit.state.resource import Resource

_VALUE, _WEIGHT, _LOW, _HIGH = range(4)
_NOTHING = np.empty((0, 4), np.float32)


def _before(rows: np.ndarray) -> np.ndarray:
    """The highest rank of what stands before each value."""
    return rows[:, _HIGH] - rows[:, _WEIGHT]


def _behind(rows: np.ndarray) -> np.ndarray:
    """The lowest rank of what stands behind each value."""
    return rows[:, _LOW] + rows[:, _WEIGHT]


def summary_of(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The exact summary of some values.

    Args:
      values: `[n]` float32.
      weights: `[n]` float32, positive.

    Returns:
      `[m, 4]` float32, a row for each of m different values.
    """
    order = np.argsort(values, kind="stable")
    distinct, places = np.unique(values[order], return_inverse=True)
    rows = np.zeros((len(distinct), 4), np.float32)
    rows[:, _VALUE] = distinct
    np.add.at(rows[:, _WEIGHT], places, weights[order])
    rows[:, _HIGH] = np.cumsum(rows[:, _WEIGHT], dtype=np.float32)
    rows[1:, _LOW] = rows[:-1, _HIGH]
    return rows


def merged(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The summary of what two summaries tell of."""
    if not len(first) or not len(second):
        return second if not len(first) else first
    parts, shared = [], np.isin(first[:, _VALUE], second[:, _VALUE], assume_unique=True)
    for mine, other in ((first, second), (second, first)):
        at = np.searchsorted(other[:, _VALUE], mine[:, _VALUE])
        rows = mine.copy()
        rows[:, _LOW] += np.concatenate([np.zeros(1, np.float32), _behind(other)])[at]
        rows[:, _HIGH] += np.append(_before(other), other[-1, _HIGH])[at]
        parts.append(rows)
    both = np.isin(second[:, _VALUE], first[:, _VALUE], assume_unique=True)
    parts[0][shared, 1:] = first[shared, 1:] + second[both, 1:]
    rows = np.concatenate([parts[0], parts[1][~both]])
    return rows[np.argsort(rows[:, _VALUE], kind="stable")]


def compressed(rows: np.ndarray, size: int, error: float = 0.0) -> np.ndarray:
    """About `size` rows of a summary, evenly spread over the ranks.

    Args:
      rows: the summary.
      size: how many rows to aim at; 2 at least.
      error: the share of the whole weight that may lie between neighbours, where it is more than one by
        `size`.
    """
    size = max(size, 2)
    if len(rows) <= size:
        return rows
    gap = float(rows[-1, _HIGH]) * max(1.0 / size, error)
    before, behind = _before(rows), _behind(rows)
    kept, at, room, step, count = [0], 0, 0, len(rows), len(rows)
    while at + 1 != count:
        ahead = at + 1
        while ahead != count and room < step and float(before[ahead] - behind[at]) <= gap:
            room += size
            ahead += 1
        at = at + 1 if at == ahead - 1 else ahead - 1
        kept.append(at)
        room -= step
    if kept[-1] != count - 1:
        kept.append(count - 1)
    return rows[kept]


def error_of(rows: np.ndarray) -> float:
    """How far a rank may be off, as a share of the whole weight."""
    if not len(rows):
        return 0.0
    widths = rows[1:, _HIGH] - rows[1:, _LOW] - rows[1:, _WEIGHT]
    gaps = _before(rows)[1:] - _behind(rows)[:-1]
    widest = np.maximum(widths, gaps).max(initial=np.float32(0))
    return float(widest / rows[-1, _HIGH])


def boundaries_of(rows: np.ndarray, count: int) -> np.ndarray:
    """At least `count` values (or all) that part the weight evenly."""
    return np.unique(compressed(rows, count, error_of(rows) + 1.0 / count)[:, _VALUE])


def quantiles_of(rows: np.ndarray, count: int) -> np.ndarray:
    """The values at `count` ranks from the first to the last, evenly apart; 3 at least."""
    if not len(rows):
        return rows[:, _VALUE]
    before, behind = _before(rows), _behind(rows)
    found, at = [], 0
    for rank in range(count):
        twice = 2 * (np.float32(rank) * rows[-1, _HIGH] / np.float32(count - 1))
        ahead = at + 1
        while ahead < len(rows) and twice >= rows[ahead, _LOW] + rows[ahead, _HIGH]:
            ahead += 1
        at = ahead - 1
        nearer = ahead == len(rows) or twice < behind[at] + before[ahead]
        found.append(rows[at if nearer else ahead, _VALUE])
    return np.array(found, np.float32)


class Stream:
    """Takes values or summaries one after the other; keeps a summary for each power of two of blocks.

    Args:
      epsilon: the bound of the error.
      most: how many values there may be.
    """

    def __init__(self, epsilon: float, most: int) -> None:
        self._epsilon = epsilon
        self._block = self._block_size(epsilon, most)
        self._room = min(2 * self._block, most)
        self._levels: list[np.ndarray] = []

    @staticmethod
    def _block_size(epsilon: float, most: int) -> int:
        if epsilon <= float(np.finfo(np.float64).eps):
            return max(most, 2)
        level, size = 1, 2
        while (size << level) < most:
            size = math.ceil(level / epsilon) + 1
            level += 1
        return size

    def push_values(self, values: np.ndarray, weights: np.ndarray) -> None:
        """Adds values; NaN, and those whose weight is not positive, count for nothing."""
        counted = (weights > 0) & ~np.isnan(values)
        values, weights = values[counted], weights[counted]
        for start in range(0, len(values), self._room):
            part = slice(start, start + self._room)
            self.push(summary_of(values[part], weights[part]))

    def push(self, rows: np.ndarray) -> None:
        """Adds what a summary tells of."""
        if not len(rows):
            return
        rows, level = compressed(rows, self._block, self._epsilon), 0
        while True:
            if level == len(self._levels):
                self._levels.append(_NOTHING)
            present = self._levels[level]
            rows = merged(rows, present)
            if not len(present) or len(rows) <= self._block + 1:
                self._levels[level] = rows
                return
            rows, self._levels[level] = compressed(rows, self._block, self._epsilon), _NOTHING
            level += 1

    def finish(self) -> np.ndarray:
        """The summary of everything; the stream starts anew."""
        rows = _NOTHING
        for level in self._levels:
            rows = merged(rows, level)
        self._levels = []
        return rows


class QuantileStreams(Resource):
    """The streams of some features, and the boundaries that came of them."""

    kind = "BoostedTreesQuantileStreamResource"

    def __init__(self, attrs: Any = None) -> None:
        del attrs
        self._streams: list[Stream] | None = None
        self.boundaries: list[np.ndarray] = []

    @property
    def is_ready(self) -> bool:
        """Whether it has been created, not only named."""
        return self._streams is not None

    def create(self, epsilon: float, count: int, most: int) -> None:
        """Makes the streams, the first time."""
        if self._streams is None:
            self._streams = [Stream(epsilon, most) for _ in range(count)]
            self.boundaries = [np.empty(0, np.float32)] * count

    def check_count(self, count: int) -> None:
        """Refuses another number of features.

        Raises:
          InvalidArgumentError: the number differs.
        """
        if count != len(self.boundaries):
            raise refusal(f"There are {len(self.boundaries)} quantile streams. Received: {count} features")

    def add(self, summaries: Any) -> None:
        """Adds the summary of a batch to each stream."""
        self.check_count(len(summaries))
        for stream, rows in zip(self._streams or (), summaries, strict=True):
            stream.push(np.asarray(rows, np.float32))

    def take(self) -> list[np.ndarray]:
        """The summaries of everything so far; the streams start anew."""
        return [stream.finish() for stream in self._streams or ()]

    def flush(self, count: int, by_quantiles: bool) -> None:
        """Makes boundaries of `count` buckets; the streams start anew."""
        how, least = (quantiles_of, 3) if by_quantiles else (boundaries_of, 1)
        if count < least:
            raise refusal(f"num_buckets must be at least {least} here. Received: {count}")
        self.boundaries = [how(stream.finish(), count) for stream in self._streams or ()]

    def set_boundaries(self, boundaries: Any) -> None:
        """Takes boundaries from elsewhere, such as a checkpoint."""
        self.check_count(len(boundaries))
        self.boundaries = [np.array(values, np.float32) for values in boundaries]
