"""Memories whose products are convolutions (Xingjian et al. 2015)."""

from __future__ import annotations

from typing import Any

from millrace.core import shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.nn.convolution import conv1d
from millrace.lib.rnn.cells import LSTMStateTuple, RNNCell
from millrace.lib.variables.initializers import Constant
from millrace.lib.variables.scope import get_variable
from millrace.ops.array.concat import concat, split
from millrace.ops.math.elementwise import sigmoid
from millrace.ops.math.trigonometric import tanh
from millrace.ops.nn.conv import conv2d
from millrace.ops.nn.conv3d import conv3d


@public("contrib.rnn.ConvLSTMCell")
class ConvLSTMCell(RNNCell):
    """A memory of one, two or three spatial dimensions.

    Args:
      conv_ndims: how many there are.
      input_shape: of an input without the batch, channels last.
      output_channels: how many channels the memory has.
      kernel_shape: the size of the windows.
      use_bias: whether there is a bias.
      skip_connection: join the input to the output.
      forget_bias: added to the forget gate.
      initializers: accepted.
      name: of the layer.

    Raises:
      ValueError: `input_shape` has another rank.
    """

    def __init__(
        self,
        conv_ndims: int,
        input_shape: Any,
        output_channels: int,
        kernel_shape: Any,
        use_bias: bool = True,
        skip_connection: bool = False,
        forget_bias: float = 1.0,
        initializers: Any = None,
        name: str = "conv_lstm_cell",
    ) -> None:
        super().__init__(name=name)
        if conv_ndims != len(input_shape) - 1:
            raise ValueError(f"Invalid input_shape {input_shape} for conv_ndims={conv_ndims}.")
        self._conv_ndims, self._kernel_shape = conv_ndims, list(kernel_shape)
        self._output_channels, self._use_bias = output_channels, use_bias
        self._skip_connection, self._forget_bias = skip_connection, forget_bias
        space = list(input_shape)[:-1]
        channels = output_channels + (input_shape[-1] if skip_connection else 0)
        self._output_size = shapes.TensorShape([*space, channels])
        state = shapes.TensorShape([*space, output_channels])
        self._state_size = LSTMStateTuple(state, state)

    @property
    def output_size(self) -> Any:
        """The shape of the output without the batch."""
        return self._output_size

    @property
    def state_size(self) -> Any:
        """The shapes of memory and output without the batch."""
        return self._state_size

    def call(self, inputs: Any, state: Any, scope: Any = None) -> Any:
        """One step."""
        c, hidden = state
        gates = _convolved([inputs, hidden], self._kernel_shape, 4 * self._output_channels, self._use_bias)
        i, new, f, o = split(gates, 4, self._conv_ndims + 1)
        new_c = sigmoid(f + self._forget_bias) * c
        new_c = new_c + sigmoid(i) * tanh(new)
        output = tanh(new_c) * sigmoid(o)
        new_state = LSTMStateTuple(new_c, output)
        if self._skip_connection:
            output = concat([output, inputs], -1)
        return output, new_state


def _convolved(values: list[Tensor], window: list[int], features: int, bias: bool) -> Tensor:
    """A convolution of the values' channels together."""
    ranks = {len(v.dims or ()) for v in values}
    rank = ranks.pop()
    if ranks or rank not in (3, 4, 5):
        raise ValueError(
            "ConvLSTMCell: inputs and state must have one rank of 3, 4 or 5. Received: "
            f"{[str(v.get_shape()) for v in values]}"
        )
    dtype = values[0].dtype
    depth = sum(int(v.get_shape()[-1]) for v in values)
    kernel = get_variable("kernel", [*window, depth, features], dtype=dtype)
    joined = values[0] if len(values) == 1 else concat(values, rank - 1)
    if rank == 3:
        found = conv1d(joined, kernel, 1, padding="SAME")
    else:
        found = (conv2d if rank == 4 else conv3d)(joined, kernel, [1] * rank, padding="SAME")
    if not bias:
        return found
    return found + get_variable("biases", [features], dtype=dtype, initializer=Constant(0.0, dtype=dtype))


@public("contrib.rnn.Conv1DLSTMCell")
class Conv1DLSTMCell(ConvLSTMCell):
    """`ConvLSTMCell` of one spatial dimension; arguments as for it."""

    def __init__(self, name: str = "conv_1d_lstm_cell", **kwargs: Any) -> None:
        super().__init__(conv_ndims=1, name=name, **kwargs)


@public("contrib.rnn.Conv2DLSTMCell")
class Conv2DLSTMCell(ConvLSTMCell):
    """`ConvLSTMCell` of two spatial dimensions; arguments as for it."""

    def __init__(self, name: str = "conv_2d_lstm_cell", **kwargs: Any) -> None:
        super().__init__(conv_ndims=2, name=name, **kwargs)


@public("contrib.rnn.Conv3DLSTMCell")
class Conv3DLSTMCell(ConvLSTMCell):
    """`ConvLSTMCell` of three spatial dimensions; arguments as for it."""

    def __init__(self, name: str = "conv_3d_lstm_cell", **kwargs: Any) -> None:
        super().__init__(conv_ndims=3, name=name, **kwargs)
