"""Bounding boxes drawn on images."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.core import dtypes, shapes
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.core.shapes import Dims
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.shape_rules import with_rank

_FLOATS = frozenset({dtypes.float16, dtypes.float32})


_PALETTE = np.array(
    [[1, 1, 0, 1], [0, 0, 1, 1], [1, 0, 0, 1], [0, 1, 0, 1], [0.5, 0, 0.5, 1],
     [0.5, 0.5, 0, 1], [0.5, 0, 0, 1], [0, 0, 0.5, 1], [0, 1, 1, 1], [1, 0, 1, 1]], np.float32
)  # fmt: skip


def _drawn_shape(images: Dims, boxes: Dims) -> Dims:
    dims = with_rank(images, 4, "images")
    corners = with_rank(boxes, 3, "boxes")
    if dims[3] not in (None, 1, 3, 4):  # type: ignore[index]
        raise ValueError(
            f"'images' must have 1, 3 or 4 channels. Received: shape {shapes.format_dims(images)}"
        )
    if corners[2] not in (None, 4):  # type: ignore[index]
        raise ValueError(
            f"'boxes' must be [batch, num_boxes, 4]. Received: shape {shapes.format_dims(boxes)}"
        )
    return images


def _draw(images: Any, boxes: Any, palette: Any) -> Any:
    if images.ndim != 4 or boxes.ndim != 3 or boxes.shape[2] != 4 or boxes.shape[0] != images.shape[0]:
        raise refusal(
            f"images and boxes must be [b, h, w, c] and [b, n, 4]: {list(images.shape)}, {list(boxes.shape)}"
        )
    out = images.copy()
    height, width, depth = images.shape[1:]
    if depth == 1:
        palette = np.ones_like(palette)
    palette = palette[:, :depth].astype(images.dtype)
    for image, corners in zip(out, boxes, strict=True):
        for i, (y1, x1, y2, x2) in enumerate(corners.astype(np.float32)):
            color = palette[i % len(palette)]
            top, bottom = (_pixel(v, height) for v in (y1, y2))
            left, right = (_pixel(v, width) for v in (x1, x2))
            if top > bottom or left > right or top >= height or bottom < 0 or left >= width or right < 0:
                continue
            rows = slice(max(top, 0), min(bottom, height - 1) + 1)
            columns = slice(max(left, 0), min(right, width - 1) + 1)
            if top >= 0:
                image[top, columns] = color
            if bottom < height:
                image[bottom, columns] = color
            if left >= 0:
                image[rows, left] = color
            if right < width:
                image[rows, right] = color
    return out


def _pixel(part: np.float32, length: int) -> int:
    """A place on an axis; what fits no 64 bits, NaN too, becomes the smallest integer, as x86 converts it."""
    with np.errstate(over="ignore", invalid="ignore"):
        at = float(part * np.float32(length - 1))
    return int(at) if -(2.0**63) <= at < 2.0**63 else -(2**63)


@declare("DrawBoundingBoxes(images: T, boxes: float) -> output: T", T=_FLOATS, host=True)
class DrawBoundingBoxes:
    """Draws boxes (y1, x1, y2, x2, relative to the image) one pixel wide, in ten colours by turns."""

    def shape(images, boxes):
        return _drawn_shape(images, boxes)

    def kernel(xp, images, boxes):
        return _draw(images, boxes, _PALETTE)

    grad = NOT_DIFFERENTIABLE


@declare("DrawBoundingBoxesV2(images: T, boxes: float, colors: float) -> output: T", T=_FLOATS, host=True)
class DrawBoundingBoxesV2:
    """DrawBoundingBoxes in given colours, `[n, channels]`; none for the usual ones."""

    def shape(images, boxes, colors):
        return _drawn_shape(images, boxes)

    def kernel(xp, images, boxes, colors):
        if colors.ndim == 2 and colors.shape[0] > 0:
            if colors.shape[1] < images.shape[-1]:
                raise refusal(
                    f"colors must have {images.shape[-1]} channels. Received: shape {list(colors.shape)}"
                )
            return _draw(images, boxes, colors)
        return _draw(images, boxes, _PALETTE)

    grad = NOT_DIFFERENTIABLE


@public("image.draw_bounding_boxes")
def draw_bounding_boxes(images: Any, boxes: Any, name: str | None = None, colors: Any = None) -> Tensor:
    """Draws boxes on images, one pixel wide.

    Args:
      images: `[batch, height, width, channels]`, float16 or float32, of 1, 3 or 4 channels.
      boxes: float32 `[batch, num_boxes, 4]`: y1, x1, y2, x2 relative to the image.
      name: op name.
      colors: float32 `[n, channels]`, taken by turns; default ten of its own.

    Returns:
      Same shape and dtype as `images`.
    """
    if colors is None:
        return raw.DrawBoundingBoxes(images, boxes, name=name)
    return raw.DrawBoundingBoxesV2(images, boxes, colors, name=name)
