"""Segment reductions over chosen rows: the rows are gathered and combined in one operation."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.core import dtypes, errors, shapes
from millrace.core.dtypes import INDEX, REAL, float32, float64
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph import attrs
from millrace.graph.opdef import declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules import shape_rules

_PRECISE = frozenset({float32, float64})
_INDEX = attrs.dtype(INDEX, dtypes.int32)


def _shape(data, indices, segment_ids):
    _same_length(indices, segment_ids.dims)
    if data is None:
        return None
    shape_rules.at_least(data, 1, "data")
    return (None, *data[1:])  # as in TensorFlow, even where the numbers are constants


def _numbered_shape(data, indices, segment_ids, num_segments):
    _same_length(indices, segment_ids.dims)
    if data is None:
        return None
    shape_rules.at_least(data, 1, "data")
    return (num_segments.scalar("num_segments"), *data[1:])


def _same_length(indices: Any, segment_ids: Any) -> None:
    shapes.merge(
        shape_rules.with_rank(indices, 1, "indices"), shape_rules.with_rank(segment_ids, 1, "segment_ids")
    )


def _ids(segment_ids: Any, count: int | None) -> np.ndarray:
    ids = np.asarray(segment_ids)
    if (np.diff(ids) < 0).any():
        raise refusal(f"segment ids are not increasing. Received: {ids[:20].tolist()}")
    if ids.size and ids[0] < 0:
        raise refusal(f"segment ids must be >= 0. Received: {ids[0]}")
    if count is not None and ids.size and ids[-1] >= count:
        raise refusal(f"segment ids must be < num_segments {count}. Received: {ids[-1]}")
    return ids


def _check_places(xp: Any, indices: Any, rows: int) -> None:
    def out_of_range() -> errors.InvalidArgumentError:
        return refusal(f"indices must be in range [0, {rows})")

    xp.check((indices >= 0) & (indices < rows), out_of_range)


def _combined(xp: Any, kind: str, data: Any, indices: Any, segment_ids: Any, count: int | None) -> Any:
    """The sums of the chosen rows, divided as `kind` says by the segment's number of rows or its root."""
    ids = _ids(segment_ids, count)
    if count is None:
        count = int(ids[-1]) + 1 if ids.size else 0
    _check_places(xp, indices, data.shape[0])
    total = xp.segment_reduce("sum", xp.take(data, indices, axis=0), ids, count, 0)
    return total if kind == "sum" else total / _sizes(kind, ids, count, len(data.shape), data.dtype)


def _sizes(kind: str, ids: np.ndarray, count: int, rank: int, dtype: Any) -> np.ndarray:
    sizes = np.maximum(np.bincount(ids, minlength=count)[:count], 1).astype(np.float64)
    if kind == "sqrt":
        sizes = np.sqrt(sizes)
    return sizes.reshape((-1,) + (1,) * (rank - 1)).astype(dtype)


def _plain(kind: str):
    def kernel(xp, data, indices, segment_ids):
        return _combined(xp, kind, data, indices, segment_ids, None)

    return kernel


def _numbered(kind: str):
    def kernel(xp, data, indices, segment_ids, num_segments):
        return _combined(xp, kind, data, indices, segment_ids, int(num_segments))

    return kernel


def _rows_of(x: Tensor) -> Tensor:
    if x.dims is not None and x.dims[0] is not None:
        return raw.Const(value=np.array(x.dims[0], np.int32), dtype=dtypes.int32)
    return raw.Reshape(raw.Slice(raw.Shape(x), [0], [1]), np.zeros(0, np.int32))


def _sum_grad(op, dy):
    data, indices, ids = op.inputs[:3]
    dx = raw.UnsortedSegmentSum(raw.GatherV2(dy, ids, 0), indices, _rows_of(data))
    return (dx, *[None] * (len(op.inputs) - 1))


def _scaled_grad(grad_type: str):
    def grad(op, dy):
        data, indices, ids = op.inputs[:3]
        dx = getattr(raw, grad_type)(dy, indices, ids, _rows_of(data))
        return (dx, *[None] * (len(op.inputs) - 1))

    return grad


_PLAIN = {"Tidx": _INDEX, "static": ("segment_ids",)}
_NUMBERED = {"Tidx": _INDEX, "Tnumsegments": _INDEX, "static": ("segment_ids", "num_segments")}


@declare("SparseSegmentSum(data: T, indices: Tidx, segment_ids: int32) -> output: T", T=REAL, **_PLAIN)
class SparseSegmentSum:
    """The sums of chosen rows that share a number."""

    shape = _shape
    kernel = _plain("sum")
    grad = _sum_grad


@declare("SparseSegmentMean(data: T, indices: Tidx, segment_ids: int32) -> output: T", T=_PRECISE, **_PLAIN)
class SparseSegmentMean:
    """The means of chosen rows that share a number."""

    shape = _shape
    kernel = _plain("mean")
    grad = _scaled_grad("SparseSegmentMeanGrad")


@declare("SparseSegmentSqrtN(data: T, indices: Tidx, segment_ids: int32) -> output: T", T=_PRECISE, **_PLAIN)
class SparseSegmentSqrtN:
    """The sums of chosen rows that share a number, divided by the root of how many they are."""

    shape = _shape
    kernel = _plain("sqrt")
    grad = _scaled_grad("SparseSegmentSqrtNGrad")


@declare(
    "SparseSegmentSumWithNumSegments(data: T, indices: Tidx, segment_ids: int32, num_segments: Tnumsegments) "
    "-> output: T",
    T=REAL,
    **_NUMBERED,
)
class SparseSegmentSumWithNumSegments:
    """SparseSegmentSum of a given number of segments."""

    shape = _numbered_shape
    kernel = _numbered("sum")
    grad = _sum_grad


@declare(
    "SparseSegmentMeanWithNumSegments(data: T, indices: Tidx, segment_ids: int32, "
    "num_segments: Tnumsegments) -> output: T",
    T=_PRECISE,
    **_NUMBERED,
)
class SparseSegmentMeanWithNumSegments:
    """SparseSegmentMean of a given number of segments."""

    shape = _numbered_shape
    kernel = _numbered("mean")
    grad = _scaled_grad("SparseSegmentMeanGrad")


@declare(
    "SparseSegmentSqrtNWithNumSegments(data: T, indices: Tidx, segment_ids: int32, "
    "num_segments: Tnumsegments) -> output: T",
    T=_PRECISE,
    **_NUMBERED,
)
class SparseSegmentSqrtNWithNumSegments:
    """SparseSegmentSqrtN of a given number of segments."""

    shape = _numbered_shape
    kernel = _numbered("sqrt")
    grad = _scaled_grad("SparseSegmentSqrtNGrad")


def _grad_shape(grad, indices, segment_ids, output_dim0):
    rows = output_dim0.scalar("output_dim0")
    return None if grad is None else (rows, *shape_rules.at_least(grad, 1, "grad")[1:])  # type: ignore[index]


def _spread(kind: str):
    def kernel(xp, grad, indices, segment_ids, output_dim0):
        ids = _ids(segment_ids, grad.shape[0])
        _check_places(xp, indices, int(output_dim0))
        scaled = grad
        if kind != "sum":
            scaled = grad / _sizes(kind, ids, grad.shape[0], len(grad.shape), grad.dtype)
        return xp.segment_reduce("sum", xp.take(scaled, ids, axis=0), indices, int(output_dim0), 0)

    return kernel


def _spread_grad(op_type: str):
    def grad(op, d):
        dy, indices, ids, _ = op.inputs
        return getattr(raw, op_type)(d, indices, ids, _rows_of(dy)), None, None, None

    return grad


_SPREAD = {"T": _PRECISE, "Tidx": _INDEX, "static": ("segment_ids", "output_dim0")}


@declare(
    "SparseSegmentSumGrad(grad: T, indices: Tidx, segment_ids: int32, output_dim0: int32) -> output: T",
    **_SPREAD,
)
class SparseSegmentSumGrad:
    """What each row gets of the gradient of SparseSegmentSum, as later releases write it."""

    shape = _grad_shape
    kernel = _spread("sum")
    grad = _spread_grad("SparseSegmentSumWithNumSegments")


@declare(
    "SparseSegmentMeanGrad(grad: T, indices: Tidx, segment_ids: int32, output_dim0: int32) -> output: T",
    **_SPREAD,
)
class SparseSegmentMeanGrad:
    """What each row gets of the gradient of SparseSegmentMean."""

    shape = _grad_shape
    kernel = _spread("mean")
    grad = _spread_grad("SparseSegmentMeanWithNumSegments")


@declare(
    "SparseSegmentSqrtNGrad(grad: T, indices: Tidx, segment_ids: int32, output_dim0: int32) -> output: T",
    **_SPREAD,
)
class SparseSegmentSqrtNGrad:
    """What each row gets of the gradient of SparseSegmentSqrtN."""

    shape = _grad_shape
    kernel = _spread("sqrt")
    grad = _spread_grad("SparseSegmentSqrtNWithNumSegments")


@public("sparse_segment_sum", "sparse.segment_sum")
def sparse_segment_sum(
    data: Any, indices: Any, segment_ids: Any, name: str | None = None, num_segments: Any = None
) -> Tensor:
    """The sums of chosen rows that share a number.

    Args:
      data: `[rows, ...]`, real.
      indices: `[n]`, int32 or int64: which rows.
      segment_ids: `[n]`, int32, in order, not negative: the number of each chosen row's segment.
      name: op name; default the operation's type.
      num_segments: scalar: the number of segments; default, the last number + 1.

    Returns:
      `[number of segments, ...]`, dtype of `data`.

    Raises:
      InvalidArgumentError: when run, if an index is out of range or the numbers are not in order.
    """
    if num_segments is None:
        return apply(SparseSegmentSum, data, indices, segment_ids, name=name)
    return apply(SparseSegmentSumWithNumSegments, data, indices, segment_ids, num_segments, name=name)


@public("sparse_segment_mean", "sparse.segment_mean")
def sparse_segment_mean(
    data: Any, indices: Any, segment_ids: Any, name: str | None = None, num_segments: Any = None
) -> Tensor:
    """The means of chosen rows that share a number; otherwise as `sparse_segment_sum`."""
    if num_segments is None:
        return apply(SparseSegmentMean, data, indices, segment_ids, name=name)
    return apply(SparseSegmentMeanWithNumSegments, data, indices, segment_ids, num_segments, name=name)


@public("sparse_segment_sqrt_n", "sparse.segment_sqrt_n")
def sparse_segment_sqrt_n(
    data: Any, indices: Any, segment_ids: Any, name: str | None = None, num_segments: Any = None
) -> Tensor:
    """The sums of chosen rows that share a number, each divided by the root of how many rows it has.

    Arguments, result and errors are those of `sparse_segment_sum`.
    """
    if num_segments is None:
        return apply(SparseSegmentSqrtN, data, indices, segment_ids, name=name)
    return apply(SparseSegmentSqrtNWithNumSegments, data, indices, segment_ids, num_segments, name=name)
