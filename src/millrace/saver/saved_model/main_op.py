"""What a SavedModel runs after it is loaded: `tf.saved_model.main_op`."""

from __future__ import annotations

from typing import Any

from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.operation import Operation
from millrace.lib.flow.control_flow import group
from millrace.lib.lookup.tables import tables_initializer
from millrace.lib.variables.sets import global_variables_initializer, local_variables_initializer


@public("saved_model.main_op.main_op")
def main_op() -> Operation:
    """An operation that initialises all variables and tables of the default graph."""
    return group(global_variables_initializer(), local_variables_initializer(), tables_initializer())


@public("saved_model.main_op_with_restore", "saved_model.main_op.main_op_with_restore")
def main_op_with_restore(restore_op_name: Any) -> Operation:
    """An operation that initialises everything and then runs another.

    Args:
      restore_op_name: the operation that restores variables.
    """
    with get_default_graph().control_dependencies([main_op()]):
        return group(restore_op_name)
