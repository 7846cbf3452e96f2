"""Sums of state space models, and models of several features whose noise is correlated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import operators  # noqa: F401 - operators gives tensors their arithmetic
from millrace.contributed.timeseries.matrices import block_diagonal
from millrace.contributed.timeseries.state_space.models import StateSpaceModel
from millrace.core.public import public
from millrace.lib.variables.scope import variable_scope
from millrace.ops.array.concat import concat
from millrace.ops.math.arithmetic import add_n


@public("contrib.timeseries.python.timeseries.state_space_models.state_space_model.StateSpaceEnsemble")
class StateSpaceEnsemble(StateSpaceModel):
    """Base of models made of models: their states stand behind each other.

    Args:
      ensemble_members: `StateSpaceModel`s, each made in a variable scope of its own, without noise of
        observations.
      configuration: a `StateSpaceModelConfiguration`.
    """

    def __init__(self, ensemble_members: Any, configuration: Any) -> None:
        self._ensemble_members = ensemble_members
        super().__init__(configuration=configuration)

    def _set_input_statistics(self, input_statistics: Any = None) -> None:
        super()._set_input_statistics(input_statistics)
        for member in self._ensemble_members:
            member._set_input_statistics(input_statistics)

    def _define_parameters(self, observation_transition_tradeoff_log: Any = None) -> None:
        with variable_scope(self._variable_scope):
            tradeoff = observation_transition_tradeoff_log
            if tradeoff is None:
                tradeoff = self._variable_observation_transition_tradeoff_log()
            for member in self._ensemble_members:
                member._define_parameters(observation_transition_tradeoff_log=tradeoff)
            super()._define_parameters(observation_transition_tradeoff_log=tradeoff)

    def _loss_additions(self, times: Any, values: Any, mode: str) -> Any:
        """The priors of the ensemble and of its members."""
        own = super()._loss_additions(times, values, mode)
        members = [member._loss_additions(times, values, mode) for member in self._ensemble_members]
        return own + add_n(members)

    def _compute_blocked(self, member_fn: Callable[[Any], Any], name: str) -> Any:
        """Matrices of the members along a diagonal."""
        with variable_scope(self._variable_scope):
            blocks = [member_fn(member) for member in self._ensemble_members]
            return block_diagonal(blocks, dtype=self.dtype, name=name)

    def transition_to_powers(self, powers: Any) -> Any:
        """Powers of the members' transitions, `[*shape of powers, state, state]`."""
        return self._compute_blocked(
            lambda member: member.transition_to_powers(powers), name="ensemble_transition_to_powers"
        )

    def get_noise_transform(self) -> Any:
        """The members' noise spreads over their own states."""
        return self._compute_blocked(
            lambda member: member.get_noise_transform(), name="ensemble_noise_transform"
        )

    def get_state_transition(self) -> Any:
        """The members' states move by themselves."""
        return self._compute_blocked(
            lambda member: member.get_state_transition(), name="ensemble_state_transition"
        )

    def get_prior_mean(self) -> Any:
        """The members' means before a series."""
        return concat(
            [member.get_prior_mean() for member in self._ensemble_members],
            axis=0,
            name="ensemble_prior_state_mean",
        )

    def get_observation_model(self, times: Any) -> Any:
        """Not offered: see `get_broadcasted_observation_model`.

        Raises:
          NotImplementedError: always, as in TensorFlow.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has a batch of observation models only: "
            f"get_broadcasted_observation_model. Received: {times}"
        )

    def get_broadcasted_observation_model(self, times: Any) -> Any:
        """The sum of what is seen of the members, `[batch, num_features, state]`."""
        return concat(
            [member.get_broadcasted_observation_model(times) for member in self._ensemble_members], axis=2
        )


@public(
    "contrib.timeseries.python.timeseries.state_space_models.state_space_model.StateSpaceIndependentEnsemble"
)
class StateSpaceIndependentEnsemble(StateSpaceEnsemble):
    """The sum of models whose noise is independent; all have the features of the ensemble.

    Args:
      ensemble_members, configuration: as `StateSpaceEnsemble`'s.
    """

    def transition_power_noise_accumulator(self, num_steps: Any) -> Any:
        """The noise of the members over some steps, `[n, state, state]`."""
        return self._compute_blocked(
            lambda member: member.transition_power_noise_accumulator(num_steps),
            name="ensemble_power_noise_accumulator",
        )

    def get_state_transition_noise_covariance(self, minimum_initial_variance: float = 1e-5) -> Any:
        """The members' covariances along a diagonal."""
        del minimum_initial_variance
        return self._compute_blocked(
            lambda member: member.state_transition_noise_covariance, name="ensemble_state_transition_noise"
        )

    def get_prior_covariance(self) -> Any:
        """The members' covariances before a series along a diagonal."""
        return self._compute_blocked(
            lambda member: member.get_prior_covariance(), name="ensemble_prior_state_covariance"
        )


@public(
    "contrib.timeseries.python.timeseries.state_space_models.state_space_model"
    ".StateSpaceCorrelatedFeaturesEnsemble"
)
class StateSpaceCorrelatedFeaturesEnsemble(StateSpaceEnsemble):
    """Models of one feature each, whose noise has one covariance.

    Args:
      ensemble_members: a model for each feature; else as `StateSpaceEnsemble`'s.
      configuration: a `StateSpaceModelConfiguration`.

    Raises:
      ValueError: a member has more features than one.
    """

    def __init__(self, ensemble_members: Any, configuration: Any) -> None:
        for member in ensemble_members:
            if member.num_features != 1:
                raise ValueError(
                    f"The members must have one feature each. Received: {member} with {member.num_features}"
                )
        super().__init__(ensemble_members=ensemble_members, configuration=configuration)

    def transition_power_noise_accumulator(self, num_steps: Any) -> Any:
        """The noise of some steps: in closed form, where there is one feature and so no correlation."""
        if len(self._ensemble_members) == 1:
            return self._ensemble_members[0].transition_power_noise_accumulator(num_steps)
        return super().transition_power_noise_accumulator(num_steps)

    def get_broadcasted_observation_model(self, times: Any) -> Any:
        """Each feature sees its member, `[batch, num_features, state]`."""
        return self._compute_blocked(
            lambda member: member.get_broadcasted_observation_model(times),
            name="feature_ensemble_observation_model",
        )
