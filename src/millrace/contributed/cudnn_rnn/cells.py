"""Cells with the equations of cuDNN: they read what its layers have saved."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.contributed.rnn.block import LSTMBlockCell
from millrace.core.public import public
from millrace.lib.rnn.cells import GRUCell, depth_of
from millrace.lib.variables.initializers import Constant, Zeros
from millrace.ops.array.concat import concat, split
from millrace.ops.linalg.matmul import matmul
from millrace.ops.math.elementwise import sigmoid
from millrace.ops.nn.bias import bias_add


@public("contrib.cudnn_rnn.CudnnCompatibleLSTMCell")
class CudnnCompatibleLSTMCell(LSTMBlockCell):
    """A memory without peepholes, clipping or bias on its forget gate, as in `CudnnLSTM`.

    Args:
      num_units: the size of memory and output.
      reuse: whether variables may exist already.
    """

    def __init__(self, num_units: int, reuse: Any = None) -> None:
        super().__init__(
            num_units,
            forget_bias=0,
            cell_clip=None,
            use_peephole=False,
            reuse=reuse,
            name="cudnn_compatible_lstm_cell",
        )


@public("contrib.cudnn_rnn.CudnnCompatibleGRUCell")
class CudnnCompatibleGRUCell(GRUCell):
    """A gated recurrent unit whose reset gate stands behind the product with the state, as in `CudnnGRU`.

    Args:
      num_units: the size of state and output.
      reuse: whether variables may exist already.
      kernel_initializer: of the kernels.
    """

    def __init__(self, num_units: int, reuse: Any = None, kernel_initializer: Any = None) -> None:
        super().__init__(num_units, activation=None, reuse=reuse, kernel_initializer=kernel_initializer)

    def build(self, input_shape: Any) -> None:
        """Makes the variables."""
        depth, units, start = depth_of(input_shape), self._num_units, self._kernel_initializer
        none = Zeros(dtype=self.dtype) if self._bias_initializer is None else self._bias_initializer
        ones = Constant(1.0, dtype=self.dtype) if self._bias_initializer is None else none
        self._gate_kernel = self.add_variable("gates/kernel", [depth + units, 2 * units], initializer=start)
        self._gate_bias = self.add_variable("gates/bias", [2 * units], initializer=ones)
        names = [f"candidate/{side}_projection" for side in ("input", "hidden")]
        self._kernels = [
            self.add_variable(f"{name}/kernel", [rows, units], initializer=start)
            for name, rows in zip(names, (depth, units), strict=True)
        ]
        self._biases = [self.add_variable(f"{name}/bias", [units], initializer=none) for name in names]
        self.built = True

    def call(self, inputs: Any, state: Any) -> Any:
        """One step."""
        gates = bias_add(matmul(concat([inputs, state], 1), self._gate_kernel), self._gate_bias)
        r, u = split(sigmoid(gates), 2, 1)
        hidden = bias_add(matmul(state, self._kernels[1]), self._biases[1])
        given = bias_add(matmul(inputs, self._kernels[0]), self._biases[0])
        candidate = raw.Tanh(given + r * hidden)
        new = (1 - u) * candidate + u * state
        return new, new
