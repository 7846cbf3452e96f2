"""TensorFlow 2's If, Case and While nodes, turned into ours: a rewrite of the importer.

Both name functions of the library. TensorFlow's take everything as explicit arguments; ours capture (see
`functiondef`), and their operations have names that are unique in the graph. So each use of a function
becomes a function of its own, named after the node, with its nodes under the node's scope.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from millrace.core import protos
from millrace.exchange.attr_protos import attr_to_proto
from millrace.exchange.cases import CASES, unfold_case
from millrace.exchange.for_loops import unfold_for
from millrace.exchange.inline import CALLED, inline_calls, output_position

_BRANCHES = frozenset(("If", "StatelessIf"))
_LOOPS = frozenset(("While", "StatelessWhile"))

_LOOP = "/loop"  # what the loop is called beside the node that gives its handles, too

Spell = Callable[[str], str]


def adopt_control_flow(nodes: list[Any], functions: MutableMapping[str, Any]) -> list[Any]:
    """The nodes with TensorFlow 2's If and While as ours.

    Args:
      nodes: NodeDefs of a graph.
      functions: FunctionDefs by name; the bodies are added.

    Raises:
      ValueError: a function is missing, or the condition of an If is not a bool.
    """
    made: list[Any] = []
    for node in nodes:
        made += _adopted(node, functions, lambda text: text if ":" in text else text + ":0", node.name)
    return made


def _adopted(node: Any, functions: MutableMapping[str, Any], outer: Spell, local: str) -> list[Any]:
    """`node`, or what stands for it.

    Args:
      node: a node.
      functions: by name; the bodies are added.
      outer: spells one of its inputs as bodies name tensors around them.
      local: the node's name as inputs spell it.
    """
    if node.op in CASES:
        return [
            one
            for made in unfold_case(node, functions, local)
            for one in _adopted(made, functions, outer, local)
        ]
    if node.op == "For":
        loop, results = unfold_for(node, functions, local)
        return [*_adopted(loop, functions, outer, f"{local}/while"), results]
    branch = node.op in _BRANCHES and "Tcond" in node.attr
    if branch:
        return [_branch(node, functions, outer)]
    if node.op in _LOOPS and "T" in node.attr:
        return _loop(node, functions, outer, local)
    return [node]


def _split(node: Any) -> tuple[list[str], list[str]]:
    """The inputs of a node: data, and control."""
    return [i for i in node.input if not i.startswith("^")], [i for i in node.input if i.startswith("^")]


def _branch(node: Any, functions: MutableMapping[str, Any], outer: Spell) -> Any:
    data, controls = _split(node)
    if node.attr["Tcond"].type != protos.DT_BOOL:
        rule = f"import_graph_def: node '{node.name}' (type {node.op}): the condition must be a bool"
        raise ValueError(f"{rule}. Received: {protos.DataType.Name(node.attr['Tcond'].type)}")
    made = protos.NodeDef(name=node.name, op="If", device=node.device)
    made.input.extend([data[0], *dict.fromkeys(data[1:]), *controls])
    captures = {k: outer(i) for k, i in enumerate(data[1:])}
    for attr in ("then_branch", "else_branch"):
        made.attr[attr].func.name = _own(node, attr, functions, captures)
    return made


def _loop(node: Any, functions: MutableMapping[str, Any], outer: Spell, local: str) -> list[Any]:
    """A loop. Its bodies capture the handles that it only hands on."""
    data, controls = _split(node)
    captures = {k: outer(text) for k, text in enumerate(data) if _hands_on(node, k, functions)}
    made = protos.NodeDef(name=node.name, op="While", device=node.device)
    carried = [k for k in range(len(data)) if k not in captures]
    handles = list({name: data[k] for k, name in captures.items()}.values())
    made.input.extend([*(data[k] for k in carried), *handles, *controls])
    made.attr["carried"].i = len(carried)
    made.attr["captured"].i = len(handles)
    for attr in ("cond", "body"):
        made.attr[attr].func.name = _own(node, attr, functions, captures)
    if not handles:
        return [made]
    made.name += _LOOP
    results = protos.NodeDef(name=node.name, op="IdentityN", device=node.device)
    results.attr["T"].CopyFrom(node.attr["T"])
    for k, text in enumerate(data):
        results.input.append(text if k in captures else f"{local}{_LOOP}:{carried.index(k)}")
    return [made, results]


def _hands_on(node: Any, k: int, functions: MutableMapping[str, Any]) -> bool:
    """Whether variable `k` of a loop is a handle that stays what it is."""
    function = functions.get(node.attr["body"].func.name)
    if function is None or node.attr["T"].list.type[k] != protos.DT_RESOURCE:
        return False
    nodes = {n.name: n for n in function.node_def}
    text = function.ret[function.signature.output_arg[k].name]
    while text.partition(":")[0] in nodes and nodes[text.partition(":")[0]].op == "Identity":
        text = nodes[text.partition(":")[0]].input[0]
    return text == function.signature.input_arg[k].name


def _own(
    node: Any,
    attr: str,
    functions: MutableMapping[str, Any],
    captures: Mapping[int, str],
) -> str:
    """Adds the function that `node` names, in the form of ours, and gives its name.

    Args:
      node: an If or While of TensorFlow's.
      attr: which of its functions.
      functions: by name.
      captures: numbers of arguments to the outer tensors that they stand for.
    """
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
    first: dict[str, str] = {}  # the argument that stands for an outer tensor, by the tensor
    spelled: dict[str, str] = {}
    arguments = list(enumerate(function.signature.input_arg))
    for k, arg in sorted(arguments, key=lambda pair: pair[0] in captures):
        key = captures.get(k, arg.name)
        if key not in first:
            made.arg_attr[len(first)].attr["_op_name"].CopyFrom(attr_to_proto(f"{scope}/{arg.name}"))
            made.signature.input_arg.add(name=arg.name)
        spelled[arg.name] = first.setdefault(key, arg.name)
    nodes = {n.name: n for n in inline_calls(list(function.node_def), functions)}

    def inside(text: str) -> str:
        if text.startswith("^"):
            return f"^{scope}/{text[1:]}"
        if text in spelled:
            return spelled[text]
        name, _, rest = text.partition(":")
        if name in nodes and CALLED in nodes[name].attr:  # a call by name: its results are numbered now
            argument, _, index = rest.partition(":")
            text = f"{name}:{output_position(nodes[name], argument, index, functions)}"
        return f"{scope}/{text}"

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
        for one in _adopted(copy, functions, named, original.name):
            one.input[:] = [inside(i) for i in one.input if i.removeprefix("^") not in spelled or i[0] != "^"]
            made.node_def.append(one)
    wanted = node.attr["Tout"].list.type if "Tout" in node.attr else node.attr["T"].list.type
    wanted = [protos.DT_BOOL] if attr == "cond" else wanted
    kept = [k for k in range(len(function.signature.output_arg)) if attr != "body" or k not in captures]
    for k in kept:
        result = function.signature.output_arg[k]
        made.signature.output_arg.add().CopyFrom(result)
        if k < len(wanted) and result.type != wanted[k]:
            made.signature.output_arg[-1].type = wanted[k]
            made.node_def.extend(_never(f"{scope}/result_{k}", wanted[k], result.type))
            made.ret[result.name] = f"{scope}/result_{k}:output:0"
            continue
        made.ret[result.name] = inside(_returned(function.ret[result.name], function, functions))
    made.attr["_captures"].CopyFrom(attr_to_proto(list(dict.fromkeys(captures.values()))))
    made.attr["_references"].CopyFrom(attr_to_proto([]))
    made.attr["_scope"].CopyFrom(attr_to_proto(scope))
    made.attr["_tag"].CopyFrom(attr_to_proto("arg"))
    functions[scope] = made
    return scope


def _returned(text: str, function: Any, functions: Mapping[str, Any]) -> str:
    """A result of `function` as it is called when the function's calls have been replaced by what they do."""
    name, _, rest = text.partition(":")
    call = next((n for n in function.node_def if n.name == name and n.op in functions), None)
    if call is None:
        return text
    argument, _, index = rest.partition(":")
    return f"{name}:output:{output_position(call, argument, index, functions)}"


def _never(name: str, wanted: int, found: int) -> list[Any]:
    """Nodes that give a value of the type `wanted`, or would: running them fails, as a result of another type
    does in TensorFlow. The graph around them may be imported and run.
    """
    kinds = protos.DataType.Name(wanted), protos.DataType.Name(found)
    text = protos.NodeDef(name=f"{name}/is_{kinds[1]}_not_{kinds[0]}", op="Const")
    text.attr["dtype"].type = protos.DT_STRING
    text.attr["value"].tensor.dtype = protos.DT_STRING
    text.attr["value"].tensor.string_val.append(
        f"a result of type {kinds[1]} in place of {kinds[0]}".encode()
    )
    text.attr["value"].tensor.tensor_shape.SetInParent()
    made = protos.NodeDef(name=name, op="ParseTensor", input=[f"{text.name}:output:0"])
    made.attr["out_type"].type = wanted
    return [text, made]
