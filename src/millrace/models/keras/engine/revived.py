"""Models of SavedModels whose layers cannot be made anew: the functions that were saved."""

from __future__ import annotations

from typing import Any

from millrace.models.keras.engine.model import Model
from millrace.models.keras.saving import folders

_RENEWED = ("optimizer", "keras_api", "signatures", "__call__")  # not what is saved again


class RevivedModel(Model):
    """A model that calls a function of a SavedModel.

    Args:
      restored: what `tf.saved_model.load_v2` gave.
      name: the model's name.
    """

    _restored: Any
    _function_of_inputs: Any

    def __init__(self, restored: Any, name: str) -> None:
        super().__init__(name=name)
        object.__setattr__(self, "_restored", restored)
        object.__setattr__(self, "_function_of_inputs", folders.call_of(restored))
        for variable in folders.variables_of(restored):
            kept = self._trainable_weights if variable.trainable else self._non_trainable_weights
            kept.append(variable)

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """What the saved model gives for the inputs, not while training; without regard to masks."""
        return self._function_of_inputs(inputs)

    def _trackable_children(self) -> list[tuple[str, Any]]:
        held = self._restored._trackable_children()
        return [*super()._trackable_children(), *[(n, v) for n, v in held if n not in _RENEWED]]
