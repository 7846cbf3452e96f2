"""Images read at given places, with a gradient by the places."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.core import dtypes, shapes
from millrace.core.shapes import Dims
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.rules.shape_rules import with_rank

_FLOATS = frozenset({dtypes.float16, dtypes.float32, dtypes.float64})


def _read_shape(data: Dims, warp: Dims) -> Dims:
    images = with_rank(data, 4, "data")
    if warp is None:
        return None
    if len(warp) < 2 or warp[-1] not in (None, 2):
        raise ValueError(f"'warp' must be [batch, ..., 2]. Received: shape {shapes.format_dims(warp)}")
    return (shapes.merge((images[0],), (warp[0],))[0], *warp[1:-1], images[3])  # type: ignore[index]


class _Corners:
    """The four pixels around every place: their indices, whether they exist, and how far the place is."""

    def __init__(self, xp: Any, data: Any, warp: Any) -> None:
        batch, self.height, self.width, _ = data.shape
        self.flat = xp.reshape(warp, (batch, -1, 2))
        self.x, self.y = self.flat[..., 0], self.flat[..., 1]
        self.left, self.top = xp.floor(self.x), xp.floor(self.y)
        one = data.dtype.type(1)
        self.dx, self.dy = self.x - self.left, self.y - self.top
        self.images = xp.asarray(np.arange(batch, dtype=np.int32))[:, None]
        # right and down of the place, with the weight and its slopes by x and y
        self.each = (
            (0, 0, (one - self.dx) * (one - self.dy), self.dy - one, self.dx - one),
            (1, 0, self.dx * (one - self.dy), one - self.dy, -self.dx),
            (0, 1, (one - self.dx) * self.dy, -self.dy, one - self.dx),
            (1, 1, self.dx * self.dy, self.dy, self.dx),
        )

    def at(self, xp: Any, right: int, down: int) -> tuple[Any, Any, Any]:
        """(row, column, whether it lies in the image) of one corner."""
        row, column = self.top + down, self.left + right
        inside = (row >= 0) & (row < self.height) & (column >= 0) & (column < self.width)
        zero = row.dtype.type(0)
        rows = xp.cast(xp.where(inside, row, zero), np.int32)
        columns = xp.cast(xp.where(inside, column, zero), np.int32)
        return rows, columns, inside


@declare("Resampler(data: T, warp: T) -> output: T", T=_FLOATS)
class Resampler:
    """Bilinear samples of images at places (x, y); what lies outside is 0."""

    def shape(data, warp):
        return _read_shape(data, warp)

    def kernel(xp, data, warp):
        corners = _Corners(xp, data, warp)
        total = data.dtype.type(0)
        for right, down, weight, _, _ in corners.each:
            rows, columns, inside = corners.at(xp, right, down)
            pixels = data[corners.images, rows, columns]
            total = total + xp.where(inside[..., None], weight[..., None] * pixels, data.dtype.type(0))
        return xp.reshape(total, (*warp.shape[:-1], data.shape[3]))

    def grad(op, dy):
        data, warp = op.inputs
        return tuple(raw.ResamplerGrad(data, warp, dy))


@declare(
    "ResamplerGrad(data: T, warp: T, grad_output: T) -> grad_data: T, grad_warp: T",
    T=_FLOATS,
)
class ResamplerGrad:
    """The gradient of Resampler by the images and by the places."""

    def shape(data, warp, grad_output):
        return [data, warp]

    def kernel(xp, data, warp, grad_output):
        corners = _Corners(xp, data, warp)
        batch, height, width, depth = data.shape
        dy = xp.reshape(grad_output, (batch, -1, depth))
        zero = data.dtype.type(0)
        channel = xp.asarray(np.arange(depth, dtype=np.int32))
        places, values, by_x, by_y = [], [], zero, zero
        for right, down, weight, slope_x, slope_y in corners.each:
            rows, columns, inside = corners.at(xp, right, down)
            at = (corners.images * height + rows) * width + columns
            places.append(xp.reshape(at[..., None] * depth + channel, (-1,)))
            part = xp.where(inside[..., None], weight[..., None] * dy, zero)
            values.append(xp.reshape(part, (-1,)))
            pixels = xp.where(inside[..., None], data[corners.images, rows, columns], zero)
            along = xp.sum(pixels * dy, axis=-1)
            by_x, by_y = by_x + slope_x * along, by_y + slope_y * along
        flat = xp.scatter_add_flat(
            batch * height * width * depth, xp.concatenate(places), xp.concatenate(values)
        )
        by_place = xp.stack([by_x, by_y], axis=-1)
        return xp.reshape(flat, data.shape), xp.reshape(by_place, warp.shape)

    grad = NOT_DIFFERENTIABLE
