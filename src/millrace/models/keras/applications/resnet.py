"""Residual networks, of the first form and of the second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.core.public import public
from millrace.models.keras.applications.building import Request, channel_axis, usual_files
from millrace.models.keras.layers.convolutional import Conv2D
from millrace.models.keras.layers.core import Activation
from millrace.models.keras.layers.merging import Add
from millrace.models.keras.layers.normalization import BatchNormalization
from millrace.models.keras.layers.pooling import MaxPooling2D
from millrace.models.keras.layers.resizing import ZeroPadding2D

_FILTERS = (64, 128, 256, 512)
_BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def _normalized(x: Any, name: str) -> Any:
    return BatchNormalization(axis=channel_axis(), epsilon=1.001e-5, name=f"{name}_bn")(x)


def _active(x: Any, name: str) -> Any:
    return Activation("relu", name=name)(x)


def _block(x: Any, filters: int, stride: int, projected: bool, name: str) -> Any:
    """A bottleneck whose sum is activated."""
    shortcut = x
    if projected:
        shortcut = Conv2D(4 * filters, 1, strides=stride, name=f"{name}_0_conv")(x)
        shortcut = _normalized(shortcut, f"{name}_0")
    x = _normalized(Conv2D(filters, 1, strides=stride, name=f"{name}_1_conv")(x), f"{name}_1")
    x = _active(x, f"{name}_1_relu")
    x = _normalized(Conv2D(filters, 3, padding="same", name=f"{name}_2_conv")(x), f"{name}_2")
    x = _active(x, f"{name}_2_relu")
    x = _normalized(Conv2D(4 * filters, 1, name=f"{name}_3_conv")(x), f"{name}_3")
    return _active(Add(name=f"{name}_add")([shortcut, x]), f"{name}_out")


def _stack(x: Any, filters: int, count: int, stride: int, name: str) -> Any:
    for number in range(1, count + 1):
        first = number == 1
        x = _block(x, filters, stride if first else 1, first, f"{name}_block{number}")
    return x


def _block_2(x: Any, filters: int, stride: int, projected: bool, name: str) -> Any:
    """A bottleneck that normalizes and activates before it convolves."""
    before = _active(_normalized(x, f"{name}_preact"), f"{name}_preact_relu")
    if projected:
        shortcut = Conv2D(4 * filters, 1, strides=stride, name=f"{name}_0_conv")(before)
    else:
        shortcut = MaxPooling2D(1, strides=stride)(x) if stride > 1 else x
    x = Conv2D(filters, 1, strides=1, use_bias=False, name=f"{name}_1_conv")(before)
    x = _active(_normalized(x, f"{name}_1"), f"{name}_1_relu")
    x = ZeroPadding2D(padding=((1, 1), (1, 1)), name=f"{name}_2_pad")(x)
    x = Conv2D(filters, 3, strides=stride, use_bias=False, name=f"{name}_2_conv")(x)
    x = _active(_normalized(x, f"{name}_2"), f"{name}_2_relu")
    x = Conv2D(4 * filters, 1, name=f"{name}_3_conv")(x)
    return Add(name=f"{name}_out")([shortcut, x])


def _stack_2(x: Any, filters: int, count: int, stride: int, name: str) -> Any:
    for number in range(1, count + 1):
        last = number == count
        x = _block_2(x, filters, stride if last else 1, number == 1, f"{name}_block{number}")
    return x


def _stem(asked: Request) -> Any:
    x = ZeroPadding2D(padding=((3, 3), (3, 3)), name="conv1_pad")(asked.begin())
    return Conv2D(64, 7, strides=2, use_bias=True, name="conv1_conv")(x)


def _narrowed(x: Any) -> Any:
    x = ZeroPadding2D(padding=((1, 1), (1, 1)), name="pool1_pad")(x)
    return MaxPooling2D(3, strides=2, name="pool1_pool")(x)


def _stacks(x: Any, stack: Callable[..., Any], depth: int, strides: tuple[int, ...]) -> Any:
    for place, filters in enumerate(_FILTERS):
        x = stack(x, filters, _BLOCKS[depth][place], strides[place], f"conv{place + 2}")
    return x


def _ended(asked: Request, x: Any, name: str) -> Any:
    x = asked.classified(x, "probs") if asked.top else asked.pooled(x, named=True)
    return asked.model(x, name, usual_files(name))


def _first_form(asked: Request, depth: int) -> Any:
    x = _active(_normalized(_stem(asked), "conv1"), "conv1_relu")
    x = _stacks(_narrowed(x), _stack, depth, (1, 2, 2, 2))
    return _ended(asked, x, f"resnet{depth}")


def _second_form(asked: Request, depth: int) -> Any:
    x = _stacks(_narrowed(_stem(asked)), _stack_2, depth, (2, 2, 2, 1))
    x = _active(_normalized(x, "post"), "post_relu")
    return _ended(asked, x, f"resnet{depth}v2")


@public(
    "keras.applications.ResNet50",
    "keras.applications.resnet.ResNet50",
    "keras.applications.resnet50.ResNet50",
)
def ResNet50(  # noqa: N802 - TensorFlow's name
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Any:
    """A residual network of 50 layers; arguments and errors as for `VGG16`."""
    asked = Request("ResNet50", include_top, weights, input_tensor, input_shape, pooling, classes, kwargs)
    return _first_form(asked, 50)


@public("keras.applications.ResNet101", "keras.applications.resnet.ResNet101")
def ResNet101(  # noqa: N802 - TensorFlow's name
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Any:
    """A residual network of 101 layers; arguments and errors as for `VGG16`."""
    asked = Request("ResNet101", include_top, weights, input_tensor, input_shape, pooling, classes, kwargs)
    return _first_form(asked, 101)


@public("keras.applications.ResNet152", "keras.applications.resnet.ResNet152")
def ResNet152(  # noqa: N802 - TensorFlow's name
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Any:
    """A residual network of 152 layers; arguments and errors as for `VGG16`."""
    asked = Request("ResNet152", include_top, weights, input_tensor, input_shape, pooling, classes, kwargs)
    return _first_form(asked, 152)


@public("keras.applications.ResNet50V2", "keras.applications.resnet_v2.ResNet50V2")
def ResNet50V2(  # noqa: N802 - TensorFlow's name
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Any:
    """A residual network of 50 layers, second form; arguments and errors as for `VGG16`."""
    asked = Request("ResNet50V2", include_top, weights, input_tensor, input_shape, pooling, classes, kwargs)
    return _second_form(asked, 50)


@public("keras.applications.ResNet101V2", "keras.applications.resnet_v2.ResNet101V2")
def ResNet101V2(  # noqa: N802 - TensorFlow's name
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Any:
    """A residual network of 101 layers, second form; arguments and errors as for `VGG16`."""
    asked = Request("ResNet101V2", include_top, weights, input_tensor, input_shape, pooling, classes, kwargs)
    return _second_form(asked, 101)


@public("keras.applications.ResNet152V2", "keras.applications.resnet_v2.ResNet152V2")
def ResNet152V2(  # noqa: N802 - TensorFlow's name
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Any:
    """A residual network of 152 layers, second form; arguments and errors as for `VGG16`."""
    asked = Request("ResNet152V2", include_top, weights, input_tensor, input_shape, pooling, classes, kwargs)
    return _second_form(asked, 152)
