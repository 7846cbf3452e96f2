"""Images seen through projective transforms."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.core import dtypes, shapes
from millrace.core.errors import refusal
from millrace.core.shapes import Dims
from millrace.graph.attrs import later, one_of
from millrace.graph.opdef import declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.idioms import shape_tensor
from millrace.opkit.rules.shape_rules import with_rank

_MODES = one_of("CONSTANT", "REFLECT", "WRAP", "NEAREST", default="CONSTANT")
_PIXELS = frozenset(
    {dtypes.uint8, dtypes.int32, dtypes.int64, dtypes.float16, dtypes.float32, dtypes.float64}
)


def _transformed_shape(images: Dims, transforms: Dims, size: tuple[int | None, ...]) -> Dims:
    dims = with_rank(images, 4, "images")
    rows = with_rank(transforms, 2, "transforms")
    if rows[1] not in (None, 8):  # type: ignore[index]
        raise ValueError(f"'transforms' must be [n, 8]. Received: shape {shapes.format_dims(transforms)}")
    return dims[0], *size, dims[3]  # type: ignore[index]


def _within(xp: Any, at: Any, length: int, mode: str) -> Any:
    """Places along an axis as places inside of the image, as far as the mode brings them there."""
    if mode == "CONSTANT":
        return at
    last = np.float32(length - 1)
    if mode == "REFLECT" and length > 1:
        period = np.float32(2 * length)
        turned = at - period * xp.floor(at / period)
        at = xp.where(turned < length, turned, period - turned - np.float32(1))
    elif mode == "WRAP" and length > 1:
        under = at + np.float32(length) * (xp.floor(-at / last) + np.float32(1))
        over = at - np.float32(length) * xp.floor(at / last)
        at = xp.where(at < 0, under, xp.where(at > last, over, at))
    return xp.minimum(xp.maximum(at, np.float32(0)), last)


def _transform(
    xp: Any,
    images: Any,
    transforms: Any,
    size: tuple[int, int],
    interpolation: str,
    mode: str = "CONSTANT",
    fill: Any = 0,
) -> Any:
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
    at_x = _within(xp, xp.broadcast_to(at_x, (batch, *size)), width, mode)
    at_y = _within(xp, xp.broadcast_to(at_y, (batch, *size)), height, mode)
    outside = xp.cast(xp.asarray(fill), images.dtype)
    numbers = xp.asarray(np.arange(batch))[:, None, None]

    def read(rows: Any, columns: Any) -> Any:
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        safe_rows = xp.where(inside, rows, np.float32(0)).astype(np.int32)
        safe_columns = xp.where(inside, columns, np.float32(0)).astype(np.int32)
        return xp.where(inside[..., None], images[numbers, safe_rows, safe_columns], outside)

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
    params = {"interpolation": op.attrs["interpolation"], "fill_mode": op.attrs.get("fill_mode", "CONSTANT")}
    return raw.ImageProjectiveTransformV2(dy, inverse, size, **params)


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
    fill_mode=later(_MODES),
    static=("output_shape",),
)
class ImageProjectiveTransformV2:
    """Reads output (x, y) at ((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k) for k = c0 x + c1 y + 1."""

    def shape(images, transforms, output_shape):
        value = output_shape.value
        size = (None, None) if value is None else tuple(int(v) for v in value)
        return _transformed_shape(images, transforms, size)

    def kernel(xp, images, transforms, output_shape, interpolation, fill_mode):
        size = int(output_shape[0]), int(output_shape[1])
        return _transform(xp, images, transforms, size, interpolation, fill_mode)

    def grad(op, dy):
        return _gradient(op, dy), None, None


@declare(
    "ImageProjectiveTransformV3(images: dtype, transforms: float, output_shape: int32, fill_value: float) "
    "-> transformed_images: dtype",
    dtype=_PIXELS,
    interpolation=one_of("NEAREST", "BILINEAR"),
    fill_mode=_MODES,
    static=("output_shape",),
)
class ImageProjectiveTransformV3:
    """ImageProjectiveTransformV2 with a value for what lies outside of the image."""

    def shape(images, transforms, output_shape, fill_value):
        with_rank(fill_value, 0, "fill_value")
        value = output_shape.value
        size = (None, None) if value is None else tuple(int(v) for v in value)
        return _transformed_shape(images, transforms, size)

    def kernel(xp, images, transforms, output_shape, fill_value, interpolation, fill_mode):
        size = int(output_shape[0]), int(output_shape[1])
        return _transform(xp, images, transforms, size, interpolation, fill_mode, fill_value)

    def grad(op, dy):
        return _gradient(op, dy), None, None, None
