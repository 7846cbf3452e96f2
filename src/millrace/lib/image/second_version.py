"""Resizing of images as version 2 does it: by the centres of pixels, with more kernels."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.scopes import name_scope
from millrace.building.static import static_value
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.image.geometry import fitted_and_padded, sized
from millrace.ops.array.constant import zeros
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.math.cast import cast


@public("compat.v2.image.ResizeMethod")
class ResizeMethod:
    """The names of the methods of resizing in version 2."""

    BILINEAR = "bilinear"
    NEAREST_NEIGHBOR = "nearest"
    BICUBIC = "bicubic"
    AREA = "area"
    LANCZOS3 = "lanczos3"
    LANCZOS5 = "lanczos5"
    GAUSSIAN = "gaussian"
    MITCHELLCUBIC = "mitchellcubic"


_KERNELS = {"bilinear": "triangle", "bicubic": "keyscubic"}
_SCALED = frozenset(("lanczos3", "lanczos5", "gaussian", "mitchellcubic"))
_PLAIN = {
    "bilinear": "ResizeBilinear",
    "nearest": "ResizeNearestNeighbor",
    "bicubic": "ResizeBicubic",
    "area": "ResizeArea",
}


def _resizer(method: Any, antialias: bool) -> Any:
    """What resizes a batch to a size.

    Raises:
      ValueError: the method is unknown.
    """

    def scaled(images: Tensor, size: Tensor) -> Tensor:
        scale = cast(size, dtypes.float32) / cast(shape_of(images)[1:3], dtypes.float32)
        kernel = _KERNELS.get(method, method)
        return raw.ScaleAndTranslate(images, size, scale, zeros([2]), kernel_type=kernel, antialias=antialias)

    def plain(images: Tensor, size: Tensor) -> Tensor:
        centres = {} if method == "area" else {"half_pixel_centers": True}
        return getattr(raw, _PLAIN[method])(images, size, **centres)

    if method in _SCALED or (antialias and method in _KERNELS):
        return scaled
    if method not in _PLAIN:
        raise ValueError(f"Resize method is not implemented. Received: {method!r}")
    return plain


@public("compat.v2.image.resize")
def resize(
    images: Any,
    size: Any,
    method: Any = "bilinear",
    preserve_aspect_ratio: bool = False,
    antialias: bool = False,
    name: str | None = None,
) -> Tensor:
    """Images of another size.

    Args:
      images: `[height, width, channels]` or `[batch, height, width, channels]`.
      size: int32 `[2]`, the new height and width.
      method: one of `ResizeMethod`.
      preserve_aspect_ratio: shrink the new size in one direction where the ratio differs.
      antialias: widen the kernel where the images become smaller; nearest neighbours and areas ignore it.
      name: a scope for the operations.

    Returns:
      `[new height, new width, channels]`, with the batch in front if there is one; float32 except for nearest
      neighbours.

    Raises:
      ValueError: the rank, the size or the method is wrong.
    """
    with name_scope(name, "resize", [images, size]):
        images, size, single = sized(images, size, preserve_aspect_ratio)
        resized = _resizer(method, antialias)(images, size)
        known = static_value(size)
        resized.set_shape([None, *((None, None) if known is None else known.tolist()), None])
        return raw.Squeeze(resized, squeeze_dims=[0]) if single else resized


@public("compat.v2.image.resize_with_pad")
def resize_with_pad(
    image: Any, target_height: Any, target_width: Any, method: Any = "bilinear", antialias: bool = False
) -> Tensor:
    """Images resized to fit into a given size without distortion, and padded evenly on both sides.

    Args:
      image: `[height, width, channels]` or `[batch, height, width, channels]`.
      target_height, target_width: the size.
      method, antialias: as for `resize`.

    Raises:
      ValueError: a size is not positive, the method is unknown, or the rank is not 3 or 4.
    """

    def resizer(images: Tensor, size: Any) -> Tensor:
        return resize(images, size, method, antialias=antialias)

    return fitted_and_padded(image, target_height, target_width, resizer)


@public("compat.v2.image.extract_glimpse")
def extract_glimpse(
    input: Any,
    size: Any,
    offsets: Any,
    centered: bool = True,
    normalized: bool = True,
    noise: str = "uniform",
    name: str | None = None,
) -> Tensor:
    """Windows of one size around a point of each image; see `tf.image.extract_glimpse`.

    Args:
      noise: "uniform", "gaussian" or "zero": what is outside.
      input, size, offsets, centered, normalized, name: as in version 1.

    Returns:
      float32 `[batch, size, channels]`.
    """
    return raw.ExtractGlimpse(
        input,
        size,
        offsets,
        centered=centered,
        normalized=normalized,
        uniform_noise=False,
        noise=noise,
        name=name,
    )
