"""What states a model starts with in training: always the first, or those that windows before have left."""

from __future__ import annotations

from typing import Any

from millrace.contributed.timeseries.feature_keys import FilteringFeatures
from millrace.core.public import public
from millrace.models.estimator.modes import ModeKeys

STATE = FilteringFeatures.STATE_TUPLE


@public("contrib.timeseries.python.timeseries.state_management.PassthroughStateManager")
class PassthroughStateManager:
    """Lets a model begin each window with its start state; for models that look at one window alone."""

    def __init__(self) -> None:
        self._input_statistics: Any = None
        self._graph_initialized = False

    def initialize_graph(self, model: Any, input_statistics: Any = None) -> None:
        """Makes what is kept in the graph.

        Args:
          model: a `TimeSeriesModel`, whose graph was initialized before.
          input_statistics: an `InputStatistics`, or None.
        """
        del model
        self._graph_initialized = True
        self._input_statistics = input_statistics

    def define_loss(self, model: Any, features: dict[str, Any], mode: str) -> Any:
        """The outputs of a model for a batch, from the state in the features or the start state on."""
        if STATE in features:
            return model.get_batch_loss(
                features={name: value for name, value in features.items() if name != STATE},
                mode=mode,
                state=features[STATE],
            )
        return model.define_loss(features, mode)


class OverridableStateManager(PassthroughStateManager):
    """Base of managers that have states of their own, unless the features have one."""

    def define_loss(self, model: Any, features: dict[str, Any], mode: str) -> Any:
        """The outputs of a model for a batch.

        Raises:
          ValueError: there is a state in features of training.
        """
        if STATE not in features:
            return self._define_loss_with_saved_state(model, features, mode)
        if mode == ModeKeys.TRAIN:
            raise ValueError(f"Training begins with the states it has kept. Received: a feature '{STATE}'")
        return super().define_loss(model, features, mode)

    def _define_loss_with_saved_state(self, model: Any, features: dict[str, Any], mode: str) -> Any:
        raise TypeError(
            f"{type(self).__name__} must say how it begins. Received: {model}, {features}, {mode}"
        )


@public("contrib.timeseries.python.timeseries.state_management.FilteringOnlyStateManager")
class FilteringOnlyStateManager(OverridableStateManager):
    """As `PassthroughStateManager`, but refuses states in training."""

    def _define_loss_with_saved_state(self, model: Any, features: dict[str, Any], mode: str) -> Any:
        return model.define_loss(features, mode)
