"""Heads of `tf.contrib.learn` that tell classes apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millrace.building.scopes import control_dependencies, name_scope
from millrace.building.sparse_tensor import SparseTensor
from millrace.contributed.learn.heads.base import Head, Labels, SingleHead, chosen, weighted
from millrace.contributed.learn.heads.measures import (
    accuracy_at,
    area,
    mean_of,
    precision_at,
    recall_at,
    share_of,
)
from millrace.contributed.learn.keys import ProblemType
from millrace.core.border import bordered
from millrace.core.dtypes import float32, int32, int64
from millrace.core.public import public
from millrace.lib.flow.assertion import Assert
from millrace.lib.lookup.vocabulary import index_table_from_tensor, index_to_string_table_from_tensor
from millrace.lib.losses.weighted import hinge_loss
from millrace.lib.metrics.means import accuracy
from millrace.lib.nn.cross_entropy import (
    sigmoid_cross_entropy_with_logits,
    sparse_softmax_cross_entropy_with_logits,
)
from millrace.lib.sparse.conversion import sparse_to_indicator
from millrace.ops.array.concat import concat
from millrace.ops.array.fill import range_ as range_of
from millrace.ops.array.fill import zeros_like
from millrace.ops.array.reshape import expand_dims, reshape, squeeze
from millrace.ops.array.shape import rank, shape
from millrace.ops.array.tile import tile
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import greater, less_equal
from millrace.ops.math.elementwise import sigmoid
from millrace.ops.math.extremes import argmax
from millrace.ops.nn.softmax import softmax
from millrace.ops.text.numbers import as_string

Loss = Callable[[Any, Any, Any], tuple[Any, Any]]


def _own(loss_fn: Callable[..., Any]) -> Loss:
    """A user's function of labels, logits and perhaps weights."""

    def loss(logits: Any, labels: Any, weights: Any) -> tuple[Any, Any]:
        found = loss_fn(labels, logits) if weights is None else loss_fn(labels, logits, weights)
        return found, found

    return loss


def _softmax_loss(logits: Any, labels: Any, weights: Any) -> tuple[Any, Any]:
    with name_scope(None, "softmax_cross_entropy_loss", [logits, labels]) as name:
        column = labels.shape.ndims == 2
        if column:
            labels = squeeze(labels, axis=(1,))
        losses = sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits, name=name)
        return weighted(expand_dims(losses, axis=1) if column else losses, weights)


def _log_loss(logits: Any, labels: Any, weights: Any) -> tuple[Any, Any]:
    with name_scope(None, "log_loss_with_two_classes", [logits, labels]) as name:
        labels = cast(labels, float32)
        if labels.shape.ndims == 1:
            labels = expand_dims(labels, axis=1)
        return weighted(sigmoid_cross_entropy_with_logits(labels=labels, logits=logits, name=name), weights)


def _sigmoid_loss(logits: Any, labels: Any, weights: Any) -> tuple[Any, Any]:
    with name_scope(None, "sigmoid_cross_entropy_loss", [logits, labels]) as name:
        labels = cast(labels, float32)
        return weighted(sigmoid_cross_entropy_with_logits(labels=labels, logits=logits, name=name), weights)


def _hinge(logits: Any, labels: Any, weights: Any) -> tuple[Any, Any]:
    with name_scope(None, "hinge_loss", [logits, labels]) as name:
        flat = Assert(less_equal(rank(labels), 2), ["labels must be [batch] or [batch, 1]"])
        with control_dependencies([flat]):
            labels = reshape(labels, shape=(-1, 1))
        return weighted(hinge_loss(labels, logits, scope=name, reduction="none"), weights)


def _with_names(predictions: dict[str, Any], label_keys: Sequence[str] | None) -> dict[str, Any]:
    """The probabilities, and the names of all classes for each example."""
    with name_scope(None, "_classification_output_alternatives"):
        scores = predictions["probabilities"]
        batch = shape(scores)[0]
        if label_keys:
            names = tile(expand_dims(list(label_keys), 0), [batch, 1], name="classes_tensor")
        else:
            numbers = expand_dims(range_of(shape(scores)[1]), 0)
            names = as_string(tile(numbers, [batch, 1]), name="classes_tensor")
    return {"probabilities": scores, "classes": names}


class MultiClassHead(SingleHead):
    """Three classes or more, one for each example.

    Args:
      n_classes: how many.
      metric_class_ids: classes that are measured by themselves.
      loss_fn: of logits, labels and weights.
      label_keys: the names of the classes; None: they are numbers.
      others: as for `SingleHead`.
    """

    def __init__(
        self,
        n_classes: int,
        label_name: str | None,
        weight_column_name: str | None,
        enable_centered_bias: bool,
        head_name: str | None,
        metric_class_ids: Sequence[int] | None,
        loss_fn: Loss | None,
        label_keys: Sequence[str] | None,
        default_name: str = "multi_class_head",
    ) -> None:
        super().__init__(
            ProblemType.CLASSIFICATION, n_classes, label_name, weight_column_name, enable_centered_bias,
            head_name, default_name,
        )  # fmt: skip
        if label_keys and len(label_keys) != n_classes:
            raise ValueError(
                f"Length of label_keys must equal n_classes. Received: {label_keys} and {n_classes}"
            )
        self._class_ids = tuple(metric_class_ids or ())
        self._loss_fn = loss_fn or _softmax_loss
        self._label_keys = label_keys

    def labels_of(self, labels: Any) -> Labels:
        """The names and the numbers of the classes."""
        found = super().labels_of(labels)
        if not self._label_keys:
            return found
        table = index_table_from_tensor(list(self._label_keys), name="label_id_lookup")
        return Labels(found.given, table.lookup(found.given))

    def _named(self, classes: Any) -> Any:
        if not self._label_keys:
            return classes
        table = index_to_string_table_from_tensor(list(self._label_keys), name="class_string_lookup")
        return table.lookup(classes)

    def predictions(self, logits: Any) -> dict[str, Any]:
        """Logits, classes and probabilities."""
        classes = self._named(argmax(logits, 1, name="classes"))
        return {
            "logits": logits,
            "classes": classes,
            "probabilities": softmax(logits, name="probabilities"),
        }

    def losses(self, logits: Any, labels: Any, weights: Any) -> tuple[Any, Any]:
        """That of the function."""
        return self._loss_fn(logits, labels, weights)

    def metrics(self, predictions: dict[str, Any], labels: Any, weights: Any) -> dict[str, Any]:
        """The accuracy, and shares and means of single classes."""
        classes = predictions["classes"]
        found = {self.key("accuracy"): accuracy(labels.given, classes, weights)}
        for number in self._class_ids:
            if self._label_keys:
                raise ValueError(
                    f"metric_class_ids need classes that are numbers. Received: {self._class_ids} and "
                    f"label_keys {self._label_keys}"
                )
            named = lambda what, n=number: self.key(f"labels/{what}/class{n}")  # noqa: E731
            found[named("prediction_mean")] = share_of(classes, weights, number)
            found[named("actual_label_mean")] = share_of(labels.numbers, weights, number)
            found[named("probability_mean")] = mean_of(predictions["probabilities"], weights, number)
            found[named("logits_mean")] = mean_of(predictions["logits"], weights, number)
        return found

    def exported(self, predictions: dict[str, Any]) -> dict[str, Any]:
        """Probabilities, and the names of the classes."""
        return _with_names(predictions, self._label_keys)


class BinaryHead(MultiClassHead):
    """Two classes, by one logit.

    Args:
      thresholds: probabilities at which accuracy, precision and recall are measured.
      loss_fn: of logits, labels and weights.
      label_keys: the names of the classes; None: they are numbers.
      others: as for `SingleHead`.
    """

    def __init__(
        self,
        label_name: str | None,
        weight_column_name: str | None,
        enable_centered_bias: bool,
        head_name: str | None,
        thresholds: Sequence[float] | None,
        loss_fn: Loss | None,
        label_keys: Sequence[str] | None,
    ) -> None:
        super().__init__(
            2, label_name, weight_column_name, enable_centered_bias, head_name, None, loss_fn or _log_loss,
            label_keys, "binary_logistic_head",
        )  # fmt: skip
        self._logits_dimension, self._problem_type = 1, ProblemType.LOGISTIC_REGRESSION
        self._thresholds = tuple(thresholds or (0.5,))

    def predictions(self, logits: Any) -> dict[str, Any]:
        """Logits, the probability of class 1, both probabilities, and classes."""
        both = concat([zeros_like(logits), logits], 1)
        return {
            "logits": logits,
            "logistic": sigmoid(logits, name="logistic"),
            "probabilities": softmax(both, name="probabilities"),
            "classes": self._named(argmax(both, 1, name="classes")),
        }

    def metrics(self, predictions: dict[str, Any], labels: Any, weights: Any) -> dict[str, Any]:
        """Means, areas, and measures at the thresholds."""
        likely, named, labels = predictions["logistic"], labels.given, labels.numbers
        found = {
            self.key("accuracy"): accuracy(named, predictions["classes"], weights),
            self.key("labels/prediction_mean"): mean_of(likely, weights),
            self.key("labels/actual_label_mean"): mean_of(labels, weights),
            self.key("accuracy/baseline_label_mean"): mean_of(labels, weights),
            self.key("auc"): area(likely, labels, weights),
            self.key("auc_precision_recall"): area(likely, labels, weights, "PR"),
        }
        for at in self._thresholds:
            found[self.key(f"accuracy/threshold_{at:f}_mean")] = accuracy_at(likely, labels, weights, at)
            found[self.key(f"precision/positive_threshold_{at:f}_mean")] = precision_at(
                likely, labels, weights, at
            )
            found[self.key(f"recall/positive_threshold_{at:f}_mean")] = recall_at(likely, labels, weights, at)
        return found


class SvmHead(SingleHead):
    """Two classes, by one logit and the hinge loss."""

    def predictions(self, logits: Any) -> dict[str, Any]:
        """Logits and classes."""
        both = concat([zeros_like(logits), logits], 1)
        return {"logits": logits, "classes": argmax(both, 1, name="classes")}

    def losses(self, logits: Any, labels: Any, weights: Any) -> tuple[Any, Any]:
        """Hinge losses."""
        return _hinge(logits, labels, weights)

    def metrics(self, predictions: dict[str, Any], labels: Any, weights: Any) -> dict[str, Any]:
        """The accuracy."""
        return {self.key("accuracy"): accuracy(labels.given, predictions["classes"], weights)}


class MultiLabelHead(MultiClassHead):
    """Any number of classes for each example. Arguments as for `MultiClassHead`."""

    def labels_of(self, labels: Any) -> Labels:
        """A 1 for each class that an example has."""
        found = chosen(labels, self._label_name)
        if isinstance(found, SparseTensor):
            found = cast(sparse_to_indicator(found, self.logits_dimension), int32)
        return Labels(found, found)

    def predictions(self, logits: Any) -> dict[str, Any]:
        """Logits, probabilities and classes."""
        likely = sigmoid(logits, name="probabilities")
        classes = cast(greater(likely, 0.5), int64, name="classes")
        return {"logits": logits, "probabilities": likely, "classes": classes}

    def metrics(self, predictions: dict[str, Any], labels: Any, weights: Any) -> dict[str, Any]:
        """Accuracy and areas, of all classes and of single ones."""
        classes, likely, labels = predictions["classes"], predictions["probabilities"], labels.numbers
        found = {
            self.key("accuracy"): accuracy(labels, classes, weights),
            self.key("auc"): area(likely, labels, weights),
            self.key("auc_precision_recall"): area(likely, labels, weights, "PR"),
        }
        for number in self._class_ids:
            named = lambda what, n=number: self.key(f"{what}/class{n}")  # noqa: E731
            found[named("labels/prediction_mean")] = mean_of(classes, weights, number)
            found[named("labels/actual_label_mean")] = mean_of(labels, weights, number)
            found[named("labels/probability_mean")] = mean_of(likely, weights, number)
            found[named("labels/logits_mean")] = mean_of(predictions["logits"], weights, number)
            found[named("auc")] = area(likely, labels, weights, "ROC", number)
            found[named("auc_precision_recall")] = area(likely, labels, weights, "PR", number)
        return found


@public("contrib.learn.multi_class_head", "contrib.learn.head.multi_class_head")
@bordered
def multi_class_head(
    n_classes: int,
    label_name: str | None = None,
    weight_column_name: str | None = None,
    enable_centered_bias: bool = False,
    head_name: str | None = None,
    thresholds: Sequence[float] | None = None,
    metric_class_ids: Sequence[int] | None = None,
    loss_fn: Callable[..., Any] | None = None,
    label_keys: Sequence[str] | None = None,
) -> Head:
    """A head that tells classes apart, one for each example.

    Args:
      n_classes: how many; two have one logit.
      label_name: which of the labels; None where they are one tensor.
      weight_column_name: the feature that weighs the examples.
      enable_centered_bias: whether a bias is learnt that centres the predictions.
      head_name: behind the names of metrics, and the name of the scope.
      thresholds: of two classes: probabilities at which accuracy, precision and recall are measured.
      metric_class_ids: of more classes: those that are measured by themselves.
      loss_fn: of labels, logits, and weights where there are any; default: the cross entropy.
      label_keys: the names of the classes; None: labels are numbers.

    Raises:
      ValueError: there are fewer than two classes, or arguments do not go with their number.
    """
    if n_classes is None or n_classes < 2:
        raise ValueError(f"n_classes must be > 1 for classification: {n_classes}.")
    loss = _own(loss_fn) if loss_fn is not None else None
    shared = (label_name, weight_column_name, enable_centered_bias, head_name)
    if n_classes == 2:
        if metric_class_ids:
            raise ValueError(f"metric_class_ids invalid for n_classes==2. Received: {metric_class_ids}")
        return BinaryHead(*shared, thresholds, loss, label_keys)
    return MultiClassHead(n_classes, *shared, metric_class_ids, loss, label_keys)


@public("contrib.learn.binary_svm_head", "contrib.learn.head.binary_svm_head")
@bordered
def binary_svm_head(
    label_name: str | None = None,
    weight_column_name: str | None = None,
    enable_centered_bias: bool = False,
    head_name: str | None = None,
    thresholds: Sequence[float] | None = None,
) -> Head:
    """A head for two classes, trained by the hinge loss.

    Args:
      label_name, weight_column_name, enable_centered_bias, head_name: as for `multi_class_head`.
      thresholds: kept for programs that name it; as in 1.15, no metric uses it.
    """
    del thresholds
    return SvmHead(
        ProblemType.LOGISTIC_REGRESSION, 1, label_name, weight_column_name, enable_centered_bias, head_name,
        "binary_svm_head",
    )  # fmt: skip


@public("contrib.learn.multi_label_head", "contrib.learn.head.multi_label_head")
@bordered
def multi_label_head(
    n_classes: int,
    label_name: str | None = None,
    weight_column_name: str | None = None,
    enable_centered_bias: bool = False,
    head_name: str | None = None,
    thresholds: Sequence[float] | None = None,
    metric_class_ids: Sequence[int] | None = None,
    loss_fn: Callable[..., Any] | None = None,
) -> Head:
    """A head for examples of any number of classes.

    Args:
      n_classes, label_name, weight_column_name, enable_centered_bias, head_name, metric_class_ids,
        loss_fn: as for `multi_class_head`.
      thresholds: kept for programs that name it; as in 1.15, no metric uses it.

    Raises:
      ValueError: there are fewer than two classes.
    """
    del thresholds
    if n_classes < 2:
        raise ValueError(f"n_classes must be > 1 for classification. Received: {n_classes}")
    return MultiLabelHead(
        n_classes, label_name, weight_column_name, enable_centered_bias, head_name, metric_class_ids,
        _own(loss_fn) if loss_fn is not None else _sigmoid_loss, None, "multi_label_head",
    )  # fmt: skip
