"""Convolutions, pools, and convolutions whose weights differ from place to place."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.core import shapes
from millrace.core.public import public
from millrace.lib.nn.convolution import convolution
from millrace.lib.nn.convolution import separable_conv2d as separable_image
from millrace.models.keras.backend import arrays
from millrace.ops.array.concat import concat, stack
from millrace.ops.array.pad import pad
from millrace.ops.array.reshape import reshape, transpose
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.linalg.matmul import matmul
from millrace.ops.nn.conv import conv2d_transpose as transposed_image

_LAYOUTS = {1: ("NWC", "NCW"), 2: ("NHWC", "NCHW"), 3: ("NDHWC", "NCDHW")}


@public("python.keras.backend._preprocess_padding")
def native_padding(padding: str) -> str:
    """A padding as operations call it.

    Raises:
      ValueError: it is neither "same" nor "valid".
    """
    if padding not in ("same", "valid"):
        raise ValueError(f"Invalid padding: {padding}")
    return padding.upper()


@public("python.keras.backend._has_nchw_support")
def has_nchw_support() -> bool:
    """False: operations take channels last."""
    return False


@public("python.keras.backend._get_available_gpus")
def available_gpus() -> list[str]:
    """The names of the devices of type GPU: none."""
    return []


@public("python.keras.backend._preprocess_conv1d_input")
def sequences_with_channels_last(x: Any, data_format: str | None) -> tuple[Any, str]:
    """Sequences with channels last, and the name of that layout."""
    first = arrays.checked_layout(data_format) == "channels_first"
    return (transpose(x, (0, 2, 1)) if first else x), "NWC"


@public("python.keras.backend._preprocess_conv2d_input")
def images_with_channels_last(
    x: Any, data_format: str | None, force_transpose: bool = False
) -> tuple[Any, str]:
    """Images with channels last, and the name of that layout; `force_transpose` changes nothing."""
    del force_transpose
    first = arrays.checked_layout(data_format) == "channels_first"
    return (transpose(x, (0, 2, 3, 1)) if first else x), "NHWC"


def _layout(data_format: str | None, axes: int) -> str:
    return _LAYOUTS[axes][arrays.checked_layout(data_format) == "channels_first"]


@public("keras.backend.conv1d")
def conv1d(
    x: Any,
    kernel: Any,
    strides: int = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: int = 1,
) -> Any:
    """Convolution along one axis.

    Args:
      x: `[batch, length, channels]`, or channels second.
      kernel: `[window, in, out]`.
      strides: the window's steps.
      padding: "valid", "same" or "causal": earlier elements only.
      data_format: the layout; default `image_data_format()`.
      dilation_rate: the steps between the window's elements.
    """
    if padding == "causal":
        left = dilation_rate * ((shapes.as_dims(kernel.get_shape()) or (1,))[0] - 1)  # type: ignore[operator]
        x, padding = pad(x, [[0, 0], [left, 0], [0, 0]]), "valid"
    return convolution(
        x,
        kernel,
        padding=native_padding(padding),
        strides=[strides],
        dilation_rate=[dilation_rate],
        data_format=_layout(data_format, 1),
    )


@public("keras.backend.conv2d")
def conv2d(
    x: Any,
    kernel: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = (1, 1),
) -> Any:
    """Convolution of images: `kernel` is `[height, width, in, out]`."""
    return _convolved(x, kernel, strides, padding, data_format, dilation_rate, 2)


@public("keras.backend.conv3d")
def conv3d(
    x: Any,
    kernel: Any,
    strides: Any = (1, 1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = (1, 1, 1),
) -> Any:
    """Convolution of volumes: `kernel` is `[depth, height, width, in, out]`."""
    return _convolved(x, kernel, strides, padding, data_format, dilation_rate, 3)


def _convolved(
    x: Any, kernel: Any, strides: Any, padding: str, data_format: str | None, rate: Any, axes: int
) -> Any:
    return convolution(
        x,
        kernel,
        padding=native_padding(padding),
        strides=list(strides),
        dilation_rate=list(rate),
        data_format=_layout(data_format, axes),
    )


@public("keras.backend.conv2d_transpose")
def conv2d_transpose(
    x: Any,
    kernel: Any,
    output_shape: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = (1, 1),
) -> Any:
    """The transpose of a convolution of images.

    Args:
      x: `[batch, height, width, in]`, or channels second.
      kernel: `[height, width, out, in]`.
      output_shape: the result's shape; None for the batch of `x`.
      strides, padding, data_format, dilation_rate: of the convolution.

    Raises:
      ValueError: the layout or padding is unknown.
    """
    layout = _layout(data_format, 2)
    sizes = list(output_shape) if isinstance(output_shape, list | tuple) else None
    if sizes is not None and sizes[0] is None:
        sizes[0] = shape_of(x)[0]
    steps = [1, *strides, 1] if layout == "NHWC" else [1, 1, *strides]
    rates = [1, *dilation_rate, 1] if layout == "NHWC" else [1, 1, *dilation_rate]
    shape = output_shape if sizes is None else stack(sizes)
    if tuple(dilation_rate) == (1, 1):
        return transposed_image(x, kernel, shape, steps, padding=native_padding(padding), data_format=layout)
    return raw.Conv2DBackpropInput(
        shape, kernel, x, strides=steps, padding=native_padding(padding), data_format=layout, dilations=rates
    )


@public("keras.backend.separable_conv2d")
def separable_conv2d(
    x: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = (1, 1),
) -> Any:
    """One filter for each channel of images, then a mix of the channels."""
    layout = _layout(data_format, 2)
    steps = tuple(strides) if isinstance(strides, list | tuple) else (strides, strides)
    return separable_image(
        x,
        depthwise_kernel,
        pointwise_kernel,
        strides=[1, *steps, 1] if layout == "NHWC" else [1, 1, *steps],
        padding=native_padding(padding),
        rate=list(dilation_rate),
        data_format=layout,
    )


@public("keras.backend.pool2d")
def pool2d(
    x: Any,
    pool_size: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    pool_mode: str = "max",
) -> Any:
    """The largest element ("max") or the mean ("avg") of windows of images."""
    return _pooled(x, pool_size, strides, padding, data_format, pool_mode, 2)


@public("keras.backend.pool3d")
def pool3d(
    x: Any,
    pool_size: Any,
    strides: Any = (1, 1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    pool_mode: str = "max",
) -> Any:
    """The largest element ("max") or the mean ("avg") of windows of volumes."""
    return _pooled(x, pool_size, strides, padding, data_format, pool_mode, 3)


def _pooled(
    x: Any, pool_size: Any, strides: Any, padding: str, data_format: str | None, pool_mode: str, axes: int
) -> Any:
    ops = {("max", 2): raw.MaxPool, ("avg", 2): raw.AvgPool, ("max", 3): raw.MaxPool3D,
           ("avg", 3): raw.AvgPool3D}  # fmt: skip
    if (pool_mode, axes) not in ops:
        raise ValueError(f"Invalid pooling mode: {pool_mode}")
    for name, value in (("`pool_size`", pool_size), ("`strides`", strides)):
        if len(value) != axes:
            raise ValueError(f"{name} must be a tuple of {axes} integers. Received: {value}")
    layout = _layout(data_format, axes)
    last = layout.endswith("C")
    window = [1, *pool_size, 1] if last else [1, 1, *pool_size]
    steps = [1, *strides, 1] if last else [1, 1, *strides]
    return ops[pool_mode, axes](
        x, ksize=window, strides=steps, padding=native_padding(padding), data_format=layout
    )


@public("keras.backend.local_conv1d")
def local_conv1d(
    inputs: Any, kernel: Any, kernel_size: Any, strides: Any, data_format: str | None = None
) -> Any:
    """Convolution along one axis with a kernel of its own at each place.

    Args:
      inputs: `[batch, length, channels]`, or channels second.
      kernel: `[places, window * in, out]`.
      kernel_size, strides: tuples of one integer.
      data_format: the layout; default `image_data_format()`.
    """
    places = (shapes.as_dims(kernel.get_shape()) or (1,))[0]
    return locally(inputs, kernel, kernel_size, strides, (places,), data_format)


@public("keras.backend.local_conv2d")
def local_conv2d(
    inputs: Any,
    kernel: Any,
    kernel_size: Any,
    strides: Any,
    output_shape: Any,
    data_format: str | None = None,
) -> Any:
    """Convolution of images with a kernel of its own at each place.

    Args:
      inputs: `[batch, height, width, channels]`, or channels second.
      kernel: `[places, height * width * in, out]`.
      kernel_size, strides: tuples of two integers.
      output_shape: how many places there are along each axis.
      data_format: the layout; default `image_data_format()`.
    """
    return locally(inputs, kernel, kernel_size, strides, output_shape, data_format)


def locally(
    inputs: Any, kernel: Any, kernel_size: Any, strides: Any, places: Any, data_format: str | None
) -> Any:
    """Products of the windows at each place with that place's own weights.

    Args:
      inputs: `[batch, ..., channels]`, or channels second.
      kernel: `[places, window * channels, filters]`.
      kernel_size, strides: one number for each axis.
      places: how many places there are along each axis.
      data_format: the layout; default `image_data_format()`.
    """
    first = arrays.checked_layout(data_format) == "channels_first"
    _, features, filters = shapes.as_dims(kernel.get_shape())  # type: ignore[misc]
    axes = len(places)
    pieces = []
    for place in _grid(places):
        window = tuple(slice(p * s, p * s + k) for p, s, k in zip(place, strides, kernel_size, strict=True))
        key = (slice(None), slice(None), *window) if first else (slice(None), *window, slice(None))
        pieces.append(reshape(inputs[key], (1, -1, features)))
    found = matmul(concat(pieces, 0), kernel)
    found = reshape(found, (*places, -1, filters))
    order = [axes, axes + 1, *range(axes)] if first else [axes, *range(axes), axes + 1]
    return transpose(found, perm=order)


def _grid(lengths: Any) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = [()]
    for length in lengths:
        found = [(*place, i) for place in found for i in range(length)]
    return found
