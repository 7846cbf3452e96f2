"""Boxes cut out of images and resized, and glimpses."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.core import dtypes, shapes
from millrace.core.errors import OutOfRangeError, refusal
from millrace.core.public import public
from millrace.core.shapes import Dims
from millrace.graph.attrs import flag, number, one_of, text
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.idioms import shape_tensor
from millrace.opkit.rules.shape_rules import partial_size, with_rank

_PIXELS = frozenset(
    {dtypes.uint8, dtypes.uint16, dtypes.int8, dtypes.int16, dtypes.int32, dtypes.int64,
     dtypes.float16, dtypes.float32, dtypes.float64}
)  # fmt: skip
_FLOATS = frozenset({dtypes.float16, dtypes.float32, dtypes.float64})


def _box_count(boxes: Dims, box_ind: Dims) -> int | None:
    pairs, index = with_rank(boxes, 2, "boxes"), with_rank(box_ind, 1, "box_ind")
    if pairs[1] not in (None, 4):  # type: ignore[index]
        raise ValueError(f"'boxes' must be [num_boxes, 4]. Received: shape {shapes.format_dims(boxes)}")
    return shapes.merge(pairs[:1], index)[0]  # type: ignore[index]


def _check_boxes(xp: Any, batch: int, boxes: Any, box_ind: Any) -> None:
    if boxes.ndim != 2 or boxes.shape[1] != 4 or box_ind.shape != boxes.shape[:1]:
        shown = f"{list(boxes.shape)} and {list(box_ind.shape)}"
        raise refusal(f"boxes must be [num_boxes, 4] and box_ind [num_boxes]. Received: {shown}")
    fits = (box_ind >= 0) & (box_ind < batch)
    xp.check(fits, lambda: OutOfRangeError(None, None, f"box_index has values outside [0, {batch})"))


def _places(xp: Any, first: Any, last: Any, size: int, crop: int) -> Any:
    """Where along one axis each crop samples: float32 `[num_boxes, crop]`, in pixels."""
    span = np.float32(size - 1)
    if crop > 1:
        scale = (last - first) * span / np.float32(crop - 1)
        return (first * span)[:, None] + xp.asarray(np.arange(crop, dtype=np.float32)) * scale[:, None]
    return (np.float32(0.5) * (first + last) * span)[:, None]


class _Samples:
    """Rows and columns that every pixel of every crop reads, and whether it lies inside its image."""

    def __init__(self, xp: Any, boxes: Any, image_size: tuple[int, int], crop_size: tuple[int, int]) -> None:
        y1, x1, y2, x2 = (boxes[:, i] for i in range(4))
        self.y = _places(xp, y1, y2, image_size[0], crop_size[0])
        self.x = _places(xp, x1, x2, image_size[1], crop_size[1])
        in_y = (self.y >= 0) & (self.y <= image_size[0] - 1)
        in_x = (self.x >= 0) & (self.x <= image_size[1] - 1)
        self.inside = (in_y[:, :, None] & in_x[:, None, :])[..., None]
        # what is outside is not used: any position inside will do
        self.safe_y, self.safe_x = (
            xp.where(in_y, self.y, np.float32(0)),
            xp.where(in_x, self.x, np.float32(0)),
        )

    def corners(self, xp: Any) -> list[tuple[Any, Any, Any]]:
        """Row, column and weight of the four pixels around every sample."""
        top, left = xp.floor(self.safe_y), xp.floor(self.safe_x)
        bottom, right = xp.ceil(self.safe_y), xp.ceil(self.safe_x)
        y_lerp, x_lerp = self.safe_y - top, self.safe_x - left
        one = np.float32(1)
        found = []
        for rows, weight_y in ((top, one - y_lerp), (bottom, y_lerp)):
            for columns, weight_x in ((left, one - x_lerp), (right, x_lerp)):
                weight = (weight_y[:, :, None] * weight_x[:, None, :])[..., None]
                found.append((rows.astype(np.int32), columns.astype(np.int32), weight))
        return found

    def nearest(self, xp: Any) -> tuple[Any, Any]:
        """Row and column of the pixel nearest to every sample."""
        return _rounded(xp, self.safe_y), _rounded(xp, self.safe_x)


def _rounded(xp: Any, x: Any) -> Any:
    """The nearest integers, halves away from zero, of non-negative numbers."""
    floor = xp.floor(x)
    return (floor + (x - floor >= np.float32(0.5))).astype(np.int32)


def _pixels(xp: Any, image: Any, box_ind: Any, rows: Any, columns: Any) -> Any:
    return xp.asarray(image)[box_ind[:, None, None], rows[:, :, None], columns[:, None, :]]


@declare(
    "CropAndResize(image: T, boxes: float, box_ind: int32, crop_size: int32) -> crops: float",
    T=_PIXELS,
    method=one_of("bilinear", "nearest", default="bilinear"),
    extrapolation_value=number(0.0),
    static=("crop_size",),
)
class CropAndResize:
    """Cuts boxes (y1, x1, y2, x2, relative to the image) out of images and resizes them to one size."""

    def shape(image, boxes, box_ind, crop_size):
        dims = with_rank(image, 4, "image")
        count = _box_count(boxes, box_ind)
        if crop_size.dims not in (None, (2,), (None,)):
            shown = shapes.format_dims(crop_size.dims)
            raise ValueError(f"'crop_size' must be a vector of 2 elements. Received: shape {shown}")
        height, width = partial_size(crop_size)
        return count, height, width, dims[3]  # type: ignore[index]

    def kernel(xp, image, boxes, box_ind, crop_size, method, extrapolation_value):
        height, width = _crop_size(image, crop_size)
        _check_boxes(xp, image.shape[0], boxes, box_ind)
        samples = _Samples(xp, boxes, image.shape[1:3], (height, width))
        if method == "nearest":
            crops = xp.cast(_pixels(xp, image, box_ind, *samples.nearest(xp)), np.float32)
        else:
            tl, tr, bl, br = (
                xp.cast(_pixels(xp, image, box_ind, rows, columns), np.float32)
                for rows, columns, _ in samples.corners(xp)
            )
            x_lerp = (samples.safe_x - xp.floor(samples.safe_x))[:, None, :, None]
            y_lerp = (samples.safe_y - xp.floor(samples.safe_y))[:, :, None, None]
            top, bottom = tl + (tr - tl) * x_lerp, bl + (br - bl) * x_lerp
            crops = top + (bottom - top) * y_lerp
        return xp.where(samples.inside, crops, np.float32(extrapolation_value))

    def grad(op, dy):
        image, boxes, box_ind, _ = op.inputs
        by_image = None
        dtype = image.dtype.base_dtype
        if dtype in _FLOATS:
            size = shape_tensor(image)
            by_image = raw.CropAndResizeGradImage(
                dy, boxes, box_ind, size, T=dtype, method=op.attrs["method"]
            )
        return by_image, raw.CropAndResizeGradBoxes(dy, image, boxes, box_ind), None, None


def _crop_size(image: Any, crop_size: Any) -> tuple[int, int]:
    if image.ndim != 4:
        raise refusal(f"input image must be 4-D. Received: shape {list(image.shape)}")
    if np.shape(crop_size) != (2,):
        shown = list(np.shape(crop_size))
        raise refusal(f"crop_size must have two elements. Received: shape {shown}")
    height, width = (int(v) for v in crop_size)
    if height <= 0 or width <= 0 or image.shape[1] <= 0 or image.shape[2] <= 0:
        shown = f"image {list(image.shape)}, crop_size {[height, width]}"
        raise refusal(f"image and crop dimensions must be positive. Received: {shown}")
    return height, width


@declare(
    "CropAndResizeGradImage(grads: float, boxes: float, box_ind: int32, image_size: int32) -> output: T",
    T=_FLOATS,
    method=one_of("bilinear", "nearest", default="bilinear"),
    static=("image_size",),
)
class CropAndResizeGradImage:
    """The gradient of CropAndResize by its image."""

    def shape(grads, boxes, box_ind, image_size):
        _box_count(boxes, box_ind)
        dims = image_size.as_dims()
        if dims is not None and len(dims) != 4:
            raise ValueError(f"'image_size' must have 4 elements. Received: {list(dims)}")
        return dims or (None,) * 4

    def kernel(xp, grads, boxes, box_ind, image_size, T, method):
        batch, height, width, depth = (int(v) for v in image_size)
        _check_boxes(xp, batch, boxes, box_ind)
        samples = _Samples(xp, boxes, (height, width), grads.shape[1:3])
        grads = xp.where(samples.inside, grads, np.float32(0))
        if method == "nearest":
            rows, columns = samples.nearest(xp)
            parts = [(rows, columns, np.float32(1))]
        else:
            parts = samples.corners(xp)
        places, values = [], []
        channel = xp.asarray(np.arange(depth, dtype=np.int32))
        for rows, columns, weight in parts:
            at = (box_ind[:, None, None] * height + rows[:, :, None]) * width + columns[:, None, :]
            places.append(xp.reshape(at[..., None] * depth + channel, (-1,)))
            values.append(xp.reshape(grads * weight, (-1,)))
        flat = xp.scatter_add_flat(
            batch * height * width * depth, xp.concatenate(places), xp.concatenate(values)
        )
        return xp.cast(xp.reshape(flat, (batch, height, width, depth)), T.np_dtype)

    def grad(op, ddy):
        grads, boxes, box_ind, _ = op.inputs
        size = shape_tensor(grads)[1:3]
        again = raw.CropAndResize(
            ddy, boxes, box_ind, size, method=op.attrs["method"], extrapolation_value=0.0
        )
        return again, None, None, None


@declare(
    "CropAndResizeGradBoxes(grads: float, image: T, boxes: float, box_ind: int32) -> output: float",
    T=_PIXELS,
    method=one_of("bilinear", default="bilinear"),
)
class CropAndResizeGradBoxes:
    """The gradient of CropAndResize by its boxes."""

    def shape(grads, image, boxes, box_ind):
        _box_count(boxes, box_ind)
        return with_rank(boxes, 2, "boxes")

    def kernel(xp, grads, image, boxes, box_ind):
        _check_boxes(xp, image.shape[0], boxes, box_ind)
        height, width = grads.shape[1:3]
        samples = _Samples(xp, boxes, image.shape[1:3], (height, width))
        tl, tr, bl, br = (
            xp.cast(_pixels(xp, image, box_ind, rows, columns), np.float32)
            for rows, columns, _ in samples.corners(xp)
        )
        x_lerp = (samples.safe_x - xp.floor(samples.safe_x))[:, None, :, None]
        y_lerp = (samples.safe_y - xp.floor(samples.safe_y))[:, :, None, None]
        one = np.float32(1)
        grads = xp.where(samples.inside, grads, np.float32(0))
        by_y = xp.sum(grads * ((one - x_lerp) * (bl - tl) + x_lerp * (br - tr)), axis=(2, 3))
        by_x = xp.sum(grads * ((one - y_lerp) * (tr - tl) + y_lerp * (br - bl)), axis=(1, 3))
        y1, y2 = _by_ends(xp, by_y, image.shape[1], height)
        x1, x2 = _by_ends(xp, by_x, image.shape[2], width)
        return xp.stack([y1, x1, y2, x2], axis=1)

    grad = NOT_DIFFERENTIABLE


def _by_ends(xp: Any, by_place: Any, size: int, crop: int) -> tuple[Any, Any]:
    span = np.float32(size - 1)
    if crop == 1:
        half = xp.sum(by_place, axis=1) * (np.float32(0.5) * span)
        return half, half
    share = xp.asarray(np.arange(crop, dtype=np.float32) * (span / np.float32(crop - 1)))
    return xp.sum(by_place * (span - share), axis=1), xp.sum(by_place * share, axis=1)


@declare(
    "ExtractGlimpse(input: float, size: int32, offsets: float) -> glimpse: float",
    centered=flag(True),
    normalized=flag(True),
    uniform_noise=flag(True),
    noise=text(default="uniform"),
    static=("size",),
    host=True,
    effect=True,
)
class ExtractGlimpse:
    """Windows of one size around a point of each image; noise where they reach beyond it."""

    def shape(input, size, offsets):
        dims, points = with_rank(input, 4, "input"), with_rank(offsets, 2, "offsets")
        if points[1] not in (None, 2):  # type: ignore[index]
            raise ValueError(f"'offsets' must be [batch, 2]. Received: shape {shapes.format_dims(offsets)}")
        batch = shapes.merge(dims[:1], points[:1])[0]  # type: ignore[index]
        height, width = partial_size(size)
        return batch, height, width, dims[3]  # type: ignore[index]

    def kernel(xp, input, size, offsets, centered, normalized, uniform_noise, noise):
        return _glimpses(input, size, offsets, centered, normalized, uniform_noise, noise, _corner)

    grad = NOT_DIFFERENTIABLE


@declare(
    "ExtractGlimpseV2(input: float, size: int32, offsets: float) -> glimpse: float",
    centered=flag(True),
    normalized=flag(True),
    uniform_noise=flag(True),
    noise=text(default="uniform"),
    static=("size",),
    host=True,
    effect=True,
)
class ExtractGlimpseV2:
    """ExtractGlimpse whose offsets are corners where they are not centres."""

    def shape(input, size, offsets):
        return ExtractGlimpse.shape(input, size, offsets)

    def kernel(xp, input, size, offsets, centered, normalized, uniform_noise, noise):
        return _glimpses(input, size, offsets, centered, normalized, uniform_noise, noise, _later_corner)

    grad = NOT_DIFFERENTIABLE


def _glimpses(input, size, offsets, centered, normalized, uniform_noise, noise, corner) -> Any:
    if input.ndim != 4 or offsets.shape != (input.shape[0], 2) or np.shape(size) != (2,):
        shown = f"{list(input.shape)}, {list(np.shape(size))}, {list(offsets.shape)}"
        raise refusal(f"input, size, offsets must be [b, h, w, c], [2], [b, 2]: {shown}")
    kind = "uniform" if uniform_noise and noise == "uniform" else noise if noise != "uniform" else "gaussian"
    height, width = int(size[0]), int(size[1])
    glimpses = [
        _glimpse(image, (height, width), corner(image, (height, width), offset, centered, normalized), kind)
        for image, offset in zip(input, offsets, strict=True)
    ]
    return np.stack(glimpses) if glimpses else np.zeros((0, height, width, input.shape[3]), np.float32)


def _corner(image: Any, size: tuple[int, int], offset: Any, centered: bool, normalized: bool) -> Any:
    """Where a window begins whose middle the offset gives."""
    extent, corner = np.array(image.shape[:2], np.float32), np.array(offset, np.float32)
    if normalized:
        corner = corner * extent
    if centered:
        corner = corner / np.float32(2) + extent / np.float32(2)
    return corner - np.array(size, np.float32) / np.float32(2)


def _later_corner(image: Any, size: tuple[int, int], offset: Any, centered: bool, normalized: bool) -> Any:
    """Where a window begins; only centred offsets in parts of the image give its middle."""
    if centered and normalized:
        return _corner(image, size, offset, centered, normalized)
    extent, corner = np.array(image.shape[:2], np.float32), np.array(offset, np.float32)
    if normalized:
        corner = corner * extent
    return corner + extent / np.float32(2) if centered else corner


def _glimpse(image: Any, size: tuple[int, int], corner: Any, noise: str) -> Any:
    y, x = (int(v) for v in corner)
    top, left = max(y, 0), max(x, 0)
    bottom, right = min(y + size[0], image.shape[0]), min(x + size[1], image.shape[1])
    if (top, left, bottom, right) == (y, x, y + size[0], x + size[1]):
        return image[top:bottom, left:right].copy()
    window = _noise(image, (*size, image.shape[2]), noise)
    if bottom > top and right > left:
        window[top - y : bottom - y, left - x : right - x] = image[top:bottom, left:right]
    return window


def _noise(image: Any, shape: tuple[int, ...], kind: str) -> Any:
    generator = np.random.default_rng()
    if kind == "uniform":
        low, high = float(image.min()), float(image.max())
        return generator.uniform(low, high, shape).astype(np.float32)
    if kind == "gaussian":
        return np.maximum(generator.normal(image.mean(), image.std(), shape), 0).astype(np.float32)
    return np.zeros(shape, np.float32)


@public("image.crop_and_resize")
def crop_and_resize(
    image: Any,
    boxes: Any,
    box_ind: Any = None,
    crop_size: Any = None,
    method: str = "bilinear",
    extrapolation_value: float = 0,
    name: str | None = None,
    box_indices: Any = None,
) -> Tensor:
    """Cuts boxes out of images and resizes them to one size.

    Args:
      image: `[batch, height, width, depth]`, integer or floating.
      boxes: float32 `[num_boxes, 4]`: y1, x1, y2, x2 relative to the image; y1 > y2 flips.
      box_ind: int32 `[num_boxes]`, the image of each box.
      crop_size: int32 `[2]`, height and width of the crops.
      method: "bilinear" or "nearest".
      extrapolation_value: what is outside of an image.
      name: op name; default "CropAndResize".
      box_indices: the new name of `box_ind`.

    Returns:
      float32 `[num_boxes, crop height, crop width, depth]`.

    Raises:
      ValueError: a shape is wrong, or both names of `box_ind` are given.
      OutOfRangeError: when run, `box_ind` names an image that does not exist.
    """
    if box_ind is not None and box_indices is not None:
        raise ValueError("crop_and_resize: give box_ind or box_indices, not both. Received: both")
    indices = box_ind if box_indices is None else box_indices
    return raw.CropAndResize(
        image, boxes, indices, crop_size, method=method, extrapolation_value=extrapolation_value, name=name
    )


@public("image.extract_glimpse")
def extract_glimpse(
    input: Any,
    size: Any,
    offsets: Any,
    centered: bool = True,
    normalized: bool = True,
    uniform_noise: bool = True,
    name: str | None = None,
) -> Tensor:
    """Windows of one size around a point of each image.

    Args:
      input: float32 `[batch, height, width, channels]`.
      size: int32 `[2]`, height and width of the windows.
      offsets: float32 `[batch, 2]`, y and x of their centres.
      centered: (0, 0) is the middle of an image, not its corner.
      normalized: offsets are relative to the image (with `centered`, from -1 to 1).
      uniform_noise: fill what is outside with uniform noise, otherwise normal noise.
      name: op name; default "ExtractGlimpse".

    Returns:
      float32 `[batch, size, channels]`.
    """
    return raw.ExtractGlimpse(
        input, size, offsets, centered=centered, normalized=normalized, uniform_noise=uniform_noise, name=name
    )
