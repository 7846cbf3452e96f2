"""Checkpoints that TensorFlow 2 (and `tf.train.Checkpoint`) writes, read by the names of variables.

In these a value's key is the way to it through attributes of objects. A message that is saved beside the
values tells which variable name belongs to which key.
"""

from __future__ import annotations

import os
from typing import Any

from millrace.building.static import static_value
from millrace.core import protos
from millrace.core.errors import DataLossError, NotFoundError
from millrace.opkit.checkpoint.reading import open_checkpoint, read_tensors

GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"


def object_graph(path: str) -> Any:
    """The `TrackableObjectGraph` of a checkpoint; None where it has none.

    Raises:
      DataLossError: it is damaged.
    """
    from google.protobuf.message import DecodeError

    opened = open_checkpoint(path)
    try:
        if opened.describe(GRAPH_KEY) is None:
            return None
        found = protos.TrackableObjectGraph.FromString(opened.read(GRAPH_KEY).item())
        check_references(found.nodes, f"the object graph of {path}")
        return found
    except DecodeError as error:
        raise DataLossError(None, None, f"the object graph of {path} is damaged: {error}") from None
    finally:
        opened.close()


def check_references(nodes: Any, what: str) -> None:
    """Compares the numbers by which objects refer to each other with how many there are.

    Raises:
      DataLossError: there is no first object, or none of some number.
    """
    numbers = [0]
    for node in nodes:
        numbers += [child.node_id for child in node.children]
        numbers += [slot.slot_variable_node_id for slot in node.slot_variables]
    wrong = [number for number in numbers if not 0 <= number < len(nodes)]
    if wrong:
        raise DataLossError(
            None, None, f"{what} is damaged: it has {len(nodes)} objects and refers to number {wrong[0]}"
        )


def keys_by_name(path: str) -> dict[str, str] | None:
    """The key of each variable in a checkpoint, by its name; None for a checkpoint that is saved by name."""
    graph = object_graph(path)
    if graph is None:
        return None
    return {
        saved.full_name: saved.checkpoint_key
        for node in graph.nodes
        for saved in node.attributes
        if saved.full_name
    }


def values_for(
    graph: Any, saver_def: Any, path: str, keys: dict[str, str], missing: NotFoundError
) -> dict[Any, Any]:
    """What the reading operations of a saver would give, had the checkpoint been saved by name.

    Args:
      graph: the graph with the saver's operations.
      saver_def: their names.
      path: the checkpoint.
      keys: as `keys_by_name` gives them.
      missing: the error to raise where a variable is not there under its name either.

    Returns:
      Tensors to values, to be fed.
    """
    values: dict[Any, Any] = {}
    for op in _reading(graph, graph.get_operation_by_name(saver_def.restore_op_name)):
        names, parts = (static_value(op.inputs[k]) for k in (1, 2))
        if names is None or parts is None:
            raise missing
        found = [os.fsdecode(name) for name in names.ravel().tolist()]
        if any(name not in keys for name in found):
            raise missing
        specifications = [os.fsdecode(part) for part in parts.ravel().tolist()]
        wanted = [tensor.dtype for tensor in op.outputs]
        arrays = read_tensors(path, [keys[name] for name in found], specifications, wanted)
        values.update(zip(op.outputs, arrays, strict=True))
    return values


def _reading(graph: Any, last: Any) -> list[Any]:
    """The `RestoreV2` operations that `last` waits for."""
    pending, seen, found = [last], {last}, []
    while pending:
        op = pending.pop()
        if op.type == "RestoreV2":
            found.append(op)
            continue
        for other in (*(tensor.op for tensor in op.inputs), *op.control_inputs):
            if other not in seen:
                seen.add(other)
                pending.append(other)
    return found
