"""Counts, histograms, means of segments."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.convert import convert_to_tensor, shape_tensor
from millrace.building.dispatch import overridable
from millrace.building.operators import truediv
from millrace.building.scopes import name_scope
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.reductions import reduce_max, reduce_prod
from millrace.ops.array.constant import ones
from millrace.ops.array.shape import shape


@public("bincount", "math.bincount")
def bincount(
    arr: Any, weights: Any = None, minlength: Any = None, maxlength: Any = None, dtype: Any = dtypes.int32
) -> Tensor:
    """How often each of the integers 0, 1, ... occurs, up to the largest one.

    Args:
      arr: `[...]`, int32, not negative.
      weights: shape of `arr`: what each occurrence counts; default 1.
      minlength: the least length of the result.
      maxlength: the greatest length of the result; larger integers are not counted.
      dtype: the dtype of the counts where there are no weights.

    Returns:
      `[largest integer + 1]`, dtype of `weights` or `dtype`.

    Raises:
      InvalidArgumentError: when run, if an integer is negative.
    """
    return _counted(None, arr, weights, minlength, maxlength, dtype)


def _counted(name: str | None, arr: Any, weights: Any, minlength: Any, maxlength: Any, dtype: Any) -> Tensor:
    with name_scope(name, "bincount", [arr, weights]):
        arr = convert_to_tensor(arr, dtypes.int32, "arr")
        # one more than the largest; of nothing, 0
        some = raw.Greater(reduce_prod(shape(arr)), 0)
        size = raw.Cast(some, DstT=dtypes.int32) * (reduce_max(arr) + 1)
        if minlength is not None:
            size = raw.Maximum(convert_to_tensor(minlength, dtypes.int32, "minlength"), size)
        if maxlength is not None:
            size = raw.Minimum(convert_to_tensor(maxlength, dtypes.int32, "maxlength"), size)
        if weights is None:
            kind = dtypes.as_dtype(dtype)
            return raw.Bincount(arr, size, raw.Const(value=np.zeros(0, kind.np_dtype), dtype=kind))
        weights = convert_to_tensor(weights, name="weights")
        if maxlength is None:
            return raw.UnsortedSegmentSum(weights, arr, size)
        return raw.Bincount(arr, size, weights)  # which passes over what is too large


@public("histogram_fixed_width_bins")
def histogram_fixed_width_bins(
    values: Any, value_range: Any, nbins: Any = 100, dtype: Any = dtypes.int32, name: str | None = None
) -> Tensor:
    """The number of the range of `histogram_fixed_width` that each value falls into.

    Args:
      values: `[...]`, real.
      value_range: `[2]`, dtype of `values`: the lowest and the highest value; values outside are moved to the
      ends.
      nbins: scalar: the number of ranges, positive.
      dtype: int32 or int64.
      name: a scope; default "histogram_fixed_width_bins".

    Returns:
      Shape of `values`, dtype `dtype`.
    """
    with name_scope(name, "histogram_fixed_width_bins", [values, value_range, nbins]):
        values = convert_to_tensor(values, name="values")
        bounds = convert_to_tensor(value_range, name="value_range")
        kind = values.dtype.base_dtype if values.dtype.is_floating else dtypes.float64
        whole = shape_tensor(values)
        values = raw.Reshape(values, [-1])
        count = raw.Cast(convert_to_tensor(nbins, dtypes.int32, "nbins"), DstT=kind)
        low = values - bounds[0]
        scaled = truediv(low, bounds[1] - bounds[0], name="scaled_values")
        if scaled.dtype.base_dtype is not kind:
            scaled = raw.Cast(scaled, DstT=kind)
        place = raw.Floor(count * scaled, name="indices")
        with name_scope(None, "clip_by_value") as scope:
            below = raw.Minimum(place, count - 1)
            place = raw.Maximum(below, 0, name=scope)
        return raw.Reshape(raw.Cast(place, DstT=dtypes.as_dtype(dtype)), whole)


def _rows_in_segments(data: Tensor, segment_ids: Tensor, num_segments: Any) -> tuple[Tensor, Tensor]:
    """The sums of the segments, and how many rows each has (at least 1), shaped to divide them."""
    kind = data.dtype.base_dtype
    single = ones(shape_tensor(segment_ids), kind)
    sizes = raw.UnsortedSegmentSum(single, segment_ids, num_segments)
    if data.dims is None or segment_ids.dims is None:
        trailing = raw.Fill(raw.Reshape(raw.Sub(raw.Rank(data), raw.Rank(segment_ids)), [1]), 1)
        sizes = raw.Reshape(sizes, raw.ConcatV2([raw.Shape(sizes), trailing], 0))
    else:
        sizes = raw.Reshape(sizes, [-1] + [1] * (len(data.dims) - len(segment_ids.dims)))
    if kind.is_complex:
        absent = raw.Equal(sizes, raw.ZerosLike(sizes))
        sizes = raw.SelectV2(absent, raw.Const(value=np.ones((), kind.np_dtype), dtype=kind), sizes)
    else:
        sizes = raw.Maximum(sizes, 1)
    return raw.UnsortedSegmentSum(data, segment_ids, num_segments), sizes


@public("unsorted_segment_mean", "math.unsorted_segment_mean")
@overridable
def unsorted_segment_mean(data: Any, segment_ids: Any, num_segments: Any, name: str | None = None) -> Tensor:
    """The means of rows that share a number; 0 for a number without rows.

    Args:
      data: `segment_ids.shape + [...]`, floating or complex.
      segment_ids: `[...]`, int32 or int64: the number of each row's segment; rows with one below 0 are left
      out.
      num_segments: scalar: the number of segments.
      name: a scope; default "UnsortedSegmentMean".

    Returns:
      `[num_segments, ...]`, dtype of `data`.
    """
    with name_scope(name, "UnsortedSegmentMean", [data, segment_ids, num_segments]):
        data, segment_ids = convert_to_tensor(data), convert_to_tensor(segment_ids)
        total, sizes = _rows_in_segments(data, segment_ids, num_segments)
        return total / sizes


@public("unsorted_segment_sqrt_n", "math.unsorted_segment_sqrt_n")
@overridable
def unsorted_segment_sqrt_n(
    data: Any, segment_ids: Any, num_segments: Any, name: str | None = None
) -> Tensor:
    """The sums of rows that share a number, each divided by the root of how many rows it has.

    Arguments and result are those of `unsorted_segment_mean`.
    """
    with name_scope(name, "UnsortedSegmentSqrtN", [data, segment_ids, num_segments]):
        data, segment_ids = convert_to_tensor(data), convert_to_tensor(segment_ids)
        total, sizes = _rows_in_segments(data, segment_ids, num_segments)
        return total / raw.Sqrt(sizes)


@public("compat.v2.math.bincount")
def bincount_v2(
    arr: Any,
    weights: Any = None,
    minlength: Any = None,
    maxlength: Any = None,
    dtype: Any = dtypes.int32,
    name: str | None = None,
) -> Tensor:
    """`tf.math.bincount`, in a scope `name`; default "bincount"."""
    return _counted(name, arr, weights, minlength, maxlength, dtype)
