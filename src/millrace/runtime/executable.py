"""`Executables`: the ready-to-run forms of one plan, one for each combination of fed shapes up to a limit.

A form starts in the interpreter. Where the cost model says so it is compiled, at a run index that follows from the
plan alone: the same program takes the same tier at the same run every time. A plan that cannot be compiled stays in
the interpreter.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from millrace.core import errors
from millrace.graph.tensor import Tensor
from millrace.runtime import cost, failures, interpret
from millrace.runtime.plan import Plan, Step, bodies_of, body_plan, make_plan
from millrace.runtime.segments import Segment, split
from millrace.runtime.simplify import simplify
from millrace.runtime.stepwise import Cutter, Observer, Parts, cut_all, phases, single_steps
from millrace.runtime.store import Slot, Store

_MOST_SHAPES = 16  # a program that feeds more shapes than this is better served by one plan for all of them
_ON_1, _OFF = 1, -1  # OptimizerOptions.global_jit_level

_log = logging.getLogger("millrace")


class _Form:
    """One plan for one combination of fed shapes."""

    __slots__ = (
        "calls_python",
        "compile_at",
        "dims",
        "function",
        "observed",
        "plan",
        "runs",
        "slots",
        "waits",
    )

    def __init__(self, plan: Plan, slots: list[Slot], compile_at: float, dims: Any) -> None:
        self.plan: Plan | None = plan
        self.slots = slots
        self.compile_at = compile_at
        self.runs = 0
        self.dims = dims
        self.function: Callable[..., Any] | None = None
        self.observed: Parts | None = None
        self.waits = any(step.op.opdef.blocking for step in plan.steps)
        self.calls_python = any(uses_python(step) for step in plan.steps)


def uses_python(step: Step) -> bool:
    """True for host operations with effects, and operations with bodies that hold one."""
    opdef = step.op.opdef
    if opdef.has_body:
        return any(uses_python(s) for body in bodies_of(step.op) for s in body_plan(body).steps)
    return opdef.host and opdef.effect


class Executables:
    """Runs some fetches for some feeds.

    Feeding a new combination of shapes makes a plan in which everything that follows from them is folded; when there
    are too many of them, one plan for unknown shapes serves the rest.
    """

    def __init__(self, fetches: Sequence[Any], feeds: Sequence[Any], store: Store, options: Any) -> None:
        self._fetches = list(fetches)
        self._feeds: list[Tensor] = [f.tensor for f in feeds]
        self._store = store
        self._tier = tier_asked_for(options)
        self._ready: dict[tuple[tuple[int, ...], ...] | None, _Form] = {}
        self._fixed = not any(f.any_shape for f in feeds)

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
                    form = self._make(key, values)
                if form.plan is not None:
                    self._advance(form)
                if observe is not None:
                    function: Callable[..., Any] = partial(self._observed(form), observe=observe)
                elif not form.waits:
                    if form.calls_python:  # which may run the session again, or look at context variables
                        with np.errstate(all="ignore"):
                            return form.function(*values, *form.slots)  # type: ignore[misc]
                    return self._store.quiet.run(form.function, *values, *form.slots)  # type: ignore[arg-type]
                else:
                    function = form.function  # type: ignore[assignment]
            return function(*values)
        except Exception as error:
            raise_located(error)
            raise

    def _make(self, key: Any, values: Sequence[Any]) -> _Form:
        if len(self._ready) >= _MOST_SHAPES:
            if None in self._ready:
                return self._ready[None]
            _log.info(
                "millrace: %d shapes were fed for the same fetches; one plan for unknown shapes serves the next ones "
                "(feed fewer shapes, by padding, to have each planned for speed)",
                len(self._ready),
            )
            key = None
        dims = None if key is None else [np.shape(v) for v in values]
        plan = self.plan(dims)
        if self._tier == "interpret" or key is None:
            compile_at = math.inf
        elif self._tier == "compile":
            compile_at = 0
        else:
            compile_at = cost.estimate(plan).promotion()
        form = self._ready[key] = _Form(plan, interpret.slots_for(plan, self._store), compile_at, dims)
        return form

    def plan(self, dims: list[Any] | None) -> Plan:
        """The simplified plan for feeds of these shapes."""
        return simplify(make_plan(self._fetches, self._feeds), dims)

    def _advance(self, form: _Form) -> None:
        """Counts a run, and makes the function that it needs."""
        plan = form.plan
        assert plan is not None
        if form.runs >= form.compile_at:
            form.plan = None
            form.observed = None
            form.function = self._whole(form, plan, _compiled)
            return
        if form.function is None:
            form.function = self._whole(form, plan, interpret.compile_plan)
            if form.compile_at == math.inf:
                form.plan = None
        form.runs += 1

    def _whole(self, form: _Form, plan: Plan, build: Callable[..., Any]) -> Callable[..., Any]:
        """The function of a form: one for all steps, or where some of them wait, one for each part between waits."""
        return Parts(plan, phases(plan, self._store, build), self._store) if form.waits else build(plan)

    def _observed(self, form: _Form) -> Parts:
        """The form taken apart into steps, or into segments where it is compiled."""
        if form.observed is None:
            compiled = form.function
            if isinstance(compiled, Parts) and form.plan is None and form.compile_at != math.inf:
                form.observed = compiled
            elif isinstance(compiled, _WithFallback) and compiled.segmented is not None:
                form.observed = compiled.segmented.apart(self._store)
            else:
                plan = form.plan or self.plan(form.dims)
                form.observed = Parts(plan, single_steps(plan, self._store), self._store)
        return form.observed


@dataclass(frozen=True, slots=True)
class _Segmented:
    """A plan cut into segments, with their programs."""

    plan: Plan
    steps: list[Step | Segment]
    programs: dict[int, Any]

    def program(self, segment: Segment) -> Any:
        return self.programs[id(segment)]

    def apart(self, store: Store) -> Parts:
        """The same programs and host steps, called one after another."""

        def build(part: Plan, steps: Any) -> Callable[..., Any]:
            return interpret.compile_plan(part, steps, self.program)

        pieces = [[step] for step in self.steps]
        return Parts(self.plan, cut_all(Cutter(self.plan, store, build), pieces, self.plan), store)


def _compiled(plan: Plan, steps: Sequence[Step] | None = None) -> Callable[..., Any]:
    """The function of a plan, compiled where that is possible."""
    parts = split(plan)
    segments = [part for part in parts if isinstance(part, Segment)]
    if not segments:
        return interpret.compile_plan(plan)
    from millrace.runtime import xla

    segmented = _Segmented(plan, parts, {id(segment): xla.Program(segment, plan) for segment in segments})
    return _WithFallback(segmented, interpret.compile_plan(plan, parts, segmented.program))


class _WithFallback:
    """A compiled plan that becomes an interpreted one when its first run shows that it cannot be compiled."""

    def __init__(self, segmented: _Segmented, function: Callable[..., Any]) -> None:
        self.segmented: _Segmented | None = segmented
        self._function = function
        self._tried = False

    def __call__(self, *args: Any) -> Any:
        if self._tried:
            return self._function(*args)
        self._tried = True
        segmented = self.segmented
        assert segmented is not None
        try:
            return self._function(*args)
        except errors.OpError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever stops the compiler, the interpreter can run it
            _log.info("millrace: a plan stays in the interpreter: %s", error)
            self.segmented = None
            self._function = interpret.compile_plan(segmented.plan)
            return self._function(*args)


def tier_asked_for(options: Any) -> str:
    """ "interpret", "compile" or "auto", from the session's ConfigProto, else from MILLRACE_TIER."""
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
    """Raises the `tf.errors` exception for an error inside a plan's function; returns when it is from elsewhere."""
    found = interpret.locate(error)
    if found is None:
        return
    step, values = found
    raised = failures.from_exception(error, step.op, values)
    if raised is not error:
        raise raised from (None if isinstance(error, errors.OpError) else error)
