"""TensorFlow's For nodes, a function called for each number of a range, as While nodes."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import numpy as np

from millrace.core import protos
from millrace.exchange.attr_protos import attr_to_proto
from millrace.exchange.new_nodes import type_attr

_COUNTERS = ("i", "limit", "delta")


def unfold_for(node: Any, functions: MutableMapping[str, Any], local: str) -> tuple[Any, Any]:
    """The While that stands for a For, and the node that gives its results under the For's name.

    Args:
      node: a For.
      functions: FunctionDefs by name; those of the While are added.
      local: the node's name as inputs spell it.

    Raises:
      ValueError: the function is missing from the library.
    """
    used = node.attr["body"].func.name
    if used not in functions:
        raise ValueError(
            f"import_graph_def: node '{node.name}' (type For): uses a function that the library lacks. "
            f"Received: {used!r}"
        )
    kinds = list(node.attr["T"].list.type)
    loop = protos.NodeDef(name=f"{node.name}/while", op="StatelessWhile", device=node.device)
    loop.input.extend(node.input)
    loop.attr["T"].list.type.extend([protos.DT_INT32] * len(_COUNTERS) + kinds)
    loop.attr["cond"].func.name = _condition(node, functions, kinds)
    loop.attr["body"].func.name = _body(node, functions, used, kinds)
    results = protos.NodeDef(name=node.name, op="IdentityN", device=node.device)
    results.attr["T"].list.type.extend(kinds)
    results.input.extend(f"{local}/while:{len(_COUNTERS) + k}" for k in range(len(kinds)))
    return loop, results


def _function(name: str, kinds: list[int]) -> tuple[Any, list[str]]:
    """A function of the counters and the values of a loop, yet without nodes; and the values' names."""
    made = protos.FunctionDef()
    made.signature.name = name
    for counter in _COUNTERS:
        made.signature.input_arg.add(name=counter, type=protos.DT_INT32)
    values = [f"a{k}" for k in range(len(kinds))]
    for value, kind in zip(values, kinds, strict=True):
        made.signature.input_arg.add(name=value, type=kind)
    return made, values


def _add(made: Any, name: str, op: str, *inputs: str) -> None:
    """Adds a node that computes with counters."""
    node = made.node_def.add(name=name, op=op, input=inputs)
    node.attr["T"].CopyFrom(type_attr(protos.DT_INT32))


def _condition(node: Any, functions: MutableMapping[str, Any], kinds: list[int]) -> str:
    """Adds the function that tells whether the counter has not reached the limit, in either direction."""
    made, _ = _function(f"{node.name}/goes_on", kinds)
    zero = made.node_def.add(name="zero", op="Const")
    zero.attr["dtype"].CopyFrom(type_attr(protos.DT_INT32))
    zero.attr["value"].CopyFrom(attr_to_proto(np.asarray(0, np.int32)))
    _add(made, "left", "Sub", "limit", "i")
    _add(made, "direction", "Sign", "delta")
    _add(made, "ahead", "Mul", "left:z:0", "direction:y:0")
    _add(made, "more", "Greater", "ahead:z:0", "zero:output:0")
    made.signature.output_arg.add(name="more", type=protos.DT_BOOL)
    made.ret["more"] = "more:z:0"
    functions[made.signature.name] = made
    return made.signature.name


def _body(node: Any, functions: MutableMapping[str, Any], used: str, kinds: list[int]) -> str:
    """Adds the function that calls the For's own and counts on."""
    made, values = _function(f"{node.name}/next", kinds)
    _add(made, "counted", "AddV2", "i", "delta")
    call = made.node_def.add(name="call", op="PartitionedCall", input=["i", *values])
    call.attr["Tin"].list.type.extend([protos.DT_INT32, *kinds])
    call.attr["Tout"].list.type.extend(kinds)
    call.attr["f"].func.name = used
    results = ["counted:z:0", "limit", "delta", *(f"call:output:{k}" for k in range(len(kinds)))]
    outputs = [*_COUNTERS, *values]
    for name, arg, text in zip(outputs, made.signature.input_arg, results, strict=True):
        made.signature.output_arg.add(name=name, type=arg.type)
        made.ret[name] = text
    functions[made.signature.name] = made
    return made.signature.name
