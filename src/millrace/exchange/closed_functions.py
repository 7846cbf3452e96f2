"""Functions of datasets as functions in the library of a GraphDef, and back.

These are TensorFlow's own FunctionDefs: what a function captured are its last arguments, and the
operation that uses it lists the captured tensors among its inputs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from millrace.building.function import FunctionGraph
from millrace.core import dtypes, protos, shapes
from millrace.exchange.attr_protos import attr_to_proto, bytes_to_text
from millrace.exchange.inline import output_position
from millrace.exchange.tokens import array_types
from millrace.exchange.writing import Writer
from millrace.graph.opdef import lookup
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor

WriteNode = Callable[..., Any]  # (operation, function_name) -> NodeDef
_MIN_CONSUMER = 12  # what reads graphs with functions


class Library:
    """Names the functions of one graph and writes those that were asked for.

    Args:
      write_node: an operation as a NodeDef, its functions named by the second argument.
      own: as for `Writer`.
    """

    def __init__(self, write_node: WriteNode, own: bool = False) -> None:
        self._write_node = write_node
        self._own = own
        self._names: dict[FunctionGraph, str] = {}

    def name_of(self, graph: FunctionGraph) -> str:
        """The name of a function."""
        known = self._names.get(graph)
        if known is None:
            base = name = f"__inference_{graph.name}"
            taken, k = set(self._names.values()), 0
            while name in taken:
                k += 1
                name = f"{base}_{k}"
            known = self._names[graph] = name
        return known

    def node(self, op: Operation) -> Any:
        """An operation as a NodeDef."""
        return self._write_node(op, self.name_of)

    def add_to(self, proto: Any) -> None:
        """Adds the functions named so far, and those that these use, to a GraphDef."""
        written = 0
        while written < len(self._names):
            graph = list(self._names)[written]
            proto.library.function.append(function_def(graph, self._names[graph], self.node, self._own))
            written += 1
        if written:
            proto.versions.min_consumer = _MIN_CONSUMER


def function_def(
    graph: FunctionGraph, name: str, write_node: Callable[[Operation], Any], own: bool = False
) -> Any:
    """A function with a graph of its own as a FunctionDef called `name`; `own` as for `Writer`."""
    proto = protos.FunctionDef()
    proto.signature.name = name
    arguments: dict[str, str] = {}  # the operation that stands for one -> its name
    for i, tensor in enumerate([*graph.inputs, *graph.captures.values()]):
        arguments[tensor.op.name] = argument = _unused(tensor.op.name, set(arguments.values()))
        proto.signature.input_arg.add(name=argument, type=tensor.dtype.base_dtype.as_datatype_enum)
        attrs = proto.arg_attr[i].attr
        attrs["_op_name"].CopyFrom(attr_to_proto(tensor.op.name))
        attrs["_output_shapes"].list.shape.append(tensor.get_shape().as_proto())
    writer = Writer(graph, write_node, own)
    for op in graph.ops:
        if op.body is None:
            writer.write(op)
            if _acts(op):
                proto.control_ret[op.name] = op.name
                proto.signature.control_output.append(op.name)
    known = {node.name: node for node in writer.nodes}
    for node in writer.nodes:
        texts = [t for t in node.input if not (t.startswith("^") and t[1:] in arguments)]
        node.input[:] = [_in_function(text, known, arguments) for text in texts]
        proto.node_def.append(node)
    taken: set[str] = set()
    for tensor in graph.outputs:
        result = _unused(tensor.op.type, taken)
        taken.add(result)
        proto.signature.output_arg.add(name=result, type=tensor.dtype.base_dtype.as_datatype_enum)
        proto.ret[result] = _in_function(writer.text(tensor), known, arguments)
    return proto


def _acts(op: Operation) -> bool:
    opdef = op.opdef
    return (
        (opdef.effect or bool(opdef.writes) or opdef.blocking) and not opdef.has_body and op.type != "BodyArg"
    )


def _in_function(text: str, known: Mapping[str, Any], arguments: Mapping[str, str]) -> str:
    """An input spelled as in a graph, `node:number`, spelled as in a function, `node:argument:index`."""
    if text.startswith("^"):
        return text
    name, _, number = text.partition(":")
    if name in arguments:
        return arguments[name]
    node, place = known[name], int(number or 0)
    for arg in (array_types().get(node.op) or lookup(node.op)).outputs:
        size = 1
        if arg.number_attr is not None:
            size = node.attr[arg.number_attr].i
        elif arg.types_attr is not None:
            size = len(node.attr[arg.types_attr].list.type)
        if place < size:
            return f"{name}:{arg.name}:{place}"
        place -= size
    raise IndexError(f"'{name}' has no output {number}")


def _unused(name: str, taken: set[str]) -> str:
    name = re.sub(r"\W", "_", name).lower()
    base, k = name if name[:1].isalpha() else "arg_" + name, 0
    name = base
    while name in taken:
        k += 1
        name = f"{base}_{k}"
    return name


def arguments_of(function: Any, graph: FunctionGraph) -> dict[str, Any]:
    """Adds the arguments of a FunctionDef to `graph`: what inputs of its nodes are called -> what they
    are.
    """
    found: dict[str, Any] = {}
    for i, arg in enumerate(function.signature.input_arg):
        attrs = function.arg_attr[i].attr if i in function.arg_attr else {}
        shown = attrs["_output_shapes"].list.shape if "_output_shapes" in attrs else ()
        dims = shapes.as_dims(shown[0]) if shown else None
        name = bytes_to_text(attrs["_op_name"].s) if "_op_name" in attrs else arg.name
        tensor = graph.add_input(dtypes.as_dtype(arg.type), dims, name)
        for spelled in (arg.name, name):
            found[f"{spelled}:0"], found[f"^{spelled}"] = tensor, tensor.op
    return found


def nodes_of(function: Any, functions: Mapping[str, Any]) -> list[Any]:
    """The nodes of a FunctionDef with their inputs spelled as in a graph."""
    known = {node.name: node for node in function.node_def}
    made = []
    for node in function.node_def:
        copy = protos.NodeDef()
        copy.CopyFrom(node)
        copy.input[:] = [in_graph(text, known, functions) for text in node.input]
        made.append(copy)
    return made


def in_graph(text: str, known: Mapping[str, Any], functions: Mapping[str, Any]) -> str:
    """An input spelled as in a function, `node:argument:index`, spelled as in a graph, `node:number`."""
    name, _, rest = text.partition(":")
    if text.startswith("^") or name not in known:
        return text
    argument, _, index = rest.partition(":")
    return f"{name}:{output_position(known[name], argument, index, functions)}"


def captured_by(op: Operation, attr: str) -> list[Tensor]:
    """The inputs of `op` that the function in attribute `attr` captured."""
    names = (f"{attr}_other_arguments", f"{attr}_other_args", "other_arguments")
    for arg, value in zip(op.opdef.inputs, op.args(), strict=True):
        if arg.name in names:
            return list(value)
    return []
