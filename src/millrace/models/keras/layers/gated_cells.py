"""Cells with gates: `GRUCell`, `LSTMCell`, and an LSTM whose gates see the memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.core.public import public
from millrace.lib.variables import keras_initializers
from millrace.models.keras import activations
from millrace.models.keras.layers.cells import UnitsCell, times_or_same
from millrace.models.keras.layers.core import with_after
from millrace.ops.array.concat import concat, split, unstack
from millrace.ops.linalg.matmul import matmul
from millrace.ops.nn.bias import bias_add


class _GatedCell(UnitsCell):
    """A cell with gates, which have an activation of their own.

    Args:
      units, activation: as for `SimpleRNNCell`.
      recurrent_activation: of the gates.
      implementation: 1 computes gate by gate, 2 all at once.
      **kwargs: as for `SimpleRNNCell`.
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "hard_sigmoid",
        use_bias: bool = True,
        implementation: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, activation, use_bias, **kwargs)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.implementation = implementation

    def _factors(self, inputs: Any, state: Any, training: Any) -> tuple[list[Any], list[Any]]:
        """What each gate's inputs and states are multiplied with, None where nothing is dropped."""
        given = self.get_dropout_mask_for_cell(inputs, training, count=self.gates)
        kept = self.get_recurrent_dropout_mask_for_cell(state, training, count=self.gates)
        nothing = [None] * self.gates
        return given or nothing, kept or nothing

    def _part(self, matrix: Any, gate: int, stop: int | None = None) -> Any:
        """The columns of a gate, or of all before `stop`; the last gate's are those that are left."""
        stop = stop or gate + 1
        return matrix[:, self.units * gate or None : self.units * stop if stop < self.gates else None]

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal cell."""
        gates = {"recurrent_activation": activations.serialize(self.recurrent_activation)}
        return {
            **with_after(super().get_config(), "activation", gates),
            "implementation": self.implementation,
        }


@public("keras.layers.GRUCell")
class GRUCell(_GatedCell):
    """A gated recurrent unit (Cho and others).

    Args:
      units: the state's size.
      activation, recurrent_activation: of the state and of the gates.
      use_bias: whether there is a bias.
      kernel_initializer, recurrent_initializer, bias_initializer: first values of the weights.
      kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties of the weights.
      kernel_constraint, recurrent_constraint, bias_constraint: what optimizers apply after each step.
      dropout, recurrent_dropout: the probabilities that elements of inputs and states go.
      implementation: 1 computes gate by gate, 2 all at once.
      reset_after: apply the reset gate after the product with the state.
      **kwargs: as for `Layer`.
    """

    gates = 3

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "hard_sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        implementation: int = 1,
        reset_after: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units,
            activation,
            recurrent_activation,
            use_bias,
            implementation,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            **kwargs,
        )
        self.reset_after = reset_after

    def _bias_shape(self) -> tuple[int, ...]:
        width = 3 * self.units
        return (2, width) if self.reset_after else (width,)

    def call(self, inputs: Any, states: Any, training: Any = None) -> Any:
        """The output and the new state."""
        state = states[0]
        bias, again = self.bias, None
        factors = self._factors(inputs, state, training)
        if bias is not None and self.reset_after:
            bias, again = unstack(bias)
        if self.implementation == 1:
            z, fresh = self._by_gates(inputs, state, factors, bias, again)
        else:
            z, fresh, state = self._at_once(inputs, state, factors, bias, again)
        output = z * state + (1 - z) * fresh
        return output, [output]

    def _by_gates(self, inputs: Any, state: Any, factors: Any, bias: Any, again: Any) -> tuple[Any, Any]:
        u = self.units
        given = [times_or_same(inputs, f) for f in factors[0]]
        x = [matmul(g, self._part(self.kernel, i)) for i, g in enumerate(given)]
        if bias is not None:
            parts = slice(None, u), slice(u, 2 * u), slice(2 * u, None)
            x = [bias_add(v, bias[p]) for v, p in zip(x, parts, strict=True)]
        kept = [times_or_same(state, f) for f in factors[1]]
        kernel = self.recurrent_kernel
        inner_z, inner_r = matmul(kept[0], self._part(kernel, 0)), matmul(kept[1], self._part(kernel, 1))
        if again is not None:
            inner_z, inner_r = bias_add(inner_z, again[:u]), bias_add(inner_r, again[u : 2 * u])
        z = self.recurrent_activation(x[0] + inner_z)
        r = self.recurrent_activation(x[1] + inner_r)
        if self.reset_after:
            inner = matmul(kept[2], self._part(kernel, 2))
            inner = r * (inner if again is None else bias_add(inner, again[2 * u :]))
        else:
            inner = matmul(r * kept[2], self._part(kernel, 2))
        return z, self.activation(x[2] + inner)

    def _at_once(self, inputs: Any, state: Any, factors: Any, bias: Any, again: Any) -> tuple[Any, Any, Any]:
        """The update gate, the candidate, and the state with what was dropped of it."""
        x = matmul(times_or_same(inputs, factors[0][0]), self.kernel)
        if bias is not None:
            x = bias_add(x, bias)
        x_z, x_r, x_h = (self._part(x, i) for i in range(3))
        state = times_or_same(state, factors[1][0])
        kernel = self.recurrent_kernel
        if self.reset_after:
            inner = matmul(state, kernel)
            inner = inner if again is None else bias_add(inner, again)
        else:
            inner = matmul(state, self._part(kernel, 0, 2))
        inner_z, inner_r = self._part(inner, 0), inner[:, self.units : 2 * self.units]
        z = self.recurrent_activation(x_z + inner_z)
        r = self.recurrent_activation(x_r + inner_r)
        inner_h = r * self._part(inner, 2) if self.reset_after else matmul(r * state, self._part(kernel, 2))
        return z, self.activation(x_h + inner_h), state

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal cell."""
        return {**super().get_config(), "reset_after": self.reset_after}


@public("keras.layers.LSTMCell")
class LSTMCell(_GatedCell):
    """A long short-term memory (Hochreiter and Schmidhuber).

    Args:
      units: the states' size.
      activation, recurrent_activation: of the states and of the gates.
      use_bias: whether there is a bias.
      kernel_initializer, recurrent_initializer, bias_initializer: first values of the weights.
      unit_forget_bias: begin with a bias of 1 for the forget gate.
      kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties of the weights.
      kernel_constraint, recurrent_constraint, bias_constraint: what optimizers apply after each step.
      dropout, recurrent_dropout: the probabilities that elements of inputs and states go.
      implementation: 1 computes gate by gate, 2 all at once.
      **kwargs: as for `Layer`.
    """

    gates = 4

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "hard_sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        implementation: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units,
            activation,
            recurrent_activation,
            use_bias,
            implementation,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            **kwargs,
        )
        self.unit_forget_bias = unit_forget_bias

    @property
    def state_size(self) -> Any:
        """The sizes of output and memory."""
        return [self.units, self.units]

    def _first_bias(self) -> Any:
        return (
            forget_bias(self.bias_initializer, self.units) if self.unit_forget_bias else self.bias_initializer
        )

    def call(self, inputs: Any, states: Any, training: Any = None) -> Any:
        """The output and the new states, of which the first is the output."""
        state, memory = states[0], states[1]
        factors = self._factors(inputs, state, training)
        gate = self._gate_by_gate if self.implementation == 1 else self._gates_at_once
        return self._stepped(gate(inputs, state, *factors), memory)

    def _gate_by_gate(self, inputs: Any, state: Any, given: Any, kept: Any) -> Callable[[int], Any]:
        inputs = [times_or_same(inputs, f) for f in given]
        x = [matmul(g, k) for g, k in zip(inputs, split(self.kernel, 4, axis=1), strict=True)]
        if self.bias is not None:
            x = [bias_add(v, b) for v, b in zip(x, split(self.bias, 4, axis=0), strict=True)]
        states = [times_or_same(state, f) for f in kept]
        return lambda i: x[i] + matmul(states[i], self._part(self.recurrent_kernel, i))

    def _gates_at_once(self, inputs: Any, state: Any, given: Any, kept: Any) -> Callable[[int], Any]:
        z = matmul(times_or_same(inputs, given[0]), self.kernel)
        z = z + matmul(times_or_same(state, kept[0]), self.recurrent_kernel)
        if self.bias is not None:
            z = bias_add(z, self.bias)
        return split(z, 4, axis=1).__getitem__

    def _stepped(self, gate: Callable[[int], Any], memory: Any) -> Any:
        """The step for what goes into each gate, which is asked for in order."""
        i = self.recurrent_activation(gate(0))
        f = self.recurrent_activation(gate(1))
        new = f * memory + i * self.activation(gate(2))
        o = self.recurrent_activation(gate(3))
        output = o * self.activation(new)
        return output, [output, new]

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal cell."""
        bias = {"unit_forget_bias": self.unit_forget_bias}
        return with_after(super().get_config(), "bias_initializer", bias)


def forget_bias(initializer: Any, units: int) -> Any:
    """An initializer whose second quarter is 1."""

    def first(_: Any, *args: Any, **kwargs: Any) -> Any:
        one = keras_initializers.get("ones")
        return concat(
            [
                initializer([units], *args, **kwargs),
                one([units], *args, **kwargs),
                initializer([units * 2], *args, **kwargs),
            ],
            0,
        )

    return first


@public("keras.experimental.PeepholeLSTMCell")
class PeepholeLSTMCell(LSTMCell):
    """An LSTM whose gates see the memory; arguments as for `LSTMCell`."""

    input_gate_peephole_weights: Any
    forget_gate_peephole_weights: Any
    output_gate_peephole_weights: Any

    def build(self, input_shape: Any) -> None:
        """Makes the weights of an LSTM, and one for each gate's look at the memory."""
        super().build(input_shape)
        for gate in ("input", "forget", "output"):
            made = self.add_weight(
                shape=(self.units,), name=f"{gate}_gate_peephole_weights", initializer=self.kernel_initializer
            )
            setattr(self, f"{gate}_gate_peephole_weights", made)

    def _stepped(self, gate: Callable[[int], Any], memory: Any) -> Any:
        i = self.recurrent_activation(gate(0) + self.input_gate_peephole_weights * memory)
        f = self.recurrent_activation(gate(1) + self.forget_gate_peephole_weights * memory)
        new = f * memory + i * self.activation(gate(2))
        o = self.recurrent_activation(gate(3) + self.output_gate_peephole_weights * new)
        output = o * self.activation(new)
        return output, [output, new]
