"""Says on stderr what takes long: after a second, what is done and how long it may take.

`MILLRACE_PROGRESS=0` keeps it silent.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

_PATIENCE = 1.0  # seconds


@contextlib.contextmanager
def long_work(what: str, seconds: float | None = None) -> Iterator[None]:
    """Says that the block does `what` when it takes more than a second.

    On a terminal a moving line, which goes when the work is done; elsewhere one line that stays.

    Args:
      what: such as "compiling 432 operations".
      seconds: how long it is expected to take; None where nobody knows.
    """
    if os.environ.get("MILLRACE_PROGRESS") == "0" or sys.stderr is None:
        yield
        return
    notice = _Notice(what, seconds)
    timer = threading.Timer(_PATIENCE, notice.show)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        notice.end()


class _Notice:
    """One piece of work, shown or not."""

    def __init__(self, what: str, seconds: float | None) -> None:
        about = "" if seconds is None or seconds < _PATIENCE else f", about {seconds:.0f} s"
        self._text = f"millrace: {what}{about} ..."
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._ended = False
        self._status: Any = None

    def show(self) -> None:
        """Writes the line; called by the timer."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            if self._ended:
                return
            if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
                from rich.console import Console

                self._status = Console(stderr=True).status(self._text)
                self._status.start()
            else:
                sys.stderr.write(f"{self._text}\n")
                sys.stderr.flush()

    def end(self) -> None:
        """Takes a moving line away."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._ended = True
            if self._status is not None:
                self._status.stop()
