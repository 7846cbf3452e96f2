"""Reads `tf.train.Example` and `SequenceExample` records into dense tensors and the parts of sparse ones.

The public functions take one dictionary of features. `opkit.features` sorts it into the lists of keys,
dtypes and shapes that these operations take.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.building.sparse_tensor import SparseTensor
from millrace.core import shapes
from millrace.core.dtypes import INDEX, float32, int64, string
from millrace.core.public import public
from millrace.graph.attrs import count, integer, shape_list, texts, types
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.records import example as bytes_example
from millrace.opkit.records.example import SequenceSpec
from millrace.opkit.records.features import (
    FixedLenFeature,
    FixedLenSequenceFeature,
    SparseFeature,
    VarLenFeature,
    Wanted,
    default_tensors,
    merge_sparse_features,
    sort_features,
)
from millrace.opkit.records.wanted import dense_features, list_dense_features, ragged_parts, sparse_features
from millrace.opkit.rules.shape_rules import with_rank
from millrace.opkit.text.pieces import attr_bytes, strings

_FEATURE = frozenset({float32, int64, string})
_TYPES = types(allowed=_FEATURE)
_NO_TYPES = types((), allowed=_FEATURE)


def _text(value: Any) -> bytes:
    return strings(value).item()


def _grouped(
    sparse: Sequence[bytes_example.SparseParts], dense: Sequence[np.ndarray]
) -> tuple[list[Any], ...]:
    """Indices, values, shapes and dense arrays, as the signatures list them."""
    return [p[0] for p in sparse], [p[1] for p in sparse], [p[2] for p in sparse], list(dense)


def _sparse_dims(number: int, rank: int) -> list[shapes.Dims]:
    return [(None, rank)] * number + [(None,)] * number + [(rank,)] * number  # pyright: ignore[reportReturnType]


# --- examples ----------------------------------------------------------------------------------------------


@declare(
    "ParseExample(serialized: string, names: string, sparse_keys: Nsparse*string, dense_keys: "
    "Ndense*string, dense_defaults: Tdense) -> sparse_indices: Nsparse*int64, sparse_values: "
    "sparse_types, sparse_shapes: Nsparse*int64, dense_values: Tdense",
    Nsparse=count(0),
    Ndense=count(0),
    sparse_types=_TYPES,
    Tdense=_TYPES,
    dense_shapes=shape_list(),
    host=True,
)
class ParseExample:
    """Reads a batch of Examples."""

    def shape(serialized, names, sparse_keys, dense_keys, dense_defaults, dense_shapes):
        batch = with_rank(serialized, 1, "serialized")
        with_rank(names, 1, "names")
        return _sparse_dims(len(sparse_keys), 2) + [batch + dims for dims in dense_shapes]

    def kernel(xp, serialized, names, sparse_keys, dense_keys, dense_defaults, sparse_types, dense_shapes):
        return _grouped(
            *bytes_example.parse_examples(
                strings(serialized).tolist(),
                strings(names).tolist(),
                sparse_features([_text(k) for k in sparse_keys], sparse_types),
                dense_features([_text(k) for k in dense_keys], dense_defaults, dense_shapes),
            )
        )

    grad = NOT_DIFFERENTIABLE


@declare(
    "ParseExampleV2(serialized: string, names: string, sparse_keys: string, dense_keys: string, "
    "ragged_keys: string, dense_defaults: Tdense) -> sparse_indices: num_sparse*int64, sparse_values: "
    "sparse_types, sparse_shapes: num_sparse*int64, dense_values: Tdense, ragged_values: "
    "ragged_value_types, ragged_row_splits: ragged_split_types",
    Tdense=_TYPES,
    num_sparse=integer(minimum=0),
    sparse_types=_TYPES,
    ragged_value_types=_TYPES,
    ragged_split_types=types(allowed=INDEX),
    dense_shapes=shape_list(),
    host=True,
)
class ParseExampleV2:
    """Reads one Example or a batch of them; features may come out as ragged rows."""

    def shape(serialized, names, sparse_keys, dense_keys, ragged_keys, dense_defaults, num_sparse,
              ragged_value_types, dense_shapes):  # fmt: skip
        if serialized is None:
            return [None] * (3 * num_sparse + len(dense_shapes) + 2 * len(ragged_value_types))
        if len(serialized) > 1:
            raise ValueError(f"serialized must be a scalar or a vector. Received: rank {len(serialized)}")
        rows = None if None in serialized else tuple(size + 1 for size in serialized)
        return [
            *_sparse_dims(num_sparse, 1 + len(serialized)),
            *(None if dims is None else serialized + dims for dims in dense_shapes),
            *[(None,) for _ in ragged_value_types],
            *[(rows or (None,)) if serialized else (0,) for _ in ragged_value_types],
        ]

    def kernel(xp, serialized, names, sparse_keys, dense_keys, ragged_keys, dense_defaults, sparse_types,
               ragged_value_types, ragged_split_types, dense_shapes):  # fmt: skip
        records = strings(serialized)
        sparse = sparse_features(strings(sparse_keys).tolist(), sparse_types)
        ragged = sparse_features(strings(ragged_keys).tolist(), ragged_value_types)
        found, dense = bytes_example.parse_examples(
            records.ravel().tolist(),
            strings(names).ravel().tolist(),
            [*sparse, *ragged],
            dense_features(strings(dense_keys).tolist(), dense_defaults, dense_shapes),
        )
        rows = [ragged_parts(p, d) for p, d in zip(found[len(sparse) :], ragged_split_types, strict=True)]
        found = found[: len(sparse)]
        if not records.ndim:
            found = [(indices[:, 1:], values, dims[1:]) for indices, values, dims in found]
            dense = [column[0] for column in dense]
            rows = [(values, splits[:0]) for values, splits in rows]
        return (*_grouped(found, dense), [p[0] for p in rows], [p[1] for p in rows])

    grad = NOT_DIFFERENTIABLE


class _SingleExamples:
    """Reads Examples one by one, or a vector of them as a batch, for features that are known."""

    def __init__(
        self, sparse_keys: Any, sparse_types: Any, dense_keys: Any, dense_defaults: Any, dense_shapes: Any
    ) -> None:
        self._sparse = sparse_features([attr_bytes(k) for k in sparse_keys], sparse_types)
        self._dense = dense_features([attr_bytes(k) for k in dense_keys], dense_defaults, dense_shapes)

    def __call__(self, serialized: Any, *_: Any) -> tuple[list[Any], ...]:
        if type(serialized) is np.ndarray:
            if serialized.ndim:
                records = serialized.tolist()
                return _grouped(*bytes_example.parse_examples(records, [], self._sparse, self._dense))
            serialized = serialized.item()
        return _grouped(*bytes_example.parse_example(serialized, self._sparse, self._dense))


def _bind_single(dims, values, attributes):
    """The interpreter's shortcut where the defaults are constants: the features are looked at once."""
    defaults = values[1:]
    if any(value is None for value in defaults):
        return None
    return _SingleExamples(
        attributes["sparse_keys"],
        attributes["sparse_types"],
        attributes["dense_keys"],
        defaults,
        attributes["dense_shapes"],
    )


@declare(
    "ParseSingleExample(serialized: string, dense_defaults: Tdense) -> sparse_indices: "
    "num_sparse*int64, sparse_values: sparse_types, sparse_shapes: num_sparse*int64, dense_values: "
    "Tdense",
    num_sparse=integer(minimum=0),
    sparse_keys=texts(),
    dense_keys=texts(),
    sparse_types=_TYPES,
    Tdense=_TYPES,
    dense_shapes=shape_list(),
    host=True,
)
class ParseSingleExample:
    """Reads one Example; a stage of a dataset calls the kernel for a vector of them, which gives batches."""

    def shape(serialized, dense_defaults, num_sparse, dense_shapes):
        with_rank(serialized, 0, "serialized")
        return _sparse_dims(num_sparse, 1) + list(dense_shapes)

    def kernel(xp, serialized, dense_defaults, sparse_keys, dense_keys, sparse_types, dense_shapes):
        return _SingleExamples(sparse_keys, sparse_types, dense_keys, dense_defaults, dense_shapes)(
            serialized
        )

    bind = _bind_single

    grad = NOT_DIFFERENTIABLE


@public("parse_example", "io.parse_example")
def parse_example(
    serialized: Any, features: Any, name: str | None = None, example_names: Any = None
) -> dict[str, Any]:
    """Reads a batch of serialized `tf.train.Example` records.

    Args:
      serialized: `[batch]` strings.
      features: name to FixedLenFeature, VarLenFeature, SparseFeature or FixedLenSequenceFeature.
      name: scope of the operations; default "ParseExample".
      example_names: `[batch]` strings, what to call the records in errors.

    Returns:
      Name to tensor: `[batch, *shape]` for a fixed length, `[batch, longest, *shape]` for a sequence, a
      SparseTensor for the others.

    Raises:
      ValueError: there are no features, or one is incomplete.
      InvalidArgumentError: at run time, when a record is malformed or lacks a required feature.
    """
    _check_some(features, "parse_example")
    wanted = sort_features(features, (FixedLenFeature, VarLenFeature, SparseFeature, FixedLenSequenceFeature))
    with name_scope(name, "ParseExample", [serialized, example_names]):
        found = apply(
            ParseExample,
            serialized,
            [] if example_names is None else example_names,
            wanted.sparse_keys,
            wanted.dense_keys,
            default_tensors(wanted),
            sparse_types=wanted.sparse_types,
            dense_shapes=wanted.dense_shapes,
        )
    return merge_sparse_features(features, _by_name(wanted, found))


def _check_some(features: Any, what: str) -> None:
    if not features:
        raise ValueError(f"{what}: features must name at least one feature. Received: {features!r}")


def _by_name(wanted: Wanted, found: Any) -> dict[str, Any]:
    sparse = map(SparseTensor, found.sparse_indices, found.sparse_values, found.sparse_shapes)
    return {
        **dict(zip(wanted.sparse_keys, sparse, strict=True)),
        **dict(zip(wanted.dense_keys, found.dense_values, strict=True)),
    }


@public("parse_single_example", "io.parse_single_example")
def parse_single_example(
    serialized: Any, features: Any, name: str | None = None, example_names: Any = None
) -> dict[str, Any]:
    """Reads one serialized `tf.train.Example`.

    Args:
      serialized: scalar string.
      features: name to FixedLenFeature, VarLenFeature, SparseFeature or FixedLenSequenceFeature.
      name: scope of the operations; default "ParseSingleExample".
      example_names: scalar string, what to call the record in errors.

    Returns:
      Name to tensor, as from `parse_example` without the batch dimension.

    Raises:
      ValueError: there are no features, or one is incomplete.
      InvalidArgumentError: at run time, when the record is malformed or lacks a required feature.
    """
    _check_some(features, "parse_single_example")
    wanted = sort_features(features, (FixedLenFeature, VarLenFeature, SparseFeature, FixedLenSequenceFeature))
    with name_scope(name, "ParseSingleExample", [serialized, example_names]):
        if example_names is not None:
            parsed = _parse_named(serialized, example_names, wanted)
        else:
            found = apply(
                ParseSingleExample,
                serialized,
                default_tensors(wanted),
                num_sparse=len(wanted.sparse_keys),
                sparse_keys=[key.encode() for key in wanted.sparse_keys],
                dense_keys=[key.encode() for key in wanted.dense_keys],
                sparse_types=wanted.sparse_types,
                dense_shapes=wanted.dense_shapes,
            )
            parsed = _by_name(wanted, found)
    return merge_sparse_features(features, parsed)


def _parse_named(serialized: Any, example_name: Any, wanted: Wanted) -> dict[str, Any]:
    """One named record, read as a batch of one: `ParseSingleExample` knows no names."""
    found = apply(
        ParseExample,
        raw.ExpandDims(convert_to_tensor(serialized, dtype=string), np.int32(0)),
        raw.ExpandDims(convert_to_tensor(example_name, dtype=string), np.int32(0)),
        wanted.sparse_keys,
        wanted.dense_keys,
        default_tensors(wanted),
        sparse_types=wanted.sparse_types,
        dense_shapes=wanted.dense_shapes,
    )
    batch = _by_name(wanted, found)
    single: dict[str, Any] = {key: raw.Squeeze(batch[key], squeeze_dims=[0]) for key in wanted.dense_keys}
    for key in wanted.sparse_keys:
        x = batch[key]
        single[key] = SparseTensor(x.indices[:, 1:], x.values, x.dense_shape[1:])
    return single


# --- sequence examples -------------------------------------------------------------------------------------


def _sequence_dims(
    batch: shapes.Dims,
    context_sparse: int,
    context_dense: Sequence[shapes.Dims],
    list_sparse: int,
    list_dense: Sequence[shapes.Dims],
) -> list[shapes.Dims]:
    rank = len(batch)
    return [
        *_sparse_dims(context_sparse, rank + 1),
        *(batch + dims for dims in context_dense),
        *_sparse_dims(list_sparse, rank + 2),
        *((*batch, None, *dims) for dims in list_dense),  # pyright: ignore[reportOptionalIterable]
    ]


def _sequence_spec(
    context_sparse_keys: list[bytes],
    context_sparse_types: Any,
    context_dense_keys: list[bytes],
    context_dense_defaults: Any,
    context_dense_shapes: Any,
    list_sparse_keys: list[bytes],
    list_sparse_types: Any,
    list_dense_keys: list[bytes],
    list_dense_types: Any,
    list_dense_shapes: Any,
    assumed_empty: list[bytes],
) -> SequenceSpec:
    """What the operations want of SequenceExamples."""
    return SequenceSpec(
        sparse_features(context_sparse_keys, context_sparse_types),
        dense_features(context_dense_keys, context_dense_defaults, context_dense_shapes),
        sparse_features(list_sparse_keys, list_sparse_types),
        list_dense_features(list_dense_keys, list_dense_types, list_dense_shapes),
        frozenset(assumed_empty),
    )


class _SingleSequences:
    """Reads SequenceExamples one by one, for features that are known.

    Args:
      spec: what is wanted.
      name: what to call each in errors; may be empty.
    """

    def __init__(self, spec: SequenceSpec, name: bytes) -> None:
        self._spec = spec
        self._names = [name] if name else []

    def __call__(self, serialized: Any, *_: Any) -> tuple[list[Any], ...]:
        found = bytes_example.parse_sequence_examples([_text(serialized)], self._names, self._spec)
        context = [(indices[:, 1:], values, dims[1:]) for indices, values, dims in found.context_sparse]
        lists = [(indices[:, 1:], values, dims[1:]) for indices, values, dims in found.list_sparse]
        dense = [column[0] for column in found.context_dense]
        return _grouped(context, dense) + _grouped(lists, [column[0] for column in found.list_dense])


def _bind_single_sequence(dims, values, attributes):
    """The interpreter's shortcut where all but the record is constant: the features are looked at once."""
    if any(value is None for value in values[1:]):
        return None
    _, assumed_empty, *others, name = values
    parts = []
    for count_name in ("Ncontext_sparse", "Ncontext_dense", "Nfeature_list_sparse", "Nfeature_list_dense"):
        size = attributes[count_name]
        parts.append([_text(key) for key in others[:size]])
        others = others[size:]
    spec = _sequence_spec(
        parts[0],
        attributes["context_sparse_types"],
        parts[1],
        others,
        attributes["context_dense_shapes"],
        parts[2],
        attributes["feature_list_sparse_types"],
        parts[3],
        attributes["feature_list_dense_types"],
        attributes["feature_list_dense_shapes"],
        strings(assumed_empty).ravel().tolist(),
    )
    return _SingleSequences(spec, _text(name))


@declare(
    "ParseSingleSequenceExample(serialized: string, feature_list_dense_missing_assumed_empty: string, "
    "context_sparse_keys: Ncontext_sparse*string, context_dense_keys: Ncontext_dense*string, "
    "feature_list_sparse_keys: Nfeature_list_sparse*string, feature_list_dense_keys: "
    "Nfeature_list_dense*string, context_dense_defaults: Tcontext_dense, debug_name: string) -> "
    "context_sparse_indices: Ncontext_sparse*int64, context_sparse_values: context_sparse_types, "
    "context_sparse_shapes: Ncontext_sparse*int64, context_dense_values: Tcontext_dense, "
    "feature_list_sparse_indices: Nfeature_list_sparse*int64, feature_list_sparse_values: "
    "feature_list_sparse_types, feature_list_sparse_shapes: Nfeature_list_sparse*int64, "
    "feature_list_dense_values: feature_list_dense_types",
    Ncontext_sparse=count(0),
    Ncontext_dense=count(0),
    Nfeature_list_sparse=count(0),
    Nfeature_list_dense=count(0),
    context_sparse_types=_NO_TYPES,
    Tcontext_dense=_NO_TYPES,
    feature_list_dense_types=_NO_TYPES,
    context_dense_shapes=shape_list(()),
    feature_list_sparse_types=_NO_TYPES,
    feature_list_dense_shapes=shape_list(()),
    host=True,
)
class ParseSingleSequenceExample:
    """Reads one SequenceExample."""

    def shape(serialized, feature_list_dense_missing_assumed_empty, context_sparse_keys, context_dense_keys,
              feature_list_sparse_keys, feature_list_dense_keys, context_dense_defaults, debug_name,
              context_dense_shapes, feature_list_dense_shapes):  # fmt: skip
        with_rank(serialized, 0, "serialized")
        sparse = len(context_sparse_keys), len(feature_list_sparse_keys)
        return _sequence_dims((), sparse[0], context_dense_shapes, sparse[1], feature_list_dense_shapes)

    def kernel(xp, serialized, feature_list_dense_missing_assumed_empty, context_sparse_keys,
    context_dense_keys,
               feature_list_sparse_keys, feature_list_dense_keys, context_dense_defaults, debug_name,
               context_sparse_types, feature_list_dense_types, context_dense_shapes,
               feature_list_sparse_types, feature_list_dense_shapes):  # fmt: skip
        spec = _sequence_spec(
            [_text(k) for k in context_sparse_keys],
            context_sparse_types,
            [_text(k) for k in context_dense_keys],
            context_dense_defaults,
            context_dense_shapes,
            [_text(k) for k in feature_list_sparse_keys],
            feature_list_sparse_types,
            [_text(k) for k in feature_list_dense_keys],
            feature_list_dense_types,
            feature_list_dense_shapes,
            strings(feature_list_dense_missing_assumed_empty).ravel().tolist(),
        )
        return _SingleSequences(spec, _text(debug_name))(serialized)

    bind = _bind_single_sequence

    grad = NOT_DIFFERENTIABLE


@declare(
    "ParseSequenceExample(serialized: string, debug_name: string, context_dense_defaults: "
    "Tcontext_dense) -> context_sparse_indices: Ncontext_sparse*int64, context_sparse_values: "
    "context_sparse_types, context_sparse_shapes: Ncontext_sparse*int64, context_dense_values: "
    "Tcontext_dense, feature_list_sparse_indices: Nfeature_list_sparse*int64, "
    "feature_list_sparse_values: feature_list_sparse_types, feature_list_sparse_shapes: "
    "Nfeature_list_sparse*int64, feature_list_dense_values: feature_list_dense_types, "
    "feature_list_dense_lengths: Nfeature_list_dense*int64",
    feature_list_dense_missing_assumed_empty=texts(),
    context_sparse_keys=texts(),
    context_dense_keys=texts(),
    feature_list_sparse_keys=texts(),
    feature_list_dense_keys=texts(),
    Ncontext_sparse=integer(0),
    Ncontext_dense=integer(0),
    Nfeature_list_sparse=integer(0),
    Nfeature_list_dense=integer(0),
    context_sparse_types=_NO_TYPES,
    Tcontext_dense=_NO_TYPES,
    feature_list_dense_types=_NO_TYPES,
    context_dense_shapes=shape_list(()),
    feature_list_sparse_types=_NO_TYPES,
    feature_list_dense_shapes=shape_list(()),
    host=True,
)
class ParseSequenceExample:
    """Reads a batch of SequenceExamples."""

    def shape(serialized, debug_name, context_dense_defaults, context_sparse_keys, context_dense_shapes,
              feature_list_sparse_keys, feature_list_dense_shapes):  # fmt: skip
        batch = with_rank(serialized, 1, "serialized")
        sparse = len(context_sparse_keys), len(feature_list_sparse_keys)
        dims = _sequence_dims(batch, sparse[0], context_dense_shapes, sparse[1], feature_list_dense_shapes)
        return dims + [batch] * len(feature_list_dense_shapes)

    def kernel(xp, serialized, debug_name, context_dense_defaults, feature_list_dense_missing_assumed_empty,
               context_sparse_keys, context_dense_keys, feature_list_sparse_keys, feature_list_dense_keys,
               context_sparse_types, feature_list_dense_types, context_dense_shapes,
               feature_list_sparse_types, feature_list_dense_shapes):  # fmt: skip
        spec = _sequence_spec(
            [attr_bytes(k) for k in context_sparse_keys],
            context_sparse_types,
            [attr_bytes(k) for k in context_dense_keys],
            context_dense_defaults,
            context_dense_shapes,
            [attr_bytes(k) for k in feature_list_sparse_keys],
            feature_list_sparse_types,
            [attr_bytes(k) for k in feature_list_dense_keys],
            feature_list_dense_types,
            feature_list_dense_shapes,
            [attr_bytes(k) for k in feature_list_dense_missing_assumed_empty],
        )
        names = strings(debug_name).ravel().tolist()
        found = bytes_example.parse_sequence_examples(strings(serialized).tolist(), names, spec)
        return (
            _grouped(found.context_sparse, found.context_dense)
            + _grouped(found.list_sparse, found.list_dense)
            + (found.lengths,)
        )

    grad = NOT_DIFFERENTIABLE


def _sequence_wanted(context: Any, sequence: Any, what: str) -> tuple[Wanted, Wanted]:
    if not context and not sequence:
        raise ValueError(
            f"{what}: context_features or sequence_features must name a feature. Received: neither"
        )
    return (
        sort_features(context, (FixedLenFeature, VarLenFeature)),
        sort_features(sequence, (FixedLenSequenceFeature, VarLenFeature), is_sequence=True),
    )


def _sequence_results(context: Wanted, lists: Wanted, found: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    sparse = zip(
        context.sparse_keys + lists.sparse_keys,
        found.context_sparse_indices + found.feature_list_sparse_indices,
        found.context_sparse_values + found.feature_list_sparse_values,
        found.context_sparse_shapes + found.feature_list_sparse_shapes,
        strict=True,
    )
    tensors = [(key, SparseTensor(*parts)) for key, *parts in sparse]
    split = len(context.sparse_keys)
    return (
        {**dict(tensors[:split]), **dict(zip(context.dense_keys, found.context_dense_values, strict=True))},
        {
            **dict(tensors[split:]),
            **dict(zip(lists.dense_keys, found.feature_list_dense_values, strict=True)),
        },
    )


@public("parse_single_sequence_example", "io.parse_single_sequence_example")
def parse_single_sequence_example(
    serialized: Any,
    context_features: Any = None,
    sequence_features: Any = None,
    example_name: Any = None,
    name: str | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Reads one serialized `tf.train.SequenceExample`.

    Args:
      serialized: scalar string.
      context_features: name to FixedLenFeature or VarLenFeature.
      sequence_features: name to FixedLenSequenceFeature or VarLenFeature, for the feature lists.
      example_name: scalar string, what to call the record in errors.
      name: scope of the operations; default "ParseSingleSequenceExample".

    Returns:
      Two dictionaries, of the context and of the feature lists: `[steps, *shape]` tensors and SparseTensors.

    Raises:
      ValueError: there are no features, or one is incomplete.
      InvalidArgumentError: at run time, when the record is malformed or lacks a required feature.
    """
    context, lists = _sequence_wanted(context_features, sequence_features, "parse_single_sequence_example")
    with name_scope(name, "ParseSingleSequenceExample", [serialized, example_name]):
        found = apply(
            ParseSingleSequenceExample,
            serialized,
            lists.may_miss,
            context.sparse_keys,
            context.dense_keys,
            lists.sparse_keys,
            lists.dense_keys,
            default_tensors(context),
            "" if example_name is None else example_name,
            context_sparse_types=context.sparse_types,
            context_dense_shapes=context.dense_shapes,
            feature_list_sparse_types=lists.sparse_types,
            feature_list_dense_types=lists.dense_types,
            feature_list_dense_shapes=lists.dense_shapes,
        )
    return _sequence_results(context, lists, found)


@public("io.parse_sequence_example")
def parse_sequence_example(
    serialized: Any,
    context_features: Any = None,
    sequence_features: Any = None,
    example_names: Any = None,
    name: str | None = None,
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Reads a batch of serialized `tf.train.SequenceExample` records.

    Args:
      serialized: `[batch]` strings.
      context_features: name to FixedLenFeature or VarLenFeature.
      sequence_features: name to FixedLenSequenceFeature or VarLenFeature, for the feature lists.
      example_names: `[batch]` strings, what to call the records in errors.
      name: scope of the operations; default "ParseSequenceExample".

    Returns:
      Three dictionaries: of the context, of the feature lists (`[batch, longest, *shape]` tensors padded
      with zeros or "", and SparseTensors), and of the `[batch]` int64 lengths of the dense feature lists.

    Raises:
      ValueError: there are no features, or one is incomplete.
      InvalidArgumentError: at run time, when a record is malformed or lacks a required feature.
    """
    context, lists = _sequence_wanted(context_features, sequence_features, "parse_sequence_example")
    with name_scope(name, "ParseSequenceExample", [serialized, example_names]):
        found = apply(
            ParseSequenceExample,
            serialized,
            [] if example_names is None else example_names,
            default_tensors(context),
            feature_list_dense_missing_assumed_empty=[key.encode() for key in lists.may_miss],
            context_sparse_keys=[key.encode() for key in context.sparse_keys],
            context_dense_keys=[key.encode() for key in context.dense_keys],
            feature_list_sparse_keys=[key.encode() for key in lists.sparse_keys],
            feature_list_dense_keys=[key.encode() for key in lists.dense_keys],
            Ncontext_sparse=len(context.sparse_keys),
            Ncontext_dense=len(context.dense_keys),
            Nfeature_list_sparse=len(lists.sparse_keys),
            Nfeature_list_dense=len(lists.dense_keys),
            context_sparse_types=context.sparse_types,
            context_dense_shapes=context.dense_shapes,
            feature_list_sparse_types=lists.sparse_types,
            feature_list_dense_types=lists.dense_types,
            feature_list_dense_shapes=lists.dense_shapes,
        )
    results = _sequence_results(context, lists, found)
    return (*results, dict(zip(lists.dense_keys, found.feature_list_dense_lengths, strict=True)))
