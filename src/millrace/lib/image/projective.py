"""`tf.contrib.image`: images turned, moved and distorted by projective transforms."""

from __future__ import annotations

from typing import Any

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import to_tensor
from millrace.building.scopes import name_scope
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.ops.array.concat import concat
from millrace.ops.array.constant import constant, ones, zeros
from millrace.ops.array.reshape import reshape
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.linalg.matmul import matmul


def _ranked(value: Any, rank: int, name: str) -> Tensor:
    """A float32 tensor of `rank` dimensions, or one fewer.

    Raises:
      TypeError: it has another rank, or an unknown one.
    """
    tensor = to_tensor(value, dtypes.float32, name)
    if tensor.dims is None:
        raise TypeError(f"{name}: the rank must be known. Received: {tensor.shape}")
    if len(tensor.dims) not in (rank - 1, rank):
        raise TypeError(f"{name}: the rank must be {rank - 1} or {rank}. Received: shape {tensor.shape}")
    return tensor


def _vectors(value: Any, rank: int, name: str) -> Tensor:
    """As `_ranked`, with a first dimension of one where it is missing."""
    tensor = _ranked(value, rank, name)
    return tensor if len(tensor.dims or ()) == rank else tensor[None]


def _batch(images: Any) -> tuple[Tensor, int]:
    """Images `[batch, height, width, channels]`, and the rank that they had.

    Raises:
      TypeError: the rank is unknown or wrong.
    """
    images = to_tensor(images, name="images")
    rank = None if images.dims is None else len(images.dims)
    if rank not in (2, 3, 4):
        raise TypeError(f"Images should have rank between 2 and 4. Received: shape {images.shape}")
    if rank == 4:
        return images, rank
    return (images[None, :, :, :] if rank == 3 else images[None, :, :, None]), rank


def _of_rank(batch: Tensor, rank: int) -> Tensor:
    """A batch of images, or the first of them, with channels or without."""
    if rank == 2:
        return batch[0, :, :, 0]
    return batch[0, :, :, :] if rank == 3 else batch


@public("contrib.image.transform")
def transform(
    images: Any,
    transforms: Any,
    interpolation: str = "NEAREST",
    output_shape: Any = None,
    name: str | None = None,
) -> Tensor:
    """Images seen through projective transforms.

    Args:
      images: `[height, width]`, `[height, width, channels]` or `[batch, height, width, channels]`.
      transforms: float32 `[8]` or `[n, 8]`: a0, a1, a2, b0, b1, b2, c0, c1; output (x, y) is read at
        ((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k) for k = c0 x + c1 y + 1.
      interpolation: "NEAREST" or "BILINEAR".
      output_shape: int32 `[2]`, height and width; default those of the images.
      name: op name; default "transform".

    Returns:
      The dtype of `images`; 0 where nothing is read.

    Raises:
      TypeError: a rank is unknown or wrong.
    """
    with name_scope(name, "transform", [images]):
        if not isinstance(interpolation, str):
            raise TypeError(f"transform: interpolation must be a string. Received: {interpolation!r}")
        images = to_tensor(images, name="images")
        rows = _ranked(transforms, 2, "transforms")
        given = None if output_shape is None else to_tensor(output_shape, dtypes.int32, "output_shape")
        batch, rank = _batch(images)
        size = shape_of(batch)[1:3] if given is None else given
        rows = _vectors(rows, 2, "transforms")
        result = raw.ImageProjectiveTransformV2(batch, rows, size, interpolation=interpolation.upper())
        return _of_rank(result, rank)


@public("contrib.image.translations_to_projective_transforms")
def translations_to_projective_transforms(translations: Any, name: str | None = None) -> Tensor:
    """The transforms, `[n, 8]`, that move images by (dx, dy), `[2]` or `[n, 2]`."""
    with name_scope(name, "translations_to_projective_transforms", [translations]):
        moves = _vectors(translations, 2, "translations")
        count = shape_of(moves)[0]
        columns = [
            ones([count, 1]),
            zeros([count, 1]),
            -moves[:, 0, None],
            zeros([count, 1]),
            ones([count, 1]),
            -moves[:, 1, None],
            zeros([count, 2]),
        ]
        return concat(columns, axis=1)


@public("contrib.image.angles_to_projective_transforms")
def angles_to_projective_transforms(
    angles: Any, image_height: Any, image_width: Any, name: str | None = None
) -> Tensor:
    """The transforms, `[n, 8]`, that turn images about their middle.

    Args:
      angles: float32 scalar or `[n]`, counter-clockwise, in radians.
      image_height, image_width: float32 scalars.
      name: op name; default "angles_to_projective_transforms".
    """
    with name_scope(name, "angles_to_projective_transforms", [angles]):
        turns = _vectors(angles, 1, "angles")
        height, width = image_height, image_width
        # TensorFlow computes each factor where it is used, which shows in default seeds
        x = ((width - 1.0) - (raw.Cos(turns) * (width - 1.0) - raw.Sin(turns) * (height - 1.0))) / 2.0
        y = ((height - 1.0) - (raw.Sin(turns) * (width - 1.0) + raw.Cos(turns) * (height - 1.0))) / 2.0
        count = shape_of(turns)[0]
        columns = [
            raw.Cos(turns)[:, None],
            -raw.Sin(turns)[:, None],
            x[:, None],
            raw.Sin(turns)[:, None],
            raw.Cos(turns)[:, None],
            y[:, None],
            zeros([count, 2]),
        ]
        return concat(columns, axis=1)


@public("contrib.image.rotate")
def rotate(images: Any, angles: Any, interpolation: str = "NEAREST", name: str | None = None) -> Tensor:
    """Images turned about their middle by `angles` (scalar or `[batch]`, radians, counter-clockwise)."""
    with name_scope(name, "rotate", [images]):
        images = to_tensor(images, name="images")
        batch, rank = _batch(images)
        height, width = (raw.Cast(shape_of(batch)[at], DstT=dtypes.float32)[None] for at in (1, 2))
        turned = transform(batch, angles_to_projective_transforms(angles, height, width), interpolation)
        return _of_rank(turned, rank)


@public("contrib.image.translate")
def translate(
    images: Any, translations: Any, interpolation: str = "NEAREST", name: str | None = None
) -> Tensor:
    """Images moved by (dx, dy), `[2]` or `[batch, 2]`; 0 moves in."""
    with name_scope(name, "translate", [images]):
        return transform(images, translations_to_projective_transforms(translations), interpolation)


@public("contrib.image.flat_transforms_to_matrices")
def flat_transforms_to_matrices(transforms: Any) -> Tensor:
    """Transforms `[8]` or `[n, 8]` as matrices `[n, 3, 3]`."""
    with name_scope(None, "flat_transforms_to_matrices"):
        rows = reshape(_ranked(transforms, 2, "transforms"), constant([-1, 8]))
        whole = concat([rows, ones([shape_of(rows)[0], 1])], axis=1)
        return reshape(whole, constant([-1, 3, 3]))


@public("contrib.image.matrices_to_flat_transforms")
def matrices_to_flat_transforms(transform_matrices: Any) -> Tensor:
    """Matrices `[3, 3]` or `[n, 3, 3]` as transforms `[n, 8]`."""
    with name_scope(None, "matrices_to_flat_transforms"):
        flat = reshape(_ranked(transform_matrices, 3, "transform_matrices"), constant([-1, 9]))
        return (flat / flat[:, 8:9])[:, :8]


@public("contrib.image.compose_transforms")
def compose_transforms(*transforms: Any) -> Tensor:
    """One transform `[n, 8]` that does what the given ones do one after the other, the last first."""
    if not transforms:
        raise ValueError("compose_transforms: no transforms provided. Received: nothing")
    with name_scope(None, "compose_transforms", list(transforms)):
        product = flat_transforms_to_matrices(transforms[0])
        for one in transforms[1:]:
            product = matmul(product, flat_transforms_to_matrices(one))
        return matrices_to_flat_transforms(product)
