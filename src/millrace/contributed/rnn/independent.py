"""Cells whose units see only themselves of the step before (Li et al. 2018)."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import convert, raw
from millrace.core.dtypes import int32
from millrace.core.public import public
from millrace.lib.rnn.cells import LSTMStateTuple, UnitsCell, depth_of
from millrace.lib.variables.initializers import Constant, RandomUniform, Zeros
from millrace.ops.array.concat import split
from millrace.ops.array.tile import tile
from millrace.ops.linalg.matmul import matmul
from millrace.ops.math.arithmetic import add, multiply
from millrace.ops.math.elementwise import sigmoid
from millrace.ops.nn.bias import bias_add


def _own(dtype: Any) -> RandomUniform:
    """How the weights of a unit for itself begin."""
    return RandomUniform(minval=-1, maxval=1, dtype=dtype)


@public("contrib.rnn.IndRNNCell")
class IndRNNCell(UnitsCell):
    """output = state' = activation(W input + u * state + b).

    Args:
      num_units: the size of state and output.
      activation: default tanh.
      reuse: whether variables may exist already.
      name, dtype: as for `Layer`.
    """

    def __init__(
        self,
        num_units: int,
        activation: Any = None,
        reuse: Any = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_units, activation, reuse, name, dtype, {})

    @property
    def state_size(self) -> Any:
        """The size of the state."""
        return self._num_units

    def build(self, input_shape: Any) -> None:
        """Makes the variables."""
        units = self._num_units
        self._kernel_w = self.add_variable("kernel_w", [depth_of(input_shape), units])
        self._kernel_u = self.add_variable("kernel_u", [1, units], initializer=_own(self.dtype))
        self._bias = self.add_variable("bias", [units], initializer=Zeros(dtype=self.dtype))
        self.built = True

    def call(self, inputs: Any, state: Any) -> Any:
        """One step."""
        gate = matmul(inputs, self._kernel_w) + state * self._kernel_u
        output = self._activation(bias_add(gate, self._bias))
        return output, output


@public("contrib.rnn.IndyGRUCell")
class IndyGRUCell(UnitsCell):
    """A gated recurrent unit whose units see only themselves of the step before.

    Args:
      num_units: the size of state and output.
      activation: of the candidate; default tanh.
      reuse: whether variables may exist already.
      kernel_initializer: of the weights of inputs.
      bias_initializer: of both biases; default ones for the gates, zeros for the candidate.
      name, dtype: as for `Layer`.
    """

    def __init__(
        self,
        num_units: int,
        activation: Any = None,
        reuse: Any = None,
        kernel_initializer: Any = None,
        bias_initializer: Any = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_units, activation, reuse, name, dtype, {})
        self._kernel_initializer, self._bias_initializer = kernel_initializer, bias_initializer

    @property
    def state_size(self) -> Any:
        """The size of the state."""
        return self._num_units

    def build(self, input_shape: Any) -> None:
        """Makes the variables."""
        depth, units = depth_of(input_shape), self._num_units
        start, bias = self._kernel_initializer, self._bias_initializer
        ones = Constant(1.0, dtype=self.dtype) if bias is None else bias
        none = Zeros(dtype=self.dtype) if bias is None else bias
        self._gate_w = self.add_variable("gates/kernel_w", [depth, 2 * units], initializer=start)
        self._gate_u = self.add_variable("gates/kernel_u", [1, 2 * units], initializer=_own(self.dtype))
        self._gate_bias = self.add_variable("gates/bias", [2 * units], initializer=ones)
        self._new_w = self.add_variable("candidate/kernel", [depth, units], initializer=start)
        self._new_u = self.add_variable("candidate/kernel_u", [1, units], initializer=_own(self.dtype))
        self._new_bias = self.add_variable("candidate/bias", [units], initializer=none)
        self.built = True

    def call(self, inputs: Any, state: Any) -> Any:
        """One step."""
        gates = matmul(inputs, self._gate_w) + tile(state, [1, 2]) * self._gate_u
        r, u = split(sigmoid(bias_add(gates, self._gate_bias)), 2, 1)
        kept = r * state
        candidate = matmul(inputs, self._new_w) + kept * self._new_u
        c = self._activation(bias_add(candidate, self._new_bias))
        new = u * state + (1 - u) * c
        return new, new


@public("contrib.rnn.IndyLSTMCell")
class IndyLSTMCell(UnitsCell):
    """A long short-term memory whose units see only themselves of the step before.

    Args:
      num_units: the size of memory and output.
      forget_bias: added to the forget gate.
      activation: default tanh.
      reuse: whether variables may exist already.
      kernel_initializer: of the weights of inputs.
      bias_initializer: of the bias; default zeros.
      name, dtype: as for `Layer`.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        activation: Any = None,
        reuse: Any = None,
        kernel_initializer: Any = None,
        bias_initializer: Any = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_units, activation, reuse, name, dtype, {})
        self._forget_bias = forget_bias
        self._kernel_initializer, self._bias_initializer = kernel_initializer, bias_initializer

    @property
    def state_size(self) -> Any:
        """The sizes of memory and output."""
        return LSTMStateTuple(self._num_units, self._num_units)

    def build(self, input_shape: Any) -> None:
        """Makes the variables."""
        width = 4 * self._num_units
        bias = Zeros(dtype=self.dtype) if self._bias_initializer is None else self._bias_initializer
        self._kernel_w = self.add_variable(
            "kernel_w", [depth_of(input_shape), width], initializer=self._kernel_initializer
        )
        self._kernel_u = self.add_variable("kernel_u", [1, width], initializer=_own(self.dtype))
        self._bias = self.add_variable("bias", [width], initializer=bias)
        self.built = True

    def call(self, inputs: Any, state: Any) -> Any:
        """One step."""
        c, h = state
        axis = raw.Const(value=np.int32(1), dtype=int32)
        gates = matmul(inputs, self._kernel_w) + tile(h, [1, 4]) * self._kernel_u
        i, j, f, o = split(bias_add(gates, self._bias), 4, axis)
        bias = convert.to_tensor(self._forget_bias, f.dtype)
        kept = multiply(c, sigmoid(add(f, bias)))
        new_c = add(kept, multiply(sigmoid(i), self._activation(j)))
        new_h = multiply(self._activation(new_c), sigmoid(o))
        return new_h, LSTMStateTuple(new_c, new_h)
