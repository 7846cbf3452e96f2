"""A line on the terminal that tells how far training is: rate, loss and time left."""

from __future__ import annotations

import os
import sys
from typing import Any

from millrace.training.hooks.base import SessionRunArgs, SessionRunContext, SessionRunHook, SessionRunValues
from millrace.training.hooks.stopping import StopAtStepHook


def shows_progress() -> bool:
    """Whether there is a terminal to write to, and the user has not set MILLRACE_PROGRESS=0."""
    return os.environ.get("MILLRACE_PROGRESS") != "0" and sys.stderr.isatty()


class ProgressHook(SessionRunHook):
    """Draws a line with the step, the steps of a second, the loss, and the time left where the end is known.

    Args:
      loss: the loss, a scalar.
      global_step: the global step.
      hooks: the other hooks; the first `StopAtStepHook` among them tells the last step.
    """

    def __init__(self, loss: Any, global_step: Any, hooks: Any = ()) -> None:
        self._fetches = (loss, global_step)
        self._stop = next((hook for hook in hooks if isinstance(hook, StopAtStepHook)), None)
        self._progress: Any = None
        self._task: Any = None

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Begins the line, or a new one where the session was made anew."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.close()
        step = int(session.run(self._fetches[1]))
        self._progress = Progress(
            TextColumn("step"),
            MofNCompleteColumn(),
            BarColumn(),
            TextColumn("{task.fields[rate]}"),
            TextColumn("loss {task.fields[loss]}"),
            TimeRemainingColumn(),
            console=Console(file=sys.stderr),
            transient=True,
        )
        self._task = self._progress.add_task("train", total=None, completed=step, rate="", loss="?")
        self._progress.start()

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Asks for the loss and the step."""
        return SessionRunArgs(self._fetches)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Moves the line on."""
        loss, step = run_values.results
        last = self._stop.last_step if self._stop is not None else None
        speed = self._progress.tasks[0].speed
        self._progress.update(
            self._task,
            total=last,
            completed=int(step),
            loss=f"{float(loss):.5g}",
            rate=f"{speed:.4g} steps/s" if speed else "",
        )

    def end(self, session: Any) -> None:
        """Takes the line away."""
        self.close()

    def close(self) -> None:
        """Takes the line away; also after a failure, when nobody calls `end`."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
