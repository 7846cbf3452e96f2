"""Event files, open for writing: summaries and graphs as TensorBoard reads them."""

from __future__ import annotations

import math
import os
import socket
import threading
import time
import weakref
from typing import Any

from millrace.core import protos
from millrace.opkit.records import tfrecord as records

_FORMAT = "brain.Event:2"


class EventFile:
    """One event file, open for writing; it begins with the version of its format."""

    def __init__(self, logdir: str, suffix: str, name: str = "events.out") -> None:
        os.makedirs(logdir, exist_ok=True)
        self.path = _unused_path(logdir, suffix, name)
        self._records = records.Writer(self.path)
        self._lock = threading.Lock()
        self._pending, self._flushed = 0, time.monotonic()
        self.write(protos.Event(wall_time=time.time(), file_version=_FORMAT), 1, 0.0)
        self._flushed = -math.inf  # the first event, often the graph, is seen at once
        # A writer that nobody closes loses nothing when it is collected or the program ends.
        self.close = weakref.finalize(self, self._records.close)

    def write(self, event: Any, max_queue: int, flush_secs: float) -> None:
        """Appends an event; hands what is pending to the operating system when it is much or old."""
        with self._lock:
            self._records.write(event.SerializeToString())
            self._pending += 1
            if self._pending >= max_queue or time.monotonic() - self._flushed >= flush_secs:
                self._flush()

    def flush(self) -> None:
        """Hands what is pending to the operating system."""
        with self._lock:
            self._flush()

    def _flush(self) -> None:
        self._records.flush()
        self._pending, self._flushed = 0, time.monotonic()


def _unused_path(logdir: str, suffix: str, name: str) -> str:
    """A path for a new event file: readers take files in the order of their names, which hold the time."""
    base = os.path.join(logdir, f"{name}.tfevents.{int(time.time()):010d}.{socket.gethostname()}")
    path, k = base + suffix, 0
    while os.path.exists(path):
        k += 1
        path = f"{base}.{k}{suffix}"
    return path
