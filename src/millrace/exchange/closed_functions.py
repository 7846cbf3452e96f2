"""Functions of datasets as functions in the library of a GraphDef, and back.

These are TensorFlow's own FunctionDefs: what a function captured are its last arguments, and the operation
that
uses it lists the captured tensors among its inputs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from millrace.building.function import FunctionGraph
from millrace.core import dtypes, protos, shapes
from millrace.exchange.attr_protos import attr_to_proto, bytes_to_text
from millrace.exchange.inline import output_position
from millrace.exchange.spelling import spell
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor

WriteAttrs = Callable[[Any, Operation], None]


def write(graph: FunctionGraph, name: str, write_attrs: WriteAttrs) -> Any:
    """The FunctionDef of a function.

    Args:
      graph: the function.
      name: what the library calls it.
      write_attrs: fills in the attributes of a NodeDef.
    """
    proto = protos.FunctionDef()
    proto.signature.name = name
    spelled: dict[Tensor, str] = {}
    arguments = [*graph.inputs, *graph.captures.values()]
    for i, tensor in enumerate(arguments):
        spelled[tensor] = argument = _unused(tensor.op.name, set(spelled.values()))
        proto.signature.input_arg.add(name=argument, type=tensor.dtype.base_dtype.as_datatype_enum)
        attrs = proto.arg_attr[i].attr
        attrs["_op_name"].CopyFrom(attr_to_proto(tensor.op.name))
        attrs["_output_shapes"].list.shape.append(tensor.get_shape().as_proto())
    inside = {tensor.op for tensor in arguments}
    for op in graph.ops:
        if op in inside or op.body is not None:
            continue
        node = proto.node_def.add(name=op.name, op=op.type, device=op.device)
        node.input.extend([spelled.get(t) or spell(t) for t in op.inputs])
        node.input.extend(["^" + c.name for c in op.control_inputs if c.body is None and c not in inside])
        write_attrs(node, op)
        if op.opdef.effect or op.opdef.writes or op.opdef.blocking:
            proto.control_ret[op.name] = op.name
            proto.signature.control_output.append(op.name)
    taken: set[str] = set()
    for tensor in graph.outputs:
        result = _unused(tensor.op.type, taken)
        taken.add(result)
        proto.signature.output_arg.add(name=result, type=tensor.dtype.base_dtype.as_datatype_enum)
        proto.ret[result] = spelled.get(tensor) or spell(tensor)
    return proto


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
