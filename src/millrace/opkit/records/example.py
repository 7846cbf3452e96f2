"""Turns serialized Examples and SequenceExamples into dense arrays and the parts of sparse tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from math import prod
from typing import Any

import numpy as np

from millrace.core.errors import InvalidArgumentError, refusal
from millrace.opkit.records import compiled
from millrace.opkit.records.columns import (
    KINDS,
    Column,
    Compiled,
    Dense,
    Records,
    Sparse,
    Tables,
    decoded,
    kind_of,
    malformed,
    read,
)
from millrace.opkit.records.wire import Feature, MalformedRecord, Table, read_sequence_example

SparseParts = tuple[np.ndarray, np.ndarray, np.ndarray]


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
    records = read(serialized, [*sparse, *dense])
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
    records = read((record,), [*sparse, *dense])
    where = partial(_feature_where, ())
    return (
        [_sparse_row(records, feature, where) for feature in sparse],
        [_dense_row(records, feature, where) for feature in dense],
    )


def _sparse_row(records: Records, feature: Sparse, where: Callable[..., Any]) -> SparseParts:
    values = records.row(0, feature, where(0, feature.key))
    if values is None:
        values = np.empty(0, feature.dtype)
    size = len(values)
    return np.arange(size).reshape(size, 1), values, np.array([size], np.int64)


def _dense_row(records: Records, feature: Dense, where: Callable[..., Any]) -> np.ndarray:
    if not feature.is_variable:
        values = records.row(0, feature, where(0, feature.key))
        if values is not None and len(values) == prod(feature.shape):
            return values.reshape(feature.shape)
    return _dense_column(records, feature, where)[0]


def _flat(
    records: Records, feature: Dense | Sparse, where: Callable[..., Any], check: Callable[..., None]
) -> Column:
    """The values of a feature in all records, none where a record lacks it.

    Args:
      records: the records.
      feature: which one.
      where: tells a record and a feature.
      check: called with each record's values that were looked at by themselves, and its number.
    """
    column = records.column(feature)
    if column is not None:
        return column
    rows = []
    for row in range(len(records)):
        values = records.row(row, feature, where(row, feature.key))
        if values is None:
            values = np.empty(0, feature.dtype)
        else:
            check(row, values)
        rows.append(values)
    return _concatenate(rows, feature.dtype), np.array([len(row) for row in rows], np.int64)


def _sparse_column(records: Records, feature: Sparse, where: Callable[..., Any]) -> SparseParts:
    values, counts = _flat(records, feature, where, lambda row, values: None)
    shape = np.array([len(records), counts.max() if len(records) else 0], np.int64)
    return _ragged_indices(counts), values, shape


def _dense_column(records: Records, feature: Dense, where: Callable[..., Any]) -> np.ndarray:
    if feature.is_variable:
        return _variable_column(records, feature, where)
    column = records.dense(feature)
    if column is not None:
        return column
    size = prod(feature.shape)
    out = np.empty((len(records), size), feature.dtype)
    for row in range(len(records)):
        values = records.row(row, feature, where(row, feature.key))
        if values is None:
            if feature.default is None:
                raise _missing("Feature", feature.key, feature.dtype)
            out[row] = feature.default.ravel()
            continue
        if len(values) != size:
            raise refusal(
                f"{where(row, feature.key)()}Number of {KINDS[kind_of(feature.dtype)]} values != expected.  "
                f"Values size: {len(values)} but output shape: {list(feature.shape)}"
            )
        out[row] = values
    return out.reshape((len(records), *feature.shape))


def _variable_column(records: Records, feature: Dense, where: Callable[..., Any]) -> np.ndarray:
    inner = feature.shape[1:]
    stride = prod(inner)

    def check(row: int, count: int) -> None:
        if stride == 0 or count % stride:
            raise refusal(
                f"{where(row, feature.key)()}Number of {KINDS[kind_of(feature.dtype)]} values is not a "
                f"multiple of stride length. Values size: {count} but output shape: {[None, *inner]}"
            )

    found, counts = _flat(records, feature, where, lambda row, values: check(row, len(values)))
    for row in np.flatnonzero(counts % stride if stride else counts).tolist():
        check(row, int(counts[row]))
    longest = int(counts.max()) if len(counts) else 0
    padding = _zero(feature.dtype) if feature.default is None else feature.default.ravel()[0]
    out = np.full((len(counts), longest), padding, feature.dtype)
    out[np.arange(longest) < counts[:, None]] = found
    return out.reshape((len(counts), longest // max(stride, 1), *inner))


# ---------------------------------------------------------------- sequence examples


@dataclass(frozen=True, slots=True)
class SequenceSpec:
    """What is wanted of SequenceExamples.

    Attributes:
      context_sparse, context_dense: features of the context.
      list_sparse: feature lists wanted as sparse tensors.
      list_dense: feature lists wanted as arrays, the shape being one step's.
      list_ragged: feature lists wanted as ragged rows of steps.
      assumed_empty: dense feature lists that may be missing, and then have no steps.
    """

    context_sparse: Sequence[Sparse] = ()
    context_dense: Sequence[Dense] = ()
    list_sparse: Sequence[Sparse] = ()
    list_dense: Sequence[Dense] = ()
    assumed_empty: frozenset[bytes] = frozenset()
    list_ragged: Sequence[Sparse] = ()


@dataclass(frozen=True, slots=True)
class SequenceColumns:
    """A parsed batch of SequenceExamples.

    Attributes:
      context_sparse: `[t, 2]` indices, `[t]` values, `[2]` dense shape each.
      context_dense: `[batch, *shape]` each.
      list_sparse: `[t, 3]` indices (record, step, place), `[t]` values, `[3]` dense shape each.
      list_dense: `[batch, longest, *shape]` each, zeros or empty strings after a record's last step.
      lengths: `[batch]` int64 steps of each dense feature list.
      list_ragged: values, how many each step has, and how many steps each record has.
    """

    context_sparse: list[SparseParts]
    context_dense: list[np.ndarray]
    list_sparse: list[SparseParts]
    list_dense: list[np.ndarray]
    lengths: list[np.ndarray]
    list_ragged: list[tuple[np.ndarray, np.ndarray, np.ndarray]]


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
    contexts, lists = _sequences(serialized, names, spec)
    where = partial(_feature_where, names)
    dense = [_list_dense_column(lists, f, f.key in spec.assumed_empty) for f in spec.list_dense]
    return SequenceColumns(
        [_sparse_column(contexts, feature, where) for feature in spec.context_sparse],
        [_dense_column(contexts, feature, where) for feature in spec.context_dense],
        [_list_sparse_column(lists, feature) for feature in spec.list_sparse],
        [column for column, _ in dense],
        [steps for _, steps in dense],
        [lists.column(feature) for feature in spec.list_ragged],
    )


def _sequences(
    serialized: Sequence[bytes], names: Sequence[bytes], spec: SequenceSpec
) -> tuple[Records, _Lists]:
    """The contexts and the feature lists of a batch."""
    keys = tuple({f.key: None for f in (*spec.context_sparse, *spec.context_dense)})
    list_keys = tuple({f.key: None for f in (*spec.list_sparse, *spec.list_dense, *spec.list_ragged)})
    lists = _Lists(serialized, names, list_keys, len(keys))
    found = compiled.found(serialized, keys, list_keys)
    if found is None:
        return Tables(serialized, [context for context, _ in lists.tables]), lists
    lists.found = found
    return Compiled(serialized, found, keys, lambda: [context for context, _ in lists.tables]), lists


Steps = tuple[np.ndarray, np.ndarray, np.ndarray]
"""The values of all steps of all records, how many each step has, and how many steps each record has."""


class _Lists:
    """The feature lists of a batch of records.

    Args:
      serialized: the records.
      names: what to call them in errors; may be empty.
      keys: names of the lists that are wanted.
      first: number of the first of them in what is found.

    Attributes:
      found: what compiled code has found.
    """

    def __init__(
        self, serialized: Sequence[bytes], names: Sequence[bytes], keys: Sequence[bytes], first: int
    ) -> None:
        self._serialized = serialized
        self.names = names
        self._slots = {key: first + i for i, key in enumerate(keys)}
        self.found: compiled.Found | None = None

    @cached_property
    def tables(self) -> list[tuple[Table, dict[bytes, list[Feature]]]]:
        """Where the features of the contexts and of the lists lie, for each record."""
        return [_sequence_table(record) for record in self._serialized]

    def column(self, feature: Sparse) -> Steps:
        """All steps of a list, none where a record has no such list."""
        values, sizes, steps = self._at_once(feature) or self._one_by_one(feature, lambda *_: None)
        return values, sizes, np.maximum(steps, 0)

    def dense(self, feature: Dense, check: Callable[[int, list[np.ndarray] | None], None]) -> Column:
        """`[records, longest, size]` of a list, zero or empty after a record's last step, and how many steps
        each record has.

        Args:
          feature: what is wanted.
          check: called with each record's number and steps, None for no such list, where they may not fit.
        """
        size = prod(feature.shape)
        if self.found is not None:
            column = self.found.list_dense(self._slots[feature.key], kind_of(feature.dtype), size)
            if column is not None:
                return column
        values, _, lengths = self._one_by_one(feature, check)
        lengths = np.maximum(lengths, 0)
        longest = max(lengths.tolist(), default=0)
        out = np.full((len(lengths), longest, size), _zero(feature.dtype), feature.dtype)
        out[np.arange(longest) < lengths[:, None]] = values.reshape(int(lengths.sum()), size)
        return out, lengths

    def _at_once(self, feature: Dense | Sparse) -> Steps | None:
        found = None if self.found is None else self.found.steps(self._slots[feature.key])
        if found is None:
            return None
        column = found[0].column(0, kind_of(feature.dtype))
        return None if column is None else (*column, found[1])

    def _one_by_one(
        self, feature: Dense | Sparse, check: Callable[[int, list[np.ndarray] | None], None]
    ) -> Steps:
        parts: list[np.ndarray] = []
        counts: list[int] = []
        for row, (_, table) in enumerate(self.tables):
            there = table.get(feature.key)
            if there is None:
                check(row, None)
                counts.append(-1)
                continue
            where = _list_where(self.names, row, feature.key)
            steps = _steps(self._serialized[row], there, feature.dtype, where)
            check(row, steps)
            parts += steps
            counts.append(len(steps))
        sizes = np.array([len(step) for step in parts], np.int64)
        return _concatenate(parts, feature.dtype), sizes, np.array(counts, np.int64)


def _sequence_table(record: bytes) -> tuple[Table, dict[bytes, list[Feature]]]:
    try:
        return read_sequence_example(record)
    except MalformedRecord as problem:
        raise malformed(record, problem) from None


def _steps(
    record: bytes, features: list[Feature], dtype: np.dtype, where: Callable[[], str]
) -> list[np.ndarray]:
    """The values of each step; a step whose feature is empty has none."""
    return [
        decoded(record, feature, dtype, lambda step=step: f"{where()}Step: {step}.  ")
        if feature[0]
        else np.empty(0, dtype)
        for step, feature in enumerate(features)
    ]


def _feature_where(names: Sequence[bytes], row: int, key: bytes) -> Callable[[], str]:
    return lambda: f"{_name(names, row)}Key: {_show(key)}, Index: {row}.  "


def _list_where(names: Sequence[bytes], row: int, key: bytes) -> Callable[[], str]:
    return lambda: f"{_name(names, row)}Feature list: {_show(key)}, Index: {row}.  "


def _list_sparse_column(lists: _Lists, feature: Sparse) -> SparseParts:
    values, sizes, steps = lists.column(feature)
    places = _ragged_indices(steps)  # of the steps
    indices = np.empty((len(values), 3), np.int64)
    indices[:, :2] = np.repeat(places, sizes, axis=0)
    indices[:, 2] = _ragged_indices(sizes)[:, 1]
    shape = np.array([len(steps), max(steps, default=0), max(sizes, default=0)], np.int64)
    return indices, values, shape


def _list_dense_column(lists: _Lists, feature: Dense, may_miss: bool) -> tuple[np.ndarray, np.ndarray]:
    size = prod(feature.shape)

    def check(row: int, steps: list[np.ndarray] | None) -> None:
        if steps is None and not may_miss:
            raise refusal(
                f"{_name(lists.names, row)}Feature list '{_show(feature.key)}' is required but could not be "
                "found.  Did you mean to include it in feature_list_dense_missing_assumed_empty or "
                "feature_list_dense_defaults?"
            )
        for step, values in enumerate(steps or ()):
            if len(values) != size:
                where = _list_where(lists.names, row, feature.key)
                raise refusal(
                    f"{where()}Step: {step}.  Number of {KINDS[kind_of(feature.dtype)]} values != expected.  "
                    f"Values size: {len(values)} but output shape: {list(feature.shape)}"
                )

    out, lengths = lists.dense(feature, check)
    return out.reshape((*out.shape[:2], *feature.shape)), lengths


# ---------------------------------------------------------------- messages


def _show(key: bytes) -> str:
    return key.decode("utf-8", "backslashreplace")


def _name(names: Sequence[bytes], row: int) -> str:
    return f"Name: {_show(names[row])}, " if names else ""


def _missing(what: str, key: bytes, dtype: np.dtype) -> InvalidArgumentError:
    return refusal(
        f"{what}: {_show(key)} (data type: {KINDS[kind_of(dtype)]}) is required but could not be found."
    )
