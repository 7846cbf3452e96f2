"""What is known of NodeDefs before they become operations: names, types, and which come first."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import Any

from millrace.core import dtypes, protos
from millrace.exchange.tokens import plain
from millrace.graph.opdef import OpDef
from millrace.graph.tensor import Tensor

_OF_VARIANTS = {"AddN": "VariantSum", "ZerosLike": "VariantZeros"}


def split(name: str) -> tuple[str, int]:
    """`a:1` as ("a", 1).

    Raises:
      ValueError: what follows the colon is not a number.
    """
    op, colon, index = name.partition(":")
    if colon and not index.isdigit():
        raise ValueError(f"import_graph_def: a tensor is named '<op>:<index>'. Received: {name!r}")
    return op, int(index) if colon else 0


def own_type(node: Any) -> str:
    """The type that a node has here: sums and zeros of lists are types of their own."""
    if node.op in _OF_VARIANTS and node.attr["T"].type == protos.DT_VARIANT:
        return _OF_VARIANTS[node.op]
    return node.op


def back_edges(nodes: list[Any]) -> set[tuple[str, str]]:
    """The inputs of Merge nodes that come from NextIteration nodes, as pairs of names."""
    turns = {node.name for node in nodes if plain(node.op) == "NextIteration"}
    return {
        (node.name, source)
        for node in nodes
        if plain(node.op) == "Merge"
        for source in (text.partition(":")[0] for text in node.input)
        if source in turns
    }


def _takes_variants(opdef: OpDef) -> bool:
    """True for operations that take variants in TensorFlow too: datasets, optionals."""
    return any(arg.dtype is dtypes.variant for arg in opdef.inputs)


def flow_types(opdef: OpDef, inputs: list[Tensor]) -> set[str]:
    """Type attributes told by inputs that may be TensorArray flows: variants here, float32 in TensorFlow."""
    if not any(t.dtype is dtypes.variant for t in inputs) or _takes_variants(opdef):
        return set()
    return {a.type_attr for a in opdef.inputs if a.type_attr} | {
        a.types_attr for a in opdef.inputs if a.types_attr
    }


def defaults_of(op_list: Any) -> dict[str, dict[str, Any]]:
    """The default values of attributes by type, of a producer's list of operation types."""
    if op_list is None:
        return {}
    return {
        op.name: {a.name: a.default_value for a in op.attr if a.HasField("default_value")}
        for op in op_list.op
    }


def in_order(nodes: list[Any], sources: Callable[[Any], list[str]]) -> Iterator[Any]:
    """`nodes` with inputs first, and otherwise in the order given.

    Raises:
      ValueError: an input is not among them, or there is a cycle.
    """
    wanted = [sources(node) for node in nodes]
    if _is_sorted(nodes, wanted):
        yield from nodes
        return
    index = {node.name: i for i, node in enumerate(nodes)}
    waiting = [0] * len(nodes)
    users: list[list[int]] = [[] for _ in nodes]
    for i, (node, before) in enumerate(zip(nodes, wanted, strict=True)):
        for name in set(before):
            if name not in index:
                rule = f"import_graph_def: node '{node.name}' (type {node.op}): Unknown input node"
                raise ValueError(f"{rule}. Received: {name!r}")
            users[index[name]].append(i)
            waiting[i] += 1
    ready = [i for i, count in enumerate(waiting) if not count]
    done = 0
    while ready:
        i = heapq.heappop(ready)
        done += 1
        yield nodes[i]
        for user in users[i]:
            waiting[user] -= 1
            if not waiting[user]:
                heapq.heappush(ready, user)
    if done != len(nodes):
        stuck = [node.name for node, count in zip(nodes, waiting, strict=True) if count]
        raise ValueError(
            f"import_graph_def: {len(stuck)} nodes in a cycle or behind one. Received: {', '.join(stuck[:8])}"
        )


def _is_sorted(nodes: list[Any], wanted: list[list[str]]) -> bool:
    """True where all inputs stand before their users already, as programs write them."""
    seen: set[str] = set()
    for node, before in zip(nodes, wanted, strict=True):
        if not seen.issuperset(before):
            return False
        seen.add(node.name)
    return True
