"""`tf.contrib.learn`: what an older model function gives, and the metrics that an evaluation adds."""

from __future__ import annotations

import inspect
from collections import namedtuple
from collections.abc import Callable
from typing import Any

from millrace.core.public import public
from millrace.models.estimator.export_outputs import ClassificationOutput, PredictOutput, RegressionOutput
from millrace.models.estimator.modes import LOSS_METRIC_KEY
from millrace.models.estimator.spec import EstimatorSpec

_FIELDS = (
    "predictions loss train_op eval_metric_ops output_alternatives training_chief_hooks training_hooks "
    "scaffold mode"
)


@public("contrib.learn.ModelFnOps")
class ModelFnOps(namedtuple("ModelFnOps", _FIELDS)):
    """What a model is in one mode.

    Args:
      mode: a `ModeKeys`.
      predictions: a tensor, or tensors by name; needed but for training.
      loss: a scalar; needed but for inference.
      train_op: needed for training.
      eval_metric_ops: by name, pairs of value and update.
      output_alternatives: by name, pairs of a `ProblemType` and tensors by name, for exports.
      training_chief_hooks, training_hooks: `SessionRunHook`s.
      scaffold: a `Scaffold`.

    Raises:
      ValueError: something that the mode needs is missing.
    """

    __slots__ = ()

    def __new__(  # noqa: D102 - the class says it
        cls,
        mode: str,
        predictions: Any = None,
        loss: Any = None,
        train_op: Any = None,
        eval_metric_ops: Any = None,
        output_alternatives: Any = None,
        training_chief_hooks: Any = None,
        training_hooks: Any = None,
        scaffold: Any = None,
    ) -> ModelFnOps:
        if train_op is None and mode == "train":
            raise ValueError("Missing train_op.")
        if loss is None and mode != "infer":
            raise ValueError("Missing loss.")
        if predictions is None and mode != "train":
            raise ValueError("Missing predictions.")
        return super().__new__(
            cls,
            predictions,
            loss,
            train_op,
            eval_metric_ops or {},
            output_alternatives,
            tuple(training_chief_hooks or ()),
            tuple(training_hooks or ()),
            scaffold,
            mode,
        )

    def estimator_spec(self, default_serving_output_alternative_key: Any = None) -> EstimatorSpec:
        """The same as an `EstimatorSpec`.

        Args:
          default_serving_output_alternative_key: which of several alternatives a server uses.

        Raises:
          ValueError: there are several alternatives, and the key names none.
        """
        metrics = {k: v for k, v in self.eval_metric_ops.items() if k != LOSS_METRIC_KEY}
        return EstimatorSpec(
            self.mode,
            self.predictions,
            self.loss,
            self.train_op,
            metrics,
            _outputs(self.output_alternatives, default_serving_output_alternative_key),
            self.training_chief_hooks,
            self.training_hooks,
            self.scaffold,
        )


def _outputs(alternatives: Any, default: Any) -> dict[str, Any] | None:
    if not alternatives:
        return None
    if len(alternatives) == 1 and default is None:
        default = next(iter(alternatives))
    if default not in alternatives:
        raise ValueError(
            f"Please specify a default_output_alternative. Available are: {sorted(map(str, alternatives))}. "
            f"Received: {default!r}"
        )
    found = {str(name): _output(*pair) for name, pair in alternatives.items() if name != default}
    found["serving_default"] = _output(*alternatives[default])
    return found


def _output(problem_type: int, tensors: dict[str, Any]) -> Any:
    if problem_type in (1, 3):
        scores, classes = tensors.get("probabilities"), tensors.get("classes")
        if classes is not None and classes.dtype.name != "string":
            classes = None
        if scores is not None or classes is not None:
            return ClassificationOutput(scores=scores, classes=classes)
    if problem_type == 2 and len(tensors) == 1:
        return RegressionOutput(next(iter(tensors.values())))
    return PredictOutput(tensors)


@public("contrib.learn.MetricSpec", "contrib.learn.metric_spec.MetricSpec")
class MetricSpec:
    """A metric, and where its inputs come from.

    Args:
      metric_fn: of predictions, labels and weights to a pair of value and update.
      prediction_key: which prediction; None where there is one.
      label_key: which label; None where there is one.
      weight_key: the feature that weighs the examples; None for none.
    """

    def __init__(
        self,
        metric_fn: Callable[..., Any],
        prediction_key: str | None = None,
        label_key: str | None = None,
        weight_key: str | None = None,
    ) -> None:
        self._metric_fn = metric_fn
        self._prediction_key, self._label_key, self._weight_key = prediction_key, label_key, weight_key

    @property
    def metric_fn(self) -> Callable[..., Any]:
        """The metric's function."""
        return self._metric_fn

    @property
    def prediction_key(self) -> str | None:
        """Which prediction."""
        return self._prediction_key

    @property
    def label_key(self) -> str | None:
        """Which label."""
        return self._label_key

    @property
    def weight_key(self) -> str | None:
        """Which feature weighs the examples."""
        return self._weight_key

    def create_metric_ops(self, inputs: Any, labels: Any, predictions: Any) -> Any:
        """The pair of value and update.

        Args:
          inputs: the features.
          labels: a tensor, or tensors by name.
          predictions: a tensor, or tensors by name.

        Raises:
          KeyError: a key is missing.
          ValueError: a key is needed, or there is nothing to choose from.
        """
        predicted = _selected(predictions, self._prediction_key, "prediction_key")
        wanted = _selected(labels, self._label_key, "label_key")
        given = {}
        if self._weight_key is not None:
            given["weights"] = _selected(inputs, self._weight_key, "weight_key")
        return _measured(self._metric_fn, predicted, wanted, given)


def _selected(values: Any, key: str | None, what: str) -> Any:
    if isinstance(values, dict):
        if key is None:
            if len(values) != 1:
                raise ValueError(
                    f"MetricSpec without specified {what} requires a tensor or a single element dictionary. "
                    f"Received: {sorted(values)}"
                )
            return next(iter(values.values()))
        if key not in values:
            raise KeyError(f"Key '{key}' missing from {values.keys()}.")
        return values[key]
    if key is not None:
        raise ValueError(
            f"MetricSpec with {what} specified requires a dictionary. Received: {key!r}, {values}"
        )
    return values


def _measured(function: Any, predictions: Any, labels: Any, given: dict[str, Any]) -> Any:
    try:
        names = inspect.signature(function).parameters
    except (TypeError, ValueError):
        names = {}
    for name in ("labels", "targets"):
        if "predictions" in names and name in names:
            return function(**{"predictions": predictions, name: labels}, **given)
    return function(predictions, labels, **given)


def metric_operations(metrics: Any, features: Any, labels: Any, predictions: Any) -> dict[str, Any]:
    """Pairs of value and update by name, of `MetricSpec`s or of functions of predictions and labels.

    Raises:
      ValueError: predictions have names, and a function does not say which it takes.
    """
    if isinstance(labels, dict) and len(labels) == 1:
        labels = next(iter(labels.values()))
    found: dict[str, Any] = {}
    for name, metric in (metrics or {}).items():
        if isinstance(metric, MetricSpec):
            found[name] = metric.create_metric_ops(features, labels, predictions)
        elif isinstance(name, tuple):
            if len(name) != 2 or not isinstance(predictions, dict):
                raise ValueError(
                    "A metric's name is a text, or with named predictions (name, prediction). "
                    f"Received: {name}"
                )
            found[name[0]] = metric(_selected(predictions, name[1], "prediction_key"), labels)
        elif isinstance(predictions, dict):
            raise ValueError(
                "Metrics passed provide only name, no prediction, but predictions are dict. "
                f"Metrics: {metrics}, Labels: {labels}."
            )
        else:
            found[name] = metric(predictions, labels)
    return found
