"""An estimator's training: a model's step, run until a hook or the end of the input ends it."""

from __future__ import annotations

import contextlib
from typing import Any

from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.lib.platform import log
from millrace.lib.summary.operations import scalar
from millrace.saver.checkpoint.reader import load_variable
from millrace.saver.checkpoint.state import latest_checkpoint
from millrace.saver.saver import Saver
from millrace.training.hooks.progress import ProgressHook, shows_progress
from millrace.training.hooks.saving import CheckpointSaverHook
from millrace.training.hooks.watching import LoggingTensorHook, NanTensorHook
from millrace.training.sessions.monitored import MonitoredTrainingSession


def step_of(model_dir: Any) -> int:
    """The global step in the newest checkpoint of a folder; 0 where there is none."""
    path = latest_checkpoint(model_dir)
    return int(load_variable(path, GraphKeys.GLOBAL_STEP)) if path else 0


def run_training(
    spec: Any, hooks: list[Any], global_step: Any, listeners: list[Any], config: Any, session_config: Any
) -> Any:
    """Runs a model's training in the default graph.

    Args:
      spec: of a training.
      hooks: of the call and of its input.
      global_step: the step.
      listeners: told when checkpoints are saved.
      config: the estimator's `RunConfig`.
      session_config: a `ConfigProto`.

    Returns:
      The last loss; None where no step was made.

    Raises:
      ValueError: there are listeners, and nothing saves.
    """
    graph = get_default_graph()
    if not any(t.op.name == "loss" for t in graph.get_collection(GraphKeys.SUMMARIES)):
        scalar("loss", spec.loss)
    graph.add_to_collection(GraphKeys.LOSSES, spec.loss)
    all_hooks = [*hooks, NanTensorHook(spec.loss)]
    if config.log_step_count_steps is not None:
        shown = {"loss": spec.loss, "step": global_step}
        all_hooks.append(LoggingTensorHook(shown, every_n_iter=config.log_step_count_steps))
    all_hooks.extend(spec.training_hooks)
    with contextlib.ExitStack() as shown_while_training:
        if shows_progress():
            progress = ProgressHook(spec.loss, global_step, all_hooks)
            shown_while_training.callback(progress.close)
            all_hooks.append(progress)
        return _run_steps(spec, all_hooks, listeners, config, session_config)


def _run_steps(spec: Any, hooks: list[Any], listeners: list[Any], config: Any, session_config: Any) -> Any:
    graph = get_default_graph()
    if not (spec.scaffold.saver or graph.get_collection(GraphKeys.SAVERS)):
        saver = Saver(
            sharded=True,
            max_to_keep=config.keep_checkpoint_max,
            keep_checkpoint_every_n_hours=config.keep_checkpoint_every_n_hours,
            defer_build=True,
            save_relative_paths=True,
        )
        graph.add_to_collection(GraphKeys.SAVERS, saver)
    savers = _saver_hooks(spec, hooks, listeners, config)
    loss = None
    with MonitoredTrainingSession(
        master=config.master,
        is_chief=config.is_chief,
        checkpoint_dir=config.model_dir,
        scaffold=spec.scaffold,
        hooks=hooks,
        chief_only_hooks=[*savers, *spec.training_chief_hooks],
        save_checkpoint_secs=0,
        save_summaries_steps=config.save_summary_steps,
        config=session_config,
        max_wait_secs=config.session_creation_timeout_secs,
        log_step_count_steps=config.log_step_count_steps,
    ) as session:
        while not session.should_stop():
            _, loss = session.run([spec.train_op, spec.loss])
    if loss is None:
        log.warning("Training with estimator made no steps. Perhaps input is empty or misspecified.")
    return loss


def _saver_hooks(spec: Any, hooks: list[Any], listeners: list[Any], config: Any) -> list[Any]:
    """The hook that saves as the configuration says, where no other does; listeners join those that save."""
    made = []
    present = [h for h in (*hooks, *spec.training_chief_hooks) if isinstance(h, CheckpointSaverHook)]
    if (config.save_checkpoints_secs or config.save_checkpoints_steps) and not present:
        made.append(
            CheckpointSaverHook(
                config.model_dir,
                save_secs=config.save_checkpoints_secs,
                save_steps=config.save_checkpoints_steps,
                scaffold=spec.scaffold,
            )
        )
        present = made
    if listeners:
        if not present:
            raise ValueError(
                "There should be a CheckpointSaverHook to use saving_listeners. Please set one of the "
                "RunConfig.save_checkpoints_steps or RunConfig.save_checkpoints_secs. "
                f"Received: {listeners}"
            )
        present[0]._listeners.extend(listeners)
    return made
