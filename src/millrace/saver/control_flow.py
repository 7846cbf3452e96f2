"""Branches and loops in meta graphs: what TensorFlow 1 keeps in two collections.

Here a graph knows its branches and loops by itself, so the collections are made when a meta graph is written.
What a meta graph read here says of its own stays in the collections, and goes out again with its nodes.
"""

from __future__ import annotations

from typing import Any

from millrace.core import protos
from millrace.core.collection_protos import register_proto_function
from millrace.core.scoped_names import in_scope, is_in_scope, out_of_scope
from millrace.exchange.contexts import nodes_named, renamed
from millrace.graph.graph import Graph
from millrace.graph.keys import GraphKeys


class ControlFlowContext:
    """A branch or loop, by its `ControlFlowContextDef`."""

    def __init__(self, definition: Any) -> None:
        self.definition = definition

    @property
    def name(self) -> str:
        """The name of its scope."""
        kind = self.definition.WhichOneof("ctxt")
        return getattr(self.definition, kind).context_name if kind else ""

    def to_proto(self, export_scope: str | None = None) -> Any:
        """The message, with names relative to a scope; None where it lies outside of that."""
        if not is_in_scope(self.name, export_scope):
            return None
        inner = renamed(self.definition, lambda name: out_of_scope(name, export_scope))
        return getattr(inner, inner.WhichOneof("ctxt"))


def _of_branch(message: Any, import_scope: str | None = None) -> ControlFlowContext:
    return _read(protos.ControlFlowContextDef(cond_ctxt=message), import_scope)


def _of_loop(message: Any, import_scope: str | None = None) -> ControlFlowContext:
    return _read(protos.ControlFlowContextDef(while_ctxt=message), import_scope)


def _read(definition: Any, scope: str | None) -> ControlFlowContext:
    return ControlFlowContext(renamed(definition, lambda name: in_scope(name, scope)))


for _key, _message, _from in (
    (GraphKeys.COND_CONTEXT, "CondContextDef", _of_branch),
    (GraphKeys.WHILE_CONTEXT, "WhileContextDef", _of_loop),
):
    register_proto_function(_key, _message, ControlFlowContext.to_proto, _from)


def contexts_by_key(
    graph: Graph, definitions: list[Any], nodes: Any, scope: str | None
) -> dict[str, list[ControlFlowContext]]:
    """What the two collections of a meta graph hold: what was read, as far as its nodes are there, and ours.

    Args:
      graph: the graph that is exported.
      definitions: its own, a `ControlFlowContextDef` for each branch and loop.
      nodes: the exported nodes.
      scope: what is exported; default, all.
    """
    names = {node.name for node in nodes}
    found = {}
    for key, kind in ((GraphKeys.COND_CONTEXT, "cond_ctxt"), (GraphKeys.WHILE_CONTEXT, "while_ctxt")):
        items = [one for one in graph.get_collection(key) if _is_there(one, names)]
        items += [ControlFlowContext(d) for d in definitions if d.WhichOneof("ctxt") == kind]
        items = [one for one in items if is_in_scope(one.name, scope)]
        if items:
            found[key] = items
    return found


def _is_there(item: Any, names: set[str]) -> bool:
    return isinstance(item, ControlFlowContext) and nodes_named(item.definition) <= names
