"""`tf.contrib.tensor_forest`: hooks that end the training of a forest."""

from __future__ import annotations

from typing import Any

from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.lib.platform import log as logging
from millrace.training.global_step import get_global_step
from millrace.training.hooks.base import SessionRunArgs, SessionRunHook


@public(
    "contrib.tensor_forest.random_forest.TensorForestRunOpAtEndHook",
    "contrib.tensor_forest.client.random_forest.TensorForestRunOpAtEndHook",
)
class TensorForestRunOpAtEndHook(SessionRunHook):
    """Runs operations when training ends, and logs what they give.

    Args:
      op_dict: tensors or operations by name.
    """

    def __init__(self, op_dict: dict[str, Any]) -> None:
        self._ops = op_dict

    def end(self, session: Any) -> None:
        """Runs them, in the order of their names."""
        for name in sorted(self._ops):
            logging.info("%s: %s", name, session.run(self._ops[name]))


@public(
    "contrib.tensor_forest.random_forest.TensorForestLossHook",
    "contrib.tensor_forest.client.random_forest.TensorForestLossHook",
)
class TensorForestLossHook(SessionRunHook):
    """Stops training when the loss has not become better for some steps.

    Args:
      early_stopping_rounds: for how many steps; at least one.
      early_stopping_loss_threshold: by which share of itself a loss must fall to be better.
      loss_op: the loss; default, what the graph has as "rf_training_loss".
    """

    def __init__(
        self,
        early_stopping_rounds: int,
        early_stopping_loss_threshold: float | None = None,
        loss_op: Any = None,
    ) -> None:
        self.early_stopping_rounds = early_stopping_rounds
        self.early_stopping_loss_threshold = early_stopping_loss_threshold
        self.loss_op = loss_op
        self.min_loss: float | None = None
        self.last_step, self.steps = -1, 0

    def before_run(self, run_context: Any) -> Any:
        """Asks for the step and the loss."""
        loss = self.loss_op
        if loss is None:
            loss = get_default_graph().get_operation_by_name("rf_training_loss").outputs[0]
        return SessionRunArgs({"global_step": get_global_step(), "current_loss": loss})

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Stops training where it is time."""
        loss, step = run_values.results["current_loss"], run_values.results["global_step"]
        self.steps += 1
        if self.last_step == -1 or self.last_step > step:
            logging.info("TensorForestLossHook resetting last_step.")
            self.last_step, self.steps, self.min_loss = step, 0, None
            return
        share = self.early_stopping_loss_threshold or 0.0
        if self.min_loss is None or loss < self.min_loss - self.min_loss * share:
            self.min_loss, self.steps = loss, 0
        if self.steps > self.early_stopping_rounds:
            logging.info("TensorForestLossHook requesting stop.")
            run_context.request_stop()
