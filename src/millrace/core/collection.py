"""Python's garbage collector rests while much is made that stays: a graph, its gradients, a plan.

It looks at all objects again and again as their number grows, and finds nothing there: a third of the time
that a graph of 2,000 operations takes to be imported, planned and run for the first time.
"""

from __future__ import annotations

import gc
import os
import threading


class Resting:
    """A context in which the collector rests; entered by several threads at once, it ends with the last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._was_on = False

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._was_on = gc.isenabled()
                gc.disable()

    def __exit__(self, *error: object) -> None:
        with self._lock:
            if self._inside == 0:  # in a child of fork, that began inside
                return
            self._inside -= 1
            if self._inside == 0 and self._was_on:
                gc.enable()

    def begin_anew(self) -> None:
        """In a child of fork: no other thread is inside any more."""
        self._lock = threading.Lock()
        if self._inside and self._was_on:
            gc.enable()
        self._inside = 0


COLLECTOR_RESTS = Resting()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=COLLECTOR_RESTS.begin_anew)
