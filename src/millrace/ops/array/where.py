"""Results whose size depends on the data: true positions, distinct values, partitions."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.building.dispatch import overridable
from millrace.core import dtypes, shapes
from millrace.core.dtypes import ALL, BOOL, INDEX, NUMERIC, int32, int64
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.core.shapes import format_dims
from millrace.graph.attrs import count, dtype, integer
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.idioms import shape_tensor
from millrace.opkit.rules.shape_rules import with_rank


@declare("Where(input: T) -> index: int64", T=dtype(NUMERIC | BOOL, default=dtypes.bool_), host=True)
class Where:
    """The coordinates of the elements that are not zero, in row-major order."""

    def shape(input):
        return (None, None if input is None else len(input))

    def kernel(xp, input):
        if np.ndim(input) == 0:
            raise refusal("Where: input must have at least one dimension. Received: a scalar")
        if np.ndim(input) == 1:
            return np.asarray(input).nonzero()[0].astype(np.int64, copy=False)[:, None]
        return np.argwhere(input).astype(np.int64, copy=False)

    grad = NOT_DIFFERENTIABLE


_SPAN = 1 << 16  # numbers from the lowest to the highest, for which a table is always worth while
_LAST = (1 << 62) - 1


def _first_seen(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The places where each value of vector `x` stands first, the number of its value for each element, and
    counts.
    """
    if x.dtype.kind in "iu" and x.size:
        low, high = int(x.min()), int(x.max())
        if high - low < max(_SPAN, 64 * x.size) and high <= _LAST:
            return _first_seen_in_table(x, low, high - low + 1)
    equal_nan = {} if x.dtype.kind in "OV" else {"equal_nan": False}
    _, first, inverse, counts = np.unique(
        x, return_index=True, return_inverse=True, return_counts=True, **equal_nan
    )
    order = np.argsort(first, kind="stable")
    number = np.empty_like(order)
    number[order] = np.arange(order.size)
    return first[order], number[inverse.reshape(-1)], counts[order]


def _first_seen_in_table(x: np.ndarray, low: int, span: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `_first_seen`, of integers from `low` on: a twelfth of the time that sorting 10,000 of them takes.

    Only those places of the table are touched whose numbers occur.
    """
    at = x.astype(np.intp) - low
    order = np.arange(x.size)
    table = np.empty(span, np.intp)
    table[at] = x.size
    np.minimum.at(table, at, order)
    first = np.flatnonzero(table[at] == order)
    table[at[first]] = np.arange(first.size)
    number = table[at]
    return first, number, np.bincount(number, minlength=first.size)


def _first_seen_along(x: np.ndarray, axis: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`_first_seen` of slices along the axis that `axis` holds; of a vector where it holds none."""
    at = _axis_of(axis, x.ndim)
    rows = np.moveaxis(x, at, 0).reshape(x.shape[at], -1)
    numbers = (
        np.stack([_first_seen(column)[1] for column in rows.T], 1)
        if rows.shape[1]
        else np.zeros((len(rows), 0), int)
    )
    _, first, inverse, counts = np.unique(
        numbers, return_index=True, return_inverse=True, return_counts=True, axis=0
    )
    order = np.argsort(first, kind="stable")
    number = np.empty_like(order)
    number[order] = np.arange(order.size)
    return np.take(x, first[order], at), number[inverse.reshape(-1)], counts[order]


def _axis_of(axis: Any, rank: int) -> int:
    if axis.size == 0:
        if rank != 1:
            raise refusal(f"unique expects a 1D vector. Received: rank {rank}")
        return 0
    at = int(axis.reshape(-1)[0])
    if axis.size != 1 or not -rank <= at < rank:
        raise refusal(f"axis must be one dimension in [{-rank}, {rank}). Received: {axis.tolist()}")
    return at % rank


def _vector_dims(x: Any) -> Any:
    """The dims of a vector; nothing where even the rank is unknown, as in TensorFlow."""
    return None if x is None else with_rank(x, 1, "x")


def _vector(x: Any) -> np.ndarray:
    if np.ndim(x) != 1:
        raise refusal(f"unique expects a 1D vector. Received: shape {list(np.shape(x))}")
    return np.asarray(x)


@declare("Unique(x: T) -> y: T, idx: out_idx", T=ALL, out_idx=dtype(INDEX, default=int32), host=True)
class Unique:
    """The distinct values of a vector in the order of their first places, and the number of its value for
    each element.
    """

    def shape(x):
        return [(None,), _vector_dims(x)]

    def kernel(xp, x, out_idx):
        x = _vector(x)
        first, idx, _ = _first_seen(x)
        return [x[first], idx.astype(out_idx.np_dtype)]

    grad = NOT_DIFFERENTIABLE


@declare(
    "UniqueWithCounts(x: T) -> y: T, idx: out_idx, count: out_idx",
    T=ALL,
    out_idx=dtype(INDEX, default=int32),
    host=True,
)
class UniqueWithCounts:
    """As Unique, and how often each distinct value stands in the vector."""

    def shape(x):
        return [(None,), _vector_dims(x), (None,)]

    def kernel(xp, x, out_idx):
        x = _vector(x)
        first, idx, counts = _first_seen(x)
        return [x[first], idx.astype(out_idx.np_dtype), counts.astype(out_idx.np_dtype)]

    grad = NOT_DIFFERENTIABLE


def _unique_dims(x: Any, axis: Any) -> list[Any]:
    if x is None or axis.value is None:
        return [None if x is None else (None,) * len(x), (None,)]
    if axis.value.size == 0:
        with_rank(x, 1, "x")
        return [(None,), x]
    at = int(axis.value.reshape(-1)[0])
    if not -len(x) <= at < len(x):
        raise ValueError(f"axis must be in [{-len(x)}, {len(x)}). Received: {at}")
    at %= len(x)
    return [(*x[:at], None, *x[at + 1 :]), (x[at],)]


@declare(
    "UniqueV2(x: T, axis: Taxis) -> y: T, idx: out_idx",
    T=ALL,
    Taxis=dtype(INDEX, default=int64),
    out_idx=dtype(INDEX, default=int32),
    static=("axis",),
    host=True,
)
class UniqueV2:
    """The distinct slices of `x` along `axis`, and the number of its slice for each place."""

    def shape(x, axis):
        return _unique_dims(x, axis)

    def kernel(xp, x, axis, out_idx):
        values, idx, _ = _first_seen_along(np.asarray(x), axis)
        return [values, idx.astype(out_idx.np_dtype)]

    grad = NOT_DIFFERENTIABLE


@declare(
    "UniqueWithCountsV2(x: T, axis: Taxis) -> y: T, idx: out_idx, count: out_idx",
    T=ALL,
    Taxis=dtype(INDEX, default=int64),
    out_idx=dtype(INDEX, default=int32),
    static=("axis",),
    host=True,
)
class UniqueWithCountsV2:
    """As UniqueV2, and how often each distinct slice occurs."""

    def shape(x, axis):
        return [*_unique_dims(x, axis), (None,)]

    def kernel(xp, x, axis, out_idx):
        values, idx, counts = _first_seen_along(np.asarray(x), axis)
        return [values, idx.astype(out_idx.np_dtype), counts.astype(out_idx.np_dtype)]

    grad = NOT_DIFFERENTIABLE


@declare(
    "ListDiff(x: T, y: T) -> out: T, idx: out_idx", T=ALL, out_idx=dtype(INDEX, default=int32), host=True
)
class ListDiff:
    """The elements of `x` that are not in `y`, in order, and their places."""

    def shape(x, y):
        with_rank(x, 1, "x")
        with_rank(y, 1, "y")
        return [(None,), (None,)]

    def kernel(xp, x, y, out_idx):
        x, y = np.asarray(x), np.asarray(y)
        if x.dtype.kind == "O":
            removed = set(y.tolist())
            kept = np.array([v not in removed for v in x.tolist()], bool)
        else:
            kept = ~np.isin(x, y)
        return [x[kept], np.flatnonzero(kept).astype(out_idx.np_dtype)]

    grad = NOT_DIFFERENTIABLE


@declare("DynamicPartition(data: T, partitions: int32) -> outputs: num_partitions*T", T=ALL,
         num_partitions=integer(minimum=1), host=True)  # fmt: skip
class DynamicPartition:
    """The slices of `data` sorted into `num_partitions` lists by the number that `partitions` gives each."""

    def shape(data, partitions, num_partitions):
        if partitions is None or data is None:
            return [None] * num_partitions
        depth = len(partitions)
        if len(data) < depth or not shapes.compatible(data[:depth], partitions):
            raise ValueError(
                f"data.shape must start with partitions.shape. "
                f"Received: {format_dims(data)} and {format_dims(partitions)}"
            )
        return [(None, *data[depth:])] * num_partitions

    def kernel(xp, data, partitions, num_partitions):
        data, partitions = np.asarray(data), np.asarray(partitions)
        if data.shape[: partitions.ndim] != partitions.shape:
            raise refusal("data.shape must start with partitions.shape. "
                f"Received: {list(data.shape)} and {list(partitions.shape)}"
            )  # fmt: skip
        flat = partitions.reshape(-1)
        if flat.size and (flat.min() < 0 or flat.max() >= num_partitions):
            bad = int(np.flatnonzero((flat < 0) | (flat >= num_partitions))[0])
            raise refusal(f"partitions[{bad}] = {flat[bad]} is not in [0, {num_partitions})")
        rows = data.reshape(-1, *data.shape[partitions.ndim :])
        return [rows[flat == i] for i in range(num_partitions)]

    def grad(op, *dys):
        data, partitions = op.inputs
        prefix = shape_tensor(partitions)
        places = raw.Reshape(raw.Range(0, raw.Prod(prefix, [0]), 1), prefix)
        sorted_places = raw.DynamicPartition(places, partitions, num_partitions=len(dys))
        return raw.Reshape(raw.DynamicStitch(sorted_places, list(dys)), shape_tensor(data)), None


def _stitched_dims(indices: Any, data: Any) -> Any:
    tail: Any = None
    for places, part in zip(indices, data, strict=True):
        if places.dims is None or part is None:
            continue
        depth = len(places.dims)
        if len(part) < depth or not shapes.compatible(part[:depth], places.dims):
            raise ValueError(
                f"data.shape must start with indices.shape. "
                f"Received: {format_dims(part)} and {format_dims(places.dims)}"
            )
        tail = part[depth:] if tail is None else shapes.merge(tail, part[depth:])
    if tail is None:
        return None
    values = [places.value for places in indices]
    if any(v is None for v in values):
        return (None, *tail)
    return (max((int(v.max()) + 1 for v in values if v.size), default=0), *tail)


def _stitch(indices: Any, data: Any) -> np.ndarray:
    places, parts = [], []
    tail = None
    for where, part in zip(indices, data, strict=True):
        where, part = np.asarray(where), np.asarray(part)
        if part.shape[: where.ndim] != where.shape or tail not in (None, part.shape[where.ndim :]):
            raise refusal(f"data[i].shape must be indices[i].shape + {list(tail or ())}. "
                f"Received: {list(part.shape)} for indices {list(where.shape)}"
            )  # fmt: skip
        tail = part.shape[where.ndim :]
        places.append(where.reshape(-1))
        parts.append(part.reshape(where.size, *tail))
    flat = np.concatenate(places)
    if flat.size and flat.min() < 0:
        raise refusal(f"indices must be >= 0. Received: {flat.min()}")
    empty = b"" if parts[0].dtype == object else 0
    merged = np.full((int(flat.max()) + 1 if flat.size else 0, *(tail or ())), empty, parts[0].dtype)
    for where, part in zip(places, parts, strict=True):
        merged[where] = part
    return merged


def _stitch_grad(op: Any, dy: Tensor) -> tuple[Any, ...]:
    """Each part's gradient, gathered where the part was put."""
    indices = op.args()[0]
    dy.graph.count(len(indices))  # TensorFlow 1.15 has an axis beside each
    return *[None] * len(indices), *[raw.Gather(dy, where) for where in indices]


@declare(
    "DynamicStitch(indices: N*int32, data: N*T) -> merged: T",
    N=count(minimum=1),
    T=ALL,
    static=("indices",),
    host=True,
)
class DynamicStitch:
    """The slices of all `data[m]` at the places `indices[m]`; a later one replaces an earlier one."""

    def shape(indices, data):
        return _stitched_dims(indices, data)

    def kernel(xp, indices, data):
        return _stitch(indices, data)

    def grad(op, dy):
        return _stitch_grad(op, dy)


@declare("ParallelDynamicStitch(indices: N*int32, data: N*T) -> merged: T", N=count(minimum=1), T=ALL,
         static=("indices",), host=True)  # fmt: skip
class ParallelDynamicStitch:
    """As DynamicStitch, for indices that are all different."""

    def shape(indices, data):
        return _stitched_dims(indices, data)

    def kernel(xp, indices, data):
        return _stitch(indices, data)

    def grad(op, dy):
        return _stitch_grad(op, dy)


@public("unique")
def unique(x: Any, out_idx: Any = int32, name: str | None = None) -> Any:
    """The distinct values of a vector.

    Args:
      x: `[n]`.
      out_idx: int32 or int64.
      name: op name; default "Unique".

    Returns:
      A named tuple: `y` `[m]`, the values in the order of their first places; `idx` `[n]`, x[i] == y[idx[i]].

    Raises:
      ValueError: `x` is not a vector.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.unique([3, 3, 7])))
      Unique(y=array([3, 7], dtype=int32), idx=array([0, 0, 1], dtype=int32))
    """
    return apply(Unique, x, out_idx=dtypes.as_dtype(out_idx), name=name)


@public("unique_with_counts")
def unique_with_counts(x: Any, out_idx: Any = int32, name: str | None = None) -> Any:
    """As `unique`, with a third result `count` `[m]`: how often each value stands in `x`."""
    return apply(UniqueWithCounts, x, out_idx=dtypes.as_dtype(out_idx), name=name)


@public("setdiff1d", "listdiff")
def setdiff1d(x: Any, y: Any, index_dtype: Any = int32, name: str | None = None, out_idx: Any = None) -> Any:
    """The elements of `x` that are not in `y`.

    Args:
      x: `[n]`.
      y: `[m]`, same dtype.
      index_dtype: int32 or int64; `listdiff` calls it `out_idx`.
      name: op name; default "ListDiff".
      out_idx: another name of `index_dtype`.

    Returns:
      A named tuple: `out` `[k]`, in the order of `x`; `idx` `[k]`, their places in `x`.
    """
    return apply(
        ListDiff, x, y, out_idx=dtypes.as_dtype(index_dtype if out_idx is None else out_idx), name=name
    )


@public("dynamic_partition")
@overridable
def dynamic_partition(
    data: Any, partitions: Any, num_partitions: int, name: str | None = None
) -> list[Tensor]:
    """Sorts slices of `data` into lists.

    Args:
      data: `[p..., ...]`.
      partitions: `[p...]`, int32: the list of each slice, in [0, num_partitions).
      num_partitions: how many lists.
      name: op name; default "DynamicPartition".

    Returns:
      `num_partitions` tensors `[n_i, ...]`.

    Raises:
      ValueError: the shapes do not start alike.
    """
    return apply(DynamicPartition, data, partitions, num_partitions=num_partitions, name=name)


@public("dynamic_stitch")
def dynamic_stitch(indices: Any, data: Any, name: str | None = None) -> Tensor:
    """Puts slices at their places: the inverse of `dynamic_partition`.

    Args:
      indices: a list of int32 tensors.
      data: a list of as many tensors, `data[m].shape == indices[m].shape + tail`.
      name: op name; default "DynamicStitch".

    Returns:
      `[1 + the largest index] + tail`; where two slices have one place the later is taken.
    """
    return apply(DynamicStitch, indices, data, name=name)


@public("parallel_dynamic_stitch")
def parallel_dynamic_stitch(indices: Any, data: Any, name: str | None = None) -> Tensor:
    """As `dynamic_stitch`, for indices that are all different."""
    return apply(ParallelDynamicStitch, indices, data, name=name)
