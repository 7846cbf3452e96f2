"""Queues: what threads of a program hand each other. The object behind the handle; kernels call its
methods.

Those who have to wait stand in line: whoever came first puts or takes first, so that a batch is one run of
elements, and closing a queue waits for those who wanted to put something in before.
"""

from __future__ import annotations

import heapq
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from millrace.core import errors, shapes
from millrace.core.waiting import WouldWait, attempting, wait_until
from millrace.opkit.random.seeds import generator
from millrace.opkit.random.stream import WordStream
from millrace.opkit.state.resource import Resource

Element = tuple[Any, ...]
_Line = deque[object]


class Queue(Resource):
    """A first-in, first-out queue of tuples of arrays.

    Args:
      attrs: of the operation that makes it: `component_types`, the dtypes of an element's components;
        `shapes`, theirs, or () when any will do; `capacity`, how many elements fit, negative for any number.
    """

    kind = "FIFOQueue"

    def __init__(self, attrs: Mapping[str, Any]) -> None:
        self._attrs = attrs
        self.types = tuple(attrs["component_types"])
        self.shapes = tuple(attrs["shapes"])
        self.capacity = attrs["capacity"] if attrs["capacity"] >= 0 else float("inf")
        self.closed = False
        self.changed = threading.Condition()
        self._putting: _Line = deque()
        self._taking: _Line = deque()
        self._called_off: set[object] = set()
        self._make_room()

    def asked_for(self, attrs: Mapping[str, Any]) -> None:
        """Refuses an operation that shares the queue's name but declares another one.

        Raises:
          InvalidArgumentError: the capacity, dtypes or shapes differ.
        """
        self.confirm("capacity", attrs["capacity"], self._attrs["capacity"])
        self.confirm("component types", attrs["component_types"], self._attrs["component_types"])
        self.confirm("component shapes", attrs["shapes"], self._attrs["shapes"])

    # --- storage: what subclasses change --------------------------------------------------------------------

    def _make_room(self) -> None:
        self._items: Any = deque()

    def _put(self, element: Element) -> None:
        self._items.append(element)

    def _take(self) -> Element:
        return self._items.popleft()

    def _put_back(self, elements: list[Element]) -> None:
        self._items.extendleft(reversed(elements))

    def _held_back(self) -> int:
        """How many elements stay in the queue until it is closed."""
        return 0

    # --- operations -----------------------------------------------------------------------------------------

    def size(self) -> int:
        """How many elements there are."""
        return len(self._items)

    def close(self, cancel_pending: bool) -> None:
        """Refuses further elements, as soon as those that wait for room are in; or calls these off."""
        with self.changed:
            if cancel_pending:
                self._called_off.update(self._putting)
            elif self._putting:
                with self._in_line(self._putting) as mine:
                    wait_until(
                        self.changed,
                        lambda: self._putting[0] is mine or self.closed,
                        "Close operation",
                    )
            self.closed = True
            self.changed.notify_all()

    def enqueue(self, element: Element) -> None:
        """Adds one element, waiting for room.

        Raises:
          CancelledError: the queue is closed.
          InvalidArgumentError: a component's shape does not fit.
        """
        self._check(element, self.shapes)
        with self.changed:
            if self._putting or self.closed or len(self._items) >= self.capacity:
                self._enqueue_in_turn([element])
            else:
                self._put(element)
                self.changed.notify_all()

    def enqueue_many(self, components: Element) -> None:
        """Adds one element for each row of `components`, waiting for room for each."""
        rows = np.shape(components[0])[0] if np.ndim(components[0]) else 0
        self._check(components, [None if s is None else (rows, *s) for s in self.shapes])
        for i, component in enumerate(components):
            if not np.ndim(component) or len(component) != rows:
                raise _mismatch(i, (rows, None), np.shape(component))
        if rows:
            with self.changed:
                self._enqueue_in_turn(list(zip(*components, strict=True)))

    def _enqueue_in_turn(self, elements: list[Element]) -> None:
        if attempting() and (self._putting or len(self._items) + len(elements) > self.capacity):
            raise WouldWait(self.name)
        with self._in_line(self._putting) as mine:
            for element in elements:
                wait_until(
                    self.changed,
                    lambda: (
                        mine in self._called_off
                        or (self._putting[0] is mine and (self.closed or len(self._items) < self.capacity))
                    ),
                    "Enqueue operation",
                )
                if mine in self._called_off:
                    raise errors.CancelledError(None, None, "Enqueue operation was cancelled")
                if self.closed:
                    raise errors.CancelledError(None, None, f"{self.kind} '{self.name}' is closed.")
                self._put(element)
                self.changed.notify_all()

    def dequeue(self) -> Element:
        """Takes one element, waiting for one.

        Raises:
          OutOfRangeError: the queue is closed and has too few elements.
        """
        with self.changed:
            if self._taking or len(self._items) <= self._held_back():
                return self._dequeue_in_turn(1, False)[0]
            element = self._take()
            if self._putting:
                self.changed.notify_all()
            return element

    def dequeue_many(self, count: int, up_to: bool) -> Element:
        """Takes `count` elements, stacked; fewer at the end of a closed queue with `up_to`.

        Raises:
          OutOfRangeError: the queue is closed and has too few elements.
          InvalidArgumentError: the elements' shapes are not known to be equal.
        """
        if count < 0:
            what = "DequeueUpTo" if up_to else "DequeueMany"
            raise errors.InvalidArgumentError(
                None, None, f"{what} '{self.name}' requested {count} < 0 elements"
            )
        if not self.shapes:
            raise errors.InvalidArgumentError(
                None,
                None,
                f"{self.kind}'s DequeueMany and DequeueUpTo require the components to have specified shapes.",
            )
        if not count:
            return self._stacked([])
        with self.changed:
            taken = self._dequeue_in_turn(count, up_to)
        return self._stacked(taken)

    def _dequeue_in_turn(self, count: int, up_to: bool) -> list[Element]:
        """Takes elements as they come, so that more can be asked for than fit into the queue."""
        enough = not self._taking and len(self._items) >= count + self._held_back()
        if attempting() and not self.closed and not enough:
            raise WouldWait(self.name)
        taken: list[Element] = []
        try:
            with self._in_line(self._taking) as mine:
                while len(taken) < count:
                    wait_until(
                        self.changed,
                        lambda: (
                            self._taking[0] is mine and (self.closed or len(self._items) > self._held_back())
                        ),
                        "Dequeue operation",
                    )
                    if len(self._items) <= self._held_back():
                        if up_to and taken:
                            break
                        raise self._exhausted(count - len(taken))
                    taken.append(self._take())
                    if self._putting:
                        self.changed.notify_all()
        except BaseException:
            self._put_back(taken)
            raise
        return taken

    @contextmanager
    def _in_line(self, line: _Line) -> Any:
        """A place in `line`, given up at the end, when the next is told."""
        mine = object()
        line.append(mine)
        try:
            yield mine
        finally:
            line.remove(mine)
            self._called_off.discard(mine)
            self.changed.notify_all()

    def _stacked(self, elements: list[Element]) -> Element:
        if not elements:
            return tuple(
                np.zeros((0, *[d or 0 for d in dims or ()]), dtype.np_dtype)
                for dims, dtype in zip(self.shapes, self.types, strict=True)
            )
        return tuple(map(self._stack, zip(*elements, strict=True)))

    def _stack(self, values: Sequence[Any]) -> np.ndarray:
        first = values[0]
        if isinstance(first, bytes) or (isinstance(first, np.ndarray) and first.dtype.kind == "O"):
            out = np.empty((len(values), *np.shape(first)), object)
            for i, value in enumerate(values):
                out[i] = value
            return out
        return np.array(values)

    def _exhausted(self, wanted: int) -> errors.OutOfRangeError:
        return errors.OutOfRangeError(
            None,
            None,
            f"{self.kind} '{self.name}' is closed and has insufficient elements (requested {wanted}, "
            f"current size {len(self._items)})",
        )

    def _check(self, components: Element, wanted: Sequence[shapes.Dims]) -> None:
        if len(components) != len(self.types):
            raise errors.InvalidArgumentError(
                None,
                None,
                f"{self.kind} '{self.name}' has elements of {len(self.types)} components. "
                f"Received: {len(components)}",
            )
        for i, (value, dims) in enumerate(zip(components, wanted, strict=False)):
            found = np.shape(value)
            if dims is not None and dims != found and not shapes.compatible(dims, found):
                raise _mismatch(i, dims, found)


def _mismatch(i: int, wanted: Sequence[int | None], found: Sequence[int]) -> errors.InvalidArgumentError:
    shown = ",".join("?" if d is None else str(d) for d in wanted)
    return errors.InvalidArgumentError(
        None,
        None,
        f"Shape mismatch in tuple component {i}. Expected [{shown}], got [{','.join(map(str, found))}]",
    )


class ShuffleQueue(Queue):
    """Takes elements in random order, keeping some back to choose from."""

    kind = "RandomShuffleQueue"

    def __init__(self, attrs: Mapping[str, Any]) -> None:
        self._least = attrs["min_after_dequeue"]
        if self._least < 0 or 0 <= attrs["capacity"] <= self._least:
            raise errors.InvalidArgumentError(
                None,
                None,
                f"min_after_dequeue {self._least} must be >= 0 and < capacity {attrs['capacity']}",
            )
        self._words = WordStream(generator(attrs))
        super().__init__(attrs)

    def asked_for(self, attrs: Mapping[str, Any]) -> None:
        """As above; the fewest elements and the seeds must agree as well."""
        super().asked_for(attrs)
        self.confirm("min_after_dequeue", attrs["min_after_dequeue"], self._least)
        if attrs["seed"] or attrs["seed2"]:
            seeds = attrs["seed"], attrs["seed2"]
            self.confirm("random seeds", seeds, (self._attrs["seed"], self._attrs["seed2"]))

    def _make_room(self) -> None:
        self._items = []

    def _take(self) -> Element:
        items = self._items
        i = self._words.word() % len(items)
        items[i], items[-1] = items[-1], items[i]
        return items.pop()

    def _put_back(self, elements: list[Element]) -> None:
        self._items.extend(elements)

    def _held_back(self) -> int:
        return 0 if self.closed else self._least


class PaddingQueue(Queue):
    """Pads the elements of a batch with zeros to the longest."""

    kind = "PaddingFIFOQueue"

    def _stack(self, values: Sequence[Any]) -> np.ndarray:
        arrays = [np.asarray(v) for v in values]
        first = arrays[0].shape
        if not first or all(a.shape == first for a in arrays):
            return super()._stack(values)
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

    def _put_back(self, elements: list[Element]) -> None:
        for i, element in enumerate(elements):
            heapq.heappush(self._items, (int(element[0]), i - len(elements), element))

    def _take(self) -> Element:
        return heapq.heappop(self._items)[2]
