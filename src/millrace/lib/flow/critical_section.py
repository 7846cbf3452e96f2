"""`tf.CriticalSection`: parts of the graph that exclude each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from millrace.building import convert, raw
from millrace.building.scopes import control_dependencies, init_scope, name_scope
from millrace.core import dtypes, nest
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import tuple_

_SECTIONS, _EXECUTIONS = "critical_sections", "critical_section_executions"


class _Execution(NamedTuple):
    """What a section executed: the lock, what it touched, and whether nobody else may."""

    op: Operation
    handle: Tensor
    resources: list[Tensor]
    exclusive_resource_access: bool


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
        with name_scope(name, "CriticalSection", []) as scope, init_scope():
            self._handle = raw.MutexV2(shared_name=shared_name or scope, name=scope)
        get_default_graph().add_to_collection(_SECTIONS, self)

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
          exclusive_resource_access: no other section touches the variables that `fn` does.
          name: a scope; default "critical_section_execute".

        Raises:
          ValueError: `fn` itself executes something in the section, or touches a variable that another
            section touches, and one of both wants it for itself.
        """
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
                resources = [x for op in added for x in op.inputs if x.dtype is dtypes.resource]
                self._check_alone(resources, exclusive_resource_access)
                leaves = nest.flatten(result)
                kept = [v if isinstance(v, Operation) else raw.Identity(_tensor(v)) for v in leaves]
            inside = [op for op in added if op.body is graph.body]
            with control_dependencies([*inside, *kept]):
                freed = raw.ConsumeMutexLock(lock)
            kept = tuple_(kept, control_inputs=[freed])
            kept = [v if isinstance(v, Operation) else raw.Identity(v) for v in kept]
            execution = _Execution(lock.op, self._handle, resources, exclusive_resource_access)
            graph.add_to_collection(_EXECUTIONS, execution)
            return nest.pack_sequence_as(result, kept)

    def _check_alone(self, resources: list[Tensor], exclusive: bool) -> None:
        """Refuses resources that another section touches, where one of both wants them for itself."""
        for other in get_default_graph().get_collection(_EXECUTIONS):
            if self._names(other.handle) or not (exclusive or other.exclusive_resource_access):
                continue
            shared = [x for x in resources if any(x is y for y in other.resources)]
            if shared:
                raise ValueError(
                    f"CriticalSection {self.name!r}: section {other.handle.op.name!r} touches {shared}, "
                    "too, and one of both wants it alone. Did you mean exclusive_resource_access=False?"
                )

    def _names(self, handle: Tensor) -> bool:
        """Whether a handle is that of this section."""
        op = handle.op
        around: Any = op.graph if op.body is None else op.body
        return handle is self._handle or around.outer_of(handle) is self._handle


def _tensor(value: Any) -> Tensor:
    return convert.convert_to_tensor(value)
