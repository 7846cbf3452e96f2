"""How the items of a graph's collections become messages in a meta graph, and come back.

Whoever makes such items registers them here; meta graphs ask by the collection's name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from millrace.core import late
from millrace.core.public import public


@dataclass(frozen=True)
class CollectionProto:
    """The messages of one collection.

    Attributes:
      message: the name of their type in `core.protos`, or the type.
      to_proto: `(item, export_scope) -> message`; None for an item outside of the scope.
      from_proto: `(message, import_scope) -> item`.
    """

    message: Any
    to_proto: Callable[..., Any] | None
    from_proto: Callable[..., Any] | None


_REGISTRY: dict[str, CollectionProto] = {}


@public("python.framework.ops.register_proto_function")
def register_proto_function(
    collection_name: str,
    proto_type: Any = None,
    to_proto: Callable[..., Any] | None = None,
    from_proto: Callable[..., Any] | None = None,
) -> None:
    """Says how the items of a collection become messages and come back.

    Args:
      collection_name: the collection.
      proto_type: the type of the messages.
      to_proto: from an item, and the scope that is exported, to a message.
      from_proto: from a message, and the scope that it is imported into, to an item.

    Raises:
      TypeError: a function is not callable.
    """
    for function in (to_proto, from_proto):
        if function is not None and not callable(function):
            raise TypeError(f"register_proto_function: a function is expected. Received: {function!r}")
    _REGISTRY[collection_name] = CollectionProto(proto_type, to_proto, from_proto)


def collection_proto(collection_name: str) -> CollectionProto | None:
    """What was registered for a collection, or None."""
    if collection_name == "queue_runners":
        late.module(collection_name)  # a program may import a graph with runners and never have made one
    return _REGISTRY.get(collection_name)
