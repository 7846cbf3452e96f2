"""The hook of training by dual coordinate ascent."""

from __future__ import annotations

from typing import Any

from millrace.ops.array.constant import no_op
from millrace.training.dual_ascent.model import SdcaModel
from millrace.training.hooks.base import SessionRunHook


class UpdateWeights(SessionRunHook):
    """After each step, gives the model the shrunk weights."""

    def __init__(self, model: SdcaModel) -> None:
        self._model, self._op = model, None

    def begin(self) -> None:
        """Adds the operation."""
        self._op = self._model.update_weights(no_op())

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Runs it."""
        run_context.session.run(self._op)
