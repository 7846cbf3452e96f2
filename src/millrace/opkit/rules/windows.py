"""Windows over spatial axes: output sizes, paddings and layouts of convolutions and pools."""

from __future__ import annotations

from typing import Any

from millrace.core.errors import InvalidArgumentError, refusal

Pairs = tuple[tuple[int, int], ...]


def is_channels_first(data_format: str) -> bool:
    """True for NCHW, NCW and NCDHW.

    Raises:
      TypeError: it is not a string.
    """
    if not isinstance(data_format, str):
        raise TypeError(f"data_format must be a string. Received: {data_format!r}")
    return data_format.startswith("NC")


def spatial(values: Any, data_format: str) -> Any:
    """The entries of `values` (one per axis) that belong to spatial axes."""
    return values[2:] if is_channels_first(data_format) else values[1:-1]


def channel(values: Any, data_format: str) -> Any:
    """The entry of `values` (one per axis) that belongs to the channels."""
    return values[1] if is_channels_first(data_format) else values[-1]


def assemble(batch: Any, sizes: Any, channels: Any, data_format: str) -> tuple[Any, ...]:
    """One value per axis in the order of `data_format`."""
    return (batch, channels, *sizes) if is_channels_first(data_format) else (batch, *sizes, channels)


def channels_last(xp: Any, x: Any, data_format: str) -> Any:
    """`x` with its channels moved to the last axis."""
    return xp.moveaxis(x, 1, -1) if is_channels_first(data_format) else x


def channels_back(xp: Any, x: Any, data_format: str) -> Any:
    """The inverse of `channels_last`."""
    return xp.moveaxis(x, -1, 1) if is_channels_first(data_format) else x


def check_attr(values: tuple[int, ...], rank: int, what: str, minimum: int = 1) -> None:
    """Checks the length and the entries of a `strides`, `ksize` or `dilations` attribute.

    Raises:
      ValueError: it has not one entry per axis, or an entry below `minimum`.
    """
    if len(values) != rank:
        raise ValueError(f"'{what}' must have {rank} values, one per axis. Received: {list(values)}")
    if min(values) < minimum:
        raise ValueError(f"'{what}' must be at least {minimum} on every axis. Received: {list(values)}")


def only_spatial(values: tuple[int, ...], data_format: str, what: str) -> None:
    """Refuses, when the graph runs, windows that step over batch or channels.

    Raises:
      InvalidArgumentError: an entry for the batch or the channels is not 1.
    """
    if values[0] != 1 or channel(values, data_format) != 1:
        raise refused(
            f"'{what}' must be 1 for batch and channels. Received: {list(values)} for {data_format}"
        )


def refused(message: str) -> InvalidArgumentError:
    """The error of a kernel that cannot use its inputs."""
    return refusal(message)


def out_size(
    size: int | None,
    window: int | None,
    stride: int,
    padding: str,
    dilation: int = 1,
    pads: tuple[int, int] = (0, 0),
    empty: bool = False,
) -> int | None:
    """How often a window fits into one axis; None where that is not known.

    Args:
      size: the axis' length.
      window: the window's length.
      stride: steps between windows.
      padding: "SAME", "VALID" or "EXPLICIT".
      dilation: steps between the window's elements.
      pads: elements added before and after, for EXPLICIT.
      empty: a window that is too long by less than a stride fits zero times.

    Raises:
      ValueError: the window is longer than the padded axis.
    """
    if size is None:
        return None
    if padding == "SAME":
        return -(-size // stride)
    if window is None:
        return None
    reach = (window - 1) * dilation + 1
    padded = size + sum(pads)
    if empty and reach - stride <= padded < reach:
        return 0
    if padded < reach:
        raise ValueError(
            f"the window must fit into the input. Received: window of {reach} over {padded} elements"
        )
    return (padded - reach) // stride + 1


def out_sizes(
    sizes: Any, windows: Any, strides: Any, padding: str, dilations: Any = None, explicit: Any = ()
) -> tuple[int | None, ...]:
    """`out_size` for each spatial axis."""
    n = len(sizes)
    dilations = dilations or (1,) * n
    pads = explicit or ((0, 0),) * n
    return tuple(
        out_size(s, k, t, padding, d, p)
        for s, k, t, d, p in zip(sizes, windows, strides, dilations, pads, strict=True)
    )


def place(
    sizes: Any, windows: Any, strides: Any, padding: str, dilations: Any = None, explicit: Any = ()
) -> tuple[tuple[int, ...], Pairs]:
    """Output sizes and paddings of windows over axes of known `sizes`.

    Returns:
      The output sizes, and the elements to add before and after each axis.

    Raises:
      InvalidArgumentError: a window is longer than its padded axis.
    """
    n = len(sizes)
    dilations = dilations or (1,) * n
    given = explicit or ((0, 0),) * n
    outs, pads = [], []
    for size, window, stride, dilation, pair in zip(sizes, windows, strides, dilations, given, strict=True):
        reach = (window - 1) * dilation + 1
        if padding == "SAME":
            out = -(-size // stride)
            total = max((out - 1) * stride + reach - size, 0)
            pair = (total // 2, total - total // 2)
        else:
            spare = size + sum(pair) - reach + stride
            out = max(spare, 0) // stride
            if spare <= -stride:
                raise refused(
                    f"the window must fit into the input. Received: window of {reach} over {size} elements"
                )
        outs.append(out)
        pads.append(pair)
    return tuple(outs), tuple(pads)


def explicit_pairs(explicit_paddings: tuple[int, ...], data_format: str) -> Pairs:
    """The spatial (before, after) pairs of an `explicit_paddings` attribute; () where there is none.

    Raises:
      ValueError: it has not two entries per axis, a negative one, or pads batch or channels.
    """
    if not explicit_paddings:
        return ()
    if len(explicit_paddings) != 2 * len(data_format) or min(explicit_paddings) < 0:
        raise ValueError(
            f"'explicit_paddings' must be two values >= 0 per axis. Received: {list(explicit_paddings)}"
        )
    pairs = tuple(zip(explicit_paddings[::2], explicit_paddings[1::2], strict=True))
    if any(pairs[0]) or any(channel(pairs, data_format)):
        raise ValueError(
            f"'explicit_paddings' must be 0 for batch and channels. Received: {list(explicit_paddings)}"
        )
    return spatial(pairs, data_format)


def pad_spatial(xp: Any, x: Any, pads: Pairs, value: Any = 0) -> Any:
    """Channels-last `x` with `value` added around its spatial axes."""
    if not any(map(any, pads)):
        return x
    return xp.pad(x, ((0, 0), *pads, (0, 0)), constant_values=value)


def taps(windows: Any, dilations: Any = None) -> list[tuple[int, ...]]:
    """The offsets of a window's elements from its first, in row-major order."""
    offsets: list[tuple[int, ...]] = [()]
    for k, d in zip(windows, dilations or (1,) * len(windows), strict=True):
        offsets = [(*o, i * d) for o in offsets for i in range(k)]
    return offsets


def tap(x: Any, offset: tuple[int, ...], outs: tuple[int, ...], strides: Any) -> Any:
    """What the window element at `offset` sees: `[batch, *outs, ...]` of a padded channels-last `x`."""
    index = tuple(
        slice(o, o + (n - 1) * s + 1 if n else o, s) for o, n, s in zip(offset, outs, strides, strict=True)
    )
    return x[(slice(None), *index)]


def unpad(x: Any, pads: Pairs, sizes: Any) -> Any:
    """The part of a padded channels-last `x` that is not padding."""
    index = tuple(slice(lo, lo + n) for (lo, _), n in zip(pads, sizes, strict=True))
    return x[(slice(None), *index)]
