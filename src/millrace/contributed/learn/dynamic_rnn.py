"""`tf.contrib.learn.DynamicRnnEstimator`: recurrent networks over sequences of older feature columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building.scopes import name_scope
from millrace.contributed.layers.columns.models import (
    input_from_feature_columns,
    sequence_input_from_feature_columns,
)
from millrace.contributed.layers.core import fully_connected
from millrace.contributed.layers.targets import multi_class_target, regression_target
from millrace.contributed.learn.configuration import RunConfig
from millrace.contributed.learn.estimator import Estimator
from millrace.contributed.learn.keys import PredictionKey, PredictionType, ProblemType, RNNKeys
from millrace.contributed.learn.recurrent_parts import (
    construct_rnn_cell,
    mask_activations_and_labels,
    multi_value_predictions,
    select_last_activations,
    single_value_predictions,
    states_by_name,
    states_given,
)
from millrace.contributed.learn.specs import ModelFnOps
from millrace.contributed.training.train_ops import OPTIMIZER_SUMMARIES, optimize_loss
from millrace.core.dtypes import float32
from millrace.core.public import public
from millrace.lib.math.array import sequence_mask
from millrace.lib.metrics.means import accuracy
from millrace.lib.rnn.unrolling import dynamic_rnn
from millrace.models.feature_columns.sequence import concatenate_context_input
from millrace.ops.array.shape import shape as shape_of
from millrace.training.optimizers.momentum import MomentumOptimizer


@public("contrib.learn.DynamicRnnEstimator")
class DynamicRnnEstimator(Estimator):
    """A recurrent network that predicts one value for a sequence, or one for each step.

    Features may hold "sequence_length", and the states to begin with under "rnn_cell_state_0" and so on;
    predictions hold the last states under these names.

    Args:
      problem_type: `ProblemType.CLASSIFICATION` or `ProblemType.LINEAR_REGRESSION`.
      prediction_type: 1, one value for a sequence, or 2, one for each step.
      sequence_feature_columns: older feature columns of what each step has.
      context_feature_columns: of what a sequence has as a whole.
      num_classes: how many classes; needed for a classification.
      num_units: the size of the cell, or sizes of cells that stand on each other.
      cell_type: "basic_rnn", "lstm", "gru", or a class of cells.
      optimizer: a name, an optimizer, or a function of the rate that makes one.
      learning_rate: of the optimizer.
      predict_probabilities: whether probabilities are predicted beside classes.
      momentum: of the optimizer "Momentum".
      gradient_clipping_norm: the longest gradient of all variables together.
      dropout_keep_probabilities: how likely what goes into each cell, and out of the last, is kept.
      model_dir: the folder of checkpoints and summaries.
      feature_engineering_fn: takes features and labels, and gives what the model gets instead.
      config: a `RunConfig`.

    Raises:
      ValueError: a type is another, or classes are missing or too few.
    """

    def __init__(
        self,
        problem_type: int,
        prediction_type: int,
        sequence_feature_columns: Any,
        context_feature_columns: Any = None,
        num_classes: int | None = None,
        num_units: Any = None,
        cell_type: Any = "basic_rnn",
        optimizer: Any = "SGD",
        learning_rate: float = 0.1,
        predict_probabilities: bool = False,
        momentum: float | None = None,
        gradient_clipping_norm: float | None = 5.0,
        dropout_keep_probabilities: Any = None,
        model_dir: Any = None,
        feature_engineering_fn: Callable[..., Any] | None = None,
        config: Any = None,
    ) -> None:
        name = _name_of(prediction_type, problem_type)
        target = _target(problem_type, num_classes)
        if optimizer == "Momentum":
            optimizer = MomentumOptimizer(learning_rate, momentum)
        if predict_probabilities and problem_type != ProblemType.CLASSIFICATION:
            raise ValueError(
                "predict_probabilities can only be set to True for problem_type ProblemType.CLASSIFICATION; "
                f"got {problem_type}."
            )
        given = {
            "sequence": sequence_feature_columns,
            "context": context_feature_columns,
            "num_units": num_units,
            "cell_type": cell_type,
            "dropout": dropout_keep_probabilities,
            "optimizer": optimizer,
            "rate": learning_rate,
            "clip": gradient_clipping_norm,
            "probabilities": predict_probabilities,
        }
        model = _model(name, target, problem_type, prediction_type == PredictionType.SINGLE_VALUE, given)
        super().__init__(model, model_dir, config or RunConfig(), None, feature_engineering_fn)


def _name_of(prediction_type: int, problem_type: int) -> str:
    kinds = {PredictionType.SINGLE_VALUE: "SingleValue", PredictionType.MULTIPLE_VALUE: "MultiValue"}
    if prediction_type not in kinds:
        raise ValueError(
            "prediction_type must be one of PredictionType.MULTIPLE_VALUE or PredictionType.SINGLE_VALUE; "
            f"got {prediction_type}"
        )
    problems = {ProblemType.CLASSIFICATION: "Classifier", ProblemType.LINEAR_REGRESSION: "Regressor"}
    if problem_type not in problems:
        raise ValueError(
            "problem_type must be either ProblemType.LINEAR_REGRESSION or ProblemType.CLASSIFICATION; "
            f"got {problem_type}"
        )
    return f"{kinds[prediction_type]}DynamicRNN{problems[problem_type]}"


def _target(problem_type: int, num_classes: int | None) -> Any:
    if problem_type == ProblemType.LINEAR_REGRESSION:
        return regression_target()
    if not num_classes:
        raise ValueError("For CLASSIFICATION problem_type, num_classes must be specified.")
    return multi_class_target(n_classes=num_classes)


def _input(features: dict[str, Any], sequence: Any, context: Any) -> Any:
    """What each step has, `[batch, steps, depth]`: its own features, and those of the whole sequence."""
    steps = sequence_input_from_feature_columns(columns_to_tensors=features, feature_columns=sequence)
    if context is None:
        return steps
    whole = input_from_feature_columns(columns_to_tensors=features, feature_columns=context)
    return concatenate_context_input(whole, steps)


def _activations(features: dict[str, Any], given: dict[str, Any], outputs: int, training: bool) -> Any:
    """What the network says of each step, and its last states."""
    steps = _input(features, given["sequence"], given["context"])
    cell = construct_rnn_cell(given["num_units"], given["cell_type"], given["dropout"] if training else None)
    begin = states_given(features, cell)
    with name_scope("RNN"):
        found, state = dynamic_rnn(
            cell, steps, initial_state=begin, dtype=float32, parallel_iterations=None, swap_memory=True
        )
        return fully_connected(found, outputs, activation_fn=None), state


def _loss(activations: Any, labels: Any, lengths: Any, target: Any, features: Any, single: bool) -> Any:
    with name_scope("SingleValueLoss" if single else "MultiValueLoss"):
        if single:
            activations = select_last_activations(activations, lengths)
        else:
            activations, labels = mask_activations_and_labels(activations, labels, lengths)
        return target.loss(activations, labels, features)


def _metrics(problem_type: int, single: bool, lengths: Any, predictions: dict[str, Any], labels: Any) -> Any:
    if problem_type != ProblemType.CLASSIFICATION:
        return {}
    weights = None
    if not single and lengths is not None:
        weights = sequence_mask(lengths, shape_of(labels)[1])
    return {"accuracy": accuracy(labels, predictions[PredictionKey.CLASSES], weights)}


def _alternatives(problem_type: int, single: bool, predictions: dict[str, Any]) -> Any:
    if not single:
        return None
    names = (PredictionKey.CLASSES, PredictionKey.PROBABILITIES, PredictionKey.SCORES)
    return {None: (problem_type, {name: predictions[name] for name in names if name in predictions})}


def _model(
    name: str, target: Any, problem_type: int, single: bool, given: dict[str, Any]
) -> Callable[..., Any]:
    """The model function: its operations stand below `name`."""

    def model_fn(features: dict[str, Any], labels: Any, mode: str) -> Any:
        with name_scope(name):
            lengths = features.get(RNNKeys.SEQUENCE_LENGTH_KEY)
            activations, state = _activations(features, given, target.num_label_columns, mode == "train")
            predict = single_value_predictions if single else multi_value_predictions
            found = predict(activations, lengths, target, problem_type, given["probabilities"])
            loss = None
            if mode != "infer":
                loss = _loss(activations, labels, lengths, target, features, single)
            found.update(states_by_name(state))
            metrics = None if mode == "infer" else _metrics(problem_type, single, lengths, found, labels)
            step = None
            if mode == "train":
                step = optimize_loss(
                    loss, None, given["rate"], given["optimizer"], clip_gradients=given["clip"],
                    summaries=OPTIMIZER_SUMMARIES,
                )  # fmt: skip
        outputs = _alternatives(problem_type, single, found)
        return ModelFnOps(mode, found, loss, step, metrics, outputs)

    return model_fn
