"""Image files: decoding and encoding PNG, JPEG, GIF and BMP."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.convert import to_tensor
from millrace.building.scopes import name_scope
from millrace.core import dtypes
from millrace.core.public import public
from millrace.core.shapes import Dims
from millrace.graph.attrs import dtype as dtype_attr
from millrace.graph.attrs import flag, integer, number, one_of, text
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.image import jpeg, pictures, png
from millrace.opkit.image.pictures import refused
from millrace.opkit.rules.shape_rules import with_rank

_INTEGER_PIXELS = frozenset({dtypes.uint8, dtypes.uint16})


def _scalar_contents(contents: Any) -> bytes:
    if np.ndim(contents) != 0:
        raise refused(f"contents must be scalar. Received: shape {list(np.shape(contents))}")
    value = contents.item() if isinstance(contents, np.ndarray) else contents
    return value if isinstance(value, bytes) else bytes(value)


def _image_shape(contents: Dims, channels: int) -> Dims:
    with_rank(contents, 0, "contents")
    if channels < 0:
        raise ValueError(f"channels must be non-negative. Received: {channels}")
    return None, None, channels or None


def _check_channels(channels: int, allowed: tuple[int, ...], what: str) -> None:
    if channels not in allowed:
        shown = ", ".join(str(c) for c in allowed)
        raise refused(f"channels must be one of {shown}{what}. Received: {channels}")


def _still(contents: bytes, channels: int, dtype: np.dtype, *of_jpeg: Any) -> np.ndarray:
    """JPEG, PNG or the one frame of a GIF: DecodeJpeg and DecodePng each read all of them."""
    kind = pictures.kind_of(contents)
    if kind in ("jpeg", "gif") and dtype == np.uint16:
        raise refused(f"{kind.upper()} does not support uint16 output. Received: dtype uint16")
    if kind == "jpeg":
        _check_channels(channels, (0, 1, 3), " for JPEG")
        return jpeg.decode(contents, channels, *of_jpeg)
    if kind == "png":
        return pictures.decode_png(contents, channels, dtype)
    if kind == "gif":
        _check_channels(channels, (0, 3), " for GIF")
        frames = pictures.decode_gif(contents)
        if len(frames) != 1:
            rule = "animated gifs can only be decoded by tf.image.decode_gif or tf.image.decode_image"
            raise refused(f"{rule}. Received: {len(frames)} frames")
        return frames[0]
    raise refused(f"Expected image (JPEG, PNG, or GIF), got unknown format starting with {contents[:16]!r}")


_JPEG_ATTRS = {
    "channels": integer(0),
    "ratio": integer(1),
    "fancy_upscaling": flag(True),
    "try_recover_truncated": flag(False),
    "acceptable_fraction": number(1.0),
    "dct_method": text(default=""),
}


@declare(
    "DecodePng(contents: string) -> image: dtype",
    channels=integer(0),
    dtype=dtype_attr(_INTEGER_PIXELS, default=dtypes.uint8),
    host=True,
)
class DecodePng:
    """A PNG, JPEG or still GIF file as pixels."""

    def shape(contents, channels):
        return _image_shape(contents, channels)

    def kernel(xp, contents, channels, dtype):
        _check_channels(channels, (0, 1, 3, 4), "")
        return _still(_scalar_contents(contents), channels, dtype.np_dtype)

    grad = NOT_DIFFERENTIABLE


@declare("DecodeJpeg(contents: string) -> image: uint8", **_JPEG_ATTRS, host=True)
class DecodeJpeg:
    """A JPEG, PNG or still GIF file as pixels."""

    def shape(contents, channels):
        return _image_shape(contents, channels)

    def kernel(
        xp, contents, channels, ratio, fancy_upscaling, try_recover_truncated, acceptable_fraction, dct_method
    ):
        _check_channels(channels, (0, 1, 3, 4), "")
        if ratio not in (1, 2, 4, 8):
            raise refused(f"ratio must be 1, 2, 4, or 8. Received: {ratio}")
        how = ratio, fancy_upscaling, try_recover_truncated, acceptable_fraction, dct_method
        return _still(_scalar_contents(contents), channels, np.dtype(np.uint8), *how)

    grad = NOT_DIFFERENTIABLE


@declare("DecodeAndCropJpeg(contents: string, crop_window: int32) -> image: uint8", **_JPEG_ATTRS,
    static=("crop_window",), host=True)  # fmt: skip
class DecodeAndCropJpeg:
    """A window (y, x, height, width) of a JPEG file as pixels."""

    def shape(contents, crop_window, channels):
        window = crop_window.value
        size = (None, None) if window is None else (int(window[2]), int(window[3]))
        return (*size, _image_shape(contents, channels)[2])  # type: ignore[index]

    def kernel(
        xp,
        contents,
        crop_window,
        channels,
        ratio,
        fancy_upscaling,
        try_recover_truncated,
        acceptable_fraction,
        dct_method,
    ):
        data = _scalar_contents(contents)
        if np.shape(crop_window) != (4,):
            raise refused(
                f"crop_window must have four elements. Received: shape {list(np.shape(crop_window))}"
            )
        if pictures.kind_of(data) != "jpeg":
            raise refused(f"Expected a JPEG image. Received: contents starting with {data[:16]!r}")
        _check_channels(channels, (0, 1, 3), " for JPEG")
        how = ratio, fancy_upscaling, try_recover_truncated, acceptable_fraction, dct_method
        pixels = jpeg.decode(data, channels, *how)
        y, x, height, width = (int(v) for v in crop_window)
        fits = y >= 0 and x >= 0 and height > 0 and width > 0
        if not fits or y + height > pixels.shape[0] or x + width > pixels.shape[1]:
            raise refused(f"Invalid JPEG data or crop window. Received: {[y, x, height, width]}")
        return np.ascontiguousarray(pixels[y : y + height, x : x + width])

    grad = NOT_DIFFERENTIABLE


@declare("DecodeGif(contents: string) -> image: uint8", host=True)
class DecodeGif:
    """All frames of a GIF file, or one of a PNG or JPEG file, as pixels."""

    def shape(contents):
        with_rank(contents, 0, "contents")
        return None, None, None, 3

    def kernel(xp, contents):
        data = _scalar_contents(contents)
        if pictures.kind_of(data) == "gif":
            return pictures.decode_gif(data)
        return _still(data, 3, np.dtype(np.uint8))[None]

    grad = NOT_DIFFERENTIABLE


@declare("DecodeBmp(contents: string) -> image: uint8", channels=integer(0), host=True)
class DecodeBmp:
    """A BMP file as pixels."""

    def shape(contents, channels):
        return _image_shape(contents, channels)

    def kernel(xp, contents, channels):
        _check_channels(channels, (0, 1, 3, 4), "")
        return pictures.decode_bmp(_scalar_contents(contents), channels)

    grad = NOT_DIFFERENTIABLE


@declare(
    "DecodeImage(contents: string) -> image: dtype",
    channels=integer(0),
    dtype=dtype_attr(frozenset({dtypes.uint8, dtypes.uint16, dtypes.float32}), default=dtypes.uint8),
    expand_animations=flag(True),
    host=True,
)
class DecodeImage:
    """A PNG, JPEG, GIF or BMP file as pixels; all frames of a GIF file with `expand_animations`."""

    def shape(contents, channels, expand_animations):
        dims = _image_shape(contents, channels)
        return None if expand_animations else dims

    def kernel(xp, contents, channels, dtype, expand_animations):
        data = _scalar_contents(contents)
        kind = pictures.kind_of(data)
        narrow = np.dtype(np.uint8)
        if kind == "gif":
            if channels in (1, 4):
                raise refused(
                    f"Channels must be in (None, 0, 3) when decoding GIF images. Received: {channels}"
                )
            pixels = pictures.decode_gif(data)
            pixels = pixels if expand_animations else pixels[0]
        elif kind == "bmp":
            if channels in (1, 4):
                raise refused(
                    f"Channels must be in (None, 0, 3) when decoding BMP images. Received: {channels}"
                )
            pixels = pictures.decode_bmp(data, 0)
        elif kind == "png":
            wide = dtype is not dtypes.uint8
            pixels = pictures.decode_png(data, channels, np.dtype(np.uint16) if wide else narrow)
        elif kind == "jpeg":
            if channels == 4:
                raise refused("Channels must be in (None, 0, 1, 3) when decoding JPEG images. Received: 4")
            pixels = jpeg.decode(data, channels)
        else:
            raise refused(f"Unable to decode bytes as JPEG, PNG, GIF, or BMP. Received: {data[:16]!r}")
        if dtype is dtypes.float32:
            return pixels.astype(np.float32) * np.float32(1 / np.iinfo(pixels.dtype).max)
        if dtype is dtypes.uint16 and pixels.dtype == np.uint8:
            return pixels.astype(np.uint16) * np.uint16(256)
        return pixels

    grad = NOT_DIFFERENTIABLE


@declare(
    "ExtractJpegShape(contents: string) -> image_shape: output_type",
    output_type=dtype_attr(dtypes.INDEX, default=dtypes.int32),
    host=True,
)
class ExtractJpegShape:
    """Height, width and channels of a JPEG file, without decoding it."""

    def shape(contents):
        with_rank(contents, 0, "contents")
        return (3,)

    def kernel(xp, contents, output_type):
        header = jpeg.read_header(_scalar_contents(contents))
        return np.array([header.height, header.width, header.channels], output_type.np_dtype)

    grad = NOT_DIFFERENTIABLE


@declare("EncodePng(image: T) -> contents: string", T=_INTEGER_PIXELS, compression=integer(-1), host=True)
class EncodePng:
    """Pixels as a PNG file."""

    def shape(image):
        with_rank(image, 3, "image")
        return ()

    def kernel(xp, image, compression):
        if image.ndim != 3:
            raise refused(f"image must be 3-dimensional. Received: shape {list(image.shape)}")
        if image.shape[2] not in (1, 2, 3, 4):
            raise refused(f"image must have 1, 2, 3, or 4 channels. Received: {image.shape[2]}")
        if image.size == 0:
            raise refused(f"image must not be empty. Received: shape {list(image.shape)}")
        if not -1 <= compression <= 9:
            raise refused(f"compression should be in [-1,9]. Received: {compression}")
        return np.array(png.encode(image, compression), object)

    grad = NOT_DIFFERENTIABLE


@declare(
    "EncodeJpeg(image: uint8) -> contents: string",
    format=one_of("", "grayscale", "rgb", default=""),
    quality=integer(95),
    progressive=flag(False),
    optimize_size=flag(False),
    chroma_downsampling=flag(True),
    density_unit=one_of("in", "cm", default="in"),
    x_density=integer(300),
    y_density=integer(300),
    xmp_metadata=text(default=""),
    host=True,
)
class EncodeJpeg:
    """Pixels as a JPEG file."""

    def shape(image):
        with_rank(image, 3, "image")
        return ()

    def kernel(
        xp,
        image,
        format,
        quality,
        progressive,
        optimize_size,
        chroma_downsampling,
        density_unit,
        x_density,
        y_density,
        xmp_metadata,
    ):
        _check_jpeg(image, quality)
        expected = {"grayscale": 1, "rgb": 3}.get(format, image.shape[2])
        if image.shape[2] != expected:
            raise refused(
                f"format {format!r} expects {expected} channels. Received: shape {list(image.shape)}"
            )
        contents = jpeg.encode(
            image,
            quality,
            progressive,
            optimize_size,
            chroma_downsampling,
            density_unit,
            (x_density, y_density),
            xmp_metadata.encode("latin-1"),
        )
        return np.array(contents, object)

    grad = NOT_DIFFERENTIABLE


def _check_jpeg(image: Any, quality: int) -> None:
    if image.ndim != 3:
        raise refused(f"image must be 3-dimensional. Received: shape {list(image.shape)}")
    if image.shape[2] not in (1, 3):
        raise refused(f"image must have 1 or 3 channels. Received: shape {list(image.shape)}")
    if image.size == 0:
        raise refused(f"image must not be empty. Received: shape {list(image.shape)}")
    if not 0 <= quality <= 100:
        raise refused(f"quality must be in [0,100]. Received: {quality}")


@declare("EncodeJpegVariableQuality(images: uint8, quality: int32) -> contents: string", host=True)
class EncodeJpegVariableQuality:
    """Pixels as a JPEG file of a quality computed when run."""

    def shape(images, quality):
        with_rank(images, 3, "images")
        with_rank(quality, 0, "quality")
        return ()

    def kernel(xp, images, quality):
        _check_jpeg(images, int(quality))
        return np.array(jpeg.encode(images, int(quality)), object)

    grad = NOT_DIFFERENTIABLE


# ---------------------------------------------------------------- public


@public("image.decode_png", "io.decode_png")
def decode_png(
    contents: Any, channels: int = 0, dtype: Any = dtypes.uint8, name: str | None = None
) -> Tensor:
    """A PNG file as pixels (JPEG and still GIF files too).

    Args:
      contents: string scalar, the file.
      channels: 1 grey, 3 RGB, 4 RGBA; 0 for those of the file.
      dtype: uint8 or uint16.
      name: op name; default "DecodePng".

    Returns:
      `[height, width, channels]` of `dtype`.

    Raises:
      InvalidArgumentError: when run, the file is damaged.
    """
    return raw.DecodePng(contents, channels=channels or 0, dtype=dtype, name=name)


@public("image.decode_jpeg", "io.decode_jpeg")
def decode_jpeg(
    contents: Any,
    channels: int = 0,
    ratio: int = 1,
    fancy_upscaling: bool = True,
    try_recover_truncated: bool = False,
    acceptable_fraction: float = 1,
    dct_method: str = "",
    name: str | None = None,
) -> Tensor:
    """A JPEG file as pixels (PNG and still GIF files too).

    Args:
      contents: string scalar, the file.
      channels: 1 grey, 3 RGB; 0 for those of the file.
      ratio: 1, 2, 4 or 8: how much smaller to decode it.
      fancy_upscaling: colours of half resolution are interpolated.
      try_recover_truncated: accept files that end early.
      acceptable_fraction: the share of the rows that such a file must have otherwise; black follows.
      dct_method: "INTEGER_FAST", the default, or "INTEGER_ACCURATE".
      name: op name; default "DecodeJpeg".

    Returns:
      uint8 `[height, width, channels]`.

    Raises:
      InvalidArgumentError: when run, the file is damaged.
    """
    return raw.DecodeJpeg(
        contents,
        channels=channels or 0,
        ratio=ratio,
        fancy_upscaling=fancy_upscaling,
        try_recover_truncated=try_recover_truncated,
        acceptable_fraction=acceptable_fraction,
        dct_method=dct_method,
        name=name,
    )


@public("image.decode_and_crop_jpeg", "io.decode_and_crop_jpeg")
def decode_and_crop_jpeg(
    contents: Any,
    crop_window: Any,
    channels: int = 0,
    ratio: int = 1,
    fancy_upscaling: bool = True,
    try_recover_truncated: bool = False,
    acceptable_fraction: float = 1,
    dct_method: str = "",
    name: str | None = None,
) -> Tensor:
    """A window of a JPEG file as pixels.

    Args:
      crop_window: int32 `[4]`: y, x, height, width.
      contents, channels, ratio, fancy_upscaling, try_recover_truncated, acceptable_fraction, dct_method: as
        for `decode_jpeg`.
      name: op name; default "DecodeAndCropJpeg".

    Returns:
      uint8 `[height, width, channels]`.
    """
    return raw.DecodeAndCropJpeg(
        contents,
        crop_window,
        channels=channels or 0,
        ratio=ratio,
        fancy_upscaling=fancy_upscaling,
        try_recover_truncated=try_recover_truncated,
        acceptable_fraction=acceptable_fraction,
        dct_method=dct_method,
        name=name,
    )


@public("image.decode_gif", "io.decode_gif")
def decode_gif(contents: Any, name: str | None = None) -> Tensor:
    """All frames of a GIF file: uint8 `[frames, height, width, 3]`; `contents` is a string scalar."""
    return raw.DecodeGif(contents, name=name)


@public("image.decode_bmp", "io.decode_bmp")
def decode_bmp(contents: Any, channels: int = 0, name: str | None = None) -> Tensor:
    """A BMP file as pixels.

    Args:
      contents: string scalar, the file.
      channels: 3 RGB, 4 RGBA, to insist on; 0 for those of the file.
      name: op name; default "DecodeBmp".

    Returns:
      uint8 `[height, width, channels]`.
    """
    return raw.DecodeBmp(contents, channels=channels or 0, name=name)


@public("image.encode_png")
def encode_png(image: Any, compression: int = -1, name: str | None = None) -> Tensor:
    """Pixels as a PNG file.

    Args:
      image: `[height, width, channels]`, uint8 or uint16; 1 to 4 channels.
      compression: 0 fastest to 9 smallest; -1 for a default.
      name: op name; default "EncodePng".

    Returns:
      String scalar.
    """
    return raw.EncodePng(to_tensor(image, None, "image", dtypes.uint8), compression=compression, name=name)


@public("image.encode_jpeg", "io.encode_jpeg")
def encode_jpeg(
    image: Any,
    format: str = "",
    quality: int = 95,
    progressive: bool = False,
    optimize_size: bool = False,
    chroma_downsampling: bool = True,
    density_unit: str = "in",
    x_density: int = 300,
    y_density: int = 300,
    xmp_metadata: str = "",
    name: str | None = None,
) -> Tensor:
    """Pixels as a JPEG file.

    Args:
      image: uint8 `[height, width, 1 or 3]`.
      format: "grayscale" or "rgb" to insist on.
      quality: 0 to 100.
      progressive: write progressive scans.
      optimize_size: spend time on a smaller file.
      chroma_downsampling: store colours at half resolution.
      density_unit, x_density, y_density: pixels per "in" or "cm".
      xmp_metadata: metadata to embed.
      name: op name; default "EncodeJpeg".

    Returns:
      String scalar.
    """
    return raw.EncodeJpeg(
        image,
        format=format,
        quality=quality,
        progressive=progressive,
        optimize_size=optimize_size,
        chroma_downsampling=chroma_downsampling,
        density_unit=density_unit,
        x_density=x_density,
        y_density=y_density,
        xmp_metadata=xmp_metadata,
        name=name,
    )


@public("image.extract_jpeg_shape", "io.extract_jpeg_shape")
def extract_jpeg_shape(contents: Any, output_type: Any = dtypes.int32, name: str | None = None) -> Tensor:
    """Height, width and channels of a JPEG file: `[3]` of `output_type`; `contents` is a string scalar."""
    return raw.ExtractJpegShape(contents, output_type=output_type, name=name)


@public("image.is_jpeg", "io.is_jpeg")
def is_jpeg(contents: Any, name: str | None = None) -> Tensor:
    """Whether a string scalar begins as a JPEG file does: a bool scalar."""
    with name_scope(name, "is_jpeg", [contents]):
        start = raw.Substr(contents, 0, 3)
        return raw.Equal(start, b"\xff\xd8\xff", name="equal")
