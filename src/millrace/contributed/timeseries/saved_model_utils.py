"""Filtering and prediction with an exported series model."""

from __future__ import annotations

from typing import Any

from millrace.contributed.timeseries.continuing import times_after
from millrace.contributed.timeseries.feature_keys import (
    FilteringFeatures,
    FilteringResults,
    PredictionFeatures,
    PredictionResults,
    SavedModelLabels,
)
from millrace.contributed.timeseries.heads import state_by_name
from millrace.contributed.timeseries.readers import canonical
from millrace.core.public import public


def _run(label: str, signatures: Any, session: Any, features: dict[str, Any], state: Any = None) -> Any:
    """The outputs of a signature for features, from a state on."""
    signature = signatures.signature_def[label]
    values = {**features, **_state_of(state or {})}
    unknown = sorted(name for name in features if name not in signature.inputs)
    if unknown:
        raise KeyError(f"The signature '{label}' takes {sorted(signature.inputs)}. Received: {unknown[0]!r}")
    graph = session.graph
    feeds = {graph.as_graph_element(signature.inputs[n].name): value for n, value in values.items()}
    fetches = {n: graph.as_graph_element(info.name) for n, info in signature.outputs.items()}
    return session.run(fetches, feed_dict=feeds)


def _state_of(output: dict[str, Any]) -> dict[str, Any]:
    """The parts of the state that an evaluation, or a call of an exported model, gave."""
    if FilteringFeatures.STATE_TUPLE in output:
        return state_by_name(output[FilteringFeatures.STATE_TUPLE])
    return {n: value for n, value in output.items() if n.startswith(FilteringFeatures.STATE_PREFIX)}


@public(
    "contrib.timeseries.saved_model_utils.predict_continuation",
    "contrib.timeseries.python.timeseries.saved_model_utils.predict_continuation",
)
def predict_continuation(
    continue_from: dict[str, Any],
    signatures: Any,
    session: Any,
    steps: int | None = None,
    times: Any = None,
    exogenous_features: Any = None,
) -> dict[str, Any]:
    """Predictions of an exported model.

    Args:
      continue_from: what an evaluation, or filtering here, gave: times and the state after them.
      signatures: the MetaGraphDef that `tf.saved_model.load` gave.
      session: the session that it was loaded into.
      steps: how many steps follow the last; instead of `times`.
      times: of the predictions, integers `[batch, steps]` or `[steps]`.
      exogenous_features: `[batch, steps, ...]` by name, of the steps to predict.

    Returns:
      Arrays by name, "times" among them.

    Raises:
      ValueError: both or neither of steps and times are given, or they do not fit.
      KeyError: the model does not take a feature, or `continue_from` has no times.
    """
    ahead = times_after(times, steps, continue_from)
    features = {PredictionFeatures.TIMES: ahead, **(exogenous_features or {})}
    found = _run(SavedModelLabels.PREDICT, signatures, session, features, continue_from)
    return {**found, PredictionResults.TIMES: ahead}


@public(
    "contrib.timeseries.saved_model_utils.cold_start_filter",
    "contrib.timeseries.python.timeseries.saved_model_utils.cold_start_filter",
)
def cold_start_filter(signatures: Any, session: Any, features: dict[str, Any]) -> dict[str, Any]:
    """The state of an exported model after values, from its start state on.

    Args:
      signatures: the MetaGraphDef that `tf.saved_model.load` gave.
      session: the session that it was loaded into.
      features: arrays by name, with or without a batch dimension: "times", "values" and others.

    Returns:
      The parts of the state by name, and "times".

    Raises:
      ValueError: times or values are missing, or shapes do not agree.
      KeyError: the model does not take a feature.
    """
    return _filtered(SavedModelLabels.COLD_START_FILTER, signatures, session, features)


@public(
    "contrib.timeseries.saved_model_utils.filter_continuation",
    "contrib.timeseries.python.timeseries.saved_model_utils.filter_continuation",
)
def filter_continuation(
    continue_from: dict[str, Any], signatures: Any, session: Any, features: dict[str, Any]
) -> dict[str, Any]:
    """The state of an exported model after values, from another state on.

    Args:
      continue_from: what an evaluation, or filtering here, gave.
      signatures, session, features: as `cold_start_filter`'s.

    Returns:
      The parts of the state by name, and "times".

    Raises:
      ValueError: times or values are missing, or shapes do not agree.
      KeyError: the model does not take a feature.
    """
    return _filtered(SavedModelLabels.FILTER, signatures, session, features, continue_from)


def _filtered(
    label: str, signatures: Any, session: Any, features: dict[str, Any], state: Any = None
) -> dict[str, Any]:
    batch = canonical(features, one_series=False)
    found = _run(label, signatures, session, batch, state)
    return {**found, FilteringResults.TIMES: batch[FilteringFeatures.TIMES]}
