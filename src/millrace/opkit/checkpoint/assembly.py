"""A tensor, or a part of it, put together from the slices that a checkpoint holds."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from millrace.core.dtypes import DType
from millrace.core.errors import refusal
from millrace.opkit.checkpoint import threads
from millrace.opkit.checkpoint.slices import Slice
from millrace.opkit.checkpoint.values import LARGE


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
      read: gives the array of one of them; asked only for those that are needed, by several threads where
        they are large.

    Raises:
      InvalidArgumentError: the part does not fit the shape, or the slices do not cover it.
    """
    target = wanted.within(shape)
    result = np.empty([s.stop - s.start for s in target], dtype.np_dtype)
    covered = np.zeros(result.shape, bool) if _overlap([part.within(shape) for part in stored]) else None
    left = result.size
    moves: list[Callable[[], None]] = []
    for part in stored:
        common = _common(target, part.within(shape))
        if common is None:
            continue
        into, out_of = common
        moves.append(functools.partial(_move, result, into, read, part, out_of))
        if covered is None:
            left -= math.prod(s.stop - s.start for s in into)
        else:
            covered[into] = True
    if left if covered is None else not covered.all():
        raise refusal(
            f"Tensor {name} of shape {list(shape)}: the checkpoint's slices "
            f"{[part.text for part in stored]} do not cover the slice {wanted.text!r} that was asked for",
        )
    many = result.nbytes >= LARGE and covered is None
    threads.beside_each_other(moves, threads.readers() if many else 1)
    return result


def _common(
    target: tuple[slice, ...], box: tuple[slice, ...]
) -> tuple[tuple[slice, ...], tuple[slice, ...]] | None:
    """Where what two boxes have in common lies in each of them; None where that is nothing."""
    into, out_of = [], []
    for a, b in zip(target, box, strict=True):
        low, high = max(a.start, b.start), min(a.stop, b.stop)
        if low >= high:
            return None
        into.append(slice(low - a.start, high - a.start))
        out_of.append(slice(low - b.start, high - b.start))
    return tuple(into), tuple(out_of)


def _move(
    result: np.ndarray[Any, Any],
    into: tuple[slice, ...],
    read: Callable[[Slice], np.ndarray[Any, Any]],
    part: Slice,
    out_of: tuple[slice, ...],
) -> None:
    result[into] = read(part)[out_of]


def _overlap(boxes: Sequence[tuple[slice, ...]]) -> bool:
    """Whether two of the slices have elements in common, so that their sizes do not simply add up."""
    low = np.array([[s.start for s in box] for box in boxes]).reshape(len(boxes), -1)
    high = np.array([[s.stop for s in box] for box in boxes]).reshape(len(boxes), -1)
    common = (low[:, None] < high[None]) & (low[None] < high[:, None])
    return bool(common.all(axis=-1).sum() > len(boxes))
