"""`tf.contrib.learn`: what makes predictions, losses and metrics of a model's logits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import convert, operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import name_scope
from millrace.contributed.learn.specs import ModelFnOps
from millrace.contributed.metrics.streaming import (
    streaming_accuracy,
    streaming_auc,
    streaming_mean,
    streaming_precision_at_thresholds,
    streaming_recall_at_thresholds,
)
from millrace.core.dtypes import float32, int64
from millrace.graph.keys import GraphKeys
from millrace.lib.flow.control_flow import group
from millrace.lib.math.reductions import reduce_mean, reduce_sum
from millrace.lib.nn.cross_entropy import (
    sigmoid_cross_entropy_with_logits,
    sparse_softmax_cross_entropy_with_logits,
)
from millrace.lib.variables.scope import variable_scope
from millrace.lib.variables.variable import Variable
from millrace.ops.array.concat import concat
from millrace.ops.math.elementwise import sigmoid
from millrace.ops.math.extremes import argmax
from millrace.ops.nn.softmax import softmax
from millrace.training.optimizers.adagrad import AdagradOptimizer


class Head:
    """What all heads share.

    Args:
      name: of the scope.
      logits_dimension: how many logits an example has.
      weight_column_name: the feature that weighs the examples; None: all weigh 1.
      enable_centered_bias: whether a bias of its own is learnt.
    """

    problem_type = 0

    def __init__(
        self, name: str, logits_dimension: int, weight_column_name: str | None, enable_centered_bias: bool
    ) -> None:
        self._name, self.logits_dimension = name, logits_dimension
        self._weight_column_name, self._centered = weight_column_name, enable_centered_bias

    def predictions(self, logits: Any) -> dict[str, Any]:
        """The predictions by name."""
        raise TypeError(f"{type(self).__name__} has no predictions")

    def losses(self, logits: Any, labels: Any) -> Any:
        """The loss of each example, `[batch, ...]`."""
        raise TypeError(f"{type(self).__name__} has no loss")

    def metrics(self, predictions: dict[str, Any], labels: Any, weights: Any) -> dict[str, Any]:
        """Pairs of value and update by name, but for the loss."""
        raise TypeError(f"{type(self).__name__} has no metrics")

    def create_model_fn_ops(
        self, features: Any, mode: str, labels: Any, train_op_fn: Callable[[Any], Any], logits: Any
    ) -> ModelFnOps:
        """The model in one mode.

        Args:
          features: tensors by name.
          mode: a `ModeKeys`.
          labels: a tensor, or one tensor by name; None for inference.
          train_op_fn: makes the operation that trains of the loss.
          logits: `[batch, logits_dimension]`.

        Raises:
          ValueError: labels are missing.
        """
        with variable_scope(None, self._name, [logits]):
            bias = self._bias() if self._centered else None
            if bias is not None:
                logits = logits + bias
            predictions = self.predictions(logits)
            outputs = {None: (self.problem_type, self._exported(predictions))}
            if mode == "infer":
                return ModelFnOps(mode, predictions, output_alternatives=outputs)
            labels = _one(labels)
            weights = self._weights(features)
            training, average = _averaged(self.losses(logits, labels), weights)
            if mode == "eval":
                metrics = self.metrics(predictions, labels, weights)
                return ModelFnOps(
                    mode, predictions, average, eval_metric_ops=metrics, output_alternatives=outputs
                )
            with name_scope("train_op"):
                step = train_op_fn(training)
            if bias is not None:
                step = group(step, self._bias_step(bias, labels, weights))
            return ModelFnOps(mode, predictions, training, step, output_alternatives=outputs)

    def _exported(self, predictions: dict[str, Any]) -> dict[str, Any]:
        return predictions

    def _weights(self, features: Any) -> Any:
        if not self._weight_column_name:
            return None
        return raw.Cast(convert.to_tensor(features[self._weight_column_name]), DstT=float32)

    def _bias(self) -> Any:
        return Variable(
            raw.Fill([self.logits_dimension], 0.0),
            collections=["centered_bias", GraphKeys.GLOBAL_VARIABLES, GraphKeys.TRAINABLE_VARIABLES],
            name="centered_bias_weight",
        )

    def _bias_step(self, bias: Any, labels: Any, weights: Any) -> Any:
        count = raw.Shape(labels)[0]
        logits = raw.Reshape(raw.Tile(bias, raw.ExpandDims(count, 0)), [-1, self.logits_dimension])
        loss, _ = _averaged(self.losses(logits, labels), weights)
        return AdagradOptimizer(0.1).minimize(loss, var_list=[bias], name="centered_bias_step")


def _one(labels: Any) -> Any:
    if isinstance(labels, dict) and len(labels) == 1:
        labels = next(iter(labels.values()))
    if labels is None or isinstance(labels, dict):
        raise ValueError(f"Labels must be one tensor. Received: {labels}")
    return convert.to_tensor(labels)


def _averaged(losses: Any, weights: Any) -> tuple[Any, Any]:
    """The loss to train, and the weighted mean of the examples' losses."""
    if weights is None:
        mean = reduce_mean(losses)
        return mean, mean
    rank = len(losses.dims)
    each = raw.Reshape(weights, [-1] + [1] * (rank - 1))
    weighted = losses * each
    spread = raw.OnesLike(losses) * each
    return reduce_mean(weighted), reduce_sum(weighted) / reduce_sum(spread)


def _as_classes(labels: Any) -> Any:
    """Labels `[batch]` of `[batch]` or `[batch, 1]`."""
    return raw.Reshape(labels, [-1])


class MultiClassHead(Head):
    """Three classes or more.

    Args:
      n_classes: how many.
      weight_column_name, enable_centered_bias: as for `Head`.
    """

    problem_type = 1

    def __init__(self, n_classes: int, weight_column_name: str | None, enable_centered_bias: bool) -> None:
        super().__init__("multi_class_head", n_classes, weight_column_name, enable_centered_bias)

    def predictions(self, logits: Any) -> dict[str, Any]:
        """Logits, probabilities and classes."""
        return {"logits": logits, "probabilities": softmax(logits), "classes": argmax(logits, 1)}

    def losses(self, logits: Any, labels: Any) -> Any:
        """Cross entropies."""
        return sparse_softmax_cross_entropy_with_logits(labels=_as_classes(labels), logits=logits)

    def metrics(self, predictions: dict[str, Any], labels: Any, weights: Any) -> dict[str, Any]:
        """The accuracy."""
        labels = raw.Cast(_as_classes(labels), DstT=int64)
        return {"accuracy": streaming_accuracy(predictions["classes"], labels, _row(weights))}

    def _exported(self, predictions: dict[str, Any]) -> dict[str, Any]:
        return {"probabilities": predictions["probabilities"]}


def _row(weights: Any) -> Any:
    return None if weights is None else raw.Reshape(weights, [-1])


class BinaryHead(MultiClassHead):
    """Two classes, by one logit.

    Args:
      weight_column_name, enable_centered_bias: as for `Head`.
    """

    def __init__(self, weight_column_name: str | None, enable_centered_bias: bool) -> None:
        Head.__init__(self, "binary_logistic_head", 1, weight_column_name, enable_centered_bias)

    def predictions(self, logits: Any) -> dict[str, Any]:
        """Logits, the probability of class 1, both probabilities, and classes."""
        both = concat([raw.ZerosLike(logits), logits], 1)
        return {
            "logits": logits,
            "logistic": sigmoid(logits),
            "probabilities": softmax(both),
            "classes": argmax(both, 1),
        }

    def losses(self, logits: Any, labels: Any) -> Any:
        """Cross entropies, `[batch, 1]`."""
        wanted = raw.Reshape(raw.Cast(labels, DstT=float32), [-1, 1])
        return sigmoid_cross_entropy_with_logits(labels=wanted, logits=logits)

    def metrics(self, predictions: dict[str, Any], labels: Any, weights: Any) -> dict[str, Any]:
        """Means, areas, and measures at a probability of one half."""
        found = super().metrics(predictions, labels, weights)
        weights = _row(weights)
        likely = raw.Reshape(predictions["logistic"], [-1])
        wanted = raw.Reshape(raw.Cast(labels, DstT=float32), [-1])
        at_half = raw.Cast(raw.GreaterEqual(likely, 0.5), DstT=float32)
        precision = streaming_precision_at_thresholds(likely, wanted, [0.5], weights)
        recall = streaming_recall_at_thresholds(likely, wanted, [0.5], weights)
        found.update({
            "labels/prediction_mean": streaming_mean(likely, weights),
            "labels/actual_label_mean": streaming_mean(wanted, weights),
            "accuracy/baseline_label_mean": streaming_mean(wanted, weights),
            "auc": streaming_auc(likely, wanted, weights),
            "auc_precision_recall": streaming_auc(likely, wanted, weights, curve="PR"),
            "accuracy/threshold_0.500000_mean": streaming_accuracy(at_half, wanted, weights),
            "precision/positive_threshold_0.500000_mean": (raw.Squeeze(precision[0]), precision[1]),
            "recall/positive_threshold_0.500000_mean": (raw.Squeeze(recall[0]), recall[1]),
        })  # fmt: skip
        return found


class RegressionHead(Head):
    """Numbers.

    Args:
      label_dimension: how many an example has.
      weight_column_name, enable_centered_bias: as for `Head`.
    """

    problem_type = 2

    def __init__(
        self, label_dimension: int, weight_column_name: str | None, enable_centered_bias: bool
    ) -> None:
        super().__init__("regression_head", label_dimension, weight_column_name, enable_centered_bias)

    def predictions(self, logits: Any) -> dict[str, Any]:
        """The scores, `[batch]` where an example has one."""
        return {"scores": raw.Squeeze(logits, squeeze_dims=[1]) if self.logits_dimension == 1 else logits}

    def losses(self, logits: Any, labels: Any) -> Any:
        """Squared differences."""
        wanted = raw.Reshape(raw.Cast(labels, DstT=float32), [-1, self.logits_dimension])
        return raw.SquaredDifference(logits, wanted)

    def metrics(self, predictions: dict[str, Any], labels: Any, weights: Any) -> dict[str, Any]:
        """None but the loss."""
        return {}


def classification_head(
    n_classes: int, weight_column_name: str | None, enable_centered_bias: bool
) -> MultiClassHead:
    """The head for some classes.

    Raises:
      ValueError: there are fewer than two.
    """
    if n_classes is None or n_classes < 2:
        raise ValueError(f"n_classes must be > 1 for classification: {n_classes}.")
    if n_classes == 2:
        return BinaryHead(weight_column_name, enable_centered_bias)
    return MultiClassHead(n_classes, weight_column_name, enable_centered_bias)
