"""NASNet: cells of five pairs of small convolutions and pools, found by search."""

from __future__ import annotations

from typing import Any

from millrace.building.scopes import name_scope
from millrace.core.public import public
from millrace.lib.layers.node import int_shape
from millrace.models.keras.applications.building import Request, channel_axis, halving, side_of
from millrace.models.keras.layers.convolutional import Conv2D, SeparableConv2D
from millrace.models.keras.layers.core import Activation
from millrace.models.keras.layers.merging import add, concatenate
from millrace.models.keras.layers.normalization import BatchNormalization
from millrace.models.keras.layers.pooling import AveragePooling2D, MaxPooling2D
from millrace.models.keras.layers.resizing import Cropping2D, ZeroPadding2D


def _channels() -> int:
    """The axis of the channels as this architecture writes it into the configuration."""
    return 1 if channel_axis() == 1 else -1


def _normalized(x: Any, name: str) -> Any:
    return BatchNormalization(axis=channel_axis(), momentum=0.9997, epsilon=1e-3, name=name)(x)


def _relu(x: Any, name: str | None = None) -> Any:
    return Activation("relu", name=name)(x)


def _conv(x: Any, filters: int, name: str, **kwargs: Any) -> Any:
    kwargs = {"padding": "same", "kernel_size": (1, 1), **kwargs}
    return Conv2D(filters, use_bias=False, name=name, kernel_initializer="he_normal", **kwargs)(x)


def _separable(x: Any, filters: int, size: int, name: str, stride: int = 1) -> Any:
    """Two separable convolutions, each activated before and normalized after."""
    with name_scope(f"separable_conv_block_{name}"):
        x = _relu(x)
        for number, step in ((1, stride), (2, 1)):
            stem = f"separable_conv_{number}"
            if number == 2:
                x = _relu(x)
            if step == 2:
                x = ZeroPadding2D(padding=halving(x, size), name=f"{stem}_pad_{name}")(x)
            x = SeparableConv2D(
                filters,
                (size, size),
                strides=(step, step),
                name=f"{stem}_{name}",
                padding="valid" if step == 2 else "same",
                use_bias=False,
                kernel_initializer="he_normal",
            )(x)
            x = _normalized(x, f"{stem}_bn_{name}")
    return x


def _adjusted(before: Any, x: Any, filters: int, name: str) -> Any:
    """What the cell before last made, with the sides of `x` and `filters` channels."""
    with name_scope("adjust_block"):
        if before is None:
            return x
        if side_of(before) != side_of(x):
            with name_scope(f"adjust_reduction_block_{name}"):
                before = _relu(before, f"adjust_relu_1_{name}")
                one = _thinned(before, filters // 2, 1, name)
                shifted = ZeroPadding2D(padding=((0, 1), (0, 1)))(before)
                shifted = Cropping2D(cropping=((1, 0), (1, 0)))(shifted)
                other = _thinned(shifted, filters // 2, 2, name)
                joined = concatenate([one, other], axis=_channels())
                return _normalized(joined, f"adjust_bn_{name}")
        if int_shape(before)[channel_axis()] != filters:
            with name_scope(f"adjust_projection_block_{name}"):
                projected = _conv(_relu(before), filters, f"adjust_conv_projection_{name}", strides=(1, 1))
                return _normalized(projected, f"adjust_bn_{name}")
        return before


def _thinned(x: Any, filters: int, number: int, name: str) -> Any:
    """Every second pixel along both sides, mixed."""
    x = AveragePooling2D((1, 1), strides=(2, 2), padding="valid", name=f"adjust_avg_pool_{number}_{name}")(x)
    return _conv(x, filters, f"adjust_conv_{number}_{name}")


def _mean(x: Any, name: str) -> Any:
    return AveragePooling2D((3, 3), strides=(1, 1), padding="same", name=name)(x)


def _normal(x: Any, before: Any, filters: int, name: str) -> tuple[Any, Any]:
    """A cell that keeps the sides, and what came into it."""
    with name_scope(f"normal_A_block_{name}"):
        p = _adjusted(before, x, filters, name)
        h = _normalized(
            _conv(_relu(x), filters, f"normal_conv_1_{name}", strides=(1, 1)), f"normal_bn_1_{name}"
        )
        with name_scope("block_1"):
            left = _separable(h, filters, 5, f"normal_left1_{name}")
            right = _separable(p, filters, 3, f"normal_right1_{name}")
            first = add([left, right], name=f"normal_add_1_{name}")
        with name_scope("block_2"):
            left = _separable(p, filters, 5, f"normal_left2_{name}")
            right = _separable(p, filters, 3, f"normal_right2_{name}")
            second = add([left, right], name=f"normal_add_2_{name}")
        with name_scope("block_3"):
            third = add([_mean(h, f"normal_left3_{name}"), p], name=f"normal_add_3_{name}")
        with name_scope("block_4"):
            pair = [_mean(p, f"normal_left4_{name}"), _mean(p, f"normal_right4_{name}")]
            fourth = add(pair, name=f"normal_add_4_{name}")
        with name_scope("block_5"):
            fifth = add([_separable(h, filters, 3, f"normal_left5_{name}"), h], name=f"normal_add_5_{name}")
        made = [p, first, second, third, fourth, fifth]
        return concatenate(made, axis=_channels(), name=f"normal_concat_{name}"), x


def _reduction(x: Any, before: Any, filters: int, name: str) -> tuple[Any, Any]:
    """A cell that halves the sides, and what came into it."""
    with name_scope(f"reduction_A_block_{name}"):
        p = _adjusted(before, x, filters, name)
        h = _normalized(_conv(_relu(x), filters, f"reduction_conv_1_{name}"), f"reduction_bn_1_{name}")
        padded = ZeroPadding2D(padding=halving(h, 3), name=f"reduction_pad_1_{name}")(h)

        def pooled(kind: Any, place: str) -> Any:
            return kind((3, 3), strides=(2, 2), padding="valid", name=f"reduction_{place}_{name}")(padded)

        with name_scope("block_1"):
            left = _separable(h, filters, 5, f"reduction_left1_{name}", 2)
            right = _separable(p, filters, 7, f"reduction_right1_{name}", 2)
            first = add([left, right], name=f"reduction_add_1_{name}")
        with name_scope("block_2"):
            left = pooled(MaxPooling2D, "left2")
            right = _separable(p, filters, 7, f"reduction_right2_{name}", 2)
            second = add([left, right], name=f"reduction_add_2_{name}")
        with name_scope("block_3"):
            left = pooled(AveragePooling2D, "left3")
            right = _separable(p, filters, 5, f"reduction_right3_{name}", 2)
            third = add([left, right], name=f"reduction_add3_{name}")
        with name_scope("block_4"):
            fourth = add([second, _mean(first, f"reduction_left4_{name}")])
        with name_scope("block_5"):
            left = _separable(first, filters, 3, f"reduction_left4_{name}")
            fifth = add([left, pooled(MaxPooling2D, "right5")], name=f"reduction_add4_{name}")
        made = [second, third, fourth, fifth]
        return concatenate(made, axis=_channels(), name=f"reduction_concat_{name}"), x


def _model(asked: Request, last: int, count: int, stem: int, skips: bool, name: str, file: str) -> Any:
    """The stages, each of `count` cells and twice as wide as the one before."""
    if last % 24:
        raise ValueError(
            f"{asked.name}: the last number of filters must be divisible by 24. Received: {last}"
        )
    filters = last // 24
    x = _conv(asked.begin(), stem, "stem_conv1", kernel_size=(3, 3), strides=(2, 2), padding="valid")
    x = _normalized(x, "stem_bn1")
    x, p = _reduction(x, None, filters // 4, "stem_1")
    x, p = _reduction(x, p, filters // 2, "stem_2")
    for stage in range(3):
        if stage:
            x, before = _reduction(x, p, filters * 2**stage, f"reduce_{stage * count}")
            p = p if skips else before
        first = stage * count + (1 if stage else 0)
        for place in range(first, first + count):
            x, p = _normal(x, p, filters * 2**stage, str(place))
    x = _relu(x)
    x = asked.classified(x, "predictions", pool="") if asked.top else asked.pooled(x)
    return asked.model(x, name, (f"{file}.h5", f"{file}_no_top.h5"))


@public("keras.applications.NASNetMobile", "keras.applications.nasnet.NASNetMobile")
def NASNetMobile(  # noqa: N802 - TensorFlow's name
    input_shape: Any = None,
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Any:
    """NASNet for small machines; arguments and errors as for `VGG16`."""
    asked = Request(
        "NASNetMobile", include_top, weights, input_tensor, input_shape, pooling, classes, kwargs,
        size=224, fixed=True,
    )  # fmt: skip
    return _model(asked, 1056, 4, 32, False, "NASNet", "nasnet_mobile")


@public("keras.applications.NASNetLarge", "keras.applications.nasnet.NASNetLarge")
def NASNetLarge(  # noqa: N802 - TensorFlow's name
    input_shape: Any = None,
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Any:
    """NASNet, for images of 331 by 331; arguments and errors as for `VGG16`."""
    asked = Request(
        "NASNetLarge", include_top, weights, input_tensor, input_shape, pooling, classes, kwargs,
        size=331, fixed=True,
    )  # fmt: skip
    return _model(asked, 4032, 6, 96, True, "NASNet", "nasnet_large")
