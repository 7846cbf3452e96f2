"""Steps of filtering that doubt an observation before they believe it."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

from millrace.building import operators  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import convert_to_tensor
from millrace.contributed.timeseries.densities import cauchy_log_prob, entropy_matched_cauchy_scale
from millrace.core import nest
from millrace.core.dtypes import int32
from millrace.core.public import public
from millrace.lib.math.reductions import reduce_sum
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import ones
from millrace.ops.array.reshape import reshape
from millrace.ops.array.shape import rank, shape
from millrace.ops.math.elementwise import log, sigmoid


@public(
    "contrib.timeseries.python.timeseries.state_space_models.filtering_postprocessor"
    ".FilteringStepPostprocessor"
)
class FilteringStepPostprocessor(abc.ABC):
    """Base of what is done after each step of filtering."""

    @abc.abstractmethod
    def process_filtering_step(
        self,
        current_times: Any,
        current_values: Any,
        predicted_state: Any,
        filtered_state: Any,
        outputs: dict[str, Any],
    ) -> tuple[Any, dict[str, Any]]:
        """Another state and other outputs instead of those of filtering.

        Args:
          current_times: `[batch]`.
          current_values: `[batch, features]`.
          predicted_state: the state before the values.
          filtered_state: the state after them.
          outputs: by name, among them "mean", "covariance" and "log_likelihood".
        """

    @property
    @abc.abstractmethod
    def output_names(self) -> list[str]:
        """The names of outputs that it adds."""


@public(
    "contrib.timeseries.python.timeseries.state_space_models.filtering_postprocessor"
    ".cauchy_alternative_to_gaussian"
)
def cauchy_alternative_to_gaussian(current_times: Any, current_values: Any, outputs: dict[str, Any]) -> Any:
    """How likely values are by a Cauchy distribution with the prediction's mean and entropy.

    Args:
      current_times: not used.
      current_values: `[batch, features]`.
      outputs: "mean" `[batch, features]` and "covariance" `[batch, features, features]`.

    Returns:
      Logs `[batch]`.
    """
    del current_times
    scale = entropy_matched_cauchy_scale(outputs["covariance"])
    each = cauchy_log_prob(loc=outputs["mean"], scale=scale, x=current_values)
    return reduce_sum(each, axis=1)


def interpolated(first_state: Any, second_state: Any, first_responsibility: Any) -> Any:
    """A state between two.

    Args:
      first_state, second_state: tensors `[batch, ...]` of one structure.
      first_responsibility: the share of the first, `[batch]`.
    """

    def between(first: Any, second: Any) -> Any:
        beside = ones([rank(first) - 1], dtype=int32)
        share = reshape(first_responsibility, concat([shape(first_responsibility), beside], axis=0))
        return share * first + (1.0 - share) * second

    return nest.map_structure(between, first_state, second_state)


@public(
    "contrib.timeseries.python.timeseries.state_space_models.filtering_postprocessor"
    ".StateInterpolatingAnomalyDetector"
)
class StateInterpolatingAnomalyDetector(FilteringStepPostprocessor):
    """Lets an observation move the state only as far as it is not an anomaly.

    Args:
      anomaly_log_likelihood: takes times, values and outputs; gives how likely the values are as anomalies.
      anomaly_prior_probability: of an anomaly.
      responsibility_scaling: a larger factor decides more sharply.
    """

    def __init__(
        self,
        anomaly_log_likelihood: Callable[..., Any] = cauchy_alternative_to_gaussian,
        anomaly_prior_probability: float = 0.01,
        responsibility_scaling: float = 1.0,
    ) -> None:
        self._log_likelihood = anomaly_log_likelihood
        self._prior = anomaly_prior_probability
        self._scaling = responsibility_scaling

    @property
    def output_names(self) -> list[str]:
        """One: "anomaly_score", the log of the odds of an anomaly."""
        return ["anomaly_score"]

    def process_filtering_step(
        self,
        current_times: Any,
        current_values: Any,
        predicted_state: Any,
        filtered_state: Any,
        outputs: dict[str, Any],
    ) -> tuple[Any, dict[str, Any]]:
        """A state between the two; "log_likelihood" of the mixture, "anomaly_score" as an output."""
        as_anomaly = self._log_likelihood(current_times, current_values, outputs)
        prior = convert_to_tensor(self._prior, dtype=current_values.dtype)
        anomalous = as_anomaly + log(prior)
        usual = outputs["log_likelihood"] + log(1.0 - prior)
        ratio = anomalous - usual
        share = sigmoid(-self._scaling * ratio)
        state = interpolated(filtered_state, predicted_state, share)
        outputs["anomaly_score"] = ratio
        outputs["log_likelihood"] = share * usual + (1.0 - share) * anomalous
        return state, outputs
