"""How images differ, and where they have edges."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.convert import to_tensor
from millrace.building.scopes import control_dependencies, name_scope
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.assertion import Assert
from millrace.lib.image.adjust import convert_image_dtype
from millrace.lib.math.reductions import reduce_all
from millrace.opkit.rules.idioms import all_axes
from millrace.ops.array.concat import concat, stack, unstack
from millrace.ops.array.constant import constant, identity, zeros
from millrace.ops.array.reshape import reshape
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.array.shape import shape_n
from millrace.ops.array.shape import size as size_of
from millrace.ops.array.tile import tile
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import equal, greater_equal

_OF_A_DEPTHWISE_CONVOLUTION = 2  # the shape and the dilation beside the operation
_MSSSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


@public("image.total_variation")
def total_variation(images: Any, name: str | None = None) -> Tensor:
    """The sums of absolute differences of neighbouring pixels.

    Args:
      images: `[height, width, channels]` or `[batch, height, width, channels]`, numeric.
      name: op name; default "total_variation".

    Returns:
      A scalar, or `[batch]`.

    Raises:
      ValueError: the rank is not 3 or 4.
    """
    with name_scope(name, "total_variation"):
        images = to_tensor(images)
        rank = None if images.dims is None else len(images.dims)
        if rank not in (3, 4):
            raise ValueError(f"'images' must be either 3 or 4-dimensional. Received: shape {images.shape}")
        if rank == 3:
            down, across = images[1:] - images[:-1], images[:, 1:] - images[:, :-1]
        else:
            down, across = images[:, 1:] - images[:, :-1], images[:, :, 1:] - images[:, :, :-1]
        sums = []
        for difference in (down, across):
            size = raw.Abs(difference)
            sums.append(raw.Sum(size, all_axes(size) if rank == 3 else [1, 2, 3]))
        return raw.Add(*sums, name="add")


@public("image.image_gradients")
def image_gradients(image: Any) -> tuple[Tensor, Tensor]:
    """The differences to the next row and to the next column, 0 in the last.

    Args:
      image: `[batch, height, width, channels]`, numeric.

    Returns:
      `(dy, dx)`, both of the shape and dtype of `image`.

    Raises:
      ValueError: the rank is not 4.
    """
    image = to_tensor(image)
    if image.dims is None or len(image.dims) != 4:
        raise ValueError(
            f"image_gradients expects a 4D tensor [batch, h, w, d]. Received: shape {image.shape}"
        )
    whole = shape_of(image)
    batch, height, width, channels = unstack(whole)
    down, across = image[:, 1:] - image[:, :-1], image[:, :, 1:] - image[:, :, :-1]
    dy = concat([down, zeros(stack([batch, 1, width, channels]), image.dtype)], 1)
    dy = reshape(dy, whole)
    dx = concat([across, zeros(stack([batch, height, 1, channels]), image.dtype)], 2)
    return dy, reshape(dx, whole)


@public("image.sobel_edges")
def sobel_edges(image: Any) -> Tensor:
    """Sobel's edge maps.

    Args:
      image: `[batch, height, width, channels]`, float32 or float64.

    Returns:
      `[batch, height, width, channels, 2]`: the vertical and the horizontal change.
    """
    image = to_tensor(image)
    if image.dims is not None and len(image.dims) != 4:
        raise ValueError(f"sobel_edges: the rank must be 4. Received: shape {image.shape}")
    whole = shape_of(image)
    down = np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]], image.dtype.base_dtype.np_dtype)
    pair = constant(np.stack([down, down.T], axis=-1)[:, :, None, :])
    kernel = tile(pair, [1, 1, whole[3], 1], name="sobel_filters")
    padded = raw.MirrorPad(image, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="REFLECT")
    edges = raw.DepthwiseConv2dNative(padded, kernel, strides=[1, 1, 1, 1], padding="VALID", name="depthwise")
    edges.graph.count(_OF_A_DEPTHWISE_CONVOLUTION)
    result = reshape(edges, concat([whole, [2]], 0))
    result.set_shape([*(image.dims or [None] * 4), 2])
    return result


# ---------------------------------------------------------------- signal to noise


def _check_pair(a: Tensor, b: Tensor) -> None:
    for x in (a, b):
        if x.dims is not None and len(x.dims) < 3:
            raise ValueError(f"The images must have rank at least 3. Received: shape {x.shape}")
    if a.dims is not None and b.dims is not None:
        pairs = zip(a.dims[-3:], b.dims[-3:], strict=True)
        if any(x is not None and y is not None and x != y for x, y in pairs):
            raise ValueError(f"The images must have the same inner shape. Received: {a.shape} and {b.shape}")


def _shapes_match(a: Tensor, b: Tensor) -> list[Any]:
    """What fails when the images of a pair are not of one shape."""
    shapes = shape_n([a, b])
    enough = Assert(greater_equal(size_of(shapes[0]), 3), shapes, summarize=10)
    same = reduce_all(equal(shapes[0][-3:], shapes[1][-3:]))
    return [enough, Assert(same, shapes, summarize=10)]


@public("image.psnr")
def psnr(a: Any, b: Any, max_val: Any, name: str | None = None) -> Tensor:
    """The peak signal-to-noise ratio between images, in decibels.

    Args:
      a: `[..., height, width, channels]`, integer or floating.
      b: same shape and dtype.
      max_val: the range of the pixels.
      name: op name; default "PSNR".

    Returns:
      float32 `[...]`.

    Raises:
      ValueError: the shapes differ.
    """
    with name_scope(name, "PSNR", [a, b]):
        a, b = to_tensor(a), to_tensor(b)
        _check_pair(a, b)
        largest = convert_image_dtype(cast(max_val, a.dtype.base_dtype), dtypes.float32)
        a, b = convert_image_dtype(a, dtypes.float32), convert_image_dtype(b, dtypes.float32)
        error = raw.Mean(raw.SquaredDifference(a, b), [-3, -2, -1])
        peak = 20 * raw.Log(largest) / raw.Log(10.0)
        ratio = raw.Sub(peak, np.float32(10 / math.log(10)) * raw.Log(error), name="psnr")
        with control_dependencies(_shapes_match(a, b)):
            return identity(ratio)


# ---------------------------------------------------------------- structural similarity


_LARGEST_FILTER = 1 << 12


def _gaussian(size: int, sigma: float) -> np.ndarray:
    """A Gaussian that sums to 1: float32 `[size, size]`."""
    if isinstance(sigma, Tensor) or isinstance(size, Tensor):
        raise TypeError(f"filter_size and filter_sigma must be numbers. Received: {size} and {sigma}")
    if not 0 < size < _LARGEST_FILTER:
        raise ValueError(f"filter_size must be from 1 to {_LARGEST_FILTER - 1}. Received: {size}")
    at = np.arange(size, dtype=np.float32) - np.float32(size - 1) / np.float32(2)
    exponent = at * at * np.float32(-0.5 / (sigma * sigma))
    weights = np.exp(exponent[None, :] + exponent[:, None])
    return (weights / weights.sum()).astype(np.float32)


def _similarity(
    x: Tensor, y: Tensor, blur: Callable[[Tensor], Tensor], largest: Tensor, k1: float, k2: float
) -> tuple[Tensor, Tensor]:
    """Luminance, and contrast times structure, at every place of the window."""
    c1, c2 = raw.Square(largest * k1), raw.Square(largest * k2)
    mean_x, mean_y = blur(x), blur(y)
    means = mean_x * mean_y * 2.0
    squares = raw.Square(mean_x) + raw.Square(mean_y)
    luminance = (means + c1) / (squares + c1)
    products = blur(x * y) * 2.0
    energies = blur(raw.Square(x) + raw.Square(y))
    return luminance, (products - means + c2) / (energies - squares + c2)


def _per_channel(
    a: Tensor, b: Tensor, largest: Tensor, size: int, sigma: float, k1: float, k2: float
) -> tuple[Tensor, Tensor]:
    """Similarity, and its part without luminance, `[..., channels]`."""
    channels = a.dims[-1] if a.dims else None
    window = _gaussian(size, sigma)[:, :, None, None].astype(a.dtype.base_dtype.np_dtype)
    if channels is None:
        repeats = raw.Pack([1, 1, raw.Shape(a)[-1], 1])
        kernel = raw.Tile(window, repeats)
    else:
        kernel = to_tensor(np.tile(window, (1, 1, channels, 1)), name="kernel")

    def blur(x: Tensor) -> Tensor:
        shape = raw.Shape(x)
        flat = raw.Reshape(x, raw.ConcatV2([[-1], shape[-3:]], 0))
        blurred = raw.DepthwiseConv2dNative(flat, kernel, strides=[1, 1, 1, 1], padding="VALID")
        return raw.Reshape(blurred, raw.ConcatV2([shape[:-3], raw.Shape(blurred)[1:]], 0))

    luminance, structure = _similarity(a, b, blur, largest, k1, k2)
    return raw.Mean(luminance * structure, [-3, -2]), raw.Mean(structure, [-3, -2])


def _prepared(img1: Any, img2: Any, max_val: Any) -> tuple[Tensor, Tensor, Tensor]:
    a, b = to_tensor(img1, name="img1"), to_tensor(img2, name="img2")
    _check_pair(a, b)
    largest = convert_image_dtype(raw.Cast(to_tensor(max_val), DstT=a.dtype.base_dtype), dtypes.float32)
    return convert_image_dtype(a, dtypes.float32), convert_image_dtype(b, dtypes.float32), largest


@public("image.ssim")
def ssim(
    img1: Any,
    img2: Any,
    max_val: Any,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
) -> Tensor:
    """The structural similarity of images.

    Args:
      img1: `[..., height, width, channels]`, integer or floating, no smaller than the filter.
      img2: same shape and dtype.
      max_val: the range of the pixels.
      filter_size, filter_sigma: of the Gaussian window.
      k1, k2: small constants.

    Returns:
      float32 `[...]`, 1 for equal images.

    Raises:
      ValueError: the shapes differ or are too small.
    """
    with name_scope(None, "SSIM", [img1, img2]):
        a, b, largest = _prepared(img1, img2, max_val)
        value, _ = _per_channel(a, b, largest, filter_size, filter_sigma, k1, k2)
        return raw.Mean(value, [-1])


@public("image.ssim_multiscale")
def ssim_multiscale(
    img1: Any,
    img2: Any,
    max_val: Any,
    power_factors: Sequence[float] = _MSSSIM_WEIGHTS,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
) -> Tensor:
    """The structural similarity of images over several scales, each half the size of the one before.

    Args:
      power_factors: the weight of each scale.
      img1, img2, max_val, filter_size, filter_sigma, k1, k2: as for `ssim`.

    Returns:
      float32 `[...]`.

    Raises:
      ValueError: the shapes differ or are too small.
    """
    with name_scope(None, "MS-SSIM", [img1, img2]):
        a, b, largest = _prepared(img1, img2, max_val)
        parts = []
        value = None
        for scale in range(len(power_factors)):
            if scale:
                a, b = _halved(a), _halved(b)
            value, structure = _per_channel(a, b, largest, filter_size, filter_sigma, k1, k2)
            parts.append(raw.Relu(structure))
        parts[-1] = raw.Relu(value)  # luminance counts at the last scale only
        weights = to_tensor(np.array(power_factors, np.float32))
        together = raw.Prod(raw.Pow(raw.Pack(parts, axis=-1), weights), [-1])
        return raw.Mean(together, [-1])


def _halved(x: Tensor) -> Tensor:
    """Means of two by two pixels; an odd last row or column counts twice."""
    shape = raw.Shape(x)
    tail = shape[-3:]
    flat = raw.Reshape(x, raw.ConcatV2([[-1], tail], 0))
    odd = raw.FloorMod(tail, [2, 2, 1])
    ends = raw.ConcatV2([[0], odd], 0)
    flat = raw.MirrorPad(flat, raw.Pack([raw.ZerosLike(ends), ends], axis=1), mode="SYMMETRIC")
    pooled = raw.AvgPool(flat, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID")
    return raw.Reshape(pooled, raw.ConcatV2([shape[:-3], raw.Shape(pooled)[1:]], 0))
