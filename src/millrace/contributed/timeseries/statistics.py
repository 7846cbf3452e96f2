"""Means and variances of a series, learnt from batches of windows while a model trains."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from millrace.building import operators  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.scopes import control_dependencies
from millrace.contributed.timeseries.feature_keys import TrainEvalFeatures
from millrace.core import nest
from millrace.core.dtypes import int32, int64
from millrace.core.public import public
from millrace.lib.flow.control_flow import cond, group
from millrace.lib.math.reductions import reduce_max, reduce_min, reduce_sum
from millrace.lib.nn.moments import moments
from millrace.lib.variables.assigning import assign, assign_add
from millrace.lib.variables.initializers import Ones, Zeros
from millrace.lib.variables.scope import get_variable, variable_scope
from millrace.ops.array.constant import identity, no_op
from millrace.ops.array.shape import shape, size
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import less_equal
from millrace.ops.math.elementwise import round as round_
from millrace.ops.math.extremes import argmin
from millrace.ops.math.select import maximum, minimum


@public("contrib.timeseries.python.timeseries.math_utils.Moments")
class Moments(namedtuple("Moments", ("mean", "variance"))):
    """Mean and variance, `[features]` each."""

    __slots__ = ()


_STATISTICS = ("series_start_moments", "overall_feature_moments", "start_time", "total_observation_count")


@public("contrib.timeseries.python.timeseries.math_utils.InputStatistics")
class InputStatistics(namedtuple("InputStatistics", _STATISTICS)):
    """What is known of a series: moments at its start and of all of it, its first time, and its length."""

    __slots__ = ()


@public("contrib.timeseries.python.timeseries.math_utils.batch_start_time")
def batch_start_time(times: Any) -> Any:
    """The first time of each window, `[batch]` of `[batch, window]`."""
    return times[:, 0]


@public("contrib.timeseries.python.timeseries.math_utils.batch_end_time")
def batch_end_time(times: Any) -> Any:
    """The last time of each window, `[batch]` of `[batch, window]`."""
    return times[:, -1]


_Sums = namedtuple(
    "_Sums",
    (
        "max_time_seen",
        "chunk_count",
        "inter_observation_duration_sum",
        "example_count",
        "overall_feature_sum",
        "overall_feature_sum_of_squares",
    ),
)


def _variable(name: str, initializer: Any, dtype: Any, dims: list[int] | None = None) -> Any:
    return get_variable(name=name, shape=dims, dtype=dtype, initializer=initializer, trainable=False)


@public("contrib.timeseries.python.timeseries.math_utils.InputStatisticsFromMiniBatch")
class InputStatisticsFromMiniBatch:
    """Statistics of a series from the windows that were seen.

    Args:
      num_features: of a step.
      dtype: of the moments.
      starting_variance_window_size: how many steps make the moments at the start.
    """

    def __init__(self, num_features: int, dtype: Any, starting_variance_window_size: int = 16) -> None:
        self._starting_window = starting_variance_window_size
        self._num_features, self._dtype = num_features, dtype

    def initialize_graph(self, features: dict[str, Any], update_statistics: bool = True) -> InputStatistics:
        """The statistics as variables, or as tensors that are updated before they are read.

        Args:
          features: "times" `[batch, window]` and "values" `[batch, window, num_features]`.
          update_statistics: learn from these features.
        """
        statistics, sums = self._statistics(), self._sums()
        if not update_statistics:
            return statistics
        times, values = features[TrainEvalFeatures.TIMES], features[TrainEvalFeatures.VALUES]
        with control_dependencies([self._update(statistics, sums, times, values)]):
            current = nest.map_structure(identity, statistics)
        return current._replace(start_time=minimum(current.start_time, reduce_min(times)))

    def _statistics(self) -> InputStatistics:
        width, dtype = [self._num_features], self._dtype
        with variable_scope("input_statistics", use_resource=True):
            return InputStatistics(
                Moments(
                    _variable("series_start_mean", Zeros(), dtype, width),
                    _variable("series_start_variance", Ones(), dtype, width),
                ),
                Moments(
                    _variable("overall_feature_mean", Zeros(), dtype, width),
                    _variable("overall_feature_var", Ones(), dtype, width),
                ),
                _variable("start_time", int64.max, int64),
                _variable("total_observation_count", Ones(), int64, []),
            )

    def _sums(self) -> _Sums:
        width, dtype = [self._num_features], self._dtype
        with variable_scope("input_statistics_auxiliary", use_resource=True):
            return _Sums(
                _variable("max_time_seen", int64.min, int64),
                _variable("chunk_count", Zeros(), int64, []),
                _variable("inter_observation_duration_sum", Zeros(), dtype, []),
                _variable("example_count", Zeros(), int64, []),
                _variable("overall_feature_sum", Zeros(), dtype, width),
                _variable("overall_feature_sum_of_squares", Zeros(), dtype, width),
            )

    def _update(self, statistics: InputStatistics, sums: _Sums, times: Any, values: Any) -> Any:
        """Takes windows into account: first into the sums, then into what follows from them."""
        dtype = self._dtype
        spans = cast(reduce_max(times, 1) - reduce_min(times, 1), dtype)
        between = spans / cast(shape(times)[1] - 1, dtype)
        latest = assign(sums.max_time_seen, maximum(sums.max_time_seen, reduce_max(times)))
        summed = [
            assign_add(sums.chunk_count, shape(times, out_type=int64)[0]),
            assign_add(sums.inter_observation_duration_sum, reduce_sum(between)),
            assign_add(sums.example_count, size(times, out_type=int64)),
            assign_add(sums.overall_feature_sum, reduce_sum(values, axis=[0, 1])),
            assign_add(sums.overall_feature_sum_of_squares, reduce_sum(values**2, axis=[0, 1])),
        ]
        with control_dependencies([group(latest, *summed)]):
            overall = self._update_moments(statistics.overall_feature_moments, sums)
            at_start = self._update_start(statistics, times, values)
            with control_dependencies([at_start]):
                started = assign(statistics.start_time, minimum(statistics.start_time, reduce_min(times)))
            duration = sums.inter_observation_duration_sum / cast(sums.chunk_count, dtype)
            covered = cast(latest - started + 1, dtype)
            counted = assign(statistics.total_observation_count, cast(round_(covered / duration), int64))
            return group(*overall, at_start, started, counted)

    def _update_moments(self, moments_kept: Moments, sums: _Sums) -> tuple[Any, Any]:
        count = cast(sums.example_count, self._dtype)
        mean = sums.overall_feature_sum / count
        with_mean = assign(moments_kept.mean, mean)
        unbiased = count / (count - 1.0)
        variance = unbiased * (sums.overall_feature_sum_of_squares / count - mean**2)
        return with_mean, assign(moments_kept.variance, variance)

    def _update_start(self, statistics: InputStatistics, times: Any, values: Any) -> Any:
        """The moments at the start, where a window begins no later than any before."""
        earliest = cast(argmin(times[:, 0], axis=0), int32)

        def renewed() -> Any:
            first_steps = values[earliest, : self._starting_window]
            mean, variance = moments(first_steps, axes=[0])
            kept = statistics.series_start_moments
            return group(assign(kept.mean, mean), assign(kept.variance, variance))

        return cond(less_equal(times[earliest, 0], statistics.start_time), renewed, no_op)
