"""`tf.contrib.slim.nets.resnet_utils`: blocks of residual units, and convolutions that pad alike."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from millrace.contributed.framework.arg_scope import add_arg_scope, arg_scope
from millrace.contributed.layers.core import convolution2d
from millrace.contributed.layers.initializers import variance_scaling_initializer
from millrace.contributed.layers.normalization import batch_norm
from millrace.contributed.layers.outputs import collect_named_outputs
from millrace.contributed.layers.shapes import max_pool2d
from millrace.core.public import public
from millrace.graph.keys import GraphKeys
from millrace.graph.tensor import Tensor
from millrace.lib.variables.regularizers import l2_regularizer
from millrace.lib.variables.scope import variable_scope
from millrace.ops.array.pad import pad
from millrace.ops.nn.activation import relu


@public("contrib.slim.nets.resnet_utils.Block", "contrib.slim.python.slim.nets.resnet_utils.Block")
class Block(namedtuple("Block", ["scope", "unit_fn", "args"])):
    """A block of residual units: its scope, the function of a unit, and the arguments of each unit."""


@public("contrib.slim.nets.resnet_utils.subsample", "contrib.slim.python.slim.nets.resnet_utils.subsample")
def subsample(inputs: Any, factor: int, scope: str | None = None) -> Tensor:
    """Every `factor`-th pixel of `[batch, height, width, channels]`."""
    return inputs if factor == 1 else max_pool2d(inputs, [1, 1], stride=factor, scope=scope)


@public(
    "contrib.slim.nets.resnet_utils.conv2d_same", "contrib.slim.python.slim.nets.resnet_utils.conv2d_same"
)
def conv2d_same(
    inputs: Any, num_outputs: int, kernel_size: int, stride: int, rate: int = 1, scope: Any = None
) -> Tensor:
    """A convolution with "SAME" padding that does not depend on the input's size.

    Args:
      inputs: `[batch, height, width, channels]`.
      num_outputs: output channels.
      kernel_size: of a square window.
      stride: its step; the result is that of step 1, subsampled.
      rate: the dilation.
      scope: of the variables.
    """
    if stride == 1:
        return convolution2d(
            inputs, num_outputs, kernel_size, stride=1, rate=rate, padding="SAME", scope=scope
        )
    total = kernel_size + (kernel_size - 1) * (rate - 1) - 1
    sides = [total // 2, total - total // 2]
    inputs = pad(inputs, [[0, 0], sides, sides, [0, 0]])
    return convolution2d(
        inputs, num_outputs, kernel_size, stride=stride, rate=rate, padding="VALID", scope=scope
    )


@public(
    "contrib.slim.nets.resnet_utils.stack_blocks_dense",
    "contrib.slim.python.slim.nets.resnet_utils.stack_blocks_dense",
)
@add_arg_scope
def stack_blocks_dense(
    net: Any, blocks: Any, output_stride: int | None = None, outputs_collections: Any = None
) -> Tensor:
    """Blocks one after another; beyond `output_stride`, dilation takes the place of strides.

    Args:
      net: `[batch, height, width, channels]`.
      blocks: a list of `Block`.
      output_stride: how much smaller than `net` the result is; None for what the blocks say.
      outputs_collections: collections that the blocks' outputs join.

    Raises:
      ValueError: the blocks do not reach `output_stride` exactly.
    """
    stride = rate = 1
    unreachable = f"The target output_stride cannot be reached. Received: {output_stride}"
    for block in blocks:
        with variable_scope(block.scope, "block", [net]) as scope:
            for i, unit in enumerate(block.args):
                if output_stride is not None and stride > output_stride:
                    raise ValueError(unreachable)
                with variable_scope(f"unit_{i + 1}", values=[net]):
                    if output_stride is not None and stride == output_stride:
                        net = block.unit_fn(net, rate=rate, **{**unit, "stride": 1})
                        rate *= unit.get("stride", 1)
                    else:
                        net = block.unit_fn(net, rate=1, **unit)
                        stride *= unit.get("stride", 1)
            net = collect_named_outputs(outputs_collections, scope.name, net)
    if output_stride is not None and stride != output_stride:
        raise ValueError(unreachable)
    return net


@public(
    "contrib.slim.nets.resnet_utils.resnet_arg_scope",
    "contrib.slim.nets.resnet_v1.resnet_arg_scope",
    "contrib.slim.nets.resnet_v2.resnet_arg_scope",
    "contrib.slim.python.slim.nets.resnet_utils.resnet_arg_scope",
)
def resnet_arg_scope(
    weight_decay: float = 0.0001,
    batch_norm_decay: float = 0.997,
    batch_norm_epsilon: float = 1e-5,
    batch_norm_scale: bool = True,
) -> Any:
    """The defaults that residual networks are trained with: a scope for `arg_scope`.

    Args:
      weight_decay: of the l2 regularizer of weights.
      batch_norm_decay, batch_norm_epsilon, batch_norm_scale: of batch normalization.
    """
    norm = {
        "decay": batch_norm_decay,
        "epsilon": batch_norm_epsilon,
        "scale": batch_norm_scale,
        "updates_collections": GraphKeys.UPDATE_OPS,
    }
    with (
        arg_scope(
            [convolution2d],
            weights_regularizer=l2_regularizer(weight_decay),
            weights_initializer=variance_scaling_initializer(),
            activation_fn=relu,
            normalizer_fn=batch_norm,
            normalizer_params=norm,
        ),
        arg_scope([batch_norm], **norm),
        arg_scope([max_pool2d], padding="SAME") as scope,
    ):
        return scope
