"""How often a caller will repeat a run, as far as it knows.

A loop over batches knows how many there are. With that the cost model can tell at the first run whether
compiling pays, instead of waiting for as many runs as make more of them likely.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager


class _Foresight(threading.local):
    runs: int | None = None


_here = _Foresight()


def foreseen() -> int | None:
    """How often the run that is being made will happen; None where nobody has told."""
    return _here.runs


@contextmanager
def repeated(runs: int | None) -> Generator[None]:
    """Tells that what runs in this context happens `runs` times, counted from the first."""
    before, _here.runs = _here.runs, runs
    try:
        yield
    finally:
        _here.runs = before
