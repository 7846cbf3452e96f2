"""How often numbers occur, and which of several ranges they fall into."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.core import errors
from millrace.core.dtypes import INDEX, float32, float64, int32, int64
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph import attrs
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor

_COUNTED = frozenset({int32, int64, float32, float64})


@declare("Bincount(arr: int32, size: int32, weights: T) -> bins: T", T=_COUNTED, static=("size",))
class Bincount:
    """The sums of the weights, or without weights the numbers, of the occurrences of 0 ... size - 1."""

    def shape(arr, size, weights):
        return (size.scalar("size"),)

    def kernel(xp, arr, size, weights):
        count = int(size)
        if count < 0:
            raise refusal(f"size must not be negative. Received: {count}")
        xp.check(arr >= 0, lambda: refusal("Input arr must be non-negative!"))
        if 0 in weights.shape:
            weights = xp.ones(arr.shape, weights.dtype)
        elif weights.shape != arr.shape:
            raise refusal(
                f"arr and weights must have one shape. Received: {list(arr.shape)} and {list(weights.shape)}",
            )
        arr, weights = xp.reshape(arr, (-1,)), xp.reshape(weights, (-1,))
        ids = xp.where(arr < count, arr, np.int32(-1))  # segment_reduce leaves numbers below 0 out
        return xp.segment_reduce("sum", weights, ids, count, 0)

    def grad(op, dy):
        arr, size, weights = op.inputs
        if weights.dims == (0,):
            return None, None, None  # nothing but counts
        counted = raw.Less(arr, size)
        places = raw.SelectV2(counted, arr, raw.ZerosLike(arr))
        found = raw.GatherV2(dy, places, 0)
        return None, None, raw.SelectV2(counted, found, raw.ZerosLike(found))


@declare(
    "HistogramFixedWidth(values: T, value_range: T, nbins: int32) -> out: dtype",
    T=_COUNTED,
    dtype=attrs.dtype(INDEX, int32),
    static=("nbins",),
)
class HistogramFixedWidth:
    """How many values fall into each of nbins ranges of one width; those outside count at the ends."""

    def shape(values, value_range, nbins):
        count = nbins.scalar("nbins")
        if count is not None and count <= 0:
            raise ValueError(f"'nbins' must be positive. Received: {count}")
        return (count,)

    def kernel(xp, values, value_range, nbins, dtype):
        count = int(nbins)
        low, high = value_range[0], value_range[1]

        def empty() -> errors.InvalidArgumentError:
            return refusal(f"value_range must be ascending. Received: [{low}, {high}]")

        xp.check(low < high, empty)
        wide = np.dtype(np.float32 if values.dtype == np.float32 else np.float64)
        low, high = xp.cast(low, wide), xp.cast(high, wide)
        place = xp.floor((xp.cast(xp.reshape(values, (-1,)), wide) - low) / ((high - low) / wide.type(count)))
        ids = xp.cast(xp.clip(place, 0, count - 1), np.dtype(np.int32))
        return xp.segment_reduce("sum", xp.ones(ids.shape, dtype.np_dtype), ids, count, 0)

    grad = NOT_DIFFERENTIABLE


@declare("Bucketize(input: T) -> output: int32", T=_COUNTED, boundaries=attrs.numbers())
class Bucketize:
    """The number of boundaries that are not above each element."""

    def shape(input):
        return input

    def kernel(xp, input, boundaries):
        if any(a > b for a, b in pairwise(boundaries)):
            raise refusal(f"Expected sorted boundaries. Received: {list(boundaries)}")
        wide = np.asarray(boundaries, np.float64 if input.dtype == np.float64 else np.float32)
        if input.dtype.kind in "iu":
            wide = wide.astype(np.float64)
        return xp.cast(xp.searchsorted(wide, input, side="right"), np.dtype(np.int32))

    grad = NOT_DIFFERENTIABLE


@public("histogram_fixed_width")
def histogram_fixed_width(
    values: Any, value_range: Any, nbins: Any = 100, dtype: Any = int32, name: str | None = None
) -> Tensor:
    """How many values fall into each of `nbins` ranges of one width.

    Args:
      values: `[...]`, int32, int64, float32 or float64.
      value_range: `[2]`, dtype of `values`: the lowest and the highest value; values outside count at the
      ends.
      nbins: scalar: the number of ranges, positive.
      dtype: int32 or int64.
      name: op name; default "histogram_fixed_width".

    Returns:
      `[nbins]`, dtype `dtype`.

    Raises:
      ValueError: `nbins` is not positive.
      InvalidArgumentError: when run, if `value_range` does not ascend.
    """
    return apply(
        HistogramFixedWidth, values, value_range, nbins, dtype=dtype, name=name or "histogram_fixed_width"
    )
