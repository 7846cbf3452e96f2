"""Variables as `VariableDef` messages, and what a saver must know of a slice of a larger variable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from millrace.core import protos
from millrace.graph.defaults import get_default_graph
from millrace.lib.variables.creation import VariableAggregation, VariableSynchronization

if TYPE_CHECKING:
    from millrace.lib.variables.variable import Variable


class SaveSliceInfo:
    """Where a variable lies in the larger one that it is a slice of.

    Attributes:
      full_name: the larger variable's name.
      full_shape: its shape.
      var_offset: where the slice begins, for each dimension.
      var_shape: the slice's shape.
    """

    def __init__(
        self,
        full_name: str | None = None,
        full_shape: Any = None,
        var_offset: Any = None,
        var_shape: Any = None,
        save_slice_info_def: Any = None,
        import_scope: str | None = None,
    ) -> None:
        if save_slice_info_def is not None:
            self.full_name: str | None = _inside(save_slice_info_def.full_name, import_scope)
            self.full_shape: Any = list(save_slice_info_def.full_shape)
            self.var_offset: Any = list(save_slice_info_def.var_offset)
            self.var_shape: Any = list(save_slice_info_def.var_shape)
        else:
            self.full_name, self.full_shape = full_name, full_shape
            self.var_offset, self.var_shape = var_offset, var_shape

    @property
    def spec(self) -> str:
        """The slice as checkpoints spell it: the whole shape, then `begin,size` pairs: `4 2 0,2:0,2`."""
        whole = "".join(f"{d} " for d in self.full_shape)
        return whole + ":".join(f"{o},{s}" for o, s in zip(self.var_offset, self.var_shape, strict=True))

    def to_proto(self, export_scope: str | None = None) -> Any:
        """The message; None when the larger variable lies outside of `export_scope`."""
        if not _is_inside(self.full_name or "", export_scope):
            return None
        return protos.SaveSliceInfoDef(
            full_name=_outside(self.full_name or "", export_scope),
            full_shape=self.full_shape,
            var_offset=self.var_offset,
            var_shape=self.var_shape,
        )


def _inside(name: str, scope: str | None) -> str:
    """`name` under the scope it is imported into."""
    return f"{scope.rstrip('/')}/{name}" if scope and name else name


def _is_inside(name: str, scope: str | None) -> bool:
    return not scope or name.startswith(scope.rstrip("/") + "/")


def _outside(name: str, scope: str | None) -> str:
    """`name` without the scope it is exported from."""
    return name[len(scope.rstrip("/")) + 1 :] if scope and _is_inside(name, scope) else name


def to_definition(variable: Variable, export_scope: str | None) -> Any:
    """The `VariableDef` of a variable; None when it lies outside of `export_scope`."""
    if not _is_inside(variable.name, export_scope):
        return None
    initial = variable.initial_value
    message = protos.VariableDef(
        variable_name=_outside(variable.name, export_scope),
        initial_value_name="" if initial is None else _outside(initial.name, export_scope),
        initializer_name=_outside(variable.initializer.name, export_scope),
        snapshot_name=_outside(variable._snapshot.name, export_scope),
        is_resource=variable._is_resource,
        trainable=variable.trainable,
        synchronization=variable.synchronization.value,
        aggregation=variable.aggregation.value,
    )
    slice_info = variable._get_save_slice_info()
    if slice_info is not None:
        message.save_slice_info_def.MergeFrom(slice_info.to_proto(export_scope))
    return message


def from_definition(variable: Variable, message: Any, import_scope: str | None) -> None:
    """Fills in a variable whose operations are in the default graph already.

    Raises:
      KeyError: the graph lacks one of them.
    """
    graph = get_default_graph()

    def element(name: str) -> Any:
        return graph.as_graph_element(_inside(name, import_scope))

    variable._target = element(message.variable_name)
    variable._initializer = element(message.initializer_name)
    if message.initial_value_name:
        variable._initial = variable._first = element(message.initial_value_name)
    variable._snapshot = element(message.snapshot_name)
    variable._trainable = message.trainable
    variable._synchronization = VariableSynchronization(message.synchronization)
    variable._aggregation = VariableAggregation(message.aggregation)
    if message.HasField("save_slice_info_def"):
        variable._save_slice_info = SaveSliceInfo(
            save_slice_info_def=message.save_slice_info_def, import_scope=import_scope
        )
