"""`decode_image`: a file of pixels, whichever of four formats it has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building import raw
from millrace.building.convert import to_tensor
from millrace.building.scopes import control_dependencies, name_scope
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.assertion import Assert
from millrace.lib.flow.control_flow import cond
from millrace.lib.image.adjust import convert_image_dtype
from millrace.ops.array.gather import gather
from millrace.ops.math.comparison import equal, logical_and, not_equal
from millrace.ops.text.strings import substr


def starts_as_jpeg(contents: Any, name: str | None = None) -> Tensor:
    """Whether a file begins as a JPEG file does."""
    with name_scope(name, "is_jpeg"):
        return equal(substr(contents, 0, 3), b"\xff\xd8\xff")


def _starts_as_png(contents: Any, name: str | None = None) -> Tensor:
    with name_scope(name, "is_png"):
        return equal(substr(contents, 0, 3), b"\x89PN")


class _Formats:
    """The branches of one call of `decode_image`, each for the formats that those before it are not."""

    def __init__(self, contents: Tensor, start: Tensor, channels: int, dtype: Any, animated: bool) -> None:
        self.contents, self.start, self.channels, self.dtype = contents, start, channels, dtype
        self.animated = animated

    def jpeg(self) -> Tensor:
        said = "Channels must be in (None, 0, 1, 3) when decoding JPEG images"
        check = Assert(not_equal(self.channels, 4, name="check_jpeg_channels"), [said])
        return self._converted(lambda: raw.DecodeJpeg(self.contents, channels=self.channels), [check])

    def png_or_more(self) -> Tensor:
        return cond(_starts_as_png(self.contents, "is_png"), self.png, self.gif_or_more, name="cond_png")

    def png(self) -> Tensor:
        stored = dtypes.uint8 if self.dtype == dtypes.uint8 else dtypes.uint16
        return self._converted(lambda: raw.DecodePng(self.contents, channels=self.channels, dtype=stored), [])

    def gif_or_more(self) -> Tensor:
        is_gif = equal(self.start, b"GIF", name="is_gif")
        return cond(is_gif, self.gif, self.bmp, name="cond_gif")

    def gif(self) -> Tensor:
        said = "Channels must be in (None, 0, 3) when decoding GIF images"
        not_one = not_equal(self.channels, 1, name="check_gif_channels")
        not_four = not_equal(self.channels, 4, name="check_gif_channels")
        check = Assert(logical_and(not_one, not_four), [said])

        def decode() -> Tensor:
            frames = raw.DecodeGif(self.contents)
            return frames if self.animated else gather(frames, 0)

        return self._converted(decode, [check])

    def bmp(self) -> Tensor:
        known = equal(substr(self.contents, 0, 2), b"BM", name="is_bmp")
        is_one = Assert(known, ["Unable to decode bytes as JPEG, PNG, GIF, or BMP"])
        not_one = not_equal(self.channels, 1, name="check_channels")
        fits = Assert(not_one, ["Channels must be in (None, 0, 3) when decoding BMP images"])
        return self._converted(lambda: raw.DecodeBmp(self.contents), [is_one, fits])

    def _converted(self, decode: Callable[[], Tensor], checks: list[Any]) -> Tensor:
        with control_dependencies(checks):
            return convert_image_dtype(decode(), self.dtype)


@public("image.decode_image", "io.decode_image")
def decode_image(
    contents: Any,
    channels: int | None = None,
    dtype: Any = dtypes.uint8,
    name: str | None = None,
    expand_animations: bool = True,
) -> Tensor:
    """A PNG, JPEG, GIF or BMP file as pixels, whichever it is.

    Args:
      contents: string scalar, the file.
      channels: 1, 3 or 4; None or 0 for those of the file. JPEG files have no four, GIF and BMP files three.
      dtype: uint8, uint16 or float32; floats are in [0, 1].
      name: op name; default "decode_image".
      expand_animations: give all frames of a GIF file, with an axis in front; otherwise the first.

    Returns:
      `[height, width, channels]`, or `[frames, height, width, 3]` for GIF files; of unknown static shape.

    Raises:
      ValueError: `channels` is not supported.
      InvalidArgumentError: when run, the file is damaged, of another format, or without such channels.
    """
    if channels not in (None, 0, 1, 3, 4):
        raise ValueError(f"decode_image: channels must be in (None, 0, 1, 3, 4). Received: {channels}")
    with name_scope(name, "decode_image", [contents]):
        contents = to_tensor(contents, dtypes.string)
        formats = _Formats(
            contents, substr(contents, 0, 3), channels or 0, dtypes.as_dtype(dtype), expand_animations
        )
        is_jpeg = starts_as_jpeg(contents)
        return cond(is_jpeg, formats.jpeg, formats.png_or_more, name="cond_jpeg")
