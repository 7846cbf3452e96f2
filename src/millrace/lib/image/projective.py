"""`tf.contrib.image`: images turned, moved and distorted by projective transforms."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.convert import to_tensor
from millrace.building.scopes import name_scope
from millrace.core import dtypes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.ops.linalg.matmul import matmul


def _rows(columns: list[Any], like: Tensor) -> Tensor:
    """`[n, 8]` from numbers and vectors `[n]`."""
    zero = raw.ZerosLike(like)
    return raw.Pack([zero + c if not isinstance(c, Tensor) else c for c in columns], axis=1)


def _vectors(value: Any, rank: int, name: str) -> Tensor:
    tensor = to_tensor(value, dtypes.float32, name)
    if tensor.dims is None:
        raise TypeError(f"{name}: the rank must be known. Received: {tensor.shape}")
    if len(tensor.dims) == rank - 1:
        return raw.ExpandDims(tensor, 0)
    if len(tensor.dims) != rank:
        raise TypeError(f"{name}: the rank must be {rank - 1} or {rank}. Received: shape {tensor.shape}")
    return tensor


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
        images = to_tensor(images, name="images")
        rank = None if images.dims is None else len(images.dims)
        if rank not in (2, 3, 4):
            raise TypeError(f"Images should have rank between 2 and 4. Received: shape {images.shape}")
        batch = images
        if rank == 2:
            batch = images[None, :, :, None]
        elif rank == 3:
            batch = images[None]
        if not isinstance(interpolation, str):
            raise TypeError(f"transform: interpolation must be a string. Received: {interpolation!r}")
        size = raw.Shape(batch)[1:3] if output_shape is None else to_tensor(output_shape, dtypes.int32)
        rows = _vectors(transforms, 2, "transforms")
        result = raw.ImageProjectiveTransformV2(batch, rows, size, interpolation=interpolation.upper())
        if rank == 2:
            return result[0, :, :, 0]
        return result[0] if rank == 3 else result


@public("contrib.image.translations_to_projective_transforms")
def translations_to_projective_transforms(translations: Any, name: str | None = None) -> Tensor:
    """The transforms, `[n, 8]`, that move images by (dx, dy), `[2]` or `[n, 2]`."""
    with name_scope(name, "translations_to_projective_transforms", [translations]):
        moves = _vectors(translations, 2, "translations")
        x, y = moves[:, 0], moves[:, 1]
        return _rows([1.0, 0.0, -x, 0.0, 1.0, -y, 0.0, 0.0], x)


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
        cos, sin = raw.Cos(turns), raw.Sin(turns)
        rows, columns = (
            to_tensor(image_height, dtypes.float32) - 1.0,
            to_tensor(image_width, dtypes.float32) - 1.0,
        )
        x = (columns - (cos * columns - sin * rows)) / 2.0
        y = (rows - (sin * columns + cos * rows)) / 2.0
        return _rows([cos, -sin, x, sin, cos, y, 0.0, 0.0], turns)


@public("contrib.image.rotate")
def rotate(images: Any, angles: Any, interpolation: str = "NEAREST", name: str | None = None) -> Tensor:
    """Images turned about their middle by `angles` (scalar or `[batch]`, radians, counter-clockwise)."""
    with name_scope(name, "rotate", [images]):
        images = to_tensor(images, name="images")
        rank = None if images.dims is None else len(images.dims)
        if rank not in (2, 3, 4):
            raise TypeError(f"Images should have rank between 2 and 4. Received: shape {images.shape}")
        first = 1 if rank == 4 else 0
        size = raw.Cast(raw.Shape(images)[first : first + 2], DstT=dtypes.float32)
        return transform(images, angles_to_projective_transforms(angles, size[0], size[1]), interpolation)


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
        rows = _vectors(transforms, 2, "transforms")
        return raw.Reshape(raw.ConcatV2([rows, raw.OnesLike(rows[:, :1])], 1), [-1, 3, 3])


@public("contrib.image.matrices_to_flat_transforms")
def matrices_to_flat_transforms(transform_matrices: Any) -> Tensor:
    """Matrices `[3, 3]` or `[n, 3, 3]` as transforms `[n, 8]`."""
    with name_scope(None, "matrices_to_flat_transforms"):
        matrices = _vectors(transform_matrices, 3, "transform_matrices")
        flat = raw.Reshape(matrices, [-1, 9])
        return raw.RealDiv(flat, flat[:, 8:])[:, :8]


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
