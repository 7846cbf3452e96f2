"""Autoregressive models: a window of values, and the times, tell the next window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import operators  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import control_dependencies
from millrace.contributed.timeseries.densities import cauchy_log_prob, normal_log_prob
from millrace.contributed.timeseries.feature_keys import PredictionFeatures, TrainEvalFeatures
from millrace.contributed.timeseries.models import ModelOutputs, TimeSeriesModel
from millrace.contributed.timeseries.prediction_models import FlatPredictionModel
from millrace.core.dtypes import int32, int64
from millrace.core.public import public
from millrace.lib.flow.control_flow import while_loop
from millrace.lib.flow.tensor_array import TensorArray
from millrace.lib.math.checks import assert_equal, assert_greater_equal
from millrace.lib.math.reductions import reduce_mean, reduce_prod, reduce_sum
from millrace.lib.variables.initializers import Zeros
from millrace.lib.variables.scope import get_variable, variable_scope
from millrace.models.estimator.modes import ModeKeys
from millrace.ops.array.concat import concat, split, stack
from millrace.ops.array.constant import constant, identity, zeros
from millrace.ops.array.fill import ones_like, range_, zeros_like
from millrace.ops.array.pad import pad
from millrace.ops.array.reshape import reshape, transpose
from millrace.ops.array.shape import shape
from millrace.ops.array.slicing import slice_
from millrace.ops.math.arithmetic import squared_difference
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import less
from millrace.ops.math.division import truediv
from millrace.ops.math.elementwise import exp, log, sqrt
from millrace.ops.math.select import maximum, minimum, where_v2
from millrace.ops.nn.activation import relu

TIMES, VALUES = TrainEvalFeatures.TIMES, TrainEvalFeatures.VALUES
STATE = PredictionFeatures.STATE_TUPLE
_LEAST_VARIANCE = 1e-5


@public("contrib.timeseries.ARModel", "contrib.timeseries.python.timeseries.ar_model.ARModel")
class ARModel(TimeSeriesModel):
    """The values of a window as a function of those before it, the times, and what is known beside them.

    Args:
      periodicities: an integer or more: of each, the phase of a time is one-hot coded, softly.
      input_window_size: how many steps are looked at; 0 for the times alone.
      output_window_size: how many steps are told at once.
      num_features: of a step.
      prediction_model_factory: takes `num_features`, `input_window_size` and `output_window_size`; gives a
        Keras model that takes features of both windows and gives "mean" and "covariance".
      num_time_buckets: into how many a period is divided.
      loss: `NORMAL_LIKELIHOOD_LOSS` or `SQUARED_LOSS`.
      exogenous_feature_columns: feature columns of what is known beside the values.
    """

    SQUARED_LOSS = "squared_loss"
    NORMAL_LIKELIHOOD_LOSS = "normal_likelihood_loss"

    def __init__(
        self,
        periodicities: Any,
        input_window_size: int,
        output_window_size: int,
        num_features: int,
        prediction_model_factory: Callable[..., Any] = FlatPredictionModel,
        num_time_buckets: int = 10,
        loss: str = NORMAL_LIKELIHOOD_LOSS,
        exogenous_feature_columns: Any = None,
    ) -> None:
        self._model_factory = prediction_model_factory
        self.input_window_size, self.output_window_size = input_window_size, output_window_size
        self.window_size = input_window_size + output_window_size
        self.loss = loss
        super().__init__(num_features=num_features, exogenous_feature_columns=exogenous_feature_columns)
        self.exogenous_size = self._get_exogenous_embedding_shape()[-1] if exogenous_feature_columns else 0
        if num_time_buckets <= 0:
            raise AssertionError(f"num_time_buckets must be positive. Received: {num_time_buckets}")
        self._buckets = num_time_buckets
        if periodicities is None or not periodicities:
            periodicities = []
        elif not isinstance(periodicities, list | tuple):
            periodicities = [periodicities]
        self._periodicities = [int(p) for p in periodicities]
        if any(p <= 0 for p in self._periodicities):
            raise AssertionError(f"periodicities must be positive. Received: {periodicities}")

    def initialize_graph(self, input_statistics: Any = None) -> None:
        """Makes the prediction model; see `TimeSeriesModel`."""
        super().initialize_graph(input_statistics=input_statistics)
        self._model_scope = variable_scope("model/", use_resource=True)
        with self._model_scope:
            self._model_instance = self._model_factory(
                num_features=self.num_features,
                input_window_size=self.input_window_size,
                output_window_size=self.output_window_size,
            )

    def get_start_state(self) -> tuple[Any, Any, Any]:
        """The last times `[input_window_size]`, scaled values and exogenous features: zeros."""
        window = self.input_window_size
        return (
            zeros([window], dtype=int64),
            zeros([window, self.num_features], dtype=self.dtype),
            zeros([window, self.exogenous_size], dtype=self.dtype),
        )

    def random_model_parameters(self, seed: int | None = None) -> None:
        """Nothing: series are not drawn from this model."""

    # --- one window -----------------------------------------------------------------------------------------

    def _compute_time_features(self, time: Any) -> Any:
        """How far into which bucket of each period a time is, `[batch, window, periods, buckets]`."""
        batch_size = shape(time)[0]
        count = len(self._periodicities)
        periods = constant(self._periodicities, shape=[1, 1, count, 1], dtype=time.dtype)
        time = reshape(time, [batch_size, -1, 1, 1])
        truediv(time, self._periodicities)  # not used, but the seeds of variables count operations
        phase = cast(time % periods, self.dtype) * self._buckets / cast(periods, self.dtype)
        buckets = reshape(range_(self._buckets, dtype=self.dtype), [1, 1, 1, self._buckets])
        into = relu(phase - buckets)
        return where_v2(less(into, 1.0), into, zeros_like(into))

    def _output_window_predictions(self, input_window_features: Any, output_window_features: Any) -> Any:
        with self._model_scope:
            made = self._model_instance(input_window_features, output_window_features)
            dims = [None, self.output_window_size, self.num_features]
            made["mean"].set_shape(dims)
            if "covariance" in made:
                made["covariance"].set_shape(dims)
            return made

    def prediction_ops(self, times: Any, values: Any, exogenous_regressors: Any) -> dict[str, Any]:
        """What is told of the output window, scaled.

        Args:
          times: of both windows, `[batch, window_size]`.
          values: of the input window, scaled, `[batch, input_window_size, num_features]`.
          exogenous_regressors: of both windows, `[batch, window_size, exogenous_size]`.

        Returns:
          "mean" and "covariance", the variances, `[batch, output_window_size, num_features]` each.
        """
        times.get_shape().assert_is_compatible_with([None, self.window_size])
        batch_size = shape(times)[0]
        windows = [self.input_window_size, self.output_window_size]
        looked_at, told = [], []
        if self._periodicities:
            width = self._buckets * len(self._periodicities)
            of_times = reshape(self._compute_time_features(times), [batch_size, self.window_size, width])
            for features, part in zip((looked_at, told), split(of_times, windows, 1), strict=True):
                features.append(part)
        if self.input_window_size:
            values.get_shape().assert_is_compatible_with([None, windows[0], self.num_features])
            inputs = slice_(values, [0, 0, 0], [-1, windows[0], -1])
            looked_at.append(reshape(inputs, [batch_size, windows[0], self.num_features]))
        if self.exogenous_size:
            exogenous_regressors.get_shape().assert_is_compatible_with(
                [None, self.window_size, self.exogenous_size]
            )
            for features, part in zip(
                (looked_at, told), split(exogenous_regressors, windows, 1), strict=True
            ):
                features.append(part)
        return self._output_window_predictions(
            *(
                concat(features, axis=2) if features else zeros([batch_size, window, 0], dtype=self.dtype)
                for features, window in zip((looked_at, told), windows, strict=True)
            )
        )

    def loss_op(self, targets: Any, prediction_ops: dict[str, Any]) -> Any:
        """The mean loss of a step's feature.

        Args:
          targets: scaled values of the output window, `[batch, output_window_size, num_features]`.
          prediction_ops: what `prediction_ops` gave.
        """
        mean = prediction_ops["mean"]
        if self.loss == ARModel.NORMAL_LIKELIHOOD_LOSS:
            summed = -reduce_sum(_normal_log_prob(mean, prediction_ops["covariance"], targets))
        elif self.loss == ARModel.SQUARED_LOSS:
            summed = reduce_sum(squared_difference(mean, targets))
        else:
            raise AssertionError(
                f"loss must be normal_likelihood_loss or squared_loss. Received: {self.loss}"
            )
        return summed / cast(reduce_prod(shape(targets)), summed.dtype)

    def _process_window(self, features: dict[str, Any], mode: str, exogenous_regressors: Any) -> ModelOutputs:
        """Loss and predictions of windows of exactly `window_size` steps."""
        times = cast(features[TIMES], int64)
        observed = cast(features[VALUES], self.dtype)
        before, after = self.input_window_size, self.output_window_size
        dims = times.get_shape()
        if mode == ModeKeys.TRAIN and not dims.is_compatible_with([None, self.window_size]):
            raise ValueError(
                f"ARModel with input_window_size={before} and output_window_size={after} needs windows of "
                f"{self.window_size} steps: give RandomWindowInputFn window_size={self.window_size}. "
                f"Received: shape {dims} of feature '{TIMES}' [batch, window]"
            )
        values = self._scale_data(observed)
        made = self.prediction_ops(times, values[:, :before, :] if before else None, exogenous_regressors)
        targets, told = slice_(values, [0, before, 0], [-1, -1, -1]), made
        if mode == ModeKeys.EVAL and self.loss == ARModel.SQUARED_LOSS:
            targets = self._scale_back_data(targets)
            told = {"mean": self._scale_back_data(made["mean"])}
        loss = self.loss_op(targets, told)
        predictions = {"mean": self._scale_back_data(made["mean"])}
        if "covariance" in made:
            predictions["covariance"] = self._scale_back_variance(made["covariance"])
        state = times[:, -before:], values[:, -before:, :], exogenous_regressors[:, -before:, :]
        predictions["observed"] = observed[:, -after:]
        return ModelOutputs(loss, state, predictions, times[:, -after:])

    # --- training and evaluation ----------------------------------------------------------------------------

    def get_batch_loss(self, features: dict[str, Any], mode: str, state: Any) -> ModelOutputs:
        """The loss of a batch: of one window each in training, of as many as there are in evaluation.

        Args:
          features: "times" `[batch, window]`, "values" `[batch, window, num_features]`, and others.
          mode: TRAIN or EVAL.
          state: the state before it.

        Raises:
          ValueError: the window has another size than the model needs.
        """
        others = {k: v for k, v in features.items() if k not in (TIMES, VALUES)}
        regressors = self._process_exogenous_features(times=features[TIMES], features=others)
        if mode == ModeKeys.TRAIN:
            return self._process_window(features, mode, regressors)
        if mode == ModeKeys.EVAL:
            return self._process_windows(features, regressors, state)
        raise ValueError(f"get_batch_loss trains or evaluates. Received: mode '{mode}'")

    def _process_windows(self, features: dict[str, Any], regressors: Any, state: Any) -> ModelOutputs:
        """The mean loss of windows one after the other, the last at the end."""
        times, values = features[TIMES], features[VALUES]
        before, after = self.input_window_size, self.output_window_size
        dims = times.get_shape()
        if dims[1].value is not None and dims[1].value < self.window_size:
            raise ValueError(
                f"ARModel with input_window_size={before} and output_window_size={after} needs at least "
                f"{self.window_size} steps. Received: shape {dims} of feature '{TIMES}' [batch, window]"
            )
        count = (shape(times)[1] - before) // after
        told = count * after
        covered = told + before
        last_times, last_values = times[:, -covered:], values[:, -covered:]

        def window(number: Any) -> ModelOutputs:
            start = number * after

            def cut(steps: Any) -> Any:
                part = steps[:, start : start + self.window_size]
                part.set_shape([dims[0], self.window_size, *steps.get_shape()[2:]])
                return part

            parts = {TIMES: cut(last_times), VALUES: cut(last_values)}
            return self._process_window(parts, ModeKeys.EVAL, cut(regressors))

        losses, others = self._over_windows(count, window)
        batch_size = shape(times)[0]
        joined = [batch_size, after * count, self.num_features]
        if before:
            state = (
                concat([state[0], times], axis=1)[:, -before:],
                concat([state[1], self._scale_data(last_values)], axis=1)[:, -before:, :],
                concat([state[2], regressors], axis=1)[:, -before:, :],
            )
        loss = reduce_mean(losses.stack(), axis=0)
        predictions = {
            name: reshape(transpose(array.stack(), [1, 0, 2, 3]), joined) for name, array in others.items()
        }
        predictions["observed"] = last_values[:, -told:]
        return ModelOutputs(loss, state, predictions, times[:, -told:])

    def _over_windows(self, count: Any, window: Callable[[Any], ModelOutputs]) -> tuple[Any, dict[str, Any]]:
        """Arrays of the losses and predictions of windows."""
        names = ["mean", "covariance"]

        def step(number: Any, losses: Any, *arrays: Any) -> tuple[Any, ...]:
            made = window(number)
            written = [a.write(number, made.predictions[n]) for a, n in zip(arrays, names, strict=True)]
            return number + 1, losses.write(number, made.loss), *written

        arrays = [TensorArray(dtype=self.dtype, size=count) for _ in range(len(names) + 1)]
        _, losses, *filled = while_loop(lambda number, *_: less(number, count), step, [0, *arrays])
        return losses, dict(zip(names, filled, strict=True))

    # --- prediction -----------------------------------------------------------------------------------------

    def predict(self, features: dict[str, Any]) -> dict[str, Any]:
        """What is told of times, window by window, each from what was told of the one before.

        Args:
          features: "times" `[batch, steps]`, "start_tuple", the state before them, and others.

        Returns:
          "mean" and "covariance", the variances, `[batch, steps, num_features]` each.
        """
        times = cast(features[TIMES], int32)
        others = {k: v for k, v in features.items() if k not in (TIMES, STATE)}
        regressors = self._process_exogenous_features(times=features[TIMES], features=others)
        with control_dependencies([assert_equal(shape(times)[1], shape(regressors)[1])]):
            regressors = identity(regressors)
        batch_size, steps = shape(times)[0], shape(times)[1]
        after = self.output_window_size
        count = (steps + after - 1) // after
        missing = count * after - steps
        ahead = pad(times, [[0, 0], [0, missing]]), pad(regressors, [[0, 0], [0, missing], [0, 0]])
        arrays = self._windows_ahead(count, ahead, features[STATE])
        told = {}
        for name, array in arrays.items():
            joined = reshape(transpose(array.stack(), [1, 0, 2, 3]), stack([batch_size, count * after, -1]))
            told[name] = joined[:, :steps, :]
        covariance = told["covariance"] if "covariance" in told else ones_like(told["mean"])
        return {
            "mean": self._scale_back_data(told["mean"]),
            "covariance": self._scale_back_variance(covariance),
        }

    def _windows_ahead(self, count: Any, ahead: tuple[Any, Any], state: Any) -> dict[str, Any]:
        """Arrays of what is told of windows one after the other."""
        squared = self.loss == ARModel.SQUARED_LOSS
        names = ["mean"] if squared else ["mean", "covariance"]
        first = self._first_window(ahead, state)
        arrays = [TensorArray(dtype=self.dtype, size=count) for _ in names][::-1]

        def step(number: Any, times: Any, values: Any, regressors: Any, *arrays: Any) -> tuple[Any, ...]:
            made = self.prediction_ops(times, values, regressors)
            following = minimum(number + 1, count - 1)
            window = self._next_window(ahead, following, times, values, regressors, made["mean"])
            written = [a.write(number, made[n]) for a, n in zip(arrays, names, strict=True)]
            return number + 1, *window, *written

        found = while_loop(lambda number, *_: less(number, count), step, [0, *first, *arrays])
        return dict(zip(names, found[4:], strict=True))

    def _first_window(self, ahead: tuple[Any, Any], state: Any) -> tuple[Any, Any, Any]:
        """Times, values and exogenous features of the first window."""
        before, after = self.input_window_size, self.output_window_size
        state_times, state_values, state_regressors = state
        state_times = cast(state_times, int32)
        times, regressors = ahead[0][:, :after], ahead[1][:, :after, :]
        if not before:
            return times, 0, regressors
        times = concat([state_times[:, -before:], times], axis=1)
        lengths = shape(state_values)[1], shape(state_times)[1]
        enough = assert_greater_equal(lengths[0], before)
        with control_dependencies([enough, assert_equal(*lengths)]):
            values = state_values[:, -before:, :]
            regressors = concat([state_regressors[:, -before:, :], regressors[:, :after, :]], axis=1)
        return times, values, regressors

    def _next_window(
        self, ahead: tuple[Any, Any], number: Any, times: Any, values: Any, regressors: Any, mean: Any
    ) -> tuple[Any, Any, Any]:
        """The window with a number, from the one before and what was told of it."""
        before, after = self.input_window_size, self.output_window_size
        start = after * number
        all_times, all_regressors = ahead
        if before > after:
            new_values = concat([values[:, after:, :], mean], axis=1)
            new_regressors = concat(
                [regressors[:, -before:, :], all_regressors[:, start : start + after, :]], axis=1
            )
            new_times = concat([times[:, -before:], all_times[:, start : start + after]], axis=1)
        else:
            new_values = mean[:, -before:, :] if before else values
            first = start - before if before else start
            new_regressors = all_regressors[:, first : start + after, :]
            new_times = all_times[:, first : start + after]
        new_times.set_shape(times.get_shape())
        new_regressors.set_shape(regressors.get_shape())
        if before:
            new_values.set_shape(values.get_shape())
        return new_times, new_values, new_regressors


def _normal_log_prob(mean: Any, variance: Any, targets: Any) -> Any:
    return normal_log_prob(targets, sqrt(maximum(variance, _LEAST_VARIANCE)), mean)


@public("contrib.timeseries.python.timeseries.ar_model.AnomalyMixtureARModel")
class AnomalyMixtureARModel(ARModel):
    """An `ARModel` for which a value is either as it tells, or an anomaly of another distribution.

    Args:
      periodicities, input_window_size, output_window_size, num_features, prediction_model_factory,
        num_time_buckets, exogenous_feature_columns: as `ARModel`'s.
      anomaly_prior_probability: of an anomaly, between 0 and 1.
      anomaly_distribution: `GAUSSIAN_ANOMALY` or `CAUCHY_ANOMALY`, around the same mean, its width learnt.
    """

    GAUSSIAN_ANOMALY = "gaussian"
    CAUCHY_ANOMALY = "cauchy"

    def __init__(
        self,
        periodicities: Any,
        anomaly_prior_probability: float,
        input_window_size: int,
        output_window_size: int,
        num_features: int,
        prediction_model_factory: Callable[..., Any] = FlatPredictionModel,
        anomaly_distribution: str | None = GAUSSIAN_ANOMALY,
        num_time_buckets: int = 10,
        exogenous_feature_columns: Any = None,
    ) -> None:
        if not 0.0 < anomaly_prior_probability < 1.0:
            raise AssertionError(
                f"anomaly_prior_probability must be between 0 and 1. Received: {anomaly_prior_probability}"
            )
        self._anomaly_prior_probability = anomaly_prior_probability
        if anomaly_distribution not in (self.GAUSSIAN_ANOMALY, self.CAUCHY_ANOMALY):
            raise AssertionError(
                f"anomaly_distribution must be gaussian or cauchy. Received: {anomaly_distribution}"
            )
        self._anomaly_distribution = anomaly_distribution
        super().__init__(
            periodicities=periodicities,
            num_features=num_features,
            num_time_buckets=num_time_buckets,
            input_window_size=input_window_size,
            output_window_size=output_window_size,
            loss=ARModel.NORMAL_LIKELIHOOD_LOSS,
            prediction_model_factory=prediction_model_factory,
            exogenous_feature_columns=exogenous_feature_columns,
        )

    def prediction_ops(self, times: Any, values: Any, exogenous_regressors: Any) -> dict[str, Any]:
        """What is told of the output window, and "anomaly_params", the scale of anomalies."""
        made = super().prediction_ops(times, values, exogenous_regressors)
        logs = get_variable("anomaly_log_param", shape=[], dtype=self.dtype, initializer=Zeros())
        made["anomaly_params"] = exp(logs)
        return made

    def _anomaly_log_prob(self, targets: Any, prediction_ops: dict[str, Any]) -> Any:
        scale = prediction_ops["anomaly_params"]
        if self._anomaly_distribution == self.GAUSSIAN_ANOMALY:
            return _normal_log_prob(prediction_ops["mean"], scale, targets)
        return cauchy_log_prob(targets, scale, prediction_ops["mean"])

    def loss_op(self, targets: Any, prediction_ops: dict[str, Any]) -> Any:
        """The mean loss of a step's feature; see `ARModel`."""
        usual = _normal_log_prob(prediction_ops["mean"], prediction_ops["covariance"], targets)
        usual = usual + log(1.0 - self._anomaly_prior_probability)
        anomalous = self._anomaly_log_prob(targets, prediction_ops) + log(self._anomaly_prior_probability)
        less_likely, likelier = minimum(usual, anomalous), maximum(usual, anomalous)
        mixture = likelier + log(1.0 + exp(less_likely - likelier))
        summed = -reduce_sum(mixture)
        return summed / cast(reduce_prod(shape(targets)), summed.dtype)
