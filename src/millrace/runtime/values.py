"""Values between a run and what is around it: from a device to the host, and copies of the caller's own."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core import errors

LARGE = 1 << 16  # elements: to take over the memory of fewer costs more than it saves

HOST_TYPES = frozenset((np.ndarray, type(None), int, *np.sctypeDict.values()))


def host(value: Any) -> Any:
    """A NumPy value for one that may live on a device, or be a compiled program's stack or tensor array."""
    if hasattr(value, "on_host"):
        return value.on_host()
    return np.asarray(value) if hasattr(value, "addressable_shards") else value


def fetched(value: Any) -> Any:
    """The caller's own copy of a value that a compiled program made."""
    array = np.array(value)
    return array[()] if array.ndim == 0 else array


def scalar(value: Any) -> Any:
    """A 0-d array as the NumPy scalar that TensorFlow returns; anything else as it is."""
    if type(value) is np.ndarray and value.ndim == 0:
        return value[()]
    return value


def private(value: Any) -> Any:
    """A copy that the caller may change."""
    if type(value) is np.ndarray:
        try:
            return value[()] if value.ndim == 0 else value.copy()
        except MemoryError as error:
            raise errors.ResourceExhaustedError(
                None, None, f"a result does not fit memory: {error}"
            ) from None
    return value
