"""Turns serialized Examples and SequenceExamples into dense arrays and the parts of sparse tensors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import numpy as np

from millrace.core.errors import InvalidArgumentError, refusal
from millrace.opkit.records import wire as bytes_wire
from millrace.opkit.records.layouts import Group, Layout, grouped
from millrace.opkit.records.wire import Feature, MalformedRecord

_KINDS = {bytes_wire.BYTES: "string", bytes_wire.FLOATS: "float", bytes_wire.INTS: "int64"}
_KIND_OF = {np.dtype(object): bytes_wire.BYTES, np.dtype(np.float32): bytes_wire.FLOATS}

SparseParts = tuple[np.ndarray, np.ndarray, np.ndarray]


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


def _kind(dtype: np.dtype) -> int:
    return _KIND_OF.get(np.dtype(dtype), bytes_wire.INTS)


def _values(data: bytes, feature: Feature, dtype: np.dtype, where: Callable[[], str]) -> np.ndarray:
    """Decodes a list after checking that it is of the wanted dtype."""
    wanted = _kind(dtype)
    if feature[0] != wanted:
        raise refusal(
            f"{where()}Data types don't match. Expected type: {_KINDS[wanted]}, "
            f"Data type: {_KINDS[feature[0]]}"
        )
    try:
        return bytes_wire.values(data, feature)
    except MalformedRecord as problem:
        raise _malformed(data, problem) from None


def _zero(dtype: np.dtype) -> object:
    return b"" if dtype.kind == "O" else 0


def _ragged_indices(counts: np.ndarray) -> np.ndarray:
    """`[t, 2]` (row, column) of rows with so many columns each."""
    total = int(counts.sum())
    indices = np.empty((total, 2), np.int64)
    indices[:, 0] = np.repeat(np.arange(len(counts)), counts)
    indices[:, 1] = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    return indices


def _concatenate(parts: Sequence[np.ndarray], dtype: np.dtype) -> np.ndarray:
    parts = [part for part in parts if part.size]
    return np.concatenate(parts) if parts else np.empty(0, dtype)


# ---------------------------------------------------------------- examples


def parse_examples(
    serialized: Sequence[bytes], names: Sequence[bytes], sparse: Sequence[Sparse], dense: Sequence[Dense]
) -> tuple[list[SparseParts], list[np.ndarray]]:
    """Parses a batch of Examples.

    Args:
      serialized: the records.
      names: what to call them in errors; may be empty.
      sparse: features wanted as sparse tensors.
      dense: features wanted as arrays.

    Returns:
      For each sparse feature its `[t, 2]` indices, `[t]` values and `[2]` dense shape, and for each dense
      one its `[batch, *shape]` array. Rows of variable length are padded to the longest.

    Raises:
      InvalidArgumentError: a record is malformed, lacks a required feature, or holds one of another dtype or
        size.
    """
    records = _Records(serialized, bytes_wire.read_example, grouped(serialized))
    where = partial(_feature_where, names)
    sparse_columns = [_sparse_column(records, feature, where) for feature in sparse]
    dense_columns = [_dense_column(records, feature, where) for feature in dense]
    return sparse_columns, dense_columns


def parse_example(
    record: bytes, sparse: Sequence[Sparse], dense: Sequence[Dense]
) -> tuple[list[SparseParts], list[np.ndarray]]:
    """Parses one Example.

    Args:
      record: the serialized Example.
      sparse: features wanted as sparse tensors.
      dense: features wanted as arrays.

    Returns:
      For each sparse feature its `[t, 1]` indices, `[t]` values and `[1]` dense shape, and for each dense
      one its `[*shape]` array.

    Raises:
      InvalidArgumentError: as for `parse_examples`.
    """
    sparse_columns, dense_columns = parse_examples((record,), (), sparse, dense)
    single = [(indices[:, 1:], values, shape[1:]) for indices, values, shape in sparse_columns]
    return single, [column[0] for column in dense_columns]


def _table(record: bytes, read):
    try:
        return read(record)
    except MalformedRecord as problem:
        raise _malformed(record, problem) from None


class _Records:
    """A batch of records, whose features are read by columns where records are alike.

    Args:
      serialized: the records.
      read: from a record to where its features lie; or these tables themselves.
      alike: the records that have their form in common with others.
    """

    def __init__(
        self,
        serialized: Sequence[bytes],
        read: Callable[[bytes], bytes_wire.Table] | list[bytes_wire.Table],
        alike: Sequence[Group] = (),
    ) -> None:
        self._serialized = serialized
        self._alike = alike
        self._forms: dict[int, Layout] = {}
        self._tables: dict[int, bytes_wire.Table] = {}
        self._whole = len(alike) == 1 and len(alike[0][0]) == len(serialized)
        if isinstance(read, list):
            self._tables = dict(enumerate(read))
        elif not self._whole:
            self._forms = {i: form for rows, _, form in alike for i in rows.tolist()}
            self._tables = {
                i: _table(record, read) for i, record in enumerate(serialized) if i not in self._forms
            }

    def __len__(self) -> int:
        return len(self._serialized)

    def column(self, feature: Dense | Sparse) -> np.ndarray | None:
        """The values in all records at once, `[n, values]`; None where they must be looked at one by one."""
        return _alike_values(self._alike[0], feature) if self._whole else None

    def rows(self, feature: Dense | Sparse, where: Callable[..., Any]) -> list[np.ndarray | None]:
        """The values in each record; None where it lacks the feature."""
        found: dict[int, np.ndarray] = {}
        for group in self._alike:
            values = _alike_values(group, feature)
            if values is not None:
                found.update(zip(group[0].tolist(), values, strict=True))
        return [found[row] if row in found else self._row(row, feature, where) for row in range(len(self))]

    def _row(self, row: int, feature: Dense | Sparse, where: Callable[..., Any]) -> np.ndarray | None:
        record = self._serialized[row]
        form = self._alike[0][2] if self._whole else self._forms.get(row)
        if form is not None:
            place = form.features.get(feature.key)
        else:
            try:
                place = bytes_wire.find(record, self._tables[row], feature.key)
            except MalformedRecord as problem:
                raise _malformed(record, problem) from None
        return None if place is None else _values(record, place, feature.dtype, where(row, feature.key))


def _alike_values(group: Group, feature: Dense | Sparse) -> np.ndarray | None:
    """The values of one feature in records of one form, `[n, values]`; None where they must be looked at one
    by one.
    """
    _, data, form = group
    place = form.features.get(feature.key)
    if place is None or place[0] != _kind(feature.dtype):
        return None
    return form.column(data, place)


def _malformed(record: bytes, problem: MalformedRecord) -> InvalidArgumentError:
    shown = record[:60].decode("latin-1")
    return refusal(f"Could not parse example input: {problem}. Received: '{shown}'")


def _sparse_column(records: _Records, feature: Sparse, where: Callable[..., Any]) -> SparseParts:
    column = records.column(feature)
    if column is not None:
        count, size = column.shape
        shape = np.array([count, size], np.int64)
        return _ragged_indices(np.full(count, size, np.int64)), column.reshape(-1), shape
    empty = np.empty(0, feature.dtype)
    rows = [empty if row is None else row for row in records.rows(feature, where)]
    counts = np.array([len(row) for row in rows], np.int64)
    shape = np.array([len(rows), counts.max() if rows else 0], np.int64)
    return _ragged_indices(counts), _concatenate(rows, feature.dtype), shape


def _dense_column(records: _Records, feature: Dense, where: Callable[..., Any]) -> np.ndarray:
    if feature.is_variable:
        return _variable_column(records, feature, where)
    size = prod(feature.shape)
    column = records.column(feature)
    if column is not None and column.shape[1] == size:
        return column.reshape((len(records), *feature.shape))
    out = np.empty((len(records), size), feature.dtype)
    for row, values in enumerate(records.rows(feature, where)):
        if values is None:
            if feature.default is None:
                raise _missing("Feature", feature.key, feature.dtype)
            out[row] = feature.default.ravel()
            continue
        if len(values) != size:
            raise refusal(
                f"{where(row, feature.key)()}Number of {_KINDS[_kind(feature.dtype)]} values != expected.  "
                f"Values size: {len(values)} but output shape: {list(feature.shape)}"
            )
        out[row] = values
    return out.reshape((len(records), *feature.shape))


def _variable_column(records: _Records, feature: Dense, where: Callable[..., Any]) -> np.ndarray:
    inner = feature.shape[1:]
    stride = prod(inner)
    rows = []
    for row, values in enumerate(records.rows(feature, where)):
        if values is None:
            rows.append(np.empty(0, feature.dtype))
            continue
        if stride == 0 or len(values) % stride:
            raise refusal(
                f"{where(row, feature.key)()}Number of {_KINDS[_kind(feature.dtype)]} values is not a "
                f"multiple of stride length. Values size: {len(values)} but output shape: {[None, *inner]}"
            )
        rows.append(values)
    longest = max((len(row) for row in rows), default=0)
    padding = _zero(feature.dtype) if feature.default is None else feature.default.ravel()[0]
    out = np.full((len(rows), longest), padding, feature.dtype)
    for row, values in enumerate(rows):
        out[row, : len(values)] = values
    return out.reshape((len(rows), longest // max(stride, 1), *inner))


# ---------------------------------------------------------------- sequence examples


@dataclass(frozen=True, slots=True)
class SequenceSpec:
    """What is wanted of SequenceExamples.

    Attributes:
      context_sparse, context_dense: features of the context.
      list_sparse: feature lists wanted as sparse tensors.
      list_dense: feature lists wanted as arrays, the shape being one step's.
      assumed_empty: dense feature lists that may be missing, and then have no steps.
    """

    context_sparse: Sequence[Sparse] = ()
    context_dense: Sequence[Dense] = ()
    list_sparse: Sequence[Sparse] = ()
    list_dense: Sequence[Dense] = ()
    assumed_empty: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class SequenceColumns:
    """A parsed batch of SequenceExamples.

    Attributes:
      context_sparse: `[t, 2]` indices, `[t]` values, `[2]` dense shape each.
      context_dense: `[batch, *shape]` each.
      list_sparse: `[t, 3]` indices (record, step, place), `[t]` values, `[3]` dense shape each.
      list_dense: `[batch, longest, *shape]` each, zeros or empty strings after a record's last step.
      lengths: `[batch]` int64 steps of each dense feature list.
    """

    context_sparse: list[SparseParts]
    context_dense: list[np.ndarray]
    list_sparse: list[SparseParts]
    list_dense: list[np.ndarray]
    lengths: list[np.ndarray]


def parse_sequence_examples(
    serialized: Sequence[bytes], names: Sequence[bytes], spec: SequenceSpec
) -> SequenceColumns:
    """Parses a batch of SequenceExamples.

    Args:
      serialized: the records.
      names: what to call them in errors; may be empty.
      spec: what is wanted.

    Raises:
      InvalidArgumentError: as for `parse_examples`, or a required feature list is missing.
    """
    tables = [_table(record, bytes_wire.read_sequence_example) for record in serialized]
    contexts = _Records(serialized, [context for context, _ in tables])
    lists = [feature_lists for _, feature_lists in tables]

    where = partial(_feature_where, names)
    dense, lengths = [], []
    for feature in spec.list_dense:
        column, steps = _list_dense_column(
            serialized, names, lists, feature, feature.key in spec.assumed_empty
        )
        dense.append(column)
        lengths.append(steps)
    return SequenceColumns(
        [_sparse_column(contexts, feature, where) for feature in spec.context_sparse],
        [_dense_column(contexts, feature, where) for feature in spec.context_dense],
        [_list_sparse_column(serialized, names, lists, feature) for feature in spec.list_sparse],
        dense,
        lengths,
    )


def _steps(
    record: bytes, features: list[Feature], dtype: np.dtype, where: Callable[[], str]
) -> list[np.ndarray]:
    """The values of each step; a step whose feature is empty has none."""
    return [
        _values(record, feature, dtype, lambda step=step: f"{where()}Step: {step}.  ")
        if feature[0]
        else np.empty(0, dtype)
        for step, feature in enumerate(features)
    ]


def _feature_where(names: Sequence[bytes], row: int, key: bytes) -> Callable[[], str]:
    return lambda: f"{_name(names, row)}Key: {_show(key)}, Index: {row}.  "


def _list_where(names: Sequence[bytes], row: int, key: bytes) -> Callable[[], str]:
    return lambda: f"{_name(names, row)}Feature list: {_show(key)}, Index: {row}.  "


def _list_sparse_column(serialized, names, lists, feature: Sparse) -> SparseParts:
    parts, indices = [], []
    shape = np.array([len(lists), 0, 0], np.int64)
    for row, (record, table) in enumerate(zip(serialized, lists, strict=True)):
        where = _list_where(names, row, feature.key)
        steps = _steps(record, table.get(feature.key, []), feature.dtype, where)
        counts = np.array([len(step) for step in steps], np.int64)
        places = _ragged_indices(counts)
        indices.append(np.column_stack((np.full(len(places), row, np.int64), places)))
        parts.extend(steps)
        shape[1] = max(shape[1], len(steps))
        shape[2] = max(shape[2], counts.max() if steps else 0)
    found = np.concatenate(indices) if indices else np.empty((0, 3), np.int64)
    return found, _concatenate(parts, feature.dtype), shape


def _list_dense_column(
    serialized, names, lists, feature: Dense, may_miss: bool
) -> tuple[np.ndarray, np.ndarray]:
    size = prod(feature.shape)
    rows = []
    for row, (record, table) in enumerate(zip(serialized, lists, strict=True)):
        where = _list_where(names, row, feature.key)
        found = table.get(feature.key)
        if found is None and not may_miss:
            raise refusal(
                f"{_name(names, row)}Feature list '{_show(feature.key)}' is required but could not be "
                "found.  Did you mean to include it in feature_list_dense_missing_assumed_empty or "
                "feature_list_dense_defaults?"
            )
        steps = _steps(record, found or [], feature.dtype, where)
        for step, values in enumerate(steps):
            if len(values) != size:
                raise refusal(
                    f"{where()}Step: {step}.  Number of {_KINDS[_kind(feature.dtype)]} values != expected.  "
                    f"Values size: {len(values)} but output shape: {list(feature.shape)}"
                )
        rows.append(steps)
    lengths = np.array([len(steps) for steps in rows], np.int64)
    longest = int(lengths.max()) if rows else 0
    out = np.full((len(rows), longest, size), _zero(feature.dtype), feature.dtype)
    for row, steps in enumerate(rows):
        for step, values in enumerate(steps):
            out[row, step] = values
    return out.reshape((len(rows), longest, *feature.shape)), lengths


# ---------------------------------------------------------------- messages


def _show(key: bytes) -> str:
    return key.decode("utf-8", "backslashreplace")


def _name(names: Sequence[bytes], row: int) -> str:
    return f"Name: {_show(names[row])}, " if names else ""


def _missing(what: str, key: bytes, dtype: np.dtype) -> InvalidArgumentError:
    return refusal(
        f"{what}: {_show(key)} (data type: {_KINDS[_kind(dtype)]}) is required but could not be found."
    )
