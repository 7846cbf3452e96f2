"""What is done to images at random: turned, moved, sheared, zoomed, made brighter."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from millrace.core.public import public
from millrace.models.keras.preprocessing.pictures import array_to_img, img_to_array


def _module(name: str, package: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ImportError(f"Image transformations require {package}. Install {package}.") from None


def _matrix(theta: float, tx: float, ty: float, shear: float, zx: float, zy: float) -> Any:
    found = np.eye(3)
    if theta:
        a = np.deg2rad(theta)
        found = found @ np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    if tx or ty:
        found = found @ np.array([[1, 0, tx], [0, 1, ty], [0, 0, 1]])
    if shear:
        s = np.deg2rad(shear)
        found = found @ np.array([[1, -np.sin(s), 0], [0, np.cos(s), 0], [0, 0, 1]])
    if zx != 1 or zy != 1:
        found = found @ np.diag([zx, zy, 1])
    return found


@public("keras.preprocessing.image.apply_affine_transform")
def apply_affine_transform(
    x: Any,
    theta: float = 0,
    tx: float = 0,
    ty: float = 0,
    shear: float = 0,
    zx: float = 1,
    zy: float = 1,
    row_axis: int = 0,
    col_axis: int = 1,
    channel_axis: int = 2,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    order: int = 1,
) -> np.ndarray:
    """An image turned, moved, sheared and zoomed, about its middle.

    Args:
      x: of rank 3.
      theta: turn, in degrees.
      tx, ty: move along rows and columns.
      shear: shear, in degrees.
      zx, zy: zoom of rows and columns.
      row_axis, col_axis, channel_axis: which axis is which.
      fill_mode: "constant", "nearest", "reflect" or "wrap": what is outside.
      cval: the constant.
      order: of the interpolation.

    Raises:
      ImportError: SciPy is not installed.
    """
    ndimage = _module("scipy.ndimage", "SciPy")
    matrix = _matrix(theta, tx, ty, shear, zx, zy)
    if np.array_equal(matrix, np.eye(3)):
        return x
    middle = np.eye(3)
    middle[:2, 2] = [x.shape[row_axis] / 2 + 0.5, x.shape[col_axis] / 2 + 0.5]
    back = np.eye(3)
    back[:2, 2] = -middle[:2, 2]
    matrix = middle @ matrix @ back
    channels = np.rollaxis(x, channel_axis, 0)
    moved = [
        ndimage.affine_transform(
            channel, matrix[:2, :2], matrix[:2, 2], order=order, mode=fill_mode, cval=cval
        )
        for channel in channels
    ]
    return np.rollaxis(np.stack(moved, axis=0), 0, channel_axis + 1)


def _about_1_15s_middle(
    x: Any, channel_axis: int, fill_mode: str, cval: float, order: int, **parameters: float
) -> np.ndarray:
    """The change about the middle of the first two axes, whichever they are: `random_*` of 1.15 do so."""
    return apply_affine_transform(
        x,
        channel_axis=channel_axis,
        fill_mode=fill_mode,
        cval=cval,
        order=order,
        **parameters,  # pyright: ignore[reportArgumentType]
    )


@public("keras.preprocessing.image.apply_channel_shift")
def apply_channel_shift(x: Any, intensity: float, channel_axis: int = 0) -> np.ndarray:
    """An image with a number added to all channels, kept within the image's least and greatest."""
    return np.clip(x + intensity, np.min(x), np.max(x))


@public("keras.preprocessing.image.apply_brightness_shift")
def apply_brightness_shift(x: Any, brightness: float) -> np.ndarray:
    """An image made brighter (above 1) or darker (below 1), by Pillow."""
    enhance = _module("PIL.ImageEnhance", "Pillow")
    return img_to_array(enhance.Brightness(array_to_img(x)).enhance(brightness))


@public("keras.preprocessing.image.random_rotation")
def random_rotation(
    x: Any,
    rg: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> np.ndarray:
    """An image turned by at most `rg` degrees; further arguments as for `apply_affine_transform`."""
    theta = np.random.uniform(-rg, rg)
    return _about_1_15s_middle(x, channel_axis, fill_mode, cval, interpolation_order, theta=theta)


@public("keras.preprocessing.image.random_shift")
def random_shift(
    x: Any,
    wrg: float,
    hrg: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> np.ndarray:
    """An image moved by at most the shares `wrg` of its width and `hrg` of its height."""
    tx = np.random.uniform(-hrg, hrg) * x.shape[row_axis]
    ty = np.random.uniform(-wrg, wrg) * x.shape[col_axis]
    return _about_1_15s_middle(x, channel_axis, fill_mode, cval, interpolation_order, tx=tx, ty=ty)


@public("keras.preprocessing.image.random_shear")
def random_shear(
    x: Any,
    intensity: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> np.ndarray:
    """An image sheared by at most `intensity` degrees."""
    shear = np.random.uniform(-intensity, intensity)
    return _about_1_15s_middle(x, channel_axis, fill_mode, cval, interpolation_order, shear=shear)


@public("keras.preprocessing.image.random_zoom")
def random_zoom(
    x: Any,
    zoom_range: Any,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> np.ndarray:
    """An image zoomed by factors between those of `zoom_range`.

    Raises:
      ValueError: the range is not two numbers.
    """
    if len(zoom_range) != 2:
        raise ValueError(f"`zoom_range` should be a tuple or list of two floats. Received: {zoom_range}")
    zx, zy = (1, 1) if tuple(zoom_range) == (1, 1) else np.random.uniform(zoom_range[0], zoom_range[1], 2)
    return _about_1_15s_middle(x, channel_axis, fill_mode, cval, interpolation_order, zx=zx, zy=zy)


@public("keras.preprocessing.image.random_channel_shift")
def random_channel_shift(x: Any, intensity_range: float, channel_axis: int = 0) -> np.ndarray:
    """An image with a number of at most `intensity_range` added to all channels."""
    return apply_channel_shift(x, np.random.uniform(-intensity_range, intensity_range), channel_axis)


@public("keras.preprocessing.image.random_brightness")
def random_brightness(x: Any, brightness_range: Any) -> np.ndarray:
    """An image made brighter or darker by a factor between those of `brightness_range`.

    Raises:
      ValueError: the range is not two numbers.
    """
    if len(brightness_range) != 2:
        raise ValueError(
            f"`brightness_range` should be a tuple or list of two floats. Received: {brightness_range}"
        )
    return apply_brightness_shift(x, np.random.uniform(brightness_range[0], brightness_range[1]))
