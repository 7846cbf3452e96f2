"""Patterns that repeat, drifting: a value for each step of a period, or for parts of one of any length."""

from __future__ import annotations

import math
from typing import Any

from millrace.building import operators  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.contributed.timeseries.state_space.models import StateSpaceModel, StateSpaceModelConfiguration
from millrace.core.dtypes import int32
from millrace.core.public import public
from millrace.lib.flow.control_flow import cond
from millrace.lib.math.reductions import reduce_max
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import constant, ones, zeros
from millrace.ops.array.fill import range_, zeros_like
from millrace.ops.array.gather import gather
from millrace.ops.array.pad import pad
from millrace.ops.array.reshape import reshape, squeeze
from millrace.ops.array.shape import rank, shape
from millrace.ops.linalg.diag_band import matrix_diag
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import equal, greater_equal, less, logical_and, logical_or
from millrace.ops.math.cumulative import cumsum
from millrace.ops.math.division import floordiv, floormod
from millrace.ops.math.elementwise import abs as abs_
from millrace.ops.math.elementwise import round as round_
from millrace.ops.math.select import where
from millrace.ops.math.trigonometric import cos, sin


@public("contrib.timeseries.python.timeseries.state_space_models.periodic.CycleStateSpaceModel")
class CycleStateSpaceModel(StateSpaceModel):
    """A pattern with a value for each step of a period, which sum to zero; one feature.

    The state is the values of all steps but one, beginning with the present.

    Args:
      periodicity: how many steps a period has.
      configuration: a `StateSpaceModelConfiguration`.
    """

    def __init__(
        self,
        periodicity: int,
        configuration: Any = StateSpaceModelConfiguration(),  # noqa: B008
    ) -> None:
        self._periodicity = periodicity
        super().__init__(configuration=configuration)

    def get_state_transition(self) -> Any:
        """The next value becomes the present one."""
        return self.transition_to_powers(ones([], dtype=int32))

    def get_noise_transform(self) -> Any:
        """Noise goes to the present value."""
        return pad(ones([1], dtype=self.dtype), [(0, self._periodicity - 2)])[..., None]

    def get_observation_model(self, times: Any) -> Any:
        """The present value is seen."""
        del times
        rest = zeros([self._periodicity - 2], dtype=self.dtype)
        return concat([ones([1], dtype=self.dtype), rest], axis=0)

    def transition_to_powers(self, powers: Any) -> Any:
        """Rotations: the value that is not in the state is minus the sum of the others."""
        powers = floormod(convert_to_tensor(powers), self._periodicity)
        places = _numbered(self._periodicity - 1, powers)
        missing = equal(places + 1, powers[..., None])
        dims = shape(missing)
        minus = where(missing, -ones(dims, dtype=self.dtype), zeros(dims, dtype=self.dtype))
        apart = floormod(places[..., None] - places[..., None, :], self._periodicity)
        moved = equal(apart, powers[..., None, None])
        taken = where(moved, ones(shape(moved), dtype=self.dtype), zeros(shape(moved), dtype=self.dtype))
        return taken + minus[..., None]

    def transition_power_noise_accumulator(self, num_steps: Any, noise_addition_coefficient: Any = 1) -> Any:
        """The noise of some steps: each value of the pattern has had noise in every period once.

        Args:
          num_steps: integers of any shape.
          noise_addition_coefficient: how often it has, for each time.

        Returns:
          `[*shape of num_steps, state, state]`.
        """
        num_steps = convert_to_tensor(num_steps)
        noise = squeeze(self.state_transition_noise_covariance, axis=[-1, -2])
        places = _numbered(self._periodicity, num_steps)
        behind = floormod(places - (num_steps[..., None] - 1), self._periodicity)
        weight = convert_to_tensor(noise_addition_coefficient, dtype=self.dtype)[..., None]
        rounds = cast(floordiv(num_steps[..., None] + behind, self._periodicity), self.dtype)
        variances = weight * noise * rounds
        return _differences(variances)


def _numbered(count: int, like: Any) -> Any:
    """0, 1, ... `count - 1` along a new last dimension of numbers."""
    in_front = ones([rank(like)], dtype=int32)
    return reshape(range_(count, dtype=like.dtype), concat([in_front, [count]], axis=0))


def _differences(variances: Any) -> Any:
    """The covariance of differences of neighbours in a ring of independent values, without the last.

    Args:
      variances: of the values, `[..., n]`.

    Returns:
      `[..., n - 1, n - 1]`.
    """
    spread = matrix_diag(variances)
    right = concat([zeros_like(spread[..., :-1, 0:1]), -spread[..., :-1, 0:-2]], axis=-1)
    below = concat([zeros_like(spread[..., 0:1, :-1]), -spread[..., 0:-2, :-1]], axis=-2)
    neighbours = concat([variances[..., -1:], variances[..., :-2]], axis=-1)
    return matrix_diag(variances[..., :-1] + neighbours) + below + right


@public("contrib.timeseries.python.timeseries.state_space_models.periodic.ResolutionCycleModel")
class ResolutionCycleModel(CycleStateSpaceModel):
    """A pattern over a period of any length, with an odd number of values that waves go through.

    Between the values, the pattern is what trigonometric interpolation gives.

    Args:
      num_latent_values: how many values the pattern has.
      periodicity: how long a period is, in steps; any number.
      near_integer_threshold: what is nearer than this to an integer is one.
      configuration: a `StateSpaceModelConfiguration`.

    Raises:
      ValueError: the number of values is even.
    """

    def __init__(
        self,
        num_latent_values: int,
        periodicity: Any,
        near_integer_threshold: float = 1e-8,
        configuration: Any = StateSpaceModelConfiguration(),  # noqa: B008
    ) -> None:
        if num_latent_values % 2 != 1:
            raise ValueError(f"The number of latent values must be odd. Received: {num_latent_values}")
        self._num_latent_values, self._true_periodicity = num_latent_values, periodicity
        self._near_integer_threshold = near_integer_threshold
        super().__init__(periodicity=num_latent_values, configuration=configuration)

    def _close_to_integer(self, value: Any) -> Any:
        return less(abs_(value - round_(value)), self._near_integer_threshold)

    def _latent_steps(self, steps: Any) -> tuple[Any, Any]:
        """How many values of the pattern there are, and how many of them some steps pass."""
        periodicity = cast(self._true_periodicity, self.dtype)
        count = cast(self._num_latent_values, self.dtype)
        return count, cast(steps, self.dtype) * (count / periodicity)

    def transition_to_powers(self, powers: Any) -> Any:
        """Powers of a rotation by a part of a step: interpolation at other places."""
        powers = convert_to_tensor(powers)
        count, passed = self._latent_steps(powers)
        scale = (sin(passed * math.pi) / count)[..., None, None]
        numbers = _numbered(self._num_latent_values - 1, cast(powers, int32))
        places = cast(numbers, self.dtype)
        signs = cast(1 - 2 * floormod(numbers, 2), self.dtype)
        of_missing = 1.0 / sin(math.pi / count * (passed[..., None] - places - 1.0))
        apart = places[..., None, :] - places[..., None]
        of_places = signs[..., None, :] / sin(math.pi / count * (passed[..., None, None] + apart))
        between = scale * signs[..., None] * (of_missing[..., None] + of_places)
        whole = super().transition_to_powers(cast(round_(passed), powers.dtype))
        return where(self._close_to_integer(passed), whole, between)

    def transition_power_noise_accumulator(self, num_steps: Any) -> Any:  # type: ignore[override]
        """The noise of some steps: of whole periods in closed form, of the rest as a sum."""
        num_steps = convert_to_tensor(num_steps)
        remaining, base = self._whole_periods(num_steps)
        sums = self._power_sum_array(reduce_max(remaining))
        noise = squeeze(self.state_transition_noise_covariance, axis=[-1, -2])
        return base + noise * gather(sums, remaining)

    def _whole_periods(self, num_steps: Any) -> tuple[Any, Any]:
        """How many steps are left after whole periods, where those have whole steps, and their noise."""

        def folded() -> tuple[Any, Any]:
            periodicity = cast(self._true_periodicity, self.dtype)
            weight = periodicity / cast(self._num_latent_values, self.dtype)
            of_period = super(ResolutionCycleModel, self).transition_power_noise_accumulator(
                constant(self._num_latent_values, dtype=num_steps.dtype), noise_addition_coefficient=weight
            )
            steps = cast(self._true_periodicity, num_steps.dtype)
            periods = cast(floordiv(num_steps, steps), self.dtype)
            in_front = ones([rank(num_steps)], dtype=int32)
            of_period = reshape(of_period, concat([in_front, shape(of_period)], axis=0))
            return floormod(num_steps, steps), periods[..., None, None] * of_period

        def unfolded() -> tuple[Any, Any]:
            size = self._num_latent_values - 1
            return num_steps, zeros(concat([shape(num_steps), [size, size]], axis=0), dtype=self.dtype)

        periodicity = cast(self._true_periodicity, self.dtype)
        whole = self._close_to_integer(periodicity)
        return cond(
            logical_and(whole, greater_equal(periodicity, cast(float(self._num_latent_values), self.dtype))),
            folded,
            unfolded,
        )

    def _power_sum_array(self, max_remaining_steps: Any) -> Any:
        """For 0, 1, ... steps, the covariance of their noise where each has variance one.

        Args:
          max_remaining_steps: of the last.

        Returns:
          `[max_remaining_steps + 1, state, state]`.
        """
        count, passed = self._latent_steps(range_(max_remaining_steps))
        numbers = range_(self._num_latent_values - 1)[None, ...]
        places = cast(numbers, self.dtype)
        apart = passed[..., None] - places
        inverse = 1.0 / sin(math.pi / count * apart) + 1.0 / sin(math.pi / count * (apart - 1.0))
        products = inverse[..., None, :] * inverse[..., None]
        signs = cast(1 - 2 * floormod(numbers[..., None, :] + numbers[..., None], 2), self.dtype)
        at_value, at_cosine = self._at_a_value((passed[..., None] - places) / count)
        before_value, before_cosine = self._at_a_value((passed[..., None] - places - 1.0) / count)
        either = logical_or(at_value, before_value)
        cosines = where(at_value, at_cosine, before_cosine)
        both = logical_and(either[..., None], either[..., None, :])
        products = where(self._close_to_integer(passed), zeros_like(products), products)
        scale = (sin(math.pi * passed) / count)[..., None, None]
        limits = cosines[..., None] * cosines[..., None, :]
        terms = signs * where(both, limits, products * scale**2.0)
        return pad(cumsum(terms, axis=0), [[1, 0], [0, 0], [0, 0]])

    def _at_a_value(self, turns: Any) -> tuple[Any, Any]:
        """Where waves have gone through whole turns, and the sign they have there."""
        return self._close_to_integer(turns), cos(turns * math.pi)
