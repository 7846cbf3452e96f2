"""What states a model starts with in training: always the first, or those that windows before have left."""

from __future__ import annotations

from typing import Any

from millrace.building import operators  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.building.scopes import control_dependencies
from millrace.contributed.timeseries.feature_keys import FilteringFeatures
from millrace.contributed.timeseries.matrices import replicate_state
from millrace.contributed.timeseries.statistics import batch_end_time, batch_start_time
from millrace.contributed.timeseries.tables import TupleOfTensorsLookup
from millrace.core import nest
from millrace.core.dtypes import int64
from millrace.core.public import public
from millrace.models.estimator.modes import ModeKeys
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import identity, zeros
from millrace.ops.array.shape import shape
from millrace.ops.math.comparison import equal
from millrace.ops.math.select import maximum, where

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


@public("contrib.timeseries.python.timeseries.state_management.ChainingStateManager")
class ChainingStateManager(OverridableStateManager):
    """Begins a window in training with the state that an earlier one has left, as far as there is one.

    Time is divided into chunks; a window begins with the last state that was seen before its chunk.

    Args:
      state_saving_interval: how many steps a chunk has.
      checkpoint_state: let savers keep the states, too.
    """

    def __init__(self, state_saving_interval: int = 20, checkpoint_state: bool = False) -> None:
        super().__init__()
        self._start_state: Any = None
        self._cached_states: Any = None
        self._interval = state_saving_interval
        self._checkpoint_state = checkpoint_state

    def initialize_graph(self, model: Any, input_statistics: Any = None) -> None:
        """Makes the table of states; see `PassthroughStateManager`."""
        super().initialize_graph(model=model, input_statistics=input_statistics)
        self._start_state = model.get_start_state()
        self._cached_states = TupleOfTensorsLookup(
            key_dtype=int64,
            default_values=self._start_state,
            empty_key=-1,
            deleted_key=-2,
            name="cached_states",
            checkpoint=self._checkpoint_state,
        )

    def _define_loss_with_saved_state(self, model: Any, features: dict[str, Any], mode: str) -> Any:
        state = self._get_cached_states(batch_start_time(features[FilteringFeatures.TIMES]))
        outputs = model.per_step_batch_loss(features=features, mode=mode, state=state)
        times = features[FilteringFeatures.TIMES]
        chunk = self._get_chunk_number(times) + 1
        following = concat([times[:, 1:], times[:, -1:] + 1], axis=1)
        keys = maximum(self._get_chunk_number(following), chunk)
        kept = self._cached_states.insert(keys, outputs.end_state)
        last = nest.map_structure(batch_end_time, outputs.end_state)
        with control_dependencies([kept]):
            loss = identity(outputs.loss)
        return outputs._replace(loss=loss, end_state=nest.map_structure(lambda part: part[-1][None], last))

    def _get_chunk_number(self, time: Any) -> Any:
        return time // self._interval

    def _get_cached_states(self, times: Any) -> Any:
        """The states that windows begin with: the start state in the first chunk."""
        chunks = self._get_chunk_number(times)
        cached = self._cached_states.lookup(chunks)
        if self._input_statistics is None:
            earliest: Any = zeros([], dtype=int64)
        else:
            earliest = convert_to_tensor(self._input_statistics.start_time)
        at_start = equal(chunks, self._get_chunk_number(earliest))
        start = replicate_state(start_state=self._start_state, batch_size=shape(chunks)[0])
        return nest.map_structure(lambda first, other: where(at_start, first, other), start, cached)
