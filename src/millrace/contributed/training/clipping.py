"""Clipping of gradients whose norm is far above what it has been."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.indexed_slices import IndexedSlices
from millrace.core.border import bordered
from millrace.core.dtypes import float32
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.linalg.norms import global_norm
from millrace.lib.summary.operations import scalar
from millrace.lib.variables.initializers import Zeros
from millrace.lib.variables.moving_averages import assign_moving_average
from millrace.lib.variables.scope import get_variable, variable_scope
from millrace.ops.array.fill import ones_like
from millrace.ops.math.cast import cast
from millrace.ops.math.elementwise import exp, log, sqrt, square
from millrace.ops.math.select import maximum, minimum, where

Pairs = list[tuple[Any, Any]]


@public("contrib.layers.adaptive_clipping_fn", "contrib.slim.adaptive_clipping_fn")
@bordered
def adaptive_clipping_fn(
    std_factor: float = 2.0,
    decay: float = 0.95,
    static_max_norm: float | None = None,
    global_step: Any = None,
    report_summary: bool = False,
    epsilon: float = 1e-8,
    name: str | None = None,
) -> Callable[[Any], Pairs]:
    """A function for `clip_gradients` of `optimize_loss`.

    It follows the mean and the deviation of the logarithm of the gradients' global norm. Where the norm is
    `std_factor` deviations above the mean, gradients are scaled so that their norm is the mean.

    Args:
      std_factor: how many deviations.
      decay: of the averages.
      static_max_norm: a bound of the norm besides; None for none.
      global_step: makes the decay smaller at first: at most n / (n + 1).
      report_summary: write the bound as a summary.
      epsilon: keeps logarithm and deviation finite.
      name: of the averages' scope; default "AdaptiveMaxNorm".

    Returns:
      A function from pairs of gradients, which may be None, and variables to such pairs.
    """

    def clipped(grads_and_vars: Any) -> Pairs:
        grads, variables = zip(*grads_and_vars, strict=True)
        norm = global_norm(grads)
        if norm is None:
            raise ValueError(
                "adaptive_clipping_fn: there is no gradient to clip. Received: None for each variable"
            )
        bound, mean = _bound(norm, std_factor, decay, global_step, epsilon, name)
        if report_summary:
            scalar("global_norm/adaptive_max_gradient_norm", bound)
        factor = where(raw.Less(norm, bound), ones_like(norm), exp(mean) / norm)
        if static_max_norm is not None:
            factor = minimum(static_max_norm / norm, factor)
        return [(_times(g, factor), v) for g, v in zip(grads, variables, strict=True)]

    return clipped


def _times(gradient: Any, factor: Tensor) -> Any:
    if gradient is None:
        return None
    if isinstance(gradient, IndexedSlices):
        return IndexedSlices(gradient.values * factor, gradient.indices, gradient.dense_shape)
    return gradient * factor


def _bound(
    norm: Tensor, std_factor: float, decay: Any, global_step: Any, epsilon: float, name: str | None
) -> tuple[Tensor, Tensor]:
    """The greatest usual norm, and the mean of the logarithms."""
    with variable_scope(name, "AdaptiveMaxNorm", [norm]):
        log_norm = log(norm + epsilon)
        if global_step is not None:
            n = cast(global_step, float32)
            decay = minimum(decay, n / (n + 1.0))

        def average(what: str, value: Tensor) -> Tensor:
            kept = get_variable(
                what, shape=value.shape, dtype=value.dtype, initializer=Zeros(), trainable=False
            )
            return assign_moving_average(kept, value, decay, zero_debias=False)

        mean, square_mean = average("mean", log_norm), average("sq_mean", square(log_norm))
        deviation = sqrt(maximum(epsilon, square_mean - square(mean)))
        return exp(mean + std_factor * deviation), mean
