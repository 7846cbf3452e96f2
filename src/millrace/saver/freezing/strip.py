"""GraphDefs cut down to what lies between inputs and outputs, and checked."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from millrace.core import dtypes, protos
from millrace.core.public import public
from millrace.exchange.graph_util import extract_sub_graph
from millrace.exchange.graphdef import node_name
from millrace.opkit.checkpoint import files


@public("python.tools.optimize_for_inference_lib.ensure_graph_is_valid")
def ensure_graph_is_valid(graph_def: Any) -> None:
    """Checks that names are unique and that inputs exist.

    Raises:
      ValueError: a name appears twice, or an input names no node.
    """
    names: set[str] = set()
    for node in graph_def.node:
        if node.name in names:
            raise ValueError(f"Duplicate node names detected for {node.name}")
        names.add(node.name)
    for node in graph_def.node:
        for text in node.input:
            if node_name(text) not in names:
                raise ValueError(f"Input for {node.name} not found. Received: {text!r}")


@public("python.tools.strip_unused_lib.strip_unused")
def strip_unused(
    input_graph_def: Any,
    input_node_names: Sequence[str],
    output_node_names: Sequence[str],
    placeholder_type_enum: Any,
) -> Any:
    """The part of a graph between some nodes; the inputs become placeholders.

    Args:
      input_graph_def: a GraphDef.
      input_node_names: nodes to be fed.
      output_node_names: nodes to be fetched.
      placeholder_type_enum: the dtype of the placeholders, or one for each, as numbers of `DataType`.

    Returns:
      A new GraphDef.

    Raises:
      KeyError: an input is not in the graph.
      AssertionError: an output is not in the graph.
    """
    for name in input_node_names:
        if ":" in name:
            raise ValueError(f"Name '{name}' appears to refer to a Tensor, not an Operation.")
    missing = set(input_node_names) - {node.name for node in input_graph_def.node}
    if missing:
        raise KeyError(f"The following input nodes were not found: {sorted(missing)}")
    kinds = placeholder_type_enum
    if not isinstance(kinds, list | tuple):
        kinds = [kinds] * len(input_node_names)
    types = dict(zip(input_node_names, kinds, strict=True))
    replaced = protos.GraphDef(versions=input_graph_def.versions, library=input_graph_def.library)
    for node in input_graph_def.node:
        if node.name not in types:
            replaced.node.add().CopyFrom(node)
            continue
        made = replaced.node.add(name=node.name, op="Placeholder")
        made.attr["dtype"].type = dtypes.as_dtype(types[node.name]).as_datatype_enum
        for key in ("_output_shapes", "shape"):
            if key in node.attr:
                made.attr[key].CopyFrom(node.attr[key])
    return extract_sub_graph(replaced, output_node_names)


def read_graph_def(path: Any, binary: bool = True) -> Any:
    """The GraphDef in a file.

    Raises:
      OSError: the file is missing, or holds something else.
    """
    from google.protobuf import text_format
    from google.protobuf.message import DecodeError

    path = os.fsdecode(path)
    with open(path, "rb") as file:
        content = file.read()
    try:
        if binary:
            return protos.GraphDef.FromString(content)
        return text_format.Parse(content, protos.GraphDef())
    except (DecodeError, text_format.ParseError, UnicodeDecodeError) as error:
        raise OSError(f"{path} does not hold a GraphDef: {error}") from None


def write_graph_def(graph_def: Any, path: Any, binary: bool = True) -> None:
    """Writes a GraphDef to a file, which appears whole or not at all."""
    from google.protobuf import text_format

    data = graph_def.SerializeToString(deterministic=True) if binary else None
    files.replace(os.fsdecode(path), [data or text_format.MessageToString(graph_def).encode()])


@public("python.tools.strip_unused_lib.strip_unused_from_files")
def strip_unused_from_files(
    input_graph: str,
    input_binary: bool,
    output_graph: str,
    output_binary: bool,
    input_node_names: str,
    output_node_names: str,
    placeholder_type_enum: Any,
) -> None:
    """`strip_unused` from file to file; lists of names are one string with commas."""
    if not os.path.exists(input_graph):
        print(f"Input graph file '{input_graph}' does not exist!")  # noqa: T201 - as TensorFlow's does
        return
    if not output_node_names:
        print("You need to supply the name of a node to --output_node_names.")  # noqa: T201 - as TensorFlow's does
        return
    made = strip_unused(
        read_graph_def(input_graph, input_binary),
        split_names(input_node_names),
        split_names(output_node_names),
        placeholder_type_enum,
    )
    write_graph_def(made, output_graph, output_binary)
    print(f"{len(made.node)} ops in the final graph.")  # noqa: T201 - as TensorFlow's does


def split_names(names: str | Iterable[str] | None) -> list[str]:
    """A list of names that may be one string with commas."""
    parts = names.split(",") if isinstance(names, str) else list(names or [])
    return [part.strip() for part in parts if part.strip()]
