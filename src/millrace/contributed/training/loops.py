"""`tf.contrib.training.train` and its evaluations."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.lib.platform import log
from millrace.lib.summary.operations import merge_all
from millrace.lib.variables import initializers
from millrace.lib.variables.scope import get_variable
from millrace.saver.checkpoint.state import checkpoints_iterator
from millrace.summaries.file_writer import FileWriterCache
from millrace.training.global_step import get_or_create_global_step
from millrace.training.global_step import global_step as step_value
from millrace.training.hooks.base import SessionRunArgs, SessionRunHook
from millrace.training.hooks.stopping import FinalOpsHook
from millrace.training.sessions.monitored import MonitoredSession, MonitoredTrainingSession
from millrace.training.sessions.scaffold import ChiefSessionCreator


@public("contrib.training.train")
def train(
    train_op: Any,
    logdir: Any,
    master: str = "",
    is_chief: bool = True,
    scaffold: Any = None,
    hooks: Sequence[SessionRunHook] | None = None,
    chief_only_hooks: Sequence[SessionRunHook] | None = None,
    save_checkpoint_secs: Any = 600,
    save_summaries_steps: Any = 100,
    config: Any = None,
    max_wait_secs: float = 7200,
    run_metadata: Any = None,
) -> Any:
    """Runs `train_op` until a hook wants to stop; returns its last value.

    Args:
      train_op: gives the loss, as `create_train_op` makes it.
      logdir: where to restore from and save to.
      run_metadata: a `RunMetadata` to fill by each run.
      master, is_chief, scaffold, hooks, chief_only_hooks, save_checkpoint_secs, save_summaries_steps, config,
        max_wait_secs: as for `tf.train.MonitoredTrainingSession`.

    Raises:
      ValueError: `logdir` is None, but something is to be saved.
    """
    if logdir is None and is_chief:
        if save_summaries_steps:
            raise ValueError("logdir cannot be None when save_summaries_steps is not None")
        if save_checkpoint_secs:
            raise ValueError("logdir cannot be None when save_checkpoint_secs is not None")
    with MonitoredTrainingSession(
        master=master,
        is_chief=is_chief,
        checkpoint_dir=logdir,
        scaffold=scaffold,
        hooks=hooks,
        chief_only_hooks=chief_only_hooks,
        save_checkpoint_secs=save_checkpoint_secs,
        save_summaries_steps=save_summaries_steps,
        config=config,
        max_wait_secs=max_wait_secs,
    ) as session:
        loss = None
        while not session.should_stop():
            loss = session.run(train_op, run_metadata=run_metadata)
    return loss


@public("contrib.training.get_or_create_eval_step")
def get_or_create_eval_step() -> Any:
    """The variable that counts evaluations, made where there is none.

    Raises:
      ValueError: the graph has several.
    """
    graph = get_default_graph()
    found = graph.get_collection(GraphKeys.EVAL_STEP)
    if len(found) > 1:
        raise ValueError("Multiple tensors added to tf.GraphKeys.EVAL_STEP")
    if found:
        return found[0]
    return get_variable(
        "eval_step",
        shape=[],
        dtype=dtypes.int64,
        initializer=initializers.Zeros(),
        trainable=False,
        collections=[GraphKeys.LOCAL_VARIABLES, GraphKeys.EVAL_STEP],
    )


@public("contrib.training.StopAfterNEvalsHook")
class StopAfterNEvalsHook(SessionRunHook):
    """Asks for a stop after some evaluations.

    Args:
      num_evals: how many; None to go on to the end of the data.
      log_progress: log each of them.
    """

    def __init__(self, num_evals: int | None, log_progress: bool = True) -> None:
        self._num_evals = num_evals
        self._evals_completed: Any = None
        self._log_progress = log_progress

    def _set_evals_completed_tensor(self, updated_eval_step: Any) -> None:
        self._evals_completed = updated_eval_step

    def before_run(self, run_context: Any) -> SessionRunArgs:
        """Asks for the count."""
        return SessionRunArgs({"evals_completed": self._evals_completed})

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Looks whether that was the last."""
        done = run_values.results["evals_completed"]
        if self._log_progress:
            if self._num_evals is None:
                log.info("Evaluation [%d]", done)
            else:
                log.info("Evaluation [%d/%d]", done, self._num_evals)
        if self._num_evals is not None and done >= self._num_evals:
            run_context.request_stop()


@public("contrib.training.SummaryAtEndHook")
class SummaryAtEndHook(SessionRunHook):
    """Writes summaries when the session ends.

    Args:
      log_dir: the folder.
      summary_writer: what writes; default: the one of the folder.
      summary_op: default: all summaries merged.
      feed_dict: what to feed then.
    """

    def __init__(
        self, log_dir: Any = None, summary_writer: Any = None, summary_op: Any = None, feed_dict: Any = None
    ) -> None:
        self._summary_op = summary_op
        self._replace_summary_op = summary_op is None
        self._feed_dict = feed_dict
        self._summary_writer = summary_writer
        self._log_dir = log_dir
        if log_dir is None and summary_writer is None:
            raise ValueError("SummaryAtEndHook: log_dir or summary_writer must be given.")

    def begin(self) -> None:
        """Merges the summaries."""
        if self._replace_summary_op:
            self._summary_op = merge_all()
        self._global_step = get_or_create_global_step()

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Opens the folder."""
        if self._summary_writer is None and self._log_dir:
            self._summary_writer = FileWriterCache.get(self._log_dir)

    def end(self, session: Any) -> None:
        """Writes."""
        if self._summary_op is not None:
            step = step_value(session, self._global_step)
            self._summary_writer.add_summary(session.run(self._summary_op, self._feed_dict), step)
        if self._summary_writer is not None:
            self._summary_writer.flush()


def counted_evaluations(eval_ops: Any, hooks: list[SessionRunHook]) -> Any:
    """`eval_ops` with the count of evaluations, which the hooks are told."""
    step = get_or_create_eval_step()
    if eval_ops is None:
        return None
    update = step.assign_add(1, use_locking=True)
    for hook in hooks:
        if hasattr(hook, "_set_evals_completed_tensor"):
            hook._set_evals_completed_tensor(update)  # pyright: ignore[reportAttributeAccessIssue]
    if isinstance(eval_ops, dict):
        return {**eval_ops, "update_eval_step": update}
    return [*eval_ops, update] if isinstance(eval_ops, list | tuple) else [eval_ops, update]


def _evaluated(
    checkpoint: Any,
    master: str,
    scaffold: Any,
    eval_ops: Any,
    feed_dict: Any,
    hooks: list[SessionRunHook],
    config: Any,
) -> None:
    creator = ChiefSessionCreator(scaffold, master, config, checkpoint_filename_with_path=checkpoint)
    log.info("Starting evaluation at %s", time.strftime("%Y-%m-%dT%H:%M:%S%z"))
    with MonitoredSession(creator, hooks) as session:
        while eval_ops is not None and not session.should_stop():
            session.run(eval_ops, feed_dict)
    log.info("Finished evaluation at %s", time.strftime("%Y-%m-%d-%H:%M:%S"))


@public("contrib.training.evaluate_once")
def evaluate_once(
    checkpoint_path: Any,
    master: str = "",
    scaffold: Any = None,
    eval_ops: Any = None,
    feed_dict: Any = None,
    final_ops: Any = None,
    final_ops_feed_dict: Any = None,
    hooks: Sequence[SessionRunHook] | None = None,
    config: Any = None,
) -> Any:
    """Evaluates a checkpoint; returns the values of `final_ops`.

    Args:
      checkpoint_path: the checkpoint; None to initialize.
      master: the session's target.
      scaffold: a `Scaffold`.
      eval_ops: run until a hook wants to stop or the data ends.
      feed_dict: fed to these runs.
      final_ops: fetched at the end.
      final_ops_feed_dict: fed then.
      hooks: `SessionRunHook`s, a `StopAfterNEvalsHook` among them.
      config: a `ConfigProto`.
    """
    all_hooks = list(hooks or ())
    counted = counted_evaluations(eval_ops, all_hooks)
    final = FinalOpsHook(final_ops, final_ops_feed_dict)
    _evaluated(checkpoint_path, master, scaffold, counted, feed_dict, [*all_hooks, final], config)
    return final.final_ops_values


@public("contrib.training.evaluate_repeatedly")
def evaluate_repeatedly(
    checkpoint_dir: Any,
    master: str = "",
    scaffold: Any = None,
    eval_ops: Any = None,
    feed_dict: Any = None,
    final_ops: Any = None,
    final_ops_feed_dict: Any = None,
    eval_interval_secs: float = 60,
    hooks: Sequence[SessionRunHook] | None = None,
    config: Any = None,
    max_number_of_evaluations: int | None = None,
    timeout: float | None = None,
    timeout_fn: Any = None,
) -> Any:
    """Evaluates each new checkpoint of a folder; returns the last values of `final_ops`.

    Args:
      checkpoint_dir: the folder.
      eval_interval_secs: seconds from one evaluation to the next, at least.
      max_number_of_evaluations: how many checkpoints to evaluate; None for any number.
      timeout: how long to wait for a checkpoint; None for ever.
      timeout_fn: called after that; True means there will be no more.
      master, scaffold, eval_ops, feed_dict, final_ops, final_ops_feed_dict, hooks, config: as for
        `evaluate_once`.
    """
    all_hooks = list(hooks or ())
    counted = counted_evaluations(eval_ops, all_hooks)
    final = FinalOpsHook(final_ops, final_ops_feed_dict)
    paths = checkpoints_iterator(
        checkpoint_dir, min_interval_secs=eval_interval_secs, timeout=timeout, timeout_fn=timeout_fn
    )
    for count, path in enumerate(paths, 1):
        _evaluated(path, master, scaffold, counted, feed_dict, [*all_hooks, final], config)
        if max_number_of_evaluations is not None and count >= max_number_of_evaluations:
            break
    return final.final_ops_values
