"""Convolutions made of others: over one to three axes, dilated, depthwise and separable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import shape_tensor, to_tensor
from millrace.building.scopes import name_scope
from millrace.building.static import static_dims, static_value
from millrace.core import shapes
from millrace.core.dtypes import int32
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.opkit.rules import window_args, windows
from millrace.ops.nn.conv import conv2d, conv2d_transpose
from millrace.ops.nn.conv3d import conv3d_transpose

_ORDERS = {1: ("NWC", "NCW"), 2: ("NHWC", "NCHW"), 3: ("NDHWC", "NCDHW")}


def layout_of(data_format: str | None, axes: int) -> str:
    """The layout in full: any that starts with "NC" means channels second."""
    return _ORDERS[axes][bool(data_format) and windows.is_channels_first(str(data_format))]


def per_spatial(values: Any, axes: int, what: str) -> list[int]:
    """One integer of at least 1 for each spatial axis; None stands for ones.

    Raises:
      ValueError: another number of integers, or one below 1.
    """
    if values is None:
        return [1] * axes
    found = [int(v) for v in np.atleast_1d(values)]
    if len(found) == 1:
        found = found * axes
    if len(found) != axes or min(found) < 1:
        raise ValueError(f"'{what}' must be {axes} values of at least 1. Received: {values!r}")
    return found


def dilated(
    x: Tensor, rate: Any, padding: str, op: Callable[[Tensor, str], Tensor], kernel: Any, axes: list[int]
) -> Tensor:
    """Runs `op` dilated: every `rate`-th element becomes a batch of its own, where `op` sees neighbours.

    Args:
      x: the input.
      rate: the dilation of each axis, a list or an int32 tensor.
      padding: "SAME" or "VALID".
      op: `(input, padding) -> output` without dilation.
      kernel: the window's lengths, needed for "SAME": a list, or an int32 tensor.
      axes: the spatial axes of `x`; all following ones up to the last are spatial too.
    """
    sizes = None if x.dims is None else [x.dims[a] for a in axes]
    known = (
        sizes is not None
        and None not in sizes
        and not isinstance(rate, Tensor)
        and not isinstance(kernel, Tensor)
    )
    if known:
        pads, crops = [], []
        for size, r, k in zip(sizes, rate, kernel or [1] * len(axes), strict=True):  # type: ignore[arg-type]
            extra = (k - 1) * r if padding == "SAME" else 0
            before = extra // 2
            fill = -(size + extra) % r
            pads.append([before, extra - before + fill])
            crops.append([0, fill])
    else:
        pads, crops = _dynamic_pads(x, rate, padding, kernel, axes)
    if axes[0] == 2:  # channels stand between batch and space: they join the block as an axis of step 1
        rate, pads, crops = (
            ([1, *rate], [[0, 0], *pads], [[0, 0], *crops]) if known else _with_channels(rate, pads, crops)
        )
    moved = raw.SpaceToBatchND(x, rate, pads)
    return raw.BatchToSpaceND(op(moved, "VALID"), rate, crops)


def _dynamic_pads(x: Tensor, rate: Any, padding: str, kernel: Any, axes: list[int]) -> tuple[Tensor, Tensor]:
    """Paddings and crops, int32 `[axes, 2]`, computed when the graph runs."""
    sizes = shape_tensor(x)[axes[0] : axes[-1] + 1]
    rate = to_tensor(rate, int32)
    extra = (to_tensor(kernel, int32) - 1) * rate if padding == "SAME" else raw.ZerosLike(rate)
    before = raw.FloorDiv(extra, 2)
    fill = raw.FloorMod(raw.Neg(sizes + extra), rate)
    pads = raw.Pack([before, extra - before + fill], axis=1)
    return pads, raw.Pack([raw.ZerosLike(fill), fill], axis=1)


def _with_channels(rate: Any, pads: Any, crops: Any) -> tuple[Any, Any, Any]:
    zero = [[0, 0]]
    return (
        raw.ConcatV2([[1], to_tensor(rate, int32)], 0),
        raw.ConcatV2([zero, pads], 0),
        raw.ConcatV2([zero, crops], 0),
    )


@public("nn.with_space_to_batch")
def with_space_to_batch(
    input: Any,
    dilation_rate: Any,
    padding: str,
    op: Callable[[Tensor, int, str], Tensor],
    filter_shape: Any = None,
    spatial_dims: Any = None,
    data_format: str | None = None,
) -> Tensor:
    """Applies a windowed operation with dilation to its windows.

    Args:
      input: `[batch, ...]`.
      dilation_rate: int32 `[axes]`: the steps between the window's elements.
      padding: "SAME" or "VALID".
      op: `(input, number of spatial axes, padding) -> output`, without dilation.
      filter_shape: the window's lengths, first; needed for "SAME".
      spatial_dims: the axes to dilate; default the first after batch (and channels).
      data_format: one that starts with "NC" has its channels second.

    Returns:
      What `op` gives, dilated.

    Raises:
      ValueError: "SAME" without `filter_shape`, an unknown padding, or axes that do not fit.
    """
    input = to_tensor(input, name="input")
    rate = to_tensor(dilation_rate, int32, "dilation_rate")
    if rate.dims is None or len(rate.dims) != 1 or rate.dims[0] is None:
        raise ValueError(f"with_space_to_batch: dilation_rate must be a vector. Received: {rate}")
    count, first = rate.dims[0], 2 if data_format and windows.is_channels_first(data_format) else 1
    axes = (
        sorted(int(a) for a in spatial_dims)
        if spatial_dims is not None
        else list(range(first, first + count))
    )
    if len(axes) != count or axes[0] < 1 or axes != list(range(axes[0], axes[0] + count)):
        raise ValueError(
            f"with_space_to_batch: spatial_dims must be {count} neighbouring axes. Received: {spatial_dims}"
        )
    value = static_value(rate)
    if value is not None and (value < 1).any():
        raise ValueError(f"with_space_to_batch: dilation_rate must be at least 1. Received: {value.tolist()}")
    if value is not None and (value == 1).all():
        return op(input, count, padding)
    if padding not in ("SAME", "VALID"):
        raise ValueError(f"with_space_to_batch: padding must be SAME or VALID. Received: {padding!r}")
    kernel = None
    if padding == "SAME":
        if filter_shape is None:
            raise ValueError("with_space_to_batch: filter_shape is needed for SAME padding. Received: None")
        kernel = _leading(filter_shape, count)
    chosen = rate if value is None else value.tolist()
    return dilated(input, chosen, padding, lambda x, p: op(x, count, p), kernel, axes)


def _leading(filter_shape: Any, count: int) -> Any:
    """The first `count` lengths of a filter: a list where they are known, else a tensor."""
    if isinstance(filter_shape, Tensor):
        dims = static_dims(filter_shape)
        if dims is None or None in dims[:count]:
            return filter_shape[:count]
        return list(dims[:count])
    return [int(n) for n in np.asarray(filter_shape).reshape(-1)[:count]]


@public("nn.convolution")
def convolution(
    input: Any,
    filter: Any = None,
    padding: str | None = None,
    strides: Any = None,
    dilation_rate: Any = None,
    name: str | None = None,
    data_format: str | None = None,
    filters: Any = None,
    dilations: Any = None,
) -> Tensor:
    """Convolves over one, two or three axes (a cross-correlation: the filters are not flipped).

    Args:
      input: `[batch, ..., in]`, or `[batch, in, ...]` for a `data_format` that starts with "NC"; floating.
      filter: `[..., in, out]`, the same dtype.
      padding: "SAME" or "VALID".
      strides: one integer for each spatial axis; default 1.
      dilation_rate: likewise; strides and dilation cannot both be above 1.
      name: scope and op name; default "convolution".
      data_format: the layout; default channels last.
      filters, dilations: other spellings of `filter` and `dilation_rate`.

    Returns:
      `[batch, ..., out]` in the layout of `data_format`.

    Raises:
      ValueError: the shapes or the arguments do not fit together.
    """
    filter = window_args.one_of_two("filter", filter, "filters", filters)
    rate = window_args.one_of_two("dilation_rate", dilation_rate, "dilations", dilations)
    with name_scope(name, "convolution", [input, filter]) as scope:
        input = to_tensor(input, name="input")
        filter = to_tensor(filter, input.dtype.base_dtype, "filter")
        rank = (
            len(filter.dims) if filter.dims is not None else None if input.dims is None else len(input.dims)
        )
        if rank is None:
            raise ValueError("convolution: the rank of input or filter must be known. Received: neither")
        axes = rank - 2
        if axes not in _ORDERS or (input.dims is not None and len(input.dims) != rank):
            raise ValueError(
                "convolution: input and filter must both have rank 3, 4 or 5. "
                f"Received: {shapes.format_dims(input.dims)} and {shapes.format_dims(filter.dims)}"
            )
        layout = layout_of(data_format, axes)
        strides, steps = per_spatial(strides, axes, "strides"), per_spatial(rate, axes, "dilation_rate")
        if max(strides) > 1 and max(steps) > 1:
            raise ValueError(
                "convolution: strides and dilation_rate cannot both be above 1. "
                f"Received: strides {strides}, dilation_rate {steps}"
            )
        _check_depth(input, filter, layout)
        op = _plain(filter, strides, layout, scope)
        kernel = shape_tensor(filter)
        to_tensor(steps, int32, "dilation_rate")
        if max(steps) == 1:
            return op(input, padding)
        first = 2 if windows.is_channels_first(layout) else 1
        return dilated(
            input, steps, str(padding), op, _leading(kernel, axes), list(range(first, first + axes))
        )


def _check_depth(input: Tensor, filter: Tensor, layout: str) -> None:
    if input.dims is None or filter.dims is None:
        return
    depth, wanted = windows.channel(input.dims, layout), filter.dims[-2]
    if None not in (depth, wanted) and depth != wanted:
        raise ValueError(
            f"convolution: filter expects {wanted} input channels but input has {depth} "
            f"(input {shapes.format_dims(input.dims)}, filter {shapes.format_dims(filter.dims)})"
        )


def _plain(filter: Tensor, strides: list[int], layout: str, scope: str) -> Callable[[Tensor, Any], Tensor]:
    """The undilated convolution with `filter`, named `scope`."""
    steps = windows.assemble(1, strides, 1, layout)

    def run(x: Tensor, padding: Any) -> Tensor:
        if len(layout) == 5:
            return raw.Conv3D(x, filter, strides=steps, padding=padding, data_format=layout, name=scope)
        if len(layout) == 4:
            return raw.Conv2D(x, filter, strides=steps, padding=padding, data_format=layout, name=scope)
        return _along_one_axis(x, filter, strides[0], padding, layout, scope)

    return run


def _along_one_axis(x: Tensor, filter: Tensor, stride: int, padding: Any, layout: str, scope: str) -> Tensor:
    """A convolution over one axis: over an image one pixel high."""
    place = 2 if windows.is_channels_first(layout) else 1
    image, kernel = raw.ExpandDims(x, place), raw.ExpandDims(filter, 0)
    order = _ORDERS[2][place - 1]
    steps = windows.assemble(1, [1, stride], 1, order)
    found = raw.Conv2D(image, kernel, strides=steps, padding=padding, data_format=order, name=scope)
    return raw.Squeeze(found, squeeze_dims=[place])


@public("nn.conv1d")
def conv1d(
    value: Any = None,
    filters: Any = None,
    stride: Any = None,
    padding: str | None = None,
    use_cudnn_on_gpu: bool | None = None,
    data_format: str | None = None,
    name: str | None = None,
    input: Any = None,
    dilations: Any = None,
) -> Tensor:
    """Convolves over one axis (a cross-correlation: the filters are not flipped).

    Args:
      value: `[batch, width, in]` (NWC) or `[batch, in, width]` (NCW), floating.
      filters: `[kernel_width, in, out]`, the same dtype.
      stride: the step of the window, an integer or a list of one.
      padding: "SAME" or "VALID".
      use_cudnn_on_gpu: kept in the graph; changes nothing.
      data_format: "NWC" (also "NHWC") or "NCW" (also "NCHW").
      name: scope and op name; default "conv1d".
      input: another spelling of `value`.
      dilations: the steps between the filter's elements, an integer or a list of one.

    Returns:
      `[batch, out_width, out]` in the layout of `data_format`.

    Raises:
      ValueError: the shapes or the arguments do not fit together.
    """
    value = window_args.one_of_two("value", value, "input", input)
    with name_scope(name, "conv1d", [value, filters]) as scope:
        if data_format not in (None, "NWC", "NHWC", "NCW", "NCHW"):
            raise ValueError(f"conv1d: data_format must be NWC or NCW. Received: {data_format!r}")
        layout = layout_of(data_format, 1)
        place = 2 if layout == "NCW" else 1
        order = _ORDERS[2][place - 1]
        (step,) = per_spatial(_spatial_part(stride, layout), 1, "stride")
        (rate,) = per_spatial(_spatial_part(dilations, layout), 1, "dilations")
        value = to_tensor(value, name="value")
        filters = to_tensor(filters, value.dtype.base_dtype, "filters")
        found = raw.Conv2D(
            raw.ExpandDims(value, place),
            raw.ExpandDims(filters, 0),
            strides=windows.assemble(1, [1, step], 1, order),
            dilations=windows.assemble(1, [1, rate], 1, order),
            use_cudnn_on_gpu=use_cudnn_on_gpu is None or use_cudnn_on_gpu,
            padding=padding,
            data_format=order,
            name=scope,
        )
        return raw.Squeeze(found, squeeze_dims=[place])


def _spatial_part(values: Any, layout: str) -> Any:
    """The one spatial entry of a list of three; anything else as it is."""
    if hasattr(values, "__len__") and len(values) == 3:
        return windows.spatial(list(values), layout)
    return values


@public("nn.conv1d_transpose")
def conv1d_transpose(
    input: Any,
    filters: Any,
    output_shape: Any,
    strides: Any,
    padding: str = "SAME",
    data_format: str = "NWC",
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """The transpose (not the inverse) of `conv1d`: spreads each input element over a window of the output.

    Args:
      input: `[batch, width, in]` in the layout of `data_format`.
      filters: `[kernel_width, out, in]`.
      output_shape: int32 `[3]`: the result's shape.
      strides: the step of the window over the output, an integer or a list of 1 or 3.
      padding: "SAME" or "VALID".
      data_format: "NWC" or "NCW".
      dilations: the steps between the filter's elements.
      name: scope and op name; default "conv1d_transpose".

    Returns:
      A tensor of shape `output_shape`.

    Raises:
      ValueError: the shapes or the arguments do not fit together.
    """
    with name_scope(name, "conv1d_transpose", [input, filters, output_shape]) as scope:
        layout = layout_of(data_format, 1)
        place = 2 if layout == "NCW" else 1
        order = _ORDERS[2][place - 1]
        (step,) = per_spatial(_spatial_part(strides, layout), 1, "strides")
        (rate,) = per_spatial(_spatial_part(dilations, layout), 1, "dilations")
        input, filters = window_args.tensors(input, filters)
        image, kernel = raw.ExpandDims(input, place), raw.ExpandDims(filters, 0)
        sizes = to_tensor(
            output_shape, int32 if not isinstance(output_shape, Tensor) else None, "output_shape"
        )
        sizes = raw.ConcatV2([sizes[:place], [1], sizes[place:]], 0, name="concat")
        found = raw.Conv2DBackpropInput(
            sizes,
            kernel,
            image,
            strides=windows.assemble(1, [1, step], 1, order),
            dilations=windows.assemble(1, [1, rate], 1, order),
            padding=padding,
            data_format=order,
            name=scope,
        )
        return raw.Squeeze(found, squeeze_dims=[place])


@public("nn.conv_transpose")
def conv_transpose(
    input: Any,
    filters: Any,
    output_shape: Any,
    strides: Any,
    padding: str = "SAME",
    data_format: str | None = None,
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """The transpose of `convolution` over one, two or three axes, as many as `output_shape` has besides two.

    Args:
      input: `[batch, ..., in]` in the layout of `data_format`.
      filters: `[..., out, in]`.
      output_shape: the result's shape: a list, or an int32 tensor of known length.
      strides: one integer, or one for each spatial axis.
      padding: "SAME" or "VALID".
      data_format: the layout; default channels last.
      dilations: likewise for the steps between the filter's elements.
      name: scope; default "conv_transpose".

    Returns:
      A tensor of shape `output_shape`.

    Raises:
      ValueError: `output_shape` is not of length 3, 4 or 5, or the shapes do not fit together.
    """
    with name_scope(name, "conv_transpose", [input, filters, output_shape]) as scope:
        length = output_shape.dims[0] if isinstance(output_shape, Tensor) and output_shape.dims else None
        length = len(output_shape) if not isinstance(output_shape, Tensor) else length
        if length is None or length - 2 not in _ORDERS:
            raise ValueError(
                f"conv_transpose: output_shape must have 3, 4 or 5 elements. Received: {output_shape!r}"
            )
        layout = layout_of(data_format, length - 2)
        if length == 3:
            return conv1d_transpose(input, filters, output_shape, strides, padding, layout, dilations, scope)
        transposed = conv2d_transpose if length == 4 else conv3d_transpose
        return transposed(
            input, filters, output_shape, strides, padding, layout, name=scope, dilations=dilations
        )


@public("nn.atrous_conv2d")
def atrous_conv2d(value: Any, filters: Any, rate: int, padding: str, name: str | None = None) -> Tensor:
    """`conv2d` whose filter has holes: `rate - 1` between neighbouring elements.

    Args:
      value: `[batch, height, width, in]`, floating.
      filters: `[kernel_height, kernel_width, in, out]`, the same dtype.
      rate: the steps between the filter's elements.
      padding: "SAME" or "VALID".
      name: scope and op name; default "atrous_conv2d".

    Returns:
      `[batch, out_height, out_width, out]`.

    Raises:
      ValueError: the shapes or the arguments do not fit together.
    """
    with name_scope(name, "atrous_conv2d", [value, filters]) as scope:
        value, filters = window_args.tensors(value, filters)
        _check_depth(value, filters, "NHWC")
        if rate < 1:
            raise ValueError(f"atrous_conv2d: rate must be at least 1. Received: {rate}")
        if padding not in ("SAME", "VALID"):
            raise ValueError(f"atrous_conv2d: padding must be SAME or VALID. Received: {padding!r}")
        op = _plain(filters, [1, 1], "NHWC", scope)
        if rate == 1:
            return op(value, padding)
        kernel = None
        if padding == "SAME":
            known = filters.dims is not None and None not in filters.dims[:2]
            kernel = list(filters.dims[:2]) if known else raw.Shape(filters)[:2]  # type: ignore[index]
        return dilated(value, [rate, rate], padding, op, kernel, [1, 2])


@public("nn.atrous_conv2d_transpose")
def atrous_conv2d_transpose(
    value: Any, filters: Any, output_shape: Any, rate: int, padding: str, name: str | None = None
) -> Tensor:
    """The transpose (not the inverse) of `atrous_conv2d`.

    Args:
      value: `[batch, height, width, in]`, floating.
      filters: `[kernel_height, kernel_width, out, in]`, the same dtype.
      output_shape: int32 `[4]`: the result's shape.
      rate: the steps between the filter's elements.
      padding: "SAME" or "VALID".
      name: scope and op name; default "atrous_conv2d_transpose".

    Returns:
      A tensor of shape `output_shape`.

    Raises:
      ValueError: the shapes or the arguments do not fit together.
    """
    with name_scope(name, "atrous_conv2d_transpose", [value, filters, output_shape]) as scope:
        return conv2d_transpose(value, filters, output_shape, [1, 1], padding, dilations=rate, name=scope)


@public("nn.depthwise_conv2d")
def depthwise_conv2d(
    input: Any,
    filter: Any,
    strides: Any,
    padding: str,
    rate: Any = None,
    name: str | None = None,
    data_format: str | None = None,
    dilations: Any = None,
) -> Tensor:
    """Convolves each channel with filters of its own.

    Args:
      input: `[batch, height, width, in]` (NHWC) or `[batch, in, height, width]` (NCHW), floating.
      filter: `[kernel_height, kernel_width, in, multiplier]`, the same dtype.
      strides: four integers: steps of the window.
      padding: "SAME" or "VALID".
      rate: two integers: steps between the filter's elements; strides must be 1 where they are above 1.
      name: scope and op name; default "depthwise".
      data_format: "NHWC" or "NCHW".
      dilations: another spelling of `rate`.

    Returns:
      `[batch, out_height, out_width, in * multiplier]` in the layout of `data_format`.

    Raises:
      ValueError: the shapes or the arguments do not fit together.
    """
    rate = window_args.one_of_two("rate", rate, "dilations", dilations)
    with name_scope(name, "depthwise", [input, filter]) as scope:
        input = to_tensor(input, name="tensor_in")
        filter = to_tensor(filter, input.dtype.base_dtype, "filter_in")
        return _depthwise(input, filter, strides, padding, rate, data_format, scope)


def _depthwise(
    input: Tensor, filter: Tensor, strides: Any, padding: str, rate: Any, data_format: str | None, name: str
) -> Tensor:
    layout = layout_of(data_format, 2)
    kernel = shape_tensor(filter)
    steps = per_spatial(rate, 2, "rate")
    to_tensor(steps, int32, "dilation_rate")

    def op(x: Tensor, chosen: Any) -> Tensor:
        return raw.DepthwiseConv2dNative(
            x, filter, strides=strides, padding=chosen, data_format=layout, name=name
        )

    if max(steps) == 1:
        return op(input, padding)
    first = 2 if layout == "NCHW" else 1
    return dilated(input, steps, padding, op, _leading(kernel, 2), [first, first + 1])


@public("nn.separable_conv2d")
def separable_conv2d(
    input: Any,
    depthwise_filter: Any,
    pointwise_filter: Any,
    strides: Any,
    padding: str,
    rate: Any = None,
    name: str | None = None,
    data_format: str | None = None,
    dilations: Any = None,
) -> Tensor:
    """A depthwise convolution followed by one that mixes the channels of each position.

    Args:
      input: `[batch, height, width, in]` (NHWC) or `[batch, in, height, width]` (NCHW), floating.
      depthwise_filter: `[kernel_height, kernel_width, in, multiplier]`, the same dtype.
      pointwise_filter: `[1, 1, in * multiplier, out]`, the same dtype.
      strides: four integers: steps of the depthwise window.
      padding: "SAME" or "VALID".
      rate: two integers: steps between the depthwise filter's elements.
      name: scope and op name; default "separable_conv2d".
      data_format: "NHWC" or "NCHW".
      dilations: another spelling of `rate`.

    Returns:
      `[batch, out_height, out_width, out]` in the layout of `data_format`.

    Raises:
      ValueError: the shapes or the arguments do not fit together.
    """
    rate = window_args.one_of_two("rate", rate, "dilations", dilations)
    with name_scope(name, "separable_conv2d", [input, depthwise_filter, pointwise_filter]) as scope:
        input = to_tensor(input, name="tensor_in")
        dtype = input.dtype.base_dtype
        depthwise = to_tensor(depthwise_filter, dtype, "depthwise_filter")
        pointwise = to_tensor(pointwise_filter, dtype, "pointwise_filter")
        if pointwise.dims is not None and not shapes.compatible(pointwise.dims, (1, 1, None, None)):
            raise ValueError(
                "separable_conv2d: pointwise_filter must be [1, 1, in * multiplier, out]. "
                f"Received: {shapes.format_dims(pointwise.dims)}"
            )
        spread = _depthwise(input, depthwise, strides, padding, rate, data_format, "depthwise")
        return conv2d(
            spread, pointwise, [1, 1, 1, 1], "VALID", data_format=layout_of(data_format, 2), name=scope
        )
