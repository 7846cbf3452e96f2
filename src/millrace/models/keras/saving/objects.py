"""Weights in checkpoints of objects, which TensorFlow calls its own format."""

from __future__ import annotations

import os
from typing import Any

from millrace.lib.variables.variable import Variable
from millrace.models.keras.backend import session
from millrace.saver.checkpoint import state
from millrace.saver.object_checkpoint import Checkpoint, CheckpointLoadStatus, LoadStatus


class _Weights(Checkpoint):
    """The variables of a model as a checkpoint, without a count of the calls."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self._model = model

    def _trackable_children(self) -> list[tuple[str, Any]]:
        return self._model._trackable_children()

    def _assign(self, session_: Any, values: dict[Variable, Any]) -> None:
        session.batch_set_value(list(values.items()))


def write(model: Any, path: str) -> None:
    """Writes the weights, and those of the optimizer, and lists the checkpoint as the newest."""
    _Weights(model).write(path, session.get_session())
    state.write_state(os.path.dirname(path), path, [path], None, True)


def read(model: Any, path: str) -> LoadStatus:
    """Sets the variables that there are and the checkpoint has."""
    status = _Weights(model).restore(path) if not os.path.isfile(path + ".index") else None
    if status is None:
        status = CheckpointLoadStatus(_Weights(model), path)
    status.run_restore_ops(session.get_session())
    return status
