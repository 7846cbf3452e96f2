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

from typing import TYPE_CHECKING, Any

from millrace.building.body import Body
from millrace.exchange.attr_protos import bytes_to_text
from millrace.graph.opdef import OpDef
from millrace.graph.operation import Operation

if TYPE_CHECKING:
    pass

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


def flat_index(opdef: OpDef, attrs: dict[str, Any], argument: str, index: int) -> int:
    """The number of output `argument:index` among all outputs of an operation.

    Raises:
      ValueError: there is no such output.
    """
    position = 0
    for arg in opdef.outputs:
        if arg.name == argument or len(opdef.outputs) == 1:  # which another type may stand for
            return position + index
        if arg.number_attr is not None:
            position += int(attrs[arg.number_attr])
        else:
            position += len(attrs[arg.types_attr]) if arg.types_attr is not None else 1
    raise ValueError(f"{opdef.name} has no output argument {argument!r}")


def captures(function: Any) -> list[str]:
    """The names of the outer tensors that a function written here captures."""
    return [bytes_to_text(s) for s in function.attr[_MARK].list.s] if is_own(function) else []


def references(function: Any) -> list[str]:
    """The names of the variable references that a function written here takes from outside."""
    return [bytes_to_text(s) for s in function.attr["_references"].list.s] if is_own(function) else []


def is_own(function: Any) -> bool:
    """True for functions that were written here."""
    return _MARK in function.attr
