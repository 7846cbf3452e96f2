"""Maxima and means of windows, or of whole images."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.core import shapes
from millrace.core.public import public
from millrace.core.shapes import TensorShape
from millrace.lib.layers import pooling, settings
from millrace.lib.layers.core import data_format_of
from millrace.lib.layers.spec import InputSpec
from millrace.lib.math.reductions import reduce_max, reduce_mean, reduce_sum
from millrace.models.keras.engine.layer import Layer
from millrace.ops.math.cast import cast


class _Pooling(pooling.Pooling):
    """A window that moves over the spatial axes, as a layer that can be saved."""

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        found = settings.image_data_format() if data_format is None else data_format
        super().__init__(pool_size, strides, padding, found, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        strides = {"strides": self.strides}
        return {
            **super().get_config(),
            **(strides if self.rank == 1 else {}),
            "pool_size": self.pool_size,
            "padding": self.padding,
            **strides,
            "data_format": self.data_format,
        }


class _Pooling1D(_Pooling):
    rank = 1

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = "channels_last",
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, **kwargs)


@public("keras.layers.MaxPooling1D", "keras.layers.MaxPool1D")
class MaxPooling1D(_Pooling1D):
    """The largest element of each window along one axis.

    Args:
      pool_size, strides: the window and its steps; None for the window's own size.
      padding: "valid" or "same".
      data_format: the layout.
      **kwargs: as for `Layer`.
    """

    kind = "max"


@public("keras.layers.AveragePooling1D", "keras.layers.AvgPool1D")
class AveragePooling1D(_Pooling1D):
    """The mean of each window along one axis; arguments as for `MaxPooling1D`."""

    kind = "avg"


@public("keras.layers.MaxPooling2D", "keras.layers.MaxPool2D")
class MaxPooling2D(_Pooling):
    """The largest element of each window of images; arguments as for `MaxPooling1D`."""

    kind, rank = "max", 2


@public("keras.layers.AveragePooling2D", "keras.layers.AvgPool2D")
class AveragePooling2D(_Pooling):
    """The mean of each window of images; arguments as for `MaxPooling1D`."""

    kind, rank = "avg", 2


@public("keras.layers.MaxPooling3D", "keras.layers.MaxPool3D")
class MaxPooling3D(_Pooling):
    """The largest element of each window of volumes; arguments as for `MaxPooling1D`."""

    kind, rank = "max", 3


@public("keras.layers.AveragePooling3D", "keras.layers.AvgPool3D")
class AveragePooling3D(_Pooling):
    """The mean of each window of volumes; arguments as for `MaxPooling1D`."""

    kind, rank = "avg", 3


class _Global(Layer):
    """One number for each channel."""

    rank: int

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = data_format_of(
            settings.image_data_format() if data_format is None else data_format
        )
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def _axes(self) -> list[int]:
        first = 2 if self.data_format == "channels_first" else 1
        return list(range(first, first + self.rank))

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The shape of the outputs for inputs of shape `input_shape`."""
        dims: tuple[Any, ...] = shapes.as_dims(input_shape) or ()
        return TensorShape([dims[0], dims[1] if self.data_format == "channels_first" else dims[-1]])

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "data_format": self.data_format}


class _GlobalMax(_Global):
    def call(self, inputs: Any) -> Any:
        """The largest element of each channel."""
        return reduce_max(inputs, axis=self._axes if self.rank > 1 else self._axes[0])


class _GlobalMean(_Global):
    def call(self, inputs: Any) -> Any:
        """The mean of each channel."""
        return reduce_mean(inputs, axis=self._axes)


@public("keras.layers.GlobalAveragePooling1D", "keras.layers.GlobalAvgPool1D")
class GlobalAveragePooling1D(_Global):
    """The mean of each channel over time, masked steps left out.

    Args:
      data_format: the layout.
      **kwargs: as for `Layer`.
    """

    rank = 1

    def __init__(self, data_format: str | None = "channels_last", **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """The means."""
        axis = self._axes[0]
        if mask is None:
            return reduce_mean(inputs, axis=axis)
        mask = cast(mask, settings.floatx())
        last = self.data_format == "channels_last"
        steps = inputs.dims[axis] if inputs.dims is not None else None
        if last and steps is not None:  # the same, drawn as in 1.15
            mask = raw.Reshape(mask, [-1, steps, 1])
        else:
            mask = raw.ExpandDims(mask, 2 if last else 1)
        return reduce_sum(inputs * mask, axis=axis) / reduce_sum(mask, axis=axis)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """None: time is gone."""
        return None


@public("keras.layers.GlobalMaxPooling1D", "keras.layers.GlobalMaxPool1D")
class GlobalMaxPooling1D(_GlobalMax):
    """The largest element of each channel over time; arguments as for `GlobalAveragePooling1D`."""

    rank = 1

    def __init__(self, data_format: str | None = "channels_last", **kwargs: Any) -> None:
        super().__init__(data_format, **kwargs)


@public("keras.layers.GlobalAveragePooling2D", "keras.layers.GlobalAvgPool2D")
class GlobalAveragePooling2D(_GlobalMean):
    """The mean of each channel of images; arguments as for `GlobalAveragePooling1D`."""

    rank = 2


@public("keras.layers.GlobalMaxPooling2D", "keras.layers.GlobalMaxPool2D")
class GlobalMaxPooling2D(_GlobalMax):
    """The largest element of each channel of images; arguments as for `GlobalAveragePooling1D`."""

    rank = 2


@public("keras.layers.GlobalAveragePooling3D", "keras.layers.GlobalAvgPool3D")
class GlobalAveragePooling3D(_GlobalMean):
    """The mean of each channel of volumes; arguments as for `GlobalAveragePooling1D`."""

    rank = 3


@public("keras.layers.GlobalMaxPooling3D", "keras.layers.GlobalMaxPool3D")
class GlobalMaxPooling3D(_GlobalMax):
    """The largest element of each channel of volumes; arguments as for `GlobalAveragePooling1D`."""

    rank = 3


# The layers of `tf.layers` count as these, as in TensorFlow.
for _layer in (
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
    AveragePooling1D,
    AveragePooling2D,
    AveragePooling3D,
):
    _layer.register(getattr(pooling, _layer.__name__))
