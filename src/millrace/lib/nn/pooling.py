"""Pools made of others: over one to three axes, and dilated."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.convert import to_tensor
from millrace.building.scopes import name_scope
from millrace.core.dtypes import int32
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.nn.convolution import Dilation, layout_of, per_spatial
from millrace.opkit.rules import window_args, windows

_TYPES = {("MAX", 2): "MaxPool", ("AVG", 2): "AvgPool", ("MAX", 3): "MaxPool3D", ("AVG", 3): "AvgPool3D"}


@public("nn.pool")
def pool(
    input: Any,
    window_shape: Any,
    pooling_type: str,
    padding: str,
    dilation_rate: Any = None,
    strides: Any = None,
    name: str | None = None,
    data_format: str | None = None,
    dilations: Any = None,
) -> Tensor:
    """Pools over one, two or three axes.

    Args:
      input: `[batch, ..., channels]`, or `[batch, channels, ...]` for a `data_format` that starts with "NC".
      window_shape: one integer for each spatial axis.
      pooling_type: "MAX" or "AVG".
      padding: "SAME" or "VALID".
      dilation_rate: one integer for each spatial axis; default 1; "SAME" and strides do not go with it.
      strides: one integer for each spatial axis; default 1.
      name: scope and op name; default "max_pool" or "avg_pool".
      data_format: the layout; default channels last.
      dilations: another spelling of `dilation_rate`.

    Returns:
      A tensor of the rank, layout and dtype of `input`.

    Raises:
      ValueError: the shapes or the arguments do not fit together.
    """
    rate = window_args.one_of_two("dilation_rate", dilation_rate, "dilations", dilations)
    if pooling_type not in ("MAX", "AVG"):
        raise ValueError(f"pool: pooling_type must be MAX or AVG. Received: {pooling_type!r}")
    with name_scope(name, f"{pooling_type.lower()}_pool", [input]) as scope:
        input = to_tensor(input, name="input")
        axes = len(window_shape)
        if axes not in (1, 2, 3):
            raise ValueError(f"pool: window_shape must have 1 to 3 elements. Received: {window_shape!r}")
        if input.dims is not None and len(input.dims) != axes + 2:
            raise ValueError(f"pool: input must have rank {axes + 2}. Received: shape {input.shape}")
        steps = per_spatial(strides, axes, "strides")
        spread = per_spatial(rate, axes, "dilation_rate")
        if max(steps) > 1 and max(spread) > 1:
            raise ValueError(
                "pool: strides and dilation_rate cannot both be above 1. "
                f"Received: strides {steps}, dilation_rate {spread}"
            )
        if padding == "SAME" and max(spread) > 1:
            raise ValueError(
                f"pool: SAME padding does not go with dilation. Received: dilation_rate {spread}"
            )
        if any(s > w for s, w in zip(steps, window_shape, strict=True)):
            raise ValueError(
                "pool: strides must not be longer than the window. "
                f"Received: strides {steps}, window_shape {list(window_shape)}"
            )
        layout = layout_of(data_format, axes)
        rate = to_tensor(spread, int32, "dilation_rate")

        def op(x: Tensor, chosen: str) -> Tensor:
            return _plain(pooling_type, x, list(window_shape), steps, chosen, layout, scope)

        first = 2 if windows.is_channels_first(layout) else 1
        return Dilation(rate, padding, None, list(range(first, first + axes)))(input, op)


def _plain(kind: str, x: Tensor, window: Any, strides: Any, padding: str, layout: str, name: str) -> Tensor:
    """The undilated pool; over one axis it is one over an image that is one pixel high."""
    if len(window) > 1:
        return getattr(raw, _TYPES[kind, len(window)])(
            x,
            ksize=windows.assemble(1, window, 1, layout),
            strides=windows.assemble(1, strides, 1, layout),
            padding=padding,
            data_format=layout,
            name=name,
        )
    place = 2 if windows.is_channels_first(layout) else 1
    order = "NCHW" if place == 2 else "NHWC"
    image = raw.ExpandDims(x, place)
    return raw.Squeeze(
        _plain(kind, image, [1, *window], [1, *strides], padding, order, name), squeeze_dims=[place]
    )


def _one(values: Any, layout: str, what: str) -> list[int]:
    if hasattr(values, "__len__") and len(values) == 3:
        values = windows.spatial(list(values), layout)
    return per_spatial(values, 1, what)


@public("nn.max_pool1d")
def max_pool1d(
    input: Any, ksize: Any, strides: Any, padding: str, data_format: str = "NWC", name: str | None = None
) -> Tensor:
    """The largest element of each window.

    Args:
      input: `[batch, width, channels]` (NWC) or `[batch, channels, width]` (NCW).
      ksize: the window: an integer, or a list of 1 or 3.
      strides: likewise: the step of the window.
      padding: "SAME" or "VALID".
      data_format: "NWC" or "NCW".
      name: scope and op name; default "MaxPool1d".

    Returns:
      A tensor of the same rank, layout and dtype.

    Raises:
      ValueError: the window does not fit, or a list has another length.
    """
    with name_scope(name, "MaxPool1d", [input]) as scope:
        layout, x = layout_of(data_format, 1), to_tensor(input, name="input")
        return _plain(
            "MAX", x, _one(ksize, layout, "ksize"), _one(strides, layout, "strides"), padding, layout, scope
        )


@public("nn.avg_pool1d")
def avg_pool1d(
    input: Any, ksize: Any, strides: Any, padding: str, data_format: str = "NWC", name: str | None = None
) -> Tensor:
    """The mean of each window; arguments as for `max_pool1d`, default name "AvgPool1D"."""
    with name_scope(name, "AvgPool1D", [input]) as scope:
        layout, x = layout_of(data_format, 1), to_tensor(input, name="input")
        return _plain(
            "AVG", x, _one(ksize, layout, "ksize"), _one(strides, layout, "strides"), padding, layout, scope
        )


def _any_rank(
    kind: str, input: Any, ksize: Any, strides: Any, padding: str, data_format: Any, name: str
) -> Tensor:
    x = to_tensor(input, name="input")
    if x.dims is None and data_format is None:
        raise ValueError("the rank of input, or data_format, must be known. Received: neither")
    axes = len(data_format if x.dims is None else x.dims) - 2
    layout = layout_of(data_format, axes)
    if axes == 1:
        window, steps = _one(ksize, layout, "ksize"), _one(strides, layout, "strides")
    else:
        window, steps = (
            list(windows.spatial(window_args.per_axis(v, axes, layout, what), layout))
            for v, what in ((ksize, "ksize"), (strides, "strides"))
        )
    return _plain(kind, x, window, steps, padding, layout, name)


@public("nn.max_pool_v2")
def max_pool_v2(
    input: Any,
    ksize: Any,
    strides: Any,
    padding: str,
    data_format: str | None = None,
    name: str | None = None,
) -> Tensor:
    """The largest element of each window over one, two or three axes, as many as the rank says.

    Args:
      input: `[batch, ..., channels]`, or `[batch, channels, ...]` for a `data_format` that starts with "NC".
      ksize: the window: an integer, or one for each spatial axis, or for each axis.
      strides: likewise: the steps of the window.
      padding: "SAME" or "VALID".
      data_format: the layout; default channels last.
      name: scope and op name; default "MaxPool".

    Returns:
      A tensor of the same rank, layout and dtype.

    Raises:
      ValueError: the rank is not known, or the window does not fit.
    """
    with name_scope(name, "MaxPool", [input]) as scope:
        return _any_rank("MAX", input, ksize, strides, padding, data_format, scope)


@public("nn.avg_pool_v2")
def avg_pool_v2(
    input: Any,
    ksize: Any,
    strides: Any,
    padding: str,
    data_format: str | None = None,
    name: str | None = None,
) -> Tensor:
    """The mean of each window; arguments as for `max_pool_v2`, default name "AvgPool"."""
    with name_scope(name, "AvgPool", [input]) as scope:
        return _any_rank("AVG", input, ksize, strides, padding, data_format, scope)
