"""Pictures as `scipy.misc` read, wrote and resized them, by Pillow."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

_WAYS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "cubic": 3}


def bytescale(data: Any, cmin: Any = None, cmax: Any = None, high: int = 255, low: int = 0) -> Any:
    """Values from `cmin` to `cmax` (the least and largest) as bytes from `low` to `high`; bytes stay.

    Raises:
      ValueError: the bounds are not in order or beyond a byte.
    """
    data = np.asarray(data)
    if data.dtype == np.uint8:
        return data
    if not 0 <= low <= high <= 255:
        raise ValueError(f"bytescale: 0 <= low <= high <= 255 must hold. Received: low={low}, high={high}")
    first = data.min() if cmin is None else cmin
    last = data.max() if cmax is None else cmax
    if last < first:
        raise ValueError(f"bytescale: cmax must not be below cmin. Received: {last} and {first}")
    scale = float(high - low) / (float(last) - float(first) or 1.0)
    return ((data - first) * scale + low).clip(low, high).__add__(0.5).astype(np.uint8)


def toimage(
    arr: Any, high: int = 255, low: int = 0, cmin: Any = None, cmax: Any = None, pal: Any = None,
    mode: str | None = None, channel_axis: int | None = None,
) -> Image.Image:  # fmt: skip
    """An array as a Pillow image: a matrix is gray, three or four channels are colours.

    Raises:
      ValueError: the array is complex or its shape is not that of a picture.
    """
    data = np.asarray(arr)
    if np.iscomplexobj(data):
        raise ValueError("toimage: a complex array is not a picture")
    if data.ndim == 2:
        return _gray(data, high, low, cmin, cmax, pal, mode)
    if data.ndim != 3 or not {3, 4} & set(data.shape):
        raise ValueError(f"toimage: the shape must be [h, w] or have 3 or 4 channels. Received: {data.shape}")
    if channel_axis is None:
        channel_axis = data.shape.index(3) if 3 in data.shape else data.shape.index(4)
    pixels = np.ascontiguousarray(np.moveaxis(bytescale(data, cmin, cmax, high, low), channel_axis, -1))
    kind = "RGB" if pixels.shape[-1] == 3 else "RGBA"
    if mode == "YCbCr":
        return Image.frombytes(mode, pixels.shape[1::-1], pixels.tobytes())
    made = Image.frombytes(kind, pixels.shape[1::-1], pixels.tobytes())
    return made if mode in (None, kind) else made.convert(mode)


def _gray(data: Any, high: int, low: int, cmin: Any, cmax: Any, pal: Any, mode: str | None) -> Image.Image:
    size = (data.shape[1], data.shape[0])
    if mode == "F":
        return Image.frombytes("F", size, data.astype(np.float32).tobytes())
    if mode == "1":
        return Image.frombytes(
            "L", size, (bytescale(data, cmin, cmax, high, low) > 0).astype(np.uint8).__mul__(255).tobytes()
        ).convert("1")
    if mode == "I":
        return Image.frombytes("I", size, data.astype(np.uint32).tobytes())
    made = Image.frombytes("L", size, bytescale(data, cmin, cmax, high, low).tobytes())
    if pal is not None or mode == "P":
        made.putpalette(
            np.arange(256).repeat(3).astype(np.uint8).tobytes()
            if pal is None
            else bytes(np.asarray(pal, np.uint8))
        )
    return made


def fromimage(im: Image.Image, flatten: bool = False, mode: str | None = None) -> Any:
    """A Pillow image as an array; with `flatten` as gray floats."""
    if mode is not None:
        im = im.convert(mode) if mode != im.mode else im
    elif im.mode == "P":
        im = im.convert("RGBA" if "transparency" in im.info else "RGB")
    if flatten:
        im = im.convert("F")
    elif im.mode == "1":
        im = im.convert("L")
    return np.array(im)


def imread(name: Any, flatten: bool = False, mode: str | None = None) -> Any:
    """The picture in a file, given by name or opened, as an array."""
    with Image.open(name) as im:
        return fromimage(im, flatten, mode)


def imsave(name: Any, arr: Any, format: str | None = None) -> None:
    """Writes an array as a picture; what is not bytes is stretched to 0..255."""
    made = toimage(arr, channel_axis=2)
    made.save(name) if format is None else made.save(name, format)


def imresize(arr: Any, size: Any, interp: str = "bilinear", mode: str | None = None) -> Any:
    """A picture of another size: `[height, width]`, a fraction (float), or a percentage (int)."""
    im = toimage(arr, mode=mode)
    if isinstance(size, tuple | list | np.ndarray):
        wanted = (int(size[1]), int(size[0]))
    else:
        factor = size / 100.0 if isinstance(size, int | np.integer) else size
        wanted = tuple((np.array(im.size) * factor).astype(int).tolist())
    return fromimage(im.resize(wanted, resample=_WAYS[interp]))  # pyright: ignore[reportArgumentType]


def imrotate(arr: Any, angle: float, interp: str = "bilinear") -> Any:
    """A picture turned counter-clockwise by `angle` degrees, its size unchanged."""
    return fromimage(toimage(arr).rotate(angle, resample=_WAYS[interp]))  # pyright: ignore[reportArgumentType]
