"""The state of an iterator as bytes: nested lists and dicts as JSON, arrays as their memory in base64.

Reading it runs no code, so that a checkpoint from elsewhere is safe to restore.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np

from millrace.core import errors
from millrace.opkit.datasets.base import Dataset
from millrace.opkit.datasets.sources import InMemory


def encode(state: Any) -> bytes:
    """Bytes for nested dicts, lists and tuples of numbers, strings, bytes and arrays."""
    return json.dumps(_plain(state)).encode()


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
        if array.dtype.kind == "O":
            return {"objects": [_plain(v) for v in array.reshape(-1)], "shape": array.shape}
        data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
        return {"array": data, "dtype": str(array.dtype), "shape": array.shape}
    if isinstance(value, dict):
        return {"dict": [[key, _plain(v)] for key, v in value.items()]}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, InMemory):
        return {"elements": _plain(value.elements)}
    raise errors.UnimplementedError(
        None, None, f"an iterator that holds a {type(value).__name__} cannot be saved"
    )


def decode(data: bytes, dataset: Dataset) -> Any:
    """The inverse of `encode`; tuples come back as lists.

    Args:
      data: the bytes.
      dataset: to which windows belong.
    """
    return _value(json.loads(data), dataset)


def _value(plain: Any, dataset: Dataset) -> Any:
    if isinstance(plain, list):
        return [_value(v, dataset) for v in plain]
    if not isinstance(plain, dict):
        return plain
    if "dict" in plain:
        return {key: _value(v, dataset) for key, v in plain["dict"]}
    if "bytes" in plain:
        return base64.b64decode(plain["bytes"])
    if "elements" in plain:
        return InMemory(dataset, [tuple(e) for e in _value(plain["elements"], dataset)])
    shape = tuple(plain["shape"])
    if "objects" in plain:
        array = np.empty(len(plain["objects"]), object)
        for i, v in enumerate(plain["objects"]):
            array[i] = _value(v, dataset)
        return array.reshape(shape)
    data = base64.b64decode(plain["array"])
    array = np.frombuffer(data, _dtype(plain["dtype"])).reshape(shape).copy()
    return array if shape else array[()]


def _dtype(name: str) -> np.dtype:
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)
