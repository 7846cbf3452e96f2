"""Images turned, mirrored, cropped, padded and resized."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.convert import to_tensor
from millrace.building.scopes import control_dependencies, name_scope
from millrace.building.static import static_value
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.control_flow import case
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
    sizes = image.dims[-3:-1]
    if None not in sizes:
        return sizes  # type: ignore[return-value]
    shape = raw.Shape(image)
    height, width = (shape[i] if d is None else d for i, d in zip((-3, -2), sizes, strict=True))
    return height, width


def _stack(values: Sequence[Length]) -> Tensor:
    if all(isinstance(v, int | np.integer) for v in values):
        return raw.Const(value=np.array(values, np.int32), dtype=dtypes.int32, name="stack")
    return raw.Pack([to_tensor(v, dtypes.int32, str(i)) for i, v in enumerate(values)], name="stack")


def _static(value: Any) -> Any:
    """`value`, or the number that a constant tensor holds."""
    if isinstance(value, Tensor):
        known = static_value(value)
        return value if known is None else int(known)
    return int(value) if isinstance(value, int | np.integer) else value


def _checked(image: Tensor, checks: list[tuple[Any, str]], who: str) -> Tensor:
    """`image`, once all conditions hold: those on numbers now, those on tensors when run.

    Raises:
      ValueError: a condition on numbers does not hold.
    """
    asserts = []
    for holds, rule in checks:
        if isinstance(holds, Tensor):
            asserts.append(raw.Assert(holds, [rule]))
        elif not holds:
            raise ValueError(f"{who}: {rule}. Received: image {image.shape}")
    with control_dependencies(asserts):
        return raw.Identity(image, name="control_dependency")


# ---------------------------------------------------------------- mirror, turn


def _mirrored(image: Tensor, axis: int) -> Tensor:
    return image[(slice(None),) * axis + (slice(None, None, -1),)]


def _flip(image: Any, from_end: int, who: str) -> Tensor:
    image = to_tensor(image, name="image")
    return _mirrored(image, image_rank(image, who) + from_end)


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
    image = to_tensor(image, name="image")
    rank = image_rank(image, who)
    axis = rank + from_end
    if rank == 3:
        chosen = raw.Less(random_uniform([], 0, 1.0, seed=seed), 0.5)
        stride = raw.Select(chosen, -1, 1)
        key = [slice(None)] * 3
        key[axis] = slice(None, None, stride)
        flipped = image[tuple(key)]
        flipped.set_shape(image.shape)
        return flipped
    count = image.dims[0] if image.dims[0] is not None else raw.Shape(image)[0]  # type: ignore[index]
    chosen = raw.Greater(random_uniform(_stack([count]), seed=seed), 0.5)
    return raw.Select(chosen, _mirrored(image, axis), image)


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
      name: op name; default "transpose_image".

    Returns:
      `[width, height, channels]`, with the batch in front if there is one.

    Raises:
      ValueError: the rank is not 3 or 4.
    """
    with name_scope(name, "transpose_image", [image]) as scope:
        image = to_tensor(image, name="image")
        order = [1, 0, 2] if image_rank(image, "transpose_image") == 3 else [0, 2, 1, 3]
        return raw.Transpose(image, order, name=scope)


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
    with name_scope(name, "rot90", [image, k]):
        image = to_tensor(image, name="image")
        rank = image_rank(image, "rot90")
        rows, columns = rank - 3, rank - 2
        order = [1, 0, 2] if rank == 3 else [0, 2, 1, 3]

        def once() -> Tensor:
            return raw.Transpose(raw.ReverseV2(image, [columns]), order)

        def twice() -> Tensor:
            return raw.ReverseV2(image, [rows, columns])

        def thrice() -> Tensor:
            return raw.ReverseV2(raw.Transpose(image, order), [columns])

        quarters = _static(k)
        if isinstance(quarters, int):
            turns: tuple[Callable[[], Tensor], ...] = (lambda: raw.Identity(image), once, twice, thrice)
            result = turns[quarters % 4]()
        else:
            quarters = raw.FloorMod(to_tensor(quarters, dtypes.int32, "k"), 4)
            pairs = [(raw.Equal(quarters, i), f) for i, f in ((1, once), (2, twice), (3, thrice))]
            result = case(pairs, default=lambda: raw.Identity(image), exclusive=True)
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
        rank = image_rank(image, "central_crop")
        begins, sizes = [], []
        for size in height_width(image):
            if isinstance(size, int):
                begin: Length = int((size - size * central_fraction) / 2)
            else:
                wide = raw.Cast(size, DstT=dtypes.float64)
                begin = raw.Cast((wide - wide * central_fraction) / 2.0, DstT=dtypes.int32)
            begins.append(begin)
            sizes.append(size - begin * 2)
        front = [0] * (rank - 3)
        cropped = raw.Slice(image, _stack([*front, *begins, 0]), _stack([-1] * (rank - 3) + [*sizes, -1]))
        known = [s if isinstance(s, int) else None for s in sizes]
        cropped.set_shape([*image.dims[: rank - 3], *known, image.dims[-1]])  # type: ignore[index]
        return cropped


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
    image = to_tensor(image, name="image")
    rank = image_rank(image, "crop_to_bounding_box")
    height, width = height_width(image)
    top, left, rows, columns = (
        _static(v) for v in (offset_height, offset_width, target_height, target_width)
    )
    checks = [
        (left >= 0, "offset_width must be >= 0"),
        (top >= 0, "offset_height must be >= 0"),
        (columns > 0, "target_width must be > 0"),
        (rows > 0, "target_height must be > 0"),
        (width >= columns + left, "width must be >= target + offset"),
        (height >= rows + top, "height must be >= target + offset"),
    ]
    image = _checked(image, checks, "crop_to_bounding_box")
    begin = _stack([0] * (rank - 3) + [top, left, 0])
    cropped = raw.Slice(image, begin, _stack([-1] * (rank - 3) + [rows, columns, -1]))
    known = [v if isinstance(v, int) else None for v in (rows, columns)]
    cropped.set_shape([*image.dims[: rank - 3], *known, image.dims[-1]])  # type: ignore[index]
    return cropped


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
    image = to_tensor(image, name="image")
    rank = image_rank(image, "pad_to_bounding_box")
    height, width = height_width(image)
    top, left, rows, columns = (
        _static(v) for v in (offset_height, offset_width, target_height, target_width)
    )
    after_width, after_height = columns - left - width, rows - top - height
    checks = [
        (top >= 0, "offset_height must be >= 0"),
        (left >= 0, "offset_width must be >= 0"),
        (after_width >= 0, "width must be <= target - offset"),
        (after_height >= 0, "height must be <= target - offset"),
    ]
    image = _checked(image, checks, "pad_to_bounding_box")
    flat = _stack([0, 0] * (rank - 3) + [top, after_height, left, after_width, 0, 0])
    padded = raw.Pad(image, raw.Reshape(flat, [rank, 2]))
    known = [v if isinstance(v, int) else None for v in (rows, columns)]
    padded.set_shape([*image.dims[: rank - 3], *known, image.dims[-1]])  # type: ignore[index]
    return padded


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
    image = to_tensor(image, name="image")
    image_rank(image, "resize_image_with_crop_or_pad")
    rows, columns = _static(target_height), _static(target_width)
    checks = [(columns > 0, "target_width must be > 0"), (rows > 0, "target_height must be > 0")]
    image = _checked(image, checks, "resize_image_with_crop_or_pad")
    height, width = height_width(image)
    more_width, more_height = columns - width, rows - height
    cropped = crop_to_bounding_box(
        image,
        _larger(-more_height // 2, 0),
        _larger(-more_width // 2, 0),
        _smaller(rows, height),
        _smaller(columns, width),
    )
    pad_top, pad_left = _larger(more_height // 2, 0), _larger(more_width // 2, 0)
    resized = pad_to_bounding_box(cropped, pad_top, pad_left, rows, columns)
    final_height, final_width = height_width(resized)
    final = [
        (_same(final_height, rows), "resized height is not correct"),
        (_same(final_width, columns), "resized width is not correct"),
    ]
    return _checked(resized, final, "resize_image_with_crop_or_pad")


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
    with contextlib.nullcontext() if name is None else name_scope(name, "resize", [images, size]):
        images = to_tensor(images, name="images")
        if images.dims is None:
            raise ValueError("resize_images: 'images' contains no shape. Received: unknown rank")
        if len(images.dims) not in (3, 4):
            raise ValueError(
                f"resize_images: 'images' must have 3 or 4 dimensions. Received: shape {images.shape}"
            )
        if method not in _RESIZERS:
            raise ValueError(f"Resize method is not implemented. Received: {method!r}")
        single = len(images.dims) == 3
        if single:
            images = raw.ExpandDims(images, 0)
        dims = images.dims
        assert dims is not None
        try:
            size = to_tensor(size, dtypes.int32, "size")
        except (TypeError, ValueError):
            raise ValueError(
                f"resize_images: 'size' must be a 1-D int32 Tensor. Received: {size!r}"
            ) from None
        if size.dims is not None and size.dims != (2,) and size.dims != (None,):
            raise ValueError(
                f"resize_images: 'size' must have 2 elements: new_height, new_width. Received: {size.shape}"
            )
        if preserve_aspect_ratio:
            size = _within(size, images)
        value = static_value(size)
        known = (None, None) if value is None else tuple(int(v) for v in value)
        if None not in known and known == dims[1:3]:
            return raw.Squeeze(images, squeeze_dims=[0]) if single else images
        resized = getattr(raw, _RESIZERS[method])(images, size, align_corners=align_corners)
        resized.set_shape([None, *known, None])
        return raw.Squeeze(resized, squeeze_dims=[0]) if single else resized


def _within(size: Tensor, images: Tensor) -> Tensor:
    """The largest size of the images' own aspect ratio within `size`."""
    height, width = height_width(images)
    value = static_value(size)
    if value is not None and isinstance(height, int) and isinstance(width, int):
        scale = min(np.float32(value[0]) / np.float32(height), np.float32(value[1]) / np.float32(width))
        rounded = [int(np.rint(np.float32(scale) * np.float32(n))) for n in (height, width)]
        return to_tensor(np.array(rounded, np.int32), name="size")
    wanted = raw.Cast(size, DstT=dtypes.float32)
    current = raw.Cast(_stack([height, width]), DstT=dtypes.float32)
    scale = raw.Min(wanted / current, [0])
    return raw.Cast(raw.Rint(current * scale), DstT=dtypes.int32)


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
    with name_scope(None, "resize_image_with_pad", [image]):
        image = to_tensor(image, name="image")
        image_rank(image, "resize_image_with_pad")
        rows, columns = _static(target_height), _static(target_width)
        checks = [(columns > 0, "target_width must be > 0"), (rows > 0, "target_height must be > 0")]
        image = _checked(image, checks, "resize_image_with_pad")
        height, width = height_width(image)
        if all(isinstance(v, int) for v in (height, width, rows, columns)):
            ratio = max(width / columns, height / rows)
            fitted = [height / ratio, width / ratio]
            size: Any = np.array([int(np.floor(v)) for v in fitted], np.int32)
            pads = [max(0, int(np.floor((t - v) / 2))) for t, v in zip((rows, columns), fitted, strict=True)]
        else:
            current = raw.Cast(_stack([height, width]), DstT=dtypes.float64)
            target = raw.Cast(_stack([rows, columns]), DstT=dtypes.float64)
            fitted = current / raw.Max(current / target, [0])
            size = raw.Cast(raw.Floor(fitted), DstT=dtypes.int32)
            room = raw.Maximum(raw.Cast(raw.Floor((target - fitted) / 2.0), DstT=dtypes.int32), 0)
            pads = [room[0], room[1]]
        resized = resize_images(image, size, method, align_corners)
        return pad_to_bounding_box(resized, pads[0], pads[1], rows, columns)
