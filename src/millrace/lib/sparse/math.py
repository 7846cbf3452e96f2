"""Arithmetic of sparse tensors: sums, extremes, reductions, softmax."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.building.sparse_tensor import SparseTensor, SparseTensorValue
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.reductions import renamed

_SPARSE = (SparseTensor, SparseTensorValue)


@public("sparse_add", "sparse.add")
def sparse_add(a: Any, b: Any, threshold: Any = None, thresh: Any = None) -> Any:
    """The sum of two tensors, of which at least one is sparse.

    Args:
      a, b: SparseTensors or Tensors of one shape and dtype.
      threshold: scalar: sums of two sparse tensors of a smaller magnitude are left out; default 0.
      thresh: old name of `threshold`.

    Returns:
      A SparseTensor when both are sparse, else a Tensor.

    Raises:
      TypeError: neither is sparse.
      ValueError: the static shapes differ.
    """
    threshold = renamed(threshold, thresh, "threshold", "thresh")
    if not isinstance(a, _SPARSE) and not isinstance(b, _SPARSE):
        raise TypeError(f"sparse_add: at least one input should be a SparseTensor. Received: {a!r}, {b!r}")
    if not (isinstance(a, _SPARSE) and isinstance(b, _SPARSE)):
        sparse, dense = (b, a) if isinstance(b, _SPARSE) else (a, b)
        x = SparseTensor.from_value(sparse)
        return raw.SparseTensorDenseAdd(x.indices, x.values, x.dense_shape, dense)
    x, y = SparseTensor.from_value(a), SparseTensor.from_value(b)
    real = x.dtype.real_dtype.base_dtype
    limit = convert_to_tensor(0 if threshold is None else threshold, real, "threshold")
    x.shape.assert_is_compatible_with(y.shape)
    found = raw.SparseAdd(x.indices, x.values, x.dense_shape, y.indices, y.values, y.dense_shape, limit)
    known = x.shape.is_fully_defined() and y.shape.is_fully_defined()
    return SparseTensor(found.sum_indices, found.sum_values, x.shape.as_list() if known else found.sum_shape)


def _extreme(op_type: str, sp_a: Any, sp_b: Any, name: str | None) -> SparseTensor:
    a, b = SparseTensor.from_value(sp_a), SparseTensor.from_value(sp_b)
    with name_scope(name, op_type, [a.values, b.values]) as scope:
        parts = (a.indices, a.values, a.dense_shape, b.indices, b.values, b.dense_shape)
        places, values = getattr(raw, op_type)(*parts, name=scope)
        return SparseTensor(places, values, a.dense_shape)


@public("sparse_maximum", "sparse.maximum")
def sparse_maximum(sp_a: Any, sp_b: Any, name: str | None = None) -> SparseTensor:
    """The larger value at each place that one of two sparse tensors has; a missing value is 0.

    Args:
      sp_a, sp_b: SparseTensors of one shape and dtype, their places in row-major order.
      name: op name; default "SparseSparseMaximum".

    Returns:
      A SparseTensor of the same shape.

    Raises:
      InvalidArgumentError: when run, if the shapes differ.
    """
    return _extreme("SparseSparseMaximum", sp_a, sp_b, name)


@public("sparse_minimum", "sparse.minimum")
def sparse_minimum(sp_a: Any, sp_b: Any, name: str | None = None) -> SparseTensor:
    """The smaller value at each place that one of two sparse tensors has; a missing value is 0.

    Args:
      sp_a, sp_b: SparseTensors of one shape and dtype, their places in row-major order.
      name: op name; default "SparseSparseMinimum".

    Returns:
      A SparseTensor of the same shape.

    Raises:
      InvalidArgumentError: when run, if the shapes differ.
    """
    return _extreme("SparseSparseMinimum", sp_a, sp_b, name)


@public("sparse_softmax", "sparse.softmax")
def sparse_softmax(sp_input: Any, name: str | None = None) -> SparseTensor:
    """The softmax over the stored values of each last dimension; missing values take no part.

    Args:
      sp_input: SparseTensor `[..., n]` of rank 2 or more, float32 or float64, its places in row-major order.
      name: a scope; default "SparseSoftmax".

    Returns:
      A SparseTensor with the same places.
    """
    x = SparseTensor.from_value(sp_input)
    with name_scope(name, "SparseSoftmax", [x.indices, x.values]):
        found = raw.SparseSoftmax(x.indices, x.values, x.dense_shape)
        return SparseTensor(x.indices, found, x.dense_shape)


def _reduce(
    op_type: str, sp_input: Any, axis: Any, keepdims: Any, reduction_axes: Any, keep_dims: Any
) -> Any:
    axis = renamed(axis, reduction_axes, "axis", "reduction_axes")
    keepdims = bool(renamed(keepdims, keep_dims, "keepdims", "keep_dims"))
    x = SparseTensor.from_value(sp_input)
    if axis is None:
        rank = None if x.dense_shape.dims is None else x.dense_shape.dims[0]
        if rank is not None:
            axis = raw.Const(value=np.arange(rank, dtype=np.int32), dtype=dtypes.int32)
        else:
            axis = raw.Range(0, raw.Size(x.dense_shape, name="Rank"), 1, name="range")
    return getattr(raw, op_type)(x.indices, x.values, x.dense_shape, axis, keep_dims=keepdims)


@public("sparse_reduce_sum", "sparse.reduce_sum")
def sparse_reduce_sum(
    sp_input: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    reduction_axes: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """The sums of a sparse tensor along dimensions, dense.

    Args:
      sp_input: a SparseTensor, numeric.
      axis: the dimensions to sum over, a number or a list; default all.
      keepdims: keep them, with length 1.
      reduction_axes, keep_dims: old names of `axis` and `keepdims`.

    Returns:
      A dense tensor of the other dimensions.

    Raises:
      InvalidArgumentError: when run, if an axis is out of range.
    """
    return _reduce("SparseReduceSum", sp_input, axis, keepdims, reduction_axes, keep_dims)


@public("sparse_reduce_max", "sparse.reduce_max")
def sparse_reduce_max(
    sp_input: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    reduction_axes: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """The largest stored values of a sparse tensor along dimensions, dense; 0 where nothing is stored.

    Arguments and result are those of `sparse_reduce_sum`, for real dtypes.
    """
    return _reduce("SparseReduceMax", sp_input, axis, keepdims, reduction_axes, keep_dims)


@public("sparse_reduce_sum_sparse", "sparse.reduce_sum_sparse")
def sparse_reduce_sum_sparse(
    sp_input: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    reduction_axes: Any = None,
    keep_dims: bool | None = None,
) -> SparseTensor:
    """The sums of a sparse tensor along dimensions, as a SparseTensor.

    Arguments are those of `sparse_reduce_sum`.
    """
    return SparseTensor(
        *_reduce("SparseReduceSumSparse", sp_input, axis, keepdims, reduction_axes, keep_dims)
    )


@public("sparse_reduce_max_sparse", "sparse.reduce_max_sparse")
def sparse_reduce_max_sparse(
    sp_input: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    reduction_axes: Any = None,
    keep_dims: bool | None = None,
) -> SparseTensor:
    """The largest stored values of a sparse tensor along dimensions, as a SparseTensor.

    Arguments are those of `sparse_reduce_sum`, for real dtypes.
    """
    return SparseTensor(
        *_reduce("SparseReduceMaxSparse", sp_input, axis, keepdims, reduction_axes, keep_dims)
    )


@public("compat.v2.sparse.reduce_sum")
def sparse_reduce_sum_v2(
    sp_input: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    output_is_sparse: bool = False,
    name: str | None = None,
) -> Tensor | SparseTensor:
    """The sums of a sparse tensor along dimensions: dense, or with `output_is_sparse` a SparseTensor."""
    function = sparse_reduce_sum_sparse if output_is_sparse else sparse_reduce_sum
    return _reduced(function, sp_input, axis, keepdims, name)


@public("compat.v2.sparse.reduce_max")
def sparse_reduce_max_v2(
    sp_input: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    output_is_sparse: bool = False,
    name: str | None = None,
) -> Tensor | SparseTensor:
    """The largest stored values of a sparse tensor along dimensions: dense, or a SparseTensor."""
    function = sparse_reduce_max_sparse if output_is_sparse else sparse_reduce_max
    return _reduced(function, sp_input, axis, keepdims, name)


def _reduced(function: Any, sp_input: Any, axis: Any, keepdims: Any, name: str | None) -> Any:
    if name is None:
        return function(sp_input, axis, keepdims)
    with name_scope(name):
        return function(sp_input, axis, keepdims)
