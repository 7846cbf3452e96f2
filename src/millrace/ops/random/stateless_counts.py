"""Random numbers of later releases that follow from a seed: gamma, Poisson and binomial numbers, whole
words, bounded normals, shuffled rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core import dtypes
from millrace.core.dtypes import ALL, INDEX, int32, int64, uint32, uint64
from millrace.core.errors import refusal
from millrace.graph.attrs import Attr
from millrace.graph.attrs import dtype as dtype_attr
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.random import choice
from millrace.opkit.random.binomial import binomial
from millrace.opkit.random.keyed import state_of, whole_words
from millrace.opkit.random.philox import stateless_state
from millrace.opkit.random.rejection import gamma, poisson
from millrace.opkit.random.rules import dims_of, drawn, seed_pair

_SEED = Attr("type", int64, INDEX)
_SHAPE = Attr("type", int32, INDEX)
_PARAMETERS = frozenset((dtypes.float16, dtypes.float32, dtypes.float64))
_COUNTS = _PARAMETERS | INDEX


def _shape_of_seed(shape: Any, seed: Any) -> Any:
    seed_pair(seed)
    return drawn(shape)


def _each(shape: Any, op: str, *parameters: Any) -> tuple[tuple[int, ...], int, list[Any]]:
    """The dims, how many numbers each element of the parameters gives, and the parameters, flat."""
    dims, count = dims_of(shape, op)
    rank = max(p.ndim for p in parameters)
    inner = dims[len(dims) - rank :] if rank <= len(dims) else ()
    shapes = [p.shape for p in parameters]
    if rank > len(dims) or any(_broadcast(s, inner) != inner for s in shapes):
        raise refusal(
            f"{op}: the shape must end in that of the parameters. Received: {list(dims)} and {shapes}"
        )
    flat = [np.broadcast_to(p, inner).reshape(-1) for p in parameters]
    return dims, count // max(flat[0].size, 1), flat


def _broadcast(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...] | None:
    try:
        return np.broadcast_shapes(first, second)
    except ValueError:
        return None


def _gammas(state: Any, shape: Any, alpha: Any, op: str) -> Any:
    dims, each, (flat,) = _each(shape, op, alpha)
    return gamma(state, each, flat).reshape(dims)


@declare(
    "StatelessRandomUniformFullInt(shape: T, seed: Tseed) -> output: dtype",
    static=("shape",),
    host=True,
    dtype=dtype_attr(INDEX | {uint32, uint64}, uint64),
    T=_SHAPE,
    Tseed=Attr("type", int64, INDEX | {uint32, uint64}),
)
class StatelessRandomUniformFullInt:
    """Integers of all values that their dtype has."""

    shape = _shape_of_seed

    def kernel(xp, shape, seed, dtype):
        dims, count = dims_of(shape, "StatelessRandomUniformFullInt")
        return whole_words(stateless_state(np, np.asarray(seed)), count, dtype.np_dtype).reshape(dims)

    grad = NOT_DIFFERENTIABLE


@declare(
    "StatelessRandomGammaV2(shape: T, seed: Tseed, alpha: dtype) -> output: dtype",
    static=("shape",),
    host=True,
    dtype=dtype_attr(_PARAMETERS),
    T=_SHAPE,
    Tseed=_SEED,
)
class StatelessRandomGammaV2:
    """Gamma numbers of scale 1, of a seed."""

    def shape(shape, seed, alpha):
        return _shape_of_seed(shape, seed)

    def kernel(xp, shape, seed, alpha):
        state = stateless_state(np, np.asarray(seed))
        return _gammas(state, shape, alpha, "StatelessRandomGammaV2")

    grad = NOT_DIFFERENTIABLE


@declare(
    "StatelessRandomGammaV3(shape: shape_dtype, key: uint64, counter: uint64, alg: int32, alpha: dtype) -> "
    "output: dtype",
    static=("shape",),
    host=True,
    dtype=dtype_attr(_PARAMETERS),
    shape_dtype=_SHAPE,
)
class StatelessRandomGammaV3:
    """Gamma numbers of scale 1, of a key and a counter."""

    def shape(shape, key, counter, alg, alpha):
        return drawn(shape)

    def kernel(xp, shape, key, counter, alg, alpha):
        return _gammas(state_of(key, counter, alg), shape, alpha, "StatelessRandomGammaV3")

    grad = NOT_DIFFERENTIABLE


@declare(
    "StatelessRandomPoisson(shape: T, seed: Tseed, lam: Rtype) -> output: dtype",
    static=("shape",),
    host=True,
    Rtype=dtype_attr(_COUNTS),
    dtype=dtype_attr(_COUNTS),
    T=_SHAPE,
    Tseed=_SEED,
)
class StatelessRandomPoisson:
    """Poisson numbers of a seed."""

    def shape(shape, seed, lam):
        return _shape_of_seed(shape, seed)

    def kernel(xp, shape, seed, lam, dtype):
        dims, each, (rates,) = _each(shape, "StatelessRandomPoisson", lam)
        state = stateless_state(np, np.asarray(seed))
        return poisson(state, each, rates, dtype.np_dtype).reshape(dims)

    grad = NOT_DIFFERENTIABLE


@declare(
    "StatelessRandomBinomial(shape: S, seed: Tseed, counts: T, probs: T) -> output: dtype",
    static=("shape",),
    host=True,
    S=dtype_attr(INDEX),
    Tseed=_SEED,
    T=Attr("type", dtypes.float64, _COUNTS),
    dtype=Attr("type", int64, _COUNTS),
)
class StatelessRandomBinomial:
    """Binomial numbers of a seed."""

    def shape(shape, seed, counts, probs):
        return _shape_of_seed(shape, seed)

    def kernel(xp, shape, seed, counts, probs, dtype):
        dims, each, flat = _each(shape, "StatelessRandomBinomial", counts, probs)
        state = stateless_state(np, np.asarray(seed))
        found = binomial(state, each, *(p.astype(np.float64) for p in flat))
        return found.T.reshape(dims).astype(dtype.np_dtype)

    grad = NOT_DIFFERENTIABLE


@declare(
    "StatelessShuffle(value: T, key: uint64, counter: uint64, alg: int32) -> output: T", T=ALL, host=True
)
class StatelessShuffle:
    """`value` with its rows (first dimension) in random order."""

    def shape(value, key, counter, alg):
        return value

    def kernel(xp, value, key, counter, alg):
        if value.ndim == 0 or value.shape[0] <= 1:
            return value
        return value[choice.permutation(state_of(key, counter, alg), value.shape[0])]

    grad = NOT_DIFFERENTIABLE
