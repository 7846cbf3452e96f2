"""What convolutions over any number of axes share: checks, the placing of windows, the three products."""

from __future__ import annotations

from typing import Any

from millrace.core.shapes import format_dims
from millrace.opkit.rules import windows


def check_channels(depth: int | None, w: Any, x: Any) -> None:
    """The input's channels must be the filter's, or a multiple of them (grouped convolution).

    Raises:
      ValueError: they are not.
    """
    inner, outer = w[-2], w[-1]
    if depth is None or inner is None or depth == inner:
        return
    if inner == 0 or depth % inner or (outer is not None and outer % (depth // inner)):
        raise ValueError(
            f"filter expects {inner} input channels but input has {depth} "
            f"(input {format_dims(tuple(x))}, filter {format_dims(tuple(w))})"
        )


class Frame:
    """The windows of one run: strides and dilations of the spatial axes, output sizes, paddings."""

    __slots__ = ("dilations", "format", "outs", "pads", "strides")

    def __init__(
        self, x: Any, w: Any, strides: Any, padding: str, dilations: Any, data_format: str, explicit: Any = ()
    ) -> None:
        """Places windows of filter shape `w` over an input of shape `x`.

        Raises:
          InvalidArgumentError: the shapes do not fit each other.
        """
        for shape, what in ((x, "input"), (w, "filter")):
            if len(shape) != len(data_format):
                raise windows.refused(
                    f"'{what}' must have rank {len(data_format)}. Received: shape {list(shape)}"
                )
        windows.only_spatial(strides, data_format, "strides")
        windows.only_spatial(dilations, data_format, "dilations")
        try:
            check_channels(windows.channel(x, data_format), tuple(w), tuple(x))
        except ValueError as error:
            raise windows.refused(str(error)) from None
        self.format = data_format
        self.strides = windows.spatial(strides, data_format)
        self.dilations = windows.spatial(dilations, data_format)
        self.outs, self.pads = windows.place(
            windows.spatial(tuple(x), data_format),
            tuple(w[:-2]),
            self.strides,
            padding,
            self.dilations,
            windows.explicit_pairs(explicit, data_format),
        )

    @property
    def place(self) -> tuple[Any, Any, Any]:
        """What the verbs take last."""
        return self.strides, self.pads, self.dilations

    def check_gradient(self, dy: Any, batch: int, filters: int) -> None:
        """Checks the shape of an incoming gradient.

        Raises:
          InvalidArgumentError: it is not that of the convolution's output.
        """
        wanted = windows.assemble(batch, self.outs, filters, self.format)
        if tuple(dy.shape) != wanted:
            raise windows.refused(
                f"out_backprop must have the shape of the convolution's output, {list(wanted)}. "
                f"Received: {list(dy.shape)}"
            )


def forward(xp: Any, x: Any, w: Any, frame: Frame) -> Any:
    """The convolution of `x` in the layout of `frame`."""
    last = windows.channels_last(xp, x, frame.format)
    return windows.channels_back(xp, xp.conv(last, w, *frame.place), frame.format)


def input_grad(xp: Any, sizes: Any, w: Any, dy: Any, frame: Frame) -> Any:
    """The adjoint of `forward` in `x`, of shape `sizes`."""
    frame.check_gradient(dy, sizes[0], w.shape[-1])
    shape = (sizes[0], *windows.spatial(sizes, frame.format), windows.channel(sizes, frame.format))
    dx = xp.conv_input_grad(shape, w, windows.channels_last(xp, dy, frame.format), *frame.place)
    return windows.channels_back(xp, dx, frame.format)


def filter_grad(xp: Any, x: Any, sizes: Any, dy: Any, frame: Frame) -> Any:
    """The adjoint of `forward` in `w`, of shape `sizes`."""
    frame.check_gradient(dy, x.shape[0], sizes[-1])
    last = [windows.channels_last(xp, a, frame.format) for a in (x, dy)]
    return xp.conv_filter_grad(last[0], sizes, last[1], *frame.place)


def sizes_of(value: Any, rank: int, what: str) -> tuple[int, ...]:
    """The sizes in an `input_sizes` or `filter_sizes` vector.

    Raises:
      InvalidArgumentError: there are not `rank` of them.
    """
    sizes = tuple(value.tolist()) if value.ndim == 1 else ()
    if len(sizes) != rank or min(sizes) < 0:
        raise windows.refused(f"'{what}' must be {rank} sizes >= 0. Received: {value.tolist()}")
    return sizes
