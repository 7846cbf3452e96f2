"""`tf.contrib.layers`: crosses of features, and embeddings whose numbers are found by hashing."""

from __future__ import annotations

import logging
from typing import Any

from millrace.building import convert, raw
from millrace.building.scopes import name_scope
from millrace.building.sparse_tensor import SparseTensor
from millrace.core.dtypes import int32, int64, string
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.nn import embedding
from millrace.lib.sparse.shaping import sparse_fill_empty_rows
from millrace.lib.variables.partitioned import PartitionedVariable
from millrace.ops.array.concat import concat
from millrace.ops.array.fill import range_
from millrace.ops.array.shape import shape
from millrace.ops.sparse.dense import sparse_to_dense

# The key by which crosses are hashed where one asks for it by name.
SPARSE_FEATURE_CROSS_DEFAULT_HASH_KEY = 956888297470
public(
    "contrib.layers.SPARSE_FEATURE_CROSS_DEFAULT_HASH_KEY",
    "contrib.slim.SPARSE_FEATURE_CROSS_DEFAULT_HASH_KEY",
)(SPARSE_FEATURE_CROSS_DEFAULT_HASH_KEY)


@public("contrib.slim.sparse_feature_cross", "contrib.layers.sparse_feature_cross")
def sparse_feature_cross(
    inputs: Any,
    hashed_output: bool = False,
    num_buckets: int = 0,
    name: str | None = None,
    hash_key: int | None = None,
) -> SparseTensor:
    """All combinations of one feature of each column.

    Args:
      inputs: a list of columns: tensors or sparse tensors `[batch, features]` of integers or strings. Sparse
        columns come first in the combinations.
      hashed_output: give hashes, not texts joined by `_X_`.
      num_buckets: the hashes are below this; 0 for all 63 bits.
      name: of the operation.
      hash_key: what the hashing starts with; None: an older hash.

    Returns:
      Sparse, `[batch, most combinations]`, of strings or int64.

    Raises:
      TypeError: `inputs` is not a list of tensors of integers or strings.
    """
    if not isinstance(inputs, list):
        raise TypeError(f"Inputs must be a list. Received: {inputs!r}")
    if not all(isinstance(i, SparseTensor | Tensor) for i in inputs):
        raise TypeError(f"All inputs must be SparseTensors or Tensors. Received: {inputs!r}")
    sparse = [i for i in inputs if isinstance(i, SparseTensor)]
    dense = [i for i in inputs if not isinstance(i, SparseTensor)]
    kind = int64 if hashed_output else string
    parts = (
        [s.indices for s in sparse],
        [_wide(s.values) for s in sparse],
        [s.dense_shape for s in sparse],
        [_wide(x) for x in dense],
    )
    settings: dict[str, Any] = {
        "hashed_output": hashed_output,
        "num_buckets": num_buckets,
        "out_type": kind,
        "internal_type": kind,
        "name": name,
    }
    if hash_key:
        return SparseTensor(*raw.SparseFeatureCrossV2(*parts, hash_key=hash_key, **settings))
    return SparseTensor(*raw.SparseFeatureCross(*parts, **settings))


def _wide(x: Tensor) -> Tensor:
    return x if x.dtype.base_dtype in (int64, string) else raw.Cast(x, DstT=int64)


@public("contrib.layers.safe_embedding_lookup_sparse", "contrib.slim.safe_embedding_lookup_sparse")
def safe_embedding_lookup_sparse(
    embedding_weights: Any,
    sparse_ids: SparseTensor,
    sparse_weights: SparseTensor | None = None,
    combiner: str | None = None,
    default_id: int | None = None,
    name: str | None = None,
    partition_strategy: str = "div",
    max_norm: float | None = None,
) -> Tensor:
    """`tf.nn.safe_embedding_lookup_sparse`; the combiner is "mean" where none is given."""
    if combiner is None:
        logging.getLogger("tensorflow").warning(
            'The default value of combiner will change from "mean" to "sqrtn" after 2016/11/01.'
        )
        combiner = "mean"
    return embedding.safe_embedding_lookup_sparse(
        embedding_weights,
        sparse_ids,
        sparse_weights,
        combiner,
        default_id,
        name,
        partition_strategy,
        max_norm,
    )


def _parts(params: Any) -> list[Any]:
    if isinstance(params, PartitionedVariable):
        params = list(params)
    return list(params) if isinstance(params, list | tuple) else [params]


@public("contrib.slim.scattered_embedding_lookup", "contrib.layers.scattered_embedding_lookup")
def scattered_embedding_lookup(
    params: Any, values: Any, dimension: int, name: str | None = None, hash_key: int | None = None
) -> Tensor:
    """Embeddings each of whose numbers is one of a common pool, found by hashing the value and its place.

    Args:
      params: the pool: a vector, a list of its parts, or a partitioned variable.
      values: `[...]`, integers or strings.
      dimension: how long an embedding is.
      name: scope; default "scattered_embedding_lookup".
      hash_key: of the hash; None: an older one.

    Returns:
      `[..., dimension]`.

    Raises:
      ValueError: the dimension is None, or a part of the pool has an unknown length.
    """
    if dimension is None:
        raise ValueError("You must specify dimension.")
    return _scattered(params, values, dimension, "div", hash_key, name)


def _scattered(
    params: Any, values: Any, dimension: int, strategy: str, hash_key: int | None, name: str | None
) -> Tensor:
    parts = _parts(params)
    with name_scope(name, "scattered_embedding_lookup", [*parts, dimension, values]):
        lengths = []
        for part in parts:
            dims = part.dims if isinstance(part, Tensor) else tuple(part.shape.as_list())
            if dims is None or len(dims) != 1:
                raise ValueError(f"Each part of the parameters must be a vector. Received: {part}")
            if dims[0] is None:
                raise ValueError(f"Each part of the parameters must have a known length. Received: {part}")
            lengths.append(dims[0])
        values = convert.to_tensor(values)
        dims = values.dims
        flat = raw.Reshape(values, [-1, 1])
        places = raw.Tile(raw.ExpandDims(range_(dimension), 0), concat([shape(flat)[:1], [1]], 0))
        return _hashed(parts, values, flat, places, dims, sum(lengths), dimension, strategy, hash_key)


def _hashed(
    parts: list[Any],
    values: Tensor,
    flat: Tensor,
    places: Tensor,
    dims: Any,
    total: int,
    dimension: int,
    strategy: str,
    hash_key: int | None,
) -> Tensor:
    crossed = sparse_feature_cross([raw.Cast(places, DstT=int64), flat], True, total, hash_key=hash_key)
    ids = sparse_to_dense(crossed.indices, crossed.dense_shape, crossed.values)
    found = embedding.embedding_lookup(parts, ids, partition_strategy=strategy)
    size = shape(values)
    result = raw.Reshape(found, concat([size, [dimension]], 0))
    if dims is not None:
        result.set_shape([*dims, dimension])
    return result


@public("contrib.slim.scattered_embedding_lookup_sparse", "contrib.layers.scattered_embedding_lookup_sparse")
def scattered_embedding_lookup_sparse(
    params: Any,
    sparse_values: SparseTensor,
    dimension: int,
    combiner: str | None = None,
    default_value: Any = None,
    name: str | None = None,
    hash_key: int | None = None,
) -> Tensor:
    """`scattered_embedding_lookup` of several values for each example, put together.

    Args:
      params: the pool: a vector, a list of its parts, or a partitioned variable.
      sparse_values: `[batch, most]`, integers or strings.
      dimension: how long an embedding is.
      combiner: "mean" (the default), "sqrtn" or "sum".
      default_value: the value of an example without any; "" or 0 by default.
      name: scope; default "scattered_embedding_lookup_sparse".
      hash_key: of the hash; None: an older one.

    Returns:
      `[batch, dimension]`.

    Raises:
      TypeError: the values are not sparse.
      ValueError: the combiner is another one.
    """
    if combiner is None:
        logging.getLogger("tensorflow").warning(
            'The default value of combiner will change from "mean" to "sqrtn" after 2016/11/01.'
        )
        combiner = "mean"
    parts = _parts(params)
    if not isinstance(sparse_values, SparseTensor):
        raise TypeError("sparse_values must be SparseTensor")
    if combiner not in ("mean", "sqrtn", "sum"):
        raise ValueError(f"combiner must be one of 'mean', 'sqrtn' or 'sum'. Received: {combiner!r}")
    with name_scope(name, "scattered_embedding_lookup_sparse", [*parts, sparse_values.values]):
        if default_value is None:
            default_value = "" if sparse_values.dtype.base_dtype is string else 0
        filled, _ = sparse_fill_empty_rows(sparse_values, default_value)
        example = filled.indices[:, 0]
        values, index = raw.Unique(filled.values)
        example = raw.Cast(example, DstT=int32)
        rows = _scattered(parts, values, dimension, "div", hash_key, None)
        combine = {
            "sum": raw.SparseSegmentSum,
            "mean": raw.SparseSegmentMean,
            "sqrtn": raw.SparseSegmentSqrtN,
        }[combiner]
        return combine(rows, index, example)


@public(
    "contrib.slim.embedding_lookup_sparse_with_distributed_aggregation",
    "contrib.layers.embedding_lookup_sparse_with_distributed_aggregation",
)
def embedding_lookup_sparse_with_distributed_aggregation(
    params: Any,
    sp_ids: SparseTensor,
    sp_weights: SparseTensor | None,
    partition_strategy: str = "mod",
    name: str | None = None,
    combiner: str | None = None,
    max_norm: float | None = None,
) -> Tensor:
    """`tf.nn.embedding_lookup_sparse`, which gathers where the parts of the table are.

    Args:
      params: a table, a list of its parts, or a partitioned variable.
      sp_ids: `[batch, most]` ids.
      sp_weights: their weights, sparse like them; None: all weigh 1.
      partition_strategy: "mod" or "div": how rows are spread over the parts.
      name: scope; default "embedding_lookup_sparse".
      combiner: "mean" (the default), "sqrtn" or "sum".
      max_norm: rows with a greater Euclidean norm are scaled down to it.

    Returns:
      `[batch, ...]`, the shape of a row.
    """
    return embedding.embedding_lookup_sparse(
        _parts(params), sp_ids, sp_weights, partition_strategy, name, combiner or "mean", max_norm
    )


@public("contrib.slim.bucketize", "contrib.layers.bucketize")
def bucketize(input_tensor: Any, boundaries: Any, name: str | None = None) -> Tensor:
    """In which bucket each number falls: how many boundaries are not greater.

    Args:
      input_tensor: `[...]`, int32, int64, float32 or float64.
      boundaries: increasing numbers.
      name: of the operation.

    Returns:
      int32, the shape of `input_tensor`.
    """
    return raw.Bucketize(convert.to_tensor(input_tensor), boundaries=list(boundaries), name=name)
