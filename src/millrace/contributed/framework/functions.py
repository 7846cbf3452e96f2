"""`tf.contrib.framework`: functions of nested arrays, devices for variables, operations fused in a graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millrace.building import raw
from millrace.core import dtypes, nest, protos
from millrace.core.public import public
from millrace.ops.flow.script import py_func as _py_func


@public("contrib.framework.py_func")
def py_func(
    func: Callable[..., Any],
    args: Any = (),
    kwargs: dict[str, Any] | None = None,
    output_types: Any = None,
    output_shapes: Any = None,
    stateful: bool = True,
    name: str | None = None,
) -> Any:
    """Calls `func` on nested arrays whenever a result is computed.

    Args:
      func: takes `*args` and `**kwargs` with arrays for tensors, and returns what nests like `output_types`.
      args: nested tensors, the positional arguments.
      kwargs: nested tensors by keyword.
      output_types: nested dtypes of what `func` returns; None: it returns nothing of use.
      output_shapes: nested shapes, like `output_types`; None: unknown.
      stateful: whether it must be called even when its arguments have not changed.
      name: of the operation; default "PyFunc".

    Returns:
      Tensors in the nesting of `output_types`; an operation where that is None.

    Raises:
      ValueError: the shapes nest differently from the types.
      TypeError: `kwargs` is not a dictionary.
    """
    if kwargs is not None and not isinstance(kwargs, dict):
        raise TypeError(f"kwargs must be a dictionary. Received: {kwargs!r}")
    if output_shapes is not None and output_types is None:
        raise ValueError(
            f"py_func: output_shapes are for the results of output_types. Received: {output_shapes}"
        )
    given = {"args": list(args), "kwargs": kwargs or {}}

    def call(*leaves: Any) -> Any:
        nested = nest.pack_sequence_as(given, leaves)
        result = func(*nested["args"], **nested["kwargs"])
        if output_types is None:
            return []
        nest.assert_same_structure(output_types, result, check_types=False)
        return nest.flatten(result)

    leaves = nest.flatten(given)
    if output_types is None:
        return _py_func(call, leaves, [], stateful, name)
    kinds = nest.flatten(output_types)
    made = _py_func(call, leaves, kinds, stateful, name)
    if output_shapes is not None:
        shapes = _shapes_of(output_types, output_shapes)
        for tensor, shape in zip(made, shapes, strict=True):
            tensor.set_shape(shape)
    return nest.pack_sequence_as(output_types, made)


def _shapes_of(types: Any, shapes: Any) -> list[Any]:
    """The shapes that stand where `types` has its leaves."""
    if not nest.is_nested(types):
        return [shapes]
    if isinstance(types, dict):
        return [leaf for key in sorted(types) for leaf in _shapes_of(types[key], shapes[key])]
    if len(types) != len(shapes):
        raise ValueError(
            f"py_func: output_shapes must nest like output_types. Received: {shapes} for {types}"
        )
    return [leaf for t, s in zip(types, shapes, strict=True) for leaf in _shapes_of(t, s)]


@public("contrib.framework.zero_initializer", "contrib.slim.zero_initializer")
def zero_initializer(ref: Any, use_locking: bool = True, name: str = "zero_initializer") -> Any:
    """Sets a variable that has no value yet to zeros.

    Args:
      ref: the variable.
      use_locking: accepted; a step is always whole.
      name: of the operation.

    Returns:
      The variable's reference.

    Raises:
      InvalidArgumentError: when run, the variable has a value.
      TypeError: it is a resource variable.
    """
    del use_locking
    return raw.ZeroInitializer(ref._ref() if hasattr(ref, "_ref") else ref, name=name)


@public("contrib.framework.VariableDeviceChooser", "contrib.slim.VariableDeviceChooser")
class VariableDeviceChooser:
    """A device function that spreads variables over the tasks of a job, one after the other.

    Args:
      num_tasks: how many tasks there are; 0 for none: the device is local.
      job_name: of the tasks.
      device_type: "CPU" or "GPU".
      device_index: which of them.
      replica: None, or the number of the replica.
    """

    def __init__(
        self,
        num_tasks: int = 0,
        job_name: str = "ps",
        device_type: str = "CPU",
        device_index: int = 0,
        replica: int | None = None,
    ) -> None:
        self._num_tasks, self._job_name, self._replica = num_tasks, job_name, replica
        self._device_type, self._device_index = device_type, device_index
        self._next_task_id = 0

    def __call__(self, op: Any) -> str:
        """The device for one more variable."""
        parts = []
        if self._num_tasks > 0:
            parts.append(f"/job:{self._job_name}")
            if self._replica is not None:
                parts.append(f"/replica:{self._replica}")
            parts.append(f"/task:{self._next_task_id}")
            self._next_task_id = (self._next_task_id + 1) % self._num_tasks
        elif self._replica is not None:
            parts.append(f"/replica:{self._replica}")
        return "".join([*parts, f"/device:{self._device_type}:{self._device_index}"])


@public("contrib.framework.fuse_op")
def fuse_op(
    graph_def: Any,
    input_nodes: Sequence[str],
    output_nodes: Sequence[str],
    output_dtypes: Sequence[Any],
    output_quantized: bool,
    op_name: str,
    op_type: str,
) -> Any:
    """A GraphDef in which one node stands for everything between two sets of nodes.

    Args:
      graph_def: the graph.
      input_nodes: names of the nodes that the new one takes.
      output_nodes: names of the nodes that it stands for, with all that lies before them.
      output_dtypes: the dtypes of its outputs, as dtypes or numbers.
      output_quantized: whether its outputs are quantized.
      op_name, op_type: the new node's name and type.

    Returns:
      The new GraphDef: what the inputs need, the new node, and what was left, reading the new node's outputs.

    Raises:
      TypeError: `graph_def` is not a GraphDef.
      ValueError: a node is missing, or what is left needs a node that was fused.
    """
    if not isinstance(graph_def, protos.GraphDef):
        raise TypeError(f"fuse_op: graph_def must be a GraphDef. Received: {type(graph_def).__name__}")
    nodes = {node.name: node for node in graph_def.node}
    for name in (*input_nodes, *output_nodes):
        if name not in nodes:
            raise ValueError(f"fuse_op: every node must be in the graph. Received: {name!r}")
    before = _needed(nodes, input_nodes)
    fused = _needed(nodes, output_nodes, before)
    made = protos.GraphDef()
    for node in graph_def.node:
        if node.name in before:
            made.node.add().CopyFrom(node)
    new = made.node.add(op=op_type, name=op_name, input=list(input_nodes))
    kinds = [dtypes.as_dtype(d).as_datatype_enum for d in output_dtypes]
    new.attr["_output_types"].list.type.extend(kinds)
    new.attr["_output_quantized"].b = output_quantized
    number = {name: i for i, name in enumerate(output_nodes)}
    for node in graph_def.node:
        if node.name in before or node.name in fused:
            continue
        kept = made.node.add()
        kept.CopyFrom(node)
        for i, given in enumerate(node.input):
            source = _node_of(given)
            if source in number:
                kept.input[i] = f"{op_name}:{number[source]}" if number[source] else op_name
            elif source in fused:
                raise ValueError(f"fuse_op: node {node.name!r} needs {source!r}, which was fused")
    made.library.CopyFrom(graph_def.library)
    made.versions.CopyFrom(graph_def.versions)
    return made


def _node_of(given: str) -> str:
    return given.removeprefix("^").partition(":")[0]


def _needed(nodes: dict[str, Any], ends: Sequence[str], stop: set[str] | None = None) -> set[str]:
    """The names of the nodes that `ends` need, themselves included, without those of `stop`."""
    found: set[str] = set()
    queue = list(ends)
    while queue:
        name = queue.pop()
        if name in found or name in (stop or ()):
            continue
        found.add(name)
        queue.extend(_node_of(given) for given in nodes[name].input)
    return found
