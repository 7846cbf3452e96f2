"""A plan in two: what its cells need, and all the rest.

Calls that share cells come one after the other. Where only a few steps of a plan touch them, as the random
numbers of a picture's crop do, those few can be done in order, and the rest of many calls at once.
"""

from __future__ import annotations

from dataclasses import replace

from millrace.runtime.plan.planner import Plan, Step


def cells_first(plan: Plan) -> tuple[Plan, Plan] | None:
    """The steps that read or write cells with all that these need, and the rest, which touches none.

    The first plan's fetches are what the second takes after the feeds of `plan`; the second has its fetches.
    None where one of the two would be empty.
    """
    cells = dict.fromkeys(value for use in plan.cells for value in (use.initial, use.final))
    needed = set(cells)
    first: list[Step] = []
    rest: list[Step] = []
    for step in reversed(plan.steps):
        if step.state or not needed.isdisjoint(step.makes) or not cells.keys().isdisjoint(step.inputs):
            first.append(step)
            needed.update(step.takes)
        else:
            rest.append(step)
    if not first or not rest:
        return None
    first, rest = first[::-1], rest[::-1]
    taken = {value for step in rest for value in step.takes} | set(plan.fetches)
    made = dict.fromkeys(value for step in first for value in step.makes)
    handed_on = [value for value in cells | made if value in taken]
    return replace(plan, steps=first, fetches=handed_on), replace(
        plan, steps=rest, feeds=[*plan.feeds, *handed_on], cells=[]
    )
