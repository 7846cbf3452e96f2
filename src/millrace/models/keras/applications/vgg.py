"""VGG16 and VGG19."""

from __future__ import annotations

from typing import Any

from millrace.core.public import public
from millrace.models.keras.applications import building
from millrace.models.keras.layers.convolutional import Conv2D
from millrace.models.keras.layers.core import Dense, Flatten
from millrace.models.keras.layers.pooling import MaxPooling2D

_FILTERS = (64, 128, 256, 512, 512)


def _model(
    name: str, counts: Any, top: bool, weights: Any, tensor: Any, shape: Any, end: Any, classes: int
) -> Any:
    building.check_weights(weights, name)
    given = building.start(shape, tensor, 224, top)
    x = given
    for block, (count, filters) in enumerate(zip(counts, _FILTERS, strict=True), 1):
        for number in range(1, count + 1):
            layer = f"block{block}_conv{number}"
            x = Conv2D(filters, (3, 3), activation="relu", padding="same", name=layer)(x)
        x = MaxPooling2D((2, 2), strides=(2, 2), name=f"block{block}_pool")(x)
    if top:
        x = Flatten(name="flatten")(x)
        x = Dense(4096, activation="relu", name="fc1")(x)
        x = Dense(4096, activation="relu", name="fc2")(x)
        x = building.classified(x, classes, "predictions")
    else:
        x = building.pooled(x, end)
    return building.finished(x, given, tensor, weights, name)


@public("keras.applications.VGG16", "keras.applications.vgg16.VGG16")
def VGG16(  # noqa: N802 - TensorFlow's name
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
) -> Any:
    """VGG with 16 layers that have weights.

    Args:
      include_top: whether it ends in classes.
      weights: the path of a file, or None; "imagenet", the default, is refused.
      input_tensor: what it begins with; default, a new input.
      input_shape: of the images.
      pooling: without classes, "avg" or "max" for one vector.
      classes: how many.

    Raises:
      ValueError: the weights would have to be downloaded.
    """
    counts = (2, 2, 3, 3, 3)
    return _model("vgg16", counts, include_top, weights, input_tensor, input_shape, pooling, classes)


@public("keras.applications.VGG19", "keras.applications.vgg19.VGG19")
def VGG19(  # noqa: N802 - TensorFlow's name
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
) -> Any:
    """VGG with 19 layers that have weights; arguments and errors as for `VGG16`."""
    counts = (2, 2, 4, 4, 4)
    return _model("vgg19", counts, include_top, weights, input_tensor, input_shape, pooling, classes)


@public("keras.applications.vgg16.preprocess_input", "keras.applications.vgg19.preprocess_input")
def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Images, red first, from 0 to 255, as VGG takes them: blue first, without their means."""
    return building.centered(x, data_format)
