"""Queues: what threads of a program hand each other. The object behind the handle; kernels call its
methods.
"""

from __future__ import annotations

import heapq
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from millrace.core import dtypes, errors, shapes
from millrace.core.waiting import wait_until

Element = tuple[Any, ...]


class Queue:
    """A first-in, first-out queue of tuples of arrays.

    Args:
      name: for messages.
      types: the dtypes of an element's components.
      element_shapes: their shapes, or () when any will do.
      capacity: how many elements fit; negative for any number.
    """

    kind = "FIFOQueue"

    def __init__(
        self, name: str, types: Sequence[dtypes.DType], element_shapes: Sequence[shapes.Dims], capacity: int
    ) -> None:
        self.name = name
        self.types = tuple(types)
        self.shapes = tuple(element_shapes)
        self.capacity = capacity if capacity >= 0 else float("inf")
        self.closed = False
        self._cancelled = False
        self.changed = threading.Condition()
        self._make_room()

    # --- storage: what subclasses change --------------------------------------------------------------------

    def _make_room(self) -> None:
        self._items: Any = deque()

    def _put(self, element: Element) -> None:
        self._items.append(element)

    def _take(self) -> Element:
        return self._items.popleft()

    def _ready(self, count: int) -> bool:
        """True where `count` elements can be taken now."""
        return len(self._items) >= count

    # --- operations -----------------------------------------------------------------------------------------

    def size(self) -> int:
        """How many elements there are."""
        with self.changed:
            return len(self._items)

    def close(self, cancel_pending: bool) -> None:
        """Refuses further elements; with `cancel_pending`, also those that wait for room."""
        with self.changed:
            self.closed = True
            self._cancelled |= cancel_pending
            self.changed.notify_all()

    def enqueue(self, element: Element) -> None:
        """Adds one element, waiting for room.

        Raises:
          CancelledError: the queue is closed.
          InvalidArgumentError: a component's shape does not fit.
        """
        self._check(element)
        with self.changed:
            self._refuse_closed()
            wait_until(
                self.changed,
                lambda: len(self._items) < self.capacity or self._cancelled,
                f"enqueue to queue '{self.name}'",
            )
            if self._cancelled:
                raise errors.CancelledError(
                    None, None, f"Enqueue operation was cancelled: queue '{self.name}' is closed"
                )
            self._put(element)
            self.changed.notify_all()

    def enqueue_many(self, components: Element) -> None:
        """Adds one element for each row of `components`."""
        rows = {np.shape(c)[0] if np.ndim(c) else -1 for c in components}
        if len(rows) != 1 or -1 in rows:
            raise errors.InvalidArgumentError(
                None, None, f"All components must have the same number of rows. Received: {sorted(rows)}"
            )
        elements = list(zip(*components, strict=True))
        for element in elements:
            self._check(element)
        for element in elements:
            self.enqueue(element)

    def dequeue(self) -> Element:
        """Takes one element, waiting for one.

        Raises:
          OutOfRangeError: the queue is closed and has too few elements.
        """
        with self.changed:
            wait_until(
                self.changed, lambda: self.closed or self._ready(1), f"dequeue from queue '{self.name}'"
            )
            if not self._items:
                raise self._exhausted(1)
            element = self._take()
            self.changed.notify_all()
            return element

    def dequeue_many(self, count: int, up_to: bool) -> Element:
        """Takes `count` elements, stacked; fewer at the end of a closed queue with `up_to`.

        Raises:
          OutOfRangeError: the queue is closed and has too few elements.
          InvalidArgumentError: the elements' shapes are not known to be equal.
        """
        if count < 0:
            raise errors.InvalidArgumentError(
                None, None, f"Requested {count} elements; the number may not be negative"
            )
        if not self.shapes and self.types:
            raise errors.InvalidArgumentError(
                None,
                None,
                f"{self.kind}'s DequeueMany and DequeueUpTo require the components to have specified shapes.",
            )
        taken: list[Element] = []
        with self.changed:
            # elements are collected as they come, so that more can be asked for than fit into the queue
            while len(taken) < count:
                wait_until(
                    self.changed,
                    lambda: self.closed or self._ready(1),
                    f"dequeue_many from queue '{self.name}'",
                )
                if not self._items:
                    if up_to and taken:
                        break
                    for element in reversed(taken):
                        self._put_back(element)
                    raise self._exhausted(count)
                taken.append(self._take())
                self.changed.notify_all()
        return self._stacked(taken)

    def _put_back(self, element: Element) -> None:
        self._items.appendleft(element)

    def _stacked(self, elements: list[Element]) -> Element:
        if not elements:
            return tuple(
                np.zeros((0, *[d or 0 for d in dims or ()]), dtype.np_dtype)
                for dims, dtype in zip(self.shapes, self.types, strict=True)
            )
        return tuple(_stack(column) for column in zip(*elements, strict=True))

    def _exhausted(self, wanted: int) -> errors.OutOfRangeError:
        return errors.OutOfRangeError(
            None,
            None,
            f"{self.kind} '{self.name}' is closed and has insufficient elements (requested {wanted}, "
            f"current size "
            f"{len(self._items)})",
        )

    def _refuse_closed(self) -> None:
        if self.closed:
            raise errors.CancelledError(None, None, f"{self.kind} '{self.name}' is closed.")

    def _check(self, element: Element) -> None:
        for i, (value, dims) in enumerate(zip(element, self.shapes, strict=False)):
            found = np.shape(value)
            if dims is not None and not shapes.compatible(dims, found):
                raise errors.InvalidArgumentError(
                    None,
                    None,
                    f"Shape mismatch in tuple component {i}. Expected {list(dims)}, got {list(found)}",
                )


def _stack(values: Sequence[Any]) -> np.ndarray:
    if isinstance(values[0], bytes) or (isinstance(values[0], np.ndarray) and values[0].dtype.kind == "O"):
        out = np.empty((len(values), *np.shape(values[0])), object)
        for i, value in enumerate(values):
            out[i] = value
        return out
    return np.stack(values)


class ShuffleQueue(Queue):
    """Takes elements in random order, keeping some back to choose from."""

    kind = "RandomShuffleQueue"

    def __init__(self, *args: Any, min_after_dequeue: int, seed: int, seed2: int) -> None:
        self._least = min_after_dequeue
        self._random = np.random.default_rng(
            (seed & (2**63 - 1), seed2 & (2**63 - 1)) if seed or seed2 else None
        )
        super().__init__(*args)

    def _make_room(self) -> None:
        self._items = []

    def _take(self) -> Element:
        i = int(self._random.integers(len(self._items)))
        self._items[i], self._items[-1] = self._items[-1], self._items[i]
        return self._items.pop()

    def _put_back(self, element: Element) -> None:
        self._items.append(element)

    def _ready(self, count: int) -> bool:
        return len(self._items) >= count + self._least


class PaddingQueue(Queue):
    """Pads the elements of a batch with zeros to the longest."""

    kind = "PaddingFIFOQueue"

    def _stacked(self, elements: list[Element]) -> Element:
        if not elements:
            return super()._stacked(elements)
        return tuple(_padded(column) for column in zip(*elements, strict=True))


def _padded(values: Sequence[Any]) -> np.ndarray:
    arrays = [np.asarray(v) for v in values]
    if not arrays[0].ndim:
        return _stack(values)
    longest = tuple(np.max([a.shape for a in arrays], axis=0))
    fill: Any = b"" if arrays[0].dtype.kind == "O" else 0
    out = np.full((len(arrays), *longest), fill, arrays[0].dtype)
    for row, array in zip(out, arrays, strict=True):
        row[tuple(slice(0, n) for n in array.shape)] = array
    return out


class PriorityQueue(Queue):
    """Takes the element whose first component, an int64, is the smallest; equal ones in order."""

    kind = "PriorityQueue"

    def _make_room(self) -> None:
        self._items = []
        self._count = 0

    def _put(self, element: Element) -> None:
        heapq.heappush(self._items, (int(element[0]), self._count, element))
        self._count += 1

    _put_back = _put

    def _take(self) -> Element:
        return heapq.heappop(self._items)[2]
