"""What the architectures share: their inputs, their ends, and their weights from files."""

from __future__ import annotations

import os
import warnings
from typing import Any

from millrace.core import nest
from millrace.lib.layers import settings
from millrace.lib.layers.node import history
from millrace.models.keras import fetching
from millrace.models.keras.engine.inputs import Input
from millrace.models.keras.engine.model import Model
from millrace.models.keras.layers.core import Dense
from millrace.models.keras.layers.pooling import GlobalAveragePooling2D, GlobalMaxPooling2D
from millrace.models.keras.replicas import get_source_inputs

_PARTS = ("backend", "layers", "models", "utils")  # what programs for Keras hand over; there is one of each


class Request:
    """One architecture, as a program asks for it.

    Args:
      name: of the architecture, for errors.
      top: whether the model ends in classes.
      weights: None, "imagenet" for the file in Keras's folder, or the path of a file.
      tensor: what the model begins with; None for a new input.
      shape: of the images, or None.
      pooling: without classes, "avg" or "max" for one vector.
      classes: how many.
      others: what else the program gave by keyword.
      size, least: the usual length of an image's sides, and the least.
      fixed: whether the images must have one size; default: where there are classes.

    Raises:
      ValueError: the weights, the classes and the shape do not fit together.
      TypeError: another keyword.
    """

    def __init__(
        self,
        name: str,
        top: bool,
        weights: Any,
        tensor: Any,
        shape: Any,
        pooling: str | None,
        classes: int,
        others: dict[str, Any],
        *,
        size: int = 224,
        least: int = 32,
        fixed: bool | None = None,
    ) -> None:
        unknown = [key for key in others if key not in _PARTS]
        if unknown:
            raise TypeError(f"{name}() got an unexpected keyword argument {unknown[0]!r}")
        if weights not in (None, "imagenet") and not os.path.exists(weights):
            raise ValueError(
                f"{name}: `weights` must be None, 'imagenet', or the path of a file that exists. "
                f"Received: {weights!r}"
            )
        if weights == "imagenet" and top and classes != 1000:
            raise ValueError(
                f"{name}: the weights 'imagenet' with `include_top` have 1000 classes. Received: {classes}"
            )
        self.name, self.top, self.weights, self.tensor = name, top, weights, tensor
        self.pooling, self.classes = pooling, classes
        must_fit = top if fixed is None else fixed
        self.shape = _shape_of_images(name, shape, size, least, must_fit, weights == "imagenet")

    def begin(self) -> Any:
        """The tensor that the model begins with."""
        if self.tensor is None:
            self._given = Input(shape=self.shape)
        else:
            known = history(self.tensor) is not None
            self._given = self.tensor if known else Input(tensor=self.tensor, shape=self.shape)
        return self._given

    def classified(self, x: Any, name: str, pool: str | None = "avg_pool") -> Any:
        """The probabilities of the classes, after the mean of each channel.

        Args:
          x: the features.
          name: of the layer.
          pool: that of the layer before; "" for a usual name, None for no such layer.
        """
        if pool is not None:
            x = GlobalAveragePooling2D(name=pool or None)(x)
        return Dense(self.classes, activation="softmax", name=name)(x)

    def pooled(self, x: Any, named: bool = False) -> Any:
        """The end without classes: the features, or their mean or greatest."""
        if self.pooling == "avg":
            return GlobalAveragePooling2D(name="avg_pool" if named else None)(x)
        if self.pooling == "max":
            return GlobalMaxPooling2D(name="max_pool" if named else None)(x)
        return x

    def model(self, x: Any, name: str, files: tuple[str, str]) -> Any:
        """The model that ends in `x`, with its weights.

        Args:
          x: its output.
          name: its name.
          files: the names of the files of weights with classes and without.
        """
        inputs = self._given if self.tensor is None else get_source_inputs(self.tensor)
        model = Model(inputs, x, name=name)
        if self.weights == "imagenet":
            model.load_weights(_kept(files[0] if self.top else files[1], self.name))
        elif self.weights is not None:
            model.load_weights(self.weights)
        return model


def _kept(file: str, name: str) -> str:
    """The path of a file of weights in Keras's folder.

    Raises:
      FileNotFoundError: it is not there.
    """
    path = os.path.join(fetching.home(), "models", file)
    if not os.path.exists(path):
        raise FileNotFoundError(
            f"{name}: weights='imagenet' is read from {path}, which does not exist. millrace downloads no "
            "weights: put the file that Keras keeps under that name there, or give weights=None or a path."
        )
    return path


def usual_files(name: str) -> tuple[str, str]:
    """The names of most architectures' files of weights: with classes and without."""
    stem = f"{name}_weights_tf_dim_ordering_tf_kernels"
    return stem + ".h5", stem + "_notop.h5"


def channel_axis() -> int:
    """The axis of the channels."""
    return 1 if settings.image_data_format() == "channels_first" else 3


def _shape_of_images(
    name: str, shape: Any, size: int, least: int, must_fit: bool, known_weights: bool
) -> tuple[int | None, ...]:
    first = settings.image_data_format() == "channels_first"
    given = None if shape is None else tuple(shape)

    def arranged(channels: Any, side: int | None) -> tuple[int | None, ...]:
        return (channels, side, side) if first else (side, side, channels)

    channels = 3
    if given and len(given) == 3 and not known_weights:
        channels = given[0 if first else -1]
        if channels not in (1, 3):
            warnings.warn(
                f"{name} is usually given images of 1 or 3 channels. Received: input_shape={given}",
                stacklevel=4,
            )
    usual = arranged(channels, size)
    if known_weights and must_fit:
        if given is not None and given != usual:
            raise ValueError(
                f"When setting `include_top=True` and loading `imagenet` weights, `input_shape` should be "
                f"{usual}. Received: {given}"
            )
        return usual
    if given:
        if len(given) != 3:
            raise ValueError(f"`input_shape` must be a tuple of three integers. Received: {given}")
        if known_weights and given[0 if first else -1] != 3:
            raise ValueError(f"The input must have 3 channels. Received: input_shape={given}")
        sides = given[1:] if first else given[:2]
        if any(side is not None and side < least for side in sides):
            raise ValueError(f"Input size must be at least {least}x{least}. Received: input_shape={given}")
        found = given
    else:
        found = usual if must_fit else arranged(3, None)
    if must_fit and None in found:
        raise ValueError(
            f"If `include_top` is True, you should specify a static `input_shape`. Received: {found}"
        )
    return found


def side_of(x: Any) -> tuple[Any, Any]:
    """The height and the width of a tensor of images."""
    dims = nest.flatten(tuple(x.shape.as_list()))
    return (dims[2], dims[3]) if channel_axis() == 1 else (dims[1], dims[2])


def halving(x: Any, kernel: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """The margins before a convolution of stride 2 that loses no pixel, odd sides or even."""
    reach = kernel // 2
    before = [1 if side is None else 1 - side % 2 for side in side_of(x)]
    return ((reach - before[0], reach), (reach - before[1], reach))
