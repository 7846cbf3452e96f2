"""Measures pipelines at work: how many elements each stage gives, how long it works, where it waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from millrace.opkit.datasets.base import Dataset, Element, Stage, Watching
from millrace.opkit.datasets.threads import Background


@dataclass(slots=True)
class Reading:
    """What one stage has done.

    Attributes:
      name: type and name of the operation.
      place: the user's line that made it.
      elements: how many it has given.
      own: seconds in the stage itself.
      total: seconds in it and the stages before it that run in the same thread.
      background: a thread runs the stages before it, so that its own seconds are those in which nothing was
        ready.
      since, until: when it was first and last asked.
      ends: the program takes its elements.
    """

    name: str
    place: str
    background: bool
    elements: int = 0
    own: float = 0.0
    total: float = 0.0
    since: float = 0.0
    until: float = 0.0
    ends: bool = False

    @property
    def rate(self) -> float:
        """Elements in a second."""
        return self.elements / (self.until - self.since) if self.until > self.since else 0.0


class Meter:
    """Measures the stages of all pipelines that begin while it watches."""

    def __init__(self) -> None:
        self.readings: dict[Any, Reading] = {}
        self._within: dict[int, Reading] = {}  # by its id: at work in which stage a stage began
        self._latest: Reading | None = None
        self._lock = threading.Lock()
        self._threads = threading.local()

    @contextmanager
    def watching(self) -> Iterator[Meter]:
        """A context whose pipelines are measured."""
        before, Watching.meter = Watching.meter, self
        try:
            yield self
        finally:
            Watching.meter = before

    def watched(self, dataset: Dataset, stage: Stage) -> Stage:
        """The stage, measured."""
        if not dataset.visible:
            return stage
        op = dataset.op
        with self._lock:
            reading = self.readings.get(op)
            if reading is None:
                ahead = isinstance(stage, Background)
                reading = Reading(f"{op.type} '{op.name}'", str(op.user_location or ""), ahead)
                self.readings[op] = reading
                calls = self.begun()
                if calls:
                    self._within[id(reading)] = calls[-1].reading
            self._latest = reading
        return _Measured(stage, reading, self)

    def ended(self) -> None:
        """The stage that began last is one whose elements the program takes."""
        with self._lock:
            if self._latest is not None:
                self._latest.ends = True

    def in_order(self) -> list[Reading]:
        """The stages that have given elements, those that others take from first."""
        with self._lock:
            ordered: list[Reading] = []
            for reading in self.readings.values():
                outer = self._within.get(id(reading))
                at = next((i for i, known in enumerate(ordered) if known is outer), len(ordered))
                ordered.insert(at, reading)
        return [reading for reading in ordered if reading.elements]

    def begun(self) -> list[_Call]:
        """The calls that the thread is in."""
        found = getattr(self._threads, "inside", None)
        if found is None:
            found = self._threads.inside = []
        return found

    def note(self, reading: Reading, start: float, inside: float, elements: int) -> float:
        """Adds one call, which began at `start`; how long it took."""
        now = time.perf_counter()
        with self._lock:
            reading.elements += elements
            reading.total += now - start
            reading.own += now - start - inside
            reading.since = reading.since or start
            reading.until = now
        return now - start


@dataclass(slots=True)
class _Call:
    """A stage asked for elements: how many seconds the calls inside took."""

    reading: Reading
    inside: float = 0.0


class _Measured(Stage):
    """A stage under a clock."""

    __slots__ = ("_meter", "_reading", "_stage")

    def __init__(self, stage: Stage, reading: Reading, meter: Meter) -> None:
        self._stage = stage
        self._reading = reading
        self._meter = meter

    @property
    def ready(self) -> bool:
        """True where the next element is there already."""
        return getattr(self._stage, "ready", False)

    def next(self) -> Element | None:
        calls = self._meter.begun()
        calls.append(_Call(self._reading))
        start, found = time.perf_counter(), None
        try:
            found = self._stage.next()
            return found
        finally:
            self._note(calls, start, found is not None)

    def fill(self, elements: list[Element], count: int) -> None:
        """Adds the next elements until there are `count`, fewer at the end."""
        calls = self._meter.begun()
        calls.append(_Call(self._reading))
        start, before = time.perf_counter(), len(elements)
        try:
            self._stage.fill(elements, count)
        finally:
            self._note(calls, start, len(elements) - before)

    def _note(self, calls: list[_Call], start: float, elements: int) -> None:
        took = self._meter.note(self._reading, start, calls.pop().inside, elements)
        if calls:
            calls[-1].inside += took

    def save(self) -> Any:
        return self._stage.save()

    def restore(self, state: Any) -> None:
        self._stage.restore(state)

    def close(self) -> None:
        self._stage.close()


@dataclass(frozen=True, slots=True)
class Report:
    """What a meter has seen; `print` it.

    Attributes:
      readings: the stages that have given elements, those that others take from first.
    """

    readings: list[Reading]

    @property
    def slowest(self) -> Reading | None:
        """The stage that has worked longest."""
        working = [r for r in self.readings if not r.background]
        return max(working, key=lambda r: r.own, default=None)

    def waits(self) -> str:
        """Where the pipeline waits: the program for it, or it for the program."""
        if not self.readings:
            return ""
        last = max([r for r in self.readings if r.ends] or self.readings[-1:], key=lambda r: r.total)
        span = max(last.until - last.since, 1e-9)
        share = last.total / span
        text = f"the program spent {share:.0%} of {span:.3g} s waiting for elements"
        slowest = self.slowest
        if share > 0.2 and slowest is not None and slowest.own > 0:
            return f"{text}, most of it for {slowest.name}"
        return f"{text}: the input keeps up"

    def __str__(self) -> str:
        lines = [f"input: {self.waits()}"]
        for reading in self.readings:
            verb = "waited" if reading.background else "worked"
            where = f" ({reading.place})" if reading.place else ""
            lines.append(
                f"  {reading.name}{where}: {reading.elements} elements, {reading.rate:.4g} a second, "
                f"{verb} {reading.own:.3g} s"
            )
        return "\n".join(lines)

    __repr__ = __str__

    def __rich_console__(self, console: Any, options: Any) -> Any:
        """A table, where rich prints it."""
        from rich.table import Table

        yield f"input: {self.waits()}"
        table = Table("stage", "made at", "elements", "a second", "worked s", "waited s")
        for reading in self.readings:
            own = f"{reading.own:.3g}"
            times = ("", own) if reading.background else (own, "")
            table.add_row(reading.name, reading.place, str(reading.elements), f"{reading.rate:.4g}", *times)
        yield table


def report(meter: Meter) -> Report:
    """What `meter` has seen."""
    return Report(meter.in_order())
