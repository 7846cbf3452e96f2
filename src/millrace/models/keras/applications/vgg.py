"""VGG16 and VGG19."""

from __future__ import annotations

from typing import Any

from millrace.core.public import public
from millrace.models.keras.applications.building import Request, usual_files
from millrace.models.keras.layers.convolutional import Conv2D
from millrace.models.keras.layers.core import Dense
from millrace.models.keras.layers.pooling import MaxPooling2D
from millrace.models.keras.layers.shaping import Flatten

_FILTERS = (64, 128, 256, 512, 512)


def _model(asked: Request, name: str, counts: tuple[int, ...]) -> Any:
    x = asked.begin()
    for block, (count, filters) in enumerate(zip(counts, _FILTERS, strict=True), 1):
        for number in range(1, count + 1):
            layer = f"block{block}_conv{number}"
            x = Conv2D(filters, (3, 3), activation="relu", padding="same", name=layer)(x)
        x = MaxPooling2D((2, 2), strides=(2, 2), name=f"block{block}_pool")(x)
    if asked.top:
        x = Flatten(name="flatten")(x)
        x = Dense(4096, activation="relu", name="fc1")(x)
        x = Dense(4096, activation="relu", name="fc2")(x)
        x = asked.classified(x, "predictions", pool=None)
    else:
        x = asked.pooled(x)
    return asked.model(x, name, usual_files(name))


@public("keras.applications.VGG16", "keras.applications.vgg16.VGG16")
def VGG16(  # noqa: N802 - TensorFlow's name
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Any:
    """VGG with 16 layers that have weights.

    Args:
      include_top: whether it ends in classes.
      weights: None, the path of a file, or "imagenet": the file in the folder ~/.keras/models, where it must
        be; nothing is downloaded.
      input_tensor: what it begins with; default, a new input.
      input_shape: of the images.
      pooling: without classes, "avg" or "max" for one vector.
      classes: how many.
      **kwargs: `backend`, `layers`, `models`, `utils`: accepted and not needed.

    Returns:
      A `Model`.

    Raises:
      ValueError: the weights are not a file, or the shape does not fit.
      FileNotFoundError: "imagenet" is not in Keras's folder.
    """
    asked = Request("VGG16", include_top, weights, input_tensor, input_shape, pooling, classes, kwargs)
    return _model(asked, "vgg16", (2, 2, 3, 3, 3))


@public("keras.applications.VGG19", "keras.applications.vgg19.VGG19")
def VGG19(  # noqa: N802 - TensorFlow's name
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    **kwargs: Any,
) -> Any:
    """VGG with 19 layers that have weights; arguments and errors as for `VGG16`."""
    asked = Request("VGG19", include_top, weights, input_tensor, input_shape, pooling, classes, kwargs)
    return _model(asked, "vgg19", (2, 2, 4, 4, 4))
