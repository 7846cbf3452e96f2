"""Kalman's filter: a state's mean and covariance through time and observations."""

from __future__ import annotations

from typing import Any

from millrace.building import operators  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import control_dependencies
from millrace.contributed.timeseries.densities import mvn_tril_log_prob
from millrace.contributed.timeseries.matrices import batch_times_matrix
from millrace.core.dtypes import float32
from millrace.core.public import public
from millrace.lib.flow.assertion import Assert
from millrace.lib.math.array import eye
from millrace.lib.math.numeric_checks import verify_tensor_all_finite
from millrace.lib.math.reductions import reduce_min
from millrace.ops.array.reshape import expand_dims, matrix_transpose, squeeze
from millrace.ops.array.shape import shape
from millrace.ops.linalg.decomposition import cholesky
from millrace.ops.linalg.diag_band import matrix_diag_part
from millrace.ops.linalg.matmul import matmul
from millrace.ops.linalg.solve import matrix_solve
from millrace.ops.math.comparison import greater_equal

_UNSTEADY = (
    " Filtering may have lost its precision where the variances of the state differ widely: a larger "
    "filtering_minimum_posterior_variance or a smaller filtering_maximum_posterior_variance_ratio helps."
)


@public("contrib.timeseries.python.timeseries.state_space_models.kalman_filter.KalmanFilter")
class KalmanFilter:
    """The steps of a Kalman filter, for batches.

    Args:
      dtype: of states.
      simplified_posterior_covariance_computation: the covariance after an observation as (I - KH) P, which
        is cheaper; else in Joseph's form, which stays positive.
    """

    def __init__(
        self, dtype: Any = float32, simplified_posterior_covariance_computation: bool = False
    ) -> None:
        self._simplified = simplified_posterior_covariance_computation
        self.dtype = dtype

    def do_filter(
        self,
        estimated_state: Any,
        estimated_state_covariance: Any,
        predicted_observation: Any,
        predicted_observation_covariance: Any,
        observation: Any,
        observation_model: Any,
        observation_noise: Any,
    ) -> tuple[Any, Any, Any]:
        """A state after an observation, and how likely that was.

        Args:
          estimated_state: the mean before, `[batch, state]`.
          estimated_state_covariance: `[batch, state, state]`.
          predicted_observation: `[batch, observation]`.
          predicted_observation_covariance: `[batch, observation, observation]`.
          observation: `[batch, observation]`.
          observation_model: from states to observations, `[batch, observation, state]`.
          observation_noise: `[observation, observation]`.

        Returns:
          The mean and covariance after it, and the log of the likelihood `[batch]`.
        """
        covariance = predicted_observation_covariance
        covariance = 0.5 * (covariance + matrix_transpose(covariance))
        covariance = verify_tensor_all_finite(
            covariance, "The predicted observation covariance is not finite." + _UNSTEADY
        )
        least = reduce_min(matrix_diag_part(covariance))
        positive = Assert(
            greater_equal(least, 0.0),
            ["The predicted observation covariance has a negative variance." + _UNSTEADY, least],
        )
        with control_dependencies([positive]):
            factor = cholesky(covariance)
        likelihood = mvn_tril_log_prob(loc=predicted_observation, scale_tril=factor, x=observation)
        mean, after = self.posterior_from_prior_state(
            prior_state=estimated_state,
            prior_state_var=estimated_state_covariance,
            observation=observation,
            observation_model=observation_model,
            predicted_observations=(predicted_observation, predicted_observation_covariance),
            observation_noise=observation_noise,
        )
        return mean, after, likelihood

    def predict_state_mean(self, prior_state: Any, transition_matrices: Any) -> Any:
        """Means some steps later.

        Args:
          prior_state: `[batch, state]`.
          transition_matrices: `[batch, state, state]`.

        Returns:
          `[batch, state]`.
        """
        return squeeze(matmul(transition_matrices, prior_state[..., None]), axis=[-1])

    def predict_state_var(
        self, prior_state_var: Any, transition_matrices: Any, transition_noise_sums: Any
    ) -> Any:
        """Covariances some steps later.

        Args:
          prior_state_var: `[batch, state, state]`.
          transition_matrices: `[batch, state, state]`.
          transition_noise_sums: the noise of those steps, `[batch, state, state]`.

        Returns:
          `[batch, state, state]`.
        """
        moved = matmul(matmul(transition_matrices, prior_state_var), transition_matrices, adjoint_b=True)
        return moved + transition_noise_sums

    def posterior_from_prior_state(
        self,
        prior_state: Any,
        prior_state_var: Any,
        observation: Any,
        observation_model: Any,
        predicted_observations: tuple[Any, Any],
        observation_noise: Any,
    ) -> tuple[Any, Any]:
        """A state after an observation; arguments as `do_filter`'s.

        Args:
          prior_state: `[batch, state]`.
          prior_state_var: `[batch, state, state]`.
          observation: `[batch, observation]`.
          observation_model: `[batch, observation, state]`.
          predicted_observations: their mean and covariance.
          observation_noise: `[observation, observation]`, or one for each of the batch.

        Returns:
          Mean `[batch, state]` and covariance `[batch, state, state]`.
        """
        predicted, predicted_covariance = predicted_observations
        surprise = observation - predicted
        seen = matmul(observation_model, prior_state_var, adjoint_b=True)
        gain_transposed = matrix_solve(predicted_covariance, seen, adjoint=True)
        mean = prior_state + squeeze(
            matmul(gain_transposed, expand_dims(surprise, -1), adjoint_a=True), axis=[-1]
        )
        gain_seen = matmul(gain_transposed, observation_model, adjoint_a=True)
        left = eye(shape(gain_seen)[1], dtype=self.dtype)[None] - gain_seen
        remaining = matmul(left, prior_state_var)
        if self._simplified:
            return mean, remaining
        kept = matmul(left, remaining, adjoint_b=True)
        if observation_noise.get_shape().ndims == 2:
            noise = batch_times_matrix(gain_transposed, observation_noise, adj_x=True)
        else:
            noise = matmul(gain_transposed, observation_noise, adjoint_a=True)
        return mean, kept + matmul(noise, gain_transposed)

    def observed_from_state(
        self, state_mean: Any, state_var: Any, observation_model: Any, observation_noise: Any
    ) -> tuple[Any, Any]:
        """What is observed of a state.

        Args:
          state_mean: `[batch, state]`.
          state_var: `[batch, state, state]`.
          observation_model: `[batch, observation, state]`.
          observation_noise: `[observation, observation]`.

        Returns:
          Mean `[batch, observation]` and covariance `[batch, observation, observation]`.
        """
        mean = squeeze(matmul(expand_dims(state_mean, 1), observation_model, adjoint_b=True), axis=[1])
        spread = matmul(matmul(observation_model, state_var), observation_model, adjoint_b=True)
        return mean, spread + observation_noise
