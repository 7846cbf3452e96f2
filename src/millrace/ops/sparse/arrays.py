"""Sparse tensors rearranged: sorted, reshaped, joined, cut, split, with empty rows filled."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import shape_tensor
from millrace.core import shapes
from millrace.core.dtypes import ALL, NUMERIC, QUANTIZED, int64
from millrace.graph import attrs
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.rules.shape_rules import with_rank
from millrace.opkit.sparse.places import (
    check_parts,
    invalid,
    numbers,
    order_keys,
    parts,
    places,
    ranks,
    row_order,
    sparse_rank,
)

_NUMBER = NUMERIC | QUANTIZED


# --- row-major order ---------------------------------------------------------------------------------------


@declare(
    "SparseReorder(input_indices: int64, input_values: T, input_shape: int64) -> output_indices: int64, "
    "output_values: T",
    T=ALL,
    static=("input_shape",),
)
class SparseReorder:
    """The places in row-major order, and their values."""

    def shape(input_indices, input_values, input_shape):
        return parts(*sparse_rank(input_indices, input_values, input_shape, "input_"))[:2]

    def kernel(xp, input_indices, input_values, input_shape):
        check_parts(input_indices, input_values, input_shape, "input_")
        order = row_order(xp, input_indices, input_shape.tolist())
        return [input_indices[order], input_values[order]]

    def grad(op, d_indices, d_values):
        indices, _, shape = op.inputs
        entries = raw.Range(0, shape_tensor(indices)[0], 1, name="range")
        order = raw.SparseReorder(indices, entries, shape).output_values
        return None, raw.GatherV2(d_values, raw.InvertPermutation(order), 0), None


# --- another shape -----------------------------------------------------------------------------------------


def _completed(dims: list[int], wanted: list[int]) -> list[int]:
    """`wanted` with its -1 replaced by what makes as many elements as `dims` has.

    Raises:
      InvalidArgumentError: there is no such number.
    """
    size, open_at = math.prod(dims), [k for k, d in enumerate(wanted) if d == -1]
    if len(open_at) > 1:
        raise invalid(f"only one output dimension may be -1. Received: {wanted}")
    if any(d < -1 for d in wanted):
        raise invalid(f"output dimensions must not be negative. Received: {wanted}")
    rest = math.prod(d for d in wanted if d != -1)
    found = list(wanted)
    if open_at:
        if rest == 0:
            raise invalid(
                "reshape cannot infer the missing input size for an empty tensor unless all specified "
                f"input sizes are non-zero. Received: {wanted}"
            )
        found[open_at[0]] = size // rest
    if math.prod(found) != size:
        raise invalid(
            f"Input to reshape is a SparseTensor with {size} dense values, but the requested shape has "
            f"{math.prod(found)}. Received: shape {dims}, requested {wanted}"
        )
    return found


@declare(
    "SparseReshape(input_indices: int64, input_shape: int64, new_shape: int64) -> output_indices: int64, "
    "output_shape: int64",
    static=("input_shape", "new_shape"),
)
class SparseReshape:
    """The places in a tensor of another shape with as many elements."""

    def shape(input_indices, input_shape, new_shape):
        count, rank = with_rank(input_indices, 2, "input_indices")
        shapes.merge((rank,), with_rank(input_shape.dims, 1, "input_shape"))
        (new_rank,) = with_rank(new_shape.dims, 1, "new_shape")
        return [(count, new_rank), (new_rank,)]

    def kernel(xp, input_indices, input_shape, new_shape):
        if np.ndim(new_shape) != 1 or input_shape.ndim != 1 or len(input_indices.shape) != 2:
            raise invalid(
                "input_indices must be a matrix, input_shape and new_shape vectors. Received: shapes "
                f"{list(input_indices.shape)}, {list(input_shape.shape)}, {list(np.shape(new_shape))}"
            )
        if input_indices.shape[1] != input_shape.size:
            raise invalid(
                "input_indices must have a column for each dimension. "
                f"Received: {input_indices.shape[1]} columns, {input_shape.size} dimensions"
            )
        dims = input_shape.tolist()
        found = _completed(dims, new_shape.tolist())
        shape = np.array(found, np.int64)
        if found == dims:
            return [xp.add(input_indices, 0), shape]
        return [places(xp, numbers(xp, input_indices, dims), found), shape]

    grad = NOT_DIFFERENTIABLE


# --- joined ------------------------------------------------------------------------------------------------


def _concat_axis(concat_dim: int, rank: int) -> int:
    if not -rank <= concat_dim < rank:
        raise invalid(f"Concat dimension must be in range [{-rank}, {rank}). Received: {concat_dim}")
    return concat_dim % rank


def _joined_places(xp: Any, indices: Any, shapes_: list[list[int]], axis: int) -> Any:
    """The places of all inputs in the joined tensor, one input after the other."""
    moved, offset = [], 0
    for places_, dims in zip(indices, shapes_, strict=True):
        step = np.zeros(len(dims), np.int64)
        step[axis] = offset
        moved.append(places_ + step)
        offset += dims[axis]
    return xp.concatenate(moved, axis=0)


@declare(
    "SparseConcat(indices: N*int64, values: N*T, shapes: N*int64) -> output_indices: int64, "
    "output_values: T, output_shape: int64",
    concat_dim=attrs.integer(),
    N=attrs.count(2),
    T=ALL,
    static=("shapes",),
)
class SparseConcat:
    """Sparse tensors one after the other along one dimension."""

    def shape(indices, values, shapes):
        count: int | None = 0
        rank: int | None = None
        for part in zip(indices, values, shapes, strict=True):
            more, found = sparse_rank(*part)
            if rank is not None and found is not None and rank != found:
                raise ValueError(f"all inputs must have one rank. Received: ranks {rank} and {found}")
            rank = found if rank is None else rank
            count = None if count is None or more is None else count + more
        return parts(count, rank)

    def kernel(xp, indices, values, shapes, concat_dim):
        for part in zip(indices, values, shapes, strict=True):
            check_parts(*part)
        dims = [s.tolist() for s in shapes]
        if len({len(d) for d in dims}) > 1:
            raise invalid(f"all inputs must have one rank. Received: shapes {dims}")
        axis = _concat_axis(concat_dim, len(dims[0]))
        if len({(*d[:axis], *d[axis + 1 :]) for d in dims}) > 1:
            raise invalid(f"Input shapes must match except along dimension {axis}. Received: shapes {dims}")
        joined = _joined_places(xp, indices, dims, axis)
        shape = np.array(dims[0], np.int64)
        shape[axis] = sum(d[axis] for d in dims)
        order = row_order(xp, joined, shape.tolist())
        return [joined[order], xp.concatenate(values, axis=0)[order], shape]

    def grad(op, d_indices, d_values, d_shape):
        indices, values, dims = op.args()
        axis = op.attrs["concat_dim"]
        along = raw.Pack([d[axis] for d in dims])
        starts = raw.Cumsum(along, 0, exclusive=True)
        turn = raw.OneHot(raw.Size(dims[0]) + axis if axis < 0 else axis, raw.Size(dims[0]), 1, 0)
        unit = raw.Cast(turn, DstT=int64)
        moved = [places_ + unit * starts[k] for k, places_ in enumerate(indices)]
        joined = raw.ConcatV2(moved, 0)
        entries = raw.Range(0, raw.Shape(joined)[0], 1)
        order = raw.SparseReorder(joined, entries, dims[0]).output_values
        back = raw.GatherV2(d_values, raw.InvertPermutation(order), 0)
        sizes = raw.Pack([raw.Size(v) for v in values])
        given = raw.SplitV(back, sizes, 0, num_split=len(values))
        return [*[None] * len(indices), *given, *[None] * len(dims)]


# --- cut out -----------------------------------------------------------------------------------------------


@declare(
    "SparseSlice(indices: int64, values: T, shape: int64, start: int64, size: int64) -> "
    "output_indices: int64, output_values: T, output_shape: int64",
    T=ALL,
    host=True,
)
class SparseSlice:
    """What a box of a sparse tensor holds."""

    def shape(indices, values, shape, start, size):
        return parts(None, with_rank(shape, 1, "shape")[0])

    def kernel(xp, indices, values, shape, start, size):
        check_parts(indices, values, shape)
        if np.shape(start) != np.shape(shape) or np.shape(size) != np.shape(shape):
            raise invalid(
                f"start and size must be vectors of {shape.size} elements. "
                f"Received: shapes {list(np.shape(start))} and {list(np.shape(size))}"
            )
        if (size < 0).any() or (start < 0).any():
            raise invalid(
                f"start and size must not be negative. Received: start {start.tolist()}, size {size.tolist()}"
            )
        end = np.minimum(start + size, shape)
        inside = ((indices >= start) & (indices < end)).all(1)
        return [indices[inside] - start, values[inside], np.maximum(end - start, 0)]

    def grad(op, d_indices, d_values, d_shape):
        indices, _, _, start, _ = op.inputs
        return None, raw.SparseSliceGrad(d_values, indices, start, op.outputs[0]), None, None, None


@declare(
    "SparseSliceGrad(backprop_val_grad: T, input_indices: int64, input_start: int64, "
    "output_indices: int64) -> val_grad: T",
    T=_NUMBER,
    host=True,
)
class SparseSliceGrad:
    """The gradient of each stored value: what its place in the slice got, 0 where it has none."""

    def shape(backprop_val_grad, input_indices, input_start, output_indices):
        with_rank(backprop_val_grad, 1, "backprop_val_grad")
        with_rank(output_indices, 2, "output_indices")
        return (with_rank(input_indices, 2, "input_indices")[0],)

    def kernel(xp, backprop_val_grad, input_indices, input_start, output_indices):
        if np.shape(backprop_val_grad)[:1] != output_indices.shape[:1]:
            raise invalid(
                "backprop_val_grad must have an element for each row of output_indices. "
                f"Received: shapes {list(np.shape(backprop_val_grad))} and {list(output_indices.shape)}"
            )
        return looked_up(input_indices, output_indices + input_start, backprop_val_grad)

    def grad(op, dy):
        grads, indices, start, output_indices = op.inputs
        return looked_up_grad(grads, dy, indices, output_indices + start), None, None, None


def looked_up(wanted: np.ndarray, known: np.ndarray, values: np.ndarray) -> np.ndarray:
    """For each place wanted, the value at the same one of the known places; 0 where it is not known."""
    at_wanted, at_known = ranks(*order_keys(wanted, known))
    found = np.zeros(max(at_wanted.max(initial=-1), at_known.max(initial=-1)) + 1, values.dtype)
    found[at_known] = values
    return found[at_wanted]


def looked_up_grad(values: Any, dy: Any, wanted: Any, known: Any) -> Any:
    """The gradient of `values` in `looked_up`: the same look-up the other way round."""
    zero = np.zeros(0, np.int64)
    rank = raw.Shape(known, out_type=int64)[1]
    return raw.SparseSliceGrad(dy, known, raw.Fill(raw.Reshape(rank, [1]), raw.Sum(zero, [0])), wanted)


# --- split -------------------------------------------------------------------------------------------------


def _pieces(length: int, count: int) -> list[int]:
    """How long each piece is: the first ones get what is left over."""
    if not 1 <= count <= length:
        raise invalid(f"Input num_split should be between 1 and the splitting dimension size ({length}). "
                      f"Received: {count}")  # fmt: skip
    return [length // count + (k < length % count) for k in range(count)]


@declare(
    "SparseSplit(split_dim: int64, indices: int64, values: T, shape: int64) -> "
    "output_indices: num_split*int64, output_values: num_split*T, output_shape: num_split*int64",
    num_split=attrs.integer(minimum=1),
    T=ALL,
    host=True,
)
class SparseSplit:
    """A sparse tensor cut into pieces along one dimension."""

    def shape(split_dim, indices, values, shape, num_split):
        _, rank = sparse_rank(indices, values, shape)
        return [dims for dims in parts(None, rank) for _ in range(num_split)]

    def kernel(xp, split_dim, indices, values, shape, num_split):
        check_parts(indices, values, shape)
        if np.size(split_dim) != 1:
            raise invalid(f"split_dim should be a scalar. Received: shape {list(np.shape(split_dim))}")
        rank, axis = shape.size, int(np.reshape(split_dim, ()))
        if not -rank <= axis < rank:
            raise invalid(f"Input split_dim should be in range [{-rank}, {rank}). Received: {axis}")
        found: list[list[Any]] = [[], [], []]
        start = 0
        for length in _pieces(int(shape[axis]), num_split):
            place = indices[:, axis]
            inside = (place >= start) & (place < start + length)
            offset, dims = np.zeros(rank, np.int64), shape.copy()
            offset[axis], dims[axis] = start, length
            for kept, part in zip(found, (indices[inside] - offset, values[inside], dims), strict=True):
                kept.append(part)
            start += length
        return found

    def grad(op, *dys):
        axis, indices, _, shape = op.inputs
        count = op.attrs["num_split"]
        d_values = dys[count : 2 * count]
        rank = raw.Size(shape)
        at = raw.FloorMod(raw.Cast(raw.Reshape(axis, []), DstT=rank.dtype), rank)
        unit = raw.Cast(raw.OneHot(at, rank, 1, 0), DstT=int64)
        lengths = [raw.GatherV2(dims, at, 0) for dims in op.outputs[2 * count :]]
        starts = raw.Cumsum(raw.Pack(lengths), 0, exclusive=True)
        grads = [
            raw.SparseSliceGrad(dy, indices, unit * starts[k], op.outputs[k]) for k, dy in enumerate(d_values)
        ]
        return None, None, raw.AddN(grads), None


# --- empty rows --------------------------------------------------------------------------------------------


@declare(
    "SparseFillEmptyRows(indices: int64, values: T, dense_shape: int64, default_value: T) -> "
    "output_indices: int64, output_values: T, empty_row_indicator: bool, reverse_index_map: int64",
    T=ALL,
    static=("dense_shape",),
    host=True,
)
class SparseFillEmptyRows:
    """A default value in the first place of each row that has no value."""

    def shape(indices, values, dense_shape, default_value):
        count, rank = sparse_rank(indices, values, dense_shape)
        with_rank(default_value, 0, "default_value")
        dims = dense_shape.as_dims()
        return [(None, rank), (None,), (dims[0] if dims else None,), (count,)]

    def kernel(xp, indices, values, dense_shape, default_value):
        check_parts(indices, values, dense_shape)
        if np.ndim(default_value):
            raise invalid(f"default_value must be a scalar. Received: shape {list(default_value.shape)}")
        if not dense_shape.size:
            raise invalid("Dense shape cannot be empty. Received: []")
        rows, of = int(dense_shape[0]), indices[:, 0]
        if of.size and not ((of >= 0) & (of < rows)).all():
            bad = int(np.flatnonzero((of < 0) | (of >= rows))[0])
            raise invalid(f"indices({bad}, 0) is invalid: it must be in [0, {rows}). Received: {of[bad]}")
        counts = np.bincount(of, minlength=rows)
        empty = counts == 0
        starts = np.cumsum(np.maximum(counts, 1)) - np.maximum(counts, 1)
        order = np.argsort(of, kind="stable")
        within = np.arange(of.size) - np.repeat(np.cumsum(counts) - counts, counts)
        reverse = np.empty(of.size, np.int64)
        reverse[order] = starts[of[order]] + within
        total = of.size + int(empty.sum())
        places_ = np.zeros((total, dense_shape.size), np.int64)
        places_[starts[empty], 0] = np.flatnonzero(empty)
        places_[reverse] = indices
        filled = np.empty(total, values.dtype)
        filled[starts[empty]] = default_value
        filled[reverse] = values
        return [places_, filled, empty, reverse]

    def grad(op, d_indices, d_values, d_empty, d_map):
        found = raw.SparseFillEmptyRowsGrad(op.outputs[3], d_values)
        return None, found.d_values, None, found.d_default_value


@declare(
    "SparseFillEmptyRowsGrad(reverse_index_map: int64, grad_values: T) -> d_values: T, d_default_value: T",
    T=_NUMBER,
)
class SparseFillEmptyRowsGrad:
    """The gradient of each given value, and the sum of what the filled-in ones got."""

    def shape(reverse_index_map, grad_values):
        with_rank(grad_values, 1, "grad_values")
        return [with_rank(reverse_index_map, 1, "reverse_index_map"), ()]

    def kernel(xp, reverse_index_map, grad_values):
        count = grad_values.shape[0]
        inside = (reverse_index_map >= 0) & (reverse_index_map < count)
        xp.check(inside, lambda: invalid(f"the reverse index must be in [0, {count}). Received others"))
        given = grad_values[reverse_index_map]
        rest = xp.updated(grad_values, reverse_index_map, xp.zeros_like(given))
        return [given, xp.sum(rest, dtype=grad_values.dtype)]

    def grad(op, d_values, d_default):
        indices, grads = op.inputs
        everywhere = raw.Fill(raw.Shape(grads), d_default)
        return None, raw.TensorScatterUpdate(everywhere, raw.Reshape(indices, [-1, 1]), d_values)
