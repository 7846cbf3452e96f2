"""Upward references: one table of the places where an object's API asks for a module above it.

`Graph.as_graph_def`, `tf.Variable(...)` or the adjoint of a linear operator belong to their objects by
TensorFlow's API, while the modules that do the work build on these objects. Everything else imports downward.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PLACES = {
    "paths": "millrace.hook.paths",
    "graph": "millrace.graph.graph",
    "savepoints": "millrace.graph.savepoints",
    "operators": "millrace.building.operators",
    "foreign_types": "millrace.exchange.foreign_types",
    "graphdef": "millrace.exchange.graphdef",
    "other_types": "millrace.exchange.other_types",
    "picture": "millrace.drawing.picture",
    "cards": "millrace.drawing.cards",
    "gradients": "millrace.autodiff.gradients",
    "variable_creation": "millrace.lib.variables.creation",
    "assigning": "millrace.lib.variables.assigning",
    "composed_operators": "millrace.lib.linear_operators.composed",
    "operator_products": "millrace.lib.linear_operators.products",
    "triangular_operators": "millrace.lib.linear_operators.diagonal",
    "revived_models": "millrace.models.keras.engine.revived",
    "specs": "millrace.datasets.composite_specs",
    "ragged_conversion": "millrace.lib.ragged.conversion",
    "ragged_getitem": "millrace.lib.ragged.getitem",
    "ragged_dispatch": "millrace.lib.ragged.dispatching",
    "autograph": "millrace.lib.autograph.operators",
    "dataset": "millrace.datasets.dataset",
    "dataset_transformations": "millrace.datasets.experimental",
    "dumping": "millrace.training.debugging.dumping",
    "queue_runners": "millrace.training.coordination.queue_runner",
}


def module(name: str) -> Any:
    """The module that the table has under `name`, imported when it is first asked for."""
    return import_module(PLACES[name])
