"""`Executables`: the ready-to-run forms of one plan, one for each combination of fed shapes up to a limit.

A form starts in the interpreter. Where the cost model says so it is compiled, at a run index that follows
from the plan alone: the same program takes the same tier at the same run every time. What cannot be compiled
stays in the interpreter.
"""

from __future__ import annotations

import logging
import math
import os
import sys
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from millrace.core import compiled, errors
from millrace.core.collection import COLLECTOR_RESTS
from millrace.core.waiting import time_left
from millrace.graph.tensor import Tensor
from millrace.runtime import failures, interpret, warmed
from millrace.runtime.dataflow import TokenExecutables
from millrace.runtime.foresight import foreseen
from millrace.runtime.listing import locate
from millrace.runtime.plan import cost
from millrace.runtime.plan.planner import NeedsTokens, Plan, Step, any_step, make_plan
from millrace.runtime.plan.segments import Segment, split
from millrace.runtime.plan.simplify import simplify
from millrace.runtime.rounds import rounds_of
from millrace.runtime.stepwise import Cutter, Observer, Parts, cut_all, phases, single_steps, waits
from millrace.runtime.store import Cell, Store
from millrace.runtime.values import host

_MOST_SHAPES = 16  # a program that feeds more shapes than this is better served by one plan for all of them
_ON_1, _OFF = 1, -1  # OptimizerOptions.global_jit_level

_log = logging.getLogger("millrace")
_living: weakref.WeakSet[Executables] = weakref.WeakSet()


def _code_for(name: str) -> Callable[[], Any]:
    def load() -> Any:
        from millrace.runtime import native_host  # 40 ms, for who does much

        return getattr(native_host, name)()

    return load


compiled.brief.load, compiled.records.load = _code_for("brief"), _code_for("records")


class _Process:
    """What this process can do."""

    runs_programs = True  # not in a child of fork: XLA's threads stayed in the parent


def _after_fork() -> None:
    """A child has no threads but its own: what they held is free, and what needs XLA's is interpreted."""
    if "jax" in sys.modules:
        _Process.runs_programs = False
    for executables in list(_living):
        executables.begin_anew(None if _Process.runs_programs else "interpret")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class _Form:
    """One plan for one combination of fed shapes.

    Attributes:
      settled: `function` is there for good; until then each run is counted, and `plan` is kept.
    """

    __slots__ = (
        "bounded",
        "calls_python",
        "cells",
        "compile_at",
        "dims",
        "function",
        "loops",
        "observed",
        "plan",
        "runs",
        "segmented",
        "settled",
        "waits",
    )

    def __init__(self, plan: Plan, cells: list[Cell], compile_at: float, dims: Any) -> None:
        self.plan: Plan | None = plan
        self.settled = False
        self.cells = cells
        self.compile_at = compile_at
        self.runs = 0
        self.dims = dims
        self.function: Callable[..., Any] | None = None
        self.segmented: _Segmented | None = None
        self.observed: Parts | None = None
        self.waits = any(map(waits, plan.steps))
        self.calls_python = any_step(plan.steps, uses_python)
        self.loops = any_step(plan.steps, repeats)
        self.bounded: Callable[..., Any] | None = None


def uses_python(step: Step) -> bool:
    """True for host operations with effects."""
    return step.op.opdef.host and step.op.opdef.effect


def repeats(step: Step) -> bool:
    """True for loops: only they can compute without an end."""
    return step.op.type == "While"


class Executables:
    """Runs some fetches for some feeds.

    Feeding a new combination of shapes makes a plan in which everything that follows from them is folded;
    when there are too many of them, one plan for unknown shapes serves the rest.
    """

    def __init__(self, fetches: Sequence[Any], feeds: Sequence[Any], store: Store, tier: str) -> None:
        self._fetches = list(fetches)
        self._feeds: list[Tensor] = [f.tensor for f in feeds]
        self._store = store
        self._tier = tier if _Process.runs_programs else "interpret"
        self._ready: dict[tuple[tuple[int, ...], ...] | None, _Form] = {}
        self._fixed = not any(f.any_shape for f in feeds)
        _living.add(self)

    @property
    def runs(self) -> int:
        """How often it has run, as far as anybody counted: up to the run at which a form is compiled."""
        return sum(form.runs for form in self._ready.values())

    def begin_anew(self, tier: str | None = None) -> None:
        """Forgets all forms, and takes another tier where one is given."""
        self._ready.clear()
        self._tier = tier or self._tier

    def run(self, values: Sequence[Any], observe: Observer | None = None) -> tuple[Any, ...]:
        """The fetched values for the fed `values`.

        Args:
          values: one for each feed.
          observe: told each part of the run: an operation, or a compiled segment.

        Raises:
          tf.errors.OpError: an operation failed; the store is as it was.
        """
        key = () if self._fixed else tuple([v.shape for v in values])
        try:
            with self._store.lock:
                form = self._ready.get(key)
                if form is None:
                    with COLLECTOR_RESTS:
                        form = self._make(key, values)
                if not form.settled:
                    self._advance(form)
                if observe is not None:
                    function: Callable[..., Any] = partial(self._observed(form), observe=observe)
                elif not form.waits:
                    if form.loops and time_left() is not None:
                        if form.bounded is None:  # a compiled loop does not look at the clock
                            form.bounded = interpret.compile_plan(self.plan(form.dims))
                        with np.errstate(all="ignore"):
                            return form.bounded(*values, *form.cells)
                    if form.calls_python:  # which may run the session again, or look at context variables
                        with np.errstate(all="ignore"):
                            return form.function(*values, *form.cells)  # type: ignore[misc]
                    return self._store.quiet.run(form.function, *values, *form.cells)  # type: ignore[arg-type]
                else:
                    function = form.function  # type: ignore[assignment]
            return function(*values)
        except Exception as error:
            self._tell(error)
            raise

    def _tell(self, error: Exception) -> None:
        """Raises what the caller should see of an error; returns where that is the error itself."""
        if self._store.cancellation.cancelled and not isinstance(error, errors.CancelledError):
            message = "The session was closed while the step ran."
            raise errors.CancelledError(None, None, message) from error
        raise_located(error)

    def rounds(self) -> Callable[[], None] | None:
        """What runs the fetches, with nothing fed, once or several times at each call; None where that could
        be told from single runs.
        """
        if self._feeds:
            return None
        try:
            found = rounds_of(self.plan([]), self._store)
        except NeedsTokens:
            return None
        if found is None:
            return None

        def call() -> None:
            try:
                found()
            except Exception as error:
                self._tell(error)
                raise

        return call

    def _make(self, key: Any, values: Sequence[Any]) -> _Form:
        if len(self._ready) >= _MOST_SHAPES:
            if None in self._ready:
                return self._ready[None]
            _log.info(
                "millrace: %d shapes were fed for the same fetches; one plan for unknown shapes serves the "
                "next ones (feed fewer shapes, by padding, to have each planned for speed)",
                len(self._ready),
            )
            key = None
        dims = None if key is None else [np.shape(v) for v in values]
        try:
            plan = self.plan(dims)
        except NeedsTokens:
            form = self._ready[key] = self._by_tokens()
            return form
        if self._tier == "interpret" or key is None:
            compile_at = math.inf
        elif self._tier == "compile":
            compile_at = 0
        else:
            compile_at = cost.promotion(plan, foreseen())
            if 0 < compile_at < math.inf and warmed.is_warm(plan):
                compile_at = 0
        form = self._ready[key] = _Form(plan, interpret.cells_for(plan, self._store), compile_at, dims)
        return form

    def _by_tokens(self) -> _Form:
        """The form of what has old control flow: one for all shapes, and for good."""
        reach = self._store.lowering.reach(self._fetches, frozenset(self._feeds))
        function = TokenExecutables(self._fetches, self._feeds, reach, self._store)
        form = _Form(Plan([], [], [], {}, [], {}, {}, 0), [], math.inf, None)
        form.settled, form.waits, form.function = True, True, function
        form.observed = lambda *values, observe: function(*values)  # type: ignore[assignment]
        self._fixed = True
        self._ready[()] = form
        return form

    def plan(self, dims: list[Any] | None) -> Plan:
        """The simplified plan for feeds of these shapes."""
        return simplify(make_plan(self._fetches, self._feeds, self._store.lowering), dims)

    def _advance(self, form: _Form) -> None:
        """Counts a run, and makes the function that it needs."""
        plan = form.plan
        assert plan is not None
        if form.runs >= form.compile_at:
            form.observed = None
            form.function = self._compiled(form, plan)
            form.settled = True  # a signal may end any line
            form.plan = None
            return
        if form.function is None:
            with COLLECTOR_RESTS:
                form.function = phases(plan, self._store) if form.waits else interpret.compile_plan(plan)
        if form.compile_at == math.inf:
            form.settled = True
            form.plan = None
        form.runs += 1

    def _compiled(self, form: _Form, plan: Plan) -> Callable[..., Any]:
        """The function of a form with its segments compiled; where steps wait, those between the waits."""
        if form.waits:
            form.observed = phases(plan, self._store, _compiled_part)
            return form.observed
        form.segmented = _Segmented(plan)
        return form.segmented.function()

    def _observed(self, form: _Form) -> Parts:
        """The form taken apart into steps, or into segments where it is compiled."""
        if form.observed is None:
            if form.segmented is not None:
                form.observed = form.segmented.apart(self._store)
            else:
                plan = self.plan(form.dims)
                form.observed = Parts(plan, single_steps(plan, self._store), self._store)
        return form.observed


class _Segmented:
    """A plan cut into compiled segments and host steps."""

    def __init__(self, plan: Plan, whole: bool = True) -> None:
        self._plan = plan
        self._whole = whole
        self._parts = split(plan, whole)
        self._programs = {id(part): _Program(part, plan) for part in self._parts if isinstance(part, Segment)}

    def function(self) -> Callable[..., Any]:
        """All of it as one function."""
        if not self._programs:
            return interpret.compile_plan(self._plan, whole=self._whole)
        return self._build(self._plan, self._parts, self._whole)

    def apart(self, store: Store) -> Parts:
        """The same programs and host steps, called one after another."""
        pieces = [[part] for part in self._parts] or [[]]
        return Parts(self._plan, cut_all(Cutter(self._plan, store, self._build), pieces, self._plan), store)

    def _build(self, plan: Plan, parts: Any, whole: bool) -> Callable[..., Any]:
        from millrace.runtime.xla.program import placed

        return interpret.compile_plan(plan, parts, self._program, whole, placed)

    def _program(self, segment: Segment) -> Callable[..., Any]:
        return self._programs[id(segment)]


def _compiled_part(part: Plan, steps: Any, whole: bool) -> Callable[..., Any]:
    return _Segmented(part, whole).function()


class _Program:
    """A compiled segment; an interpreted one as soon as its first call shows that it cannot be compiled."""

    def __init__(self, segment: Segment, plan: Plan) -> None:
        from millrace.dialect.jax.control import Uncompilable
        from millrace.runtime.xla import program as xla_program

        self._refusal = Uncompilable
        self._segment = segment
        self._plan = plan
        self._function: Callable[..., Any] = xla_program.program_for(segment, plan)
        self._tried = False

    def __call__(self, kept: list[Any] | None, *values: Any) -> Sequence[Any]:
        try:
            results = self._function(kept, *values)
        except Exception as error:
            if kept:  # the program is done; a signal's function has raised this
                raise
            checked = isinstance(error, errors.OpError) and error.op is not None
            if self._tried and not checked and not isinstance(error, self._refusal):
                raise
            failure = error
        else:
            self._tried = True
            return results
        function = self._interpreted()
        if checked:  # of what the program has computed, something is not allowed
            function(None, *values)  # fails likewise, and can tell the values
            raise failure
        _log.info("millrace: part of a plan stays in the interpreter: %s", failure)
        self._function, self._tried = function, True
        return function(None, *values)

    def _interpreted(self) -> Callable[..., Any]:
        segment, plan = self._segment, self._plan
        part = replace(plan, feeds=segment.inputs, steps=segment.steps, fetches=segment.outputs, cells=[])
        function = interpret.compile_plan(part)

        def on_host(_: Any, *values: Any) -> Any:
            return function(*map(host, values))

        return on_host


def tier_asked_for(options: Any) -> str:
    """The tier, "interpret", "compile" or "auto", from the session's ConfigProto, else from MILLRACE_TIER."""
    if options is not None:
        level = options.graph_options.optimizer_options.global_jit_level
        if level >= _ON_1:
            return "compile"
        if level == _OFF:
            return "interpret"
    tier = os.environ.get("MILLRACE_TIER", "auto")
    if tier not in ("interpret", "compile", "auto"):
        raise ValueError(f"MILLRACE_TIER must be 'interpret', 'compile' or 'auto'. Received: {tier!r}")
    return tier


def raise_located(error: Exception) -> None:
    """Raises the `tf.errors` exception for an error inside a plan's function; returns for any other."""
    found = locate(error)
    if found is None:
        return
    step, values = found
    raised = failures.from_exception(error, step.op, values)
    if raised is not error:
        raise raised from (error.__cause__ if isinstance(error, errors.OpError) else error)
