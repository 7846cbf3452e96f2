"""A tensor, or a part of it, put together from the slices that a checkpoint holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from millrace.core.dtypes import DType
from millrace.core.errors import refusal
from millrace.opkit.checkpoint.slices import Slice


def assemble(
    name: str,
    dtype: DType,
    shape: tuple[int, ...],
    wanted: Slice,
    stored: Sequence[Slice],
    read: Callable[[Slice], np.ndarray[Any, Any]],
) -> np.ndarray[Any, Any]:
    """The part `wanted` of a tensor.

    Args:
      name: the tensor's, for messages.
      dtype, shape: of the whole tensor.
      wanted: which part.
      stored: the slices there are.
      read: gives the array of one of them; asked only for those that are needed.

    Raises:
      InvalidArgumentError: the part does not fit the shape, or the slices do not cover it.
    """
    target = wanted.within(shape)
    result = np.empty([s.stop - s.start for s in target], dtype.np_dtype)
    left = result.size
    covered = np.zeros(result.shape, bool) if _overlap([part.within(shape) for part in stored]) else None
    for part in stored:
        box = part.within(shape)
        common = [(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(target, box, strict=True)]
        if any(low >= high for low, high in common):
            continue
        into = tuple(
            slice(low - t.start, high - t.start) for (low, high), t in zip(common, target, strict=True)
        )
        out_of = tuple(
            slice(low - b.start, high - b.start) for (low, high), b in zip(common, box, strict=True)
        )
        result[into] = read(part)[out_of]
        if covered is None:
            left -= math.prod(high - low for low, high in common)
        else:
            covered[into] = True
    if left if covered is None else not covered.all():
        raise refusal(
            f"Tensor {name} of shape {list(shape)}: the checkpoint's slices "
            f"{[part.text for part in stored]} do not cover the slice {wanted.text!r} that was asked for",
        )
    return result


def _overlap(boxes: Sequence[tuple[slice, ...]]) -> bool:
    """Whether two of the slices have elements in common, so that their sizes do not simply add up."""
    low = np.array([[s.start for s in box] for box in boxes]).reshape(len(boxes), -1)
    high = np.array([[s.stop for s in box] for box in boxes]).reshape(len(boxes), -1)
    common = (low[:, None] < high[None]) & (low[None] < high[:, None])
    return bool(common.all(axis=-1).sum() > len(boxes))
