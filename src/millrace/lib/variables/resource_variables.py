"""Variables whose values are named by handles (`tf.Variable(use_resource=True)`)."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, raw
from millrace.building.scopes import colocate_with, control_dependencies, device, name_scope
from millrace.core import dtypes, shapes
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.lib.variables.variable import Variable


@public(
    "python.ops.resource_variable_ops.ResourceVariable",
    "python.ops.resource_variable_ops.BaseResourceVariable",
)
class ResourceVariable(Variable):
    """A variable whose value is named by a handle (`VarHandleOp`)."""

    _is_resource = True

    def _given_value(self, initial_value: Any, dtype: dtypes.DType | None) -> Tensor:
        with name_scope("Initializer"), device(None):
            return convert.to_tensor(initial_value, dtype, "initial_value")

    def _make(self, scope: str, dims: shapes.Dims, dtype: dtypes.DType) -> None:
        name = get_default_graph().get_name_scope()
        self._target = raw.VarHandleOp(shape=dims, dtype=dtype, shared_name=name, name=scope)
        with name_scope("IsInitialized"):
            self._initialized = raw.VarIsInitializedOp(self._target)

    def _add_initializer(self, value: Tensor, validate_shape: bool) -> None:
        with name_scope("Assign") as scope, colocate_with(None, True), device(self._target.device or None):
            self._initializer = raw.AssignVariableOp(self._target, value, name=scope)

    def _add_read(self, caching_device: Any) -> None:
        with name_scope("Read"), colocate_with(None, True), device(self._target.device or None):
            self._snapshot = self._read()
            if caching_device is not None:
                with device(caching_device):
                    self._cached = raw.Identity(self._snapshot)

    def _read(self) -> Tensor:
        value = raw.ReadVariableOp(self._target, dtype=self._kept_dtype)
        if value.dims is None:  # inside of a function, where an argument stands for the handle
            value.dims = self._target.op.attrs["shape"]
        return value

    @property
    def handle(self) -> Tensor:
        """The handle that names the value."""
        return self._target

    @property
    def _handle(self) -> Tensor:
        return self._target

    @property
    def _graph_element(self) -> Tensor:
        return self._snapshot

    @property
    def create(self) -> Operation:
        """The operation that sets the initial value."""
        return self._initializer

    @property
    def dtype(self) -> dtypes.DType:
        """The element type."""
        return self._kept_dtype

    @property
    def _kept_dtype(self) -> dtypes.DType:
        return self._target.op.attrs["dtype"]

    @property
    def shape(self) -> shapes.TensorShape:
        """The static shape."""
        return shapes.shape_of(self._target.op.attrs["shape"])

    def set_shape(self, shape: Any) -> None:
        """Adds what the caller knows about the static shape.

        Raises:
          ValueError: `shape` contradicts what is known already.
        """
        attrs = self._target.op.attrs
        attrs["shape"] = shapes.merge(attrs["shape"], shapes.as_dims(shape))
        self._snapshot.set_shape(shape)

    def value(self) -> Tensor:
        """The value; a new read each time."""
        if self._cached is not None:
            return self._cached
        with colocate_with(None, True), device(self._target.device or None):
            return self._read()

    def read_value(self) -> Tensor:
        """The value, read anew: it sees the writes that happen before it along edges."""
        with name_scope("Read"):
            value = self._read()
        return raw.Identity(value)

    def sparse_read(self, indices: Any, name: str | None = None) -> Tensor:
        """The rows that `indices` names."""
        with name_scope(name or "Gather") as scope:
            rows = raw.ResourceGather(self._target, indices, dtype=self._kept_dtype, name=scope)
        return raw.Identity(rows)

    def gather_nd(self, indices: Any, name: str | None = None) -> Tensor:
        """The slices that the rows of `indices` name."""
        with name_scope(name or "GatherNd") as scope:
            slices = raw.ResourceGatherNd(self._target, indices, dtype=self._kept_dtype, name=scope)
        return raw.Identity(slices)

    def is_initialized(self, name: str | None = None) -> Tensor:
        """Whether the variable has a value, a bool scalar."""
        return raw.VarIsInitializedOp(self._target, name=name)

    _is_initialized = is_initialized

    def _after(self, write: Operation, read_value: bool = True) -> Any:
        return WrittenVariable(self, write) if read_value else write

    def _write(self, kind: str, value: Any, use_locking: bool, name: str | None, read_value: bool) -> Any:
        value = convert.to_tensor(value, self._kept_dtype)
        dims = self.shape.dims_tuple
        if not shapes.compatible(dims, value.dims):
            raise ValueError(
                f"{kind} to variable '{self.name}': the value must have the variable's shape "
                f"{shapes.format_dims(dims)}. Received: {value}"
            )
        return self._after(getattr(raw, f"{kind}VariableOp")(self._target, value, name=name), read_value)

    def _scatter(self, kind: str, indices: Any, updates: Any, use_locking: bool, name: str | None) -> Any:
        updates = convert.to_tensor(updates, self._kept_dtype)
        return self._after(getattr(raw, f"ResourceScatter{kind}")(self._target, indices, updates, name=name))

    def _strided_slice_assign(
        self, begin: Any, end: Any, strides: Any, value: Any, name: str | None = None, **masks: int
    ) -> Any:
        value = convert.to_tensor(value, self._kept_dtype)
        write = raw.ResourceStridedSliceAssign(self._target, begin, end, strides, value, name=name, **masks)
        return self._after(write)

    def _as_graph_element(self) -> Tensor:
        return self._target

    def _as_feed(self) -> Tensor:
        return self._snapshot

    def _ref(self) -> Tensor:
        raise TypeError(f"Variable '{self.name}' is named by a handle and has no reference")


class WrittenVariable(ResourceVariable):
    """A resource variable right after a write, which reading it sees: what its writes give."""

    def __init__(self, variable: ResourceVariable, write: Operation) -> None:
        vars(self).update(vars(variable))
        self._write_op = write
        self._read_after: Tensor = self._read()  # at once, as in TensorFlow: the graph may be finalized later

    def _read(self) -> Tensor:
        with control_dependencies([self._write_op]):
            return super()._read()

    def value(self) -> Tensor:
        """The value after the write."""
        return self._read()

    def read_value(self) -> Tensor:
        """The value after the write."""
        return self._read()

    def _write(self, *arguments: Any) -> Any:
        with control_dependencies([self._write_op]):
            return super()._write(*arguments)

    def _scatter(self, *arguments: Any) -> Any:
        with control_dependencies([self._write_op]):
            return super()._scatter(*arguments)

    def _strided_slice_assign(self, *arguments: Any, **masks: Any) -> Any:
        with control_dependencies([self._write_op]):
            return super()._strided_slice_assign(*arguments, **masks)

    @property
    def name(self) -> str:
        """The name of the write."""
        return self._write_op.name

    @property
    def op(self) -> Operation:
        """The write."""
        return self._write_op

    def _as_graph_element(self) -> Tensor:
        return self._read_after

    _as_feed = _as_graph_element


@public("python.ops.resource_variable_ops.is_resource_variable")
def is_resource_variable(var: Any) -> bool:
    """Whether `var` is a variable whose value is named by a handle."""
    return isinstance(var, ResourceVariable)


@public("python.ops.resource_variable_ops._to_proto_fn")
def to_proto_of(v: Any, export_scope: str | None = None) -> Any:
    """A variable as a VariableDef, without the scope that is exported."""
    return v.to_proto(export_scope=export_scope)


@public("python.ops.resource_variable_ops._from_proto_fn")
def from_proto_of(v: Any, import_scope: str | None = None) -> Variable:
    """The variable of the default graph that a VariableDef describes."""
    return Variable.from_proto(v, import_scope=import_scope)
