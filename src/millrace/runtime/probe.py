"""`Probe`: during a long wait, finds out whether something beside it in the step fails.

A step waits for its queues before it does the rest of its work. Where a piece of that rest fails whatever
the queues give, the step would wait in vain, perhaps for ever. So a wait that takes long computes that
piece once: what depends on no wait, has no effects and overwrites nothing in place. The results are
thrown away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from millrace.graph.operation import Operation
from millrace.runtime import failures, interpret
from millrace.runtime.plan.planner import Plan, Step, ancestors, in_order
from millrace.runtime.store import Cell, Store

_ONLY_FAIL = frozenset(("Assert", "CheckNumerics"))  # their one effect is the error


class Probe:
    """Computes what does not depend on the waits of a plan.

    Args:
      plan: the whole.
      pieces: its steps as `phases` cuts them; the last piece is the rest.
      first: the number of the first piece that waits.
      store: the session's.
    """

    def __init__(self, plan: Plan, pieces: Sequence[Sequence[Step]], first: int, store: Store) -> None:
        self._plan = plan
        self._before = [step for piece in pieces[:first] for step in piece]
        self._rest = pieces[-1]
        self._kept_back = [step.op for piece in pieces[first:-1] for step in piece]
        self._store = store
        self._function: Callable[..., Any] | None = None
        self._takes: list[int] = []
        self._keys: list[str] = []

    def __call__(self, env: dict[int, Any]) -> None:
        """Raises what the rest of the step would raise; `env` has the values known before the first wait."""
        function = self._function or self._build()
        if any(v not in env for v in self._takes):
            return
        with self._store.lock:
            for use in self._plan.cells:
                if use.must_exist and self._store.cell(use.key).value is None:
                    raise failures.uninitialized(use.op)
            cells: list[Cell] = []
            for key in self._keys:
                copy = Cell(key)
                copy.value = self._store.cell(key).value
                cells.append(copy)
            function(*[env[v] for v in self._takes], *cells)

    def _build(self) -> Callable[..., Any]:
        plan = self._plan
        steps = self._independent()
        made = {v for step in steps for v in step.makes}
        taken = dict.fromkeys(v for step in steps for v in step.takes)
        # what writes them may be among the steps that are left out, so nothing is stored
        cells = [replace(use, final=use.initial) for use in plan.cells if use.initial in taken]
        own = {use.initial for use in cells}
        self._takes = [v for v in taken if v not in made and v not in own and v not in plan.constants]
        self._keys = [use.key for use in cells]
        facts = plan.constants, cells, plan.dims, plan.tensors, plan.count
        self._function = interpret.compile_plan(Plan(self._takes, steps, [], *facts))
        return self._function

    def _independent(self) -> list[Step]:
        """The steps of the rest that take only what is known before the first wait."""
        plan = self._plan
        fed = frozenset(plan.tensors[v] for v in plan.feeds)
        late: set[Operation] = set(self._kept_back)
        late.update(step.op for step in self._rest if not _harmless(step))
        for op in in_order(ancestors([step.op for step in self._rest], fed)):
            if any(c in late for c in op.control_inputs) or any(
                t.op in late for t in op.inputs if t not in fed
            ):
                late.add(op)
        known = {*plan.feeds, *plan.constants, *(use.initial for use in plan.cells)}
        known.update(v for step in self._before for v in step.outputs if not step.new_state)
        steps: list[Step] = []
        for step in self._rest:
            if step.op not in late and known.issuperset(step.takes):
                steps.append(step)
                known.update(step.makes)
        return steps


def _harmless(step: Step) -> bool:
    """True for a step that may be computed and forgotten."""
    opdef = step.op.opdef
    if opdef.has_body or opdef.state is not None:
        return False
    if opdef.writes and any(arg.name == "indices" for arg in opdef.inputs):
        return False  # these may change rows in place
    return not opdef.effect or opdef.name in _ONLY_FAIL
