"""Densely connected networks: each block sees the outputs of all before it."""

from __future__ import annotations

from typing import Any

from millrace.core.public import public
from millrace.models.keras.applications.building import Request, channel_axis, usual_files
from millrace.models.keras.layers.convolutional import Conv2D
from millrace.models.keras.layers.core import Activation
from millrace.models.keras.layers.merging import Concatenate
from millrace.models.keras.layers.normalization import BatchNormalization
from millrace.models.keras.layers.pooling import AveragePooling2D, MaxPooling2D
from millrace.models.keras.layers.resizing import ZeroPadding2D

_GROWTH = 32


def _normalized(x: Any, name: str) -> Any:
    return BatchNormalization(axis=channel_axis(), epsilon=1.001e-5, name=name)(x)


def _active(x: Any, name: str) -> Any:
    return Activation("relu", name=name)(x)


def _block(x: Any, name: str) -> Any:
    """What is there, and more channels made of it."""
    new = _active(_normalized(x, f"{name}_0_bn"), f"{name}_0_relu")
    new = Conv2D(4 * _GROWTH, 1, use_bias=False, name=f"{name}_1_conv")(new)
    new = _active(_normalized(new, f"{name}_1_bn"), f"{name}_1_relu")
    new = Conv2D(_GROWTH, 3, padding="same", use_bias=False, name=f"{name}_2_conv")(new)
    return Concatenate(axis=channel_axis(), name=f"{name}_concat")([x, new])


def _transition(x: Any, name: str) -> Any:
    """Half the channels and half the sides."""
    x = _active(_normalized(x, f"{name}_bn"), f"{name}_relu")
    channels = int(x.shape.as_list()[channel_axis()])
    x = Conv2D(channels // 2, 1, use_bias=False, name=f"{name}_conv")(x)
    return AveragePooling2D(2, strides=2, name=f"{name}_pool")(x)


def _model(asked: Request, name: str, counts: tuple[int, ...]) -> Any:
    x = ZeroPadding2D(padding=((3, 3), (3, 3)))(asked.begin())
    x = Conv2D(64, 7, strides=2, use_bias=False, name="conv1/conv")(x)
    x = _active(_normalized(x, "conv1/bn"), "conv1/relu")
    x = ZeroPadding2D(padding=((1, 1), (1, 1)))(x)
    x = MaxPooling2D(3, strides=2, name="pool1")(x)
    for place, count in enumerate(counts, 2):
        if place > 2:
            x = _transition(x, f"pool{place - 1}")
        for number in range(1, count + 1):
            x = _block(x, f"conv{place}_block{number}")
    x = _active(_normalized(x, "bn"), "relu")
    x = asked.classified(x, "fc1000") if asked.top else asked.pooled(x, named=True)
    return asked.model(x, name, usual_files(name))


@public("keras.applications.DenseNet121", "keras.applications.densenet.DenseNet121")
def DenseNet121(  # noqa: N802 - TensorFlow's name
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Any:
    """A densely connected network of 121 layers; arguments and errors as for `VGG16`."""
    asked = Request("DenseNet121", include_top, weights, input_tensor, input_shape, pooling, classes, kwargs)
    return _model(asked, "densenet121", (6, 12, 24, 16))


@public("keras.applications.DenseNet169", "keras.applications.densenet.DenseNet169")
def DenseNet169(  # noqa: N802 - TensorFlow's name
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Any:
    """A densely connected network of 169 layers; arguments and errors as for `VGG16`."""
    asked = Request("DenseNet169", include_top, weights, input_tensor, input_shape, pooling, classes, kwargs)
    return _model(asked, "densenet169", (6, 12, 32, 32))


@public("keras.applications.DenseNet201", "keras.applications.densenet.DenseNet201")
def DenseNet201(  # noqa: N802 - TensorFlow's name
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Any:
    """A densely connected network of 201 layers; arguments and errors as for `VGG16`."""
    asked = Request("DenseNet201", include_top, weights, input_tensor, input_shape, pooling, classes, kwargs)
    return _model(asked, "densenet201", (6, 12, 48, 32))
