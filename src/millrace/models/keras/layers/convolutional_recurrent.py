"""`ConvLSTM2D`: a long short-term memory of images."""

from __future__ import annotations

from typing import Any

from millrace.core import shapes
from millrace.core.public import public
from millrace.core.shapes import TensorShape
from millrace.lib.layers import constraints, penalties, settings
from millrace.lib.layers.core import data_format_of
from millrace.lib.layers.pooling import output_length, padding_of, sizes_of
from millrace.lib.layers.spec import InputSpec
from millrace.lib.math.reductions import reduce_sum
from millrace.lib.variables import keras_initializers
from millrace.models.keras import activations
from millrace.models.keras.backend import convolutions, products
from millrace.models.keras.layers.cells import DroppingCell
from millrace.models.keras.layers.core import weight_settings, with_after
from millrace.models.keras.layers.gated_cells import forget_bias
from millrace.models.keras.layers.recurrent import RNN
from millrace.ops.array.concat import split
from millrace.ops.array.constant import zeros
from millrace.ops.array.fill import zeros_like


class ConvLSTM2DCell(DroppingCell):
    """One step of `ConvLSTM2D`; arguments likewise."""

    gates = 4

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
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
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = sizes_of(kernel_size, 2, "kernel_size")
        self.strides = sizes_of(strides, 2, "strides")
        self.padding = padding_of(padding)
        self.data_format = data_format_of(
            settings.image_data_format() if data_format is None else data_format
        )
        self.dilation_rate = sizes_of(dilation_rate, 2, "dilation_rate")
        self.activation = activations.get(activation)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.use_bias, self.unit_forget_bias = use_bias, unit_forget_bias
        self.kernel_initializer = keras_initializers.get(kernel_initializer)
        self.recurrent_initializer = keras_initializers.get(recurrent_initializer)
        self.bias_initializer = keras_initializers.get(bias_initializer)
        self.kernel_regularizer = penalties.get(kernel_regularizer)
        self.recurrent_regularizer = penalties.get(recurrent_regularizer)
        self.bias_regularizer = penalties.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.recurrent_constraint = constraints.get(recurrent_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.dropout = min(1.0, max(0.0, dropout))
        self.recurrent_dropout = min(1.0, max(0.0, recurrent_dropout))

    @property
    def state_size(self) -> Any:
        """The numbers of channels of output and memory."""
        return (self.filters, self.filters)

    @property
    def output_size(self) -> Any:
        """The number of channels of the output."""
        return self.filters

    def build(self, input_shape: Any) -> None:
        """Makes `kernel`, `recurrent_kernel` and `bias`.

        Raises:
          ValueError: the number of channels is unknown.
        """
        dims: tuple[Any, ...] = shapes.as_dims(input_shape) or ()
        depth = dims[1 if self.data_format == "channels_first" else -1]
        if depth is None:
            raise ValueError(
                f"The channel dimension of the inputs should be defined. Received: shape {tuple(dims)}"
            )
        width = self.filters * 4
        self.kernel = self.add_weight(
            shape=(*self.kernel_size, depth, width),
            initializer=self.kernel_initializer,
            name="kernel",
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.recurrent_kernel = self.add_weight(
            shape=(*self.kernel_size, self.filters, width),
            initializer=self.recurrent_initializer,
            name="recurrent_kernel",
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
        self.bias = None
        if self.use_bias:
            first = self.bias_initializer
            self.bias = self.add_weight(
                shape=(width,),
                name="bias",
                initializer=forget_bias(first, self.filters) if self.unit_forget_bias else first,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.built = True

    def call(self, inputs: Any, states: Any, training: Any = None) -> Any:
        """The output and the new states."""
        state, memory = states[0], states[1]
        factors = self.get_dropout_mask_for_cell(inputs, training, count=4) or [None] * 4
        again = self.get_recurrent_dropout_mask_for_cell(state, training, count=4) or [None] * 4
        xs = [inputs if f is None else inputs * f for f in factors]
        states = [state if f is None else state * f for f in again]
        kernels = split(self.kernel, 4, axis=3)
        inner = split(self.recurrent_kernel, 4, axis=3)
        biases = [None] * 4 if self.bias is None else split(self.bias, 4, axis=0)
        xs = [self.input_conv(x, w, b, self.padding) for x, w, b in zip(xs, kernels, biases, strict=True)]
        hs = [self.recurrent_conv(h, w) for h, w in zip(states, inner, strict=True)]
        i = self.recurrent_activation(xs[0] + hs[0])
        f = self.recurrent_activation(xs[1] + hs[1])
        new = f * memory + i * self.activation(xs[2] + hs[2])
        o = self.recurrent_activation(xs[3] + hs[3])
        output = o * self.activation(new)
        return output, [output, new]

    def input_conv(self, x: Any, w: Any, b: Any = None, padding: str = "valid") -> Any:
        """The convolution of the inputs."""
        found = convolutions.conv2d(
            x, w, strides=self.strides, padding=padding, data_format=self.data_format,
            dilation_rate=self.dilation_rate,
        )  # fmt: skip
        return found if b is None else products.bias_add(found, b, data_format=self.data_format)

    def recurrent_conv(self, x: Any, w: Any) -> Any:
        """The convolution of the state."""
        return convolutions.conv2d(x, w, strides=(1, 1), padding="same", data_format=self.data_format)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal cell."""
        weights = weight_settings(self, ("kernel", "recurrent", "bias"))
        weights.pop("activity_regularizer")
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            "activation": activations.serialize(self.activation),
            "recurrent_activation": activations.serialize(self.recurrent_activation),
            "use_bias": self.use_bias,
            **with_after(weights, "bias_initializer", {"unit_forget_bias": self.unit_forget_bias}),
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
        }


@public("keras.layers.ConvLSTM2D")
class ConvLSTM2D(RNN):
    """A long short-term memory of images: `[batch, time, height, width, channels]`.

    Args:
      filters: how many channels the outputs have.
      kernel_size, strides, padding, data_format, dilation_rate: as for `Conv2D`.
      activation, recurrent_activation: of the states and of the gates.
      use_bias: whether there is a bias.
      kernel_initializer, recurrent_initializer, bias_initializer: first values of the weights.
      unit_forget_bias: begin with a bias of 1 for the forget gate.
      kernel_regularizer, recurrent_regularizer, bias_regularizer: penalties of the weights.
      activity_regularizer: a penalty of the outputs.
      kernel_constraint, recurrent_constraint, bias_constraint: what optimizers apply after each step.
      return_sequences, go_backwards, stateful: as for `RNN`.
      dropout, recurrent_dropout: the probabilities that elements of inputs and states go.
      **kwargs: as for `RNN`.
    """

    _counts_steps = True

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
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
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        return_sequences: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        own = ("filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "activation",
               "recurrent_activation", "use_bias", "kernel_initializer", "recurrent_initializer",
               "bias_initializer", "unit_forget_bias", "kernel_regularizer", "recurrent_regularizer",
               "bias_regularizer", "kernel_constraint", "recurrent_constraint", "bias_constraint", "dropout",
               "recurrent_dropout")  # fmt: skip
        given = locals()
        arguments = {k: given[k] for k in own}
        if "dtype" in kwargs:
            arguments["dtype"] = kwargs["dtype"]
        super().__init__(
            ConvLSTM2DCell(**arguments),
            return_sequences=return_sequences,
            go_backwards=go_backwards,
            stateful=stateful,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self.input_spec = [InputSpec(ndim=5)]
        object.__setattr__(self, "_state_dims", None)

    def __getattr__(self, name: str) -> Any:
        cell = self.__dict__.get("cell")
        if cell is not None and name[0] != "_" and name in vars(cell):
            return getattr(cell, name)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def build(self, input_shape: Any) -> None:
        """Builds the cell; the states have the outputs' shape."""
        whole = input_shape[0] if isinstance(input_shape, list) else input_shape
        dims = tuple(shapes.as_dims(whole) or ())
        object.__setattr__(self, "_state_dims", self._image(dims)[1:])
        self.state_spec = None if self.state_spec is None else self.state_spec
        super().build(input_shape)

    def _state_lengths(self, size: Any) -> list[Any]:
        return list(self._state_dims or [None, None, None])

    def _image(self, dims: tuple[Any, ...]) -> list[Any]:
        """The shape of the outputs at one time step."""
        cell = self.cell
        first = cell.data_format == "channels_first"
        lengths = dims[3:5] if first else dims[2:4]
        found = [
            output_length(n, k, cell.padding, s, d)
            for n, k, s, d in zip(lengths, cell.kernel_size, cell.strides, cell.dilation_rate, strict=True)
        ]
        return [dims[0], cell.filters, *found] if first else [dims[0], *found, cell.filters]

    def get_initial_state(self, inputs: Any) -> Any:
        """States of zeros for inputs."""
        state = reduce_sum(zeros_like(inputs), axis=1)
        shape = [int(d) for d in self.cell.kernel.shape]
        shape[-1] = self.cell.filters
        found = self.cell.input_conv(state, zeros(tuple(shape), inputs.dtype), padding=self.cell.padding)
        return [found, found]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the outputs for inputs of shape `input_shape`."""
        if isinstance(input_shape, list) and not all(isinstance(d, int | None) for d in input_shape):
            input_shape = input_shape[0]
        dims = tuple(shapes.as_dims(input_shape) or ())
        image = self._image(dims)
        found = TensorShape([dims[0], dims[1], *image[1:]] if self.return_sequences else image)
        return [found, TensorShape(image), TensorShape(image)] if self.return_state else found

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        own = self.cell.get_config()
        for name in ("name", "trainable", "dtype"):
            own.pop(name)
        own = with_after(own, "bias_regularizer", weight_settings(self, ()))
        return {**super().get_config(), **own}
