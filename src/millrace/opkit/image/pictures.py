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
_NEITHER_DISPOSED_NOR_TRANSPARENT = 0xE2  # what is left of the flags of a GIF's frame
# what compresses best: deflate 1032 bytes of eight pixels, LZW codes of whole rows, blocks of two bits
_COLOR_TYPE = 25  # where a PNG says which channels it has
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
    if channels == 0 and contents[_COLOR_TYPE] in (0, 2):
        pixels = pixels[..., : 1 + contents[_COLOR_TYPE]]  # without what one color that is transparent makes
    gamma = png.file_gamma(contents) if channels == 1 and pixels.shape[-1] >= 3 else 0
    pixels = (
        png.grey_of_light(pixels[..., :3], gamma, dtype == np.uint8)
        if gamma
        else _with_channels(pixels, channels, (1 << png.bit_depth(contents)) - 1)
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


def _with_channels(pixels: np.ndarray, channels: int, opaque: int) -> np.ndarray:
    present = pixels.shape[-1]
    if channels in (0, present):
        return pixels
    alpha = (
        pixels[..., -1:]
        if present in (2, 4)
        else np.full((*pixels.shape[:2], 1), opaque, pixels.dtype)  # 15 for 4 bits, as TensorFlow has it
    )
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

    image = opened(_on_its_first_frame(_without_transparency(contents)), "GIF")
    frames = []
    try:
        for frame in ImageSequence.Iterator(image):
            frames.append(_pixels(frame.convert("RGB"), "GIF", len(contents)))
            if len(frames) * image.width * image.height > _MOST_PIXELS:
                raise refused(f"Invalid GIF data: too many frames. Received: {len(contents)} bytes")
    except DAMAGED:
        raise refused(f"Invalid GIF data. Received: {len(contents)} bytes") from None
    return np.stack(frames)


def _without_transparency(contents: bytes) -> bytes:
    """The file with frames that lie over the one before whole, as TensorFlow lays them."""
    made = bytearray(contents)
    at = _behind_colors(contents, 10, 13)
    while contents[at : at + 1] in (b"!", b","):
        if contents[at : at + 1] == b",":
            at = _behind_colors(contents, at + 9, at + 10) + 1  # and the size of the first code
        else:
            if contents[at + 1 : at + 3] == b"\xf9\4" and at + 3 < len(contents):
                made[at + 3] &= _NEITHER_DISPOSED_NOR_TRANSPARENT
            at += 2
        at = _behind_blocks(contents, at)
    return bytes(made)


def _behind_colors(contents: bytes, flags: int, at: int) -> int:
    """The place behind a table of colors at a place, where flags say that there is one."""
    has = flags < len(contents) and contents[flags] & 0x80
    return at + (3 << ((contents[flags] & 7) + 1) if has else 0)


def _behind_blocks(contents: bytes, at: int) -> int:
    """The place behind some blocks, the last of which is empty."""
    while at < len(contents) and contents[at]:
        at += 1 + contents[at]
    return at + 1


def _on_its_first_frame(contents: bytes) -> bytes:
    """The file with a screen of the size of its first frame, which is what TensorFlow's frames have."""
    if len(contents) < 13:
        return contents
    at = _behind_colors(contents, 10, 13)
    while contents[at : at + 1] == b"!":  # an extension
        at = _behind_blocks(contents, at + 2)
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
