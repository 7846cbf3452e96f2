"""`train_and_evaluate`: training with an evaluation after every checkpoint."""

from __future__ import annotations

import os
import time
from typing import Any

from millrace.core.public import public
from millrace.lib.platform import log
from millrace.models.estimator.estimator import Estimator
from millrace.models.estimator.train_specs import EvalSpec, TrainSpec
from millrace.training.hooks.saving import CheckpointSaverListener


class _Evaluator:
    """Evaluates and exports, and keeps the results of the last time.

    Args:
      estimator: what is evaluated.
      eval_spec: on what.
      max_steps: the step at which training is over.
    """

    def __init__(self, estimator: Any, eval_spec: EvalSpec, max_steps: int | None) -> None:
        self._estimator, self._spec, self._max_steps = estimator, eval_spec, max_steps
        self._seen: Any = None
        self.metrics: Any = None
        self.exports: Any = None

    def evaluate(self, final: bool = False) -> None:
        """Evaluates the newest checkpoint, where it is a new one, and exports."""
        path = self._estimator.latest_checkpoint()
        if not path:
            log.warning("Estimator is not trained yet. Will start an evaluation when a checkpoint is ready.")
            return
        if path == self._seen:
            return
        self._seen = path
        spec = self._spec
        self.metrics = self._estimator.evaluate(
            input_fn=spec.input_fn, steps=spec.steps, name=spec.name, checkpoint_path=path, hooks=spec.hooks
        )
        done = self._max_steps is not None and self.metrics["global_step"] >= self._max_steps
        self.exports = [
            exporter.export(
                estimator=self._estimator,
                export_path=os.path.join(self._estimator.model_dir, "export", exporter.name),
                checkpoint_path=path,
                eval_result=self.metrics,
                is_the_final_export=final or done,
            )
            for exporter in spec.exporters
        ]


class _EvaluatingListener(CheckpointSaverListener):
    """Evaluates after a checkpoint is saved, not too often, and always at the end.

    Args:
      evaluator: what evaluates.
      throttle_secs: the least time between evaluations.
    """

    def __init__(self, evaluator: _Evaluator, throttle_secs: float) -> None:
        self._evaluator, self._throttle = evaluator, throttle_secs
        self._last: float | None = None
        self._first = True

    def begin(self) -> None:
        """Begins to count the time."""
        self._last, self._first = None, True

    def after_save(self, session: Any, global_step_value: Any) -> None:
        """Evaluates, when it is time; never the checkpoint that training began with."""
        del session, global_step_value
        if self._first:
            self._first = False
            return
        now = time.time()
        if self._last is not None and now - self._last < self._throttle:
            log.info("Skip the current checkpoint eval due to throttle secs (%s secs).", self._throttle)
            return
        self._last = now
        self._evaluator.evaluate()

    def end(self, session: Any, global_step_value: Any) -> None:
        """Evaluates the last checkpoint."""
        del session, global_step_value
        self._evaluator.evaluate(final=True)


@public("estimator.train_and_evaluate")
def train_and_evaluate(estimator: Any, train_spec: TrainSpec, eval_spec: EvalSpec) -> Any:
    """Trains, evaluates after every checkpoint, and exports.

    Args:
      estimator: an `Estimator`.
      train_spec: a `TrainSpec`.
      eval_spec: an `EvalSpec`.

    Returns:
      The metrics of the last evaluation, and what the exporters gave.

    Raises:
      TypeError: an argument is of another type.
      ValueError: checkpoints are not saved.
    """
    if not isinstance(estimator, Estimator):
        raise TypeError(f"`estimator` must have type `tf.estimator.Estimator`, given {type(estimator)}")
    if not isinstance(train_spec, TrainSpec):
        raise TypeError(f"`train_spec` must have type `tf.estimator.TrainSpec`, given {type(train_spec)}")
    if not isinstance(eval_spec, EvalSpec):
        raise TypeError(f"`eval_spec` must have type `tf.estimator.EvalSpec` in 1.x, given {type(eval_spec)}")
    log.info("Not using Distribute Coordinator.")
    log.info("Running training and evaluation locally (non-distributed).")
    config = estimator.config
    log.info(
        "Start train and evaluate loop. The evaluate will happen after every checkpoint. Checkpoint "
        "frequency is determined based on RunConfig arguments: save_checkpoints_steps %s or "
        "save_checkpoints_secs %s.",
        config.save_checkpoints_steps,
        config.save_checkpoints_secs,
    )
    if not (config.save_checkpoints_steps or config.save_checkpoints_secs):
        raise ValueError(
            "train_and_evaluate needs checkpoints: save_checkpoints_steps or save_checkpoints_secs. "
            f"Received: {config.save_checkpoints_steps} and {config.save_checkpoints_secs}"
        )
    evaluator = _Evaluator(estimator, eval_spec, train_spec.max_steps)
    listener = _EvaluatingListener(evaluator, eval_spec.throttle_secs)
    estimator.train(
        input_fn=train_spec.input_fn,
        max_steps=train_spec.max_steps,
        hooks=train_spec.hooks,
        saving_listeners=[listener],
    )
    return evaluator.metrics, evaluator.exports
