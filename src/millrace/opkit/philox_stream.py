"""A generator read word by word, for draws whose number depends on what was drawn."""

from __future__ import annotations

import numpy as np

from millrace.opkit.philox import skip, words
from millrace.opkit.philox_fixed import double, fraction

_FLOAT32 = np.dtype(np.float32)


class WordStream:
    """The words of a generator one after another; the generator's state itself stays as it is."""

    def __init__(self, state: np.ndarray) -> None:
        self._state = state
        self._ready: list[int] = []
        self._batch = 4  # blocks made at once: few for short streams, more for long ones

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
        return float(fraction(np.array(self.word(), np.uint32).reshape(1), _FLOAT32)[0])

    def float64(self) -> float:
        """A uniform number in [0, 1)."""
        upper = self.word()
        return float(double(np.array([[upper, self.word()]], np.uint32))[0])
