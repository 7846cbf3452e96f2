"""`tf.layers`: convolutions over one, two or three axes, and their transposes."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, raw
from millrace.core import shapes
from millrace.core.dtypes import int32
from millrace.core.public import public
from millrace.core.shapes import TensorShape
from millrace.graph.tensor import Tensor
from millrace.lib.layers import layer
from millrace.lib.layers.base import Layer, activation_of
from millrace.lib.layers.core import ZEROS, data_format_of
from millrace.lib.layers.pooling import output_length, padding_of, sizes_of
from millrace.lib.layers.spec import InputSpec
from millrace.lib.nn.convolution import Convolving, layout_of
from millrace.opkit.rules import windows
from millrace.ops.array.concat import stack
from millrace.ops.nn.bias import bias_add
from millrace.ops.nn.conv import conv2d_transpose as nn_conv2d_transpose
from millrace.ops.nn.conv3d import conv3d_transpose as nn_conv3d_transpose


class Convolution(layer.Layer):
    """outputs = activation(convolution of the inputs with `kernel`, plus `bias`).

    Args:
      filters: how many channels the outputs have.
      kernel_size: the window: one integer, or one for each spatial axis.
      strides: its steps, likewise.
      padding: "valid" or "same".
      data_format: "channels_last" or "channels_first".
      dilation_rate: the steps between the window's elements, likewise; not above 1 together with `strides`.
      activation: a function of a tensor; None for none.
      use_bias: whether there is a bias.
      kernel_initializer, bias_initializer: first values of the variables `kernel`, `[..., in, filters]`, and
        `bias`, `[filters]`.
      kernel_regularizer, bias_regularizer: functions from a variable to a scalar loss.
      activity_regularizer: a function from the outputs to a scalar loss.
      kernel_constraint, bias_constraint: functions that optimizers apply to a variable after each step.
      trainable: whether the variables are trained.
      name: of the layer and of its variables' scope.
      **kwargs: `dtype`, see `tf.layers.Layer`.

    Raises:
      ValueError: an argument is not one of these.
    """

    rank: int
    _last_axis = -1  # how the input spec names the axis of channels that come last

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str = "channels_last",
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = None,
        bias_initializer: Any = ZEROS,
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        trainable: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(trainable, name, activity_regularizer=activity_regularizer, **kwargs)
        self.filters = filters
        self.kernel_size = sizes_of(kernel_size, self.rank, "kernel_size")
        self.strides = sizes_of(strides, self.rank, "strides")
        self.padding = padding_of(padding)
        if self.padding == "causal" and self.rank != 1:
            raise ValueError(f"Causal padding is only supported for 1D. Received: {self.rank} spatial axes")
        self.data_format = data_format_of(data_format)
        self.dilation_rate = sizes_of(dilation_rate, self.rank, "dilation_rate")
        self.activation = activation_of(activation)
        self.use_bias = use_bias
        self.kernel_initializer, self.bias_initializer = kernel_initializer, bias_initializer
        self.kernel_regularizer, self.bias_regularizer = kernel_regularizer, bias_regularizer
        self.kernel_constraint, self.bias_constraint = kernel_constraint, bias_constraint
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def layout(self) -> str:
        """The layout as `tf.nn` spells it: "NHWC"."""
        return layout_of("NC" if self.data_format == "channels_first" else None, self.rank)

    def build(self, input_shape: Any) -> None:
        """Makes the kernel and the bias.

        Raises:
          ValueError: the inputs' number of channels is unknown.
        """
        depth = self._depth(input_shape)
        self._make_kernels(depth)
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                "bias",
                [self.filters],
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self._convolving = self._prepared()
        self.built = True

    def _prepared(self) -> Convolving | None:
        """What all calls share, drawn with the variables."""
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"Layer {self.name}: strides > 1 not supported in conjunction with dilation_rate > 1. "
                f"Received: strides={self.strides}, dilation_rate={self.dilation_rate}"
            )
        return Convolving(
            self.kernel, self.strides, self.dilation_rate, self._native_padding, self.layout, None
        )

    def _depth(self, input_shape: Any) -> int:
        dims = shapes.as_dims(input_shape)
        depth = windows.channel(dims, self.layout)
        if depth is None:
            raise ValueError(
                f"Layer {self.name}: the channel dimension of the inputs should be defined. "
                f"Received: shape {shapes.format_dims(dims)}"
            )
        axis = 1 if self.data_format == "channels_first" else self._last_axis
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={axis: depth})
        return depth

    def _make_kernels(self, depth: int) -> None:
        self._make_kernel([*self.kernel_size, depth, self.filters])

    def _make_kernel(self, shape: list[int]) -> None:
        self.kernel = self.add_weight(
            "kernel",
            shape,
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )

    def call(self, inputs: Any) -> Tensor:
        """The outputs."""
        return self._finished(self._convolved(self._padded(convert.to_tensor(inputs))))

    def _padded(self, inputs: Tensor) -> Tensor:
        if self.padding != "causal":
            return inputs
        place = 2 if self.data_format == "channels_first" else 1
        pads = [[0, 0], [0, 0], [0, 0]]
        pads[place][0] = self.dilation_rate[0] * (self.kernel_size[0] - 1)
        return raw.Pad(inputs, convert.to_tensor(pads, int32, name="Pad/paddings"))

    @property
    def _native_padding(self) -> str:
        return "VALID" if self.padding == "causal" else self.padding.upper()

    def _convolved(self, inputs: Tensor) -> Tensor:
        assert self._convolving is not None
        return self._convolving(inputs, self.kernel)

    def _finished(self, outputs: Tensor) -> Tensor:
        if self.bias is not None:
            layout = "NCHW" if self.data_format == "channels_first" else "NHWC"
            outputs = bias_add(outputs, self.bias, data_format=layout)
        return outputs if self.activation is None else self.activation(outputs)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The shape of the outputs for inputs of shape `input_shape`."""
        dims = shapes.as_dims(input_shape)
        found = zip(
            windows.spatial(dims, self.layout),
            self.kernel_size,
            self.strides,
            self.dilation_rate,
            strict=True,
        )
        sizes = [output_length(n, k, self.padding, s, d) for n, k, s, d in found]
        return TensorShape(windows.assemble(dims[0], sizes, self.filters, self.layout))  # pyright: ignore[reportOptionalSubscript]


@public("layers.Conv1D")
class Conv1D(Convolution, Layer):
    """Convolution along one axis: `[batch, length, in]`; `padding` may be "causal": earlier inputs only.

    Args:
      filters: how many channels the outputs have.
      kernel_size: the window, an integer.
      strides, padding, data_format, dilation_rate, activation, use_bias: as for `tf.layers.conv1d`.
      kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer: of its two variables.
      activity_regularizer, kernel_constraint, bias_constraint, trainable, name: likewise.
    """

    rank = 1


@public("layers.Conv2D")
class Conv2D(Convolution, Layer):
    """Convolution of an image: `[batch, height, width, in]`; arguments as for `tf.layers.conv2d`."""

    rank = 2


@public("layers.Conv3D")
class Conv3D(Convolution, Layer):
    """Convolution of a volume: `[batch, depth, height, width, in]`; arguments as for `tf.layers.conv3d`."""

    rank = 3


class Transposed(Convolution):
    """The transpose of a convolution: spreads each input element over a window of the outputs."""

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str = "channels_last",
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = None,
        bias_initializer: Any = ZEROS,
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        trainable: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            strides,
            padding,
            data_format,
            1,
            activation,
            use_bias,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            activity_regularizer,
            kernel_constraint,
            bias_constraint,
            trainable,
            name,
            **kwargs,
        )

    def _prepared(self) -> None:
        return None

    def _make_kernels(self, depth: int) -> None:
        self._make_kernel([*self.kernel_size, self.filters, depth])

    def _convolved(self, inputs: Tensor) -> Tensor:
        sizes = convert.shape_tensor(inputs)
        first = 2 if self.data_format == "channels_first" else 1
        batch, lengths = sizes[0], [sizes[first + i] for i in range(self.rank)]
        spread = self._spreads(lengths)
        shape = stack(windows.assemble(batch, spread, self.filters, self.layout))
        if self.rank == 2:
            shape[0]  # nobody takes it, but TensorFlow adds and counts it
        transposed = nn_conv2d_transpose if self.rank == 2 else nn_conv3d_transpose
        outputs = transposed(
            inputs,
            self.kernel,
            shape,
            windows.assemble(1, self.strides, 1, self.layout),
            padding=self._native_padding,
            data_format=self.layout,
        )
        outputs.set_shape(self.compute_output_shape(inputs.shape))
        return outputs

    # What is added to the least length of each spatial axis; None for the usual length.
    output_padding: Any = None

    def _spread(self, length: Any, window: int, step: int, extra: int | None) -> Any:
        if extra is not None:
            pad = window // 2 if self.padding == "same" else 0
            return (length - 1) * step + window - 2 * pad + extra
        found = length * step
        return found + max(window - step, 0) if self.padding == "valid" else found

    def _spreads(self, lengths: Any) -> list[Any]:
        extras = self.output_padding or (None,) * self.rank
        found = zip(lengths, self.kernel_size, self.strides, extras, strict=True)
        return [None if n is None else self._spread(n, k, s, e) for n, k, s, e in found]

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The shape of the outputs for inputs of shape `input_shape`."""
        dims = shapes.as_dims(input_shape)
        sizes = self._spreads(windows.spatial(dims, self.layout))
        return TensorShape(windows.assemble(dims[0], sizes, self.filters, self.layout))  # pyright: ignore[reportOptionalSubscript]


@public("layers.Conv2DTranspose")
class Conv2DTranspose(Transposed, Layer):
    """The transpose of `Conv2D`; arguments as for `tf.layers.conv2d_transpose`."""

    rank = 2


@public("layers.Conv3DTranspose")
class Conv3DTranspose(Transposed, Layer):
    """The transpose of `Conv3D`; arguments as for `tf.layers.conv3d_transpose`."""

    rank = 3
