"""TensorFlow 2's Case nodes, a choice of one of many functions, as If nodes one inside the other."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import numpy as np

from millrace.core import protos
from millrace.exchange.attr_protos import attr_to_proto

CASES = frozenset(("Case", "StatelessCase"))
_INDEX = "branch_index"


def unfold_case(node: Any, functions: MutableMapping[str, Any], local: str) -> list[Any]:
    """The nodes that stand for a Case: a constant, a comparison and an If of the node's name.

    Args:
      node: a Case. An index outside of its branches chooses the last.
      functions: FunctionDefs by name; those that hold the rest of the choice are added.
      local: the node's name as inputs spell it.

    Raises:
      ValueError: a branch is missing from the library.
    """
    branches = [used.name for used in node.attr["branches"].list.func]
    missing = [name for name in branches if name not in functions]
    if missing or not branches:
        rule = f"import_graph_def: node '{node.name}' (type {node.op}): uses functions that the library lacks"
        raise ValueError(f"{rule}. Received: {missing or 'no branches'}")
    data = [text for text in node.input if not text.startswith("^")]
    controls = [text for text in node.input if text.startswith("^")]
    made = _choice(node, functions, branches, 0, node.name, local, data)
    made[-1].name = node.name
    made[-1].input.extend(controls)
    return made


def _choice(
    node: Any,
    functions: MutableMapping[str, Any],
    branches: list[str],
    k: int,
    name: str,
    local: str,
    data: list[str],
) -> list[Any]:
    """The nodes that choose between branch `k` and those behind it."""
    index = protos.NodeDef(name=f"{name}/index", op="Const", device=node.device)
    index.attr["dtype"].type = protos.DT_INT32
    index.attr["value"].CopyFrom(attr_to_proto(np.asarray(k, np.int32)))
    chosen = protos.NodeDef(name=f"{name}/chosen", op="Equal", device=node.device)
    chosen.input.extend([data[0], f"{local}/index"])
    chosen.attr["T"].type = protos.DT_INT32
    choice = protos.NodeDef(name=f"{name}/choice", op="StatelessIf", device=node.device)
    choice.input.extend([f"{local}/chosen", *data])
    choice.attr["Tcond"].type = protos.DT_BOOL
    choice.attr["Tin"].list.type.extend([protos.DT_INT32, *node.attr["Tin"].list.type])
    choice.attr["Tout"].CopyFrom(node.attr["Tout"])
    choice.attr["then_branch"].func.name = _function(node, functions, branches, k, False)
    choice.attr["else_branch"].func.name = _function(node, functions, branches, k + 1, k + 2 < len(branches))
    return [index, chosen, choice]


def _function(
    node: Any, functions: MutableMapping[str, Any], branches: list[str], k: int, goes_on: bool
) -> str:
    """Adds the function that calls branch `k`, or chooses between it and those behind it."""
    branch = functions[branches[min(k, len(branches) - 1)]]
    name = f"{node.name}/{'from' if goes_on else 'branch'}_{k}"
    made = protos.FunctionDef()
    made.signature.name = name
    made.signature.input_arg.add(name=_INDEX, type=protos.DT_INT32)
    arguments = [f"a{i}" for i in range(len(branch.signature.input_arg))]
    for argument, dtype in zip(arguments, node.attr["Tin"].list.type, strict=True):
        made.signature.input_arg.add(name=argument, type=dtype)
    if goes_on:
        made.node_def.extend(_choice(node, functions, branches, k, "next", "next", [_INDEX, *arguments]))
        results = list(node.attr["Tout"].list.type)
    else:
        results = [result.type for result in branch.signature.output_arg]  # perhaps not those of the node
        call = made.node_def.add(name="next/choice", op="PartitionedCall")
        call.input.extend(arguments)
        call.attr["Tin"].CopyFrom(node.attr["Tin"])
        call.attr["Tout"].list.type.extend(results)
        call.attr["f"].func.name = branch.signature.name
    for i, dtype in enumerate(results):
        made.signature.output_arg.add(name=f"r{i}", type=dtype)
        made.ret[f"r{i}"] = f"next/choice:output:{i}"
    functions[name] = made
    return name
