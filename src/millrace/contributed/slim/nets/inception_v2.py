"""`tf.contrib.slim.nets.inception_v2`: "Batch normalization: accelerating deep network training"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.contributed.framework.arg_scope import arg_scope
from millrace.contributed.layers.core import convolution2d
from millrace.contributed.layers.normalization import batch_norm
from millrace.contributed.layers.separable import separable_convolution2d
from millrace.contributed.layers.shapes import avg_pool2d, dropout, max_pool2d, softmax
from millrace.contributed.slim.nets.defaults import depths, inception_arg_scope
from millrace.contributed.slim.nets.tables import Net, built, reduced_window, trunc_normal
from millrace.core.public import public
from millrace.lib.variables.scope import variable_scope
from millrace.ops.array.reshape import squeeze

_TABLE = """
MaxPool_2a_3x3 /2
Conv2d_2b_1x1 64 ~0.1
Conv2d_2c_3x3 192
MaxPool_3a_3x3 /2
Mixed_3b: Conv2d_0a_1x1 64 | Conv2d_0a_1x1 64 ~0.09, Conv2d_0b_3x3 64
    | Conv2d_0a_1x1 64 ~0.09, Conv2d_0b_3x3 96, Conv2d_0c_3x3 96 | AvgPool_0a_3x3, Conv2d_0b_1x1 32 ~0.1
Mixed_3c: Conv2d_0a_1x1 64 | Conv2d_0a_1x1 64 ~0.09, Conv2d_0b_3x3 96
    | Conv2d_0a_1x1 64 ~0.09, Conv2d_0b_3x3 96, Conv2d_0c_3x3 96 | AvgPool_0a_3x3, Conv2d_0b_1x1 64 ~0.1
Mixed_4a: Conv2d_0a_1x1 128 ~0.09, Conv2d_1a_3x3 160 /2
    | Conv2d_0a_1x1 64 ~0.09, Conv2d_0b_3x3 96, Conv2d_1a_3x3 96 /2 | MaxPool_1a_3x3 /2
Mixed_4b: Conv2d_0a_1x1 224 | Conv2d_0a_1x1 64 ~0.09, Conv2d_0b_3x3 96
    | Conv2d_0a_1x1 96 ~0.09, Conv2d_0b_3x3 128, Conv2d_0c_3x3 128
    | AvgPool_0a_3x3, Conv2d_0b_1x1 128 ~0.1
Mixed_4c: Conv2d_0a_1x1 192 | Conv2d_0a_1x1 96 ~0.09, Conv2d_0b_3x3 128
    | Conv2d_0a_1x1 96 ~0.09, Conv2d_0b_3x3 128, Conv2d_0c_3x3 128
    | AvgPool_0a_3x3, Conv2d_0b_1x1 128 ~0.1
Mixed_4d: Conv2d_0a_1x1 160 | Conv2d_0a_1x1 128 ~0.09, Conv2d_0b_3x3 160
    | Conv2d_0a_1x1 128 ~0.09, Conv2d_0b_3x3 160, Conv2d_0c_3x3 160
    | AvgPool_0a_3x3, Conv2d_0b_1x1 96 ~0.1
Mixed_4e: Conv2d_0a_1x1 96 | Conv2d_0a_1x1 128 ~0.09, Conv2d_0b_3x3 192
    | Conv2d_0a_1x1 160 ~0.09, Conv2d_0b_3x3 192, Conv2d_0c_3x3 192
    | AvgPool_0a_3x3, Conv2d_0b_1x1 96 ~0.1
Mixed_5a: Conv2d_0a_1x1 128 ~0.09, Conv2d_1a_3x3 192 /2
    | Conv2d_0a_1x1 192 ~0.09, Conv2d_0b_3x3 256, Conv2d_1a_3x3 256 /2 | MaxPool_1a_3x3 /2
Mixed_5b: Conv2d_0a_1x1 352 | Conv2d_0a_1x1 192 ~0.09, Conv2d_0b_3x3 320
    | Conv2d_0a_1x1 160 ~0.09, Conv2d_0b_3x3 224, Conv2d_0c_3x3 224
    | AvgPool_0a_3x3, Conv2d_0b_1x1 128 ~0.1
Mixed_5c: Conv2d_0a_1x1 352 | Conv2d_0a_1x1 192 ~0.09, Conv2d_0b_3x3 320
    | Conv2d_0a_1x1 192 ~0.09, Conv2d_0b_3x3 224, Conv2d_0c_3x3 224
    | MaxPool_0a_3x3, Conv2d_0b_1x1 128 ~0.1
"""


@public(
    "contrib.slim.nets.inception.inception_v2_base",
    "contrib.slim.nets.inception_v2.inception_v2_base",
    "contrib.slim.python.slim.nets.inception_v2.inception_v2_base",
)
def inception_v2_base(
    inputs: Any,
    final_endpoint: str = "Mixed_5c",
    min_depth: int = 16,
    depth_multiplier: float = 1.0,
    scope: Any = None,
) -> Net:
    """Inception v2 up to one of its layers.

    Args:
      inputs: `[batch, height, width, channels]`.
      final_endpoint: the name of the last layer.
      min_depth: the least depth of a convolution.
      depth_multiplier: what the depths are multiplied by; positive.
      scope: of the variables; default "InceptionV2".

    Returns:
      Its output, and a dict of all outputs by name.

    Raises:
      ValueError: there is no such layer, or the multiplier is not positive.
    """
    depth = depths(min_depth, depth_multiplier)
    with (
        variable_scope(scope, "InceptionV2", [inputs]),
        arg_scope([convolution2d, max_pool2d, avg_pool2d, separable_convolution2d], stride=1, padding="SAME"),
    ):
        net = separable_convolution2d(
            inputs,
            depth(64),
            [7, 7],
            depth_multiplier=min(int(depth(64) / 3), 8),
            stride=2,
            weights_initializer=trunc_normal(1.0),
            scope="Conv2d_1a_7x7",
        )
        end_points = {"Conv2d_1a_7x7": net}
        if final_endpoint == "Conv2d_1a_7x7":
            return net, end_points
        return built(net, _TABLE, end_points, final_endpoint, depth)


@public(
    "contrib.slim.nets.inception.inception_v2",
    "contrib.slim.nets.inception_v2.inception_v2",
    "contrib.slim.python.slim.nets.inception_v2.inception_v2",
)
def inception_v2(
    inputs: Any,
    num_classes: int = 1000,
    is_training: bool = True,
    dropout_keep_prob: float = 0.8,
    min_depth: int = 16,
    depth_multiplier: float = 1.0,
    prediction_fn: Callable[..., Any] = softmax,
    spatial_squeeze: bool = True,
    reuse: Any = None,
    scope: Any = "InceptionV2",
) -> Net:
    """Inception v2 for classification.

    Args:
      inputs: `[batch, 224, 224, 3]`.
      num_classes: the length of the logits.
      is_training: whether dropout drops and batch normalization uses the batch.
      dropout_keep_prob: what dropout keeps.
      min_depth, depth_multiplier: as for `inception_v2_base`.
      prediction_fn: from logits to predictions.
      spatial_squeeze: drop the spatial axes of the logits.
      reuse: whether to use the variables of an earlier network of that scope.
      scope: of the variables.

    Returns:
      Logits and a dict of the layers' outputs by name.

    Raises:
      ValueError: the multiplier is not positive.
    """
    depths(min_depth, depth_multiplier)
    with (
        variable_scope(scope, "InceptionV2", [inputs, num_classes], reuse=reuse) as scope,
        arg_scope([batch_norm, dropout], is_training=is_training),
    ):
        net, end_points = inception_v2_base(
            inputs, scope=scope, min_depth=min_depth, depth_multiplier=depth_multiplier
        )
        with variable_scope("Logits"):
            window = reduced_window(net, [7, 7])
            name = "AvgPool_1a_{}x{}".format(*window)
            net = avg_pool2d(net, window, padding="VALID", scope=name)
            net = dropout(net, dropout_keep_prob, scope="Dropout_1b")
            logits = convolution2d(
                net, num_classes, [1, 1], activation_fn=None, normalizer_fn=None, scope="Conv2d_1c_1x1"
            )
            if spatial_squeeze:
                logits = squeeze(logits, [1, 2], name="SpatialSqueeze")
        end_points["Logits"] = logits
        end_points["Predictions"] = prediction_fn(logits, scope="Predictions")
        return logits, end_points


inception_v2.default_image_size = 224  # type: ignore[attr-defined]


@public(
    "contrib.slim.nets.inception.inception_v2_arg_scope",
    "contrib.slim.nets.inception_v2.inception_v2_arg_scope",
    "contrib.slim.python.slim.nets.inception_v2.inception_v2_arg_scope",
)
def inception_v2_arg_scope(
    weight_decay: float = 0.00004, batch_norm_var_collection: str = "moving_vars"
) -> Any:
    """The defaults that Inception v2 is trained with: a scope for `arg_scope`."""
    return inception_arg_scope(weight_decay, batch_norm_var_collection, linear=False)
