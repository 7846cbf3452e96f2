"""`tf.contrib.slim.nets.resnet_v1`: residual networks of "Deep residual learning for image recognition"."""

from __future__ import annotations

from typing import Any

from millrace.building import operators  # noqa: F401 - gives tensors their arithmetic
from millrace.contributed.framework.arg_scope import add_arg_scope, arg_scope
from millrace.contributed.layers.core import convolution2d
from millrace.contributed.layers.normalization import batch_norm
from millrace.contributed.layers.outputs import channels_of, collect_named_outputs, convert_collection_to_dict
from millrace.contributed.layers.shapes import max_pool2d, softmax
from millrace.contributed.slim.nets.blocks import Block, conv2d_same, stack_blocks_dense, subsample
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.math.reductions import reduce_mean
from millrace.lib.variables.scope import variable_scope
from millrace.ops.nn.activation import relu

Net = tuple[Tensor, dict[str, Tensor]]


@public("contrib.slim.nets.resnet_v1.bottleneck", "contrib.slim.python.slim.nets.resnet_v1.bottleneck")
@add_arg_scope
def bottleneck(
    inputs: Any,
    depth: int,
    depth_bottleneck: int,
    stride: int,
    rate: int = 1,
    outputs_collections: Any = None,
    scope: Any = None,
) -> Tensor:
    """A residual unit with a bottleneck, normalized after each convolution.

    Args:
      inputs: `[batch, height, width, channels]`.
      depth: output channels.
      depth_bottleneck: channels of the two inner convolutions.
      stride: how much smaller the output is.
      rate: the dilation.
      outputs_collections: collections that the output joins.
      scope: of the variables.
    """
    with variable_scope(scope, "bottleneck_v1", [inputs]) as scope:
        if depth == channels_of(inputs):
            shortcut = subsample(inputs, stride, "shortcut")
        else:
            shortcut = convolution2d(
                inputs, depth, [1, 1], stride=stride, activation_fn=None, scope="shortcut"
            )
        residual = convolution2d(inputs, depth_bottleneck, [1, 1], stride=1, scope="conv1")
        residual = conv2d_same(residual, depth_bottleneck, 3, stride, rate=rate, scope="conv2")
        residual = convolution2d(residual, depth, [1, 1], stride=1, activation_fn=None, scope="conv3")
        output = relu(shortcut + residual)
        return collect_named_outputs(outputs_collections, scope.name, output)


def _rooted(net: Any, output_stride: int | None) -> tuple[Tensor, int | None]:
    """The first convolution and pooling, and the stride left to the blocks."""
    if output_stride is not None:
        if output_stride % 4 != 0:
            raise ValueError(f"The output_stride needs to be a multiple of 4. Received: {output_stride}")
        output_stride //= 4
    net = conv2d_same(net, 64, 7, stride=2, scope="conv1")
    return max_pool2d(net, [3, 3], stride=2, scope="pool1"), output_stride


@public("contrib.slim.nets.resnet_v1.resnet_v1", "contrib.slim.python.slim.nets.resnet_v1.resnet_v1")
def resnet_v1(
    inputs: Any,
    blocks: Any,
    num_classes: int | None = None,
    is_training: bool = True,
    global_pool: bool = True,
    output_stride: int | None = None,
    include_root_block: bool = True,
    reuse: Any = None,
    scope: Any = None,
) -> Net:
    """A residual network of any blocks.

    Args:
      inputs: `[batch, height, width, channels]`.
      blocks: a list of `resnet_utils.Block`.
      num_classes: the length of the logits; None for features.
      is_training: whether batch normalization uses the batch.
      global_pool: take the mean over the image before the logits.
      output_stride: how much smaller than the image the features are, at most; a multiple of 4.
      include_root_block: begin with a convolution and a pooling, for images.
      reuse: whether to use the variables of an earlier network of that scope.
      scope: of the variables; default "resnet_v1".

    Returns:
      Logits or features `[batch, height, width, depth]`, and a dict of the layers' outputs by name.

    Raises:
      ValueError: the blocks cannot have that output stride.
    """
    with variable_scope(scope, "resnet_v1", [inputs], reuse=reuse) as scope:
        collection = f"{scope.original_name_scope}_end_points"
        collected = [convolution2d, bottleneck, stack_blocks_dense]
        with (
            arg_scope(collected, outputs_collections=collection),
            arg_scope([batch_norm], is_training=is_training),
        ):
            net = inputs
            if include_root_block:
                net, output_stride = _rooted(net, output_stride)
            net = stack_blocks_dense(net, blocks, output_stride)
            if global_pool:
                net = reduce_mean(net, [1, 2], name="pool5", keepdims=True)
            if num_classes is not None:
                net = convolution2d(
                    net, num_classes, [1, 1], activation_fn=None, normalizer_fn=None, scope="logits"
                )
            end_points = convert_collection_to_dict(collection)
            if num_classes is not None:
                end_points["predictions"] = softmax(net, scope="predictions")
            return net, end_points


resnet_v1.default_image_size = 224  # type: ignore[attr-defined]


@public(
    "contrib.slim.nets.resnet_v1.resnet_v1_block", "contrib.slim.python.slim.nets.resnet_v1.resnet_v1_block"
)
def resnet_v1_block(scope: str, base_depth: int, num_units: int, stride: int) -> Block:
    """A block of `num_units` bottlenecks of `base_depth`, the last of which has the stride."""
    unit = {"depth": base_depth * 4, "depth_bottleneck": base_depth, "stride": 1}
    return Block(scope, bottleneck, [unit] * (num_units - 1) + [{**unit, "stride": stride}])


def _sized(counts: tuple[int, ...], inputs: Any, given: dict[str, Any]) -> Net:
    strides = (2, 2, 2, 1)
    blocks = [resnet_v1_block(f"block{i + 1}", 64 * 2**i, counts[i], strides[i]) for i in range(4)]
    return resnet_v1(
        inputs,
        blocks,
        given["num_classes"],
        given["is_training"],
        global_pool=given["global_pool"],
        output_stride=given["output_stride"],
        include_root_block=True,
        reuse=given["reuse"],
        scope=given["scope"],
    )


@public("contrib.slim.nets.resnet_v1.resnet_v1_50", "contrib.slim.python.slim.nets.resnet_v1.resnet_v1_50")
def resnet_v1_50(
    inputs: Any,
    num_classes: int | None = None,
    is_training: bool = True,
    global_pool: bool = True,
    output_stride: int | None = None,
    reuse: Any = None,
    scope: Any = "resnet_v1_50",
) -> Net:
    """The residual network of 50 layers; arguments and result as for `resnet_v1`."""
    return _sized((3, 4, 6, 3), inputs, locals())


@public("contrib.slim.nets.resnet_v1.resnet_v1_101", "contrib.slim.python.slim.nets.resnet_v1.resnet_v1_101")
def resnet_v1_101(
    inputs: Any,
    num_classes: int | None = None,
    is_training: bool = True,
    global_pool: bool = True,
    output_stride: int | None = None,
    reuse: Any = None,
    scope: Any = "resnet_v1_101",
) -> Net:
    """The residual network of 101 layers; arguments and result as for `resnet_v1`."""
    return _sized((3, 4, 23, 3), inputs, locals())


@public("contrib.slim.nets.resnet_v1.resnet_v1_152", "contrib.slim.python.slim.nets.resnet_v1.resnet_v1_152")
def resnet_v1_152(
    inputs: Any,
    num_classes: int | None = None,
    is_training: bool = True,
    global_pool: bool = True,
    output_stride: int | None = None,
    reuse: Any = None,
    scope: Any = "resnet_v1_152",
) -> Net:
    """The residual network of 152 layers; arguments and result as for `resnet_v1`."""
    return _sized((3, 8, 36, 3), inputs, locals())


@public("contrib.slim.nets.resnet_v1.resnet_v1_200", "contrib.slim.python.slim.nets.resnet_v1.resnet_v1_200")
def resnet_v1_200(
    inputs: Any,
    num_classes: int | None = None,
    is_training: bool = True,
    global_pool: bool = True,
    output_stride: int | None = None,
    reuse: Any = None,
    scope: Any = "resnet_v1_200",
) -> Net:
    """The residual network of 200 layers; arguments and result as for `resnet_v1`."""
    return _sized((3, 24, 36, 3), inputs, locals())
