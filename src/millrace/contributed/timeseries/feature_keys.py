"""The names of features and results of series models."""

from __future__ import annotations

from millrace.core.public import public


@public("contrib.timeseries.python.timeseries.feature_keys.State")
class State:
    """Where a model's state stands."""

    STATE_TUPLE = "start_tuple"
    STATE_PREFIX = "model_state"


@public("contrib.timeseries.python.timeseries.feature_keys.Times")
class Times:
    """Where times stand."""

    TIMES = "times"


@public("contrib.timeseries.python.timeseries.feature_keys.Values")
class Values:
    """Where observed values stand."""

    VALUES = "values"


@public(
    "contrib.timeseries.TrainEvalFeatures",
    "contrib.timeseries.python.timeseries.feature_keys.TrainEvalFeatures",
)
class TrainEvalFeatures(Times, Values):
    """The features of training and evaluation."""


@public("contrib.timeseries.python.timeseries.feature_keys.PredictionFeatures")
class PredictionFeatures(Times, State):
    """The features of a prediction."""


@public("contrib.timeseries.python.timeseries.feature_keys.FilteringFeatures")
class FilteringFeatures(Times, Values, State):
    """The features of filtering: new values, and the state before them."""


@public("contrib.timeseries.python.timeseries.feature_keys.PredictionResults")
class PredictionResults(Times):
    """What a prediction gives beside the model's own results."""


@public(
    "contrib.timeseries.FilteringResults",
    "contrib.timeseries.python.timeseries.feature_keys.FilteringResults",
)
class FilteringResults(Times, State):
    """What an evaluation or filtering gives beside the model's own results."""


@public("contrib.timeseries.python.timeseries.feature_keys.SavedModelLabels")
class SavedModelLabels:
    """The names of an exported model's signatures."""

    PREDICT = "serving_default"
    FILTER = "filter"
    COLD_START_FILTER = "cold_start_filter"
