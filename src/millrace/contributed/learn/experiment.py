"""`tf.contrib.learn.Experiment`: an estimator with what it trains on and is measured by."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from millrace.cluster.server import Server
from millrace.contributed.learn.estimator import BaseEstimator
from millrace.contributed.learn.monitors.ready import ValidationMonitor
from millrace.contributed.learn.strategies import ExportStrategy
from millrace.core.public import public
from millrace.lib.platform import log
from millrace.models.estimator.estimator import Estimator as CoreEstimator
from millrace.saver.checkpoint.reader import load_variable
from millrace.saver.checkpoint.state import latest_checkpoint
from millrace.training.hooks.base import SessionRunHook


@public("contrib.learn.Experiment")
class Experiment:
    """An estimator, what it trains on, and what it is measured by.

    Args:
      estimator: a `tf.contrib.learn.Estimator` or a `tf.estimator.Estimator`.
      train_input_fn, eval_input_fn: give features and labels.
      eval_metrics: metrics as for `Estimator.evaluate`.
      train_steps: up to which step it is trained; None for no end.
      eval_steps: how many batches an evaluation reads; None for all.
      train_monitors: monitors and hooks of the training.
      eval_hooks: hooks of evaluations.
      local_eval_frequency: older name of `min_eval_frequency`.
      eval_delay_secs: how long a continuous evaluation waits at first.
      continuous_eval_throttle_secs: how long it takes at least from one evaluation to the next.
      min_eval_frequency: how many steps `train_and_evaluate` trains at least from one evaluation to the next;
        default 1; 0 for one evaluation, at the end.
      delay_workers_by_global_step: accepted; there is one process.
      check_interval_secs: how many seconds pass at least from one look for a checkpoint to the next.
      export_strategies: an `ExportStrategy` or several: what is exported after evaluations.
      train_steps_per_iteration: how many steps `continuous_train_and_eval` trains at a time; default all.
      checkpoint_and_export: export each checkpoint that `train_and_evaluate` evaluates.
      saving_listeners: told of checkpoints; of a `tf.estimator.Estimator` only.

    Raises:
      ValueError: the estimator is of another kind, or an argument does not go with its kind.
    """

    def __init__(
        self,
        estimator: Any,
        train_input_fn: Callable[[], Any],
        eval_input_fn: Callable[[], Any],
        eval_metrics: Any = None,
        train_steps: int | None = None,
        eval_steps: int | None = 100,
        train_monitors: Any = None,
        eval_hooks: Any = None,
        local_eval_frequency: int | None = None,
        eval_delay_secs: float = 120,
        continuous_eval_throttle_secs: float = 60,
        min_eval_frequency: int | None = None,
        delay_workers_by_global_step: bool = False,
        export_strategies: Any = None,
        train_steps_per_iteration: int | None = None,
        checkpoint_and_export: bool = False,
        saving_listeners: Any = None,
        check_interval_secs: float = 5,
    ) -> None:
        del delay_workers_by_global_step
        self._check_interval_secs = check_interval_secs
        if not isinstance(estimator, BaseEstimator | CoreEstimator):
            raise ValueError(
                "`estimator` must be a `tf.contrib.learn.Estimator` or a `tf.estimator.Estimator`. "
                f"Received: {estimator}"
            )
        if isinstance(estimator, CoreEstimator) and eval_metrics is not None:
            raise ValueError(
                f"`eval_metrics` must be `None` with `tf.estimator.Estimator`. Received: {eval_metrics}"
            )
        if isinstance(estimator, BaseEstimator) and saving_listeners is not None:
            raise ValueError(
                "`saving_listeners` must be `None` with `tf.contrib.learn.Estimator`. "
                f"Received: {saving_listeners}"
            )
        if train_steps_per_iteration is not None and not isinstance(train_steps_per_iteration, int):
            raise ValueError(
                f"`train_steps_per_iteration` must be an integer. Received: {train_steps_per_iteration!r}"
            )
        if min_eval_frequency is None:
            min_eval_frequency = local_eval_frequency
        self._set_export_strategies(export_strategies)
        self._train_steps_per_iteration = train_steps_per_iteration
        self._checkpoint_and_export, self._saving_listeners = checkpoint_and_export, saving_listeners
        self._estimator = estimator
        self._train_input_fn, self._eval_input_fn = train_input_fn, eval_input_fn
        self._eval_metrics, self._train_steps, self._eval_steps = eval_metrics, train_steps, eval_steps
        self._train_monitors, self._eval_hooks = list(train_monitors or ()), list(eval_hooks or ())
        self._eval_delay_secs, self._throttle = eval_delay_secs, continuous_eval_throttle_secs
        self._min_eval_frequency = 1 if min_eval_frequency is None else min_eval_frequency

    @property
    def estimator(self) -> Any:
        """The estimator."""
        return self._estimator

    @property
    def eval_metrics(self) -> Any:
        """The metrics."""
        return self._eval_metrics

    @property
    def train_steps(self) -> int | None:
        """Up to which step it is trained."""
        return self._train_steps

    @property
    def eval_steps(self) -> int | None:
        """How many batches an evaluation reads."""
        return self._eval_steps

    def extend_train_hooks(self, additional_hooks: Any) -> None:
        """Adds monitors and hooks to the training.

        Args:
          additional_hooks: the hooks.
        """
        self._train_monitors.extend(additional_hooks)

    def _set_export_strategies(self, given: Any) -> None:
        strategies = [given] if isinstance(given, ExportStrategy) else list(given or ())
        for strategy in strategies:
            if not isinstance(strategy, ExportStrategy):
                raise ValueError(
                    "`export_strategies` must be an ExportStrategy, an iterable of them or None. "
                    f"Received: {strategy!r}"
                )
        self._export_strategies = tuple(strategies)

    def reset_export_strategies(self, new_export_strategies: Any = None) -> tuple[Any, ...]:
        """Sets what is exported.

        Args:
          new_export_strategies: an `ExportStrategy`, or several; None for none.

        Returns:
          What was set before.

        Raises:
          ValueError: something is not an `ExportStrategy`.
        """
        before = self._export_strategies
        self._set_export_strategies(new_export_strategies)
        return before

    def _exported(self, eval_result: Any, checkpoint_path: Any = None) -> list[Any]:
        """One export for each strategy."""
        base = os.path.join(os.fspath(self._estimator.model_dir), "export")
        return [
            strategy.export(self._estimator, os.path.join(base, strategy.name), checkpoint_path, eval_result)
            for strategy in self._export_strategies
        ]

    def train(self, delay_secs: float | None = None) -> Any:
        """Trains up to `train_steps`.

        Args:
          delay_secs: how long to wait before; None for not at all.

        Returns:
          The estimator.
        """
        if delay_secs:
            time.sleep(delay_secs)
        return self._fit(self._train_monitors)

    def _fit(self, monitors: list[Any]) -> Any:
        return self._trained(monitors, max_steps=self._train_steps)

    def _trained(self, monitors: list[Any], **steps: Any) -> Any:
        if isinstance(self._estimator, CoreEstimator):
            return self._estimator.train(
                self._train_input_fn, hooks=monitors, saving_listeners=self._saving_listeners, **steps
            )
        return self._estimator.fit(input_fn=self._train_input_fn, monitors=monitors, **steps)

    def evaluate(self, delay_secs: float | None = None, name: str | None = None) -> dict[str, Any]:
        """Evaluates the newest checkpoint.

        Args:
          delay_secs: how long to wait before; None for not at all.
          name: tells evaluations on different data apart.
        """
        if delay_secs:
            time.sleep(delay_secs)
        return self._evaluated(self._eval_input_fn, name or "one_pass", self._eval_steps)

    def local_run(self) -> tuple[dict[str, Any], list[Any]]:
        """Old name of `train_and_evaluate`."""
        return self.train_and_evaluate()

    def _evaluated(
        self, input_fn: Any, name: str, steps: int | None, checkpoint_path: Any = None
    ) -> dict[str, Any]:
        if isinstance(self._estimator, CoreEstimator):
            return self._estimator.evaluate(input_fn, steps, self._eval_hooks, checkpoint_path, name)
        return self._estimator.evaluate(
            input_fn=input_fn,
            steps=steps,
            metrics=self._eval_metrics,
            name=name,
            hooks=self._eval_hooks,
            checkpoint_path=checkpoint_path,
        )

    def train_and_evaluate(self) -> tuple[dict[str, Any], list[Any]]:
        """Trains up to `train_steps`, evaluates new checkpoints on the way, evaluates and exports at the end.

        Returns:
          The metrics of the last evaluation, and its exports.
        """
        monitors: list[Any] = list(self._train_monitors)
        if self._min_eval_frequency and isinstance(self._estimator, CoreEstimator):
            monitors.append(_EvaluatesCheckpoints(self))
        elif self._min_eval_frequency:
            monitors.append(
                ValidationMonitor(
                    input_fn=self._eval_input_fn,
                    eval_steps=self._eval_steps,
                    metrics=self._eval_metrics,
                    every_n_steps=self._min_eval_frequency,
                    name="local",
                    hooks=self._eval_hooks,
                    check_interval_secs=self._check_interval_secs,
                )
            )
        self._fit(monitors)
        found = self._evaluated(self._eval_input_fn, "one_pass", self._eval_steps)
        return found, self._exported(found)

    def continuous_train_and_eval(
        self, continuous_eval_predicate_fn: Callable[..., bool] | None = None
    ) -> tuple[dict[str, Any], list[Any]]:
        """Trains and evaluates in turn, up to `train_steps`, and exports after each evaluation.

        Args:
          continuous_eval_predicate_fn: takes the last metrics (None at first) and, where it takes two, the
            last checkpoint; False ends.

        Returns:
          The metrics of the last evaluation, and its exports.

        Raises:
          ValueError: what tells the end is not a function.
        """
        predicate = continuous_eval_predicate_fn
        if predicate is not None and not callable(predicate):
            raise ValueError(f"continuous_eval_predicate_fn must be a callable. Received: {predicate}")
        found: Any = None
        exports: list[Any] = []
        while predicate is None or predicate(found):
            if self._train_steps and found and found["global_step"] >= self._train_steps:
                break
            step = found["global_step"] if found else self._last_step()
            until = self._train_steps
            if self._train_steps_per_iteration is not None:
                until = step + self._train_steps_per_iteration
                until = min(until, self._train_steps) if self._train_steps else until
            self._trained(list(self._train_monitors), max_steps=until)
            found = self._evaluated(self._eval_input_fn, "one_pass", self._eval_steps)
            exports = self._exported(found)
        return found, exports

    def _last_step(self) -> int:
        path = latest_checkpoint(self._estimator.model_dir)
        return 0 if not path else int(load_variable(path, "global_step"))

    def run_std_server(self) -> None:
        """Serves the other processes of a cluster, for ever."""
        config = self._estimator.config
        Server(config.cluster_spec, job_name=config.task_type, task_index=config.task_id).join()

    def continuous_eval(
        self,
        delay_secs: float | None = None,
        throttle_delay_secs: float | None = None,
        evaluate_checkpoint_only_once: bool = True,
        continuous_eval_predicate_fn: Callable[[Any], bool] | None = None,
        name: str = "continuous",
    ) -> Any:
        """Evaluates one new checkpoint after another, up to that of `train_steps`.

        Args:
          delay_secs: how long to wait before; default `eval_delay_secs`.
          throttle_delay_secs: from one evaluation to the next; default `continuous_eval_throttle_secs`.
          evaluate_checkpoint_only_once: whether a checkpoint is evaluated once.
          continuous_eval_predicate_fn: takes the last metrics (None at first); False ends.
          name: tells evaluations on different data apart.

        Returns:
          The metrics of the last evaluation.

        Raises:
          ValueError: what tells the end is not a function.
        """
        return self._continuous(
            self._eval_input_fn, delay_secs, throttle_delay_secs, evaluate_checkpoint_only_once,
            continuous_eval_predicate_fn, name,
        )  # fmt: skip

    def continuous_eval_on_train_data(
        self,
        delay_secs: float | None = None,
        throttle_delay_secs: float | None = None,
        continuous_eval_predicate_fn: Callable[[Any], bool] | None = None,
        name: str = "continuous_on_train_data",
    ) -> Any:
        """As `continuous_eval`, on what the estimator trains on."""
        return self._continuous(
            self._train_input_fn, delay_secs, throttle_delay_secs, True, continuous_eval_predicate_fn, name
        )

    def _continuous(
        self, input_fn: Any, delay: Any, throttle: Any, once: bool, predicate: Any, name: str
    ) -> Any:
        if predicate is not None and not callable(predicate):
            raise ValueError(f"continuous_eval_predicate_fn must be a callable. Received: {predicate}")
        time.sleep(self._eval_delay_secs if delay is None else delay)
        pause = self._throttle if throttle is None else throttle
        found, last = None, None
        while predicate is None or predicate(found):
            if self._train_steps and found and found["global_step"] >= self._train_steps:
                break
            began = time.monotonic()
            path = latest_checkpoint(self._estimator.model_dir)
            if path and not (once and path == last):
                found, last = self._evaluated(input_fn, name, self._eval_steps), path
            else:
                log.debug("There is no new checkpoint in %s.", self._estimator.model_dir)
            time.sleep(max(0.0, pause - (time.monotonic() - began)))
        return found

    def test(self) -> dict[str, Any]:
        """Trains one step and evaluates one batch, to see whether all fits together.

        Returns:
          The metrics.
        """
        self._trained(list(self._train_monitors), steps=1)
        found = self._evaluated(self._eval_input_fn, "one_pass", 1)
        self._exported(found)
        return found


class _EvaluatesCheckpoints(SessionRunHook):
    """Evaluates each new checkpoint while a `tf.estimator.Estimator` is trained.

    Args:
      experiment: whose evaluation it is.
    """

    def __init__(self, experiment: Experiment) -> None:
        self._experiment, self._last, self._runs = experiment, None, 0

    def after_run(self, run_context: Any, run_values: Any) -> None:
        """Looks for a checkpoint after as many steps as asked for."""
        del run_context, run_values
        self._runs += 1
        if self._runs % self._experiment._min_eval_frequency:
            return
        path = latest_checkpoint(self._experiment.estimator.model_dir)
        if path and path != self._last:
            self._last = path
            self._experiment._evaluated(
                self._experiment._eval_input_fn, "local", self._experiment._eval_steps, path
            )


@public("contrib.learn.learn_runner.run")
def run(
    experiment_fn: Callable[..., Any],
    output_dir: str | None = None,
    schedule: str | None = None,
    run_config: Any = None,
    hparams: Any = None,
) -> Any:
    """Makes an experiment and calls one of its methods.

    Args:
      experiment_fn: takes a folder, or, with `run_config`, a configuration and hyperparameters; gives an
        `Experiment`.
      output_dir: the folder; instead of `run_config`.
      schedule: the method's name; default "train_and_evaluate".
      run_config: a `RunConfig` with a folder.
      hparams: hyperparameters, with `run_config`.

    Returns:
      What the method gives.

    Raises:
      ValueError: not exactly one of the folder and the configuration is given, hyperparameters come without
        a configuration, or there is no such method.
      TypeError: `experiment_fn` gives no `Experiment`.
    """
    if (output_dir is None) == (run_config is None):
        raise ValueError(
            f"Must specify either `output_dir` or `run_config`. Received: {output_dir} and {run_config}"
        )
    if not callable(experiment_fn):
        raise TypeError(f"Experiment builder [{experiment_fn}] is not callable.")
    if run_config is None:
        if hparams is not None:
            raise ValueError(f"`hparams` need a `run_config`. Received: {hparams}")
        experiment = experiment_fn(output_dir=output_dir)
    else:
        if not run_config.model_dir:
            raise ValueError(f"Must specify a model directory `model_dir` in `run_config`: {run_config}")
        experiment = experiment_fn(run_config=run_config, hparams=hparams)
    if not isinstance(experiment, Experiment):
        raise TypeError(f"Experiment builder did not return an Experiment instance, got {type(experiment)}.")
    name = schedule or "train_and_evaluate"
    task = getattr(experiment, name, None)
    if name.startswith("_") or not callable(task):
        raise ValueError(f"A schedule is the name of a method of Experiment. Received: {name!r}")
    return task()
