"""Pixels of another dtype, brightness, contrast, hue, saturation, or colour space."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.convert import to_tensor
from millrace.building.scopes import control_dependencies, name_scope
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.assertion import Assert
from millrace.lib.image.geometry import image_rank, looked_at
from millrace.lib.image.looking import grey_asserts
from millrace.lib.math.contraction import tensordot
from millrace.lib.math.reductions import reduce_mean, reduce_prod, reduce_std
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import ones
from millrace.ops.array.shape import rank as rank_of
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.math.cast import cast, saturate_cast
from millrace.ops.random.draws import random_uniform


@public("image.convert_image_dtype")
def convert_image_dtype(image: Any, dtype: Any, saturate: bool = False, name: str | None = None) -> Tensor:
    """Pixels of another dtype, scaled so that the ranges match: floats are in [0, 1], integers in [0, max].

    Args:
      image: any shape, integer or floating.
      dtype: the dtype wanted.
      saturate: limit values to the range of `dtype` before converting.
      name: op name; default "convert_image".

    Returns:
      Same shape, of `dtype`.
    """
    image = to_tensor(image, name="image")
    target, source = dtypes.as_dtype(dtype).base_dtype, image.dtype.base_dtype
    if target is source:
        return raw.Identity(image, name=name)
    with name_scope(name, "convert_image", [image]) as scope:
        convert = saturate_cast if saturate else cast
        if source.is_integer and target.is_integer:
            if source.max > target.max:
                scale = (int(source.max) + 1) // (int(target.max) + 1)
                scaled = raw.FloorDiv(image, to_tensor(scale, source, "floordiv/y"), name="floordiv")
                return convert(scaled, target, name=scope)
            wide = convert(image, target)
            return raw.Mul(wide, (int(target.max) + 1) // (int(source.max) + 1), name=scope)
        if source.is_floating and target.is_floating:
            return cast(image, target, name=scope)
        if source.is_integer:
            return raw.Mul(cast(image, target), 1.0 / int(source.max), name=scope)
        scaled = raw.Mul(image, int(target.max) + 0.5)  # rounds to nearest when cut off
        return convert(scaled, target, name=scope)


def _as_float(image: Tensor) -> Tensor:
    """float16 and float32 as they are, everything else as float32."""
    keep = image.dtype.base_dtype in (dtypes.float16, dtypes.float32)
    return image if keep else convert_image_dtype(image, dtypes.float32)


@public("image.adjust_brightness")
def adjust_brightness(image: Any, delta: Any) -> Tensor:
    """Adds to all pixels.

    Args:
      image: any shape, integer or floating.
      delta: scalar, of the scale of floating pixels.

    Returns:
      Same shape and dtype.
    """
    with name_scope(None, "adjust_brightness", [image, delta]) as scope:
        image = to_tensor(image, name="image")
        pixels = _as_float(image)
        added = raw.Add(pixels, cast(delta, pixels.dtype.base_dtype), name=scope)
        return convert_image_dtype(added, image.dtype.base_dtype, saturate=True)


@public("image.adjust_contrast")
def adjust_contrast(images: Any, contrast_factor: Any) -> Tensor:
    """Scales the distance of pixels from the mean of their channel.

    Args:
      images: `[..., height, width, channels]`, integer or floating.
      contrast_factor: float scalar.

    Returns:
      Same shape and dtype.
    """
    with name_scope(None, "adjust_contrast", [images, contrast_factor]) as scope:
        images = to_tensor(images, name="images")
        pixels = _as_float(images)
        factor = to_tensor(contrast_factor, dtypes.float32, "contrast_factor")
        adjusted = raw.AdjustContrastv2(pixels, factor, name=scope)
        return convert_image_dtype(adjusted, images.dtype.base_dtype, saturate=True)


@public("image.adjust_hue")
def adjust_hue(image: Any, delta: Any, name: str | None = None) -> Tensor:
    """Turns the hues of RGB images.

    Args:
      image: `[..., height, width, 3]`, integer or floating.
      delta: float scalar in [-1, 1], part of the full circle.
      name: op name; default "adjust_hue".

    Returns:
      Same shape and dtype.
    """
    with name_scope(name, "adjust_hue", [image]):
        image = to_tensor(image, name="image")
        adjusted = raw.AdjustHue(_as_float(image), delta)
        return convert_image_dtype(adjusted, image.dtype.base_dtype)


@public("image.adjust_saturation")
def adjust_saturation(image: Any, saturation_factor: Any, name: str | None = None) -> Tensor:
    """Scales the saturation of RGB images.

    Args:
      image: `[..., height, width, 3]`, integer or floating.
      saturation_factor: float scalar.
      name: op name; default "adjust_saturation".

    Returns:
      Same shape and dtype.
    """
    with name_scope(name, "adjust_saturation", [image]):
        image = to_tensor(image, name="image")
        adjusted = raw.AdjustSaturation(_as_float(image), saturation_factor)
        return convert_image_dtype(adjusted, image.dtype.base_dtype)


@public("image.adjust_gamma")
def adjust_gamma(image: Any, gamma: Any = 1, gain: Any = 1) -> Tensor:
    """Gives gain * pixels ** gamma.

    Args:
      image: any shape, integer or floating.
      gamma: non-negative scalar.
      gain: scalar.

    Returns:
      Same shape and dtype.

    Raises:
      ValueError: gamma is negative.
    """
    with name_scope(None, "adjust_gamma", [image, gamma, gain]):
        image = to_tensor(image, name="image")
        pixels = _as_float(image)
        rule = "Gamma should be a non-negative real number."
        if isinstance(gamma, Tensor):
            with control_dependencies([Assert(gamma >= 0, [rule])]):
                gamma = raw.Identity(gamma, name="control_dependency")
        elif gamma < 0:
            raise ValueError(f"{rule} Received: {gamma}")
        return convert_image_dtype(gain * pixels**gamma, image.dtype.base_dtype, saturate=True)


@public("image.adjust_jpeg_quality")
def adjust_jpeg_quality(image: Any, jpeg_quality: Any, name: str | None = None) -> Tensor:
    """Images as they come out of JPEG files of a given quality.

    Args:
      image: `[height, width, channels]` of 1 or 3 channels, integer or floating.
      jpeg_quality: int32 scalar in [0, 100].
      name: op name; default "adjust_jpeg_quality".

    Returns:
      Same shape and dtype.
    """
    with name_scope(name, "adjust_jpeg_quality", [image]):
        image = to_tensor(image, name="image")
        channels = image.dims[-1] if image.dims else None
        pixels = convert_image_dtype(image, dtypes.uint8)
        contents = raw.EncodeJpegVariableQuality(pixels, to_tensor(jpeg_quality, dtypes.int32))
        decoded = raw.DecodeJpeg(contents, channels=channels or 0)
        decoded.set_shape(image.shape)
        return convert_image_dtype(decoded, image.dtype.base_dtype, saturate=True)


# ---------------------------------------------------------------- at random


def _check_range(lower: float, upper: float) -> None:
    if upper <= lower:
        raise ValueError(f"upper must be > lower. Received: {lower} and {upper}")
    if lower < 0:
        raise ValueError(f"lower must be non-negative. Received: {lower}")


@public("image.random_brightness")
def random_brightness(image: Any, max_delta: float, seed: int | None = None) -> Tensor:
    """`adjust_brightness` by a delta drawn from [-max_delta, max_delta).

    Raises:
      ValueError: `max_delta` is negative.
    """
    if max_delta < 0:
        raise ValueError(f"max_delta must be non-negative. Received: {max_delta}")
    return adjust_brightness(image, random_uniform([], -max_delta, max_delta, seed=seed))


@public("image.random_contrast")
def random_contrast(image: Any, lower: float, upper: float, seed: int | None = None) -> Tensor:
    """`adjust_contrast` by a factor drawn from [lower, upper).

    Raises:
      ValueError: the bounds are negative or out of order.
    """
    _check_range(lower, upper)
    return adjust_contrast(image, random_uniform([], lower, upper, seed=seed))


@public("image.random_hue")
def random_hue(image: Any, max_delta: float, seed: int | None = None) -> Tensor:
    """`adjust_hue` by a delta drawn from [-max_delta, max_delta).

    Raises:
      ValueError: `max_delta` is not in [0, 0.5].
    """
    if max_delta > 0.5:
        raise ValueError(f"max_delta must be <= 0.5. Received: {max_delta}")
    if max_delta < 0:
        raise ValueError(f"max_delta must be non-negative. Received: {max_delta}")
    return adjust_hue(image, random_uniform([], -max_delta, max_delta, seed=seed))


@public("image.random_saturation")
def random_saturation(image: Any, lower: float, upper: float, seed: int | None = None) -> Tensor:
    """`adjust_saturation` by a factor drawn from [lower, upper).

    Raises:
      ValueError: the bounds are negative or out of order.
    """
    _check_range(lower, upper)
    return adjust_saturation(image, random_uniform([], lower, upper, seed=seed))


@public("image.random_jpeg_quality")
def random_jpeg_quality(
    image: Any, min_jpeg_quality: int, max_jpeg_quality: int, seed: int | None = None
) -> Tensor:
    """`adjust_jpeg_quality` by a quality drawn from [min_jpeg_quality, max_jpeg_quality).

    Raises:
      ValueError: the bounds are not in [0, 100] or out of order.
    """
    if not (0 <= min_jpeg_quality <= 100 and 0 <= max_jpeg_quality <= 100):
        shown = f"{min_jpeg_quality} and {max_jpeg_quality}"
        raise ValueError(f"jpeg encoding range must be between 0 and 100. Received: {shown}")
    if min_jpeg_quality >= max_jpeg_quality:
        shown = f"{min_jpeg_quality} and {max_jpeg_quality}"
        raise ValueError(f"`min_jpeg_quality` must be less than `max_jpeg_quality`. Received: {shown}")
    quality = random_uniform([], min_jpeg_quality, max_jpeg_quality, dtypes.int32, seed)
    return adjust_jpeg_quality(image, quality)


# ---------------------------------------------------------------- colour spaces

_GRAY = [0.2989, 0.5870, 0.1140]
_TO_YIQ = [[0.299, 0.59590059, 0.2115], [0.587, -0.27455667, -0.52273617], [0.114, -0.32134392, 0.31119955]]
_FROM_YIQ = [[1, 1, 1], [0.95598634, -0.27201283, -1.10674021], [0.6208248, -0.64720424, 1.70423049]]
_TO_YUV = [
    [0.299, -0.14714119, 0.61497538],
    [0.587, -0.28886916, -0.51496512],
    [0.114, 0.43601035, -0.10001026],
]
_FROM_YUV = [[1, 1, 1], [0, -0.394642334, 2.03206185], [1.13988303, -0.58062185, 0]]


@public("image.rgb_to_grayscale")
def rgb_to_grayscale(images: Any, name: str | None = None) -> Tensor:
    """RGB images as grey ones.

    Args:
      images: `[..., 3]`, integer or floating.
      name: op name; default "rgb_to_grayscale".

    Returns:
      `[..., 1]`, same dtype.
    """
    with name_scope(name, "rgb_to_grayscale", [images]) as scope:
        images = to_tensor(images, name="images")
        pixels = convert_image_dtype(images, dtypes.float32)
        gray = raw.ExpandDims(tensordot(pixels, _GRAY, [-1, -1]), -1)
        return convert_image_dtype(gray, images.dtype.base_dtype, name=scope)


@public("image.grayscale_to_rgb")
def grayscale_to_rgb(images: Any, name: str | None = None) -> Tensor:
    """Grey images with three equal channels.

    Args:
      images: `[..., 1]`.
      name: op name; default "grayscale_to_rgb".

    Returns:
      `[..., 3]`, same dtype.

    Raises:
      ValueError: there is more than one channel.
    """
    with name_scope(name, "grayscale_to_rgb", [images]) as scope:
        images = to_tensor(images, name="images")
        if images.dims is not None and (not images.dims or images.dims[-1] not in (None, 1)):
            raise ValueError(
                f"Last dimension of a grayscale image should be size 1. Received: {images.shape}"
            )
        with control_dependencies(grey_asserts(images)):
            images = raw.Identity(images, name="control_dependency")
        front = ones(raw.ExpandDims(rank_of(images) - 1, 0), dtypes.int32)
        multiples = concat([front, raw.ExpandDims(3, 0)], 0)
        return raw.Tile(images, multiples, name=scope)


def _transformed(images: Any, matrix: list[list[float]]) -> Tensor:
    images = to_tensor(images, name="images")
    if images.dims is None:
        raise ValueError(f"The rank of the images must be known. Received: {images.shape}")
    kernel = to_tensor(np.array(matrix, images.dtype.base_dtype.np_dtype), name="kernel")
    return tensordot(images, kernel, [[len(images.dims) - 1], [0]])


@public("image.rgb_to_yiq")
def rgb_to_yiq(images: Any) -> Tensor:
    """RGB as YIQ; `[..., 3]` floating, same shape and dtype."""
    return _transformed(images, _TO_YIQ)


@public("image.yiq_to_rgb")
def yiq_to_rgb(images: Any) -> Tensor:
    """YIQ as RGB; `[..., 3]` floating, same shape and dtype."""
    return _transformed(images, _FROM_YIQ)


@public("image.rgb_to_yuv")
def rgb_to_yuv(images: Any) -> Tensor:
    """RGB as YUV; `[..., 3]` floating, same shape and dtype."""
    return _transformed(images, _TO_YUV)


@public("image.yuv_to_rgb")
def yuv_to_rgb(images: Any) -> Tensor:
    """YUV as RGB; `[..., 3]` floating, same shape and dtype."""
    return _transformed(images, _FROM_YUV)


@public("image.per_image_standardization")
def per_image_standardization(image: Any) -> Tensor:
    """Images of mean 0 and deviation 1 each; the deviation divided by is at least 1 / sqrt(number of pixels).

    Args:
      image: `[height, width, channels]` or `[batch, height, width, channels]`.

    Returns:
      Same shape and dtype. Integers are scaled as by `convert_image_dtype`, before and after.

    Raises:
      ValueError: the rank is not 3 or 4.
    """
    with name_scope(None, "per_image_standardization", [image]) as scope:
        image = to_tensor(image, name="image")
        image_rank(image, "per_image_standardization")
        pixels = _as_float(looked_at(image))
        count = reduce_prod(shape_of(pixels)[-3:])
        mean = reduce_mean(pixels, [-1, -2, -3], keepdims=True)
        deviation = reduce_std(pixels, [-1, -2, -3], keepdims=True)
        least = raw.Rsqrt(cast(count, pixels.dtype.base_dtype))
        scale = raw.Maximum(deviation, least)
        standard = raw.RealDiv(pixels - mean, scale, name=scope)
        return convert_image_dtype(standard, image.dtype.base_dtype, saturate=True)
