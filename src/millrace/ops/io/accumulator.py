"""Operations of accumulators, which add gradients up until there are enough. A handle's value is the
accumulator itself, kept in the session's cell of the operation that makes it.
"""

from __future__ import annotations

from typing import Any

from millrace.core.dtypes import FLOATING, NUMERIC
from millrace.graph.attrs import dtype as dtype_attr
from millrace.graph.attrs import flag, one_of, text
from millrace.graph.attrs import shape as shape_attr
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.rules.families import handle
from millrace.opkit.state.accumulators import Accumulator, SparseAccumulator
from millrace.opkit.state.resource import of

_COMMON: dict[str, Any] = dict(
    dtype=dtype_attr(NUMERIC),
    shape=shape_attr(),
    container=text(default=""),
    shared_name=text(default=""),
    reduction_type=one_of("MEAN", "SUM", default="MEAN"),
)
_WAITS: dict[str, Any] = dict(effect=True, host=True, blocking=True)
_NOW: dict[str, Any] = dict(effect=True, host=True)


ConditionalAccumulator = handle(
    "ConditionalAccumulator() -> handle: Ref[string]",
    Accumulator,
    "An accumulator of dense gradients.",
    __name__,
    dims=(2,),
    **_COMMON,
)


ResourceConditionalAccumulator = handle(
    "ResourceConditionalAccumulator() -> handle: resource",
    Accumulator,
    "An accumulator of dense gradients.",
    __name__,
    dims=(2,),
    **_COMMON,
)


SparseConditionalAccumulator = handle(
    "SparseConditionalAccumulator() -> handle: Ref[string]",
    SparseAccumulator,
    "An accumulator of gradients that are rows.",
    __name__,
    dims=(2,),
    **_COMMON,
)


def _apply_shape(handle, local_step, gradient):
    return []


def _apply(xp, handle, local_step, gradient):
    of(Accumulator, handle).apply(int(local_step), gradient)
    return []


@declare(
    "AccumulatorApplyGradient(handle: Ref[string], local_step: int64, gradient: dtype)",
    dtype=dtype_attr(NUMERIC),
    **_NOW,
)
class AccumulatorApplyGradient:
    """Adds a gradient."""

    shape, kernel, grad = _apply_shape, _apply, NOT_DIFFERENTIABLE


@declare(
    "ResourceAccumulatorApplyGradient(handle: resource, local_step: int64, gradient: dtype)",
    dtype=dtype_attr(NUMERIC),
    **_NOW,
)
class ResourceAccumulatorApplyGradient:
    """Adds a gradient."""

    shape, kernel, grad = _apply_shape, _apply, NOT_DIFFERENTIABLE


@declare(
    "SparseAccumulatorApplyGradient(handle: Ref[string], local_step: int64, gradient_indices: int64, "
    "gradient_values: dtype, gradient_shape: int64)",
    dtype=dtype_attr(NUMERIC),
    has_known_shape=flag(),
    **_NOW,
)
class SparseAccumulatorApplyGradient:
    """Adds rows."""

    def shape(handle, local_step, gradient_indices, gradient_values, gradient_shape):
        return []

    def kernel(xp, handle, local_step, gradient_indices, gradient_values, gradient_shape, has_known_shape):
        known = gradient_shape if has_known_shape else None
        of(SparseAccumulator, handle).apply(int(local_step), (gradient_indices, gradient_values, known))
        return []

    grad = NOT_DIFFERENTIABLE


def _count_shape(handle):
    return ()


def _count(xp, handle):
    return xp.int32(of(Accumulator, handle).count)


@declare("AccumulatorNumAccumulated(handle: Ref[string]) -> num_accumulated: int32", **_NOW)
class AccumulatorNumAccumulated:
    """How many gradients there are."""

    shape, kernel, grad = _count_shape, _count, NOT_DIFFERENTIABLE


@declare("ResourceAccumulatorNumAccumulated(handle: resource) -> num_accumulated: int32", **_NOW)
class ResourceAccumulatorNumAccumulated:
    """How many gradients there are."""

    shape, kernel, grad = _count_shape, _count, NOT_DIFFERENTIABLE


def _step_shape(handle, new_global_step):
    return []


def _set_step(xp, handle, new_global_step):
    of(Accumulator, handle).set_step(int(new_global_step))
    return []


@declare("AccumulatorSetGlobalStep(handle: Ref[string], new_global_step: int64)", **_NOW)
class AccumulatorSetGlobalStep:
    """Sets the step before which gradients are too old."""

    shape, kernel, grad = _step_shape, _set_step, NOT_DIFFERENTIABLE


@declare("ResourceAccumulatorSetGlobalStep(handle: resource, new_global_step: int64)", **_NOW)
class ResourceAccumulatorSetGlobalStep:
    """Sets the step before which gradients are too old."""

    shape, kernel, grad = _step_shape, _set_step, NOT_DIFFERENTIABLE


def _take_shape(handle, num_required):
    return None


def _take(xp, handle, num_required):
    return of(Accumulator, handle).take(int(num_required))


@declare(
    "AccumulatorTakeGradient(handle: Ref[string], num_required: int32) -> average: dtype",
    dtype=dtype_attr(NUMERIC),
    **_WAITS,
)
class AccumulatorTakeGradient:
    """Takes the mean or sum, waiting for enough gradients."""

    shape, kernel, grad = _take_shape, _take, NOT_DIFFERENTIABLE


@declare(
    "ResourceAccumulatorTakeGradient(handle: resource, num_required: int32) -> average: dtype",
    dtype=dtype_attr(NUMERIC),
    **_WAITS,
)
class ResourceAccumulatorTakeGradient:
    """Takes the mean or sum, waiting for enough gradients."""

    shape, kernel, grad = _take_shape, _take, NOT_DIFFERENTIABLE


@declare(
    "SparseAccumulatorTakeGradient(handle: Ref[string], num_required: int32) -> indices: int64, "
    "values: dtype, shape: int64",
    dtype=dtype_attr(FLOATING | NUMERIC),
    **_WAITS,
)
class SparseAccumulatorTakeGradient:
    """Takes the mean or sum of each row, waiting for enough gradients."""

    def shape(handle, num_required):
        return [None, None, None]

    def kernel(xp, handle, num_required):
        return of(SparseAccumulator, handle).take(int(num_required))

    grad = NOT_DIFFERENTIABLE
