"""Xception: separable convolutions with residuals."""

from __future__ import annotations

from typing import Any

from millrace.core.public import public
from millrace.models.keras.applications.building import Request, channel_axis, usual_files
from millrace.models.keras.layers.convolutional import Conv2D, SeparableConv2D
from millrace.models.keras.layers.core import Activation
from millrace.models.keras.layers.merging import add
from millrace.models.keras.layers.normalization import BatchNormalization
from millrace.models.keras.layers.pooling import MaxPooling2D


def _normalized(x: Any, name: str | None = None) -> Any:
    return BatchNormalization(axis=channel_axis(), name=name)(x)


def _active(x: Any, name: str) -> Any:
    return Activation("relu", name=f"{name}_act")(x)


def _separable(x: Any, filters: int, name: str) -> Any:
    x = SeparableConv2D(filters, (3, 3), padding="same", use_bias=False, name=name)(x)
    return _normalized(x, f"{name}_bn")


def _shortcut(x: Any, filters: int) -> Any:
    return _normalized(Conv2D(filters, (1, 1), strides=(2, 2), padding="same", use_bias=False)(x))


def _halving(x: Any, place: int, first: int, second: int) -> Any:
    """Two separable convolutions, then half the sides."""
    name = f"block{place}"
    residual = _shortcut(x, second)
    if place > 2:
        x = _active(x, f"{name}_sepconv1")
    x = _separable(x, first, f"{name}_sepconv1")
    x = _separable(_active(x, f"{name}_sepconv2"), second, f"{name}_sepconv2")
    x = MaxPooling2D((3, 3), strides=(2, 2), padding="same", name=f"{name}_pool")(x)
    return add([x, residual])


def _middle(x: Any, place: int) -> Any:
    residual = x
    for number in (1, 2, 3):
        name = f"block{place}_sepconv{number}"
        x = _separable(_active(x, name), 728, name)
    return add([x, residual])


def _body(x: Any) -> Any:
    x = Conv2D(32, (3, 3), strides=(2, 2), use_bias=False, name="block1_conv1")(x)
    x = _active(_normalized(x, "block1_conv1_bn"), "block1_conv1")
    x = Conv2D(64, (3, 3), use_bias=False, name="block1_conv2")(x)
    x = _active(_normalized(x, "block1_conv2_bn"), "block1_conv2")
    for place, filters in ((2, 128), (3, 256), (4, 728)):
        x = _halving(x, place, filters, filters)
    for place in range(5, 13):
        x = _middle(x, place)
    x = _halving(x, 13, 728, 1024)
    for number, filters in ((1, 1536), (2, 2048)):
        name = f"block14_sepconv{number}"
        x = _active(_separable(x, filters, name), name)
    return x


@public("keras.applications.Xception", "keras.applications.xception.Xception")
def Xception(  # noqa: N802 - TensorFlow's name
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Any:
    """Xception, for images of 299 by 299; arguments and errors as for `VGG16`."""
    asked = Request(
        "Xception", include_top, weights, input_tensor, input_shape, pooling, classes, kwargs,
        size=299, least=71,
    )  # fmt: skip
    x = _body(asked.begin())
    x = asked.classified(x, "predictions") if asked.top else asked.pooled(x)
    return asked.model(x, "xception", usual_files("xception"))
