"""`tf.contrib.graph_editor.select`: operations and tensors by name, by scope and by walking."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from millrace.contributed.graph_editor.lists import (
    ControlOutputs,
    concatenate_unique,
    get_consuming_ops,
    get_generating_ops,
    get_unique_graph,
    is_iterable,
    make_list_of_op,
    make_list_of_t,
)
from millrace.core.public import public
from millrace.graph.graph import Graph
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor

Boundary = tuple[list[Tensor], list[Tensor], list[Tensor]]


@public("contrib.graph_editor.can_be_regex", "contrib.graph_editor.select.can_be_regex")
def can_be_regex(obj: Any) -> bool:
    """Whether `obj` is a text or a compiled regular expression."""
    return isinstance(obj, str | re.Pattern)


@public("contrib.graph_editor.make_regex", "contrib.graph_editor.select.make_regex")
def make_regex(obj: Any) -> re.Pattern[str]:
    """A compiled regular expression of a text or of itself.

    Raises:
      ValueError: it is neither.
    """
    if not can_be_regex(obj):
        raise ValueError(f"Expected a string or a regex, got: {type(obj)}")
    return re.compile(obj) if isinstance(obj, str) else obj


def _predicate(positive_filter: Any) -> Callable[[Any], Any]:
    """Functions select, True selects all, a collection selects what it holds."""
    if positive_filter is True:
        return lambda _: True
    if callable(positive_filter):
        return positive_filter
    held = set(positive_filter)
    return lambda x: x in held


@public("contrib.graph_editor.filter_ts", "contrib.graph_editor.select.filter_ts")
def filter_ts(ops: Any, positive_filter: Any) -> list[Tensor]:
    """The inputs and outputs of operations that a function, or True, selects; each once."""
    wanted = _predicate(positive_filter)
    ts: list[Tensor] = []
    for op in make_list_of_op(ops):
        concatenate_unique(ts, [t for t in op.inputs if wanted(t)])
        concatenate_unique(ts, [t for t in op.outputs if wanted(t)])
    return ts


@public("contrib.graph_editor.filter_ts_from_regex", "contrib.graph_editor.select.filter_ts_from_regex")
def filter_ts_from_regex(ops: Any, regex: Any) -> list[Tensor]:
    """The inputs and outputs of operations whose names a regular expression finds something in."""
    found = make_regex(regex)
    return filter_ts(ops, positive_filter=lambda t: found.search(t.name) is not None)


@public("contrib.graph_editor.filter_ops", "contrib.graph_editor.select.filter_ops")
def filter_ops(ops: Any, positive_filter: Any) -> list[Operation]:
    """The operations that a function, or True, selects."""
    return list(filter(_predicate(positive_filter), make_list_of_op(ops)))


@public("contrib.graph_editor.filter_ops_from_regex", "contrib.graph_editor.select.filter_ops_from_regex")
def filter_ops_from_regex(ops: Any, regex: Any) -> list[Operation]:
    """The operations whose names a regular expression finds something in."""
    found = make_regex(regex)
    return filter_ops(ops, lambda op: found.search(op.name) is not None)


@public("contrib.graph_editor.get_name_scope_ops", "contrib.graph_editor.select.get_name_scope_ops")
def get_name_scope_ops(ops: Any, scope: str) -> list[Operation]:
    """The operations under a name scope, and the one of its very name.

    Args:
      ops: operations, or what holds some.
      scope: the scope, with or without its last slash; a regular expression to 1.15 and so here.
    """
    return filter_ops_from_regex(ops, f"^{scope.removesuffix('/')}(/.*)?$")


@public("contrib.graph_editor.check_cios", "contrib.graph_editor.select.check_cios")
def check_cios(
    control_inputs: Any = False, control_outputs: Any = None, control_ios: Any = None
) -> tuple[bool, ControlOutputs | None]:
    """Whether to follow control inputs, and what to follow control outputs with.

    Args:
      control_inputs: whether to follow control inputs.
      control_outputs: a `ControlOutputs`, or None not to follow control outputs.
      control_ios: a `ControlOutputs` in place of both.

    Raises:
      TypeError: something has another type.
      ValueError: `control_ios` came with others.
    """
    if control_ios is not None:
        if not isinstance(control_ios, ControlOutputs):
            raise TypeError(f"Expected a ControlOutputs, got: {type(control_ios)}")
        if control_outputs is not None:
            raise ValueError("control_outputs should be None when using control_ios.")
        control_inputs, control_outputs = True, control_ios
    elif control_outputs is not None and not isinstance(control_outputs, ControlOutputs):
        raise TypeError(f"Expected a ControlOutputs, got: {type(control_outputs)}")
    return bool(control_inputs), control_outputs


@public("contrib.graph_editor.get_ops_ios", "contrib.graph_editor.select.get_ops_ios")
def get_ops_ios(
    ops: Any, control_inputs: Any = False, control_outputs: Any = None, control_ios: Any = None
) -> list[Operation]:
    """The operations next to others; how control edges count as for `check_cios`."""
    follow, outputs = check_cios(control_inputs, control_outputs, control_ios)
    found: list[Operation] = []
    for op in make_list_of_op(ops):
        concatenate_unique(found, [t.op for t in op.inputs])
        for t in op.outputs:
            concatenate_unique(found, t.consumers())
        if follow:
            concatenate_unique(found, op.control_inputs)
        if outputs is not None:
            concatenate_unique(found, outputs.get(op))
    return found


@public("contrib.graph_editor.compute_boundary_ts", "contrib.graph_editor.select.compute_boundary_ts")
def compute_boundary_ts(ops: Any) -> Boundary:
    """The tensors that come into a set of operations, that leave it, and that it takes of its own.

    A tensor that is taken inside and outside is both of the latter; one that nobody takes leaves.
    """
    ops = make_list_of_op(ops)
    inside = set(ops)
    inputs: list[Tensor] = []
    outputs: list[Tensor] = []
    within: list[Tensor] = []
    for op in ops:
        concatenate_unique(inputs, [t for t in op.inputs if t.op not in inside])
        for t in op.outputs:
            consumers = t.consumers()
            if any(c in inside for c in consumers):
                concatenate_unique(within, [t])
            if not consumers or any(c not in inside for c in consumers):
                concatenate_unique(outputs, [t])
    return inputs, outputs, within


def _seeds(seeds: Any, through: Callable[[Any], list[Operation]]) -> list[Operation]:
    """Operations to start from: those given, or those at the tensors given."""
    first = next(iter(seeds), None) if is_iterable(seeds) else seeds
    if isinstance(first, Tensor):
        return through(make_list_of_t(seeds, allow_graph=False))
    return make_list_of_op(seeds, allow_graph=False)


def _inside(within_ops: Any, within_ops_fn: Any) -> Callable[[Operation], bool]:
    held = None if within_ops is None else frozenset(make_list_of_op(within_ops, allow_graph=False))
    return lambda op: (held is None or op in held) and (within_ops_fn is None or within_ops_fn(op))


def _walk(
    seeds: list[Operation], near: Callable[[Operation], list[Operation]], inside: Any, inclusive: bool
) -> list[Operation]:
    """All operations reached, nearest first."""
    found: dict[Operation, None] = dict.fromkeys(seeds)
    wave = list(found)
    while wave:
        after: dict[Operation, None] = {}
        for op in wave:
            for other in near(op):
                if other not in found and inside(other):
                    after[other] = None
        found.update(after)
        wave = list(after)
    return [op for op in found if inclusive or op not in set(seeds)]


@public("contrib.graph_editor.get_forward_walk_ops", "contrib.graph_editor.select.get_forward_walk_ops")
def get_forward_walk_ops(
    seed_ops: Any,
    inclusive: bool = True,
    within_ops: Any = None,
    within_ops_fn: Any = None,
    stop_at_ts: Any = (),
    control_outputs: Any = None,
) -> list[Operation]:
    """All operations that follow from some.

    Args:
      seed_ops: operations, or tensors, whose consumers are meant.
      inclusive: list the seeds too.
      within_ops: operations that the walk does not leave; None for all.
      within_ops_fn: a function of an operation: whether the walk may enter it.
      stop_at_ts: tensors that it does not cross.
      control_outputs: a `ControlOutputs` to follow control edges with.

    Raises:
      TypeError: the seeds are neither operations nor tensors.
    """
    _, outputs = check_cios(False, control_outputs)
    stops = frozenset(make_list_of_t(stop_at_ts))

    def near(op: Operation) -> list[Operation]:
        found: list[Operation] = []
        for t in op.outputs:
            if t not in stops:
                concatenate_unique(found, t.consumers())
        return found if outputs is None else concatenate_unique(found, outputs.get(op))

    return _walk(_seeds(seed_ops, get_consuming_ops), near, _inside(within_ops, within_ops_fn), inclusive)


@public("contrib.graph_editor.get_backward_walk_ops", "contrib.graph_editor.select.get_backward_walk_ops")
def get_backward_walk_ops(
    seed_ops: Any,
    inclusive: bool = True,
    within_ops: Any = None,
    within_ops_fn: Any = None,
    stop_at_ts: Any = (),
    control_inputs: bool = False,
) -> list[Operation]:
    """All operations that some follow from; arguments and errors as for `get_forward_walk_ops`.

    Args:
      control_inputs: follow control edges too.
    """
    follow, _ = check_cios(control_inputs, None)
    stops = frozenset(make_list_of_t(stop_at_ts))

    def near(op: Operation) -> list[Operation]:
        found = [t.op for t in op.inputs if t not in stops]
        return found + op.control_inputs if follow else found

    return _walk(_seeds(seed_ops, get_generating_ops), near, _inside(within_ops, within_ops_fn), inclusive)


def _both_walks(
    seeds: tuple[Any, Any], inclusive: tuple[bool, bool], within: tuple[Any, Any], edges: tuple[Any, Any, Any]
) -> tuple[list[Operation], list[Operation]]:
    follow, outputs = check_cios(*edges)
    forward = get_forward_walk_ops(seeds[0], inclusive[0], *within, control_outputs=outputs)
    backward = get_backward_walk_ops(seeds[1], inclusive[1], *within, control_inputs=follow)
    return forward, backward


@public(
    "contrib.graph_editor.get_walks_intersection_ops",
    "contrib.graph_editor.select.get_walks_intersection_ops",
)
def get_walks_intersection_ops(
    forward_seed_ops: Any,
    backward_seed_ops: Any,
    forward_inclusive: bool = True,
    backward_inclusive: bool = True,
    within_ops: Any = None,
    within_ops_fn: Any = None,
    control_inputs: Any = False,
    control_outputs: Any = None,
    control_ios: Any = None,
) -> list[Operation]:
    """What follows from some operations and leads to others; arguments as for the two walks."""
    forward, backward = _both_walks(
        (forward_seed_ops, backward_seed_ops),
        (forward_inclusive, backward_inclusive),
        (within_ops, within_ops_fn),
        (control_inputs, control_outputs, control_ios),
    )
    held = set(backward)
    return [op for op in forward if op in held]


@public("contrib.graph_editor.get_walks_union_ops", "contrib.graph_editor.select.get_walks_union_ops")
def get_walks_union_ops(
    forward_seed_ops: Any,
    backward_seed_ops: Any,
    forward_inclusive: bool = True,
    backward_inclusive: bool = True,
    within_ops: Any = None,
    within_ops_fn: Any = None,
    control_inputs: Any = False,
    control_outputs: Any = None,
    control_ios: Any = None,
) -> list[Operation]:
    """What follows from some operations or leads to others; arguments as for the two walks."""
    forward, backward = _both_walks(
        (forward_seed_ops, backward_seed_ops),
        (forward_inclusive, backward_inclusive),
        (within_ops, within_ops_fn),
        (control_inputs, control_outputs, control_ios),
    )
    return concatenate_unique(forward, backward)


@public("contrib.graph_editor.get_within_boundary_ops", "contrib.graph_editor.select.get_within_boundary_ops")
def get_within_boundary_ops(
    ops: Any,
    seed_ops: Any,
    boundary_ops: Any = (),
    inclusive: bool = True,
    control_inputs: Any = False,
    control_outputs: Any = None,
    control_ios: Any = None,
) -> list[Operation]:
    """The operations around some, as far as a boundary.

    Args:
      ops: which may be entered.
      seed_ops: where to start.
      boundary_ops: where to stop.
      inclusive: list the boundary too.
      control_inputs, control_outputs, control_ios: as for `check_cios`.

    Raises:
      ValueError: a seed is on the boundary.
    """
    edges = check_cios(control_inputs, control_outputs, control_ios)
    ops, boundary = make_list_of_op(ops), set(make_list_of_op(boundary_ops))
    seeds = _seeds(seed_ops, lambda ts: concatenate_unique(get_consuming_ops(ts), get_generating_ops(ts)))
    if boundary & set(seeds):
        raise ValueError(f"Boundary is intersecting with seeds. Received: {list(boundary & set(seeds))}")

    def near(op: Operation) -> list[Operation]:
        return [] if op in boundary else get_ops_ios(op, *edges)

    allowed = set(ops)
    found = set(_walk(seeds, near, lambda op: op in allowed, True))
    return [op for op in ops if op in found and (inclusive or op not in boundary)]


def _selected(
    kinds: tuple[bool, bool], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[list[Any], list[Any]]:
    """The operations and tensors that arguments name."""
    graph: Graph | None = None
    wanted = None
    restricted = {"ops": False, "ts": False}
    for name, value in kwargs.items():
        if name == "graph":
            graph = value
            if value is not None and not isinstance(value, Graph):
                raise TypeError(f"Expected a tf.Graph, got: {type(value)}")
        elif name == "positive_filter":
            wanted = value
        elif name in ("restrict_ops_regex", "restrict_ts_regex"):
            restricted["ops" if "ops" in name else "ts"] = value
        else:
            raise ValueError(f"Wrong keywords argument: {name}.")
    ops: list[Operation] = []
    ts: list[Tensor] = []
    for arg in args:
        if can_be_regex(arg):
            if graph is None:
                raise ValueError("Use the keyword argument 'graph' to use regex.")
            _by_regex(make_regex(arg), graph, wanted, kinds, (ops, ts), restricted)
        else:
            _by_value(arg, wanted, kinds, (ops, ts))
    return ops, ts


def _by_regex(
    regex: re.Pattern[str], graph: Graph, wanted: Any, kinds: tuple[bool, bool], into: Any, restricted: Any
) -> None:
    text = regex.pattern
    if (
        kinds[0]
        and not (restricted["ops"] and not text.startswith("(?#ops)"))
        and not text.startswith("(?#ts)")
    ):
        found = filter_ops_from_regex(graph, regex)
        concatenate_unique(into[0], found if wanted is None else filter_ops(found, wanted))
    both = kinds[0] and kinds[1]
    if (
        kinds[1]
        and not text.startswith("(?#ops)")
        and not ((restricted["ts"] or both) and not text.startswith("(?#ts)"))
    ):
        found_ts = filter_ts_from_regex(graph, regex)
        concatenate_unique(
            into[1], found_ts if wanted is None else list(filter(_predicate(wanted), found_ts))
        )


def _by_value(arg: Any, wanted: Any, kinds: tuple[bool, bool], into: Any) -> None:
    get_unique_graph(arg if is_iterable(arg) else [arg], none_if_empty=True)
    if kinds[0]:
        found = make_list_of_op(arg, ignore_ts=kinds[1])
        concatenate_unique(into[0], found if wanted is None else filter_ops(found, wanted))
    if kinds[1]:
        found_ts = make_list_of_t(arg, ignore_ops=kinds[0])
        concatenate_unique(
            into[1], found_ts if wanted is None else list(filter(_predicate(wanted), found_ts))
        )


@public("contrib.graph_editor.select_ops", "contrib.graph_editor.select.select_ops")
def select_ops(*args: Any, **kwargs: Any) -> list[Operation]:
    """Operations.

    Args:
      *args: operations, lists of them, or regular expressions of names.
      **kwargs: `graph`, for regular expressions; `positive_filter`, a function that selects further;
        `restrict_ops_regex`, to take only expressions that begin with "(?#ops)".

    Raises:
      TypeError: something has another type.
      ValueError: an expression without a graph, or an unknown keyword.
    """
    return _selected((True, False), args, kwargs)[0]


@public("contrib.graph_editor.select_ts", "contrib.graph_editor.select.select_ts")
def select_ts(*args: Any, **kwargs: Any) -> list[Tensor]:
    """Tensors; as `select_ops`, with `restrict_ts_regex` and "(?#ts)"."""
    return _selected((False, True), args, kwargs)[1]


@public("contrib.graph_editor.select_ops_and_ts", "contrib.graph_editor.select.select_ops_and_ts")
def select_ops_and_ts(*args: Any, **kwargs: Any) -> tuple[list[Operation], list[Tensor]]:
    """Operations and tensors; expressions mean operations unless they begin with "(?#ts)"."""
    return _selected((True, True), args, kwargs)
