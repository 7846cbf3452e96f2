"""Two-dimensional convolution and its adjoints."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.scopes import name_scope
from millrace.core.dtypes import FLOATING
from millrace.core.public import public
from millrace.core.shapes import Dims
from millrace.graph.attrs import flag, ints, one_of
from millrace.graph.opdef import declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules import window_args, windows
from millrace.opkit.rules.convolution import Frame, check_channels, filter_grad, forward, input_grad, sizes_of
from millrace.opkit.rules.idioms import shape_tensor
from millrace.opkit.rules.shape_rules import with_rank

_PADDINGS = one_of("SAME", "VALID", "EXPLICIT")
_FORMATS = one_of("NHWC", "NCHW", default="NHWC")
_ONES = ints(default=(1, 1, 1, 1))


def _check(strides: Any, dilations: Any, padding: str, explicit: Any) -> None:
    windows.check_attr(strides, 4, "strides")
    windows.check_attr(dilations, 4, "dilations")
    if (padding == "EXPLICIT") != bool(explicit):
        raise ValueError(
            "'explicit_paddings' must be given with padding EXPLICIT and only then. "
            f"Received: padding {padding}, explicit_paddings {list(explicit)}"
        )


def _shape(
    x: Dims, w: Dims, strides: Any, padding: str, explicit: Any, data_format: str, dilations: Any
) -> tuple[int | None, ...]:
    _check(strides, dilations, padding, explicit)
    x, w = with_rank(x, 4, "input") or (), with_rank(w, 4, "filter") or ()
    check_channels(windows.channel(x, data_format), w, x)
    outs = windows.out_sizes(
        windows.spatial(x, data_format),
        w[:2],
        windows.spatial(strides, data_format),
        padding,
        windows.spatial(dilations, data_format),
        windows.explicit_pairs(explicit, data_format),
    )
    return windows.assemble(x[0], outs, w[-1], data_format)


@declare("Conv2D(input: T, filter: T) -> output: T",
    T=FLOATING, strides=ints(), use_cudnn_on_gpu=flag(True), padding=_PADDINGS,
    explicit_paddings=ints(default=()), data_format=_FORMATS, dilations=_ONES)  # fmt: skip
class Conv2D:
    """Cross-correlates NHWC or NCHW `input` with an HWIO `filter`."""

    def shape(input, filter, strides, padding, explicit_paddings, data_format, dilations):
        return _shape(input, filter, strides, padding, explicit_paddings, data_format, dilations)

    def kernel(xp, input, filter, strides, padding, explicit_paddings, data_format, dilations):
        frame = Frame(input.shape, filter.shape, strides, padding, dilations, data_format, explicit_paddings)
        return forward(xp, input, filter, frame)

    def grad(op, dy):
        x, w = op.inputs
        dy.graph.count(-1)  # TensorFlow 1.15 has one ShapeN for both shapes
        dx = raw.Conv2DBackpropInput(shape_tensor(x), w, dy, **op.params)
        return dx, raw.Conv2DBackpropFilter(x, shape_tensor(w), dy, **op.params)


@declare("Conv2DBackpropInput(input_sizes: int32, filter: T, out_backprop: T) -> output: T",
    static=("input_sizes",), T=FLOATING, strides=ints(), use_cudnn_on_gpu=flag(True), padding=_PADDINGS,
    explicit_paddings=ints(default=()), data_format=_FORMATS, dilations=_ONES)  # fmt: skip
class Conv2DBackpropInput:
    """The gradient of Conv2D in its input; also the transposed convolution."""

    def shape(input_sizes, filter, out_backprop, strides, padding, explicit_paddings, dilations):
        _check(strides, dilations, padding, explicit_paddings)
        with_rank(filter, 4, "filter")
        with_rank(out_backprop, 4, "out_backprop")
        return with_rank(input_sizes.as_dims(), 4, "input_sizes")

    def kernel(
        xp, input_sizes, filter, out_backprop, strides, padding, explicit_paddings, data_format, dilations
    ):
        sizes = sizes_of(input_sizes, 4, "input_sizes")
        frame = Frame(sizes, filter.shape, strides, padding, dilations, data_format, explicit_paddings)
        return input_grad(xp, sizes, filter, out_backprop, frame)

    def grad(op, dz):
        _, w, dy = op.inputs
        dw = raw.Conv2DBackpropFilter(dz, shape_tensor(w), dy, **op.params)
        return None, dw, raw.Conv2D(dz, w, **op.params)


@declare("Conv2DBackpropFilter(input: T, filter_sizes: int32, out_backprop: T) -> output: T",
    static=("filter_sizes",), T=FLOATING, strides=ints(), use_cudnn_on_gpu=flag(True), padding=_PADDINGS,
    explicit_paddings=ints(default=()), data_format=_FORMATS, dilations=_ONES)  # fmt: skip
class Conv2DBackpropFilter:
    """The gradient of Conv2D in its filter."""

    def shape(input, filter_sizes, out_backprop, strides, padding, explicit_paddings, dilations):
        _check(strides, dilations, padding, explicit_paddings)
        with_rank(input, 4, "input")
        with_rank(out_backprop, 4, "out_backprop")
        return with_rank(filter_sizes.as_dims(), 4, "filter_sizes")

    def kernel(
        xp, input, filter_sizes, out_backprop, strides, padding, explicit_paddings, data_format, dilations
    ):
        sizes = sizes_of(filter_sizes, 4, "filter_sizes")
        frame = Frame(input.shape, sizes, strides, padding, dilations, data_format, explicit_paddings)
        return filter_grad(xp, input, sizes, out_backprop, frame)

    def grad(op, dz):
        x, _, dy = op.inputs
        dx = raw.Conv2DBackpropInput(shape_tensor(x), dz, dy, **op.params)
        return dx, None, raw.Conv2D(x, dz, **op.params)


@public("nn.conv2d")
def conv2d(
    input: Any,
    filter: Any = None,
    strides: Any = None,
    padding: Any = None,
    use_cudnn_on_gpu: bool = True,
    data_format: str = "NHWC",
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
    filters: Any = None,
) -> Tensor:
    """Convolves a batch of images with filters (a cross-correlation: the filters are not flipped).

    Args:
      input: `[batch, height, width, in]` (NHWC) or `[batch, in, height, width]` (NCHW), floating.
      filter: `[kernel_height, kernel_width, in, out]`, the same dtype.
      strides: 1, 2 or 4 integers: steps of the window.
      padding: "SAME", "VALID", or four (before, after) pairs in the order of `data_format`.
      use_cudnn_on_gpu: kept in the graph; changes nothing.
      data_format: "NHWC" or "NCHW".
      dilations: 1, 2 or 4 integers: steps between the filter's elements.
      name: op name; default "Conv2D".
      filters: another spelling of `filter`.

    Returns:
      `[batch, out_height, out_width, out]` in the layout of `data_format`.

    Raises:
      ValueError: shapes, strides or paddings do not fit together.

    Example:
      >>> image = tf.reshape(tf.range(9.0), [1, 3, 3, 1])
      >>> total = tf.ones([2, 2, 1, 1])
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.squeeze(tf.nn.conv2d(image, total, strides=[1, 1, 1, 1], padding="VALID"))))
      [[ 8. 12.]
       [20. 24.]]
    """
    filter = window_args.one_of_two("filter", filter, "filters", filters)
    padding, explicit = window_args.padding(padding)
    data_format = data_format or "NHWC"
    return raw.Conv2D(
        input,
        filter,
        strides=window_args.per_axis(strides, 2, data_format, "strides"),
        use_cudnn_on_gpu=use_cudnn_on_gpu,
        padding=padding,
        explicit_paddings=explicit,
        data_format=data_format,
        dilations=window_args.per_axis(dilations, 2, data_format, "dilations"),
        name=name,
    )


@public("nn.conv2d_backprop_input")
def conv2d_backprop_input(
    input_sizes: Any,
    filter: Any = None,
    out_backprop: Any = None,
    strides: Any = None,
    padding: Any = None,
    use_cudnn_on_gpu: bool = True,
    data_format: str = "NHWC",
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
    filters: Any = None,
) -> Tensor:
    """The gradient of `conv2d` in its input.

    Args:
      input_sizes: int32 `[4]`, the shape of the convolution's input.
      filter: `[kernel_height, kernel_width, in, out]`.
      out_backprop: the gradient of the convolution's output.
      strides, padding, use_cudnn_on_gpu, data_format, dilations, name, filters: as for `conv2d`.

    Returns:
      A tensor of shape `input_sizes`.
    """
    filter = window_args.one_of_two("filter", filter, "filters", filters)
    padding, explicit = window_args.padding(padding)
    return raw.Conv2DBackpropInput(
        input_sizes,
        filter,
        out_backprop,
        strides=strides,
        use_cudnn_on_gpu=use_cudnn_on_gpu,
        padding=padding,
        explicit_paddings=explicit,
        data_format=data_format,
        dilations=dilations,
        name=name,
    )


@public("nn.conv2d_backprop_filter")
def conv2d_backprop_filter(
    input: Any,
    filter_sizes: Any,
    out_backprop: Any,
    strides: Any,
    padding: Any,
    use_cudnn_on_gpu: bool = True,
    data_format: str = "NHWC",
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
) -> Tensor:
    """The gradient of `conv2d` in its filter.

    Args:
      input: the convolution's input.
      filter_sizes: int32 `[4]`, the shape of the filter.
      out_backprop: the gradient of the convolution's output.
      strides, padding, use_cudnn_on_gpu, data_format, dilations, name: as for `conv2d`.

    Returns:
      A tensor of shape `filter_sizes`.
    """
    padding, explicit = window_args.padding(padding)
    return raw.Conv2DBackpropFilter(
        input,
        filter_sizes,
        out_backprop,
        strides=strides,
        use_cudnn_on_gpu=use_cudnn_on_gpu,
        padding=padding,
        explicit_paddings=explicit,
        data_format=data_format,
        dilations=dilations,
        name=name,
    )


@public("nn.conv2d_transpose")
def conv2d_transpose(
    value: Any = None,
    filter: Any = None,
    output_shape: Any = None,
    strides: Any = None,
    padding: str = "SAME",
    data_format: str = "NHWC",
    name: str | None = None,
    input: Any = None,
    filters: Any = None,
    dilations: Any = None,
) -> Tensor:
    """The transpose (not the inverse) of `conv2d`: spreads each input element over a window of the output.

    Args:
      value: `[batch, height, width, in]` in the layout of `data_format`.
      filter: `[kernel_height, kernel_width, out, in]`.
      output_shape: int32 `[4]`: the result's shape.
      strides: 1, 2 or 4 integers: steps of the window over the output.
      padding: "SAME" or "VALID".
      data_format: "NHWC" or "NCHW".
      name: op name; default "conv2d_transpose".
      input, filters: other spellings of `value` and `filter`.
      dilations: 1, 2 or 4 integers: steps between the filter's elements.

    Returns:
      A tensor of shape `output_shape`.

    Raises:
      ValueError: the shapes do not fit together.

    Example:
      >>> image = tf.ones([1, 3, 3, 8])
      >>> filters = tf.ones([2, 2, 4, 8])
      >>> print(tf.nn.conv2d_transpose(image, filters, [1, 6, 6, 4], strides=[1, 2, 2, 1]).shape)
      (1, 6, 6, 4)
    """
    value = window_args.one_of_two("value", value, "input", input)
    filter = window_args.one_of_two("filter", filter, "filters", filters)
    with name_scope(name, "conv2d_transpose", [value, filter, output_shape]) as scope:
        if data_format not in ("NHWC", "NCHW"):
            raise ValueError(f"conv2d_transpose: data_format must be NHWC or NCHW. Received: {data_format!r}")
        value, filter = window_args.tensors(value, filter)
        sizes = window_args.output_sizes(output_shape, 4)
        window_args.check_transpose(value, filter, sizes, padding, data_format)
        return raw.Conv2DBackpropInput(
            sizes,
            filter,
            value,
            strides=window_args.per_axis(strides, 2, data_format, "strides"),
            padding=padding,
            data_format=data_format,
            dilations=window_args.per_axis(dilations, 2, data_format, "dilations"),
            name=scope,
        )
