"""Reductions over rows that share a number: sorted segments, whose number follows from the data, and unsorted
ones.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.building.dispatch import overridable
from millrace.core import dtypes, errors, shapes
from millrace.core.dtypes import INDEX, NUMERIC, QUANTIZED, REAL
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph import attrs
from millrace.graph.opdef import declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules import shape_rules
from millrace.opkit.rules.idioms import conj, shape_tensor

_ALL = NUMERIC | QUANTIZED


def _lowest(dtype: np.dtype[Any]) -> Any:
    return np.iinfo(dtype).min if dtype.kind in "iu" else dtypes.as_dtype(dtype).min


def _highest(dtype: np.dtype[Any]) -> Any:
    return np.iinfo(dtype).max if dtype.kind in "iu" else dtypes.as_dtype(dtype).max


# --- sorted -------------------------------------------------------------------------------------------------


def _sorted_shape(data, segment_ids):
    shape_rules.with_rank(segment_ids.dims, 1, "segment_ids")
    if data is None:
        return None
    shape_rules.at_least(data, 1, "data")
    return (None, *data[1:])  # as in TensorFlow, even where the numbers are constants


def check_sorted(ids: Any, rows: int | None) -> np.ndarray:
    """The numbers of the rows, which must be in order.

    Raises:
      InvalidArgumentError: they are not, or do not have one number for each row.
    """
    ids = np.asarray(ids)
    if ids.ndim != 1:
        raise refusal(f"segment_ids should be a vector. Received: shape {list(ids.shape)}")
    if rows is not None and ids.size != rows:
        raise refusal(
            f"segment_ids should be the same size as dimension 0 of input. Received: {ids.size} and {rows}",
        )
    if ids.size and ids[0] < 0:
        raise refusal(f"segment ids must be >= 0. Received: {ids[0]}")
    if (np.diff(ids) < 0).any():
        raise refusal(f"segment ids are not increasing. Received: {ids[:20].tolist()}")
    return ids


def _sorted(kind: str, empty: int):
    def kernel(xp, data, segment_ids):
        ids = check_sorted(segment_ids, data.shape[0])
        return xp.segment_reduce(kind, data, ids, int(ids[-1]) + 1 if ids.size else 0, empty)

    return kernel


def _counts(xp: Any, ids: np.ndarray, data: Any, count: int) -> Any:
    """How many rows each segment has, at least 1, shaped to divide the segments' sums."""
    sizes = np.maximum(np.bincount(ids, minlength=count)[:count], 1)
    return sizes.reshape((-1,) + (1,) * (len(data.shape) - 1)).astype(data.dtype)


def _extreme_grad(op, dy):
    """The gradient goes in equal parts to the rows that equal their segment's extreme."""
    data, ids = op.inputs[:2]
    zeros = raw.ZerosLike(data, name="zeros_like")
    chosen = raw.Equal(data, raw.GatherV2(op.outputs[0], ids, 0))
    count = raw.SegmentSum(raw.Cast(chosen, DstT=dy.dtype.base_dtype), ids)
    share = (raw.FloorDiv if dy.dtype.is_integer else raw.RealDiv)(dy, count, name="div")
    return raw.Select(chosen, raw.GatherV2(share, ids, 0), zeros), None


@declare(
    "SegmentSum(data: T, segment_ids: Tindices) -> output: T", T=_ALL, Tindices=INDEX, static=("segment_ids",)
)
class SegmentSum:
    """The sums of rows with one number, which must be in order."""

    shape = _sorted_shape
    kernel = _sorted("sum", 0)

    def grad(op, dy):
        return raw.GatherV2(dy, op.inputs[1], 0), None


@declare(
    "SegmentMean(data: T, segment_ids: Tindices) -> output: T",
    T=_ALL,
    Tindices=INDEX,
    static=("segment_ids",),
)
class SegmentMean:
    """The means of rows with one number, which must be in order; 0 where there is none."""

    shape = _sorted_shape

    def kernel(xp, data, segment_ids):
        ids = check_sorted(segment_ids, data.shape[0])
        count = int(ids[-1]) + 1 if ids.size else 0
        total = xp.segment_reduce("sum", data, ids, count, 0)
        sizes = _counts(xp, ids, data, count)
        if data.dtype.kind not in "iu":
            return xp.divide(total, sizes)
        quotient = xp.floor_divide(xp.abs(total), sizes)
        return xp.where(total < 0, xp.negative(quotient), quotient)

    def grad(op, dy):
        data, ids = op.inputs
        ones = raw.Fill(
            shape_tensor(ids), raw.Const(value=np.ones((), dy.dtype.np_dtype), dtype=dy.dtype.base_dtype)
        )
        sizes = raw.SegmentSum(ones, ids)
        tail = raw.Fill(
            raw.Sub(raw.Rank(data), 1) * raw.Const(value=np.ones(1, np.int32), dtype=dtypes.int32), 1
        )
        sizes = raw.Reshape(sizes, raw.ConcatV2([raw.Shape(sizes), tail], 0))
        return raw.GatherV2(dy / sizes, ids, 0), None


@declare(
    "SegmentProd(data: T, segment_ids: Tindices) -> output: T",
    T=_ALL,
    Tindices=INDEX,
    static=("segment_ids",),
)
class SegmentProd:
    """The products of rows with one number, which must be in order."""

    shape = _sorted_shape
    kernel = _sorted("prod", 1)

    def grad(op, dy):
        data, ids = op.inputs
        return _prod_grad(
            data, ids, dy, lambda x: raw.SegmentProd(x, ids), lambda x: raw.SegmentSum(x, ids)
        ), None


@declare(
    "SegmentMax(data: T, segment_ids: Tindices) -> output: T", T=REAL, Tindices=INDEX, static=("segment_ids",)
)
class SegmentMax:
    """The largest elements of rows with one number, which must be in order; 0 where there is none."""

    shape = _sorted_shape
    kernel = _sorted("max", 0)
    grad = _extreme_grad


@declare(
    "SegmentMin(data: T, segment_ids: Tindices) -> output: T", T=REAL, Tindices=INDEX, static=("segment_ids",)
)
class SegmentMin:
    """The smallest elements of rows with one number, which must be in order; 0 where there is none."""

    shape = _sorted_shape
    kernel = _sorted("min", 0)
    grad = _extreme_grad


# --- unsorted -----------------------------------------------------------------------------------------------


def _unsorted_shape(data, segment_ids, num_segments):
    count = num_segments.scalar("num_segments")
    if segment_ids is None or data is None:
        return None
    shapes.merge(data[: len(segment_ids)], segment_ids)
    return (count, *data[len(segment_ids) :])


def _unsorted(kind: str, empty):
    def kernel(xp, data, segment_ids, num_segments):
        count = int(num_segments)
        if data.shape[: len(segment_ids.shape)] != segment_ids.shape:
            raise refusal(
                f"data.shape = {list(data.shape)} does not start with "
                f"segment_ids.shape = {list(segment_ids.shape)}",
            )

        def out_of_range() -> errors.InvalidArgumentError:
            return refusal(f"segment_ids must be in range [0, {count})")

        xp.check(segment_ids < count, out_of_range)
        return xp.segment_reduce(kind, data, segment_ids, count, empty(data.dtype))

    return kernel


# what TensorFlow 1.15 adds for these gradients, for ids of the rank of the data
_OF_ROWS_OR_ZEROS: Final = 12
_OF_UNSORTED_EXTREMES: Final = 23
_OF_AN_UNSORTED_PRODUCT: Final = 32
_UNSORTED = {
    "Tindices": INDEX,
    "Tnumsegments": attrs.dtype(INDEX, dtypes.int32),
}


def gather_or_zero(values: Tensor, ids: Tensor, like: Tensor) -> Tensor:
    """The row of `values` for each number, and zeros for numbers below 0; shape of `like`."""
    with values.graph.counted_as(_OF_ROWS_OR_ZEROS + 2 * _ranks_apart(ids, like)):
        inside = raw.GreaterEqual(ids, raw.ZerosLike(ids))
        rows = raw.GatherV2(values, raw.Maximum(ids, raw.ZerosLike(ids)), 0)
        return raw.SelectV2(_stretched(inside, like), rows, raw.ZerosLike(rows))


def _ranks_apart(ids: Tensor, like: Tensor) -> int:
    """How many dimensions `like` has more than `ids`, each an ExpandDims in 1.15; 0 if unknown."""
    return 0 if ids.dims is None or like.dims is None else len(like.dims) - len(ids.dims)


def _stretched(flags: Tensor, like: Tensor) -> Tensor:
    """`flags` with dimensions of length 1 added at the end, up to the rank of `like`."""
    extra = raw.Reshape(raw.Sub(raw.Rank(like), raw.Rank(flags)), [1])
    return raw.Reshape(flags, raw.ConcatV2([raw.Shape(flags), raw.Fill(extra, 1)], 0))


def _unsorted_extreme_grad(op, dy):
    data, ids = op.inputs[:2]
    with data.graph.counted_as(_OF_UNSORTED_EXTREMES + 2 * _ranks_apart(ids, data)):
        return _extreme_share(op, dy), None, None


def _extreme_share(op, dy) -> Tensor:
    data, ids, count = op.inputs
    chosen = raw.LogicalAnd(
        raw.Equal(data, gather_or_zero(op.outputs[0], ids, data)),
        _stretched(raw.GreaterEqual(ids, raw.ZerosLike(ids)), data),
    )
    number = raw.UnsortedSegmentSum(raw.Cast(chosen, DstT=dy.dtype.base_dtype), ids, count)
    share = (raw.FloorDiv if dy.dtype.is_integer else raw.RealDiv)(dy, number, name="div")
    return raw.SelectV2(chosen, gather_or_zero(share, ids, data), raw.ZerosLike(data))


def _prod_grad(data, ids, dy, product, total) -> Tensor:
    """dy times the product of the other rows: 0 where there is a zero among them."""
    dtype = data.dtype.base_dtype
    is_zero = raw.Equal(data, raw.ZerosLike(data))
    zeros = gather_or_zero(total(raw.Cast(is_zero, DstT=dtypes.int32)), ids, data)
    nonzero = raw.SelectV2(is_zero, raw.OnesLike(data), data)
    others = gather_or_zero(product(nonzero), ids, data) / nonzero
    alone = raw.Equal(zeros, raw.Cast(is_zero, DstT=dtypes.int32))  # no zero among the other rows
    rest = raw.SelectV2(alone, others, raw.ZerosLike(others))
    assert rest.dtype.base_dtype is dtype
    return gather_or_zero(dy, ids, data) * conj(rest)


@declare(
    "UnsortedSegmentSum(data: T, segment_ids: Tindices, num_segments: Tnumsegments) -> output: T",
    T=_ALL,
    static=("num_segments",),
    **_UNSORTED,
)
class UnsortedSegmentSum:
    """The sums of rows with one number; rows with a number below 0 are left out."""

    shape = _unsorted_shape
    kernel = _unsorted("sum", lambda dtype: 0)

    def grad(op, dy):
        data, ids, _ = op.inputs
        return gather_or_zero(dy, ids, data), None, None


@declare(
    "UnsortedSegmentProd(data: T, segment_ids: Tindices, num_segments: Tnumsegments) -> output: T",
    T=_ALL,
    static=("num_segments",),
    **_UNSORTED,
)
class UnsortedSegmentProd:
    """The products of rows with one number; rows with a number below 0 are left out."""

    shape = _unsorted_shape
    kernel = _unsorted("prod", lambda dtype: 1)

    def grad(op, dy):
        data, ids, count = op.inputs

        def product(x: Tensor) -> Tensor:
            return raw.UnsortedSegmentProd(x, ids, count)

        def total(x: Tensor) -> Tensor:
            return raw.UnsortedSegmentSum(x, ids, count)

        with data.graph.counted_as(_OF_AN_UNSORTED_PRODUCT + 2 * _ranks_apart(ids, data)):
            return _prod_grad(data, ids, dy, product, total), None, None


@declare(
    "UnsortedSegmentMax(data: T, segment_ids: Tindices, num_segments: Tnumsegments) -> output: T",
    T=REAL,
    static=("num_segments",),
    **_UNSORTED,
)
class UnsortedSegmentMax:
    """The largest elements of rows with one number; the lowest finite number where there is none."""

    shape = _unsorted_shape
    kernel = _unsorted("max", _lowest)
    grad = _unsorted_extreme_grad


@declare(
    "UnsortedSegmentMin(data: T, segment_ids: Tindices, num_segments: Tnumsegments) -> output: T",
    T=REAL,
    static=("num_segments",),
    **_UNSORTED,
)
class UnsortedSegmentMin:
    """The smallest elements of rows with one number; the highest finite number where there is none."""

    shape = _unsorted_shape
    kernel = _unsorted("min", _highest)
    grad = _unsorted_extreme_grad


@public("segment_sum", "math.segment_sum")
def segment_sum(data: Any, segment_ids: Any, name: str | None = None) -> Tensor:
    """The sums of rows that share a number; 0 for a number without rows.

    Args:
      data: `[rows, ...]`, numeric.
      segment_ids: `[rows]`, int32 or int64, in order, not negative: the number of each row's segment.
      name: op name; default "SegmentSum".

    Returns:
      `[last number + 1, ...]`, dtype of `data`.

    Raises:
      InvalidArgumentError: when run, if the numbers are not in order.
    """
    return apply(SegmentSum, data, segment_ids, name=name)


@public("segment_mean", "math.segment_mean")
def segment_mean(data: Any, segment_ids: Any, name: str | None = None) -> Tensor:
    """The means of rows that share a number; 0 for a number without rows. Arguments, result and errors as for
    `segment_sum`.
    """
    return apply(SegmentMean, data, segment_ids, name=name)


@public("segment_prod", "math.segment_prod")
def segment_prod(data: Any, segment_ids: Any, name: str | None = None) -> Tensor:
    """The products of rows that share a number; 1 for a number without rows. Arguments, result and errors as
    for `segment_sum`.
    """
    return apply(SegmentProd, data, segment_ids, name=name)


@public("segment_max", "math.segment_max")
def segment_max(data: Any, segment_ids: Any, name: str | None = None) -> Tensor:
    """The largest elements of rows that share a number; 0 for a number without rows. Arguments, result and
    errors as for `segment_sum`.
    """
    return apply(SegmentMax, data, segment_ids, name=name)


@public("segment_min", "math.segment_min")
def segment_min(data: Any, segment_ids: Any, name: str | None = None) -> Tensor:
    """The smallest elements of rows that share a number; 0 for a number without rows. Arguments, result and
    errors as for `segment_sum`.
    """
    return apply(SegmentMin, data, segment_ids, name=name)


@public("unsorted_segment_sum", "math.unsorted_segment_sum")
@overridable
def unsorted_segment_sum(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Tensor:
    """The sums of rows that share a number; 0 for a number without rows.

    Args:
      data: `segment_ids.shape + [...]`, numeric.
      segment_ids: `[...]`, int32 or int64: the number of each row's segment; rows with one below 0 are left
      out.
      num_segments: scalar: the number of segments.
      name: op name; default "UnsortedSegmentSum".

    Returns:
      `[num_segments, ...]`, dtype of `data`.

    Raises:
      InvalidArgumentError: when run, if a number is not below `num_segments`.
    """
    return apply(UnsortedSegmentSum, data, segment_ids, num_segments, name=name)


@public("unsorted_segment_prod", "math.unsorted_segment_prod")
@overridable
def unsorted_segment_prod(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Tensor:
    """The products of rows that share a number; 1 where there is none. Arguments, result and errors as for
    `unsorted_segment_sum`.
    """
    return apply(UnsortedSegmentProd, data, segment_ids, num_segments, name=name)


@public("unsorted_segment_max", "math.unsorted_segment_max")
@overridable
def unsorted_segment_max(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Tensor:
    """The largest elements of rows that share a number; the lowest number where there is none. Arguments,
    result and errors as for `unsorted_segment_sum`.
    """
    return apply(UnsortedSegmentMax, data, segment_ids, num_segments, name=name)


@public("unsorted_segment_min", "math.unsorted_segment_min")
@overridable
def unsorted_segment_min(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Tensor:
    """The smallest elements of rows that share a number; the highest number where there is none. Arguments,
    result and errors as for `unsorted_segment_sum`.
    """
    return apply(UnsortedSegmentMin, data, segment_ids, num_segments, name=name)
