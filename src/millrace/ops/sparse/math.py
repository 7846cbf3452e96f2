"""Arithmetic of sparse tensors: sums, extremes, reductions, softmax."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.core.dtypes import NUMERIC, QUANTIZED, REAL, float32, float64, int32, int64
from millrace.graph import attrs
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.idioms import shape_tensor, size_tensor
from millrace.opkit.rules.shape_rules import with_rank
from millrace.opkit.sparse.places import (
    check_inside,
    check_parts,
    invalid,
    numbers,
    order_keys,
    parts,
    places,
    ranks,
    sparse_rank,
)

_NUMBER = NUMERIC | QUANTIZED
_SOFT = frozenset({float32, float64})


# --- two sparse tensors ------------------------------------------------------------------------------------


def _check_pair(a_indices, a_values, a_shape, b_indices, b_values, b_shape) -> None:
    check_parts(a_indices, a_values, a_shape, "a_")
    check_parts(b_indices, b_values, b_shape, "b_")
    if a_shape.tolist() != b_shape.tolist():
        raise invalid(f"Operands' shapes do not match. Received: {a_shape.tolist()} and {b_shape.tolist()}")


def _merged(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The union of two lists of places in order.

    Returns:
      The places, and for each its number in `a` and in `b`, -1 where it is not there.
    """
    keys = order_keys(a, b)
    if all((k[1:] > k[:-1]).all() for k in keys):
        at_a, at_b = ranks(*keys)
        count = max(at_a.max(initial=-1), at_b.max(initial=-1)) + 1
        from_a, from_b = np.full(count, -1), np.full(count, -1)
        from_a[at_a], from_b[at_b] = np.arange(len(a)), np.arange(len(b))
    else:
        from_a, from_b = _walked(a.tolist(), b.tolist())
    union = np.empty((len(from_a), a.shape[1]), np.int64)
    union[from_b >= 0] = b[from_b[from_b >= 0]]
    union[from_a >= 0] = a[from_a[from_a >= 0]]
    return union, from_a, from_b


def _walked(a: list[list[int]], b: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Merges lists that are not in order, or repeat places, as if they were: in one walk along both."""
    pairs, i, j = [], 0, 0
    while i < len(a) or j < len(b):
        if j == len(b) or (i < len(a) and a[i] < b[j]):
            pairs.append((i, -1))
            i += 1
        elif i == len(a) or b[j] < a[i]:
            pairs.append((-1, j))
            j += 1
        else:
            pairs.append((i, j))
            i, j = i + 1, j + 1
    found = np.array(pairs, np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _taken(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The values at numbers, 0 for -1."""
    found = np.zeros(len(at), values.dtype)
    found[at >= 0] = values[at[at >= 0]]
    return found


@declare(
    "SparseAdd(a_indices: int64, a_values: T, a_shape: int64, b_indices: int64, b_values: T, b_shape: int64, "
    "thresh: Treal) -> sum_indices: int64, sum_values: T, sum_shape: int64",
    T=_NUMBER,
    Treal=REAL,
    host=True,
)
class SparseAdd:
    """The sum of two sparse tensors, without the values of a magnitude below a threshold."""

    def shape(a_indices, a_values, a_shape, b_indices, b_values, b_shape, thresh):
        return parts(None, with_rank(a_shape, 1, "a_shape")[0])

    def kernel(xp, a_indices, a_values, a_shape, b_indices, b_values, b_shape, thresh):
        _check_pair(a_indices, a_values, a_shape, b_indices, b_values, b_shape)
        if np.ndim(thresh):
            raise invalid(f"The magnitude threshold must be a scalar. Received: shape {list(thresh.shape)}")
        union, from_a, from_b = _merged(a_indices, b_indices)
        total = np.add(_taken(a_values, from_a), _taken(b_values, from_b))
        kept = np.asarray(thresh) <= np.abs(total)
        return [union[kept], total[kept], np.array(a_shape)]

    def grad(op, d_indices, d_values, d_shape):
        found = raw.SparseAddGrad(d_values, op.inputs[0], op.inputs[3], op.outputs[0])
        return None, found.a_val_grad, None, None, found.b_val_grad, None, None


@declare(
    "SparseAddGrad(backprop_val_grad: T, a_indices: int64, b_indices: int64, sum_indices: int64) -> "
    "a_val_grad: T, b_val_grad: T",
    T=_NUMBER,
    host=True,
)
class SparseAddGrad:
    """What each value of both sparse tensors gets of the gradient of their sum."""

    def shape(backprop_val_grad, a_indices, b_indices, sum_indices):
        with_rank(sum_indices, 2, "sum_indices")
        return [
            (with_rank(a_indices, 2, "a_indices")[0],),  # type: ignore[index]
            (with_rank(b_indices, 2, "b_indices")[0],),  # type: ignore[index]
        ]

    def kernel(xp, backprop_val_grad, a_indices, b_indices, sum_indices):
        if np.ndim(backprop_val_grad) != 1 or len(backprop_val_grad) != len(sum_indices):
            raise invalid(
                "backprop_val_grad must have an element for each row of sum_indices. "
                f"Received: shapes {list(np.shape(backprop_val_grad))} and {list(sum_indices.shape)}"
            )
        at_a, at_b, at_sum = ranks(*order_keys(a_indices, b_indices, sum_indices))
        count = max(x.max(initial=-1) for x in (at_a, at_b, at_sum)) + 1
        found = np.zeros(count, backprop_val_grad.dtype)
        found[at_sum] = backprop_val_grad
        return [found[at_a], found[at_b]]

    def grad(op, d_a, d_b):
        _, a, b, total = op.inputs
        rank = raw.Shape(total, out_type=int64)[1]
        start = raw.Fill(raw.Reshape(rank, [1]), np.int64(0))
        from_a = raw.SparseSliceGrad(d_a, total, start, a)
        return raw.Add(from_a, raw.SparseSliceGrad(d_b, total, start, b)), None, None, None


def _extreme_shape(a_indices, a_values, a_shape, b_indices, b_values, b_shape):
    sparse_rank(a_indices, a_values, a_shape, "a_")
    sparse_rank(b_indices, b_values, b_shape, "b_")
    return [(None, None), (None,)]


def _extreme(ufunc: Callable[..., Any]):
    def kernel(xp, a_indices, a_values, a_shape, b_indices, b_values, b_shape):
        _check_pair(a_indices, a_values, a_shape, b_indices, b_values, b_shape)
        union, from_a, from_b = _merged(a_indices, b_indices)
        return [union, ufunc(_taken(a_values, from_a), _taken(b_values, from_b))]

    return kernel


@declare(
    "SparseSparseMaximum(a_indices: int64, a_values: T, a_shape: int64, b_indices: int64, b_values: T, "
    "b_shape: int64) -> output_indices: int64, output_values: T",
    T=REAL,
    host=True,
)
class SparseSparseMaximum:
    """The larger of two sparse tensors at each place that one of them has; a missing value is 0."""

    shape = _extreme_shape
    kernel = _extreme(np.maximum)
    grad = NOT_DIFFERENTIABLE


@declare(
    "SparseSparseMinimum(a_indices: int64, a_values: T, a_shape: int64, b_indices: int64, b_values: T, "
    "b_shape: int64) -> output_indices: int64, output_values: T",
    T=_NUMBER,
    host=True,
)
class SparseSparseMinimum:
    """The smaller of two sparse tensors at each place that one of them has; a missing value is 0."""

    shape = _extreme_shape
    kernel = _extreme(np.minimum)
    grad = NOT_DIFFERENTIABLE


# --- reductions --------------------------------------------------------------------------------------------


def _kept(dims: list[int], axes: np.ndarray, keep_dims: bool) -> tuple[tuple[int, ...], list[int]]:
    """The shape of the result, and the dimensions that are left.

    Raises:
      InvalidArgumentError: an axis is out of range.
    """
    rank = len(dims)
    over = set()
    for axis in np.reshape(axes, -1).tolist():
        if not -rank <= axis < rank:
            raise invalid(f"Invalid reduction dimension {axis}, for input with {rank} dimensions. "
                          f"Received: {axis}")  # fmt: skip
        over.add(axis % rank)
    if not np.size(axes):  # nothing is asked for: TensorFlow reduces over nothing
        over = set()
    left = [k for k in range(rank) if k not in over]
    if keep_dims:
        return tuple(1 if k in over else d for k, d in enumerate(dims)), left
    return tuple(dims[k] for k in left), left


def _reduce_shape(input_indices, input_values, input_shape, reduction_axes, keep_dims):
    dims = input_shape.as_dims()
    axes = reduction_axes.value
    if dims is None or axes is None:
        return None
    rank = len(dims)
    over = set()
    for axis in axes.reshape(-1).tolist():
        if not -rank <= axis < rank:
            return None  # an error when it runs, as in TensorFlow
        over.add(axis % rank)
    if keep_dims:
        return tuple(1 if k in over else d for k, d in enumerate(dims))
    return tuple(d for k, d in enumerate(dims) if k not in over)


def _reduce(kind: str):
    def kernel(xp, input_indices, input_values, input_shape, reduction_axes, keep_dims):
        check_parts(input_indices, input_values, input_shape, "input_")
        dims = input_shape.tolist()
        shape, left = _kept(dims, reduction_axes, keep_dims)
        check_inside(xp, input_indices, dims)
        sizes = [dims[k] for k in left]
        ids = numbers(xp, input_indices[:, np.array(left, np.int64)], sizes)
        found = xp.segment_reduce(kind, input_values, ids, int(np.prod(sizes, dtype=np.int64)), 0)
        return found.reshape(shape)

    return kernel


class _Reduced:
    """Where a reduced tensor's elements come from: its shape with ones, and each value's place."""

    def __init__(self, op: Any) -> None:
        indices, _, shape, axes = op.inputs
        lengths = raw.Cast(shape, DstT=int32)
        rank = size_tensor(lengths)
        axes = (axes + rank) % rank
        ones = raw.Fill(shape_tensor(axes), 1)
        self.shape = raw.DynamicStitch([raw.Range(0, rank, 1, name="range"), axes], [lengths, ones])
        self._indices, self._lengths = indices, shape

    def at_places(self, reduced: Tensor) -> Tensor:
        """For each stored value, the element of `reduced` that it went into."""
        reshaped = raw.Reshape(reduced, self.shape)
        scale = self._lengths // raw.Cast(self.shape, DstT=int64)
        return raw.GatherNd(reshaped, self._indices // scale)


def _sum_grad(op, dy):
    return None, _Reduced(op).at_places(dy), None, None


def _max_grad(op, dy):
    indices, values, shape, axes = op.inputs
    reduced = _Reduced(op)
    largest = raw.Cast(raw.Equal(values, reduced.at_places(op.outputs[0])), DstT=values.dtype.base_dtype)
    count = raw.SparseReduceSum(indices, largest, shape, axes, keep_dims=op.attrs["keep_dims"])
    share = reduced.at_places(dy) * largest
    return None, share / reduced.at_places(count), None, None


_REDUCE = {"keep_dims": attrs.flag(False)}


@declare(
    "SparseReduceSum(input_indices: int64, input_values: T, input_shape: int64, reduction_axes: int32) -> "
    "output: T",
    T=_NUMBER,
    static=("input_shape", "reduction_axes"),
    **_REDUCE,
)
class SparseReduceSum:
    """The sums of the stored values along dimensions, dense."""

    shape = _reduce_shape
    kernel = _reduce("sum")
    grad = _sum_grad


@declare(
    "SparseReduceMax(input_indices: int64, input_values: T, input_shape: int64, reduction_axes: int32) -> "
    "output: T",
    T=REAL,
    static=("input_shape", "reduction_axes"),
    **_REDUCE,
)
class SparseReduceMax:
    """The largest of the stored values along dimensions, dense; 0 where there is none."""

    shape = _reduce_shape
    kernel = _reduce("max")
    grad = _max_grad


def _reduce_sparse(kind: str):
    def kernel(xp, input_indices, input_values, input_shape, reduction_axes, keep_dims):
        check_parts(input_indices, input_values, input_shape, "input_")
        dims = input_shape.tolist()
        shape, left = _kept(dims, reduction_axes, keep_dims)
        check_inside(xp, input_indices, dims)
        sizes = [dims[k] for k in left]
        ids, group = np.unique(numbers(xp, input_indices[:, left], sizes), return_inverse=True)
        values = xp.segment_reduce(kind, input_values, group.reshape(-1), len(ids), 0)
        found = places(xp, ids, sizes)
        if keep_dims:
            wide = np.zeros((len(ids), len(dims)), np.int64)
            wide[:, left] = found
            found = wide
        return [found, values, np.array(shape, np.int64)]

    return kernel


def _sparse_shapes(input_indices, input_values, input_shape, reduction_axes):
    return [None, None, None]


def _sparse_sum_grad(op, d_indices, d_values, d_shape):
    """Through a dense tensor: the places of the result are not those of the input."""
    indices, _, shape = op.outputs
    dense = raw.SparseToDense(indices, shape, d_values, raw.Cast(0, DstT=d_values.dtype.base_dtype))
    return _sum_grad(op, dense)


@declare(
    "SparseReduceSumSparse(input_indices: int64, input_values: T, input_shape: int64, reduction_axes: int32) "
    "-> output_indices: int64, output_values: T, output_shape: int64",
    T=_NUMBER,
    host=True,
    **_REDUCE,
)
class SparseReduceSumSparse:
    """The sums of the stored values along dimensions, sparse."""

    shape = _sparse_shapes
    kernel = _reduce_sparse("sum")
    grad = _sparse_sum_grad


@declare(
    "SparseReduceMaxSparse(input_indices: int64, input_values: T, input_shape: int64, reduction_axes: int32) "
    "-> output_indices: int64, output_values: T, output_shape: int64",
    T=REAL,
    host=True,
    **_REDUCE,
)
class SparseReduceMaxSparse:
    """The largest of the stored values along dimensions, sparse."""

    shape = _sparse_shapes
    kernel = _reduce_sparse("max")
    grad = NOT_DIFFERENTIABLE


# --- softmax -----------------------------------------------------------------------------------------------


@declare("SparseSoftmax(sp_indices: int64, sp_values: T, sp_shape: int64) -> output: T", T=_SOFT)
class SparseSoftmax:
    """The softmax of the stored values that differ only in the last dimension."""

    def shape(sp_indices, sp_values, sp_shape):
        sparse_rank(sp_indices, sp_values, sp_shape, "sp_")
        return with_rank(sp_values, 1, "sp_values")

    def kernel(xp, sp_indices, sp_values, sp_shape):
        check_parts(sp_indices, sp_values, sp_shape, "sp_")
        if sp_shape.shape[0] < 2:
            raise invalid(f"Input should have rank >= 2. Received: rank {sp_shape.shape[0]}")
        count = sp_values.shape[0]
        if not count:
            return xp.zeros((0,), sp_values.dtype)
        rows = sp_indices[:, :-1]
        begins = xp.any(rows[1:] != rows[:-1], axis=1)
        ids = xp.concatenate([xp.zeros((1,), np.int64), xp.cumsum(begins, dtype=np.int64)])
        largest = xp.segment_reduce("max", sp_values, ids, count, 0)
        powers = xp.exp(sp_values - largest[ids])
        return powers / xp.segment_reduce("sum", powers, ids, count, 0)[ids]

    def grad(op, dy):
        indices, _, shape = op.inputs
        y = op.outputs[0]
        along = raw.Neg(raw.SparseReduceSum(indices, y * dy, shape, [-1], keep_dims=True))
        return None, raw.SparseDenseCwiseAdd(indices, dy, shape, along) * y, None
