"""Canned estimators: linear models, deep networks, both together, and the average of the labels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from millrace.building.scopes import control_dependencies
from millrace.core.dtypes import float32
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.keys import GraphKeys
from millrace.lib.flow.control_flow import group
from millrace.lib.nn.functions import zero_fraction
from millrace.lib.summary.operations import histogram, scalar
from millrace.lib.variables.initializers import Zeros
from millrace.lib.variables.scope import get_variable, variable_scope
from millrace.models.estimator.classification import BinaryHead, MultiClassHeadBase
from millrace.models.estimator.dual_ascent import LinearSDCA, dual_ascent_model_fn
from millrace.models.estimator.estimator import Estimator
from millrace.models.estimator.logits import (
    default_partitioner,
    dnn_logit_fn_builder,
    linear_logit_fn_builder,
)
from millrace.models.estimator.optimizers import optimizer_of
from millrace.models.estimator.regression import RegressionHeadBase
from millrace.models.feature_columns.base import FeatureCache
from millrace.ops.array.constant import ones
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.math.arithmetic import multiply
from millrace.ops.nn.activation import relu
from millrace.training.global_step import get_global_step


def classifying_head(n_classes: int, weight_column: Any, label_vocabulary: Any, loss_reduction: str) -> Any:
    """The head of a canned classifier.

    Raises:
      ValueError: the reduction is not one of those that weigh.
    """
    _check_reduction(loss_reduction)
    if n_classes == 2:
        return BinaryHead(weight_column, None, label_vocabulary, loss_reduction)
    return MultiClassHeadBase(n_classes, weight_column, label_vocabulary, loss_reduction)


def regressing_head(label_dimension: int, weight_column: Any, loss_reduction: str) -> Any:
    """The head of a canned regressor.

    Raises:
      ValueError: the reduction is not one of those that weigh.
    """
    _check_reduction(loss_reduction)
    return RegressionHeadBase(weight_column, label_dimension, loss_reduction)


def _check_reduction(reduction: str) -> None:
    if not str(reduction).startswith("weighted_"):
        raise ValueError(f"Invalid loss_reduction: {reduction}")


def _check_features(features: Any) -> None:
    if not isinstance(features, dict):
        raise ValueError(f"features should be a dictionary of `Tensor`s. Given type: {type(features)}")


def _linear_rate(columns: Any, most: float) -> float:
    count = len(list(columns)) if isinstance(columns, list | tuple) or hasattr(columns, "__len__") else 1
    return min(most, 1.0 / math.sqrt(max(count, 1)))


def linear_model_fn(
    head: Any, columns: Any, optimizer: Any, partitioner: Any, sparse_combiner: str
) -> Callable[..., Any]:
    """The model function of linear estimators."""
    columns = columns if isinstance(columns, list | tuple) else list(columns)

    def parts_of(config: Any) -> Any:
        return partitioner or default_partitioner(config, 64 << 20)

    if isinstance(optimizer, LinearSDCA):
        return dual_ascent_model_fn(head, columns, optimizer, parts_of, sparse_combiner)

    def model_fn(features: Any, labels: Any, mode: str, config: Any) -> Any:
        _check_features(features)
        chosen = optimizer_of(optimizer, _linear_rate(columns, 0.2))
        with variable_scope("linear", values=tuple(features.values()), partitioner=parts_of(config)):
            logits = linear_logit_fn_builder(head.logits_dimension, columns, sparse_combiner)(features)
            return head.create_estimator_spec(features, mode, logits, labels=labels, optimizer=chosen)

    return model_fn


def dnn_model_fn(
    head: Any,
    hidden_units: Any,
    columns: Any,
    optimizer: Any,
    activation_fn: Any,
    dropout: Any,
    input_layer_partitioner: Any,
    batch_norm: bool,
) -> Callable[..., Any]:
    """The model function of deep estimators."""

    def model_fn(features: Any, labels: Any, mode: str, config: Any) -> Any:
        _check_features(features)
        chosen = optimizer_of(optimizer, 0.05)
        partitioner = default_partitioner(config)
        inputs = input_layer_partitioner or default_partitioner(config, 64 << 20)
        with variable_scope(
            "dnn", values=tuple(features.values()), partitioner=partitioner, use_resource=True
        ):
            logit_fn = dnn_logit_fn_builder(
                head.logits_dimension, hidden_units, columns, activation_fn, dropout, inputs, batch_norm
            )
            logits = logit_fn(features=features, mode=mode)
            return head.create_estimator_spec(features, mode, logits, labels=labels, optimizer=chosen)

    return model_fn


def combined_model_fn(
    head: Any,
    linear_columns: Any,
    linear_optimizer: Any,
    dnn_columns: Any,
    dnn_optimizer: Any,
    hidden_units: Any,
    activation_fn: Any,
    dropout: Any,
    input_layer_partitioner: Any,
    batch_norm: bool,
    sparse_combiner: str,
) -> Callable[..., Any]:
    """The model function of estimators that are wide and deep.

    Raises:
      ValueError: there are no columns, or layers without columns.
    """
    linear_columns, dnn_columns = list(linear_columns or ()), list(dnn_columns or ())
    if not linear_columns and not dnn_columns:
        raise ValueError(
            "Either linear_feature_columns or dnn_feature_columns must be defined. "
            f"Received: {linear_columns} and {dnn_columns}"
        )
    if dnn_columns and not hidden_units:
        raise ValueError(
            "dnn_hidden_units must be defined when dnn_feature_columns is specified. "
            f"Received: {hidden_units}"
        )

    def model_fn(features: Any, labels: Any, mode: str, config: Any) -> Any:
        _check_features(features)
        partitioner = default_partitioner(config)
        inputs = input_layer_partitioner or default_partitioner(config, 64 << 20)
        values = tuple(features.values())
        parts: list[Any] = []
        trainers: list[tuple[Any, str]] = []
        if dnn_columns:
            trainers.append((optimizer_of(dnn_optimizer, 0.001), "dnn"))
            with variable_scope("dnn", values=values, partitioner=partitioner, use_resource=True):
                logit_fn = dnn_logit_fn_builder(
                    head.logits_dimension,
                    hidden_units,
                    dnn_columns,
                    activation_fn,
                    dropout,
                    inputs,
                    batch_norm,
                )
                parts.append(logit_fn(features=features, mode=mode))
        if linear_columns:
            trainers.append((optimizer_of(linear_optimizer, _linear_rate(linear_columns, 0.005)), "linear"))
            with variable_scope("linear", values=values, partitioner=inputs) as scope:
                logits = linear_logit_fn_builder(head.logits_dimension, linear_columns, sparse_combiner)(
                    features
                )
                parts.append(logits)
                scalar(f"{scope.name}/fraction_of_zero_values", zero_fraction(logits))
                histogram(f"{scope.name}/activation", logits)
        total = parts[0] + parts[1] if len(parts) == 2 else parts[0]

        def train_op_fn(loss: Any) -> Any:
            steps = [trainer.minimize(loss, var_list=_trainable(scope)) for trainer, scope in trainers]
            return _counted(group(*steps))

        return head.create_estimator_spec(features, mode, total, labels=labels, train_op_fn=train_op_fn)

    return model_fn


def _trainable(scope: str) -> list[Any]:
    return get_default_graph().get_collection(GraphKeys.TRAINABLE_VARIABLES, scope=scope)


def _counted(train_op: Any) -> Any:
    """The global step's increment, after the training."""
    with control_dependencies([train_op]):
        return get_global_step().assign_add(1).op


def _baseline_logits(features: Any, width: int) -> Any:
    """The same logits for each example."""
    _check_features(features)
    first = FeatureCache(features)
    sizes = [shape_of(first._raw(name))[0] for name in sorted(features)]
    with variable_scope("baseline", values=list(features.values())):
        bias = get_variable("bias", initializer=Zeros(), shape=[width], dtype=float32)
        return multiply(ones([sizes[0], 1]), bias)


def baseline_model_fn(head: Any, optimizer: Any) -> Callable[..., Any]:
    """The model function of estimators that learn the average of the labels."""

    def model_fn(features: Any, labels: Any, mode: str, config: Any) -> Any:
        del config
        logits = _baseline_logits(features, head.logits_dimension)
        chosen = optimizer_of(optimizer, 0.3)

        def train_op_fn(loss: Any) -> Any:
            return chosen.minimize(loss, global_step=get_global_step())

        return head.create_estimator_spec(features, mode, logits, labels=labels, train_op_fn=train_op_fn)

    return model_fn


@public("estimator.LinearEstimator")
class LinearEstimator(Estimator):
    """A linear model with any head.

    Args:
      head: what stands on its logits.
      feature_columns: dense and categorical columns.
      model_dir, config: as for every estimator.
      optimizer: a name, an optimizer, or a function that makes one.
      partitioner: of the weights.
      sparse_combiner: what is done with the weights of several categories: "sum", "mean" or "sqrtn".
    """

    def __init__(
        self,
        head: Any,
        feature_columns: Any,
        model_dir: Any = None,
        optimizer: Any = "Ftrl",
        config: Any = None,
        partitioner: Any = None,
        sparse_combiner: str = "sum",
    ) -> None:
        super().__init__(
            linear_model_fn(head, feature_columns, optimizer, partitioner, sparse_combiner), model_dir, config
        )


@public("estimator.LinearClassifier")
class LinearClassifier(Estimator):
    """A linear model that classifies.

    Args:
      feature_columns: dense and categorical columns.
      n_classes: how many classes.
      weight_column: the feature with weights, or None.
      label_vocabulary: the classes' names, where labels are strings.
      optimizer: a name, an optimizer, or a function that makes one.
      partitioner: of the weights.
      loss_reduction: how losses become one number.
      sparse_combiner: what is done with the weights of several categories: "sum", "mean" or "sqrtn".
      model_dir, config, warm_start_from: as for every estimator.
    """

    def __init__(
        self,
        feature_columns: Any,
        model_dir: Any = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Any = None,
        optimizer: Any = "Ftrl",
        config: Any = None,
        partitioner: Any = None,
        warm_start_from: Any = None,
        loss_reduction: str = "weighted_sum",
        sparse_combiner: str = "sum",
    ) -> None:
        head = classifying_head(n_classes, weight_column, label_vocabulary, loss_reduction)
        model_fn = linear_model_fn(head, feature_columns, optimizer, partitioner, sparse_combiner)
        super().__init__(model_fn, model_dir, config, warm_start_from=warm_start_from)


@public("estimator.LinearRegressor")
class LinearRegressor(Estimator):
    """A linear model that predicts numbers.

    Args:
      feature_columns: dense and categorical columns.
      label_dimension: how many numbers an example has.
      weight_column, optimizer, partitioner, loss_reduction, sparse_combiner: as for `LinearClassifier`.
      model_dir, config, warm_start_from: as for every estimator.
    """

    def __init__(
        self,
        feature_columns: Any,
        model_dir: Any = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        optimizer: Any = "Ftrl",
        config: Any = None,
        partitioner: Any = None,
        warm_start_from: Any = None,
        loss_reduction: str = "weighted_sum",
        sparse_combiner: str = "sum",
    ) -> None:
        head = regressing_head(label_dimension, weight_column, loss_reduction)
        model_fn = linear_model_fn(head, feature_columns, optimizer, partitioner, sparse_combiner)
        super().__init__(model_fn, model_dir, config, warm_start_from=warm_start_from)


@public("estimator.DNNEstimator")
class DNNEstimator(Estimator):
    """A deep network with any head.

    Args:
      head: what stands on its logits.
      hidden_units: how many units each hidden layer has.
      feature_columns: dense columns.
      optimizer: a name, an optimizer, or a function that makes one.
      activation_fn: of the hidden layers.
      dropout: the share of units that training leaves out, or None.
      input_layer_partitioner: of the tables of embeddings.
      batch_norm: normalize after each hidden layer.
      model_dir, config, warm_start_from: as for every estimator.
    """

    def __init__(
        self,
        head: Any,
        hidden_units: Any,
        feature_columns: Any,
        model_dir: Any = None,
        optimizer: Any = "Adagrad",
        activation_fn: Any = relu,
        dropout: Any = None,
        input_layer_partitioner: Any = None,
        config: Any = None,
        warm_start_from: Any = None,
        batch_norm: bool = False,
    ) -> None:
        model_fn = dnn_model_fn(
            head,
            hidden_units,
            feature_columns,
            optimizer,
            activation_fn,
            dropout,
            input_layer_partitioner,
            batch_norm,
        )
        super().__init__(model_fn, model_dir, config, warm_start_from=warm_start_from)


@public("estimator.DNNClassifier")
class DNNClassifier(Estimator):
    """A deep network that classifies; arguments as for `DNNEstimator` and `LinearClassifier`."""

    def __init__(
        self,
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
        batch_norm: bool = False,
    ) -> None:
        head = classifying_head(n_classes, weight_column, label_vocabulary, loss_reduction)
        model_fn = dnn_model_fn(
            head,
            hidden_units,
            feature_columns,
            optimizer,
            activation_fn,
            dropout,
            input_layer_partitioner,
            batch_norm,
        )
        super().__init__(model_fn, model_dir, config, warm_start_from=warm_start_from)


@public("estimator.DNNRegressor")
class DNNRegressor(Estimator):
    """A deep network that predicts numbers; arguments as for `DNNEstimator` and `LinearRegressor`."""

    def __init__(
        self,
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
        batch_norm: bool = False,
    ) -> None:
        head = regressing_head(label_dimension, weight_column, loss_reduction)
        model_fn = dnn_model_fn(
            head,
            hidden_units,
            feature_columns,
            optimizer,
            activation_fn,
            dropout,
            input_layer_partitioner,
            batch_norm,
        )
        super().__init__(model_fn, model_dir, config, warm_start_from=warm_start_from)


@public("estimator.DNNLinearCombinedEstimator")
class DNNLinearCombinedEstimator(Estimator):
    """A linear model and a deep network together, with any head.

    Args:
      head: what stands on the sum of the logits.
      linear_feature_columns, linear_optimizer, linear_sparse_combiner: of the linear model.
      dnn_feature_columns, dnn_optimizer, dnn_hidden_units, dnn_activation_fn, dnn_dropout, batch_norm: of the
        deep network.
      input_layer_partitioner: of the input layer's variables.
      model_dir, config, warm_start_from: as for every estimator.

    Raises:
      ValueError: there are no columns, or a deep network without layers.
    """

    def __init__(
        self,
        head: Any,
        model_dir: Any = None,
        linear_feature_columns: Any = None,
        linear_optimizer: Any = "Ftrl",
        dnn_feature_columns: Any = None,
        dnn_optimizer: Any = "Adagrad",
        dnn_hidden_units: Any = None,
        dnn_activation_fn: Any = relu,
        dnn_dropout: Any = None,
        input_layer_partitioner: Any = None,
        config: Any = None,
        linear_sparse_combiner: str = "sum",
        batch_norm: bool = False,
    ) -> None:
        model_fn = combined_model_fn(
            head,
            linear_feature_columns,
            linear_optimizer,
            dnn_feature_columns,
            dnn_optimizer,
            dnn_hidden_units,
            dnn_activation_fn,
            dnn_dropout,
            input_layer_partitioner,
            batch_norm,
            linear_sparse_combiner,
        )
        super().__init__(model_fn, model_dir, config)


@public("estimator.DNNLinearCombinedClassifier")
class DNNLinearCombinedClassifier(Estimator):
    """A linear model and a deep network that classify; see `DNNLinearCombinedEstimator`."""

    def __init__(
        self,
        model_dir: Any = None,
        linear_feature_columns: Any = None,
        linear_optimizer: Any = "Ftrl",
        dnn_feature_columns: Any = None,
        dnn_optimizer: Any = "Adagrad",
        dnn_hidden_units: Any = None,
        dnn_activation_fn: Any = relu,
        dnn_dropout: Any = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Any = None,
        input_layer_partitioner: Any = None,
        config: Any = None,
        warm_start_from: Any = None,
        loss_reduction: str = "weighted_sum",
        batch_norm: bool = False,
        linear_sparse_combiner: str = "sum",
    ) -> None:
        model_fn = combined_model_fn(
            classifying_head(n_classes, weight_column, label_vocabulary, loss_reduction),
            linear_feature_columns,
            linear_optimizer,
            dnn_feature_columns,
            dnn_optimizer,
            dnn_hidden_units,
            dnn_activation_fn,
            dnn_dropout,
            input_layer_partitioner,
            batch_norm,
            linear_sparse_combiner,
        )
        super().__init__(model_fn, model_dir, config, warm_start_from=warm_start_from)


@public("estimator.DNNLinearCombinedRegressor")
class DNNLinearCombinedRegressor(Estimator):
    """A linear model and a deep network that predict numbers; see `DNNLinearCombinedEstimator`."""

    def __init__(
        self,
        model_dir: Any = None,
        linear_feature_columns: Any = None,
        linear_optimizer: Any = "Ftrl",
        dnn_feature_columns: Any = None,
        dnn_optimizer: Any = "Adagrad",
        dnn_hidden_units: Any = None,
        dnn_activation_fn: Any = relu,
        dnn_dropout: Any = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        input_layer_partitioner: Any = None,
        config: Any = None,
        warm_start_from: Any = None,
        loss_reduction: str = "weighted_sum",
        batch_norm: bool = False,
        linear_sparse_combiner: str = "sum",
    ) -> None:
        model_fn = combined_model_fn(
            regressing_head(label_dimension, weight_column, loss_reduction),
            linear_feature_columns,
            linear_optimizer,
            dnn_feature_columns,
            dnn_optimizer,
            dnn_hidden_units,
            dnn_activation_fn,
            dnn_dropout,
            input_layer_partitioner,
            batch_norm,
            linear_sparse_combiner,
        )
        super().__init__(model_fn, model_dir, config, warm_start_from=warm_start_from)


@public("estimator.BaselineEstimator")
class BaselineEstimator(Estimator):
    """Logits that do not depend on the features, with any head.

    Args:
      head: what stands on the logits.
      optimizer: a name, an optimizer, or a function that makes one.
      model_dir, config: as for every estimator.
    """

    def __init__(self, head: Any, model_dir: Any = None, optimizer: Any = "Ftrl", config: Any = None) -> None:
        super().__init__(baseline_model_fn(head, optimizer), model_dir, config)


@public("estimator.BaselineClassifier")
class BaselineClassifier(Estimator):
    """Learns how frequent the classes are; arguments as for `LinearClassifier`."""

    def __init__(
        self,
        model_dir: Any = None,
        n_classes: int = 2,
        weight_column: Any = None,
        label_vocabulary: Any = None,
        optimizer: Any = "Ftrl",
        config: Any = None,
        loss_reduction: str = "weighted_sum",
    ) -> None:
        head = classifying_head(n_classes, weight_column, label_vocabulary, loss_reduction)
        super().__init__(baseline_model_fn(head, optimizer), model_dir, config)


@public("estimator.BaselineRegressor")
class BaselineRegressor(Estimator):
    """Learns the average of the labels; arguments as for `LinearRegressor`."""

    def __init__(
        self,
        model_dir: Any = None,
        label_dimension: int = 1,
        weight_column: Any = None,
        optimizer: Any = "Ftrl",
        config: Any = None,
        loss_reduction: str = "weighted_sum",
    ) -> None:
        head = regressing_head(label_dimension, weight_column, loss_reduction)
        super().__init__(baseline_model_fn(head, optimizer), model_dir, config)
