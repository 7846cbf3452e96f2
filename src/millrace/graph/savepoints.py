"""What a graph was like when a program called a public function, to go back to if the call fails."""

from __future__ import annotations

from threading import get_ident
from typing import TypeAlias

from millrace.core import border
from millrace.graph import defaults
from millrace.graph.graph import Graph

# the graph, whether no public call is around this one, how many operations and entries of `undo` there are,
# `edits`, `holds` and `beyond`; a plain tuple, since each call of a public function makes one
Savepoint: TypeAlias = tuple[Graph, bool, int, int, int, int, int]


def savepoint() -> Savepoint | None:
    """A savepoint of the current graph; None where it is finalized or not made yet, or where another thread's
    call is under way.
    """
    items = defaults.graph_stack.items
    graph = items[-1] if items else defaults.shared.graph
    if graph is None or graph.finalized:
        return None
    with graph.lock:
        undo = graph.undo
        outermost = undo is None
        if undo is None:
            graph.undo = undo = []
            graph.builder, graph.mixed = get_ident(), False
        elif graph.builder != get_ident():
            return None
        return graph, outermost, len(graph.ops), len(undo), graph.edits, graph.holds, graph.beyond


def back(to: Savepoint) -> None:
    """Takes back what a call has added, unless a run, another thread, an operation that was there before, a
    layer, a template or an optimizer has come to depend on it.
    """
    graph, _, size, undo, edits, holds, beyond = to
    with graph.lock:
        if graph.undo is None or graph.finalized or graph.mixed or graph.builder != get_ident():
            return
        if graph.planned <= size and graph.edits == edits and graph.holds == holds:
            graph.roll_back(size, undo)
            graph.beyond = beyond


def close(made: Savepoint) -> None:
    """The call is over."""
    if made[1]:
        made[0].undo = None


border.savepoints = border.Savepoints(savepoint, back, close)
