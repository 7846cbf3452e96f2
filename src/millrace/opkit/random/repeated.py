"""Small draws that a program repeats, as a pipeline does for each element: made for many runs at once.

The numbers of a generator cost NumPy forty calls, be it for one draw or for sixty. A draw depends on the
generator's state alone, and one like it will start where this one's reserve ends; so when that has come true
once, the following ones are made along with it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from millrace.opkit.random.fixed import integers_of, normal_of, uniform_of
from millrace.opkit.random.philox import RESERVED, blocks

_MOST: Final = 32  # numbers: larger draws are made as they come
_RUNS: Final = 64
_MOST_KEPT: Final = 1024
_LAST: Final = (1 << 128) - 1  # a counter, after which 0 follows

Drawn = tuple[np.ndarray, np.ndarray]  # a draw, and the state after it


class Repeated:
    """Draws of one kind.

    Args:
      dims: the shape of a draw, of at least one number.
      each: how many numbers come from a block.
      finish: from blocks `[runs, n, 4]` and a count to `[runs, count]` numbers.
    """

    def __init__(
        self, dims: tuple[int, ...], each: int, finish: Callable[[np.ndarray, int], np.ndarray]
    ) -> None:
        self._dims, self._finish = dims, finish
        self._count = int(np.prod(dims, dtype=np.int64))
        self._blocks = -(-self._count // each)
        self._ready: dict[bytes, Drawn] = {}  # by the state before it
        self._next: set[bytes] = set()  # states at which a run of draws may begin

    def draw(self, state: np.ndarray) -> Drawn:
        """The draw at a generator's state, uint32 `[6]`, and the state after it."""
        key = state.astype("<u4", copy=False).tobytes()
        found = self._ready.pop(key, None)
        return self._made(key, state) if found is None else found

    def _made(self, key: bytes, state: np.ndarray) -> Drawn:
        runs = _RUNS if key in self._next else 1
        jump = self._count * RESERVED
        lanes = (np.arange(runs)[:, None] * jump + np.arange(self._blocks)).astype(np.uint64)
        block = blocks(np, state, lanes.reshape(-1)).reshape(runs, self._blocks, 4)
        numbers = self._finish(block, self._count).reshape(runs, *self._dims)
        counter, rest = int.from_bytes(key[:16], "little"), key[16:]
        keys = [((counter + i * jump) & _LAST).to_bytes(16, "little") + rest for i in range(1, runs + 1)]
        states = np.frombuffer(b"".join(keys), "<u4").astype(np.uint32).reshape(runs, 6)
        if len(self._ready) > _MOST_KEPT:
            self._ready.clear()
        if len(self._next) > _MOST_KEPT:
            self._next.clear()
        self._next.discard(key)
        self._next.add(keys[-1])
        for i in range(1, runs):
            self._ready[keys[i - 1]] = numbers[i, ...], states[i]
        return numbers[0, ...], states[0]


def repeated(kind: str, dims: tuple[int, ...], count: int, dtype: np.dtype, *ends: Any) -> Repeated | None:
    """What makes the draws of a kind; None where they are empty or large, or their range is empty.

    Args:
      kind: "uniform", "normal" or "integers".
      dims: the shape of a draw.
      count: of its numbers.
      dtype: of its numbers.
      *ends: of integers, where their range begins and ends.
    """
    return _repeated(kind, dims, dtype, *map(int, ends)) if 0 < count <= _MOST else None


@functools.lru_cache(256)
def _repeated(kind: str, dims: tuple[int, ...], dtype: np.dtype, *ends: int) -> Repeated | None:
    if kind == "integers" and ends[0] >= ends[1]:
        return None
    each = 2 if dtype.itemsize == 8 else 4
    if kind == "integers":
        low, high = (dtype.type(end) for end in ends)
        return Repeated(dims, each, lambda block, count: integers_of(np, block, count, low, high))
    if kind == "normal":
        return Repeated(dims, each, lambda block, count: normal_of(np, block, count, dtype))
    return Repeated(dims, each, lambda block, count: uniform_of(block, count, dtype))
