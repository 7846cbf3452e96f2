"""Sparse tensors made of others: of dense ones, of lists, of what is fed; and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor, shape_tensor
from millrace.building.scopes import name_scope
from millrace.building.sparse_tensor import SparseTensor
from millrace.building.static import static_dims
from millrace.core import dtypes, shapes
from millrace.core.dtypes import int64
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.sparse.shaping import sparse_reorder
from millrace.ops.array.constant import placeholder, zeros
from millrace.ops.array.fill import fill
from millrace.ops.math.cast import cast
from millrace.ops.sparse.dense import sparse_to_dense

# --- made --------------------------------------------------------------------------------------------------


@public("sparse_placeholder", "sparse.placeholder")
def sparse_placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> SparseTensor:
    """A sparse tensor that the caller of `Session.run` feeds, as a SparseTensorValue or a triple.

    Args:
      dtype: the dtype of its values.
      shape: what is known of its dense shape; None for nothing.
      name: what the names of the three placeholders begin with; default "Placeholder".

    Returns:
      A SparseTensor.
    """
    part = "" if name is None else f"{name}/"

    def named(what: str) -> str | None:
        return part + what if part else None

    if isinstance(shape, Tensor):
        dims = static_dims(shape)
        rank = None if dims is None else len(dims)
        given: Any = shape
    else:
        dims = shapes.as_dims(shape)
        rank = None if dims is None else len(dims)
        if shapes.fully_defined(dims):
            given = convert_to_tensor(np.array(dims, np.int64), int64, name=named("shape"))
        else:
            given = placeholder(int64, [rank], name=named("shape"))
    return SparseTensor(
        values=placeholder(dtype, [None], name=named("values")),
        indices=placeholder(int64, [None, rank], name=named("indices")),
        dense_shape=given,
    )


def _int64(value: Any, name: str) -> Tensor:
    if isinstance(value, Tensor):
        return cast(value, int64)
    return convert_to_tensor(value, int64, name)


@public("sparse.eye")
def sparse_eye(
    num_rows: Any, num_columns: Any = None, dtype: Any = dtypes.float32, name: str | None = None
) -> SparseTensor:
    """A sparse matrix with ones in its diagonal.

    Args:
      num_rows: scalar integer.
      num_columns: scalar integer; default `num_rows`.
      dtype: the dtype of the ones.
      name: a scope; default "eye".

    Returns:
      SparseTensor `[num_rows, num_columns]`.
    """
    with name_scope(name, "eye", [num_rows, num_columns]):
        rows = _int64(num_rows, "num_rows")
        columns = rows if num_columns is None else _int64(num_columns, "num_columns")
        size = raw.Minimum(rows, columns)
        steps = raw.Range(
            convert_to_tensor(0, int64, "range/start"),
            size,
            convert_to_tensor(1, int64, "range/delta"),
            name="range",
        )
        places = raw.Pack([steps, steps], axis=1, name="stack")
        kind = dtypes.as_dtype(dtype).base_dtype
        with name_scope("ones") as scope:
            one = convert_to_tensor(np.ones((), kind.np_dtype), kind, name="Const")
            diagonal = raw.Fill(raw.Reshape(size, [-1]), one, name=scope)
        return SparseTensor(places, diagonal, [rows, columns])


@public("sparse.from_dense")
def from_dense(tensor: Any, name: str | None = None) -> SparseTensor:
    """The elements of a dense tensor that are not zero.

    Args:
      tensor: `[...]`, numeric or bool.
      name: a scope; default "dense_to_sparse".

    Returns:
      SparseTensor of the same shape and dtype, its places in row-major order.
    """
    with name_scope(name, "dense_to_sparse"):
        tensor = convert_to_tensor(tensor)
        zero = convert_to_tensor(0, tensor.dtype.base_dtype)
        places = raw.Where(raw.NotEqual(tensor, zero))
        values = raw.GatherNd(tensor, places)
        return SparseTensor(places, values, shape_tensor(tensor, int64))


# --- to dense ----------------------------------------------------------------------------------------------


@public("sparse_tensor_to_dense", "sparse.to_dense")
def sparse_tensor_to_dense(
    sp_input: Any, default_value: Any = None, validate_indices: bool = True, name: str | None = None
) -> Tensor:
    """A sparse tensor as a dense one.

    Args:
      sp_input: a SparseTensor.
      default_value: scalar: what stands where nothing is stored; default 0, or "" for strings.
      validate_indices: check that the places are in row-major order and that none stands twice.
      name: op name; default "SparseToDense".

    Returns:
      The dense shape and dtype of `sp_input`.

    Raises:
      InvalidArgumentError: when run, if a place is outside of the result, or, when checked, out of order or
        repeated.
    """
    x = SparseTensor.from_value(sp_input)
    if default_value is None:
        default_value = zeros([], x.dtype.base_dtype)
    return sparse_to_dense(
        x.indices, x.dense_shape, x.values, default_value, validate_indices=validate_indices, name=name
    )


@public("sparse_to_indicator", "sparse.to_indicator")
def sparse_to_indicator(sp_input: Any, vocab_size: Any, name: str | None = None) -> Tensor:
    """Which ids each row of a sparse tensor holds.

    Args:
      sp_input: SparseTensor `[..., n]`, int32 or int64: ids below `vocab_size`.
      vocab_size: scalar: the number of ids.
      name: op name; default "SparseToIndicator".

    Returns:
      `[..., vocab_size]` bool: whether the id is among those of the row.

    Raises:
      TypeError: `sp_input` is not a SparseTensor.
    """
    sp_input = SparseTensor.from_value(sp_input)
    with name_scope(name, "SparseToIndicator", [sp_input.values]) as scope:
        present = fill(raw.ExpandDims(shape_tensor(sp_input.indices)[0], 0), True)
        there = SparseTensor(sp_input.indices, present, sp_input.dense_shape)
        merged = _merge(sp_input, there, vocab_size, scope, False)
        return sparse_tensor_to_dense(merged, False, validate_indices=False, name=scope)


@public("sparse_merge", "sparse.merge")
def sparse_merge(
    sp_ids: Any, sp_values: Any, vocab_size: Any, name: str | None = None, already_sorted: bool = False
) -> SparseTensor:
    """Ids and values that stand at one place, as one sparse tensor with the ids as last coordinate.

    Args:
      sp_ids: SparseTensor `[..., n]` of ids, int32 or int64; or a list of them, a coordinate each.
      sp_values: SparseTensor `[..., n]` with the same places, any dtype.
      vocab_size: scalar: the number of ids; or a list of them.
      name: a scope; default "SparseMerge".
      already_sorted: the result is in row-major order as it stands.

    Returns:
      SparseTensor `[..., vocab_size]` of the values.

    Raises:
      TypeError: an argument is not a SparseTensor, or `vocab_size` is not a number.
      ValueError: there are not as many sizes as ids.
    """
    return _merge(sp_ids, sp_values, vocab_size, name, already_sorted)


def _merge(
    sp_ids: Any, sp_values: Any, vocab_size: Any, name: str | None, already_sorted: bool
) -> SparseTensor:
    several = isinstance(sp_ids, list)
    if several != isinstance(vocab_size, list | tuple):
        what = "a list of numbers" if several else "a Tensor or Python int"
        raise TypeError(f"sparse_merge: vocab_size has to be {what}. Received: {vocab_size!r}")
    sizes = list(vocab_size) if several else [vocab_size]
    for size in sizes:
        if not isinstance(size, Tensor | int | np.integer):
            raise TypeError(f"sparse_merge: vocab_size has to be a Tensor or Python int. Received: {size!r}")
    ids = [SparseTensor.from_value(i) for i in (sp_ids if several else [sp_ids])]
    values = SparseTensor.from_value(sp_values)
    if len(ids) != len(sizes):
        raise ValueError(
            f"sparse_merge: sp_ids and vocab_size must be equally long. Received: {len(ids)} and {len(sizes)}"
        )
    with name_scope(name, "SparseMerge", [*(i.values for i in ids), values.values]):
        columns = []
        for i in ids:
            found = i.values if i.dtype.base_dtype is int64 else raw.Cast(i.values, DstT=int64)
            columns.append(raw.ExpandDims(found, 1))
        sizes = [cast(s, int64) for s in sizes]
        places = raw.ConcatV2([ids[0].indices[:, :-1], *columns], 1, name="concat")
        dims = raw.ConcatV2([ids[0].dense_shape[:-1], sizes], 0, name="concat")
        merged = SparseTensor(places, values.values, dims)
        if already_sorted:
            return merged
        ordered = sparse_reorder(merged)
        return SparseTensor(ordered.indices, ordered.values, dims)
