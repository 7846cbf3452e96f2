"""`tf.contrib.estimator`: exports as functions, and a hook that stops at the step of a checkpoint."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from millrace.core.public import public
from millrace.models.estimator.modes import ModeKeys
from millrace.models.estimator.training import step_of
from millrace.training.global_step import get_global_step
from millrace.training.hooks.base import SessionRunArgs, SessionRunHook
from millrace.training.hooks.stopping import StopAtStepHook


@public("contrib.estimator.export_saved_model_for_mode")
def export_saved_model_for_mode(
    estimator: Any,
    export_dir_base: Any,
    input_receiver_fn: Callable[[], Any],
    assets_extra: dict[str, Any] | None = None,
    as_text: bool = False,
    checkpoint_path: Any = None,
    mode: str = ModeKeys.PREDICT,
) -> bytes:
    """Writes a SavedModel with the graph of one mode; see `Estimator.export_saved_model`.

    Args:
      estimator: an `Estimator`.
      export_dir_base, assets_extra, as_text, checkpoint_path: as there.
      input_receiver_fn: gives the receiver of the mode.
      mode: of the graph.

    Returns:
      The folder's path.
    """
    return estimator.export_saved_model(
        export_dir_base, input_receiver_fn, assets_extra, as_text, checkpoint_path, mode
    )


@public("contrib.estimator.export_all_saved_models")
def export_all_saved_models(
    estimator: Any,
    export_dir_base: Any,
    input_receiver_fn_map: dict[str, Callable[[], Any]],
    assets_extra: dict[str, Any] | None = None,
    as_text: bool = False,
    checkpoint_path: Any = None,
) -> bytes:
    """Writes a SavedModel with a graph for each mode; see `Estimator.experimental_export_all_saved_models`.

    Args:
      estimator: an `Estimator`.
      export_dir_base, input_receiver_fn_map, assets_extra, as_text, checkpoint_path: as there.

    Returns:
      The folder's path.
    """
    return estimator.experimental_export_all_saved_models(
        export_dir_base, input_receiver_fn_map, assets_extra, as_text, checkpoint_path
    )


class _StopAtCheckpointStep(SessionRunHook):
    """Stops a worker once a checkpoint has the last step.

    Args:
      model_dir: the folder of the checkpoints.
      last_step: the last step.
      wait_after_file_check_secs: how long to wait before looking again.
    """

    def __init__(self, model_dir: str, last_step: int, wait_after_file_check_secs: float) -> None:
        self._model_dir, self._last_step, self._wait = model_dir, last_step, wait_after_file_check_secs

    def begin(self) -> None:
        """Finds the global step."""
        self._step = get_global_step()

    def before_run(self, run_context: Any) -> SessionRunArgs:
        """Asks for the global step."""
        return SessionRunArgs(self._step)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Looks at the newest checkpoint where the last step may be done."""
        if run_values.results + 1 < self._last_step:
            return
        if step_of(self._model_dir) >= self._last_step:
            run_context.request_stop()
        else:
            time.sleep(self._wait)


@public("estimator.experimental.make_stop_at_checkpoint_step_hook")
def make_stop_at_checkpoint_step_hook(
    estimator: Any, last_step: int, wait_after_file_check_secs: float = 30
) -> SessionRunHook:
    """A hook that stops at a step; workers wait until a checkpoint has it.

    Args:
      estimator: an `Estimator`.
      last_step: the last step.
      wait_after_file_check_secs: how long a worker waits before it looks again.
    """
    if estimator.config.is_chief:
        return StopAtStepHook(last_step=last_step)
    return _StopAtCheckpointStep(estimator.model_dir, last_step, wait_after_file_check_secs)
