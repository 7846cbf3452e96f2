"""Random numbers by rejection in double precision: gamma, with a gradient, and Poisson."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.core import dtypes, shapes
from millrace.core.dtypes import INDEX
from millrace.core.public import public
from millrace.graph.attrs import Attr, integer
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.random.gamma_grad import gamma_sample_gradient
from millrace.opkit.random.philox import reserve
from millrace.opkit.random.rejection import gamma, poisson
from millrace.opkit.random.rules import dims_of, drawn, shape_input
from millrace.opkit.random.seeds import generator, seed_attrs
from millrace.opkit.rules.shape_rules import broadcast

_PRECISE = frozenset({dtypes.float32, dtypes.float64})
_GAMMA = _PRECISE | {dtypes.float16}
_COUNTS = _GAMMA | INDEX


def _per_parameter(state, shape, parameter, op: str, draw) -> tuple[Any, Any]:
    # The output has the dims of `shape`, then those of the parameter.
    dims, count = dims_of(shape, op)
    out = draw(state, count, parameter.reshape(-1)).reshape(dims + parameter.shape)
    return out, reserve(np, state, out.size)


@declare("RandomGamma(shape: S, alpha: T) -> output: T", static=("shape",), state=generator, host=True,
    seed=integer(0), seed2=integer(0), S=INDEX, T=_GAMMA)  # fmt: skip
class RandomGamma:
    """Gamma numbers of scale 1, `shape` of them for each shape parameter in `alpha`."""

    def shape(shape, alpha):
        return shapes.concat(drawn(shape), alpha)

    def kernel(xp, state, shape, alpha):
        return _per_parameter(state, shape, alpha, "RandomGamma", gamma)

    def grad(op, dy):
        shape, alpha = op.inputs
        by_alpha = raw.RandomGammaGrad(alpha, op.outputs[0])
        draws = raw.Range(np.int32(0), raw.Size(shape), np.int32(1))
        return None, raw.Sum(dy * by_alpha, draws)


@declare("RandomGammaGrad(alpha: T, sample: T) -> output: T", host=True, T=_PRECISE)
class RandomGammaGrad:
    """The derivative of gamma samples by their shape parameter."""

    def shape(alpha, sample):
        return broadcast(alpha, sample)

    def kernel(xp, alpha, sample):
        return gamma_sample_gradient(xp, alpha, sample).astype(alpha.dtype, copy=False)

    grad = NOT_DIFFERENTIABLE


@declare("RandomPoisson(shape: S, rate: dtype) -> output: dtype",
    static=("shape",), state=generator, host=True,
    seed=integer(0), seed2=integer(0), S=INDEX, dtype=_GAMMA)  # fmt: skip
class RandomPoisson:
    """Poisson numbers of the rate's own dtype, `shape` of them for each rate."""

    def shape(shape, rate):
        return shapes.concat(drawn(shape), rate)

    def kernel(xp, state, shape, rate):
        draw = lambda state, count, rates: poisson(state, count, rates, rate.dtype)  # noqa: E731
        return _per_parameter(state, shape, rate, "RandomPoisson", draw)

    grad = NOT_DIFFERENTIABLE


@declare("RandomPoissonV2(shape: S, rate: R) -> output: dtype", static=("shape",), state=generator, host=True,
    seed=integer(0), seed2=integer(0), S=INDEX,
    R=Attr("type", dtypes.float64, _COUNTS), dtype=Attr("type", dtypes.int64, _COUNTS))  # fmt: skip
class RandomPoissonV2:
    """Poisson numbers, `shape` of them for each rate."""

    def shape(shape, rate):
        return shapes.concat(drawn(shape), rate)

    def kernel(xp, state, shape, rate, dtype):
        draw = lambda state, count, rates: poisson(state, count, rates, dtype.np_dtype)  # noqa: E731
        return _per_parameter(state, shape, rate, "RandomPoissonV2", draw)

    grad = NOT_DIFFERENTIABLE


@public("random_gamma", "random.gamma")
def random_gamma(
    shape: Any,
    alpha: Any,
    beta: Any = None,
    dtype: Any = dtypes.float32,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Draws gamma numbers; differentiable by `alpha` and `beta`.

    Args:
      shape: int32 or int64 vector: how many numbers for each pair of parameters.
      alpha: shape parameters, positive; broadcasts with `beta`.
      beta: rates (inverse scales), positive; default 1.
      dtype: float16, float32 or float64.
      seed: the operation's seed, see `set_random_seed`.
      name: default "random_gamma".

    Returns:
      `shape + broadcast(alpha, beta).shape`, of `dtype`; never below the smallest normal number of `dtype`.
    """
    dtype = dtypes.as_dtype(dtype)
    with name_scope(name, "random_gamma", [shape, alpha, beta]):
        shape = shape_input(shape)
        alpha = convert_to_tensor(alpha, dtype, "alpha")
        beta = convert_to_tensor(1 if beta is None else beta, dtype, "beta")
        alpha = alpha + _zeros_like(beta)
        numbers = apply(RandomGamma, shape, alpha, **seed_attrs(seed)) / beta
        return raw.Maximum(np.finfo(dtype.as_numpy_dtype).tiny, numbers)


def _zeros_like(x: Tensor) -> Tensor:
    if shapes.fully_defined(x.dims):
        return raw.Const(value=np.zeros(x.dims, x.dtype.np_dtype), dtype=x.dtype, name="zeros_like")  # type: ignore
    return raw.ZerosLike(x, name="zeros_like")


@public("random_poisson", "random.poisson")
def random_poisson(
    lam: Any, shape: Any, dtype: Any = dtypes.float32, seed: int | None = None, name: str | None = None
) -> Tensor:
    """Draws Poisson numbers.

    Args:
      lam: rates, not negative.
      shape: int32 or int64 vector: how many numbers for each rate.
      dtype: float16, float32, float64, int32 or int64.
      seed: the operation's seed, see `set_random_seed`.
      name: default "random_poisson".

    Returns:
      `shape + lam.shape`, of `dtype`.
    """
    with name_scope(name, "random_poisson", [lam, shape]):
        shape = shape_input(shape)
        return apply(RandomPoissonV2, shape, lam, dtype=dtypes.as_dtype(dtype), **seed_attrs(seed))
