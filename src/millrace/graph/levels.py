"""One level of a graph's scopes: what `with graph.name_scope(...)` and `control_dependencies` put on top."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from millrace.core.kinds import TEXT
from millrace.graph.operation import Operation

if TYPE_CHECKING:
    from millrace.graph.graph import Graph

VALID_OP_NAME = re.compile(r"^[A-Za-z0-9.][A-Za-z0-9_./>-]*$")
_VALID_SCOPE_NAME = re.compile(r"^[A-Za-z0-9_.\\/>-]*$")


class ControlScope:
    """One level of `control_dependencies`: what it adds, and the operations created inside it."""

    __slots__ = ("clears", "inputs", "seen")

    def __init__(self, inputs: list[Operation], clears: bool) -> None:
        self.inputs = inputs
        self.clears = clears
        self.seen: set[Operation] = set()


class NameScope:
    """`with graph.name_scope(name)`. A class: public functions enter one each, and a generator takes
    longer.
    """

    __slots__ = ("_graph", "_name", "_old")

    def __init__(self, graph: Graph, name: str | None) -> None:
        self._graph = graph
        self._name = name

    def __enter__(self) -> str:
        graph, name = self._graph, self._name
        old = self._old = graph.scope
        if not name:
            graph.scope = ""
            return ""
        if isinstance(name, bytes):
            name = name.decode()
        if not isinstance(name, TEXT):
            raise TypeError(f"name_scope: a scope's name is a string. Received: {name!r}")
        if not (_VALID_SCOPE_NAME if old else VALID_OP_NAME).match(name):
            raise ValueError(f"{name!r} is not a valid scope name")
        new = graph.scope = name[:-1] if name[-1] == "/" else graph.unique_name(name)
        return new + "/" if new else ""

    def __exit__(self, *error: Any) -> None:
        self._graph.scope = self._old
