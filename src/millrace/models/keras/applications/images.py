"""Images as the architectures take them, and their answers in words."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from millrace.building import raw
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.layers import settings
from millrace.models.keras import fetching
from millrace.models.keras.backend import arrays
from millrace.models.keras.backend.products import bias_add
from millrace.ops.math.cast import cast

_MEANS = (103.939, 116.779, 123.68)  # blue, green, red
_SHARES = (0.485, 0.456, 0.406)  # red, green, blue, from 0 to 1
_SPREADS = (0.229, 0.224, 0.225)
_FIRST = "channels_first"


@public(
    "keras.applications.imagenet_utils.preprocess_input",
    "python.keras.applications.imagenet_utils.preprocess_input",
)
def preprocess_input(x: Any, data_format: str | None = None, mode: str = "caffe", **kwargs: Any) -> Any:
    """Images as an architecture takes them.

    Args:
      x: an array or a tensor of one image or of several: red, green, blue from 0 to 255.
      data_format: the layout; default that of Keras.
      mode: "caffe": blue first, without the means of ImageNet; "tf": from -1 to 1; "torch": from 0 to 1,
        then without the means and divided by the deviations of ImageNet.
      **kwargs: `backend`, `layers`, `models`, `utils`: accepted and not needed.

    Returns:
      What `x` is: an array of floating numbers, or a tensor. `x` itself is left as it is.

    Raises:
      ValueError: the layout or the mode is unknown.
    """
    layout = settings.image_data_format() if data_format is None else data_format
    if layout not in (_FIRST, "channels_last"):
        raise ValueError(f"Unknown data_format. Received: {layout!r}")
    if mode not in ("caffe", "tf", "torch"):
        raise ValueError(f"Unknown mode. Expected 'caffe', 'tf' or 'torch'. Received: {mode!r}")
    if isinstance(x, Tensor):
        return _symbolic(x, layout, mode)
    array = np.asarray(x)
    if not issubclass(array.dtype.type, np.floating):
        array = array.astype(settings.floatx())
    if mode == "tf":
        return array / array.dtype.type(127.5) - array.dtype.type(1)
    axis = (0 if array.ndim == 3 else 1) if layout == _FIRST else array.ndim - 1

    def along(values: Sequence[float]) -> Any:
        shape = [1] * array.ndim
        shape[axis] = -1
        return np.asarray(values, array.dtype).reshape(shape)

    if mode == "caffe":
        return np.flip(array, axis) - along(_MEANS)
    return (array / array.dtype.type(255) - along(_SHARES)) / along(_SPREADS)


def _symbolic(x: Any, layout: str, mode: str) -> Any:
    if mode == "tf":
        return x / 127.5 - 1.0
    rank = len(x.shape)
    axis = (0 if rank == 3 else 1) if layout == _FIRST else rank - 1
    if mode == "caffe":
        x = raw.ReverseV2(x, [axis])
        means = [-m for m in _MEANS]
    else:
        x = x / 255.0
        means = [-m for m in _SHARES]
    shift = arrays.constant(np.asarray(means))
    if x.dtype.base_dtype != shift.dtype.base_dtype:
        shift = cast(shift, x.dtype.base_dtype)
    x = bias_add(x, shift, layout)
    return x / np.asarray(_SPREADS, settings.floatx()) if mode == "torch" else x


@public(
    "keras.applications.vgg16.preprocess_input",
    "keras.applications.vgg19.preprocess_input",
    "keras.applications.resnet.preprocess_input",
    "keras.applications.resnet50.preprocess_input",
)
def preprocess_without_means(x: Any, data_format: str | None = None, **kwargs: Any) -> Any:
    """Images with blue first and without ImageNet's means: `imagenet_utils.preprocess_input`, "caffe"."""
    return preprocess_input(x, data_format, "caffe", **kwargs)


@public(
    "keras.applications.inception_resnet_v2.preprocess_input",
    "keras.applications.inception_v3.preprocess_input",
    "keras.applications.mobilenet.preprocess_input",
    "keras.applications.mobilenet_v2.preprocess_input",
    "keras.applications.nasnet.preprocess_input",
    "keras.applications.resnet_v2.preprocess_input",
    "keras.applications.xception.preprocess_input",
)
def preprocess_to_one(x: Any, data_format: str | None = None, **kwargs: Any) -> Any:
    """Images from -1 to 1: `imagenet_utils.preprocess_input` with mode "tf"."""
    return preprocess_input(x, data_format, "tf", **kwargs)


@public("keras.applications.densenet.preprocess_input")
def preprocess_by_spread(x: Any, data_format: str | None = None, **kwargs: Any) -> Any:
    """Images without ImageNet's means, over its deviations: `imagenet_utils.preprocess_input`, "torch"."""
    return preprocess_input(x, data_format, "torch", **kwargs)


@functools.cache
def _class_names(path: str) -> dict[str, list[str]]:
    with open(path, encoding="utf-8") as file:
        return json.load(file)


@public(
    "keras.applications.densenet.decode_predictions",
    "python.keras.applications.imagenet_utils.decode_predictions",
    "keras.applications.imagenet_utils.decode_predictions",
    "keras.applications.inception_resnet_v2.decode_predictions",
    "keras.applications.inception_v3.decode_predictions",
    "keras.applications.mobilenet.decode_predictions",
    "keras.applications.mobilenet_v2.decode_predictions",
    "keras.applications.nasnet.decode_predictions",
    "keras.applications.resnet.decode_predictions",
    "keras.applications.resnet50.decode_predictions",
    "keras.applications.resnet_v2.decode_predictions",
    "keras.applications.vgg16.decode_predictions",
    "keras.applications.vgg19.decode_predictions",
    "keras.applications.xception.decode_predictions",
)
def decode_predictions(preds: Any, top: int = 5, **kwargs: Any) -> list[list[tuple[str, str, Any]]]:
    """The likeliest classes of ImageNet, in words.

    Args:
      preds: `[batch, 1000]`, an array of probabilities.
      top: how many classes of each image.
      **kwargs: `backend`, `layers`, `models`, `utils`: accepted and not needed.

    Returns:
      For each image tuples of WordNet's number, the class's name and the probability, the greatest first.

    Raises:
      ValueError: `preds` has another shape.
      FileNotFoundError: the names are not in Keras's folder.
    """
    shape = np.shape(preds)
    if len(shape) != 2 or shape[1] != 1000:
        raise ValueError(
            "`decode_predictions` expects a batch of predictions, a 2D array of shape (samples, 1000). "
            f"Received: an array of shape {shape}"
        )
    path = os.path.join(fetching.home(), "models", "imagenet_class_index.json")
    if not os.path.exists(path):
        raise FileNotFoundError(
            f"decode_predictions reads the classes' names from {path}, which does not exist. millrace "
            "downloads nothing: put the file that Keras keeps under that name there."
        )
    names = _class_names(path)

    def worded(place: int, share: Any) -> tuple[str, str, Any]:
        number, word = names[str(place)]
        return number, word, share

    return [[worded(k, row[k]) for k in np.argsort(row)[-top:][::-1]] for row in np.asarray(preds)]
