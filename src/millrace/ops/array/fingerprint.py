"""Fingerprints of rows of data."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building.apply import apply
from millrace.core.dtypes import ALL
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.core.shapes import format_dims
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.text.hashing import fingerprint64

_BYTES = 8  # of a FarmHash fingerprint


def _hashed(texts: list[bytes]) -> np.ndarray:
    """The fingerprints of byte strings, little end first, `[n, 8]`."""
    array = np.empty(len(texts), object)
    array[:] = texts
    return fingerprint64(array).astype("<u8").view(np.uint8).reshape(len(texts), _BYTES)


@declare("Fingerprint(data: T, method: string) -> fingerprint: uint8", T=ALL, static=("method",), host=True)
class Fingerprint:
    """The FarmHash fingerprint of the bytes of each slice of `data`."""

    def shape(data, method):
        if data is not None and len(data) == 0:
            raise ValueError(f"data must have at least one dimension. Received: shape {format_dims(data)}")
        known = None if method.value is None else method.value.item()
        if known not in (None, b"farmhash64"):
            raise ValueError(f"unsupported fingerprint algorithm. Received: {known!r}")
        return (None if data is None else data[0], None if known is None else _BYTES)

    def kernel(xp, data, method):
        data = np.asarray(data)
        if np.asarray(method).item() != b"farmhash64":
            raise refusal(f"Unsupported method. Received: {np.asarray(method).item()!r}")
        if data.dtype == object:
            if data.ndim == 1:
                return _hashed(list(data))
            data = _hashed(list(data.reshape(-1))).reshape(len(data), -1)
        rows = np.ascontiguousarray(data).reshape(len(data), -1)
        return _hashed([row.tobytes() for row in rows])

    grad = NOT_DIFFERENTIABLE


@public("fingerprint")
def fingerprint(data: Any, method: Any = "farmhash64", name: str | None = None) -> Tensor:
    """A fingerprint of each slice of `data` along its first dimension.

    Args:
      data: `[n, ...]`.
      method: "farmhash64".
      name: op name; default "Fingerprint".

    Returns:
      `[n, 8]`, uint8, the fingerprint's bytes, little end first.

    Raises:
      ValueError: `data` is a scalar, or the method is another.
    """
    return apply(Fingerprint, data, method, name=name)
