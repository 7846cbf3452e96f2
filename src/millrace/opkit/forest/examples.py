"""A batch of examples as trees see it: dense columns first, then what is stored sparsely."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from millrace.opkit.random.stream import WordStream

CATEGORICAL = 1
_COLUMN = re.compile(r"\{name: (.*?) original_type: (\d+) size: (-?\d+)\}")


@lru_cache(maxsize=64)
def column_kinds(input_spec: str) -> tuple[tuple[int, ...], int]:
    """Reads a specification of columns.

    Args:
      input_spec: as `TensorForestDataSpec.SerializeToString` writes it.

    Returns:
      The kind of each dense feature, and that of all sparse ones.
    """
    dense, _, sparse = input_spec.partition(" sparse: ")
    kinds = tuple(int(kind) for _, kind, size in _COLUMN.findall(dense) for _ in range(max(int(size), 0)))
    found = _COLUMN.findall(sparse)
    return kinds, int(found[0][1]) if found else 0


def uniform_below(random: WordStream, count: int) -> int:
    """A uniform number below `count`: words below the remainder are drawn again."""
    if count & (count - 1) == 0:
        return random.word() & (count - 1) if count else random.word() * 0
    refused = 0xFFFFFFFF % count + 1
    while (word := random.word()) < refused:
        pass
    return word % count


@dataclass(frozen=True)
class Examples:
    """The features of a batch.

    Attributes:
      dense: float32 `[n, d]`; `d` may be 0.
      indices: int64 `[m, 2]` of the sparse values, rows in order; their second number is a feature.
      values: float32 `[m]`.
      count: how many examples.
      kinds: the kind of each dense feature.
      sparse_kind: the kind of the sparse ones.
    """

    dense: np.ndarray
    indices: np.ndarray
    values: np.ndarray
    count: int
    kinds: tuple[int, ...]
    sparse_kind: int

    def sample(self, row: int, random: WordStream) -> tuple[int, float, int]:
        """Draws one of the features that an example has: (feature, its value, its kind).

        Sparse features are numbered after the dense ones.
        """
        width = len(self.kinds)
        begin, end = np.searchsorted(self.indices[:, 0], [row, row + 1]) if len(self.indices) else (0, 0)
        drawn = uniform_below(random, width + int(end - begin))
        if drawn < width:
            return drawn, float(self._dense(row, drawn)), self.kinds[drawn]
        place = int(begin) + drawn - width
        return width + int(self.indices[place, 1]), float(self.values[place]), self.sparse_kind

    def _dense(self, rows: Any, features: Any) -> Any:
        """Dense values of rows.

        A tree that is given a part of the columns only, as feature bagging does, still draws features of them
        all; like 1.15 it goes on in the row that follows, and finds 0 behind the last one.
        """
        places = rows * self.dense.shape[1] + features
        return np.where(places < self.dense.size, self.dense.take(places, mode="clip"), np.float32(0))

    def take(self, rows: np.ndarray, features: np.ndarray) -> np.ndarray:
        """The values of features of rows, whose numbers broadcast; what is not stored is 0."""
        width = self.dense.shape[1]
        if not len(self.indices):
            return self._dense(rows, features)
        rows, features = np.broadcast_arrays(rows, features)
        taken = np.zeros(rows.shape, np.float32)
        inside = features < width
        taken[inside] = self.dense[rows[inside], features[inside]]
        pairs = zip(rows[~inside].tolist(), (features[~inside] - width).tolist(), strict=True)
        taken[~inside] = [self._stored.get(pair, 0.0) for pair in pairs]
        return taken

    @cached_property
    def _stored(self) -> dict[tuple[int, int], float]:
        pairs = map(tuple, self.indices.tolist())
        return dict(zip(pairs, self.values.tolist(), strict=True))


def gathered(
    input_spec: str, dense: np.ndarray, indices: np.ndarray, values: np.ndarray, shape: np.ndarray
) -> Examples:
    """The examples that an operation was given, as dense rows or as sparse values."""
    kinds, sparse_kind = column_kinds(input_spec)
    if dense.ndim == 2 and dense.size:
        count, rows = len(dense), dense
    else:
        count, rows = int(shape[0]) if len(shape) else 0, np.zeros((0, 0), np.float32)
    return Examples(rows, indices.reshape(-1, 2), values, count, kinds, sparse_kind)
