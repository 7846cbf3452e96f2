"""`tf.CriticalSection`: parts of the graph that exclude each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import convert, raw
from millrace.building.scopes import control_dependencies, init_scope, name_scope
from millrace.core import nest
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import tuple_


@public("CriticalSection")
class CriticalSection:
    """Parts of the graph of which one runs at a time: all that `execute` adds for one section.

    Args:
      name: of the section; default "CriticalSection".
      shared_name: sections with the same one exclude each other.
      critical_section_def, import_scope: to read it from a message, which is refused.

    Raises:
      ValueError: a message and a name are both given.
      NotImplementedError: a message is given.
    """

    def __init__(
        self,
        name: str | None = None,
        shared_name: str | None = None,
        critical_section_def: Any = None,
        import_scope: str | None = None,
    ) -> None:
        if critical_section_def is not None and name is not None:
            raise ValueError("critical_section_def and shared_name are mutually exclusive")
        if critical_section_def is not None:
            raise NotImplementedError("a CriticalSection cannot be read from a message")
        del import_scope
        with init_scope(), name_scope(name, "CriticalSection", []) as scope:
            self._handle = raw.MutexV2(shared_name=shared_name or "", name=scope)

    @property
    def name(self) -> str:
        """The name of its operation."""
        return self._handle.op.name

    def execute(
        self, fn: Callable[[], Any], exclusive_resource_access: bool = True, name: str | None = None
    ) -> Any:
        """What `fn` returns, of which everything runs before or after all else in the section.

        Args:
          fn: a function without arguments, of nested tensors.
          exclusive_resource_access: accepted: the effects of a run are in one order.
          name: a scope; default "critical_section_execute".

        Raises:
          ValueError: `fn` itself executes something in the section.
        """
        del exclusive_resource_access
        graph = get_default_graph()
        with name_scope(name, "critical_section_execute", []):
            lock = raw.MutexLock(self._handle)
            first = len(graph.ops)
            with control_dependencies([lock]):
                result = fn()
                added = graph.ops[first:]
                if any(op.type == "MutexLock" and self._names(op.inputs[0]) for op in added):
                    raise ValueError(
                        f"CriticalSection {self.name!r}: fn executes something in the same section, which "
                        "would wait for itself"
                    )
                leaves = nest.flatten(result)
                kept = [v if isinstance(v, Operation) else raw.Identity(_tensor(v)) for v in leaves]
            inside = [op for op in added if op.body is graph.body]
            with control_dependencies([*inside, *kept]):
                freed = raw.ConsumeMutexLock(lock)
            kept = tuple_(kept, control_inputs=[freed])
            kept = [v if isinstance(v, Operation) else raw.Identity(v) for v in kept]
            return nest.pack_sequence_as(result, kept)

    def _names(self, handle: Tensor) -> bool:
        """Whether a handle is that of this section."""
        op = handle.op
        around: Any = op.graph if op.body is None else op.body
        return handle is self._handle or around.outer_of(handle) is self._handle


def _tensor(value: Any) -> Tensor:
    return convert.convert_to_tensor(value)
