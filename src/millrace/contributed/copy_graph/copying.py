"""`tf.contrib.copy_graph`: copies variables and operations into other graphs."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core.public import public
from millrace.exchange.importer import import_graph_def
from millrace.graph.graph import Graph
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.lib.variables.variable import Variable
from millrace.session.session import Session


def _named(name: str, scope: str) -> str:
    return f"{scope}/{name}" if scope else name


@public("contrib.copy_graph.copy_variable_to_graph")
def copy_variable_to_graph(org_instance: Any, to_graph: Any, scope: str = "") -> Any:
    """A variable like another one, in another graph, which begins with the other one's value.

    Args:
      org_instance: the variable; the default session holds its value.
      to_graph: the other graph.
      scope: before the name there.

    Raises:
      TypeError: it is not a variable.
    """
    if not isinstance(org_instance, Variable):
        raise TypeError(f"{org_instance} is not a Variable")
    graph = org_instance.graph
    keys = [
        key
        for key in graph.get_all_collection_keys()
        if any(item is org_instance for item in graph.get_collection(key))
    ]
    collections = [_named(key, scope) if scope else key for key in keys]
    with graph.as_default(), Session(graph=graph) as session:
        session.run(org_instance.initializer)
        value = session.run(org_instance)
    with to_graph.as_default():
        return Variable(
            np.asarray(value),
            trainable=org_instance in graph.get_collection("trainable_variables"),
            name=_named(org_instance.op.name, scope),
            collections=collections,
            validate_shape=False,
        )


@public("contrib.copy_graph.copy_op_to_graph")
def copy_op_to_graph(org_instance: Any, to_graph: Any, variables: Any, scope: str = "") -> Any:
    """A tensor or an operation in another graph, with all that leads to it.

    Args:
      org_instance: the tensor or operation.
      to_graph: the other graph.
      variables: those that `copy_variable_to_graph` has put there, which take the place of theirs.
      scope: before the names there.

    Returns:
      The copy; what has been copied before is not copied again.

    Raises:
      TypeError: it is neither a tensor nor an operation.
    """
    if isinstance(org_instance, Variable):
        org_instance = org_instance.value()
    if not isinstance(org_instance, Tensor | Operation):
        raise TypeError(f"Could not copy unrecognized instance: {org_instance}")
    op = org_instance.op if isinstance(org_instance, Tensor) else org_instance
    there = {variable.op.name: variable for variable in variables}
    _copied(op, to_graph, there, scope)
    return get_copied_op(org_instance, to_graph, scope)


def _copied(op: Operation, to_graph: Graph, there: dict[str, Any], scope: str) -> None:
    """Copies what leads to an operation, the operation last."""
    wanted: list[Operation] = []
    pending, seen = [op], set()
    while pending:
        current = pending.pop()
        name = _named(current.name, scope)
        if current.name in seen or name in there or _holds(to_graph, name):
            continue
        seen.add(current.name)
        wanted.append(current)
        pending += [tensor.op for tensor in current.inputs] + list(current.control_inputs)
    if not wanted:
        return
    names = {current.name for current in wanted}
    definition = op.graph.as_graph_def()
    kept = [node for node in definition.node if node.name in names]
    outside: dict[str, Any] = {}
    for node in kept:
        node.name = _named(node.name, scope)
        for place, value in enumerate(node.input):
            mark, plain = ("^", value[1:]) if value[0] == "^" else ("", value)
            source, _, number = plain.partition(":")
            node.input[place] = mark + _named(plain, scope)
            if source not in names:
                other = to_graph.get_operation_by_name(_named(source, scope))
                outside[node.input[place]] = other if mark else other.outputs[int(number or 0)]
    del definition.node[:]
    definition.node.extend(kept)
    with to_graph.as_default():
        import_graph_def(definition, input_map=outside, name="")


def _holds(graph: Graph, name: str) -> bool:
    try:
        graph.get_operation_by_name(name)
    except KeyError:
        return False
    return True


@public("contrib.copy_graph.get_copied_op")
def get_copied_op(org_instance: Any, graph: Any, scope: str = "") -> Any:
    """The copy of a tensor or an operation.

    Raises:
      KeyError: there is none.
    """
    return graph.as_graph_element(_named(org_instance.name, scope), allow_tensor=True, allow_operation=True)
