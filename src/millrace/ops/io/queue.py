"""Queue operations. A handle's value is the queue itself, kept in the session's cell of the operation that
makes it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.core import dtypes
from millrace.core.errors import refusal
from millrace.graph.attrs import flag, integer, shape_list, text, types
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.rules.families import handle
from millrace.opkit.state.queues import PaddingQueue, PriorityQueue, Queue, ShuffleQueue
from millrace.opkit.state.resource import of

_COMMON: dict[str, Any] = dict(
    shapes=shape_list(default=()),
    capacity=integer(default=-1),
    container=text(default=""),
    shared_name=text(default=""),
)


def _with_priority(attrs: Any) -> dict[str, Any]:
    """The attributes with the priority, which comes before the other components."""
    kinds, dims = (dtypes.int64, *attrs["component_types"]), ((), *attrs["shapes"])
    return {**attrs, "component_types": kinds, "shapes": dims}


def _confirming(kind: type[Queue], seen: Callable[[Any], Any] = dict) -> Callable[..., Any]:
    """The kernel of a handle: another operation of the same shared name may have made the queue."""

    def kernel(xp: Any, queue: Queue, **attrs: Any) -> tuple[Queue, Queue]:
        if type(queue) is not kind:
            raise refusal(f"Expected {queue.kind}, found {kind.kind}")
        queue.asked_for(seen(attrs))
        return queue, queue

    return kernel


FIFOQueueV2 = handle(
    "FIFOQueueV2() -> handle: resource",
    Queue,
    "A first-in, first-out queue.",
    __name__,
    kernel=_confirming(Queue),
    component_types=types(minimum=1),
    **_COMMON,
)


PaddingFIFOQueueV2 = handle(
    "PaddingFIFOQueueV2() -> handle: resource",
    PaddingQueue,
    "A first-in, first-out queue that pads the elements of a batch.",
    __name__,
    kernel=_confirming(PaddingQueue),
    component_types=types(minimum=1),
    **_COMMON,
)


RandomShuffleQueueV2 = handle(
    "RandomShuffleQueueV2() -> handle: resource",
    ShuffleQueue,
    "A queue whose elements come out in random order.",
    __name__,
    kernel=_confirming(ShuffleQueue),
    component_types=types(minimum=1),
    shapes=_COMMON["shapes"],
    capacity=_COMMON["capacity"],
    min_after_dequeue=integer(default=0),
    seed=integer(default=0),
    seed2=integer(default=0),
    container=_COMMON["container"],
    shared_name=_COMMON["shared_name"],
)


PriorityQueueV2 = handle(
    "PriorityQueueV2() -> handle: resource",
    lambda attrs: PriorityQueue(_with_priority(attrs)),
    "A queue ordered by the first component, an int64.",
    __name__,
    kernel=_confirming(PriorityQueue, _with_priority),
    component_types=types(default=()),
    **{**_COMMON, "shapes": shape_list()},
)


@declare(
    "QueueEnqueueV2(handle: resource, components: Tcomponents)",
    Tcomponents=types(minimum=1),
    timeout_ms=integer(default=-1),
    effect=True,
    host=True,
    blocking=True,
)
class QueueEnqueueV2:
    """Adds one element, waiting for room."""

    def shape(handle, components):
        return []

    def kernel(xp, handle, components):
        of(Queue, handle).enqueue(_kept(components))
        return []

    grad = NOT_DIFFERENTIABLE


@declare(
    "QueueEnqueueManyV2(handle: resource, components: Tcomponents)",
    Tcomponents=types(minimum=1),
    timeout_ms=integer(default=-1),
    effect=True,
    host=True,
    blocking=True,
)
class QueueEnqueueManyV2:
    """Adds one element for each row."""

    def shape(handle, components):
        return []

    def kernel(xp, handle, components):
        of(Queue, handle).enqueue_many(_kept(components))
        return []

    grad = NOT_DIFFERENTIABLE


def _kept(components: Any) -> tuple[Any, ...]:
    """Copies: the arrays of a run may be the caller's, or change with a variable."""
    return tuple(c.copy() if hasattr(c, "copy") else c for c in components)


@declare(
    "QueueDequeueV2(handle: resource) -> components: component_types",
    component_types=types(minimum=1),
    timeout_ms=integer(default=-1),
    effect=True,
    host=True,
    blocking=True,
)
class QueueDequeueV2:
    """Takes one element, waiting for one."""

    def shape(handle, component_types):
        return [None] * len(component_types)

    def kernel(xp, handle):
        return of(Queue, handle).dequeue()

    grad = NOT_DIFFERENTIABLE


@declare(
    "QueueDequeueManyV2(handle: resource, n: int32) -> components: component_types",
    component_types=types(minimum=1),
    timeout_ms=integer(default=-1),
    effect=True,
    host=True,
    blocking=True,
)
class QueueDequeueManyV2:
    """Takes `n` elements, stacked."""

    def shape(handle, n, component_types):
        return [None] * len(component_types)

    def kernel(xp, handle, n):
        return of(Queue, handle).dequeue_many(int(n), False)

    grad = NOT_DIFFERENTIABLE


@declare(
    "QueueDequeueUpToV2(handle: resource, n: int32) -> components: component_types",
    component_types=types(minimum=1),
    timeout_ms=integer(default=-1),
    effect=True,
    host=True,
    blocking=True,
)
class QueueDequeueUpToV2:
    """Takes `n` elements, stacked, or what is left in a closed queue."""

    def shape(handle, n, component_types):
        return [None] * len(component_types)

    def kernel(xp, handle, n):
        return of(Queue, handle).dequeue_many(int(n), True)

    grad = NOT_DIFFERENTIABLE


@declare(
    "QueueCloseV2(handle: resource)",
    cancel_pending_enqueues=flag(False),
    effect=True,
    host=True,
    blocking=True,
)
class QueueCloseV2:
    """Closes the queue, after those that wait to put something in: no more elements go in."""

    def shape(handle):
        return []

    def kernel(xp, handle, cancel_pending_enqueues):
        of(Queue, handle).close(cancel_pending_enqueues)
        return []

    grad = NOT_DIFFERENTIABLE


@declare("QueueIsClosedV2(handle: resource) -> is_closed: bool", effect=True, host=True)
class QueueIsClosedV2:
    """Whether the queue is closed."""

    def shape(handle):
        return ()

    def kernel(xp, handle):
        return xp.bool_(of(Queue, handle).closed)

    grad = NOT_DIFFERENTIABLE


@declare("QueueSizeV2(handle: resource) -> size: int32", effect=True, host=True)
class QueueSizeV2:
    """How many elements the queue has."""

    def shape(handle):
        return ()

    def kernel(xp, handle):
        return xp.int32(of(Queue, handle).size())

    grad = NOT_DIFFERENTIABLE
