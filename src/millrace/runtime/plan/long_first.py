"""A plan in two: its long steps, which need no cells, and all the rest.

Python runs one thread at a time, and NumPy lets go of the interpreter for moments only, in which no other
thread comes to its turn. So threads are good for steps that stay outside of it for long, as decoding does;
what is done with their results is done faster by one thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from millrace.runtime.plan.planner import Plan, Step


def long_first(plan: Plan, explicit: int, is_long: Callable[[Step], bool]) -> tuple[Plan, Plan] | None:
    """The long steps with all that they need, which touches no cell, and the rest.

    Args:
      plan: of a function.
      explicit: how many of its feeds are arguments; those that follow are captured.
      is_long: of a step.

    Returns:
      Two plans; the first's fetches are what the second takes between the arguments and what is captured.
      None where a long step needs a cell, or does something besides its results, and where one of the two
      would be empty.
    """
    needed: set[int] = set()
    first: list[Step] = []
    rest: list[Step] = []
    for step in reversed(plan.steps):
        if is_long(step) or not needed.isdisjoint(step.makes):
            first.append(step)
            needed.update(step.takes)
        else:
            rest.append(step)
    if not first or not rest or not all(map(_alone, first)):
        return None
    if not needed.isdisjoint(value for use in plan.cells for value in (use.initial, use.final)):
        return None
    first, rest = first[::-1], rest[::-1]
    taken = {value for step in rest for value in step.takes} | set(plan.fetches)
    handed_on = [v for v in dict.fromkeys(v for step in first for v in step.makes) if v in taken]
    feeds = [*plan.feeds[:explicit], *handed_on, *plan.feeds[explicit:]]
    return replace(plan, steps=first, fetches=handed_on, cells=[]), replace(plan, steps=rest, feeds=feeds)


def _alone(step: Step) -> bool:
    """True for a step that changes nothing and waits for nobody."""
    opdef = step.op.opdef
    return not (step.state or step.new_state or opdef.writes or opdef.blocking or opdef.has_body)
