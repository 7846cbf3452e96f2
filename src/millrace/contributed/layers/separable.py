"""`tf.contrib.layers` and `tf.contrib.slim`: convolutions that treat channels apart."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, raw
from millrace.contributed.framework.arg_scope import add_arg_scope
from millrace.contributed.framework.variables import model_variable
from millrace.contributed.layers.core import XAVIER, apply_layer, channels_format
from millrace.contributed.layers.outputs import channels_of, collections_of, finished, model_variable_getter
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.layers.core import ZEROS
from millrace.lib.layers.pooling import sizes_of
from millrace.lib.layers.separable import SeparableConv2D
from millrace.lib.nn.convolution import depthwise_conv2d
from millrace.lib.variables.scope import variable_scope
from millrace.ops.nn.activation import relu
from millrace.ops.nn.bias import bias_add as nn_bias_add


def _variable(name: str, shape: list[int], inputs: Tensor, given: dict[str, Any], plural: str) -> Any:
    return model_variable(
        name,
        shape,
        inputs.dtype.base_dtype,
        given[f"{plural}_initializer"],
        given[f"{plural}_regularizer"],
        given["trainable"],
        collections_of(given["variables_collections"], plural),
    )


def _with_biases(
    outputs: Tensor, inputs: Tensor, given: dict[str, Any], alias: str, layout: str = "NHWC"
) -> Tensor:
    if given["normalizer_fn"] is None and given["biases_initializer"] is not None:
        size = channels_of(outputs, 1 if layout == "NCHW" else -1)
        biases = _variable("biases", [size], inputs, given, "biases")
        outputs = nn_bias_add(outputs, biases, data_format=layout)
    return finished(
        outputs,
        alias,
        given["outputs_collections"],
        given["activation_fn"],
        given["normalizer_fn"],
        given["normalizer_params"],
    )


@public(
    "contrib.layers.separable_convolution2d",
    "contrib.layers.separable_conv2d",
    "contrib.slim.separable_convolution2d",
    "contrib.slim.separable_conv2d",
)
@add_arg_scope
def separable_convolution2d(
    inputs: Any,
    num_outputs: int | None,
    kernel_size: Any,
    depth_multiplier: int = 1,
    stride: Any = 1,
    padding: str = "SAME",
    data_format: str = "NHWC",
    rate: Any = 1,
    activation_fn: Any = relu,
    normalizer_fn: Any = None,
    normalizer_params: dict[str, Any] | None = None,
    weights_initializer: Any = XAVIER,
    pointwise_initializer: Any = None,
    weights_regularizer: Any = None,
    biases_initializer: Any = ZEROS,
    biases_regularizer: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
) -> Tensor:
    """Convolves each channel with filters of its own, then mixes the channels of each position.

    Args:
      inputs: `[batch, height, width, in]`, or channels second, floating.
      num_outputs: how many channels the outputs have; None: the channels are not mixed.
      kernel_size: the window: one integer, or two.
      depth_multiplier: how many filters each channel has.
      stride: the window's steps, one integer or two equal ones.
      padding: "SAME" or "VALID".
      data_format: "NHWC" or "NCHW".
      rate: the steps between the window's elements; above 1 only with strides of 1.
      pointwise_initializer: first value of the weights that mix; default `weights_initializer`.
      activation_fn: a function of a tensor; None for none.
      normalizer_fn: a function of a tensor used in place of biases, such as `batch_norm`.
      normalizer_params: its arguments.
      weights_initializer, biases_initializer: first values; no biases where the latter is None.
      weights_regularizer, biases_regularizer: functions from a variable to a scalar loss.
      reuse: whether to use the variables of an earlier layer; `scope` must be given then.
      variables_collections: collections that the variables join: a list, or lists by name.
      outputs_collections: collections that the outputs join.
      trainable: whether the variables are trained.
      scope: of the variables; default "SeparableConv2d".

    Returns:
      A tensor of the same rank and layout with `num_outputs`, or in * depth_multiplier, channels.

    Raises:
      ValueError: the shapes or the arguments do not fit, or variables of that name exist.
    """
    given = locals()
    layout = channels_format(data_format)
    if num_outputs is not None:
        names = {
            "depthwise_kernel": "depthwise_weights",
            "pointwise_kernel": "pointwise_weights",
            "bias": "biases",
        }
        return apply_layer(
            SeparableConv2D,
            "SeparableConv2d",
            names,
            inputs,
            given,
            filters=num_outputs,
            kernel_size=kernel_size,
            strides=stride,
            padding=padding,
            data_format=layout,
            dilation_rate=sizes_of(rate, 2, "rate"),
            depth_multiplier=depth_multiplier,
            depthwise_initializer=weights_initializer,
            pointwise_initializer=pointwise_initializer or weights_initializer,
            depthwise_regularizer=weights_regularizer,
            pointwise_regularizer=weights_regularizer,
        )
    getter = model_variable_getter()
    with variable_scope(scope, "SeparableConv2d", [inputs], reuse=reuse, custom_getter=getter) as found:
        inputs = convert.to_tensor(inputs)
        depth = channels_of(inputs, 1 if data_format == "NCHW" else -1)
        window = [*sizes_of(kernel_size, 2, "kernel_size"), depth, depth_multiplier]
        weights = _variable("depthwise_weights", window, inputs, given, "weights")
        steps = sizes_of(stride, 2, "stride")
        strides = [1, 1, *steps] if data_format == "NCHW" else [1, *steps, 1]
        outputs = depthwise_conv2d(
            inputs, weights, strides, padding, rate=sizes_of(rate, 2, "rate"), data_format=data_format
        )
        return _with_biases(outputs, inputs, given, found.name, data_format)


@public(
    "contrib.layers.convolution2d_in_plane",
    "contrib.layers.conv2d_in_plane",
    "contrib.slim.convolution2d_in_plane",
    "contrib.slim.conv2d_in_plane",
)
@add_arg_scope
def convolution2d_in_plane(
    inputs: Any,
    kernel_size: Any,
    stride: Any = 1,
    padding: str = "SAME",
    activation_fn: Any = relu,
    normalizer_fn: Any = None,
    normalizer_params: dict[str, Any] | None = None,
    weights_initializer: Any = XAVIER,
    weights_regularizer: Any = None,
    biases_initializer: Any = ZEROS,
    biases_regularizer: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
) -> Tensor:
    """Convolves every channel with the same filter.

    Args:
      inputs: `[batch, height, width, channels]`, floating.
      kernel_size: the window: one integer, or two.
      stride: its steps, one integer or two equal ones.
      padding: "SAME" or "VALID".
      activation_fn: a function of a tensor; None for none.
      normalizer_fn: a function of a tensor used in place of biases, such as `batch_norm`.
      normalizer_params: its arguments.
      weights_initializer, biases_initializer: first values; no biases where the latter is None.
      weights_regularizer, biases_regularizer: functions from a variable to a scalar loss.
      reuse: whether to use the variables of an earlier layer; `scope` must be given then.
      variables_collections: collections that the variables join: a list, or lists by name.
      outputs_collections: collections that the outputs join.
      trainable: whether the variables are trained.
      scope: of the variables; default "ConvInPlane".

    Returns:
      `[batch, out_height, out_width, channels]`.

    Raises:
      ValueError: the shapes or the arguments do not fit, or variables of that name exist.
    """
    given = locals()
    getter = model_variable_getter()
    with variable_scope(scope, "ConvInPlane", [inputs], reuse=reuse, custom_getter=getter) as found:
        inputs = convert.to_tensor(inputs)
        depth = channels_of(inputs)
        window = [*sizes_of(kernel_size, 2, "kernel_size"), 1, 1]
        weights = _variable("weights", window, inputs, given, "weights")
        spread = raw.Tile(weights, [1, 1, depth, 1])
        steps = sizes_of(stride, 2, "stride")
        outputs = depthwise_conv2d(inputs, spread, [1, *steps, 1], padding)
        return _with_biases(outputs, inputs, given, found.name)
