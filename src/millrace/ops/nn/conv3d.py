"""Three-dimensional convolution and its adjoints."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.scopes import name_scope
from millrace.core.dtypes import FLOATING, INDEX, int32
from millrace.core.public import public
from millrace.core.shapes import Dims
from millrace.graph.attrs import dtype, ints, one_of
from millrace.graph.opdef import declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules import window_args, windows
from millrace.opkit.rules.convolution import Frame, check_channels, filter_grad, forward, input_grad, sizes_of
from millrace.opkit.rules.idioms import shape_tensor
from millrace.opkit.rules.shape_rules import with_rank

_PADDINGS = one_of("SAME", "VALID")
_FORMATS = one_of("NDHWC", "NCDHW", default="NDHWC")
_ONES = ints(default=(1, 1, 1, 1, 1))


def _check(strides: Any, dilations: Any) -> None:
    windows.check_attr(strides, 5, "strides")
    windows.check_attr(dilations, 5, "dilations")


def _shape(
    x: Dims, w: Dims, strides: Any, padding: str, data_format: str, dilations: Any
) -> tuple[int | None, ...]:
    _check(strides, dilations)
    x, w = with_rank(x, 5, "input") or (), with_rank(w, 5, "filter") or ()
    check_channels(windows.channel(x, data_format), w, x)
    cut = [windows.spatial(v, data_format) for v in (x, strides, dilations)]
    outs = windows.out_sizes(cut[0], w[:3], cut[1], padding, cut[2])
    return windows.assemble(x[0], outs, w[-1], data_format)


@declare("Conv3D(input: T, filter: T) -> output: T",
    T=FLOATING, strides=ints(minimum=5), padding=_PADDINGS, data_format=_FORMATS,
    dilations=_ONES)  # fmt: skip
class Conv3D:
    """Cross-correlates NDHWC or NCDHW `input` with a DHWIO `filter`."""

    def shape(input, filter, strides, padding, data_format, dilations):
        return _shape(input, filter, strides, padding, data_format, dilations)

    def kernel(xp, input, filter, strides, padding, data_format, dilations):
        return forward(
            xp, input, filter, Frame(input.shape, filter.shape, strides, padding, dilations, data_format)
        )

    def grad(op, dy):
        x, w = op.inputs
        dx = raw.Conv3DBackpropInputV2(shape_tensor(x), w, dy, **op.params)
        return dx, raw.Conv3DBackpropFilterV2(x, shape_tensor(w), dy, **op.params)


@declare("Conv3DBackpropInputV2(input_sizes: Tshape, filter: T, out_backprop: T) -> output: T",
    static=("input_sizes",), T=FLOATING, strides=ints(minimum=5), padding=_PADDINGS, data_format=_FORMATS,
    dilations=_ONES, Tshape=dtype(INDEX, default=int32))  # fmt: skip
class Conv3DBackpropInputV2:
    """The gradient of Conv3D in its input; also the transposed convolution."""

    def shape(input_sizes, filter, out_backprop, strides, dilations):
        _check(strides, dilations)
        with_rank(filter, 5, "filter")
        with_rank(out_backprop, 5, "out_backprop")
        return with_rank(input_sizes.as_dims(), 5, "input_sizes")

    def kernel(xp, input_sizes, filter, out_backprop, strides, padding, data_format, dilations):
        sizes = sizes_of(input_sizes, 5, "input_sizes")
        return input_grad(
            xp,
            sizes,
            filter,
            out_backprop,
            Frame(sizes, filter.shape, strides, padding, dilations, data_format),
        )

    def grad(op, dz):
        _, w, dy = op.inputs
        dw = raw.Conv3DBackpropFilterV2(dz, shape_tensor(w), dy, **_same(op))
        return None, dw, raw.Conv3D(dz, w, **_same(op))


@declare("Conv3DBackpropFilterV2(input: T, filter_sizes: int32, out_backprop: T) -> output: T",
    static=("filter_sizes",), T=FLOATING, strides=ints(minimum=5), padding=_PADDINGS, data_format=_FORMATS,
    dilations=_ONES)  # fmt: skip
class Conv3DBackpropFilterV2:
    """The gradient of Conv3D in its filter."""

    def shape(input, filter_sizes, out_backprop, strides, dilations):
        _check(strides, dilations)
        with_rank(input, 5, "input")
        with_rank(out_backprop, 5, "out_backprop")
        return with_rank(filter_sizes.as_dims(), 5, "filter_sizes")

    def kernel(xp, input, filter_sizes, out_backprop, strides, padding, data_format, dilations):
        sizes = sizes_of(filter_sizes, 5, "filter_sizes")
        return filter_grad(
            xp,
            input,
            sizes,
            out_backprop,
            Frame(input.shape, sizes, strides, padding, dilations, data_format),
        )

    def grad(op, dz):
        x, _, dy = op.inputs
        dx = raw.Conv3DBackpropInputV2(shape_tensor(x), dz, dy, **_same(op))
        return dx, None, raw.Conv3D(x, dz, **_same(op))


@declare("Conv3DBackpropInput(input: T, filter: T, out_backprop: T) -> output: T",
    T=FLOATING, strides=ints(minimum=5), padding=_PADDINGS, dilations=_ONES)  # fmt: skip
class Conv3DBackpropInput:
    """The gradient of Conv3D in `input`, of which only the shape counts."""

    def shape(input, filter, out_backprop, strides, dilations):
        _check(strides, dilations)
        return with_rank(input, 5, "input")

    def kernel(xp, input, filter, out_backprop, strides, padding, dilations):
        sizes = input.shape
        frame = Frame(sizes, filter.shape, strides, padding, dilations, "NDHWC")
        return input_grad(xp, sizes, filter, out_backprop, frame)

    def grad(op, dz):
        _, w, dy = op.inputs
        dw = raw.Conv3DBackpropFilterV2(dz, shape_tensor(w), dy, **op.params)
        return None, dw, raw.Conv3D(dz, w, **op.params)


@declare("Conv3DBackpropFilter(input: T, filter: T, out_backprop: T) -> output: T",
    T=FLOATING, strides=ints(minimum=5), padding=_PADDINGS, dilations=_ONES)  # fmt: skip
class Conv3DBackpropFilter:
    """The gradient of Conv3D in `filter`, of which only the shape counts."""

    def shape(input, filter, out_backprop, strides, dilations):
        _check(strides, dilations)
        return with_rank(filter, 5, "filter")

    def kernel(xp, input, filter, out_backprop, strides, padding, dilations):
        frame = Frame(input.shape, filter.shape, strides, padding, dilations, "NDHWC")
        return filter_grad(xp, input, filter.shape, out_backprop, frame)

    def grad(op, dz):
        x, _, dy = op.inputs
        dx = raw.Conv3DBackpropInputV2(shape_tensor(x), dz, dy, **op.params)
        return dx, None, raw.Conv3D(x, dz, **op.params)


def _same(op: Any) -> dict[str, Any]:
    """The attributes that Conv3D and both of its gradients have."""
    return {name: op.attrs[name] for name in ("strides", "padding", "data_format", "dilations")}


@public("nn.conv3d")
def conv3d(
    input: Any,
    filter: Any = None,
    strides: Any = None,
    padding: Any = None,
    data_format: str = "NDHWC",
    dilations: Any = (1, 1, 1, 1, 1),
    name: str | None = None,
    filters: Any = None,
) -> Tensor:
    """Convolves a batch of volumes with filters (a cross-correlation: the filters are not flipped).

    Args:
      input: `[batch, depth, height, width, in]` (NDHWC) or channels second (NCDHW), floating.
      filter: `[kernel_depth, kernel_height, kernel_width, in, out]`, the same dtype.
      strides: five integers: steps of the window; 1 for batch and channels.
      padding: "SAME" or "VALID".
      data_format: "NDHWC" or "NCDHW".
      dilations: five integers: steps between the filter's elements.
      name: op name; default "Conv3D".
      filters: another spelling of `filter`.

    Returns:
      `[batch, out_depth, out_height, out_width, out]` in the layout of `data_format`.

    Raises:
      ValueError: the shapes or the attributes do not fit together.
    """
    filter = window_args.one_of_two("filter", filter, "filters", filters)
    return raw.Conv3D(
        input,
        filter,
        strides=strides,
        padding=padding,
        data_format=data_format or "NDHWC",
        dilations=(1, 1, 1, 1, 1) if dilations is None else dilations,
        name=name,
    )


@public("nn.conv3d_backprop_filter", "nn.conv3d_backprop_filter_v2")
def conv3d_backprop_filter(
    input: Any,
    filter_sizes: Any,
    out_backprop: Any,
    strides: Any,
    padding: str,
    data_format: str = "NDHWC",
    dilations: Any = (1, 1, 1, 1, 1),
    name: str | None = None,
) -> Tensor:
    """The gradient of `conv3d` in its filter.

    Args:
      input: the convolution's input.
      filter_sizes: int32 `[5]`, the shape of the filter.
      out_backprop: the gradient of the convolution's output.
      strides, padding, data_format, dilations, name: as for `conv3d`.

    Returns:
      A tensor of shape `filter_sizes`.
    """
    return raw.Conv3DBackpropFilterV2(
        input,
        filter_sizes,
        out_backprop,
        strides=strides,
        padding=padding,
        data_format=data_format,
        dilations=dilations,
        name=name,
    )


@public("nn.conv3d_transpose")
def conv3d_transpose(
    value: Any,
    filter: Any = None,
    output_shape: Any = None,
    strides: Any = None,
    padding: str = "SAME",
    data_format: str = "NDHWC",
    name: str | None = None,
    input: Any = None,
    filters: Any = None,
    dilations: Any = None,
) -> Tensor:
    """The transpose (not the inverse) of `conv3d`: spreads each input element over a window of the output.

    Args:
      value: `[batch, depth, height, width, in]` in the layout of `data_format`.
      filter: `[kernel_depth, kernel_height, kernel_width, out, in]`.
      output_shape: int32 `[5]`: the result's shape.
      strides: 1, 3 or 5 integers: steps of the window over the output.
      padding: "SAME" or "VALID".
      data_format: "NDHWC" or "NCDHW".
      name: op name; default "conv3d_transpose".
      input, filters: other spellings of `value` and `filter`.
      dilations: 1, 3 or 5 integers: steps between the filter's elements.

    Returns:
      A tensor of shape `output_shape`.

    Raises:
      ValueError: the shapes do not fit together.
    """
    value = window_args.one_of_two("value", value, "input", input)
    filter = window_args.one_of_two("filter", filter, "filters", filters)
    with name_scope(name, "conv3d_transpose", [value, filter, output_shape]) as scope:
        value, filter = window_args.tensors(value, filter)
        sizes = window_args.output_sizes(output_shape, 5)
        window_args.check_transpose(value, filter, sizes, padding, data_format)
        return raw.Conv3DBackpropInputV2(
            sizes,
            filter,
            value,
            strides=window_args.per_axis(strides, 3, data_format, "strides"),
            padding=padding,
            data_format=data_format,
            dilations=window_args.per_axis(dilations, 3, data_format, "dilations"),
            name=scope,
        )
