"""Series models as estimators."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from millrace.building import operators  # noqa: F401 - operators gives tensors their arithmetic
from millrace.contributed.timeseries.autoregressive import AnomalyMixtureARModel, ARModel
from millrace.contributed.timeseries.feature_keys import TrainEvalFeatures
from millrace.contributed.timeseries.heads import (
    OneShotPredictionHead,
    TimeSeriesRegressionHead,
    state_by_name,
)
from millrace.contributed.timeseries.prediction_models import FlatPredictionModel, LSTMPredictionModel
from millrace.contributed.timeseries.state_space.anomalies import StateInterpolatingAnomalyDetector
from millrace.contributed.timeseries.state_space.models import StateSpaceModelConfiguration
from millrace.contributed.timeseries.state_space.structural import MultiResolutionStructuralEnsemble
from millrace.contributed.timeseries.states import (
    ChainingStateManager,
    FilteringOnlyStateManager,
    PassthroughStateManager,
)
from millrace.contributed.timeseries.statistics import InputStatisticsFromMiniBatch
from millrace.core.dtypes import float64, int32, int64, string
from millrace.core.public import public
from millrace.graph.graph import Graph
from millrace.models.estimator.estimator import Estimator
from millrace.models.estimator.optimizers import optimizer_of
from millrace.models.estimator.receivers import ServingInputReceiver
from millrace.models.feature_columns.input_layer import make_parse_example_spec
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import ones, placeholder, placeholder_with_default, zeros
from millrace.ops.array.reshape import squeeze
from millrace.ops.array.shape import shape
from millrace.ops.array.tile import tile
from millrace.ops.io.parsing import FixedLenFeature, parse_example
from millrace.ops.math.cast import cast
from millrace.training.optimizers.adagrad import AdagradOptimizer
from millrace.training.optimizers.adam import AdamOptimizer

TIMES, VALUES = TrainEvalFeatures.TIMES, TrainEvalFeatures.VALUES


@public(
    "contrib.timeseries.TimeSeriesRegressor",
    "contrib.timeseries.python.timeseries.estimators.TimeSeriesRegressor",
)
class TimeSeriesRegressor(Estimator):
    """Trains, evaluates, predicts and exports a model of series.

    Args:
      model: a `TimeSeriesModel`.
      state_manager: what states windows begin with in training; default, a `PassthroughStateManager`.
      optimizer: default, Adam with rate 0.02.
      model_dir: the folder of checkpoints; default, a new one.
      config: a `RunConfig`.
      head_type: makes the head, `TimeSeriesRegressionHead` or `OneShotPredictionHead`.
    """

    def __init__(
        self,
        model: Any,
        state_manager: Any = None,
        optimizer: Any = None,
        model_dir: Any = None,
        config: Any = None,
        head_type: Any = TimeSeriesRegressionHead,
    ) -> None:
        self._model = model
        head = head_type(
            model=model,
            state_manager=PassthroughStateManager() if state_manager is None else state_manager,
            optimizer=AdamOptimizer(0.02) if optimizer is None else optimizer,
            input_statistics_generator=InputStatisticsFromMiniBatch(
                dtype=model.dtype, num_features=model.num_features
            ),
        )
        super().__init__(model_fn=head.create_estimator_spec, model_dir=model_dir, config=config)

    def _start_state_placeholders(self, batch_size: Any, static_batch_size: int | None) -> dict[str, Any]:
        """Placeholders for the parts of the state by name; zeros where nothing is fed."""
        with Graph().as_default():
            self._model.initialize_graph()
            parts = state_by_name(self._model.get_start_state())
            start = {name: (part.dtype, part.get_shape().as_list()) for name, part in parts.items()}
        made = {}
        for name, (dtype, dims) in start.items():
            row = np.zeros([1, *dims], dtype.as_numpy_dtype)
            times = concat([batch_size[None], ones([len(dims)], dtype=int32)], axis=0)
            made[name] = placeholder_with_default(
                input=tile(row, times), name=name, shape=[static_batch_size, *dims]
            )
        return made

    def build_one_shot_parsing_serving_input_receiver_fn(
        self,
        filtering_length: int,
        prediction_length: int,
        default_batch_size: int | None = None,
        values_input_dtype: Any = None,
        truncate_values: bool = False,
    ) -> Any:
        """What an export needs that takes Examples, filters their values and predicts what follows.

        Args:
          filtering_length: how many values an Example has.
          prediction_length: how many steps are predicted behind them.
          default_batch_size: how many Examples there are; None for any number.
          values_input_dtype: of the values in Examples; default, the model's.
          truncate_values: let Examples have values for the steps to predict too, which are dropped.

        Returns:
          A function for `export_savedmodel`; the input is "examples".
        """
        steps = filtering_length + prediction_length
        given = steps if truncate_values else filtering_length
        dtype = self._model.dtype if values_input_dtype is None else values_input_dtype

        def receiver() -> ServingInputReceiver:
            spec: dict[str, Any] = {
                TIMES: FixedLenFeature(shape=[steps, 1], dtype=int64),
                VALUES: FixedLenFeature(shape=[given, self._model.num_features], dtype=dtype),
            }
            for name, feature in make_parse_example_spec(self._model.exogenous_feature_columns).items():
                spec[name] = _with_steps(feature, steps)
            examples = placeholder(shape=[default_batch_size], dtype=string, name="input")
            features = parse_example(examples, spec)
            features[TIMES] = squeeze(features[TIMES], axis=-1)
            features[VALUES] = cast(features[VALUES], self._model.dtype)[:, :filtering_length]
            features.update(self._start_state_placeholders(shape(features[TIMES])[0], default_batch_size))
            return ServingInputReceiver(features, {"examples": examples})

        return receiver

    def build_raw_serving_input_receiver_fn(
        self, default_batch_size: int | None = None, default_series_length: int | None = None
    ) -> Any:
        """What an export needs that takes times, values and the state themselves.

        Args:
          default_batch_size: how many series there are; None for any number.
          default_series_length: how long they are; None for any length.

        Returns:
          A function for `export_savedmodel`.
        """
        dims = [default_batch_size, default_series_length]

        def receiver() -> ServingInputReceiver:
            made = {TIMES: placeholder(name=TIMES, dtype=int64, shape=dims)}
            width = self._model.num_features
            missing = zeros([size or 0 for size in [*dims, width]], dtype=self._model.dtype)
            made[VALUES] = placeholder_with_default(name=VALUES, input=missing, shape=[*dims, width])
            for name, (dtype, rest) in self._exogenous_parts().items():
                made[name] = placeholder(dtype=dtype, name=name, shape=[*dims, *rest])
            made.update(self._start_state_placeholders(shape(made[TIMES])[0], default_batch_size))
            return ServingInputReceiver(made, made)

        return receiver

    def _exogenous_parts(self) -> dict[str, tuple[Any, list[int | None]]]:
        """The features that columns read, by name: their dtypes, and their shapes for one step."""
        columns = self._model.exogenous_feature_columns
        if not columns:
            return {}
        with Graph().as_default():
            serialized = placeholder(shape=[None], dtype=string)
            parsed = parse_example(serialized, make_parse_example_spec(columns))
        return {name: (part.dtype, part.get_shape().as_list()[1:]) for name, part in sorted(parsed.items())}


def _with_steps(feature: Any, steps: int) -> FixedLenFeature:
    """How a feature of one step is parsed for some steps."""
    rest = list(feature.shape) if isinstance(feature, FixedLenFeature) else []
    return FixedLenFeature(shape=[steps, *rest], dtype=feature.dtype)


@public("contrib.timeseries.ARRegressor", "contrib.timeseries.python.timeseries.estimators.ARRegressor")
class ARRegressor(TimeSeriesRegressor):
    """An autoregressive model as an estimator: see `ARModel`.

    Args:
      periodicities: an integer or more, in steps.
      input_window_size: how many steps are looked at.
      output_window_size: how many steps are told at once.
      num_features: of a step.
      exogenous_feature_columns: feature columns of what is known beside the values.
      num_time_buckets: into how many a period is divided.
      loss: `ARModel.NORMAL_LIKELIHOOD_LOSS` or `ARModel.SQUARED_LOSS`.
      hidden_layer_sizes: the units of hidden layers; None for none.
      anomaly_prior_probability: of an anomaly; None for a model without anomalies.
      anomaly_distribution: "gaussian" or "cauchy", of anomalies.
      optimizer: default, Adagrad with rate 0.1.
      model_dir: the folder of checkpoints; default, a new one.
      config: a `RunConfig`.

    Raises:
      ValueError: anomalies have a distribution but no probability, or another loss than the likelihood.
      AssertionError: anomalies have a probability but no distribution.
    """

    def __init__(
        self,
        periodicities: Any,
        input_window_size: int,
        output_window_size: int,
        num_features: int,
        exogenous_feature_columns: Any = None,
        num_time_buckets: int = 10,
        loss: str = ARModel.NORMAL_LIKELIHOOD_LOSS,
        hidden_layer_sizes: Any = None,
        anomaly_prior_probability: float | None = None,
        anomaly_distribution: str | None = None,
        optimizer: Any = None,
        model_dir: Any = None,
        config: Any = None,
    ) -> None:
        options: dict[str, Any] = {
            "periodicities": periodicities,
            "num_features": num_features,
            "prediction_model_factory": functools.partial(
                FlatPredictionModel, hidden_layer_sizes=hidden_layer_sizes
            ),
            "exogenous_feature_columns": exogenous_feature_columns,
            "num_time_buckets": num_time_buckets,
            "input_window_size": input_window_size,
            "output_window_size": output_window_size,
        }
        if anomaly_prior_probability is None:
            if anomaly_distribution is not None:
                raise ValueError(
                    "anomaly_distribution needs an anomaly_prior_probability. "
                    f"Received: anomaly_distribution={anomaly_distribution!r} alone"
                )
            model = ARModel(loss=loss, **options)
        else:
            if loss != ARModel.NORMAL_LIKELIHOOD_LOSS:
                raise ValueError(
                    f"With anomalies, loss must be {ARModel.NORMAL_LIKELIHOOD_LOSS}. Received: {loss}"
                )
            model = AnomalyMixtureARModel(
                anomaly_prior_probability=anomaly_prior_probability,
                anomaly_distribution=anomaly_distribution,
                **options,
            )
        super().__init__(
            model=model,
            state_manager=FilteringOnlyStateManager(),
            optimizer=AdagradOptimizer(0.1) if optimizer is None else optimizer,
            model_dir=model_dir,
            config=config,
        )


@public("contrib.timeseries.python.timeseries.estimators.LSTMAutoRegressor")
class LSTMAutoRegressor(TimeSeriesRegressor):
    """An autoregressive model with LSTMs as an estimator: see `LSTMPredictionModel`.

    Its head is an `OneShotPredictionHead`: it predicts when it is exported.

    Args:
      periodicities: an integer or more, in steps.
      input_window_size: how many steps are looked at.
      output_window_size: how many steps are told at once.
      model_dir: the folder of checkpoints; default, a new one.
      num_features: of a step.
      extra_feature_columns: feature columns of what is known beside the values.
      num_timesteps: into how many buckets a period is divided.
      loss: `ARModel.NORMAL_LIKELIHOOD_LOSS` or `ARModel.SQUARED_LOSS`.
      num_units: of each LSTM.
      optimizer: an `Optimizer`, or the name of one, with rate 0.01.
      config: a `RunConfig`.
    """

    def __init__(
        self,
        periodicities: Any,
        input_window_size: int,
        output_window_size: int,
        model_dir: Any = None,
        num_features: int = 1,
        extra_feature_columns: Any = None,
        num_timesteps: int = 10,
        loss: str = ARModel.NORMAL_LIKELIHOOD_LOSS,
        num_units: int = 128,
        optimizer: Any = "Adam",
        config: Any = None,
    ) -> None:
        model = ARModel(
            periodicities=periodicities,
            input_window_size=input_window_size,
            output_window_size=output_window_size,
            num_features=num_features,
            exogenous_feature_columns=extra_feature_columns,
            num_time_buckets=num_timesteps,
            loss=loss,
            prediction_model_factory=functools.partial(LSTMPredictionModel, num_units=num_units),
        )
        super().__init__(
            model=model,
            state_manager=FilteringOnlyStateManager(),
            optimizer=optimizer_of(optimizer, learning_rate=0.01),
            model_dir=model_dir,
            config=config,
            head_type=OneShotPredictionHead,
        )


@public("contrib.timeseries.python.timeseries.estimators.StateSpaceRegressor")
class StateSpaceRegressor(TimeSeriesRegressor):
    """A state space model as an estimator; windows go on from the states that earlier ones have left.

    Args:
      model: a `StateSpaceModel`.
      state_manager: default, a `ChainingStateManager`.
      optimizer, model_dir, config, head_type: as `TimeSeriesRegressor`'s.
    """

    def __init__(
        self,
        model: Any,
        state_manager: Any = None,
        optimizer: Any = None,
        model_dir: Any = None,
        config: Any = None,
        head_type: Any = TimeSeriesRegressionHead,
    ) -> None:
        super().__init__(
            model=model,
            state_manager=ChainingStateManager() if state_manager is None else state_manager,
            optimizer=optimizer,
            model_dir=model_dir,
            config=config,
            head_type=head_type,
        )


@public(
    "contrib.timeseries.StructuralEnsembleRegressor",
    "contrib.timeseries.python.timeseries.estimators.StructuralEnsembleRegressor",
)
class StructuralEnsembleRegressor(StateSpaceRegressor):
    """A structural model as an estimator: see `MultiResolutionStructuralEnsemble`.

    Args:
      periodicities: a number or more, in steps.
      num_features: of a step.
      cycle_num_latent_values: how many values a pattern has, odd.
      moving_average_order, autoregressive_order: see `VARMA`.
      exogenous_feature_columns: feature columns of what is known beside the values.
      exogenous_update_condition: see `SequentialTimeSeriesModel`.
      dtype: of values and variables.
      anomaly_prior_probability: of an anomaly; None for a model without anomalies.
      optimizer: default, Adam with rate 0.02.
      model_dir: the folder of checkpoints; default, a new one.
      config: a `RunConfig`.
      head_type: makes the head, `TimeSeriesRegressionHead` or `OneShotPredictionHead`.
    """

    def __init__(
        self,
        periodicities: Any,
        num_features: int,
        cycle_num_latent_values: int = 11,
        moving_average_order: int = 4,
        autoregressive_order: int = 0,
        exogenous_feature_columns: Any = None,
        exogenous_update_condition: Any = None,
        dtype: Any = float64,
        anomaly_prior_probability: float | None = None,
        optimizer: Any = None,
        model_dir: Any = None,
        config: Any = None,
        head_type: Any = TimeSeriesRegressionHead,
    ) -> None:
        detector = None
        if anomaly_prior_probability is not None:
            detector = StateInterpolatingAnomalyDetector(anomaly_prior_probability=anomaly_prior_probability)
        model = MultiResolutionStructuralEnsemble(
            cycle_num_latent_values=cycle_num_latent_values,
            moving_average_order=moving_average_order,
            autoregressive_order=autoregressive_order,
            periodicities=periodicities,
            configuration=StateSpaceModelConfiguration(
                num_features=num_features,
                dtype=dtype,
                filtering_postprocessor=detector,
                exogenous_feature_columns=exogenous_feature_columns,
                exogenous_update_condition=exogenous_update_condition,
            ),
        )
        super().__init__(
            model=model, optimizer=optimizer, model_dir=model_dir, config=config, head_type=head_type
        )
