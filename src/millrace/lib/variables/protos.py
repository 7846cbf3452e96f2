"""Variables as `VariableDef` messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from millrace.core import protos
from millrace.core.scoped_names import in_scope, is_in_scope, out_of_scope
from millrace.graph.defaults import get_default_graph
from millrace.lib.variables.kinds import VariableAggregation, VariableSynchronization
from millrace.lib.variables.slices import SaveSliceInfo

if TYPE_CHECKING:
    from millrace.lib.variables.variable import Variable


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
