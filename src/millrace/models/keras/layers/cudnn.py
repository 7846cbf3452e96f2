"""Recurrent layers with the weights of cuDNN's, computed step by step on any device."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.core import shapes
from millrace.core.public import public
from millrace.lib.layers import constraints, penalties
from millrace.lib.layers.spec import InputSpec
from millrace.lib.variables import keras_initializers
from millrace.models.keras.engine.layer import Layer
from millrace.models.keras.layers.cells import initial_states
from millrace.models.keras.layers.core import weight_settings, with_after
from millrace.models.keras.layers.recurrent import RNN
from millrace.ops.array.concat import concat
from millrace.ops.linalg.matmul import matmul


class _Cell(Layer):
    """A step with one bias for the inputs and one for the state."""

    gates: int
    states: int
    unit_forget_bias: bool
    kernel_initializer: Any
    recurrent_initializer: Any
    bias_initializer: Any
    kernel_regularizer: Any
    recurrent_regularizer: Any
    bias_regularizer: Any
    kernel_constraint: Any
    recurrent_constraint: Any
    bias_constraint: Any

    def __init__(self, units: int, weights: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        for name, value in weights.items():
            setattr(self, name, value)

    @property
    def state_size(self) -> Any:
        """The states' sizes."""
        return self.units if self.states == 1 else [self.units] * self.states

    @property
    def output_size(self) -> int:
        """The output's size."""
        return self.units

    def build(self, input_shape: Any) -> None:
        """Makes `kernel`, `recurrent_kernel` and `bias`."""
        depth = (shapes.as_dims(input_shape) or (None,))[-1]
        width = self.units * self.gates
        self.kernel = self.add_weight(
            shape=(depth, width),
            name="kernel",
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, width),
            name="recurrent_kernel",
            initializer=self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
        self.bias = self.add_weight(
            shape=(width * 2,),
            name="bias",
            initializer=self._first_bias(),
            regularizer=self.bias_regularizer,
            constraint=self.bias_constraint,
        )
        self.built = True

    def _first_bias(self) -> Any:
        return self.bias_initializer

    def get_initial_state(self, inputs: Any = None, batch_size: Any = None, dtype: Any = None) -> Any:
        """States of zeros."""
        return initial_states(self, inputs, batch_size, dtype)

    def _products(self, inputs: Any, state: Any) -> tuple[list[Any], list[Any]]:
        width = self.units * self.gates
        bias = self.bias.value()
        x = matmul(inputs, self.kernel) + bias[:width]
        h = matmul(state, self.recurrent_kernel) + bias[width:]
        return raw.Split(1, x, num_split=self.gates), raw.Split(1, h, num_split=self.gates)


class _LSTMCell(_Cell):
    gates, states = 4, 2

    def _first_bias(self) -> Any:
        if not self.unit_forget_bias:
            return self.bias_initializer
        units, maker, one = self.units, self.bias_initializer, keras_initializers.get("ones")

        def first(_: Any, *args: Any, **kwargs: Any) -> Any:
            parts = [
                maker([units * 5], *args, **kwargs),
                one([units], *args, **kwargs),
                maker([units * 2], *args, **kwargs),
            ]
            return concat(parts, 0)

        return first

    def call(self, inputs: Any, states: Any) -> Any:
        """The output and the new states."""
        x, h = self._products(inputs, states[0])
        i, f, c, o = (a + b for a, b in zip(x, h, strict=True))
        new = raw.Sigmoid(f) * states[1] + raw.Sigmoid(i) * raw.Tanh(c)
        output = raw.Sigmoid(o) * raw.Tanh(new)
        return output, [output, new]


class _GRUCell(_Cell):
    gates, states = 3, 1

    def call(self, inputs: Any, states: Any) -> Any:
        """The output and the new state."""
        state = states[0]
        x, h = self._products(inputs, state)
        z, r = raw.Sigmoid(x[0] + h[0]), raw.Sigmoid(x[1] + h[1])
        output = z * state + (1 - z) * raw.Tanh(x[2] + r * h[2])
        return output, [output]


class _CuDNN(RNN):
    cell_type: type[_Cell]

    def __init__(self, units: int, given: dict[str, Any], kwargs: dict[str, Any]) -> None:
        weights = {}
        for which in ("kernel", "recurrent", "bias"):
            weights[f"{which}_initializer"] = keras_initializers.get(given[f"{which}_initializer"])
            weights[f"{which}_regularizer"] = penalties.get(given[f"{which}_regularizer"])
            weights[f"{which}_constraint"] = constraints.get(given[f"{which}_constraint"])
        if "unit_forget_bias" in given:
            weights["unit_forget_bias"] = given["unit_forget_bias"]
        super().__init__(
            self.cell_type(units, weights),
            given["return_sequences"],
            given["return_state"],
            given["go_backwards"],
            given["stateful"],
            activity_regularizer=given["activity_regularizer"],
            **kwargs,
        )
        self.units = units
        self.input_spec = [InputSpec(ndim=3)]

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        config = super().get_config()
        config.pop("unroll")
        weights = weight_settings(self.cell, ("kernel", "recurrent", "bias"))
        if hasattr(self.cell, "unit_forget_bias"):
            bias = {"unit_forget_bias": self.cell.unit_forget_bias}
            weights = with_after(weights, "bias_initializer", bias)
        return {**config, "units": self.units, **weights, **weight_settings(self, ())}


@public("keras.layers.CuDNNLSTM")
class CuDNNLSTM(_CuDNN):
    """A layer of long short-term memories with two biases.

    Args:
      units: the states' size.
      kernel_initializer, recurrent_initializer, bias_initializer: first values of the weights.
      unit_forget_bias: begin with a bias of 1 for the forget gate.
      kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties of the weights.
      activity_regularizer: a penalty of the outputs.
      kernel_constraint, recurrent_constraint, bias_constraint: what optimizers apply after each step.
      return_sequences, return_state, go_backwards, stateful: as for `RNN`.
      **kwargs: as for `RNN`.
    """

    cell_type = _LSTMCell

    def __init__(
        self,
        units: int,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, locals(), kwargs)


@public("keras.layers.CuDNNGRU")
class CuDNNGRU(_CuDNN):
    """A layer of gated recurrent units with two biases.

    Args:
      units: the state's size.
      kernel_initializer, recurrent_initializer, bias_initializer: first values of the weights.
      kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties of the weights.
      activity_regularizer: a penalty of the outputs.
      kernel_constraint, recurrent_constraint, bias_constraint: what optimizers apply after each step.
      return_sequences, return_state, go_backwards, stateful: as for `RNN`.
      **kwargs: as for `RNN`.
    """

    cell_type = _GRUCell

    def __init__(
        self,
        units: int,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, locals(), kwargs)
