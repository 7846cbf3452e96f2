"""Running a plan in parts: around steps that wait for other threads, piece by piece, or under a clock.

A part is a plan of its own that shares the value ids of the whole. Values that cross from part to part travel
in a dictionary; variables travel through the store, where each part finds the version that the one before it
left.
"""

from __future__ import annotations

import copy
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from millrace.graph.operation import group
from millrace.opkit.waiting import limited
from millrace.runtime import interpret
from millrace.runtime.plan import Plan, SlotUse, Step, ancestors, bodies_of, body_plan, body_slots
from millrace.runtime.segments import Segment
from millrace.runtime.store import Slot, Store

Build = Callable[[Plan, list[Any]], Callable[..., Sequence[Any]]]
Observer = Callable[["Part", int, int, Sequence[Any]], None]


@dataclass(slots=True)
class Part:
    """Some steps of a plan, ready to run.

    Attributes:
      steps: what it does.
      function: of the values in `takes`, then the `slots`, to the values in `gives`.
      changed: the slots among `slots` that it may write.
      waits: it may wait for another thread, so the store must not be locked meanwhile.
    """

    steps: list[Step | Segment]
    function: Callable[..., Sequence[Any]]
    takes: list[int]
    gives: list[int]
    slots: list[Slot]
    changed: list[Slot]
    waits: bool


class Cutter:
    """Cuts parts off a plan, in an order that its edges allow.

    Args:
      plan: simplified.
      build: from the plan of a part and its steps to the function that runs it.
    """

    def __init__(self, plan: Plan, store: Store, build: Build = interpret.compile_plan) -> None:
        self._plan = plan
        self._store = store
        self._build = build
        self._uses = {use.key: use for use in plan.slots}
        self._current = {use.key: use.initial for use in plan.slots}
        self._keys = {use.initial: use.key for use in plan.slots}  # of the current versions
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
        self, steps: Sequence[Step | Segment], later: Callable[[int], bool], asked: Iterable[int] = ()
    ) -> Part:
        """The part that runs `steps` next.

        Args:
          steps: what they take is fed, made by parts cut before, or made by themselves.
          later: says which values later parts take.
          asked: the values that the caller wants from this part, even where it does not make them.
        """
        plan = self._plan
        taken: dict[int, None] = {}
        made: set[int] = set()
        last: dict[str, int] = {}
        for step in steps:
            taken.update((v, None) for v in taken_by(step) if v not in made and v not in plan.constants)
            for value in made_by(step):
                made.add(value)
                key = self._versions.get(value)
                if key is not None:
                    last[key] = value
        wanted = dict.fromkeys(v for v in asked if v >= 0 and v not in self._given)
        current = self._keys
        keys = list(dict.fromkeys([*(current[v] for v in (*taken, *wanted) if v in current), *last]))
        slots = [self._use(key, last) for key in keys]
        own, final = {use.initial for use in slots}, {use.final for use in slots}
        gives = [v for v in wanted if v in made or v in own or v in plan.constants]
        kept = self._fetched & made
        gives += [
            v for v in sorted(made | own) if later(v) and v not in wanted and (v not in final or v in kept)
        ]
        self._given.update(gives)
        takes = [v for v in taken if v not in own]
        taking: Any = list(steps)  # segments only where `build` takes them
        facts = plan.constants, slots, plan.dims, plan.tensors, plan.count
        part = Plan(takes, taking, gives, *facts)
        function = self._build(part, part.steps)
        for key, version in last.items():
            self._keys.pop(self._current[key], None)
            self._current[key], self._keys[version] = version, key
        found = {key: self._store.slot(key) for key in keys}
        changed = [found[key] for key in keys if key in last or self._uses[key].op.opdef.state is not None]
        waiting = any(map(waits, steps))
        return Part(list(steps), function, takes, gives, list(found.values()), changed, waiting)

    def _use(self, key: str, last: dict[str, int]) -> SlotUse:
        use, current = self._uses[key], self._current[key]
        return SlotUse(
            key, use.op, current, last.get(key, current), use.must_exist and current == use.initial
        )


def taken_by(step: Step | Segment) -> Iterator[int]:
    """The values that a step takes."""
    return iter(step.inputs) if isinstance(step, Segment) else itertools.chain(step.inputs, step.state)


def made_by(step: Step | Segment) -> Iterator[int]:
    """The values that a step makes."""
    return iter(step.outputs) if isinstance(step, Segment) else itertools.chain(step.outputs, step.new_state)


def _versions(plan: Plan) -> dict[int, str]:
    """Which slot each value is a version of."""
    owner = {use.initial: use.key for use in plan.slots}
    for step in plan.steps:
        if not step.new_state:
            continue
        op = step.op
        opdef = op.opdef
        if opdef.has_body:
            slots = zip(body_slots(op).items(), step.new_state, strict=True)
            owner.update((new, key) for (key, (_, changed)), new in slots if changed)
            continue
        old: list[int] = []
        for arg, value in zip(opdef.inputs, group(opdef.inputs, step.inputs, op.attrs), strict=True):
            if arg.name in opdef.writes:
                old.extend(value if isinstance(value, tuple) else (value,))
        for before, after in zip([*old, *step.state], step.new_state, strict=True):
            owner[after] = owner[before]
    return owner


def phases(plan: Plan, store: Store, build: Build = interpret.compile_plan) -> list[Part]:
    """A plan with steps that wait, as parts: those steps alone, what must come before each, and the rest.

    What a waiting step needs, and the effects that come before it, run first; everything else runs as one
    part after the last wait, so that the variables it reads and writes are those of one moment.
    """
    early = _before_waiting(plan)
    steps = [step for i, step in enumerate(plan.steps) if i in early]
    pieces: list[list[Step]] = []
    for alone, run in itertools.groupby(steps, waits):
        taken = list(run)
        pieces.extend([[step] for step in taken] if alone else [taken])
    pieces.append([step for i, step in enumerate(plan.steps) if i not in early])
    return cut_all(Cutter(plan, store, build), pieces, plan)


def single_steps(plan: Plan, store: Store) -> list[Part]:
    """A plan as parts of one step each, in the order in which `phases` runs them."""
    early = _before_waiting(plan)
    order = sorted(range(len(plan.steps)), key=lambda i: (i not in early, i))
    return cut_all(Cutter(plan, store), [[plan.steps[i]] for i in order] or [[]], plan)


def cut_all(cutter: Cutter, pieces: Sequence[Sequence[Step | Segment]], plan: Plan) -> list[Part]:
    """Cuts the whole plan into `pieces`, the last of which gives the fetches."""
    end = len(pieces) - 1
    last = {v: i for i, piece in enumerate(pieces) for step in piece for v in taken_by(step)}
    last.update(dict.fromkeys(plan.fetches, end + 1))
    parts = []
    for i, piece in enumerate(pieces):
        parts.append(cutter.cut(piece, lambda v, i=i: last.get(v, -1) > i, plan.fetches if i == end else ()))
    return parts


def waits(step: Step | Segment) -> bool:
    """True where a step, or one in its bodies, may wait for another thread."""
    if isinstance(step, Segment):
        return False
    opdef = step.op.opdef
    if opdef.has_body:
        return any(waits(inner) for body in bodies_of(step.op) for inner in body_plan(body).steps)
    return opdef.blocking


def _before_waiting(plan: Plan) -> set[int]:
    """The steps that wait, what they need, and the effects created before them."""
    producer = {value: i for i, step in enumerate(plan.steps) for value in made_by(step)}
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
            stack.extend(producer[v] for v in taken_by(plan.steps[i]) if v in producer)
    return early


class Parts:
    """Runs parts one after another as one step: whole for other threads, and undone when one fails.

    The store is locked but for the parts that wait. What a part wrote before a wait is there for other
    threads during the wait; when the step fails afterwards it is taken back, unless another thread has built
    on it.
    """

    def __init__(self, plan: Plan, parts: list[Part], store: Store) -> None:
        self._plan = plan
        self.parts = parts
        self._lock = store.lock
        self._cancellation = store.cancellation

    def __call__(self, *values: Any, observe: Observer | None = None) -> tuple[Any, ...]:
        """The fetched values; `observe` is told each part that is done, its start, end and results."""
        env = dict(zip(self._plan.feeds, values, strict=True))
        self.advance(self.parts, env, observe)
        return tuple([None if v < 0 else env[v] for v in self._plan.fetches])

    def advance(self, parts: Sequence[Part], env: dict[int, Any], observe: Observer | None = None) -> None:
        """Runs `parts` on the values in `env`, where their results go; a failure leaves slots as before."""
        written: list[tuple[Slot, Any, Any]] = []
        lock, held = self._lock, False
        try:
            with np.errstate(all="ignore"), limited(self._cancellation):
                for part in parts:
                    if part.waits and held:
                        lock.release()
                        held = False
                    elif not part.waits and not held:
                        lock.acquire()
                        held = True
                    old = [slot.value for slot in part.changed]
                    start = time.time_ns()
                    results = part.function(*[env[v] for v in part.takes], *part.slots)
                    if observe is not None:
                        observe(part, start, time.time_ns(), results)
                    written.extend((s, o, s.value) for s, o in zip(part.changed, old, strict=True))
                    env.update(zip(part.gives, results, strict=True))
        except BaseException:
            with lock:
                for slot, before, after in reversed(written):
                    made = before is None and hasattr(after, "release")  # an object that holds something open
                    if slot.value is after and not made:
                        slot.value = before
            raise
        finally:
            if held:
                lock.release()
