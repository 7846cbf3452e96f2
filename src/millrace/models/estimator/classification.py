"""Heads that classify: two classes, many, or any number of them at once."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.scopes import control_dependencies, name_scope
from millrace.building.sparse_tensor import SparseTensor
from millrace.core.dtypes import float32, int64, string
from millrace.core.public import public
from millrace.lib.lookup.vocabulary import index_table_from_tensor, index_to_string_table_from_tensor
from millrace.lib.losses.weighted import sparse_softmax_cross_entropy
from millrace.lib.math.checks import assert_less_equal, assert_non_negative
from millrace.lib.math.reductions import reduce_mean
from millrace.lib.metrics import means, thresholds
from millrace.lib.metrics.counts import precision, recall
from millrace.lib.nn.cross_entropy import sigmoid_cross_entropy_with_logits
from millrace.lib.sparse.conversion import sparse_to_indicator
from millrace.models.estimator.export_outputs import ClassificationOutput, PredictOutput, RegressionOutput
from millrace.models.estimator.heads import HeadBase, LossSpec, checked_labels, checked_logits
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import constant, identity
from millrace.ops.array.fill import ones_like, range_, zeros_like
from millrace.ops.array.reshape import expand_dims
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.array.tile import tile
from millrace.ops.math.cast import cast
from millrace.ops.math.elementwise import sigmoid
from millrace.ops.math.extremes import argmax
from millrace.ops.math.select import maximum
from millrace.ops.nn.softmax import softmax
from millrace.ops.text.numbers import as_string

_OVER_BATCH = "weighted_sum_over_batch_size"


def _checked_thresholds(given: Any) -> tuple[float, ...]:
    found = tuple(given or ())
    for threshold in found:
        if not 0.0 < threshold < 1.0:
            raise ValueError(f"thresholds not in (0, 1): {(found,)}.")
    return found


@public("python.estimator.canned.head._assert_range")
def in_range(labels: Any, n_classes: int, message: str | None = None) -> Any:
    """The labels, once a run has seen that they are below `n_classes`; `message` says why they are not."""
    with name_scope(None, "assert_range", (labels,)):
        checks = [
            assert_less_equal(labels, constant(n_classes - 1, labels.dtype.base_dtype),
                              message=message or "Labels must <= n_classes - 1"),
            assert_non_negative(labels, message=message or "Labels must >= 0"),
        ]  # fmt: skip
        with control_dependencies(checks):
            return identity(labels)


class Classifying(HeadBase):
    """What heads for classes share.

    Args:
      n_classes: how many.
      label_vocabulary: the classes' names, where labels are strings.
      name, weight_column, loss_reduction, loss_fn: as for every head.
    """

    def __init__(
        self,
        n_classes: int,
        label_vocabulary: Any,
        name: str | None,
        weight_column: Any,
        loss_reduction: str,
        loss_fn: Any,
    ) -> None:
        super().__init__(name, weight_column, loss_reduction, loss_fn)
        self._n_classes = n_classes
        if label_vocabulary is not None and not isinstance(label_vocabulary, list | tuple):
            raise ValueError(
                f"label_vocabulary should be a list or a tuple. Given type: {type(label_vocabulary)}"
            )
        self._label_vocabulary: Any = label_vocabulary

    def _label_ids(self, labels: Any) -> Any:
        if self._label_vocabulary:
            if labels.dtype.base_dtype is not string:
                raise ValueError(
                    f"Labels dtype should be string if there is a vocabulary. Instead got {labels.dtype}"
                )
            table = index_table_from_tensor(tuple(self._label_vocabulary), name="class_id_lookup")
            return table.lookup(labels)
        if not labels.dtype.is_integer:
            raise ValueError(f"Labels dtype should be integer. Instead got {labels.dtype}.")
        return labels

    def _names(self) -> Any:
        return (
            constant(list(self._label_vocabulary))
            if self._label_vocabulary
            else as_string(range_(self._n_classes))
        )

    def _all(self, logits: Any, row: Any) -> Any:
        batch = shape_of(logits)[0]
        return tile(expand_dims(row, 0), [batch, 1])

    def _classes(self, class_ids: Any) -> Any:
        if not self._label_vocabulary:
            return as_string(class_ids, name="str_classes")
        table = index_to_string_table_from_tensor(tuple(self._label_vocabulary), name="class_string_lookup")
        return table.lookup(class_ids)

    def exported(self, scores: Any) -> ClassificationOutput:
        """The scores, and the names of all classes for each example."""
        return ClassificationOutput(scores=scores, classes=self._all(scores, self._names()))


def _losses_and_weights(head: Any, loss: LossSpec) -> dict[str, Any]:
    key = head._key("average_loss")
    return {key: means.mean(loss.unreduced_loss, weights=loss.weights, name=key)}


def _auc(labels: Any, predictions: Any, weights: Any, curve: str, name: str) -> Any:
    if not isinstance(weights, float):
        weights = weights * ones_like(predictions)
    return thresholds.auc(labels, predictions, weights, curve=curve, name=name)


class BinaryHead(Classifying):
    """Two classes, one logit. See `binary_classification_head`."""

    def __init__(
        self,
        weight_column: Any = None,
        thresholds: Any = None,
        label_vocabulary: Any = None,
        loss_reduction: str = _OVER_BATCH,
        loss_fn: Any = None,
        name: str | None = None,
    ) -> None:
        self._thresholds = _checked_thresholds(thresholds)
        super().__init__(2, label_vocabulary, name, weight_column, loss_reduction, loss_fn)

    @property
    def logits_dimension(self) -> int:
        """1."""
        return 1

    def predictions(self, logits: Any, keys: Any = None) -> dict[str, Any]:
        """What the logits say."""
        del keys
        logits = checked_logits(logits, 1)
        logistic = sigmoid(logits, name="logistic")
        both = concat((zeros_like(logits), logits), axis=-1, name="two_class_logits")
        probabilities = softmax(both, name="probabilities")
        class_ids = expand_dims(argmax(both, axis=-1, name="class_ids"), axis=-1)
        return {
            "logits": logits,
            "logistic": logistic,
            "probabilities": probabilities,
            "class_ids": class_ids,
            "classes": self._classes(class_ids),
            "all_class_ids": self._all(logits, range_(2)),
            "all_classes": self._all(logits, self._names()),
        }

    def _processed(self, labels: Any, logits: Any) -> Any:
        labels = checked_labels(labels, logits, 1)
        if self._label_vocabulary:
            labels = self._label_ids(labels)
        return in_range(cast(labels, float32, name="ToFloat"), 2)

    def _losses(self, labels: Any, logits: Any) -> Any:
        return sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)

    def _exports(self, predictions: dict[str, Any]) -> dict[str, Any]:
        found = self.exported(predictions["probabilities"])
        return {
            "serving_default": found,
            "classification": found,
            "regression": RegressionOutput(predictions["logistic"]),
            "predict": PredictOutput(predictions),
        }

    def _metrics(self, predictions: Any, loss: LossSpec) -> dict[str, Any]:
        labels, weights, key = loss.processed_labels, loss.weights, self._key
        logistic, class_ids = predictions["logistic"], predictions["class_ids"]
        label_mean = means.mean(labels, weights=weights, name=key("label/mean"))
        found = _losses_and_weights(self, loss)
        found[key("accuracy")] = means.accuracy(labels, class_ids, weights, name=key("accuracy"))
        found[key("precision")] = precision(labels, class_ids, weights, name=key("precision"))
        found[key("recall")] = recall(labels, class_ids, weights, name=key("recall"))
        name = key("prediction/mean")
        found[name] = means.mean(logistic, weights=weights, name=name)
        found[key("label/mean")] = label_mean
        with name_scope(key("accuracy_baseline")):
            found[key("accuracy_baseline")] = tuple(
                maximum(part, 1.0 - part, name=name)
                for part, name in zip(label_mean, ("value", "update_op"), strict=True)
            )
        found[key("auc")] = _auc(labels, logistic, weights, "ROC", key("auc"))
        name = key("auc_precision_recall")
        found[name] = _auc(labels, logistic, weights, "PR", name)
        for threshold in self._thresholds:
            found.update(_at_threshold(self, labels, logistic, weights, threshold))
        return found


def _at_threshold(head: Any, labels: Any, scores: Any, weights: Any, threshold: float) -> dict[str, Any]:
    """Accuracy, precision and recall of the decision at one threshold."""
    found: dict[str, Any] = {}
    name = head._key(f"accuracy/positive_threshold_{threshold:g}")
    decided = cast(raw.GreaterEqual(scores, threshold), float32)
    found[name] = means.accuracy(cast(labels, float32), decided, weights, name=name)
    for measure, what in (
        (thresholds.precision_at_thresholds, "precision"),
        (thresholds.recall_at_thresholds, "recall"),
    ):
        name = head._key(f"{what}/positive_threshold_{threshold:g}")
        value, update = measure(labels, scores, (threshold,), weights, name=name)
        found[name] = value[0], update[0]
    return found


class MultiClassHeadBase(Classifying):
    """Three classes or more, a logit for each. See `multi_class_head`."""

    def __init__(
        self,
        n_classes: int,
        weight_column: Any = None,
        label_vocabulary: Any = None,
        loss_reduction: str = _OVER_BATCH,
        loss_fn: Any = None,
        name: str | None = None,
    ) -> None:
        if n_classes is None or n_classes <= 2:
            raise ValueError(f"n_classes must be > 2: {n_classes}.")
        super().__init__(n_classes, label_vocabulary, name, weight_column, loss_reduction, loss_fn)

    @property
    def logits_dimension(self) -> int:
        """One for each class."""
        return self._n_classes

    def predictions(self, logits: Any, keys: Any = None) -> dict[str, Any]:
        """What the logits say."""
        del keys
        logits = checked_logits(logits, self._n_classes)
        all_ids = self._all(logits, range_(self._n_classes))
        all_classes = self._all(logits, self._names())
        class_ids = expand_dims(argmax(logits, axis=-1, name="class_ids"), axis=-1)
        classes = self._classes(class_ids)
        return {
            "logits": logits,
            "probabilities": softmax(logits, name="probabilities"),
            "class_ids": class_ids,
            "classes": classes,
            "all_class_ids": all_ids,
            "all_classes": all_classes,
        }

    def _processed(self, labels: Any, logits: Any) -> Any:
        return in_range(self._label_ids(checked_labels(labels, logits, 1)), self._n_classes)

    def _losses(self, labels: Any, logits: Any) -> Any:
        losses = sparse_softmax_cross_entropy(labels=labels, logits=logits, reduction="none")
        return expand_dims(losses, axis=-1)

    def _exports(self, predictions: dict[str, Any]) -> dict[str, Any]:
        found = self.exported(predictions["probabilities"])
        return {
            "serving_default": found,
            "classification": found,
            "predict": PredictOutput(predictions),
        }

    def _metrics(self, predictions: Any, loss: LossSpec) -> dict[str, Any]:
        found = _losses_and_weights(self, loss)
        name = self._key("accuracy")
        found[name] = means.accuracy(loss.processed_labels, predictions["class_ids"], loss.weights, name=name)
        return found


class MultiLabelHeadBase(Classifying):
    """Any number of classes at once. See `multi_label_head`."""

    def __init__(
        self,
        n_classes: int,
        weight_column: Any = None,
        thresholds: Any = None,
        label_vocabulary: Any = None,
        loss_reduction: str = _OVER_BATCH,
        loss_fn: Any = None,
        classes_for_class_based_metrics: Any = None,
        name: str | None = None,
    ) -> None:
        if n_classes is None or n_classes < 2:
            raise ValueError(f"n_classes must be > 1 for multi-class classification. Given: {n_classes}")
        self._thresholds = _checked_thresholds(thresholds)
        super().__init__(n_classes, label_vocabulary, name, weight_column, loss_reduction, loss_fn)
        if label_vocabulary and len(label_vocabulary) != n_classes:
            raise ValueError(
                f"Length of label_vocabulary must be n_classes ({n_classes}). Given: {len(label_vocabulary)}"
            )
        self._alone = self._checked_alone(classes_for_class_based_metrics)

    def _checked_alone(self, given: Any) -> tuple[int, ...]:
        found = []
        for one in given or ():
            number = [*(self._label_vocabulary or ())].index(one) if isinstance(one, str) else one
            if not 0 <= number < self._n_classes:
                raise ValueError(
                    f"All classes_for_class_based_metrics must be in range [0, {self._n_classes - 1}]. "
                    f"Given: {given}"
                )
            found.append(number)
        return tuple(found)

    @property
    def logits_dimension(self) -> int:
        """One for each class."""
        return self._n_classes

    def predictions(self, logits: Any, keys: Any = None) -> dict[str, Any]:
        """What the logits say."""
        del keys
        logits = checked_logits(logits, self._n_classes)
        return {"logits": logits, "probabilities": sigmoid(logits, name="probabilities")}

    def _processed(self, labels: Any, logits: Any) -> Any:
        if labels is None:
            return checked_labels(None, logits, self._n_classes)
        if isinstance(labels, SparseTensor):
            if labels.dtype.base_dtype is string:
                table = index_table_from_tensor(tuple(self._label_vocabulary), name="class_id_lookup")
                labels = SparseTensor(labels.indices, table.lookup(labels.values), labels.dense_shape)
            return cast(sparse_to_indicator(labels, self._n_classes), int64)
        return in_range(checked_labels(labels, logits, self._n_classes), 2)

    def _losses(self, labels: Any, logits: Any) -> Any:
        each = sigmoid_cross_entropy_with_logits(labels=cast(labels, float32), logits=logits)
        return reduce_mean(each, axis=-1, keepdims=True)

    def _exports(self, predictions: dict[str, Any]) -> dict[str, Any]:
        found = self.exported(predictions["probabilities"])
        return {
            "serving_default": found,
            "classification": found,
            "predict": PredictOutput(predictions),
        }

    def _metrics(self, predictions: Any, loss: LossSpec) -> dict[str, Any]:
        labels, weights, key = loss.processed_labels, loss.weights, self._key
        scores = predictions["probabilities"]
        found = _losses_and_weights(self, loss)
        found[key("auc")] = _auc(labels, scores, weights, "ROC", key("auc"))
        name = key("auc_precision_recall")
        found[name] = _auc(labels, scores, weights, "PR", name)
        for threshold in self._thresholds:
            found.update(_at_threshold(self, labels, scores, weights, threshold))
        for number in self._alone:
            which = f"class_{number}" if not self._label_vocabulary else self._label_vocabulary[number]
            one, truth = scores[:, number : number + 1], labels[:, number : number + 1]
            name = key(f"probability_mean/{which}")
            found[name] = means.mean(one, weights=weights, name=name)
            name = key(f"auc/{which}")
            found[name] = _auc(truth, one, weights, "ROC", name)
            name = key(f"auc_precision_recall/{which}")
            found[name] = _auc(truth, one, weights, "PR", name)
        return found


@public("contrib.estimator.binary_classification_head")
def binary_classification_head(
    weight_column: Any = None,
    thresholds: Any = None,
    label_vocabulary: Any = None,
    loss_reduction: str = _OVER_BATCH,
    loss_fn: Any = None,
    name: str | None = None,
) -> BinaryHead:
    """A head for two classes.

    Args:
      weight_column: the feature with weights, or None.
      thresholds: at which more metrics are made, between 0 and 1.
      label_vocabulary: the classes' names, where labels are strings.
      loss_reduction: how losses become one number.
      loss_fn: takes `labels` and `logits` and gives losses; default, sigmoid cross entropy.
      name: ends the names of metrics.
    """
    return BinaryHead(weight_column, thresholds, label_vocabulary, loss_reduction, loss_fn, name)


@public("contrib.estimator.multi_class_head")
def multi_class_head(
    n_classes: int,
    weight_column: Any = None,
    label_vocabulary: Any = None,
    loss_reduction: str = _OVER_BATCH,
    loss_fn: Any = None,
    name: str | None = None,
) -> MultiClassHeadBase:
    """A head for `n_classes` classes, more than two; arguments as for `binary_classification_head`."""
    return MultiClassHeadBase(n_classes, weight_column, label_vocabulary, loss_reduction, loss_fn, name)


@public("contrib.estimator.multi_label_head")
def multi_label_head(
    n_classes: int,
    weight_column: Any = None,
    thresholds: Any = None,
    label_vocabulary: Any = None,
    loss_reduction: str = _OVER_BATCH,
    loss_fn: Any = None,
    classes_for_class_based_metrics: Any = None,
    name: str | None = None,
) -> MultiLabelHeadBase:
    """A head for examples that have any number of classes; arguments as for `binary_classification_head`.

    Args:
      n_classes: how many classes there are.
      classes_for_class_based_metrics: classes that get metrics of their own.
      weight_column, thresholds, label_vocabulary, loss_reduction, loss_fn, name: as there.
    """
    return MultiLabelHeadBase(
        n_classes,
        weight_column,
        thresholds,
        label_vocabulary,
        loss_reduction,
        loss_fn,
        classes_for_class_based_metrics,
        name,
    )
