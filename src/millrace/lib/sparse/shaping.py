"""Sparse tensors with other axes and other elements: reshaped, joined, cut, filtered."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor, shape_tensor
from millrace.building.indexed_slices import IndexedSlices
from millrace.building.scopes import name_scope
from millrace.building.sparse_tensor import SparseTensor
from millrace.building.static import static_dims, static_value
from millrace.core import shapes
from millrace.core.dtypes import int32, int64
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import with_dependencies
from millrace.lib.math.checks import assert_equal, assert_less_equal
from millrace.lib.math.reductions import renamed
from millrace.ops.array.constant import ones, zeros
from millrace.ops.array.fill import ones_like
from millrace.ops.math.cast import cast

# --- rearranged --------------------------------------------------------------------------------------------


@public("sparse_reorder", "sparse.reorder")
def sparse_reorder(sp_input: Any, name: str | None = None) -> SparseTensor:
    """The same sparse tensor with its places in row-major order.

    Args:
      sp_input: a SparseTensor.
      name: op name; default "SparseReorder".

    Returns:
      A SparseTensor of the same shape and dtype.
    """
    x = SparseTensor.from_value(sp_input)
    places, values = raw.SparseReorder(x.indices, x.values, x.dense_shape, name=name)
    shape = x.shape
    return SparseTensor(
        places, values, shape.as_list() if shape.is_fully_defined() else raw.Identity(x.dense_shape)
    )


@public("sparse_reshape", "sparse.reshape")
def sparse_reshape(sp_input: Any, shape: Any, name: str | None = None) -> SparseTensor:
    """The same values in a tensor of another shape with as many elements.

    Args:
      sp_input: a SparseTensor.
      shape: `[new_rank]`, integers; one of them may be -1 and is then computed.
      name: op name; default "SparseReshape".

    Returns:
      A SparseTensor of dense shape `shape`.

    Raises:
      ValueError: more than one number is -1, or the known shapes have different numbers of elements.
      InvalidArgumentError: the same, found when run.
    """
    x = SparseTensor.from_value(sp_input)
    shape = cast(shape, int64)
    with name_scope(name, "SparseReshape", [x.values]) as scope:
        places, dense_shape = raw.SparseReshape(x.indices, x.dense_shape, shape, name=scope)
        wanted = _partial(shape)
        if wanted is not None and x.shape.is_fully_defined() and (wanted.count(-1) < 2 or _is_const(shape)):
            dense_shape = convert_to_tensor(_completed(x.shape.as_list(), wanted), int64)
        return SparseTensor(places, raw.Identity(x.values), dense_shape)


def _partial(shape: Any) -> list[int] | None:
    """What TensorFlow sees of a shape without running it, -1 for what it does not see; None for nothing.

    Where it sees all but one dimension, a constant takes the place of the result's shape, and counts among
    the operations, whose number makes the seeds of what follows.
    """
    op = shape.op
    if op.type == "Const":
        value = static_value(shape)
        return None if value is None else [int(d) for d in value.ravel()]
    if op.type == "Shape":
        dims = static_dims(shape)
        return None if dims is None else [-1 if d is None else int(d) for d in dims]
    if op.type == "Cast":
        return _partial(op.inputs[0])
    if op.type == "Pack":
        return [_partial_number(t) for t in op.inputs]
    if op.type == "ConcatV2":
        parts = [_partial(t) for t in op.inputs[:-1]]
        return None if None in parts else [d for part in parts if part is not None for d in part]
    if op.type == "StridedSlice" and shape.shape.ndims == 1:
        found = _partial(op.inputs[0])
        return None if found is None else _sliced(found, op)
    return None


def _is_const(shape: Any) -> bool:
    return _uncast(shape).type == "Const"


def _uncast(tensor: Any) -> Any:
    op = tensor.op
    while op.type == "Cast":
        op = op.inputs[0].op
    return op


def _partial_number(tensor: Any) -> int:
    op = _uncast(tensor)
    if op.type not in ("Const", "Size", "Rank"):
        return -1
    value = static_value(op.outputs[0])
    return -1 if value is None else int(value)


def _sliced(dims: list[int], op: Any) -> list[int] | None:
    begin, end, step = (static_value(t) for t in op.inputs[1:4])
    if begin is None or end is None or step is None:
        return None
    first = None if op.get_attr("begin_mask") & 1 else int(begin[0])
    last = None if op.get_attr("end_mask") & 1 else int(end[0])
    return dims[first : last : int(step[0])]


def _completed(dims: Any, wanted: list[int]) -> list[int]:
    """`wanted` with its -1 computed.

    Raises:
      ValueError: there is no such shape.
    """
    size, open_at = int(np.prod(dims, dtype=np.int64)), [k for k, d in enumerate(wanted) if d == -1]
    if len(open_at) > 1:
        raise ValueError(f"sparse_reshape: at most one dimension can be inferred (-1). Received: {wanted}")
    found = list(wanted)
    rest = int(np.prod([d for d in wanted if d != -1], dtype=np.int64))
    if open_at:
        found[open_at[0]] = size // rest if rest else 0
    if int(np.prod(found, dtype=np.int64)) != size:
        raise ValueError(
            f"sparse_reshape: cannot reshape a tensor with {size} elements. Received: shape {wanted}"
        )
    return found


@public("sparse_transpose", "sparse.transpose")
def sparse_transpose(sp_input: Any, perm: Any = None, name: str | None = None) -> SparseTensor:
    """A sparse tensor with its dimensions in another order.

    Args:
      sp_input: a SparseTensor.
      perm: `[rank]`: for each dimension of the result, which one it was; default, all reversed.
      name: a scope; default "SparseTranspose".

    Returns:
      A SparseTensor, its places in row-major order.

    Raises:
      IndexError: `perm` names a dimension that there is not.
      ValueError: it does not name one for each dimension.
    """
    sp_input = SparseTensor.from_value(sp_input)
    with name_scope(name, "SparseTranspose", [sp_input.values]):
        order = None
        if perm is None:
            rank = raw.Size(sp_input.dense_shape, name="Rank")
            perm = raw.Sub(raw.Sub(rank, 1, name="sub"), raw.Range(0, rank, 1, name="range"), name="sub")
        elif not isinstance(perm, Tensor) or perm.op.type == "Const":
            order = static_value(perm) if isinstance(perm, Tensor) else np.asarray(perm)
        columns = raw.Transpose(sp_input.indices, [1, 0], name="transpose")
        chosen = raw.GatherV2(columns, perm, 0)
        places = raw.Transpose(chosen, [1, 0], name="transpose")
        dims: Any = None
        if order is not None:
            known = convert_to_tensor(order)
            if sp_input.shape.is_fully_defined():
                dims = _permuted(sp_input.shape.as_list(), order)
            else:
                perm = known
        if dims is None:
            dims = raw.GatherV2(sp_input.dense_shape, order if order is not None else perm, 0)
        return sparse_reorder(SparseTensor(places, sp_input.values, dims))


def _permuted(sizes: list[int], order: np.ndarray) -> list[int]:
    if not all(-len(sizes) <= k < len(sizes) for k in order):
        raise IndexError(
            f"sparse_transpose: perm must name dimensions of a tensor of rank {len(sizes)}. Received: {order}"
        )
    if len(order) != len(sizes):
        raise ValueError(
            f"sparse_transpose: perm must name one for each of {len(sizes)} dimensions. Received: {order}"
        )
    return [sizes[k] for k in order]


@public("sparse_concat", "sparse.concat")
def sparse_concat(
    axis: Any = None,
    sp_inputs: Any = None,
    name: str | None = None,
    expand_nonconcat_dim: bool = False,
    concat_dim: int | None = None,
    expand_nonconcat_dims: bool | None = None,
) -> SparseTensor:
    """Sparse tensors one after the other along one dimension.

    Args:
      axis: the dimension; negative numbers count from the end.
      sp_inputs: a list of SparseTensors of one rank and dtype.
      name: op name; default "SparseConcat".
      expand_nonconcat_dim: let each other dimension be as long as the longest of it; else they must agree.
      concat_dim, expand_nonconcat_dims: old names of `axis` and `expand_nonconcat_dim`.

    Returns:
      A SparseTensor, its places in row-major order.

    Raises:
      ValueError: the static shapes do not fit together.
      InvalidArgumentError: the same, found when run.
    """
    axis = renamed(axis, concat_dim, "axis", "concat_dim")
    expand = bool(expand_nonconcat_dim if expand_nonconcat_dims is None else expand_nonconcat_dims)
    if axis is None or sp_inputs is None:
        raise TypeError(f"sparse_concat: axis and sp_inputs are required. Received: {axis!r}, {sp_inputs!r}")
    if not isinstance(sp_inputs, list | tuple):
        raise TypeError(f"sparse_concat: sp_inputs must be a list. Received: {sp_inputs!r}")
    inputs = [SparseTensor.from_value(i) for i in sp_inputs]
    if len(inputs) == 1:
        return inputs[0]
    dims = [i.dense_shape for i in inputs]
    if expand:
        dims = _expanded(dims, axis)
    found = raw.SparseConcat(
        [i.indices for i in inputs], [i.values for i in inputs], dims, concat_dim=axis, name=name
    )
    joined = None if expand else _joined_dims([static_dims(i.dense_shape) for i in inputs], axis)
    shape: Any = found.output_shape if joined is None else convert_to_tensor(list(joined), int64)
    return SparseTensor(found.output_indices, found.output_values, shape)


def _expanded(dims: list[Tensor], axis: int) -> list[Tensor]:
    """Each dense shape with every dimension but `axis` as long as the longest of it."""
    rows = [raw.Reshape(d, [1, -1]) for d in dims]
    longest = raw.Max(raw.ConcatV2(rows, 0, name="concat"), 0)
    expanded = []
    for d in dims:
        own = d[-1:] if axis == -1 else d[axis : axis + 1]
        after = [] if axis == -1 else [longest[axis + 1 :]]
        expanded.append(raw.ConcatV2([longest[:axis], own, *after], 0, name="concat"))
    return expanded


def _joined_dims(known: list[Any], axis: int) -> tuple[int, ...] | None:
    """The static shape of the joined tensor where it is whole.

    Raises:
      ValueError: the shapes do not fit together.
    """
    if any(d is None for d in known):
        return None
    rank = len(known[0])
    if any(len(d) != rank for d in known):
        raise ValueError(f"sparse_concat: all inputs must have one rank. Received: shapes {known}")
    if not -rank <= axis < rank:
        raise ValueError(f"sparse_concat: axis must be in [{-rank}, {rank}). Received: {axis}")
    axis %= rank
    others = {(*d[:axis], *d[axis + 1 :]) for d in known}
    if len(others) > 1 or not all(map(shapes.fully_defined, known)):
        return None  # shapes that clash are an error when it runs, as in TensorFlow
    first = known[0]
    return (*first[:axis], sum(d[axis] for d in known), *first[axis + 1 :])


@public("sparse_slice", "sparse.slice")
def sparse_slice(sp_input: Any, start: Any, size: Any, name: str | None = None) -> SparseTensor:
    """A box of a sparse tensor.

    Args:
      sp_input: a SparseTensor.
      start: `[rank]` int64: where the box begins.
      size: `[rank]` int64: how long it is; what is outside of `sp_input` is cut off.
      name: op name; default "SparseSlice".

    Returns:
      A SparseTensor of the box's shape.
    """
    x = SparseTensor.from_value(sp_input)
    start, size = convert_to_tensor(start, int64), convert_to_tensor(size, int64)
    with name_scope(name, "SparseSlice", [x.values]) as scope:
        return SparseTensor(*raw.SparseSlice(x.indices, x.values, x.dense_shape, start, size, name=scope))


_KEYWORDS_ONLY = object()


@public("sparse_split", "sparse.split")
def sparse_split(
    keyword_required: Any = _KEYWORDS_ONLY,
    sp_input: Any = None,
    num_split: int | None = None,
    axis: Any = None,
    name: str | None = None,
    split_dim: Any = None,
) -> list[SparseTensor]:
    """A sparse tensor cut into pieces along one dimension.

    Args:
      keyword_required: nothing; all arguments must be named.
      sp_input: a SparseTensor.
      num_split: the number of pieces; the first ones are longer where it does not divide the length.
      axis: scalar: the dimension.
      name: op name; default "SparseSplit".
      split_dim: old name of `axis`.

    Returns:
      A list of `num_split` SparseTensors.

    Raises:
      ValueError: an argument is missing or not named.
    """
    if keyword_required is not _KEYWORDS_ONLY:
        raise ValueError(f"sparse_split: its arguments must be named. Received: {keyword_required!r}")
    axis = renamed(axis, split_dim, "axis", "split_dim")
    for given, what in ((sp_input, "sp_input"), (num_split, "num_split"), (axis, "axis")):
        if given is None:
            raise ValueError(f"sparse_split: {what} is required. Received: None")
    x = SparseTensor.from_value(sp_input)
    found = raw.SparseSplit(axis, x.indices, x.values, x.dense_shape, num_split=num_split, name=name)
    return [SparseTensor(*part) for part in zip(*found, strict=True)]


@public("sparse.expand_dims")
def sparse_expand_dims(sp_input: Any, axis: Any = None, name: str | None = None) -> SparseTensor:
    """A sparse tensor with a dimension of length 1 more.

    Args:
      sp_input: a SparseTensor.
      axis: scalar: where; negative numbers count from the end; default -1.
      name: a scope; default "expand_dims".

    Returns:
      A SparseTensor.
    """
    sp_input = SparseTensor.from_value(sp_input)
    dims = sp_input.dense_shape.dims
    rank = None if dims is None else dims[0]
    with name_scope(name, "expand_dims", [sp_input.values]):
        axis = convert_to_tensor(-1 if axis is None else axis, int32, "axis")
        size = raw.Size(sp_input.dense_shape) if rank is None else rank
        axis = raw.SelectV2(raw.GreaterEqual(axis, 0), axis, axis + size + 1)
        count = shape_tensor(sp_input.indices)[0]
        column = zeros([count, 1], int64)
        before = raw.Slice(sp_input.indices, [0, 0], [-1, axis])
        after = raw.Slice(sp_input.indices, [0, axis], [-1, -1])
        places = raw.ConcatV2([before, column, after], 1, name="concat")
        first = raw.Slice(sp_input.dense_shape, [0], [axis])
        last = raw.Slice(sp_input.dense_shape, [axis], [-1])
        shape = raw.ConcatV2([first, ones([1], int64, name="new_shape"), last], 0, name="concat")
        if rank is not None:
            places.set_shape([None, rank + 1])
            shape.set_shape([rank + 1])
        return SparseTensor(places, sp_input.values, shape)


@public("sparse_reset_shape", "sparse.reset_shape")
def sparse_reset_shape(sp_input: Any, new_shape: Any = None) -> SparseTensor:
    """The same places and values in another, or the smallest possible, dense shape.

    Args:
      sp_input: a SparseTensor.
      new_shape: `[rank]`, integers: at least as long as the old one in each dimension; default, just long
        enough for the places that are stored.

    Returns:
      A SparseTensor.

    Raises:
      TypeError: `sp_input` is not a SparseTensor.
      ValueError: `new_shape` has another rank or is too small.
      InvalidArgumentError: the same, found when run.
    """
    x = SparseTensor.from_value(sp_input)
    places, values, old = raw.Identity(x.indices), raw.Identity(x.values), raw.Identity(x.dense_shape)
    if new_shape is None:
        highest = raw.Max(places, 0)
        least = convert_to_tensor(0, int64)
        return SparseTensor(places, values, raw.Maximum(least, raw.Add(highest, ones_like(old))))
    wanted = convert_to_tensor(new_shape)
    shapes.merge(wanted.dims, (None,))
    wanted = cast(wanted, int64)
    shapes.merge(wanted.dims, old.dims)
    known = static_value(wanted)
    if known is not None and x.shape.is_fully_defined():
        if not (np.array(x.shape.as_list()) <= known).all():
            raise ValueError(
                f"sparse_reset_shape: new_shape must not be smaller than {x.shape} in any dimension. "
                f"Received: {known.tolist()}"
            )
        return SparseTensor(places, values, known)
    wanted = with_dependencies([assert_equal(shape_tensor(old), shape_tensor(wanted))], wanted)
    wanted = with_dependencies([assert_less_equal(old, wanted)], wanted)
    return SparseTensor(places, values, wanted)


@public("sparse_retain", "sparse.retain")
def sparse_retain(sp_input: Any, to_retain: Any) -> SparseTensor:
    """Some of the stored values.

    Args:
      sp_input: SparseTensor with `n` stored values.
      to_retain: `[n]` bool: which ones.

    Returns:
      A SparseTensor of the same dense shape.

    Raises:
      ValueError: `to_retain` has another length.
    """
    x = SparseTensor.from_value(sp_input)
    to_retain = convert_to_tensor(to_retain)
    shapes.merge(shapes.merge(to_retain.dims, (None,)), x.values.dims)
    kept = raw.Reshape(raw.Where(to_retain), [-1])
    places, values = raw.GatherV2(x.indices, kept, 0), raw.GatherV2(x.values, kept, 0)
    return SparseTensor(places, values, raw.Identity(x.dense_shape))


@public("sparse_fill_empty_rows", "sparse.fill_empty_rows")
def sparse_fill_empty_rows(
    sp_input: Any, default_value: Any, name: str | None = None
) -> tuple[SparseTensor, Tensor]:
    """A sparse tensor with a value in every row.

    Args:
      sp_input: SparseTensor `[rows, ...]`.
      default_value: scalar: what is put in the first place of each row without a value.
      name: a scope; default "SparseFillEmptyRows".

    Returns:
      The filled SparseTensor, and `[rows]` bool: which rows had no value.

    Raises:
      InvalidArgumentError: when run, if a row number is out of range.
    """
    x = SparseTensor.from_value(sp_input)
    with name_scope(name, "SparseFillEmptyRows", [x.values]):
        default_value = convert_to_tensor(default_value, x.dtype.base_dtype)
        found = raw.SparseFillEmptyRows(x.indices, x.values, x.dense_shape, default_value)
        filled = SparseTensor(found.output_indices, found.output_values, x.dense_shape)
        return filled, found.empty_row_indicator


@public("sparse_mask", "sparse.mask")
def sparse_mask(a: IndexedSlices, mask_indices: Any, name: str | None = None) -> IndexedSlices:
    """The rows of an IndexedSlices that are not masked.

    Args:
      a: an IndexedSlices.
      mask_indices: `[n]`, dtype of its indices: the numbers of the rows to leave out.
      name: op name; default "sparse_mask".

    Returns:
      An IndexedSlices.

    Raises:
      TypeError: `a` is not an IndexedSlices.
    """
    if not isinstance(a, IndexedSlices):
        raise TypeError(f"sparse_mask: a must be an IndexedSlices. Received: {a!r}")
    with name_scope(name, "sparse_mask", [a.values, mask_indices]) as scope:
        kept, places = raw.ListDiff(a.indices, mask_indices)
        return IndexedSlices(raw.GatherV2(a.values, places, 0, name=scope), kept, a.dense_shape)
