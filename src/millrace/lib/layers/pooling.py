"""`tf.layers`: maxima and means of windows over one, two or three axes."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, raw
from millrace.core import shapes
from millrace.core.public import public
from millrace.core.shapes import TensorShape
from millrace.graph.tensor import Tensor
from millrace.lib.layers import layer
from millrace.lib.layers.base import Layer
from millrace.lib.layers.core import data_format_of
from millrace.lib.layers.spec import InputSpec
from millrace.lib.nn.convolution import layout_of
from millrace.opkit.rules import windows
from millrace.ops.array.reshape import transpose

_OPS = {("max", 2): "MaxPool", ("avg", 2): "AvgPool", ("max", 3): "MaxPool3D", ("avg", 3): "AvgPool3D"}


def sizes_of(value: Any, axes: int, what: str) -> tuple[int, ...]:
    """One integer for each spatial axis, from one integer or a list.

    Raises:
      ValueError: another number of integers, or something else.
    """
    try:
        found = (int(value),) * axes if not hasattr(value, "__len__") else tuple(int(v) for v in value)
    except (TypeError, ValueError):
        raise ValueError(f"The `{what}` argument must be {axes} integers. Received: {value!r}") from None
    if len(found) != axes:
        raise ValueError(f"The `{what}` argument must be {axes} integers. Received: {value!r}")
    return found


def padding_of(padding: str) -> str:
    """The padding, "valid", "same" or "causal", in lower case.

    Raises:
      ValueError: it is none of them.
    """
    found = padding.lower() if isinstance(padding, str) else padding
    if found not in ("valid", "same", "causal"):
        raise ValueError(f'The `padding` argument must be one of "valid", "same". Received: {padding!r}')
    return found


class Pooling(layer.Layer):
    """A window that moves over the spatial axes.

    Args:
      pool_size: the window: one integer, or one for each spatial axis.
      strides: its steps, likewise; None for the window's own size.
      padding: "valid" or "same".
      data_format: "channels_last" or "channels_first".
      name: of the layer.
      **kwargs: see `tf.layers.Layer`.
    """

    kind: str
    rank: int

    def __init__(
        self,
        pool_size: Any,
        strides: Any,
        padding: str = "valid",
        data_format: str = "channels_last",
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.pool_size = sizes_of(pool_size, self.rank, "pool_size")
        self.strides = sizes_of(pool_size if strides is None else strides, self.rank, "strides")
        self.padding = padding_of(padding)
        self.data_format = data_format_of(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs: Any) -> Tensor:
        """The inputs, each window made one element."""
        inputs = convert.to_tensor(inputs)
        if self.rank > 1:
            return self._pooled(inputs, self.pool_size, self.strides)
        # Over one axis: an image one pixel wide.
        place = 2 if self.data_format == "channels_last" else 3
        image = raw.ExpandDims(inputs, place)
        found = self._pooled(image, (*self.pool_size, 1), (*self.strides, 1))
        return raw.Squeeze(found, squeeze_dims=[place])

    def _pooled(self, image: Tensor, window: tuple[int, ...], steps: tuple[int, ...]) -> Tensor:
        if self.rank == 3 and self.data_format == "channels_first":
            moved = transpose(image, (0, 2, 3, 4, 1))
            return transpose(self._windows(moved, window, steps, "NDHWC"), (0, 4, 1, 2, 3))
        layout = layout_of("NC" if self.data_format == "channels_first" else None, len(window))
        return self._windows(image, window, steps, layout)

    def _windows(self, image: Tensor, window: Any, steps: Any, layout: str) -> Tensor:
        return getattr(raw, _OPS[self.kind, len(window)])(
            image,
            ksize=windows.assemble(1, list(window), 1, layout),
            strides=windows.assemble(1, list(steps), 1, layout),
            padding=self.padding.upper(),
            data_format=layout,
        )

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The shape of the outputs for inputs of shape `input_shape`."""
        dims = shapes.as_dims(input_shape)
        layout = layout_of("NC" if self.data_format == "channels_first" else None, self.rank)
        sizes = [
            output_length(n, k, self.padding, s)
            for n, k, s in zip(windows.spatial(dims, layout), self.pool_size, self.strides, strict=True)
        ]
        return TensorShape(windows.assemble(dims[0], sizes, windows.channel(dims, layout), layout))  # pyright: ignore[reportOptionalSubscript]


def output_length(length: int | None, window: int, padding: str, step: int, dilation: int = 1) -> int | None:
    """How many places a window has along an axis of `length`; None where that is unknown."""
    if length is None:
        return None
    reach = window + (window - 1) * (dilation - 1)
    places = length if padding in ("same", "causal") else length - reach + 1
    return -(-places // step)


@public("layers.MaxPooling1D")
class MaxPooling1D(Pooling, Layer):
    """The largest element of each window along one axis: `[batch, length, channels]`."""

    kind, rank = "max", 1


@public("layers.MaxPooling2D")
class MaxPooling2D(Pooling, Layer):
    """The largest element of each window of an image: `[batch, height, width, channels]`."""

    kind, rank = "max", 2


@public("layers.MaxPooling3D")
class MaxPooling3D(Pooling, Layer):
    """The largest element of each window of a volume: `[batch, depth, height, width, channels]`."""

    kind, rank = "max", 3


@public("layers.AveragePooling1D")
class AveragePooling1D(Pooling, Layer):
    """The mean of each window along one axis: `[batch, length, channels]`."""

    kind, rank = "avg", 1


@public("layers.AveragePooling2D")
class AveragePooling2D(Pooling, Layer):
    """The mean of each window of an image: `[batch, height, width, channels]`."""

    kind, rank = "avg", 2


@public("layers.AveragePooling3D")
class AveragePooling3D(Pooling, Layer):
    """The mean of each window of a volume: `[batch, depth, height, width, channels]`."""

    kind, rank = "avg", 3


@public("layers.max_pooling1d")
def max_pooling1d(
    inputs: Any,
    pool_size: Any,
    strides: Any,
    padding: str = "valid",
    data_format: str = "channels_last",
    name: str | None = None,
) -> Tensor:
    """The largest element of each window along one axis.

    Args:
      inputs: `[batch, length, channels]`, or channels second.
      pool_size: the window: one integer.
      strides: its steps, likewise.
      padding: "valid" or "same".
      data_format: "channels_last" or "channels_first".
      name: of the layer; default "max_pooling1d".

    Returns:
      A tensor of the same rank and layout.
    """
    return MaxPooling1D(pool_size, strides, padding, data_format, name)(inputs)


@public("layers.max_pooling2d")
def max_pooling2d(
    inputs: Any,
    pool_size: Any,
    strides: Any,
    padding: str = "valid",
    data_format: str = "channels_last",
    name: str | None = None,
) -> Tensor:
    """The largest element of each window of an image.

    Args:
      inputs: `[batch, height, width, channels]`, or channels second.
      pool_size: the window: one integer, or one for each spatial axis.
      strides: its steps, likewise.
      padding: "valid" or "same".
      data_format: "channels_last" or "channels_first".
      name: of the layer; default "max_pooling2d".

    Returns:
      A tensor of the same rank and layout.
    """
    return MaxPooling2D(pool_size, strides, padding, data_format, name)(inputs)


@public("layers.max_pooling3d")
def max_pooling3d(
    inputs: Any,
    pool_size: Any,
    strides: Any,
    padding: str = "valid",
    data_format: str = "channels_last",
    name: str | None = None,
) -> Tensor:
    """The largest element of each window of a volume.

    Args:
      inputs: `[batch, depth, height, width, channels]`, or channels second.
      pool_size: the window: one integer, or one for each spatial axis.
      strides: its steps, likewise.
      padding: "valid" or "same".
      data_format: "channels_last" or "channels_first".
      name: of the layer; default "max_pooling3d".

    Returns:
      A tensor of the same rank and layout.
    """
    return MaxPooling3D(pool_size, strides, padding, data_format, name)(inputs)


@public("layers.average_pooling1d")
def average_pooling1d(
    inputs: Any,
    pool_size: Any,
    strides: Any,
    padding: str = "valid",
    data_format: str = "channels_last",
    name: str | None = None,
) -> Tensor:
    """The mean of each window along one axis.

    Args:
      inputs: `[batch, length, channels]`, or channels second.
      pool_size: the window: one integer.
      strides: its steps, likewise.
      padding: "valid" or "same".
      data_format: "channels_last" or "channels_first".
      name: of the layer; default "average_pooling1d".

    Returns:
      A tensor of the same rank and layout.
    """
    return AveragePooling1D(pool_size, strides, padding, data_format, name)(inputs)


@public("layers.average_pooling2d")
def average_pooling2d(
    inputs: Any,
    pool_size: Any,
    strides: Any,
    padding: str = "valid",
    data_format: str = "channels_last",
    name: str | None = None,
) -> Tensor:
    """The mean of each window of an image.

    Args:
      inputs: `[batch, height, width, channels]`, or channels second.
      pool_size: the window: one integer, or one for each spatial axis.
      strides: its steps, likewise.
      padding: "valid" or "same".
      data_format: "channels_last" or "channels_first".
      name: of the layer; default "average_pooling2d".

    Returns:
      A tensor of the same rank and layout.
    """
    return AveragePooling2D(pool_size, strides, padding, data_format, name)(inputs)


@public("layers.average_pooling3d")
def average_pooling3d(
    inputs: Any,
    pool_size: Any,
    strides: Any,
    padding: str = "valid",
    data_format: str = "channels_last",
    name: str | None = None,
) -> Tensor:
    """The mean of each window of a volume.

    Args:
      inputs: `[batch, depth, height, width, channels]`, or channels second.
      pool_size: the window: one integer, or one for each spatial axis.
      strides: its steps, likewise.
      padding: "valid" or "same".
      data_format: "channels_last" or "channels_first".
      name: of the layer; default "average_pooling3d".

    Returns:
      A tensor of the same rank and layout.
    """
    return AveragePooling3D(pool_size, strides, padding, data_format, name)(inputs)
