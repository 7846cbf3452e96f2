"""Convolutions over one, two or three axes."""

from __future__ import annotations

from typing import Any

from millrace.building import convert
from millrace.core import shapes
from millrace.core.public import public
from millrace.core.shapes import TensorShape
from millrace.graph.tensor import Tensor
from millrace.lib.layers import constraints, convolutional, penalties, separable, settings
from millrace.lib.layers.pooling import output_length, sizes_of
from millrace.lib.nn.convolution import depthwise_conv2d
from millrace.lib.variables import keras_initializers
from millrace.models.keras import activations
from millrace.models.keras.backend import convolutions
from millrace.models.keras.layers.core import weight_settings


def _layout(data_format: str | None) -> str:
    return settings.image_data_format() if data_format is None else data_format


@public("python.keras.layers.convolutional.Conv")
class Conv(convolutional.Convolution):
    """A convolution whose arguments may be names, and which can be saved; programs derive layers from it.

    Args:
      rank: how many spatial axes there are.
      filters, kernel_size, strides, padding, data_format, dilation_rate: as for `Conv1D`.
      activation, use_bias: likewise.
      kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer: of the variables.
      activity_regularizer, kernel_constraint, bias_constraint: likewise.
      **kwargs: as for `Layer`.
    """

    def __init__(
        self,
        rank: int,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        self.rank = rank
        super().__init__(
            filters,
            kernel_size,
            strides,
            padding,
            _layout(data_format),
            dilation_rate,
            activations.get(activation),
            use_bias,
            keras_initializers.get(kernel_initializer),
            keras_initializers.get(bias_initializer),
            penalties.get(kernel_regularizer),
            penalties.get(bias_regularizer),
            activity_regularizer,
            constraints.get(kernel_constraint),
            constraints.get(bias_constraint),
            **kwargs,
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            **weight_settings(self, ("kernel", "bias")),
        }


class _Convolution(Conv):
    """A convolution whose class says how many spatial axes there are."""

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            self.rank,
            filters,
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            activity_regularizer,
            kernel_constraint,
            bias_constraint,
            **kwargs,
        )


@public("keras.layers.Conv1D", "keras.layers.Convolution1D")
class Conv1D(_Convolution):
    """Convolution along one axis: `[batch, length, in]`.

    Args:
      filters: how many channels the outputs have.
      kernel_size, strides, dilation_rate: the window, its steps, and the steps between its elements.
      padding: "valid", "same" or "causal": earlier inputs only.
      data_format: the layout.
      activation, use_bias: as for `Dense`.
      kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer: of the weights.
      activity_regularizer, kernel_constraint, bias_constraint: likewise.
      **kwargs: as for `Layer`.
    """

    rank = 1

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = "channels_last",
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            activity_regularizer,
            kernel_constraint,
            bias_constraint,
            **kwargs,
        )


@public("keras.layers.Conv2D", "keras.layers.Convolution2D")
class Conv2D(_Convolution):
    """Convolution of images: `[batch, height, width, in]`; arguments as for `Conv1D`."""

    rank = 2


@public("keras.layers.Conv3D", "keras.layers.Convolution3D")
class Conv3D(_Convolution):
    """Convolution of volumes: `[batch, depth, height, width, in]`; arguments as for `Conv1D`."""

    rank = 3


class _Transposed(_Convolution, convolutional.Transposed):
    """The transpose of a convolution."""

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        **kwargs: Any,
    ) -> None:
        convolutional.Convolution.__init__(
            self,
            filters,
            kernel_size,
            strides,
            padding,
            _layout(data_format),
            1,
            activations.get(kwargs.pop("activation", None)),
            kwargs.pop("use_bias", True),
            keras_initializers.get(kwargs.pop("kernel_initializer", "glorot_uniform")),
            keras_initializers.get(kwargs.pop("bias_initializer", "zeros")),
            penalties.get(kwargs.pop("kernel_regularizer", None)),
            penalties.get(kwargs.pop("bias_regularizer", None)),
            kwargs.pop("activity_regularizer", None),
            constraints.get(kwargs.pop("kernel_constraint", None)),
            constraints.get(kwargs.pop("bias_constraint", None)),
            **kwargs,
        )
        self.dilation_rate = sizes_of(dilation_rate, self.rank, "dilation_rate")
        if output_padding is not None:
            self.output_padding = sizes_of(output_padding, self.rank, "output_padding")
            for step, extra in zip(self.strides, self.output_padding, strict=True):
                if step <= extra:
                    raise ValueError(
                        f"Stride {self.strides} must be greater than output padding {self.output_padding}"
                    )

    def _convolved(self, inputs: Tensor) -> Tensor:
        if all(rate == 1 for rate in self.dilation_rate) or self.rank != 2:
            return super()._convolved(inputs)
        shape = list(self.compute_output_shape(inputs.shape).dims_tuple or ())
        outputs = convolutions.conv2d_transpose(
            inputs, self.kernel, shape, self.strides, self.padding, self.data_format, self.dilation_rate
        )
        outputs.set_shape(shape)
        return outputs

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "output_padding": self.output_padding}


@public("keras.layers.Conv2DTranspose", "keras.layers.Convolution2DTranspose")
class Conv2DTranspose(_Transposed):
    """The transpose of `Conv2D`: spreads each input element over a window of the outputs.

    Args:
      filters: how many channels the outputs have.
      kernel_size, strides, dilation_rate: of the convolution.
      padding: "valid" or "same".
      output_padding: what is added to the least size of the outputs.
      data_format: the layout.
      activation, use_bias, kernel_initializer, bias_initializer: as for `Conv2D`.
      kernel_regularizer, bias_regularizer, activity_regularizer: likewise.
      kernel_constraint, bias_constraint, **kwargs: likewise.

    Raises:
      ValueError: `output_padding` is not below the strides.
    """

    rank = 2

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            strides,
            padding,
            output_padding,
            data_format,
            dilation_rate,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )


@public("keras.layers.Conv3DTranspose", "keras.layers.Convolution3DTranspose")
class Conv3DTranspose(_Transposed):
    """The transpose of `Conv3D`; arguments as for `Conv2DTranspose`, without `dilation_rate`."""

    rank = 3

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1, 1),
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            strides,
            padding,
            output_padding,
            data_format,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        config = super().get_config()
        config.pop("dilation_rate")
        return config


class _Separable(separable.Separable):
    """One filter for each channel, then a mix of the channels, as a layer that can be saved."""

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        kernel_initializer = kwargs.pop("kernel_initializer", "glorot_uniform")
        kernel_regularizer = kwargs.pop("kernel_regularizer", None)
        kernel_constraint = kwargs.pop("kernel_constraint", None)
        super().__init__(
            filters,
            kernel_size,
            strides,
            padding,
            _layout(data_format),
            dilation_rate,
            depth_multiplier,
            activations.get(activation),
            use_bias,
            keras_initializers.get(depthwise_initializer),
            keras_initializers.get(pointwise_initializer),
            keras_initializers.get(bias_initializer),
            penalties.get(depthwise_regularizer),
            penalties.get(pointwise_regularizer),
            penalties.get(bias_regularizer),
            activity_regularizer,
            constraints.get(depthwise_constraint),
            constraints.get(pointwise_constraint),
            constraints.get(bias_constraint),
            **kwargs,
        )
        # A separable layer has no weight of that name; what is given is kept for its description.
        self.kernel_initializer = keras_initializers.get(kernel_initializer)
        self.kernel_regularizer = penalties.get(kernel_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        parts = weight_settings(self, ("depthwise", "pointwise"))
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            **weight_settings(self, ("kernel", "bias")),
            "depth_multiplier": self.depth_multiplier,
            **{k: v for k, v in parts.items() if k != "activity_regularizer"},
        }


@public("keras.layers.SeparableConv1D", "keras.layers.SeparableConvolution1D")
class SeparableConv1D(_Separable):
    """Separable convolution along one axis.

    Args:
      filters: how many channels the outputs have.
      kernel_size, strides, dilation_rate: the window, its steps, and the steps between its elements.
      padding: "valid", "same" or "causal".
      data_format: the layout.
      depth_multiplier: how many filters each channel has.
      activation, use_bias: as for `Dense`.
      depthwise_initializer, pointwise_initializer, bias_initializer: of the weights.
      depthwise_regularizer, pointwise_regularizer, bias_regularizer: likewise.
      activity_regularizer: a penalty of the outputs.
      depthwise_constraint, pointwise_constraint, bias_constraint: of the weights.
      **kwargs: as for `Layer`.
    """

    rank = 1


@public("keras.layers.SeparableConv2D", "keras.layers.SeparableConvolution2D")
class SeparableConv2D(_Separable):
    """Separable convolution of images; arguments as for `SeparableConv1D`."""

    rank = 2


@public("keras.layers.DepthwiseConv2D")
class DepthwiseConv2D(_Convolution):
    """Convolution of images with filters for each channel alone.

    Args:
      kernel_size, strides: the window and its steps.
      padding: "valid" or "same".
      depth_multiplier: how many filters each channel has.
      data_format: the layout.
      activation, use_bias: as for `Dense`.
      depthwise_initializer, bias_initializer, depthwise_regularizer, bias_regularizer: of the weights.
      activity_regularizer: a penalty of the outputs.
      depthwise_constraint, bias_constraint: of the weights.
      **kwargs: as for `Layer`; `dilation_rate`.
    """

    rank = 2

    _last_axis = 3

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            filters=0,
            kernel_size=kernel_size,
            strides=strides,
            padding=padding,
            data_format=data_format,
            activation=activation,
            use_bias=use_bias,
            bias_initializer=bias_initializer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            bias_constraint=bias_constraint,
            **kwargs,
        )
        self.depth_multiplier = depth_multiplier
        self.depthwise_initializer = keras_initializers.get(depthwise_initializer)
        self.depthwise_regularizer = penalties.get(depthwise_regularizer)
        self.depthwise_constraint = constraints.get(depthwise_constraint)

    def _prepared(self) -> None:
        """Nothing: each call draws its convolution."""

    def _make_kernels(self, depth: int) -> None:
        self.filters = depth * self.depth_multiplier
        self.depthwise_kernel = self.add_weight(
            "depthwise_kernel",
            [*self.kernel_size, depth, self.depth_multiplier],
            initializer=self.depthwise_initializer,
            regularizer=self.depthwise_regularizer,
            constraint=self.depthwise_constraint,
        )

    def call(self, inputs: Any) -> Any:
        """The outputs."""
        inputs = convert.to_tensor(inputs)
        last = self.data_format == "channels_last"
        outputs = depthwise_conv2d(
            inputs,
            self.depthwise_kernel,
            [1, *self.strides, 1] if last else [1, 1, *self.strides],
            self.padding.upper(),
            self.dilation_rate,
            data_format=self.layout,
        )
        return self._finished(outputs)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The shape of the outputs for inputs of shape `input_shape`."""
        dims: tuple[Any, ...] = shapes.as_dims(input_shape) or ()
        last = self.data_format == "channels_last"
        lengths = dims[1:3] if last else dims[2:4]
        depth = dims[3] if last else dims[1]
        found = [
            output_length(n, k, self.padding, s, d)
            for n, k, s, d in zip(lengths, self.kernel_size, self.strides, self.dilation_rate, strict=True)
        ]
        channels = None if depth is None else depth * self.depth_multiplier
        return TensorShape([dims[0], *found, channels] if last else [dims[0], channels, *found])

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        config = super().get_config()
        for name in ("filters", "kernel_initializer", "kernel_regularizer", "kernel_constraint"):
            config.pop(name)
        return {
            **config,
            "depth_multiplier": self.depth_multiplier,
            "depthwise_initializer": keras_initializers.serialize(self.depthwise_initializer),
            "depthwise_regularizer": penalties.serialize(self.depthwise_regularizer),
            "depthwise_constraint": constraints.serialize(self.depthwise_constraint),
        }


# Who counts as what, as in TensorFlow: transposed and depthwise convolutions, and the layers of `tf.layers`.
Conv2D.register(Conv2DTranspose)
Conv2D.register(DepthwiseConv2D)
Conv3D.register(Conv3DTranspose)
for _layer in (Conv1D, Conv2D, Conv3D, Conv2DTranspose, Conv3DTranspose):
    _layer.register(getattr(convolutional, _layer.__name__))
for _layer in (SeparableConv1D, SeparableConv2D):
    _layer.register(getattr(separable, _layer.__name__))
