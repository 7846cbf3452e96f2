"""`Store`: the values that live in a session between runs, a cell for each variable or stateful operation."""

from __future__ import annotations

import contextvars
import os
import threading
import weakref
from typing import Any

import numpy as np

from millrace.core.waiting import Cancellation
from millrace.runtime.plan.borders import Lowering


class Cell:
    """One value kept between runs; None until it is initialised."""

    __slots__ = ("key", "value")

    def __init__(self, key: str) -> None:
        self.key = key
        self.value: Any = None


class Store:
    """The cells of one session, and the lock that makes steps atomic.

    The lock is re-entrant: a Python function called by a run may run the session again from the same thread.
    """

    def __init__(self) -> None:
        self.cells: dict[str, Cell] = {}
        self.lock = threading.RLock()
        self.cancellation = Cancellation()
        self.lowering = Lowering()
        # a context in which NumPy keeps quiet: entering it costs a tenth of `np.errstate`
        self.quiet = contextvars.copy_context()
        self.quiet.run(np.seterr, all="ignore")
        _living.add(self)

    def cell(self, key: str) -> Cell:
        """The cell called `key`, made empty when it is new."""
        found = self.cells.get(key)
        if found is None:
            found = self.cells.setdefault(key, Cell(key))
        return found

    def clear(self, containers: tuple[str, ...] = ()) -> None:
        """Frees every value, or those that live in one of `containers`."""
        for key, cell in self.cells.items():
            if not containers or key.startswith(tuple(f"{name}/" for name in containers)):
                if hasattr(cell.value, "release"):  # an object that holds something open, a file for example
                    cell.value.release()
                cell.value = None


_living: weakref.WeakSet[Store] = weakref.WeakSet()


def _after_fork() -> None:
    """In a child the threads that held locks are gone; what they had not stored, they have not done."""
    for store in list(_living):
        store.lock = threading.RLock()
        store.quiet = contextvars.copy_context()
        store.quiet.run(np.seterr, all="ignore")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
