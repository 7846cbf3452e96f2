"""Waiting for other threads: the one place where a kernel may sleep.

Kernels of operations declared `blocking` call `wait_until`. The session says around a run how long it may
wait and what calls it off: closing the session wakes every thread that waits in one of its runs. A step that
has other work to do meanwhile says so too: it gets `WouldWait` instead of sleeping, or is called back once
when the wait turns out to be long.
"""

from __future__ import annotations

import _thread
import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

from millrace.core import errors

LONG = 0.05
"""Seconds after which a wait is long enough to look at the rest of the step."""


class WouldWait(Exception):
    """An attempt cannot succeed at once. Nothing has changed."""


class Cancellation:
    """Calls off the waits of one session, or of one step of it.

    Args:
      parent: calls these waits off as well.
    """

    def __init__(self, parent: Cancellation | None = None) -> None:
        self._parent = parent
        self._since: float | None = None
        self.functions: Any = None  # what starts the functions of datasets in the session
        # No lock around it: whoever adds to it holds a condition, and a finalizer may run amid anything.
        self._waiting: list[threading.Condition] = []

    @property
    def session(self) -> Cancellation:
        """What calls off the waits of the whole session."""
        return self if self._parent is None else self._parent.session

    @property
    def cancelled(self) -> bool:
        """True once the waits have been called off."""
        return self.since is not None

    @property
    def since(self) -> float | None:
        """When, in `time.monotonic`, the waits were called off; None while they go on."""
        return self._since if self._since is not None or self._parent is None else self._parent.since

    def cancel(self) -> None:
        """Wakes all who wait; those who would wait later fail at once."""
        self._since = time.monotonic()
        for condition in list(self._waiting):
            with condition:
                condition.notify_all()

    def add(self, condition: threading.Condition) -> None:
        """Notes that a thread is about to wait."""
        self._waiting.append(condition)
        if self._parent is not None:
            self._parent.add(condition)

    def remove(self, condition: threading.Condition) -> None:
        """Notes that it no longer does."""
        self._waiting.remove(condition)
        if self._parent is not None:
            self._parent.remove(condition)


class _Limits(threading.local):
    """What bounds the waits of the run that a thread is in."""

    cancellation: Cancellation | None = None
    deadline: float | None = None
    attempt: bool = False
    idle: Callable[[], None] | None = None
    standing: Callable[[], None] | None = None


limits = _Limits()


def current() -> Cancellation | None:
    """What calls off the waits of the run that the thread is in."""
    return limits.cancellation


class limited:  # noqa: N801 - reads as the context that it is
    """A context in which waits end when `cancellation` says so, or `seconds` after it was entered.

    Args:
      cancellation: None keeps the one around.
      seconds: None keeps the deadline around.
      idle: called once by a wait that takes long, with no lock held; what it raises ends the wait. Comes
        with a cancellation.
      standing: called when a wait begins.
    """

    def __init__(
        self,
        cancellation: Cancellation | None = None,
        seconds: float | None = None,
        idle: Callable[[], None] | None = None,
        standing: Callable[[], None] | None = None,
    ) -> None:
        self._cancellation = cancellation
        self._seconds = seconds
        self._idle = idle
        self._standing = standing

    def __enter__(self) -> None:
        self._before = vars(limits).copy()
        if self._cancellation is not None:
            limits.cancellation = self._cancellation
            # a step begins
            limits.attempt, limits.idle, limits.standing = False, self._idle, self._standing
        if self._seconds is not None:
            limits.deadline = time.monotonic() + self._seconds

    def __exit__(self, *error: object) -> None:
        vars(limits).clear()
        vars(limits).update(self._before)


class attempted:  # noqa: N801 - reads as the context that it is
    """A context in which nothing waits: what would have to raises `WouldWait`."""

    def __enter__(self) -> None:
        self._before = limits.attempt
        limits.attempt = True

    def __exit__(self, *error: object) -> None:
        limits.attempt = self._before


def attempting() -> bool:
    """True where a kernel may not wait: one that would do its work bit by bit must not begin then."""
    return limits.attempt


def time_left() -> float | None:
    """How many seconds the run may still wait, or None where there is no limit."""
    return None if limits.deadline is None else limits.deadline - time.monotonic()


def wait_until(
    condition: threading.Condition, ready: Callable[[], bool], what: str = "the operation"
) -> None:
    """Sleeps until `ready()` holds.

    Args:
      condition: held by the caller, once; notified whenever `ready` may have changed.
      ready: asked with `condition` held.
      what: who waits, for the message.

    Raises:
      CancelledError: the session was closed, or the rest of the step has failed.
      DeadlineExceededError: the run's time limit has passed.
      WouldWait: this is only an attempt.
    """
    if ready():
        return
    if limits.attempt:
        raise WouldWait(what)
    cancellation, deadline, idle = limits.cancellation, limits.deadline, limits.idle
    if cancellation is not None:
        cancellation.add(condition)
    if limits.standing is not None:
        limits.standing()
    try:
        while not ready():
            if cancellation is not None and cancellation.cancelled:
                raise errors.CancelledError(None, None, f"{what} was cancelled: the session was closed")
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise errors.DeadlineExceededError(None, None, f"Timed out waiting for {what} to complete")
            if idle is None:
                condition.wait(left)
            elif not condition.wait(LONG if left is None else min(LONG, left)):
                _look_around(condition, idle)
                idle = None
    finally:
        if cancellation is not None:
            cancellation.remove(condition)


def wake(condition: threading.Condition) -> None:
    """Wakes all who wait for `condition`."""
    with condition:
        condition.notify_all()


def wake_from_finalizer(condition: threading.Condition) -> None:
    """Wakes all who wait for `condition`, without waiting for who holds it.

    A finalizer runs in any thread, amid anything: that thread may hold what the holder of `condition` waits
    for.
    """
    if condition.acquire(blocking=False):
        try:
            condition.notify_all()
        finally:
            condition.release()
        return
    with contextlib.suppress(RuntimeError):  # the interpreter ends
        _thread.start_new_thread(wake, (condition,))  # which takes no lock, as threading.Thread would


def _look_around(condition: threading.Condition, idle: Callable[[], None]) -> None:
    condition.release()
    try:
        idle()
    finally:
        condition.acquire()
