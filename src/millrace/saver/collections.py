"""A graph's collections as messages of a meta graph, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from millrace.core import protos
from millrace.core.collection_protos import collection_proto
from millrace.core.parsing import parsed
from millrace.core.scoped_names import in_scope, is_in_scope, out_of_scope
from millrace.graph.graph import Graph
from millrace.graph.keys import GraphKeys
from millrace.lib.platform.log import get_logger

_logger = get_logger()


def write_collection(
    meta: Any, key: Any, items: list[Any], export_scope: str | None, left_out: set[str]
) -> None:
    """Adds a collection to a `MetaGraphDef`; with a warning instead, where its items have no form in a file.

    Args:
      meta: the message.
      key: the collection's name.
      items: what it holds.
      export_scope: leave out what lies outside of this scope.
      left_out: nodes that are not exported.
    """
    if not isinstance(key, str | bytes):
        _logger.warning("The collection %r is not exported: its name is not a string", key)
        return
    name = key.decode() if isinstance(key, bytes) else key
    try:
        made = protos.CollectionDef()
        if _fill(made, name, items, export_scope, left_out):
            meta.collection_def[name].CopyFrom(made)
    except (TypeError, ValueError, AttributeError) as error:
        _logger.warning("Issue encountered when serializing %s.\nIt is not exported: %s", name, error)


def _fill(made: Any, name: str, items: list[Any], export_scope: str | None, left_out: set[str]) -> bool:
    registered = collection_proto(name)
    if registered is not None and registered.to_proto is not None:
        made.bytes_list.SetInParent()
        for item in items:
            message = registered.to_proto(item, export_scope=export_scope)
            if message is not None:
                made.bytes_list.value.append(message.SerializeToString(deterministic=True))
        return True
    if not items:
        return False
    kind = _kind(items[0])
    values = getattr(made, kind).value
    if kind == "node_list":
        for item in items:
            if is_in_scope(item.name, export_scope) and item.name.split(":")[0] not in left_out:
                values.append(out_of_scope(item.name, export_scope))
        return True
    if kind == "bytes_list":
        texts = [text.encode() if isinstance(text, str) else text for text in items]
        values.extend(text for text in texts if is_in_scope(text.decode("latin-1"), export_scope))
        return bool(values)
    elif kind == "int64_list":
        values.extend(int(item) for item in items)
    elif kind == "any_list":
        for item in items:
            values.add().Pack(item)
    else:
        values.extend(items)
    return True


def _kind(item: Any) -> str:
    if isinstance(item, str | bytes):
        return "bytes_list"
    if isinstance(item, bool | int):
        return "int64_list"
    if isinstance(item, float):
        return "float_list"
    if hasattr(item, "SerializeToString"):
        return "any_list"
    return "node_list"


def read_collections(
    meta: Any, graph: Graph, scope: str | None, wanted: Any, skipped: Iterable[str] = ()
) -> None:
    """Adds what the collections of a `MetaGraphDef` name to those of `graph`.

    Args:
      meta: the message, whose nodes the graph has already.
      graph: the graph.
      scope: the scope that the nodes were imported into.
      wanted: None, or a function of a collection's name that tells whether to take it.
      skipped: collections to leave out.
    """
    variables: dict[bytes, Any] = {}
    for key in sorted(meta.collection_def):
        if key in skipped or (wanted is not None and not wanted(key)):
            continue
        stored = meta.collection_def[key]
        kind = stored.WhichOneof("kind")
        if kind is None:
            _logger.error("The collection %s is skipped: it does not say what it holds", key)
            continue
        registered = collection_proto(key)
        if registered is not None and registered.from_proto is not None and kind == "bytes_list":
            shared = variables if key in GraphKeys._VARIABLE_COLLECTIONS else {}
            for text in stored.bytes_list.value:
                item = shared.get(text)
                if item is None:
                    item = shared[text] = _item(registered, text, scope)
                graph.add_to_collection(key, item)
        else:
            for value in getattr(stored, kind).value:
                graph.add_to_collection(key, _plain(graph, kind, value, scope))


def _item(registered: Any, text: bytes, scope: str | None) -> Any:
    kind = getattr(protos, registered.message) if isinstance(registered.message, str) else registered.message
    return registered.from_proto(parsed(kind, text, "An item of a collection"), import_scope=scope)


def _plain(graph: Graph, kind: str, value: Any, scope: str | None) -> Any:
    if kind == "node_list":
        return graph.as_graph_element(in_scope(value, scope))
    if kind == "bytes_list":
        try:
            return in_scope(value.decode(), scope) if scope else value
        except UnicodeDecodeError:  # a message, not a name
            return value
    return value
