"""`tf.contrib.layers` and `tf.contrib.slim`: fully connected layers and convolutions."""

from __future__ import annotations

import functools
from typing import Any

from millrace.building import convert
from millrace.contributed.framework.arg_scope import add_arg_scope
from millrace.contributed.layers.initializers import xavier_initializer
from millrace.contributed.layers.outputs import (
    collect_variable,
    finished,
    model_variable_getter,
)
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.layers import convolutional
from millrace.lib.layers.core import ZEROS, Dense
from millrace.lib.variables.scope import variable_scope
from millrace.ops.nn.activation import elu as nn_elu
from millrace.ops.nn.activation import relu, relu6

XAVIER = xavier_initializer()
_PLURAL = {"kernel": "weights", "bias": "biases"}


def channels_format(data_format: str | None, rank: int = 4) -> str:
    """tf.layers' name of a layout: "channels_first" for one that begins with "NC".

    Raises:
      ValueError: it is not a layout of that rank.
    """
    spatial = {3: "W", 4: "HW", 5: "DHW"}[rank]
    if data_format in (None, f"N{spatial}C"):
        return "channels_last"
    if data_format == f"NC{spatial}":
        return "channels_first"
    raise ValueError(f"data_format has to be either NC{spatial} or N{spatial}C. Received: {data_format!r}")


def apply_layer(
    layer_class: Any,
    default_scope: str,
    names: dict[str, str],
    inputs: Any,
    given: dict[str, Any],
    **settings: Any,
) -> Tensor:
    """Applies a layer of `tf.layers` with `tf.contrib.layers`' names, collections and normalizers.

    Args:
      layer_class: of tf.layers.
      default_scope: of the variables.
      names: what its variables are called here.
      inputs: its inputs.
      given: the arguments that these functions share.
      **settings: the arguments of its own.
    """
    getter = model_variable_getter(names)
    with variable_scope(
        given["scope"], default_scope, [inputs], reuse=given["reuse"], custom_getter=getter
    ) as scope:
        inputs = convert.to_tensor(inputs)
        layer = layer_class(
            **settings,
            activation=None,
            use_bias=given["normalizer_fn"] is None and given["biases_initializer"] is not None,
            bias_initializer=given["biases_initializer"],
            bias_regularizer=given["biases_regularizer"],
            trainable=given["trainable"],
            name=scope.name,
            dtype=inputs.dtype.base_dtype,
            _scope=scope,
            _reuse=given["reuse"],
        )
        outputs = layer(inputs)
        for own, name in names.items():
            # A depthwise and a pointwise kernel are both weights.
            name = "weights" if name.endswith("weights") else name
            collect_variable(getattr(layer, own), given["variables_collections"], name)
        return finished(
            outputs,
            scope.name,
            given["outputs_collections"],
            given["activation_fn"],
            given["normalizer_fn"],
            given["normalizer_params"],
        )


def _weights(given: dict[str, Any]) -> dict[str, Any]:
    return {
        "kernel_initializer": given["weights_initializer"],
        "kernel_regularizer": given["weights_regularizer"],
    }


@public(
    "contrib.layers.fully_connected",
    "contrib.slim.fully_connected",
)
@add_arg_scope
def fully_connected(
    inputs: Any,
    num_outputs: int,
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
    """activation(inputs @ weights + biases), over the last axis.

    Args:
      inputs: `[..., in]`, at least rank 2, floating.
      num_outputs: the length of the outputs' last axis.
      activation_fn: a function of a tensor; None for none.
      normalizer_fn: a function of a tensor used in place of biases, such as `batch_norm`.
      normalizer_params: its arguments.
      weights_initializer, biases_initializer: first values; no biases where the latter is None.
      weights_regularizer, biases_regularizer: functions from a variable to a scalar loss.
      reuse: whether to use the variables of an earlier layer; `scope` must be given then.
      variables_collections: collections that the variables join: a list, or lists by name.
      outputs_collections: collections that the outputs join.
      trainable: whether the variables are trained.
      scope: of the variables; default "fully_connected".

    Returns:
      `[..., num_outputs]`.

    Raises:
      ValueError: the shapes or the arguments do not fit, or variables of that name exist.
    """
    given = locals()
    if not isinstance(num_outputs, int):
        raise ValueError(f"fully_connected: num_outputs must be an integer. Received: {num_outputs!r}")
    return apply_layer(Dense, "fully_connected", _PLURAL, inputs, given, units=num_outputs, **_weights(given))


linear = public("contrib.layers.linear", "contrib.slim.linear")(
    functools.partial(fully_connected, activation_fn=None)
)
relu_layer = public("contrib.layers.relu", "contrib.slim.relu")(
    functools.partial(fully_connected, activation_fn=relu)
)
relu6_layer = public("contrib.layers.relu6", "contrib.slim.relu6")(
    functools.partial(fully_connected, activation_fn=relu6)
)
elu_layer = public("contrib.layers.elu", "contrib.slim.elu")(
    functools.partial(fully_connected, activation_fn=nn_elu)
)

_BY_RANK = {3: convolutional.Conv1D, 4: convolutional.Conv2D, 5: convolutional.Conv3D}


@public(
    "contrib.layers.convolution",
    "contrib.slim.convolution",
)
@add_arg_scope
def convolution(
    inputs: Any,
    num_outputs: int,
    kernel_size: Any,
    stride: Any = 1,
    padding: str = "SAME",
    data_format: str | None = None,
    rate: Any = 1,
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
    conv_dims: int | None = None,
) -> Tensor:
    """Convolution over one, two or three axes, as many as the inputs have.

    Args:
      inputs: `[batch, ..., in]`, or channels second, floating.
      num_outputs: how many channels the outputs have.
      kernel_size: the window: one integer, or one for each spatial axis.
      stride: its steps, likewise.
      padding: "SAME" or "VALID".
      data_format: "NHWC" or "NCHW", or the same with the axes that there are.
      rate: the steps between the window's elements, likewise; above 1 only with strides of 1.
      activation_fn: a function of a tensor; None for none.
      normalizer_fn: a function of a tensor used in place of biases, such as `batch_norm`.
      normalizer_params: its arguments.
      weights_initializer, biases_initializer: first values; no biases where the latter is None.
      weights_regularizer, biases_regularizer: functions from a variable to a scalar loss.
      reuse: whether to use the variables of an earlier layer; `scope` must be given then.
      variables_collections: collections that the variables join: a list, or lists by name.
      outputs_collections: collections that the outputs join.
      trainable: whether the variables are trained.
      scope: of the variables; default "Conv".
      conv_dims: over how many axes; default, as many as the inputs have.

    Returns:
      A tensor of the same rank and layout with `num_outputs` channels.

    Raises:
      ValueError: the shapes or the arguments do not fit, or variables of that name exist.
    """
    given = dict(locals())
    return _convolution(given.pop("conv_dims"), given)


def _convolution(axes: int | None, given: dict[str, Any]) -> Tensor:
    """A convolution over `axes` axes, or over those that the inputs have."""
    inputs = convert.to_tensor(given["inputs"])
    rank = None if inputs.dims is None else len(inputs.dims)
    if rank not in _BY_RANK or axes not in (None, rank - 2):
        wanted = "rank 3, 4 or 5" if axes is None else f"rank {axes + 2}"
        raise ValueError(f"convolution expects inputs of {wanted}. Received: {inputs}")
    layout = channels_format(given["data_format"], rank)
    return apply_layer(
        _BY_RANK[rank],
        "Conv",
        _PLURAL,
        inputs,
        given,
        filters=given["num_outputs"],
        kernel_size=given["kernel_size"],
        strides=given["stride"],
        padding=given["padding"],
        data_format=layout,
        dilation_rate=given["rate"],
        **_weights(given),
    )


@public(
    "contrib.layers.convolution1d",
    "contrib.layers.conv1d",
    "contrib.slim.convolution1d",
    "contrib.slim.conv1d",
)
@add_arg_scope
def convolution1d(
    inputs: Any,
    num_outputs: int,
    kernel_size: Any,
    stride: Any = 1,
    padding: str = "SAME",
    data_format: str | None = None,
    rate: Any = 1,
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
    """Convolution along one axis: `[batch, width, in]`; arguments as for `convolution`."""
    return _convolution(1, locals())


@public(
    "contrib.layers.convolution2d",
    "contrib.layers.conv2d",
    "contrib.slim.convolution2d",
    "contrib.slim.conv2d",
)
@add_arg_scope
def convolution2d(
    inputs: Any,
    num_outputs: int,
    kernel_size: Any,
    stride: Any = 1,
    padding: str = "SAME",
    data_format: str | None = None,
    rate: Any = 1,
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
    """Convolution of images: `[batch, height, width, in]`; arguments as for `convolution`."""
    return _convolution(2, locals())


@public(
    "contrib.layers.convolution3d",
    "contrib.layers.conv3d",
    "contrib.slim.convolution3d",
    "contrib.slim.conv3d",
)
@add_arg_scope
def convolution3d(
    inputs: Any,
    num_outputs: int,
    kernel_size: Any,
    stride: Any = 1,
    padding: str = "SAME",
    data_format: str | None = None,
    rate: Any = 1,
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
    """Convolution of volumes: `[batch, depth, height, width, in]`; arguments as for `convolution`."""
    return _convolution(3, locals())


@public(
    "contrib.layers.convolution2d_transpose",
    "contrib.layers.conv2d_transpose",
    "contrib.slim.convolution2d_transpose",
    "contrib.slim.conv2d_transpose",
)
@add_arg_scope
def convolution2d_transpose(
    inputs: Any,
    num_outputs: int,
    kernel_size: Any,
    stride: Any = 1,
    padding: str = "SAME",
    data_format: str = "NHWC",
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
    """The transpose of a convolution: spreads each input element over a window of the outputs.

    Args:
      inputs: `[batch, height, width, in]`, or channels second, floating.
      num_outputs: how many channels the outputs have.
      kernel_size: the window: one integer, or one for each spatial axis.
      stride: its steps, likewise.
      padding: "SAME" or "VALID".
      data_format: "NHWC" or "NCHW".
      activation_fn: a function of a tensor; None for none.
      normalizer_fn: a function of a tensor used in place of biases, such as `batch_norm`.
      normalizer_params: its arguments.
      weights_initializer, biases_initializer: first values; no biases where the latter is None.
      weights_regularizer, biases_regularizer: functions from a variable to a scalar loss.
      reuse: whether to use the variables of an earlier layer; `scope` must be given then.
      variables_collections: collections that the variables join: a list, or lists by name.
      outputs_collections: collections that the outputs join.
      trainable: whether the variables are trained.
      scope: of the variables; default "Conv2d_transpose".

    Returns:
      A tensor of the same rank and layout with `num_outputs` channels.

    Raises:
      ValueError: the shapes or the arguments do not fit, or variables of that name exist.
    """
    given = locals()
    return apply_layer(
        convolutional.Conv2DTranspose,
        "Conv2d_transpose",
        _PLURAL,
        inputs,
        given,
        filters=num_outputs,
        kernel_size=kernel_size,
        strides=stride,
        padding=padding,
        data_format=channels_format(data_format, 4),
        **_weights(given),
    )


@public(
    "contrib.layers.convolution3d_transpose",
    "contrib.layers.conv3d_transpose",
    "contrib.slim.convolution3d_transpose",
    "contrib.slim.conv3d_transpose",
)
@add_arg_scope
def convolution3d_transpose(
    inputs: Any,
    num_outputs: int,
    kernel_size: Any,
    stride: Any = 1,
    padding: str = "SAME",
    data_format: str = "NDHWC",
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
    """The transpose of a convolution: spreads each input element over a window of the outputs.

    Args:
      inputs: `[batch, depth, height, width, in]`, or channels second, floating.
      num_outputs: how many channels the outputs have.
      kernel_size: the window: one integer, or one for each spatial axis.
      stride: its steps, likewise.
      padding: "SAME" or "VALID".
      data_format: "NDHWC" or "NCDHW".
      activation_fn: a function of a tensor; None for none.
      normalizer_fn: a function of a tensor used in place of biases, such as `batch_norm`.
      normalizer_params: its arguments.
      weights_initializer, biases_initializer: first values; no biases where the latter is None.
      weights_regularizer, biases_regularizer: functions from a variable to a scalar loss.
      reuse: whether to use the variables of an earlier layer; `scope` must be given then.
      variables_collections: collections that the variables join: a list, or lists by name.
      outputs_collections: collections that the outputs join.
      trainable: whether the variables are trained.
      scope: of the variables; default "Conv3d_transpose".

    Returns:
      A tensor of the same rank and layout with `num_outputs` channels.

    Raises:
      ValueError: the shapes or the arguments do not fit, or variables of that name exist.
    """
    given = locals()
    return apply_layer(
        convolutional.Conv3DTranspose,
        "Conv3d_transpose",
        _PLURAL,
        inputs,
        given,
        filters=num_outputs,
        kernel_size=kernel_size,
        strides=stride,
        padding=padding,
        data_format=channels_format(data_format, 5),
        **_weights(given),
    )
