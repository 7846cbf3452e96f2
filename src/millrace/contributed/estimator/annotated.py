"""`tf.contrib.estimator`: deep networks under the names of those with annotated layers."""

from __future__ import annotations

from typing import Any

from millrace.core.public import public
from millrace.models.estimator.canned import classifying_head, dnn_model_fn, regressing_head
from millrace.models.estimator.estimator import Estimator
from millrace.ops.nn.activation import relu


@public("contrib.estimator.DNNClassifierWithLayerAnnotations")
def dnn_classifier_with_layer_annotations(
    hidden_units: Any,
    feature_columns: Any,
    model_dir: Any = None,
    n_classes: int = 2,
    weight_column: Any = None,
    label_vocabulary: Any = None,
    optimizer: Any = "Adagrad",
    activation_fn: Any = relu,
    dropout: Any = None,
    input_layer_partitioner: Any = None,
    config: Any = None,
    warm_start_from: Any = None,
    loss_reduction: str = "weighted_sum",
) -> Estimator:
    """A deep network that classifies, as an `Estimator`; arguments as for `tf.estimator.DNNClassifier`.

    Columns of `tf.feature_column` leave no annotations in the graph.
    """
    head = classifying_head(n_classes, weight_column, label_vocabulary, loss_reduction)
    model_fn = dnn_model_fn(
        head, hidden_units, feature_columns, optimizer, activation_fn, dropout, input_layer_partitioner, False
    )
    return Estimator(model_fn, model_dir, config, warm_start_from=warm_start_from)


@public("contrib.estimator.DNNRegressorWithLayerAnnotations")
def dnn_regressor_with_layer_annotations(
    hidden_units: Any,
    feature_columns: Any,
    model_dir: Any = None,
    label_dimension: int = 1,
    weight_column: Any = None,
    optimizer: Any = "Adagrad",
    activation_fn: Any = relu,
    dropout: Any = None,
    input_layer_partitioner: Any = None,
    config: Any = None,
    warm_start_from: Any = None,
    loss_reduction: str = "weighted_sum",
) -> Estimator:
    """A deep network that predicts numbers, as an `Estimator`; arguments as for `tf.estimator.DNNRegressor`.

    Columns of `tf.feature_column` leave no annotations in the graph.
    """
    head = regressing_head(label_dimension, weight_column, loss_reduction)
    model_fn = dnn_model_fn(
        head, hidden_units, feature_columns, optimizer, activation_fn, dropout, input_layer_partitioner, False
    )
    return Estimator(model_fn, model_dir, config, warm_start_from=warm_start_from)
