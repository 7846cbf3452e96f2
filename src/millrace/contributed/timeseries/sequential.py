"""`SequentialTimeSeriesModel`: models that go through a series step by step, with a state."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

from millrace.building import operators  # noqa: F401 - operators gives tensors their arithmetic
from millrace.contributed.timeseries.feature_keys import FilteringFeatures
from millrace.contributed.timeseries.models import ModelOutputs, TimeSeriesModel
from millrace.contributed.timeseries.statistics import batch_end_time
from millrace.core import nest
from millrace.core.dtypes import float32, int32
from millrace.core.public import public
from millrace.lib.flow.control_flow import while_loop
from millrace.lib.flow.tensor_array import TensorArray
from millrace.lib.math.reductions import reduce_prod, reduce_sum
from millrace.lib.variables.scope import variable_scope
from millrace.lib.variables.settings import AUTO_REUSE
from millrace.ops.array.concat import concat, stack
from millrace.ops.array.constant import zeros
from millrace.ops.array.fill import range_
from millrace.ops.array.reshape import transpose
from millrace.ops.array.shape import rank, shape
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import less
from millrace.ops.math.select import where

TIMES, VALUES = FilteringFeatures.TIMES, FilteringFeatures.VALUES
STATE = FilteringFeatures.STATE_TUPLE


class _Steps:
    """A list with the methods of a TensorArray that an unrolled loop needs."""

    def __init__(self, values: tuple[Any, ...] = ()) -> None:
        self._values = values

    def write(self, unused_position: Any, value: Any) -> _Steps:
        """One more element."""
        del unused_position
        return _Steps((*self._values, value))

    def stack(self) -> Any:
        """All elements, the first dimension counts them."""
        return stack(list(self._values))


@public("contrib.timeseries.python.timeseries.model.SequentialTimeSeriesModel")
class SequentialTimeSeriesModel(TimeSeriesModel):
    """Base of models with a state that each step changes: for the time that passed, then for its values.

    Args:
      train_output_names: what each step of filtering gives, beside its loss.
      predict_output_names: what each step of prediction gives.
      num_features: of a step.
      normalize_features: scale values to mean zero and variance one.
      dtype: of values and variables.
      exogenous_feature_columns: feature columns of what is known beside the values.
      exogenous_update_condition: takes times and features of a step; says for which series of a batch they
        change the state. None: for all.
      static_unrolling_window_size_threshold: windows of a known size up to this are not loops.
    """

    def __init__(
        self,
        train_output_names: Any,
        predict_output_names: Any,
        num_features: int,
        normalize_features: bool = False,
        dtype: Any = float32,
        exogenous_feature_columns: Any = None,
        exogenous_update_condition: Callable[..., Any] | None = None,
        static_unrolling_window_size_threshold: int | None = None,
    ) -> None:
        super().__init__(
            num_features=num_features, dtype=dtype, exogenous_feature_columns=exogenous_feature_columns
        )
        self._exogenous_update_condition = exogenous_update_condition
        self._train_output_names = train_output_names
        self._predict_output_names = predict_output_names
        self._normalize_features = normalize_features
        self._unrolled_up_to = static_unrolling_window_size_threshold

    # --- what models say ------------------------------------------------------------------------------------

    def _scale_back_predictions(self, predictions: dict[str, Any]) -> dict[str, Any]:
        """Predictions of values as they were before they were scaled."""
        if self._normalize_features:
            predictions["mean"] = self._scale_back_data(predictions["mean"])
        return predictions

    @abc.abstractmethod
    def _filtering_step(
        self, current_times: Any, current_values: Any, state: Any, predictions: dict[str, Any]
    ) -> tuple[Any, dict[str, Any]]:
        """The state after the values of a step, and the outputs of training, "loss" among them."""

    @abc.abstractmethod
    def _prediction_step(self, current_times: Any, state: Any) -> tuple[Any, dict[str, Any]]:
        """The state, and the outputs of prediction, at its time."""

    @abc.abstractmethod
    def _imputation_step(self, current_times: Any, state: Any) -> Any:
        """The state at other times."""

    @abc.abstractmethod
    def _exogenous_input_step(self, current_times: Any, current_exogenous_regressors: Any, state: Any) -> Any:
        """The state after what is known beside the values."""

    def _loss_additions(self, times: Any, values: Any, mode: str) -> Any:
        """What the loss has beside the losses of steps, a scalar."""
        del times, values, mode
        return zeros([], dtype=self.dtype)

    def _window_initializer(self, times: Any, state: Any) -> None:
        """Called before a window, for what its steps share."""

    # --- losses ---------------------------------------------------------------------------------------------

    def get_batch_loss(self, features: dict[str, Any], mode: str, state: Any) -> ModelOutputs:
        """The loss of a batch; the state after its last step."""
        outputs = self.per_step_batch_loss(features, mode, state)
        return outputs._replace(end_state=nest.map_structure(batch_end_time, outputs.end_state))

    def per_step_batch_loss(self, features: dict[str, Any], mode: str, state: Any) -> ModelOutputs:
        """The loss of a batch; the states after each step, `[batch, window, ...]`.

        Args:
          features: "times" `[batch, window]`, "values" `[batch, window, num_features]`, and others.
          mode: a `ModeKeys`.
          state: the state before the batch.
        """
        self._check_graph_initialized()
        times, values = features[TIMES], features[VALUES]
        raw = {name: value for name, value in features.items() if name not in (TIMES, VALUES)}
        scaled = self._scale_data(values) if self._normalize_features else values
        regressors = self._process_exogenous_features(times, raw) if self._exogenous_feature_columns else None

        def step(number: Any, current_times: Any, state: Any) -> tuple[Any, dict[str, Any]]:
            state = self._imputation_step(current_times, state)
            current = scaled[:, number, :]
            state = self._apply_exogenous_update(current_times, number, state, raw, regressors)
            state, outputs = self._prediction_step(current_times=current_times, state=state)
            return self._filtering_step(current_times, current, state, outputs)

        states, outputs = self._state_update_loop(times, state, step, ["loss", *self._train_output_names])
        summed = reduce_sum(outputs.pop("loss"))
        loss = summed / cast(reduce_prod(shape(times)), dtype=self.dtype)
        loss = loss + self._loss_additions(times, values, mode)
        predictions = self._scale_back_predictions(outputs)
        predictions["observed"] = values
        return ModelOutputs(loss, states, predictions, times)

    def predict(self, features: dict[str, Any]) -> dict[str, Any]:
        """Predictions by name, `[batch, steps, ...]`.

        Args:
          features: "times" `[batch, steps]`, "start_tuple", the state before them, and others.
        """
        self._check_graph_initialized()
        times, start = features[TIMES], features[STATE]
        raw = {name: value for name, value in features.items() if name not in (TIMES, STATE)}
        regressors = self._process_exogenous_features(times, raw) if self._exogenous_feature_columns else None

        def step(number: Any, current_times: Any, state: Any) -> tuple[Any, dict[str, Any]]:
            state = self._imputation_step(current_times, state)
            state = self._apply_exogenous_update(current_times, number, state, raw, regressors)
            return self._prediction_step(current_times=current_times, state=state)

        _, predictions = self._state_update_loop(times, start, step, self._predict_output_names)
        return self._scale_back_predictions(predictions)

    # --- steps ----------------------------------------------------------------------------------------------

    def _apply_exogenous_update(
        self, current_times: Any, number: Any, state: Any, raw_features: dict[str, Any], regressors: Any
    ) -> Any:
        """The state after what is known of a step, where the condition says so."""
        if regressors is None:
            return state
        updated = self._exogenous_input_step(current_times, regressors[:, number, :], state)
        condition = self._exogenous_update_condition
        if condition is None:
            return updated
        raw = {name: value[:, number] for name, value in raw_features.items()}
        return nest.map_structure(
            lambda new, old: where(condition(current_times, raw), new, old), updated, state
        )

    def _state_update_loop(
        self, times: Any, state: Any, update: Callable[..., Any], names: Any
    ) -> tuple[Any, dict[str, Any]]:
        """The states and outputs of all steps, `[batch, window, ...]`.

        Args:
          times: `[batch, window]`.
          state: the state before the first step.
          update: takes the number of a step, its times and the state; gives the state and outputs by name.
          names: of the outputs.
        """
        times.get_shape().assert_has_rank(2)
        self._window_initializer(times, state)
        window = times.get_shape()[1].value
        first = zeros([], dtype=int32)
        parts = nest.flatten(state)
        if window is not None and self._unrolled_up_to is not None and window <= self._unrolled_up_to:
            arrays: list[Any] = [_Steps() for _ in range(len(parts) + len(names))]
        else:
            window = None
            count = shape(times)[1]
            dtypes = [*(part.dtype.base_dtype for part in parts), *(self.dtype for _ in names)]
            arrays = [TensorArray(dtype=dtype, size=count) for dtype in dtypes]

        def step(number: Any, state: Any, arrays: list[Any]) -> tuple[Any, Any, list[Any]]:
            with variable_scope("state_update_step", reuse=AUTO_REUSE):
                current_times = times[:, number]
                state, outputs = update(number, current_times, state)
                states = nest.flatten(state)
                written = [
                    a.write(number, outputs[name])
                    for a, name in zip(arrays[len(states) :], names, strict=True)
                ]
                kept = [a.write(number, p) for a, p in zip(arrays, states, strict=False)]
                return number + 1, state, [*kept, *written]

        if window is not None:
            for number in range(window):
                _, state, arrays = step(number, state, arrays)
        else:
            _, _, arrays = while_loop(lambda number, *_: less(number, count), step, [first, state, arrays])
        outputs = {name: _batch_first(a) for a, name in zip(arrays[len(parts) :], names, strict=True)}
        kept = [_batch_first(a) for a in arrays[: len(parts)]]
        return nest.pack_sequence_as(state, kept), outputs


def _batch_first(array: Any) -> Any:
    """The elements of an array of steps, `[batch, window, ...]`."""
    steps = array.stack()
    return transpose(steps, concat([[1, 0], range_(2, rank(steps))], axis=0))
