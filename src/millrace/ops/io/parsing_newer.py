"""SequenceExamples as later releases parse them: one or a batch, with ragged features."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core import shapes
from millrace.core.errors import refusal
from millrace.graph.attrs import integer, shape_list, types
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.records import example as bytes_example
from millrace.opkit.records.example import SequenceSpec
from millrace.opkit.records.wanted import dense_features, list_dense_features, ragged_parts, sparse_features
from millrace.opkit.text.pieces import strings

_NO_TYPES = types(())


def _splits(counts: np.ndarray, dtype: Any) -> np.ndarray:
    """Where each row begins, and the last one ends."""
    return np.concatenate([[0], np.cumsum(counts)]).astype(dtype.np_dtype)


@declare(
    "ParseSequenceExampleV2(serialized: string, debug_name: string, context_sparse_keys: string, "
    "context_dense_keys: string, context_ragged_keys: string, feature_list_sparse_keys: string, "
    "feature_list_dense_keys: string, feature_list_ragged_keys: string, "
    "feature_list_dense_missing_assumed_empty: bool, context_dense_defaults: Tcontext_dense) -> "
    "context_sparse_indices: Ncontext_sparse*int64, context_sparse_values: context_sparse_types, "
    "context_sparse_shapes: Ncontext_sparse*int64, context_dense_values: Tcontext_dense, "
    "context_ragged_values: context_ragged_value_types, context_ragged_row_splits: "
    "context_ragged_split_types, feature_list_sparse_indices: Nfeature_list_sparse*int64, "
    "feature_list_sparse_values: feature_list_sparse_types, feature_list_sparse_shapes: "
    "Nfeature_list_sparse*int64, feature_list_dense_values: feature_list_dense_types, "
    "feature_list_dense_lengths: Nfeature_list_dense*int64, feature_list_ragged_values: "
    "feature_list_ragged_value_types, feature_list_ragged_outer_splits: feature_list_ragged_split_types, "
    "feature_list_ragged_inner_splits: feature_list_ragged_split_types",
    Ncontext_sparse=integer(0),
    Tcontext_dense=_NO_TYPES,
    context_sparse_types=_NO_TYPES,
    context_ragged_value_types=_NO_TYPES,
    context_ragged_split_types=_NO_TYPES,
    context_dense_shapes=shape_list(()),
    Nfeature_list_sparse=integer(0),
    Nfeature_list_dense=integer(0),
    feature_list_dense_types=_NO_TYPES,
    feature_list_sparse_types=_NO_TYPES,
    feature_list_ragged_value_types=_NO_TYPES,
    feature_list_ragged_split_types=_NO_TYPES,
    feature_list_dense_shapes=shape_list(()),
    host=True,
)
class ParseSequenceExampleV2:
    """Reads one SequenceExample or a batch of them; features may come out as ragged rows."""

    def shape(serialized, debug_name, context_sparse_keys, context_dense_keys, context_ragged_keys,
              feature_list_sparse_keys, feature_list_dense_keys, feature_list_ragged_keys,
              feature_list_dense_missing_assumed_empty, context_dense_defaults, Ncontext_sparse,
              context_ragged_value_types, context_dense_shapes, Nfeature_list_sparse,
              feature_list_ragged_value_types, feature_list_dense_shapes):  # fmt: skip
        if serialized is not None and len(serialized) > 1:
            raise ValueError(f"serialized must be a scalar or a vector. Received: rank {len(serialized)}")
        batch = serialized
        rank = None if batch is None else 1 + len(batch)
        ragged = len(context_ragged_value_types), len(feature_list_ragged_value_types)
        steps = [None if d is None else (None, *d) for d in feature_list_dense_shapes]
        return [
            *_sparse_dims(Ncontext_sparse, rank),
            *(shapes.concat(batch, d) for d in context_dense_shapes),
            *[(None,)] * (2 * ragged[0]),
            *_sparse_dims(Nfeature_list_sparse, None if rank is None else rank + 1),
            *(shapes.concat(batch, d) for d in steps),
            *[batch] * len(feature_list_dense_shapes),
            *[(None,)] * (3 * ragged[1]),
        ]

    def kernel(xp, serialized, debug_name, context_sparse_keys, context_dense_keys, context_ragged_keys,
               feature_list_sparse_keys, feature_list_dense_keys, feature_list_ragged_keys,
               feature_list_dense_missing_assumed_empty, context_dense_defaults, context_sparse_types,
               context_ragged_value_types, context_ragged_split_types, context_dense_shapes,
               feature_list_dense_types, feature_list_sparse_types, feature_list_ragged_value_types,
               feature_list_ragged_split_types, feature_list_dense_shapes):  # fmt: skip
        records, one = strings(serialized), np.ndim(serialized) == 0
        sparse = sparse_features(_keys(context_sparse_keys), context_sparse_types)
        ragged = sparse_features(_keys(context_ragged_keys), context_ragged_value_types)
        dense_keys = _keys(feature_list_dense_keys)
        missing = np.ravel(feature_list_dense_missing_assumed_empty).tolist()
        if len(missing) != len(dense_keys):
            raise refusal(
                "feature_list_dense_missing_assumed_empty must say something of each dense feature list. "
                f"Received: {len(missing)} for {len(dense_keys)}"
            )
        spec = SequenceSpec(
            [*sparse, *ragged],
            dense_features(_keys(context_dense_keys), context_dense_defaults, context_dense_shapes),
            sparse_features(_keys(feature_list_sparse_keys), feature_list_sparse_types),
            list_dense_features(dense_keys, feature_list_dense_types, feature_list_dense_shapes),
            frozenset(key for key, may_miss in zip(dense_keys, missing, strict=True) if may_miss),
            sparse_features(_keys(feature_list_ragged_keys), feature_list_ragged_value_types),
        )
        found = bytes_example.parse_sequence_examples(records.ravel().tolist(), _keys(debug_name), spec)
        rows = [
            ragged_parts(p, d)
            for p, d in zip(found.context_sparse[len(sparse) :], context_ragged_split_types, strict=True)
        ]
        lists = zip(found.list_ragged, feature_list_ragged_split_types, strict=True)
        steps = [(v, _splits(counts, d), _splits(sizes, d)) for (v, sizes, counts), d in lists]
        if one:
            rows = [(values, splits[:0]) for values, splits in rows]
            steps = [(values, outer[:0], inner) for values, outer, inner in steps]
        first = (lambda columns: [c[0] for c in columns]) if one else list
        return (
            *_transposed(_of_one(found.context_sparse[: len(sparse)], one), 3),
            first(found.context_dense),
            *_transposed(rows, 2),
            *_transposed(_of_one(found.list_sparse, one), 3),
            first(found.list_dense),
            first(found.lengths),
            *_transposed(steps, 3),
        )

    grad = NOT_DIFFERENTIABLE


def _keys(names: Any) -> list[bytes]:
    return strings(names).ravel().tolist()


def _sparse_dims(number: int, rank: int | None) -> list[shapes.Dims]:
    places: list[shapes.Dims] = [(None, rank)] * number
    return [*places, *[(None,)] * number, *[(rank,)] * number]


def _of_one(columns: list[Any], one: bool) -> list[Any]:
    """Sparse parts without the number of the record, where there is one record."""
    return [(i[:, 1:], v, d[1:]) for i, v, d in columns] if one else columns


def _transposed(columns: list[Any], width: int) -> list[list[Any]]:
    return [[column[k] for column in columns] for k in range(width)]
