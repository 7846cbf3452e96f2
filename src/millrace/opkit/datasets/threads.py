"""Threads of pipelines: a buffer that a thread fills, and threads that do pieces of work.

Threads hold no reference to the stage that uses them, so that a forgotten iterator ends its threads; all are
daemons, and all end when the session is closed.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from millrace.core import errors
from millrace.core.waiting import Cancellation, limited, wait_until, wake, wake_from_finalizer
from millrace.opkit.datasets.base import Element, Run, Stage, error_of, state_of

_PATIENCE = 2.0  # seconds that closing waits for threads to end
Wake = Callable[[threading.Condition], None]
"""How those are woken who wait: a finalizer must not wait for a lock itself."""


class _Buffer:
    """What a thread and the one who takes its elements share."""

    def __init__(self, stage: Stage, size: int, run: Run) -> None:
        self.stage = stage
        self.size = size
        self.cancellation = run.cancellation
        self.items: deque[Any] = deque()
        self.changed = threading.Condition()
        self.busy = threading.Lock()  # held while an element is made, so that what is saved fits together
        self.full = False  # the thread waits, or is about to wait, for room
        self.done = False  # no more items will come
        self.stopped = False

    def fill(self) -> None:
        """The thread's work."""
        np.seterr(all="ignore")
        try:
            with limited(self.cancellation):
                while self._has_room():
                    with self.busy:
                        try:
                            item: Any = self.stage.next()
                        except BaseException as error:  # whatever it is belongs to who takes the element
                            item = error
                        if item is None or self.stopped or self.cancellation.cancelled:
                            break
                        self.items.append(item)
                    if len(self.items) == 1:
                        with self.changed:
                            self.changed.notify_all()
        except errors.CancelledError:
            pass
        finally:
            with self.changed:
                self.done = True
                self.changed.notify_all()
            self.stage.close()

    def _has_room(self) -> bool:
        """Waits for room; False when nobody wants more."""
        self.full = True
        if len(self.items) < self.size:
            self.full = False
            return not self.stopped
        with self.changed:
            wait_until(
                self.changed, lambda: self.stopped or len(self.items) < self.size, "a prefetching thread"
            )
            self.full = False
        return not self.stopped

    def stop(self, wake: Wake = wake) -> None:
        """Ends the thread as soon as it looks."""
        self.stopped = True
        wake(self.changed)


def _end(threads: Iterable[threading.Thread], cancellation: Cancellation) -> None:
    """Waits for threads that were told to end; one that is about to start ends by itself.

    When a session is closed, all its pipelines' threads together get the time that else those of a stage get.
    """
    until = (cancellation.since or time.monotonic()) + _PATIENCE
    for thread in threads:
        if thread.ident is not None and thread is not threading.current_thread():
            thread.join(max(until - time.monotonic(), 0))


class _Filling(threading.Thread):
    """A thread that does nothing but run a stage ahead of the program."""


class Background(Stage):
    """Another stage, run ahead by a thread that keeps up to `size` elements."""

    __slots__ = ("_buffer", "_thread", "_what", "input")

    def __init__(self, stage: Stage, size: int, run: Run, what: str) -> None:
        self.input = stage
        self._buffer = _Buffer(stage, size, run)
        run.waits = True
        self._what = what
        self._thread: threading.Thread | None = None

    def next(self) -> Element | None:
        buffer = self._buffer
        if self._thread is None:
            self._thread = _Filling(target=buffer.fill, name=f"millrace {self._what}", daemon=True)
            self._thread.start()
        items = buffer.items
        if not items:
            with buffer.changed:
                if buffer.full:
                    buffer.changed.notify_all()
                wait_until(buffer.changed, lambda: bool(items) or buffer.done, self._what)
            if not items:
                return None
        item = items.popleft()
        if buffer.full:
            with buffer.changed:
                buffer.changed.notify_all()
        if type(item) is not tuple and isinstance(item, BaseException):
            raise item
        return item if type(item) is tuple else tuple(item)

    @property
    def ready(self) -> bool:
        """True where the next element is there already."""
        return bool(self._buffer.items)

    def save(self) -> Any:
        with self._buffer.busy:
            items = [
                state_of(item) if isinstance(item, BaseException) else tuple(item)
                for item in self._buffer.items
            ]
            return {"items": items, "input": self.input.save()}

    def restore(self, state: Any) -> None:
        self._buffer.items.extend(
            error_of(item) if isinstance(item, dict) else tuple(item) for item in state["items"]
        )
        self.input.restore(state["input"])

    def close(self) -> None:
        buffer, thread = self._buffer, self._thread
        buffer.stop()
        if thread is None:
            self.input.close()
        else:
            _end([thread], buffer.cancellation)

    def __del__(self) -> None:
        self._buffer.stop(wake_from_finalizer)


class _Job:
    """One call in a pool."""

    __slots__ = ("_pool", "done", "error", "value")

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.done = False
        self.value: Any = None
        self.error: BaseException | None = None

    def result(self) -> Any:
        """What the call returned, once it has; raises what it raised.

        Raises:
          CancelledError: another thread has closed the pool.
        """
        pool = self._pool
        if not self.done:
            with pool.changed:
                wait_until(pool.changed, lambda: self.done or pool.closed, pool.what)
        if not self.done:
            raise errors.CancelledError(None, None, f"{pool.what} was cancelled: its iterator was closed")
        if self.error is not None:
            raise self.error
        return self.value


class Pool:
    """Threads that do pieces of work, as many as there are threads, while somebody asks for results.

    Args:
      run: whose waits end with the session.
      count: how many threads.
      take: gives the next piece of work, a function, or None at the end.
      what: for messages.
    """

    def __init__(self, run: Run, count: int, take: Callable[[], Callable[[], Any] | None], what: str) -> None:
        self.what = what
        self.changed = threading.Condition()
        self._count = count
        self._take = take
        self._cancellation = run.cancellation
        run.waits = True
        self._jobs: deque[_Job] = deque()
        self._waiting: deque[Any] = deque()
        self._threads: list[threading.Thread] = []
        self.closed = False

    def next(self) -> Any:
        """The result of the oldest piece of work, waited for, with others under way; None at the end."""
        jobs = self._jobs
        while len(jobs) < self._count and (work := self._take()) is not None:
            jobs.append(self._submit(work))
        if not jobs:
            return None
        found = jobs[0].result()
        jobs.popleft()
        return found

    def paused(self, look: Callable[[list[Any]], Any]) -> Any:
        """What `look` says of all results, once they are there."""
        return look([job.result() for job in self._jobs])

    def _submit(self, work: Callable[[], Any]) -> _Job:
        job = _Job(self)
        with self.changed:
            self._waiting.append((job, work))
            if len(self._threads) < self._count:
                thread = threading.Thread(target=self._work, name=f"millrace {self.what}", daemon=True)
                self._threads.append(thread)
                thread.start()
            self.changed.notify_all()
        return job

    def _work(self) -> None:
        np.seterr(all="ignore")
        with limited(self._cancellation):
            while True:
                try:
                    with self.changed:
                        wait_until(self.changed, lambda: self.closed or bool(self._waiting), self.what)
                        if self.closed:
                            return
                        job, work = self._waiting.popleft()
                except errors.CancelledError:
                    return
                try:
                    job.value = work()
                except BaseException as error:  # whatever it is belongs to who asks for the result
                    job.error = error
                with self.changed:
                    job.done = True
                    self.changed.notify_all()

    def stop(self, wake: Wake = wake) -> None:
        """Ends the threads as soon as they look; what has not begun is not done."""
        self.closed = True
        wake(self.changed)

    def close(self) -> None:
        """Ends the threads."""
        self.stop()
        _end(self._threads, self._cancellation)


class Line:
    """Threads that take pieces of work by themselves, one after the other, and line up what comes of them.

    Nobody hands anything to a thread, so that none has to be woken for a piece of work. A thread that runs a
    stage ahead does pieces itself where it would have to wait, and is one of them: one more would only take
    the processor from a thread that holds the interpreter.

    Args:
      run: whose waits end with the session.
      count: how many threads, at least two.
      take: gives the next piece of work, a function, or None at the end; called in one thread at a time. It
        must not hold the stage that owns the line.
      what: for messages.
    """

    def __init__(self, run: Run, count: int, take: Callable[[], Callable[[], Any] | None], what: str) -> None:
        self._what = what
        self._room = count + 1  # one waits, so that no thread has to
        self._count = count
        self._take = take
        self._cancellation = run.cancellation
        self._changed = threading.Condition()
        self._line: deque[list[Any]] = deque()  # of what is being done: its result, once there is one
        self._threads: list[threading.Thread] = []
        self._taking = self._ended = self._closed = self._helps = False
        self._all_wanted = False  # somebody waits for every result, not for the oldest
        run.waits = True

    def next(self) -> Any:
        """The result of the oldest piece of work, waited for; None at the end."""
        line, changed = self._line, self._changed
        if not self._threads:
            self._begin()
        while self._helps and not (line and line[0]) and self._do_next(waits=False):
            pass
        with changed:
            wait_until(changed, lambda: bool(line[0]) if line else self._ended or self._closed, self._what)
            if not line:
                return None
            (result,) = line.popleft()
            changed.notify_all()
        return result

    def _begin(self) -> None:
        self._helps = isinstance(threading.current_thread(), _Filling)
        for _ in range(self._count - self._helps):
            thread = threading.Thread(target=self._work, name=f"millrace {self._what}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        np.seterr(all="ignore")
        with limited(self._cancellation):
            try:
                while self._do_next():
                    pass
            except errors.CancelledError:
                pass

    def _do_next(self, waits: bool = True) -> bool:
        """Does the next piece of work; False where there is no more.

        Args:
          waits: for room; else there is no more where there is no room. Who makes the room must not wait.
        """
        taken = self._next_taken(waits)
        if taken is None:
            return False
        work, place = taken
        result = work()
        with self._changed:
            place.append(result)
            if self._all_wanted or (self._line and self._line[0] is place):
                self._changed.notify_all()
        return True

    def _next_taken(self, waits: bool) -> tuple[Callable[[], Any], list[Any]] | None:
        """The next piece of work and its place in the line; None where the thread is to end."""
        changed = self._changed
        with changed:
            if waits:
                wait_until(changed, lambda: self._closed or self._ended or self._may_take(), self._what)
            if self._closed or self._ended or not self._may_take():
                return None
            self._taking = True
        work, place = None, list[Any]()
        try:
            work = self._take()
        finally:
            with changed:
                self._taking = False
                if work is None:
                    self._ended = True
                else:
                    self._line.append(place)
                changed.notify_all()
        return None if work is None else (work, place)

    def _may_take(self) -> bool:
        return not self._taking and len(self._line) < self._room

    def paused(self, look: Callable[[list[Any]], Any]) -> Any:
        """What `look` says of all results, once they are there, while nothing is taken."""
        changed = self._changed
        with changed:
            wait_until(changed, lambda: not self._taking, self._what)
            self._taking = self._all_wanted = True
        try:
            with changed:
                wait_until(changed, lambda: all(self._line), self._what)
            return look([place[0] for place in self._line])
        finally:
            with changed:
                self._taking = self._all_wanted = False
                changed.notify_all()

    def stop(self, wake: Wake = wake) -> None:
        """Ends the threads as soon as they look."""
        self._closed = True
        wake(self._changed)

    def close(self) -> None:
        """Ends the threads."""
        self.stop()
        _end(self._threads, self._cancellation)
