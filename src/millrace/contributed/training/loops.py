"""`tf.contrib.training.train` and its evaluations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from millrace.core.public import public
from millrace.lib.summary.operations import merge_all
from millrace.saver.checkpoint.state import checkpoints_iterator
from millrace.summaries.file_writer import FileWriterCache
from millrace.training.evaluating import counted_evaluations, evaluated
from millrace.training.global_step import get_or_create_global_step
from millrace.training.global_step import global_step as step_value
from millrace.training.hooks.base import SessionRunHook
from millrace.training.hooks.stopping import FinalOpsHook
from millrace.training.sessions.monitored import MonitoredTrainingSession


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
        evaluated(path, master, scaffold, counted, feed_dict, [*all_hooks, final], config, once=False)
        if max_number_of_evaluations is not None and count >= max_number_of_evaluations:
            break
    return final.final_ops_values
