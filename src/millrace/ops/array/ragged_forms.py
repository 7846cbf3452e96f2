"""Ragged rows as dense and as sparse tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core.dtypes import ALL, INDEX, int64
from millrace.core.errors import refusal
from millrace.core.shapes import Dims
from millrace.graph import attrs
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare

_FORMS = ("FIRST_DIM_SIZE", "VALUE_ROWIDS", "ROW_SPLITS")


def _by_splits(splits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each element the row that it is in, and its place there."""
    sizes = np.diff(splits)
    if not len(splits) or splits[0] != 0 or (sizes < 0).any():
        raise refusal(f"row splits must begin with 0 and not decrease. Received: {splits[:20].tolist()}")
    rows = np.repeat(np.arange(len(sizes)), sizes)
    return rows, np.arange(len(rows)) - splits[rows]


def _by_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if len(rows) and (rows[0] < 0 or (np.diff(rows) < 0).any()):
        raise refusal(f"row ids must not be negative or decrease. Received: {rows[:20].tolist()}")
    return rows, np.arange(len(rows)) - np.searchsorted(rows, rows)


class _Places:
    """Where the elements of ragged rows are: one column for each dimension so far, and how far each goes."""

    def __init__(self, rows: int) -> None:
        self.columns = [np.arange(rows)]
        self.sizes = [rows]

    def divide(self, rows: np.ndarray, inside: np.ndarray) -> None:
        """Each place becomes a row of elements."""
        if len(rows) and rows[-1] >= len(self.columns[0]):
            raise refusal(f"a row id must be below {len(self.columns[0])}. Received: {rows[-1]}")
        self.columns = [column[rows] for column in self.columns] + [inside]
        self.sizes.append(int(inside.max()) + 1 if len(inside) else 0)


def _check_length(found: int, wanted: int) -> None:
    if found != wanted:
        raise refusal(f"the rows hold {found} elements in all. Received: {wanted} values")


@declare(
    "RaggedTensorToSparse(rt_nested_splits: RAGGED_RANK*Tsplits, rt_dense_values: T) -> "
    "sparse_indices: int64, sparse_values: T, sparse_dense_shape: int64",
    T=ALL,
    Tsplits=attrs.dtype(INDEX, int64),
    host=True,
)
class RaggedTensorToSparse:
    """The values of ragged rows with their indices."""

    def shape(rt_nested_splits, rt_dense_values):
        rank = None if rt_dense_values is None else len(rt_nested_splits) + len(rt_dense_values)
        return [(None, rank), (None,), (rank,)]

    def kernel(xp, rt_nested_splits, rt_dense_values):
        places = _Places(max(len(rt_nested_splits[0]) - 1, 0))
        for splits in rt_nested_splits:
            places.divide(*_by_splits(np.asarray(splits)))
        values = np.asarray(rt_dense_values)
        _check_length(len(places.columns[0]), len(values))
        outer = np.stack(places.columns, 1).astype(np.int64)
        inner = np.argwhere(np.ones(values.shape[1:], bool))
        indices = np.concatenate([np.repeat(outer, len(inner), 0), np.tile(inner, (len(outer), 1))], axis=1)
        return indices, values.ravel(), np.array([*places.sizes, *values.shape[1:]], np.int64)

    grad = NOT_DIFFERENTIABLE


def _dense_shape(shape: Any, values: Any, row_partition_tensors: Any) -> Dims:
    wanted = shape.as_dims() if shape.dims is None or shape.dims else None
    if values is None:
        return wanted
    rank = len(row_partition_tensors) + len(values) - 1
    return wanted if wanted is not None and len(wanted) == rank else None


@declare(
    "RaggedTensorToTensor(shape: Tshape, values: T, default_value: T, row_partition_tensors: "
    "num_row_partition_tensors*Tindex) -> result: T",
    T=ALL,
    Tindex=INDEX,
    Tshape=INDEX,
    num_row_partition_tensors=attrs.count(1),
    row_partition_types=attrs.texts(),
    static=("shape",),
    host=True,
)
class RaggedTensorToTensor:
    """Ragged rows filled up to a dense tensor, or cut off."""

    def shape(shape, values, default_value, row_partition_tensors, row_partition_types):
        unknown = [form for form in row_partition_types if form not in _FORMS]
        if unknown:
            raise ValueError(f"row_partition_types must be of {list(_FORMS)}. Received: {unknown}")
        parts = row_partition_tensors
        if row_partition_types and row_partition_types[0] == "FIRST_DIM_SIZE":
            return _dense_shape(shape, values, parts)
        return _dense_shape(shape, values, (None, *parts))

    def kernel(xp, shape, values, default_value, row_partition_tensors, row_partition_types):
        parts = [np.asarray(part) for part in row_partition_tensors]
        forms = list(row_partition_types)
        if forms[0] == "FIRST_DIM_SIZE":
            rows, parts, forms = int(parts[0]), parts[1:], forms[1:]
        elif forms[0] == "ROW_SPLITS":
            rows = len(parts[0]) - 1
        else:
            raise refusal(f"Cannot handle {forms[0]} as the first of the partitions")
        places = _Places(rows)
        for form, part in zip(forms, parts, strict=True):
            places.divide(*(_by_splits(part) if form == "ROW_SPLITS" else _by_rows(part)))
        values = np.asarray(values)
        _check_length(len(places.columns[0]), len(values))
        own = [*places.sizes, *values.shape[1:]]
        wanted = list(shape.tolist()) if np.ndim(shape) else [-1] * len(own)
        if len(wanted) != len(own):
            raise refusal(f"shape must have {len(own)} elements. Received: {wanted}")
        sizes = [o if w < 0 else int(w) for o, w in zip(own, wanted, strict=True)]
        ragged = len(places.columns)
        if sizes[ragged:] != own[ragged:]:
            raise refusal(f"the inner dimensions are {own[ragged:]}. Received: shape {wanted}")
        out = np.empty(sizes, values.dtype)
        out[...] = np.asarray(default_value)
        held = np.logical_and.reduce([c < s for c, s in zip(places.columns, sizes, strict=False)])
        out[tuple(column[held] for column in places.columns)] = values[held]
        return out

    grad = NOT_DIFFERENTIABLE
