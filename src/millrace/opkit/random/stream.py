"""A generator read word by word, for draws whose number depends on what was drawn."""

from __future__ import annotations

import functools

import numpy as np

from millrace.opkit.random.philox import blocks, skip, words

_MOST_BLOCKS = 64  # made at once, for as many streams as that: a block alone costs as much as sixty
_RUNS = 16
_MOST_KEPT = 1024
_LAST = (1 << 128) - 1  # a counter, after which 0 follows


class WordStream:
    """The words of a generator one after another; the generator's state itself stays as it is."""

    def __init__(self, state: np.ndarray, expected: int = 16, jump: int = 0) -> None:
        """Starts at `state`, uint32 `[6]`; `expected` is how many words will probably be read.

        Args:
          state: of the generator.
          expected: words.
          jump: how many blocks further the next stream will probably start.
        """
        self._state = state
        self._ready: list[int] = []
        self._batch = max(expected // 4, 1)  # blocks made at once
        if jump:
            self._ready = ahead(self._batch, jump).words(state)[::-1].tolist()
            self._state = skip(np, state, self._batch)

    def word(self) -> int:
        """The next 32 random bits."""
        if not self._ready:
            self._read_on()
        return self._ready.pop()

    def words(self, count: int) -> list[int]:
        """The next `count` words."""
        while len(self._ready) < count:
            self._read_on()
        start = len(self._ready) - count
        taken = self._ready[start:]
        del self._ready[start:]
        taken.reverse()
        return taken

    def _read_on(self) -> None:
        self._ready[:0] = words(np, self._state, 4 * self._batch)[::-1].tolist()  # the last is the next
        self._state = skip(np, self._state, self._batch)
        self._batch = min(2 * self._batch, 1024)

    def word64(self) -> int:
        """The next 64 random bits, lower half first."""
        low = self.word()
        return low | self.word() << 32

    def below(self, bound: int) -> int:
        """A uniform integer in [0, bound), of as many words as it takes for all to be equally likely."""
        if not bound & (bound - 1):
            return self.word() & (bound - 1)
        uneven = 0xFFFFFFFF % bound + 1
        while (drawn := self.word()) < uneven:
            continue
        return drawn % bound

    def float32(self) -> float:
        """A uniform number in [0, 1), of single precision."""
        return (self.word() & 0x7FFFFF) * 2.0**-23  # the lower bits, as in `philox_fixed.fraction`

    def float64(self) -> float:
        """A uniform number in [0, 1)."""
        upper = self.word()
        return ((upper & 0xFFFFF) << 32 | self.word()) * 2.0**-52  # as `philox_fixed.double`


class Ahead:
    """The first words of streams that start one after the other, made for several of them at once."""

    def __init__(self, count: int, jump: int) -> None:
        """For `count` blocks of each stream, which starts `jump` blocks behind the one before."""
        self._count, self._jump = count, jump
        self._ready: dict[bytes, np.ndarray] = {}  # state -> words
        self._next: set[bytes] = set()  # states that a run may begin with

    def words(self, state: np.ndarray) -> np.ndarray:
        """The first words for `state`, uint32 `[4 * count]`."""
        key = state.astype("<u4", copy=False).tobytes()
        found = self._ready.pop(key, None)
        return self._made(key, state) if found is None else found

    def _made(self, key: bytes, state: np.ndarray) -> np.ndarray:
        runs = max(_MOST_BLOCKS // self._count, _RUNS) if key in self._next else 1
        lanes = (np.arange(runs)[:, None] * self._jump + np.arange(self._count)).astype(np.uint64)
        rows = blocks(np, state, lanes.reshape(-1)).reshape(runs, -1)
        if len(self._ready) > _MOST_KEPT:
            self._ready.clear()
        if len(self._next) > _MOST_KEPT:
            self._next.clear()
        self._next.discard(key)
        counter, kept = int.from_bytes(key[:16], "little"), key[16:]
        followers = [
            ((counter + run * self._jump) & _LAST).to_bytes(16, "little") + kept for run in range(1, runs + 1)
        ]
        self._next.add(followers.pop())
        self._ready.update(zip(followers, rows[1:], strict=True))
        return rows[0]


@functools.lru_cache(64)
def ahead(count: int, jump: int) -> Ahead:
    """What is made ahead for all streams of a kind in this process."""
    return Ahead(count, jump)
