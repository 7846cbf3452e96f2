"""MobileNet, of the first form and of the second: few weights for small machines."""

from __future__ import annotations

from typing import Any

from millrace.core.public import public
from millrace.models.keras.applications.building import Request, channel_axis, halving, side_of
from millrace.models.keras.layers.activation import ReLU
from millrace.models.keras.layers.convolutional import Conv2D, DepthwiseConv2D
from millrace.models.keras.layers.core import Activation, Dropout
from millrace.models.keras.layers.merging import Add
from millrace.models.keras.layers.normalization import BatchNormalization
from millrace.models.keras.layers.pooling import GlobalAveragePooling2D
from millrace.models.keras.layers.resizing import ZeroPadding2D
from millrace.models.keras.layers.shaping import Reshape

_SIDES = {"MobileNet": (128, 160, 192, 224), "MobileNetV2": (96, 128, 160, 192, 224)}
_WIDTHS = {"MobileNet": (0.25, 0.50, 0.75, 1.0), "MobileNetV2": (0.35, 0.50, 0.75, 1.0, 1.3, 1.4)}

# the filters and the stride of each block of the first form
_BLOCKS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
    (512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip
# filters, stride, how much wider inside, and how often, of the second form
_STAGES = (
    (16, 1, 1, 1), (24, 2, 6, 2), (32, 2, 6, 3), (64, 2, 6, 4), (96, 1, 6, 3), (160, 2, 6, 3), (320, 1, 6, 1),
)  # fmt: skip


def _side(name: str, shape: Any, weights: Any, alpha: float) -> int:
    """The side of the images that there are weights for, or the usual one.

    Raises:
      ValueError: there are no weights for such a width.
    """
    usual = 224
    if shape is not None and len(shape) == 3:
        rows, columns = (shape[1], shape[2]) if channel_axis() == 1 else (shape[0], shape[1])
        if rows == columns and rows in _SIDES[name]:
            usual = rows
    if weights == "imagenet" and alpha not in _WIDTHS[name]:
        raise ValueError(
            f"{name}: the weights 'imagenet' are for an alpha of {_WIDTHS[name]}. Received: {alpha}"
        )
    return usual


def _shown(given: Any, side: int, weights: Any) -> Any:
    """The side in the model's name: that of the inputs; with weights for other images, that of those."""
    return side if weights == "imagenet" else given.dims[2 if channel_axis() == 1 else 1]


def _relu(x: Any, name: str) -> Any:
    return ReLU(6.0, name=name)(x)


# --- the first form -----------------------------------------------------------------------------------------


def _normalized(x: Any, name: str) -> Any:
    return BatchNormalization(axis=channel_axis(), name=f"{name}_bn")(x)


def _separable(x: Any, filters: int, stride: int, multiplier: int, place: int) -> Any:
    if stride != 1:
        x = ZeroPadding2D(((0, 1), (0, 1)), name=f"conv_pad_{place}")(x)
    name = f"conv_dw_{place}"
    x = DepthwiseConv2D(
        (3, 3),
        padding="same" if stride == 1 else "valid",
        depth_multiplier=multiplier,
        strides=(stride, stride),
        use_bias=False,
        name=name,
    )(x)
    x = _relu(_normalized(x, name), f"{name}_relu")
    name = f"conv_pw_{place}"
    x = Conv2D(filters, (1, 1), padding="same", use_bias=False, strides=(1, 1), name=name)(x)
    return _relu(_normalized(x, name), f"{name}_relu")


@public("keras.applications.MobileNet", "keras.applications.mobilenet.MobileNet")
def MobileNet(  # noqa: N802 - TensorFlow's name
    input_shape: Any = None,
    alpha: float = 1.0,
    depth_multiplier: int = 1,
    dropout: float = 1e-3,
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Any:
    """MobileNet.

    Args:
      input_shape: of the images.
      alpha: the factor of the channels' number.
      depth_multiplier: how many filters each channel has in the depthwise convolutions.
      dropout: the share of features dropped before the classes.
      include_top, weights, input_tensor, pooling, classes, **kwargs: as for `VGG16`.

    Raises:
      ValueError: the weights are not a file, or are for other sizes; or the shape does not fit.
      FileNotFoundError: "imagenet" is not in Keras's folder.
    """
    side = _side("MobileNet", input_shape, weights, alpha)
    asked = Request(
        "MobileNet", include_top, weights, input_tensor, input_shape, pooling, classes, kwargs, size=side
    )
    if weights == "imagenet" and depth_multiplier != 1:
        raise ValueError(
            f"MobileNet: the weights 'imagenet' are for a depth_multiplier of 1. Received: {depth_multiplier}"
        )
    given = asked.begin()
    x = ZeroPadding2D(padding=((0, 1), (0, 1)), name="conv1_pad")(given)
    x = Conv2D(int(32 * alpha), (3, 3), padding="valid", use_bias=False, strides=(2, 2), name="conv1")(x)
    x = _relu(BatchNormalization(axis=channel_axis(), name="conv1_bn")(x), "conv1_relu")
    for place, (filters, stride) in enumerate(_BLOCKS, 1):
        x = _separable(x, int(filters * alpha), stride, depth_multiplier, place)
    if asked.top:
        x = _classified_by_convolution(x, int(1024 * alpha), dropout, classes)
    else:
        x = asked.pooled(x)
    width = {1.0: "1_0", 0.75: "7_5", 0.50: "5_0"}.get(alpha, "2_5")
    stem = f"mobilenet_{width}_{side}_tf"
    return asked.model(
        x, f"mobilenet_{alpha:.2f}_{_shown(given, side, weights)}", (stem + ".h5", stem + "_no_top.h5")
    )


def _classified_by_convolution(x: Any, channels: int, dropout: float, classes: int) -> Any:
    x = GlobalAveragePooling2D()(x)
    shape = (channels, 1, 1) if channel_axis() == 1 else (1, 1, channels)
    x = Reshape(shape, name="reshape_1")(x)
    x = Dropout(dropout, name="dropout")(x)
    x = Conv2D(classes, (1, 1), padding="same", name="conv_preds")(x)
    x = Reshape((classes,), name="reshape_2")(x)
    return Activation("softmax", name="act_softmax")(x)


# --- the second form ----------------------------------------------------------------------------------------


def _normalized_2(x: Any, name: str) -> Any:
    return BatchNormalization(axis=channel_axis(), epsilon=1e-3, momentum=0.999, name=name)(x)


def _by_eight(channels: float) -> int:
    """The nearest multiple of 8, at least 8, and not less than nine tenths of `channels`."""
    found = max(8, int(channels + 4) // 8 * 8)
    return found + 8 if found < 0.9 * channels else found


def _inverted(x: Any, filters: int, stride: int, wider: int, alpha: float, place: int) -> Any:
    """A residual that is wide inside and narrow at its ends."""
    given = x
    channels = int(x.shape.as_list()[channel_axis()])
    narrow = _by_eight(int(filters * alpha))
    name = "expanded_conv_"
    if place:
        name = f"block_{place}_"
        x = Conv2D(
            wider * channels, kernel_size=1, padding="same", use_bias=False, activation=None,
            name=f"{name}expand",
        )(x)  # fmt: skip
        x = _relu(_normalized_2(x, f"{name}expand_BN"), f"{name}expand_relu")
    if stride == 2:
        x = ZeroPadding2D(padding=halving(x, 3), name=f"{name}pad")(x)
    x = DepthwiseConv2D(
        kernel_size=3,
        strides=stride,
        activation=None,
        use_bias=False,
        padding="same" if stride == 1 else "valid",
        name=f"{name}depthwise",
    )(x)
    x = _relu(_normalized_2(x, f"{name}depthwise_BN"), f"{name}depthwise_relu")
    x = Conv2D(narrow, kernel_size=1, padding="same", use_bias=False, activation=None, name=f"{name}project")(
        x
    )
    x = _normalized_2(x, f"{name}project_BN")
    return Add(name=f"{name}add")([given, x]) if channels == narrow and stride == 1 else x


@public("keras.applications.MobileNetV2", "keras.applications.mobilenet_v2.MobileNetV2")
def MobileNetV2(  # noqa: N802 - TensorFlow's name
    input_shape: Any = None,
    alpha: float = 1.0,
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Any:
    """MobileNet, second form; arguments and errors as for `MobileNet`."""
    shape = input_shape
    if shape is None and input_tensor is not None and None not in side_of(input_tensor):
        shape = tuple(input_tensor.shape.as_list()[1:])
    side = _side("MobileNetV2", shape, weights, alpha)
    asked = Request(
        "MobileNetV2", include_top, weights, input_tensor, input_shape, pooling, classes, kwargs, size=side
    )
    given = asked.begin()
    x = ZeroPadding2D(padding=halving(given, 3), name="Conv1_pad")(given)
    first = _by_eight(32 * alpha)
    x = Conv2D(first, kernel_size=3, strides=(2, 2), padding="valid", use_bias=False, name="Conv1")(x)
    x = _relu(_normalized_2(x, "bn_Conv1"), "Conv1_relu")
    place = 0
    for filters, stride, wider, count in _STAGES:
        for number in range(count):
            x = _inverted(x, filters, 1 if number else stride, wider, alpha, place)
            place += 1
    last = _by_eight(1280 * alpha) if alpha > 1.0 else 1280
    x = Conv2D(last, kernel_size=1, use_bias=False, name="Conv_1")(x)
    x = _relu(_normalized_2(x, "Conv_1_bn"), "out_relu")
    x = asked.classified(x, "Logits", pool="") if asked.top else asked.pooled(x)
    stem = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha}_{side}"
    return asked.model(
        x, f"mobilenetv2_{alpha:.2f}_{_shown(given, side, weights)}", (stem + ".h5", stem + "_no_top.h5")
    )
