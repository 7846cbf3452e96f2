"""`tf.contrib.learn`: deep and linear estimators around a head that the program gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millrace.contributed.learn.configuration import RunConfig
from millrace.contributed.learn.estimator import Estimator
from millrace.contributed.learn.heads.measures import accuracy_at, area, mean_of
from millrace.contributed.learn.models import combined_model, deep_model, linear_model
from millrace.contributed.learn.specs import ModelFnOps
from millrace.contributed.linear_optimizer.optimizer import SDCAOptimizer
from millrace.core.border import bordered
from millrace.core.dtypes import float32
from millrace.core.public import public
from millrace.lib.metrics.counts import precision, recall
from millrace.models.estimator.arguments import arguments_of
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import greater_equal
from millrace.ops.nn.activation import relu


@public("contrib.learn.DNNEstimator")
@bordered
class DNNEstimator(Estimator):
    """A deep model with a head of the program's.

    Args:
      head: a `Head`.
      hidden_units, feature_columns, model_dir, optimizer, activation_fn, dropout, gradient_clip_norm, config,
        feature_engineering_fn, embedding_lr_multipliers, input_layer_min_slice_size: as for `DNNClassifier`.
    """

    def __init__(
        self,
        head: Any,
        hidden_units: Sequence[int],
        feature_columns: Any,
        model_dir: Any = None,
        optimizer: Any = None,
        activation_fn: Callable[..., Any] | None = relu,
        dropout: float | None = None,
        gradient_clip_norm: float | None = None,
        config: Any = None,
        feature_engineering_fn: Callable[..., Any] | None = None,
        embedding_lr_multipliers: dict[Any, float] | None = None,
        input_layer_min_slice_size: int | None = None,
    ) -> None:
        config = config or RunConfig()
        given = {
            "hidden_units": hidden_units,
            "optimizer": optimizer,
            "activation_fn": activation_fn,
            "dropout": dropout,
            "gradient_clip_norm": gradient_clip_norm,
            "multipliers": embedding_lr_multipliers,
            "slice_size": input_layer_min_slice_size,
        }
        model = deep_model(head, tuple(feature_columns or ()), given, config)
        super().__init__(model, model_dir, config, None, feature_engineering_fn)


@public("contrib.learn.LinearEstimator")
@bordered
class LinearEstimator(Estimator):
    """A linear model with a head of the program's.

    Args:
      feature_columns: older feature columns.
      head: a `Head`.
      weight_column_name: kept for programs that name it: the head has the weights.
      model_dir, optimizer, gradient_clip_norm, config, feature_engineering_fn: as for `LinearClassifier`.
      _joint_weights: whether the weights of all columns are rows of one variable.

    Raises:
      ValueError: there is no column.
    """

    def __init__(
        self,
        feature_columns: Any,
        head: Any,
        model_dir: Any = None,
        weight_column_name: str | None = None,
        optimizer: Any = None,
        gradient_clip_norm: float | None = None,
        _joint_weights: bool = False,
        config: Any = None,
        feature_engineering_fn: Callable[..., Any] | None = None,
    ) -> None:
        del weight_column_name
        if not feature_columns:
            raise ValueError(f"feature_columns must be given. Received: {feature_columns!r}")
        if isinstance(optimizer, SDCAOptimizer):
            raise ValueError(f"LinearEstimator does not support SDCA optimizer. Received: {optimizer!r}")
        config = config or RunConfig()
        given = {
            "optimizer": optimizer,
            "gradient_clip_norm": gradient_clip_norm,
            "joint_weights": _joint_weights,
        }
        model = linear_model(head, tuple(feature_columns), given, config)
        super().__init__(model, model_dir, config, None, feature_engineering_fn)


@public("contrib.learn.DNNLinearCombinedEstimator")
@bordered
class DNNLinearCombinedEstimator(Estimator):
    """A linear and a deep model, whose logits are added, with a head of the program's.

    Args:
      head: a `Head`.
      input_layer_partitioner: of tables of embeddings; default by their size.
      others: as for `DNNLinearCombinedClassifier`.

    Raises:
      ValueError: there is no column, or there are no hidden units for deep ones.
    """

    def __init__(
        self,
        head: Any,
        model_dir: Any = None,
        linear_feature_columns: Any = None,
        linear_optimizer: Any = None,
        _joint_linear_weights: bool = False,
        dnn_feature_columns: Any = None,
        dnn_optimizer: Any = None,
        dnn_hidden_units: Sequence[int] | None = None,
        dnn_activation_fn: Callable[..., Any] | None = None,
        dnn_dropout: float | None = None,
        gradient_clip_norm: float | None = None,
        config: Any = None,
        feature_engineering_fn: Callable[..., Any] | None = None,
        embedding_lr_multipliers: dict[Any, float] | None = None,
        fix_global_step_increment_bug: bool = False,
        input_layer_partitioner: Any = None,
    ) -> None:
        linear, deep = tuple(linear_feature_columns or ()), tuple(dnn_feature_columns or ())
        if not linear and not deep:
            raise ValueError(
                "Either linear_feature_columns or dnn_feature_columns must be defined. Received: none of both"
            )
        config = config or RunConfig()
        given = {
            "hidden_units": dnn_hidden_units,
            "linear_optimizer": linear_optimizer,
            "dnn_optimizer": dnn_optimizer,
            "activation_fn": relu if dnn_activation_fn is None else dnn_activation_fn,
            "dropout": dnn_dropout,
            "gradient_clip_norm": gradient_clip_norm,
            "joint_weights": _joint_linear_weights,
            "one_increment": fix_global_step_increment_bug,
            "multipliers": embedding_lr_multipliers,
            "slice_size": None,
            "partitioner": input_layer_partitioner,
        }
        super().__init__(
            combined_model(head, linear, deep, given, config), model_dir, config, None, feature_engineering_fn
        )


@public("contrib.learn.LogisticRegressor")
@bordered
def LogisticRegressor(  # noqa: N802 - its public name
    model_fn: Callable[..., Any],
    thresholds: Sequence[float] | None = None,
    model_dir: Any = None,
    config: Any = None,
    feature_engineering_fn: Callable[..., Any] | None = None,
) -> Estimator:
    """An estimator for probabilities of one event, which evaluations measure as such.

    Args:
      model_fn: takes features, labels and mode (and params, config, model_dir as far as it names them), and
        gives predictions `[batch, 1]` between 0 and 1, a loss, and an operation that trains.
      thresholds: probabilities at which accuracy, precision and recall are measured; default one half.
      model_dir, config, feature_engineering_fn: as for `Estimator`.
    """
    names = [name for name in arguments_of(model_fn) if name in ("params", "config", "model_dir")]

    def measured(features: Any, labels: Any, mode: str, config: Any, model_dir: Any) -> ModelFnOps:
        known = {"params": None, "config": config, "model_dir": model_dir}
        given = model_fn(features, labels, mode, **{name: known[name] for name in names})
        predictions, loss, step = given
        metrics = _logistic_metrics(labels, predictions, thresholds) if mode == "eval" else None
        return ModelFnOps(mode, predictions, loss, step, metrics)

    return Estimator(measured, model_dir, config, None, feature_engineering_fn)


def _logistic_metrics(labels: Any, likely: Any, thresholds: Sequence[float] | None) -> dict[str, Any]:
    found = {
        "labels/prediction_mean": mean_of(likely, None),
        "labels/actual_label_mean": mean_of(labels, None),
        "accuracy/baseline_label_mean": mean_of(labels, None),
        "auc": area(likely, labels, None),
    }
    for at in thresholds or (0.5,):
        found[f"accuracy/threshold_{at:f}_mean"] = accuracy_at(likely, labels, None, at)
        sides = cast(greater_equal(likely, at), float32)
        found[f"precision/positive_threshold_{at:f}_mean"] = precision(labels, sides)
        found[f"recall/positive_threshold_{at:f}_mean"] = recall(labels, sides)
    return found
