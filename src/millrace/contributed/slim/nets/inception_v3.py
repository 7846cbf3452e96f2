"""`tf.contrib.slim.nets.inception_v3`: "Rethinking the Inception architecture for computer vision"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.contributed.framework.arg_scope import arg_scope
from millrace.contributed.layers.core import convolution2d
from millrace.contributed.layers.normalization import batch_norm
from millrace.contributed.layers.shapes import avg_pool2d, dropout, max_pool2d, softmax
from millrace.contributed.slim.nets.defaults import depths, inception_arg_scope
from millrace.contributed.slim.nets.tables import Net, built, reduced_window, trunc_normal
from millrace.core.public import public
from millrace.graph.keys import GraphKeys
from millrace.graph.tensor import Tensor
from millrace.lib.variables.scope import variable_scope
from millrace.ops.array.reshape import squeeze

_TABLE = """
Conv2d_1a_3x3 32 /2 !
Conv2d_2a_3x3 32 !
Conv2d_2b_3x3 64
MaxPool_3a_3x3 /2 !
Conv2d_3b_1x1 80 !
Conv2d_4a_3x3 192 !
MaxPool_5a_3x3 /2 !
Mixed_5b: Conv2d_0a_1x1 64 | Conv2d_0a_1x1 48, Conv2d_0b_5x5 64
    | Conv2d_0a_1x1 64, Conv2d_0b_3x3 96, Conv2d_0c_3x3 96 | AvgPool_0a_3x3, Conv2d_0b_1x1 32
Mixed_5c: Conv2d_0a_1x1 64 | Conv2d_0b_1x1 48, Conv_1_0c_5x5 64
    | Conv2d_0a_1x1 64, Conv2d_0b_3x3 96, Conv2d_0c_3x3 96 | AvgPool_0a_3x3, Conv2d_0b_1x1 64
Mixed_5d: Conv2d_0a_1x1 64 | Conv2d_0a_1x1 48, Conv2d_0b_5x5 64
    | Conv2d_0a_1x1 64, Conv2d_0b_3x3 96, Conv2d_0c_3x3 96 | AvgPool_0a_3x3, Conv2d_0b_1x1 64
Mixed_6a: Conv2d_1a_1x1=3x3 384 /2 ! | Conv2d_0a_1x1 64, Conv2d_0b_3x3 96, Conv2d_1a_1x1=3x3 96 /2 !
    | MaxPool_1a_3x3 /2 !
Mixed_6b: Conv2d_0a_1x1 192 | Conv2d_0a_1x1 128, Conv2d_0b_1x7 128, Conv2d_0c_7x1 192
    | Conv2d_0a_1x1 128, Conv2d_0b_7x1 128, Conv2d_0c_1x7 128, Conv2d_0d_7x1 128, Conv2d_0e_1x7 192
    | AvgPool_0a_3x3, Conv2d_0b_1x1 192
Mixed_6c: Conv2d_0a_1x1 192 | Conv2d_0a_1x1 160, Conv2d_0b_1x7 160, Conv2d_0c_7x1 192
    | Conv2d_0a_1x1 160, Conv2d_0b_7x1 160, Conv2d_0c_1x7 160, Conv2d_0d_7x1 160, Conv2d_0e_1x7 192
    | AvgPool_0a_3x3, Conv2d_0b_1x1 192
Mixed_6d: Conv2d_0a_1x1 192 | Conv2d_0a_1x1 160, Conv2d_0b_1x7 160, Conv2d_0c_7x1 192
    | Conv2d_0a_1x1 160, Conv2d_0b_7x1 160, Conv2d_0c_1x7 160, Conv2d_0d_7x1 160, Conv2d_0e_1x7 192
    | AvgPool_0a_3x3, Conv2d_0b_1x1 192
Mixed_6e: Conv2d_0a_1x1 192 | Conv2d_0a_1x1 192, Conv2d_0b_1x7 192, Conv2d_0c_7x1 192
    | Conv2d_0a_1x1 192, Conv2d_0b_7x1 192, Conv2d_0c_1x7 192, Conv2d_0d_7x1 192, Conv2d_0e_1x7 192
    | AvgPool_0a_3x3, Conv2d_0b_1x1 192
Mixed_7a: Conv2d_0a_1x1 192, Conv2d_1a_3x3 320 /2 !
    | Conv2d_0a_1x1 192, Conv2d_0b_1x7 192, Conv2d_0c_7x1 192, Conv2d_1a_3x3 192 /2 !
    | MaxPool_1a_3x3 /2 !
Mixed_7b: Conv2d_0a_1x1 320 | Conv2d_0a_1x1 384, Conv2d_0b_1x3 384 & Conv2d_0b_3x1 384
    | Conv2d_0a_1x1 448, Conv2d_0b_3x3 384, Conv2d_0c_1x3 384 & Conv2d_0d_3x1 384
    | AvgPool_0a_3x3, Conv2d_0b_1x1 192
Mixed_7c: Conv2d_0a_1x1 320 | Conv2d_0a_1x1 384, Conv2d_0b_1x3 384 & Conv2d_0c_3x1 384
    | Conv2d_0a_1x1 448, Conv2d_0b_3x3 384, Conv2d_0c_1x3 384 & Conv2d_0d_3x1 384
    | AvgPool_0a_3x3, Conv2d_0b_1x1 192
"""


@public(
    "contrib.slim.nets.inception.inception_v3_base",
    "contrib.slim.nets.inception_v3.inception_v3_base",
    "contrib.slim.python.slim.nets.inception_v3.inception_v3_base",
)
def inception_v3_base(
    inputs: Any,
    final_endpoint: str = "Mixed_7c",
    min_depth: int = 16,
    depth_multiplier: float = 1.0,
    scope: Any = None,
) -> Net:
    """Inception v3 up to one of its layers.

    Args:
      inputs: `[batch, height, width, channels]`.
      final_endpoint: the name of the last layer.
      min_depth: the least depth of a convolution.
      depth_multiplier: what the depths are multiplied by; positive.
      scope: of the variables; default "InceptionV3".

    Returns:
      Its output, and a dict of all outputs by name.

    Raises:
      ValueError: there is no such layer, or the multiplier is not positive.
    """
    depth = depths(min_depth, depth_multiplier)
    with (
        variable_scope(scope, "InceptionV3", [inputs]),
        arg_scope([convolution2d, max_pool2d, avg_pool2d], stride=1, padding="SAME"),
    ):
        return built(inputs, _TABLE, {}, final_endpoint, depth)


def _auxiliary(net: Tensor, num_classes: int, squeezed: bool, depth: Callable[[int], int]) -> Tensor:
    """Logits from an inner layer."""
    with (
        arg_scope([convolution2d, max_pool2d, avg_pool2d], stride=1, padding="SAME"),
        variable_scope("AuxLogits"),
    ):
        net = avg_pool2d(net, [5, 5], stride=3, padding="VALID", scope="AvgPool_1a_5x5")
        net = convolution2d(net, depth(128), [1, 1], scope="Conv2d_1b_1x1")
        window = reduced_window(net, [5, 5])
        net = convolution2d(
            net,
            depth(768),
            window,
            weights_initializer=trunc_normal(0.01),
            padding="VALID",
            scope="Conv2d_2a_{}x{}".format(*window),
        )
        net = convolution2d(
            net,
            num_classes,
            [1, 1],
            activation_fn=None,
            normalizer_fn=None,
            weights_initializer=trunc_normal(0.001),
            scope="Conv2d_2b_1x1",
        )
        return squeeze(net, [1, 2], name="SpatialSqueeze") if squeezed else net


@public(
    "contrib.slim.nets.inception.inception_v3",
    "contrib.slim.nets.inception_v3.inception_v3",
    "contrib.slim.python.slim.nets.inception_v3.inception_v3",
)
def inception_v3(
    inputs: Any,
    num_classes: int = 1000,
    is_training: bool = True,
    dropout_keep_prob: float = 0.8,
    min_depth: int = 16,
    depth_multiplier: float = 1.0,
    prediction_fn: Callable[..., Any] = softmax,
    spatial_squeeze: bool = True,
    reuse: Any = None,
    scope: Any = "InceptionV3",
) -> Net:
    """Inception v3 for classification.

    Args:
      inputs: `[batch, 299, 299, 3]`.
      num_classes: the length of the logits.
      is_training: whether dropout drops and batch normalization uses the batch.
      dropout_keep_prob: what dropout keeps.
      min_depth, depth_multiplier: as for `inception_v3_base`.
      prediction_fn: from logits to predictions.
      spatial_squeeze: drop the spatial axes of the logits.
      reuse: whether to use the variables of an earlier network of that scope.
      scope: of the variables.

    Returns:
      Logits and a dict of the layers' outputs by name.

    Raises:
      ValueError: the multiplier is not positive.
    """
    depth = depths(min_depth, depth_multiplier)
    with (
        variable_scope(scope, "InceptionV3", [inputs, num_classes], reuse=reuse) as scope,
        arg_scope([batch_norm, dropout], is_training=is_training),
    ):
        net, end_points = inception_v3_base(
            inputs, scope=scope, min_depth=min_depth, depth_multiplier=depth_multiplier
        )
        end_points["AuxLogits"] = _auxiliary(end_points["Mixed_6e"], num_classes, spatial_squeeze, depth)
        with variable_scope("Logits"):
            window = reduced_window(net, [8, 8])
            name = "AvgPool_1a_{}x{}".format(*window)
            net = avg_pool2d(net, window, padding="VALID", scope=name)
            net = dropout(net, dropout_keep_prob, scope="Dropout_1b")
            end_points["PreLogits"] = net
            logits = convolution2d(
                net, num_classes, [1, 1], activation_fn=None, normalizer_fn=None, scope="Conv2d_1c_1x1"
            )
            if spatial_squeeze:
                logits = squeeze(logits, [1, 2], name="SpatialSqueeze")
        end_points["Logits"] = logits
        end_points["Predictions"] = prediction_fn(logits, scope="Predictions")
        return logits, end_points


inception_v3.default_image_size = 299  # type: ignore[attr-defined]


@public(
    "contrib.slim.nets.inception.inception_v3_arg_scope",
    "contrib.slim.nets.inception_v3.inception_v3_arg_scope",
    "contrib.slim.python.slim.nets.inception_v3.inception_v3_arg_scope",
)
def inception_v3_arg_scope(
    weight_decay: float = 0.00004,
    batch_norm_var_collection: str = "moving_vars",
    batch_norm_decay: float = 0.9997,
    batch_norm_epsilon: float = 0.001,
    updates_collections: str = GraphKeys.UPDATE_OPS,
    use_fused_batchnorm: bool = True,
) -> Any:
    """The defaults that Inception v3 is trained with: a scope for `arg_scope`."""
    return inception_arg_scope(
        weight_decay,
        batch_norm_var_collection,
        batch_norm_decay,
        batch_norm_epsilon,
        updates_collections,
        {"fused": use_fused_batchnorm},
    )
