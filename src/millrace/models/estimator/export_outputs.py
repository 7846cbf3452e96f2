"""What a model offers to servers: classes, numbers, or any tensors."""

from __future__ import annotations

from typing import Any

from millrace.building.scopes import control_dependencies
from millrace.core.dtypes import string
from millrace.core.public import public
from millrace.graph.operation import Operation
from millrace.graph.tensor import Tensor
from millrace.ops.array.constant import constant
from millrace.saver.saved_model.signatures import (
    build_signature_def,
    build_tensor_info,
    classification_signature_def,
    predict_signature_def,
    regression_signature_def,
)


@public("estimator.export.ExportOutput")
class ExportOutput:
    """Base of outputs: each becomes one signature of a SavedModel."""

    def as_signature_def(self, receiver_tensors: dict[str, Any]) -> Any:
        """The signature, for some inputs."""
        raise TypeError(f"{type(self).__name__} must define as_signature_def. Received: {receiver_tensors}")


def _check(value: Any, what: str, rule: str, good: bool) -> None:
    if not good:
        raise ValueError(f"{what} must be {rule}; got {value}")


@public("estimator.export.ClassificationOutput", "python.estimator.export.export_output.ClassificationOutput")
class ClassificationOutput(ExportOutput):
    """Classes with scores.

    Args:
      scores: float `[batch, classes]`, or None.
      classes: strings, or None.

    Raises:
      ValueError: a dtype is another, or both are None.
    """

    def __init__(self, scores: Any = None, classes: Any = None) -> None:
        if scores is not None:
            _check(scores, "Classification scores", "a float32 Tensor", _floating(scores))
        if classes is not None:
            good = isinstance(classes, Tensor) and classes.dtype.base_dtype is string
            _check(classes, "Classification classes", "a string Tensor", good)
        if scores is None and classes is None:
            raise ValueError("At least one of scores and classes must be set.")
        self._scores, self._classes = scores, classes

    @property
    def scores(self) -> Any:
        """The scores."""
        return self._scores

    @property
    def classes(self) -> Any:
        """The classes."""
        return self._classes

    def as_signature_def(self, receiver_tensors: dict[str, Any]) -> Any:
        """A signature for classification."""
        return classification_signature_def(
            _one_string(receiver_tensors, "Classification"), self.classes, self.scores
        )


@public("estimator.export.RegressionOutput", "python.estimator.export.export_output.RegressionOutput")
class RegressionOutput(ExportOutput):
    """Numbers.

    Args:
      value: float `[batch, ...]`.

    Raises:
      ValueError: it is not a float tensor.
    """

    def __init__(self, value: Any) -> None:
        _check(value, "Regression output value", "a float32 Tensor", _floating(value))
        self._value = value

    @property
    def value(self) -> Any:
        """The numbers."""
        return self._value

    def as_signature_def(self, receiver_tensors: dict[str, Any]) -> Any:
        """A signature for regression."""
        return regression_signature_def(_one_string(receiver_tensors, "Regression"), self.value)


def _as_dict(outputs: Any, single: str) -> dict[str, Any]:
    given = outputs if isinstance(outputs, dict) else {single: outputs}
    found = {"/".join(key) if isinstance(key, tuple) else key: value for key, value in given.items()}
    for key, value in found.items():
        if not isinstance(key, str):
            raise ValueError(f"Prediction output key must be a string; got {key}.")
        if not isinstance(value, Tensor):
            raise ValueError(f"Prediction output value must be a Tensor; got {value}.")
    return found


@public("estimator.export.PredictOutput", "python.estimator.export.export_output.PredictOutput")
class PredictOutput(ExportOutput):
    """Any tensors.

    Args:
      outputs: tensors by name, or one, which is called "output".

    Raises:
      ValueError: one is not a tensor, or a name is not text.
    """

    def __init__(self, outputs: Any) -> None:
        self._outputs = _as_dict(outputs, "output")

    @property
    def outputs(self) -> dict[str, Any]:
        """The tensors by name."""
        return self._outputs

    def as_signature_def(self, receiver_tensors: dict[str, Any]) -> Any:
        """A signature for prediction."""
        return predict_signature_def(receiver_tensors, self.outputs)


class SupervisedOutput(ExportOutput):
    """What training and evaluation graphs offer: loss, predictions, metrics.

    Args:
      loss: a tensor, or tensors by name.
      predictions: a tensor, or tensors by name.
      metrics: pairs of value and update by name.
      method_name: of the signature.
    """

    def __init__(self, loss: Any, predictions: Any, metrics: Any, method_name: str) -> None:
        self._method = method_name
        self._outputs: dict[str, Any] = {}
        for value, name in ((loss, "loss"), (predictions, "predictions")):
            if isinstance(value, dict):
                self._outputs.update({_below(name, key): part for key, part in value.items()})
            elif value is not None:
                self._outputs[name] = value
        for name, (value, update) in (metrics or {}).items():
            key = _below("metrics", name)
            self._outputs[f"{key}/value"] = value
            self._outputs[f"{key}/update_op"] = _tensor_of(update)

    def as_signature_def(self, receiver_tensors: dict[str, Any]) -> Any:
        """A signature for training or evaluation."""
        inputs = {k: build_tensor_info(v) for k, v in receiver_tensors.items()}
        outputs = {k: build_tensor_info(v) for k, v in self._outputs.items()}
        return build_signature_def(inputs, outputs, self._method)


def _below(prefix: str, name: str) -> str:
    """A name that begins with what it is a part of."""
    return name if name.startswith(prefix) else f"{prefix}/{name}"


def _tensor_of(update: Any) -> Any:
    """A tensor that is there once an update has run: signatures name tensors only."""
    if not isinstance(update, Operation):
        return update
    with control_dependencies([update]):
        return constant([], name="metric_op_wrapper")


def _floating(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype.is_floating


def _one_string(receivers: Any, what: str) -> Any:
    found = list(receivers.values()) if isinstance(receivers, dict) else [receivers]
    if len(found) != 1:
        raise ValueError(f"{what} input must be a single string Tensor; got {receivers}")
    if not isinstance(found[0], Tensor) or found[0].dtype.base_dtype is not string:
        raise ValueError(f"{what} input must be a single string Tensor; got {receivers}")
    return found[0]
