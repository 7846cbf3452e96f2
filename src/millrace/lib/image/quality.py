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
from millrace.lib.flow.control_flow import cond
from millrace.lib.image.adjust import convert_image_dtype
from millrace.lib.math.reductions import reduce_all, reduce_any
from millrace.opkit.rules.idioms import all_axes
from millrace.ops.array.concat import concat, stack, unstack
from millrace.ops.array.constant import constant, identity, zeros
from millrace.ops.array.fill import range_
from millrace.ops.array.reshape import reshape
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.array.shape import shape_n
from millrace.ops.array.shape import size as size_of
from millrace.ops.array.tile import tile
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import equal, greater_equal, not_equal

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
    edges = _depthwise(padded, kernel, is_known=image.shape.is_fully_defined())
    result = reshape(edges, concat([whole, [2]], 0))
    result.set_shape([*(image.dims or [None] * 4), 2])
    return result


def _depthwise(images: Tensor, kernel: Tensor, is_known: bool = False) -> Tensor:
    """Each channel convolved with filters of its own, with what `tf.nn.depthwise_conv2d` adds beside that.

    Args:
      images: `[batch, height, width, channels]`.
      kernel: `[rows, columns, channels, multiplier]`.
      is_known: whether TensorFlow 1.15 would know the shape of the kernel.
    """
    with name_scope("depthwise") as scope:
        if is_known:
            shape_of(kernel)
        else:
            raw.Shape(kernel)
        constant([1, 1], name="dilation_rate")
        return raw.DepthwiseConv2dNative(images, kernel, strides=[1, 1, 1, 1], padding="VALID", name=scope)


# ---------------------------------------------------------------- signal to noise


def _check_pair(a: Tensor, b: Tensor) -> None:
    for x in (a, b):
        if x.dims is not None and len(x.dims) < 3:
            raise ValueError(f"The images must have rank at least 3. Received: shape {x.shape}")
    if a.dims is not None and b.dims is not None:
        pairs = zip(a.dims[-3:], b.dims[-3:], strict=True)
        if any(x is not None and y is not None and x != y for x, y in pairs):
            raise ValueError(f"The images must have the same inner shape. Received: {a.shape} and {b.shape}")


def _shapes_match(a: Tensor, b: Tensor) -> tuple[list[Tensor], list[Any]]:
    """The shapes of a pair of images, and what fails when they are not alike."""
    shapes = shape_n([a, b])
    enough = Assert(greater_equal(size_of(shapes[0]), 3), shapes, summarize=10)
    same = reduce_all(equal(shapes[0][-3:], shapes[1][-3:]))
    return shapes, [enough, Assert(same, shapes, summarize=10)]


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
        with control_dependencies(_shapes_match(a, b)[1]):
            return identity(ratio)


# ---------------------------------------------------------------- structural similarity


def _gaussian(size: Tensor, sigma: Tensor) -> Tensor:
    """A Gaussian that sums to 1: float32 `[size, size, 1, 1]`."""
    at = cast(range_(size), sigma.dtype.base_dtype)
    at = at - cast(size - 1, sigma.dtype.base_dtype) / 2.0
    exponent = raw.Square(at)
    exponent = exponent * (-0.5 / raw.Square(sigma))
    together = reshape(exponent, [1, -1]) + reshape(exponent, [-1, 1])
    weights = raw.Softmax(reshape(together, [1, -1]))
    return reshape(weights, [size, size, 1, 1])


def _similarity(
    x: Tensor, y: Tensor, blur: Callable[[Tensor], Tensor], largest: Tensor, k1: float, k2: float
) -> tuple[Tensor, Tensor]:
    """Luminance, and contrast times structure, at every place of the window."""
    c1 = (k1 * largest) ** 2
    c2 = (k2 * largest) ** 2
    mean_x, mean_y = blur(x), blur(y)
    means = mean_x * mean_y * 2.0
    squares = raw.Square(mean_x) + raw.Square(mean_y)
    luminance = (means + c1) / (squares + c1)
    products = blur(x * y) * 2.0
    energies = blur(raw.Square(x) + raw.Square(y))
    c2 = c2 * 1.0  # where 1.15 makes up for a filter whose weights do not sum to 1
    return luminance, (products - means + c2) / (energies - squares + c2)


def _per_channel(
    a: Tensor, b: Tensor, largest: Tensor, filter_size: Any, filter_sigma: Any, k1: float, k2: float
) -> tuple[Tensor, Tensor]:
    """Similarity, and its part without luminance, `[..., channels]`."""
    size, sigma = constant(filter_size, dtypes.int32), constant(filter_sigma, a.dtype.base_dtype)
    shapes = shape_n([a, b])
    checks = [
        Assert(reduce_all(greater_equal(shape[-3:-1], size)), [shape, size], summarize=8) for shape in shapes
    ]
    with control_dependencies(checks):
        a = identity(a)
    kernel = _gaussian(size, sigma)
    kernel = tile(kernel, [1, 1, shapes[0][-1], 1])

    def blur(x: Tensor) -> Tensor:
        shape = shape_of(x)
        flat = reshape(x, concat([[-1], shape[-3:]], 0))
        blurred = _depthwise(flat, kernel)
        return reshape(blurred, concat([shape[:-3], shape_of(blurred)[1:]], 0))

    luminance, structure = _similarity(a, b, blur, largest, k1, k2)
    axes = constant([-3, -2])
    return raw.Mean(luminance * structure, axes), raw.Mean(structure, axes)


def _prepared(img1: Any, img2: Any, max_val: Any) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:
    """Two images as float32, the range of their pixels, and their shapes."""
    a, b = to_tensor(img1, name="img1"), to_tensor(img2, name="img2")
    _check_pair(a, b)
    shapes, checks = _shapes_match(a, b)
    with control_dependencies(checks):
        a = identity(a)
    largest = convert_image_dtype(cast(max_val, a.dtype.base_dtype), dtypes.float32)
    a, b = convert_image_dtype(a, dtypes.float32), convert_image_dtype(b, dtypes.float32)
    return a, b, largest, shapes


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
    a, b, largest, _ = _prepared(img1, img2, max_val)
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
        a, b, largest, shapes = _prepared(img1, img2, max_val)
        images, heads, tails = [a, b], [s[:-3] for s in shapes], [s[-3:] for s in shapes]
        divisor = constant([2, 2, 1])
        parts = []
        value = None
        for scale in range(len(power_factors)):
            with name_scope(f"Scale{scale}"):
                if scale:
                    images, tails = _halved(images, heads, tails, divisor)
                value, structure = _per_channel(
                    images[0], images[1], largest, filter_size, filter_sigma, k1, k2
                )
                parts.append(raw.Relu(structure))
        parts[-1] = raw.Relu(value)  # luminance counts at the last scale only
        together = raw.Prod(raw.Pow(stack(parts, axis=-1), power_factors), [-1])
        return raw.Mean(together, [-1])


def _halved(
    images: list[Tensor], heads: list[Tensor], tails: list[Tensor], divisor: Tensor
) -> tuple[list[Tensor], list[Tensor]]:
    """Means of two by two pixels, and their inner shapes; an odd last row or column counts twice."""
    flat = [reshape(x, concat([[-1], tail], 0)) for x, tail in zip(images, tails, strict=True)]
    odd = tails[0] % divisor

    def padded() -> list[Tensor]:
        rows = raw.Pad(raw.ExpandDims(odd, -1), [[1, 0], [1, 0]])
        return [raw.MirrorPad(x, rows, mode="SYMMETRIC") for x in flat]

    even = cond(reduce_any(not_equal(odd, 0)), padded, lambda: flat)
    steps = [1, 2, 2, 1]
    pooled = [raw.AvgPool(x, ksize=steps, strides=steps, padding="VALID") for x in even]
    tails = [shape[1:] for shape in shape_n(pooled)]
    whole = zip(pooled, heads, tails, strict=True)
    return [reshape(x, concat([head, tail], 0)) for x, head, tail in whole], tails
