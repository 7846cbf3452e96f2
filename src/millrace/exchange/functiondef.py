"""Bodies of branches and loops as functions in the library of a GraphDef.

A body is a part of its graph; a FunctionDef is closed. So a body is written with

- one argument for each explicit input, then one for each captured tensor, then one for each variable
  reference that it uses from outside; the attributes `_captures` and `_references` give the outer tensors'
  names;
- its operations under their full names, which an import prefixes like any other;
- `_scope`, `_tag` and `_tick`, what `Body` remembers; on each argument `_op_name`, the operation that stands
  for it.

`import_nodes` builds a `Body` from that. What TensorFlow wrote is brought into this form first, by
`v1_control_flow` and `functional_control_flow`; there an argument may lack a type or shape, which are then
those of the tensor that it stands for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from millrace.building.body import Body
from millrace.building.function import FunctionGraph
from millrace.core import protos
from millrace.exchange import closed_functions
from millrace.exchange.attr_protos import attr_to_proto, bytes_to_text, write_attrs
from millrace.exchange.spelling import spell
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor

if TYPE_CHECKING:
    from millrace.graph.graph import Graph

_MARK = "_captures"  # what functions written here have and others do not


def bodies_of(op: Operation) -> list[tuple[str, Body]]:
    """(attribute name, body) for every body among the attributes of `op`."""
    found: list[tuple[str, Body]] = []
    for name, value in op.attrs.items():
        if isinstance(value, Body):
            found.append((name, value))
        elif isinstance(value, tuple | list):
            found.extend((f"{name}_{i}", v) for i, v in enumerate(value) if isinstance(v, Body))
    return found


class Library:
    """Names the bodies of one graph and writes those that were asked for."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._names: dict[Body | FunctionGraph, str] = {}
        self._taken: set[str] = set()
        self._members: dict[Graph, dict[Body, list[Operation]]] = {}
        self._users: dict[Body, str] | None = None

    def name_of(self, body: Body | FunctionGraph) -> str:
        """The function's name: of a body, that of the first operation using it and the attribute."""
        known = self._names.get(body)
        if known is not None:
            return known
        if isinstance(body, FunctionGraph):
            return self._named(body, f"__inference_{body.name}")
        if self._users is None:
            self._users = {}
            for op in self._graph.ops:
                if op.opdef.has_body:
                    for attr, used in bodies_of(op):
                        self._users.setdefault(used, f"{op.name}_{attr}")
        return self._named(body, _identifier(self._users.get(body, body.name)))

    def _named(self, body: Body | FunctionGraph, base: str) -> str:
        name, k = base, 0
        while name in self._taken:
            k += 1
            name = f"{base}_{k}"
        self._taken.add(name)
        self._names[body] = name
        return name

    def function_defs(self) -> list[Any]:
        """A FunctionDef for each body named so far, and for those that these use."""
        written: list[Any] = []
        while len(written) < len(self._names):
            body = list(self._names)[len(written)]
            closed = isinstance(body, FunctionGraph)
            written.append(self._write_closed(body) if closed else self._write(body))
        return written

    def _write_closed(self, graph: FunctionGraph) -> Any:
        attrs = lambda node, op: write_attrs(node, op, self.name_of)  # noqa: E731
        return closed_functions.write(graph, self.name_of(graph), attrs)

    def _ops_of(self, body: Body) -> list[Operation]:
        members = self._members.get(body.graph)
        if members is None:
            members = self._members[body.graph] = {}
            for op in body.graph.ops:
                if op.body is not None:
                    members.setdefault(op.body, []).append(op)
        return members.get(body, [])

    def _write(self, body: Body) -> Any:
        proto = protos.FunctionDef()
        proto.signature.name = self.name_of(body)
        ops = self._ops_of(body)
        arguments = [*body.inputs, *body.captures.values()]
        inside = {t.op for t in arguments}
        references = list(dict.fromkeys(
            t for t in (*(i for op in ops for i in op.inputs), *body.outputs) if t.op.body is not body
        ))  # fmt: skip
        spelled: dict[Tensor, str] = {}
        for i, tensor in enumerate([*arguments, *references]):
            name = _unused(_identifier(tensor.op.name.rpartition("/")[2]).lower(), set(spelled.values()))
            spelled[tensor] = name
            arg = proto.signature.input_arg.add(name=name, type=tensor.dtype.base_dtype.as_datatype_enum)
            arg.is_ref = tensor.dtype.is_ref_dtype
            attrs = proto.arg_attr[i].attr
            attrs["_op_name"].CopyFrom(attr_to_proto(tensor.op.name))
            attrs["_output_shapes"].list.shape.append(tensor.get_shape().as_proto())
        for op in ops:
            if op in inside:
                continue
            node = protos.NodeDef(name=op.name, op=op.type, device=op.device)
            node.input.extend([spelled.get(t) or spell(t) for t in op.inputs])
            node.input.extend(["^" + c.name for c in op.control_inputs if c.body is body and c not in inside])
            write_attrs(node, op, self.name_of)
            proto.node_def.append(node)
        for i, tensor in enumerate(body.outputs):
            out = proto.signature.output_arg.add(
                name=f"out{i}", type=tensor.dtype.base_dtype.as_datatype_enum
            )
            proto.ret[out.name] = spelled.get(tensor) or spell(tensor)
        proto.attr[_MARK].CopyFrom(attr_to_proto([t.name for t in body.captures]))
        proto.attr["_references"].CopyFrom(attr_to_proto([t.name for t in references]))
        proto.attr["_scope"].CopyFrom(attr_to_proto(body.name))
        proto.attr["_tag"].CopyFrom(attr_to_proto(body.tag))
        if body.tick is not None:
            proto.attr["_tick"].CopyFrom(attr_to_proto(body.tick.op.name))
        return proto


def _identifier(name: str) -> str:
    return re.sub(r"\W", "_", name) or "body"


def _unused(name: str, taken: set[str]) -> str:
    base, k = name if name[:1].isalpha() else "arg_" + name, 0
    name = base
    while name in taken:
        k += 1
        name = f"{base}_{k}"
    return name


def captures(function: Any) -> list[str]:
    """The names of the outer tensors that a function written here captures."""
    return [bytes_to_text(s) for s in function.attr[_MARK].list.s] if is_own(function) else []


def references(function: Any) -> list[str]:
    """The names of the variable references that a function written here takes from outside."""
    return [bytes_to_text(s) for s in function.attr["_references"].list.s] if is_own(function) else []


def is_own(function: Any) -> bool:
    """True for functions that were written here."""
    return _MARK in function.attr
