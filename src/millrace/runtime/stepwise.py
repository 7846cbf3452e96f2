"""Running a plan in parts: around steps that wait for other threads, piece by piece, or under a clock.

A part is a plan of its own that shares the value ids of the whole. Values that cross from part to part travel
in a dictionary; variables travel through the store, where each part finds the version that the one before it
left.
"""

from __future__ import annotations

import copy
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from millrace.core.kinds import LISTS
from millrace.core.waiting import WouldWait, attempted, limited
from millrace.graph.operation import Operation, group
from millrace.opkit.state.resource import Resource
from millrace.runtime import interpret
from millrace.runtime.commit import store_all
from millrace.runtime.crew import Crew
from millrace.runtime.plan.planner import CellUse, Plan, Step, ancestors, any_step, body_cells
from millrace.runtime.plan.segments import Segment
from millrace.runtime.probe import Probe
from millrace.runtime.shaped import for_its_shapes
from millrace.runtime.store import Cell, Store

Build = Callable[[Plan, list[Any], bool], Callable[..., Sequence[Any]]]
"""Of a part's plan, its steps, and whether it ends its step: then nothing takes it back."""
Undo = list[tuple[list[Cell], list[Any], list[Any]]]
"""The cells that a part changed, what they held before and afterwards."""
Observer = Callable[["Part", int, int, Sequence[Any]], None]


@dataclass(slots=True)
class Part:
    """Some steps of a plan, ready to run.

    Attributes:
      steps: what it does.
      function: of the values in `takes`, then the `cells`, to the values in `gives`.
      changed: the cells among `cells` that it may write.
      waits: it may wait for another thread, so the store must not be locked meanwhile.
      whole: it ends its step: once it has stored its values, nothing is taken back.
      after: the numbers of the waiting parts that must be done before it; None for all that stand before it.
      beside: it waits, and a later part need not wait for it.
    """

    steps: list[Step | Segment]
    function: Callable[..., Sequence[Any]]
    takes: list[int]
    gives: list[int]
    cells: list[Cell]
    changed: list[Cell]
    waits: bool
    whole: bool
    after: frozenset[int] | None = None
    beside: bool = False


class Cutter:
    """Cuts parts off a plan, in an order that its edges allow.

    Args:
      plan: simplified.
      build: from the plan of a part and its steps to the function that runs it.
    """

    def __init__(self, plan: Plan, store: Store, build: Build | None = None) -> None:
        self._plan = plan
        self._store = store
        self._build = build or for_its_shapes
        self._uses = {use.key: use for use in plan.cells}
        self._current = {use.key: use.initial for use in plan.cells}
        self._keys = {use.initial: use.key for use in plan.cells}  # of the current versions
        self._fetched = set(plan.fetches)
        self._versions = _versions(plan)
        self._given: set[int] = set(plan.feeds)

    def copy(self) -> Cutter:
        """One that has cut the same parts so far."""
        other = copy.copy(self)
        other._current, other._given = dict(self._current), set(self._given)
        other._keys = dict(self._keys)
        return other

    def cut(
        self,
        steps: Sequence[Step | Segment],
        later: Callable[[int], bool],
        asked: Iterable[int] = (),
        whole: bool = True,
    ) -> Part:
        """The part that runs `steps` next.

        Args:
          steps: what they take is fed, made by parts cut before, or made by themselves.
          later: says which values later parts take.
          asked: the values that the caller wants from this part, even where it does not make them.
          whole: it ends its step, so that nothing can take it back.
        """
        plan = self._plan
        taken: dict[int, None] = {}
        made: set[int] = set()
        last: dict[str, int] = {}
        for step in steps:
            taken.update((v, None) for v in step.takes if v not in made and v not in plan.constants)
            for value in step.makes:
                made.add(value)
                key = self._versions.get(value)
                if key is not None:
                    last[key] = value
        wanted = dict.fromkeys(v for v in asked if v >= 0 and v not in self._given)
        current = self._keys
        keys = list(dict.fromkeys([*(current[v] for v in (*taken, *wanted) if v in current), *last]))
        cells = [self._use(key, last) for key in keys]
        own, final = {use.initial for use in cells}, {use.final for use in cells}
        gives = [v for v in wanted if v in made or v in own or v in plan.constants]
        kept = self._fetched & made
        gives += [
            v for v in sorted(made | own) if later(v) and v not in wanted and (v not in final or v in kept)
        ]
        self._given.update(gives)
        takes = [v for v in taken if v not in own]
        taking: Any = list(steps)  # segments only where `build` takes them
        facts = plan.constants, cells, plan.dims, plan.tensors, plan.count
        part = Plan(takes, taking, gives, *facts)
        function = self._build(part, taking, whole)
        for key, version in last.items():
            self._keys.pop(self._current[key], None)
            self._current[key], self._keys[version] = version, key
        found = {key: self._store.cell(key) for key in keys}
        changed = [found[key] for key in keys if key in last or self._uses[key].op.opdef.state is not None]
        waiting = any(map(waits, steps))
        return Part(list(steps), function, takes, gives, list(found.values()), changed, waiting, whole)

    def _use(self, key: str, last: dict[str, int]) -> CellUse:
        use, current = self._uses[key], self._current[key]
        return CellUse(
            key, use.op, current, last.get(key, current), use.must_exist and current == use.initial
        )


def _versions(plan: Plan) -> dict[int, str]:
    """Which cell each value is a version of."""
    owner = {use.initial: use.key for use in plan.cells}
    for step in plan.steps:
        if not step.new_state:
            continue
        op = step.op
        opdef = op.opdef
        if opdef.has_body:
            cells = zip(body_cells(op).items(), step.new_state, strict=True)
            owner.update((new, key) for (key, (_, changed)), new in cells if changed)
            continue
        old: list[int] = []
        for arg, value in zip(opdef.inputs, group(opdef.inputs, step.inputs, op.attrs), strict=True):
            if arg.name in opdef.writes:
                old.extend(value if isinstance(value, LISTS) else (value,))
        for before, after in zip([*old, *step.state], step.new_state, strict=True):
            owner[after] = owner[before]
    return owner


def phases(plan: Plan, store: Store, build: Build | None = None) -> Parts:
    """A plan with steps that wait, as parts: those steps alone, what must come before each, and the rest.

    What a waiting step needs, and the effects that come before it, run first; everything else runs as one
    part after the last wait, so that the variables it reads and writes are those of one moment.
    """
    pieces = _pieces(plan)
    cutter = Cutter(plan, store, build)
    parts = cut_all(cutter, pieces, plan)
    _set_after(plan, parts)
    if len(parts) > 1 and not pieces[-1] and not parts[-1].gives:
        parts.pop()  # nothing is left to do after the last wait
    first = next((n for n, part in enumerate(parts) if part.waits), len(parts) - 1)
    return Parts(plan, parts, store, Probe(plan, pieces, first, store))


def single_steps(plan: Plan, store: Store) -> list[Part]:
    """A plan as parts of one step each, in the order in which `phases` runs them."""
    steps = [[step] for piece in _pieces(plan) for step in piece]
    parts = cut_all(Cutter(plan, store), steps or [[]], plan)
    _set_after(plan, parts)
    return parts


def _pieces(plan: Plan) -> list[list[Step]]:
    """The steps of the parts: those that wait, and before each what can run by then."""
    early = _before_waiting(plan)
    needs = _waits_before(plan, early)
    place = 0
    placed: list[tuple[int, frozenset[int], int]] = []
    places: dict[int, int] = {}  # of the values made by early steps
    for i in sorted(early):
        step = plan.steps[i]
        if waits(step):
            place += 1
        wanted = [places[v] for v in step.takes if v in places]
        where = place if step.op.opdef.effect or waits(step) else max([*needs[i], *wanted], default=0)
        places.update(dict.fromkeys(step.makes, where))
        placed.append((where, needs[i], i))
    placed.sort(key=lambda item: item[0])
    pieces: list[list[Step]] = []
    for (_, _, alone), run in itertools.groupby(placed, lambda p: (*p[:2], waits(plan.steps[p[2]]))):
        taken = [plan.steps[i] for _, _, i in run]
        pieces.extend([[step] for step in taken] if alone else [taken])
    pieces.append([step for i, step in enumerate(plan.steps) if i not in early])
    return pieces


def _waits_before(plan: Plan, early: set[int]) -> dict[int, frozenset[int]]:
    """For each early step, the waiting steps that edges put before it, numbered from 1 in their order."""
    waiting = [plan.steps[i].op for i in sorted(early) if waits(plan.steps[i])]
    numbers = {op: n for n, op in enumerate(waiting, 1)}
    fed = frozenset(plan.tensors[v] for v in plan.feeds)
    found: dict[int, frozenset[int]] = {}
    for i in early:
        op = plan.steps[i].op
        found[i] = frozenset(numbers[a] for a in ancestors([op], fed) if a in numbers and a is not op)
    return found


def _set_after(plan: Plan, parts: list[Part]) -> None:
    """Tells each part but those behind the last wait the waiting parts that it needs."""
    fed = frozenset(plan.tensors[v] for v in plan.feeds)
    waiting = {op: n for n, part in enumerate(parts) if part.waits for op in _ops(part)}
    maker = {value: n for n, part in enumerate(parts) for step in part.steps for value in step.makes}
    for n in range(max(waiting.values(), default=-1) + 1):
        part = parts[n]
        after = {waiting[op] for op in ancestors(_ops(part), fed) if op in waiting}
        for source in {maker[v] for step in part.steps for v in step.takes if v in maker}:
            if source < n:
                after |= parts[source].after or set()
                if parts[source].waits:
                    after.add(source)
        part.after = frozenset(after - {n})
        for earlier in range(n):
            parts[earlier].beside |= parts[earlier].waits and earlier not in part.after


def _ops(part: Part) -> list[Operation]:
    return [step.op for step in part.steps if isinstance(step, Step)]


def cut_all(cutter: Cutter, pieces: Sequence[Sequence[Step | Segment]], plan: Plan) -> list[Part]:
    """Cuts the whole plan into `pieces`, the last of which gives the fetches."""
    end = len(pieces) - 1
    last = {v: i for i, piece in enumerate(pieces) for step in piece for v in step.takes}
    last.update(dict.fromkeys(plan.fetches, end))
    parts: list[Part] = []
    for i, piece in enumerate(pieces):
        asked = plan.fetches if i == end else ()
        parts.append(cutter.cut(piece, lambda v, i=i: last.get(v, -1) > i, asked, i == end))
    return parts


def waits(step: Step | Segment) -> bool:
    """True where a step, or one in its bodies, may wait for another thread."""
    return isinstance(step, Step) and any_step([step], lambda s: s.op.opdef.blocking)


def _before_waiting(plan: Plan) -> set[int]:
    """The steps that wait, what they need, and the effects created before them."""
    producer = {value: i for i, step in enumerate(plan.steps) for value in step.makes}
    last = max((i for i, step in enumerate(plan.steps) if waits(step)), default=-1)
    roots = [s for s in plan.steps[: last + 1] if waits(s) or s.op.opdef.effect]
    fed = frozenset(plan.tensors[v] for v in plan.feeds)
    needed = ancestors([step.op for step in roots], fed)
    stack = [i for i, step in enumerate(plan.steps) if step.op in needed and not step.op.opdef.pure]
    early: set[int] = set()
    while stack:
        i = stack.pop()
        if i not in early:
            early.add(i)
            stack.extend(producer[v] for v in plan.steps[i].takes if v in producer)
    return early


class Parts:
    """Runs parts one after another as one step: whole for other threads, and undone when one fails.

    The store is locked but for the parts that wait. What a part wrote before a wait is there for other
    threads during the wait; when the step fails afterwards it is taken back, unless another thread has built
    on it. Parts that wait and have no order among them wait at the same time where they must.

    Args:
      plan: the whole.
      parts: in order.
      store: the session's.
      probe: looks, during a long wait, whether something beside it fails; `(env) -> None`.
    """

    def __init__(
        self,
        plan: Plan,
        parts: list[Part],
        store: Store,
        probe: Callable[[dict[int, Any]], None] | None = None,
    ) -> None:
        self._plan = plan
        self.parts = parts
        self._store = store
        self._cancellation = store.cancellation
        self._probe = probe

    def __call__(self, *values: Any, observe: Observer | None = None) -> tuple[Any, ...]:
        """The fetched values; `observe` is told each part that is done, its start, end and results."""
        env = dict(zip(self._plan.feeds, values, strict=True))
        self.advance(self.parts, env, observe)
        return tuple([None if v < 0 else interpret.scalar(env[v]) for v in self._plan.fetches])

    def advance(self, parts: Sequence[Part], env: dict[int, Any], observe: Observer | None = None) -> None:
        """Runs `parts` on the values in `env`, where their results go; a failure leaves cells as before."""
        undo: Undo = []
        probe = self._probe
        idle = None if probe is None else lambda: probe(env)
        try:
            with np.errstate(all="ignore"), limited(self._cancellation, idle=idle):
                left = self._in_order(parts, env, observe, undo)
                if left:
                    self._together(left, env, observe, undo)
        except BaseException:
            with self._store.lock:
                while undo:
                    _take_back(*undo[-1])
                    undo.pop()
            raise

    def _in_order(
        self, parts: Sequence[Part], env: dict[int, Any], observe: Observer | None, undo: Undo
    ) -> list[tuple[int, Part]]:
        """Runs one part after another; returns those that are left when one would wait beside others."""
        n = 0
        while n < len(parts):
            if not parts[n].waits:
                with self._store.lock:  # a context: a signal finds the lock taken or not, and nothing between
                    while n < len(parts) and not parts[n].waits:
                        _run(parts[n], env, observe, undo)
                        n += 1
                continue
            if parts[n].beside:
                try:
                    with attempted():
                        _run(parts[n], env, observe, undo)
                except WouldWait:
                    return list(enumerate(parts))[n:]
            else:
                _run(parts[n], env, observe, undo)
            n += 1
        return []

    def _together(
        self, left: list[tuple[int, Part]], env: dict[int, Any], observe: Observer | None, undo: Undo
    ) -> None:
        """Runs the parts that are left, each as soon as it can, those that wait in threads of their own."""
        crew = Crew(self._cancellation)
        pending = {n for n, part in left if part.waits}
        try:
            while left or pending:
                ready = [(n, p) for n, p in left if not (pending if p.after is None else pending & p.after)]
                if not ready:
                    pending.discard(crew.next_done())
                    continue
                n, part = ready[0]
                left.remove((n, part))
                if part.waits:
                    crew.start(n, lambda part=part: _run(part, env, observe, undo))
                else:
                    with self._store.lock:
                        _run(part, env, observe, undo)
        finally:
            crew.dismiss()


def _run(part: Part, env: dict[int, Any], observe: Observer | None, undo: Undo) -> None:
    """Runs one part: its results go to `env`, what it overwrites to `undo`."""
    changed = part.changed
    if observe is None and not changed:
        env.update(zip(part.gives, part.function(*[env[v] for v in part.takes], *part.cells), strict=True))
        return
    old = [cell.value for cell in changed]
    try:
        if observe is None:
            results = part.function(*[env[v] for v in part.takes], *part.cells)
        else:
            start = time.time_ns()
            results = part.function(*[env[v] for v in part.takes], *part.cells)
            try:
                observe(part, start, time.time_ns(), results)
            except BaseException:  # an observer that ends the run ends it before this part
                _take_back(changed, old, [cell.value for cell in changed])
                raise
        if part.whole:
            undo.clear()
        else:
            undo.append((changed, old, [cell.value for cell in changed]))
        env.update(zip(part.gives, results, strict=True))
    except BaseException:
        # a part stores all its values at once, so that a signal finds it done or not begun
        if not part.waits and any(
            cell.value is not before for cell, before in zip(changed, old, strict=True)
        ):
            if part.whole:
                undo.clear()
            elif not undo or undo[-1][1] is not old:
                undo.append((changed, old, [cell.value for cell in changed]))
        raise


def _take_back(cells: list[Cell], before: list[Any], after: list[Any]) -> None:
    """Gives cells their old values, but for those that somebody else has changed."""
    own = [
        (cell, old)
        for cell, old, new in zip(cells, before, after, strict=True)
        if cell.value is new and not isinstance(new, Resource)
    ]
    store_all([cell for cell, _ in own], [old for _, old in own])
