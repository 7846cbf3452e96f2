"""Turns serialized Examples and SequenceExamples into dense arrays and the parts of sparse tensors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import numpy as np

from millrace.core.errors import InvalidArgumentError, refusal
from millrace.opkit.records.columns import (
    KINDS,
    Column,
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
    size = prod(feature.shape)
    column = records.column(feature)
    if column is not None and (column[1] == size).all():
        return column[0].reshape((len(records), *feature.shape))
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
    tables = [_sequence_table(record) for record in serialized]
    contexts = Tables(serialized, [context for context, _ in tables])
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
        [_list_ragged_column(serialized, names, lists, feature) for feature in spec.list_ragged],
    )


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


def _list_ragged_column(
    serialized, names, lists, feature: Sparse
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    parts, counts = [], []
    for row, (record, table) in enumerate(zip(serialized, lists, strict=True)):
        where = _list_where(names, row, feature.key)
        steps = _steps(record, table.get(feature.key, []), feature.dtype, where)
        parts.extend(steps)
        counts.append(len(steps))
    sizes = np.array([len(step) for step in parts], np.int64)
    return _concatenate(parts, feature.dtype), sizes, np.array(counts, np.int64)


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
                    f"{where()}Step: {step}.  Number of {KINDS[kind_of(feature.dtype)]} values != expected.  "
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
        f"{what}: {_show(key)} (data type: {KINDS[kind_of(dtype)]}) is required but could not be found."
    )
