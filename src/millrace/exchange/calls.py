"""Calls of functions with graphs of their own: their operations, added under the name of the call."""

from __future__ import annotations

from typing import Any

from millrace.building.function import FunctionGraph
from millrace.core import protos
from millrace.exchange.closed_functions import Library, function_def
from millrace.exchange.graphdef import node_def, versions
from millrace.exchange.importer import import_graph_def
from millrace.exchange.inline import inline_calls
from millrace.exchange.v1_control_flow import raise_control_flow
from millrace.graph.defaults import get_default_graph
from millrace.graph.tensor import Tensor


def library_of(graph: FunctionGraph) -> Any:
    """A GraphDef of nothing but a library, whose first function, without a name, is the one given."""
    library = Library(node_def, own=True)
    proto = protos.GraphDef(versions=versions())
    proto.library.function.append(function_def(graph, "", library.node, own=True))
    library.add_to(proto)
    return proto


def add_call(proto: Any, py_functions: Any, inputs: list[Tensor], name: str) -> list[Any]:
    """Adds the operations of a function to the default graph.

    Args:
      proto: what `library_of` gives for it, its first function named.
      py_functions: the functions of Python that it calls, by token.
      inputs: the arguments, then what it captured.
      name: of the call: an IdentityN, and a scope.

    Returns:
      The results, or the operation where there is none.
    """
    graph = get_default_graph()
    if graph.body is not None:
        inputs = [t if t.op.body is graph.body else graph.body.capture(t) for t in inputs]
    signature = proto.library.function[0].signature
    found = protos.GraphDef()
    found.CopyFrom(proto)
    call = protos.NodeDef(name=name, op=signature.name)
    call.input.extend(f"argument_{i}" for i in range(len(inputs)))
    functions = {f.signature.name: f for f in found.library.function}
    found.node.extend(raise_control_flow(inline_calls([call], functions), functions))
    del found.library.function[:]
    found.library.function.extend(functions.values())
    taken = {text.removeprefix("^").partition(":")[0] for n in found.node for text in n.input}
    named = {f"argument_{i}": tensor for i, tensor in enumerate(inputs)}
    mapped: dict[str, Any] = {key: tensor for key, tensor in named.items() if key in taken}
    graph.py_functions.update(py_functions)
    unused = [tensor for key, tensor in named.items() if key not in taken]  # they are computed first
    with graph.name_scope(None), graph.control_dependencies(unused):
        wanted = [f"{name}:{i}" for i in range(len(signature.output_arg))] or [name]
        return import_graph_def(found, mapped, wanted, name="") or []
