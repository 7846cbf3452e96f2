"""A part of a step that takes what an iterator or a queue gives: planned anew for shapes that come again.

Such shapes are known only when a step runs. The first run takes a plan for all shapes; the second that meets
a shape pays for a plan in which everything that follows from it is folded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from millrace.core import shapes
from millrace.runtime.interpret import compile_plan
from millrace.runtime.plan.planner import Plan, Step
from millrace.runtime.plan.simplify import simplify

_FEWEST_STEPS = 8  # a shorter part has too little to fold
_MOST_SHAPES = 4
_Function = Callable[..., Sequence[Any]]


def for_its_shapes(plan: Plan, steps: list[Step], whole: bool) -> _Function:
    """The function of a part in the interpreter.

    Args:
      plan: of the part.
      steps: its steps.
      whole: it ends its step.
    """
    function = compile_plan(plan, [*steps], whole=whole)
    known = all(shapes.fully_defined(plan.dims.get(value)) for value in plan.feeds)
    return function if known or len(steps) < _FEWEST_STEPS else _Shaped(plan, whole, function)


class _Shaped:
    """Chooses by the shapes of a part's values.

    Args:
      plan: of the part.
      whole: it ends its step.
      general: its function for all shapes.
    """

    def __init__(self, plan: Plan, whole: bool, general: _Function) -> None:
        self._plan = plan
        self._whole = whole
        self._general = general
        self._count = len(plan.feeds)
        self._found: dict[Any, _Function | None] = {}

    def __call__(self, *values: Any) -> Sequence[Any]:
        """Runs the part on its values, then its cells."""
        key = tuple([getattr(v, "shape", None) for v in values[: self._count]])
        function = self._found.get(key)
        return (function or self._chosen(key))(*values)

    def _chosen(self, key: Any) -> _Function:
        """The function for shapes that have none of their own yet."""
        if key in self._found:
            self._found[key] = function = self._planned(key)
            return function
        if len(self._found) < _MOST_SHAPES and None not in key:
            self._found[key] = None
        return self._general

    def _planned(self, dims: Sequence[Any]) -> _Function:
        plan = self._plan
        mine = replace(
            plan,
            steps=[replace(step) for step in plan.steps],
            constants=dict(plan.constants),
            cells=[replace(use) for use in plan.cells],
            dims=dict(plan.dims),
        )
        return compile_plan(simplify(mine, list(dims)), whole=self._whole)
