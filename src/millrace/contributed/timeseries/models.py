"""`TimeSeriesModel`: what all models of series share."""

from __future__ import annotations

import abc
from collections import namedtuple
from typing import Any

from millrace.building import operators  # noqa: F401 - operators gives tensors their arithmetic
from millrace.contributed.timeseries.feature_keys import TrainEvalFeatures
from millrace.contributed.timeseries.matrices import replicate_state
from millrace.core.dtypes import float32, string
from millrace.core.public import public
from millrace.graph.graph import Graph
from millrace.models.feature_columns.input_layer import input_layer, make_parse_example_spec
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import constant, placeholder, zeros
from millrace.ops.array.reshape import reshape
from millrace.ops.array.shape import shape
from millrace.ops.io.parsing import parse_example
from millrace.ops.math.cast import cast
from millrace.ops.math.elementwise import sqrt


@public("contrib.timeseries.python.timeseries.model.ModelOutputs")
class ModelOutputs(namedtuple("ModelOutputs", ("loss", "end_state", "predictions", "prediction_times"))):
    """What a model gives for a batch: loss, the state after it, predictions by name, and their times."""

    __slots__ = ()


@public("contrib.timeseries.python.timeseries.model.TimeSeriesModel")
class TimeSeriesModel(abc.ABC):
    """Base of models of series.

    Args:
      num_features: of a step.
      exogenous_feature_columns: feature columns of what is known beside the values.
      dtype: of values and variables.
    """

    def __init__(
        self, num_features: int, exogenous_feature_columns: Any = None, dtype: Any = float32
    ) -> None:
        self._exogenous_feature_columns = exogenous_feature_columns or []
        self.num_features, self.dtype = num_features, dtype
        self._input_statistics: Any = None
        self._graph_initialized = False
        self._stats_means: Any = None
        self._stats_sigmas: Any = None

    @property
    def exogenous_feature_columns(self) -> Any:
        """The columns of what is known beside the values."""
        return self._exogenous_feature_columns

    def initialize_graph(self, input_statistics: Any = None) -> None:
        """Makes variables and operations in the default graph; before all else.

        Args:
          input_statistics: an `InputStatistics` to scale values with, or None.
        """
        self._graph_initialized = True
        self._input_statistics = input_statistics
        if input_statistics is not None:
            overall = input_statistics.overall_feature_moments
            self._stats_means, self._stats_sigmas = overall.mean, sqrt(overall.variance)

    def _check_graph_initialized(self) -> None:
        if not self._graph_initialized:
            raise ValueError(
                f"initialize_graph() must be called before a model is used in a graph. Received: {self}"
            )

    def define_loss(self, features: dict[str, Any], mode: str) -> ModelOutputs:
        """The loss of a batch, from the start state on.

        Args:
          features: "times" `[batch, window]`, "values" `[batch, window, num_features]`, and others.
          mode: a `ModeKeys`.
        """
        self._check_graph_initialized()
        start = replicate_state(
            start_state=self.get_start_state(), batch_size=shape(features[TrainEvalFeatures.TIMES])[0]
        )
        return self.get_batch_loss(features=features, mode=mode, state=start)

    @abc.abstractmethod
    def get_start_state(self) -> Any:
        """The state before a series, without a batch dimension."""

    @abc.abstractmethod
    def get_batch_loss(self, features: dict[str, Any], mode: str, state: Any) -> ModelOutputs:
        """The loss of a batch, from a state on; see `define_loss`."""

    @abc.abstractmethod
    def predict(self, features: dict[str, Any]) -> dict[str, Any]:
        """Predictions by name, for "times" `[batch, steps]` from the state "start_tuple" on."""

    def generate(
        self, number_of_series: int, series_length: int, model_parameters: Any = None, seed: int | None = None
    ) -> Any:
        """Draws series from the model; None from models that cannot do so."""
        del number_of_series, series_length, model_parameters, seed
        return None

    def _scale_data(self, data: Any) -> Any:
        """Values with mean zero and variance one."""
        return data if self._input_statistics is None else (data - self._stats_means) / self._stats_sigmas

    def _scale_variance(self, variance: Any) -> Any:
        if self._input_statistics is None:
            return variance
        return variance / self._input_statistics.overall_feature_moments.variance

    def _scale_back_data(self, data: Any) -> Any:
        """Scaled values as they were."""
        return data if self._input_statistics is None else data * self._stats_sigmas + self._stats_means

    def _scale_back_variance(self, variance: Any) -> Any:
        if self._input_statistics is None:
            return variance
        return variance * self._input_statistics.overall_feature_moments.variance

    def _process_exogenous_features(self, times: Any, features: dict[str, Any]) -> Any:
        """What columns make of features, `[batch, window, size]`; size 0 where there are no columns.

        Args:
          times: `[batch, window]`.
          features: by name, `[batch, window, ...]`.
        """
        if not self._exogenous_feature_columns:
            return zeros(concat([shape(times), constant([0])], axis=0), dtype=self.dtype)
        steps = {}
        for name, value in features.items():
            dims = shape(value)
            flat_dims = concat([[dims[0] * dims[1]], dims[2:]], axis=0)
            steps[name] = reshape(value, flat_dims)
        made = cast(input_layer(steps, self._exogenous_feature_columns), self.dtype)
        together = reshape(made, concat([shape(times), shape(made)[1:]], axis=0))
        together.set_shape([*times.get_shape(), made.get_shape()[1]])
        return together

    def _get_exogenous_embedding_shape(self) -> list[int | None]:
        """The shape of what columns make of one step, without a batch."""
        if not self._exogenous_feature_columns:
            return [0]
        with Graph().as_default():
            parsed = parse_example(
                serialized=placeholder(shape=[None], dtype=string),
                features=make_parse_example_spec(self._exogenous_feature_columns),
            )
            made = input_layer(features=parsed, feature_columns=self._exogenous_feature_columns)
        return made.get_shape().as_list()[1:]
