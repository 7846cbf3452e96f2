"""Queue operations. A handle's value is the queue itself, kept in the session's cell of the operation that
makes it.
"""

from __future__ import annotations

from typing import Any

from millrace.core import dtypes
from millrace.core.errors import refusal
from millrace.graph.attrs import flag, integer, shape_list, text, types
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.state.queues import PaddingQueue, PriorityQueue, Queue, ShuffleQueue
from millrace.opkit.state.resource import of

_COMMON: dict[str, Any] = dict(
    shapes=shape_list(default=()),
    capacity=integer(default=-1),
    container=text(default=""),
    shared_name=text(default=""),
)


def _confirmed(queue: Queue, kind: type[Queue], attrs: dict[str, Any]) -> tuple[Queue, Queue]:
    """The queue of a handle, which another operation of the same shared name may have made."""
    if type(queue) is not kind:
        raise refusal(f"Expected {queue.kind}, found {kind.kind}")
    queue.asked_for(attrs)
    return queue, queue


@declare(
    "FIFOQueueV2() -> handle: resource",
    component_types=types(minimum=1),
    **_COMMON,
    state=Queue,
    host=True,
)
class FIFOQueueV2:
    """A first-in, first-out queue."""

    def shape():
        return ()

    def kernel(xp, queue, **attrs):
        return _confirmed(queue, Queue, attrs)

    grad = NOT_DIFFERENTIABLE


@declare(
    "PaddingFIFOQueueV2() -> handle: resource",
    component_types=types(minimum=1),
    **_COMMON,
    state=PaddingQueue,
    host=True,
)
class PaddingFIFOQueueV2:
    """A first-in, first-out queue that pads the elements of a batch."""

    def shape():
        return ()

    def kernel(xp, queue, **attrs):
        return _confirmed(queue, PaddingQueue, attrs)

    grad = NOT_DIFFERENTIABLE


@declare(
    "RandomShuffleQueueV2() -> handle: resource",
    component_types=types(minimum=1),
    **_COMMON,
    min_after_dequeue=integer(default=0),
    seed=integer(default=0),
    seed2=integer(default=0),
    state=ShuffleQueue,
    host=True,
)
class RandomShuffleQueueV2:
    """A queue whose elements come out in random order."""

    def shape():
        return ()

    def kernel(xp, queue, **attrs):
        return _confirmed(queue, ShuffleQueue, attrs)

    grad = NOT_DIFFERENTIABLE


def _with_priority(attrs: Any) -> dict[str, Any]:
    """The attributes with the priority, which comes before the other components."""
    kinds, dims = (dtypes.int64, *attrs["component_types"]), ((), *attrs["shapes"])
    return {**attrs, "component_types": kinds, "shapes": dims}


@declare(
    "PriorityQueueV2() -> handle: resource",
    component_types=types(default=()),
    **_COMMON,
    state=lambda attrs: PriorityQueue(_with_priority(attrs)),
    host=True,
)
class PriorityQueueV2:
    """A queue ordered by the first component, an int64."""

    def shape():
        return ()

    def kernel(xp, queue, **attrs):
        return _confirmed(queue, PriorityQueue, _with_priority(attrs))

    grad = NOT_DIFFERENTIABLE


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
