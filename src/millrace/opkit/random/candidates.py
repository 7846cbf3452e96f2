"""Samplers of classes for training with few of many: which are picked, and how often to expect each."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from millrace.opkit.random.stream import WordStream

WORDS_PER_SAMPLE = 2048
"""Words that a sampling operation sets aside for each class it picks."""


class Sampler(ABC):
    """A distribution over the classes 0 to `size` - 1."""

    size: int

    @abstractmethod
    def pick(self, stream: WordStream) -> int:
        """Draws a class."""

    def picks(self, stream: WordStream, count: int) -> list[int]:
        """Draws `count` classes, one after the other."""
        return [self.pick(stream) for _ in range(count)]

    @abstractmethod
    def probability(self, classes: np.ndarray) -> np.ndarray:
        """The probability of each of `classes`, float64 of the same shape."""


class UniformSampler(Sampler):
    """All classes alike."""

    def __init__(self, size: int) -> None:
        self.size = size

    def pick(self, stream: WordStream) -> int:
        """Draws a class."""
        return stream.word64() % self.size

    def probability(self, classes: np.ndarray) -> np.ndarray:
        """The probability of each of `classes`."""
        return np.full(classes.shape, 1.0 / self.size)


class LogUniformSampler(Sampler):
    """Class k as often as log((k + 2) / (k + 1)) says: for classes sorted by falling frequency."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._log_size = math.log(size + 1)

    def pick(self, stream: WordStream) -> int:
        """Draws a class."""
        return self.picks(stream, 1)[0]

    def picks(self, stream: WordStream, count: int) -> list[int]:
        """Draws `count` classes: the numbers of `WordStream.float64`, without a call for each."""
        words = stream.words(2 * count)
        exp, width, size = math.exp, self._log_size, self.size
        # Rounding may lead just beyond the end, where the classes start again.
        return [
            (int(exp(((upper & 0xFFFFF) << 32 | lower) * 2.0**-52 * width)) - 1) % size
            for upper, lower in zip(words[::2], words[1::2], strict=True)
        ]

    def probability(self, classes: np.ndarray) -> np.ndarray:
        """The probability of each of `classes`."""
        return np.log((classes + 2.0) / (classes + 1.0)) / self._log_size


class FixedSampler(Sampler):
    """Classes with given weights, by Walker's method of aliases (1977)."""

    def __init__(self, weights: Sequence[float]) -> None:
        self._weights = np.array(weights, np.float32)
        self._total = float(np.add.accumulate(self._weights, dtype=np.float32)[-1])
        self.size = len(weights)
        self._alias = list(range(self.size))
        share = (self._weights.astype(np.float64) * self.size / self._weights.sum(dtype=np.float64)).tolist()
        low = [i for i, s in enumerate(share) if s < 1.0]
        high = [i for i, s in enumerate(share) if s >= 1.0]
        while low and high:
            poor, rich = low.pop(), high.pop()
            self._alias[poor] = rich
            share[rich] -= 1.0 - share[poor]
            (low if share[rich] < 1.0 else high).append(rich)
        # What is left has a share of 1 but for rounding.
        for i in (*low, *high):
            share[i], self._alias[i] = 1.0, i
        self._share = np.array(share, np.float32).tolist()

    def pick(self, stream: WordStream) -> int:
        """Draws a class."""
        level = stream.float32()
        place = stream.word() % self.size
        return place if level < self._share[place] else self._alias[place]

    def probability(self, classes: np.ndarray) -> np.ndarray:
        """The probability of each of `classes`; 0 for those outside of the range."""
        inside = (classes >= 0) & (classes < self.size)
        return np.where(inside, self._weights[np.where(inside, classes, 0)] / np.float32(self._total), 0.0)


class CountingSampler(Sampler):
    """Classes with whole weights, such as 1 more than how often each was seen."""

    def __init__(self, weights: np.ndarray) -> None:
        self.size = weights.size
        self._weights = weights
        self._bounds = np.cumsum(weights, dtype=np.int64)

    def pick(self, stream: WordStream) -> int:
        """Draws a class."""
        return int(np.searchsorted(self._bounds, stream.word() % int(self._bounds[-1]), side="right"))

    def probability(self, classes: np.ndarray) -> np.ndarray:
        """The probability of each of `classes`; 0 for those outside of the range."""
        inside = (classes >= 0) & (classes < self.size)
        weights = np.where(inside, self._weights[np.where(inside, classes, 0)], 0)
        return (weights.astype(np.float32) / np.float32(self._bounds[-1])).astype(np.float64)


def sample(
    sampler: Sampler, state: np.ndarray, count: int, unique: bool, true_classes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Picks `count` classes, and says how often to expect each true and each picked class among so many.

    Args:
      sampler: the distribution.
      state: uint32 `[6]`, a generator.
      count: how many classes to pick.
      unique: pick no class twice.
      true_classes: int64 `[batch, num_true]`.

    Returns:
      (picked classes, int64 `[count]`; expected counts of the true classes, float32 `[batch, num_true]`;
      of the picked classes, float32 `[count]`).
    """
    # Most take two words, and some pick a class again.
    stream = WordStream(state, 3 * count, (count * WORDS_PER_SAMPLE + 3) // 4)
    tries = count
    if unique:
        # In the order of first appearance.
        found: dict[int, None] = {}
        tries = 0
        while missing := count - len(found):  # only when all of these are new, the last one is
            tries += missing
            found.update(dict.fromkeys(sampler.picks(stream, missing)))
        picked = list(found)
    else:
        picked = sampler.picks(stream, count)
    classes = np.array(picked, np.int64)
    asked = np.concatenate([true_classes.reshape(-1), classes])
    expected = _expected(sampler.probability(asked), count, tries)
    true, rest = expected[: true_classes.size], expected[true_classes.size :]
    return classes, true.reshape(true_classes.shape), rest


def _expected(probability: np.ndarray, count: int, tries: int) -> np.ndarray:
    single = probability.astype(np.float32)
    if tries == count:
        return single * np.float32(count)
    with np.errstate(divide="ignore"):
        return (-np.expm1(tries * np.log1p(-single.astype(np.float64)))).astype(np.float32)
