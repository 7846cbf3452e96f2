"""Maximum pools that also say where the maximum was."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.core.dtypes import INDEX, REAL, as_dtype, int64
from millrace.core.public import public
from millrace.graph.attrs import dtype, flag, ints, one_of
from millrace.graph.opdef import declare
from millrace.opkit.rules import window_args, windows
from millrace.opkit.rules.idioms import shown
from millrace.opkit.rules.pooling import Frame, lowest, pool_shape

_SIZES = ints(minimum=4)
_PADDINGS = one_of("SAME", "VALID")


def _positions(shape: Any, frame: Frame, offset: tuple[int, ...], in_batch: bool) -> np.ndarray:
    """The flat index of the window element at `offset` for every output, `[batch or 1, *outs, channels]`."""
    batch, height, width, channels = shape
    row, column = (
        np.arange(n) * s + o - lo
        for n, s, o, (lo, _) in zip(frame.outs, frame.strides, offset, frame.pads, strict=True)
    )
    spot = (row[:, None] * width + column)[None, :, :, None] * channels + np.arange(channels)
    return spot + (np.arange(batch) * (height * width * channels)).reshape(-1, 1, 1, 1) if in_batch else spot


def _flat(xp: Any, argmax: Any, dims: tuple[int, ...], in_batch: bool) -> Any:
    """Indices into the flattened input of `dims`, from indices into it or into one image.

    Raises:
      InvalidArgumentError: one of them is out of range.
    """
    size = int(np.prod(dims if in_batch else dims[1:]))
    rule = f"argmax must be in [0, {size})"
    inside = (argmax >= 0) & (argmax < size)
    xp.check(inside, lambda: windows.refused(f"{rule}. Received: {shown(xp, argmax)}"))
    if in_batch:
        return xp.reshape(argmax, (-1,))
    first = (np.arange(argmax.shape[0]) * size).reshape(-1, *(1,) * (argmax.ndim - 1))
    return xp.reshape(argmax + first.astype(argmax.dtype), (-1,))


@declare("MaxPoolWithArgmax(input: T) -> output: T, argmax: Targmax",
    T=REAL, ksize=_SIZES, strides=_SIZES, Targmax=dtype(INDEX, default=int64), padding=_PADDINGS,
    include_batch_in_index=flag(False))  # fmt: skip
class MaxPoolWithArgmax:
    """The largest element of each window, and its index in the flattened image or batch."""

    def shape(input, ksize, strides, padding):
        dims = pool_shape(input, ksize, strides, padding, "NHWC")
        return [dims, dims]

    def kernel(xp, input, ksize, strides, Targmax, padding, include_batch_in_index):
        frame = Frame(input.shape, ksize, strides, padding, "NHWC")
        wide = frame.enter(xp, input, lowest(input.dtype))
        best = where = None
        for offset in windows.taps(frame.windows):
            part = windows.tap(wide, offset, frame.outs, frame.strides)
            spot = _positions(input.shape, frame, offset, include_batch_in_index).astype(Targmax.np_dtype)
            spot = xp.broadcast_to(spot, part.shape)
            if best is None:
                best, where = part, spot
            else:
                better = part > best
                best, where = xp.where(better, part, best), xp.where(better, spot, where)
        return xp.array(best), xp.array(where)

    def grad(op, dy, _):
        return raw.MaxPoolGradWithArgmax(op.inputs[0], dy, op.outputs[1], **op.params)


@declare("MaxPoolGradWithArgmax(input: T, grad: T, argmax: Targmax) -> output: T",
    T=REAL, Targmax=INDEX, ksize=_SIZES, strides=_SIZES, padding=_PADDINGS,
    include_batch_in_index=flag(False))  # fmt: skip
class MaxPoolGradWithArgmax:
    """The gradient of MaxPoolWithArgmax: `grad` goes to the elements that `argmax` names."""

    def shape(input, grad, argmax):
        return input

    def kernel(xp, input, grad, argmax, include_batch_in_index):
        index = _flat(xp, argmax, input.shape, include_batch_in_index)
        size = int(np.prod(input.shape))
        return xp.reshape(xp.scatter_add_flat(size, index, xp.reshape(grad, (-1,))), input.shape)

    def grad(op, dz):
        x, _, argmax = op.inputs
        return None, raw.MaxPoolGradGradWithArgmax(x, dz, argmax, **op.params), None


@declare("MaxPoolGradGradWithArgmax(input: T, grad: T, argmax: Targmax) -> output: T",
    T=REAL, Targmax=INDEX, ksize=_SIZES, strides=_SIZES, padding=_PADDINGS,
    include_batch_in_index=flag(False))  # fmt: skip
class MaxPoolGradGradWithArgmax:
    """The gradient of MaxPoolGradWithArgmax: the elements of `grad` that `argmax` names."""

    def shape(input, grad, argmax, ksize, strides, padding):
        return pool_shape(input, ksize, strides, padding, "NHWC")

    def kernel(xp, input, grad, argmax, include_batch_in_index):
        index = _flat(xp, argmax, input.shape, include_batch_in_index)
        return xp.reshape(xp.take(xp.reshape(grad, (-1,)), index), argmax.shape)

    def grad(op, dy):
        x, _, argmax = op.inputs
        return None, raw.MaxPoolGradWithArgmax(x, dy, argmax, **op.params), None


@public("nn.max_pool_with_argmax")
def max_pool_with_argmax(
    input: Any,
    ksize: Any,
    strides: Any,
    padding: str,
    data_format: str = "NHWC",
    Targmax: Any = None,
    name: str | None = None,
    output_dtype: Any = None,
    include_batch_in_index: bool = False,
) -> Any:
    """The largest element of each window, and where it was.

    Args:
      input: `[batch, height, width, channels]`, real.
      ksize: 1, 2 or 4 integers: the window.
      strides: likewise: the steps of the window.
      padding: "SAME" or "VALID".
      data_format: must be "NHWC".
      Targmax, output_dtype: the dtype of the indices; default int64.
      name: op name; default "MaxPoolWithArgmax".
      include_batch_in_index: whether an index counts from the first image rather than from its own.

    Returns:
      The named tuple (output, argmax), both `[batch, out_height, out_width, channels]`; an element's index
      is `(row * width + column) * channels + channel`.

    Raises:
      ValueError: another data_format, or a window that does not fit.
    """
    if data_format != "NHWC":
        raise ValueError(f"max_pool_with_argmax: data_format must be NHWC. Received: {data_format!r}")
    chosen = window_args.one_of_two("Targmax", Targmax, "output_dtype", output_dtype, int64)
    return raw.MaxPoolWithArgmax(
        input,
        ksize=window_args.per_axis(ksize, 2, data_format, "ksize"),
        strides=window_args.per_axis(strides, 2, data_format, "strides"),
        Targmax=as_dtype(chosen),
        padding=padding,
        include_batch_in_index=include_batch_in_index,
        name=name,
    )
