"""A level that a trend moves, both drifting."""

from __future__ import annotations

from typing import Any

from millrace.building import operators  # noqa: F401 - operators gives tensors their arithmetic
from millrace.contributed.timeseries.state_space.models import StateSpaceModel, StateSpaceModelConfiguration
from millrace.core.dtypes import int32
from millrace.core.public import public
from millrace.lib.math.array import eye
from millrace.lib.math.reductions import reduce_mean
from millrace.lib.variables.initializers import Zeros
from millrace.lib.variables.scope import get_variable, variable_scope
from millrace.ops.array.concat import concat, stack, unstack
from millrace.ops.array.constant import constant, zeros
from millrace.ops.array.pad import pad
from millrace.ops.array.reshape import reshape
from millrace.ops.array.shape import rank, shape
from millrace.ops.math.cast import cast


@public("contrib.timeseries.python.timeseries.state_space_models.level_trend.AdderStateSpaceModel")
class AdderStateSpaceModel(StateSpaceModel):
    """A level and a trend that is added to it at each step; one feature.

    Args:
      use_level_noise: let the level drift by itself, too.
      configuration: a `StateSpaceModelConfiguration`.
    """

    def __init__(
        self,
        use_level_noise: bool = True,
        configuration: Any = StateSpaceModelConfiguration(),  # noqa: B008
    ) -> None:
        self.use_level_noise = use_level_noise
        super().__init__(configuration=configuration)

    def get_prior_mean(self) -> Any:
        """The mean of the level at the start of the series, and no trend, plus a variable."""
        with variable_scope(self._variable_scope):
            if self._input_statistics is None:
                return super().get_prior_mean()
            start = self._scale_data(self._input_statistics.series_start_moments.mean)
            level = reduce_mean(start)
            shift = get_variable(
                name="prior_state_mean",
                dtype=self.dtype,
                shape=[2],
                trainable=self._configuration.trainable_start_state,
                initializer=Zeros(),
            )
            return stack([level, 0.0]) + shift

    def transition_to_powers(self, powers: Any) -> Any:
        """The trend is added so many times."""
        around = concat([zeros([rank(powers), 2], dtype=int32), [(0, 1), (1, 0)]], axis=0)
        trend = pad(powers[..., None, None], around)
        unit = eye(2, batch_shape=shape(powers), dtype=self.dtype)
        return unit + cast(trend, self.dtype)

    def transition_power_noise_accumulator(self, num_steps: Any) -> Any:
        """The noise of some steps in closed form, by the sums of numbers and of their squares."""
        steps = cast(num_steps, self.dtype)
        last = steps - 1.0
        a, b, c, d = unstack(reshape(self._noise_of_a_step(), [-1, 4]), axis=1)
        numbers = last * (last + 1.0) / 2.0
        squares = numbers * (2.0 * last + 1.0) / 3.0
        parts = [
            steps * a + numbers * (b + c) + squares * d,
            steps * b + numbers * d,
            steps * c + numbers * d,
            steps * d,
        ]
        return reshape(stack(parts, axis=-1), concat([shape(steps), [2, 2]], axis=0))

    def get_state_transition(self) -> Any:
        """The level takes the trend."""
        return constant([[1.0, 1.0], [0.0, 1.0]], dtype=self.dtype)

    def get_noise_transform(self) -> Any:
        """Noise of level and trend, or of the trend alone."""
        if self.use_level_noise:
            return constant([[1.0, 0.0], [0.0, 1.0]], dtype=self.dtype)
        return constant([[0.0], [1.0]], dtype=self.dtype)

    def get_observation_model(self, times: Any) -> Any:
        """The level is seen."""
        del times
        return constant([1.0, 0.0], dtype=self.dtype)
