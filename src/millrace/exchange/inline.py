"""Function calls in a GraphDef, replaced by the operations of the functions: `rewrite` for the importer.

TensorFlow 2 and `Defun` write a call as a node of type PartitionedCall, or of a type that is the function's
name. The call's own name becomes an IdentityN of the results, so that nodes that take `call:1` need no
change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from millrace.core import protos
from millrace.core.errors import NotFoundError
from millrace.exchange.foreign_types import find
from millrace.exchange.functiondef import flat_index

_CALLS = frozenset(("PartitionedCall", "StatefulPartitionedCall"))
CALLED = "_called"  # on the results of a call by the function's own name, which it holds
_ONE_LIST = frozenset(
    ("Case", "StatelessCase", "If", "StatelessIf", "For", "While", "StatelessWhile")
)  # have one list output
_MOST, _GROWTH = 20_000, 20  # nodes that calls may add: so many, and so many for each node in the file


class UnknownOpError(NotFoundError, ValueError):  # pyright: ignore[reportGeneralTypeIssues]
    """A GraphDef names an operation type that no room declares."""


def inline_calls(nodes: list[Any], functions: Mapping[str, Any]) -> list[Any]:
    """The nodes with every function call replaced by the function's nodes.

    Args:
      nodes: NodeDefs of a graph.
      functions: FunctionDefs by name.

    Raises:
      ValueError: a called function is missing or recursive, stands for far more nodes than the file, or an
        input names something that it lacks.
    """
    if not functions:
        return nodes
    _check_growth(nodes, functions)
    found = nodes
    while any(_called(n, functions) for n in found):
        nodes, found = found, []
        for node in nodes:
            name = _called(node, functions)
            found.extend([node] if name is None else _expand(node, name, functions))
    return found


def _check_growth(nodes: list[Any], functions: Mapping[str, Any]) -> None:
    """Refuses functions that use themselves, or each other so often that a small file would fill memory."""
    uses = {name: Counter(_used(function.node_def, functions)) for name, function in functions.items()}
    sizes: dict[str, int] = {}
    stack: list[str] = []
    within: set[str] = set()
    for name in functions:
        stack.append(name)
        while stack:
            current = stack[-1]
            missing = [n for n in uses[current] if n not in sizes]
            if current in sizes or not missing:
                own = len(functions[current].node_def) + 1
                sizes[current] = own + sum(count * sizes[n] for n, count in uses[current].items())
                within.discard(stack.pop())
                continue
            within.add(current)
            if within.intersection(missing):
                raise ValueError(f"import_graph_def: a function calls itself. Received: {current!r}, "
                                 f"which uses {sorted(within.intersection(missing))}")  # fmt: skip
            stack.extend(missing)
    given = len(nodes) + sum(len(f.node_def) for f in functions.values())
    total = len(nodes) + sum(sizes[n] for n in _used(nodes, functions))
    if total > given + _MOST + _GROWTH * given:
        raise ValueError(f"import_graph_def: functions stand for too many nodes. Received: {given} nodes, "
                         f"which would become {total}")  # fmt: skip


def _used(nodes: Iterable[Any], functions: Mapping[str, Any]) -> list[str]:
    """The functions that nodes call, or name in an attribute, as often as they do."""
    found = []
    for node in nodes:
        if node.op in functions:
            found.append(node.op)
        for value in node.attr.values():
            kind = value.WhichOneof("value")
            used = [value.func] if kind == "func" else value.list.func if kind == "list" else ()
            found.extend(function.name for function in used if function.name in functions)
    return found


def _called(node: Any, functions: Mapping[str, Any]) -> str | None:
    if node.op in _CALLS:
        return node.attr["f"].func.name
    return node.op if node.op in functions else None


def _expand(call: Any, name: str, functions: Mapping[str, Any]) -> list[Any]:
    function = functions.get(name)
    if function is None:
        rule = (
            f"import_graph_def: node '{call.name}' (type {call.op}): calls a function that the library lacks"
        )
        raise ValueError(f"{rule}. Received: {name!r}")
    data = [i for i in call.input if not i.startswith("^")]
    controls = [i for i in call.input if i.startswith("^")]
    given = dict(zip((a.name for a in function.signature.input_arg), data))
    attrs = call.attr["f"].func.attr if call.op in _CALLS else call.attr
    inner = {node.name: _with_attrs(node, attrs) for node in function.node_def}

    def renamed(text: str) -> str:
        """An input spelled as in a function, spelled as in a graph."""
        if text.startswith("^"):
            source = text[1:]
            return "^" + given[source].partition(":")[0] if source in given else f"^{call.name}/{source}"
        if text in given:
            return given[text]
        node, _, rest = text.partition(":")
        argument, _, index = rest.partition(":")
        if node not in inner:
            raise ValueError(f"import_graph_def: function {name!r}: an input is unknown. Received: {text!r}")
        return f"{call.name}/{node}:{output_position(inner[node], argument, index, functions)}"

    added = []
    for node in inner.values():
        copy = protos.NodeDef()
        copy.CopyFrom(node)
        copy.name = f"{call.name}/{node.name}"
        copy.input[:] = [renamed(i) for i in node.input]
        if not any(not i.startswith("^") for i in copy.input):
            copy.input.extend(c for c in controls if c not in copy.input)
        copy.device = node.device or call.device
        if "_class" in copy.attr:
            groups = [s.decode().removeprefix("loc:@") for s in copy.attr["_class"].list.s]
            inside = [f"loc:@{call.name}/{g}".encode() for g in groups if g in inner]
            copy.attr["_class"].list.s[:] = inside
            if not inside:
                del copy.attr["_class"]
        added.append(copy)
    added.append(_results(call, function, renamed, attrs, controls))
    return added


def _results(call: Any, function: Any, renamed: Any, attrs: Any, controls: list[str]) -> Any:
    outputs = function.signature.output_arg
    after = [f"^{call.name}/{n}" for n in function.control_ret.values()] + controls
    result = protos.NodeDef(name=call.name, op="IdentityN" if outputs else "NoOp", device=call.device)
    result.input.extend([renamed(function.ret[out.name]) for out in outputs] + list(dict.fromkeys(after)))
    if call.op not in _CALLS:  # nobody says the shapes of what such a call gives
        result.attr[CALLED].s = function.signature.name.encode()
    for out in outputs:
        result.attr["T"].list.type.append(attrs[out.type_attr].type if out.type_attr else out.type)
    return result


def _with_attrs(node: Any, attrs: Any) -> Any:
    """`node` with the attributes that the function leaves to its caller filled in."""
    if not any(v.WhichOneof("value") == "placeholder" for v in node.attr.values()):
        return node
    copy = protos.NodeDef()
    copy.CopyFrom(node)
    for value in copy.attr.values():
        if value.WhichOneof("value") == "placeholder":
            value.CopyFrom(attrs[value.placeholder])
    return copy


def output_position(node: Any, argument: str, index: str, functions: Mapping[str, Any]) -> int:
    """The number of output `argument:index` among all outputs of `node`."""
    if not index:
        return int(argument or 0)
    name = _called(node, functions)
    if name is not None:
        outputs = [a.name for a in functions[name].signature.output_arg]
        # PartitionedCall has one list output, a call by name has the function's own
        return int(index) if node.op in _CALLS else outputs.index(argument)
    if node.op in _ONE_LIST:
        return int(index)
    if CALLED in node.attr:
        signature = functions[node.attr[CALLED].s.decode()].signature
        names = [a.name for a in signature.output_arg]
        return names.index(argument) if argument in names else int(index)
    attrs = {k: v.list.type if v.WhichOneof("value") == "list" else v.i for k, v in node.attr.items()}
    try:
        opdef = find(node.op)
    except KeyError:
        rule = f"import_graph_def: node '{node.name}' has an operation type that millrace does not know"
        raise UnknownOpError(None, None, f"{rule}. Received: {node.op!r}") from None
    return flat_index(opdef, attrs, argument, int(index))
