"""Lengths of axes: numbers where the graph determines them, else scalar tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.convert import to_tensor
from millrace.building.static import static_value
from millrace.core import dtypes
from millrace.graph.tensor import Tensor
from millrace.opkit.rules import axes

Length = int | Tensor
_INT32 = range(-(2**31), 2**31)


def length(x: Tensor, axis: int) -> Length:
    """The length of an axis: a number where it is known, else a scalar tensor."""
    if x.dims is not None and x.dims[axis] is not None:
        return x.dims[axis]  # type: ignore[return-value]
    return raw.Shape(x)[axis]


def whole(value: Any, name: str) -> Length:
    """An integer scalar as a number where the graph determines it."""
    if isinstance(value, int | np.integer):
        return int(value)
    tensor = to_tensor(value, name=name)
    if tensor.dims not in (None, ()):
        raise ValueError(f"'{name}' must be a scalar. Received: shape {tensor.shape}")
    known = static_value(tensor)
    if known is not None:
        return int(known)
    return tensor if tensor.dtype is dtypes.int32 else raw.Cast(tensor, DstT=dtypes.int32)


def at_least_zero(n: Length) -> Length:
    """`n`, or 0 where that is more."""
    return raw.Maximum(0, n) if isinstance(n, Tensor) else max(0, n)


def vector(*lengths: Length) -> Any:
    """Lengths as one int32 vector: an array where all are known."""
    if all(isinstance(n, int) for n in lengths):
        if any(n not in _INT32 for n in lengths):
            raise ValueError(f"a length must fit int32. Received: {list(lengths)}")
        return np.array(lengths, np.int32)
    return raw.Pack([to_tensor(n, dtypes.int32) for n in lengths])


def float_range(count: Length, dtype: dtypes.DType) -> Tensor:
    """The numbers from 0 below `count`, of a floating dtype."""
    if isinstance(count, int):
        return to_tensor(np.arange(count, dtype=dtype.np_dtype), dtype)
    return raw.Cast(raw.Range(0, count, 1), DstT=dtype)


def as_float(n: Length, dtype: dtypes.DType) -> Tensor:
    """A length as a scalar of a floating dtype."""
    if isinstance(n, int):
        return to_tensor(np.array(n, dtype.np_dtype), dtype)
    return raw.Cast(n, DstT=dtype)


def rank_of(x: Tensor) -> int:
    """The rank.

    Raises:
      ValueError: it is unknown.
    """
    if x.dims is None:
        raise ValueError(f"The rank must be known. Received: {x.shape}")
    return len(x.dims)


def fitted(x: Tensor, wanted: list[Length]) -> Tensor:
    """Zeros appended to the last axes where `wanted` is longer."""
    lengths = [length(x, i - len(wanted)) for i in range(len(wanted))]
    missing = [
        max(0, w - n) if isinstance(w, int) and isinstance(n, int) else raw.Maximum(0, raw.Sub(w, n))
        for w, n in zip(wanted, lengths, strict=True)
    ]
    if all(isinstance(m, int) and m == 0 for m in missing):
        return x
    if x.dims is None:
        rank = raw.Rank(x)
        last = axes.from_the_front(range(-len(wanted), 0), rank)
        return raw.Pad(x, axes.paddings(last, vector(*missing), rank))
    front = [0] * (len(x.dims) - len(wanted))
    ends = vector(*front, *missing)
    if isinstance(ends, np.ndarray):
        return raw.Pad(x, np.stack([np.zeros_like(ends), ends], 1))
    return raw.Pad(x, raw.Pack([raw.ZerosLike(ends), ends], axis=1))
