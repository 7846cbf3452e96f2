"""Inception V3: towers of convolutions beside each other."""

from __future__ import annotations

from typing import Any

from millrace.core.public import public
from millrace.models.keras.applications.building import Request, channel_axis, usual_files
from millrace.models.keras.layers.convolutional import Conv2D
from millrace.models.keras.layers.core import Activation
from millrace.models.keras.layers.merging import concatenate
from millrace.models.keras.layers.normalization import BatchNormalization
from millrace.models.keras.layers.pooling import AveragePooling2D, MaxPooling2D


def _conv(x: Any, filters: int, rows: int, columns: int, padding: str = "same", strides: Any = (1, 1)) -> Any:
    """A convolution without bias, normalized and activated."""
    x = Conv2D(filters, (rows, columns), strides=strides, padding=padding, use_bias=False)(x)
    x = BatchNormalization(axis=channel_axis(), scale=False)(x)
    return Activation("relu")(x)


def _halved(x: Any, filters: int, size: int) -> Any:
    return _conv(x, filters, size, size, "valid", (2, 2))


def _mean(x: Any, filters: int) -> Any:
    """The tower that averages neighbours."""
    return _conv(AveragePooling2D((3, 3), strides=(1, 1), padding="same")(x), filters, 1, 1)


def _greatest(x: Any) -> Any:
    return MaxPooling2D((3, 3), strides=(2, 2))(x)


def _joined(towers: list[Any], name: str | None) -> Any:
    return concatenate(towers, axis=channel_axis(), name=name)


def _stem(x: Any) -> Any:
    x = _halved(x, 32, 3)
    x = _conv(x, 32, 3, 3, "valid")
    x = _greatest(_conv(x, 64, 3, 3))
    x = _conv(x, 80, 1, 1, "valid")
    return _greatest(_conv(x, 192, 3, 3, "valid"))


def _wide(x: Any, pooled: int, name: str) -> Any:
    """Windows of 1, 5 and twice 3."""
    one = _conv(x, 64, 1, 1)
    five = _conv(_conv(x, 48, 1, 1), 64, 5, 5)
    three = _conv(_conv(_conv(x, 64, 1, 1), 96, 3, 3), 96, 3, 3)
    return _joined([one, five, three, _mean(x, pooled)], name)


def _seven(x: Any, filters: int, name: str) -> Any:
    """Windows of 7 along one axis after the other."""
    one = _conv(x, 192, 1, 1)
    once = _conv(_conv(_conv(x, filters, 1, 1), filters, 1, 7), 192, 7, 1)
    twice = _conv(_conv(_conv(x, filters, 1, 1), filters, 7, 1), filters, 1, 7)
    twice = _conv(_conv(twice, filters, 7, 1), 192, 1, 7)
    return _joined([one, once, twice, _mean(x, 192)], name)


def _forked(x: Any, place: int) -> Any:
    """Windows of 3, each tower split into one along the rows and one along the columns."""
    one = _conv(x, 320, 1, 1)
    once = _conv(x, 384, 1, 1)
    once = _joined([_conv(once, 384, 1, 3), _conv(once, 384, 3, 1)], f"mixed9_{place}")
    twice = _conv(_conv(x, 448, 1, 1), 384, 3, 3)
    twice = _joined([_conv(twice, 384, 1, 3), _conv(twice, 384, 3, 1)], None)
    return _joined([one, once, twice, _mean(x, 192)], f"mixed{9 + place}")


def _body(x: Any) -> Any:
    for place, pooled in enumerate((32, 64, 64)):
        x = _wide(x, pooled, f"mixed{place}")
    three = _halved(x, 384, 3)
    twice = _halved(_conv(_conv(x, 64, 1, 1), 96, 3, 3), 96, 3)
    x = _joined([three, twice, _greatest(x)], "mixed3")
    for place, filters in enumerate((128, 160, 160, 192), 4):
        x = _seven(x, filters, f"mixed{place}")
    three = _halved(_conv(x, 192, 1, 1), 320, 3)
    seven = _halved(_conv(_conv(_conv(x, 192, 1, 1), 192, 1, 7), 192, 7, 1), 192, 3)
    x = _joined([three, seven, _greatest(x)], "mixed8")
    return _forked(_forked(x, 0), 1)


@public("keras.applications.InceptionV3", "keras.applications.inception_v3.InceptionV3")
def InceptionV3(  # noqa: N802 - TensorFlow's name
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Any:
    """Inception V3, for images of 299 by 299; arguments and errors as for `VGG16`."""
    asked = Request(
        "InceptionV3", include_top, weights, input_tensor, input_shape, pooling, classes, kwargs,
        size=299, least=75,
    )  # fmt: skip
    x = _body(_stem(asked.begin()))
    x = asked.classified(x, "predictions") if asked.top else asked.pooled(x)
    return asked.model(x, "inception_v3", usual_files("inception_v3"))
