"""Fetching and feeding of SparseTensors and IndexedSlices: as their parts, and back as named tuples."""

from __future__ import annotations

from typing import Any

from millrace.building.indexed_slices import IndexedSlices, IndexedSlicesValue
from millrace.building.sparse_tensor import SparseTensor, SparseTensorValue
from millrace.session.fetch import register_session_run_conversion_functions


def _sparse_parts(sparse: SparseTensor) -> list[Any]:
    return [sparse.indices, sparse.values, sparse.dense_shape]


def _slice_parts(slices: IndexedSlices) -> list[Any]:
    parts = [slices.values, slices.indices]
    return parts if slices.dense_shape is None else [*parts, slices.dense_shape]


def _slices_value(parts: list[Any]) -> Any:
    return IndexedSlicesValue(*parts, *[None] * (3 - len(parts)))


register_session_run_conversion_functions(
    SparseTensor,
    lambda sparse: (_sparse_parts(sparse), lambda parts: SparseTensorValue(*parts)),
    lambda sparse, value: list(zip(_sparse_parts(sparse), value)),
    _sparse_parts,
)
register_session_run_conversion_functions(
    IndexedSlices,
    lambda slices: (_slice_parts(slices), _slices_value),
    lambda slices, value: list(zip(_slice_parts(slices), value)),
    _slice_parts,
)
