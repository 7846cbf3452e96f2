"""`tf.contrib.learn.graph_actions`: a graph is trained, or evaluated, up to its end."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from millrace.contributed.learn.monitors.adapter import RunHookAdapterForMonitors
from millrace.core import errors, protos
from millrace.core.public import public
from millrace.graph.graph import Graph
from millrace.lib.platform import log
from millrace.saver.checkpoint.reader import load_variable
from millrace.saver.checkpoint.state import latest_checkpoint
from millrace.saver.saver import Saver
from millrace.summaries.file_writer import FileWriterCache
from millrace.training.global_step import get_global_step
from millrace.training.hooks.base import SessionRunHook
from millrace.training.hooks.saving import CheckpointSaverHook, SummarySaverHook
from millrace.training.hooks.stopping import StopAtStepHook
from millrace.training.hooks.watching import LoggingTensorHook, NanTensorHook
from millrace.training.sessions.monitored import ChiefSessionCreator, MonitoredSession
from millrace.training.sessions.scaffold import Scaffold


def _checked(output_dir: Any, step: Any) -> Any:
    if not output_dir:
        raise ValueError(f"Output directory should be non-empty. Received: {output_dir!r}")
    found = get_global_step() if step is None else step
    if found is None:
        raise ValueError("No 'global_step' was found in the graph. Received: None")
    return found


def _step_of(folder: Any, step: Any) -> int:
    path = latest_checkpoint(folder)
    return 0 if not path else int(load_variable(path, step.op.name))


@public("contrib.learn.train", "contrib.learn.graph_actions.train")
def train(
    graph: Graph,
    output_dir: Any,
    train_op: Any,
    loss_op: Any,
    global_step_tensor: Any = None,
    init_op: Any = None,
    init_feed_dict: Any = None,
    init_fn: Callable[[Any], Any] | None = None,
    log_every_steps: int | None = 10,
    supervisor_is_chief: bool = True,
    supervisor_master: str = "",
    supervisor_save_model_secs: float | None = 600,
    keep_checkpoint_max: int = 5,
    supervisor_save_summaries_steps: int | None = 100,
    feed_fn: Callable[[], Any] | None = None,
    steps: int | None = None,
    fail_on_nan_loss: bool = True,
    monitors: Any = None,
    max_steps: int | None = None,
) -> Any:
    """Trains a graph, from the newest checkpoint on.

    Args:
      graph: where everything lies.
      output_dir: the folder of checkpoints and summaries.
      train_op: does one step.
      loss_op: a scalar.
      global_step_tensor: the count of steps; default: the graph's.
      init_op, init_feed_dict, init_fn: what happens without a checkpoint; default: variables begin with their
        initial values.
      log_every_steps: after how many steps the loss is logged; None for never.
      supervisor_is_chief: whether this process writes checkpoints and summaries.
      supervisor_master: the target of the session.
      supervisor_save_model_secs: seconds from one checkpoint to the next; None for none.
      keep_checkpoint_max: how many checkpoints are kept.
      supervisor_save_summaries_steps: after how many steps summaries are written; None for never.
      feed_fn: gives what is fed to each step.
      steps: how many more steps; None for no end.
      fail_on_nan_loss: whether a loss that is no number is an error; otherwise it ends the training.
      monitors: monitors and hooks.
      max_steps: up to which step in all; instead of `steps`.

    Returns:
      The last loss; None where no step was left.

    Raises:
      ValueError: arguments exclude each other, or there is no folder or no step.
      NanLossDuringTrainingError: the loss is no number.
    """
    if steps is not None and max_steps is not None:
        raise ValueError(f"Can not provide both steps and max_steps. Received: {steps} and {max_steps}")
    with graph.as_default():
        step = _checked(output_dir, global_step_tensor)
        if max_steps is not None and _step_of(output_dir, step) >= max_steps:
            log.info("Skipping training since max_steps has already saved.")
            return None
        hooks: list[Any] = [NanTensorHook(loss_op, fail_on_nan_loss)]
        if steps is not None or max_steps is not None:
            hooks.append(StopAtStepHook(steps, max_steps))
        if log_every_steps:
            hooks.append(LoggingTensorHook({"loss": loss_op, "step": step}, log_every_steps))
        given = list(monitors or ())
        hooks += [m for m in given if isinstance(m, SessionRunHook)]
        older = [m for m in given if not isinstance(m, SessionRunHook)]
        if older:
            hooks.append(RunHookAdapterForMonitors(older))
        scaffold = Scaffold(
            init_op=init_op,
            init_feed_dict=init_feed_dict,
            init_fn=None if init_fn is None else lambda _, session: init_fn(session),
            saver=Saver(sharded=True, max_to_keep=keep_checkpoint_max, defer_build=True),
        )
        if supervisor_is_chief and supervisor_save_model_secs:
            hooks.append(
                CheckpointSaverHook(output_dir, save_secs=supervisor_save_model_secs, scaffold=scaffold)
            )
        if supervisor_is_chief and supervisor_save_summaries_steps:
            hooks.append(
                SummarySaverHook(supervisor_save_summaries_steps, output_dir=output_dir, scaffold=scaffold)
            )
        creator = ChiefSessionCreator(scaffold, supervisor_master, None, output_dir)
        loss = None
        with MonitoredSession(creator, hooks) as session:
            while not session.should_stop():
                feed = None if feed_fn is None else feed_fn()
                _, loss = session.run([train_op, loss_op], feed)
        return loss


@public("contrib.learn.evaluate", "contrib.learn.graph_actions.evaluate")
def evaluate(
    graph: Graph,
    output_dir: Any,
    checkpoint_path: Any,
    eval_dict: dict[str, Any],
    update_op: Any = None,
    global_step_tensor: Any = None,
    supervisor_master: str = "",
    log_every_steps: int | None = 10,
    feed_fn: Callable[[], Any] | None = None,
    max_steps: int | None = None,
) -> tuple[dict[str, Any], Any]:
    """Evaluates a graph, and writes what it finds as a summary.

    Args:
      graph: where everything lies.
      output_dir: the folder of the summary.
      checkpoint_path: a checkpoint, or a folder of some; None for the initial values.
      eval_dict: tensors by name.
      update_op: takes one batch into the metrics.
      global_step_tensor: the count of steps; default: the graph's.
      supervisor_master: the target of the session.
      log_every_steps: after how many batches the count is logged; None for never.
      feed_fn: gives what is fed to each batch; StopIteration ends.
      max_steps: how many batches; None for all.

    Returns:
      The values of `eval_dict` after the last batch, and the step of the checkpoint.

    Raises:
      ValueError: there is no folder or no step.
    """
    with graph.as_default():
        step = _checked(output_dir, global_step_tensor)
        path = latest_checkpoint(checkpoint_path) or checkpoint_path if checkpoint_path else None
        creator = ChiefSessionCreator(Scaffold(), supervisor_master, None, None, path)
        reader = _LastValues({"values": eval_dict, "step": step})
        with MonitoredSession(creator, [reader]) as session:
            for done in itertools.count() if max_steps is None else range(max_steps):
                try:
                    feed = None if feed_fn is None else feed_fn()
                except StopIteration:
                    break
                if session.should_stop():
                    break
                session.run(eval_dict if update_op is None else update_op, feed)
                if log_every_steps and (done + 1) % log_every_steps == 0:
                    log.info("Results after %d steps.", done + 1)
    values, at = reader.found["values"], int(reader.found["step"])
    log.info("Saving evaluation summary for step %d: %s", at, values)
    summary = protos.Summary()
    for name, value in values.items():
        if getattr(value, "ndim", 0) == 0 and not isinstance(value, bytes):
            summary.value.add(tag=name).simple_value = float(value)
    writer = FileWriterCache.get(output_dir)
    writer.add_summary(summary, at)
    writer.flush()
    return values, at


class _LastValues(SessionRunHook):
    """Reads values when the session ends, as far as nothing has to be read for them any more.

    Args:
      wanted: tensors, nested in any way.
    """

    def __init__(self, wanted: Any) -> None:
        self._wanted, self.found = wanted, {}

    def end(self, session: Any) -> None:
        """Reads the values."""
        try:
            self.found = session.run(self._wanted)
        except errors.OutOfRangeError as error:
            raise ValueError(f"eval_dict must not need another batch. Received: {self._wanted}") from error
