"""Functions of datasets, planned once and called for each element.

A function is planned like the body of a loop, for the static shapes of its arguments, and becomes one
Python function. Variables that it captured live in the session's store; what its own operations remember
(the state of a random generator) belongs to one start, as in TensorFlow: each iterator starts its
functions anew.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from millrace.building.function import FunctionGraph
from millrace.core import shapes
from millrace.graph.operation import Operation
from millrace.graph.references import cell_key
from millrace.runtime import interpret
from millrace.runtime.commit import store_all
from millrace.runtime.executable import Executables, raise_located
from millrace.runtime.piecewise import piecewise
from millrace.runtime.plan import cost
from millrace.runtime.plan.cells_first import cells_first
from millrace.runtime.plan.long_first import long_first
from millrace.runtime.plan.planner import CellUse, NeedsTokens, Plan, Step, any_step, make_plan
from millrace.runtime.plan.rows import rows_last
from millrace.runtime.plan.simplify import simplify
from millrace.runtime.rowwise import rowwise_function
from millrace.runtime.stepwise import waits
from millrace.runtime.store import Cell, Store
from millrace.runtime.threads import ONE_THREAD, uses_blas
from millrace.runtime.values import host

_CALLING = frozenset(
    ("PyFunc", "PyFuncStateless", "EagerPyFunc")
)  # functions of the program, which may wait for anything
_REMEMBERING = _CALLING - {"PyFuncStateless"}
_COUNTING = frozenset(("Print",))  # what they remember changes no result
_LONG = 200e-6  # seconds: what takes longer is worth a thread of its own
_LONG_AFTERWARDS = 500e-6  # of short steps on small arrays, which get in each other's way in several threads
_LONG_TO_COMPILE = 2e-3

Call = Callable[..., Sequence[Any]]
_NOTHING = Plan([], [], [], {}, [], {}, {}, 0)


class _Planned:
    """A function's plan and the Python function made of it.

    Args:
      graph: the function.
      plan: what to do of it for each element; default: all.
    """

    def __init__(self, graph: FunctionGraph, plan: Plan | None = None) -> None:
        self.results = len(graph.outputs)
        self.explicit = len(graph.inputs)
        self.feeds = [*graph.inputs, *graph.captures.values()]
        self.fetches = [*graph.outputs, *_effects(graph)]
        dims = [t.dims for t in self.feeds]
        known = all(map(shapes.fully_defined, dims))
        self.function: Call
        self.plan = _NOTHING
        self.waits = False
        self.parallel = False
        self.ahead: tuple[_Part, Call] | None = None  # what must come in order, and what follows from it
        self.behind: tuple[Call, _Part] | None = None  # what may come in any order, and what follows from it
        try:
            self.plan = plan or simplify(make_plan(self.fetches, self.feeds), dims if known else None)
        except NeedsTokens:  # old control flow, which is run as a whole
            self.compiles = True
        else:
            self._make(known and plan is None)
        self.rowwise: Call | None = None
        self.rowwise_known = False  # it is made when it is first asked for
        self.in_two: dict[int, tuple[_Planned, Call] | None] = {}  # by the size of batches

    def _make(self, may_compile: bool) -> None:
        self.function = self._function(self.plan)
        self.waits = any(map(waits, self.plan.steps))
        self.compiles = may_compile and not self.waits and _worth_compiling(self.plan)
        self.parallel = _worth_a_thread(self.plan)
        if self.parallel and not self.compiles:
            self._split()

    def _split(self) -> None:
        """Finds what threads may do of many calls at once, and what is better done in order."""
        parts = long_first(self.plan, self.explicit, _is_long)
        if parts is not None and not _worth_a_thread(parts[1], _LONG_AFTERWARDS):
            self.behind = self._function(parts[0]), _Part(parts[1], self._function(parts[1]))
            return
        parts = cells_first(self.plan)
        if parts is not None and not _worth_a_thread(parts[0]):
            self.ahead = _Part(parts[0], interpret.compile_function(parts[0])), self._function(parts[1])

    def _function(self, plan: Plan) -> Call:
        function: Call = interpret.compile_function(plan)
        if len(self.fetches) > self.results and not plan.cells:
            function = _first(function, self.results)
        if any(uses_blas(step.op.type) for step in plan.steps):
            function = _with_one_thread(function)
        return function


@dataclass(frozen=True, slots=True)
class _Part:
    """Some steps of a function that read and write cells."""

    plan: Plan
    function: Call


def _effects(graph: FunctionGraph) -> list[Operation]:
    """What the function does besides its results."""
    return [
        op
        for op in graph.ops
        if op.body is None
        and (op.opdef.effect or op.opdef.writes or op.opdef.blocking)
        and op.type != "BodyArg"
    ]


def _first(function: Call, count: int) -> Call:
    return lambda *values: function(*values)[:count]


def _is_long(step: Step) -> bool:
    """True for steps that keep a thread busy, or waiting, outside of Python."""
    name = step.op.opdef.name
    return name == "ReadFile" or name.startswith("Decode")


def _worth_a_thread(plan: Plan, long: float = _LONG) -> bool:
    if any(map(_is_long, plan.steps)) or any(step.op.opdef.name in _CALLING for step in plan.steps):
        return True
    return any(map(waits, plan.steps)) or cost.estimate(plan).interpreted > long


def _worth_compiling(plan: Plan) -> bool:
    """True for long arithmetic: a program is called through XLA's threads, which other stages keep busy."""
    return cost.promotion(plan) < math.inf and cost.estimate(plan).interpreted > _LONG_TO_COMPILE


def _with_one_thread(function: Call) -> Call:
    def call(*values: Any) -> Sequence[Any]:
        with ONE_THREAD:
            return function(*values)

    return call


class Functions:
    """Starts functions in one session, and keeps what they have become as long as it lives."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._planned: dict[FunctionGraph, _Planned] = {}

    def start(
        self, graph: FunctionGraph, captured: Sequence[Any], states: dict[Any, Any], rows: int = 0
    ) -> Call:
        """A Python function of the explicit arguments to the results.

        Args:
          graph: the function.
          captured: the values of what it captured.
          states: where what its own operations remember is kept; added to.
          rows: of the batches of which `rows_last` does the rest; 0 where nobody does.
        """
        in_two = self._in_two(graph, rows) if rows else None
        planned = self._plan_of(graph) if in_two is None else in_two[0]
        uses = planned.plan.cells
        if not uses and not planned.compiles:
            if planned.behind is not None:
                before, after = planned.behind
                return _Behind(before, _bound(after.function, tuple(captured)), captured)
            return _bound(planned.function, tuple(captured))
        own = states.get(graph)
        if own is None:
            own = states[graph] = _Own(graph, self._store, uses, planned.waits)
        if planned.compiles:
            return _Compiled(own.executables(planned), planned, captured)
        cells = [own.cell(use.key) for use in uses]
        if planned.behind is not None:
            before, after = planned.behind
            rest = _Stateful(after, planned.results, tuple(captured), cells, own.lock)
            return _Behind(before, rest, captured)
        if planned.ahead is not None and own.alone(uses):
            first, rest = planned.ahead
            return _Ahead(
                _Stateful(first, len(first.plan.fetches), tuple(captured), cells, own.lock), rest, captured
            )
        whole = _Part(planned.plan, planned.function)
        return _Stateful(whole, planned.results, tuple(captured), cells, own.lock)

    def rowwise(self, graph: FunctionGraph, captured: Sequence[Any]) -> Call | None:
        """A Python function of batches of the arguments to batches of the results, each row as by itself;
        None where the function does something else than simple arithmetic of elements.
        """
        planned = self._plan_of(graph)
        if not planned.rowwise_known:
            planned.rowwise_known = True
            planned.rowwise = rowwise_function(graph, len(planned.fetches) > planned.results)
        return None if planned.rowwise is None else _bound(planned.rowwise, tuple(captured))

    def rows_last(self, graph: FunctionGraph, captured: Sequence[Any], rows: int) -> Call | None:
        """A Python function of batches of what `start` with `rows` gives to batches of the results.

        None where the function is better called as a whole.
        """
        in_two = self._in_two(graph, rows)
        return None if in_two is None else _bound(in_two[1], tuple(captured))

    def _in_two(self, graph: FunctionGraph, rows: int) -> tuple[_Planned, Call] | None:
        planned = self._plan_of(graph)
        if rows not in planned.in_two:
            plans = None
            if not planned.compiles:
                plans = rows_last(planned.plan, planned.explicit, planned.results, rows)
            planned.in_two[rows] = plans and (
                _Planned(graph, plans[0]),
                piecewise(plans[1]) or interpret.compile_function(plans[1]),
            )
        return planned.in_two[rows]

    def worth_threads(self, graph: FunctionGraph) -> bool:
        """True where calls take long enough, or wait for something, so that threads of their own pay."""
        return self._plan_of(graph).parallel

    def only_computes(self, graph: FunctionGraph) -> bool:
        """True where calls neither wait for anything nor call Python functions of the program, so that nobody
        can tell how many elements they are ahead.
        """
        planned = self._plan_of(graph)
        return not planned.waits and not any_step(
            planned.plan.steps, lambda step: step.op.opdef.name in _CALLING
        )

    def stateful(self, op: Operation) -> str:
        """The type of an operation, in the functions that `op` calls and in those that they call, that
        remembers something from one call to the next, else "".
        """
        for graph in op.attrs.values():
            if isinstance(graph, FunctionGraph):
                for inner in graph.ops:
                    if inner.type in _REMEMBERING or (inner.opdef.state and inner.type not in _COUNTING):
                        return inner.type
                    if found := self.stateful(inner):
                        return found
        return ""

    def _plan_of(self, graph: FunctionGraph) -> _Planned:
        planned = self._planned.get(graph)
        if planned is None:
            planned = self._planned[graph] = _Planned(graph)
        return planned

    def located(self, error: BaseException) -> BaseException:
        """The error of the operation that failed, for an exception that a call raised."""
        if not isinstance(error, Exception):
            return error
        try:
            raise_located(error)
        except Exception as found:
            return found
        return error


def _bound(function: Call, captured: tuple[Any, ...]) -> Call:
    if not captured:
        return function
    return lambda *values: function(*values, *captured)


class _Stateful:
    """A call that reads and writes cells."""

    __slots__ = ("_captured", "_cells", "_count", "_first", "_function", "_lock", "_written")

    def __init__(
        self, part: _Part, results: int, captured: tuple[Any, ...], cells: list[Cell], lock: Any
    ) -> None:
        self._function = part.function
        self._captured = captured
        self._cells = cells
        self._lock = lock
        self._count = results
        self._first = len(part.plan.fetches)
        self._written = [
            i
            for i, use in enumerate(part.plan.cells)
            if use.final != use.initial or use.op.opdef.state is not None
        ]

    def __call__(self, *values: Any) -> Sequence[Any]:
        with self._lock:
            cells = self._cells
            results = self._function(*values, *self._captured, *[host(s.value) for s in cells])
            first = self._first
            store_all([cells[i] for i in self._written], [results[first + i] for i in self._written])
        return results[: self._count]


class _Ahead:
    """A call whose cells are done with before its long part begins, so that many of those may run at once."""

    __slots__ = ("_captured", "_first", "_rest")

    def __init__(self, first: _Stateful, rest: Call, captured: Sequence[Any]) -> None:
        self._first = first
        self._rest = rest
        self._captured = tuple(captured)

    def begin(self, *values: Any) -> Callable[[], Sequence[Any]]:
        """Does what must come in order; the function that it returns does the rest, in any thread."""
        return partial(self._rest, *values, *self._captured, *self._first(*values))

    def __call__(self, *values: Any) -> Sequence[Any]:
        return self.begin(*values)()


class _Behind:
    """A call whose long part needs no cells, so that many of those may run at once; the rest comes in
    order.
    """

    __slots__ = ("_captured", "_first", "_rest")

    def __init__(self, first: Call, rest: Call, captured: Sequence[Any]) -> None:
        self._first = first
        self._rest = rest
        self._captured = tuple(captured)

    def ahead(self, *values: Any) -> Sequence[Any]:
        """Does the long part, in any thread; for `finish`."""
        return (*values, *self._first(*values, *self._captured))

    def finish(self, found: Sequence[Any]) -> Sequence[Any]:
        """The results of a call whose long part has been done, in the calls' order."""
        return self._rest(*found)

    def __call__(self, *values: Any) -> Sequence[Any]:
        return self._rest(*values, *self._first(*values, *self._captured))


class _Own(Store):
    """The store of one function in one iterator: its own cells here, those of the program in the
    session's.
    """

    def __init__(self, graph: FunctionGraph, store: Store, uses: list[CellUse], waits: bool) -> None:
        super().__init__()
        self._shared = store
        self._own = {cell_key(op) for op in graph.ops if op.opdef.state and not op.attrs.get("shared_name")}
        self._executables: Executables | None = None
        if not waits and not self.alone(uses):
            self.lock = store.lock

    def alone(self, uses: list[CellUse]) -> bool:
        """True where nothing but the function touches the cells."""
        return all(use.key in self._own for use in uses)

    def cell(self, key: str) -> Cell:
        return super().cell(key) if key in self._own else self._shared.cell(key)

    def executables(self, planned: _Planned) -> Executables:
        """The function's forms, interpreted and compiled."""
        if self._executables is None:
            feeds = [_Feed(t) for t in planned.feeds]
            self._executables = Executables(planned.fetches, feeds, self, "auto")
        return self._executables


class _Compiled:
    """A call whose arithmetic is large enough to be compiled, at the run at which that has paid."""

    def __init__(self, executables: Executables, planned: _Planned, captured: Sequence[Any]) -> None:
        self._executables = executables
        self._count = planned.results
        self._captured = tuple(captured)

    def __call__(self, *values: Any) -> Sequence[Any]:
        return self._executables.run((*values, *self._captured))[: self._count]


class _Feed:
    """An argument, in the form in which `Executables` takes feeds."""

    any_shape = False

    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor
