"""Operations of barriers, which gather tuples by key. A handle's value is the barrier itself, kept in the
session's cell of the operation that makes it.
"""

from __future__ import annotations

import numpy as np

from millrace.core import shapes
from millrace.core.dtypes import ALL
from millrace.core.errors import refusal
from millrace.graph.attrs import dtype as dtype_attr
from millrace.graph.attrs import flag, integer, shape_list, text, types
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.state.barriers import Barrier as _Barrier
from millrace.opkit.state.resource import of


@declare(
    "Barrier() -> handle: Ref[string]",
    component_types=types(minimum=1),
    shapes=shape_list(default=()),
    capacity=integer(default=-1),
    container=text(default=""),
    shared_name=text(default=""),
    state=_Barrier,
    host=True,
)
class Barrier:
    """A barrier."""

    def shape():
        return (2,)

    def kernel(xp, state):
        return state, state

    grad = NOT_DIFFERENTIABLE


@declare(
    "BarrierInsertMany(handle: Ref[string], keys: string, values: T)",
    T=dtype_attr(ALL),
    component_index=integer(),
    effect=True,
    host=True,
)
class BarrierInsertMany:
    """Gives each key a value for one component."""

    def shape(handle, keys, values):
        if keys is not None and len(keys) != 1:
            raise ValueError(f"keys must be a vector. Received: rank {len(keys)}")
        if keys is not None and values is not None and not shapes.compatible(keys[:1], values[:1]):
            raise ValueError(f"there must be a value for each key. Received: {keys} and {values}")
        return []

    def kernel(xp, handle, keys, values, component_index):
        barrier = of(_Barrier, handle)
        kinds = barrier.types
        if 0 <= component_index < len(kinds) and np.asarray(values).dtype != kinds[component_index].np_dtype:
            raise refusal(
                f"component {component_index} has dtype {kinds[component_index].name}. "
                f"Received: {np.asarray(values).dtype}",
            )
        barrier.insert_many(list(keys), list(values), component_index)
        return []

    grad = NOT_DIFFERENTIABLE


@declare(
    "BarrierTakeMany(handle: Ref[string], num_elements: int32) -> indices: int64, keys: string, "
    "values: component_types",
    component_types=types(minimum=1),
    allow_small_batch=flag(False),
    wait_for_incomplete=flag(False),
    timeout_ms=integer(default=-1),
    effect=True,
    host=True,
    blocking=True,
)
class BarrierTakeMany:
    """Takes complete tuples."""

    def shape(handle, num_elements, component_types):
        return [(None,), (None,), *[None] * len(component_types)]

    def kernel(xp, handle, num_elements, allow_small_batch, wait_for_incomplete, timeout_ms):
        barrier = of(_Barrier, handle)
        return barrier.take_many(int(num_elements), allow_small_batch, wait_for_incomplete, timeout_ms)

    grad = NOT_DIFFERENTIABLE


@declare("BarrierClose(handle: Ref[string])", cancel_pending_enqueues=flag(False), effect=True, host=True)
class BarrierClose:
    """Closes the barrier: no new keys."""

    def shape(handle):
        return []

    def kernel(xp, handle, cancel_pending_enqueues):
        of(_Barrier, handle).close(cancel_pending_enqueues)
        return []

    grad = NOT_DIFFERENTIABLE


@declare("BarrierReadySize(handle: Ref[string]) -> size: int32", effect=True, host=True)
class BarrierReadySize:
    """How many tuples are complete."""

    def shape(handle):
        return ()

    def kernel(xp, handle):
        return xp.int32(of(_Barrier, handle).ready_size())

    grad = NOT_DIFFERENTIABLE


@declare("BarrierIncompleteSize(handle: Ref[string]) -> size: int32", effect=True, host=True)
class BarrierIncompleteSize:
    """How many tuples lack components."""

    def shape(handle):
        return ()

    def kernel(xp, handle):
        return xp.int32(of(_Barrier, handle).incomplete_size())

    grad = NOT_DIFFERENTIABLE
