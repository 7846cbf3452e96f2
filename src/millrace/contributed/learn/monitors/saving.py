"""`tf.contrib.learn.monitors`: monitors that save, summarize, count, and look for NaN."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from millrace.contributed.learn.monitors.base import BaseMonitor, EveryN
from millrace.contributed.learn.monitors.ready import PrintTensor
from millrace.core import protos
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.lib.platform import log
from millrace.summaries.file_writer import FileWriterCache
from millrace.training.hooks.watching import NanLossDuringTrainingError

public("contrib.learn.NanLossDuringTrainingError", "contrib.learn.monitors.NanLossDuringTrainingError")(
    NanLossDuringTrainingError
)


def _name_of(tensor: Any) -> str:
    return tensor if isinstance(tensor, str) else tensor.name


def _values_by_tag(summary: Any) -> Any:
    return protos.Summary.FromString(summary) if isinstance(summary, bytes) else summary


@public("contrib.learn.monitors.NanLoss")
class NanLoss(EveryN):
    """Ends a training, or fails, when the loss is not a number.

    Args:
      loss_tensor: the loss.
      every_n_steps: when, as for `EveryN`.
      fail_on_nan_loss: raise `NanLossDuringTrainingError` instead of stopping.
    """

    def __init__(self, loss_tensor: Any, every_n_steps: int = 100, fail_on_nan_loss: bool = True) -> None:
        super().__init__(every_n_steps=every_n_steps)
        self._loss_tensor, self._fail_on_nan_loss = loss_tensor, fail_on_nan_loss

    def every_n_step_begin(self, step: int) -> list[Any]:
        """Asks for the loss."""
        super().every_n_step_begin(step)
        return [self._loss_tensor]

    def every_n_step_end(self, step: int, outputs: dict[Any, Any]) -> bool:
        """True where the loss is not a number.

        Raises:
          NanLossDuringTrainingError: it is not, and that is a failure.
        """
        super().every_n_step_end(step, outputs)
        if not np.any(np.isnan(outputs[_name_of(self._loss_tensor)])):
            return False
        message = "Model diverged with loss = NaN."
        if self._fail_on_nan_loss:
            log.error(message)
            raise NanLossDuringTrainingError
        log.warning(message)
        return True


@public("contrib.learn.monitors.LoggingTrainable")
class LoggingTrainable(EveryN):
    """Writes the values of trainable variables into the log.

    Args:
      scope: only those below it.
      every_n, first_n: when, as for `EveryN`.
    """

    def __init__(self, scope: str | None = None, every_n: int = 100, first_n: int = 1) -> None:
        super().__init__(every_n, first_n)
        self._scope = scope

    def every_n_step_begin(self, step: int) -> list[Any]:
        """Asks for the variables."""
        super().every_n_step_begin(step)
        found = get_default_graph().get_collection(GraphKeys.TRAINABLE_VARIABLES, scope=self._scope)
        self._names = {variable.name: variable.value().name for variable in found}
        return list(self._names.values())

    def every_n_step_end(self, step: int, outputs: dict[Any, Any]) -> bool:
        """Writes their values."""
        super().every_n_step_end(step, outputs)
        shown = (f"{tag} = {outputs[name]}" for tag, name in self._names.items() if name in outputs)
        log.info("Logging Trainable: Step %d: %s", step, ", ".join(shown))
        return False


@public("contrib.learn.monitors.SummarySaver")
class SummarySaver(EveryN):
    """Writes summaries into an event file.

    Args:
      summary_op: a serialized `Summary`.
      save_steps: when, as for `EveryN`.
      output_dir: the folder of the file.
      summary_writer: instead of `output_dir`.
      scaffold: where `summary_op` is found, if it is None.
    """

    def __init__(
        self,
        summary_op: Any,
        save_steps: int = 100,
        output_dir: str | None = None,
        summary_writer: Any = None,
        scaffold: Any = None,
    ) -> None:
        super().__init__(every_n_steps=save_steps)
        self._summary_op, self._scaffold, self._writer = summary_op, scaffold, summary_writer
        if summary_writer is None and output_dir:
            self._writer = FileWriterCache.get(output_dir)

    def every_n_step_begin(self, step: int) -> list[Any]:
        """Asks for the summary."""
        super().every_n_step_begin(step)
        if self._summary_op is None and self._scaffold is not None:
            self._summary_op = self._scaffold.summary_op
        return [] if self._summary_op is None else [self._summary_op]

    def every_n_step_end(self, step: int, outputs: dict[Any, Any]) -> bool:
        """Writes it."""
        super().every_n_step_end(step, outputs)
        if self._summary_op is not None and self._writer is not None:
            self._writer.add_summary(_values_by_tag(outputs[_name_of(self._summary_op)]), step)
        return False

    def end(self, session: Any = None) -> None:
        """Sees to it that all is written."""
        super().end(session)
        if self._writer is not None:
            self._writer.flush()


@public("contrib.learn.monitors.StepCounter")
class StepCounter(EveryN):
    """Writes steps per second into an event file.

    Args:
      every_n_steps: when, as for `EveryN`.
      output_dir: the folder of the file.
      summary_writer: instead of `output_dir`.
    """

    def __init__(
        self, every_n_steps: int = 100, output_dir: str | None = None, summary_writer: Any = None
    ) -> None:
        super().__init__(every_n_steps=every_n_steps)
        self._summary_tag = "global_step/sec"
        self._last: tuple[int, float] | None = None
        self._writer = summary_writer
        if summary_writer is None and output_dir:
            self._writer = FileWriterCache.get(output_dir)

    def every_n_step_end(self, step: int, outputs: dict[Any, Any]) -> bool:
        """Writes the rate since the last look."""
        super().every_n_step_end(step, outputs)
        now = time.time()
        if self._last is not None and self._writer is not None:
            rate = (step - self._last[0]) / max(now - self._last[1], 1e-9)
            value = protos.Summary.Value(tag=self._summary_tag, simple_value=rate)
            self._writer.add_summary(protos.Summary(value=[value]), step)
        self._last = step, now
        return False


@public("contrib.learn.monitors.CheckpointSaver")
class CheckpointSaver(BaseMonitor):
    """Saves checkpoints.

    Args:
      checkpoint_dir: the folder.
      save_secs: seconds from one to the next.
      save_steps: steps from one to the next; instead of `save_secs`.
      saver: who saves.
      checkpoint_basename: how their names begin.
      scaffold: whose saver saves; instead of `saver`.

    Raises:
      ValueError: `save_secs` and `save_steps` are both given, or none.
    """

    def __init__(
        self,
        checkpoint_dir: str,
        save_secs: float | None = None,
        save_steps: int | None = None,
        saver: Any = None,
        checkpoint_basename: str = "model.ckpt",
        scaffold: Any = None,
    ) -> None:
        super().__init__()
        if (save_secs is None) == (save_steps is None):
            raise ValueError(
                f"Either save_steps or save_secs should be provided. Received: {save_steps} and {save_secs}"
            )
        self._path = os.path.join(checkpoint_dir, checkpoint_basename)
        self._writer = FileWriterCache.get(checkpoint_dir)
        self._save_secs, self._save_steps = save_secs, save_steps
        self._saver, self._scaffold = saver, scaffold
        self._last_saved_time: float | None = None
        self._last_saved_step: int | None = None
        self._last_begin_step: int | None = None

    def begin(self, max_steps: int | None = None) -> None:
        """Starts anew."""
        super().begin(max_steps)
        self._last_saved_time = self._last_saved_step = self._last_begin_step = None

    def step_begin(self, step: int) -> list[Any]:
        """Remembers the step."""
        super().step_begin(step)
        self._last_begin_step = step
        return []

    def post_step(self, step: int, session: Any) -> None:
        """Saves where it is time, and after the first step."""
        super().post_step(step, session)
        due_by_steps = (
            self._save_steps is not None and step >= (self._last_saved_step or 0) + self._save_steps
        )
        due_by_time = (
            self._save_secs is not None and time.time() >= (self._last_saved_time or 0) + self._save_secs
        )
        if self._last_saved_time is None or due_by_steps or due_by_time:
            self._save(step, session)

    def end(self, session: Any = None) -> None:
        """Saves the last step."""
        super().end(session)
        if self._last_begin_step is not None:
            self._save(self._last_begin_step, session)

    def _save(self, step: int, session: Any) -> None:
        if step == self._last_saved_step:
            return
        log.info("Saving checkpoints for %d into %s.", step, self._path)
        self._last_saved_time, self._last_saved_step = time.time(), step
        saver = self._saver if self._scaffold is None else self._scaffold.saver
        saver.save(session, self._path, global_step=step)
        status = protos.SessionLog.CHECKPOINT
        self._writer.add_session_log(protos.SessionLog(status=status, checkpoint_path=self._path), step)


@public("contrib.learn.monitors.GraphDump")
class GraphDump(BaseMonitor):
    """Keeps the values of all tensors of each step.

    Args:
      ignore_ops: types of operations whose results are not kept.
    """

    IGNORE_OPS = ("Const", "Assign", "Identity", "Placeholder", "RandomUniform", "Cast", "RestoreSlice")

    def __init__(self, ignore_ops: Any = None) -> None:
        super().__init__()
        self._ignore_ops = ignore_ops or GraphDump.IGNORE_OPS
        self._data: dict[int, dict[str, Any]] = {}

    def begin(self, max_steps: int | None = None) -> None:
        """Finds the tensors."""
        super().begin(max_steps)
        self._tensors = [
            tensor
            for op in get_default_graph().get_operations()
            if op.type not in self._ignore_ops
            for tensor in op.outputs
        ]

    def step_begin(self, step: int) -> list[Any]:
        """Asks for all of them."""
        super().step_begin(step)
        return self._tensors

    def step_end(self, step: int, output: dict[Any, Any]) -> bool:
        """Keeps them."""
        super().step_end(step, output)
        self._data[step] = output
        return False

    @property
    def data(self) -> dict[int, dict[str, Any]]:
        """The values by step and name."""
        return self._data

    def compare(self, other_dump: GraphDump, step: int, atol: float = 1e-06) -> tuple[list[str], list[str]]:
        """The names of tensors that are close in two dumps of a step, and of those that are not.

        Args:
          other_dump: another one.
          step: which step.
          atol: how far numbers may be apart.
        """
        matched, different = [], []
        mine, theirs = self._data[step], other_dump.data[step]
        for name in sorted(set(mine) & set(theirs)):
            a, b = np.asarray(mine[name]), np.asarray(theirs[name])
            close = np.array_equal(a, b) if a.dtype.kind in "OSU" else np.allclose(a, b, atol=atol)
            (matched if close else different).append(name)
        return matched, different


@public("contrib.learn.monitors.get_default_monitors")
def get_default_monitors(
    loss_op: Any = None,
    summary_op: Any = None,
    save_summary_steps: int = 100,
    output_dir: str | None = None,
    summary_writer: Any = None,
) -> list[BaseMonitor]:
    """The monitors that trainings have: one prints the loss, one writes summaries.

    Args:
      loss_op: the loss, or None.
      summary_op: a serialized `Summary`, or None.
      save_summary_steps: how often it is written.
      output_dir, summary_writer: where to.
    """
    found: list[BaseMonitor] = []
    if loss_op is not None:
        found.append(PrintTensor(tensor_names={"loss": loss_op.name}))
    if summary_op is not None:
        found.append(SummarySaver(summary_op, save_summary_steps, output_dir, summary_writer))
    return found
