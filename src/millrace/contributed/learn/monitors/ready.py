"""`tf.contrib.learn.monitors`: monitors that print, stop, keep values, and validate."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from millrace.contributed.learn.monitors.base import BaseMonitor, EveryN
from millrace.core.public import public
from millrace.lib.platform import log
from millrace.saver.checkpoint.state import latest_checkpoint


@public("contrib.learn.monitors.PrintTensor")
class PrintTensor(EveryN):
    """Writes values of tensors into the log.

    Args:
      tensor_names: names of tensors, or by tag.
      every_n, first_n: when, as for `EveryN`.
    """

    def __init__(self, tensor_names: Any, every_n: int = 100, first_n: int = 1) -> None:
        super().__init__(every_n, first_n)
        named = tensor_names if isinstance(tensor_names, dict) else {name: name for name in tensor_names}
        self._tensor_names: dict[str, Any] = dict(named)

    def every_n_step_begin(self, step: int) -> list[Any]:
        """Asks for the tensors."""
        super().every_n_step_begin(step)
        return list(self._tensor_names.values())

    def every_n_step_end(self, step: int, outputs: dict[Any, Any]) -> bool:
        """Writes their values."""
        super().every_n_step_end(step, outputs)
        shown = (f"{tag} = {outputs[name]}" for tag, name in self._tensor_names.items() if name in outputs)
        log.info("Step %d: %s", step, ", ".join(shown))
        return False


@public("contrib.learn.monitors.CaptureVariable")
class CaptureVariable(EveryN):
    """Keeps values of one tensor, by step.

    Args:
      var_name: the tensor's name.
      every_n, first_n: when, as for `EveryN`.
    """

    def __init__(self, var_name: str, every_n: int = 100, first_n: int = 1) -> None:
        super().__init__(every_n, first_n)
        self._var_name = var_name
        self._var_values: dict[int, Any] = {}

    @property
    def values(self) -> dict[int, Any]:
        """The values by step."""
        return self._var_values

    def every_n_step_begin(self, step: int) -> list[Any]:
        """Asks for the tensor."""
        super().every_n_step_begin(step)
        return [self._var_name]

    def every_n_step_end(self, step: int, outputs: dict[Any, Any]) -> bool:
        """Keeps its value."""
        super().every_n_step_end(step, outputs)
        self._var_values[step] = outputs[self._var_name]
        return False


@public("contrib.learn.monitors.StopAtStep")
class StopAtStep(BaseMonitor):
    """Ends the training at a step.

    Args:
      num_steps: after how many steps from the first.
      last_step: at which step; instead of `num_steps`.

    Raises:
      ValueError: both are given, or none.
    """

    def __init__(self, num_steps: int | None = None, last_step: int | None = None) -> None:
        super().__init__()
        if (num_steps is None) == (last_step is None):
            raise ValueError(
                f"One of num_steps or last_step must be specified. Received: {num_steps} and {last_step}"
            )
        self._num_steps, self._last_step = num_steps, last_step

    @property
    def run_on_all_workers(self) -> bool:
        """Every worker has it."""
        return True

    def step_begin(self, step: int) -> list[Any]:
        """Finds out which step is the last."""
        super().step_begin(step)
        if self._last_step is None:
            self._last_step = step + (self._num_steps or 0) - 1
        return []

    def step_end(self, step: int, output: dict[Any, Any]) -> bool:
        """True at the last step."""
        super().step_end(step, output)
        return self._last_step is not None and step >= self._last_step


@public("contrib.learn.monitors.ValidationMonitor")
class ValidationMonitor(EveryN):
    """Evaluates the estimator while it trains, at new checkpoints, and ends a training that gets no better.

    Args:
      x, y, input_fn, batch_size, metrics, hooks, name: as for `Estimator.evaluate`.
      eval_steps: how many batches an evaluation reads; None for all.
      every_n_steps: when, as for `EveryN`.
      early_stopping_rounds: after how many steps without a better value the training ends; None for never.
      early_stopping_metric: whose value.
      early_stopping_metric_minimize: whether less is better.
      check_interval_secs: how many seconds pass at least from one look for a checkpoint to the next; None for
        no such limit.

    Raises:
      ValueError: there is nothing to read.
    """

    def __init__(
        self,
        x: Any = None,
        y: Any = None,
        input_fn: Callable[[], Any] | None = None,
        batch_size: int | None = None,
        eval_steps: int | None = None,
        every_n_steps: int = 100,
        metrics: Any = None,
        hooks: Any = None,
        early_stopping_rounds: int | None = None,
        early_stopping_metric: str = "loss",
        early_stopping_metric_minimize: bool = True,
        name: str | None = None,
        check_interval_secs: float | None = 5,
    ) -> None:
        super().__init__(every_n_steps, first_n_steps=-1)
        self._check_interval_secs = check_interval_secs
        self._checked_at: float | None = None
        if x is None and input_fn is None:
            raise ValueError("Either x or input_fn should be provided.")
        self._data = {"x": x, "y": y, "input_fn": input_fn, "batch_size": batch_size}
        self._how = {"steps": eval_steps, "metrics": metrics, "hooks": hooks, "name": name}
        self._rounds, self._metric = early_stopping_rounds, early_stopping_metric
        self._minimize = early_stopping_metric_minimize
        self._best_value: Any = None
        self._best_value_step: int | None = None
        self._best_metrics: dict[str, Any] | None = None
        self._early_stopped = False
        self._latest_path: str | None = None

    @property
    def early_stopped(self) -> bool:
        """Whether it has ended the training."""
        return self._early_stopped

    @property
    def best_step(self) -> int | None:
        """The step of the best value."""
        return self._best_value_step

    @property
    def best_value(self) -> Any:
        """The best value."""
        return self._best_value

    @property
    def best_metrics(self) -> dict[str, Any] | None:
        """All metrics of the best evaluation."""
        return self._best_metrics

    def every_n_step_end(self, step: int, outputs: dict[Any, Any]) -> bool:
        """Evaluates a new checkpoint; True where nothing got better for too long.

        Raises:
          ValueError: the metric is not among those of the evaluation.
        """
        super().every_n_step_end(step, outputs)
        now, pause = time.monotonic(), self._check_interval_secs
        if pause is not None and self._checked_at is not None and now - self._checked_at <= pause:
            return False
        self._checked_at = now
        path = latest_checkpoint(self._estimator.model_dir)
        if path is None or path == self._latest_path:
            log.debug("ValidationMonitor: there is no new checkpoint at step %d.", step)
            return False
        self._latest_path = path
        found = self._estimator.evaluate(**self._data, **self._how)
        log.info("Validation (step %d): %s", step, ", ".join(f"{k} = {v}" for k, v in found.items()))
        if self._rounds is None:
            return False
        if self._metric not in found:
            raise ValueError(f"Metric {self._metric} missing from outputs {set(found)}.")
        value = found[self._metric]
        best = self._best_value
        if best is None or (value < best if self._minimize else value > best):
            self._best_value, self._best_value_step, self._best_metrics = value, step, found
        self._early_stopped = step - (self._best_value_step or 0) >= self._rounds
        if self._early_stopped:
            log.info(
                "Stopping. Best step: %s with %s = %s.", self._best_value_step, self._metric, self._best_value
            )
        return self._early_stopped
