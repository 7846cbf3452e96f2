"""Layers that repeat, surround or cut away."""

from __future__ import annotations

from typing import Any

from millrace.building import convert
from millrace.core import shapes
from millrace.core.public import public
from millrace.core.shapes import TensorShape
from millrace.lib.layers import settings
from millrace.lib.layers.core import data_format_of
from millrace.lib.layers.pooling import sizes_of
from millrace.lib.layers.spec import InputSpec
from millrace.models.keras.backend import arrays
from millrace.models.keras.engine.layer import Layer


def _layout(data_format: str | None) -> str:
    return data_format_of(settings.image_data_format() if data_format is None else data_format)


def _pairs(value: Any, rank: int, what: str) -> tuple[tuple[int, int], ...]:
    """Two numbers, before and after, for each spatial axis.

    Raises:
      ValueError: they are others.
    """
    if isinstance(value, int):
        return ((value, value),) * rank
    if not hasattr(value, "__len__") or len(value) != rank:
        raise ValueError(f"`{what}` should have {rank} elements. Found: {value}")
    found = []
    for one in value:
        two = (one, one) if isinstance(one, int) else tuple(one)
        if len(two) != 2:
            raise ValueError(f"Each element of `{what}` should be one or two integers. Found: {value}")
        found.append(two)
    return tuple(found)


class _Spatial(Layer):
    """A layer that changes the lengths of the spatial axes."""

    rank: int

    def __init__(self, data_format: str | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = _layout(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def _axes(self) -> range:
        first = 2 if self.data_format == "channels_first" else 1
        return range(first, first + self.rank)

    def _length(self, length: int, place: int) -> int:
        raise NotImplementedError(f"{type(self).__name__} does not say how long its outputs are.")

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The shape of the outputs for inputs of shape `input_shape`."""
        dims = list(shapes.as_dims(input_shape) or ())
        for place, axis in enumerate(self._axes):
            dims[axis] = None if dims[axis] is None else self._length(dims[axis], place)  # pyright: ignore[reportArgumentType]
        return TensorShape(dims)


@public("keras.layers.UpSampling1D")
class UpSampling1D(_Spatial):
    """Each time step repeated.

    Args:
      size: how often.
      **kwargs: as for `Layer`.
    """

    rank = 1

    def __init__(self, size: int = 2, **kwargs: Any) -> None:
        super().__init__("channels_last", **kwargs)
        self.size = int(size)

    def _length(self, length: int, place: int) -> int:
        return length * self.size

    def call(self, inputs: Any) -> Any:
        """The inputs, repeated."""
        return arrays.repeat_elements(inputs, self.size, axis=1)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "size": self.size}


@public("keras.layers.UpSampling2D")
class UpSampling2D(_Spatial):
    """Images made larger.

    Args:
      size: how many times as high and as wide.
      data_format: the layout.
      interpolation: "nearest" or "bilinear".
      **kwargs: as for `Layer`.

    Raises:
      ValueError: the interpolation is unknown.
    """

    rank = 2

    def __init__(
        self,
        size: Any = (2, 2),
        data_format: str | None = None,
        interpolation: str = "nearest",
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format, **kwargs)
        self.size = sizes_of(size, 2, "size")
        if interpolation not in ("nearest", "bilinear"):
            raise ValueError('`interpolation` argument should be one of `"nearest"` or `"bilinear"`.')
        self.interpolation = interpolation

    def _length(self, length: int, place: int) -> int:
        return length * self.size[place]

    def call(self, inputs: Any) -> Any:
        """The images, larger."""
        return arrays.resize_images(
            inputs, self.size[0], self.size[1], self.data_format, interpolation=self.interpolation
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        own = {"size": self.size, "data_format": self.data_format, "interpolation": self.interpolation}
        return {**super().get_config(), **own}


@public("keras.layers.UpSampling3D")
class UpSampling3D(_Spatial):
    """Volumes made larger by repeating elements.

    Args:
      size: how many times as large along each axis.
      data_format: the layout.
      **kwargs: as for `Layer`.
    """

    rank = 3

    def __init__(self, size: Any = (2, 2, 2), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.size = sizes_of(size, 3, "size")

    def _length(self, length: int, place: int) -> int:
        return length * self.size[place]

    def call(self, inputs: Any) -> Any:
        """The volumes, larger."""
        return arrays.resize_volumes(inputs, *self.size, self.data_format)  # pyright: ignore[reportCallIssue]

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "size": self.size, "data_format": self.data_format}


@public("keras.layers.ZeroPadding1D")
class ZeroPadding1D(_Spatial):
    """Zeros before and after the time axis.

    Args:
      padding: how many, one number or two.
      **kwargs: as for `Layer`.
    """

    rank = 1

    def __init__(self, padding: Any = 1, **kwargs: Any) -> None:
        super().__init__("channels_last", **kwargs)
        self.padding = sizes_of(padding, 2, "padding")

    def _length(self, length: int, place: int) -> int:
        return length + sum(self.padding)

    def call(self, inputs: Any) -> Any:
        """The inputs between zeros."""
        return arrays.temporal_padding(inputs, padding=self.padding)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "padding": self.padding}


class _Padding(_Spatial):
    def __init__(self, padding: Any, data_format: str | None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.padding = _pairs(padding, self.rank, "padding")

    def _length(self, length: int, place: int) -> int:
        return length + sum(self.padding[place])

    def call(self, inputs: Any) -> Any:
        """The inputs between zeros."""
        padded = arrays.spatial_2d_padding if self.rank == 2 else arrays.spatial_3d_padding
        return padded(inputs, padding=self.padding, data_format=self.data_format)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "padding": self.padding, "data_format": self.data_format}


@public("keras.layers.ZeroPadding2D")
class ZeroPadding2D(_Padding):
    """Zeros around images.

    Args:
      padding: one number, one for each axis, or two for each axis.
      data_format: the layout.
      **kwargs: as for `Layer`.
    """

    rank = 2

    def __init__(self, padding: Any = (1, 1), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(padding, data_format, **kwargs)


@public("keras.layers.ZeroPadding3D")
class ZeroPadding3D(_Padding):
    """Zeros around volumes; arguments as for `ZeroPadding2D`."""

    rank = 3

    def __init__(self, padding: Any = (1, 1, 1), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(padding, data_format, **kwargs)


class _Cropping(_Spatial):
    def __init__(self, cropping: Any, data_format: str | None, **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.cropping = _pairs(cropping, self.rank, "cropping")

    def _length(self, length: int, place: int) -> int:
        return length - sum(self.cropping[place])

    def call(self, inputs: Any) -> Any:
        """The inputs without their margins."""
        inputs = convert.to_tensor(inputs)
        key = [slice(None)] * (self.rank + 2)
        for (before, after), axis in zip(self.cropping, self._axes, strict=True):
            key[axis] = slice(before, -after if after else None)
        return inputs[tuple(key)]

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "cropping": self.cropping, "data_format": self.data_format}


@public("keras.layers.Cropping1D")
class Cropping1D(_Spatial):
    """Time steps taken away at both ends.

    Args:
      cropping: how many, one number or two.
      **kwargs: as for `Layer`.
    """

    rank = 1

    def __init__(self, cropping: Any = (1, 1), **kwargs: Any) -> None:
        super().__init__("channels_last", **kwargs)
        self.cropping = sizes_of(cropping, 2, "cropping")

    def _length(self, length: int, place: int) -> int:
        return length - sum(self.cropping)

    def call(self, inputs: Any) -> Any:
        """The inputs without their ends."""
        before, after = self.cropping
        return inputs[:, before : (-after if after else None), :]

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "cropping": self.cropping}


@public("keras.layers.Cropping2D")
class Cropping2D(_Cropping):
    """The margins of images taken away.

    Args:
      cropping: one number, one for each axis, or two for each axis.
      data_format: the layout.
      **kwargs: as for `Layer`.
    """

    rank = 2

    def __init__(
        self, cropping: Any = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(cropping, data_format, **kwargs)


@public("keras.layers.Cropping3D")
class Cropping3D(_Cropping):
    """The margins of volumes taken away; arguments as for `Cropping2D`."""

    rank = 3

    def __init__(
        self, cropping: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(cropping, data_format, **kwargs)
