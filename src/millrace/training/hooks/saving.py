"""Hooks that write: checkpoints, summaries, traces."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from millrace.core import protos
from millrace.core.public import public
from millrace.exchange.graph_util import write_graph
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.lib.platform import gfile, log
from millrace.saver.meta_graph import export_meta_graph
from millrace.summaries.file_writer import FileWriterCache
from millrace.training.hooks.base import SessionRunArgs, SessionRunContext, SessionRunHook, SessionRunValues
from millrace.training.hooks.stopping import step_to_read
from millrace.training.hooks.timers import SecondOrStepTimer


@public(
    "train.CheckpointSaverListener",
    "estimator.CheckpointSaverListener",
    "python.training.basic_session_run_hooks.CheckpointSaverListener",
)
class CheckpointSaverListener:
    """Called around each checkpoint that a `CheckpointSaverHook` saves."""

    def begin(self) -> None:
        """Called once, before the session is made."""

    def before_save(self, session: Any, global_step_value: int) -> None:
        """Called before a checkpoint is saved."""

    def after_save(self, session: Any, global_step_value: int) -> bool | None:
        """Called after a checkpoint was saved; True asks for a stop."""

    def end(self, session: Any, global_step_value: int) -> None:
        """Called when the session ends, after the last checkpoint."""


@public(
    "train.CheckpointSaverHook",
    "estimator.CheckpointSaverHook",
    "python.training.basic_session_run_hooks.CheckpointSaverHook",
)
class CheckpointSaverHook(SessionRunHook):
    """Saves checkpoints: at the start, every so many steps or seconds, and at the end.

    Args:
      checkpoint_dir: the folder.
      save_secs: seconds from one checkpoint to the next.
      save_steps: steps.
      saver: what saves; default: the scaffold's, or the one in the graph's collection.
      checkpoint_basename: how the files' names begin.
      scaffold: a `Scaffold` that has a saver.
      listeners: `CheckpointSaverListener`s.

    Raises:
      ValueError: not exactly one of seconds and steps is given, or a saver and a scaffold.
    """

    def __init__(
        self,
        checkpoint_dir: Any,
        save_secs: float | None = None,
        save_steps: int | None = None,
        saver: Any = None,
        checkpoint_basename: str = "model.ckpt",
        scaffold: Any = None,
        listeners: Sequence[CheckpointSaverListener] | None = None,
    ) -> None:
        log.info("Create CheckpointSaverHook.")
        if saver is not None and scaffold is not None:
            raise ValueError("CheckpointSaverHook: you cannot provide both saver and scaffold.")
        self._saver = saver
        self._checkpoint_dir = checkpoint_dir
        self._save_path = os.path.join(checkpoint_dir, checkpoint_basename)
        self._scaffold = scaffold
        self._timer = SecondOrStepTimer(every_secs=save_secs, every_steps=save_steps)
        self._listeners = list(listeners or ())
        self._steps_per_run = 1

    def begin(self) -> None:
        """Finds the global step."""
        self._summary_writer = FileWriterCache.get(self._checkpoint_dir)
        self._step = step_to_read(self)
        for listener in self._listeners:
            listener.begin()

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Writes the graph and the first checkpoint."""
        step = session.run(self._step)
        graph = get_default_graph()
        saver = self._get_saver()
        meta = export_meta_graph(graph=graph, saver_def=saver.as_saver_def())
        write_graph(meta.graph_def, self._checkpoint_dir, "graph.pbtxt")
        self._summary_writer.add_graph(meta.graph_def)
        self._summary_writer.add_meta_graph(meta)
        self._save(session, step)
        self._timer.update_last_triggered_step(step)

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Asks for the global step."""
        return SessionRunArgs(self._step)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Saves where it is time."""
        if not self._timer.should_trigger_for_step(run_values.results + self._steps_per_run):
            return
        step = run_context.session.run(self._step)
        if self._timer.should_trigger_for_step(step):
            self._timer.update_last_triggered_step(step)
            if self._save(run_context.session, step):
                run_context.request_stop()

    def end(self, session: Any) -> None:
        """Saves the last step."""
        step = session.run(self._step)
        if step != self._timer.last_triggered_step():
            self._save(session, step)
        for listener in self._listeners:
            listener.end(session, step)

    def _save(self, session: Any, step: Any) -> bool:
        """Saves a checkpoint; returns whether a listener wants to stop."""
        log.info("Saving checkpoints for %d into %s.", step, self._save_path)
        for listener in self._listeners:
            listener.before_save(session, step)
        self._get_saver().save(session, self._save_path, global_step=step)
        entry = protos.SessionLog(status=protos.SessionLog.CHECKPOINT, checkpoint_path=self._save_path)
        self._summary_writer.add_session_log(entry, step)
        should_stop = False
        for listener in self._listeners:
            if listener.after_save(session, step):
                log.info("A CheckpointSaverListener requested that training be stopped. %s", listener)
                should_stop = True
        return should_stop

    def _get_saver(self) -> Any:
        if self._saver is not None:
            return self._saver
        if self._scaffold is not None:
            return self._scaffold.saver
        savers = get_default_graph().get_collection(GraphKeys.SAVERS)
        if not savers:
            raise RuntimeError(
                f"No items in collection {GraphKeys.SAVERS}. Please add a saver to the collection or provide "
                "a saver or scaffold."
            )
        if len(savers) > 1:
            raise RuntimeError(
                f"More than one item in collection {GraphKeys.SAVERS}. Please indicate which one to use by "
                "passing it to the constructor."
            )
        self._saver = savers[0]
        return self._saver


@public(
    "train.SummarySaverHook",
    "estimator.SummarySaverHook",
    "python.training.basic_session_run_hooks.SummarySaverHook",
)
class SummarySaverHook(SessionRunHook):
    """Saves summaries at the first step and every so many steps or seconds.

    Args:
      save_steps: steps from one to the next.
      save_secs: seconds.
      output_dir: the folder.
      summary_writer: what writes; default: the one of the folder.
      scaffold: a `Scaffold` that has a summary operation.
      summary_op: a tensor of a serialized `Summary`, or a list of them.

    Raises:
      ValueError: not exactly one of steps and seconds is given, or of scaffold and operation.
    """

    def __init__(
        self,
        save_steps: int | None = None,
        save_secs: float | None = None,
        output_dir: Any = None,
        summary_writer: Any = None,
        scaffold: Any = None,
        summary_op: Any = None,
    ) -> None:
        if (scaffold is None) == (summary_op is None):
            raise ValueError("SummarySaverHook: exactly one of scaffold or summary_op must be provided.")
        self._summary_op = summary_op
        self._summary_writer = summary_writer
        self._output_dir = output_dir
        self._scaffold = scaffold
        self._timer = SecondOrStepTimer(every_secs=save_secs, every_steps=save_steps)

    def begin(self) -> None:
        """Finds the global step."""
        if self._summary_writer is None and self._output_dir:
            self._summary_writer = FileWriterCache.get(self._output_dir)
        self._next_step: Any = None
        self._step = step_to_read(self)

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Asks for the global step, and for the summaries where it is time."""
        self._request_summary = self._next_step is None or self._timer.should_trigger_for_step(
            self._next_step
        )
        requests: dict[str, Any] = {"global_step": self._step}
        if self._request_summary:
            summaries = self._get_summary_op()
            if summaries is not None:
                requests["summary"] = summaries
        return SessionRunArgs(requests)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Writes the summaries."""
        if self._summary_writer is None:
            return
        step = run_values.results["global_step"] + 1
        if self._next_step is None or self._request_summary:
            step = run_context.session.run(self._step)
        if self._next_step is None:
            self._summary_writer.add_session_log(protos.SessionLog(status=protos.SessionLog.START), step)
        if self._request_summary:
            self._timer.update_last_triggered_step(step)
            for summary in run_values.results.get("summary", ()):
                self._summary_writer.add_summary(summary, step)
        self._next_step = step + 1

    def end(self, session: Any = None) -> None:
        """Hands what was written to the operating system."""
        if self._summary_writer is not None:
            self._summary_writer.flush()

    def _get_summary_op(self) -> list[Any] | None:
        found = self._summary_op if self._summary_op is not None else self._scaffold.summary_op
        if found is None:
            return None
        return found if isinstance(found, list) else [found]


@public(
    "train.ProfilerHook", "estimator.ProfilerHook", "python.training.basic_session_run_hooks.ProfilerHook"
)
class ProfilerHook(SessionRunHook):
    """Writes a timeline, `timeline-STEP.json`, every so many steps or seconds.

    Args:
      save_steps: steps from one to the next.
      save_secs: seconds.
      output_dir: the folder.
      show_dataflow: draw what flows where.
      show_memory: draw what memory is taken.
    """

    def __init__(
        self,
        save_steps: int | None = None,
        save_secs: float | None = None,
        output_dir: Any = "",
        show_dataflow: bool = True,
        show_memory: bool = False,
    ) -> None:
        self._timer = SecondOrStepTimer(every_secs=save_secs, every_steps=save_steps)
        self._output_dir = output_dir
        self._output_file = os.path.join(output_dir, "timeline-{}.json")
        self._file_writer = FileWriterCache.get(output_dir)
        self._show_dataflow = show_dataflow
        self._show_memory = show_memory

    def begin(self) -> None:
        """Finds the global step."""
        self._next_step: Any = None
        self._step = step_to_read(self)

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Asks for a trace where it is time."""
        self._request_summary = self._next_step is not None and self._timer.should_trigger_for_step(
            self._next_step
        )
        options = (
            protos.RunOptions(trace_level=protos.RunOptions.FULL_TRACE) if self._request_summary else None
        )
        return SessionRunArgs({"global_step": self._step}, options=options)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Writes the trace."""
        stale = run_values.results["global_step"]
        if self._next_step is None:
            self._timer.update_last_triggered_step(stale)
        step = stale + 1
        if self._request_summary:
            step = run_context.session.run(self._step)
            self._timer.update_last_triggered_step(step)
            self._save(step, run_values.run_metadata.step_stats)
            self._file_writer.add_run_metadata(run_values.run_metadata, f"step_{step}")
        self._next_step = step + 1

    def _save(self, step: Any, step_stats: Any) -> None:
        from millrace.runtime.trace import Timeline

        path = self._output_file.format(step)
        log.info("Saving timeline for %d into '%s'.", step, path)
        timeline = Timeline(step_stats)
        text = timeline.generate_chrome_trace_format(self._show_dataflow, self._show_memory)
        with gfile.GFile(path, "w") as file:
            file.write(text)
