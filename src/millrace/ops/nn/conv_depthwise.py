"""Depthwise convolution: every channel has filters of its own."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.core.dtypes import FLOATING
from millrace.core.public import public
from millrace.core.shapes import format_dims
from millrace.graph.attrs import ints, one_of
from millrace.graph.opdef import declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules import windows
from millrace.opkit.rules.convolution import sizes_of
from millrace.opkit.rules.idioms import shape_tensor
from millrace.opkit.rules.shape_rules import with_rank

_PADDINGS = one_of("SAME", "VALID")
_FORMATS = one_of("NHWC", "NCHW", default="NHWC")
_ONES = ints(default=(1, 1, 1, 1))


class _Frame:
    """The windows of one run over a channels-last input."""

    def __init__(self, x: Any, w: Any, strides: Any, padding: str, dilations: Any, data_format: str) -> None:
        for shape, what in ((x, "input"), (w, "filter")):
            if len(shape) != 4:
                raise windows.refused(f"'{what}' must have rank 4. Received: shape {list(shape)}")
        if windows.channel(x, data_format) != w[2]:
            raise windows.refused(
                f"filter expects {w[2]} input channels but input has {windows.channel(x, data_format)} "
                f"(input {list(x)}, filter {list(w)})"
            )
        windows.only_spatial(strides, data_format, "strides")
        windows.only_spatial(dilations, data_format, "dilations")
        self.format = data_format
        self.strides = windows.spatial(strides, data_format)
        dilation = windows.spatial(dilations, data_format)
        self.sizes = windows.spatial(tuple(x), data_format)
        self.outs, self.pads = windows.place(self.sizes, w[:2], self.strides, padding, dilation)
        self.places = self.outs, self.strides, [before for before, _ in self.pads], dilation
        self.offsets = windows.taps(w[:2], dilation)
        self.kernel = windows.taps(w[:2])

    def parts(self, xp: Any, x: Any) -> list[Any]:
        """`[batch, *outs, channels]` of `x` for each filter element."""
        padded = windows.pad_spatial(xp, windows.channels_last(xp, x, self.format), self.pads)
        return [windows.tap(padded, o, self.outs, self.strides) for o in self.offsets]

    def gradient(self, xp: Any, dy: Any, w: Any) -> Any:
        """`dy` as `[batch, *outs, channels, multiplier]`."""
        last = self.flat_gradient(xp, dy, w)
        return xp.reshape(last, (*last.shape[:3], w[2], w[3]))

    def flat_gradient(self, xp: Any, dy: Any, w: Any) -> Any:
        """`dy`, channels last.

        Raises:
          InvalidArgumentError: it has not the shape of the result.
        """
        last = windows.channels_last(xp, dy, self.format)
        wanted = (*self.outs, w[2] * w[3])
        if last.shape[1:] != wanted:
            raise windows.refused(
                f"out_backprop must have the shape of the convolution's output, {list(wanted)} per image. "
                f"Received: {list(last.shape[1:])}"
            )
        return last


def _spread(xp: Any, dy: Any, w: Any) -> Any:
    """`[batch, *outs, channels]`: what one filter element `[channels, multiplier]` sends back."""
    return dy[..., 0] * w[:, 0] if w.shape[1] == 1 else xp.sum(dy * w, axis=-1)


def _accumulated(dtype: Any) -> Any:
    """Sums over filter elements are kept in float32 where the values have half its precision."""
    return "float32" if dtype.itemsize == 2 else dtype


def _convolved(xp: Any, x: Any, filter: Any, frame: _Frame) -> Any:
    w = filter.astype(_accumulated(filter.dtype))
    total: Any = None
    for part, index in zip(frame.parts(xp, x), frame.kernel, strict=True):
        product = part[..., None] * w[index] if w.shape[3] > 1 else (part * w[index][:, 0])[..., None]
        total = product if total is None else total + product
    flat = xp.reshape(total, (*total.shape[:3], w.shape[2] * w.shape[3])).astype(x.dtype)
    return windows.channels_back(xp, flat, frame.format)


def _input_gradient(xp: Any, sizes: Any, filter: Any, dy: Any, frame: _Frame) -> Any:
    wide = _accumulated(filter.dtype)
    dy = frame.gradient(xp, dy, filter.shape).astype(wide)
    w = filter.astype(wide)
    parts = ((o, _spread(xp, dy, w[i])) for o, i in zip(frame.offsets, frame.kernel, strict=True))
    padded = [lo + n + hi for (lo, hi), n in zip(frame.pads, frame.sizes, strict=True)]
    dx = xp.scatter_strided((sizes[0], *padded, filter.shape[2]), frame.strides, parts)
    dx = windows.unpad(dx, frame.pads, frame.sizes).astype(filter.dtype)
    return windows.channels_back(xp, dx, frame.format)


def _filter_gradient(xp: Any, x: Any, sizes: Any, dy: Any, frame: _Frame) -> Any:
    wide = _accumulated(x.dtype)
    dy = frame.gradient(xp, dy, sizes).astype(wide)
    rows = [xp.sum(part.astype(wide)[..., None] * dy, axis=(0, 1, 2)) for part in frame.parts(xp, x)]
    return xp.reshape(xp.stack(rows), sizes).astype(x.dtype)


@declare("DepthwiseConv2dNative(input: T, filter: T) -> output: T",
    T=FLOATING, strides=ints(), padding=_PADDINGS, data_format=_FORMATS, dilations=_ONES)  # fmt: skip
class DepthwiseConv2dNative:
    """Cross-correlates each channel with its own `filter[..., channel, :]`."""

    def shape(input, filter, strides, padding, data_format, dilations):
        windows.check_attr(strides, 4, "strides")
        windows.check_attr(dilations, 4, "dilations")
        x, w = with_rank(input, 4, "input"), with_rank(filter, 4, "filter")
        depth = windows.channel(x, data_format)
        if None not in (depth, w[2]) and depth != w[2]:
            raise ValueError(
                f"filter expects {w[2]} input channels but input has {depth} "
                f"(input {format_dims(x)}, filter {format_dims(w)})"
            )
        cut = [windows.spatial(v, data_format) for v in (x, strides, dilations)]
        outs = windows.out_sizes(cut[0], w[:2], cut[1], padding, cut[2])
        depth = w[2] if depth is None else depth
        return windows.assemble(x[0], outs, None if None in (depth, w[3]) else depth * w[3], data_format)

    def kernel(xp, input, filter, strides, padding, data_format, dilations):
        frame = _Frame(input.shape, filter.shape, strides, padding, dilations, data_format)
        return _convolved(xp, input, filter, frame)

    def xla(xp, input, filter, strides, padding, data_format, dilations):
        frame = _Frame(input.shape, filter.shape, strides, padding, dilations, data_format)
        found = xp.depthwise(windows.channels_last(xp, input, data_format), filter, frame.places)
        if found is None:
            return _convolved(xp, input, filter, frame)
        return windows.channels_back(xp, found, data_format)

    def grad(op, dy):
        x, w = op.inputs
        dx = raw.DepthwiseConv2dNativeBackpropInput(shape_tensor(x), w, dy, **op.params)
        return dx, raw.DepthwiseConv2dNativeBackpropFilter(x, shape_tensor(w), dy, **op.params)


@declare("DepthwiseConv2dNativeBackpropInput(input_sizes: int32, filter: T, out_backprop: T) -> output: T",
    static=("input_sizes",), T=FLOATING, strides=ints(), padding=_PADDINGS, data_format=_FORMATS,
    dilations=_ONES)  # fmt: skip
class DepthwiseConv2dNativeBackpropInput:
    """The gradient of DepthwiseConv2dNative in its input."""

    def shape(input_sizes, filter, out_backprop, strides, dilations):
        windows.check_attr(strides, 4, "strides")
        with_rank(filter, 4, "filter")
        return with_rank(input_sizes.as_dims(), 4, "input_sizes")

    def kernel(xp, input_sizes, filter, out_backprop, strides, padding, data_format, dilations):
        sizes = sizes_of(input_sizes, 4, "input_sizes")
        frame = _Frame(sizes, filter.shape, strides, padding, dilations, data_format)
        return _input_gradient(xp, sizes, filter, out_backprop, frame)

    def xla(xp, input_sizes, filter, out_backprop, strides, padding, data_format, dilations):
        sizes = sizes_of(input_sizes, 4, "input_sizes")
        frame = _Frame(sizes, filter.shape, strides, padding, dilations, data_format)
        last = (sizes[0], *frame.sizes, filter.shape[2])
        found = xp.depthwise_input_grad(
            last, filter, frame.flat_gradient(xp, out_backprop, filter.shape), frame.places
        )
        if found is None:
            return _input_gradient(xp, sizes, filter, out_backprop, frame)
        return windows.channels_back(xp, found, data_format)

    def grad(op, dz):
        _, w, dy = op.inputs
        dw = raw.DepthwiseConv2dNativeBackpropFilter(dz, shape_tensor(w), dy, **op.params)
        return None, dw, raw.DepthwiseConv2dNative(dz, w, **op.params)


@declare("DepthwiseConv2dNativeBackpropFilter(input: T, filter_sizes: int32, out_backprop: T) -> output: T",
    static=("filter_sizes",), T=FLOATING, strides=ints(), padding=_PADDINGS, data_format=_FORMATS,
    dilations=_ONES)  # fmt: skip
class DepthwiseConv2dNativeBackpropFilter:
    """The gradient of DepthwiseConv2dNative in its filter."""

    def shape(input, filter_sizes, out_backprop, strides, dilations):
        windows.check_attr(strides, 4, "strides")
        with_rank(input, 4, "input")
        return with_rank(filter_sizes.as_dims(), 4, "filter_sizes")

    def kernel(xp, input, filter_sizes, out_backprop, strides, padding, data_format, dilations):
        sizes = sizes_of(filter_sizes, 4, "filter_sizes")
        frame = _Frame(input.shape, sizes, strides, padding, dilations, data_format)
        return _filter_gradient(xp, input, sizes, out_backprop, frame)

    def xla(xp, input, filter_sizes, out_backprop, strides, padding, data_format, dilations):
        sizes = sizes_of(filter_sizes, 4, "filter_sizes")
        frame = _Frame(input.shape, sizes, strides, padding, dilations, data_format)
        last = windows.channels_last(xp, input, data_format)
        dy = frame.flat_gradient(xp, out_backprop, sizes)
        found = xp.depthwise_filter_grad(last, sizes, dy, frame.places)
        return _filter_gradient(xp, input, sizes, out_backprop, frame) if found is None else found

    def grad(op, dz):
        x, _, dy = op.inputs
        dx = raw.DepthwiseConv2dNativeBackpropInput(shape_tensor(x), dz, dy, **op.params)
        return dx, None, raw.DepthwiseConv2dNative(x, dz, **op.params)


@public("nn.depthwise_conv2d_native")
def depthwise_conv2d_native(
    input: Any,
    filter: Any,
    strides: Any,
    padding: str,
    data_format: str = "NHWC",
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
) -> Tensor:
    """Convolves each channel with filters of its own.

    Args:
      input: `[batch, height, width, in]` (NHWC) or `[batch, in, height, width]` (NCHW), floating.
      filter: `[kernel_height, kernel_width, in, multiplier]`, the same dtype.
      strides: four integers: steps of the window.
      padding: "SAME" or "VALID".
      data_format: "NHWC" or "NCHW".
      dilations: four integers: steps between the filter's elements.
      name: op name; default "DepthwiseConv2dNative".

    Returns:
      `[batch, out_height, out_width, in * multiplier]` in the layout of `data_format`.

    Raises:
      ValueError: the shapes or the attributes do not fit together.
    """
    return raw.DepthwiseConv2dNative(
        input,
        filter,
        strides=strides,
        padding=padding,
        data_format=data_format,
        dilations=dilations,
        name=name,
    )


@public("nn.depthwise_conv2d_backprop_input", "nn.depthwise_conv2d_native_backprop_input")
def depthwise_conv2d_backprop_input(
    input_sizes: Any,
    filter: Any,
    out_backprop: Any,
    strides: Any,
    padding: str,
    data_format: str = "NHWC",
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
) -> Tensor:
    """The gradient of `depthwise_conv2d_native` in its input, of shape `input_sizes` (int32 `[4]`)."""
    return raw.DepthwiseConv2dNativeBackpropInput(
        input_sizes, filter, out_backprop, strides=strides, padding=padding, data_format=data_format,
        dilations=dilations, name=name,
    )  # fmt: skip


@public("nn.depthwise_conv2d_backprop_filter", "nn.depthwise_conv2d_native_backprop_filter")
def depthwise_conv2d_backprop_filter(
    input: Any,
    filter_sizes: Any,
    out_backprop: Any,
    strides: Any,
    padding: str,
    data_format: str = "NHWC",
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
) -> Tensor:
    """The gradient of `depthwise_conv2d_native` in its filter, of shape `filter_sizes` (int32 `[4]`)."""
    return raw.DepthwiseConv2dNativeBackpropFilter(
        input, filter_sizes, out_backprop, strides=strides, padding=padding, data_format=data_format,
        dilations=dilations, name=name,
    )  # fmt: skip
