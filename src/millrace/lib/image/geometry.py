"""Images turned, mirrored, cropped, padded and resized."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.convert import to_tensor
from millrace.building.scopes import control_dependencies, name_scope
from millrace.building.static import static_value, told_value
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.assertion import Assert
from millrace.lib.flow.control_flow import case, cond
from millrace.lib.image.looking import image_asserts
from millrace.ops.array.concat import stack, unstack
from millrace.ops.array.reshape import transpose
from millrace.ops.array.shape import shape
from millrace.ops.math.cast import cast
from millrace.ops.random.draws import random_uniform

Length = int | Tensor


def image_rank(image: Tensor, who: str) -> int:
    """3 or 4; an unknown rank is taken for 3.

    Raises:
      ValueError: the image has another rank.
    """
    if image.dims is None:
        image.set_shape([None, None, None])
        return 3
    if len(image.dims) not in (3, 4):
        raise ValueError(f"{who}: 'image' must have either 3 or 4 dimensions. Received: shape {image.shape}")
    if any(d == 0 for d in image.dims[-3:]):
        raise ValueError(f"{who}: inner 3 dims of 'image' must be > 0. Received: shape {image.shape}")
    return len(image.dims)


def height_width(image: Tensor) -> tuple[Length, Length]:
    """Height and width: numbers where they are known, else scalar tensors."""
    assert image.dims is not None
    if None not in image.dims:
        return image.dims[-3:-1]  # type: ignore[return-value]
    sizes = unstack(shape(image), len(image.dims))
    height, width = (known or sizes[i] for i, known in ((-3, image.dims[-3]), (-2, image.dims[-2])))
    return height, width


def _length(value: Any) -> Any:
    """A number as an int; a tensor as it is."""
    return int(value) if isinstance(value, int | np.integer) else value


def looked_at(image: Tensor) -> Tensor:
    """`image`, once it has the shape of one."""
    with control_dependencies(image_asserts(image)):
        return raw.Identity(image, name="control_dependency")


def _checked(image: Tensor, checks: list[tuple[Any, str]], who: str, asserts: Sequence[Any] = ()) -> Tensor:
    """`image`, once all conditions hold: those on numbers now, those on tensors when run.

    Raises:
      ValueError: a condition on numbers does not hold.
    """
    asserts = list(asserts)
    for holds, rule in checks:
        if isinstance(holds, Tensor):
            asserts.append(Assert(holds, [rule]))
        elif not holds:
            raise ValueError(f"{who}: {rule}. Received: image {image.shape}")
    with control_dependencies(asserts):
        return raw.Identity(image, name="control_dependency")


def _batched(image: Tensor, who: str) -> tuple[Tensor, bool]:
    """The image as a batch, and whether it was one."""
    if image_rank(image, who) == 4:
        return image, True
    return raw.ExpandDims(image, 0), False


def _as_given(images: Tensor, batched: bool) -> Tensor:
    return images if batched else raw.Squeeze(images, squeeze_dims=[0])


# ---------------------------------------------------------------- mirror, turn


def _flip(image: Any, from_end: int, who: str) -> Tensor:
    with name_scope(None, who, [image]):
        image = to_tensor(image, name="image")
        axis = image_rank(image, who) + from_end
        return raw.ReverseV2(looked_at(image), [axis])


@public("image.flip_left_right")
def flip_left_right(image: Any) -> Tensor:
    """Mirrors images horizontally.

    Args:
      image: `[height, width, channels]` or `[batch, height, width, channels]`.

    Returns:
      Same shape and dtype.

    Raises:
      ValueError: the rank is not 3 or 4.
    """
    return _flip(image, -2, "flip_left_right")


@public("image.flip_up_down")
def flip_up_down(image: Any) -> Tensor:
    """Mirrors images vertically; arguments and result as for `flip_left_right`."""
    return _flip(image, -3, "flip_up_down")


def _random_flip(image: Any, from_end: int, seed: int | None, who: str) -> Tensor:
    with name_scope(None, who, [image]) as scope:
        image = to_tensor(image, name="image")
        axis = image_rank(image, who) + from_end
        image = looked_at(image)
        if len(image.dims) == 3:  # type: ignore[arg-type]
            chosen = raw.Less(random_uniform([], 0, 1.0, seed=seed), 0.5)
            flipped = cond(chosen, lambda: raw.ReverseV2(image, [axis]), lambda: image, name=scope)
            flipped.set_shape(image.shape)
            return flipped
        count = shape(image)[0]
        drawn = raw.Reshape(
            random_uniform([count], 0, 1.0, seed=seed), stack([count, 1, 1, 1], name="Reshape/shape")
        )
        flips = cast(raw.Round(drawn), image.dtype.base_dtype)
        flipped = raw.ReverseV2(image, [axis])
        return flips * flipped + (1 - flips) * image


@public("image.random_flip_left_right")
def random_flip_left_right(image: Any, seed: int | None = None) -> Tensor:
    """Mirrors images horizontally with probability one half, each image of a batch on its own.

    Args:
      image: `[height, width, channels]` or `[batch, height, width, channels]`.
      seed: the operation's seed, see `set_random_seed`.

    Returns:
      Same shape and dtype.

    Raises:
      ValueError: the rank is not 3 or 4.
    """
    return _random_flip(image, -2, seed, "random_flip_left_right")


@public("image.random_flip_up_down")
def random_flip_up_down(image: Any, seed: int | None = None) -> Tensor:
    """Mirrors images vertically with probability one half; as `random_flip_left_right`."""
    return _random_flip(image, -3, seed, "random_flip_up_down")


@public("image.transpose_image", "image.transpose")
def transpose_image(image: Any, name: str | None = None) -> Tensor:
    """Exchanges height and width.

    Args:
      image: `[height, width, channels]` or `[batch, height, width, channels]`.
      name: a scope; default "transpose".

    Returns:
      `[width, height, channels]`, with the batch in front if there is one.

    Raises:
      ValueError: the rank is not 3 or 4.
    """
    with name_scope(name, "transpose", [image]):
        image = to_tensor(image, name="image")
        order = [1, 0, 2] if image_rank(image, "transpose_image") == 3 else [0, 2, 1, 3]
        return transpose(looked_at(image), order, name="transpose")


@public("image.rot90")
def rot90(image: Any, k: Any = 1, name: str | None = None) -> Tensor:
    """Turns images counter-clockwise by k quarters.

    Args:
      image: `[height, width, channels]` or `[batch, height, width, channels]`.
      k: integer scalar, how many quarters.
      name: op name; default "rot90".

    Returns:
      The turned images, same dtype.

    Raises:
      ValueError: the rank is not 3 or 4.
    """
    with name_scope(name, "rot90", [image, k]) as scope:
        image = to_tensor(image, name="image")
        axes = image_rank(image, "rot90")
        image = looked_at(image)
        rows, columns = axes - 3, axes - 2
        order = [1, 0, 2] if axes == 3 else [0, 2, 1, 3]

        def once() -> Tensor:
            return transpose(raw.ReverseV2(image, [columns]), order)

        def twice() -> Tensor:
            return raw.ReverseV2(image, [rows, columns])

        def thrice() -> Tensor:
            return raw.ReverseV2(transpose(image, order), [columns])

        quarters = raw.FloorMod(to_tensor(k, dtypes.int32, "k"), 4)
        pairs = [(raw.Equal(quarters, i), f) for i, f in ((1, once), (2, twice), (3, thrice))]
        result = case(pairs, default=lambda: image, exclusive=True, name=scope)
        dims = image.dims
        assert dims is not None
        # TensorFlow leaves height and width open whatever k is, and programs set them themselves
        result.dims = (*dims[:-3], None, None, dims[-1])
        return result


# ---------------------------------------------------------------- crop, pad


@public("image.central_crop")
def central_crop(image: Any, central_fraction: float) -> Tensor:
    """The middle of images.

    Args:
      image: `[height, width, channels]` or `[batch, height, width, channels]`.
      central_fraction: in (0, 1], the part of height and width to keep.

    Returns:
      The cropped images, same dtype.

    Raises:
      ValueError: the fraction is out of its range, or the rank is not 3 or 4.
    """
    with name_scope(None, "central_crop", [image]):
        image = to_tensor(image, name="image")
        if not 0.0 < central_fraction <= 1.0:
            raise ValueError(
                f"central_crop: central_fraction must be within (0, 1]. Received: {central_fraction}"
            )
        if central_fraction == 1.0:
            return image
        axes = image_rank(image, "central_crop")
        looked_at(image)
        lengths = [shape(image)[i] if image.dims[i] is None else image.dims[i] for i in (axes - 3, axes - 2)]  # type: ignore[index]
        begins = [_central_begin(length, central_fraction) for length in lengths]
        sizes = [length - begin * 2 for length, begin in zip(lengths, begins, strict=True)]
        front = [0] * (axes - 3)
        cropped = raw.Slice(image, stack([*front, *begins, 0]), stack([-1] * (axes - 3) + [*sizes, -1]))
        known = [s if isinstance(s, int) else None for s in sizes]
        cropped.set_shape([*image.dims[: axes - 3], *known, image.dims[-1]])  # type: ignore[index]
        return cropped


def _central_begin(length: Length, fraction: float) -> Length:
    """Where the middle `fraction` of a length begins."""
    if isinstance(length, int):
        return int((length - length * fraction) / 2)
    wide = cast(length, dtypes.float64)
    return cast((wide - wide * fraction) / 2, dtypes.int32)


@public("image.crop_to_bounding_box")
def crop_to_bounding_box(
    image: Any, offset_height: Any, offset_width: Any, target_height: Any, target_width: Any
) -> Tensor:
    """A window of images.

    Args:
      image: `[height, width, channels]` or `[batch, height, width, channels]`.
      offset_height, offset_width: where the window begins.
      target_height, target_width: its size.

    Returns:
      `[target_height, target_width, channels]`, with the batch in front if there is one.

    Raises:
      ValueError: the window is not within the image, or the rank is not 3 or 4.
      InvalidArgumentError: the same, found only when run.
    """
    who = "crop_to_bounding_box"
    with name_scope(None, who, [image]):
        image, batched = _batched(to_tensor(image, name="image"), who)
        asserts = image_asserts(image)
        height, width = height_width(image)
        top, left, rows, columns = (
            _length(v) for v in (offset_height, offset_width, target_height, target_width)
        )
        checks = [
            (left >= 0, "offset_width must be >= 0."),
            (top >= 0, "offset_height must be >= 0."),
            (columns > 0, "target_width must be > 0."),
            (rows > 0, "target_height must be > 0."),
            (width >= columns + left, "width must be >= target + offset."),
            (height >= rows + top, "height must be >= target + offset."),
        ]
        image = _checked(image, checks, who, asserts)
        cropped = raw.Slice(image, stack([0, top, left, 0]), stack([-1, rows, columns, -1]))
        known = [v if isinstance(v, int) else None for v in (rows, columns)]
        cropped.set_shape([image.dims[0], *known, image.dims[-1]])  # type: ignore[index]
        return _as_given(cropped, batched)


@public("image.pad_to_bounding_box")
def pad_to_bounding_box(
    image: Any, offset_height: Any, offset_width: Any, target_height: Any, target_width: Any
) -> Tensor:
    """Images put into larger ones of zeros.

    Args:
      image: `[height, width, channels]` or `[batch, height, width, channels]`.
      offset_height, offset_width: where the image begins in the larger one.
      target_height, target_width: the size of that.

    Returns:
      `[target_height, target_width, channels]`, with the batch in front if there is one.

    Raises:
      ValueError: the image does not fit, or the rank is not 3 or 4.
      InvalidArgumentError: the same, found only when run.
    """
    who = "pad_to_bounding_box"
    with name_scope(None, who, [image]):
        image, batched = _batched(to_tensor(image, name="image"), who)
        asserts = image_asserts(image)
        height, width = height_width(image)
        top, left, rows, columns = (
            _length(v) for v in (offset_height, offset_width, target_height, target_width)
        )
        after_width, after_height = columns - left - width, rows - top - height
        checks = [
            (top >= 0, "offset_height must be >= 0"),
            (left >= 0, "offset_width must be >= 0"),
            (after_width >= 0, "width must be <= target - offset"),
            (after_height >= 0, "height must be <= target - offset"),
        ]
        image = _checked(image, checks, who, asserts)
        flat = stack([0, 0, top, after_height, left, after_width, 0, 0])
        padded = raw.Pad(image, raw.Reshape(flat, [4, 2]))
        known = [v if isinstance(v, int) else None for v in (rows, columns)]
        padded.set_shape([image.dims[0], *known, image.dims[-1]])  # type: ignore[index]
        return _as_given(padded, batched)


def _larger(a: Length, b: Length) -> Length:
    return raw.Maximum(a, b) if isinstance(a, Tensor) or isinstance(b, Tensor) else max(a, b)


def _smaller(a: Length, b: Length) -> Length:
    return raw.Minimum(a, b) if isinstance(a, Tensor) or isinstance(b, Tensor) else min(a, b)


def _same(a: Length, b: Length) -> Any:
    return raw.Equal(a, b) if isinstance(a, Tensor) or isinstance(b, Tensor) else a == b


@public("image.resize_image_with_crop_or_pad", "image.resize_with_crop_or_pad")
def resize_image_with_crop_or_pad(image: Any, target_height: Any, target_width: Any) -> Tensor:
    """Images of a given size, cut or padded evenly on both sides.

    Args:
      image: `[height, width, channels]` or `[batch, height, width, channels]`.
      target_height, target_width: the size.

    Returns:
      `[target_height, target_width, channels]`, with the batch in front if there is one.

    Raises:
      ValueError: a size is not positive, or the rank is not 3 or 4.
    """
    who = "resize_image_with_crop_or_pad"
    with name_scope(None, who, [image]):
        image, batched = _batched(to_tensor(image, name="image"), who)
        rows, columns = _length(target_height), _length(target_width)
        checks = [(columns > 0, "target_width must be > 0."), (rows > 0, "target_height must be > 0.")]
        image = _checked(image, checks, who, image_asserts(image))
        height, width = height_width(image)
        more_width, more_height = columns - width, rows - height
        crop_left, pad_left = _larger(-more_width // 2, 0), _larger(more_width // 2, 0)
        crop_top, pad_top = _larger(-more_height // 2, 0), _larger(more_height // 2, 0)
        cropped = crop_to_bounding_box(
            image, crop_top, crop_left, _smaller(rows, height), _smaller(columns, width)
        )
        resized = pad_to_bounding_box(cropped, pad_top, pad_left, rows, columns)
        final_height, final_width = height_width(resized)
        final = [
            (_same(final_height, rows), "resized height is not correct."),
            (_same(final_width, columns), "resized width is not correct."),
        ]
        return _as_given(_checked(resized, final, who), batched)


# ---------------------------------------------------------------- resize


@public("image.ResizeMethod")
class ResizeMethod:
    """How `resize_images` samples."""

    BILINEAR = 0
    NEAREST_NEIGHBOR = 1
    BICUBIC = 2
    AREA = 3


_RESIZERS = {
    ResizeMethod.BILINEAR: "ResizeBilinear",
    ResizeMethod.NEAREST_NEIGHBOR: "ResizeNearestNeighbor",
    ResizeMethod.BICUBIC: "ResizeBicubic",
    ResizeMethod.AREA: "ResizeArea",
}


@public("image.resize_images", "image.resize")
def resize_images(
    images: Any,
    size: Any,
    method: int = ResizeMethod.BILINEAR,
    align_corners: bool = False,
    preserve_aspect_ratio: bool = False,
    name: str | None = None,
) -> Tensor:
    """Images of another size.

    Args:
      images: `[height, width, channels]` or `[batch, height, width, channels]`.
      size: int32 `[2]`, the new height and width.
      method: one of `ResizeMethod`.
      align_corners: let the centres of the corner pixels of both images coincide.
      preserve_aspect_ratio: shrink the new size in one direction where the ratio differs.
      name: a scope for the operations.

    Returns:
      `[new height, new width, channels]`, with the batch in front if there is one; float32 except for nearest
      neighbour, and the images themselves where the size is known to be theirs already.

    Raises:
      ValueError: the rank, the size or the method is wrong.
    """
    with name_scope(name, "resize", [images, size]):
        if method not in _RESIZERS:
            raise ValueError(f"Resize method is not implemented. Received: {method!r}")
        images, size, single = sized(images, size, preserve_aspect_ratio)
        dims = images.dims
        assert dims is not None
        value = static_value(size)
        known = (None, None) if value is None else tuple(int(v) for v in value)
        if None not in known and known == dims[1:3]:
            return raw.Squeeze(images, squeeze_dims=[0]) if single else images
        resized = getattr(raw, _RESIZERS[method])(images, size, align_corners=align_corners)
        resized.set_shape([None, *known, None])
        return raw.Squeeze(resized, squeeze_dims=[0]) if single else resized


def sized(images: Any, size: Any, preserve_aspect_ratio: bool) -> tuple[Tensor, Tensor, bool]:
    """A batch of images, its new size as an int32 vector, and whether it was one image.

    Raises:
      ValueError: the rank or the size is wrong.
    """
    images = to_tensor(images, name="images")
    if images.dims is None:
        raise ValueError("resize_images: 'images' contains no shape. Received: unknown rank")
    if len(images.dims) not in (3, 4):
        raise ValueError(
            f"resize_images: 'images' must have 3 or 4 dimensions. Received: shape {images.shape}"
        )
    single = len(images.dims) == 3
    if single:
        images = raw.ExpandDims(images, 0)
    try:
        size = to_tensor(size, dtypes.int32, "size")
    except (TypeError, ValueError):
        raise ValueError(f"resize_images: 'size' must be a 1-D int32 Tensor. Received: {size!r}") from None
    if size.dims is not None and size.dims != (2,) and size.dims != (None,):
        raise ValueError(
            f"resize_images: 'size' must have 2 elements: new_height, new_width. Received: {size.shape}"
        )
    if preserve_aspect_ratio:
        size = _within(size, images)
    return images, size, single


def _within(size: Tensor, images: Tensor) -> Tensor:
    """The largest size of the images' own aspect ratio within `size`."""
    height, width = height_width(images)
    value = told_value(size)
    wanted = [size[0], size[1]] if value is None else [int(v) for v in value]
    ratios = [
        cast(w, dtypes.float32) / cast(n, dtypes.float32)
        for w, n in zip(wanted, (height, width), strict=True)
    ]
    scale = raw.Minimum(ratios[0], ratios[1])
    scaled = [cast(raw.Round(scale * cast(n, dtypes.float32)), dtypes.int32) for n in (height, width)]
    return stack(scaled, name="size")


@public("image.resize_image_with_pad")
def resize_image_with_pad(
    image: Any,
    target_height: int,
    target_width: int,
    method: int = ResizeMethod.BILINEAR,
    align_corners: bool = False,
) -> Tensor:
    """Images resized to fit into a given size without distortion, and padded evenly on both sides.

    Args:
      image: `[height, width, channels]` or `[batch, height, width, channels]`.
      target_height, target_width: the size.
      method: one of `ResizeMethod`.
      align_corners: as for `resize_images`.

    Returns:
      `[target_height, target_width, channels]`, with the batch in front if there is one.

    Raises:
      ValueError: a size is not positive, or the rank is not 3 or 4.
    """

    def resizer(images: Tensor, size: Any) -> Tensor:
        return resize_images(images, size, method, align_corners)

    return fitted_and_padded(image, target_height, target_width, resizer)


def fitted_and_padded(image: Any, target_height: Any, target_width: Any, resizer: Any) -> Tensor:
    """Images that `resizer` makes as large as fits into a size, padded to it evenly."""
    with name_scope(None, "resize_image_with_pad", [image]):
        image, batched = _batched(to_tensor(image, name="image"), "resize_image_with_pad")
        rows, columns = _length(target_height), _length(target_width)
        checks = [(columns > 0, "target_width must be > 0."), (rows > 0, "target_height must be > 0.")]
        image = _checked(image, checks, "resize_image_with_pad", image_asserts(image))
        height, width = (cast(v, dtypes.float64) for v in height_width(image))
        rows_wide, columns_wide = cast(rows, dtypes.float64), cast(columns, dtypes.float64)
        ratio = raw.Maximum(width / columns_wide, height / rows_wide)
        fitted = [height / ratio, width / ratio]
        size = [cast(raw.Floor(v), dtypes.int32) for v in fitted]
        room = [(t - v) / 2 for t, v in zip((rows_wide, columns_wide), fitted, strict=True)]
        pads = [raw.Maximum(0, cast(v, dtypes.int32)) for v in [raw.Floor(v) for v in room]]
        resized = resizer(image, size)
        padded = pad_to_bounding_box(resized, pads[0], pads[1], rows, columns)
        height_width(padded)  # TensorFlow asks once more
        return _as_given(padded, batched)
