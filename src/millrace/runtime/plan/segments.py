"""Cutting a plan into compiled segments with host steps between them."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from millrace.core import dtypes, shapes
from millrace.core.kinds import LISTS
from millrace.graph.operation import Operation, group
from millrace.graph.tensor import Tensor
from millrace.runtime.plan.borders import BodyUse, bodies_of
from millrace.runtime.plan.planner import Plan, Step
from millrace.runtime.plan.simplify import body_form

CALLS_PYTHON = frozenset(("PyFunc", "PyFuncStateless"))  # a program's own functions
_SHARED = "it shares a tensor array, a stack or what a branch keeps with a host step"
_SHAPE_FACTS = frozenset(("Shape", "ShapeN", "Size", "Rank"))


@dataclass(slots=True)
class Segment:
    """Steps that run as one compiled program.

    Attributes:
      steps: in execution order.
      inputs: value ids from outside, outputs: those that outside takes.
      donated: the inputs whose memory the program may take over.
    """

    steps: list[Step]
    inputs: list[int] = field(default_factory=list[int])
    outputs: list[int] = field(default_factory=list[int])
    donated: frozenset[int] = frozenset()

    @property
    def takes(self) -> list[int]:
        """All values that it takes."""
        return self.inputs

    @property
    def makes(self) -> list[int]:
        """All values that it makes."""
        return self.outputs


def split(plan: Plan, whole: bool = True) -> list[Step | Segment]:
    """The plan's steps with everything that can be compiled gathered into as few segments as the order
    allows.

    Args:
      whole: False for a part of a step that may be taken back later: it leaves the old values alone.
    """
    host = [bool(reason) for reason in host_reasons(plan)]
    groups = list(_gather(plan, host))
    parts: list[Step | Segment] = []
    for is_host, steps in groups:
        if is_host:
            parts.extend(steps)
        else:
            parts.append(Segment(steps))
    _connect(plan, parts, whole)
    return parts


def host_reasons(plan: Plan) -> list[str]:
    """For each step why it cannot be part of a compiled program; empty where it can.

    Stacks and tensor arrays have another form in either tier, and what a branch that was not taken would have
    kept is there in a program alone, so all steps that hand one on stay together; only what a loop without a
    gradient has made of an array may leave a program.
    """
    known = set(plan.constants)
    varying: set[int] = set()
    reasons = [_reason(plan, step, known, varying) for step in plan.steps]
    arrays = _Arrays(plan)
    for i in arrays.from_outside():  # from another part of the step, which gives what the interpreter knows
        reasons[i] = reasons[i] or _SHARED
    waiting = [i for i, reason in enumerate(reasons) if reason]
    while waiting:
        for k in arrays.bound_to(waiting.pop(), reasons):
            if not reasons[k]:
                reasons[k] = _SHARED
                waiting.append(k)
    return reasons


class _Arrays:
    """The steps that hand stacks, tensor arrays and what branches keep on."""

    def __init__(self, plan: Plan) -> None:
        self._makers: dict[int, int] = {}
        self._takers: dict[int, list[int]] = {}
        self._taken: dict[int, list[int]] = {}
        self._made: dict[int, list[int]] = {}
        self._plan = plan
        for i, step in enumerate(plan.steps):
            for value, tensor in zip(step.inputs, step.op.inputs, strict=False):
                if _has_two_forms(tensor) and value not in plan.constants:
                    self._takers.setdefault(value, []).append(i)
                    self._taken.setdefault(i, []).append(value)
            for value, tensor in zip(step.outputs, step.op.outputs, strict=False):
                if _has_two_forms(tensor):
                    self._makers[value] = i
                    self._made.setdefault(i, []).append(value)

    def from_outside(self) -> list[int]:
        """The steps that take what another part has made."""
        return [i for value in self._plan.feeds for i in self._takers.get(value, ())]

    def bound_to(self, i: int, reasons: Sequence[str]) -> list[int]:
        """The steps that run on the host where step `i` does."""
        found: list[int] = []
        for value in self._made.get(i, ()):
            found += self._takers.get(value, ())
        for value in self._taken.get(i, ()):
            maker = self._makers.get(value)
            if maker is None:
                found += self._takers[value]
            elif not _may_leave(self._plan.steps[maker]):
                found += [maker, *self._takers[value]]
            elif self._plan.steps[maker].op.type == "TensorArrayV3" and self._all_on_host(maker, reasons):
                found.append(maker)
        return found

    def _all_on_host(self, maker: int, reasons: Sequence[str]) -> bool:
        return all(reasons[k] for value in self._made[maker] for k in self._takers.get(value, ()))


def _has_two_forms(tensor: Tensor) -> bool:
    """Whether the tiers know it otherwise: a stack, a tensor array, or what a branch keeps for a gradient,
    where the other branch has nothing to give.
    """
    op = tensor.op
    if not tensor.dtype.is_numpy_compatible:
        return True
    if op.type != "If":
        return False
    branches = (op.attrs["then_branch"], op.attrs["else_branch"])
    return any(branch.outputs[tensor.value_index].op.type == "Nothing" for branch in branches)


def _may_leave(step: Step) -> bool:
    """True where a compiled program gives the tensor arrays that a step makes in a form for the host."""
    if step.op.type == "TensorArrayV3":
        return True
    return step.op.type == "While" and len(step.op.outputs) == step.op.attrs["carried"]


def _reason(plan: Plan, step: Step, known: set[int], varying: set[int]) -> str:
    """Why a step stays in the interpreter: of itself, or since its arrays have other sizes in each run.

    A program is for one shape, and the distinct rows of a batch are as many as they are. What comes from
    outside of the graph, as from a queue, mostly has one shape, and is compiled for that.

    Args:
      known: see `host_reason`.
      varying: the values of such sizes; added to.
    """
    if varying.isdisjoint(step.inputs):
        reason = host_reason(plan, step, known)
        if not reason or not step.op.opdef.pure:
            return reason
    else:
        reason = "the size of what it takes depends on values"
    for value, tensor in zip(step.outputs, step.op.outputs, strict=False):
        if tensor.dtype.is_numpy_compatible and not shapes.fully_defined(plan.dims.get(value)):
            varying.add(value)
    return reason


def host_reason(plan: Plan, step: Step, known: set[int]) -> str:
    """Why a step cannot be part of a compiled program; empty where it can.

    Args:
      known: the values known while tracing; what this step adds to them is noted.
    """
    op = step.op
    opdef = op.opdef
    if opdef.name in _SHAPE_FACTS:
        known.update(step.outputs)
        return ""
    if opdef.pure and not opdef.host and step.inputs and all(v in known for v in step.inputs):
        known.update(step.outputs)
    if opdef.name == "Assert" and _shows_no_strings(plan, step):
        return ""
    if (
        opdef.name == "TensorArrayV3"
        and op.attrs["dynamic_size"]
        and (step.room is None or step.room.size < 0)
    ):
        return "how long it gets depends on values"
    if op.type == "While" and not _may_leave(step) and step.room is not None and not step.room.exact:
        return "how often it runs depends on values"
    if opdef.blocking and opdef.name not in CALLS_PYTHON:
        return "waits for other threads"
    if opdef.host:
        return "runs in Python"
    if opdef.effect and opdef.kernel is not None and not _harmless(op):
        return "has an effect outside"
    if opdef.reads_uninitialized and opdef.reads:
        return "asks whether a variable has a value"
    if any(t.dtype.base_dtype is dtypes.string for t in (*op.inputs, *op.outputs)):
        return "handles strings"
    wanting = _unknown_input(plan, step, known)
    if wanting:
        return f"its results' shapes depend on the value of {wanting!r}"
    for body in bodies_of(op):
        inner = _body_reason(step, body)
        if inner:
            return inner
    return ""


def _shows_no_strings(plan: Plan, step: Step) -> bool:
    """True for an assertion whose texts are all known: it becomes a check of the program."""
    pairs = zip(step.inputs, step.op.inputs, strict=True)
    return all(t.dtype.base_dtype is not dtypes.string or v in plan.constants for v, t in pairs)


def _harmless(op: Operation) -> bool:
    """Effects that only order things: they mean nothing inside one program."""
    return op.type in ("Tick", "PlaceholderWithDefault")


def _unknown_input(plan: Plan, step: Step, known: set[int]) -> str:
    """The first input whose value must be known while tracing and is not."""
    opdef = step.op.opdef
    if not opdef.static:
        return ""
    grouped = group(opdef.inputs, step.inputs, step.op.attrs)
    for arg, value in zip(opdef.inputs, grouped, strict=True):
        if arg.name in opdef.static:
            values = value if isinstance(value, LISTS) else (value,)
            if any(v not in known for v in values):
                return "" if _traceable(plan, step) else arg.name
    return ""


def _traceable(plan: Plan, step: Step) -> bool:
    """True where the operation's recipe for the compiler takes inputs that usually must be known."""
    traced = step.op.opdef.traced
    if traced is None:
        return False
    dims = [plan.dims.get(v) for v in step.inputs]
    values = [plan.constants.get(v) for v in step.inputs]
    return traced(dims, values, step.op.attrs)


def _body_reason(step: Step, body: BodyUse) -> str:
    plan = body_form(step.op, body, step.dims)
    known = set(plan.constants)
    # shapes captured from outside may be known there; the trace finds out, and falls back when they are not
    known.update(v for v, t in plan.tensors.items() if v in plan.feeds and t.dtype.is_integer)
    for inner in plan.steps:
        reason = host_reason(plan, inner, known)
        if reason:
            return f"its {inner.op.type} {inner.op.name!r} {reason}"
    return ""


def _gather(plan: Plan, host: list[bool]) -> Iterator[tuple[bool, list[Step]]]:
    """Groups of host or compiled steps: each group takes every step of its kind whose inputs are there."""
    producer: dict[int, int] = {}
    for i, step in enumerate(plan.steps):
        for value in step.makes:
            producer[value] = i
    place = {step.op: i for i, step in enumerate(plan.steps)}
    waiting_for: list[int] = []
    followers: list[list[int]] = [[] for _ in plan.steps]
    last_effect: int | None = None
    for i, step in enumerate(plan.steps):
        before = {producer[v] for v in step.takes if v in producer}
        before.discard(i)
        if step.op.opdef.effect or step.op.opdef.blocking or (host[i] and not step.op.opdef.pure):
            if last_effect is not None:
                before.add(last_effect)
            last_effect = i
        # control edges from host effects count; values carry every other order
        controls = [place.get(c, i) for c in step.op.control_inputs if c.opdef.effect]
        before.update(c for c in controls if c < i)
        waiting_for.append(len(before))
        for k in before:
            followers[k].append(i)
    ready: dict[bool, list[int]] = {True: [], False: []}
    for i, count in enumerate(waiting_for):
        if count == 0:
            ready[host[i]].append(i)
    kind = True
    while ready[True] or ready[False]:
        taken: list[Step] = []
        own = ready[kind]
        while own:
            i = heapq.heappop(own)
            taken.append(plan.steps[i])
            for k in followers[i]:
                waiting_for[k] -= 1
                if waiting_for[k] == 0:
                    heapq.heappush(ready[host[k]], k)
        if taken:
            yield kind, taken
        kind = not kind


def _connect(plan: Plan, parts: list[Step | Segment], whole: bool) -> None:
    """Finds what crosses the borders of each segment, and what it may take over."""
    finals = {use.final for use in plan.cells} | set(plan.fetches)
    last_taken: dict[int, int] = {}
    for i, part in enumerate(parts):
        for step in part.steps if isinstance(part, Segment) else (part,):
            last_taken.update(dict.fromkeys(step.takes, i))
    last = max((i for i, part in enumerate(parts) if isinstance(part, Segment)), default=-1)
    for i, part in enumerate(parts):
        if not isinstance(part, Segment):
            continue
        made: set[int] = set()
        inputs: dict[int, None] = {}
        for step in part.steps:
            for value in step.takes:
                if value not in made and value not in plan.constants:
                    inputs[value] = None
            made.update(step.makes)
        part.inputs = list(inputs)
        part.outputs = [v for v in made if v in finals or last_taken.get(v, -1) > i]
        part.outputs.sort()
        if whole and i == last == len(parts) - 1:
            part.donated = frozenset(
                use.initial
                for use in plan.cells
                if use.final != use.initial and use.initial in inputs and use.initial not in plan.fetches
            )
            # JAX gives the memory of an input to the first output of its shape: those that follow each other
            # come first and in one order, or variables of one shape change places, which takes a copy of each
            order = {v: k for k, v in enumerate(part.inputs)}
            place = {use.final: order[use.initial] for use in plan.cells if use.initial in part.donated}
            part.outputs.sort(key=lambda v: place.get(v, len(order)))
