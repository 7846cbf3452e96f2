"""`tf.contrib.memory_stats`: memory in use, its peak and its limit, read when they are run."""

from __future__ import annotations

from millrace.building import raw
from millrace.core.public import public
from millrace.graph.tensor import Tensor


@public("contrib.memory_stats.BytesInUse")
def BytesInUse() -> Tensor:  # noqa: N802
    """An int64 scalar: the bytes of memory that the process holds."""
    return raw.BytesInUse()


@public("contrib.memory_stats.MaxBytesInUse")
def MaxBytesInUse() -> Tensor:  # noqa: N802
    """An int64 scalar: the most bytes of memory that the process ever held."""
    return raw.MaxBytesInUse()


@public("contrib.memory_stats.BytesLimit")
def BytesLimit() -> Tensor:  # noqa: N802
    """An int64 scalar: the bytes of memory that the machine has."""
    return raw.BytesLimit()
