"""Random numbers of a generator whose state is a variable: `tf.random.experimental.Generator`."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.core import dtypes
from millrace.core.dtypes import FLOATING, INDEX, uint32, uint64
from millrace.core.errors import refusal
from millrace.graph.attrs import Attr
from millrace.graph.attrs import dtype as dtype_attr
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.random.fixed import normal, uniform, uniform_int
from millrace.opkit.random.philox import RESERVED, blocks, reserve, skip
from millrace.opkit.random.rejection import truncated_normal
from millrace.opkit.random.rules import check_range, dims_of, drawn

_PHILOX = 1
_SHAPE = Attr("type", dtypes.int64, INDEX)
_WHOLE = INDEX | {uint32, uint64}


def _words(resource: Any, algorithm: Any) -> np.ndarray:
    """The generator's six words: a counter of two numbers, then the key."""
    if int(algorithm) != _PHILOX:
        raise refusal(f"Unsupported algorithm id: {int(algorithm)}; only Philox ({_PHILOX}) is there")
    state = np.ascontiguousarray(resource, np.int64)
    if state.shape != (3,):
        raise refusal(f"The state of a generator has 3 numbers. Received: shape {list(state.shape)}")
    return state.view(np.uint32)


def _drawn(
    draw: Callable[..., Any], op: str, resource: Any, algorithm: Any, shape: Any, *more: Any
) -> tuple[np.ndarray, np.ndarray]:
    """The state after a draw, and what was drawn."""
    dims, count = dims_of(shape, op)
    words = _words(resource, algorithm)
    numbers = draw(np, words, count, *more).reshape(dims)
    return np.ascontiguousarray(reserve(np, words, count)).view(np.int64), numbers


def _of_all_values(xp: Any, words: np.ndarray, count: int, kind: np.dtype[Any]) -> np.ndarray:
    lanes = -(-count * kind.itemsize // 16)
    return np.ascontiguousarray(blocks(np, words, lanes), np.uint32).reshape(-1).view(kind)[:count]


_DRAWS: dict[str, Any] = {
    "static": ("shape",),
    "writes": "resource",
    "host": True,
    "dtype": dtype_attr(FLOATING, dtypes.float32),
    "shape_dtype": _SHAPE,
}


def _shape(resource, algorithm, shape):
    return drawn(shape)


@declare(
    "StatefulUniform(resource: resource, algorithm: int64, shape: shape_dtype) -> output: dtype", **_DRAWS
)
class StatefulUniform:
    """Uniform numbers in [0, 1)."""

    shape = _shape

    def kernel(xp, resource, algorithm, shape, dtype):
        return _drawn(uniform, "StatefulUniform", resource, algorithm, shape, dtype.np_dtype)

    grad = NOT_DIFFERENTIABLE


@declare(
    "StatefulStandardNormalV2(resource: resource, algorithm: int64, shape: shape_dtype) -> output: dtype",
    **_DRAWS,
)
class StatefulStandardNormalV2:
    """Normal numbers of mean 0 and deviation 1."""

    shape = _shape

    def kernel(xp, resource, algorithm, shape, dtype):
        return _drawn(normal, "StatefulStandardNormalV2", resource, algorithm, shape, dtype.np_dtype)

    grad = NOT_DIFFERENTIABLE


@declare(
    "StatefulStandardNormal(resource: resource, shape: shape_dtype) -> output: dtype",
    **_DRAWS,
)
class StatefulStandardNormal:
    """Normal numbers of mean 0 and deviation 1; the state begins with the number of its algorithm."""

    def shape(resource, shape):
        return drawn(shape)

    def kernel(xp, resource, shape, dtype):
        state = np.ravel(resource)
        moved, numbers = _drawn(normal, "StatefulStandardNormal", state[1:], state[0], shape, dtype.np_dtype)
        return np.concatenate([state[:1], moved]), numbers

    grad = NOT_DIFFERENTIABLE


@declare(
    "StatefulTruncatedNormal(resource: resource, algorithm: int64, shape: shape_dtype) -> output: dtype",
    **_DRAWS,
)
class StatefulTruncatedNormal:
    """Normal numbers of mean 0 and deviation 1, those of magnitude 2 and more left out."""

    shape = _shape

    def kernel(xp, resource, algorithm, shape, dtype):
        return _drawn(truncated_normal, "StatefulTruncatedNormal", resource, algorithm, shape, dtype.np_dtype)

    grad = NOT_DIFFERENTIABLE


@declare(
    "StatefulUniformInt(resource: resource, algorithm: int64, shape: shape_dtype, minval: dtype, "
    "maxval: dtype) -> output: dtype",
    static=("shape",),
    writes="resource",
    host=True,
    dtype=_WHOLE,
    shape_dtype=_SHAPE,
)
class StatefulUniformInt:
    """Uniform integers in [minval, maxval)."""

    def shape(resource, algorithm, shape, minval, maxval):
        return drawn(shape)

    def kernel(xp, resource, algorithm, shape, minval, maxval):
        check_range(xp, minval, maxval, "StatefulUniformInt")
        return _drawn(uniform_int, "StatefulUniformInt", resource, algorithm, shape, minval, maxval)

    grad = NOT_DIFFERENTIABLE


@declare(
    "StatefulUniformFullInt(resource: resource, algorithm: int64, shape: shape_dtype) -> output: dtype",
    static=("shape",),
    writes="resource",
    host=True,
    dtype=dtype_attr(_WHOLE, uint64),
    shape_dtype=_SHAPE,
)
class StatefulUniformFullInt:
    """Integers of all values that their dtype has."""

    shape = _shape

    def kernel(xp, resource, algorithm, shape, dtype):
        return _drawn(_of_all_values, "StatefulUniformFullInt", resource, algorithm, shape, dtype.np_dtype)

    grad = NOT_DIFFERENTIABLE


@declare(
    "NonDeterministicInts(shape: shape_dtype) -> output: dtype",
    static=("shape",),
    effect=True,
    host=True,
    dtype=dtype_attr(_WHOLE, dtypes.int64),
    shape_dtype=_SHAPE,
)
class NonDeterministicInts:
    """Integers of all values that their dtype has, which no seed decides."""

    def shape(shape):
        return drawn(shape)

    def kernel(xp, shape, dtype):
        dims, count = dims_of(shape, "NonDeterministicInts")
        kind = dtype.np_dtype
        return np.frombuffer(secrets.token_bytes(count * kind.itemsize), kind).reshape(dims)

    grad = NOT_DIFFERENTIABLE


@declare("RngSkip(resource: resource, algorithm: int64, delta: int64)", writes="resource", host=True)
class RngSkip:
    """Moves a generator on, as if `delta` numbers had been drawn."""

    def shape(resource, algorithm, delta):
        return []

    def kernel(xp, resource, algorithm, delta):
        words = _words(resource, algorithm)
        return np.ascontiguousarray(skip(np, words, int(delta) * RESERVED)).view(np.int64)

    grad = NOT_DIFFERENTIABLE
