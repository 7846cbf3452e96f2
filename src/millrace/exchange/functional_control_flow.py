"""TensorFlow 2's If and While nodes, turned into ours: a rewrite of the importer.

Both name functions of the library. TensorFlow's take everything as explicit arguments; ours capture (see
`functiondef`), and their operations have names that are unique in the graph. So each use of a function
becomes a function of its own, named after the node, with its nodes under the node's scope.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any

from millrace.core import protos
from millrace.exchange.attr_protos import attr_to_proto
from millrace.exchange.inline import inline_calls, output_position

_BRANCHES = frozenset(("If", "StatelessIf"))
_LOOPS = frozenset(("While", "StatelessWhile"))

Spell = Callable[[str], str]


def adopt_control_flow(nodes: list[Any], functions: MutableMapping[str, Any]) -> list[Any]:
    """The nodes with TensorFlow 2's If and While as ours.

    Args:
      nodes: NodeDefs of a graph.
      functions: FunctionDefs by name; the bodies are added.

    Raises:
      ValueError: a function is missing, or the condition of an If is not a bool.
    """
    return [_adopted(node, functions, lambda text: text if ":" in text else text + ":0") for node in nodes]


def _adopted(node: Any, functions: MutableMapping[str, Any], outer: Spell) -> Any:
    """`node`, or what stands for it; `outer` spells one of its inputs as bodies name tensors around them."""
    branch = node.op in _BRANCHES and "Tcond" in node.attr
    if not branch and not (node.op in _LOOPS and "T" in node.attr):
        return node
    data = [i for i in node.input if not i.startswith("^")]
    controls = [i for i in node.input if i.startswith("^")]
    made = protos.NodeDef(name=node.name, op="If" if branch else "While", device=node.device)
    if branch:
        if node.attr["Tcond"].type != protos.DT_BOOL:
            rule = f"import_graph_def: node '{node.name}' (type {node.op}): the condition must be a bool"
            raise ValueError(f"{rule}. Received: {protos.DataType.Name(node.attr['Tcond'].type)}")
        made.input.extend([data[0], *dict.fromkeys(data[1:]), *controls])
        captures = [outer(i) for i in data[1:]]
    else:
        made.input.extend([*data, *controls])
        made.attr["carried"].i = len(data)
        captures = None
    for attr in ("then_branch", "else_branch") if branch else ("cond", "body"):
        made.attr[attr].func.name = _own(node, attr, functions, captures)
    return made


def _own(node: Any, attr: str, functions: MutableMapping[str, Any], captures: list[str] | None) -> str:
    """Adds the function that `node` names, in the form of ours, and gives its name."""
    used = node.attr[attr].func.name
    if used not in functions:
        rule = (
            f"import_graph_def: node '{node.name}' (type {node.op}): uses a function that the library lacks"
        )
        raise ValueError(f"{rule}. Received: {used!r}")
    function = functions[used]
    scope = f"{node.name}/{attr}"
    made = protos.FunctionDef()
    made.signature.name = scope
    made.signature.output_arg.extend(function.signature.output_arg)
    first: dict[str, str] = {}  # the argument that stands for an outer tensor, by the tensor
    spelled: dict[str, str] = {}
    for k, arg in enumerate(function.signature.input_arg):
        key = arg.name if captures is None else captures[k]
        if key not in first:
            made.arg_attr[len(first)].attr["_op_name"].CopyFrom(attr_to_proto(f"{scope}/{arg.name}"))
            made.signature.input_arg.add(name=arg.name)
        spelled[arg.name] = first.setdefault(key, arg.name)
    nodes = {n.name: n for n in inline_calls(list(function.node_def), functions)}

    def inside(text: str) -> str:
        if text.startswith("^"):
            return f"^{scope}/{text[1:]}"
        return spelled.get(text) or f"{scope}/{text}"

    def named(text: str) -> str:
        if text in spelled:
            return f"{scope}/{spelled[text]}:0"
        name, _, rest = text.partition(":")
        argument, _, index = rest.partition(":")
        return f"{scope}/{name}:{output_position(nodes[name], argument, index, functions)}"

    for original in nodes.values():
        copy = protos.NodeDef()
        copy.CopyFrom(original)
        copy.name = f"{scope}/{original.name}"
        copy = _adopted(copy, functions, named)
        copy.input[:] = [inside(i) for i in copy.input if i.removeprefix("^") not in spelled or i[0] != "^"]
        made.node_def.append(copy)
    for result, text in function.ret.items():
        made.ret[result] = inside(text)
    made.attr["_captures"].CopyFrom(attr_to_proto([] if captures is None else list(first)))
    made.attr["_references"].CopyFrom(attr_to_proto([]))
    made.attr["_scope"].CopyFrom(attr_to_proto(scope))
    made.attr["_tag"].CopyFrom(attr_to_proto("arg"))
    functions[scope] = made
    return scope
