"""NodeDefs that the importer writes itself, where one node of a file becomes several."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from millrace.core import protos
from millrace.exchange.attr_protos import attr_to_proto


def new_node(name: str, op: str, inputs: Iterable[str], like: Any, **attrs: Any) -> Any:
    """A node on the device of another, with attributes as AttrValues."""
    made = protos.NodeDef(name=name, op=op, device=like.device)
    made.input.extend(inputs)
    for key, value in attrs.items():
        made.attr[key].CopyFrom(value)
    return made


def type_attr(value: int) -> Any:
    """A DataType as an AttrValue."""
    return protos.AttrValue(type=value)


def number_node(name: str, value: Any, like: Any) -> Any:
    """A constant of int32."""
    array = attr_to_proto(np.asarray(value, np.int32))
    return new_node(name, "Const", (), like, dtype=type_attr(protos.DT_INT32), value=array)


def inputs_of(node: Any) -> tuple[list[str], list[str]]:
    """The inputs of a node: data, and control."""
    return [i for i in node.input if not i.startswith("^")], [i for i in node.input if i.startswith("^")]


def renamed(node: Any, op: str, inputs: Iterable[str] | None = None) -> Any:
    """A copy of a node, of another type, with other inputs if some are given."""
    made = protos.NodeDef()
    made.CopyFrom(node)
    made.op = op
    if inputs is not None:
        made.ClearField("input")
        made.input.extend(inputs)
    return made
