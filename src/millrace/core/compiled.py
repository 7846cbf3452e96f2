"""Compiled code of our own, for those who stand below what knows how to build it.

What knows sets `load` once; the code is loaded when so much has been done without it that it pays.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from typing import Any

import numpy as np

_MOST_READ = 1 << 18  # bytes of a file: of a longer one the reading takes longer than the calls
_MOST_TURNED = 1 << 18  # bytes that are copied while other threads wait
_ROOMS = 8  # that are kept
_FIGURED = frozenset((np.dtype(np.uint8), np.dtype(np.float32)))


class Provided:
    """The compiled code of one kind in this process.

    Args:
      worth: how much is to be done before it is loaded, which takes part of a second the first time.

    Attributes:
      load: gives the code; None where there is none.
    """

    def __init__(self, worth: int) -> None:
        self.load: Callable[[], Any] = lambda: None
        self._worth = worth
        self._seen = 0
        self._library: Any = None

    def library(self, work: int = 1) -> Any:
        """The code, to do so much more; None where there is none, or not yet."""
        if self._seen < self._worth:
            self._seen += work
            if self._seen < self._worth:
                return None
            self._library = self.load()
        return self._library


brief = Provided(1 << 8)
"""Functions that are over in microseconds, see `brief.c`; calls are counted."""
records = Provided(1 << 10)
"""Functions that read batches of records, see `records.c`; records are counted."""

_rooms: list[tuple[Any, int]] = []  # memory to read files into, and where it is


def read(path: str) -> bytes | None:
    """All bytes of a small file, other threads being let in once; None where that is not to be had."""
    library = brief.library()
    if library is None:
        return None
    name = os.fsencode(path)
    if 0 in name:
        return None  # C would read the file of the name before it
    try:
        room, place = _rooms.pop()
    except IndexError:
        room = ctypes.create_string_buffer(_MOST_READ)
        place = ctypes.addressof(room)
    size = library.read(name, place, _MOST_READ)
    found = ctypes.string_at(place, size) if size >= 0 else None
    if len(_rooms) < _ROOMS:
        _rooms.append((room, place))
    return found


def turned(rows: np.ndarray) -> np.ndarray | None:
    """A small array `[rows, pixels, n]` with its pixels turned round; None where that is not to be had.

    To NumPy a pixel is a row of `n` numbers, each of which it copies by itself.
    """
    if rows.ndim != 3 or not 0 < rows.nbytes <= _MOST_TURNED or rows.dtype.hasobject:
        return None
    count, pixels, each = rows.shape
    stride, pixel, number = rows.strides
    together = each * rows.itemsize
    if pixel != together or (number != rows.itemsize and each > 1):
        return None
    library = brief.library()
    if library is None:
        return None
    out = np.empty(rows.shape, rows.dtype)
    library.turned(rows.ctypes.data, stride, out.ctypes.data, count, pixels, together)
    return out


def figured(numbers: np.ndarray, out: np.ndarray, operations: bytes, others: np.ndarray) -> bool:
    """Takes numbers through operations with one other number each; False where that is not to be had.

    Args:
      numbers: uint8 or float32.
      out: what comes of them: float32, of the same shape, side by side in memory.
      operations: a sign for each: `+ - * /`, `~` and `|` for the other number less, or divided by, each.
      others: float32, one for each operation.
    """
    if numbers.dtype not in _FIGURED or not numbers.flags.c_contiguous:
        return False
    library = brief.library()
    if library is None:
        return False
    size = numbers.itemsize, out.size, len(others)
    library.figured(numbers.ctypes.data, out.ctypes.data, *size, operations, others.ctypes.data)
    return True
