"""`tf.contrib.tensor_forest.random_forest`: forests as estimators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import control_dependencies
from millrace.contributed.layers.columns.models import transform_features
from millrace.contributed.learn.estimator import Estimator
from millrace.contributed.learn.heads.classes import multi_class_head as older_class_head
from millrace.contributed.learn.heads.numbers import regression_head as older_regression_head
from millrace.contributed.learn.specs import ModelFnOps
from millrace.contributed.tensor_forest.graphs import RandomForestGraphs
from millrace.contributed.tensor_forest.hooks import TensorForestLossHook, TensorForestRunOpAtEndHook
from millrace.core.public import public
from millrace.lib.flow.control_flow import group
from millrace.lib.summary.operations import scalar
from millrace.lib.variables.assigning import assign_add
from millrace.models.estimator.classification import binary_classification_head, multi_class_head
from millrace.models.estimator.estimator import Estimator as CoreEstimator
from millrace.models.estimator.regression import regression_head
from millrace.models.estimator.spec import EstimatorSpec
from millrace.ops.math.elementwise import log
from millrace.training.global_step import get_global_step

KEYS_NAME = public(
    "contrib.tensor_forest.random_forest.KEYS_NAME", "contrib.tensor_forest.client.random_forest.KEYS_NAME"
)("keys")
LOSS_NAME = public(
    "contrib.tensor_forest.random_forest.LOSS_NAME", "contrib.tensor_forest.client.random_forest.LOSS_NAME"
)("rf_training_loss")
TREE_PATHS_PREDICTION_KEY = public(
    "contrib.tensor_forest.random_forest.TREE_PATHS_PREDICTION_KEY",
    "contrib.tensor_forest.client.random_forest.TREE_PATHS_PREDICTION_KEY",
)("tree_paths")
VARIANCE_PREDICTION_KEY = public(
    "contrib.tensor_forest.random_forest.VARIANCE_PREDICTION_KEY",
    "contrib.tensor_forest.client.random_forest.VARIANCE_PREDICTION_KEY",
)("prediction_variance")
ALL_SERVING_KEY = public(
    "contrib.tensor_forest.random_forest.ALL_SERVING_KEY",
    "contrib.tensor_forest.client.random_forest.ALL_SERVING_KEY",
)("tensorforest_all")
EPSILON = public(
    "contrib.tensor_forest.random_forest.EPSILON", "contrib.tensor_forest.client.random_forest.EPSILON"
)(0.000001)


@public(
    "contrib.tensor_forest.random_forest.ModelBuilderOutputType",
    "contrib.tensor_forest.client.random_forest.ModelBuilderOutputType",
)
class ModelBuilderOutputType:
    """What a model function gives: `MODEL_FN_OPS` or `ESTIMATOR_SPEC`."""

    MODEL_FN_OPS = 0
    ESTIMATOR_SPEC = 1


def _without(features: Any, name: str | None) -> tuple[Any, Any]:
    """Features without one of them, and that one."""
    if name is None:
        return features, None
    if not isinstance(features, dict) or name not in features:
        raise ValueError(f"The features lack the column {name!r}. Received: {features!r}")
    return {k: v for k, v in features.items() if k != name}, features[name]


def _head_of(params: Any, weights_name: str | None, core: bool) -> Any:
    if core:
        if params.regression:
            return regression_head(weight_column=weights_name, label_dimension=params.num_outputs)
        if params.num_classes == 2:
            return binary_classification_head(weight_column=weights_name)
        return multi_class_head(params.num_classes, weight_column=weights_name)
    if params.regression:
        return older_regression_head(weight_column_name=weights_name, label_dimension=params.num_outputs)
    return older_class_head(params.num_classes, weight_column_name=weights_name)


def _logits(probabilities: Any, head: Any, params: Any) -> Any:
    """What a head takes: probabilities, or for one logit of two classes the logarithm of their odds."""
    if params.regression or head.logits_dimension != 1:
        return probabilities
    likely = raw.Slice(probabilities, [0, 1], [-1, 1])
    return log(raw.Maximum(likely, EPSILON) / raw.Maximum(1.0 - likely, EPSILON))


@public(
    "contrib.tensor_forest.random_forest.get_model_fn",
    "contrib.tensor_forest.client.random_forest.get_model_fn",
)
def get_model_fn(
    params: Any,
    graph_builder_class: Callable[..., Any],
    device_assigner: Any,
    feature_columns: Any = None,
    weights_name: str | None = None,
    model_head: Any = None,
    keys_name: str | None = None,
    early_stopping_rounds: int | None = 100,
    early_stopping_loss_threshold: float | None = 0.001,
    num_trainers: int = 1,
    trainer_id: int = 0,
    report_feature_importances: bool = False,
    local_eval: bool = False,
    head_scope: str | None = None,
    include_all_in_serving: bool = False,
    output_type: int = ModelBuilderOutputType.MODEL_FN_OPS,
) -> Callable[..., Any]:
    """The model function of a forest.

    Args:
      params: filled `ForestHParams`.
      graph_builder_class: `RandomForestGraphs`, or another that has its methods.
      device_assigner: places the trees.
      feature_columns: older feature columns that make the forest's input of the features.
      weights_name: the feature that weighs the examples.
      model_head: makes predictions, loss and metrics; default, one for the classes or outputs.
      keys_name: the feature that is passed on to the predictions.
      early_stopping_rounds: for how many steps the loss may fail to fall; None: for ever.
      early_stopping_loss_threshold: by which share of itself it must fall.
      num_trainers, trainer_id: which part of the trees this process trains.
      report_feature_importances: log them when training ends.
      local_eval: evaluate on this process's trees.
      head_scope: the scope of the default head.
      include_all_in_serving: export all predictions, too.
      output_type: a `ModelBuilderOutputType`.

    Returns:
      A function of features, labels and mode.
    """

    def model_fn(features: Any, labels: Any, mode: str) -> Any:
        builder = graph_builder_class(params, device_assigner=device_assigner)
        rest, weights = _without(features, weights_name)
        rest, keys = _without(rest, keys_name)
        if feature_columns:
            found = transform_features(rest, feature_columns)
            rest = {column.name: found[column] for column in sorted(found, key=lambda c: c.key)}
        core = output_type == ModelBuilderOutputType.ESTIMATOR_SPEC
        head = model_head or _head_of(params, weights_name, core)
        average, tree_paths, variance = builder.inference_graph(rest)
        scalar("average_tree_size", builder.average_size())

        def train(loss: Any) -> Any:
            scalar("loss", raw.Identity(loss))
            with control_dependencies([average]):
                own = {} if weights is None else {"input_weights": weights}
                trained = builder.training_graph(
                    rest, labels, num_trainers=num_trainers, trainer_id=trainer_id, **own
                )
                return group(trained, assign_add(get_global_step(), 1))

        at_end = {"feature_importances": builder.feature_importances()} if report_feature_importances else {}
        logits = _logits(average, head, params)
        made = (
            head.create_estimator_spec(features, mode, logits, labels, train_op_fn=train)
            if core
            else head.create_model_fn_ops(features, mode, labels, train, logits)
        )
        extra = {VARIANCE_PREDICTION_KEY: variance}
        if keys_name is not None:
            extra[keys_name] = keys
        if params.inference_tree_paths:
            extra[TREE_PATHS_PREDICTION_KEY] = tree_paths
        predictions = {**made.predictions, **extra} if made.predictions is not None else None
        hooks: list[Any] = [TensorForestRunOpAtEndHook(at_end)]
        if early_stopping_rounds:
            hooks.append(
                TensorForestLossHook(early_stopping_rounds, early_stopping_loss_threshold, made.loss)
            )
        made = made._replace(predictions=predictions, training_hooks=(*made.training_hooks, *hooks))
        return _with_all(made, predictions) if include_all_in_serving else made

    return model_fn


def _with_all(made: Any, predictions: Any) -> Any:
    """The same with an export of all predictions."""
    if isinstance(made, ModelFnOps):
        outputs = {**(made.output_alternatives or {}), ALL_SERVING_KEY: (0, predictions)}
        return made._replace(output_alternatives=outputs)
    from millrace.models.estimator.export_outputs import PredictOutput  # only for exports

    outputs = {**(made.export_outputs or {}), ALL_SERVING_KEY: PredictOutput(predictions)}
    return made._replace(export_outputs=outputs)


@public(
    "contrib.tensor_forest.random_forest.get_combined_model_fn",
    "contrib.tensor_forest.client.random_forest.get_combined_model_fn",
)
def get_combined_model_fn(model_fns: Sequence[Callable[..., Any]]) -> Callable[..., Any]:
    """One model function of several that share their input.

    Args:
      model_fns: functions of features, labels and mode; labels are by the name of each function's head.

    Returns:
      A function that trains all of them, and whose loss is the sum of theirs.
    """

    def model_fn(features: Any, labels: Any, mode: str) -> ModelFnOps:
        made = [fn(features, labels, mode) for fn in model_fns]
        predictions = {
            f"{i}/{k}": v for i, ops in enumerate(made) for k, v in (ops.predictions or {}).items()
        }
        metrics = {f"{i}/{k}": v for i, ops in enumerate(made) for k, v in ops.eval_metric_ops.items()}
        losses = [ops.loss for ops in made if ops.loss is not None]
        steps = [ops.train_op for ops in made if ops.train_op is not None]
        return ModelFnOps(
            mode,
            predictions,
            raw.AddN(losses) if losses else None,
            group(*steps) if steps else None,
            metrics,
            training_hooks=[hook for ops in made for hook in ops.training_hooks],
        )

    return model_fn


@public(
    "contrib.tensor_forest.random_forest.TensorForestEstimator",
    "contrib.tensor_forest.client.random_forest.TensorForestEstimator",
)
class TensorForestEstimator(Estimator):
    """A forest with `fit`, `evaluate` and `predict`.

    Args:
      params: `ForestHParams`, which are filled.
      device_assigner: places the trees.
      model_dir: the folder of checkpoints.
      feature_columns: older feature columns of the input.
      graph_builder_class: `RandomForestGraphs`, or another that has its methods.
      config: a `RunConfig`.
      weight_column: the feature that weighs the examples.
      keys_column: the feature that is passed on to the predictions.
      feature_engineering_fn: takes features and labels, and gives what the model gets instead.
      early_stopping_rounds: for how many steps the loss may fail to fall.
      early_stopping_loss_threshold: by which share of itself it must fall.
      num_trainers, trainer_id: which part of the trees this process trains.
      report_feature_importances: log them when training ends.
      local_eval: evaluate on this process's trees.
      version: unused.
      head: makes predictions, loss and metrics.
      include_all_in_serving: export all predictions, too.
    """

    def __init__(
        self,
        params: Any,
        device_assigner: Any = None,
        model_dir: Any = None,
        feature_columns: Any = None,
        graph_builder_class: Callable[..., Any] = RandomForestGraphs,
        config: Any = None,
        weight_column: str | None = None,
        keys_column: str | None = None,
        feature_engineering_fn: Callable[..., Any] | None = None,
        early_stopping_rounds: int | None = 100,
        early_stopping_loss_threshold: float | None = 0.001,
        num_trainers: int = 1,
        trainer_id: int = 0,
        report_feature_importances: bool = False,
        local_eval: bool = False,
        version: Any = None,
        head: Any = None,
        include_all_in_serving: bool = False,
    ) -> None:
        fn = get_model_fn(
            params.fill(),
            graph_builder_class,
            device_assigner,
            feature_columns=feature_columns,
            model_head=head,
            weights_name=weight_column,
            keys_name=keys_column,
            early_stopping_rounds=early_stopping_rounds,
            early_stopping_loss_threshold=early_stopping_loss_threshold,
            num_trainers=num_trainers,
            trainer_id=trainer_id,
            report_feature_importances=report_feature_importances,
            local_eval=local_eval,
            include_all_in_serving=include_all_in_serving,
        )
        super().__init__(fn, model_dir, config, feature_engineering_fn=feature_engineering_fn)


@public(
    "contrib.tensor_forest.random_forest.MultiForestMultiHeadEstimator",
    "contrib.tensor_forest.client.random_forest.MultiForestMultiHeadEstimator",
)
class MultiForestMultiHeadEstimator(Estimator):
    """Several forests of the same input, trained together.

    Args:
      params_list: `ForestHParams` for each, which are filled.
      device_assigner, model_dir, feature_columns, graph_builder_class, config, weight_column, keys_column,
        feature_engineering_fn, early_stopping_rounds, num_trainers, trainer_id, report_feature_importances,
        local_eval: as for `TensorForestEstimator`.
    """

    def __init__(
        self,
        params_list: Sequence[Any],
        device_assigner: Any = None,
        model_dir: Any = None,
        feature_columns: Any = None,
        graph_builder_class: Callable[..., Any] = RandomForestGraphs,
        config: Any = None,
        weight_column: str | None = None,
        keys_column: str | None = None,
        feature_engineering_fn: Callable[..., Any] | None = None,
        early_stopping_rounds: int | None = 100,
        num_trainers: int = 1,
        trainer_id: int = 0,
        report_feature_importances: bool = False,
        local_eval: bool = False,
    ) -> None:
        fns = [
            get_model_fn(
                params.fill(),
                graph_builder_class,
                device_assigner,
                feature_columns=feature_columns,
                weights_name=weight_column,
                keys_name=keys_column,
                early_stopping_rounds=early_stopping_rounds,
                num_trainers=num_trainers,
                trainer_id=trainer_id,
                report_feature_importances=report_feature_importances,
                local_eval=local_eval,
            )
            for params in params_list
        ]
        super().__init__(
            get_combined_model_fn(fns), model_dir, config, feature_engineering_fn=feature_engineering_fn
        )


@public(
    "contrib.tensor_forest.random_forest.CoreTensorForestEstimator",
    "contrib.tensor_forest.client.random_forest.CoreTensorForestEstimator",
)
class CoreTensorForestEstimator(CoreEstimator):
    """A forest with `train`, `evaluate` and `predict`, as a `tf.estimator.Estimator`.

    Args:
      As for `TensorForestEstimator`; `head` is one of `tf.estimator`.
    """

    def __init__(
        self,
        params: Any,
        device_assigner: Any = None,
        model_dir: Any = None,
        feature_columns: Any = None,
        graph_builder_class: Callable[..., Any] = RandomForestGraphs,
        config: Any = None,
        weight_column: str | None = None,
        keys_column: str | None = None,
        feature_engineering_fn: Callable[..., Any] | None = None,
        early_stopping_rounds: int | None = 100,
        early_stopping_loss_threshold: float | None = 0.001,
        num_trainers: int = 1,
        trainer_id: int = 0,
        report_feature_importances: bool = False,
        local_eval: bool = False,
        version: Any = None,
        head: Any = None,
        include_all_in_serving: bool = False,
    ) -> None:
        fn = get_model_fn(
            params.fill(),
            graph_builder_class,
            device_assigner,
            feature_columns=feature_columns,
            model_head=head,
            weights_name=weight_column,
            keys_name=keys_column,
            early_stopping_rounds=early_stopping_rounds,
            early_stopping_loss_threshold=early_stopping_loss_threshold,
            num_trainers=num_trainers,
            trainer_id=trainer_id,
            report_feature_importances=report_feature_importances,
            local_eval=local_eval,
            include_all_in_serving=include_all_in_serving,
            output_type=ModelBuilderOutputType.ESTIMATOR_SPEC,
        )

        def model_fn(features: Any, labels: Any, mode: str) -> EstimatorSpec:
            if feature_engineering_fn is not None:
                features, labels = feature_engineering_fn(features, labels)
            return fn(features, labels, mode)

        super().__init__(model_fn, model_dir, config)
