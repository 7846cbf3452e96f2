"""Image files read: PNG, GIF and BMP, as TensorFlow's decoders give them.

Pillow does the decompression; which channels come out, and how colours become grey, follows TensorFlow.
"""

from __future__ import annotations

import io
import struct
import warnings
from typing import Any

import numpy as np

from millrace.core.errors import InvalidArgumentError, refusal
from millrace.opkit.image import png

DAMAGED = (OSError, ValueError, SyntaxError, LookupError, TypeError, AttributeError, struct.error, EOFError)
_MOST_PIXELS = 1 << 27
# what compresses best: deflate 1032 bytes of eight pixels, LZW codes of whole rows, blocks of two bits
_PIXELS_OF_A_BYTE = {"PNG": 8 * 1032, "GIF": 1 << 13, "JPEG": 1 << 11}


def refused(message: str) -> InvalidArgumentError:
    """The error for contents that are not what they should be."""
    return refusal(message)


def kind_of(contents: bytes) -> str:
    """What the first bytes say: "jpeg", "png", "gif", "bmp" or nothing."""
    if contents[:3] == b"\xff\xd8\xff":
        return "jpeg"
    if contents[:4] == b"\x89PNG":
        return "png"
    if contents[:4] == b"GIF8":
        return "gif"
    return "bmp" if contents[:2] == b"BM" else ""


def opened(contents: bytes, what: str) -> Any:
    """The picture as Pillow opens it; `what` is "JPEG", "PNG" or "GIF".

    Raises:
      InvalidArgumentError: it is none, or too large.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():  # of sizes that `check_size` judges
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(contents))
    except DAMAGED:
        raise refused(f"Invalid {what} data. Received: {len(contents)} bytes") from None
    except Image.DecompressionBombError as error:
        raise refused(f"Invalid {what} data: {error}. Received: {len(contents)} bytes") from None
    check_size(image.width, image.height, contents, what)
    return image


def check_size(width: int, height: int, contents: bytes, what: str) -> None:
    """Refuses sizes that the file cannot fill, before there is memory for them."""
    if width * height > _MOST_PIXELS or width * height > _PIXELS_OF_A_BYTE[what] * len(contents):
        raise refused(
            f"Invalid {what} data: {width} x {height} pixels are too many. Received: {len(contents)} bytes"
        )


def _pixels(image: Any, what: str, size: int) -> np.ndarray:
    try:
        array = np.asarray(image)
    except DAMAGED:
        raise refused(f"Invalid {what} data. Received: {size} bytes") from None
    return array if array.ndim == 3 else array[..., None]


# ---------------------------------------------------------------- PNG


def decode_png(contents: bytes, channels: int, dtype: np.dtype) -> np.ndarray:
    """A PNG file as `[height, width, channels]`.

    Args:
      contents: the file.
      channels: 1, 3 or 4; 0 for those of the file, palettes written out.
      dtype: uint8 or uint16.

    Raises:
      InvalidArgumentError: the file is damaged.
    """
    try:
        wide = png.bit_depth(contents) == 16
        contents = png.whole(contents)
        pixels = png.decode_wide(contents) if wide else _narrow_png(contents)
    except ValueError as error:
        raise refused(f"Invalid PNG header or data: {error}. Received: {len(contents)} bytes") from None
    gamma = png.file_gamma(contents) if channels == 1 and pixels.shape[-1] >= 3 else 0
    pixels = (
        png.grey_of_light(pixels[..., :3], gamma, dtype == np.uint8)
        if gamma
        else _with_channels(pixels, channels)
    )
    if pixels.dtype == dtype:
        return pixels
    if dtype == np.uint16:
        return pixels.astype(np.uint16) * np.uint16(257)
    return (pixels >> 8).astype(np.uint8)


def _narrow_png(contents: bytes) -> np.ndarray:
    image = opened(contents, "PNG")
    transparent = "transparency" in image.info
    if image.mode == "P":
        image = image.convert("RGBA" if transparent else "RGB")
    elif image.mode in ("1", "L") and transparent:
        image = image.convert("LA")
    elif image.mode == "RGB" and transparent:
        image = image.convert("RGBA")
    elif image.mode in ("1", "I"):
        image = image.convert("L")
    return _pixels(image, "PNG", len(contents)).astype(np.uint8)


def _with_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    present = pixels.shape[-1]
    if channels in (0, present):
        return pixels
    opaque = np.full((*pixels.shape[:2], 1), np.iinfo(pixels.dtype).max, pixels.dtype)
    alpha = pixels[..., -1:] if present in (2, 4) else opaque
    color = pixels[..., : 1 if present < 3 else 3]
    if channels in (1, 2) and color.shape[-1] == 3:
        rounding = 16384 if pixels.dtype == np.uint16 else 0
        color = ((color.astype(np.int64) @ png.GRAY + rounding) >> 15).astype(pixels.dtype)[..., None]
    elif channels >= 3 and color.shape[-1] == 1:
        color = np.repeat(color, 3, axis=-1)
    return np.concatenate([color, alpha], axis=-1) if channels in (2, 4) else np.ascontiguousarray(color)


# ---------------------------------------------------------------- GIF, BMP


def decode_gif(contents: bytes) -> np.ndarray:
    """A GIF file as uint8 `[frames, height, width, 3]`.

    Raises:
      InvalidArgumentError: the file is damaged.
    """
    from PIL import ImageSequence

    image = opened(_on_its_first_frame(contents), "GIF")
    frames = []
    try:
        for frame in ImageSequence.Iterator(image):
            frames.append(_pixels(frame.convert("RGB"), "GIF", len(contents)))
            if len(frames) * image.width * image.height > _MOST_PIXELS:
                raise refused(f"Invalid GIF data: too many frames. Received: {len(contents)} bytes")
    except DAMAGED:
        raise refused(f"Invalid GIF data. Received: {len(contents)} bytes") from None
    return np.stack(frames)


def _on_its_first_frame(contents: bytes) -> bytes:
    """The file with a screen of the size of its first frame, which is what TensorFlow's frames have."""
    if len(contents) < 13:
        return contents
    at = 13 + (3 << ((contents[10] & 7) + 1) if contents[10] & 0x80 else 0)
    while contents[at : at + 1] == b"!":  # an extension: blocks, the last one empty
        at += 2
        while at < len(contents) and contents[at]:
            at += 1 + contents[at]
        at += 1
    if contents[at : at + 1] != b"," or at + 9 > len(contents):
        raise refused(f"Invalid GIF data. Received: {len(contents)} bytes")
    size = contents[at + 5 : at + 9]
    return contents[:6] + size + contents[10 : at + 1] + bytes(4) + contents[at + 5 :]


def decode_bmp(contents: bytes, channels: int) -> np.ndarray:
    """An uncompressed BMP file as uint8 `[height, width, channels]`.

    Args:
      contents: the file; its bytes per pixel are the channels.
      channels: 1, 3 or 4 to insist on; 0 for those of the file.

    Raises:
      InvalidArgumentError: the file is damaged, or has other channels.
    """
    if len(contents) < 32:
        raise refused(f"Incomplete bmp content, requires at least 32 bytes. Received: {len(contents)} bytes")
    (start,) = struct.unpack_from("<I", contents, 10)
    width, height = struct.unpack_from("<ii", contents, 18)
    (bits,) = struct.unpack_from("<H", contents, 28)
    found = bits // 8
    if found not in (1, 3, 4):
        raise refused(f"Number of channels must be 1, 3 or 4. Received: {found}")
    if channels not in (0, found):
        raise refused(f"channels attribute {channels} does not match bits per pixel from file {found}")
    top_down, height = height < 0, abs(height)
    stride = (width * found + 3) // 4 * 4
    if width <= 0 or height == 0 or len(contents) < start + stride * (height - 1) + width * found:
        raise refused(
            f"Incomplete bmp content, {width} x {height} x {found}. Received: {len(contents)} bytes"
        )
    data = np.frombuffer(contents, np.uint8, offset=start)
    data = np.concatenate([data, np.zeros(max(0, stride * height - len(data)), np.uint8)])
    rows = data[: stride * height].reshape(height, stride)[:, : width * found].reshape(height, width, found)
    rows = rows if top_down else rows[::-1]
    return np.ascontiguousarray(rows if found == 1 else rows[..., [2, 1, 0, 3][:found]])
