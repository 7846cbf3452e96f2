"""`tf.train.export_meta_graph` and `import_meta_graph`: a graph with its collections and its saver."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from millrace.core import filesystems, protos
from millrace.core.public import public
from millrace.core.scoped_names import is_in_scope, out_of_scope
from millrace.core.version import GIT_VERSION, VERSION
from millrace.exchange.attr_protos import attr_to_proto
from millrace.exchange.graphdef import graph_def_and_contexts, node_name, op_def
from millrace.exchange.importer import import_graph_def
from millrace.graph.attrs import MISSING
from millrace.graph.defaults import get_default_graph
from millrace.graph.graph import Graph
from millrace.graph.keys import GraphKeys
from millrace.graph.opdef import lookup
from millrace.opkit.checkpoint import files
from millrace.saver.collections import read_collections, write_collection
from millrace.saver.control_flow import contexts_by_key

UNBOUND = "unbound_inputs"
_MARK = "$unbound_inputs_"
_FLOW = (GraphKeys.COND_CONTEXT, GraphKeys.WHILE_CONTEXT)


@public("train.export_meta_graph", "python.training.saver.export_meta_graph")
def export_meta_graph(
    filename: str | None = None,
    meta_info_def: Any = None,
    graph_def: Any = None,
    saver_def: Any = None,
    collection_list: Sequence[str] | None = None,
    as_text: bool = False,
    graph: Graph | None = None,
    export_scope: str | None = None,
    clear_devices: bool = False,
    clear_extraneous_savers: bool = False,
    strip_default_attrs: bool = False,
    save_debug_info: bool = False,
    **kwargs: Any,
) -> Any:
    """A graph with its collections as a `MetaGraphDef`.

    Args:
      filename: also write it there.
      meta_info_def: what to begin with.
      graph_def: the nodes; default, those of `graph`.
      saver_def: the saver that belongs to it.
      collection_list: the collections; default, all.
      as_text: write it as text.
      graph: default, the default graph.
      export_scope: only what lies in this scope, under names relative to it. What its nodes take from outside
        becomes unbound inputs, which an import must map.
      clear_devices: leave the devices out.
      clear_extraneous_savers: leave out the operations of other savers than `saver_def`.
      strip_default_attrs: leave attributes out that have their defaults.
      save_debug_info: also write where the operations were created, as `filename` with the ending `.debug`.

    Returns:
      The message.

    Raises:
      ValueError: `export_scope` and a collection of unbound inputs of another exist.
    """
    graph = get_default_graph() if graph is None else graph
    source, definitions = graph_def, []
    if source is None or any(op.opdef.has_body for op in graph.ops):
        shown, definitions = graph_def_and_contexts(graph, add_shapes=True)
        source = shown if source is None else source
    meta = protos.MetaGraphDef()
    if meta_info_def is not None:
        meta.meta_info_def.CopyFrom(meta_info_def)
    left_out = _other_savers(graph, source, saver_def) if clear_extraneous_savers else set()
    _write_graph(meta, source, export_scope, clear_devices, left_out)
    _write_info(meta, strip_default_attrs)
    flow = contexts_by_key(graph, definitions, source.node, export_scope)
    wanted = dict.fromkeys([*graph.collections, *flow] if collection_list is None else collection_list)
    for key in wanted:
        if key in _FLOW:
            if key in flow:
                write_collection(meta, key, flow[key], export_scope, left_out)
        elif key != UNBOUND:
            write_collection(meta, key, graph.get_collection(key), export_scope, left_out)
    if saver_def is not None:
        meta.saver_def.CopyFrom(saver_def)
    if filename:
        _write_file(meta, os.fsdecode(filename), as_text)
        if save_debug_info:
            files.replace(
                os.path.splitext(os.fsdecode(filename))[0] + ".debug", [_places(graph).SerializeToString()]
            )
    return meta


def _write_graph(meta: Any, source: Any, scope: str | None, clear_devices: bool, left_out: set[str]) -> None:
    target = meta.graph_def
    if not scope and not clear_devices and not left_out:
        target.CopyFrom(source)
        return
    unbound: dict[str, None] = {}
    for node in source.node:
        if node.name in left_out or not is_in_scope(node.name, scope):
            continue
        made = target.node.add()
        made.CopyFrom(node)
        if clear_devices:
            made.device = ""
        if scope:
            _take_out(made, scope, unbound)
    target.library.CopyFrom(source.library)
    target.versions.CopyFrom(source.versions)
    if unbound:
        meta.collection_def[UNBOUND].bytes_list.value.extend(name.encode() for name in sorted(unbound))


def _take_out(node: Any, scope: str, unbound: dict[str, None]) -> None:
    """Makes a node's names relative to its scope, and marks what it takes from outside."""
    node.name = out_of_scope(node.name, scope)
    for i, text in enumerate(node.input):
        if is_in_scope(node_name(text), scope):
            node.input[i] = out_of_scope(text, scope)
        else:
            marked = _MARK + text
            if text.startswith("^"):
                marked = "^" + _MARK + text[1:]
            unbound[marked.removeprefix("^")] = None
            node.input[i] = marked
    if "_class" in node.attr:
        places = node.attr["_class"].list.s
        kept = [
            out_of_scope(place.decode(), scope).encode()
            for place in places
            if is_in_scope(place.decode().removeprefix("loc:@"), scope)
        ]
        del node.attr["_class"]
        if kept:
            node.attr["_class"].list.s.extend(kept)


def _other_savers(graph: Graph, source: Any, saver_def: Any) -> set[str]:
    """The nodes of savers other than `saver_def`: those in the scopes of the collection's savers."""
    own = saver_def.filename_tensor_name.rpartition("/")[0] if saver_def is not None else None
    others = set()
    for saver in graph.get_collection(GraphKeys.SAVERS):
        definition = saver.saver_def if hasattr(saver, "saver_def") else saver
        if definition is not None:
            others.add(definition.filename_tensor_name.rpartition("/")[0])
    others -= {own, ""}
    return {node.name for node in source.node if any(node.name.startswith(scope + "/") for scope in others)}


@public("contrib.util.ops_used_by_graph_def")
def ops_used_by_graph_def(graph_def: Any) -> list[str]:
    """The types of the operations of a GraphDef and of its functions, but for the functions themselves."""
    functions = graph_def.library.function
    nodes = [*graph_def.node, *[node for function in functions for node in function.node_def]]
    return sorted({node.op for node in nodes} - {function.signature.name for function in functions})


@public("contrib.util.stripped_op_list_for_graph")
def stripped_op_list_for_graph(graph_def: Any) -> Any:
    """The definitions of the operation types that a GraphDef uses, an `OpList`.

    Raises:
      ValueError: a type is unknown.
    """
    return protos.OpList(op=[op_def(lookup(name)) for name in ops_used_by_graph_def(graph_def)])


def _write_info(meta: Any, strip_default_attrs: bool) -> None:
    info = meta.meta_info_def
    functions = [node for function in meta.graph_def.library.function for node in function.node_def]
    nodes = [*meta.graph_def.node, *functions]
    opdefs = {name: lookup(name) for name in ops_used_by_graph_def(meta.graph_def)}
    if not info.HasField("stripped_op_list"):
        info.stripped_op_list.op.extend(op_def(opdef) for opdef in opdefs.values())
    if strip_default_attrs:
        for node in nodes:
            if node.op in opdefs:
                _strip(node, opdefs[node.op])
        info.stripped_default_attrs = True
    if not info.tensorflow_version:
        info.tensorflow_version = VERSION
    if not info.tensorflow_git_version:
        info.tensorflow_git_version = GIT_VERSION


def _strip(node: Any, opdef: Any) -> None:
    """Removes the attributes that have their defaults."""
    for name, kind in opdef.attrs.items():
        if (
            name not in node.attr
            or kind.default is MISSING
            or (kind.default is None and kind.kind != "shape")
        ):
            continue
        if node.attr[name] == attr_to_proto(kind.default, kind):
            del node.attr[name]


def _places(graph: Graph) -> Any:
    """Where the operations of a graph were created, as a `GraphDebugInfo`."""
    info = protos.GraphDebugInfo()
    known: dict[str, int] = {}
    for op in graph.ops:
        path, _, line = str(op.user_location).rpartition(":")
        if not line.isdigit():
            continue
        if path not in known:
            known[path] = len(known)
            info.files.append(path)
        info.traces[op.name].file_line_cols.add(file_index=known[path], line=int(line))
    return info


def _write_file(meta: Any, filename: str, as_text: bool) -> None:
    if as_text:
        from google.protobuf import text_format

        files.replace(filename, [text_format.MessageToString(meta).encode()])
    else:
        files.replace(filename, [meta.SerializeToString()])


@public("python.framework.meta_graph.read_meta_graph_file")
def read_meta_graph_file(filename: Any) -> Any:
    """The `MetaGraphDef` in a file, written as bytes or as text.

    Raises:
      OSError: there is no such file, or it holds something else.
    """
    from google.protobuf import text_format
    from google.protobuf.message import DecodeError

    path = os.fsdecode(filename)
    if not filesystems.exists(path):
        raise OSError(f"File {path} does not exist.")
    with filesystems.open_file(path) as file:
        content = file.read()
    try:
        return protos.MetaGraphDef.FromString(content)
    except DecodeError:
        pass
    try:
        return text_format.Parse(content, protos.MetaGraphDef())
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise OSError(f"Cannot parse file {path}: {error}") from None


def import_scoped_meta_graph(
    meta_graph_or_file: Any,
    clear_devices: bool = False,
    graph: Graph | None = None,
    import_scope: str | None = None,
    input_map: dict[str, Any] | None = None,
    unbound_inputs_col_name: str = UNBOUND,
    restore_collections_predicate: Callable[[str], bool] | None = None,
    return_elements: Iterable[str] | None = None,
) -> tuple[Any, list[Any] | None]:
    """Adds the nodes and collections of a meta graph to a graph.

    Args:
      meta_graph_or_file: the message, or the file that holds it.
      clear_devices: leave the devices out.
      graph: default, the default graph.
      import_scope: a scope for the nodes.
      input_map: names of inputs to what takes their place.
      unbound_inputs_col_name: the collection that lists the inputs that must be mapped.
      restore_collections_predicate: tells by its name whether a collection is taken.
      return_elements: names of operations and tensors to return.

    Returns:
      The message, and the elements asked for.

    Raises:
      ValueError: there are unbound inputs and no `input_map`, or the nodes cannot be added.
      OSError: the file is missing or holds something else.
    """
    meta = as_meta_graph(meta_graph_or_file)
    unbound = meta.collection_def.get(unbound_inputs_col_name)
    if unbound is not None and not input_map:
        names = [value.decode() for value in unbound.bytes_list.value]
        raise ValueError(
            f"Graph contains unbound inputs: {names}. Must provide these inputs through input_map."
        )
    graph = get_default_graph() if graph is None else graph
    nodes = meta.graph_def
    if clear_devices:
        nodes = protos.GraphDef()
        nodes.CopyFrom(meta.graph_def)
        for node in nodes.node:
            node.device = ""
    with graph.as_default():
        with graph.name_scope(import_scope) as scope:  # made unique, as the names in it are
            inside = scope.rstrip("/") if import_scope else ""
        found = import_graph_def(
            nodes,
            input_map=input_map,
            return_elements=return_elements,
            name=f"{inside}/" if inside else "",
            producer_op_list=meta.meta_info_def.stripped_op_list,
        )
        read_collections(meta, graph, inside, restore_collections_predicate, [unbound_inputs_col_name])
    return meta, found


def as_meta_graph(meta_graph_or_file: Any) -> Any:
    """The message itself, read from its file where it is none yet."""
    if isinstance(meta_graph_or_file, protos.MetaGraphDef):
        return meta_graph_or_file
    descriptor = getattr(meta_graph_or_file, "DESCRIPTOR", None)
    if getattr(descriptor, "full_name", "") == "tensorflow.MetaGraphDef":
        return protos.MetaGraphDef.FromString(meta_graph_or_file.SerializeToString())
    return read_meta_graph_file(meta_graph_or_file)
