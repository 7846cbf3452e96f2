"""Runs whose programs `millrace warm` has made: they take the compiled tier from their first run on.

Otherwise a program is compiled at the run at which that has paid, and waits there for XLA. With
`MILLRACE_WARM=1` in the environment, which is what `millrace warm` sets, every run that would be compiled
sometime is compiled at once, its programs are kept, and a mark of the run with them. A process that finds the
mark compiles that run at once, too, which then means to load what was kept.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from millrace.core.version import MILLRACE_VERSION
from millrace.runtime.folder import folder, own_folder

if TYPE_CHECKING:
    from millrace.runtime.plan.planner import Plan

_ANY = "warm"  # a file that tells that there are marks, so that most processes need not look for theirs
_DIGEST = 16  # bytes


def warming() -> bool:
    """True in a process that is to fill the cache."""
    return os.environ.get("MILLRACE_WARM") == "1"


def is_warm(plan: Plan) -> bool:
    """Whether a plan that will be compiled is to be compiled at its first run; marks it while warming."""
    if warming():
        _mark(plan)
        return True
    place = folder()
    if place is None or not os.path.exists(place / _ANY):
        return False
    try:
        os.utime(place / _name(plan))  # the folder loses first what was not used for longest
    except OSError:
        return False
    return own_folder() is not None


def _mark(plan: Plan) -> None:
    place = own_folder()
    if place is not None:
        with contextlib.suppress(OSError):
            Path(place, _ANY).touch()
            Path(place, _name(plan)).touch()


def _name(plan: Plan) -> str:
    """A name for what a plan does: the same in each process that draws the same graph.

    Two plans of one name would cost a compilation that comes early, nothing else.
    """
    import hashlib

    digest = hashlib.blake2b(MILLRACE_VERSION.encode(), digest_size=_DIGEST)
    feeds = [plan.dims.get(value) for value in plan.feeds]
    digest.update(repr((feeds, plan.feeds, plan.fetches)).encode())
    for step in plan.steps:
        op = step.op
        digest.update(repr((op.opdef.name, op.name, step.inputs, step.outputs, step.dims)).encode())
    return f"{_ANY}-{digest.hexdigest()}"


def count_marks(place: Path) -> int:
    """How many runs are marked in the folder."""
    return sum(1 for _ in place.glob(f"{_ANY}-*"))
