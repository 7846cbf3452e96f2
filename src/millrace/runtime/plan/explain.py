"""`explain`: what a run will do and why, for people: what is left out, what is compiled, what it may cost."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from millrace.core import shapes
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.runtime.plan import cost
from millrace.runtime.plan.planner import Plan, Step, ancestors, make_plan
from millrace.runtime.plan.segments import Segment, host_reasons, split
from millrace.runtime.plan.simplify import simplify


@dataclass(frozen=True, slots=True)
class Row:
    """One part of a run.

    Attributes:
      kind: "segment" for steps compiled as one program, "step" for one that stays on the host.
      what: the operation's name, or how many operations of each type.
      why: why a step splits the segments around it.
      flops, bytes: estimated.
      known: False where shapes that the estimate needs are not known.
    """

    kind: str
    what: str
    why: str
    flops: float
    bytes: float
    known: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a run will do; `print` it.

    Attributes:
      operations: how many operations of the graph the fetches need.
      dropped: reason -> op type -> how many need not run.
      rows: what is left, in the order in which a compiled plan runs it.
      steps: kernel calls that are left.
      flops, bytes: of one run.
      tier: "interpreter" or "compiled" for the next run.
      why: the reason for that.
      compile_at: the run index at which the plan is compiled; infinity for never.
    """

    operations: int
    dropped: dict[str, Counter[str]]
    rows: list[Row]
    steps: int
    flops: float
    bytes: float
    tier: str
    why: str
    compile_at: float

    def __str__(self) -> str:
        lines = [f"{self.operations} operations are needed, {self.steps} run: tier {self.tier} ({self.why})"]
        for reason, types in self.dropped.items():
            lines.append(f"  {reason}: {types.total()} ({_counted(types)})")
        for i, row in enumerate(self.rows):
            lines.append(
                f"  {i + 1}. {row.kind} {row.what}: {_amounts(row)}{'; ' + row.why if row.why else ''}"
            )
        return "\n".join(lines)

    __repr__ = __str__

    def __rich_console__(self, console: Any, options: Any) -> Any:
        """Tables, where rich prints it."""
        from rich.table import Table

        yield f"[bold]{self.operations}[/] operations are needed, [bold]{self.steps}[/] run"
        yield f"tier: [bold]{self.tier}[/] ({self.why})"
        if self.dropped:
            left_out = Table("left out", "operations", "types", title_justify="left")
            for reason, types in self.dropped.items():
                left_out.add_row(reason, str(types.total()), _counted(types))
            yield left_out
        run = Table("#", "part", "operations", "flops", "bytes", "why on the host")
        for i, row in enumerate(self.rows):
            amounts = (_amount(row.flops), _amount(row.bytes)) if row.known else ("?", "?")
            run.add_row(str(i + 1), row.kind, row.what, *amounts, row.why)
        yield run


def explain(
    fetches: Sequence[Any],
    feeds: Sequence[Tensor],
    feed_dims: list[shapes.Dims] | None,
    tier: str,
    runs: int = 0,
) -> Explanation:
    """Explains the run of `fetches`.

    Args:
      fetches: tensors and operations.
      feeds: the fed tensors.
      feed_dims: their values' shapes; None where they are not known.
      tier: "interpret", "compile" or "auto": what the session asks for.
      runs: how often it ran before.
    """
    dropped: list[tuple[str, Operation]] = []
    plan = simplify(make_plan(fetches, feeds), feed_dims, dropped)
    by_reason: dict[str, Counter[str]] = {}
    for reason, op in dropped:
        by_reason.setdefault(reason, Counter())[op.type] += 1
    parts = split(plan)
    total = cost.estimate(plan)
    segments = [part for part in parts if isinstance(part, Segment)]
    some = cost.of_segments(plan, segments)
    chosen, why, compile_at = _tier(some, tier, bool(segments), feed_dims is not None or not feeds, runs)
    reasons = {id(step): reason for step, reason in zip(plan.steps, host_reasons(plan), strict=True)}
    rows = [_row(plan, part, reasons) for part in parts]
    return Explanation(
        len(ancestors(fetches, frozenset(feeds))),
        by_reason,
        rows,
        len(plan.steps),
        total.flops,
        total.bytes,
        chosen,
        why,
        compile_at,
    )


def _row(plan: Plan, part: Step | Segment, reasons: dict[int, str]) -> Row:
    steps = part.steps if isinstance(part, Segment) else [part]
    amount = cost.estimate(replace(plan, steps=steps))
    if isinstance(part, Segment):
        types = Counter(step.op.type for step in steps)
        return Row("segment", _counted(types), "", amount.flops, amount.bytes, amount.known)
    what = f"{part.op.type} {part.op.name!r}"
    return Row("step", what, reasons[id(part)], amount.flops, amount.bytes, amount.known)


def _tier(
    total: cost.Cost, asked: str, compilable: bool, shapes_known: bool, runs: int
) -> tuple[str, str, float]:
    if asked == "interpret":
        return "interpreter", "asked for", math.inf
    if not compilable:
        return "interpreter", "nothing in it can be compiled", math.inf
    if asked == "compile":
        return "compiled", "asked for", 0
    if not shapes_known:
        return "interpreter", "no feeds are given, so shapes are unknown", math.inf
    if not total.known:
        return "interpreter", "shapes that depend on values hide what it costs", math.inf
    times = f"{_seconds(total.interpreted)} interpreted, {_seconds(total.compiled)} compiled"
    index = total.promotion()
    if index == math.inf:
        return "interpreter", f"one run is guessed at {times}: compiling does not pay", index
    compiling = f"{times}, {_seconds(total.compile_time)} to compile"
    if index <= runs:
        return "compiled", f"one run is guessed at {compiling}", index
    return "interpreter", f"one run is guessed at {compiling}: it is compiled at run {int(index)}", index


def _counted(types: Counter[str]) -> str:
    return ", ".join(f"{name} x{n}" if n > 1 else name for name, n in types.most_common())


def _amounts(row: Row) -> str:
    return f"{_amount(row.flops)} flops, {_amount(row.bytes)} bytes" if row.known else "cost unknown"


def _amount(value: float) -> str:
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.0f}"


def _seconds(value: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value * 1e6:.3g} us"
