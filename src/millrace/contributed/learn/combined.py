"""`tf.contrib.learn`: estimators of a linear and a deep model together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millrace.contributed.learn.canned import Classifier, Regressor
from millrace.contributed.learn.configuration import RunConfig
from millrace.contributed.learn.heads.classes import multi_class_head
from millrace.contributed.learn.heads.numbers import regression_head
from millrace.contributed.learn.models import combined_model
from millrace.core.public import public
from millrace.ops.nn.activation import relu


def _columns(linear: Any, deep: Any, hidden_units: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    linear, deep = tuple(linear or ()), tuple(deep or ())
    if not linear and not deep:
        raise ValueError("Either linear_feature_columns or dnn_feature_columns must be defined.")
    if deep and not hidden_units:
        raise ValueError("dnn_hidden_units must be defined when dnn_feature_columns is specified.")
    return linear, deep


@public("contrib.learn.DNNLinearCombinedClassifier")
class DNNLinearCombinedClassifier(Classifier):
    """A linear and a deep model, whose logits are added, that tell classes apart.

    Args:
      model_dir, n_classes, weight_column_name, gradient_clip_norm, enable_centered_bias, config,
        feature_engineering_fn, embedding_lr_multipliers, input_layer_min_slice_size, label_keys: as for
        `DNNClassifier`.
      linear_feature_columns, linear_optimizer, _joint_linear_weights: the linear model's.
      dnn_feature_columns, dnn_optimizer, dnn_hidden_units, dnn_activation_fn, dnn_dropout: the deep model's.
      fix_global_step_increment_bug: whether a step counts once; as in 1.15, it counts once for each model.

    Raises:
      ValueError: there is no column, or there are no hidden units for deep ones.
    """

    def __init__(
        self,
        model_dir: Any = None,
        n_classes: int = 2,
        weight_column_name: str | None = None,
        linear_feature_columns: Any = None,
        linear_optimizer: Any = None,
        _joint_linear_weights: bool = False,
        dnn_feature_columns: Any = None,
        dnn_optimizer: Any = None,
        dnn_hidden_units: Sequence[int] | None = None,
        dnn_activation_fn: Callable[..., Any] | None = relu,
        dnn_dropout: float | None = None,
        gradient_clip_norm: float | None = None,
        enable_centered_bias: bool = False,
        config: Any = None,
        feature_engineering_fn: Callable[..., Any] | None = None,
        embedding_lr_multipliers: dict[Any, float] | None = None,
        input_layer_min_slice_size: int | None = None,
        label_keys: Sequence[str] | None = None,
        fix_global_step_increment_bug: bool = False,
    ) -> None:
        linear, deep = _columns(linear_feature_columns, dnn_feature_columns, dnn_hidden_units)
        self.feature_columns = (*linear, *deep)
        head = multi_class_head(
            n_classes,
            weight_column_name=weight_column_name,
            enable_centered_bias=enable_centered_bias,
            label_keys=label_keys,
        )
        config = config or RunConfig()
        given = {
            "hidden_units": dnn_hidden_units,
            "linear_optimizer": linear_optimizer,
            "dnn_optimizer": dnn_optimizer,
            "activation_fn": dnn_activation_fn,
            "dropout": dnn_dropout,
            "gradient_clip_norm": gradient_clip_norm,
            "joint_weights": _joint_linear_weights,
            "one_increment": fix_global_step_increment_bug,
            "multipliers": embedding_lr_multipliers,
            "slice_size": input_layer_min_slice_size,
            "partitioner": None,
        }
        model = combined_model(head, linear, deep, given, config)
        super().__init__(model, model_dir, config, None, feature_engineering_fn)


@public("contrib.learn.DNNLinearCombinedRegressor")
class DNNLinearCombinedRegressor(Regressor):
    """A linear and a deep model, whose logits are added, that estimate numbers.

    Args:
      label_dimension: how many numbers an example has.
      model_dir, weight_column_name, linear_feature_columns, linear_optimizer, _joint_linear_weights,
        dnn_feature_columns, dnn_optimizer, dnn_hidden_units, dnn_activation_fn, dnn_dropout,
        gradient_clip_norm, enable_centered_bias, config, feature_engineering_fn, embedding_lr_multipliers,
        input_layer_min_slice_size, fix_global_step_increment_bug: as for `DNNLinearCombinedClassifier`.

    Raises:
      ValueError: there is no column, or there are no hidden units for deep ones.
    """

    def __init__(
        self,
        model_dir: Any = None,
        weight_column_name: str | None = None,
        linear_feature_columns: Any = None,
        linear_optimizer: Any = None,
        _joint_linear_weights: bool = False,
        dnn_feature_columns: Any = None,
        dnn_optimizer: Any = None,
        dnn_hidden_units: Sequence[int] | None = None,
        dnn_activation_fn: Callable[..., Any] | None = relu,
        dnn_dropout: float | None = None,
        gradient_clip_norm: float | None = None,
        enable_centered_bias: bool = False,
        label_dimension: int = 1,
        config: Any = None,
        feature_engineering_fn: Callable[..., Any] | None = None,
        embedding_lr_multipliers: dict[Any, float] | None = None,
        input_layer_min_slice_size: int | None = None,
        fix_global_step_increment_bug: bool = False,
    ) -> None:
        linear, deep = _columns(linear_feature_columns, dnn_feature_columns, dnn_hidden_units)
        self.feature_columns = (*linear, *deep)
        head = regression_head(
            weight_column_name=weight_column_name,
            label_dimension=label_dimension,
            enable_centered_bias=enable_centered_bias,
        )
        config = config or RunConfig()
        given = {
            "hidden_units": dnn_hidden_units,
            "linear_optimizer": linear_optimizer,
            "dnn_optimizer": dnn_optimizer,
            "activation_fn": dnn_activation_fn,
            "dropout": dnn_dropout,
            "gradient_clip_norm": gradient_clip_norm,
            "joint_weights": _joint_linear_weights,
            "one_increment": fix_global_step_increment_bug,
            "multipliers": embedding_lr_multipliers,
            "slice_size": input_layer_min_slice_size,
            "partitioner": None,
        }
        model = combined_model(head, linear, deep, given, config)
        super().__init__(model, model_dir, config, None, feature_engineering_fn)
