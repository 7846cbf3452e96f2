"""Batches of records, read by compiled code where there is some.

What it cannot read, because it is of an unusual form, of another dtype than is wanted, or wrong, is for
those who read one record after another, in Python.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from millrace.core import compiled
from millrace.opkit.records import wire

_CELL = 3  # numbers: the kind of a list, where it begins, where it ends
_BYTES_OF_CELL = 8 * _CELL

Library = Any  # functions in C, see `records.c`
Column = tuple[np.ndarray, np.ndarray]
"""The values of all records, one after the other, and how many each record has."""


def found(records: Sequence[bytes], features: Sequence[bytes], lists: Sequence[bytes] = ()) -> Found | None:
    """Where the features and feature lists of some names lie in a batch; None where that is not known.

    Args:
      records: serialized Examples or SequenceExamples.
      features: names of features, each once.
      lists: names of feature lists, each once.
    """
    library = compiled.records.library(len(records))
    if library is None:
        return None
    data = b"".join(records)
    cells = np.zeros((len(features) + len(lists), len(records), _CELL), np.int64)
    names, name_offsets, _ = _joined((*features, *lists))
    offsets = _offsets(map(len, records), len(records))
    done = library.find(
        *(data, offsets.ctypes.data, len(records), names, name_offsets),
        *(len(features), len(lists), cells.ctypes.data),
    )
    return Found(library, data, cells) if done else None


@functools.lru_cache(maxsize=256)
def _joined(names: tuple[bytes, ...]) -> tuple[bytes, int, np.ndarray]:
    """Names, and where each begins: the address, and the array that is there."""
    offsets = _offsets(map(len, names), len(names))
    return b"".join(names), offsets.ctypes.data, offsets


def _offsets(sizes: Any, count: int) -> np.ndarray:
    return np.fromiter(accumulate(sizes, initial=0), np.int64, count + 1)


class Found:
    """Lists that were found in a batch of records.

    Args:
      library: the compiled code.
      data: the records, one after the other.
      cells: where the lists lie, for each name that was asked for and each record.
    """

    def __init__(self, library: Library, data: bytes, cells: np.ndarray) -> None:
        self._library = library
        self._data = data
        self._cells = cells
        self._names, self._rows = cells.shape[:2]
        self._first = cells.ctypes.data

    def _cells_of(self, slot: int) -> tuple[bytes, int, int]:
        return self._data, self._first + slot * self._rows * _BYTES_OF_CELL, self._rows

    def column(self, slot: int, kind: int) -> Column | None:
        """The values of a feature, none where a record lacks it; None where they must be read one by one."""
        counts = np.empty(self._rows, np.int64)
        cells = self._cells_of(slot)
        total = self._library.count(*cells, kind, counts.ctypes.data)
        if total < 0:
            return None
        values = _room(kind, total)
        if not self._library.values(*cells, kind, values.ctypes.data):
            return None
        return self._finished(values, kind), counts

    def dense(self, slot: int, kind: int, size: int, default: np.ndarray | None) -> np.ndarray | None:
        """`[records, size]` of a feature; None where records must be looked at one by one.

        Args:
          slot: number of its name.
          kind: of its lists.
          size: how many values each record is to have.
          default: the values of a record that lacks it; None where none may.
        """
        cells, values = self._cells_of(slot), _room(kind, self._rows * size)
        if default is not None and kind != wire.BYTES:
            values.reshape(self._rows, size)[:] = default.ravel()
        missing = self._library.dense(*cells, kind, size, values.ctypes.data)
        if missing < 0 or (missing and (default is None or kind == wire.BYTES)):
            return None
        return self._finished(values, kind).reshape(self._rows, size)

    def steps(self, slot: int) -> tuple[Found, np.ndarray] | None:
        """The features of all steps of a feature list, and how many steps each record has, -1 where it has no
        such list; None where records must be looked at one by one.
        """
        counts, total = self._steps(slot)
        if total < 0:
            return None
        found = np.empty((1, total, _CELL), np.int64)
        if not self._library.step_cells(*self._cells_of(slot), found.ctypes.data):
            return None
        return Found(self._library, self._data, found), counts

    def list_dense(self, slot: int, kind: int, size: int) -> Column | None:
        """`[records, longest, size]` of a feature list, zero or empty after a record's last step, and how
        many steps each record has; None where records must be looked at one by one.
        """
        counts, total = self._steps(slot)
        lengths = counts.tolist()
        if total < 0 or min(lengths, default=0) < 0:
            return None
        longest = max(lengths, default=0)
        values = _room(kind, self._rows * longest * size, np.zeros)
        cells = self._cells_of(slot)
        if not self._library.list_dense(*cells, kind, size, longest, values.ctypes.data):
            return None
        return self._finished(values, kind).reshape(self._rows, longest, size), counts

    def _steps(self, slot: int) -> tuple[np.ndarray, int]:
        """How many steps each record has, and all have; -1 for the latter where a list is of another form."""
        counts = np.empty(self._rows, np.int64)
        return counts, self._library.steps(*self._cells_of(slot), counts.ctypes.data)

    def _finished(self, values: np.ndarray, kind: int) -> np.ndarray:
        if kind != wire.BYTES:
            return values
        data = self._data
        return np.fromiter((data[a:b] for a, b in values.tolist()), object, len(values))


def _room(kind: int, count: int, make: Callable[..., np.ndarray] = np.empty) -> np.ndarray:
    """Room for the values of lists; for strings where each begins and ends."""
    if kind == wire.BYTES:
        return make((count, 2), np.int64)
    return make(count, np.float32 if kind == wire.FLOATS else np.int64)
