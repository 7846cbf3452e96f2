"""Images seen through projective transforms."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.core import dtypes, shapes
from millrace.core.errors import refusal
from millrace.core.shapes import Dims
from millrace.graph.attrs import one_of
from millrace.graph.opdef import declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.idioms import shape_tensor
from millrace.opkit.rules.shape_rules import with_rank

_PIXELS = frozenset(
    {dtypes.uint8, dtypes.int32, dtypes.int64, dtypes.float16, dtypes.float32, dtypes.float64}
)


def _transformed_shape(images: Dims, transforms: Dims, size: tuple[int | None, ...]) -> Dims:
    dims = with_rank(images, 4, "images")
    rows = with_rank(transforms, 2, "transforms")
    if rows[1] not in (None, 8):  # type: ignore[index]
        raise ValueError(f"'transforms' must be [n, 8]. Received: shape {shapes.format_dims(transforms)}")
    return dims[0], *size, dims[3]  # type: ignore[index]


def _transform(xp: Any, images: Any, transforms: Any, size: tuple[int, int], interpolation: str) -> Any:
    batch, height, width, _ = images.shape
    if transforms.ndim != 2 or transforms.shape[1] != 8 or transforms.shape[0] not in (1, batch):
        shown = f"{list(transforms.shape)} for images {list(images.shape)}"
        raise refusal(f"transforms must be [1 or batch, 8]. Received: {shown}")
    y, x = (xp.asarray(grid) for grid in np.mgrid[: size[0], : size[1]].astype(np.float32))
    a0, a1, a2, b0, b1, b2, c0, c1 = (transforms[:, i, None, None] for i in range(8))
    depth = c0 * x + c1 * y + np.float32(1)
    regular = depth != 0
    safe = xp.where(regular, depth, np.float32(1))
    # outside of the image everything is 0, wherever it is: -2 stands for whatever has no place
    at_x = xp.where(regular, (a0 * x + a1 * y + a2) / safe, np.float32(-2))
    at_y = xp.where(regular, (b0 * x + b1 * y + b2) / safe, np.float32(-2))
    at_x = xp.broadcast_to(at_x, (batch, *size))
    at_y = xp.broadcast_to(at_y, (batch, *size))
    numbers = xp.asarray(np.arange(batch))[:, None, None]

    def read(rows: Any, columns: Any) -> Any:
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        safe_rows = xp.where(inside, rows, np.float32(0)).astype(np.int32)
        safe_columns = xp.where(inside, columns, np.float32(0)).astype(np.int32)
        return xp.where(inside[..., None], images[numbers, safe_rows, safe_columns], images.dtype.type(0))

    if interpolation == "NEAREST":
        return read(_rounded(xp, at_y), _rounded(xp, at_x))
    top, left = xp.floor(at_y), xp.floor(at_x)
    down, right = (at_y - top)[..., None], (at_x - left)[..., None]
    one = np.float32(1)
    wide = (lambda v: v) if images.dtype == np.float64 else (lambda v: xp.cast(v, np.float32))
    upper = (one - right) * wide(read(top, left)) + right * wide(read(top, left + one))
    lower = (one - right) * wide(read(top + one, left)) + right * wide(read(top + one, left + one))
    return xp.cast((one - down) * upper + down * lower, images.dtype)


def _rounded(xp: Any, x: Any) -> Any:
    """The nearest integers, halves away from zero."""
    return xp.where(x < 0, xp.ceil(x - np.float32(0.5)), xp.floor(x + np.float32(0.5)))


def _gradient(op: Any, dy: Tensor) -> Tensor:
    """Through the inverse transforms."""
    images, transforms = op.inputs[:2]
    ones = raw.OnesLike(transforms[:, :1])
    matrices = raw.Reshape(raw.ConcatV2([transforms, ones], 1), [-1, 3, 3])
    flat = raw.Reshape(raw.MatrixInverse(matrices), [-1, 9])
    inverse = raw.RealDiv(flat, flat[:, 8:])[:, :8]
    size = shape_tensor(images)[1:3]
    return raw.ImageProjectiveTransformV2(dy, inverse, size, interpolation=op.attrs["interpolation"])


@declare(
    "ImageProjectiveTransform(images: dtype, transforms: float) -> transformed_images: dtype",
    dtype=_PIXELS,
    interpolation=one_of("NEAREST", "BILINEAR"),
)
class ImageProjectiveTransform:
    """ImageProjectiveTransformV2 to images of the same size."""

    def shape(images, transforms):
        dims = with_rank(images, 4, "images")
        return _transformed_shape(images, transforms, dims[1:3])  # type: ignore[index]

    def kernel(xp, images, transforms, interpolation):
        return _transform(xp, images, transforms, images.shape[1:3], interpolation)

    def grad(op, dy):
        return _gradient(op, dy), None


@declare(
    "ImageProjectiveTransformV2(images: dtype, transforms: float, output_shape: int32) "
    "-> transformed_images: dtype",
    dtype=_PIXELS,
    interpolation=one_of("NEAREST", "BILINEAR"),
    static=("output_shape",),
)
class ImageProjectiveTransformV2:
    """Reads output (x, y) at ((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k) for k = c0 x + c1 y + 1."""

    def shape(images, transforms, output_shape):
        value = output_shape.value
        size = (None, None) if value is None else tuple(int(v) for v in value)
        return _transformed_shape(images, transforms, size)

    def kernel(xp, images, transforms, output_shape, interpolation):
        return _transform(xp, images, transforms, (int(output_shape[0]), int(output_shape[1])), interpolation)

    def grad(op, dy):
        return _gradient(op, dy), None, None
