"""A step that is run over and over to move elements from one queue to another: many of them at once.

What the runner of a batch does for each element (take it, gather its rows, do simple arithmetic, put it into
the queue of the batch) is done for as many elements as there are and as there is room for, where every row
comes out as it would by itself. No thread takes more than it can hand on at once, so that what queues hold,
their order and their ends are those of single rounds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from millrace.core import errors, shapes
from millrace.core.waiting import limited
from millrace.opkit.state.queues import Element, Queue
from millrace.opkit.state.resource import Resource, of
from millrace.runtime import failures, interpret
from millrace.runtime.plan.planner import CellUse, Plan, Step
from millrace.runtime.plan.rows import row_bytes, rows_of
from millrace.runtime.stepwise import Cutter, Part, cut_all
from millrace.runtime.store import Store

_MOST_ELEMENTS, _MOST_BYTES = 256, 1 << 20  # taken at once: past these, arithmetic leaves the caches


class Rounds:
    """Moves the elements that are there; a call waits for the first.

    Args:
      take, put: the steps that take an element from a queue and put one into the other.
      head, rows: what comes before the taking, and the arithmetic between.
      most: how many elements to take at once.
      locked: the arithmetic reads variables, which must not change meanwhile.
    """

    def __init__(
        self, take: Step, put: Step, head: Part, rows: Part, store: Store, most: int, locked: bool
    ) -> None:
        self._head, self._rows = head, rows
        self._take, self._put = take, put
        self._store = store
        self._most = most
        self._locked = locked

    def __call__(self) -> None:
        """Moves at least one element.

        Raises:
          tf.errors.OpError: as the step would; the elements behind the one that failed are back in their
          queue.
        """
        with np.errstate(all="ignore"), limited(self._store.cancellation):
            head = self._head
            with self._store.lock:
                env = dict(zip(head.gives, head.function(*head.cells), strict=True))
            source, target = of(Queue, env[self._take.takes[0]]), of(Queue, env[self._put.takes[0]])
            with _told(self._take):
                taken = source.dequeue_some(int(max(1, min(self._most, target.room()))))
            moved = 0
            try:
                try:
                    components = self._computed(env, source, taken)
                except Exception:
                    if len(taken) == 1:
                        raise
                    for element in taken:  # one fails: those before it are moved
                        self._put_one(target, self._computed(env, source, [element]), 0)
                        moved += 1
                else:
                    with _told(self._put):
                        moved = target.enqueue_while_open(components)
                    if moved < len(taken):
                        self._put_one(target, components, moved)  # which fails: the queue is closed
            except BaseException:
                source.give_back(taken[moved + 1 :])
                raise

    def _put_one(self, target: Queue, components: Element, row: int) -> None:
        with _told(self._put):
            target.enqueue(tuple(c[row] for c in components))

    def _computed(self, env: dict[int, Any], source: Queue, taken: list[Element]) -> Element:
        """The components to put, a row for each element taken."""
        rows, values = self._rows, dict(env)
        values.update(zip(self._take.makes, source.stacked(taken), strict=True))
        if self._locked:
            with self._store.lock:
                found = rows.function(*[values[v] for v in rows.takes], *rows.cells)
        else:
            found = rows.function(*[values[v] for v in rows.takes], *rows.cells)
        values.update(zip(rows.gives, found, strict=True))
        return tuple(values[v] for v in self._put.takes[1:])


@contextlib.contextmanager
def _told(step: Step) -> Generator[None, None, None]:
    """Errors inside are those of the step's operation."""
    try:
        yield
    except errors.OpError as error:
        raise failures.from_exception(error, step.op, []) from error.__cause__


def rounds_of(plan: Plan, store: Store) -> Callable[[], None] | None:
    """What runs a plan again and again, several rounds at once; None where that could be told from single
    rounds.

    Args:
      plan: of one operation, with nothing fed.
    """
    takes = [s for s in plan.steps if s.op.opdef.name == "QueueDequeueV2"]
    puts = [s for s in plan.steps if s.op.opdef.name == "QueueEnqueueV2"]
    if len(takes) != 1 or len(puts) != 1 or plan.fetches != [-1] or plan.feeds:
        return None
    take, put = takes[0], puts[0]
    if any(map(_written, plan.cells)) or not all(map(_has_rows, take.op.outputs)):
        return None
    head, rows = _divided(plan, take, put)
    if not all(step.op.opdef.pure or step.op.opdef.state for step in head):
        return None
    ranks = rows_of(plan, {v: len(plan.dims.get(v) or ()) for v in take.outputs}, rows, gathers=True)
    given = put.inputs[1:]
    if ranks is None or not all(v in ranks for v in given) or len(set(given)) < len(given):
        return None
    sizes = [row_bytes(plan, v) for v in given]
    if any(size is None for size in sizes):
        return None
    most = max(1, min(_MOST_ELEMENTS, _MOST_BYTES // max(1, sum(filter(None, sizes)))))
    pieces = [head, [take], rows, [put]]
    before, _, between, _ = cut_all(Cutter(plan, store, _for_any_rows), pieces, plan)
    locked = any(use.op.opdef.state is None for use in plan.cells)
    return Rounds(take, put, before, between, store, most, locked)


def _divided(plan: Plan, take: Step, put: Step) -> tuple[list[Step], list[Step]]:
    """The steps that do not need the element taken, and those that do."""
    of_element = set(take.outputs)
    head: list[Step] = []
    rows: list[Step] = []
    for step in plan.steps:
        if step is take or step is put:
            continue
        if of_element.isdisjoint(step.takes):
            head.append(step)
        else:
            rows.append(step)
            of_element.update(step.makes)
    return head, rows


def _written(use: CellUse) -> bool:
    """True where a run changes a cell, other than by making the object that a handle stands for."""
    if use.final != use.initial:
        return not (isinstance(use.op.opdef.state, type) and issubclass(use.op.opdef.state, Resource))
    return use.op.opdef.state is not None and not use.op.type.endswith("QueueV2")


def _has_rows(tensor: Any) -> bool:
    known = shapes.fully_defined(tensor.dims)
    return known and tensor.dtype.is_numpy_compatible and tensor.dtype.name != "string"


def _for_any_rows(part: Plan, steps: Sequence[Any], whole: bool) -> Callable[..., Sequence[Any]]:
    """Shapes are those of single elements, so the function must not count on them."""
    return interpret.compile_plan(replace(part, dims={}), list(steps), whole=whole)
