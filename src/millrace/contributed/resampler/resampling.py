"""`tf.contrib.resampler.resampler`."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, raw
from millrace.building.scopes import name_scope
from millrace.core.public import public
from millrace.graph.tensor import Tensor


@public("contrib.resampler.resampler")
def resampler(data: Any, warp: Any, name: str = "resampler") -> Tensor:
    """Reads images at given places, between pixels by bilinear interpolation; outside they are 0.

    Args:
      data: `[batch, height, width, channels]`, floating.
      warp: `[batch, ..., 2]`, the dtype of `data`: the places (x, y) in pixels.
      name: scope.

    Returns:
      `[batch, ..., channels]`, differentiable by both.

    Raises:
      ValueError: the shapes do not fit.
    """
    with name_scope(name, "resampler", [data, warp]):
        images = convert.to_tensor(data, name="data")
        places = convert.to_tensor(warp, name="warp")
        return raw.Resampler(images, places)
