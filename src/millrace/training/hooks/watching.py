"""Hooks that tell how training goes: values, rates, losses that are not numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.core import protos
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.lib.platform import log
from millrace.summaries.file_writer import FileWriterCache
from millrace.training.global_step import get_global_step
from millrace.training.hooks.base import SessionRunArgs, SessionRunContext, SessionRunHook, SessionRunValues
from millrace.training.hooks.stopping import step_to_read
from millrace.training.hooks.timers import HookTimer, NeverTriggerTimer, SecondOrStepTimer


@public(
    "train.LoggingTensorHook",
    "estimator.LoggingTensorHook",
    "python.training.basic_session_run_hooks.LoggingTensorHook",
)
class LoggingTensorHook(SessionRunHook):
    """Logs values every so many runs or seconds, or at the end.

    Args:
      tensors: tensors or names of them: a list, or a dictionary from what to call them.
      every_n_iter: how many runs from one line to the next.
      every_n_secs: how many seconds.
      at_end: log at the end too.
      formatter: makes a line of the dictionary of values.

    Raises:
      ValueError: not exactly one of runs and seconds is given, or the number of runs is not positive.
    """

    def __init__(
        self,
        tensors: Any,
        every_n_iter: int | None = None,
        every_n_secs: float | None = None,
        at_end: bool = False,
        formatter: Callable[[dict[Any, Any]], str] | None = None,
    ) -> None:
        only_at_end = at_end and every_n_iter is None and every_n_secs is None
        if not only_at_end and (every_n_iter is None) == (every_n_secs is None):
            raise ValueError(
                "LoggingTensorHook: at_end, or exactly one of every_n_iter and every_n_secs must be given. "
                f"Received: {every_n_iter}, {every_n_secs}"
            )
        if every_n_iter is not None and every_n_iter <= 0:
            raise ValueError(f"LoggingTensorHook: every_n_iter must be positive. Received: {every_n_iter}")
        if isinstance(tensors, dict):
            self._tag_order = sorted(tensors)
            self._tensors = tensors
        else:
            self._tag_order = tensors
            self._tensors = {item: item for item in tensors}
        self._formatter = formatter
        self._timer: HookTimer = (
            NeverTriggerTimer() if only_at_end else SecondOrStepTimer(every_n_secs, every_n_iter)
        )
        self._log_at_end = at_end

    def begin(self) -> None:
        """Finds the tensors."""
        self._timer.reset()
        self._iter_count = 0
        self._current_tensors = {tag: _as_graph_element(t) for tag, t in self._tensors.items()}

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs | None:
        """Asks for the values where it is time."""
        self._should_trigger = self._timer.should_trigger_for_step(self._iter_count)
        return SessionRunArgs(self._current_tensors) if self._should_trigger else None

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Logs the values."""
        if self._should_trigger:
            self._log_tensors(run_values.results)
        self._iter_count += 1

    def end(self, session: Any) -> None:
        """Logs the last values."""
        if self._log_at_end:
            self._log_tensors(session.run(self._current_tensors))

    def _log_tensors(self, values: dict[Any, Any]) -> None:
        elapsed, _ = self._timer.update_last_triggered_step(self._iter_count)
        if self._formatter is not None:
            log.info(self._formatter(values))
            return
        with np.printoptions(suppress=True):
            line = ", ".join(f"{tag} = {values[tag]!s}" for tag in self._tag_order)
        if elapsed is None:
            log.info("%s", line)
        else:
            log.info("%s (%.3f sec)", line, elapsed)


def _as_graph_element(given: Any) -> Any:
    """A tensor of the default graph, or the one of a name.

    Raises:
      ValueError: it is of another graph, or the name is one of an operation with several outputs.
    """
    graph = get_default_graph()
    if not isinstance(given, str):
        if getattr(given, "graph", None) is not graph:
            raise ValueError(
                f"LoggingTensorHook: a tensor of the current graph is needed. Received: {given!r}"
            )
        return given
    if ":" in given:
        return graph.as_graph_element(given)
    element = graph.as_graph_element(f"{given}:0")
    if len(element.op.outputs) > 1:
        raise ValueError(f"Name {given} is ambiguous, as this operation has multiple outputs (at least 2).")
    return element


@public("train.NanLossDuringTrainingError", "estimator.NanLossDuringTrainingError")
class NanLossDuringTrainingError(RuntimeError):
    """The loss is not a number."""

    def __str__(self) -> str:
        return "NaN loss during training."


@public(
    "train.NanTensorHook", "estimator.NanTensorHook", "python.training.basic_session_run_hooks.NanTensorHook"
)
class NanTensorHook(SessionRunHook):
    """Stops, or fails, when a loss is not a number.

    Args:
      loss_tensor: the loss.
      fail_on_nan_loss: raise `NanLossDuringTrainingError`; else ask for a stop.
    """

    def __init__(self, loss_tensor: Any, fail_on_nan_loss: bool = True) -> None:
        self._loss_tensor = loss_tensor
        self._fail_on_nan_loss = fail_on_nan_loss

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Asks for the loss."""
        return SessionRunArgs(self._loss_tensor)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Looks at it."""
        if not np.isnan(run_values.results):
            return
        message = "Model diverged with loss = NaN."
        if self._fail_on_nan_loss:
            log.error(message)
            raise NanLossDuringTrainingError
        log.warning(message)
        run_context.request_stop()


@public(
    "train.StepCounterHook",
    "estimator.StepCounterHook",
    "python.training.basic_session_run_hooks.StepCounterHook",
)
class StepCounterHook(SessionRunHook):
    """Logs and records how many steps there are in a second.

    Args:
      every_n_steps: how many steps from one figure to the next.
      every_n_secs: how many seconds.
      output_dir: where to record.
      summary_writer: what to record with.

    Raises:
      ValueError: not exactly one of steps and seconds is given.
    """

    def __init__(
        self,
        every_n_steps: int | None = 100,
        every_n_secs: float | None = None,
        output_dir: Any = None,
        summary_writer: Any = None,
    ) -> None:
        if (every_n_steps is None) == (every_n_secs is None):
            raise ValueError(
                "StepCounterHook: exactly one of every_n_steps and every_n_secs must be given. "
                f"Received: {every_n_steps}, {every_n_secs}"
            )
        self._timer = SecondOrStepTimer(every_secs=every_n_secs, every_steps=every_n_steps)
        self._summary_writer = summary_writer
        self._output_dir = output_dir
        self._last_global_step: int | None = None
        self._steps_per_run = 1

    def begin(self) -> None:
        """Finds the global step."""
        if self._summary_writer is None and self._output_dir:
            self._summary_writer = FileWriterCache.get(self._output_dir)
        self._step = step_to_read(self)
        self._summary_tag = f"{get_global_step().op.name}/sec"

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Asks for the global step."""
        return SessionRunArgs(self._step)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Tells the rate where it is time."""
        stale = run_values.results
        if self._timer.should_trigger_for_step(stale + self._steps_per_run):
            step = run_context.session.run(self._step)
            if self._timer.should_trigger_for_step(step):
                elapsed_time, elapsed_steps = self._timer.update_last_triggered_step(step)
                if elapsed_time is not None:
                    self._log_and_record(elapsed_steps, elapsed_time, step)
        if stale == self._last_global_step:
            log.warning(
                "It seems that global step (tf.train.get_global_step) has not been increased. Current value "
                "(could be stable): %s vs previous value: %s. You could increase the global step by passing "
                "tf.train.get_global_step() to Optimizer.apply_gradients or Optimizer.minimize.",
                stale,
                self._last_global_step,
            )
        self._last_global_step = stale

    def _log_and_record(self, elapsed_steps: Any, elapsed_time: float, global_step: Any) -> None:
        rate = elapsed_steps / elapsed_time if elapsed_time else float("inf")
        if self._summary_writer is not None:
            value = protos.Summary.Value(tag=self._summary_tag, simple_value=rate)
            self._summary_writer.add_summary(protos.Summary(value=[value]), global_step)
        log.info("%s: %g", self._summary_tag, rate)
