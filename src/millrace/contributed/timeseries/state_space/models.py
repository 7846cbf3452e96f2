"""`StateSpaceModel`: linear Gaussian state space models, whose parameters are learnt by filtering."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.building import operators  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import control_dependencies
from millrace.contributed.layers.core import fully_connected
from millrace.contributed.timeseries.covariances import (
    clip_covariance,
    log_noninformative_covariance_prior,
    transform_to_covariance_matrices,
    variable_covariance_matrix,
)
from millrace.contributed.timeseries.feature_keys import TrainEvalFeatures
from millrace.contributed.timeseries.matrices import matrix_to_powers, power_sums_tensor
from millrace.contributed.timeseries.parameters import parameter_switch
from millrace.contributed.timeseries.sequential import SequentialTimeSeriesModel
from millrace.contributed.timeseries.state_space.drawing import drawn_series, random_covariance
from millrace.contributed.timeseries.state_space.kalman import KalmanFilter
from millrace.core.dtypes import float32, int64
from millrace.core.public import public
from millrace.lib.flow.assertion import Assert
from millrace.lib.math.array import eye
from millrace.lib.math.reductions import reduce_all, reduce_max, reduce_mean
from millrace.lib.variables.scope import get_variable, get_variable_scope, variable_scope
from millrace.models.estimator.modes import ModeKeys
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import constant, zeros
from millrace.ops.array.gather import gather
from millrace.ops.array.reshape import reshape
from millrace.ops.array.shape import shape
from millrace.ops.array.tile import tile
from millrace.ops.array.where import unique
from millrace.ops.linalg.matmul import matmul
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import equal, less_equal
from millrace.ops.math.elementwise import log
from millrace.ops.math.select import maximum

_SETTINGS = {
    "num_features": 1,
    "use_observation_noise": True,
    "dtype": float32,
    "covariance_prior_fn": log_noninformative_covariance_prior,
    "bayesian_prior_weighting": True,
    "filtering_postprocessor": None,
    "trainable_start_state": False,
    "exogenous_noise_increases": True,
    "exogenous_noise_decreases": False,
    "exogenous_feature_columns": None,
    "exogenous_update_condition": None,
    "filtering_maximum_posterior_variance_ratio": 1e6,
    "filtering_minimum_posterior_variance": 0.0,
    "transition_covariance_initial_log_scale_bias": -5.0,
    "static_unrolling_window_size_threshold": None,
}


@public(
    "contrib.timeseries.python.timeseries.state_space_models.state_space_model.StateSpaceModelConfiguration"
)
class StateSpaceModelConfiguration(namedtuple("StateSpaceModelConfiguration", tuple(_SETTINGS))):
    """The settings that all state space models share.

    Args:
      num_features: of a step.
      use_observation_noise: let observations have noise of their own.
      dtype: of values and variables.
      covariance_prior_fn: the log density of a prior of covariances, of `[n, n]`; None for none.
      bayesian_prior_weighting: the prior is divided by the length of the series; else by that of a window.
      filtering_postprocessor: a `FilteringStepPostprocessor`, or None.
      trainable_start_state: learn the state before the series.
      exogenous_noise_increases: what is known beside the values may add noise to the state.
      exogenous_noise_decreases: it may take uncertainty away from the state.
      exogenous_feature_columns: feature columns of what is known beside the values.
      exogenous_update_condition: see `SequentialTimeSeriesModel`.
      filtering_maximum_posterior_variance_ratio: of the largest variance of a state to any other.
      filtering_minimum_posterior_variance: of a state.
      transition_covariance_initial_log_scale_bias: how much smaller than the noise of observations the noise
        of transitions is at first, a log.
      static_unrolling_window_size_threshold: windows of a known size up to this are not loops.
    """

    __slots__ = ()

    def __new__(  # noqa: D102 - the class says it
        cls,
        num_features: int = 1,
        use_observation_noise: bool = True,
        dtype: Any = float32,
        covariance_prior_fn: Callable[[Any], Any] | None = log_noninformative_covariance_prior,
        bayesian_prior_weighting: bool = True,
        filtering_postprocessor: Any = None,
        trainable_start_state: bool = False,
        exogenous_noise_increases: bool = True,
        exogenous_noise_decreases: bool = False,
        exogenous_feature_columns: Any = None,
        exogenous_update_condition: Callable[..., Any] | None = None,
        filtering_maximum_posterior_variance_ratio: float = 1e6,
        filtering_minimum_posterior_variance: float = 0.0,
        transition_covariance_initial_log_scale_bias: float = -5.0,
        static_unrolling_window_size_threshold: int | None = None,
    ) -> StateSpaceModelConfiguration:
        return super().__new__(
            cls,
            num_features,
            use_observation_noise,
            dtype,
            covariance_prior_fn,
            bayesian_prior_weighting,
            filtering_postprocessor,
            trainable_start_state,
            exogenous_noise_increases,
            exogenous_noise_decreases,
            exogenous_feature_columns or [],
            exogenous_update_condition,
            filtering_maximum_posterior_variance_ratio,
            filtering_minimum_posterior_variance,
            transition_covariance_initial_log_scale_bias,
            static_unrolling_window_size_threshold,
        )


@public("contrib.timeseries.python.timeseries.state_space_models.state_space_model.StateSpaceModel")
class StateSpaceModel(SequentialTimeSeriesModel):
    """Base of linear Gaussian state space models.

    The state moves by a matrix, plus noise that another matrix spreads; values are seen through a third, plus
    noise. Subclasses give the three matrices, and may give powers of the first in closed form.

    Args:
      configuration: a `StateSpaceModelConfiguration`.
    """

    def __init__(self, configuration: Any) -> None:
        self._configuration = configuration
        outputs = ["mean", "covariance", "log_likelihood"]
        if configuration.filtering_postprocessor is not None:
            outputs = [*outputs, *configuration.filtering_postprocessor.output_names]
        super().__init__(
            train_output_names=outputs,
            predict_output_names=["mean", "covariance"],
            num_features=configuration.num_features,
            normalize_features=True,
            dtype=configuration.dtype,
            exogenous_feature_columns=configuration.exogenous_feature_columns,
            exogenous_update_condition=configuration.exogenous_update_condition,
            static_unrolling_window_size_threshold=configuration.static_unrolling_window_size_threshold,
        )
        self._kalman_filter: Any = None
        self.prior_state_mean: Any = None
        self.prior_state_var: Any = None
        self.state_transition_noise_covariance: Any = None
        self._total_observation_count: Any = None
        self._observation_noise_covariance: Any = None
        self._variable_scope = get_variable_scope()
        self._caches: tuple[Any, Any, Any] = (None, None, None)

    # --- the matrices ---------------------------------------------------------------------------------------

    def get_state_transition(self) -> Any:
        """The matrix that moves a state by one step, `[state, state]`."""
        raise TypeError(f"{type(self).__name__} must define get_state_transition. Received: {self}")

    def get_noise_transform(self) -> Any:
        """The matrix that spreads noise over the state, `[state, noise]`."""
        raise TypeError(f"{type(self).__name__} must define get_noise_transform. Received: {self}")

    def get_observation_model(self, times: Any) -> Any:
        """The matrix through which a state is seen, `[state]` or `[num_features, state]`."""
        raise TypeError(f"{type(self).__name__} must define get_observation_model. Received: {times}")

    def get_features_for_timesteps(self, timesteps: Any) -> Any:
        """Features of times; none here."""
        del timesteps

    def transition_to_powers(self, powers: Any) -> Any:
        """Powers of the transition.

        Args:
          powers: integers of any shape.

        Returns:
          `[*shape of powers, state, state]`.
        """
        return matrix_to_powers(self.get_state_transition(), powers)

    def transition_power_noise_accumulator(self, num_steps: Any) -> Any:
        """The covariance of the noise of some steps together.

        Args:
          num_steps: integers `[n]`.

        Returns:
          `[n, state, state]`.
        """
        sums = power_sums_tensor(
            multiplier=self._noise_of_a_step(),
            array_size=reduce_max(num_steps) + 1,
            power_matrix=self.get_state_transition(),
        )
        return gather(sums, indices=num_steps)

    def _noise_of_a_step(self) -> Any:
        """The covariance of the noise of one step, `[state, state]`."""
        spread = self.get_noise_transform()
        return matmul(matmul(spread, self.state_transition_noise_covariance), spread, adjoint_b=True)

    # --- variables ------------------------------------------------------------------------------------------

    def initialize_graph(self, input_statistics: Any = None) -> None:
        """Makes covariances, and the state before a series; see `TimeSeriesModel`."""
        self._set_input_statistics(input_statistics=input_statistics)
        self._define_parameters()
        self.prior_state_mean, self.prior_state_var = self._make_priors()

    def _set_input_statistics(self, input_statistics: Any = None) -> None:
        super().initialize_graph(input_statistics=input_statistics)
        if input_statistics is not None:
            self._total_observation_count = input_statistics.total_observation_count

    def _define_parameters(self, observation_transition_tradeoff_log: Any = None) -> None:
        """Makes the covariances of noise.

        Args:
          observation_transition_tradeoff_log: how much larger the noise of observations is than that of
            transitions; default, a variable.
        """
        with variable_scope(self._variable_scope):
            tradeoff = observation_transition_tradeoff_log
            if tradeoff is None:
                tradeoff = self._variable_observation_transition_tradeoff_log()
            self._tradeoff_log = tradeoff
            self.state_transition_noise_covariance = self.get_state_transition_noise_covariance()
            if self._configuration.use_observation_noise:
                self._observation_noise_covariance = self.get_observation_noise_covariance()
            else:
                self._observation_noise_covariance = None
            self._kalman_filter = KalmanFilter(dtype=self.dtype)

    def _variable_observation_transition_tradeoff_log(self) -> Any:
        return get_variable(
            name="observation_transition_tradeoff_log_scale",
            initializer=constant(
                -self._configuration.transition_covariance_initial_log_scale_bias, dtype=self.dtype
            ),
            dtype=self.dtype,
            trainable=True,
        )

    def _variance_ratio(self) -> Any:
        """The variance at the start of the series over that of all of it, by feature."""
        at_start = self._input_statistics.series_start_moments.variance
        return at_start / self._input_statistics.overall_feature_moments.variance

    def get_state_transition_noise_covariance(self, minimum_initial_variance: float = 1e-5) -> Any:
        """The covariance of the noise of a step, `[noise, noise]`.

        Args:
          minimum_initial_variance: at first.
        """
        noise_dimension = self.get_noise_transform().get_shape()[1].value
        if self._input_statistics is None:
            initial: Any = 0.0
        else:
            per_step = reduce_mean(self._variance_ratio()) / cast(self._total_observation_count, self.dtype)
            initial = log(maximum(per_step, minimum_initial_variance))
        return variable_covariance_matrix(
            noise_dimension,
            "state_transition_noise",
            dtype=self.dtype,
            initial_overall_scale_log=initial - self._tradeoff_log,
        )

    def get_observation_noise_covariance(self, minimum_initial_variance: float = 1e-5) -> Any:
        """The covariance of the noise of observations, `[num_features, num_features]`.

        Args:
          minimum_initial_variance: at first.
        """
        if self._input_statistics is None:
            initial = None
        else:
            initial = maximum(self._variance_ratio(), minimum_initial_variance)
        return variable_covariance_matrix(
            size=self._configuration.num_features,
            dtype=self.dtype,
            name="observation_noise_covariance",
            initial_diagonal_values=initial,
            initial_overall_scale_log=self._tradeoff_log,
        )

    def _make_priors(self) -> tuple[Any, Any]:
        """Mean and covariance of the state before a series."""
        covariance = self.get_prior_covariance()
        return self.get_prior_mean(), covariance

    def _state_dimension(self) -> int:
        return convert_to_tensor(self.get_state_transition()).get_shape()[0].value  # type: ignore[return-value]

    def get_prior_covariance(self) -> Any:
        """The covariance of the state before a series, `[state, state]`."""
        with variable_scope(self._variable_scope):
            size = self._state_dimension()
            if self._configuration.trainable_start_state:
                return variable_covariance_matrix(size=size, name="prior_state_var", dtype=self.dtype)
            return eye(size, dtype=self.dtype)

    def get_prior_mean(self) -> Any:
        """The mean of the state before a series, `[state]`."""
        with variable_scope(self._variable_scope):
            return get_variable(
                name="prior_state_mean",
                dtype=self.dtype,
                shape=[self._state_dimension()],
                trainable=self._configuration.trainable_start_state,
            )

    def get_start_state(self) -> tuple[Any, Any, Any]:
        """Mean and covariance of the state before a series, and the time before its first."""
        if self._input_statistics is None:
            start_time = zeros([], dtype=int64)
        else:
            start_time = self._input_statistics.start_time
        return self.prior_state_mean, self.prior_state_var, start_time - 1

    # --- losses ---------------------------------------------------------------------------------------------

    def _loss_additions(self, times: Any, values: Any, mode: str) -> Any:
        """The priors of covariances, in training."""
        if mode != ModeKeys.TRAIN or self._configuration.covariance_prior_fn is None:
            return zeros([], dtype=self.dtype)
        return self._prior_loss(times, self._covariances())

    def _covariances(self) -> list[Any]:
        """What has a prior."""
        if self._configuration.use_observation_noise:
            return [self.state_transition_noise_covariance, self._observation_noise_covariance]
        return [self.state_transition_noise_covariance]

    def _prior_loss(self, times: Any, covariances: list[Any]) -> Any:
        if not self._configuration.bayesian_prior_weighting:
            weight: Any = 1.0 / cast(shape(times)[1], self.dtype)
        elif self._input_statistics is None:
            weight = 1.0
        else:
            weight = 1.0 / cast(self._total_observation_count, self.dtype)
        total: Any = None
        for covariance in covariances:
            prior = self._configuration.covariance_prior_fn(covariance)
            total = prior if total is None else total + prior
        return -weight * total

    def _scale_back_predictions(self, predictions: dict[str, Any]) -> dict[str, Any]:
        predictions["mean"] = self._scale_back_data(predictions["mean"])
        predictions["covariance"] = self._scale_back_variance(predictions["covariance"])
        return predictions

    # --- steps ----------------------------------------------------------------------------------------------

    def _window_initializer(self, times: Any, state: Any) -> None:
        """Computes powers and noise once for each number of steps between the times of a window."""
        _, _, state_times = state
        between = reshape(times[:, 1:] - times[:, :-1], [-1])
        before = maximum(times[:, 0] - state_times, 0)
        steps, _ = unique(concat([between, before], 0))
        self._caches = (steps, *self._cached_transition_powers_and_sums(steps))

    def _cached_transition_powers_and_sums(self, num_steps: Any) -> tuple[Any, Any]:
        noise = self.transition_power_noise_accumulator(num_steps)
        return self.transition_to_powers(num_steps), noise

    def _lookup_window_caches(self, caches: list[Any], indices: Any) -> list[Any]:
        """The rows of caches for numbers of steps, each of which the window has."""
        steps = self._caches[0]
        _, places = unique(concat([steps, indices], 0))
        rows = [gather(cache, places[-shape(indices)[0] :]) for cache in caches]
        for row in rows:
            row.set_shape([indices.get_shape()[0], *row.get_shape()[1:]])
        return rows

    def _imputation_step(self, current_times: Any, state: Any) -> Any:
        """The state at later times."""
        mean, covariance, previous_times = state
        steps = maximum(current_times - previous_times, 0)
        powers, noise = self._lookup_window_caches(list(self._caches[1:]), steps)
        assert self._kalman_filter is not None
        later_mean = self._kalman_filter.predict_state_mean(mean, powers)
        later = self._kalman_filter.predict_state_var(covariance, powers, noise)
        return later_mean, later, previous_times + steps

    def _exogenous_input_step(self, current_times: Any, current_exogenous_regressors: Any, state: Any) -> Any:
        """The state after what is known beside the values has moved it, or been observed of it."""
        values = current_exogenous_regressors
        if self._configuration.exogenous_noise_increases:
            state = self._exogenous_noise_increasing(current_times, values, state)
        if self._configuration.exogenous_noise_decreases:
            state = self._exogenous_noise_decreasing(current_times, values, state)
        return state

    def _exogenous_noise_increasing(self, current_times: Any, exogenous_values: Any, state: Any) -> Any:
        """Moves the state, and makes it less certain, by layers of their own."""
        del current_times
        mean, covariance, times = state
        size = mean.get_shape()[1].value
        with variable_scope("exogenous_noise_increasing_mean"):
            shift = fully_connected(exogenous_values, size, activation_fn=None)
        with variable_scope("exogenous_noise_increasing_covariance"):
            spread = transform_to_covariance_matrices(exogenous_values, size)
        return mean + shift, covariance + spread, times

    def _exogenous_noise_decreasing(self, current_times: Any, exogenous_values: Any, state: Any) -> Any:
        """Observes the state, through layers of their own."""
        del current_times
        mean, covariance, times = state
        size = self._state_dimension()
        seen_directly = eye(size, batch_shape=shape(exogenous_values)[:-1], dtype=self.dtype)
        with variable_scope("exogenous_noise_decreasing_covariance"):
            noise = transform_to_covariance_matrices(exogenous_values, size)
        with variable_scope("exogenous_noise_decreasing_observation"):
            observation = fully_connected(exogenous_values, size, activation_fn=None)
        new_mean, new_covariance = self._kalman_filter.posterior_from_prior_state(
            prior_state=mean,
            prior_state_var=covariance,
            observation=observation,
            observation_model=seen_directly,
            predicted_observations=(mean, noise + covariance),
            observation_noise=noise,
        )
        return new_mean, new_covariance, times

    def _filtering_step(
        self, current_times: Any, current_values: Any, state: Any, predictions: dict[str, Any]
    ) -> tuple[Any, dict[str, Any]]:
        """The state after the values of a step, how likely they were, and the loss."""
        mean, covariance, previous_times = state
        model = self.get_broadcasted_observation_model(current_times)
        imputed = Assert(
            reduce_all(equal(current_times, previous_times)),
            ["A state is filtered at a time other than its own."],
        )
        with control_dependencies([imputed]):
            covariance = clip_covariance(
                covariance,
                self._configuration.filtering_maximum_posterior_variance_ratio,
                self._configuration.filtering_minimum_posterior_variance,
            )
            new_mean, new_covariance, likelihood = self._kalman_filter.do_filter(
                estimated_state=mean,
                estimated_state_covariance=covariance,
                predicted_observation=predictions["mean"],
                predicted_observation_covariance=predictions["covariance"],
                observation=current_values,
                observation_model=model,
                observation_noise=self._noise_of_observations(),
            )
        filtered = new_mean, new_covariance
        predictions["log_likelihood"] = likelihood
        if self._configuration.filtering_postprocessor is not None:
            filtered, predictions = self._configuration.filtering_postprocessor.process_filtering_step(
                current_times=current_times,
                current_values=current_values,
                predicted_state=state[:2],
                filtered_state=filtered,
                outputs=predictions,
            )
        predictions["loss"] = -predictions["log_likelihood"]
        return (*filtered, current_times), predictions

    def _noise_of_observations(self) -> Any:
        """Its covariance, zeros where there is none, `[num_features, num_features]`."""
        if self._observation_noise_covariance is None:
            return zeros([self.num_features, self.num_features], dtype=self.dtype)
        return self._observation_noise_covariance

    def _prediction_step(self, current_times: Any, state: Any) -> tuple[Any, dict[str, Any]]:
        """What is observed of the state at its time."""
        mean, covariance, previous_times = state
        imputed = Assert(
            reduce_all(less_equal(current_times, previous_times)),
            ["A state predicts a time later than its own."],
        )
        with control_dependencies([imputed]):
            model = self.get_broadcasted_observation_model(current_times)
            noise = self._noise_of_observations()
            observed, spread = self._kalman_filter.observed_from_state(mean, covariance, model, noise)
        observed.set_shape([current_times.get_shape()[0], self.num_features])
        spread.set_shape([current_times.get_shape()[0], self.num_features, self.num_features])
        return (mean, covariance, current_times), {"mean": observed, "covariance": spread}

    def get_broadcasted_observation_model(self, times: Any) -> Any:
        """The observation model for each series of a batch, `[batch, num_features, state]`."""
        model = convert_to_tensor(self.get_observation_model(times), dtype=self.dtype)
        if model.get_shape().ndims == 1:
            model = reshape(model, [1, 1, -1])
        elif model.get_shape().ndims == 2:
            model = model[None, :, :]
        return tile(model, [shape(times)[0], 1, 1])

    # --- drawing series -------------------------------------------------------------------------------------

    def random_model_parameters(self, seed: int | None = None) -> dict[Any, Any]:
        """Parameters for `generate`: from tensors of the model to arrays.

        Args:
          seed: of the numbers, which are not those of TensorFlow.
        """
        random = np.random.RandomState(seed)
        size = self._state_dimension()
        noise = self.state_transition_noise_covariance
        found = {
            self.prior_state_mean: random.normal(size=[size]),
            noise: random_covariance(random, int(noise.get_shape()[0]), 1e-2),
            self.prior_state_var: np.zeros([size, size]),
        }
        if self._configuration.use_observation_noise:
            observed = self._observation_noise_covariance
            found[observed] = random_covariance(random, self.num_features, 1e-1)
        return found

    def generate(
        self,
        number_of_series: int,
        series_length: int,
        model_parameters: Any = None,
        seed: int | None = None,
        add_observation_noise: bool | None = None,
    ) -> dict[str, np.ndarray]:
        """Draws series from the model, whose graph's session is the default one.

        Args:
          number_of_series: how many.
          series_length: how many steps each has.
          model_parameters: from tensors of the model to arrays; others are evaluated. Default, random ones.
          seed: of the numbers.
          add_observation_noise: default, where the model has such noise.

        Returns:
          "times" and "values", `[series, steps]` and `[series, steps, num_features]`.

        Raises:
          ValueError: noise of observations is asked for, and the model has none.
        """
        with_noise = self._configuration.use_observation_noise
        if add_observation_noise is None:
            add_observation_noise = with_noise
        elif add_observation_noise and not with_noise:
            raise ValueError("add_observation_noise needs use_observation_noise. Received: a model without")
        if model_parameters is None:
            model_parameters = self.random_model_parameters(seed=seed)
        value_of = parameter_switch(model_parameters)
        transition = convert_to_tensor(self.get_state_transition()).eval()
        spread = convert_to_tensor(self.get_noise_transform()).eval()
        seen = self.get_broadcasted_observation_model(constant([0], dtype=int64))[0].eval()
        observed = None
        if add_observation_noise:
            observed = np.linalg.cholesky(value_of(self._observation_noise_covariance))
        noise = spread @ np.linalg.cholesky(value_of(self.state_transition_noise_covariance))
        drawn = drawn_series(
            np.random.RandomState(seed),
            (number_of_series, series_length),
            value_of(self.prior_state_mean),
            (transition, noise),
            (seen, observed),
        )
        return {TrainEvalFeatures.TIMES: drawn["times"], TrainEvalFeatures.VALUES: drawn["values"]}
