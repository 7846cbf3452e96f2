"""Inception-ResNet V2: towers of convolutions whose result is added to what they began with."""

from __future__ import annotations

from typing import Any

from millrace.core.public import public
from millrace.lib.layers.node import int_shape
from millrace.models.keras.applications.building import Request, channel_axis, usual_files
from millrace.models.keras.layers.convolutional import Conv2D
from millrace.models.keras.layers.core import Activation
from millrace.models.keras.layers.functions import Lambda
from millrace.models.keras.layers.merging import Concatenate
from millrace.models.keras.layers.normalization import BatchNormalization
from millrace.models.keras.layers.pooling import AveragePooling2D, MaxPooling2D


def _conv(
    x: Any,
    filters: int,
    size: Any,
    strides: int = 1,
    padding: str = "same",
    activation: str | None = "relu",
    use_bias: bool = False,
    name: str | None = None,
) -> Any:
    x = Conv2D(filters, size, strides=strides, padding=padding, use_bias=use_bias, name=name)(x)
    if not use_bias:
        normal = None if name is None else f"{name}_bn"
        x = BatchNormalization(axis=channel_axis(), scale=False, name=normal)(x)
    if activation is not None:
        x = Activation(activation, name=None if name is None else f"{name}_ac")(x)
    return x


def _joined(towers: list[Any], name: str) -> Any:
    return Concatenate(axis=channel_axis(), name=name)(towers)


def _towers(x: Any, kind: str) -> list[Any]:
    if kind == "block35":
        one = _conv(x, 32, 1)
        once = _conv(_conv(x, 32, 1), 32, 3)
        return [one, once, _conv(_conv(_conv(x, 32, 1), 48, 3), 64, 3)]
    one = _conv(x, 192, 1)
    if kind == "block17":
        return [one, _conv(_conv(_conv(x, 128, 1), 160, [1, 7]), 192, [7, 1])]
    return [one, _conv(_conv(_conv(x, 192, 1), 224, [1, 3]), 256, [3, 1])]


def _residual(x: Any, kind: str, place: int, factor: float, activation: str | None = "relu") -> Any:
    """The inputs and, times `factor`, what the towers make of them."""
    name = f"{kind}_{place}"
    mixed = _joined(_towers(x, kind), f"{name}_mixed")
    channels = int_shape(x)[channel_axis()]
    up = _conv(mixed, channels, 1, activation=None, use_bias=True, name=f"{name}_conv")
    x = Lambda(
        lambda inputs, scale: inputs[0] + inputs[1] * scale,
        output_shape=int_shape(x)[1:],
        arguments={"scale": factor},
        name=name,
    )([x, up])
    return x if activation is None else Activation(activation, name=f"{name}_ac")(x)


def _stem(x: Any) -> Any:
    x = _conv(x, 32, 3, strides=2, padding="valid")
    x = _conv(_conv(x, 32, 3, padding="valid"), 64, 3)
    x = MaxPooling2D(3, strides=2)(x)
    x = _conv(_conv(x, 80, 1, padding="valid"), 192, 3, padding="valid")
    x = MaxPooling2D(3, strides=2)(x)
    one = _conv(x, 96, 1)
    five = _conv(_conv(x, 48, 1), 64, 5)
    three = _conv(_conv(_conv(x, 64, 1), 96, 3), 96, 3)
    mean = _conv(AveragePooling2D(3, strides=1, padding="same")(x), 64, 1)
    return _joined([one, five, three, mean], "mixed_5b")


def _body(x: Any) -> Any:
    for place in range(1, 11):
        x = _residual(x, "block35", place, 0.17)
    one = _conv(x, 384, 3, strides=2, padding="valid")
    two = _conv(_conv(_conv(x, 256, 1), 256, 3), 384, 3, strides=2, padding="valid")
    x = _joined([one, two, MaxPooling2D(3, strides=2, padding="valid")(x)], "mixed_6a")
    for place in range(1, 21):
        x = _residual(x, "block17", place, 0.1)
    one = _conv(_conv(x, 256, 1), 384, 3, strides=2, padding="valid")
    two = _conv(_conv(x, 256, 1), 288, 3, strides=2, padding="valid")
    three = _conv(_conv(_conv(x, 256, 1), 288, 3), 320, 3, strides=2, padding="valid")
    x = _joined([one, two, three, MaxPooling2D(3, strides=2, padding="valid")(x)], "mixed_7a")
    for place in range(1, 10):
        x = _residual(x, "block8", place, 0.2)
    x = _residual(x, "block8", 10, 1.0, activation=None)
    return _conv(x, 1536, 1, name="conv_7b")


@public(
    "keras.applications.InceptionResNetV2",
    "keras.applications.inception_resnet_v2.InceptionResNetV2",
)
def InceptionResNetV2(  # noqa: N802 - TensorFlow's name
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Any:
    """Inception with residuals, for images of 299 by 299; arguments and errors as for `VGG16`."""
    asked = Request(
        "InceptionResNetV2", include_top, weights, input_tensor, input_shape, pooling, classes, kwargs,
        size=299, least=75,
    )  # fmt: skip
    x = _body(_stem(asked.begin()))
    x = asked.classified(x, "predictions") if asked.top else asked.pooled(x)
    return asked.model(x, "inception_resnet_v2", usual_files("inception_resnet_v2"))
