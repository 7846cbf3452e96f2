"""`tf.contrib.slim.nets.alexnet`, `overfeat` and `vgg`: plain stacks of convolutions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.contributed.framework.arg_scope import arg_scope
from millrace.contributed.layers.core import convolution2d, fully_connected
from millrace.contributed.layers.outputs import convert_collection_to_dict
from millrace.contributed.layers.shapes import dropout, max_pool2d, repeat
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.variables.initializers import Constant, TruncatedNormal, Zeros
from millrace.lib.variables.regularizers import l2_regularizer
from millrace.lib.variables.scope import variable_scope
from millrace.ops.array.reshape import squeeze
from millrace.ops.nn.activation import relu

Net = tuple[Tensor, dict[str, Tensor]]
_SMALL = TruncatedNormal(0.0, 0.005)


def _trunc_normal(stddev: float) -> TruncatedNormal:
    return TruncatedNormal(0.0, stddev)


def _net(
    body: Callable[[Tensor], Tensor], last: dict[str, Any], inputs: Any, given: dict[str, Any], default: str
) -> Net:
    """Body, a dropout before fc7 and fc8, logits: the arguments are those of `alexnet_v2`."""
    with variable_scope(given["scope"], default, [inputs]) as scope:
        collection = f"{scope.original_name_scope}_end_points"
        with arg_scope([convolution2d, fully_connected, max_pool2d], outputs_collections=[collection]):
            net = body(inputs)
            with arg_scope([convolution2d], **last["scope"]):
                net = convolution2d(net, last["fc6"], last["window"], padding="VALID", scope="fc6")
                net = _dropped(net, given, "dropout6")
                net = convolution2d(net, 4096, [1, 1], scope="fc7")
                net = _dropped(net, given, "dropout7")
                net = convolution2d(
                    net,
                    given["num_classes"],
                    [1, 1],
                    activation_fn=None,
                    normalizer_fn=None,
                    scope="fc8",
                    **last["logits"],
                )
        end_points = convert_collection_to_dict(collection)
        if given["spatial_squeeze"]:
            net = squeeze(net, [1, 2], name="fc8/squeezed")
            end_points[scope.name + "/fc8"] = net
        return net, end_points


def _dropped(net: Tensor, given: dict[str, Any], scope: str) -> Tensor:
    return dropout(net, given["dropout_keep_prob"], is_training=given["is_training"], scope=scope)


@public(
    "contrib.slim.nets.alexnet.alexnet_v2_arg_scope",
    "contrib.slim.python.slim.nets.alexnet.alexnet_v2_arg_scope",
)
def alexnet_v2_arg_scope(weight_decay: float = 0.0005) -> Any:
    """The defaults that AlexNet is trained with: a scope for `arg_scope`."""
    with (
        arg_scope(
            [convolution2d, fully_connected],
            activation_fn=relu,
            biases_initializer=Constant(0.1),
            weights_regularizer=l2_regularizer(weight_decay),
        ),
        arg_scope([convolution2d], padding="SAME"),
        arg_scope([max_pool2d], padding="VALID") as scope,
    ):
        return scope


def _alexnet_body(net: Any) -> Tensor:
    net = convolution2d(net, 64, [11, 11], 4, padding="VALID", scope="conv1")
    net = max_pool2d(net, [3, 3], 2, scope="pool1")
    net = convolution2d(net, 192, [5, 5], scope="conv2")
    net = max_pool2d(net, [3, 3], 2, scope="pool2")
    net = convolution2d(net, 384, [3, 3], scope="conv3")
    net = convolution2d(net, 384, [3, 3], scope="conv4")
    net = convolution2d(net, 256, [3, 3], scope="conv5")
    return max_pool2d(net, [3, 3], 2, scope="pool5")


@public("contrib.slim.nets.alexnet.alexnet_v2", "contrib.slim.python.slim.nets.alexnet.alexnet_v2")
def alexnet_v2(
    inputs: Any,
    num_classes: int = 1000,
    is_training: bool = True,
    dropout_keep_prob: float = 0.5,
    spatial_squeeze: bool = True,
    scope: Any = "alexnet_v2",
) -> Net:
    """AlexNet in the form of "One weird trick for parallelizing convolutional neural networks".

    Args:
      inputs: `[batch, height, width, channels]`, 224 by 224 for classification.
      num_classes: the length of the logits.
      is_training: whether dropout drops.
      dropout_keep_prob: what it keeps.
      spatial_squeeze: drop the spatial axes of the logits, which must have length 1.
      scope: of the variables.

    Returns:
      Logits and a dict of the layers' outputs by name.
    """
    given = locals()
    last = {
        "scope": {"weights_initializer": _SMALL, "biases_initializer": Constant(0.1)},
        "fc6": 4096,
        "window": [5, 5],
        "logits": {"biases_initializer": Zeros()},
    }
    return _net(_alexnet_body, last, inputs, given, "alexnet_v2")


@public(
    "contrib.slim.nets.overfeat.overfeat_arg_scope",
    "contrib.slim.python.slim.nets.overfeat.overfeat_arg_scope",
)
def overfeat_arg_scope(weight_decay: float = 0.0005) -> Any:
    """The defaults that OverFeat is trained with: a scope for `arg_scope`."""
    with (
        arg_scope(
            [convolution2d, fully_connected],
            activation_fn=relu,
            weights_regularizer=l2_regularizer(weight_decay),
            biases_initializer=Zeros(),
        ),
        arg_scope([convolution2d], padding="SAME"),
        arg_scope([max_pool2d], padding="VALID") as scope,
    ):
        return scope


def _overfeat_body(net: Any) -> Tensor:
    net = convolution2d(net, 64, [11, 11], 4, padding="VALID", scope="conv1")
    net = max_pool2d(net, [2, 2], scope="pool1")
    net = convolution2d(net, 256, [5, 5], padding="VALID", scope="conv2")
    net = max_pool2d(net, [2, 2], scope="pool2")
    net = convolution2d(net, 512, [3, 3], scope="conv3")
    net = convolution2d(net, 1024, [3, 3], scope="conv4")
    net = convolution2d(net, 1024, [3, 3], scope="conv5")
    return max_pool2d(net, [2, 2], scope="pool5")


@public("contrib.slim.nets.overfeat.overfeat", "contrib.slim.python.slim.nets.overfeat.overfeat")
def overfeat(
    inputs: Any,
    num_classes: int = 1000,
    is_training: bool = True,
    dropout_keep_prob: float = 0.5,
    spatial_squeeze: bool = True,
    scope: Any = "overfeat",
) -> Net:
    """OverFeat, its fast form; arguments and result as for `alexnet_v2`, for images of 231 by 231."""
    given = locals()
    last = {
        "scope": {"weights_initializer": _SMALL, "biases_initializer": Constant(0.1)},
        "fc6": 3072,
        "window": [6, 6],
        "logits": {"biases_initializer": Zeros()},
    }
    return _net(_overfeat_body, last, inputs, given, "overfeat")


@public("contrib.slim.nets.vgg.vgg_arg_scope", "contrib.slim.python.slim.nets.vgg.vgg_arg_scope")
def vgg_arg_scope(weight_decay: float = 0.0005) -> Any:
    """The defaults that VGG is trained with: a scope for `arg_scope`."""
    with (
        arg_scope(
            [convolution2d, fully_connected],
            activation_fn=relu,
            weights_regularizer=l2_regularizer(weight_decay),
            biases_initializer=Zeros(),
        ),
        arg_scope([convolution2d], padding="SAME") as scope,
    ):
        return scope


def _vgg(counts: tuple[int, ...], inputs: Any, given: dict[str, Any], default: str) -> Net:
    def body(net: Any) -> Tensor:
        for i, (count, depth) in enumerate(zip(counts, (64, 128, 256, 512, 512), strict=True), 1):
            net = repeat(net, count, convolution2d, depth, [3, 3], scope=f"conv{i}")
            net = max_pool2d(net, [2, 2], scope=f"pool{i}")
        return net

    last = {"scope": {}, "fc6": 4096, "window": [7, 7], "logits": {}}
    return _net(body, last, inputs, given, default)


@public("contrib.slim.nets.vgg.vgg_a", "contrib.slim.python.slim.nets.vgg.vgg_a")
def vgg_a(
    inputs: Any,
    num_classes: int = 1000,
    is_training: bool = True,
    dropout_keep_prob: float = 0.5,
    spatial_squeeze: bool = True,
    scope: Any = "vgg_a",
) -> Net:
    """VGG with 11 layers (configuration A); arguments and result as for `alexnet_v2`."""
    return _vgg((1, 1, 2, 2, 2), inputs, locals(), "vgg_a")


@public(
    "contrib.slim.nets.vgg.vgg_16",
    "contrib.slim.nets.vgg.vgg_d",
    "contrib.slim.python.slim.nets.vgg.vgg_16",
    "contrib.slim.python.slim.nets.vgg.vgg_d",
)
def vgg_16(
    inputs: Any,
    num_classes: int = 1000,
    is_training: bool = True,
    dropout_keep_prob: float = 0.5,
    spatial_squeeze: bool = True,
    scope: Any = "vgg_16",
) -> Net:
    """VGG with 16 layers (configuration D); arguments and result as for `alexnet_v2`."""
    return _vgg((2, 2, 3, 3, 3), inputs, locals(), "vgg_16")


@public(
    "contrib.slim.nets.vgg.vgg_19",
    "contrib.slim.nets.vgg.vgg_e",
    "contrib.slim.python.slim.nets.vgg.vgg_19",
    "contrib.slim.python.slim.nets.vgg.vgg_e",
)
def vgg_19(
    inputs: Any,
    num_classes: int = 1000,
    is_training: bool = True,
    dropout_keep_prob: float = 0.5,
    spatial_squeeze: bool = True,
    scope: Any = "vgg_19",
) -> Net:
    """VGG with 19 layers (configuration E); arguments and result as for `alexnet_v2`."""
    return _vgg((2, 2, 4, 4, 4), inputs, locals(), "vgg_19")


for _one in (alexnet_v2, vgg_a, vgg_16, vgg_19):
    _one.default_image_size = 224  # type: ignore[attr-defined]
