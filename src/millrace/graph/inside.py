"""The private attributes of TensorFlow's Graph, Operation and Tensor that programs read.

They answer from what millrace keeps in its own way, so each is a property here and no field of the objects.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from millrace.core import late
from millrace.core.exporting import Reference
from millrace.graph.opdef import lookup

if TYPE_CHECKING:
    from millrace.graph.graph import Graph
    from millrace.graph.operation import Operation
    from millrace.graph.tensor import Tensor


class GraphInside:
    """Private attributes of a graph."""

    __slots__ = ()

    @property
    def _graph_key(self) -> str:
        return f"graph-key-{id(self)}/"

    @property
    def _variable_creator_stack(self: Graph) -> list[Any]:  # type: ignore[misc]
        return self.get_scoped("variable_creators", list)

    @contextlib.contextmanager
    def _variable_creator_scope(self: Any, creator: Any, priority: int = 100) -> Generator[None, None, None]:
        """Variables made inside are made by `creator(next_creator, **kwargs)`."""
        creators = self._variable_creator_stack
        creators.append(creator)
        try:
            yield
        finally:
            creators.remove(creator)

    @contextlib.contextmanager
    def _original_op(self: Graph, op: Operation) -> Generator[None, None, None]:  # type: ignore[misc]
        """Operations added inside are added for `op`, their `_original_op`."""
        old = self.original_op
        self.original_op = op
        try:
            yield
        finally:
            self.original_op = old

    @contextlib.contextmanager
    def _colocate_with_for_gradient(
        self: Any, op: Any, gradient_uid: Any, ignore_existing: bool = False
    ) -> Generator[None, None, None]:
        with self.colocate_with(op, ignore_existing):
            yield

    @property
    def building_function(self: Graph) -> bool:  # type: ignore[misc]
        """Whether the graph is the body of a function."""
        return self.is_function

    @property
    def _building_function(self: Graph) -> bool:  # type: ignore[misc]
        return self.is_function

    @property
    def _nodes_by_name(self: Graph) -> dict[str, Operation]:  # type: ignore[misc]
        return dict(self.by_name)

    @property
    def _nodes_by_id(self: Graph) -> dict[int, Operation]:  # type: ignore[misc]
        return {op.id: op for op in self.ops}

    @property
    def _names_in_use(self: Graph) -> dict[str, int]:  # type: ignore[misc]
        return self.names

    @property
    def _name_stack(self: Graph) -> str:  # type: ignore[misc]
        return self.scope

    @property
    def _seed(self: Graph) -> int | None:  # type: ignore[misc]
        return self.seed

    @property
    def _lock(self: Graph) -> Any:  # type: ignore[misc]
        return self.lock

    @property
    def _container(self: Graph) -> str:  # type: ignore[misc]
        return self.attr_scope.get("container", "")

    @property
    def _gradient_override_map(self: Graph) -> dict[str, str]:  # type: ignore[misc]
        return self.gradient_overrides

    @property
    def _version(self: Graph) -> int:  # type: ignore[misc]
        return self.version

    @property
    def _next_id_counter(self: Graph) -> int:  # type: ignore[misc]
        return self.last_id

    @property
    def _last_id(self: Graph) -> int:  # type: ignore[misc]
        return self.last_id

    @property
    def _finalized(self: Graph) -> bool:  # type: ignore[misc]
        return self.finalized

    @property
    def _default_original_op(self: Graph) -> Operation | None:  # type: ignore[misc]
        return self.original_op

    @property
    def _unfeedable_tensors(self: Graph) -> set[Tensor]:  # type: ignore[misc]
        return self.unfeedable

    @property
    def _unfetchable_ops(self: Graph) -> set[Operation]:  # type: ignore[misc]
        return self.unfetchable

    @property
    def _device_functions_outer_to_inner(self: Graph) -> list[Any]:  # type: ignore[misc]
        return list(self.devices)

    @property
    def _device_function_stack(self: Graph) -> list[Any]:  # type: ignore[misc]
        return self.devices

    @property
    def _colocation_stack(self: Graph) -> list[Any]:  # type: ignore[misc]
        return self.colocation

    @property
    def _control_dependencies_stack(self: Graph) -> list[Any]:  # type: ignore[misc]
        return self.control

    def _control_dependencies_for_inputs(self: Graph, input_ops: Any) -> list[Operation]:  # type: ignore[misc]
        """What an operation with these inputs waits for, of the surrounding `control_dependencies`."""
        return self.control_inputs_for(tuple(out for op in input_ops for out in op.outputs[:1]))

    def _current_control_dependencies(self: Graph) -> set[Operation]:  # type: ignore[misc]
        return {op for scope in self.control for op in scope.inputs}

    def _apply_device_functions(self: Graph, op: Operation) -> None:  # type: ignore[misc]
        self.place(op)

    def _check_not_finalized(self: Graph) -> None:  # type: ignore[misc]
        self.check_open()

    def _as_graph_def(self: Graph, from_version: int | None = None, add_shapes: bool = False) -> Any:  # type: ignore[misc]
        """(the GraphDef, the graph's version)."""
        return self.as_graph_def(from_version, add_shapes), self.version

    def _as_graph_element_locked(self: Graph, obj: Any, allow_tensor: bool, allow_operation: bool) -> Any:  # type: ignore[misc]
        return self.as_graph_element(obj, allow_tensor, allow_operation)

    def _get_operation_by_name_unsafe(self: Graph, name: str) -> Operation:  # type: ignore[misc]
        return self.get_operation_by_name(name)

    def _get_op_def(self: Graph, op_type: str) -> Any:  # type: ignore[misc]
        return late.module("graphdef").op_def(lookup(op_type))

    def _is_function(self: Graph, name: str) -> bool:  # type: ignore[misc]
        return self._get_function(name) is not None

    def _get_function(self: Graph, name: str) -> Any:  # type: ignore[misc]
        """The function of that name in the graph's library, as a FunctionDef; None where there is none."""
        functions = self.as_graph_def().library.function
        return next((f for f in functions if f.signature.name == name), None)


class OperationInside:
    """Private attributes of an operation."""

    __slots__ = ()

    _original_op: Any = None  # the operation that this one was added for
    _control_flow_context: Any = None

    @property
    def _inputs(self: Operation) -> tuple[Tensor, ...]:  # type: ignore[misc]
        return self.inputs

    @property
    def _outputs(self: Operation) -> list[Tensor]:  # type: ignore[misc]
        return self.outputs

    @property
    def _control_inputs(self: Operation) -> list[Operation]:  # type: ignore[misc]
        return self.control_inputs

    @property
    def _control_outputs(self: Operation) -> list[Operation]:  # type: ignore[misc]
        """The operations that wait for this one, found by looking through the graph."""
        return [op for op in self.graph.ops if self in op.control_inputs]

    @property
    def _graph(self: Operation) -> Graph:  # type: ignore[misc]
        return self.graph

    @property
    def _node_def(self: Operation) -> Any:  # type: ignore[misc]
        return self.node_def

    @property
    def _op_def(self: Operation) -> Any:  # type: ignore[misc]
        return self.op_def

    @property
    def _traceback(self: Operation) -> Any:  # type: ignore[misc]
        return self.traceback

    @_traceback.setter
    def _traceback(self: Operation, traceback: Any) -> None:  # type: ignore[misc]
        """Takes what a program says of where the operation comes from, which errors then do not show."""

    @property
    def _input_types(self: Operation) -> list[Any]:  # type: ignore[misc]
        return [x.dtype for x in self.inputs]

    @property
    def _output_types(self: Operation) -> list[int]:  # type: ignore[misc]
        return [x.dtype.as_datatype_enum for x in self.outputs]

    @property
    def _id(self: Operation) -> int:  # type: ignore[misc]
        return self.id

    @property
    def _id_value(self: Operation) -> int:  # type: ignore[misc]
        return self.id

    @property
    def _is_stateful(self: Operation) -> bool:  # type: ignore[misc]
        return bool(self.op_def.is_stateful)

    def added_for(self, original: Any, context: Any) -> None:
        """Notes the operation that this one was added for, and tells the context of a program's own."""
        self._original_op = original
        if context is not None:
            self._control_flow_context = context
            context.AddOp(self)

    def _get_control_flow_context(self) -> Any:
        """The context of a program's own that the operation was added in, or None."""
        return self._control_flow_context

    def _set_control_flow_context(self, ctx: Any) -> None:
        self._control_flow_context = ctx

    def _set_device(self: Operation, device: Any) -> None:  # type: ignore[misc]
        self.device = self.graph.device_name(device)

    def _set_device_from_string(self: Operation, device_str: str) -> None:  # type: ignore[misc]
        self.device = self.graph.device_name(device_str)

    def _remove_all_control_inputs(self: Operation) -> None:  # type: ignore[misc]
        self.graph.changed()
        self.control_inputs = []


class TensorInside:
    """Private attributes of a tensor."""

    __slots__ = ()

    @property
    def _op(self: Tensor) -> Operation:  # type: ignore[misc]
        return self.op

    @property
    def _dtype(self: Tensor) -> Any:  # type: ignore[misc]
        return self.dtype

    @property
    def _value_index(self: Tensor) -> int:  # type: ignore[misc]
        return self.value_index

    @property
    def _name(self: Tensor) -> str:  # type: ignore[misc]
        return self.name

    @property
    def _shape_val(self: Tensor) -> Any:  # type: ignore[misc]
        return self.get_shape()

    @property
    def _id(self) -> int:
        return id(self)

    def _rank(self: Tensor) -> int | None:  # type: ignore[misc]
        return None if self.dims is None else len(self.dims)

    def _shape_as_list(self: Tensor) -> list[int | None] | None:  # type: ignore[misc]
        return None if self.dims is None else list(self.dims)

    def _shape_tuple(self: Tensor) -> tuple[int | None, ...] | None:  # type: ignore[misc]
        return None if self.dims is None else tuple(self.dims)

    def experimental_ref(self) -> Any:
        """A key for sets and dicts that is equal for the same tensor only."""
        return Reference(self)

    def __nonzero__(self) -> bool:
        return bool(self)
