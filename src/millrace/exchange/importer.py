"""`tf.import_graph_def`: adds the nodes of a GraphDef to the default graph, or changes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from threading import get_ident
from typing import Any

from millrace.building.convert import to_tensor
from millrace.core import errors, protos
from millrace.core.collection import COLLECTOR_RESTS
from millrace.core.progress import long_work
from millrace.core.public import public
from millrace.exchange.import_nodes import Import
from millrace.graph.defaults import get_default_graph
from millrace.graph.graph import Graph
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor

_MANY = 2000  # nodes that may take longer than a moment
# what a message that contradicts itself may end in, wherever that comes out
_ODD = (
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RecursionError,
    MemoryError,
    StopIteration,
)


@public("import_graph_def", "graph_util.import_graph_def")
def import_graph_def(
    graph_def: Any,
    input_map: dict[str, Any] | None = None,
    return_elements: Iterable[str] | None = None,
    name: str | None = None,
    op_dict: Any = None,
    producer_op_list: Any = None,
) -> list[Any] | None:
    """Adds the nodes of a serialized graph to the default graph; a call that fails adds nothing.

    Args:
      graph_def: a GraphDef message.
      input_map: names in `graph_def` (`a`, `a:1`, or `^a` for a control input) to what takes their place.
      return_elements: names of operations (`a`) or tensors (`a:0`) to return.
      name: prefix of the imported names, made unique; default "import"; "" for none.
      op_dict: unused.
      producer_op_list: the OpList of the program that wrote the graph. Attributes that are unknown here and
        hold that program's default are dropped.

    Returns:
      The elements asked for, in order; None when `return_elements` is None.

    Raises:
      TypeError: `graph_def` is not a GraphDef, or `input_map` or `return_elements` hold something else than
        names.
      ValueError: a type is unknown, inputs do not exist or do not fit, there is a cycle, or `input_map` has
        keys that `graph_def` lacks.
    """
    proto = _as_graph_def(graph_def)
    mapped = _checked_map(input_map)
    if return_elements is not None:
        return_elements = list(return_elements)
        if not all(isinstance(e, str | bytes) for e in return_elements):
            raise TypeError(
                f"import_graph_def: return_elements must be a list of strings. Received: {return_elements!r}"
            )
        return_elements = [e.decode() if isinstance(e, bytes) else e for e in return_elements]
    graph = get_default_graph()
    graph.check_open()
    with graph.lock, COLLECTOR_RESTS:  # the whole import: other threads add to the graph before or after it
        return _imported(graph, proto, mapped, return_elements, name, producer_op_list)


def _imported(
    graph: Graph,
    proto: Any,
    mapped: dict[str, Any],
    return_elements: list[str] | None,
    name: str | None,
    producer_op_list: Any,
) -> list[Any] | None:
    size, outermost = len(graph.ops), graph.undo is None
    if outermost:
        graph.undo, graph.builder, graph.mixed = [], get_ident(), False
    names = len(graph.undo or ())
    try:
        with graph.name_scope("import" if name is None else name) as scope:
            replaced = _converted_map(graph, mapped, name)
            work = Import(graph, proto, scope[:-1], replaced, producer_op_list)
            count = len(proto.node)
            with long_work(f"importing {count} nodes") if count > _MANY else nullcontext():
                work.run()
            found = None if return_elements is None else [work.element(e) for e in return_elements]
    except BaseException as error:
        graph.roll_back(size, names)
        if isinstance(error, _ODD) and not isinstance(error, errors.OpError):
            raise ValueError(f"import_graph_def: the GraphDef is malformed: {error!r}") from error
        raise
    finally:
        if outermost:
            graph.undo = None
    return found


def _as_graph_def(graph_def: Any) -> Any:
    """`graph_def` as our message; one of TensorFlow's own is read through its bytes."""
    if isinstance(graph_def, protos.GraphDef):
        return graph_def
    descriptor = getattr(graph_def, "DESCRIPTOR", None)
    if getattr(descriptor, "full_name", "") != "tensorflow.GraphDef":
        raise TypeError(
            f"import_graph_def: graph_def must be a GraphDef message. Received: {type(graph_def).__name__}"
        )
    return protos.GraphDef.FromString(graph_def.SerializeToString())


def _checked_map(input_map: Any) -> dict[str, Any]:
    if input_map is None:
        return {}
    if not isinstance(input_map, dict) or not all(isinstance(k, str | bytes) for k in input_map):
        raise TypeError("import_graph_def: input_map must be a dictionary mapping strings to tensors. "
                        f"Received: {input_map!r}")  # fmt: skip
    found = {}
    for key, value in input_map.items():
        text = key.decode() if isinstance(key, bytes) else key
        found[text if ":" in text or text.startswith("^") else text + ":0"] = value
    return found


def _converted_map(graph: Graph, mapped: dict[str, Any], name: str | None) -> dict[str, Any]:
    if all(isinstance(v, Tensor | Operation) for v in mapped.values()):
        return mapped
    if name == "":
        raise ValueError(
            "import_graph_def: a non-empty name is needed when input_map holds values that are not tensors, "
            f"since these become operations under it. Received: name='', input_map={mapped!r}"
        )
    with graph.name_scope("_inputs"):
        return {k: v if isinstance(v, Operation) else to_tensor(v) for k, v in mapped.items()}
