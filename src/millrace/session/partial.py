"""Runs in several calls: each feeds a little more and takes what can be computed by then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from millrace.core import errors
from millrace.core.errors import refusal
from millrace.graph.tensor import Tensor
from millrace.runtime import executable
from millrace.runtime.plan.planner import Plan, Step, ancestors, make_plan
from millrace.runtime.plan.simplify import simplify
from millrace.runtime.stepwise import Cutter, Parts
from millrace.runtime.store import Store


class PartialRun:
    """The state of one run between its calls.

    Each call is a step of its own: it runs what its fetches need and no call before it has run, sees
    variables as they are when it first touches them, and changes nothing where it fails.
    """

    def __init__(self, elements: Sequence[Any], feeds: Sequence[Tensor], store: Store) -> None:
        self._elements = list(elements)
        self._feeds = list(feeds)
        self._plan: Plan = simplify(make_plan(self._elements, self._feeds))
        self._cutter = Cutter(self._plan, store)
        self._runner = Parts(self._plan, [], store)
        self._producer = {value: step for step in self._plan.steps for value in step.makes}
        self._ids = dict(zip(self._feeds, self._plan.feeds, strict=True))
        self._fed: set[Tensor] = set()
        self._fetched: set[Any] = set()
        self._done: set[int] = set()
        self._env: dict[int, Any] = {}

    @property
    def finished(self) -> bool:
        """True when all that was set up has been fed and fetched."""
        return len(self._fed) == len(self._feeds) and len(self._fetched) == len(self._elements)

    def run(self, elements: Sequence[Any], values: dict[Tensor, Any]) -> list[Any]:
        """The values of `elements`, given `values` for more of the feeds.

        Raises:
          InvalidArgumentError: a feed or fetch was not set up, or is given twice, or cannot be computed yet.
        """
        for tensor in values:
            if tensor not in self._ids:
                raise _invalid(f"The feed {tensor.name} was not specified in partial_run_setup.")
            if tensor in self._fed:
                raise _invalid(f"The feed {tensor.name} has already been fed.")
        positions = [self._position(element) for element in elements]
        available = self._fed.union(values)
        steps = self._steps_for(positions, available)
        asked = [self._plan.fetches[k] for k in positions]
        done = self._done.union(map(id, steps))
        later = set(self._plan.fetches).union(*[s.takes for s in self._plan.steps if id(s) not in done])
        env = self._env | {self._ids[t]: v for t, v in values.items()}
        cutter = self._cutter.copy()
        part = cutter.cut(steps, later.__contains__, asked)
        try:
            self._runner.advance([part], env)
        except Exception as error:
            executable.raise_located(error)
            raise
        self._cutter, self._env, self._done, self._fed = cutter, env, done, available
        self._fetched.update(elements)
        return [None if v < 0 else env[v] for v in asked]

    def _position(self, element: Any) -> int:
        if element not in self._elements:
            raise _invalid(f"The fetch {element.name} was not specified in partial_run_setup.")
        if element in self._fetched:
            raise _invalid(f"The fetch {element.name} has already been fetched.")
        return self._elements.index(element)

    def _steps_for(self, positions: Sequence[int], available: set[Tensor]) -> list[Step]:
        """What has to run now: what the fetches need, and the effects on the way there."""
        plan = self._plan
        missing = {self._ids[t] for t in self._feeds if t not in available}
        wanted = set(self._done)
        for k in positions:
            element = self._elements[k]
            before = ancestors([element], frozenset(self._feeds))
            pending = [step for step in plan.steps if step.op in before and not step.op.opdef.pure]
            values = [plan.fetches[k]]
            while values or pending:
                if not values:
                    step = pending.pop()
                    if id(step) not in wanted:
                        wanted.add(id(step))
                        values.extend(step.takes)
                    continue
                value = values.pop()
                if value in missing:
                    raise _invalid(
                        f"Fetch {element.name} can't be computed from the feeds that have been fed so far."
                    )
                if value in self._producer:
                    pending.append(self._producer[value])
        return [step for step in plan.steps if id(step) in wanted and id(step) not in self._done]


def _invalid(message: str) -> errors.InvalidArgumentError:
    return refusal(message)
