"""Hooks that stop training when evaluations say so."""

from __future__ import annotations

import operator
import os
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from millrace.core.public import public
from millrace.lib.platform import gfile, log
from millrace.models.estimator.estimator import Estimator
from millrace.summaries.file_writer import summary_iterator
from millrace.training.global_step import get_or_create_global_step
from millrace.training.hooks.base import SessionRunArgs, SessionRunHook
from millrace.training.hooks.timers import SecondOrStepTimer


class _StopWhen(SessionRunHook):
    """Asks a function now and then whether to stop.

    Args:
      should_stop_fn: the function.
      run_every_secs, run_every_steps: how often.
    """

    def __init__(self, should_stop_fn: Callable[[], bool], run_every_secs: Any, run_every_steps: Any) -> None:
        self._should_stop = should_stop_fn
        self._timer = SecondOrStepTimer(every_secs=run_every_secs, every_steps=run_every_steps)

    def begin(self) -> None:
        """Finds the global step."""
        self._timer.reset()
        self._global_step = get_or_create_global_step()

    def before_run(self, run_context: Any) -> Any:
        """Asks for the global step."""
        del run_context
        return SessionRunArgs(self._global_step)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Asks whether to stop."""
        step = run_values.results
        if not self._timer.should_trigger_for_step(step):
            return
        self._timer.update_last_triggered_step(step)
        if self._should_stop():
            log.info("Requesting early stopping at global step %d", step)
            run_context.request_stop()


@public("estimator.experimental.make_early_stopping_hook")
def make_early_stopping_hook(
    estimator: Any,
    should_stop_fn: Callable[[], bool],
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> SessionRunHook:
    """A hook that stops training when a function says so.

    Args:
      estimator: the `Estimator`.
      should_stop_fn: takes nothing, returns a bool.
      run_every_secs: seconds from one call to the next.
      run_every_steps: steps; instead of seconds.

    Raises:
      TypeError: the estimator is not one, or the function is not callable.
      ValueError: not exactly one of seconds and steps is given.
    """
    if not isinstance(estimator, Estimator):
        raise TypeError(f"`estimator` must have type `tf.estimator.Estimator`. Got: {type(estimator)}")
    if not callable(should_stop_fn):
        raise TypeError(f"`should_stop_fn` must be callable. Received: {should_stop_fn}")
    if (run_every_secs is None) == (run_every_steps is None):
        raise ValueError(
            "Only one of `run_every_secs` and `run_every_steps` must be set. "
            f"Received: {run_every_secs}, {run_every_steps}"
        )
    return _StopWhen(should_stop_fn, run_every_secs, run_every_steps)


def evaluations_in(folder: Any) -> OrderedDict[int, dict[str, Any]]:
    """The metrics in a folder's event files, by global step."""
    found: dict[int, dict[str, Any]] = {}
    for path in gfile.glob(os.path.join(os.fspath(folder), "*.tfevents.*")):
        for event in summary_iterator(path):
            values = {v.tag: v.simple_value for v in event.summary.value if v.HasField("simple_value")}
            if values:
                found.setdefault(event.step, {}).update(values)
    return OrderedDict(sorted(found.items()))


def _threshold_hook(
    estimator: Any,
    metric_name: str,
    threshold: float,
    higher: bool,
    eval_dir: Any,
    min_steps: int,
    *every: Any,
) -> SessionRunHook:
    folder = eval_dir or estimator.eval_dir()
    passed = operator.gt if higher else operator.lt

    def should_stop() -> bool:
        for step, metrics in evaluations_in(folder).items():
            if step < min_steps or metric_name not in metrics:
                continue
            if passed(metrics[metric_name], threshold):
                log.info('At step %s, metric "%s" has value %s beyond %s.', step, metric_name,
                         metrics[metric_name], threshold)  # fmt: skip
                return True
        return False

    return make_early_stopping_hook(estimator, should_stop, *every)


def _progress_hook(
    estimator: Any,
    metric_name: str,
    most_steps: int,
    higher: bool,
    eval_dir: Any,
    min_steps: int,
    *every: Any,
) -> SessionRunHook:
    folder = eval_dir or estimator.eval_dir()
    better = operator.gt if higher else operator.lt

    def should_stop() -> bool:
        best: Any = None
        best_step: Any = None
        for step, metrics in evaluations_in(folder).items():
            if step < min_steps or metric_name not in metrics:
                continue
            value = metrics[metric_name]
            if best is None or better(value, best):
                best, best_step = value, step
            if step - best_step >= most_steps:
                log.info('No better "%s" than %s of step %s for %s steps.', metric_name, best, best_step,
                         step - best_step)  # fmt: skip
                return True
        return False

    return make_early_stopping_hook(estimator, should_stop, *every)


@public("estimator.experimental.stop_if_higher_hook")
def stop_if_higher_hook(
    estimator: Any,
    metric_name: str,
    threshold: float,
    eval_dir: Any = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> SessionRunHook:
    """A hook that stops training when a metric is above a threshold.

    Args:
      estimator: the `Estimator`.
      metric_name: the metric.
      threshold: the threshold.
      eval_dir: where its evaluations are; default, the estimator's.
      min_steps: earlier evaluations do not count.
      run_every_secs, run_every_steps: how often to look.
    """
    every = (run_every_secs, run_every_steps)
    return _threshold_hook(estimator, metric_name, threshold, True, eval_dir, min_steps, *every)


@public("estimator.experimental.stop_if_lower_hook")
def stop_if_lower_hook(
    estimator: Any,
    metric_name: str,
    threshold: float,
    eval_dir: Any = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> SessionRunHook:
    """A hook that stops training when a metric is below a threshold; see `stop_if_higher_hook`."""
    every = (run_every_secs, run_every_steps)
    return _threshold_hook(estimator, metric_name, threshold, False, eval_dir, min_steps, *every)


@public("estimator.experimental.stop_if_no_increase_hook")
def stop_if_no_increase_hook(
    estimator: Any,
    metric_name: str,
    max_steps_without_increase: int,
    eval_dir: Any = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> SessionRunHook:
    """A hook that stops training when a metric has not grown for some steps; see `stop_if_higher_hook`."""
    every = (run_every_secs, run_every_steps)
    return _progress_hook(
        estimator, metric_name, max_steps_without_increase, True, eval_dir, min_steps, *every
    )


@public("estimator.experimental.stop_if_no_decrease_hook")
def stop_if_no_decrease_hook(
    estimator: Any,
    metric_name: str,
    max_steps_without_decrease: int,
    eval_dir: Any = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> SessionRunHook:
    """A hook that stops training when a metric has not fallen for some steps; see `stop_if_higher_hook`."""
    every = (run_every_secs, run_every_steps)
    return _progress_hook(
        estimator, metric_name, max_steps_without_decrease, False, eval_dir, min_steps, *every
    )
