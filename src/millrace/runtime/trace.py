"""Traces: what each part of a run took, as `RunMetadata`, and from there as a timeline for a browser."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from millrace.core.public import public
from millrace.runtime.plan.planner import Step
from millrace.runtime.plan.segments import Segment
from millrace.runtime.stepwise import Part

_DEVICE = "/job:localhost/replica:0/task:0/device:CPU:0"
_LABEL = re.compile(r"^(?P<name>.*?) = (?P<type>[^(]+)\((?P<inputs>.*)\)$", re.S)


class Trace:
    """Collects the parts of one run; an observer for `Executables.run`."""

    def __init__(self) -> None:
        self._segments = 0
        self._rows: list[tuple[str, str, int, int, list[tuple[int, Any]]]] = []

    def __call__(self, part: Part, start: int, end: int, results: Sequence[Any]) -> None:
        """Notes a part that ran from `start` to `end`, in nanoseconds since 1970."""
        values = dict(zip(part.gives, results, strict=True))
        if len(part.steps) == 1 and isinstance(part.steps[0], Step):
            step = part.steps[0]
            op = step.op
            label = f"{op.name} = {op.type}({', '.join(t.op.name for t in op.inputs)})"
            outputs = [(i, values[v]) for i, v in enumerate(step.outputs) if v in values]
            self._rows.append((op.name, label, start, end, outputs))
            return
        steps = [s for piece in part.steps for s in (piece.steps if isinstance(piece, Segment) else [piece])]
        if not steps:
            return
        name = f"segment_{self._segments}"
        self._segments += 1
        types = ", ".join(f"{kind} x{n}" for kind, n in Counter(s.op.type for s in steps).most_common())
        self._rows.append((name, f"{name} = Compiled({types})", start, end, list(enumerate(values.values()))))

    def fill(self, step_stats: Any) -> None:
        """Adds what was noted to a `StepStats` message."""
        device = step_stats.dev_stats.add(device=_DEVICE)
        device.thread_names[0] = "millrace"
        for name, label, start, end, outputs in self._rows:
            taken = end - start
            node = device.node_stats.add(node_name=name, timeline_label=label, thread_id=0)
            node.all_start_micros, node.all_start_nanos = start // 1000, start
            node.scheduled_micros, node.scheduled_nanos = start // 1000, start
            node.op_end_rel_micros = node.all_end_rel_micros = max(taken // 1000, 1)
            node.op_end_rel_nanos = node.all_end_rel_nanos = taken
            memory = node.memory.add(allocator_name="cpu")
            for slot, value in outputs:
                size = _describe(node.output.add(slot=slot).tensor_description, value)
                memory.total_bytes += size
                memory.peak_bytes += size
                memory.live_bytes += size


def _describe(description: Any, value: Any) -> int:
    """Fills a TensorDescription; returns the bytes."""
    from millrace.core import dtypes

    array = np.asarray(value) if isinstance(value, np.ndarray | np.generic | bool | int | float) else None
    if array is None:
        return 0
    description.dtype = dtypes.as_dtype(array.dtype).as_datatype_enum
    for size in array.shape:
        description.shape.dim.add(size=size)
    allocation = description.allocation_description
    allocation.requested_bytes = allocation.allocated_bytes = array.nbytes
    allocation.allocator_name = "cpu"
    return array.nbytes


@public("python.client.timeline.Timeline")
class Timeline:
    """Turns the `StepStats` of a traced run into the trace format of Chrome's and Perfetto's viewers.

    Args:
      step_stats: `run_metadata.step_stats`.
      graph: names the operations' inputs; default: the labels in the statistics.
    """

    def __init__(self, step_stats: Any, graph: Any = None) -> None:
        self._step_stats = step_stats
        self._graph = graph
        self._events: list[dict[str, Any]] = []

    @property
    def step_stats(self) -> Any:
        """The statistics given."""
        return self._step_stats

    def generate_chrome_trace_format(self, show_dataflow: bool = True, show_memory: bool = False) -> str:
        """The trace as JSON text, to be loaded in `chrome://tracing` or ui.perfetto.dev.

        Args:
          show_dataflow: draw an arrow from each operation to those that take its results.
          show_memory: add a counter of the bytes that results hold.
        """
        self._events = []
        ends: dict[str, tuple[int, int, int]] = {}
        for pid, device in enumerate(self._step_stats.dev_stats):
            self._meta(pid, f"{device.device} Compute")
            for node in sorted(device.node_stats, key=lambda n: n.all_start_micros):
                self._node(pid, node, ends, show_dataflow)
            if show_memory:
                self._memory(pid, device)
        return json.dumps({"traceEvents": self._events}, indent=2)

    def _meta(self, pid: int, name: str) -> None:
        self._events.append({"name": "process_name", "ph": "M", "pid": pid, "args": {"name": name}})

    def _node(self, pid: int, node: Any, ends: dict[str, tuple[int, int, int]], show_dataflow: bool) -> None:
        name, kind, inputs = self._parts_of(node)
        start, tid = node.all_start_micros, node.thread_id
        args: dict[str, str] = {"name": name, "op": kind}
        args.update((f"input{i}", source) for i, source in enumerate(inputs))
        self._events.append(
            {
                "name": kind,
                "cat": "Op",
                "ph": "X",
                "pid": pid,
                "tid": tid,
                "ts": start,
                "dur": node.all_end_rel_micros,
                "args": args,
            }
        )
        if show_dataflow:
            for source in inputs:
                if source in ends:
                    self._arrow(source, ends[source], (pid, tid, start))
        ends[name] = pid, tid, start + node.all_end_rel_micros

    def _arrow(self, name: str, begin: tuple[int, int, int], end: tuple[int, int, int]) -> None:
        number = len(self._events)
        for phase, (pid, tid, time) in (("s", begin), ("t", end)):
            self._events.append(
                {
                    "name": name,
                    "cat": "DataFlow",
                    "ph": phase,
                    "pid": pid,
                    "tid": tid,
                    "ts": time,
                    "id": number,
                }
            )

    def _memory(self, pid: int, device: Any) -> None:
        held: dict[str, int] = {}
        for node in sorted(device.node_stats, key=lambda n: n.all_start_micros):
            for memory in node.memory:
                held[memory.allocator_name] = held.get(memory.allocator_name, 0) + memory.total_bytes
                self._events.append(
                    {
                        "name": memory.allocator_name,
                        "cat": "Memory",
                        "ph": "C",
                        "pid": pid,
                        "tid": 0,
                        "ts": node.all_start_micros + node.all_end_rel_micros,
                        "args": {"bytes": held[memory.allocator_name]},
                    }
                )

    def _parts_of(self, node: Any) -> tuple[str, str, list[str]]:
        """Name, type and inputs of what a row stands for."""
        found = _LABEL.match(node.timeline_label)
        if found is None:
            return node.node_name, node.node_name.partition(":")[2] or node.node_name, []
        name, kind = found["name"], found["type"].strip()
        if self._graph is not None:
            try:
                op = self._graph.get_operation_by_name(name)
            except (KeyError, ValueError):
                pass
            else:
                return name, op.type, [t.op.name for t in op.inputs]
        if kind == "Compiled":
            return name, f"{kind}: {found['inputs']}", []
        return name, kind, [part for part in found["inputs"].split(", ") if part]
