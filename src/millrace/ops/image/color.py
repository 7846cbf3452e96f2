"""Colours of images: hue, saturation and value; contrast."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.core import dtypes, shapes
from millrace.core.dtypes import FLOATING
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.core.shapes import Dims
from millrace.graph.opdef import declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.shape_rules import at_least

_ADJUSTED = frozenset({dtypes.float16, dtypes.float32})


def _three_channels(images: Dims, rank: int = 1) -> Dims:
    at_least(images, rank, "images")
    if images is None:
        return None
    if images[-1] not in (None, 3):
        raise ValueError(f"'images' must have 3 channels. Received: shape {shapes.format_dims(images)}")
    return (*images[:-1], 3)


def _check_channels(images: Any, rank: int = 1) -> None:
    if images.ndim < rank or images.shape[-1] != 3:
        shown = list(images.shape)
        raise refusal(f"input must have rank >= {rank} and 3 channels. Received: shape {shown}")


def _wide(x: Any) -> Any:
    """16-bit floats as float32."""
    return x.astype(np.float32) if x.dtype.itemsize == 2 else x


def _extremes(xp: Any, images: Any) -> tuple[Any, ...]:
    red, green, blue = (images[..., i] for i in range(3))
    high = xp.maximum(xp.maximum(red, green), blue)
    low = xp.minimum(xp.minimum(red, green), blue)
    return red, green, blue, high, low


@declare("RGBToHSV(images: T) -> output: T", T=FLOATING)
class RGBToHSV:
    """Red, green and blue in [0, 1] to hue, saturation and value in [0, 1]."""

    def shape(images):
        return _three_channels(images)

    def kernel(xp, images):
        _check_channels(images)
        x = _wide(images)
        red, green, blue, high, low = _extremes(xp, x)
        span = high - low
        number = x.dtype.type
        one, zero = number(1), number(0)
        saturation = xp.where(high > 0, span / xp.where(high > 0, high, one), zero)
        norm = one / (number(6) * xp.where(span > 0, span, one))
        hue = xp.where(
            red == high,
            norm * (green - blue),
            xp.where(
                green == high,
                norm * (blue - red) + number(2) / number(6),
                norm * (red - green) + number(4) / number(6),
            ),
        )
        hue = xp.where(span > 0, hue, zero)
        hue = xp.where(hue < 0, hue + one, hue)
        return xp.stack([hue, saturation, high], axis=-1).astype(images.dtype)

    def grad(op, dy):
        return _hsv_gradient(op.inputs[0], dy)


def _hsv_gradient(images: Tensor, dy: Tensor) -> Tensor:
    """Piecewise: each order of the channels has its own formula; where channels tie, one is chosen."""
    red, green, blue = raw.Unpack(images, num=3, axis=-1)
    d_hue, d_saturation, d_value = raw.Unpack(dy, num=3, axis=-1)
    high = raw.Maximum(raw.Maximum(red, green), blue)
    low = raw.Minimum(raw.Minimum(red, green), blue)
    one, zero = raw.OnesLike(high), raw.ZerosLike(high)
    span = raw.Sub(high, low)
    safe_span = raw.Select(raw.Greater(span, zero), span, one)
    safe_high = raw.Select(raw.Greater(high, zero), high, one)
    is_red = raw.Equal(red, high)
    is_green = raw.LogicalAnd(raw.Equal(green, high), raw.LogicalNot(is_red))
    is_blue = raw.LogicalNot(raw.LogicalOr(is_red, is_green))
    low_red = raw.Equal(red, low)
    low_green = raw.LogicalAnd(raw.Equal(green, low), raw.LogicalNot(low_red))
    low_blue = raw.LogicalNot(raw.LogicalOr(low_red, low_green))

    def where(condition: Tensor, value: Tensor) -> Tensor:
        return raw.Select(condition, value, zero)

    # saturation = 1 - low / high
    on_high = d_value + where(raw.Greater(high, zero), d_saturation * low / (safe_high * safe_high))
    on_low = where(raw.Greater(high, zero), raw.Neg(d_saturation / safe_high))
    # hue = numerator / (6 span) + constant
    numerator = where(is_red, green - blue) + where(is_green, blue - red) + where(is_blue, red - green)
    scale = where(raw.Greater(span, zero), d_hue / (safe_span * 6.0))
    on_span = raw.Neg(scale * numerator / safe_span)
    on_high, on_low = on_high + on_span, on_low - on_span
    d_red = where(is_blue, scale) - where(is_green, scale)
    d_green = where(is_red, scale) - where(is_blue, scale)
    d_blue = where(is_green, scale) - where(is_red, scale)
    parts = [
        d + where(top, on_high) + where(bottom, on_low)
        for d, top, bottom in (
            (d_red, is_red, low_red),
            (d_green, is_green, low_green),
            (d_blue, is_blue, low_blue),
        )
    ]
    return raw.Pack(parts, axis=-1)


@declare("HSVToRGB(images: T) -> output: T", T=FLOATING)
class HSVToRGB:
    """Hue, saturation and value in [0, 1] to red, green and blue in [0, 1]."""

    def shape(images):
        return _three_channels(images)

    def kernel(xp, images):
        _check_channels(images)
        x = _wide(images)
        number = x.dtype.type
        hue, saturation, value = (x[..., i] for i in range(3))
        turn = hue * number(6)
        ramps = (
            xp.abs(turn - number(3)) - number(1),
            number(2) - xp.abs(turn - number(2)),
            number(2) - xp.abs(turn - number(4)),
        )
        base = number(1) - saturation
        parts = [(base + saturation * xp.clip(r, number(0), number(1))) * value for r in ramps]
        return xp.stack(parts, axis=-1).astype(images.dtype)

    def grad(op, dy):
        hue, saturation, value = raw.Unpack(op.inputs[0], num=3, axis=-1)
        parts = raw.Unpack(dy, num=3, axis=-1)
        turn = hue * 6.0
        one, zero = raw.OnesLike(hue), raw.ZerosLike(hue)
        d_hue, d_saturation, d_value = zero, zero, zero
        for sign, center, d in ((1.0, 3.0, parts[0]), (-1.0, 2.0, parts[1]), (-1.0, 4.0, parts[2])):
            ramp = raw.Abs(turn - center) * sign + (-1.0 if sign > 0 else 2.0)
            slope = raw.Sign(turn - center) * (6.0 * sign)
            inside = raw.LogicalAnd(raw.Greater(ramp, zero), raw.Less(ramp, one))
            clipped = raw.Minimum(raw.Maximum(ramp, zero), one)
            d_hue = d_hue + raw.Select(inside, d * saturation * value * slope, zero)
            d_saturation = d_saturation + d * value * (clipped - 1.0)
            d_value = d_value + d * (one - saturation + saturation * clipped)
        return raw.Pack([d_hue, d_saturation, d_value], axis=-1)


# ---------------------------------------------------------------- adjustments


@declare("AdjustContrastv2(images: T, contrast_factor: float) -> output: T", T=_ADJUSTED)
class AdjustContrastv2:
    """Scales the distance of each pixel from the mean of its channel over the image."""

    def shape(images, contrast_factor):
        return at_least(images, 3, "images")

    def kernel(xp, images, contrast_factor):
        _check_adjusted(images, contrast_factor, "contrast_factor")
        x = xp.cast(images, np.float32)
        mean = xp.mean(x, axis=(-3, -2), keepdims=True, dtype=np.float32)
        return xp.cast((x - mean) * contrast_factor + mean, images.dtype)

    def grad(op, dy):
        images, factor = op.inputs
        scale = raw.Cast(factor, DstT=images.dtype.base_dtype)
        mean = raw.Mean(dy, [-3, -2], keep_dims=True)
        centered = raw.Sub(images, raw.Mean(images, [-3, -2], keep_dims=True))
        d_factor = raw.Sum(raw.Mul(dy, centered), raw.Range(0, raw.Rank(dy), 1))
        return (dy - mean) * scale + mean, raw.Cast(d_factor, DstT=dtypes.float32)


def _check_adjusted(images: Any, amount: Any, name: str) -> None:
    if images.ndim < 3:
        raise refusal(f"input must be at least 3-D. Received: shape {list(images.shape)}")
    if np.shape(amount) != ():
        raise refusal(f"{name} must be scalar. Received: shape {list(np.shape(amount))}")


@declare(
    "AdjustContrast(images: T, contrast_factor: float, min_value: float, max_value: float) -> output: float",
    T=frozenset(
        {dtypes.uint8, dtypes.int8, dtypes.int16, dtypes.int32, dtypes.int64, dtypes.float32, dtypes.float64}
    ),
)
class AdjustContrast:
    """AdjustContrastv2 with the result limited to [min_value, max_value]: the form before it."""

    def shape(images, contrast_factor, min_value, max_value):
        return at_least(images, 3, "images")

    def kernel(xp, images, contrast_factor, min_value, max_value):
        _check_adjusted(images, contrast_factor, "contrast_factor")
        x = xp.cast(images, np.float32)
        mean = xp.mean(x, axis=(-3, -2), keepdims=True, dtype=np.float32)
        return xp.clip((x - mean) * contrast_factor + mean, min_value, max_value)

    def grad(op, dy):
        raise LookupError(f"No gradient defined for operation '{op.name}' (op type: AdjustContrast)")


def _six_hue(xp: Any, x: Any) -> tuple[Any, Any, Any]:
    """Hue in [0, 6), and the largest and smallest channel."""
    red, green, blue, high, low = _extremes(xp, x)
    span = high - low
    number = x.dtype.type
    safe = xp.where(span > 0, span, number(1))
    hue = xp.where(
        red == high,
        (green - blue) / safe,
        xp.where(green == high, (blue - red) / safe + number(2), (red - green) / safe + number(4)),
    )
    hue = xp.where(hue < 0, hue + number(6), hue)
    return xp.where(span > 0, hue, number(0)), high, low


def _from_six_hue(xp: Any, hue: Any, high: Any, low: Any) -> Any:
    """Red, green and blue of a hue in [0, 6) and the largest and smallest channel."""
    number = hue.dtype.type
    sector = xp.floor(hue)
    part = hue - sector
    rising = low + part * (high - low)
    falling = high - part * (high - low)
    middle = xp.where(sector % 2 == 0, rising, falling)
    sector = xp.clip(sector, number(0), number(5))

    def channel(tops: tuple[int, int], middles: tuple[int, int]) -> Any:
        is_top = (sector == tops[0]) | (sector == tops[1])
        is_middle = (sector == middles[0]) | (sector == middles[1])
        return xp.where(is_top, high, xp.where(is_middle, middle, low))

    return xp.stack([channel((0, 5), (1, 4)), channel((1, 2), (0, 3)), channel((3, 4), (2, 5))], axis=-1)


@declare("AdjustHue(images: T, delta: float) -> output: T", T=_ADJUSTED)
class AdjustHue:
    """Turns the hues of RGB images by `delta` of a full circle."""

    def shape(images, delta):
        return _three_channels(images, 3)

    def kernel(xp, images, delta):
        _check_adjusted(images, delta, "delta")
        _check_channels(images, 3)
        x = xp.cast(images, np.float32)
        hue, high, low = _six_hue(xp, x)
        six = np.float32(6)
        hue = hue + xp.asarray(delta, np.float32) * six
        hue = hue - six * xp.floor(hue / six)
        hue = xp.where(hue >= six, np.float32(0), hue)
        return xp.cast(_from_six_hue(xp, hue, high, low), images.dtype)

    def grad(op, dy):
        raise LookupError(f"No gradient defined for operation '{op.name}' (op type: AdjustHue)")


@declare("AdjustSaturation(images: T, scale: float) -> output: T", T=_ADJUSTED)
class AdjustSaturation:
    """Scales the saturation of RGB images."""

    def shape(images, scale):
        return _three_channels(images, 3)

    def kernel(xp, images, scale):
        _check_adjusted(images, scale, "scale")
        _check_channels(images, 3)
        x = xp.cast(images, np.float32)
        hue, high, low = _six_hue(xp, x)
        one, zero = np.float32(1), np.float32(0)
        saturation = xp.where(high > 0, (high - low) / xp.where(high > 0, high, one), zero)
        saturation = xp.clip(saturation * xp.asarray(scale, np.float32), zero, one)
        return xp.cast(_from_six_hue(xp, hue, high, high - saturation * high), images.dtype)

    def grad(op, dy):
        raise LookupError(f"No gradient defined for operation '{op.name}' (op type: AdjustSaturation)")


@public("image.rgb_to_hsv")
def rgb_to_hsv(images: Any, name: str | None = None) -> Tensor:
    """RGB to HSV.

    Args:
      images: `[..., 3]`, floating, in [0, 1].
      name: op name; default "RGBToHSV".

    Returns:
      Hue, saturation and value in [0, 1]; same shape and dtype.
    """
    return raw.RGBToHSV(images, name=name)


@public("image.hsv_to_rgb")
def hsv_to_rgb(images: Any, name: str | None = None) -> Tensor:
    """HSV to RGB: undoes `rgb_to_hsv`; same shape and dtype."""
    return raw.HSVToRGB(images, name=name)
