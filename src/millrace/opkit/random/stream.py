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
            self._ready = words(np, self._state, 4 * self._batch)[::-1].tolist()
            self._state = skip(np, self._state, self._batch)
            self._batch = min(2 * self._batch, 1024)
        return self._ready.pop()

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
