"""The files of a cache: a checkpoint with a tensor for each component of each element."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import numpy as np

from millrace.core import dtypes
from millrace.opkit.checkpoint import bundle
from millrace.opkit.checkpoint.bundle import Bundle

_CHUNK = 64 << 20  # bytes of values kept in memory before they are written


def key(element: int, component: int, count: int) -> str:
    """The name that TensorFlow gives one of the `count` components of an element."""
    return f"{element:7d}_{component:{len(str(count - 1))}d}"


class CacheWriter:
    """Writes elements, in several pieces where they are many, which become one checkpoint at the end.

    Args:
      path: of the cache.
      pieces: how many were written before, by a writer that was saved.
    """

    def __init__(self, path: str, pieces: int = 0) -> None:
        self._path = path
        self._pieces = [f"{path}_{i}" for i in range(pieces)]
        self._saved = pieces
        self._waiting: list[tuple[str, str, dtypes.DType, Any]] = []
        self._bytes = 0

    def add(self, name: str, value: Any, dtype: dtypes.DType) -> None:
        """Adds one component."""
        array = np.asarray(value)
        self._waiting.append((name, "", dtype, array))
        self._bytes += array.nbytes if array.dtype.kind != "O" else sum(map(len, array.reshape(-1)))
        if self._bytes >= _CHUNK:
            self._write(f"{self._path}_{len(self._pieces)}")

    def _write(self, prefix: str) -> None:
        bundle.write(prefix, self._waiting)
        self._pieces.append(prefix)
        self._waiting, self._bytes = [], 0

    def save(self) -> int:
        """Writes what is there as a piece that stays when the writer is abandoned; returns how many there
        are.
        """
        if self._waiting:
            self._write(f"{self._path}_{len(self._pieces)}")
        self._saved = len(self._pieces)
        return self._saved

    def finish(self) -> None:
        """Gives the files their names."""
        if not self._pieces:
            bundle.write(self._path, self._waiting)
            return
        if self._waiting:
            self._write(f"{self._path}_{len(self._pieces)}")
        bundle.merge(self._pieces, self._path)

    def abandon(self) -> None:
        """Removes what was written since it was saved."""
        for prefix in self._pieces[self._saved :]:
            for name in (prefix + ".index", bundle.data_path(prefix, 0, 1)):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name)


class CacheReader:
    """Reads the elements of a cache.

    Args:
      path: of the cache.
    """

    def __init__(self, path: str) -> None:
        self._bundle = Bundle(path)
        self._names = frozenset(self._bundle.names())

    def element(self, number: int, count: int) -> tuple[Any, ...] | None:
        """Element `number`, of `count` components; None behind the last."""
        if key(number, 0, count) not in self._names:
            return None
        return tuple(_scalar(self._bundle.read(key(number, i, count))) for i in range(count))


def _scalar(array: np.ndarray) -> Any:
    return array[()] if array.ndim == 0 and array.dtype.kind != "O" else array
