"""Images: files, arrays and pictures of Pillow."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from millrace.core.public import public
from millrace.lib.layers import settings

_MODES = {"grayscale": "L", "rgba": "RGBA", "rgb": "RGB"}


def _pillow() -> Any:
    """The module PIL.Image, imported at its first use.

    Raises:
      ImportError: Pillow is not installed.
    """
    try:
        return importlib.import_module("PIL.Image")
    except ImportError:
        raise ImportError(
            "Could not import PIL.Image. The use of `array_to_img` requires Pillow (`pip install pillow`)."
        ) from None


def data_format_of(given: str | None) -> str:
    """The order of axes in use.

    Raises:
      ValueError: it is unknown.
    """
    found = settings.image_data_format() if given is None else given
    if found not in ("channels_first", "channels_last"):
        raise ValueError(f"Invalid data_format: {found}")
    return found


@public("keras.preprocessing.image.array_to_img")
def array_to_img(x: Any, data_format: str | None = None, scale: bool = True, dtype: Any = None) -> Any:
    """An array as a picture of Pillow.

    Args:
      x: of rank 3.
      data_format: "channels_first" or "channels_last"; default, Keras's.
      scale: whether the least number becomes 0 and the greatest 255.
      dtype: to compute in; default `floatx()`.

    Raises:
      ValueError: the rank or the number of channels does not suit.
    """
    image = _pillow()
    array = np.asarray(x, dtype=dtype or settings.floatx())
    if array.ndim != 3:
        raise ValueError(
            f"Expected image array to have rank 3 (single image). Got array with shape: {array.shape}"
        )
    if data_format_of(data_format) == "channels_first":
        array = array.transpose(1, 2, 0)
    if scale:
        array = array - np.min(array)
        greatest = np.max(array)
        if greatest != 0:
            array = array / greatest
        array = array * 255
    channels = array.shape[2]
    if channels == 4:
        return image.fromarray(array.astype("uint8"), "RGBA")
    if channels == 3:
        return image.fromarray(array.astype("uint8"), "RGB")
    if channels == 1:
        if np.max(array) > 255:
            return image.fromarray(array[:, :, 0].astype("int32"), "I")
        return image.fromarray(array[:, :, 0].astype("uint8"), "L")
    raise ValueError(f"Unsupported channel number: {channels}")


@public("keras.preprocessing.image.img_to_array")
def img_to_array(img: Any, data_format: str | None = None, dtype: Any = None) -> np.ndarray:
    """A picture of Pillow as an array of rank 3.

    Args:
      img: the picture.
      data_format: "channels_first" or "channels_last"; default, Keras's.
      dtype: of the array; default `floatx()`.

    Raises:
      ValueError: it is something else.
    """
    first = data_format_of(data_format) == "channels_first"
    array = np.asarray(img, dtype=dtype or settings.floatx())
    if array.ndim == 3:
        return array.transpose(2, 0, 1) if first else array
    if array.ndim == 2:
        return array.reshape((1, *array.shape) if first else (*array.shape, 1))
    raise ValueError(f"Unsupported image shape: {array.shape}")


@public("keras.preprocessing.image.load_img")
def load_img(
    path: Any,
    grayscale: bool = False,
    color_mode: str = "rgb",
    target_size: Any = None,
    interpolation: str = "nearest",
) -> Any:
    """A picture from a file.

    Args:
      path: the file.
      grayscale: the old form of `color_mode="grayscale"`.
      color_mode: "grayscale", "rgb" or "rgba".
      target_size: height and width to resize it to.
      interpolation: "nearest", "bilinear", "bicubic", "lanczos", "box" or "hamming".

    Raises:
      ValueError: the mode or the interpolation is unknown.
    """
    image = _pillow()
    mode = _MODES.get("grayscale" if grayscale else color_mode)
    if mode is None:
        raise ValueError('color_mode must be "grayscale", "rgb", or "rgba"')
    with image.open(path) as file:
        img = file.copy()
    if img.mode != mode and not (mode == "L" and img.mode in ("I;16", "I")):
        img = img.convert(mode)
    if target_size is None or img.size == (target_size[1], target_size[0]):
        return img
    methods = ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming")
    if interpolation not in methods:
        raise ValueError(
            f"Invalid interpolation method {interpolation} specified. Supported methods are "
            f"{', '.join(methods)}"
        )
    return img.resize((target_size[1], target_size[0]), image.Resampling[interpolation.upper()])


@public("keras.preprocessing.image.save_img")
def save_img(
    path: Any,
    x: Any,
    data_format: str | None = None,
    file_format: str | None = None,
    scale: bool = True,
    **kwargs: Any,
) -> None:
    """Writes an array as a picture.

    Args:
      path: the file.
      x, data_format, scale: as for `array_to_img`.
      file_format: default, by the file's name.
      **kwargs: for Pillow's `save`.
    """
    img = array_to_img(x, data_format=data_format, scale=scale)
    if img.mode == "RGBA" and file_format in ("jpg", "jpeg"):
        img = img.convert("RGB")
    img.save(path, format=file_format, **kwargs)
