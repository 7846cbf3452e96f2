"""`tf.layers`: convolutions as functions, which make a layer and apply it."""

from __future__ import annotations

from typing import Any

from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.layers.base import called
from millrace.lib.layers.convolutional import Conv1D, Conv2D, Conv2DTranspose, Conv3D, Conv3DTranspose
from millrace.lib.layers.core import ZEROS


@public("layers.conv1d")
def conv1d(
    inputs: Any,
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
    reuse: Any = None,
) -> Tensor:
    """Convolution along one axis with a kernel and a bias that the layer makes.

    Args:
      inputs: `[batch, length, in]`, or channels second.
      filters: how many channels the outputs have.
      kernel_size: the window: an integer.
      strides: its steps, likewise.
      padding: "valid" or "same".
      data_format: "channels_last" or "channels_first".
      dilation_rate: the steps between the window's elements, likewise; above 1 only with strides of 1.
      activation: a function of a tensor; None for none.
      use_bias: whether there is a bias.
      kernel_initializer, bias_initializer: first values of `kernel`, `[..., in, filters]`, and `bias`.
      kernel_regularizer, bias_regularizer, activity_regularizer: functions to a scalar loss.
      kernel_constraint, bias_constraint: functions that optimizers apply to a variable after each step.
      trainable: whether the variables are trained.
      name: of the layer and of its variables' scope; default "conv1d".
      reuse: whether to use the variables of an earlier layer of the same name.

    Returns:
      A tensor of the same rank and layout with `filters` channels.

    Raises:
      ValueError: the rank is another one, the number of channels is unknown, or variables of that name exist.
    """
    return called(Conv1D, locals())


@public("layers.conv2d")
def conv2d(
    inputs: Any,
    filters: int,
    kernel_size: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str = "channels_last",
    dilation_rate: Any = (1, 1),
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
    reuse: Any = None,
) -> Tensor:
    """Convolution of an image with a kernel and a bias that the layer makes.

    Args:
      inputs: `[batch, height, width, in]`, or channels second.
      filters: how many channels the outputs have.
      kernel_size: the window: one integer, or one for each spatial axis.
      strides: its steps, likewise.
      padding: "valid" or "same".
      data_format: "channels_last" or "channels_first".
      dilation_rate: the steps between the window's elements, likewise; above 1 only with strides of 1.
      activation: a function of a tensor; None for none.
      use_bias: whether there is a bias.
      kernel_initializer, bias_initializer: first values of `kernel`, `[..., in, filters]`, and `bias`.
      kernel_regularizer, bias_regularizer, activity_regularizer: functions to a scalar loss.
      kernel_constraint, bias_constraint: functions that optimizers apply to a variable after each step.
      trainable: whether the variables are trained.
      name: of the layer and of its variables' scope; default "conv2d".
      reuse: whether to use the variables of an earlier layer of the same name.

    Returns:
      A tensor of the same rank and layout with `filters` channels.

    Raises:
      ValueError: the rank is another one, the number of channels is unknown, or variables of that name exist.

    Example:
      >>> print(tf.layers.conv2d(tf.zeros([1, 8, 8, 3]), filters=16, kernel_size=3).shape)
      (1, 6, 6, 16)
    """
    return called(Conv2D, locals())


@public("layers.conv3d")
def conv3d(
    inputs: Any,
    filters: int,
    kernel_size: Any,
    strides: Any = (1, 1, 1),
    padding: str = "valid",
    data_format: str = "channels_last",
    dilation_rate: Any = (1, 1, 1),
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
    reuse: Any = None,
) -> Tensor:
    """Convolution of a volume with a kernel and a bias that the layer makes.

    Args:
      inputs: `[batch, depth, height, width, in]`, or channels second.
      filters: how many channels the outputs have.
      kernel_size: the window: one integer, or one for each spatial axis.
      strides: its steps, likewise.
      padding: "valid" or "same".
      data_format: "channels_last" or "channels_first".
      dilation_rate: the steps between the window's elements, likewise; above 1 only with strides of 1.
      activation: a function of a tensor; None for none.
      use_bias: whether there is a bias.
      kernel_initializer, bias_initializer: first values of `kernel`, `[..., in, filters]`, and `bias`.
      kernel_regularizer, bias_regularizer, activity_regularizer: functions to a scalar loss.
      kernel_constraint, bias_constraint: functions that optimizers apply to a variable after each step.
      trainable: whether the variables are trained.
      name: of the layer and of its variables' scope; default "conv3d".
      reuse: whether to use the variables of an earlier layer of the same name.

    Returns:
      A tensor of the same rank and layout with `filters` channels.

    Raises:
      ValueError: the rank is another one, the number of channels is unknown, or variables of that name exist.
    """
    return called(Conv3D, locals())


@public("layers.conv2d_transpose")
def conv2d_transpose(
    inputs: Any,
    filters: int,
    kernel_size: Any,
    strides: Any = (1, 1),
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
    reuse: Any = None,
) -> Tensor:
    """The transpose (not the inverse) of `tf.layers.conv2d`: spreads each input over a window of the outputs.

    Args:
      inputs: `[batch, height, width, in]`, or channels second.
      filters: how many channels the outputs have.
      kernel_size: the window: one integer, or one for each spatial axis.
      strides: its steps, likewise.
      padding: "valid" or "same".
      data_format: "channels_last" or "channels_first".
      activation: a function of a tensor; None for none.
      use_bias: whether there is a bias.
      kernel_initializer, bias_initializer: first values of `kernel`, `[..., filters, in]`, and `bias`.
      kernel_regularizer, bias_regularizer, activity_regularizer: functions to a scalar loss.
      kernel_constraint, bias_constraint: functions that optimizers apply to a variable after each step.
      trainable: whether the variables are trained.
      name: of the layer and of its variables' scope; default "conv2d_transpose".
      reuse: whether to use the variables of an earlier layer of the same name.

    Returns:
      A tensor of the same rank and layout with `filters` channels.

    Raises:
      ValueError: the rank is another one, the number of channels is unknown, or variables of that name exist.
    """
    return called(Conv2DTranspose, locals())


@public("layers.conv3d_transpose")
def conv3d_transpose(
    inputs: Any,
    filters: int,
    kernel_size: Any,
    strides: Any = (1, 1, 1),
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
    reuse: Any = None,
) -> Tensor:
    """The transpose (not the inverse) of `tf.layers.conv3d`: spreads each input over a window of the outputs.

    Args:
      inputs: `[batch, depth, height, width, in]`, or channels second.
      filters: how many channels the outputs have.
      kernel_size: the window: one integer, or one for each spatial axis.
      strides: its steps, likewise.
      padding: "valid" or "same".
      data_format: "channels_last" or "channels_first".
      activation: a function of a tensor; None for none.
      use_bias: whether there is a bias.
      kernel_initializer, bias_initializer: first values of `kernel`, `[..., filters, in]`, and `bias`.
      kernel_regularizer, bias_regularizer, activity_regularizer: functions to a scalar loss.
      kernel_constraint, bias_constraint: functions that optimizers apply to a variable after each step.
      trainable: whether the variables are trained.
      name: of the layer and of its variables' scope; default "conv3d_transpose".
      reuse: whether to use the variables of an earlier layer of the same name.

    Returns:
      A tensor of the same rank and layout with `filters` channels.

    Raises:
      ValueError: the rank is another one, the number of channels is unknown, or variables of that name exist.
    """
    return called(Conv3DTranspose, locals())
