"""`tf.contrib.learn.Experiment`: an estimator with what it trains on and is measured by."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from millrace.contributed.learn.estimator import Estimator
from millrace.contributed.learn.monitors.ready import ValidationMonitor
from millrace.core.public import public
from millrace.lib.platform import log
from millrace.saver.checkpoint.state import latest_checkpoint


@public("contrib.learn.Experiment")
class Experiment:
    """An estimator, what it trains on, and what it is measured by.

    Args:
      estimator: a `tf.contrib.learn.Estimator`.
      train_input_fn, eval_input_fn: give features and labels.
      eval_metrics: metrics as for `Estimator.evaluate`.
      train_steps: up to which step it is trained; None for no end.
      eval_steps: how many batches an evaluation reads; None for all.
      train_monitors: monitors and hooks of the training.
      eval_hooks: hooks of evaluations.
      eval_delay_secs: how long a continuous evaluation waits at first.
      continuous_eval_throttle_secs: how long it takes at least from one evaluation to the next.
      min_eval_frequency: how many steps `train_and_evaluate` trains at least from one evaluation to the next;
        default 1; 0 for one evaluation, at the end.

    Raises:
      ValueError: the estimator is of another kind.
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
        *,
        eval_delay_secs: float = 120,
        continuous_eval_throttle_secs: float = 60,
        min_eval_frequency: int | None = None,
    ) -> None:
        if not isinstance(estimator, Estimator):
            raise ValueError(f"`estimator` must be a `tf.contrib.learn.Estimator`. Received: {estimator}")
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
        return self._estimator.fit(
            input_fn=self._train_input_fn, max_steps=self._train_steps, monitors=monitors
        )

    def evaluate(self, delay_secs: float | None = None, name: str | None = None) -> dict[str, Any]:
        """Evaluates the newest checkpoint.

        Args:
          delay_secs: how long to wait before; None for not at all.
          name: tells evaluations on different data apart.
        """
        if delay_secs:
            time.sleep(delay_secs)
        return self._evaluated(self._eval_input_fn, name or "one_pass", self._eval_steps)

    def local_run(self) -> dict[str, Any]:
        """Old name of `train_and_evaluate`."""
        return self.train_and_evaluate()

    def _evaluated(self, input_fn: Any, name: str, steps: int | None) -> dict[str, Any]:
        return self._estimator.evaluate(
            input_fn=input_fn, steps=steps, metrics=self._eval_metrics, name=name, hooks=self._eval_hooks
        )

    def train_and_evaluate(self) -> dict[str, Any]:
        """Trains up to `train_steps`, evaluates new checkpoints on the way, and evaluates at the end.

        Returns:
          The metrics of the last evaluation.
        """
        monitors: list[Any] = list(self._train_monitors)
        if self._min_eval_frequency:
            monitors.append(
                ValidationMonitor(
                    input_fn=self._eval_input_fn,
                    eval_steps=self._eval_steps,
                    metrics=self._eval_metrics,
                    every_n_steps=self._min_eval_frequency,
                    name="local",
                    hooks=self._eval_hooks,
                )
            )
        self._fit(monitors)
        return self._evaluated(self._eval_input_fn, "one_pass", self._eval_steps)

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
        self._estimator.fit(input_fn=self._train_input_fn, steps=1, monitors=self._train_monitors)
        return self._evaluated(self._eval_input_fn, "one_pass", 1)


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
