"""`tf.contrib.image`: colours distorted at random, in YIQ."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, raw
from millrace.building.scopes import name_scope
from millrace.core.dtypes import float32
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.image.adjust import convert_image_dtype
from millrace.ops.random.draws import random_uniform


@public("contrib.image.python.ops.distort_image_ops.random_hsv_in_yiq")
def random_hsv_in_yiq(
    image: Any,
    max_delta_hue: float = 0,
    lower_saturation: float = 1,
    upper_saturation: float = 1,
    lower_value: float = 1,
    upper_value: float = 1,
    seed: int | None = None,
) -> Tensor:
    """`adjust_hsv_in_yiq` by random amounts; what has no range is not drawn.

    Args:
      image: `[..., height, width, 3]`.
      max_delta_hue: the largest turn to either side, in radians.
      lower_saturation, upper_saturation, lower_value, upper_value: the ranges of the factors.
      seed: makes the draws repeatable.

    Raises:
      ValueError: a bound is negative, or a lower one above its upper one.
    """
    if max_delta_hue < 0:
        raise ValueError(f"max_delta must be non-negative. Received: {max_delta_hue}")
    delta: Any = 0
    if max_delta_hue > 0:
        delta = random_uniform([], -max_delta_hue, max_delta_hue, seed=seed)
    saturation = _factor("saturation", lower_saturation, upper_saturation, seed)
    value = _factor("value", lower_value, upper_value, seed)
    return adjust_hsv_in_yiq(image, delta, saturation, value)


def _factor(what: str, lower: float, upper: float, seed: int | None) -> Any:
    if lower < 0:
        raise ValueError(f"lower_{what} must be non-negative. Received: {lower}")
    if lower > upper:
        raise ValueError(f"lower_{what} must be < upper_{what}. Received: {lower} and {upper}")
    return lower if lower == upper else random_uniform([], lower, upper, seed=seed)


@public("contrib.image.python.ops.distort_image_ops.adjust_hsv_in_yiq")
def adjust_hsv_in_yiq(
    image: Any, delta_hue: Any = 0, scale_saturation: Any = 1, scale_value: Any = 1, name: str | None = None
) -> Tensor:
    """Turns the hues of an image, and scales saturation and value, by one linear map of all colours.

    Args:
      image: `[..., height, width, 3]`, integer or floating.
      delta_hue: in radians.
      scale_saturation, scale_value: factors.
      name: scope.

    Returns:
      Shape and dtype of `image`; nothing is clipped.

    Raises:
      ValueError: the image has fewer than 3 axes.
    """
    with name_scope(name, "adjust_hsv_in_yiq", [image]):
        image = convert.to_tensor(image, name="image")
        pixels = convert_image_dtype(image, float32)
        adjusted = raw.AdjustHsvInYiq(pixels, delta_hue, scale_saturation, scale_value)
        return convert_image_dtype(adjusted, image.dtype.base_dtype)
