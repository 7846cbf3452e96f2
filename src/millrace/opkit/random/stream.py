"""A generator read word by word, for draws whose number depends on what was drawn."""

from __future__ import annotations

import numpy as np

from millrace.opkit.random.philox import skip, words


class WordStream:
    """The words of a generator one after another; the generator's state itself stays as it is."""

    def __init__(self, state: np.ndarray, expected: int = 16) -> None:
        """Starts at `state`, uint32 `[6]`; `expected` is how many words will probably be read."""
        self._state = state
        self._ready: list[int] = []
        self._batch = max(expected // 4, 1)  # blocks made at once

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

    def float32(self) -> float:
        """A uniform number in [0, 1), of single precision."""
        return (self.word() & 0x7FFFFF) * 2.0**-23  # the lower bits, as in `philox_fixed.fraction`

    def float64(self) -> float:
        """A uniform number in [0, 1)."""
        upper = self.word()
        return ((upper & 0xFFFFF) << 32 | self.word()) * 2.0**-52  # as `philox_fixed.double`
