"""What the architectures share: their inputs, their ends, and their weights from a file."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.lib.layers import settings
from millrace.lib.layers.node import history
from millrace.models.keras.engine.inputs import Input
from millrace.models.keras.engine.model import Model
from millrace.models.keras.layers import core, pooling
from millrace.models.keras.replicas import get_source_inputs

_MEANS = (103.939, 116.779, 123.68)  # blue, green, red


def start(input_shape: Any, input_tensor: Any, size: int, include_top: bool) -> Any:
    """The tensor that a model begins with."""
    if input_tensor is not None:
        return input_tensor if history(input_tensor) is not None else Input(tensor=input_tensor)
    if input_shape is None:
        first = settings.image_data_format() == "channels_first"
        side = size if include_top else None
        input_shape = (3, side, side) if first else (side, side, 3)
    return Input(shape=tuple(input_shape))


def finished(x: Any, given: Any, input_tensor: Any, weights: Any, name: str) -> Any:
    """The model, with the weights of a file where there is one."""
    inputs = given if input_tensor is None else get_source_inputs(input_tensor)
    model = Model(inputs, x, name=name)
    if weights is not None:
        model.load_weights(weights)
    return model


def check_weights(weights: Any, name: str) -> None:
    """Refuses weights that would have to be downloaded.

    Raises:
      ValueError: they are named "imagenet".
    """
    if weights == "imagenet":
        raise ValueError(
            f"{name}: millrace downloads no weights. Give the path of a file of them, or None. "
            "Received: weights='imagenet'"
        )


def pooled(x: Any, pooling_: str | None) -> Any:
    """The end without classes: the features, or their mean or greatest."""
    if pooling_ == "avg":
        return pooling.GlobalAveragePooling2D()(x)
    return pooling.GlobalMaxPooling2D()(x) if pooling_ == "max" else x


def classified(x: Any, classes: int, name: str) -> Any:
    """The end with classes: their probabilities."""
    return core.Dense(classes, activation="softmax", name=name)(x)


def centered(x: Any, data_format: str | None = None) -> Any:
    """Images, red first, from 0 to 255, as these models take them: blue first, without their means."""
    chosen = settings.image_data_format() if data_format is None else data_format
    array = np.asarray(x, settings.floatx())
    if chosen == "channels_first":
        flipped = np.flip(array, -3)
        return flipped - np.asarray(_MEANS, array.dtype)[:, None, None]
    return array[..., ::-1] - np.asarray(_MEANS, array.dtype)
