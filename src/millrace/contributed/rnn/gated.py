"""Cells of gates: update gates, intersections, searched ones, simple recurrent units."""

from __future__ import annotations

from typing import Any

from millrace.contributed.rnn.linear import Linear
from millrace.core.public import public
from millrace.lib.rnn.cells import LayerRNNCell, LSTMStateTuple, RNNCell, UnitsCell, depth_of
from millrace.lib.variables.initializers import Zeros
from millrace.lib.variables.scope import get_variable_scope, variable_scope
from millrace.ops.array.concat import concat, split
from millrace.ops.linalg.matmul import matmul
from millrace.ops.math.elementwise import sigmoid
from millrace.ops.math.trigonometric import tanh
from millrace.ops.nn.activation import relu
from millrace.ops.nn.bias import bias_add


@public("contrib.rnn.UGRNNCell")
class UGRNNCell(RNNCell):
    """A cell with one gate between the old and the new (Collins et al. 2016).

    Args:
      num_units: the size of state and output.
      initializer: of the variables.
      forget_bias: added to the gate.
      activation: of the new.
      reuse: whether variables may exist already.
    """

    def __init__(
        self,
        num_units: int,
        initializer: Any = None,
        forget_bias: float = 1.0,
        activation: Any = tanh,
        reuse: Any = None,
    ) -> None:
        super().__init__(_reuse=reuse)
        self._num_units, self._initializer = num_units, initializer
        self._forget_bias, self._activation = forget_bias, activation
        self._linear: Any = None

    @property
    def state_size(self) -> Any:
        """The size of the state."""
        return self._num_units

    @property
    def output_size(self) -> Any:
        """The size of the output."""
        return self._num_units

    def call(self, inputs: Any, state: Any) -> Any:
        """One step."""
        depth_of(inputs.get_shape())
        with variable_scope(get_variable_scope(), initializer=self._initializer):
            joined = concat([inputs, state], 1)
            if self._linear is None:
                self._linear = Linear(joined, 2 * self._num_units, True)
            gate, new = split(self._linear(joined), 2, 1)
            new = self._activation(new)
            gate = sigmoid(gate + self._forget_bias)
            output = gate * state + (1.0 - gate) * new
        return output, output


@public("contrib.rnn.IntersectionRNNCell")
class IntersectionRNNCell(RNNCell):
    """A cell with one gate over time and one over depth (Collins et al. 2016).

    Args:
      num_units: the size of state and output.
      num_in_proj: project inputs to this size, which must be `num_units`; needed where theirs is another one.
      initializer: of the variables.
      forget_bias: added to both gates.
      y_activation: of what is new in the output.
      reuse: whether variables may exist already.
    """

    def __init__(
        self,
        num_units: int,
        num_in_proj: int | None = None,
        initializer: Any = None,
        forget_bias: float = 1.0,
        y_activation: Any = relu,
        reuse: Any = None,
    ) -> None:
        super().__init__(_reuse=reuse)
        self._num_units, self._num_in_proj, self._initializer = num_units, num_in_proj, initializer
        self._forget_bias, self._y_activation = forget_bias, y_activation
        self._project: Any = None
        self._linear: Any = None

    @property
    def state_size(self) -> Any:
        """The size of the state."""
        return self._num_units

    @property
    def output_size(self) -> Any:
        """The size of the output."""
        return self._num_units

    def call(self, inputs: Any, state: Any) -> Any:
        """One step.

        Raises:
          ValueError: the inputs have another depth than the state, and there is no projection.
        """
        units = self._num_units
        depth = depth_of(inputs.get_shape())
        with variable_scope(get_variable_scope(), initializer=self._initializer):
            if depth != units:
                if self._num_in_proj is None:
                    raise ValueError(
                        "IntersectionRNNCell: inputs must be as deep as the state, or num_in_proj given. "
                        f"Received: {depth}, {units}"
                    )
                with variable_scope("in_projection"):
                    if self._project is None:
                        self._project = Linear(inputs, self._num_in_proj, True)
                    inputs = self._project(inputs)
            joined = concat([inputs, state], 1)
            if self._linear is None:
                self._linear = Linear(joined, 4 * units, True)
            found = self._linear(joined)
            gate_h, h = found[:, :units], tanh(found[:, units : 2 * units])
            gate_y, y = found[:, 2 * units : 3 * units], self._y_activation(found[:, 3 * units :])
            gate_h, gate_y = sigmoid(gate_h + self._forget_bias), sigmoid(gate_y + self._forget_bias)
            new_state = gate_h * state + (1.0 - gate_h) * h
            output = gate_y * inputs + (1.0 - gate_y) * y
        return output, new_state


@public("contrib.rnn.NASCell")
class NASCell(LayerRNNCell):
    """The cell that a search over cells found (Zoph and Le 2016).

    Args:
      num_units: the size of the memory.
      num_proj: project the output to this size.
      use_bias: whether there is a bias.
      reuse: whether variables may exist already.
      **kwargs: as for `Layer`.
    """

    def __init__(
        self,
        num_units: int,
        num_proj: int | None = None,
        use_bias: bool = False,
        reuse: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(_reuse=reuse, **kwargs)
        self._num_units, self._num_proj, self._use_bias = num_units, num_proj, use_bias

    @property
    def output_size(self) -> Any:
        """The size of the output."""
        return self._num_units if self._num_proj is None else self._num_proj

    @property
    def state_size(self) -> Any:
        """The sizes of memory and output."""
        return LSTMStateTuple(self._num_units, self.output_size)

    def build(self, input_shape: Any) -> None:
        """Makes the variables."""
        units, size = self._num_units, self.output_size
        self._recurrent = self.add_variable("recurrent_kernel", [size, 8 * units])
        self._kernel = self.add_variable("kernel", [depth_of(input_shape), 8 * units])
        if self._use_bias:
            self._bias = self.add_variable("bias", [8 * units], initializer=Zeros(dtype=self.dtype))
        if self._num_proj is not None:
            self._projection = self.add_variable("projection_weights", [units, self._num_proj])
        self.built = True

    def call(self, inputs: Any, state: Any) -> Any:
        """One step."""
        c, m = state
        from_input, from_state = matmul(inputs, self._kernel), matmul(m, self._recurrent)
        if self._use_bias:
            from_state = bias_add(from_state, self._bias)
        h, x = split(from_state, 8, 1), split(from_input, 8, 1)
        first = [
            sigmoid(x[0] + h[0]),
            relu(x[1] + h[1]),
            sigmoid(x[2] + h[2]),
            relu(x[3] * h[3]),
            tanh(x[4] + h[4]),
            sigmoid(x[5] + h[5]),
            tanh(x[6] + h[6]),
            sigmoid(x[7] + h[7]),
        ]
        second = [
            tanh(first[0] * first[1]),
            tanh(first[2] + first[3]),
            tanh(first[4] * first[5]),
            sigmoid(first[6] + first[7]),
        ]
        new_c = tanh(second[0] + c) * second[1]
        new_m = tanh(new_c * tanh(second[2] + second[3]))
        if self._num_proj is not None:
            new_m = matmul(new_m, self._projection)
        return new_m, LSTMStateTuple(new_c, new_m)


@public("contrib.rnn.SRUCell")
class SRUCell(UnitsCell):
    """A simple recurrent unit, whose products do not depend on the state (Lei et al. 2017).

    Args:
      num_units: the size of state and output.
      activation: default tanh.
      reuse: whether variables may exist already.
      name, **kwargs: as for `Layer`.
    """

    def __init__(
        self,
        num_units: int,
        activation: Any = None,
        reuse: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_units, activation, reuse, name, kwargs.pop("dtype", None), kwargs)

    @property
    def state_size(self) -> Any:
        """The size of the state."""
        return self._num_units

    def build(self, input_shape: Any) -> None:
        """Makes the variables."""
        self._kernel = self.add_variable("kernel", [depth_of(input_shape), 4 * self._num_units])
        self._bias = self.add_variable("bias", [2 * self._num_units], initializer=Zeros(dtype=self.dtype))
        self.built = True

    def call(self, inputs: Any, state: Any) -> Any:
        """One step."""
        new, forget, reset, skipped = split(matmul(inputs, self._kernel), 4, 1)
        gates = sigmoid(bias_add(concat([forget, reset], 1), self._bias))
        forget, reset = split(gates, 2, 1)
        c = forget * state + (1.0 - forget) * new
        return reset * self._activation(c) + (1.0 - reset) * skipped, c
