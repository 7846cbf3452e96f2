"""JPEG files, read and written as TensorFlow does with libjpeg-turbo.

`simplejpeg` is that library with all that TensorFlow sets: the fast DCT, plain upsampling, smaller sizes.
Where there is no wheel of it, Pillow reads, which knows the exact DCT and smooth upsampling only.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from millrace.core.errors import InvalidArgumentError
from millrace.opkit.image.pictures import DAMAGED, check_size, opened, refused


def _binding() -> Any:
    try:
        return import_module("simplejpeg")
    except ImportError:
        return None


simplejpeg = _binding()

_END = b"\xff\xd9"
_FILLINGS = (b"\x55" * 64, b"\xaa\x33" * 32)  # what may stand where a file was cut off


@dataclass(frozen=True, slots=True)
class Header:
    """What the markers before the pixels say.

    Attributes:
      height, width, channels: of the picture.
      progressive: whether the pixels come in several scans.
      rows: pixels of the rows of blocks that are decoded together.
      inverted: an Adobe file, whose inks are stored as 255 minus what they are.
    """

    height: int
    width: int
    channels: int
    progressive: bool
    rows: int
    inverted: bool


def read_header(contents: bytes) -> Header:
    """The header of a JPEG file.

    Raises:
      InvalidArgumentError: it is none.
    """
    at, frame, adobe = 2, None, False
    while contents[:2] == b"\xff\xd8" and at + 4 <= len(contents) and contents[at] == 0xFF:
        marker = contents[at + 1]
        if marker == 0xFF or 0xD0 <= marker <= 0xD7 or marker == 1:  # filling, or without a length
            at += 1 if marker == 0xFF else 2
            continue
        (length,) = struct.unpack_from(">H", contents, at + 2)
        adobe = adobe or (marker == 0xEE and contents[at + 4 : at + 9] == b"Adobe")
        if frame is None and 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            frame = at
        if marker in (0xD9, 0xDA) or length < 2:
            break
        at += 2 + length
    if frame is not None and frame + 10 <= len(contents):
        height, width, channels = struct.unpack_from(">HHB", contents, frame + 5)
        if height and width and channels in (1, 3, 4):
            tall = [factor & 15 for factor in contents[frame + 11 : frame + 10 + 3 * channels : 3]]
            rows = 8 * (max(tall, default=1) if channels > 1 else 1)
            return Header(height, width, channels, contents[frame + 1] == 0xC2, rows or 8, adobe)
    raise refused(f"Invalid JPEG data. Received: {len(contents)} bytes")


def decode(
    contents: bytes,
    channels: int,
    ratio: int = 1,
    fancy: bool = True,
    recover: bool = False,
    fraction: float = 1.0,
    method: str = "",
) -> np.ndarray:
    """A JPEG file as uint8 `[height, width, channels]`.

    Args:
      contents: the file.
      channels: 1 or 3; 0 for those of the file.
      ratio: 1, 2, 4 or 8: how much smaller to decode it.
      fancy: colours of half resolution are made whole by interpolation.
      recover: fill up what is missing at the end instead of refusing.
      fraction: the share of the rows that a file which was cut off must have; black follows.
      method: "INTEGER_ACCURATE" for the exact DCT, anything else for the fast one.

    Raises:
      InvalidArgumentError: the file is damaged, or has inks and grey was asked for.
    """
    if simplejpeg is not None and ratio == 1:
        pixels = _at_once(contents, channels, fancy, method)
        if pixels is not None:
            return pixels
    header = read_header(contents)
    check_size(header.width, header.height, contents, "JPEG")
    if header.channels == 4 and channels == 1:
        raise refused("Invalid JPEG data: a picture of four inks does not become grey. Received: channels=1")
    colors = "GRAY" if channels == 1 or (channels == 0 and header.channels == 1) else "RGB"
    if header.channels == 4:
        colors = "CMYK"
    one = _decoder(header, colors, ratio, fancy, method)
    pixels, problem = one(contents)
    if problem and not recover:
        rows = 0 if header.progressive else _whole_rows(contents, pixels, header, ratio, fancy, one)
        if fraction >= 1 or rows < fraction * len(pixels):
            raise refused(f"Invalid JPEG data: {problem}. Received: {len(contents)} bytes")
        pixels[rows:] = 0
    return _of_inks(pixels, header.inverted) if colors == "CMYK" else pixels


def _at_once(contents: bytes, channels: int, fancy: bool, method: str) -> np.ndarray | None:
    """The pixels of a whole file of grey or colour; None for a file that needs a closer look."""
    try:
        height, width, stored, _ = simplejpeg.decode_jpeg_header(contents)
        check_size(width, height, contents, "JPEG")
        if stored not in ("YCbCr", "Gray", "RGB"):
            return None
        colors = "GRAY" if channels == 1 or (channels == 0 and stored == "Gray") else "RGB"
        return simplejpeg.decode_jpeg(contents, colors, method != "INTEGER_ACCURATE", not fancy)
    except ValueError:
        return None


def _decoder(header: Header, colors: str, ratio: int, fancy: bool, method: str) -> Any:
    """A function from a file to its pixels, and what is missing at its end, if anything is."""
    sizes = [-(-header.height // ratio), -(-header.width // ratio)]
    smaller = range(1, 8 // ratio if ratio > 1 else 1)  # in eighths
    thinner = [[-(-n * eighths // 8) for n in (header.height, header.width)] for eighths in smaller]
    if simplejpeg is None or sizes in thinner:  # simplejpeg takes the smallest scale that gives the size
        return lambda contents: _by_pillow(contents, colors, ratio)

    least = sizes if ratio > 1 else [0, 0]

    def decoded(contents: bytes, strict: bool) -> np.ndarray:
        return simplejpeg.decode_jpeg(
            contents, colors, method != "INTEGER_ACCURATE", not fancy, *least, ratio, strict=strict
        )  # fmt: skip

    def one(contents: bytes) -> tuple[np.ndarray, str]:
        try:
            return decoded(contents, True), ""
        except ValueError as error:
            found = str(error)
        try:
            pixels = decoded(contents, False)
        except ValueError as error:
            raise refused(f"Invalid JPEG data: {error}. Received: {len(contents)} bytes") from None
        return pixels, found if "remature end" in found or _END not in contents else ""

    return one


def _by_pillow(contents: bytes, colors: str, ratio: int) -> tuple[np.ndarray, str]:
    for cut in (False, True):
        image = opened(contents, "JPEG")
        # Pillow takes the greatest scale that gives at least this; the library itself then rounds up
        wanted: Any = image.width / ratio, image.height / ratio
        image.draft({"GRAY": "L"}.get(colors, colors), wanted)
        if cut:
            _load_truncated(image)
        try:
            array = np.array(image if image.mode != "L" or colors != "RGB" else image.convert("RGB"))
        except DAMAGED as error:
            problem = str(error)
            continue
        array = array if array.ndim == 3 else array[..., None]
        if colors == "CMYK" and "adobe" in image.info:
            array = 255 - array  # Pillow turns them over
        return array, problem if cut else ""
    raise refused(f"Invalid JPEG data. Received: {len(contents)} bytes")


def _whole_rows(
    contents: bytes, pixels: np.ndarray, header: Header, ratio: int, fancy: bool, one: Any
) -> int:
    """How many rows follow from what a file has before it was cut off: those that no continuation changes."""
    context = 2 if fancy and header.rows > 8 else 0  # the rows below take part in their colours
    first = len(pixels) - 1 - context // 2  # the last rows come with the end
    for filling in _FILLINGS:
        try:
            other, _ = one(contents + filling + _END)
        except InvalidArgumentError:
            continue
        changed = (pixels != other).any(axis=(1, 2))
        first = min(first, int(changed.argmax()) if changed.any() else first)
    together = max(header.rows // ratio, 1)
    return max((first + context // 2) // together * together - context, 0)


def _of_inks(pixels: np.ndarray, inverted: bool) -> np.ndarray:
    """The colours of cyan, magenta, yellow and black."""
    inks = pixels if inverted else 255 - pixels
    return (inks[..., :3].astype(np.int32) * inks[..., 3:] // 255).astype(np.uint8)


def _load_truncated(image: Any) -> None:
    """Decodes as far as the data goes; Pillow has only a module-wide switch for it."""
    from PIL import ImageFile

    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        image.load()
    except DAMAGED:
        raise refused("Invalid JPEG data") from None
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def encode(
    pixels: np.ndarray,
    quality: int,
    progressive: bool = False,
    optimize: bool = False,
    subsample: bool = True,
    unit: str = "in",
    density: tuple[int, int] = (300, 300),
    xmp: bytes = b"",
) -> bytes:
    """A JPEG file of uint8 `[height, width, 1 or 3]` pixels.

    Args:
      pixels: the image.
      quality: 0 to 100.
      progressive: write progressive scans.
      optimize: spend time on a smaller file.
      subsample: store colours at half resolution.
      unit: "in" or "cm", of `density`.
      density: pixels per unit, horizontal and vertical.
      xmp: metadata to embed.
    """
    from PIL import Image

    options: dict[str, Any] = dict(
        quality=quality,
        progressive=progressive,
        optimize=optimize,
        subsampling=2 if subsample else 0,
        dpi=density,
    )
    if xmp:
        options["xmp"] = xmp
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(file, "JPEG", **options)
    data = bytearray(file.getvalue())
    if unit == "cm" and data[6:10] == b"JFIF":
        data[13] = 2  # Pillow writes densities per inch; the numbers stay, the unit is this byte
    return bytes(data)
