"""Numbers of the sequence of Sobol, which fill a cube evenly."""

from __future__ import annotations

from millrace.core import dtypes
from millrace.core.errors import refusal
from millrace.graph.attrs import Attr
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare

_BITS = 32  # of the numbers that directions are given as


@declare(
    "SobolSample(dim: int32, num_results: int32, skip: int32) -> samples: dtype",
    dtype=Attr("type", dtypes.float32, frozenset({dtypes.float32, dtypes.float64})),
    static=("dim", "num_results"),
    host=True,
)
class SobolSample:
    """Points of the sequence behind its first, which is 0, and behind `skip` more."""

    def shape(dim, num_results, skip):
        known = (num_results.value, dim.value)
        return tuple(None if size is None else int(size) for size in known)

    def kernel(xp, dim, num_results, skip, dtype):
        if dim < 1:
            raise refusal(f"dim must be at least one. Received: {int(dim)}")
        if num_results < 1:
            raise refusal(f"num_results must be at least one. Received: {int(num_results)}")
        if skip < 0:
            raise refusal(f"skip must be non-negative. Received: {int(skip)}")
        from scipy.stats import qmc  # costs a second, and few graphs ask for it

        sequence = qmc.Sobol(int(dim), scramble=False, bits=_BITS)
        sequence.fast_forward(int(skip) + 1)
        return sequence.random(int(num_results)).astype(dtype.np_dtype)

    grad = NOT_DIFFERENTIABLE
