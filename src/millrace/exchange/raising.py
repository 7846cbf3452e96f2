"""Old control flow of a graph, turned into While and If where a gradient must go through it.

The loops and branches that some tensors come from are written as NodeDefs, raised (`v1_control_flow`), and
added to the graph again as operations with bodies. The old Exit and Merge operations become the Identities of
the new results: whoever took them before computes what is differentiable now. Everything else stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from millrace.core import protos
from millrace.exchange import graphdef
from millrace.exchange.import_nodes import Import
from millrace.exchange.nodes import in_order
from millrace.exchange.tokens import needs_tokens
from millrace.exchange.v1_control_flow import raise_control_flow
from millrace.graph.graph import Graph
from millrace.graph.opdef import lookup
from millrace.graph.operation import Operation, add_consumer, is_ref
from millrace.graph.tensor import Tensor


def raise_before(tensors: Iterable[Tensor]) -> None:
    """Turns the old control flow that `tensors` come from into While and If, in place.

    Raises:
      ValueError: it is put together as no loop or branch is.
    """
    tensors = list(tensors)
    if not tensors or not tensors[0].graph.get_scoped("old control flow", list):
        return
    graph = tensors[0].graph
    found = _ancestors(tensors)
    if any(needs_tokens(op) for op in found):
        _Raise(graph, found).run()


def _ancestors(tensors: list[Tensor]) -> list[Operation]:
    found: dict[Operation, None] = {}
    stack = [t.op for t in tensors]
    while stack:
        op = stack.pop()
        if op not in found and op.body is None:
            found[op] = None
            stack.extend(t.op for t in op.inputs)
            stack.extend(op.control_inputs)
    return sorted(found, key=lambda op: op.id)


class _Raise:
    """One raising: the operations that tensors come from, old and new."""

    def __init__(self, graph: Graph, ops: list[Operation]) -> None:
        self._graph = graph
        self._old = {op.name: op for op in ops}

    def run(self) -> None:
        """Adds the new operations and lets the old ones pass their results on."""
        library: dict[str, Any] = {}
        nodes = raise_control_flow([_node(op) for op in self._old.values()], library)
        proto = protos.GraphDef(versions=graphdef.versions())
        proto.library.function.extend(library.values())
        work = Import(self._graph, proto, "", {}, None)
        work.names = {node.name for node in nodes}
        with self._graph.inside(None):
            for node in in_order(nodes, work.sources):
                work.ops[node.name] = self._added(work, node)
        self._graph.changed()

    def _added(self, work: Import, node: Any) -> Operation:
        """The operation that stands for `node`: the old one where it still fits, else a new one."""
        old = self._old.get(node.name)
        if old is not None and old.type == node.op and not needs_tokens(old):
            inputs = [i for i in node.input if not i.startswith("^")]
            if all(_tensor(work, i).dtype == t.dtype for i, t in zip(inputs, old.inputs, strict=True)):
                return old
        new = work.add_top(node)
        if old is not None and _gives_the_same(old, new):
            _pass_on(old, new)
            return old
        return new


def _node(op: Operation) -> Any:
    node = graphdef.node_def(op)
    node.attr.pop("_class", None)
    return node


def _tensor(work: Import, text: str) -> Tensor:
    name, _, index = text.partition(":")
    return work.ops[name].outputs[int(index or 0)]


def _gives_the_same(old: Operation, new: Operation) -> bool:
    """True where the results of `new` can stand for those of `old`: numbers, of the same dtypes."""
    pairs = list(zip(old.outputs, new.outputs, strict=False))
    unused = all(not t.consumers() for t in old.outputs[len(pairs) :])
    return bool(pairs) and unused and all(a.dtype == b.dtype and not is_ref(a.dtype) for a, b in pairs)


def _pass_on(old: Operation, new: Operation) -> None:
    """Makes `old` the Identity of the results of `new`."""
    for tensor in old.inputs:
        consumers = tensor.takers
        if consumers and old in consumers:
            consumers.remove(old)
    del old.outputs[len(new.outputs) :]
    old.inputs = tuple(new.outputs[: len(old.outputs)])
    dtypes = tuple(t.dtype.base_dtype for t in old.outputs)
    old.opdef = lookup("Identity" if len(dtypes) == 1 else "IdentityN")
    old.attrs = {"T": dtypes[0] if len(dtypes) == 1 else dtypes}
    old.control_inputs = []
    for tensor in old.inputs:
        add_consumer(tensor, old)
