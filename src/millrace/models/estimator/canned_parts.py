"""The parts of canned estimators by the private names of 1.15, from which programs make estimators of
their own: heads, checks of logits, labels and weights, and model functions.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from millrace.building.convert import convert_to_tensor
from millrace.core.public import public
from millrace.models.estimator.canned import (
    classifying_head,
    combined_model_fn,
    dnn_model_fn,
    linear_model_fn,
)
from millrace.models.estimator.classification import BinaryHead, Classifying, MultiClassHeadBase
from millrace.models.estimator.export_outputs import ClassificationOutput
from millrace.models.estimator.heads import (
    HeadBase,
    LossSpec,
    checked_labels,
    checked_logits,
    weights_of,
)
from millrace.models.estimator.optimizers import optimizer_of
from millrace.models.estimator.regression import RegressionHeadBase
from millrace.ops.nn.activation import relu

_SUM = "weighted_sum"

public("python.estimator.canned.head._Head")(HeadBase)
public("python.estimator.canned.head.LossSpec")(LossSpec)
public("python.estimator.canned.head._RegressionHeadWithMeanSquaredErrorLoss")(RegressionHeadBase)
public("python.estimator.canned.head._BinaryLogisticHeadWithSigmoidCrossEntropyLoss")(BinaryHead)
public("python.estimator.canned.head._MultiClassHeadWithSoftmaxCrossEntropyLoss")(MultiClassHeadBase)
public("python.estimator.canned.head._binary_logistic_or_multi_class_head")(classifying_head)
public("python.estimator.canned.optimizers.get_optimizer_instance")(optimizer_of)
_DEFAULT = public("python.estimator.canned.head._DEFAULT_SERVING_KEY")("serving_default")
_CLASSIFY = public("python.estimator.canned.head._CLASSIFY_SERVING_KEY")("classification")
_REGRESS = public("python.estimator.canned.head._REGRESS_SERVING_KEY")("regression")
_PREDICT = public("python.estimator.canned.head._PREDICT_SERVING_KEY")("predict")
_DEEP_RATE = public("python.estimator.canned.dnn._LEARNING_RATE")(0.05)
_LINEAR_RATE = public("python.estimator.canned.linear._LEARNING_RATE")(0.2)
_DEEP_PART_RATE = public("python.estimator.canned.dnn_linear_combined._DNN_LEARNING_RATE")(0.001)
_LINEAR_PART_RATE = public("python.estimator.canned.dnn_linear_combined._LINEAR_LEARNING_RATE")(0.005)


@public("python.estimator.canned.head._regression_head")
def regression_head(
    weight_column: Any = None,
    label_dimension: int = 1,
    loss_reduction: str = _SUM,
    loss_fn: Any = None,
    inverse_link_fn: Callable[[Any], Any] | None = None,
    name: str | None = None,
) -> RegressionHeadBase:
    """As `tf.contrib.estimator.regression_head`, with the sum of losses."""
    return RegressionHeadBase(weight_column, label_dimension, loss_reduction, loss_fn, inverse_link_fn, name)


@public("python.estimator.canned.head._binary_logistic_head_with_sigmoid_cross_entropy_loss")
def binary_head(
    weight_column: Any = None,
    thresholds: Any = None,
    label_vocabulary: Any = None,
    loss_reduction: str = _SUM,
    loss_fn: Any = None,
    name: str | None = None,
) -> BinaryHead:
    """As `tf.contrib.estimator.binary_classification_head`, with the sum of losses."""
    return BinaryHead(weight_column, thresholds, label_vocabulary, loss_reduction, loss_fn, name)


@public("python.estimator.canned.head._multi_class_head_with_softmax_cross_entropy_loss")
def multi_class_head(
    n_classes: int,
    weight_column: Any = None,
    label_vocabulary: Any = None,
    loss_reduction: str = _SUM,
    loss_fn: Any = None,
    name: str | None = None,
) -> MultiClassHeadBase:
    """As `tf.contrib.estimator.multi_class_head`, with the sum of losses."""
    return MultiClassHeadBase(n_classes, weight_column, label_vocabulary, loss_reduction, loss_fn, name)


@public("python.estimator.canned.head._check_logits_final_dim")
def check_logits(logits: Any, expected_logits_dimension: int) -> Any:
    """Logits whose last dimension is the expected one.

    Raises:
      ValueError: it is another.
    """
    return checked_logits(convert_to_tensor(logits), expected_logits_dimension)


@public("python.estimator.canned.head._check_dense_labels_match_logits_and_reshape")
def check_labels(labels: Any, logits: Any, expected_labels_dimension: int) -> Any:
    """Dense labels of the logits' leading dimensions and the expected last one.

    Raises:
      ValueError: there are none, they are sparse, or their shape is another.
    """
    return checked_labels(labels, convert_to_tensor(logits), expected_labels_dimension)


@public("python.estimator.canned.head._get_weights_and_check_match_logits")
def check_weights(
    features: Any, weight_column: Any, logits: Any, allow_per_logit_weights: bool = False
) -> Any:
    """The weights of examples, 1 without a column.

    Raises:
      ValueError: their shape does not fit the logits.
    """
    return weights_of(features, weight_column, convert_to_tensor(logits), allow_per_logit_weights)


@public("python.estimator.canned.head._summary_key")
def summary_key(head_name: str | None, val: str) -> str:
    """What a summary of a head is called."""
    return f"{val}/{head_name}" if head_name else val


@public("python.estimator.canned.head._classification_output")
def classification_output(scores: Any, n_classes: int, label_vocabulary: Any = None) -> ClassificationOutput:
    """What is exported of a classifier: the scores, and the names of all classes for each example."""
    return Classifying(n_classes, label_vocabulary, None, None, _SUM, None).exported(scores)


@public("python.estimator.canned.head._validate_loss_fn_args")
def check_loss_fn(loss_fn: Any) -> None:
    """Sees that a loss function takes labels and logits, and else only what a head gives.

    Raises:
      ValueError: it lacks one of them or takes others.
    """
    names = inspect.signature(loss_fn).parameters
    for needed in ("labels", "logits"):
        if needed not in names:
            raise ValueError(f"loss_fn must contain argument: {needed}. Given arguments: {tuple(names)}")
    if unknown := set(names) - {"labels", "logits", "features", "loss_reduction", "self"}:
        raise ValueError(f"loss_fn has unexpected args: {sorted(unknown)}")


@public("python.estimator.canned.head._call_loss_fn")
def call_loss_fn(loss_fn: Any, labels: Any, logits: Any, features: Any, expected_loss_dim: int = 1) -> Any:
    """The losses that a function gives, which must fit `[D0, ... DN, expected_loss_dim]`.

    Raises:
      ValueError: their shape is another.
    """
    more = {"features": features} if "features" in inspect.signature(loss_fn).parameters else {}
    return checked_logits(convert_to_tensor(loss_fn(labels=labels, logits=logits, **more)), expected_loss_dim)


@public("python.estimator.canned.dnn._dnn_model_fn")
def deep_spec(
    features: Any, labels: Any, mode: str, head: Any, hidden_units: Any, feature_columns: Any,
    optimizer: Any = "Adagrad", activation_fn: Any = relu, dropout: Any = None,
    input_layer_partitioner: Any = None, config: Any = None, use_tpu: bool = False, batch_norm: bool = False,
) -> Any:  # fmt: skip
    """What the model function of a deep estimator gives; arguments as for `tf.estimator.DNNEstimator`."""
    del use_tpu
    model_fn = dnn_model_fn(
        head, hidden_units, feature_columns, optimizer, activation_fn, dropout, input_layer_partitioner,
        batch_norm,
    )  # fmt: skip
    return model_fn(features, labels, mode, config)


@public("python.estimator.canned.linear._linear_model_fn")
def linear_spec(
    features: Any, labels: Any, mode: str, head: Any, feature_columns: Any, optimizer: Any, partitioner: Any,
    config: Any, sparse_combiner: str = "sum",
) -> Any:  # fmt: skip
    """What the model function of a linear estimator gives; arguments as for that estimator."""
    model_fn = linear_model_fn(head, feature_columns, optimizer, partitioner, sparse_combiner)
    return model_fn(features, labels, mode, config)


@public("python.estimator.canned.dnn_linear_combined._dnn_linear_combined_model_fn")
def wide_and_deep_spec(
    features: Any, labels: Any, mode: str, head: Any, linear_feature_columns: Any = None,
    linear_optimizer: Any = "Ftrl", dnn_feature_columns: Any = None, dnn_optimizer: Any = "Adagrad",
    dnn_hidden_units: Any = None, dnn_activation_fn: Any = relu, dnn_dropout: Any = None,
    input_layer_partitioner: Any = None, config: Any = None, batch_norm: bool = False,
    linear_sparse_combiner: str = "sum",
) -> Any:  # fmt: skip
    """What the model function of a wide and deep estimator gives; arguments as for that estimator."""
    model_fn = combined_model_fn(
        head, linear_feature_columns, linear_optimizer, dnn_feature_columns, dnn_optimizer, dnn_hidden_units,
        dnn_activation_fn, dnn_dropout, input_layer_partitioner, batch_norm, linear_sparse_combiner,
    )  # fmt: skip
    return model_fn(features, labels, mode, config)
