"""Layers that give their input another shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import convert, raw
from millrace.core import shapes
from millrace.core.public import public
from millrace.core.shapes import TensorShape
from millrace.lib.layers import core, settings
from millrace.lib.layers.spec import InputSpec
from millrace.models.keras.engine.layer import Layer
from millrace.ops.array.reshape import reshape, transpose
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.array.tile import tile


@public("keras.layers.Flatten")
class Flatten(core.FlattenLayer):
    """Makes a vector of each element of the batch.

    Args:
      data_format: the layout; "channels_first" moves the channels last first.
      **kwargs: as for `Layer`.
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(settings.image_data_format() if data_format is None else data_format, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "data_format": self.data_format}


@public("keras.layers.Reshape")
class Reshape(Layer):
    """The elements of each element of the batch in another shape.

    Args:
      target_shape: the shape without the batch; one length may be -1.
      **kwargs: as for `Layer`.
    """

    def __init__(self, target_shape: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_shape = tuple(target_shape)

    def _lengths(self, dims: tuple[Any, ...]) -> list[Any]:
        found = list(self.target_shape)
        known = int(np.prod([d for d in found if d != -1], dtype=np.int64))
        unknown = [i for i, d in enumerate(found) if d == -1]
        message = f"total size of new array must be unchanged. Received: {dims} and {self.target_shape}"
        if len(unknown) > 1:
            raise ValueError("Can only specify one unknown dimension.")
        whole = int(np.prod(dims, dtype=np.int64))
        if unknown:
            if known == 0 or whole % known:
                raise ValueError(message)
            found[unknown[0]] = whole // known
        elif whole != known:
            raise ValueError(message)
        return found

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The shape of the outputs for inputs of shape `input_shape`."""
        dims = tuple(shapes.as_dims(input_shape) or ())
        if None in dims[1:]:
            return TensorShape([dims[0], *[None if s == -1 else s for s in self.target_shape]])
        return TensorShape([dims[0], *self._lengths(dims[1:])])

    def call(self, inputs: Any) -> Any:
        """The inputs in the other shape."""
        return reshape(inputs, [shape_of(inputs)[0], *self.target_shape])

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "target_shape": self.target_shape}


@public("keras.layers.Permute")
class Permute(Layer):
    """The axes in another order.

    Args:
      dims: the axes, counted from 1, in their new order.
      **kwargs: as for `Layer`.

    Raises:
      ValueError: `dims` is not an order of the axes.
    """

    def __init__(self, dims: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(dims) != list(range(1, len(dims) + 1)):
            raise ValueError(
                f"Invalid permutation `dims` for Permute Layer: {dims}. The set of indices in `dims` must be "
                "consecutive and start from 1."
            )
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The shape of the outputs for inputs of shape `input_shape`."""
        found = shapes.as_dims(input_shape) or ()
        return TensorShape([found[0], *[found[d] for d in self.dims]])  # pyright: ignore[reportGeneralTypeIssues]

    def call(self, inputs: Any) -> Any:
        """The inputs with their axes in order."""
        return transpose(inputs, perm=(0, *self.dims))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "dims": self.dims}


@public("keras.layers.RepeatVector")
class RepeatVector(Layer):
    """`[batch, features]` repeated: `[batch, n, features]`.

    Args:
      n: how often.
      **kwargs: as for `Layer`.
    """

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n = n
        self.input_spec = InputSpec(ndim=2)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The shape of the outputs for inputs of shape `input_shape`."""
        dims: tuple[Any, ...] = shapes.as_dims(input_shape) or ()
        return TensorShape([dims[0], self.n, dims[1]])

    def call(self, inputs: Any) -> Any:
        """The inputs repeated."""
        return tile(raw.ExpandDims(inputs, 1), convert.to_tensor([1, self.n, 1], name="stack"))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer."""
        return {**super().get_config(), "n": self.n}


Flatten.register(core.Flatten)  # `tf.layers`', as in TensorFlow
