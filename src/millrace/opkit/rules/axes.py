"""Axes of tensors whose rank only the run tells."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.convert import to_tensor
from millrace.core import dtypes
from millrace.graph.tensor import Tensor


def range_of(start: Any, stop: Any) -> Tensor:
    """The int32 numbers from `start` below `stop`."""
    return raw.Range(start, stop, 1)


def from_the_front(axes: Any, rank: Tensor) -> Tensor:
    """An int32 vector of axes, negative ones counted from the end."""
    return raw.FloorMod(to_tensor(np.array(axes, np.int32).reshape(-1), dtypes.int32), rank)


def others(axes: Tensor, rank: Tensor) -> Tensor:
    """The axes that a vector of axes does not name, in order."""
    return raw.ListDiff(range_of(0, rank), axes)[0]


def joined(*parts: Any) -> Tensor:
    """Vectors of axes one after the other."""
    return raw.ConcatV2([to_tensor(p, dtypes.int32) for p in parts], 0)


def paddings(axes: Tensor, ends: Any, rank: Tensor) -> Tensor:
    """The argument of a Pad that appends `ends` elements, one number for each of `axes`."""
    behind = raw.ScatterNd(raw.ExpandDims(axes, 1), to_tensor(ends, dtypes.int32), raw.Reshape(rank, [1]))
    return raw.Pack([raw.ZerosLike(behind), behind], axis=1)
