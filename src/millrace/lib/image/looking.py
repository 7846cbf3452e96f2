"""What programs take from TensorFlow's private `image_ops_impl`: conditions on shapes of images."""

from __future__ import annotations

from typing import Any

from millrace.building import convert, raw
from millrace.building.scopes import control_dependencies
from millrace.core import shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.assertion import Assert
from millrace.lib.math.checks import assert_equal, assert_greater_equal, assert_positive
from millrace.ops.array.concat import unstack
from millrace.ops.array.shape import rank


def image_asserts(image: Tensor) -> list[Any]:
    """What asserts, where the image's shape is not fully known, that it is one of an image."""
    if image.dims is not None and None not in image.dims:
        return []
    return [
        assert_positive(convert.shape_tensor(image), ["inner 3 dims of 'image.shape' must be > 0."]),
        assert_greater_equal(rank(image), 3, message="'image' must be at least three-dimensional."),
    ]


def grey_asserts(images: Tensor) -> list[Any]:
    """What must hold of grey images when they run; nothing where the graph tells it."""
    if shapes.fully_defined(images.dims):
        return []
    depth = convert.shape_tensor(images)[-1]
    one = assert_equal(depth, 1, message="Last dimension of a grayscale image should be size 1.")
    said = "A grayscale image must be at least two-dimensional."
    return [one, assert_greater_equal(rank(images), 3, message=said)]


@public("python.ops.image_ops_impl._is_tensor")
def is_tensor(x: Any) -> bool:
    """Whether it is a tensor or a variable."""
    return convert.is_tensor_like(x)


@public("python.ops.image_ops_impl._assert")
def assert_when_known(cond: Any, ex_type: type[Exception], msg: str) -> list[Any]:
    """A condition as an operation that asserts it, in a list; of a value that is known nothing is left.

    Args:
      cond: a boolean, or a tensor.
      ex_type: what is raised where the boolean is false.
      msg: its message.
    """
    if is_tensor(cond):
        return [Assert(cond, [msg])]
    if not cond:
        raise ex_type(msg)
    return []


@public("python.ops.image_ops_impl._ImageDimensions")
def image_dimensions(image: Tensor, rank: int) -> list[Any]:
    """The lengths of an image's axes: an integer where it is known, else a scalar tensor.

    Args:
      image: of `rank` axes.
      rank: how many axes there are.
    """
    dims = image.shape.with_rank(rank).as_list()
    if None not in dims:
        return dims
    sizes = unstack(convert.shape_tensor(image), rank)
    return [size if known is None else known for size, known in zip(sizes, dims, strict=True)]


@public("python.ops.image_ops_impl._Check3DImage")
def check_3d_image(image: Tensor, require_static: bool = True) -> list[Any]:
    """What must hold of one image when it runs.

    Args:
      image: `[height, width, channels]`.
      require_static: whether its shape must be known.

    Raises:
      ValueError: it is no image, or not known as one.
    """
    try:
        shape = image.shape.with_rank(3)
    except ValueError:
        raise ValueError(f"'image' (shape {image.shape}) must be three-dimensional.") from None
    if require_static and not shape.is_fully_defined():
        raise ValueError(f"'image' (shape {shape}) must be fully defined.")
    if 0 in shape.as_list():
        raise ValueError(f"all dims of 'image.shape' must be > 0: {shape}")
    if shape.is_fully_defined():
        return []
    return [assert_positive(convert.shape_tensor(image), ["all dims of 'image.shape' must be > 0."])]


@public("python.ops.image_ops_impl._CheckAtLeast3DImage")
def check_at_least_3d_image(image: Tensor, require_static: bool = True) -> list[Any]:
    """What must hold of one image, or a batch of images, when it runs; arguments as of `_Check3DImage`.

    Raises:
      ValueError: it is none, or not known as one.
    """
    if image.shape.ndims is not None and image.shape.ndims < 3:
        raise ValueError("'image' must be at least three-dimensional.")
    shape = image.shape
    if require_static and not shape.is_fully_defined():
        raise ValueError("'image' must be fully defined.")
    if shape.ndims is not None and 0 in shape.as_list():
        raise ValueError(f"all dims of 'image.shape' must be > 0: {shape}")
    return image_asserts(image)


@public("python.ops.image_ops_impl._CheckGrayscaleImage")
def check_grayscale_image(image: Tensor, require_static: bool = True) -> list[Any]:
    """What must hold of one grey image, or a batch of them, when it runs; arguments as of `_Check3DImage`.

    Raises:
      ValueError: it is none, or not known as one.
    """
    shape = image.shape
    if shape.ndims is not None and shape.ndims < 2:
        raise ValueError("A grayscale image must be at least two-dimensional.")
    if require_static and not shape.is_fully_defined():
        raise ValueError("'image' must be fully defined.")
    if shape.is_fully_defined() and shape.as_list()[-1] != 1:
        raise ValueError("Last dimension of a grayscale image should be size 1.")
    return grey_asserts(image)


def _once(image: Tensor, checks: list[Any]) -> Tensor:
    with control_dependencies(checks):
        return raw.Identity(image, name="control_dependency")


@public("python.ops.image_ops_impl._Assert3DImage")
def assert_3d_image(image: Tensor) -> Tensor:
    """`image`, once it is known to be one; ValueError where it cannot be."""
    return _once(image, check_3d_image(image, require_static=False))


@public("python.ops.image_ops_impl._AssertAtLeast3DImage")
def assert_at_least_3d_image(image: Tensor) -> Tensor:
    """`image`, once it is known to be one or a batch; ValueError where it cannot be."""
    return _once(image, check_at_least_3d_image(image, require_static=False))


@public("python.ops.image_ops_impl._AssertGrayscaleImage")
def assert_grayscale_image(image: Tensor) -> Tensor:
    """`image`, once it is known to be grey; ValueError where it cannot be."""
    return _once(image, check_grayscale_image(image, require_static=False))


@public("python.ops.image_ops_impl.fix_image_flip_shape")
def fix_image_flip_shape(image: Tensor, result: Tensor) -> Tensor:
    """`result`, which has the static shape of `image`, or three axes where that has no rank."""
    result.set_shape([None, None, None] if image.shape.ndims is None else image.shape)
    return result
