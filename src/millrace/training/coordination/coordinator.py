"""`Coordinator`: several threads agree on when to stop; `LooperThread` does something at intervals till
then.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from millrace.core import errors
from millrace.core.public import public
from millrace.lib.platform import log

_LOOK = 0.1  # seconds between two looks at the stop flag, while waiting for threads that nobody has stopped


@public("train.Coordinator", "python.training.coordinator.Coordinator")
class Coordinator:
    """Lets threads stop together and carries the first exception among them to whoever joins them.

    Args:
      clean_stop_exception_types: classes that ask for a stop like any other, but that `join` does not raise;
        default: `(tf.errors.OutOfRangeError,)`, the end of the data.

    Example:
      >>> import threading
      >>> coordinator = tf.train.Coordinator()
      >>> def work():
      ...     while not coordinator.should_stop():
      ...         coordinator.request_stop()
      >>> thread = threading.Thread(target=work)
      >>> thread.start()
      >>> coordinator.join([thread])
      >>> print(coordinator.should_stop())
      True
    """

    def __init__(self, clean_stop_exception_types: Any = None) -> None:
        self._clean = (errors.OutOfRangeError,)
        if clean_stop_exception_types is not None:
            self._clean = tuple(clean_stop_exception_types)
        self._lock = threading.Lock()
        self._stop_event = threading.Event()
        self._raised: BaseException | None = None
        self._joined = False
        self._registered_threads: set[threading.Thread] = set()

    def request_stop(self, ex: Any = None) -> None:
        """Asks all threads to stop.

        Args:
          ex: an exception, or what `sys.exc_info()` gives, that `join` will raise; the first one counts.
            One that comes after the threads were joined is raised at once.
        """
        error = ex[1] if isinstance(ex, tuple) else ex
        if error is not None and not isinstance(error, BaseException):
            raise TypeError(f"request_stop: an exception or exc_info is needed. Received: {ex!r}")
        if isinstance(error, self._clean):
            error = None
        with self._lock:
            if self._joined and error is not None:
                raise error
            if self._stop_event.is_set():
                return
            if error is not None and self._raised is None:
                log.info("Error reported to Coordinator: %s, %s", type(error), error)
                self._raised = error
            self._stop_event.set()

    def clear_stop(self) -> None:
        """Takes the request to stop back, and forgets the exception that came with it."""
        with self._lock:
            self._joined = False
            self._raised = None
            self._stop_event.clear()

    def should_stop(self) -> bool:
        """Whether a stop was requested."""
        return self._stop_event.is_set()

    @contextlib.contextmanager
    def stop_on_exception(self) -> Iterator[None]:
        """A context in which an exception becomes a request to stop, and goes no further."""
        try:
            yield
        except BaseException:
            self.request_stop(sys.exc_info())

    def wait_for_stop(self, timeout: float | None = None) -> bool:
        """Waits until a stop is requested, at most `timeout` seconds; says whether it was."""
        return self._stop_event.wait(timeout)

    def register_thread(self, thread: threading.Thread) -> None:
        """Adds a thread for `join` to wait for."""
        with self._lock:
            self._registered_threads.add(thread)

    def join(
        self,
        threads: Iterable[threading.Thread] | None = None,
        stop_grace_period_secs: float = 120,
        ignore_live_threads: bool = False,
    ) -> None:
        """Waits until the threads have ended, or a stop was requested and the grace period is over.

        Args:
          threads: beside the registered ones.
          stop_grace_period_secs: how long threads may go on after the request to stop.
          ignore_live_threads: threads that run on after that are not error.

        Raises:
          RuntimeError: threads run on after the grace period.
          Exception: what `request_stop` was given.
        """
        with self._lock:
            waited_for = list(self._registered_threads.union(threads or ()))
        for thread in waited_for:
            while thread.is_alive() and not self.should_stop():
                thread.join(_LOOK)
        until = time.monotonic() + stop_grace_period_secs
        for thread in waited_for:
            if thread.is_alive():
                thread.join(max(until - time.monotonic(), 0))
        late = [thread.name for thread in waited_for if thread.is_alive()]
        with self._lock:
            self._joined = True
            self._registered_threads = set()
            if self._raised is not None:
                raise self._raised
        if not late:
            return
        if not ignore_live_threads:
            raise RuntimeError(f"Coordinator stopped with threads still running: {' '.join(late)}")
        log.info("Coordinator stopped with threads still running: %s", " ".join(late))

    @property
    def joined(self) -> bool:
        """Whether `join` has returned or raised."""
        return self._joined

    def raise_requested_exception(self) -> None:
        """Raises the exception that `request_stop` was given, if there was one."""
        with self._lock:
            if self._raised is not None:
                raise self._raised


@public("train.LooperThread", "python.training.coordinator.LooperThread")
class LooperThread(threading.Thread):
    """A thread that calls something again and again until a coordinator says stop.

    Subclasses override `run_loop`, and `start_loop` and `stop_loop` for what comes before and after. An
    exception asks the coordinator to stop.

    Args:
      coord: a `Coordinator`.
      timer_interval_secs: seconds from one call to the next; None to call without a pause.
      target: what to call; None where `run_loop` is overridden.
      args, kwargs: its arguments.

    Raises:
      ValueError: `coord` is not a coordinator.
    """

    def __init__(
        self,
        coord: Coordinator,
        timer_interval_secs: float | None,
        target: Callable[..., Any] | None = None,
        args: Any = None,
        kwargs: Any = None,
    ) -> None:
        if not isinstance(coord, Coordinator):
            raise ValueError(f"LooperThread: coord must be a Coordinator. Received: {coord!r}")
        super().__init__()
        self.daemon = True
        self._coord = coord
        self._timer_interval_secs = timer_interval_secs
        self._target = target
        if target is None and (args or kwargs):
            raise ValueError(f"LooperThread: arguments need a target. Received: {args!r}, {kwargs!r}")
        self._args, self._kwargs = args or (), kwargs or {}
        coord.register_thread(self)

    @staticmethod
    def loop(
        coord: Coordinator,
        timer_interval_secs: float | None,
        target: Callable[..., Any],
        args: Any = None,
        kwargs: Any = None,
    ) -> LooperThread:
        """Starts a thread that calls `target(*args, **kwargs)` at intervals, and returns it."""
        looper = LooperThread(coord, timer_interval_secs, target=target, args=args, kwargs=kwargs)
        looper.start()
        return looper

    def run(self) -> None:
        """What the thread does."""
        with self._coord.stop_on_exception():
            self.start_loop()
            if self._timer_interval_secs is None:
                while not self._coord.should_stop():
                    self.run_loop()
            else:
                due = time.monotonic()
                while not self._coord.wait_for_stop(max(due - time.monotonic(), 0)):
                    due += self._timer_interval_secs
                    self.run_loop()
            self.stop_loop()

    def start_loop(self) -> None:
        """Called when the thread starts."""

    def stop_loop(self) -> None:
        """Called when the thread stops."""

    def run_loop(self) -> None:
        """Called again and again."""
        if self._target is not None:
            self._target(*self._args, **self._kwargs)
