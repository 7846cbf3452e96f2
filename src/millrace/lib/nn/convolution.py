"""Convolutions made of others: over one to three axes, dilated, depthwise and separable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from millrace.building import operators, raw  # noqa: F401 - operators gives tensors their arithmetic
from millrace.building.convert import shape_tensor, to_tensor
from millrace.building.scopes import name_scope
from millrace.building.static import static_value
from millrace.core import shapes
from millrace.core.dtypes import int32
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.tensor import Tensor
from millrace.lib.math.array import required_space_to_batch_paddings
from millrace.opkit.rules import window_args, windows
from millrace.opkit.rules.idioms import constant
from millrace.ops.array.concat import concat
from millrace.ops.nn.conv import conv2d, conv2d_transpose
from millrace.ops.nn.conv3d import conv3d_transpose

_ORDERS = {1: ("NWC", "NCW"), 2: ("NHWC", "NCHW"), 3: ("NDHWC", "NCDHW")}


def layout_of(data_format: str | None, axes: int) -> str:
    """The layout in full: any that starts with "NC" means channels second."""
    if axes not in _ORDERS:
        raise ValueError(
            f"input must have one to three dimensions between batch and channels. Received: {axes}"
        )
    return _ORDERS[axes][bool(data_format) and windows.is_channels_first(str(data_format))]


def per_spatial(values: Any, axes: int, what: str) -> list[int]:
    """One integer of at least 1 for each spatial axis; None stands for ones.

    Raises:
      TypeError: a tensor.
      ValueError: another number of integers, or one below 1.
    """
    if values is None:
        return [1] * axes
    if isinstance(values, Tensor):
        raise TypeError(f"'{what}' must be integers. Received: {values}")
    found = [int(v) for v in np.atleast_1d(values)]
    if len(found) == 1:
        found = found * axes
    if len(found) != axes or min(found) < 1:
        raise ValueError(f"'{what}' must be {axes} values of at least 1. Received: {values!r}")
    return found


class Dilation:
    """Runs a windowed operation dilated: every `rate`-th element becomes a batch of its own, where the
    operation sees neighbours.

    Args:
      rate: the dilation of each axis, an int32 tensor.
      padding: "SAME" or "VALID".
      kernel: the window's lengths, needed for "SAME": an int32 vector, at least as long as `rate`.
      axes: the spatial axes of the input; all following ones up to the last are spatial too.
    """

    def __init__(self, rate: Tensor, padding: Any, kernel: Any, axes: list[int]) -> None:
        self.rate, self.padding, self.axes = rate, padding, axes
        self.steps = static_value(rate)
        self.is_none = self.steps is not None and bool((self.steps == 1).all())
        self.base: Any = None if self.is_none else self._base(kernel)

    def _base(self, kernel: Any) -> Any:
        count = len(self.axes)
        if self.padding != "SAME":
            return np.zeros((count, 2), np.int32)
        kernel = to_tensor(kernel, int32, "filter_shape")
        lengths = static_value(kernel)
        if lengths is not None and self.steps is not None:
            extra = (lengths[:count] - 1) * self.steps
            return constant(np.stack([extra // 2, extra - extra // 2], 1), "stack")
        extra = (kernel[:count] - 1) * self.rate
        before = extra // 2
        pads = [[before[i], (extra - before)[i]] for i in range(count)]
        return raw.Pack([raw.Pack(pair, name="stack") for pair in pads], name="stack")

    def __call__(self, x: Tensor, op: Callable[[Tensor, Any], Tensor]) -> Tensor:
        """What `op`, of an input and a padding, gives for `x`, dilated."""
        if self.is_none:
            return op(x, self.padding)
        sizes: Any = None if x.dims is None else [x.dims[a] for a in self.axes]
        if sizes is None or None in sizes:
            whole = shape_tensor(x)
            sizes = raw.Pack([whole[a] for a in self.axes], name="stack")
        pads, crops = required_space_to_batch_paddings(sizes, self.rate, self.base)
        rate = self._spread(self.rate, 1)
        pads, crops = self._spread(pads, 0), self._spread(crops, 0)
        moved = raw.SpaceToBatchND(x, rate, pads)
        return raw.BatchToSpaceND(op(moved, "VALID"), rate, crops)

    def _spread(self, values: Tensor, filling: int) -> Any:
        """One entry for each axis from the first behind the batch on: channels may stand before space."""
        missing = self.axes[0] - 1
        rest = () if values.dims is None else values.dims[1:]
        before = np.full((missing, *rest), filling, np.int32)  # pyright: ignore[reportArgumentType, reportCallIssue]
        known = static_value(values)
        if known is not None:
            return np.concatenate([before, known])
        own = values[: len(self.axes)]
        return concat([own] if missing == 0 else [before, own], 0)


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
    if rate.dims is None or len(rate.dims) != 1 or not rate.dims[0]:
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
    if padding == "SAME" and filter_shape is None:
        raise ValueError("with_space_to_batch: filter_shape is needed for SAME padding. Received: None")
    return Dilation(rate, padding, filter_shape, axes)(input, lambda x, p: op(x, count, p))


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
        return Convolving(filter, strides, steps, padding, layout, scope)(input, filter)


class Convolving:
    """Convolutions of one kind: what depends neither on the input nor on the filter's values is drawn once.

    Args:
      filter: `[..., in, out]`, a tensor or variable.
      strides, steps: one number for each spatial axis: the window's, and those between its elements.
      padding: "SAME" or "VALID".
      layout: such as "NHWC".
      name: of the operation; None for that of its kind, as layers have it.
    """

    def __init__(
        self,
        filter: Any,
        strides: Sequence[int],
        steps: Sequence[int],
        padding: Any,
        layout: str,
        name: str | None,
    ) -> None:
        self.strides, self.padding, self.layout, self.name = strides, padding, layout, name
        self.dilation = None
        axes, is_plain = len(layout) - 2, max(steps) == 1
        if is_plain and name is not None:
            return
        rate = to_tensor(steps, int32, "dilation_rate")
        first = 2 if windows.is_channels_first(layout) else 1
        lengths = None if is_plain else _spatial_lengths(filter)
        self.dilation = Dilation(rate, padding, lengths, list(range(first, first + axes)))

    def __call__(self, x: Tensor, filter: Any) -> Tensor:
        """The convolution of `x` with `filter`."""

        def plain(x: Tensor, padding: Any) -> Tensor:
            return self._plain(x, filter, padding)

        return plain(x, self.padding) if self.dilation is None else self.dilation(x, plain)

    def _plain(self, x: Tensor, filter: Any, padding: Any) -> Tensor:
        steps = windows.assemble(1, self.strides, 1, self.layout)
        settings: dict[str, Any] = dict(
            padding=padding, strides=steps, data_format=self.layout, name=self.name
        )
        if len(self.layout) == 5:
            return raw.Conv3D(x, filter, **settings)
        if len(self.layout) == 4:
            return raw.Conv2D(x, filter, **settings)
        with name_scope(self.name, "conv1d") as scope:
            return _along_one_axis(x, filter, self.strides[0], padding, self.layout, scope)


def _spatial_lengths(filter: Any) -> Any:
    """The window's lengths, a list where they are known."""
    dims = shapes.as_dims(filter.shape)
    if dims is not None and None not in dims[:-2]:
        return list(dims[:-2])
    return raw.Shape(filter)


def _check_depth(input: Tensor, filter: Tensor, layout: str) -> None:
    if input.dims is None or filter.dims is None:
        return
    depth, wanted = windows.channel(input.dims, layout), filter.dims[-2]
    if None not in (depth, wanted) and depth != wanted:
        raise ValueError(
            f"convolution: filter expects {wanted} input channels but input has {depth} "
            f"(input {shapes.format_dims(input.dims)}, filter {shapes.format_dims(filter.dims)})"
        )


def _along_one_axis(x: Tensor, filter: Any, stride: int, padding: Any, layout: str, scope: str) -> Tensor:
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


@public("nn.conv1d_transpose", "contrib.nn.conv1d_transpose")
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
      name: scope and op name; default "convolution".

    Returns:
      `[batch, out_height, out_width, out]`.

    Raises:
      ValueError: the shapes or the arguments do not fit together.
    """
    return convolution(value, filters, padding, dilation_rate=[rate, rate], name=name)


# TensorFlow lays the images apart before, and together behind the convolution.
_OF_SPACE_TO_BATCH = 7


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
        if rate != 1:
            get_default_graph().count(_OF_SPACE_TO_BATCH)
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
    if input.dims is not None and len(input.dims) != 4:
        raise ValueError(f"depthwise_conv2d: input must have rank 4. Received: {input}")
    kernel = shape_tensor(filter)
    steps = to_tensor(per_spatial(rate, 2, "rate"), int32, "dilation_rate")
    first = 2 if layout == "NCHW" else 1

    def op(x: Tensor, chosen: Any) -> Tensor:
        return raw.DepthwiseConv2dNative(
            x, filter, strides=strides, padding=chosen, data_format=layout, name=name
        )

    return Dilation(steps, padding, kernel, [first, first + 1])(input, op)


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
