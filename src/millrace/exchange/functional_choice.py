"""Case nodes, which choose among several functions by number, turned into TensorFlow's If nodes.

The first function stands against all others, those again as a function with one If, and so on; a number that
is none of them means the last.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from millrace.core import protos

CHOICES = frozenset(("Case", "StatelessCase"))


def as_branches(node: Any, functions: MutableMapping[str, Any], local: str) -> list[Any]:
    """Nodes that compute what a Case node does, the last one of its name.

    Args:
      node: the node.
      functions: FunctionDefs by name; what stands for the choice is added.
      local: the node's name as inputs spell it.

    Raises:
      ValueError: there is no function to choose, or the library lacks one.
    """
    names = [f.name for f in node.attr["branches"].list.func]
    rule = f"import_graph_def: node '{node.name}' (type {node.op})"
    if not names:
        raise ValueError(f"{rule}: branches must name functions. Received: none")
    for name in names:
        if name not in functions:
            raise ValueError(f"{rule}: uses a function that the library lacks. Received: {name!r}")
    wrapped = [f"{node.name}/branch_{k}" for k in range(len(names))]
    for k, name in enumerate(names):
        functions[wrapped[k]] = _called(wrapped[k], node, functions[name])
    rest = wrapped[-1]
    for k in reversed(range(1, len(names) - 1)):
        chosen = f"{node.name}/from_{k}"
        functions[chosen] = _function(chosen, node, _asked(node, "next", "number", k, wrapped[k], rest, ""), "next")
        rest = chosen
    data = [i for i in node.input if not i.startswith("^")]
    made = _asked(node, local, data[0], 0, wrapped[0], rest, node.name)
    made[-1].input.extend([*data[1:], data[0], *(i for i in node.input if i.startswith("^"))])
    return made


def _types(node: Any) -> list[int]:
    return [*node.attr["Tin"].list.type, protos.DT_INT32]


def _asked(node: Any, local: str, number: str, k: int, then: str, other: str, name: str) -> list[Any]:
    """Nodes: whether the number is k, and the If; without inputs where it is the graph's own."""
    full = name or local
    at = protos.NodeDef(name=f"{full}/number_{k}", op="Const")
    at.attr["dtype"].type = protos.DT_INT32
    at.attr["value"].tensor.dtype = protos.DT_INT32
    at.attr["value"].tensor.int_val.append(k)
    at.attr["value"].tensor.tensor_shape.SetInParent()
    same = protos.NodeDef(name=f"{full}/is_{k}", op="Equal")
    same.input.extend([number, f"{local}/number_{k}:{'' if name else 'output:'}0"])
    same.attr["T"].type = protos.DT_INT32
    chosen = protos.NodeDef(name=full, op="If", device=node.device)
    chosen.input.append(f"{local}/is_{k}:{'' if name else 'z:'}0")
    if not name:
        chosen.input.extend(_arguments(node))
    chosen.attr["Tcond"].type = protos.DT_BOOL
    chosen.attr["Tin"].list.type.extend(_types(node))
    chosen.attr["Tout"].CopyFrom(node.attr["Tout"])
    chosen.attr["then_branch"].func.name = then
    chosen.attr["else_branch"].func.name = other
    return [at, same, chosen]


def _arguments(node: Any) -> list[str]:
    return [*(f"in_{k}" for k in range(len(node.attr["Tin"].list.type))), "number"]


def _signature(name: str, node: Any) -> Any:
    made = protos.FunctionDef()
    made.signature.name = name
    for argument, kind in zip(_arguments(node), _types(node), strict=True):
        made.signature.input_arg.add(name=argument, type=kind)
    return made


def _called(name: str, node: Any, function: Any) -> Any:
    """`function` as one that takes the number, too."""
    made = _signature(name, node)
    call = made.node_def.add(name="call", op=function.signature.name)
    call.input.extend(_arguments(node)[:-1])
    for result in function.signature.output_arg:
        made.signature.output_arg.add().CopyFrom(result)
        made.ret[result.name] = f"call:{result.name}:0"
    return made


def _function(name: str, node: Any, nodes: list[Any], last: str) -> Any:
    made = _signature(name, node)
    made.node_def.extend(nodes)
    for k, kind in enumerate(node.attr["Tout"].list.type):
        made.signature.output_arg.add(name=f"out_{k}", type=kind)
        made.ret[f"out_{k}"] = f"{last}:output:{k}"
    return made
