"""All operation types as `OpDef` messages, as the module `op_def_registry` has them."""

from __future__ import annotations

from typing import Any

from millrace.core.public import public
from millrace.exchange.graphdef import op_def
from millrace.graph.opdef import declared

_KNOWN: dict[str, Any] = {}


@public("python.framework.op_def_registry.get_registered_ops")
def get_registered_ops() -> dict[str, Any]:
    """The message of each operation type by its name; always the same dict."""
    if not _KNOWN:
        _KNOWN.update((name, op_def(record)) for name, record in declared().items())
    return _KNOWN


@public("python.framework.op_def_registry.register_op_list")
def register_op_list(op_list: Any) -> None:
    """Adds messages of operation types to those that are known.

    Args:
      op_list: an `OpList`.

    Raises:
      TypeError: it is not an `OpList`.
      ValueError: another operation type of a name is known.
    """
    if getattr(getattr(op_list, "DESCRIPTOR", None), "name", None) != "OpList":
        raise TypeError(f"register_op_list: an OpList is wanted. Received: {op_list!r}")
    known = get_registered_ops()
    for found in op_list.op:
        if known.setdefault(found.name, found) != found:
            raise ValueError(f"register_op_list: the operation type {found.name} is another one already")
