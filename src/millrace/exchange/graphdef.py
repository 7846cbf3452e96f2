"""Operations and graphs as protocol buffer messages: NodeDef, OpDef, GraphDef. `importer` reads them back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from millrace.building.apply import apply
from millrace.building.body import Body
from millrace.core import protos
from millrace.exchange.attr_protos import (
    attr_from_proto,
    attr_to_proto,
    attr_to_python,
    text_to_bytes,
    write_attrs,
)
from millrace.exchange.closed_functions import Library
from millrace.exchange.kinds import shape_of
from millrace.exchange.writing import Writer
from millrace.graph.attrs import MISSING, Attr
from millrace.graph.opdef import Arg, OpDef, lookup
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor

if TYPE_CHECKING:
    from millrace.graph.graph import Graph

__all__ = [
    "attr_from_proto",
    "attr_to_proto",
    "attr_to_python",
    "create_from_parts",
    "graph_def",
    "node_def",
    "op_def",
    "versions",
]

PRODUCER = 134  # the GraphDef version of TensorFlow 1.15, whose operations these are


def versions() -> Any:
    """The `VersionDef` of the graphs written here."""
    return protos.VersionDef(producer=PRODUCER)


def node_def(op: Operation, function_name: Callable[[Body], str] | None = None) -> Any:
    """`op` as a `NodeDef`, all its attributes included.

    Args:
      op: an operation; inputs are written as `name`, `name:1` and `^name`.
      function_name: the names that bodies get in the library of a GraphDef; default, the names of their
        scopes.
    """
    node = protos.NodeDef(name=op.name, op=op.type, device=op.device)
    node.input.extend([t._as_node_def_input() for t in op.inputs])
    node.input.extend(["^" + c.name for c in op.control_inputs])
    write_attrs(node, op, function_name)
    return node


def op_def(opdef: OpDef) -> Any:
    """The signature of an operation type as an `OpDef` message."""
    proto = protos.OpDef(name=opdef.name, is_commutative=opdef.commutative)
    proto.is_stateful = not opdef.pure
    for arg in opdef.inputs:
        _write_arg(proto.input_arg.add(), arg, opdef.attrs)
    for arg in opdef.outputs:
        _write_arg(proto.output_arg.add(), arg, opdef.attrs)
    for name, kind in opdef.attrs.items():
        if not kind.later:
            _write_attr_def(proto.attr.add(name=name, type=kind.kind), kind)
    return proto


def _write_arg(proto: Any, arg: Arg, kinds: Mapping[str, Attr]) -> None:
    proto.name = arg.name
    proto.is_ref = arg.is_ref
    kind = kinds.get(arg.type_attr or "")
    fixed = kind.default if kind is not None and kind.later else arg.dtype
    if fixed is not None:
        proto.type = fixed.as_datatype_enum
    else:
        proto.type_attr = arg.type_attr or ""
    proto.type_list_attr = arg.types_attr or ""
    proto.number_attr = arg.number_attr or ""


def _write_attr_def(proto: Any, kind: Attr) -> None:
    if kind.default is not MISSING and not (kind.default is None and kind.kind != "shape"):
        proto.default_value.CopyFrom(attr_to_proto(kind.default, kind))
    if kind.minimum is not None:
        proto.has_minimum, proto.minimum = True, kind.minimum
    if kind.allowed is not None:
        allowed = proto.allowed_values.list
        if kind.kind.endswith("string") or kind.kind == "list(string)":
            allowed.s.extend(sorted(text_to_bytes(v) for v in kind.allowed))
        else:
            allowed.type.extend(sorted(d.as_datatype_enum for d in kind.allowed))


def graph_def(graph: Graph, from_version: int | None = None, add_shapes: bool = False) -> Any:
    """`graph` as a `GraphDef`; branches and loops become Switch, Merge and frames.

    Args:
      graph: the graph.
      from_version: leave out the first so many operations.
      add_shapes: write static shapes as the attribute `_output_shapes`.
    """
    return graph_def_and_contexts(graph, from_version, add_shapes)[0]


def graph_def_and_contexts(
    graph: Graph, from_version: int | None = None, add_shapes: bool = False
) -> tuple[Any, list[Any]]:
    """`graph` as a `GraphDef`, and the `ControlFlowContextDef` of each branch and loop in no other.

    Args:
      graph, from_version, add_shapes: as for `graph_def`.
    """
    proto = protos.GraphDef(versions=versions())
    library = Library(node_def)
    writer = Writer(graph, library.node)
    for op in graph.ops[from_version or 0 :]:
        if op.body is not None:
            continue
        writer.write(op)
        if add_shapes and op.outputs and not op.opdef.has_body:
            shown = writer.nodes[-1].attr["_output_shapes"].list
            shown.SetInParent()
            shown.shape.extend(shape_of(t).as_proto() for t in op.outputs)
    proto.node.extend(writer.nodes)
    library.add_to(proto)
    return proto, writer.contexts


def grouped(args: Sequence[Arg], flat: Sequence[Any], attrs: dict[str, Any], where: str) -> list[Any]:
    """Groups `flat` by the arguments of a signature; a single list whose length no attribute gives takes the
    rest.

    Raises:
      ValueError: there are more or fewer values than the signature has room for.
    """
    found: list[Any] = []
    position = 0
    for i, arg in enumerate(args):
        if not arg.is_list:
            count = 1
        elif arg.number_attr is not None and arg.number_attr in attrs:
            count = int(attrs[arg.number_attr])
        elif arg.types_attr is not None and arg.types_attr in attrs:
            count = len(attrs[arg.types_attr])
        else:
            count = len(flat) - position - sum(not a.is_list for a in args[i + 1 :])
        part = flat[position : position + count]
        position += count
        if len(part) != count or count < 0:
            raise ValueError(
                f"{where}: {_signature(args)} do not match the inputs. Received: {len(flat)} inputs"
            )
        found.append(list(part) if arg.is_list else part[0])
    if position != len(flat):
        raise ValueError(f"{where}: {_signature(args)} do not match the inputs. Received: {len(flat)} inputs")
    return found


def _signature(args: Sequence[Arg]) -> str:
    return f"expected inputs ({', '.join(a.name + ('...' if a.is_list else '') for a in args)})"


def create_from_node(node_def: Any, graph: Any, inputs: Any, control_inputs: Any) -> Operation:
    """Adds an operation as a NodeDef describes it, its inputs apart, under the very name that it has.

    Raises:
      TypeError: `node_def` or `graph` is something else.
      ValueError: the graph has an operation of that name, or the inputs do not fit the type.
    """
    if not isinstance(node_def, protos.NodeDef):
        raise TypeError(f"node_def needs to be a NodeDef. Received: {node_def!r}")
    if not hasattr(graph, "create_op"):
        raise TypeError(f"g needs to be a Graph. Received: {graph!r}")
    if node_def.name in graph.by_name:
        raise ValueError(f"Duplicate node name in graph: {node_def.name!r}")
    with (
        graph.as_default(),
        graph.control_dependencies(None),
        graph.control_dependencies(list(control_inputs)),
    ):
        attrs = dict(node_def.attr)
        return create_from_parts(graph, node_def.op, list(inputs), attrs, node_def.name + "/")


def create_from_parts(
    graph: Graph, op_type: str, inputs: list[Any], attrs: dict[str, Any], name: str | None
) -> Operation:
    """Adds an operation by the name of its type, as `Graph.create_op` does.

    Args:
      graph: the graph to add to.
      op_type: the type as GraphDef spells it.
      inputs: flat tensors.
      attrs: AttrValue messages or plain values.
      name: made unique; taken as it is when it ends with "/".

    Raises:
      ValueError: there is no such type, or the inputs do not fit it.
      TypeError: an input is not a tensor, or an attribute is of another kind.
    """
    try:
        opdef = lookup(op_type)
    except KeyError:
        raise ValueError(
            f"create_op: no operation type {op_type!r} is known. Received: name={name!r}"
        ) from None
    for i, value in enumerate(inputs):
        if not isinstance(value, Tensor):
            raise TypeError(f"create_op {op_type}: input #{i} is not a tensor. Received: {value!r}")
    plain = {
        k: attr_from_proto(v, opdef.attrs.get(k)) if hasattr(v, "WhichOneof") else v for k, v in attrs.items()
    }
    args = grouped(opdef.inputs, inputs, plain, f"create_op {op_type}")
    size = len(graph.ops)
    apply(opdef, *args, name=name, **plain)
    return next(op for op in reversed(graph.ops[size:]) if op.opdef is opdef)


def node_name(text: str) -> str:
    """The node that an input of a NodeDef names: `^a` and `a:1` are both about `a`."""
    return text.removeprefix("^").partition(":")[0]
