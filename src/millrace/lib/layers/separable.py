"""`tf.layers`: separable convolutions: one filter for each channel, then a mix of the channels."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.layers.base import Layer, called
from millrace.lib.layers.convolutional import Convolution
from millrace.lib.layers.core import ZEROS
from millrace.lib.nn.convolution import layout_of
from millrace.lib.nn.convolution import separable_conv2d as nn_separable_conv2d
from millrace.opkit.rules import windows
from millrace.ops.nn.bias import bias_add


class Separable(Convolution):
    """A depthwise convolution followed by one that mixes the channels of each position."""

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str = "channels_last",
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = None,
        pointwise_initializer: Any = None,
        bias_initializer: Any = ZEROS,
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
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
            dilation_rate,
            activation,
            use_bias,
            bias_initializer=bias_initializer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            bias_constraint=bias_constraint,
            trainable=trainable,
            name=name,
            **kwargs,
        )
        self.depth_multiplier = depth_multiplier
        self.depthwise_initializer, self.pointwise_initializer = depthwise_initializer, pointwise_initializer
        self.depthwise_regularizer, self.pointwise_regularizer = depthwise_regularizer, pointwise_regularizer
        self.depthwise_constraint, self.pointwise_constraint = depthwise_constraint, pointwise_constraint

    def _make_kernels(self, depth: int) -> None:
        self.depthwise_kernel = self.add_weight(
            "depthwise_kernel",
            [*self.kernel_size, depth, self.depth_multiplier],
            initializer=self.depthwise_initializer,
            regularizer=self.depthwise_regularizer,
            constraint=self.depthwise_constraint,
        )
        self.pointwise_kernel = self.add_weight(
            "pointwise_kernel",
            [*([1] * self.rank), self.depth_multiplier * depth, self.filters],
            initializer=self.pointwise_initializer,
            regularizer=self.pointwise_regularizer,
            constraint=self.pointwise_constraint,
        )

    def _convolved(self, inputs: Tensor) -> Tensor:
        depthwise, pointwise = self.depthwise_kernel, self.pointwise_kernel
        if self.rank == 2:
            return self._convolved_image(inputs, depthwise, pointwise, self.strides, self.dilation_rate)
        # Over one axis: an image one pixel high. Its filters step alike in both directions.
        place = 2 if self.data_format == "channels_first" else 1
        found = self._convolved_image(
            raw.ExpandDims(inputs, place),
            raw.ExpandDims(depthwise, 0),
            raw.ExpandDims(pointwise, 0),
            self.strides * 2,
            (1, *self.dilation_rate),
        )
        return found

    def _finished(self, outputs: Tensor) -> Tensor:
        if self.rank == 2:
            return super()._finished(outputs)
        place = 2 if self.data_format == "channels_first" else 1
        if self.bias is not None:
            outputs = bias_add(outputs, self.bias, data_format=layout_of(self.layout, 2))
        outputs = raw.Squeeze(outputs, squeeze_dims=[place])
        return outputs if self.activation is None else self.activation(outputs)

    def _prepared(self) -> None:
        return None

    def _convolved_image(
        self, image: Tensor, depthwise: Any, pointwise: Any, strides: Any, rate: Any
    ) -> Tensor:
        layout = layout_of(self.layout, 2)
        return nn_separable_conv2d(
            image,
            depthwise,
            pointwise,
            strides=windows.assemble(1, list(strides), 1, layout),
            padding=self._native_padding,
            rate=rate,
            data_format=layout,
        )


@public("layers.SeparableConv1D")
class SeparableConv1D(Separable, Layer):
    """Separable convolution along one axis; arguments as for `tf.layers.separable_conv1d`."""

    rank = 1


@public("layers.SeparableConv2D")
class SeparableConv2D(Separable, Layer):
    """Separable convolution of an image; arguments as for `tf.layers.separable_conv2d`."""

    rank = 2


@public("layers.separable_conv1d")
def separable_conv1d(
    inputs: Any,
    filters: int,
    kernel_size: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str = "channels_last",
    dilation_rate: Any = 1,
    depth_multiplier: int = 1,
    activation: Any = None,
    use_bias: bool = True,
    depthwise_initializer: Any = None,
    pointwise_initializer: Any = None,
    bias_initializer: Any = ZEROS,
    depthwise_regularizer: Any = None,
    pointwise_regularizer: Any = None,
    bias_regularizer: Any = None,
    activity_regularizer: Any = None,
    depthwise_constraint: Any = None,
    pointwise_constraint: Any = None,
    bias_constraint: Any = None,
    trainable: bool = True,
    name: str | None = None,
    reuse: Any = None,
) -> Tensor:
    """Convolves each channel with filters of its own, then mixes the channels of each position.

    Args:
      inputs: `[batch, length, in]`, or channels second.
      filters: how many channels the outputs have.
      kernel_size: the window: an integer.
      strides: its steps, likewise.
      padding: "valid" or "same".
      data_format: "channels_last" or "channels_first".
      dilation_rate: the steps between the window's elements, likewise; above 1 only with strides of 1.
      depth_multiplier: how many filters each channel has.
      activation: a function of a tensor; None for none.
      use_bias: whether there is a bias.
      depthwise_initializer: first value of `depthwise_kernel`, `[..., in, depth_multiplier]`.
      pointwise_initializer: first value of `pointwise_kernel`, `[..., in * depth_multiplier, filters]`.
      bias_initializer: first value of `bias`, `[filters]`.
      depthwise_regularizer, pointwise_regularizer, bias_regularizer: functions to a scalar loss.
      activity_regularizer: likewise, of the outputs.
      depthwise_constraint, pointwise_constraint, bias_constraint: functions applied after each step.
      trainable: whether the variables are trained.
      name: of the layer and of its variables' scope; default "separable_conv1d".
      reuse: whether to use the variables of an earlier layer of the same name.

    Returns:
      A tensor of the same rank and layout with `filters` channels.

    Raises:
      ValueError: the rank is another one, the number of channels is unknown, or variables of that name exist.
    """
    return called(SeparableConv1D, locals())


@public("layers.separable_conv2d")
def separable_conv2d(
    inputs: Any,
    filters: int,
    kernel_size: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str = "channels_last",
    dilation_rate: Any = (1, 1),
    depth_multiplier: int = 1,
    activation: Any = None,
    use_bias: bool = True,
    depthwise_initializer: Any = None,
    pointwise_initializer: Any = None,
    bias_initializer: Any = ZEROS,
    depthwise_regularizer: Any = None,
    pointwise_regularizer: Any = None,
    bias_regularizer: Any = None,
    activity_regularizer: Any = None,
    depthwise_constraint: Any = None,
    pointwise_constraint: Any = None,
    bias_constraint: Any = None,
    trainable: bool = True,
    name: str | None = None,
    reuse: Any = None,
) -> Tensor:
    """Convolves each channel with filters of its own, then mixes the channels of each position.

    Args:
      inputs: `[batch, height, width, in]`, or channels second.
      filters: how many channels the outputs have.
      kernel_size: the window: one integer, or two.
      strides: its steps, likewise; the same in both directions.
      padding: "valid" or "same".
      data_format: "channels_last" or "channels_first".
      dilation_rate: the steps between the window's elements, likewise; above 1 only with strides of 1.
      depth_multiplier: how many filters each channel has.
      activation: a function of a tensor; None for none.
      use_bias: whether there is a bias.
      depthwise_initializer: first value of `depthwise_kernel`, `[..., in, depth_multiplier]`.
      pointwise_initializer: first value of `pointwise_kernel`, `[..., in * depth_multiplier, filters]`.
      bias_initializer: first value of `bias`, `[filters]`.
      depthwise_regularizer, pointwise_regularizer, bias_regularizer: functions to a scalar loss.
      activity_regularizer: likewise, of the outputs.
      depthwise_constraint, pointwise_constraint, bias_constraint: functions applied after each step.
      trainable: whether the variables are trained.
      name: of the layer and of its variables' scope; default "separable_conv2d".
      reuse: whether to use the variables of an earlier layer of the same name.

    Returns:
      A tensor of the same rank and layout with `filters` channels.

    Raises:
      ValueError: the rank is another one, the number of channels is unknown, or variables of that name exist.
    """
    return called(SeparableConv2D, locals())
