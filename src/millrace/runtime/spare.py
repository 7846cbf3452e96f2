"""Less memory at the peak of an interpreted step: a result may take the place of a value that was needed for
the last time, and large variables are updated as soon as their gradient is there.

What is dead at a step follows from the plan. That nobody else can see an array, a queue, say, or a view, is
asked of the array when the step runs: then it has no more references than the step's own variable makes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from millrace.core import shapes
from millrace.dialect import numpy_dialect
from millrace.opkit.state.updates import Update
from millrace.runtime.plan.planner import Plan, Step
from millrace.runtime.together import Part
from millrace.runtime.values import LARGE


def spare(array: Any, new: list[Any]) -> Any:
    """`array`, a variable of the caller, where nobody else holds it and it has its own memory; else None.

    Args:
      array: what may be taken.
      new: a new list, which has one reference less than an array that one variable holds: how many references
        a call makes depends on the version of Python, and on debuggers.
    """
    if sys.getrefcount(array) != sys.getrefcount(new) + 1 or type(array) is not np.ndarray:
        return None
    flags = array.flags
    return array if flags.owndata and flags.writeable and flags.c_contiguous else None


def _counts_tell() -> bool:
    """True where `spare` tells an array that one variable holds from one that two hold."""
    array = np.empty(1)
    if spare(array, []) is None:
        return False
    second = array
    return spare(array, []) is None and second is array


_COUNTS_TELL = _counts_tell()


def dying(plan: Plan, step: Step, last: dict[int, int], now: int) -> list[int]:
    """The large inputs of a step whose memory its first result can take.

    Args:
      plan: of the run.
      step: of it; its kernel computes element by element.
      last: value -> the part that needs it last; values that outlive the run are not in it.
      now: the number of the step among the parts.
    """
    whole = plan.dims.get(step.makes[0])
    made = plan.tensors.get(step.makes[0])
    if not _COUNTS_TELL or made is None or (shapes.num_elements(whole) or 0) < LARGE:
        return []
    found: list[int] = []
    for value in dict.fromkeys(step.inputs):
        taken = plan.tensors.get(value)
        if last.get(value) != now or value in plan.constants or plan.dims.get(value) != whole:
            continue
        if taken is not None and made.dtype.base_dtype == taken.dtype.base_dtype:
            found.append(value)
    return found


def ufunc_of(step: Step) -> np.ufunc | None:
    """NumPy's function that the step is, where it is one with one result."""
    verb = getattr(step.op.opdef.kernel, "verb", None)
    found = None if verb is None or step.state else getattr(numpy_dialect(), verb)
    return found if isinstance(found, np.ufunc) and found.nout == 1 else None


def early_updates(plan: Plan, parts: Sequence[Part]) -> list[Part]:
    """The parts, with updates of large variables where their last input has just been made.

    Nobody sees the difference but the memory: what an update makes is stored when the run ends.
    """
    made: dict[int, int] = {}
    after: dict[int, list[Part]] = {}
    moved: set[int] = set()
    for i, part in enumerate(parts):
        place = i
        if isinstance(part, Step) and _is_large_update(plan, part):
            place = max((made.get(value, -1) for value in part.takes), default=-1)
            if -1 < place < i:
                after.setdefault(place, []).append(part)
                moved.add(i)
            else:
                place = i
        made.update(dict.fromkeys(part.makes, place))
    if not moved:
        return list(parts)
    found: list[Part] = []
    for i, part in enumerate(parts):
        if i not in moved:
            found.append(part)
        found += after.get(i, ())
    return found


def _is_large_update(plan: Plan, step: Step) -> bool:
    if not isinstance(step.op.opdef.kernel, Update):
        return False
    return (shapes.num_elements(plan.dims.get(step.inputs[0])) or 0) >= LARGE
