"""`EstimatorSpec`: what a model function gives back, checked."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from millrace.core import nest
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.lib.variables.variable import Variable
from millrace.models.estimator.export_outputs import ExportOutput, PredictOutput
from millrace.models.estimator.modes import ModeKeys
from millrace.ops.array.reshape import reshape
from millrace.training.hooks.base import SessionRunHook
from millrace.training.sessions.scaffold import Scaffold

_FIELDS = (
    "mode",
    "predictions",
    "loss",
    "train_op",
    "eval_metric_ops",
    "export_outputs",
    "training_chief_hooks",
    "training_hooks",
    "scaffold",
    "evaluation_hooks",
    "prediction_hooks",
)


@public("estimator.EstimatorSpec", "python.estimator.model_fn.EstimatorSpec")
class EstimatorSpec(namedtuple("EstimatorSpec", _FIELDS)):
    """What a model is in one mode.

    Args:
      mode: a `ModeKeys`.
      predictions: a tensor, or tensors by name; needed for prediction.
      loss: a scalar, or one element; needed for training and evaluation.
      train_op: needed for training.
      eval_metric_ops: by name, pairs of value and update, or metric objects.
      export_outputs: by name, `ExportOutput`s.
      training_chief_hooks, training_hooks, evaluation_hooks, prediction_hooks: `SessionRunHook`s.
      scaffold: a `Scaffold`.

    Raises:
      ValueError: something is missing, or of another graph.
      TypeError: something is of another type.
    """

    __slots__ = ()

    def __new__(  # noqa: D102 - the class says it
        cls,
        mode: str,
        predictions: Any = None,
        loss: Any = None,
        train_op: Any = None,
        eval_metric_ops: Any = None,
        export_outputs: Any = None,
        training_chief_hooks: Any = None,
        training_hooks: Any = None,
        scaffold: Any = None,
        evaluation_hooks: Any = None,
        prediction_hooks: Any = None,
    ) -> EstimatorSpec:
        train_op = _checked_train_op(train_op, mode)
        loss = _checked_loss(loss, mode)
        predictions = _checked_predictions(predictions, mode)
        export_outputs = _checked_exports(export_outputs, predictions, mode)
        hooks = [
            _checked_hooks(given)
            for given in (training_hooks, evaluation_hooks, prediction_hooks, training_chief_hooks)
        ]
        metrics = _checked_metrics(eval_metric_ops)
        _check_graph(predictions, loss, train_op, metrics)
        scaffold = scaffold or Scaffold()
        if not isinstance(scaffold, Scaffold):
            raise TypeError(f"scaffold must be tf.train.Scaffold. Given: {scaffold}")
        training, evaluation, prediction, chief = hooks
        return super().__new__(
            cls,
            mode,
            predictions,
            loss,
            train_op,
            metrics,
            export_outputs,
            chief,
            training,
            scaffold,
            evaluation,
            prediction,
        )

    def _replace(self, **kwds: Any) -> EstimatorSpec:
        """A copy with other values, which are checked like the first ones.

        Raises:
          ValueError: another mode is among them.
        """
        if kwds.get("mode", self.mode) != self.mode:
            raise ValueError(f"mode of EstimatorSpec cannot be changed. Received: {kwds['mode']!r}")
        return EstimatorSpec(**{**self._asdict(), **kwds})


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Tensor | Variable)


def _checked_train_op(train_op: Any, mode: str) -> Any:
    if train_op is None:
        if mode == ModeKeys.TRAIN:
            raise ValueError("Missing train_op.")
        return None
    if not isinstance(train_op, Operation) and not _is_tensor(train_op):
        raise TypeError(f"train_op must be Operation or Tensor, given: {train_op}")
    return train_op.op if isinstance(train_op, Variable) else train_op


def _checked_loss(loss: Any, mode: str) -> Any:
    if loss is None:
        if mode in (ModeKeys.TRAIN, ModeKeys.EVAL):
            raise ValueError("Missing loss.")
        return None
    if not _is_tensor(loss):
        raise TypeError(f"loss must be Tensor, given: {loss}")
    shape = loss.get_shape()
    if shape.num_elements() not in (None, 1):
        raise ValueError(f"Loss must be scalar, given: {loss}")
    return loss if shape.is_compatible_with([]) else reshape(loss, [])


def _checked_predictions(predictions: Any, mode: str) -> Any:
    if predictions is None:
        if mode == ModeKeys.PREDICT:
            raise ValueError("Missing predictions.")
        return {}
    for name, value in predictions.items() if isinstance(predictions, dict) else [(None, predictions)]:
        if not _is_tensor(value):
            which = "" if name is None else f"[{name}]"
            raise TypeError(f"predictions{which} must be Tensor, given: {value}")
    return predictions


def _checked_exports(export_outputs: Any, predictions: Any, mode: str) -> Any:
    if mode != ModeKeys.PREDICT:
        return export_outputs
    key = "serving_default"
    if export_outputs is None:
        export_outputs = {key: PredictOutput(predictions)}
    if not isinstance(export_outputs, dict):
        raise TypeError(f"export_outputs must be dict, given: {export_outputs}")
    for value in export_outputs.values():
        if not isinstance(value, ExportOutput):
            raise TypeError(f"Values in export_outputs must be ExportOutput objects. Given: {export_outputs}")
    if len(export_outputs) == 1 and key not in export_outputs:
        export_outputs = {**export_outputs, key: next(iter(export_outputs.values()))}
    elif len(export_outputs) > 1 and key not in export_outputs:
        raise ValueError(
            "Multiple export_outputs were provided, but none of them is specified as the default. "
            f'Specify one by naming it "{key}". Received: {sorted(export_outputs)}'
        )
    return export_outputs


def _checked_hooks(hooks: Any) -> tuple[Any, ...]:
    found = tuple(hooks or ())
    for hook in found:
        if not isinstance(hook, SessionRunHook):
            raise TypeError(f"All hooks must be SessionRunHook instances, given: {hook}")
    return found


def _checked_metrics(metrics: Any) -> dict[str, Any]:
    if metrics is None:
        return {}
    if not isinstance(metrics, dict):
        raise TypeError(f"eval_metric_ops must be a dict, given: {metrics}")
    found: dict[str, Any] = {}
    for key, value in metrics.items():
        if hasattr(value, "result") and hasattr(value, "updates"):
            found[key] = of_metric(key, value)
            continue
        if not isinstance(value, tuple) or len(value) != 2:
            raise TypeError(
                "Values of eval_metric_ops must be (metric_value, update_op) tuples, "
                f"given: {value} for key: {key}"
            )
        for part in nest.flatten(value):
            if not _is_tensor(part) and not isinstance(part, Operation):
                raise TypeError(
                    "Values of eval_metric_ops must be (metric_value, update_op) tuples of tensors or "
                    f"operations, given: {value} for key: {key}"
                )
        found[key] = value
    return found


def of_metric(key: str, metric: Any) -> tuple[Any, Any]:
    """Value and update of a metric object, whose variables become local ones of the graph.

    Args:
      key: its name, for the error.
      metric: the object.

    Raises:
      ValueError: it was not given a batch.
    """
    graph = get_default_graph()
    kept = {id(v) for v in graph.get_collection("local_variables")}
    for variable in metric.variables:
        if id(variable) not in kept:
            graph.add_to_collection("local_variables", variable)
    if not metric.updates:
        raise ValueError(f"Please call update_state(...) on the {key} metric")
    return metric.result(), metric.updates[0]


def _check_graph(predictions: Any, loss: Any, train_op: Any, metrics: dict[str, Any]) -> None:
    graph = get_default_graph()
    for value in nest.flatten([predictions, loss, train_op, list(metrics.values())]):
        if value is not None and getattr(value, "graph", graph) is not graph:
            raise ValueError(
                f"All values of an EstimatorSpec must be of the default graph. Received: {value}"
            )
