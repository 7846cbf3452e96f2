"""What an autoregressive model makes of a window: layers of dense units, or two LSTMs."""

from __future__ import annotations

from typing import Any

from millrace.contributed.rnn.block import LSTMBlockFusedCell
from millrace.core.public import public
from millrace.models.keras.engine.model import Model
from millrace.models.keras.engine.sequential import Sequential
from millrace.models.keras.layers.core import Dense
from millrace.models.keras.layers.shaping import Flatten
from millrace.ops.array.concat import concat
from millrace.ops.array.reshape import reshape, transpose
from millrace.ops.math.elementwise import exp
from millrace.ops.nn.activation import relu


@public("contrib.timeseries.python.timeseries.ar_model.FlatPredictionModel")
class FlatPredictionModel(Model):
    """Dense layers over all features of both windows at once.

    Args:
      num_features: of a step.
      input_window_size: steps that are looked at.
      output_window_size: steps that are told.
      hidden_layer_sizes: the units of hidden layers; None for none.
    """

    def __init__(
        self,
        num_features: int,
        input_window_size: int,
        output_window_size: int,
        hidden_layer_sizes: Any = None,
    ) -> None:
        super().__init__()
        self._input_flatten = Flatten()
        self._output_flatten = Flatten()
        self._hidden: Any = None
        if hidden_layer_sizes:
            self._hidden = Sequential([Dense(units, activation=relu) for units in hidden_layer_sizes])
        self._told = output_window_size, num_features
        units = num_features * output_window_size
        self._mean_transform = Dense(units, name="predicted_mean")
        self._covariance_transform = Dense(units, name="log_sigma_square")

    def call(self, input_window_features: Any, output_window_features: Any) -> dict[str, Any]:
        """The next window.

        Args:
          input_window_features: `[batch, input window, ...]`.
          output_window_features: `[batch, output window, ...]`.

        Returns:
          "mean" and "covariance", the variances, `[batch, output window, num_features]` each.
        """
        activations = []
        if input_window_features.get_shape()[1].value:
            activations.append(self._input_flatten(input_window_features))
        if output_window_features.get_shape()[2].value:
            activations.append(self._output_flatten(output_window_features))
        hidden = concat(activations, axis=1) if len(activations) > 1 else activations[0]
        if self._hidden is not None:
            hidden = self._hidden(hidden)
        mean = reshape(self._mean_transform(hidden), [-1, *self._told])
        variances = reshape(exp(self._covariance_transform(hidden)), [-1, *self._told])
        return {"mean": mean, "covariance": variances}


@public("contrib.timeseries.python.timeseries.ar_model.LSTMPredictionModel")
class LSTMPredictionModel(Model):
    """An LSTM over the window that is looked at, another over the one that is told.

    Args:
      num_features: of a step.
      input_window_size: steps that are looked at.
      output_window_size: steps that are told.
      num_units: of each LSTM.
    """

    def __init__(
        self, num_features: int, input_window_size: int, output_window_size: int, num_units: int = 128
    ) -> None:
        super().__init__()
        del input_window_size, output_window_size
        self._encoder = LSTMBlockFusedCell(num_units=num_units, name="encoder")
        self._decoder = LSTMBlockFusedCell(num_units=num_units, name="decoder")
        self._mean_transform = Dense(num_features, name="mean_transform")
        self._covariance_transform = Dense(num_features, name="covariance_transform")

    def call(self, input_window_features: Any, output_window_features: Any) -> dict[str, Any]:
        """The next window; see `FlatPredictionModel`."""
        looked_at = transpose(input_window_features, [1, 0, 2])
        told = transpose(output_window_features, [1, 0, 2])
        _, state = self._encoder(looked_at, dtype=looked_at.dtype)
        steps, _ = self._decoder(told, initial_state=state, dtype=told.dtype)
        activations = transpose(steps, [1, 0, 2])
        mean = self._mean_transform(activations)
        return {"mean": mean, "covariance": exp(self._covariance_transform(activations))}
