"""What a plan costs, estimated from shapes alone, and when compiling it pays.

The figures are medians measured on two cores (docs/benchmarks.md); only their ratios matter. The choice never
looks at a clock, so that a program takes the same tier, and gives the same bits, every time it is run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from millrace.core import shapes
from millrace.graph.operation import Operation, is_ref
from millrace.runtime.plan.borders import bodies_of
from millrace.runtime.plan.planner import Plan, Step
from millrace.runtime.plan.segments import Segment, split
from millrace.runtime.plan.simplify import body_form, infer

_CALL = 1.2e-6  # seconds for one step of the interpreter beside the work itself
_NUMPY_BYTES = 5e9  # bytes a second through NumPy
_NUMPY_FLOPS = 80e9
_XLA_CALL = 60e-6  # seconds for one call of a compiled program
_XLA_VALUE = 1.5e-6  # seconds for each value that a program takes or gives
_XLA_STEP = 1e-6  # seconds for each operation of a program, however small
_XLA_BYTES = 8e9
_XLA_FLOPS = 180e9
_FUSED = 0.25  # part of the bytes that is left when elementwise steps are fused
_COMPILE = 0.3  # seconds for any program
_COMPILE_STEP = 4e-3  # seconds for each operation: 2.7e-3 where nothing else runs
_COMPILE_LOOPED = 18e-3  # seconds for one inside of a loop: XLA makes many small functions of its passes
_LOOP_TRIPS = 20  # how often a loop is taken to run
_WORTH = 0.7  # of the interpreter's time: a program guessed to take more may well be slower than it
_PATIENCE = 16  # a program that ran n times is taken to run this many times n more
_FREQUENT = {
    "Tanh": 12,
    "Sigmoid": 12,
    "Exp": 8,
    "Log": 10,
    "Sin": 14,
    "Cos": 14,
    "Pow": 25,
    "Erf": 25,
    "Softmax": 12,
}


@dataclass(frozen=True, slots=True)
class Cost:
    """Estimated work of a plan.

    Attributes:
      steps: kernel calls.
      flops: floating point operations of products and convolutions, and of costly functions.
      bytes: read and written by all steps.
      known: False where shapes are missing.
      operations: how many of them there are to compile.
      looped: how many of these are inside of loops.
      segments: how many programs they make.
      values: how many values these programs take and give.
      copied: bytes of the variables that they take and that host steps change, so that each run copies them.
    """

    steps: float
    flops: float
    bytes: float
    known: bool
    operations: int
    looped: int = 0
    segments: int = 1
    values: int = 0
    copied: float = 0

    @property
    def interpreted(self) -> float:
        """Seconds in the interpreter."""
        return self.steps * _CALL + self.bytes / _NUMPY_BYTES + self.flops / _NUMPY_FLOPS

    @property
    def compiled(self) -> float:
        """Seconds as compiled programs."""
        calls = self.segments * _XLA_CALL + self.values * _XLA_VALUE + self.operations * _XLA_STEP
        calls += self.copied / _NUMPY_BYTES
        return calls + self.bytes * _FUSED / _XLA_BYTES + self.flops / _XLA_FLOPS

    @property
    def compile_time(self) -> float:
        """Seconds to compile."""
        return _compile_seconds(self.operations, self.looped)

    def promotion(self, foreseen: int | None = None) -> float:
        """The index of the run at which to compile: infinity where it never pays.

        Args:
          foreseen: how many runs there will be, where that is known: they are compiled from the first on, or
            not at all.
        """
        gain = self.interpreted - self.compiled
        if not self.known or self.compiled >= _WORTH * self.interpreted:
            return math.inf
        if self.interpreted >= self.compile_time:
            return 0
        known = foreseen or 0
        if gain * known >= self.compile_time:
            return 0
        return max(known, math.ceil(self.compile_time / (gain * _PATIENCE)))


def promotion(plan: Plan, foreseen: int | None = None) -> float:
    """The run at which to compile what can be compiled of a plan; see `Cost.promotion`."""
    parts = [part for part in split(plan) if isinstance(part, Segment)] if plan.steps else []
    return of_segments(plan, parts).promotion(foreseen)


def of_segments(plan: Plan, segments: Sequence[Segment]) -> Cost:
    """The cost of the parts of `plan` that can be compiled; host steps cost the same either way."""
    steps = [step for segment in segments for step in segment.steps]
    values = sum(len(segment.inputs) + len(segment.outputs) for segment in segments)
    found = estimate(replace(plan, steps=steps))
    return replace(found, segments=len(segments), values=values, copied=_copied(plan, segments))


def _copied(plan: Plan, segments: Sequence[Segment]) -> float:
    """The bytes of variables that go from the host to a program in each run."""
    made = {v for segment in segments for step in segment.steps for v in step.makes}
    taken = {v for segment in segments for v in segment.inputs}
    total = 0.0
    for use in plan.cells:
        dtype = use.op.attrs.get("dtype")
        if use.initial in taken and use.final != use.initial and use.final not in made and dtype is not None:
            total += (shapes.num_elements(plan.dims.get(use.initial)) or 0) * float(dtype.size)
    return total


def _compile_seconds(operations: int, looped: int) -> float:
    return _COMPILE + _COMPILE_STEP * (operations - looped) + _COMPILE_LOOPED * looped


def compiling(steps: Sequence[Step]) -> tuple[int, float]:
    """How many operations there are to compile, those of bodies included, and the seconds that takes."""
    operations, looped = _counted(steps)
    return operations, _compile_seconds(operations, looped)


def _counted(steps: Sequence[Step]) -> tuple[int, int]:
    operations = looped = 0
    for step in steps:
        inner = [_counted(body_form(step.op, body, step.dims).steps) for body in bodies_of(step.op)]
        operations += sum(count for count, _ in inner) if inner else 1
        looped += sum(inside[step.op.type != "While"] for inside in inner)
    return operations, looped


def estimate(plan: Plan) -> Cost:
    """The cost of `plan`, whose shapes should be as exact as the feeds make them."""
    plan = _with_stacks(plan)
    steps = flops = moved = 0.0
    known = True
    operations = looped = 0
    for step in plan.steps:
        inner = [estimate(body_form(step.op, body, step.dims)) for body in bodies_of(step.op)]
        if inner:
            trips = _LOOP_TRIPS if step.op.type == "While" else 1
            steps += 1 + trips * sum(c.steps for c in inner)
            flops += trips * sum(c.flops for c in inner)
            moved += trips * sum(c.bytes for c in inner)
            operations += sum(c.operations for c in inner)
            looped += sum(c.operations if step.op.type == "While" else c.looped for c in inner)
            known &= all(c.known for c in inner)
            continue
        operations += 1
        steps += 1
        size = _bytes(plan, step)
        if size is None:
            known = False
            continue
        moved += size
        flops += _flops(plan, step)
    return Cost(steps, flops, moved, known, operations, looped)


def _with_stacks(plan: Plan) -> Plan:
    """The plan with the shapes that depend on how often a loop runs, as if that were known.

    A stack has the shape of its elements; all of them side by side are `_LOOP_TRIPS` times as many rows.
    """
    if not any(step.op.type == "StackConcat" for step in plan.steps):
        return plan
    plan = replace(plan, dims=dict(plan.dims))
    taken: set[int] = set()
    for step in plan.steps:
        before = [plan.dims.get(v) for v in step.outputs]
        if step.op.type == "StackConcat":
            rows = plan.dims.get(step.inputs[0])
            if rows and rows[0] is not None:
                plan.dims[step.outputs[0]] = (_LOOP_TRIPS * rows[0], *rows[1:])
        elif not step.op.opdef.has_body and not taken.isdisjoint(step.inputs):
            infer(plan, step)
        taken.update(v for v, dims in zip(step.outputs, before, strict=True) if plan.dims.get(v) != dims)
    return plan


def _bytes(plan: Plan, step: Step) -> float | None:
    sizes: list[float] = []
    tensors = [
        *zip(step.inputs, step.op.inputs, strict=False),
        *zip(step.outputs, step.op.outputs, strict=False),
    ]
    for value, tensor in tensors:
        size = shapes.num_elements(plan.dims.get(value))
        if size is None:
            if tensor.dtype.is_numpy_compatible and not is_ref(tensor.dtype):
                return None
            continue
        sizes.append(float(size * tensor.dtype.size))
    if any(arg.name in ("indices", "segment_ids") for arg in step.op.opdef.inputs):
        whole = max(sizes, default=0.0)  # rows of it are read or written, not all of it
        sizes = [size for size in sizes if size < whole]
    return sum(sizes)


def _flops(plan: Plan, step: Step) -> float:
    op = step.op
    out = shapes.num_elements(plan.dims.get(step.outputs[0])) if step.outputs else 0
    if not out:
        return 0.0
    kind = op.type
    if kind in ("MatMul", "BatchMatMul", "BatchMatMulV2", "SparseMatMul"):
        return 2.0 * out * _inner_length(op, plan.dims.get(step.inputs[0]))
    if kind.startswith(("Conv", "DepthwiseConv")):
        sizes = [shapes.num_elements(plan.dims.get(v)) or 0 for v in step.inputs]
        last = plan.dims.get(step.outputs[0]) or (1,)
        spatial = max(max(sizes), out) / max(last[-1] or 1, 1)
        return 2.0 * spatial * max(min(sizes), 1)
    return out * _FREQUENT.get(kind, 0)


def _inner_length(op: Operation, dims: shapes.Dims) -> int:
    if not dims or len(dims) < 2:
        return 1
    flipped = op.attrs.get("transpose_a") or op.attrs.get("adj_x")
    return dims[-2 if flipped else -1] or 1
