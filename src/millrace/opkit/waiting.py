"""Waiting for other threads: the one place where a kernel may sleep.

Kernels of operations declared `blocking` call `wait_until`. The session says around a run how long it may
wait and what calls it off: closing the session wakes every thread that waits in one of its runs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from millrace.core import errors


class Cancellation:
    """Calls off the waits of one session."""

    def __init__(self) -> None:
        self.cancelled = False
        self.functions: Any = None  # what starts the functions of datasets in the session
        self._lock = threading.Lock()
        self._waiting: list[threading.Condition] = []

    def cancel(self) -> None:
        """Wakes all who wait; those who would wait later fail at once."""
        self.cancelled = True
        with self._lock:
            waiting = list(self._waiting)
        for condition in waiting:
            with condition:
                condition.notify_all()

    def add(self, condition: threading.Condition) -> None:
        """Notes that a thread is about to wait."""
        with self._lock:
            self._waiting.append(condition)

    def remove(self, condition: threading.Condition) -> None:
        """Notes that it no longer does."""
        with self._lock:
            self._waiting.remove(condition)


class _Limits(threading.local):
    """What bounds the waits of the run that a thread is in."""

    cancellation: Cancellation | None = None
    deadline: float | None = None


_limits = _Limits()


def current() -> Cancellation | None:
    """What calls off the waits of the run that the thread is in."""
    return _limits.cancellation


class limited:  # noqa: N801 - reads as the context that it is
    """A context in which waits end when `cancellation` says so, or `seconds` after it was entered.

    Args:
      cancellation: None keeps the one around.
      seconds: None keeps the deadline around.
    """

    def __init__(self, cancellation: Cancellation | None = None, seconds: float | None = None) -> None:
        self._cancellation = cancellation
        self._seconds = seconds

    def __enter__(self) -> None:
        self._before = _limits.cancellation, _limits.deadline
        if self._cancellation is not None:
            _limits.cancellation = self._cancellation
        if self._seconds is not None:
            _limits.deadline = time.monotonic() + self._seconds

    def __exit__(self, *error: object) -> None:
        _limits.cancellation, _limits.deadline = self._before


def wait_until(
    condition: threading.Condition, ready: Callable[[], bool], what: str = "the operation"
) -> None:
    """Sleeps until `ready()` holds.

    Args:
      condition: held by the caller; notified whenever `ready` may have changed.
      ready: asked with `condition` held.
      what: who waits, for the message.

    Raises:
      CancelledError: the session was closed.
      DeadlineExceededError: the run's time limit has passed.
    """
    if ready():
        return
    cancellation, deadline = _limits.cancellation, _limits.deadline
    if cancellation is not None:
        cancellation.add(condition)
    try:
        while not ready():
            if cancellation is not None and cancellation.cancelled:
                raise errors.CancelledError(None, None, f"{what} was cancelled: the session was closed")
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise errors.DeadlineExceededError(None, None, f"Timed out waiting for {what} to complete")
            condition.wait(left)
    finally:
        if cancellation is not None:
            cancellation.remove(condition)
