"""Random numbers of a key and a counter: what later releases make of stateless seeds and of generators."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core import dtypes
from millrace.core.dtypes import FLOATING, INDEX, uint32, uint64
from millrace.core.errors import refusal
from millrace.graph.attrs import Attr
from millrace.graph.attrs import dtype as dtype_attr
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.random.fixed import normal, uniform, uniform_int
from millrace.opkit.random.keyed import PHILOX, state_of, whole_words
from millrace.opkit.random.philox import RESERVED, skip, stateless_state
from millrace.opkit.random.rejection import truncated_normal
from millrace.opkit.random.rules import check_range, dims_of, drawn, seed_pair

_SHAPE = Attr("type", dtypes.int32, INDEX)
_SEED = Attr("type", dtypes.int64, INDEX)
_WHOLE = INDEX | {uint32, uint64}


def _key_and_counter(seed: Any) -> tuple[np.ndarray, np.ndarray]:
    words = np.ascontiguousarray(stateless_state(np, np.asarray(seed)))
    return words[4:].view(np.uint64).copy(), words[:4].view(np.uint64).copy()


@declare("StatelessRandomGetKeyCounter(seed: Tseed) -> key: uint64, counter: uint64", Tseed=_SEED, host=True)
class StatelessRandomGetKeyCounter:
    """Where the numbers of a seed begin."""

    def shape(seed):
        seed_pair(seed)
        return [(1,), (2,)]

    def kernel(xp, seed):
        return _key_and_counter(seed)

    grad = NOT_DIFFERENTIABLE


@declare(
    "StatelessRandomGetKeyCounterAlg(seed: Tseed) -> key: uint64, counter: uint64, alg: int32",
    Tseed=_SEED,
    host=True,
)
class StatelessRandomGetKeyCounterAlg:
    """Where the numbers of a seed begin, and which algorithm gives them."""

    def shape(seed):
        seed_pair(seed)
        return [(1,), (2,), ()]

    def kernel(xp, seed):
        return *_key_and_counter(seed), np.int32(PHILOX)

    grad = NOT_DIFFERENTIABLE


@declare("StatelessRandomGetAlg() -> alg: int32", host=True)
class StatelessRandomGetAlg:
    """The algorithm that gives random numbers here."""

    def shape():
        return ()

    def kernel(xp):
        return np.int32(PHILOX)

    grad = NOT_DIFFERENTIABLE


def _check(key: Any, counter: Any, alg: Any) -> None:
    for name, dims, rank in (("key", key, 1), ("counter", counter, 1), ("alg", alg, 0)):
        if dims is not None and len(dims) != rank:
            raise ValueError(f"{name} must have rank {rank}. Received: shape {list(dims)}")


def _shape(shape, key, counter, alg):
    _check(key, counter, alg)
    return drawn(shape)


_NUMBERS: dict[str, Any] = {
    "static": ("shape",),
    "host": True,
    "dtype": dtype_attr(FLOATING, dtypes.float32),
    "Tshape": _SHAPE,
}


@declare(
    "StatelessRandomUniformV2(shape: Tshape, key: uint64, counter: uint64, alg: int32) -> output: dtype",
    **_NUMBERS,
)
class StatelessRandomUniformV2:
    """Uniform numbers in [0, 1)."""

    shape = _shape

    def kernel(xp, shape, key, counter, alg, dtype):
        dims, count = dims_of(shape, "StatelessRandomUniformV2")
        return uniform(np, state_of(key, counter, alg), count, dtype.np_dtype).reshape(dims)

    grad = NOT_DIFFERENTIABLE


@declare(
    "StatelessRandomNormalV2(shape: Tshape, key: uint64, counter: uint64, alg: int32) -> output: dtype",
    **_NUMBERS,
)
class StatelessRandomNormalV2:
    """Normal numbers of mean 0 and deviation 1."""

    shape = _shape

    def kernel(xp, shape, key, counter, alg, dtype):
        dims, count = dims_of(shape, "StatelessRandomNormalV2")
        return normal(np, state_of(key, counter, alg), count, dtype.np_dtype).reshape(dims)

    grad = NOT_DIFFERENTIABLE


@declare(
    "StatelessTruncatedNormalV2(shape: Tshape, key: uint64, counter: uint64, alg: int32) -> output: dtype",
    **_NUMBERS,
)
class StatelessTruncatedNormalV2:
    """Normal numbers of mean 0 and deviation 1, those of magnitude 2 and more left out."""

    shape = _shape

    def kernel(xp, shape, key, counter, alg, dtype):
        dims, count = dims_of(shape, "StatelessTruncatedNormalV2")
        return truncated_normal(np, state_of(key, counter, alg), count, dtype.np_dtype).reshape(dims)

    grad = NOT_DIFFERENTIABLE


@declare(
    "StatelessRandomUniformIntV2(shape: Tshape, key: uint64, counter: uint64, alg: int32, minval: dtype, "
    "maxval: dtype) -> output: dtype",
    static=("shape",),
    host=True,
    dtype=INDEX,
    Tshape=_SHAPE,
)
class StatelessRandomUniformIntV2:
    """Uniform integers in [minval, maxval)."""

    def shape(shape, key, counter, alg, minval, maxval):
        return _shape(shape, key, counter, alg)

    def kernel(xp, shape, key, counter, alg, minval, maxval):
        dims, count = dims_of(shape, "StatelessRandomUniformIntV2")
        if count:
            check_range(xp, minval, maxval, "StatelessRandomUniformIntV2")
        return uniform_int(np, state_of(key, counter, alg), count, minval, maxval).reshape(dims)

    grad = NOT_DIFFERENTIABLE


@declare(
    "StatelessRandomUniformFullIntV2(shape: Tshape, key: uint64, counter: uint64, alg: int32) -> "
    "output: dtype",
    static=("shape",),
    host=True,
    dtype=dtype_attr(_WHOLE, uint64),
    Tshape=_SHAPE,
)
class StatelessRandomUniformFullIntV2:
    """Integers of all values that their dtype has."""

    shape = _shape

    def kernel(xp, shape, key, counter, alg, dtype):
        dims, count = dims_of(shape, "StatelessRandomUniformFullIntV2")
        return whole_words(state_of(key, counter, alg), count, dtype.np_dtype).reshape(dims)

    grad = NOT_DIFFERENTIABLE


@declare(
    "RngReadAndSkip(resource: resource, alg: int32, delta: uint64) -> value: int64",
    writes="resource",
    host=True,
)
class RngReadAndSkip:
    """The state of a generator, which moves on by `delta` numbers."""

    def shape(resource, alg, delta):
        return (None if resource is None else resource[0],)

    def kernel(xp, resource, alg, delta):
        state = np.asarray(resource, np.int64)
        if state.shape != (3,):
            raise refusal(f"The state of a generator has 3 numbers. Received: shape {list(state.shape)}")
        words = state_of(state[2:].view(np.uint64), state[:2].view(np.uint64), alg)
        moved = skip(np, words, int(delta) * RESERVED)
        return np.concatenate([moved.view(np.int64)]), state

    grad = NOT_DIFFERENTIABLE
