"""Variables as `VariableDef` messages, and what a saver must know of a slice of a larger variable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from millrace.core import protos
from millrace.core.collection_protos import register_proto_function
from millrace.core.scoped_names import in_scope, is_in_scope, out_of_scope
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.lib.variable_creation import VariableAggregation, VariableSynchronization

if TYPE_CHECKING:
    from millrace.lib.variables import Variable


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
            self.full_name: str | None = in_scope(save_slice_info_def.full_name, import_scope)
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
        if not is_in_scope(self.full_name or "", export_scope):
            return None
        return protos.SaveSliceInfoDef(
            full_name=out_of_scope(self.full_name or "", export_scope),
            full_shape=self.full_shape,
            var_offset=self.var_offset,
            var_shape=self.var_shape,
        )


def to_definition(variable: Variable, export_scope: str | None) -> Any:
    """The `VariableDef` of a variable; None when it lies outside of `export_scope`."""
    if not is_in_scope(variable.name, export_scope):
        return None
    initial = variable.initial_value
    message = protos.VariableDef(
        variable_name=out_of_scope(variable.name, export_scope),
        initial_value_name="" if initial is None else out_of_scope(initial.name, export_scope),
        initializer_name=out_of_scope(variable.initializer.name, export_scope),
        snapshot_name=out_of_scope(variable._snapshot.name, export_scope),
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
        return graph.as_graph_element(in_scope(name, import_scope))

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


def _to_proto(variable: Any, export_scope: str | None = None) -> Any:
    return variable.to_proto(export_scope=export_scope)


def _from_proto(message: Any, import_scope: str | None = None) -> Any:
    from millrace.lib.variables import Variable

    return Variable.from_proto(message, import_scope=import_scope)


for _collection in GraphKeys._VARIABLE_COLLECTIONS:
    register_proto_function(_collection, "VariableDef", _to_proto, _from_proto)
