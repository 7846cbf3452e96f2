"""Heads of series models: training, evaluation, prediction, and what is exported."""

from __future__ import annotations

from typing import Any

from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import name_scope
from millrace.contributed.timeseries.feature_keys import (
    FilteringResults,
    PredictionFeatures,
    SavedModelLabels,
    TrainEvalFeatures,
)
from millrace.core import nest
from millrace.core.dtypes import int64
from millrace.core.public import public
from millrace.graph.keys import GraphKeys
from millrace.lib.flow.control_flow import group
from millrace.lib.metrics.means import mean
from millrace.lib.summary.operations import scalar
from millrace.lib.variables.assigning import assign
from millrace.lib.variables.scope import variable_scope
from millrace.lib.variables.variable import Variable
from millrace.models.estimator.export_outputs import PredictOutput
from millrace.models.estimator.modes import ModeKeys
from millrace.models.estimator.spec import EstimatorSpec
from millrace.ops.array.constant import zeros
from millrace.ops.array.shape import shape
from millrace.ops.math.cast import cast
from millrace.training.global_step import get_global_step

TIMES, VALUES = TrainEvalFeatures.TIMES, TrainEvalFeatures.VALUES
STATE, PREFIX = PredictionFeatures.STATE_TUPLE, PredictionFeatures.STATE_PREFIX


class StatelessOutput(PredictOutput):
    """An output whose signature does not take the state, which has a default."""

    def as_signature_def(self, receiver_tensors: dict[str, Any]) -> Any:
        """A signature for prediction, without the parts of the state."""
        others = {name: t for name, t in receiver_tensors.items() if not name.startswith(PREFIX)}
        return super().as_signature_def(others)


def state_by_name(state: Any) -> dict[str, Any]:
    """The parts of a state by the names that features and signatures have for them."""
    return {f"{PREFIX}_{number:02d}": part for number, part in enumerate(nest.flatten(state))}


@public("contrib.timeseries.python.timeseries.head.TimeSeriesRegressionHead")
class TimeSeriesRegressionHead:
    """Turns a model of series into what an `Estimator` needs.

    Args:
      model: a `TimeSeriesModel`.
      state_manager: a `PassthroughStateManager` or one of its kind.
      optimizer: an `Optimizer`.
      input_statistics_generator: an `InputStatisticsFromMiniBatch`, or None.
      name: of the head.
    """

    def __init__(
        self,
        model: Any,
        state_manager: Any,
        optimizer: Any,
        input_statistics_generator: Any = None,
        name: str | None = None,
    ) -> None:
        self.model, self.state_manager, self.optimizer = model, state_manager, optimizer
        self.input_statistics_generator = input_statistics_generator
        self._name = name

    @property
    def name(self) -> str | None:
        """The head's name."""
        return self._name

    @property
    def logits_dimension(self) -> int:
        """1: there are no logits."""
        return 1

    def create_loss(self, features: dict[str, Any], mode: str, logits: Any = None, labels: Any = None) -> Any:
        """The `ModelOutputs` of a batch, with its loss as a summary.

        Args:
          features: "times", "values", and others.
          mode: TRAIN or EVAL.
          logits, labels: not used.
        """
        del logits, labels
        outputs = self.state_manager.define_loss(self.model, features, mode)
        scalar(self._summary_key("loss"), outputs.loss)
        return outputs

    def _summary_key(self, key: str) -> str:
        return f"{key}/{self._name}" if self._name else key

    def create_estimator_spec(self, features: dict[str, Any], mode: str, labels: Any = None) -> EstimatorSpec:
        """What the model is in one mode.

        Args:
          features: by name; the state is "start_tuple" or in parts that begin with "model_state".
          mode: a `ModeKeys`.
          labels: None.

        Raises:
          ValueError: there are labels, features are missing or do not fit, or the mode is another.
        """
        if labels:
            raise ValueError(
                f"A series model takes 'times' and 'values' as features. Received: labels {labels}"
            )
        with name_scope(self._name, "head"):
            features = {name: self._converted(name, value) for name, value in features.items()}
            statistics = self._statistics(features, mode)
            self.model.initialize_graph(input_statistics=statistics)
            self.state_manager.initialize_graph(model=self.model, input_statistics=statistics)
            if mode == ModeKeys.TRAIN:
                _check_train_eval_features(features, self.model)
                return self._train_ops(features)
            if mode == ModeKeys.EVAL:
                _check_train_eval_features(features, self.model)
                return self._evaluate_ops(features)
            if mode == ModeKeys.PREDICT and not any(name.startswith(PREFIX) for name in features):
                self._check_predict_features(features)
                return self._predict_ops(features)
            if mode == ModeKeys.PREDICT:
                return self._serving_ops(features)
            raise ValueError(f"A model trains, evaluates or predicts. Received: mode '{mode}'")

    def _converted(self, name: str, value: Any) -> Any:
        if name == TIMES:
            return cast(value, int64)
        if name == VALUES:
            return cast(value, self.model.dtype)
        if name == STATE:
            return value
        return convert_to_tensor(value)

    def _statistics(self, features: dict[str, Any], mode: str) -> Any:
        if self.input_statistics_generator is None:
            return None
        return self.input_statistics_generator.initialize_graph(
            features, update_statistics=mode == ModeKeys.TRAIN
        )

    # --- modes ----------------------------------------------------------------------------------------------

    def _train_ops(self, features: dict[str, Any]) -> EstimatorSpec:
        with variable_scope("model", use_resource=True):
            loss = self.create_loss(features, ModeKeys.TRAIN).loss
        train_op = self.optimizer.minimize(loss, global_step=get_global_step())
        return EstimatorSpec(loss=loss, mode=ModeKeys.TRAIN, train_op=train_op)

    def _evaluated(self, features: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """The outputs for a batch, and a metric for each prediction and the times."""
        with variable_scope("model", use_resource=True):
            outputs = self.create_loss(features, ModeKeys.EVAL)
        metrics = {name: _as_metric(name, value) for name, value in outputs.predictions.items()}
        metrics[FilteringResults.TIMES] = _as_metric(FilteringResults.TIMES, outputs.prediction_times)
        return outputs, metrics

    def _evaluate_ops(self, features: dict[str, Any]) -> EstimatorSpec:
        outputs, metrics = self._evaluated(features)
        metrics[FilteringResults.STATE_TUPLE] = _as_metrics(FilteringResults.STATE_TUPLE, outputs.end_state)
        return self._evaluation(outputs, metrics)

    def _evaluation(self, outputs: Any, metrics: dict[str, Any]) -> EstimatorSpec:
        metrics["average_loss"] = mean(outputs.loss, name="average_loss")
        return EstimatorSpec(
            mode=ModeKeys.EVAL,
            loss=outputs.loss,
            eval_metric_ops=metrics,
            predictions=outputs.predictions,
        )

    def _predict_ops(self, features: dict[str, Any]) -> EstimatorSpec:
        with variable_scope("model", use_resource=True):
            predictions = self.model.predict(features=features)
        predictions[TIMES] = features[TIMES]
        return EstimatorSpec(predictions=predictions, mode=ModeKeys.PREDICT)

    def _serving_ops(self, features: dict[str, Any]) -> EstimatorSpec:
        """Prediction, filtering from a state on, and filtering from the start state on."""
        parts = {name: value for name, value in features.items() if not name.startswith(PREFIX)}
        with_state = {**parts, STATE: self._gather_state(features)}
        with variable_scope("model", use_resource=True):
            predictions = self.model.predict(features=with_state)
        filtered = {}
        for label, given in (
            (SavedModelLabels.FILTER, with_state),
            (SavedModelLabels.COLD_START_FILTER, parts),
        ):
            with variable_scope("model", reuse=True):
                filtered[label] = state_by_name(self.create_loss(given, ModeKeys.EVAL).end_state)
        cold = SavedModelLabels.COLD_START_FILTER
        exports = {
            SavedModelLabels.PREDICT: PredictOutput(predictions),
            SavedModelLabels.FILTER: PredictOutput(filtered[SavedModelLabels.FILTER]),
            cold: StatelessOutput(filtered[cold]),
        }
        return EstimatorSpec(mode=ModeKeys.PREDICT, export_outputs=exports, predictions={})

    def _gather_state(self, features: dict[str, Any]) -> Any:
        """The state from its parts."""
        names = sorted(name for name in features if name.startswith(PREFIX))
        return nest.pack_sequence_as(self.model.get_start_state(), [features[name] for name in names])

    def _check_predict_features(self, features: dict[str, Any]) -> None:
        for name in (TIMES, STATE):
            if name not in features:
                raise ValueError(f"Prediction needs a '{name}' feature. Received: {sorted(features)}")
        _check_shapes({k: v for k, v in features.items() if k != STATE}, TIMES, features[TIMES])


def _check_train_eval_features(features: dict[str, Any], model: Any) -> None:
    for name in (TIMES, VALUES):
        if name not in features:
            raise ValueError(f"Training and evaluation need a '{name}' feature. Received: {sorted(features)}")
    times, values = features[TIMES], features[VALUES]
    if not times.get_shape().is_compatible_with([None, None]):
        raise ValueError(f"'{TIMES}' must be [batch, window]. Received: shape {times.get_shape()}")
    if not values.get_shape().is_compatible_with([None, None, model.num_features]):
        raise ValueError(
            f"'{VALUES}' must be [batch, window, {model.num_features}]. Received: shape {values.get_shape()}"
        )
    _check_shapes({k: v for k, v in features.items() if k != STATE}, TIMES, times)


def _check_shapes(features: dict[str, Any], name: str, like: Any) -> None:
    """Batch and window of all features must be those of one.

    Raises:
      ValueError: they are not.
    """
    dims = like.get_shape().with_rank_at_least(2)[:2]
    for other, value in features.items():
        static = value.get_shape()
        if static.ndims is not None and not static[:2].is_compatible_with(dims):
            raise ValueError(
                f"Batch and window of all features must be those of '{name}'. "
                f"Received: shape {static} for '{other}', shape {like.get_shape()} for '{name}'"
            )


def _as_metric(name: str, value: Any) -> tuple[Any, Any]:
    """The newest value of a tensor, as a metric."""
    kept = Variable(
        zeros([], dtype=value.dtype),
        name=f"{name}_identity_metric",
        collections=[GraphKeys.LOCAL_VARIABLES],
        validate_shape=False,
    )
    update = assign(kept, value, validate_shape=False)
    read = kept.read_value() if False else kept.value()
    read.set_shape(value.get_shape())
    return read, update


def _as_metrics(name: str, structure: Any) -> tuple[Any, Any]:
    """The newest values of tensors in a structure, as one metric."""
    pairs = [_as_metric(f"{name}_{number}", value) for number, value in enumerate(nest.flatten(structure))]
    values = nest.pack_sequence_as(structure, [value for value, _ in pairs])
    return values, group(*(update for _, update in pairs))


@public(
    "contrib.timeseries.OneShotPredictionHead",
    "contrib.timeseries.python.timeseries.head.OneShotPredictionHead",
)
class OneShotPredictionHead(TimeSeriesRegressionHead):
    """A head whose export filters and predicts in one call, without handing a state out.

    Args:
      model, state_manager, optimizer, input_statistics_generator, name: as `TimeSeriesRegressionHead`'s.
    """

    def _check_predict_features(self, features: dict[str, Any]) -> None:
        for name in (TIMES, VALUES, STATE):
            if name not in features:
                raise ValueError(f"Prediction needs a '{name}' feature. Received: {sorted(features)}")

    def _evaluate_ops(self, features: dict[str, Any]) -> EstimatorSpec:
        return self._evaluation(*self._evaluated(features))

    def _serving_ops(self, features: dict[str, Any]) -> EstimatorSpec:
        """Filters the values, and predicts at the times behind theirs."""
        parts = {name: value for name, value in features.items() if not name.startswith(PREFIX)}
        with variable_scope("model", use_resource=True):
            length = shape(features[VALUES])[1]
            filtered = {name: value if name == VALUES else value[:, :length] for name, value in parts.items()}
            ahead = {name: value[:, length:] for name, value in parts.items() if name != VALUES}
            outputs = self.state_manager.define_loss(self.model, filtered, ModeKeys.EVAL)
        with variable_scope("model", reuse=True):
            predictions = self.model.predict({**ahead, STATE: outputs.end_state})
        exports = {SavedModelLabels.PREDICT: StatelessOutput(predictions)}
        return EstimatorSpec(mode=ModeKeys.PREDICT, export_outputs=exports, predictions={})
