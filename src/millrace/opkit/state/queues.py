"""Queues: what threads of a program hand each other. The object behind the handle; kernels call its
methods.

Those who have to wait stand in line: whoever came first puts or takes first, so that a batch is one run of
elements, and closing a queue waits for those who wanted to put something in before. Whoever changes the
queue serves those in line, so that a thread wakes once for a batch and not for each of its elements.
"""

from __future__ import annotations

import contextlib
import heapq
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from millrace.core import errors, shapes
from millrace.core.errors import refusal
from millrace.core.waiting import WouldWait, attempting, wait_until
from millrace.opkit.random.seeds import generator
from millrace.opkit.random.stream import WordStream
from millrace.opkit.state.resource import Resource

Element = tuple[Any, ...]


class _Attempt:
    """What a thread that stands in line wants.

    Attributes:
      elements: those to put in, or those taken so far; None to close the queue.
      count, up_to: how many to take.
      place: how many have been put in.
      done: it has been served, or has failed with `error`.
      changed: notified when it is done.
    """

    __slots__ = ("changed", "count", "done", "elements", "error", "place", "up_to")

    def __init__(
        self, lock: threading.Lock, elements: list[Element] | None, count: int = 0, up_to: bool = False
    ) -> None:
        self.elements = elements
        self.count = count
        self.up_to = up_to
        self.place = 0
        self.done = False
        self.error: errors.OpError | None = None
        self.changed = threading.Condition(lock)

    def end(self, error: errors.OpError | None = None) -> None:
        """Tells the thread."""
        self.done, self.error = True, error
        self.changed.notify_all()


class Queue(Resource):
    """A first-in, first-out queue of tuples of arrays.

    Args:
      attrs: of the operation that makes it: `component_types`, the dtypes of an element's components;
        `shapes`, theirs, or () when any will do; `capacity`, how many elements fit, negative for any number.
    """

    kind = "FIFOQueue"
    whole = False  # whether a batch is taken only when all of it is there

    def __init__(self, attrs: Mapping[str, Any]) -> None:
        self._attrs = attrs
        self.types = tuple(attrs["component_types"])
        self.shapes = tuple(attrs["shapes"])
        self.capacity = attrs["capacity"] if attrs["capacity"] >= 0 else float("inf")
        self.closed = False
        self._lock = threading.Lock()
        self._putting: deque[_Attempt] = deque()
        self._taking: deque[_Attempt] = deque()
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
        """Refuses further elements, as soon as those that wait for room are in; or calls these off.

        Raises:
          CancelledError: it is closed already, and nothing is to be called off.
        """
        with self._lock:
            if self.closed and not cancel_pending:
                raise errors.CancelledError(None, None, f"{self.kind} is already closed.")
            if cancel_pending:
                for put in self._putting:
                    put.end(errors.CancelledError(None, None, "Enqueue operation was cancelled"))
                self._putting.clear()
            elif self._putting:
                self._wait(_Attempt(self._lock, None), self._putting, "Close operation")
                return
            self.closed = True
            self._serve()

    def enqueue(self, element: Element) -> None:
        """Adds one element, waiting for room.

        Raises:
          CancelledError: the queue is closed.
          InvalidArgumentError: a component's shape does not fit.
        """
        self._check(element, self.shapes)
        with self._lock:
            if self._putting or self.closed or len(self._items) >= self.capacity:
                self._enqueue_in_turn([element])
                return
            self._put(element)
            if self._taking:
                self._serve()

    def enqueue_many(self, components: Element) -> None:
        """Adds one element for each row of `components`, waiting for room for each."""
        rows = np.shape(components[0])[0] if np.ndim(components[0]) else 0
        self._check(components, [None if s is None else (rows, *s) for s in self.shapes])
        for i, component in enumerate(components):
            if not np.ndim(component) or len(component) != rows:
                raise _mismatch(i, (rows, None), np.shape(component))
        if rows:
            with self._lock:
                self._enqueue_in_turn(self._rows(components))

    def enqueue_while_open(self, components: Element) -> int:
        """`enqueue_many` that does not fail when the queue is closed.

        Returns:
          How many elements went in.
        """
        self._check(components, [None if s is None else (None, *s) for s in self.shapes])
        attempt = _Attempt(self._lock, self._rows(components))
        with self._lock, contextlib.suppress(errors.CancelledError):
            self._wait(attempt, self._putting, "Enqueue operation")
        return attempt.place

    def room(self) -> float:
        """How many elements can go in at present."""
        return self.capacity - len(self._items) if not self._putting else 0

    def _rows(self, components: Element) -> list[Element]:
        return list(zip(*components, strict=True))

    def _enqueue_in_turn(self, elements: list[Element]) -> None:
        if self.closed and not self._putting:
            raise self._refusal()
        if attempting() and (self._putting or len(self._items) + len(elements) > self.capacity):
            raise WouldWait(self.name)
        self._wait(_Attempt(self._lock, elements), self._putting, "Enqueue operation")

    def dequeue(self) -> Element:
        """Takes one element, waiting for one.

        Raises:
          OutOfRangeError: the queue is closed and has too few elements.
        """
        with self._lock:
            if self._taking or len(self._items) <= self._held_back():
                return self._dequeue_in_turn(1, False)[0]
            element = self._take()
            if self._putting:
                self._serve()
            return element

    def dequeue_some(self, most: int) -> list[Element]:
        """Takes the elements that are there, up to `most`, waiting for the first.

        Raises:
          OutOfRangeError: the queue is closed and has too few elements.
        """
        with self._lock:
            if self._taking or len(self._items) <= self._held_back():
                taken = self._dequeue_in_turn(1, False)
            else:
                taken = []
            while len(taken) < most and not self._taking:
                count = min(most - len(taken), len(self._items) - self._held_back())
                if count <= 0:
                    break
                taken += [self._take() for _ in range(count)]
                if self._putting:
                    self._serve()
            return taken

    def give_back(self, elements: list[Element]) -> None:
        """Puts elements back to where they were taken from; whoever took them could not use them."""
        if elements:
            with self._lock:
                self._put_back(elements)
                self._serve()

    def dequeue_many(self, count: int, up_to: bool) -> Element:
        """Takes `count` elements, stacked; fewer at the end of a closed queue with `up_to`.

        Raises:
          OutOfRangeError: the queue is closed and has too few elements.
          InvalidArgumentError: the elements' shapes are not known to be equal.
        """
        if count < 0:
            what = "DequeueUpTo" if up_to else "DequeueMany"
            raise refusal(f"{what} '{self.name}' requested {count} < 0 elements")
        if not self.shapes:
            raise refusal(
                f"{self.kind}'s DequeueMany and DequeueUpTo require the components to have specified shapes.",
            )
        if not count:
            return self.stacked([])
        with self._lock:
            taken = self._dequeue_in_turn(count, up_to)
        return self.stacked(taken)

    def _dequeue_in_turn(self, count: int, up_to: bool) -> list[Element]:
        """Takes elements as they come, so that more can be asked for than fit into the queue."""
        enough = not self._taking and len(self._items) >= count + self._held_back()
        if attempting() and not self.closed and not enough:
            raise WouldWait(self.name)
        attempt = _Attempt(self._lock, [], count, up_to)
        self._wait(attempt, self._taking, "Dequeue operation")
        return attempt.elements or []

    def _wait(self, attempt: _Attempt, line: deque[_Attempt], what: str) -> None:
        """Stands in `line` until the attempt has been served, by this thread or by another one."""
        line.append(attempt)
        self._serve()
        if not attempt.done:
            try:
                wait_until(attempt.changed, lambda: attempt.done, what)
            except BaseException:
                if attempt in line:
                    line.remove(attempt)
                    if line is self._taking:
                        self._put_back(attempt.elements or [])
                self._serve()
                raise
        if attempt.error is not None:
            raise attempt.error

    def _serve(self) -> None:
        """Does what those in line want, as far as it goes, and wakes those who have got it.

        Whoever changes the queue does it for the others: a thread is woken once for its whole wish.
        """
        while self._serve_puts() | self._serve_takes():
            pass

    def _serve_puts(self) -> bool:
        moved, items, line = False, self._items, self._putting
        while line:
            put = line[0]
            if put.elements is None:
                self.closed = True
            elif self.closed:
                put.end(self._refusal())
                line.popleft()
                continue
            else:
                while put.place < len(put.elements) and len(items) < self.capacity:
                    self._put(put.elements[put.place])
                    put.place += 1
                    moved = True
                if put.place < len(put.elements):
                    return moved
            put.end()
            line.popleft()
            moved = True
        return moved

    def _serve_takes(self) -> bool:
        moved, items, line = False, self._items, self._taking
        while line:
            take = line[0]
            taken = take.elements
            assert taken is not None
            if self.whole and not self.closed and len(items) < take.count:
                return moved
            while len(taken) < take.count and len(items) > self._held_back():
                taken.append(self._take())
                moved = True
            if len(taken) < take.count:
                if not self.closed:
                    return moved
                if not (take.up_to and taken):
                    take.end(self._exhausted(take.count - len(taken)))
                    self._put_back(taken)
                    line.popleft()
                    continue
            take.end()
            line.popleft()
        return moved

    def _refusal(self) -> errors.CancelledError:
        return errors.CancelledError(None, None, f"{self.kind} '{self.name}' is closed.")

    def stacked(self, elements: list[Element]) -> Element:
        """The components of elements, a row for each."""
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
                out[i] = value[()] if isinstance(value, np.ndarray) else value
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
            raise refusal(
                f"{self.kind} '{self.name}' has elements of {len(self.types)} components. "
                f"Received: {len(components)}",
            )
        for i, (value, dims) in enumerate(zip(components, wanted, strict=False)):
            found = value.shape if isinstance(value, np.ndarray) else np.shape(value)
            if dims is not None and dims != found and not shapes.compatible(dims, found):
                raise _mismatch(i, dims, found)


def _mismatch(i: int, wanted: Sequence[int | None], found: Sequence[int]) -> errors.InvalidArgumentError:
    shown = ",".join("?" if d is None else str(d) for d in wanted)
    return refusal(
        f"Shape mismatch in tuple component {i}. Expected [{shown}], got [{','.join(map(str, found))}]",
    )


class ShuffleQueue(Queue):
    """Takes elements in random order, keeping some back to choose from."""

    kind = "RandomShuffleQueue"

    def __init__(self, attrs: Mapping[str, Any]) -> None:
        self._least = attrs["min_after_dequeue"]
        if self._least < 0 or 0 <= attrs["capacity"] <= self._least:
            raise refusal(
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

    def _rows(self, components: Element) -> list[Element]:
        """Copies: one element that stays for long must not keep all rows in memory."""
        return [
            tuple(c.copy() if isinstance(c, np.ndarray) else c for c in row)
            for row in super()._rows(components)
        ]

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


class _Ranked:
    """An element in a heap, which compares nothing but priorities."""

    __slots__ = ("element", "rank")

    def __init__(self, element: Element) -> None:
        self.element = element
        self.rank = int(element[0])

    def __lt__(self, other: _Ranked) -> bool:
        return self.rank < other.rank


class PriorityQueue(Queue):
    """Takes the element whose first component, an int64, is the smallest; equal ones in the order of a binary
    heap, which `heapq` keeps as C++'s standard library does.
    """

    kind = "PriorityQueue"
    whole = True  # an element that is yet to come may be the first

    def _make_room(self) -> None:
        self._items = []

    def _put(self, element: Element) -> None:
        heapq.heappush(self._items, _Ranked(element))

    def _put_back(self, elements: list[Element]) -> None:
        for element in elements:
            self._put(element)

    def _take(self) -> Element:
        return heapq.heappop(self._items).element
