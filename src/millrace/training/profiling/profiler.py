"""`tf.profiler.profile` and `Profiler`: the figures of a graph and its runs, by scope or by type."""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from millrace.core import protos
from millrace.core.public import public
from millrace.graph import defaults
from millrace.graph.graph import Graph
from millrace.training.profiling import counting
from millrace.training.profiling.options import ProfileOptionBuilder

_ROOT = "_TFProfRoot"
_COLUMNS = {  # what options call it: (field of the messages, how the report writes it)
    "params": ("parameters", "# parameters", "params"),
    "float_ops": ("float_ops", "# float_ops", "flops"),
    "micros": ("exec_micros", "total execution time", ""),
    "accelerator_micros": ("accelerator_exec_micros", "accelerator execution time", ""),
    "cpu_micros": ("cpu_exec_micros", "cpu execution time", ""),
    "bytes": ("requested_bytes", "requested bytes", ""),
    "peak_bytes": ("peak_bytes", "peak bytes", ""),
    "residual_bytes": ("residual_bytes", "residual bytes", ""),
    "output_bytes": ("output_bytes", "output bytes", ""),
}
_LEAST = {"params": "min_params", **{name: f"min_{name}" for name in _COLUMNS if name != "params"}}
_FIELDS = [column[0] for column in _COLUMNS.values()]
DEFAULT = ProfileOptionBuilder.time_and_memory()


@dataclass(eq=False)
class _Node:
    """A scope or operation, or a type of operations, with what it costs itself."""

    name: str
    op: Any = None
    own: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_FIELDS, 0))
    counted: bool = False
    inside: dict[str, _Node] = field(default_factory=dict)

    @cached_property
    def counts(self) -> bool:
        """Whether anything is counted here or below."""
        return self.counted or any(inner.counts for inner in self.inside.values())


@public("profiler.profile", "python.profiler.model_analyzer.profile")
def profile(
    graph: Graph | None = None,
    run_meta: Any = None,
    op_log: Any = None,
    cmd: str = "scope",
    options: dict[str, Any] | None = None,
) -> Any:
    """Counts what a graph holds and, with the metadata of a traced run, what that run took.

    Args:
      graph: default the default graph.
      run_meta: a `RunMetadata` that `session.run` filled.
      op_log: an `OpLogProto` with operations on numbers that are known otherwise.
      cmd: "scope" or "graph" for a tree of names, "op" or "code" for a list of operation types.
      options: as `ProfileOptionBuilder` makes them; by default time and memory.

    Returns:
      A `GraphNodeProto` of the tree, or a `MultiGraphNodeProto` of the types.

    Raises:
      ValueError: `cmd` is none of these, or the output is of no known kind.
    """
    if cmd not in ("scope", "graph", "op", "code"):
        raise ValueError(f"profile: cmd must be scope, graph, op or code. Received: {cmd!r}")
    chosen = {**ProfileOptionBuilder().build(), **(options or DEFAULT)}
    graph = defaults.get_default_graph() if graph is None else graph
    nodes = list(_costs(graph, run_meta, op_log, chosen))
    if cmd in ("scope", "graph"):
        tree = _tree(nodes)
        tree.inside = {node.name: node for node in _started(tree, chosen["start_name_regexes"])}
        found = protos.GraphNodeProto(name=_ROOT)
        _fill(found, tree, chosen, 0)
        lines = _table(chosen) + list(_rows(found, chosen, 0))
    else:
        found = protos.MultiGraphNodeProto(name=_ROOT)
        lines = _table(chosen) + list(_by_type(found, nodes, chosen))
    _write(lines, cmd, chosen)
    return found


def _costs(graph: Graph, run_meta: Any, op_log: Any, options: dict[str, Any]) -> Iterator[_Node]:
    """Each operation of the graph with its figures."""
    trainable = {v.op.name for v in graph.get_collection("trainable_variables") if hasattr(v, "op")}
    known = {entry.name: entry.float_ops for entry in op_log.log_entries} if op_log is not None else {}
    measured: dict[str, list[Any]] = defaultdict(list)
    if run_meta is not None:
        for device in run_meta.step_stats.dev_stats:
            for stats in device.node_stats:
                measured[stats.node_name.partition(":")[0]].append(stats)
    for op in graph.get_operations():
        node = _Node(op.name, op)
        kinds = counting.types(op, trainable)
        node.counted = any(_matches(options["account_type_regexes"], kind) for kind in kinds)
        node.own["parameters"] = counting.parameters(op)
        node.own["float_ops"] = known.get(op.name) or counting.float_ops(op)
        for stats in measured.get(op.name, ()):
            node.own["exec_micros"] += stats.all_end_rel_micros
            node.own["cpu_exec_micros"] += stats.all_end_rel_micros
            size = sum(o.tensor_description.allocation_description.requested_bytes for o in stats.output)
            for kind in ("requested_bytes", "peak_bytes", "output_bytes"):
                node.own[kind] += size
        yield node


def _tree(nodes: list[_Node]) -> _Node:
    root = _Node(_ROOT)
    for node in nodes:
        at = root
        parts = node.name.split("/")
        for i in range(1, len(parts)):
            name = "/".join(parts[:i])
            at = at.inside.setdefault(name, _Node(name))
        if node.name in at.inside:
            node.inside = at.inside[node.name].inside
        at.inside[node.name] = node
    return root


def _started(node: _Node, patterns: list[str]) -> Iterator[_Node]:
    """The outermost nodes whose names match one of the patterns."""
    for inner in node.inside.values():
        if _matches(patterns, inner.name):
            yield inner
        else:
            yield from _started(inner, patterns)


def _matches(patterns: list[str], name: str) -> bool:
    return any(re.fullmatch(pattern, name) for pattern in patterns)


def _fill(message: Any, node: _Node, options: dict[str, Any], depth: int) -> None:
    """Puts a node's figures and those of what is shown inside into its message."""
    children: list[Any] = []
    trimmed = node.name != _ROOT and _matches(options["trim_name_regexes"], node.name)
    for inner in () if trimmed else node.inside.values():
        made = protos.GraphNodeProto(name=inner.name)
        _fill(made, inner, options, depth + 1)
        if _shown(inner, options, depth + 1):
            children.append(made)
        else:
            children.extend(made.children)
            if not options["account_displayed_op_only"]:
                _add(message, made, only_own=True)
    for name, value in node.own.items():
        setattr(message, name, value)
        if node.counted:
            setattr(message, f"total_{name}", getattr(message, f"total_{name}") + value)
    if node.op is not None:
        message.total_definition_count += node.counted
        if message.parameters:
            shape = node.op.get_attr("shape")
            message.shapes.append(shape if hasattr(shape, "dim") else shape.as_proto())
    for child in _sorted(children, options):
        _add(message, child)
        message.children.add().CopyFrom(child)


def _add(message: Any, child: Any, only_own: bool = False) -> None:
    for name in _FIELDS:
        total = f"total_{name}"
        more = getattr(child, total) - (sum(getattr(c, total) for c in child.children) if only_own else 0)
        setattr(message, total, getattr(message, total) + more)
    message.total_definition_count += child.total_definition_count


def _shown(node: _Node, options: dict[str, Any], depth: int) -> bool:
    if depth >= options["max_depth"] or not node.counts:
        return False
    if not _matches(options["show_name_regexes"], node.name):
        return False
    if _matches(options["hide_name_regexes"], node.name):
        return False
    return all(node.own[_COLUMNS[c][0]] >= options.get(least, 0) for c, least in _LEAST.items())


def _sorted(children: list[Any], options: dict[str, Any]) -> list[Any]:
    column = _COLUMNS.get(options["order_by"])
    by_name = sorted(children, key=lambda child: child.name)
    if column is None:
        return by_name
    return sorted(by_name, key=lambda child: -getattr(child, f"total_{column[0]}"))


def _rows(message: Any, options: dict[str, Any], depth: int) -> Iterator[str]:
    parts = []
    for column in options["select"]:
        if column not in _COLUMNS:
            continue
        name, _, unit = _COLUMNS[column]
        own, total = getattr(message, name), getattr(message, f"total_{name}")
        text = f"{_number(own, column) if own else '--'}/{_number(total, column)}"
        shape = "x".join(str(d.size) for d in message.shapes[0].dim) if message.shapes else ""
        parts += [shape] if column == "params" and shape else []
        parts.append(f"{text} {unit}".rstrip())
    yield f"{'  ' * depth}{message.name} ({', '.join(parts)})"
    for child in message.children:
        yield from _rows(child, options, depth + 1)


def _by_type(found: Any, nodes: list[_Node], options: dict[str, Any]) -> Iterator[str]:
    """Fills in the figures of each type; gives the rows of the report."""
    groups: dict[str, list[_Node]] = defaultdict(list)
    for node in nodes:
        if node.counted:
            groups[node.op.type].append(node)
    made = []
    for kind, group in groups.items():
        message = protos.MultiGraphNodeProto(name=kind)
        for name in _FIELDS:
            total = sum(node.own[name] for node in group)
            setattr(message, name, total)
            setattr(found, f"total_{name}", getattr(found, f"total_{name}") + total)
        for node in group:
            message.graph_nodes.add(name=node.name, **node.own)
        least = all(getattr(message, _COLUMNS[c][0]) >= options.get(m, 0) for c, m in _LEAST.items())
        if least and len(group) >= options["min_occurrence"]:
            made.append((message, len(group)))
    wanted = [c for c in options["select"] if c in _COLUMNS]
    key = _COLUMNS.get(options["order_by"], (None,))[0]
    made.sort(key=lambda pair: (-getattr(pair[0], key) if key else 0, pair[0].name))
    for message, count in made:
        found.children.add().CopyFrom(message)
        texts = []
        for column in wanted:
            value, whole = (
                getattr(message, _COLUMNS[column][0]),
                getattr(found, f"total_{_COLUMNS[column][0]}"),
            )
            texts.append(f"{_number(value, column)} {column} ({100 * value / whole if whole else 0:.2f}%)")
        if "occurrence" in options["select"]:
            texts.append(f"{count}")
        yield f"{message.name:<24} {', '.join(texts)}"


def _table(options: dict[str, Any]) -> list[str]:
    names = [_COLUMNS[column][1] for column in options["select"] if column in _COLUMNS]
    return [" | ".join(["node name", *names])]


def _number(value: int, column: str) -> str:
    if column.endswith("micros"):
        return (
            f"{value / 1e6:.2f}sec"
            if value >= 1e6
            else f"{value / 1e3:.2f}ms"
            if value >= 1e3
            else f"{value}us"
        )
    if column.endswith("bytes"):
        for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "KB")):
            if value >= size:
                return f"{value / size:.2f}{unit}"
        return f"{value}B"
    for size, unit in ((1e9, "b"), (1e6, "m"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.2f}{unit}"
    return str(value)


def _write(lines: list[str], cmd: str, options: dict[str, Any]) -> None:
    kind, _, rest = options["output"].partition(":")
    report = "\n".join(lines) + "\n"
    if kind == "stdout":
        sys.stdout.write(f"\nProfile by {cmd}:\n{report}\n")
    elif kind == "file" and rest.startswith("outfile="):
        with open(rest.removeprefix("outfile="), "w", encoding="utf-8") as file:
            file.write(report)
    elif kind != "none":
        raise ValueError(
            "profile writes to stdout, to a file (with_file_output) or nowhere; a timeline is made by "
            f"tensorflow.python.client.timeline. Received: {options['output']!r}"
        )


@public("profiler.Profiler", "python.profiler.model_analyzer.Profiler")
class Profiler:
    """Profiles several steps of one graph.

    Args:
      graph: default the default graph.
      op_log: as for `profile`.
    """

    def __init__(self, graph: Graph | None = None, op_log: Any = None) -> None:
        self._graph = defaults.get_default_graph() if graph is None else graph
        self._op_log = op_log
        self._steps: dict[int, Any] = {}

    def add_step(self, step: int, run_meta: Any) -> None:
        """Adds what a traced run measured.

        Args:
          step: its number.
          run_meta: the `RunMetadata` of it.
        """
        self._steps[step] = run_meta

    def profile_operations(self, options: dict[str, Any]) -> Any:
        """A `MultiGraphNodeProto` of the operation types."""
        return self._profile("op", options)

    def profile_name_scope(self, options: dict[str, Any]) -> Any:
        """A `GraphNodeProto` of the name scopes."""
        return self._profile("scope", options)

    def profile_graph(self, options: dict[str, Any]) -> Any:
        """A `GraphNodeProto` of the graph."""
        return self._profile("graph", options)

    def profile_python(self, options: dict[str, Any]) -> Any:
        """A `MultiGraphNodeProto` of the operation types that the program's code made."""
        return self._profile("code", options)

    def _profile(self, cmd: str, options: dict[str, Any]) -> Any:
        step = options.get("step", -1)
        run = self._steps.get(step) if step >= 0 else next(reversed(self._steps.values()), None)
        return profile(self._graph, run, self._op_log, cmd, options)


@public("contrib.tfprof.model_analyzer.print_model_analysis")
def print_model_analysis(
    graph: Graph,
    run_meta: Any = None,
    op_log: Any = None,
    tfprof_cmd: str = "scope",
    tfprof_options: dict[str, Any] | None = None,
) -> Any:
    """`tf.profiler.profile` under its older name."""
    return profile(graph, run_meta, op_log, tfprof_cmd, tfprof_options)


TRAINABLE_VARS_PARAMS_STAT_OPTIONS = public(
    "contrib.tfprof.model_analyzer.TRAINABLE_VARS_PARAMS_STAT_OPTIONS"
)(ProfileOptionBuilder.trainable_variables_parameter())
_parameters = ProfileOptionBuilder.trainable_variables_parameter()
TRAINABLE_VARS_PARAMS_STAT_OPTIONS = public(
    "contrib.tfprof.model_analyzer.TRAINABLE_VARS_PARAMS_STAT_OPTIONS"
)(_parameters)
FLOAT_OPS_OPTIONS = public("contrib.tfprof.model_analyzer.FLOAT_OPS_OPTIONS")(
    ProfileOptionBuilder.float_operation()
)
PRINT_ALL_TIMING_MEMORY = public("contrib.tfprof.model_analyzer.PRINT_ALL_TIMING_MEMORY")(
    ProfileOptionBuilder.time_and_memory()
)
