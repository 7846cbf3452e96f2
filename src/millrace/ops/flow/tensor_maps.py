"""Maps of tensors, of later releases: values that are never changed once made. They run on the host."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core import dtypes
from millrace.core.dtypes import ALL
from millrace.core.errors import refusal
from millrace.graph.attrs import dtype
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare

_KEY = dtype(ALL)


class TensorMap(dict[Any, Any]):
    """Tensors by key. A key is known by its dtype, shape and bytes."""


def _known_by(key: Any) -> Any:
    array = np.asarray(key)
    kind = array.tolist() if array.dtype.kind == "O" else array.tobytes()
    return array.dtype, array.shape, repr(kind) if isinstance(kind, list) else kind


def _found(found: TensorMap, key: Any, verb: str) -> Any:
    known = _known_by(key)
    if known not in found:
        raise refusal(f"Trying to {verb} non-existent key. Could not find key {np.asarray(key).tolist()!r}")
    return known


@declare("EmptyTensorMap() -> handle: variant", host=True)
class EmptyTensorMap:
    """A map without keys."""

    def shape():
        return ()

    def kernel(xp):
        return TensorMap()

    grad = NOT_DIFFERENTIABLE


@declare("TensorMapSize(input_handle: variant) -> size: int32", host=True)
class TensorMapSize:
    """How many keys a map has."""

    def shape(input_handle):
        return ()

    def kernel(xp, input_handle):
        return np.int32(len(input_handle))

    grad = NOT_DIFFERENTIABLE


@declare(
    "TensorMapInsert(input_handle: variant, key: key_dtype, value: value_dtype) -> output_handle: variant",
    key_dtype=ALL,
    value_dtype=ALL,
    host=True,
)
class TensorMapInsert:
    """The map with `value` under `key`."""

    def shape(input_handle, key, value):
        return ()

    def kernel(xp, input_handle, key, value):
        return TensorMap({**input_handle, _known_by(key): (key, value)})

    grad = NOT_DIFFERENTIABLE


@declare(
    "TensorMapLookup(input_handle: variant, key: key_dtype) -> value: value_dtype",
    key_dtype=ALL,
    value_dtype=_KEY,
    host=True,
)
class TensorMapLookup:
    """The tensor under `key`."""

    def shape(input_handle, key):
        return None

    def kernel(xp, input_handle, key, value_dtype):
        value = input_handle[_found(input_handle, key, "lookup")][1]
        kind = dtypes.as_dtype(np.asarray(value).dtype)
        if kind is not value_dtype:
            raise refusal(f"The map has {kind.name} under the key, not {value_dtype.name}")
        return value

    grad = NOT_DIFFERENTIABLE


@declare(
    "TensorMapErase(input_handle: variant, key: key_dtype) -> output_handle: variant",
    key_dtype=ALL,
    value_dtype=_KEY,
    host=True,
)
class TensorMapErase:
    """The map without `key`."""

    def shape(input_handle, key):
        return ()

    def kernel(xp, input_handle, key):
        known = _found(input_handle, key, "erase")
        return TensorMap({other: pair for other, pair in input_handle.items() if other != known})

    grad = NOT_DIFFERENTIABLE


@declare("TensorMapHasKey(input_handle: variant, key: key_dtype) -> has_key: bool", key_dtype=ALL, host=True)
class TensorMapHasKey:
    """Whether there is a tensor under `key`."""

    def shape(input_handle, key):
        return ()

    def kernel(xp, input_handle, key):
        return np.bool_(_known_by(key) in input_handle)

    grad = NOT_DIFFERENTIABLE


@declare("TensorMapStackKeys(input_handle: variant) -> keys: key_dtype", key_dtype=_KEY, host=True)
class TensorMapStackKeys:
    """All keys, stacked, in the order in which they were put in."""

    def shape(input_handle):
        return None

    def kernel(xp, input_handle, key_dtype):
        if not input_handle:
            raise refusal("TensorMapStackKeys cannot be called on empty map.")
        return np.stack([np.asarray(key, key_dtype.np_dtype) for key, _ in input_handle.values()])

    grad = NOT_DIFFERENTIABLE
