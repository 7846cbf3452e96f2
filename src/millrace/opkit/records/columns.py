"""The features of a batch of records, read by columns where records are alike, else one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, Protocol

import numpy as np

from millrace.core.errors import InvalidArgumentError, refusal
from millrace.opkit.records import compiled, wire
from millrace.opkit.records.compiled import Column
from millrace.opkit.records.layouts import Layout, layout_of
from millrace.opkit.records.scanning import Cell, scanner
from millrace.opkit.records.wire import Feature, MalformedRecord

KINDS = {wire.BYTES: "string", wire.FLOATS: "float", wire.INTS: "int64"}
_KIND_OF = {np.dtype(object): wire.BYTES, np.dtype(np.float32): wire.FLOATS}

_BYTES = {bytes}
_FEW = 4  # records that are decoded faster one by one

Where = Callable[[], str]


@dataclass(frozen=True, slots=True)
class Dense:
    """A feature that is wanted as an array.

    Attributes:
      key: its name.
      dtype: object (for strings), float32 or int64.
      shape: of one record; the first size may be -1 for as many rows as there are.
      default: what to use for a missing feature; None when it is required. With a first size of -1 it holds
        the one element that pads.
    """

    key: bytes
    dtype: np.dtype
    shape: tuple[int, ...]
    default: np.ndarray | None = None

    @property
    def is_variable(self) -> bool:
        """Whether records hold different numbers of rows."""
        return bool(self.shape) and self.shape[0] < 0


@dataclass(frozen=True, slots=True)
class Sparse:
    """A feature that is wanted as a sparse tensor: its name and dtype."""

    key: bytes
    dtype: np.dtype


def kind_of(dtype: np.dtype) -> int:
    """The kind of list that holds values of a dtype."""
    return _KIND_OF.get(np.dtype(dtype), wire.INTS)


def decoded(data: bytes, feature: Feature, dtype: np.dtype, where: Where) -> np.ndarray:
    """The values of a list, which must be of the wanted dtype.

    Raises:
      InvalidArgumentError: it is not, or its bytes are wrong.
    """
    wanted = kind_of(dtype)
    if feature[0] != wanted:
        raise refusal(
            f"{where()}Data types don't match. Expected type: {KINDS[wanted]}, Data type: {KINDS[feature[0]]}"
        )
    try:
        return wire.values(data, feature)
    except MalformedRecord as problem:
        raise malformed(data, problem) from None


def malformed(record: bytes, problem: MalformedRecord) -> InvalidArgumentError:
    """The error of a record whose bytes are wrong."""
    shown = record[:60].decode("latin-1")
    return refusal(f"Could not parse example input: {problem}. Received: '{shown}'")


class Records(Protocol):
    """A batch of records."""

    def __len__(self) -> int: ...

    def column(self, feature: Dense | Sparse) -> Column | None:
        """All values of a feature; None where records must be looked at one by one."""
        ...

    def dense(self, feature: Dense) -> np.ndarray | None:
        """A feature of a fixed size, `[n, *shape]`; None where records must be looked at one by one."""
        ...

    def row(self, row: int, feature: Dense | Sparse, where: Where) -> np.ndarray | None:
        """The values of a feature in one record; None where it lacks the feature.

        Raises:
          InvalidArgumentError: they are of another dtype, or the record is malformed.
        """
        ...


def read(serialized: Sequence[bytes], features: Sequence[Dense | Sparse]) -> Records:
    """The features of a batch of serialized Examples.

    Raises:
      InvalidArgumentError: one is malformed.
    """
    alike = layout_of(serialized)
    if alike is not None:
        return _Alike(serialized, *alike)
    if len(serialized) >= _FEW:
        names = tuple({feature.key: None for feature in features})
        found = compiled.found(serialized, names)
        if found is not None:
            return Compiled(serialized, found, names, lambda: list(map(_table, serialized)))
    kinds: dict[bytes, int] = {}
    for feature in features:
        kind = kind_of(feature.dtype)
        kinds[feature.key] = kind if kinds.get(feature.key, kind) == kind else 0
    try:
        cells = scanner(tuple(kinds.items())).columns(serialized)
    except MalformedRecord:
        return Tables(serialized, [_table(record) for record in serialized])
    return _Scanned(serialized, dict(zip(kinds, cells, strict=True)))


def _table(record: bytes) -> wire.Table:
    try:
        return wire.read_example(record)
    except MalformedRecord as problem:
        raise malformed(record, problem) from None


class _ByColumns:
    """Records of which a column tells whether a feature has one size."""

    def dense(self: Any, feature: Dense) -> np.ndarray | None:
        """A feature of a fixed size, `[n, *shape]`; None where records must be looked at one by one."""
        column = self.column(feature)
        if column is None or not (column[1] == prod(feature.shape)).all():
            return None
        return column[0].reshape((len(self), *feature.shape))


class Tables(_ByColumns):
    """Records whose features have been found.

    Args:
      serialized: the records.
      tables: where their features lie.
    """

    def __init__(self, serialized: Sequence[bytes], tables: list[wire.Table]) -> None:
        self._serialized = serialized
        self._tables = tables

    def __len__(self) -> int:
        return len(self._serialized)

    def column(self, feature: Dense | Sparse) -> Column | None:
        """None: records are looked at one by one."""
        return None

    def row(self, row: int, feature: Dense | Sparse, where: Where) -> np.ndarray | None:
        """The values of a feature in one record; None where it lacks the feature."""
        record = self._serialized[row]
        try:
            place = wire.find(record, self._tables[row], feature.key)
        except MalformedRecord as problem:
            raise malformed(record, problem) from None
        return None if place is None else decoded(record, place, feature.dtype, where)


class _Alike(_ByColumns):
    """Records of one form.

    Args:
      serialized: the records.
      data: their bytes, `[n, length]`.
      layout: where their values lie.
    """

    def __init__(self, serialized: Sequence[bytes], data: np.ndarray, layout: Layout) -> None:
        self._serialized = serialized
        self._data = data
        self._layout = layout

    def __len__(self) -> int:
        return len(self._serialized)

    def column(self, feature: Dense | Sparse) -> Column | None:
        """All values of a feature; None where records must be looked at one by one."""
        place = self._layout.features.get(feature.key)
        if place is None or place[0] != kind_of(feature.dtype):
            return None
        return self._layout.column(self._serialized, self._data, place)

    def row(self, row: int, feature: Dense | Sparse, where: Where) -> np.ndarray | None:
        """The values of a feature in one record; None where it lacks the feature."""
        place = self._layout.features.get(feature.key)
        return None if place is None else decoded(self._serialized[row], place, feature.dtype, where)


class _Scanned(_ByColumns):
    """Records that were scanned.

    Args:
      serialized: the records.
      cells: what was found, for each record, by name.
    """

    def __init__(self, serialized: Sequence[bytes], cells: dict[bytes, list[Cell]]) -> None:
        self._serialized = serialized
        self._cells = cells

    def __len__(self) -> int:
        return len(self._serialized)

    def column(self, feature: Dense | Sparse) -> Column | None:
        """All values of a feature; None where records must be looked at one by one."""
        cells: Any = self._cells[feature.key]
        if len(cells) < _FEW or set(map(type, cells)) != _BYTES:
            return None
        return wire.column(cells, kind_of(feature.dtype))

    def row(self, row: int, feature: Dense | Sparse, where: Where) -> np.ndarray | None:
        """The values of a feature in one record; None where it lacks the feature."""
        cell = self._cells[feature.key][row]
        if cell is None:
            return None
        if isinstance(cell, tuple):
            return decoded(self._serialized[row], cell, feature.dtype, where)
        try:
            return wire.packed_values(cell, kind_of(feature.dtype))
        except MalformedRecord as problem:
            raise malformed(self._serialized[row], problem) from None


class Compiled:
    """Records that compiled code reads, as far as it can.

    Args:
      serialized: the records.
      found: where their features lie.
      names: of the features.
      tables: finds the features of each record otherwise.
    """

    def __init__(
        self,
        serialized: Sequence[bytes],
        found: compiled.Found,
        names: Sequence[bytes],
        tables: Callable[[], list[wire.Table]],
    ) -> None:
        self._serialized = serialized
        self._found = found
        self._slots = {name: slot for slot, name in enumerate(names)}
        self._read = tables

    def __len__(self) -> int:
        return len(self._serialized)

    def column(self, feature: Dense | Sparse) -> Column | None:
        """All values of a feature; None where records must be looked at one by one."""
        return self._found.column(self._slots[feature.key], kind_of(feature.dtype))

    def dense(self, feature: Dense) -> np.ndarray | None:
        """A feature of a fixed size, `[n, *shape]`; None where records must be looked at one by one."""
        slot, kind = self._slots[feature.key], kind_of(feature.dtype)
        values = self._found.dense(slot, kind, prod(feature.shape), feature.default)
        return None if values is None else values.reshape((len(self), *feature.shape))

    def row(self, row: int, feature: Dense | Sparse, where: Where) -> np.ndarray | None:
        """The values of a feature in one record; None where it lacks the feature."""
        return self._tables.row(row, feature, where)

    @cached_property
    def _tables(self) -> Tables:
        return Tables(self._serialized, self._read())
