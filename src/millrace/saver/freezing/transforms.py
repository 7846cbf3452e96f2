"""`TransformGraph`: the everyday transformations of TensorFlow's graph transform tool."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from millrace.core import protos
from millrace.core.public import public
from millrace.exchange.graph_util import extract_sub_graph
from millrace.exchange.graphdef import node_name
from millrace.exchange.importer import import_graph_def
from millrace.exchange.nodes import in_order
from millrace.graph.graph import Graph
from millrace.graph.opdef import lookup
from millrace.saver.freezing.batch_norms import constant, fold_batch_norms
from millrace.session.session import Session

Parameters = dict[str, list[str]]
_FEEDS = frozenset(("Placeholder", "PlaceholderWithDefault", "PlaceholderV2"))


@public("tools.graph_transforms.TransformGraph")
def transform_graph(
    input_graph_def: Any, inputs: Sequence[str], outputs: Sequence[str], transforms: Sequence[str]
) -> Any:
    """A graph after a row of transformations.

    Args:
      input_graph_def: a GraphDef.
      inputs: names of nodes that are fed.
      outputs: names of nodes that are fetched.
      transforms: names, with parameters in brackets where there are any: `strip_unused_nodes`,
        `remove_nodes(op=Identity, op=CheckNumerics)`, `fold_constants(ignore_errors=true)`,
        `fold_batch_norms`, `fold_old_batch_norms`, `remove_attribute(attribute_name=_class)`,
        `rename_attribute(old_attribute_name=a, new_attribute_name=b)`,
        `rename_op(old_op_name=A, new_op_name=B)`, `remove_device`, `set_device(device=/cpu:0)`,
        `remove_control_dependencies`, `sort_by_execution_order`.

    Returns:
      A new GraphDef.

    Raises:
      ValueError: a transformation is unknown or lacks a parameter.
    """
    made = protos.GraphDef()
    made.CopyFrom(input_graph_def)
    steps = [_parsed(text) for text in transforms]
    for name, parameters in steps:
        made = _TRANSFORMS[name](
            made, [node_name(i) for i in inputs], [node_name(o) for o in outputs], parameters
        )
    return made


def _parsed(text: str) -> tuple[str, Parameters]:
    match = re.fullmatch(r"\s*(\w+)\s*(?:\((.*)\))?\s*", text, re.DOTALL)
    if match is None or match[1] not in _TRANSFORMS:
        raise ValueError(
            f"TransformGraph: a transformation is one of {', '.join(sorted(_TRANSFORMS))}. Received: {text!r}"
        )
    parameters: Parameters = {}
    for key, quoted, plain in re.findall(r'(\w+)\s*=\s*(?:"([^"]*)"|([^,\s]+))', match[2] or ""):
        parameters.setdefault(key, []).append(quoted or plain)
    return match[1], parameters


def _needed(name: str, parameters: Parameters, key: str) -> str:
    if key not in parameters:
        raise ValueError(f"TransformGraph: {name} needs the parameter {key}. Received: {parameters}")
    return parameters[key][0]


def _like(graph_def: Any, nodes: Any) -> Any:
    made = protos.GraphDef(versions=graph_def.versions, library=graph_def.library)
    made.node.extend(nodes)
    return made


def _strip_unused_nodes(graph_def: Any, inputs: list[str], outputs: list[str], parameters: Parameters) -> Any:
    """What the outputs need; inputs become placeholders, of the type and shape that is told."""
    names = parameters.get("name", [])
    types = dict(zip(names, parameters.get("type_for_name", []), strict=False))
    shapes = dict(zip(names, parameters.get("shape_for_name", []), strict=False))
    for node in graph_def.node:
        if node.name not in inputs or node.op == "Placeholder":
            continue
        kind = types.get(node.name, parameters.get("type", ["float"])[0])
        shape = shapes.get(node.name, parameters.get("shape", [""])[0])
        node.CopyFrom(protos.NodeDef(name=node.name, op="Placeholder"))
        node.attr["dtype"].type = protos.DataType.Value(f"DT_{kind.upper()}")
        node.attr["shape"].shape.unknown_rank = not shape
        for size in filter(None, shape.split(",")):
            node.attr["shape"].shape.dim.add(size=int(size))
    return extract_sub_graph(graph_def, outputs)


def _remove_nodes(graph_def: Any, inputs: list[str], outputs: list[str], parameters: Parameters) -> Any:
    """Nodes of some types give way to their first input; inputs and outputs stay."""
    kinds, kept = set(parameters.get("op", [])), {*inputs, *outputs}
    source = {
        n.name: n.input[0]
        for n in graph_def.node
        if n.op in kinds and n.name not in kept and n.input and not n.input[0].startswith("^")
    }
    nodes = []
    for node in graph_def.node:
        if node.name in source:
            continue
        for k, text in enumerate(node.input):
            while node_name(text) in source:
                origin = source[node_name(text)]
                text = "^" + node_name(origin) if text.startswith("^") else origin
            node.input[k] = text
        nodes.append(node)
    return _like(graph_def, nodes)


def _fold_constants(graph_def: Any, inputs: list[str], outputs: list[str], parameters: Parameters) -> Any:
    """What follows from constants alone becomes constants."""
    nodes = {node.name: node for node in graph_def.node}
    known: set[str] = set()
    for node in _sorted(graph_def):
        if node.name not in inputs and _is_pure(node) and all(node_name(i) in known for i in node.input):
            known.add(node.name)
    border = {node_name(i) for n in graph_def.node if n.name not in known for i in n.input if i[0] != "^"}
    wanted = [n for n in nodes if n in known and n in border.union(outputs) and nodes[n].op != "Const"]
    wanted = [n for n in wanted if len(lookup(nodes[n].op).outputs) == 1]
    with Graph().as_default() as graph, Session(graph=graph) as session:
        import_graph_def(extract_sub_graph(graph_def, wanted), name="")
        wanted = [n for n in wanted if len(graph.get_operation_by_name(n).outputs) == 1]
        values = dict(zip(wanted, session.run([f"{n}:0" for n in wanted]), strict=True))
    made = _like(
        graph_def, [constant(n.name, values[n.name]) if n.name in values else n for n in graph_def.node]
    )
    return extract_sub_graph(made, [*outputs, *(i for i in inputs if i in nodes)])


def _is_pure(node: Any) -> bool:
    if node.op in _FEEDS:
        return False
    try:
        opdef = lookup(node.op)
    except KeyError:
        return False
    return opdef.pure and opdef.kernel is not None and not opdef.has_body and not opdef.reads


def _sorted(graph_def: Any) -> list[Any]:
    return list(in_order(list(graph_def.node), lambda node: [node_name(i) for i in node.input]))


def _fold_norms(graph_def: Any, inputs: list[str], outputs: list[str], parameters: Parameters) -> Any:
    return fold_batch_norms(graph_def)


def _remove_attribute(graph_def: Any, inputs: list[str], outputs: list[str], parameters: Parameters) -> Any:
    for node in _of_type(graph_def, parameters):
        node.attr.pop(_needed("remove_attribute", parameters, "attribute_name"), None)
    return graph_def


def _rename_attribute(graph_def: Any, inputs: list[str], outputs: list[str], parameters: Parameters) -> Any:
    old = _needed("rename_attribute", parameters, "old_attribute_name")
    new = _needed("rename_attribute", parameters, "new_attribute_name")
    for node in _of_type(graph_def, parameters):
        if old in node.attr:
            node.attr[new].CopyFrom(node.attr[old])
            del node.attr[old]
    return graph_def


def _of_type(graph_def: Any, parameters: Parameters) -> list[Any]:
    kind = parameters.get("op_name", ["*"])[0]
    return [node for node in graph_def.node if kind in ("*", node.op)]


def _rename_op(graph_def: Any, inputs: list[str], outputs: list[str], parameters: Parameters) -> Any:
    old, new = (_needed("rename_op", parameters, key) for key in ("old_op_name", "new_op_name"))
    for node in graph_def.node:
        if node.op == old:
            node.op = new
    return graph_def


def _set_device(graph_def: Any, inputs: list[str], outputs: list[str], parameters: Parameters) -> Any:
    device = parameters.get("device", [""])[0]
    only_default = parameters.get("if_default", ["false"])[0] == "true"
    for node in graph_def.node:
        if not only_default or not node.device:
            node.device = device
    return graph_def


def _remove_controls(graph_def: Any, inputs: list[str], outputs: list[str], parameters: Parameters) -> Any:
    for node in graph_def.node:
        node.input[:] = [text for text in node.input if not text.startswith("^")]
    return graph_def


def _sort(graph_def: Any, inputs: list[str], outputs: list[str], parameters: Parameters) -> Any:
    return _like(graph_def, _sorted(graph_def))


_TRANSFORMS: dict[str, Callable[[Any, list[str], list[str], Parameters], Any]] = {
    "fold_batch_norms": _fold_norms,
    "fold_constants": _fold_constants,
    "fold_old_batch_norms": _fold_norms,
    "remove_attribute": _remove_attribute,
    "remove_control_dependencies": _remove_controls,
    "remove_device": lambda graph_def, inputs, outputs, parameters: _set_device(
        graph_def, inputs, outputs, {}
    ),
    "remove_nodes": _remove_nodes,
    "rename_attribute": _rename_attribute,
    "rename_op": _rename_op,
    "set_device": _set_device,
    "sort_by_execution_order": _sort,
    "strip_unused_nodes": _strip_unused_nodes,
}
