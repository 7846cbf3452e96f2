"""Crosses of features: every combination of one value of each column, as a string or as a hash."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.building.convert import convert_to_tensor
from millrace.building.sparse_tensor import SparseTensor, SparseTensorValue
from millrace.core.dtypes import INDEX, int64, string
from millrace.core.public import public
from millrace.graph import attrs
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.shape_rules import with_rank
from millrace.opkit.sparse.places import check_parts, invalid, parts
from millrace.opkit.text.hashing import fingerprint64
from millrace.opkit.text.pieces import objects

_VALUE = frozenset({int64, string})
_DEFAULT_KEY = 0xDECAFCAFFE
_WORD = (1 << 64) - 1
_MURMUR = 0xC6A4A7935BD1E995
_GOLDEN = 0x9E3779B97F4A7800


def _joined_hash(first: int, second: int) -> int:
    """One hash of two, mixed as MurmurHash64A mixes a block into its state."""
    block = (second * _MURMUR) & _WORD
    block = ((block ^ (block >> 47)) * _MURMUR) & _WORD
    state = ((first ^ _MURMUR ^ block) * _MURMUR) & _WORD
    state = ((state ^ (state >> 47)) * _MURMUR) & _WORD
    return state ^ (state >> 47)


def _as_text(value: Any) -> bytes:
    return value if isinstance(value, bytes) else b"%d" % value


def _features(values: np.ndarray, hashed: bool) -> list[Any]:
    """The values of a column as what is crossed: texts, or unsigned 64-bit numbers."""
    if not hashed:
        return [_as_text(v) for v in values.ravel().tolist()]
    if values.dtype == object:
        return fingerprint64(values).ravel().tolist()
    return [v & _WORD for v in values.ravel().tolist()]


def _rows(indices: np.ndarray, features: list[Any], batch: int) -> list[list[Any]]:
    """The features of each example of a sparse column, which stand in the order of the examples."""
    rows: list[list[Any]] = [[] for _ in range(batch)]
    for place, feature in zip(indices[:, 0].tolist(), features, strict=True):
        if not 0 <= place < batch:
            raise invalid(f"a place is outside of the batch of {batch}. Received: row {place}")
        rows[place].append(feature)
    return rows


def _columns(
    indices, values, dense_shapes, dense, hashed: bool, ragged: tuple[Any, Any] = ((), ())
) -> tuple[int, list[list[list[Any]]]]:
    """The batch size, and for each column the features of each example: sparse, dense, ragged ones.

    Raises:
      InvalidArgumentError: the columns have different batch sizes or wrong shapes.
    """
    for part in zip(indices, values, dense_shapes, strict=True):
        check_parts(*part)
        if part[2].size != 2:
            raise invalid(f"Sparse inputs must be matrices. Received: shape {part[2].tolist()}")
    for x in dense:
        if np.ndim(x) != 2:
            raise invalid(f"Dense inputs should be a matrix. Received: shape {list(np.shape(x))}")
    sizes = [int(s[0]) for s in dense_shapes] + [x.shape[0] for x in dense] + [len(s) - 1 for s in ragged[1]]
    if len(set(sizes)) != 1:
        raise invalid(f"Expected one batch size for all inputs. Received: {sizes}")
    batch = sizes[0]
    columns = [_rows(i, _features(v, hashed), batch) for i, v in zip(indices, values, strict=True)]
    for x in dense:
        flat, width = _features(x, hashed), x.shape[1]
        columns.append([flat[r * width : (r + 1) * width] for r in range(batch)])
    for x, splits in zip(*ragged, strict=True):
        flat, ends = _features(x, hashed), splits.tolist()
        if ends[0] or ends[-1] != len(flat) or ends != sorted(ends):
            raise invalid(f"row splits must go from 0 to the number of values. Received: {ends[:20]}")
        columns.append([flat[ends[r] : ends[r + 1]] for r in range(batch)])
    return batch, columns


def _hash(key: int, features: tuple[int, ...], buckets: int) -> int:
    total = key & _WORD
    for feature in features:
        total = _joined_hash(total, feature)
    return total % (buckets if buckets > 0 else (1 << 63) - 1)


def _mixed(key: int, features: tuple[int, ...], buckets: int) -> int:
    """The hash of older crosses: shifts, sums and exclusive ors."""
    total = key & _WORD
    for feature in features:
        # The shift to the right is that of a signed number.
        signed = total - (1 << 64) if total >> 63 else total
        total ^= (feature + _GOLDEN + (total << 10) + (signed >> 4)) & _WORD
    return total % (buckets if buckets > 0 else (1 << 63) - 1)


def _crosses(mix: Any, indices, values, shapes, dense, hashed, num_buckets, hash_key, out_type):
    """The crosses of each example as the parts of a sparse tensor; `mix` hashes one of them."""
    batch, columns = _columns(indices, values, shapes, dense, hashed)
    places, crossed, widest = _combined(batch, columns)
    if out_type is string:
        result = objects([b"_X_".join(map(_as_text, f)) for f in crossed])
    else:
        result = np.array([mix(hash_key, f, num_buckets) for f in crossed], np.int64)
    return [places, result, np.array([batch, widest], np.int64)]


def _combined(batch: int, columns: list[list[list[Any]]]) -> tuple[np.ndarray, list[tuple[Any, ...]], int]:
    """The places of all combinations, the combinations, and how many the example with most has."""
    places, crossed, widest = [], [], 0
    for row in range(batch):
        found = list(product(*(c[row] for c in columns)))
        widest = max(widest, len(found))
        places.extend((row, k) for k in range(len(found)))
        crossed.extend(found)
    return np.array(places, np.int64).reshape(-1, 2), crossed, widest


@declare(
    "SparseCross(indices: N*int64, values: sparse_types, shapes: N*int64, dense_inputs: dense_types) -> "
    "output_indices: int64, output_values: out_type, output_shape: int64",
    N=attrs.count(0),
    hashed_output=attrs.flag(),
    num_buckets=attrs.integer(minimum=0),
    hash_key=attrs.integer(),
    sparse_types=attrs.types(allowed=_VALUE),
    dense_types=attrs.types(allowed=_VALUE),
    out_type=attrs.dtype(_VALUE),
    internal_type=attrs.dtype(_VALUE),
    host=True,
)
class SparseCross:
    """The crosses of each example's features."""

    def shape(indices, values, shapes, dense_inputs):
        for i, v, s in zip(indices, values, shapes, strict=True):
            with_rank(i, 2, "indices")
            with_rank(v, 1, "values")
            with_rank(s, 1, "shapes")
        for x in dense_inputs:
            with_rank(x, 2, "dense_inputs")
        return parts(None, 2)

    def kernel(
        xp,
        indices,
        values,
        shapes,
        dense_inputs,
        hashed_output,
        num_buckets,
        hash_key,
        out_type,
        internal_type,
    ):
        hashed = int64 in (internal_type, out_type)
        return _crosses(_hash, indices, values, shapes, dense_inputs, hashed, num_buckets, hash_key, out_type)

    grad = NOT_DIFFERENTIABLE


@declare(
    "SparseFeatureCross(indices: N*int64, values: sparse_types, shapes: N*int64, dense: dense_types) -> "
    "output_indices: int64, output_values: out_type, output_shape: int64",
    N=attrs.count(0),
    hashed_output=attrs.flag(),
    num_buckets=attrs.integer(minimum=0),
    sparse_types=attrs.types(allowed=_VALUE),
    dense_types=attrs.types(allowed=_VALUE),
    out_type=attrs.dtype(_VALUE),
    internal_type=attrs.dtype(_VALUE),
    host=True,
)
class SparseFeatureCross:
    """The crosses of each example's features, as `tf.contrib.layers` makes them without a key."""

    def shape(indices, values, shapes, dense):
        return parts(None, 2)

    def kernel(xp, indices, values, shapes, dense, hashed_output, num_buckets, out_type, internal_type):
        hashed = int64 in (internal_type, out_type)
        return _crosses(_mixed, indices, values, shapes, dense, hashed, num_buckets, _DEFAULT_KEY, out_type)

    grad = NOT_DIFFERENTIABLE


@declare(
    "SparseFeatureCrossV2(indices: N*int64, values: sparse_types, shapes: N*int64, dense: dense_types) -> "
    "output_indices: int64, output_values: out_type, output_shape: int64",
    N=attrs.count(0),
    hashed_output=attrs.flag(),
    num_buckets=attrs.integer(minimum=0),
    hash_key=attrs.integer(),
    sparse_types=attrs.types(allowed=_VALUE),
    dense_types=attrs.types(allowed=_VALUE),
    out_type=attrs.dtype(_VALUE),
    internal_type=attrs.dtype(_VALUE),
    host=True,
)
class SparseFeatureCrossV2:
    """The crosses of each example's features, as `tf.contrib.layers` makes them with a key."""

    def shape(indices, values, shapes, dense):
        return parts(None, 2)

    def kernel(
        xp, indices, values, shapes, dense, hashed_output, num_buckets, hash_key, out_type, internal_type
    ):
        hashed = int64 in (internal_type, out_type)
        return _crosses(_hash, indices, values, shapes, dense, hashed, num_buckets, hash_key, out_type)

    grad = NOT_DIFFERENTIABLE


@declare(
    "SparseCrossV2(indices: N*int64, values: sparse_types, shapes: N*int64, dense_inputs: dense_types, "
    "sep: string) -> output_indices: int64, output_values: string, output_shape: int64",
    N=attrs.count(0),
    sparse_types=attrs.types(allowed=_VALUE),
    dense_types=attrs.types(allowed=_VALUE),
    host=True,
)
class SparseCrossV2:
    """The crosses of each example's features as texts, with a separator of their own."""

    def shape(indices, values, shapes, dense_inputs, sep):
        with_rank(sep, 0, "sep")
        return parts(None, 2)

    def kernel(xp, indices, values, shapes, dense_inputs, sep):
        batch, columns = _columns(indices, values, shapes, dense_inputs, False)
        places, found, widest = _combined(batch, columns)
        between = np.asarray(sep, object).item()
        texts = objects([between.join(f) for f in found])
        return [places, texts, np.array([batch, widest], np.int64)]

    grad = NOT_DIFFERENTIABLE


@declare(
    "RaggedCross(ragged_values: ragged_values_types, ragged_row_splits: ragged_splits_types, "
    "sparse_indices: Nsparse*int64, sparse_values: sparse_values_types, sparse_shape: Nsparse*int64, "
    "dense_inputs: dense_types) -> output_values: out_values_type, output_row_splits: out_row_splits_type",
    Nsparse=attrs.count(0),
    input_order=attrs.text(),
    hashed_output=attrs.flag(),
    num_buckets=attrs.integer(minimum=0),
    hash_key=attrs.integer(),
    ragged_values_types=attrs.types(allowed=_VALUE),
    ragged_splits_types=attrs.types(allowed=INDEX),
    sparse_values_types=attrs.types(allowed=_VALUE),
    dense_types=attrs.types(allowed=_VALUE),
    out_values_type=attrs.dtype(_VALUE),
    out_row_splits_type=attrs.dtype(INDEX),
    host=True,
)
class RaggedCross:
    """The crosses of each example's features, of ragged, sparse and dense columns, as ragged rows."""

    def shape(ragged_values, ragged_row_splits, sparse_indices, sparse_values, sparse_shape, dense_inputs):
        rows = next((s[0] for s in ragged_row_splits if s is not None), None)
        return [(None,), (rows,)]

    def kernel(xp, ragged_values, ragged_row_splits, sparse_indices, sparse_values, sparse_shape,
               dense_inputs, input_order, hashed_output, num_buckets, hash_key, out_values_type,
               out_row_splits_type):  # fmt: skip
        batch, columns = _columns(sparse_indices, sparse_values, sparse_shape, dense_inputs, hashed_output,
                                  (ragged_values, ragged_row_splits))  # fmt: skip
        first = {"S": 0, "D": len(sparse_values), "R": len(sparse_values) + len(dense_inputs)}
        ordered = []
        for kind in input_order:
            ordered.append(columns[first[kind]])
            first[kind] += 1
        places, found, _ = _combined(batch, ordered)
        ends = np.cumsum([0, *np.bincount(places[:, 0], minlength=batch).tolist()])
        if hashed_output:
            values = np.array([_hash(hash_key, f, num_buckets) for f in found], np.int64)
        else:
            values = objects([b"_X_".join(map(_as_text, f)) for f in found])
        return [values, ends.astype(out_row_splits_type.np_dtype)]

    grad = NOT_DIFFERENTIABLE


def _crossed(
    inputs: Any, hashed: bool, num_buckets: int, hash_key: int | None, name: str | None
) -> SparseTensor:
    if not isinstance(inputs, list | tuple):
        raise TypeError(f"sparse.cross: inputs must be a list. Received: {inputs!r}")
    if not all(isinstance(i, SparseTensor | SparseTensorValue | Tensor) or hasattr(i, "_as_graph_element")
               for i in inputs):  # fmt: skip
        raise TypeError(f"sparse.cross: all inputs must be Tensors or SparseTensors. Received: {inputs!r}")
    sparse = [SparseTensor.from_value(i) for i in inputs if isinstance(i, SparseTensor | SparseTensorValue)]
    dense = [convert_to_tensor(i) for i in inputs if not isinstance(i, SparseTensor | SparseTensorValue)]
    found = apply(
        SparseCross,
        [s.indices for s in sparse],
        [_wide(s.values) for s in sparse],
        [s.dense_shape for s in sparse],
        [_wide(x) for x in dense],
        hashed_output=hashed,
        num_buckets=num_buckets,
        hash_key=_DEFAULT_KEY if hash_key is None else hash_key,
        out_type=int64 if hashed else string,
        internal_type=int64 if hashed else string,
        name=name,
    )
    return SparseTensor(*found)


def _wide(x: Tensor) -> Tensor:
    return x if x.dtype.base_dtype in _VALUE else raw.Cast(x, DstT=int64)


@public("sparse.cross")
def sparse_cross(inputs: Any, name: str | None = None) -> SparseTensor:
    """All combinations of one feature of each column, written as texts joined by `_X_`.

    Args:
      inputs: a list of columns: Tensors or SparseTensors `[batch, features]` of integers or strings.
        Sparse columns come first in the combinations.
      name: op name; default "SparseCross".

    Returns:
      SparseTensor `[batch, most combinations]` of strings.

    Raises:
      TypeError: `inputs` is not a list of tensors.
      InvalidArgumentError: when run, if the columns have different batch sizes.
    """
    return _crossed(inputs, False, 0, None, name)


@public("sparse.cross_hashed")
def sparse_cross_hashed(
    inputs: Any, num_buckets: int = 0, hash_key: int | None = None, name: str | None = None
) -> SparseTensor:
    """All combinations of one feature of each column, as hashes.

    Args:
      inputs: a list of columns: Tensors or SparseTensors `[batch, features]` of integers or strings.
        Sparse columns come first in the combinations.
      num_buckets: the hashes are below this; 0 for all 63 bits.
      hash_key: what the hashing starts with.
      name: op name; default "SparseCross".

    Returns:
      SparseTensor `[batch, most combinations]` of int64.

    Raises:
      TypeError: `inputs` is not a list of tensors.
      InvalidArgumentError: when run, if the columns have different batch sizes.
    """
    return _crossed(inputs, True, num_buckets, hash_key, name)
