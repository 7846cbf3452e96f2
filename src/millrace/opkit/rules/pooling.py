"""What pools over two and three spatial axes share: placing windows, maxima, means and their gradients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from millrace.core.dtypes import as_dtype
from millrace.core.errors import UnimplementedError
from millrace.core.shapes import Dims
from millrace.opkit.rules import windows
from millrace.opkit.rules.shape_rules import with_rank


def lowest(dtype: Any) -> Any:
    """The value that loses every comparison."""
    return np.iinfo(dtype).min if np.issubdtype(dtype, np.integer) else -np.inf


def pool_shape(x: Dims, ksize: Any, strides: Any, padding: str, data_format: str) -> Dims:
    """The static shape of a pool's output.

    Raises:
      ValueError: the attributes do not fit the input.
    """
    rank = len(data_format)
    windows.check_attr(ksize, rank, "ksize")
    windows.check_attr(strides, rank, "strides")
    return windows.out_sizes(with_rank(x, rank), ksize, strides, padding)


class Frame:
    """The windows of one run over the spatial axes of a channels-last input."""

    __slots__ = ("format", "outs", "pads", "sizes", "strides", "windows")

    def __init__(self, x: Any, ksize: Any, strides: Any, padding: str, data_format: str) -> None:
        """Places windows over an input of shape `x`.

        Raises:
          InvalidArgumentError: the input has another rank, or the windows do not fit into it.
          UnimplementedError: windows over batch or channels.
        """
        if len(x) != len(data_format):
            raise windows.refused(f"'input' must have rank {len(data_format)}. Received: shape {list(x)}")
        for values, what in ((ksize, "ksize"), (strides, "strides")):
            if values[0] != 1 or windows.channel(values, data_format) != 1:
                raise UnimplementedError(
                    None, None, f"'{what}' must be 1 for batch and channels here. Received: {list(values)}"
                )
        self.format = data_format
        self.sizes = windows.spatial(tuple(x), data_format)
        self.windows = windows.spatial(tuple(ksize), data_format)
        self.strides = windows.spatial(tuple(strides), data_format)
        self.outs, self.pads = windows.place(self.sizes, self.windows, self.strides, padding)

    def enter(self, xp: Any, x: Any, fill: Any = 0) -> Any:
        """`x` with channels last and padded with `fill`."""
        return windows.pad_spatial(xp, windows.channels_last(xp, x, self.format), self.pads, fill)

    def leave(self, xp: Any, y: Any) -> Any:
        """Channels-last `y` in the layout of the operation."""
        return windows.channels_back(xp, y, self.format)

    def counts(self, dtype: Any) -> np.ndarray:
        """How many elements of the input each window holds, `[1, *outs, 1]`."""
        total = np.ones((), np.int64)
        for n, k, s, (lo, _), size in zip(
            self.outs, self.windows, self.strides, self.pads, self.sizes, strict=True
        ):
            start = np.arange(n) * s - lo
            total = total[..., None] * (np.minimum(start + k, size) - np.maximum(start, 0))
        return total[None, ..., None].astype(dtype)

    def padded(self) -> tuple[int, ...]:
        """The sizes of the padded spatial axes."""
        return tuple(lo + n + hi for (lo, hi), n in zip(self.pads, self.sizes, strict=True))

    def tiles(self) -> bool:
        """Whether windows neither overlap nor leave gaps."""
        return self.windows == self.strides


def _wide(x: Any) -> Any:
    return x.astype("float32") if x.dtype.itemsize == 2 and not np.issubdtype(x.dtype, np.integer) else x


def max_pool(xp: Any, x: Any, frame: Frame) -> Any:
    """The largest element of each window; NaN is passed over."""
    return frame.leave(xp, xp.window_reduce(_compared(xp, x, frame), "max", frame.windows, frame.strides))


def _compared(xp: Any, x: Any, frame: Frame) -> Any:
    """`x` ready for windows, the least finite number in place of NaN."""
    if np.issubdtype(x.dtype, np.integer):
        return frame.enter(xp, x, lowest(x.dtype))
    least = np.asarray(as_dtype(x.dtype).min, x.dtype)
    return frame.enter(xp, xp.where(xp.isnan(x), least, x), lowest(x.dtype))


def max_pool_in_depth(xp: Any, x: Any, ksize: Any, strides: Any) -> Any:
    """The largest of each group of neighbouring channels of NHWC `x`.

    Raises:
      UnimplementedError: the groups overlap, do not divide the channels, or extend over space too.
    """
    k = ksize[-1]
    if tuple(ksize[:-1]) != (1,) * (len(ksize) - 1):
        raise UnimplementedError(
            None, None, f"a pool must be over space or over channels, not both. Received: ksize {list(ksize)}"
        )
    if strides[-1] != k or x.shape[-1] % k:
        raise UnimplementedError(
            None,
            None,
            "a pool over channels must have a stride equal to its window, which must divide the channels. "
            f"Received: ksize {list(ksize)}, strides {list(strides)}, {x.shape[-1]} channels",
        )
    return xp.max(xp.reshape(x, (*x.shape[:-1], x.shape[-1] // k, k)), axis=-1)


def _first_hits(x: Any, y: Any, frame: Frame) -> Iterator[tuple[tuple[int, ...], Any]]:
    """For each window element, where it is the first in its window that equals the maximum `y`."""
    free = None
    for offset in windows.taps(frame.windows):
        hit = windows.tap(x, offset, frame.outs, frame.strides) == y
        if free is not None:
            hit = hit & free
        free = ~hit if free is None else free ^ hit
        yield offset, hit


def _all_hits(x: Any, y: Any, frame: Frame) -> Iterator[tuple[tuple[int, ...], Any]]:
    """For each window element, where it equals the maximum `y`."""
    for offset in windows.taps(frame.windows):
        yield offset, windows.tap(x, offset, frame.outs, frame.strides) == y


def max_pool_grad(xp: Any, x: Any, y: Any, dy: Any, frame: Frame, every: bool = False) -> Any:
    """The gradient of `max_pool` in `x`: `dy` goes to the first maximum of each window, or to every one."""
    wide = _compared(xp, x, frame)
    y, dy = windows.channels_last(xp, y, frame.format), windows.channels_last(xp, dy, frame.format)
    shape = (x.shape[0], *frame.padded(), wide.shape[-1])
    hits = _all_hits if every else _first_hits
    dx = xp.scatter_where(shape, frame.strides, dy, hits(wide, y, frame))
    return frame.leave(xp, windows.unpad(dx, frame.pads, frame.sizes))


def max_pool_grad_by_index(xp: Any, x: Any, y: Any, dy: Any, frame: Frame) -> Any:
    """`max_pool_grad` for a compiler: the index of the maximum, then one comparison for each input element.

    Where windows tile the input, adding up shifted copies or a select-and-scatter takes XLA many times as
    long.
    """
    if not frame.tiles():
        return max_pool_grad(xp, x, y, dy, frame)
    wide = _compared(xp, x, frame)
    dy = windows.channels_last(xp, dy, frame.format)
    best = index = None
    for i, offset in enumerate(windows.taps(frame.windows)):
        part = windows.tap(wide, offset, frame.outs, frame.strides)
        if best is None:
            best, index = part, xp.zeros(part.shape, np.int32)
        else:
            better = part > best
            best, index = xp.where(better, part, best), xp.where(better, np.int32(i), index)
    n = len(frame.windows)
    spread = (slice(None), *(part for _ in range(n) for part in (slice(None), None)), slice(None))
    numbers = np.arange(int(np.prod(frame.windows)), dtype=np.int32).reshape(
        1, *(size for k in frame.windows for size in (1, k)), 1
    )
    dx = xp.where(index[spread] == numbers, dy[spread], xp.zeros((), dy.dtype))  # pyright: ignore[reportOptionalSubscript]
    covered = tuple(o * k for o, k in zip(frame.outs, frame.windows, strict=True))
    dx = xp.reshape(dx, (x.shape[0], *covered, wide.shape[-1]))
    dx = xp.pad(dx, ((0, 0), *((0, p - c) for p, c in zip(frame.padded(), covered, strict=True)), (0, 0)))
    return frame.leave(xp, windows.unpad(dx, frame.pads, frame.sizes))


def max_pool_grad_grad(xp: Any, x: Any, y: Any, dz: Any, frame: Frame) -> Any:
    """The gradient of `max_pool_grad` in `dy`: `dz` at the first maximum of each window."""
    wide, dz = _compared(xp, x, frame), frame.enter(xp, dz)
    y = windows.channels_last(xp, y, frame.format)
    out = xp.zeros(y.shape, dz.dtype)
    for offset, hit in _first_hits(wide, y, frame):
        out = xp.where(hit, windows.tap(dz, offset, frame.outs, frame.strides), out)
    return frame.leave(xp, out)


def avg_pool(xp: Any, x: Any, frame: Frame) -> Any:
    """The mean of the elements of each window; padding does not count."""
    total = xp.window_reduce(_wide(frame.enter(xp, x)), "sum", frame.windows, frame.strides)
    return frame.leave(xp, (total / frame.counts(total.dtype)).astype(x.dtype))


def avg_pool_grad(xp: Any, batch: int, channels: int, dy: Any, frame: Frame) -> Any:
    """The gradient of `avg_pool` in its input: each window shares its `dy` out evenly.

    Raises:
      InvalidArgumentError: `dy` has not the shape of the pool's output.
    """
    wanted = windows.assemble(batch, frame.outs, channels, frame.format)
    if tuple(dy.shape) != wanted:
        raise windows.refused(
            f"'grad' must have the output's shape {list(wanted)}. Received: {list(dy.shape)}"
        )
    spread = _wide(windows.channels_last(xp, dy, frame.format))
    spread = spread / frame.counts(spread.dtype)
    n = len(frame.windows)
    for axis, (k, s, size) in enumerate(zip(frame.windows, frame.strides, frame.padded(), strict=True)):
        shape = (*spread.shape[: axis + 1], size, *spread.shape[axis + 2 :])
        if k == s:
            spread = xp.repeat(spread, k, axis=axis + 1)
            rest = ((0, 0),) * (axis + 1), ((0, 0),) * (n - axis)
            spread = xp.pad(spread, (*rest[0], (0, size - spread.shape[axis + 1]), *rest[1]))
            continue
        steps = tuple(s if i == axis else 1 for i in range(n))
        part = spread
        offsets = (tuple(i if j == axis else 0 for j in range(n)) for i in range(k))
        spread = xp.scatter_strided(shape, steps, ((offset, part) for offset in offsets))
    return frame.leave(xp, windows.unpad(spread, frame.pads, frame.sizes).astype(dy.dtype))
