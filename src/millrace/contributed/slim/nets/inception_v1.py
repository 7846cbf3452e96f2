"""`tf.contrib.slim.nets.inception_v1`: "Going deeper with convolutions"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.contributed.framework.arg_scope import arg_scope
from millrace.contributed.layers.core import convolution2d, fully_connected
from millrace.contributed.layers.normalization import batch_norm
from millrace.contributed.layers.shapes import avg_pool2d, dropout, max_pool2d, softmax
from millrace.contributed.slim.nets.defaults import inception_arg_scope
from millrace.contributed.slim.nets.tables import Net, built, trunc_normal
from millrace.core.public import public
from millrace.lib.variables.scope import variable_scope
from millrace.ops.array.reshape import squeeze

_TABLE = """
Conv2d_1a_7x7 64 /2
MaxPool_2a_3x3 /2
Conv2d_2b_1x1 64
Conv2d_2c_3x3 192
MaxPool_3a_3x3 /2
Mixed_3b: Conv2d_0a_1x1 64 | Conv2d_0a_1x1 96, Conv2d_0b_3x3 128 | Conv2d_0a_1x1 16, Conv2d_0b_3x3 32
    | MaxPool_0a_3x3, Conv2d_0b_1x1 32
Mixed_3c: Conv2d_0a_1x1 128 | Conv2d_0a_1x1 128, Conv2d_0b_3x3 192
    | Conv2d_0a_1x1 32, Conv2d_0b_3x3 96 | MaxPool_0a_3x3, Conv2d_0b_1x1 64
MaxPool_4a_3x3 /2
Mixed_4b: Conv2d_0a_1x1 192 | Conv2d_0a_1x1 96, Conv2d_0b_3x3 208 | Conv2d_0a_1x1 16, Conv2d_0b_3x3 48
    | MaxPool_0a_3x3, Conv2d_0b_1x1 64
Mixed_4c: Conv2d_0a_1x1 160 | Conv2d_0a_1x1 112, Conv2d_0b_3x3 224
    | Conv2d_0a_1x1 24, Conv2d_0b_3x3 64 | MaxPool_0a_3x3, Conv2d_0b_1x1 64
Mixed_4d: Conv2d_0a_1x1 128 | Conv2d_0a_1x1 128, Conv2d_0b_3x3 256
    | Conv2d_0a_1x1 24, Conv2d_0b_3x3 64 | MaxPool_0a_3x3, Conv2d_0b_1x1 64
Mixed_4e: Conv2d_0a_1x1 112 | Conv2d_0a_1x1 144, Conv2d_0b_3x3 288
    | Conv2d_0a_1x1 32, Conv2d_0b_3x3 64 | MaxPool_0a_3x3, Conv2d_0b_1x1 64
Mixed_4f: Conv2d_0a_1x1 256 | Conv2d_0a_1x1 160, Conv2d_0b_3x3 320
    | Conv2d_0a_1x1 32, Conv2d_0b_3x3 128 | MaxPool_0a_3x3, Conv2d_0b_1x1 128
MaxPool_5a_2x2 /2
Mixed_5b: Conv2d_0a_1x1 256 | Conv2d_0a_1x1 160, Conv2d_0b_3x3 320
    | Conv2d_0a_1x1 32, Conv2d_0a_3x3 128 | MaxPool_0a_3x3, Conv2d_0b_1x1 128
Mixed_5c: Conv2d_0a_1x1 384 | Conv2d_0a_1x1 192, Conv2d_0b_3x3 384
    | Conv2d_0a_1x1 48, Conv2d_0b_3x3 128 | MaxPool_0a_3x3, Conv2d_0b_1x1 128
"""


@public(
    "contrib.slim.nets.inception.inception_v1_base",
    "contrib.slim.nets.inception_v1.inception_v1_base",
    "contrib.slim.python.slim.nets.inception_v1.inception_v1_base",
)
def inception_v1_base(inputs: Any, final_endpoint: str = "Mixed_5c", scope: Any = "InceptionV1") -> Net:
    """Inception v1 up to one of its layers.

    Args:
      inputs: `[batch, height, width, channels]`.
      final_endpoint: the name of the last layer.
      scope: of the variables; default "InceptionV1".

    Returns:
      Its output, and a dict of all outputs by name.

    Raises:
      ValueError: there is no such layer.
    """
    with (
        variable_scope(scope, "InceptionV1", [inputs]),
        arg_scope([convolution2d, fully_connected], weights_initializer=trunc_normal(0.01)),
        arg_scope([convolution2d, max_pool2d], stride=1, padding="SAME"),
    ):
        return built(inputs, _TABLE, {}, final_endpoint)


@public(
    "contrib.slim.nets.inception.inception_v1",
    "contrib.slim.nets.inception_v1.inception_v1",
    "contrib.slim.python.slim.nets.inception_v1.inception_v1",
)
def inception_v1(
    inputs: Any,
    num_classes: int = 1000,
    is_training: bool = True,
    dropout_keep_prob: float = 0.8,
    prediction_fn: Callable[..., Any] = softmax,
    spatial_squeeze: bool = True,
    reuse: Any = None,
    scope: Any = "InceptionV1",
) -> Net:
    """Inception v1 for classification.

    Args:
      inputs: `[batch, 224, 224, 3]`.
      num_classes: the length of the logits.
      is_training: whether dropout drops and batch normalization uses the batch.
      dropout_keep_prob: what dropout keeps.
      prediction_fn: from logits to predictions.
      spatial_squeeze: drop the spatial axes of the logits.
      reuse: whether to use the variables of an earlier network of that scope.
      scope: of the variables.

    Returns:
      Logits and a dict of the layers' outputs by name.
    """
    with (
        variable_scope(scope, "InceptionV1", [inputs, num_classes], reuse=reuse) as scope,
        arg_scope([batch_norm, dropout], is_training=is_training),
    ):
        net, end_points = inception_v1_base(inputs, scope=scope)
        with variable_scope("Logits"):
            net = avg_pool2d(net, [7, 7], stride=1, scope="MaxPool_0a_7x7")
            net = dropout(net, dropout_keep_prob, scope="Dropout_0b")
            logits = convolution2d(
                net, num_classes, [1, 1], activation_fn=None, normalizer_fn=None, scope="Conv2d_0c_1x1"
            )
            if spatial_squeeze:
                logits = squeeze(logits, [1, 2], name="SpatialSqueeze")
            end_points["Logits"] = logits
            end_points["Predictions"] = prediction_fn(logits, scope="Predictions")
        return logits, end_points


inception_v1.default_image_size = 224  # type: ignore[attr-defined]


@public(
    "contrib.slim.nets.inception.inception_v1_arg_scope",
    "contrib.slim.nets.inception_v1.inception_v1_arg_scope",
    "contrib.slim.python.slim.nets.inception_v1.inception_v1_arg_scope",
)
def inception_v1_arg_scope(
    weight_decay: float = 0.00004, use_batch_norm: bool = True, batch_norm_var_collection: str = "moving_vars"
) -> Any:
    """The defaults that Inception v1 is trained with: a scope for `arg_scope`."""
    return inception_arg_scope(weight_decay, batch_norm_var_collection, use_batch_norm=use_batch_norm)
