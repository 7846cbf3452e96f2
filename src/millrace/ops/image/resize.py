"""Resizing images: bilinear, nearest neighbour, bicubic, by area, and with any sampling kernel."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from millrace.building import raw
from millrace.building.static import Known
from millrace.core import dtypes, shapes
from millrace.core.dtypes import FLOATING
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.core.shapes import Dims
from millrace.graph.attrs import dtype as dtype_attr
from millrace.graph.attrs import flag, text
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.image import resampling
from millrace.opkit.rules.idioms import shape_tensor
from millrace.opkit.rules.shape_rules import partial_size, with_rank

_PIXELS = frozenset(
    {dtypes.int8, dtypes.uint8, dtypes.int16, dtypes.uint16, dtypes.int32, dtypes.int64,
     dtypes.float16, dtypes.float32, dtypes.float64}
)  # fmt: skip
_LINEAR_PIXELS = _PIXELS | {dtypes.bfloat16}


def _resized(images: Dims, size: Known) -> Dims:
    dims = with_rank(images, 4, "images")
    if size.dims is not None and size.dims != (2,) and size.dims != (None,):
        raise ValueError(
            f"'size' must be a vector of 2 elements. Received: shape {shapes.format_dims(size.dims)}"
        )
    height, width = partial_size(size)
    return dims[0], height, width, dims[3]  # type: ignore[index]


def _sizes(images: Any, size: Any, what: str = "images") -> tuple[int, int, int, int]:
    """Height and width before and after, checked."""
    if images.ndim != 4:
        raise refusal(f"input must be 4-dimensional. Received: shape {list(images.shape)}")
    if np.shape(size) != (2,):
        raise refusal(f"shape_t must have two elements. Received: shape {list(np.shape(size))}")
    height, width = int(size[0]), int(size[1])
    if height <= 0 or width <= 0:
        raise refusal(f"output dimensions must be positive. Received: {[height, width]}")
    if images.shape[1] <= 0 or images.shape[2] <= 0:
        raise refusal(f"input image must be of non-zero size. Received: {what} {list(images.shape)}")
    return images.shape[1], images.shape[2], height, width


def _transposed(xp: Any, grads: Any, rows: np.ndarray, columns: np.ndarray) -> Any:
    """The adjoint of resizing by two weight matrices, `[out, in]` each: `[b, h_in, w_in, c]`."""
    batch, height, width, channels = grads.shape
    # each step as one large product instead of many narrow ones
    by_row = xp.reshape(xp.swapaxes(grads, 0, 1), (height, -1))
    down = xp.mat_product(xp.asarray(rows.T), by_row)
    down = xp.swapaxes(xp.reshape(down, (rows.shape[1], batch, width, channels)), -1, -2)
    across = xp.mat_product(xp.reshape(down, (-1, width)), xp.asarray(columns))
    across = xp.reshape(across, (rows.shape[1], batch, channels, columns.shape[1]))
    return xp.swapaxes(xp.swapaxes(across, 0, 1), -1, -2)


def _by_matrices(xp: Any, images: Any, rows: np.ndarray, columns: np.ndarray) -> Any:
    return _transposed(xp, images, rows.T, columns.T)


def _params(op: Any) -> dict[str, bool]:
    return dict(align_corners=op.attrs["align_corners"], half_pixel_centers=op.attrs["half_pixel_centers"])


_OF_A_SIZE: Final = 4  # a shape and its slice


def _height_width(x: Tensor) -> Any:
    return shape_tensor(x)[1:3]


# ---------------------------------------------------------------- bilinear


@declare(
    "ResizeBilinear(images: T, size: int32) -> resized_images: float",
    T=_LINEAR_PIXELS,
    align_corners=flag(False),
    half_pixel_centers=flag(False),
    static=("size",),
)
class ResizeBilinear:
    """Resizes images, mixing the four nearest pixels."""

    def shape(images, size):
        return _resized(images, size)

    def kernel(xp, images, size, align_corners, half_pixel_centers):
        _check_modes(align_corners, half_pixel_centers)
        in_h, in_w, height, width = _sizes(images, size)
        if (in_h, in_w) == (height, width):
            return xp.cast(images, np.float32)
        y = resampling.linear(in_h, height, align_corners, half_pixel_centers)
        x = resampling.linear(in_w, width, align_corners, half_pixel_centers)
        x_lerp, y_lerp = xp.asarray(x.lerp[:, None]), xp.asarray(y.lerp[:, None, None])

        def across(rows: Any) -> Any:
            left = xp.cast(xp.take(rows, x.lower, axis=2), np.float32)
            right = xp.cast(xp.take(rows, x.upper, axis=2), np.float32)
            return left + (right - left) * x_lerp

        if in_h <= 2 * height:  # every row is needed about once: cross them before choosing
            crossed = across(images)
            top, bottom = xp.take(crossed, y.lower, axis=1), xp.take(crossed, y.upper, axis=1)
        else:
            top, bottom = (across(xp.take(images, rows, axis=1)) for rows in (y.lower, y.upper))
        return top + (bottom - top) * y_lerp

    def grad(op, dy):
        images = op.inputs[0]
        if not images.dtype.is_floating:
            return None, None
        return raw.ResizeBilinearGrad(dy, images, **_params(op)), None


def _check_modes(align_corners: bool, half_pixel_centers: bool) -> None:
    if align_corners and half_pixel_centers:
        raise refusal("If half_pixel_centers is True, align_corners must be False. Received: True for both")


@declare(
    "ResizeBilinearGrad(grads: float, original_image: T) -> output: T",
    T=FLOATING,
    align_corners=flag(False),
    half_pixel_centers=flag(False),
)
class ResizeBilinearGrad:
    """The gradient of ResizeBilinear by its images."""

    def shape(grads, original_image):
        return original_image

    def kernel(xp, grads, original_image, align_corners, half_pixel_centers):
        in_h, in_w, height, width = _sizes(original_image, grads.shape[1:3])
        modes = align_corners, half_pixel_centers
        rows = resampling.linear_matrix(in_h, resampling.linear(in_h, height, *modes))
        columns = resampling.linear_matrix(in_w, resampling.linear(in_w, width, *modes))
        return xp.cast(_transposed(xp, grads, rows, columns), original_image.dtype)

    def grad(op, ddy):
        return raw.ResizeBilinear(ddy, _height_width(op.inputs[0]), **_params(op)), None


# ---------------------------------------------------------------- nearest neighbour


@declare(
    "ResizeNearestNeighbor(images: T, size: int32) -> resized_images: T",
    T=_PIXELS,
    align_corners=flag(False),
    half_pixel_centers=flag(False),
    static=("size",),
)
class ResizeNearestNeighbor:
    """Resizes images, taking the nearest pixel."""

    def shape(images, size):
        return _resized(images, size)

    def kernel(xp, images, size, align_corners, half_pixel_centers):
        _check_modes(align_corners, half_pixel_centers)
        in_h, in_w, height, width = _sizes(images, size)
        rows = resampling.nearest(in_h, height, align_corners, half_pixel_centers)
        columns = resampling.nearest(in_w, width, align_corners, half_pixel_centers)
        return xp.take(xp.take(images, rows, axis=1), columns, axis=2)

    def grad(op, dy):
        images = op.inputs[0]
        if images.dims is not None and None not in images.dims[1:3]:
            dy.graph.count(-_OF_A_SIZE)  # TensorFlow 1.15 has a constant
        return raw.ResizeNearestNeighborGrad(dy, _height_width(images), **_params(op)), None


@declare(
    "ResizeNearestNeighborGrad(grads: T, size: int32) -> output: T",
    T=frozenset({dtypes.uint8, dtypes.int8, dtypes.int32, dtypes.float16, dtypes.float32, dtypes.float64}),
    align_corners=flag(False),
    half_pixel_centers=flag(False),
    static=("size",),
)
class ResizeNearestNeighborGrad:
    """The gradient of ResizeNearestNeighbor by its images of height and width `size`."""

    def shape(grads, size):
        return _resized(grads, size)

    def kernel(xp, grads, size, align_corners, half_pixel_centers):
        height, width, in_h, in_w = _sizes(grads, size)
        modes = align_corners, half_pixel_centers
        matrices = []
        for before, after in ((in_h, height), (in_w, width)):
            matrix = np.zeros((after, before), grads.dtype)
            matrix[np.arange(after), resampling.nearest(before, after, *modes)] = 1
            matrices.append(matrix)
        return _transposed(xp, grads, *matrices)

    def grad(op, ddy):
        return raw.ResizeNearestNeighbor(ddy, _height_width(op.inputs[0]), **_params(op)), None


# ---------------------------------------------------------------- bicubic


@declare(
    "ResizeBicubic(images: T, size: int32) -> resized_images: float",
    T=_PIXELS,
    align_corners=flag(False),
    half_pixel_centers=flag(False),
    static=("size",),
)
class ResizeBicubic:
    """Resizes images, mixing the sixteen nearest pixels with cubic weights."""

    def shape(images, size):
        return _resized(images, size)

    def kernel(xp, images, size, align_corners, half_pixel_centers):
        _check_modes(align_corners, half_pixel_centers)
        in_h, in_w, height, width = _sizes(images, size)
        modes = align_corners, half_pixel_centers
        images = xp.cast(images, np.float32)
        for axis, before, after in ((1, in_h, height), (2, in_w, width)):
            places, weights = resampling.cubic(before, after, *modes)
            taps = xp.asarray(weights[:, :, None, None] if axis == 1 else weights[:, :, None])
            parts = [xp.take(images, places[k], axis=axis) * taps[k] for k in range(4)]
            images = parts[0] + parts[1] + parts[2] + parts[3]
        return images

    def grad(op, dy):
        images = op.inputs[0]
        if not images.dtype.is_floating:
            return None, None
        return raw.ResizeBicubicGrad(dy, images, **_params(op)), None


@declare(
    "ResizeBicubicGrad(grads: float, original_image: T) -> output: T",
    T=frozenset({dtypes.float32, dtypes.float64}),
    align_corners=flag(False),
    half_pixel_centers=flag(False),
)
class ResizeBicubicGrad:
    """The gradient of ResizeBicubic by its images."""

    def shape(grads, original_image):
        return original_image

    def kernel(xp, grads, original_image, align_corners, half_pixel_centers):
        in_h, in_w, height, width = _sizes(original_image, grads.shape[1:3])
        modes = align_corners, half_pixel_centers
        rows = resampling.weights_matrix(in_h, *resampling.cubic(in_h, height, *modes))
        columns = resampling.weights_matrix(in_w, *resampling.cubic(in_w, width, *modes))
        return xp.cast(_transposed(xp, grads, rows, columns), original_image.dtype)

    def grad(op, ddy):
        return raw.ResizeBicubic(ddy, _height_width(op.inputs[0]), **_params(op)), None


# ---------------------------------------------------------------- area, any kernel


@declare(
    "ResizeArea(images: T, size: int32) -> resized_images: float",
    T=_PIXELS,
    align_corners=flag(False),
    static=("size",),
)
class ResizeArea:
    """Resizes images, averaging over the area that an output pixel covers."""

    def shape(images, size):
        return _resized(images, size)

    def kernel(xp, images, size, align_corners):
        in_h, in_w, height, width = _sizes(images, size)
        rows = resampling.area(in_h, height, align_corners)
        columns = resampling.area(in_w, width, align_corners)
        return _by_matrices(xp, xp.cast(images, np.float32), rows, columns)

    def grad(op, dy):
        if not op.inputs[0].dtype.is_floating:
            return None, None
        raise LookupError(f"No gradient defined for operation '{op.name}' (op type: ResizeArea)")


@declare(
    "ScaleAndTranslate(images: T, size: int32, scale: float, translation: float) -> resized_images: float",
    T=_LINEAR_PIXELS,
    kernel_type=text(default="lanczos3"),
    antialias=flag(True),
    static=("size", "scale", "translation"),
)
class ScaleAndTranslate:
    """Scales images by `scale` and moves them by `translation` (y, x), sampling with a kernel."""

    def shape(images, size, scale, translation):
        return _resized(images, size)

    def kernel(xp, images, size, scale, translation, kernel_type, antialias):
        in_h, in_w, height, width = _sizes(images, size)
        rows, columns = _spans((in_h, in_w), (height, width), scale, translation, kernel_type, antialias)
        return _by_matrices(xp, xp.cast(images, np.float32), rows, columns)

    def grad(op, dy):
        images, _, scale, translation = op.inputs
        params = dict(kernel_type=op.attrs["kernel_type"], antialias=op.attrs["antialias"])
        if images.dtype.base_dtype is not dtypes.float32:
            raise LookupError(f"ScaleAndTranslate '{op.name}' has a gradient for float32 images only")
        return raw.ScaleAndTranslateGrad(dy, images, scale, translation, **params), None, None, None


@declare(
    "ScaleAndTranslateGrad(grads: T, original_image: T, scale: float, translation: float) -> output: T",
    T=frozenset({dtypes.float32}),
    kernel_type=text(default="lanczos3"),
    antialias=flag(True),
    static=("scale", "translation"),
)
class ScaleAndTranslateGrad:
    """The gradient of ScaleAndTranslate by its images."""

    def shape(grads, original_image, scale, translation):
        return original_image

    def kernel(xp, grads, original_image, scale, translation, kernel_type, antialias):
        sizes = original_image.shape[1:3], grads.shape[1:3]
        rows, columns = _spans(*sizes, scale, translation, kernel_type, antialias)
        return _transposed(xp, grads, rows, columns)

    def grad(op, ddy):
        _, _, scale, translation = op.inputs
        params = dict(kernel_type=op.attrs["kernel_type"], antialias=op.attrs["antialias"])
        return (
            raw.ScaleAndTranslate(ddy, _height_width(op.inputs[0]), scale, translation, **params),
            None,
            None,
            None,
        )


def _spans(
    before: Any, after: Any, scale: Any, translation: Any, kind: str, antialias: bool
) -> list[np.ndarray]:
    if not resampling.is_kernel(kind):
        raise refusal(f"Unrecognized kernel type. Received: {kind}")
    if any(float(s) <= 0 for s in scale):
        raise refusal(f"scale must be positive. Received: {np.asarray(scale).tolist()}")
    return [
        resampling.spans(int(a), int(b), float(s), float(t), kind, antialias)
        for a, b, s, t in zip(before, after, scale, translation, strict=True)
    ]


@declare(
    "QuantizedResizeBilinear(images: T, size: int32, min: float, max: float) "
    "-> resized_images: T, out_min: float, out_max: float",
    T=dtype_attr(frozenset({dtypes.quint8, dtypes.qint32, dtypes.float32})),
    align_corners=flag(False),
    half_pixel_centers=flag(False),
    static=("size",),
)
class QuantizedResizeBilinear:
    """ResizeBilinear on quantised values, whose range stays what it was."""

    def shape(images, size, min, max):
        return [_resized(images, size), (), ()]

    def kernel(xp, images, size, min, max, align_corners, half_pixel_centers):
        resized = ResizeBilinear.kernel(  # pyright: ignore[reportOptionalCall]
            xp, xp.cast(images, np.float32), size, align_corners, half_pixel_centers
        )
        if images.dtype != np.float32:
            resized = xp.cast(xp.rint(resized), images.dtype)
        return resized, xp.asarray(min), xp.asarray(max)

    grad = NOT_DIFFERENTIABLE


# ---------------------------------------------------------------- public


@public("image.resize_bilinear")
def resize_bilinear(
    images: Any,
    size: Any,
    align_corners: bool = False,
    name: str | None = None,
    half_pixel_centers: bool = False,
) -> Tensor:
    """Resizes images, mixing the four nearest pixels.

    Args:
      images: `[batch, height, width, channels]`, integer or floating.
      size: int32 `[2]`, the new height and width.
      align_corners: let the centres of the corner pixels of both images coincide.
      name: op name; default "ResizeBilinear".
      half_pixel_centers: count positions from pixel centres.

    Returns:
      float32 `[batch, new height, new width, channels]`.

    Raises:
      ValueError: a shape is wrong or a size is not positive.
    """
    return raw.ResizeBilinear(
        images, size, align_corners=align_corners, half_pixel_centers=half_pixel_centers, name=name
    )


@public("image.resize_nearest_neighbor")
def resize_nearest_neighbor(
    images: Any,
    size: Any,
    align_corners: bool = False,
    name: str | None = None,
    half_pixel_centers: bool = False,
) -> Tensor:
    """Resizes images, taking the nearest pixel; arguments as for `resize_bilinear`, the dtype of `images`."""
    return raw.ResizeNearestNeighbor(
        images, size, align_corners=align_corners, half_pixel_centers=half_pixel_centers, name=name
    )


@public("image.resize_bicubic")
def resize_bicubic(
    images: Any,
    size: Any,
    align_corners: bool = False,
    name: str | None = None,
    half_pixel_centers: bool = False,
) -> Tensor:
    """Resizes images with cubic weights; arguments and result as for `resize_bilinear`."""
    return raw.ResizeBicubic(
        images, size, align_corners=align_corners, half_pixel_centers=half_pixel_centers, name=name
    )


@public("image.resize_area")
def resize_area(images: Any, size: Any, align_corners: bool = False, name: str | None = None) -> Tensor:
    """Resizes images by averaging areas; arguments and result as for `resize_bilinear`."""
    return raw.ResizeArea(images, size, align_corners=align_corners, name=name)
