"""Predictions that go on from what a model gave: their times, and an input function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.contributed.timeseries.feature_keys import FilteringResults, PredictionFeatures
from millrace.core import nest
from millrace.core.public import public
from millrace.training.coordination.producers import limit_epochs


@public("contrib.timeseries.python.timeseries.model_utils.canonicalize_times_or_steps_from_output")
def times_after(times: Any, steps: int | None, previous_model_output: dict[str, Any]) -> np.ndarray:
    """The times of predictions.

    Args:
      times: integers `[batch, steps]` or `[steps]`, or None.
      steps: how many follow the last time, or None; one of the two.
      previous_model_output: results of an evaluation, with their times.

    Returns:
      `[batch, steps]`.

    Raises:
      ValueError: both or neither are given, the batch differs, or times are not after those before.
    """
    before = np.array(previous_model_output[FilteringResults.TIMES])
    if steps is not None and times is not None:
        raise ValueError(f"Only one of `steps` and `times` may be specified. Received: {steps} and {times}")
    if steps is None and times is None:
        raise ValueError("One of `steps` and `times` must be specified. Received: neither")
    if steps is not None:
        return before[:, -1:] + 1 + np.arange(steps)[None, :]
    times = np.array(times)
    if times.ndim != 2:
        times = times[None, ...]
    if times.shape[0] != before.shape[0]:
        raise ValueError(
            "`times` must have the batch dimension of the previous model output. "
            f"Received: {times.shape[0]} for `times` and {before.shape[0]} for the previous model output."
        )
    if not (before[:, -1] < times[:, 0]).all():
        raise ValueError(
            "Prediction times must be after those of the previous model output. "
            f"Received: {times[:, 0]} after {before[:, -1]}"
        )
    return times


@public(
    "contrib.timeseries.predict_continuation_input_fn",
    "contrib.timeseries.python.timeseries.input_pipeline.predict_continuation_input_fn",
)
def predict_continuation_input_fn(
    evaluation: dict[str, Any], steps: int | None = None, times: Any = None, exogenous_features: Any = None
) -> Callable[[], tuple[dict[str, Any], None]]:
    """An input function for predictions that go on from an evaluation.

    Args:
      evaluation: what `evaluate` gave: `times` and the state after them.
      steps: how many steps follow the last; instead of `times`.
      times: of the predictions, integers `[batch, steps]` or `[steps]`.
      exogenous_features: `[batch, steps, ...]` by name, of the steps to predict.

    Returns:
      A function that gives features, once, and None.

    Raises:
      ValueError: both or neither of steps and times are given, or they do not fit.
      KeyError: the evaluation has no times or no state.
    """
    features: dict[str, Any] = {
        PredictionFeatures.STATE_TUPLE: evaluation[FilteringResults.STATE_TUPLE],
        PredictionFeatures.TIMES: times_after(times, steps, evaluation),
    }
    features.update(exogenous_features or {})

    def once() -> tuple[dict[str, Any], None]:
        return nest.map_structure(lambda value: limit_epochs(value, num_epochs=1), features), None

    return once
