"""`tf.graph_util`: GraphDefs cut down, frozen and written to files."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterable
from typing import Any

import numpy as np

from millrace.core import dtypes, protos
from millrace.core.public import public
from millrace.exchange.attr_protos import attr_to_proto
from millrace.exchange.graphdef import node_name
from millrace.graph.graph import Graph
from millrace.graph.operation import Operation

_VARIABLES = frozenset(("Variable", "VariableV2", "AutoReloadVariable", "VarHandleOp", "ReadVariableOp"))
_READS = frozenset(("ReadVariableOp", "ResourceGather"))


def _nodes_by_name(graph_def: Any) -> dict[str, Any]:
    return {node.name: node for node in graph_def.node}


def _like(graph_def: Any) -> Any:
    """An empty GraphDef with the functions of another."""
    made = protos.GraphDef()
    made.library.CopyFrom(graph_def.library)
    return made


@public("graph_util.must_run_on_cpu")
def must_run_on_cpu(node: Any, pin_variables_on_cpu: bool = False) -> bool:
    """True for operations that TensorFlow 1 can place on a CPU only.

    Args:
      node: an Operation or a NodeDef.
      pin_variables_on_cpu: count variables among them.
    """
    node_def = node.node_def if isinstance(node, Operation) else node
    if pin_variables_on_cpu and node_def.op in _VARIABLES:
        return True
    typed_by = {"Const": "dtype", "DynamicStitch": "T", "ParallelDynamicStitch": "T", "Cast": "SrcT"}.get(
        node_def.op
    )
    if typed_by is None:
        return False
    dtype = dtypes.as_dtype(node_def.attr[typed_by].type)
    return dtype is dtypes.int32 or (node_def.op == "Const" and dtype is dtypes.string)


@public("graph_util.extract_sub_graph")
def extract_sub_graph(graph_def: Any, dest_nodes: Iterable[str]) -> Any:
    """The part of a graph that some nodes need.

    Args:
      graph_def: a GraphDef.
      dest_nodes: names of nodes.

    Returns:
      A GraphDef of those nodes and all they depend on, in the order of `graph_def`.

    Raises:
      TypeError: `graph_def` is not a GraphDef, or `dest_nodes` is one string.
      AssertionError: a node is not in the graph.
    """
    if not hasattr(graph_def, "node") or not hasattr(graph_def, "library"):
        raise TypeError(
            f"extract_sub_graph: graph_def must be a GraphDef. Received: {type(graph_def).__name__}"
        )
    if isinstance(dest_nodes, str):
        raise TypeError(f"extract_sub_graph: dest_nodes must be a list of strings. Received: {dest_nodes!r}")
    nodes = _nodes_by_name(graph_def)
    wanted = list(dest_nodes)
    for name in wanted:
        if name not in nodes:
            raise AssertionError(f"extract_sub_graph: every node must be in the graph. Received: {name!r}")
    kept = _reach(nodes, wanted)
    made = _like(graph_def)
    # Here alone: what is frozen or stripped tells no versions, as in 1.15.
    made.versions.CopyFrom(graph_def.versions)
    made.node.extend(node for node in graph_def.node if node.name in kept)
    return made


def _reach(nodes: dict[str, Any], wanted: Iterable[str]) -> set[str]:
    kept: set[str] = set()
    pending = list(wanted)
    while pending:
        name = pending.pop()
        if name not in kept and name in nodes:
            kept.add(name)
            pending.extend(node_name(i) for i in nodes[name].input)
    return kept


@public("graph_util.remove_training_nodes")
def remove_training_nodes(input_graph: Any, protected_nodes: Iterable[str] | None = None) -> Any:
    """The graph without nodes that only matter while training: CheckNumerics, and Identity nodes in between.

    Identity nodes that order something by a control edge stay.

    Args:
      input_graph: a GraphDef.
      protected_nodes: names of nodes to keep.

    Returns:
      A new GraphDef in which the consumers of a removed node take its input.
    """
    protected = frozenset(protected_nodes or ())
    controlling = {i[1:] for node in input_graph.node for i in node.input if i.startswith("^")}
    source: dict[str, str] = {}
    for node in input_graph.node:
        if node.name in protected or not node.input:
            continue
        orders = node.name in controlling or any(i.startswith("^") for i in node.input)
        if node.op == "CheckNumerics" or (node.op == "Identity" and not orders):
            source[node.name] = node.input[0]
    made = _like(input_graph)
    for node in input_graph.node:
        if node.name in source:
            continue
        copy = made.node.add()
        copy.CopyFrom(node)
        inputs = []
        for text in node.input:
            while node_name(text) in source:
                origin = source[node_name(text)]
                text = "^" + node_name(origin) if text.startswith("^") else origin
            if text not in inputs or not text.startswith("^"):
                inputs.append(text)
        copy.input[:] = inputs
    return made


@public("graph_util.convert_variables_to_constants")
def convert_variables_to_constants(
    sess: Any,
    input_graph_def: Any,
    output_node_names: Iterable[str],
    variable_names_whitelist: Iterable[str] | None = None,
    variable_names_blacklist: Iterable[str] | None = None,
) -> Any:
    """Freezes a graph: variables become constants that hold their values in `sess`.

    Args:
      sess: a session with initialised variables.
      input_graph_def: a GraphDef, such as `sess.graph.as_graph_def()`.
      output_node_names: names of the nodes that the result is for; it holds what they need.
      variable_names_whitelist: freeze only these variables; default all.
      variable_names_blacklist: do not freeze these.

    Returns:
      A GraphDef.

    Raises:
      AssertionError: an output node is not in the graph.
      tf.errors.FailedPreconditionError: a variable is uninitialised.
    """
    graph_def = extract_sub_graph(input_graph_def, output_node_names)
    allowed = None if variable_names_whitelist is None else set(variable_names_whitelist)
    refused = set(variable_names_blacklist or ())
    nodes = _nodes_by_name(graph_def)
    fetches: dict[str, str] = {}
    for node in graph_def.node:
        if node.op not in _VARIABLES or node.op == "ReadVariableOp":
            continue
        if (allowed is not None and node.name not in allowed) or node.name in refused:
            continue
        fetches[node.name] = _value_of(node, sess.graph)
    values = dict(zip(fetches, sess.run(list(fetches.values())), strict=True)) if fetches else {}
    made = _like(graph_def)
    for node in graph_def.node:
        made.node.extend(_frozen(node, nodes, values))
    return made


def _value_of(node: Any, graph: Graph) -> str:
    """The name of a tensor of `graph` with the value of the variable that `node` is."""
    if node.op != "VarHandleOp":
        return node.name + ":0"
    handle = graph.get_tensor_by_name(node.name + ":0")
    for reader in handle.consumers():
        if reader.type == "ReadVariableOp" and reader.body is None:
            return reader.outputs[0].name
    raise ValueError(
        "convert_variables_to_constants: a resource variable needs an operation that reads it. "
        f"Received: variable '{node.name}' with none"
    )


def _frozen(node: Any, nodes: dict[str, Any], values: dict[str, Any]) -> list[Any]:
    """`node` with constants in the place of variables, and what it then needs besides."""
    made = protos.NodeDef(name=node.name, device=node.device)
    handle = _handle(node, nodes, values) if node.op in _READS else None
    if node.name in values:
        return [_constant(made, values[node.name])]
    if handle is None:
        return [node]
    made.input.extend(node.input)
    if node.op == "ReadVariableOp":
        made.op = "Identity"
        made.attr["T"].CopyFrom(node.attr["dtype"])
        return [made]
    axis = _constant(protos.NodeDef(name=node.name + "/axis", device=node.device), np.zeros((), np.int32))
    made.op = "GatherV2"
    made.input.insert(2, axis.name)
    made.attr["Tparams"].CopyFrom(node.attr["dtype"])
    made.attr["Tindices"].CopyFrom(node.attr["Tindices"])
    made.attr["Taxis"].CopyFrom(axis.attr["dtype"])
    made.attr["batch_dims"].CopyFrom(
        node.attr["batch_dims"] if "batch_dims" in node.attr else attr_to_proto(0)
    )
    return [axis, made]


def _constant(node: Any, value: Any) -> Any:
    """Makes `node` a Const."""
    node.op = "Const"
    node.attr["value"].CopyFrom(attr_to_proto(np.asarray(value)))
    node.attr["dtype"].type = node.attr["value"].tensor.dtype
    return node


def _handle(node: Any, nodes: dict[str, Any], values: dict[str, Any]) -> str | None:
    """The frozen variable that a read takes, through Identity nodes."""
    name = node_name(node.input[0])
    while nodes[name].op == "Identity":
        name = node_name(nodes[name].input[0])
    return name if name in values else None


@public("graph_util.tensor_shape_from_node_def_name")
def tensor_shape_from_node_def_name(graph: Graph, input_name: str) -> Any:
    """The static shape of the tensor that an input of a NodeDef names (`a` is `a:0`)."""
    name = input_name if ":" in input_name else input_name + ":0"
    return graph.get_tensor_by_name(name).get_shape()


@public("io.write_graph", "train.write_graph")
def write_graph(graph_or_graph_def: Any, logdir: str, name: str, as_text: bool = True) -> str:
    """Writes a graph to a file, which appears whole or not at all.

    Args:
      graph_or_graph_def: a Graph or a GraphDef.
      logdir: the directory; made when missing.
      name: the file's name.
      as_text: protocol buffer text; otherwise binary.

    Returns:
      The path.
    """
    graph_def = (
        graph_or_graph_def.as_graph_def() if isinstance(graph_or_graph_def, Graph) else graph_or_graph_def
    )
    directory, name = os.fspath(logdir), os.fspath(name)
    path = os.path.join(directory, name)
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    if as_text:
        from millrace.exchange.graph_text import graph_text

        data = graph_text(graph_def).encode()
    else:
        data = graph_def.SerializeToString(deterministic=True)
    temporary = f"{path}.{uuid.uuid4().hex}.tmp"
    try:
        with open(temporary, "xb") as file:
            file.write(data)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    return path


# --- what converters of graphs take from TensorFlow's private module ----------------------------------------

public("python.framework.graph_util_impl._node_name")(node_name)


@public("python.framework.graph_util_impl._extract_graph_summary")
def extract_graph_summary(graph_def: Any) -> tuple[dict[str, list[str]], dict[str, Any], dict[str, int]]:
    """A GraphDef by the names of its nodes: the nodes they take, the nodes themselves, and their places."""
    nodes = {node_name(node.name): node for node in graph_def.node}
    taken = {name: [node_name(each) for each in node.input] for name, node in nodes.items()}
    return taken, nodes, {name: place for place, name in enumerate(nodes)}


@public("python.framework.graph_util_impl._assert_nodes_are_present")
def assert_nodes_are_present(name_to_node: Any, nodes: Iterable[str]) -> None:
    """Asserts that there are nodes of these names."""
    for name in nodes:
        if name not in name_to_node:
            raise AssertionError(f"{name} is not in graph")


@public("python.framework.graph_util_impl._bfs_for_reachable_nodes")
def reachable_nodes(target_nodes: Iterable[str], name_to_input_name: dict[str, list[str]]) -> set[str]:
    """The names of nodes from which the targets take something, themselves included.

    Args:
      target_nodes: their names.
      name_to_input_name: the nodes that each node takes.
    """
    found: set[str] = set()
    pending = list(target_nodes)
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending.extend(name_to_input_name.get(name, ()))
    return found
