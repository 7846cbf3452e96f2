"""Fetching and feeding of SparseTensors and IndexedSlices: as their parts, and back as named tuples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building.indexed_slices import IndexedSlices, IndexedSlicesValue
from millrace.building.sparse_tensor import SparseTensor, SparseTensorValue
from millrace.session.fetch import register_session_run_conversion_functions


def _sparse_parts(sparse: SparseTensor) -> list[Any]:
    return [sparse.indices, sparse.values, sparse.dense_shape]


def _slice_parts(slices: IndexedSlices) -> list[Any]:
    parts = [slices.values, slices.indices]
    return parts if slices.dense_shape is None else [*parts, slices.dense_shape]


def _sparse_fetch(sparse: SparseTensor) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    return _sparse_parts(sparse), lambda parts: SparseTensorValue(*parts)


def _sparse_feed(sparse: SparseTensor, value: Any) -> list[tuple[Any, Any]]:
    return list(zip(_sparse_parts(sparse), value))


def _slices_fetch(slices: IndexedSlices) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    return _slice_parts(slices), lambda parts: IndexedSlicesValue(*parts, *[None] * (3 - len(parts)))


def _slices_feed(slices: IndexedSlices, value: Any) -> list[tuple[Any, Any]]:
    return list(zip(_slice_parts(slices), value))


register_session_run_conversion_functions(SparseTensor, _sparse_fetch, _sparse_feed, _sparse_parts)
register_session_run_conversion_functions(IndexedSlices, _slices_fetch, _slices_feed, _slice_parts)
