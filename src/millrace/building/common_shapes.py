"""Shape functions of TensorFlow's private `framework.common_shapes`, which programs gave to operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building.convert import convert_to_tensor
from millrace.core import shapes
from millrace.core.public import public
from millrace.graph.operation import Operation


@public("python.framework.common_shapes.broadcast_shape")
def broadcast_shape(shape_x: Any, shape_y: Any) -> shapes.TensorShape:
    """The shape of an element-wise result.

    Raises:
      ValueError: the shapes do not broadcast.
    """
    try:
        return shapes.shape_of(shapes.broadcast(shapes.as_dims(shape_x), shapes.as_dims(shape_y)))
    except ValueError:
        raise ValueError(
            f"Incompatible shapes for broadcasting: {shapes.as_shape(shape_x)} and {shapes.as_shape(shape_y)}"
        ) from None


@public("python.framework.common_shapes.is_broadcast_compatible")
def is_broadcast_compatible(shape_x: Any, shape_y: Any) -> bool:
    """Whether two known shapes broadcast; False where a rank is unknown."""
    if shapes.as_dims(shape_x) is None or shapes.as_dims(shape_y) is None:
        return False
    try:
        broadcast_shape(shape_x, shape_y)
    except ValueError:
        return False
    return True


@public("python.framework.common_shapes.rank")
def rank(tensor: Any) -> int | None:
    """The static rank of what converts to a tensor; None: unknown."""
    return convert_to_tensor(tensor).shape.ndims


@public("python.framework.common_shapes.has_fully_defined_shape")
def has_fully_defined_shape(tensor: Any) -> bool:
    """Whether the static shape of a tensor is known entirely."""
    return convert_to_tensor(tensor).shape.is_fully_defined()


@public("python.framework.common_shapes.call_cpp_shape_fn")
def call_cpp_shape_fn(op: Operation, require_shape_fn: bool = True) -> dict[str, Any]:
    """The shapes of an operation's outputs, under "shapes"."""
    return {
        "shapes": [out.shape.as_proto() for out in op.outputs],
        "handle_data": [None] * len(op.outputs),
        "inputs_needed": b"",
    }


def _first_input(op: Operation) -> list[shapes.TensorShape]:
    return [op.inputs[0].shape]


public("python.framework.common_shapes.unchanged_shape")(_first_input)


@public("python.framework.common_shapes.scalar_shape")
def scalar_shape(unused_op: Any) -> list[shapes.TensorShape]:
    """The shape function of an operation that gives a scalar."""
    return [shapes.scalar()]


@public("python.framework.common_shapes.unknown_shape")
def unknown_shape(op: Operation) -> list[shapes.TensorShape]:
    """The shape function of an operation about whose outputs nothing is known."""
    return [shapes.unknown_shape() for _ in op.outputs]


@public("python.framework.common_shapes.no_outputs")
def no_outputs(unused_op: Any) -> list[shapes.TensorShape]:
    """The shape function of an operation without outputs."""
    return []


@public("python.framework.common_shapes.unchanged_shape_with_rank")
def unchanged_shape_with_rank(rank: int) -> Callable[[Operation], list[shapes.TensorShape]]:
    """A shape function: the first input's shape, whose rank is `rank`; ValueError where it is another."""
    return lambda op: [op.inputs[0].shape.with_rank(rank)]


@public("python.framework.common_shapes.unchanged_shape_with_rank_at_least")
def unchanged_shape_with_rank_at_least(rank: int) -> Callable[[Operation], list[shapes.TensorShape]]:
    """A shape function: the first input's shape, of rank `rank` or more; ValueError where it is not."""
    return lambda op: [op.inputs[0].shape.with_rank_at_least(rank)]


@public("python.framework.common_shapes.unchanged_shape_with_rank_at_most")
def unchanged_shape_with_rank_at_most(rank: int) -> Callable[[Operation], list[shapes.TensorShape]]:
    """A shape function: the first input's shape, of rank `rank` or less; ValueError where it is not."""
    return lambda op: [op.inputs[0].shape.with_rank_at_most(rank)]


@public("python.framework.common_shapes.matmul_shape")
def matmul_shape(op: Operation) -> list[shapes.TensorShape]:
    """The shape function of a product of two matrices, with attributes `transpose_a` and `transpose_b`.

    Raises:
      ValueError: an input is no matrix, or the inner sizes differ.
    """
    a, b = (value.shape.with_rank(2) for value in op.inputs[:2])
    rows, inner = (a[1], a[0]) if op.get_attr("transpose_a") else (a[0], a[1])
    other, columns = (b[1], b[0]) if op.get_attr("transpose_b") else (b[0], b[1])
    shapes.TensorShape([inner]).assert_is_compatible_with(shapes.TensorShape([other]))
    return [shapes.TensorShape([rows, columns])]


@public("python.framework.common_shapes.get_conv_output_size")
def get_conv_output_size(
    input_size: Any, filter_size: Any, strides: Any, padding_type: bytes
) -> tuple[int | None, ...]:
    """How many places a window has along each axis.

    Args:
      input_size, filter_size: the lengths of the axes and of the window; None where one is unknown.
      strides: its steps.
      padding_type: b"VALID" or b"SAME".

    Raises:
      ValueError: the window is larger than the input, or the padding is neither.
    """
    sizes, windows = (tuple(shapes.as_dim(n) for n in given) for given in (input_size, filter_size))
    pairs = list(zip(sizes, windows, strict=True))
    if any(n is not None and k is not None and k > n for n, k in pairs):
        raise ValueError(f"Filter must not be larger than the input: Filter: {windows!r} Input: {sizes!r}")
    if padding_type == b"VALID":
        first = [None if n is None or k is None else n - k + 1 for n, k in pairs]
    elif padding_type == b"SAME":
        first = list(sizes)
    else:
        raise ValueError(f"Invalid padding: {padding_type!r}")
    return tuple(None if n is None else -(-n // step) for n, step in zip(first, strides, strict=True))


@public("python.framework.common_shapes.get2d_conv_output_size")
def get2d_conv_output_size(
    input_height: Any,
    input_width: Any,
    filter_height: Any,
    filter_width: Any,
    row_stride: int,
    col_stride: int,
    padding_type: bytes,
) -> tuple[int | None, ...]:
    """`get_conv_output_size` of an image."""
    sizes, window = (input_height, input_width), (filter_height, filter_width)
    return get_conv_output_size(sizes, window, (row_stride, col_stride), padding_type)


def _windowed(op: Operation, window: Any, channels: Any = None) -> list[shapes.TensorShape]:
    """The shape that a window over an image gives: `channels` of them, or None for the image's own."""
    first = (op.get_attr("data_format") or b"NHWC") == b"NCHW"
    image, strides = op.inputs[0].shape.with_rank(4).as_list(), op.get_attr("strides")
    rows = 2 if first else 1
    sizes = get_conv_output_size(
        image[rows : rows + 2], window, strides[rows : rows + 2], op.get_attr("padding")
    )
    depth = image[1 if first else 3] if channels is None else channels
    return [shapes.TensorShape([image[0], depth, *sizes] if first else [image[0], *sizes, depth])]


@public("python.framework.common_shapes.conv2d_shape")
def conv2d_shape(op: Operation) -> list[shapes.TensorShape]:
    """The shape function of `Conv2D`.

    Raises:
      ValueError: an input has not rank 4, or the channels differ.
    """
    height, width, taken, given = op.inputs[1].shape.with_rank(4).as_list()
    axis = 1 if op.get_attr("data_format") == b"NCHW" else 3
    op.inputs[0].shape.with_rank(4)[axis : axis + 1].assert_is_compatible_with(shapes.TensorShape([taken]))
    return _windowed(op, (height, width), shapes.TensorShape([given])[0])


@public("python.framework.common_shapes.depthwise_conv2d_native_shape")
def depthwise_conv2d_native_shape(op: Operation) -> list[shapes.TensorShape]:
    """The shape function of `DepthwiseConv2dNative`; errors as of `conv2d_shape`."""
    height, width, taken, each = op.inputs[1].shape.with_rank(4).as_list()
    image = op.inputs[0].shape.with_rank(4)
    image[3:4].assert_is_compatible_with(shapes.TensorShape([taken]))
    known = taken if taken is not None else image.as_list()[3]
    return _windowed(op, (height, width), None if known is None or each is None else known * each)


def _pooled(op: Operation) -> list[shapes.TensorShape]:
    window = op.get_attr("ksize")
    return _windowed(op, window[2:] if op.get_attr("data_format") == b"NCHW" else window[1:3])


public("python.framework.common_shapes.avg_pool_shape", "python.framework.common_shapes.max_pool_shape")(
    _pooled
)
