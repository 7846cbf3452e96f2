"""`CheckpointInputPipelineHook`: saves where the iterators of a training's input stand."""

from __future__ import annotations

from typing import Any

from millrace.core.public import public
from millrace.datasets.saving import IteratorSaveable
from millrace.graph.defaults import get_default_graph
from millrace.saver.checkpoint.state import latest_checkpoint
from millrace.saver.saver import Saver
from millrace.training.hooks.base import SessionRunArgs, SessionRunContext, SessionRunHook, SessionRunValues
from millrace.training.hooks.saving import CheckpointSaverHook

_ITERATORS = "iterators"  # the collection


class _InputSaver(Saver):
    """A saver that lists its checkpoints in a file of its own, beside those of the model.

    Args:
      saveables: what it saves.
      latest_filename: the file.
    """

    def __init__(self, saveables: list[Any], latest_filename: str) -> None:
        super().__init__(saveables)
        self._latest = latest_filename

    def save(self, sess: Any, save_path: Any, global_step: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As `Saver.save`."""
        kwargs.setdefault("latest_filename", self._latest)
        return super().save(sess, save_path, global_step, *args, **kwargs)


@public("data.experimental.CheckpointInputPipelineHook", "contrib.data.CheckpointInputPipelineHook")
class CheckpointInputPipelineHook(SessionRunHook):
    """Saves the place of all iterators with a dataset, and goes on from there when the training does.

    Checkpoints are written as often as the estimator's, to files called `input.ckpt-STEP` in its folder.

    Args:
      estimator: an `Estimator`.

    Raises:
      ValueError: its configuration saves no checkpoints.
    """

    def __init__(self, estimator: Any) -> None:
        config = estimator.config
        prefix = "input"
        if (config.num_worker_replicas or 0) > 1:
            prefix = f"input_{config.task_type}_{config.task_id}"
        self._folder = estimator.model_dir
        self._latest = f"checkpoint_{prefix}"
        self._saver: _InputSaver | None = None
        self._first = True
        self._timing = (config.save_checkpoints_secs, config.save_checkpoints_steps, f"{prefix}.ckpt")
        self._hook = self._new_hook(None)

    def _new_hook(self, saver: Any) -> CheckpointSaverHook:
        seconds, steps, name = self._timing
        return CheckpointSaverHook(
            self._folder, save_secs=seconds, save_steps=steps, saver=saver, checkpoint_basename=name
        )

    def begin(self) -> None:
        """Finds the iterators of the graph."""
        iterators = get_default_graph().get_collection(_ITERATORS)
        self._saver = (
            _InputSaver([IteratorSaveable(i) for i in iterators], self._latest) if iterators else None
        )
        self._first = True
        if self._saver is not None:
            self._hook = self._new_hook(self._saver)
            self._hook.begin()

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs | None:
        """Before the first run, takes the iterators to where the last checkpoint left them."""
        if self._saver is None:
            return None
        if self._first:
            self._first = False
            found = latest_checkpoint(self._folder, self._latest)
            if found is None:
                self._hook.after_create_session(run_context.session, None)
            else:
                self._saver.restore(run_context.session, found)
        return self._hook.before_run(run_context)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Saves where it is time."""
        if self._saver is not None:
            self._hook.after_run(run_context, run_values)

    def end(self, session: Any) -> None:
        """Saves the last place."""
        if self._saver is not None:
            self._hook.end(session)
