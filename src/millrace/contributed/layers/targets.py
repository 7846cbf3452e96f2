"""`tf.contrib.layers.regression_target` and its like: what labels are, their loss, predictions, measures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import convert, operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.contributed.losses.weighted import hinge_loss
from millrace.contributed.metrics.streaming import (
    streaming_accuracy,
    streaming_auc,
    streaming_mean,
    streaming_precision_at_thresholds,
    streaming_recall_at_thresholds,
)
from millrace.core.dtypes import float32, int64
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.reductions import reduce_mean, reduce_sum
from millrace.lib.nn.cross_entropy import (
    sigmoid_cross_entropy_with_logits,
    sparse_softmax_cross_entropy_with_logits,
)
from millrace.ops.array.concat import concat
from millrace.ops.array.fill import zeros_like
from millrace.ops.math.elementwise import sigmoid
from millrace.ops.math.extremes import argmax
from millrace.ops.nn.softmax import softmax


class _ProblemType:
    """Kinds of problems: UNSPECIFIED, CLASSIFICATION, LINEAR_REGRESSION."""

    UNSPECIFIED = 0
    CLASSIFICATION = 1
    LINEAR_REGRESSION = 2


class _TargetColumn:
    """What targets share.

    Args:
      loss_fn: of logits and labels to the loss of each example.
      num_label_columns: how many logits there are.
      label_name: the labels' key where they come in a dictionary.
      weight_column_name: the key of the examples' weights among the features; None: all weigh 1.
      problem_type: which kind.
    """

    def __init__(
        self,
        loss_fn: Callable[[Any, Any], Any],
        num_label_columns: int,
        label_name: str | None,
        weight_column_name: str | None,
        problem_type: int,
    ) -> None:
        if not num_label_columns:
            raise ValueError(f"num_label_columns must be positive. Received: {num_label_columns}")
        self._loss_fn, self._num_label_columns = loss_fn, num_label_columns
        self._label_name, self._weight_column_name = label_name, weight_column_name
        self._problem_type = problem_type

    @property
    def label_name(self) -> str | None:
        """The labels' key."""
        return self._label_name

    @property
    def weight_column_name(self) -> str | None:
        """The key of the examples' weights among the features."""
        return self._weight_column_name

    @property
    def num_label_columns(self) -> int:
        """How many logits there are."""
        return self._num_label_columns

    @property
    def problem_type(self) -> int:
        """The kind of problem: 1 classification, 2 regression."""
        return self._problem_type

    def get_weight_tensor(self, features: dict[str, Any]) -> Tensor | None:
        """The examples' weights, float32 `[batch]`, or None."""
        if not self._weight_column_name:
            return None
        weights = convert.to_tensor(features[self._weight_column_name])
        return raw.Reshape(raw.Cast(weights, DstT=float32), [-1])

    def _each(self, logits: Any, target: Any) -> Tensor:
        if isinstance(target, dict):
            target = target[self._label_name]
        return self._loss_fn(logits, target)

    def training_loss(self, logits: Any, target: Any, features: dict[str, Any], name: str = "training_loss"):
        """The mean over the batch of each example's loss times its weight, a scalar."""
        losses = self._each(logits, target)
        weights = self.get_weight_tensor(features)
        if weights is None:
            return reduce_mean(losses, name=name)
        return reduce_mean(_weighted(losses, weights), name=name)

    def loss(self, logits: Any, target: Any, features: dict[str, Any]) -> Tensor:
        """The weighted mean of the examples' losses, a scalar."""
        losses = self._each(logits, target)
        weights = self.get_weight_tensor(features)
        if weights is None:
            return reduce_mean(losses, name="loss")
        total, share = reduce_sum(_weighted(losses, weights)), reduce_sum(weights)
        return raw.RealDiv(total, share, name="loss")

    def logits_to_predictions(self, logits: Any, proba: bool = False) -> Tensor:
        """What the logits predict; with `proba` probabilities, where there are."""
        raise ValueError(f"{type(self).__name__} makes no predictions")

    def get_eval_ops(
        self, features: dict[str, Any], logits: Any, labels: Any, metrics: dict[Any, Any] | None = None
    ) -> dict[Any, Any]:
        """The measures of an evaluation, by name: each a pair of a value and its update."""
        raise ValueError(f"{type(self).__name__} has no measures")


def _weighted(losses: Tensor, weights: Tensor) -> Tensor:
    return raw.Mul(raw.Reshape(losses, [-1]), raw.Reshape(weights, [-1]))


class _RegressionTargetColumn(_TargetColumn):
    """Numbers to come near to."""

    def __init__(
        self, loss_fn: Any, label_name: str | None, weight_column_name: str | None, label_dimension: int
    ) -> None:
        kind = _ProblemType.LINEAR_REGRESSION
        super().__init__(loss_fn, label_dimension, label_name, weight_column_name, kind)

    def logits_to_predictions(self, logits: Any, proba: bool = False) -> Tensor:
        """The logits, without their last axis where there is one for each example."""
        if self.num_label_columns == 1:
            return raw.Squeeze(logits, squeeze_dims=[1])
        return logits

    def get_eval_ops(
        self, features: dict[str, Any], logits: Any, labels: Any, metrics: dict[Any, Any] | None = None
    ) -> dict[Any, Any]:
        """The mean loss, and each of `metrics` of predictions and labels."""
        result = {"loss": streaming_mean(self.loss(logits, labels, features))}
        predictions = self.logits_to_predictions(logits, proba=False)
        result.update(_measured(metrics or {}, predictions, labels, self.get_weight_tensor(features)))
        return result


class _MultiClassTargetColumn(_TargetColumn):
    """Classes to tell apart."""

    def __init__(
        self, loss_fn: Any, n_classes: int, label_name: str | None, weight_column_name: str | None
    ) -> None:
        if n_classes < 2:
            raise ValueError(f"n_classes must be >= 2. Received: {n_classes}")
        columns = 1 if n_classes == 2 else n_classes
        super().__init__(loss_fn, columns, label_name, weight_column_name, _ProblemType.CLASSIFICATION)

    def logits_to_predictions(self, logits: Any, proba: bool = False) -> Tensor:
        """The most likely classes, `[batch]`; with `proba` the probabilities, `[batch, classes]`."""
        logits = convert.to_tensor(logits)
        if self.num_label_columns == 1:
            logits = concat([zeros_like(logits), logits], 1)
        return softmax(logits) if proba else argmax(logits, 1)

    def _default_eval_metrics(self) -> dict[str, Any]:
        if self.num_label_columns == 1:
            return get_default_binary_metrics_for_eval([0.5])
        return {}

    def get_eval_ops(
        self, features: dict[str, Any], logits: Any, labels: Any, metrics: dict[Any, Any] | None = None
    ) -> dict[Any, Any]:
        """The mean loss, the accuracy and, of two classes, their usual measures; and each of `metrics`.

        `metrics` has functions by name, called with the classes, or by `(name, key)`, where the key is
        "classes" or "probabilities".
        """
        result: dict[Any, Any] = {"loss": streaming_mean(self.loss(logits, labels, features))}
        weights = self.get_weight_tensor(features)
        classes = self.logits_to_predictions(logits, proba=False)
        result["accuracy"] = streaming_accuracy(classes, raw.Reshape(labels, [-1]), weights)
        by_class, by_share = {}, {}
        for name, function in (metrics or {}).items():
            if isinstance(name, tuple):
                if len(name) != 2:
                    raise ValueError(
                        f"Ignoring metric {name}. It returned a tuple with len {len(name)}, expected 2."
                    )
                if name[1] not in ("classes", "probabilities"):
                    raise ValueError(
                        f"Ignoring metric {name}. The 2nd element of its name should be either "
                        "'classes' or 'probabilities'."
                    )
                (by_class if name[1] == "classes" else by_share)[name[0]] = function
            else:
                by_class[name] = function
        result.update(_measured(by_class, classes, labels, weights))
        defaults = self._default_eval_metrics()
        if by_share or defaults:
            shares = sigmoid(logits) if self.num_label_columns == 1 else softmax(logits)
            result.update(_measured({**defaults, **by_share}, shares, labels, weights))
        return result


class _BinarySvmTargetColumn(_MultiClassTargetColumn):
    """Two classes, told apart with a margin."""

    def __init__(self, label_name: str | None, weight_column_name: str | None) -> None:
        super().__init__(lambda logits, labels: hinge_loss(logits, labels), 2, label_name, weight_column_name)

    def logits_to_predictions(self, logits: Any, proba: bool = False) -> Tensor:
        """The more likely class of each example, `[batch]`.

        Raises:
          ValueError: `proba` was asked for.
        """
        if proba:
            raise ValueError("logits to probabilities is not supported for _BinarySvmTargetColumn")
        logits = concat([zeros_like(convert.to_tensor(logits)), logits], 1)
        return argmax(logits, 1)


def _measured(metrics: dict[Any, Any], predictions: Any, labels: Any, weights: Any) -> dict[Any, Any]:
    """Each measure of predictions and labels; weights reach those that take them."""
    result = {}
    for name, function in metrics.items():
        if weights is None:
            result[name] = function(predictions, labels)
            continue
        try:
            result[name] = function(predictions, labels, weights=weights)
        except TypeError:
            result[name] = function(predictions, labels)
    return result


def _squared(logits: Any, target: Any) -> Tensor:
    logits, target = convert.to_tensor(logits), convert.to_tensor(target)
    if target.dims is not None and len(target.dims) == 1:
        target = raw.ExpandDims(target, 1)
    if logits.dims is not None and target.dims is not None and len(logits.dims) != len(target.dims):
        raise ValueError(f"Logits and labels must have the same rank. Received: {logits} and {target}")
    if not logits.shape.is_compatible_with(target.shape):
        raise ValueError(f"Shapes {logits.shape} and {target.shape} are incompatible")
    return raw.SquaredDifference(
        logits, raw.Cast(target, DstT=float32) if target.dtype != logits.dtype else target
    )


def _binary(logits: Any, target: Any) -> Tensor:
    logits, target = convert.to_tensor(logits), convert.to_tensor(target)
    if target.dims is not None and len(target.dims) == 1:
        target = raw.ExpandDims(target, 1)
    return sigmoid_cross_entropy_with_logits(labels=raw.Cast(target, DstT=float32), logits=logits)


def _classes(logits: Any, target: Any) -> Tensor:
    target = convert.to_tensor(target)
    if target.dims is None or len(target.dims) == 2:
        target = raw.Squeeze(target, squeeze_dims=[1])
    return sparse_softmax_cross_entropy_with_logits(labels=target, logits=logits)


@public("contrib.layers.regression_target", "contrib.slim.regression_target")
def regression_target(
    label_name: str | None = None, weight_column_name: str | None = None, label_dimension: int = 1
) -> _RegressionTargetColumn:
    """A target of numbers, with the squared difference as loss.

    Args:
      label_name: the labels' key where they come in a dictionary.
      weight_column_name: the key of the examples' weights among the features.
      label_dimension: how many numbers an example has.
    """
    return _RegressionTargetColumn(_squared, label_name, weight_column_name, label_dimension)


@public("contrib.layers.multi_class_target", "contrib.slim.multi_class_target")
def multi_class_target(
    n_classes: int, label_name: str | None = None, weight_column_name: str | None = None
) -> _MultiClassTargetColumn:
    """A target of one class among several, with the cross entropy as loss.

    Args:
      n_classes: how many; 2 have one logit.
      label_name: the labels' key where they come in a dictionary.
      weight_column_name: the key of the examples' weights among the features.

    Raises:
      ValueError: fewer than 2 classes.
    """
    loss = _binary if n_classes == 2 else _classes
    return _MultiClassTargetColumn(loss, n_classes, label_name, weight_column_name)


@public("contrib.slim.binary_svm_target", "contrib.layers.python.layers.target_column.binary_svm_target")
def binary_svm_target(
    label_name: str | None = None, weight_column_name: str | None = None
) -> _BinarySvmTargetColumn:
    """A target of one class of two, with the hinge loss.

    Args:
      label_name: the labels' key where they come in a dictionary.
      weight_column_name: the key of the examples' weights among the features.
    """
    return _BinarySvmTargetColumn(label_name, weight_column_name)


@public("contrib.slim.ProblemType")
def ProblemType() -> type[_ProblemType]:  # noqa: N802
    """The kinds of problems, as a class with UNSPECIFIED, CLASSIFICATION and LINEAR_REGRESSION."""
    return _ProblemType


def _at(metric: Any, threshold: float) -> Callable[..., Any]:
    """A measure at one threshold instead of several."""

    def measure(predictions: Any, labels: Any, weights: Any = None) -> tuple[Tensor, Tensor]:
        value, update = metric(
            predictions=predictions,
            labels=labels,
            thresholds=[threshold],
            weights=_column(weights, predictions),
        )
        return raw.Squeeze(value), update

    return measure


def _column(weights: Any, predictions: Any) -> Any:
    """Weights as broadcast with predictions of shape `[batch, 1]`."""
    if weights is None:
        return None
    dims: Any = convert.to_tensor(predictions).dims or ()
    rank = len(dims)
    return raw.Reshape(weights, [-1] + [1] * (rank - 1))


def _accuracy_at(threshold: float) -> Callable[..., Any]:
    def measure(predictions: Any, labels: Any, weights: Any = None) -> tuple[Tensor, Tensor]:
        classes = raw.Cast(raw.GreaterEqual(predictions, threshold), DstT=int64)
        return streaming_accuracy(classes, raw.Cast(labels, DstT=int64), _column(weights, predictions))

    return measure


@public("contrib.slim.get_default_binary_metrics_for_eval")
def get_default_binary_metrics_for_eval(thresholds: Any) -> dict[str, Any]:
    """The usual measures of two classes: functions of predictions and labels (and weights), by name.

    Args:
      thresholds: probabilities from which on an example counts as positive.
    """
    metrics: dict[str, Any] = {
        "labels/prediction_mean": lambda p, labels, weights=None: streaming_mean(p, _column(weights, p)),
        "labels/actual_target_mean": lambda p, labels, weights=None: streaming_mean(
            labels, _column(weights, labels)
        ),
        "accuracy/baseline_target_mean": lambda p, labels, weights=None: streaming_mean(
            labels, _column(weights, labels)
        ),
        "auc": lambda p, labels, weights=None: streaming_auc(p, labels, _column(weights, p)),
    }
    for threshold in thresholds:
        metrics[f"accuracy/threshold_{threshold:f}_mean"] = _accuracy_at(threshold)
        metrics[f"precision/positive_threshold_{threshold:f}_mean"] = _at(
            streaming_precision_at_thresholds, threshold
        )
        metrics[f"recall/positive_threshold_{threshold:f}_mean"] = _at(
            streaming_recall_at_thresholds, threshold
        )
    return metrics
