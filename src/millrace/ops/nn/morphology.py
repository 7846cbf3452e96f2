"""Grey-scale dilation: maxima over windows to which a filter is added."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.convert import to_tensor
from millrace.building.scopes import name_scope
from millrace.core.dtypes import REAL
from millrace.core.public import public
from millrace.core.shapes import Dims, format_dims
from millrace.graph.attrs import ints, one_of
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules import window_args, windows
from millrace.opkit.rules.pooling import lowest
from millrace.opkit.rules.shape_rules import with_rank

_SIZES = ints(minimum=4)
_PADDINGS = one_of("SAME", "VALID")


class _Frame:
    """The windows of one run."""

    def __init__(self, x: Any, w: Any, strides: Any, rates: Any, padding: str) -> None:
        if len(x) != 4 or len(w) != 3 or x[3] != w[2]:
            raise windows.refused(
                "input must be [batch, height, width, depth] and filter [height, width, depth]. "
                f"Received: {list(x)} and {list(w)}"
            )
        windows.only_spatial(strides, "NHWC", "strides")
        windows.only_spatial(rates, "NHWC", "rates")
        self.strides, self.sizes, self.kernel = strides[1:3], tuple(x[1:3]), tuple(w[:2])
        self.outs, self.pads = windows.place(self.sizes, self.kernel, self.strides, padding, rates[1:3])
        self.offsets = windows.taps(self.kernel, rates[1:3])

    def sums(self, xp: Any, x: Any, w: Any) -> Iterator[Any]:
        """Input plus filter for each filter element, `[batch, *outs, depth]`; padding always loses."""
        low = lowest(x.dtype)
        padded = windows.pad_spatial(xp, x, self.pads, 0 if low != -np.inf else low)
        inside = None
        if any(map(any, self.pads)) and low != -np.inf:
            inside = windows.pad_spatial(np, np.ones((1, *self.sizes, 1), bool), self.pads, False)
        for offset, index in zip(self.offsets, windows.taps(self.kernel), strict=True):
            total = windows.tap(padded, offset, self.outs, self.strides) + w[index]
            if inside is not None:
                total = xp.where(
                    windows.tap(inside, offset, self.outs, self.strides), total, x.dtype.type(low)
                )
            yield total

    def best(self, xp: Any, x: Any, w: Any) -> tuple[Any, Any]:
        """The largest sum and the number of the first filter element that gives it."""
        best = index = None
        for i, total in enumerate(self.sums(xp, x, w)):
            if best is None:
                best, index = total, xp.zeros(total.shape, np.int32)
            else:
                better = total > best
                best, index = xp.where(better, total, best), xp.where(better, np.int32(i), index)
        return best, index


@declare("Dilation2D(input: T, filter: T) -> output: T",
    T=REAL, strides=_SIZES, rates=_SIZES, padding=_PADDINGS)  # fmt: skip
class Dilation2D:
    """The largest of input plus filter in each window."""

    def shape(input, filter, strides, rates, padding):
        return _shape(input, filter, strides, rates, padding)

    def kernel(xp, input, filter, strides, rates, padding):
        frame = _Frame(input.shape, filter.shape, strides, rates, padding)
        best = None
        for total in frame.sums(xp, input, filter):
            best = total if best is None else xp.maximum(best, total)
        return best

    def grad(op, dy):
        x, w = op.inputs
        dx = raw.Dilation2DBackpropInput(x, w, dy, **op.params)
        return dx, raw.Dilation2DBackpropFilter(x, w, dy, **op.params)


def _shape(x: Dims, w: Dims, strides: Any, rates: Any, padding: str) -> Dims:
    windows.check_attr(strides, 4, "strides")
    windows.check_attr(rates, 4, "rates")
    x, w = with_rank(x, 4, "input"), with_rank(w, 3, "filter")
    if None not in (x[3], w[2]) and x[3] != w[2]:  # type: ignore[index]
        raise ValueError(
            f"filter must have the input's depth. Received: input {format_dims(x)}, filter {format_dims(w)}"
        )
    outs = [
        windows.out_size(x[i + 1], w[i], strides[i + 1], padding, rates[i + 1], empty=True)  # type: ignore[index]
        for i in range(2)
    ]
    return x[0], *outs, w[2] if x[3] is None else x[3]  # type: ignore[index]


@declare("Dilation2DBackpropInput(input: T, filter: T, out_backprop: T) -> in_backprop: T",
    T=REAL, strides=_SIZES, rates=_SIZES, padding=_PADDINGS)  # fmt: skip
class Dilation2DBackpropInput:
    """The gradient of Dilation2D in its input: each gradient goes to the first maximum of its window."""

    def shape(input, filter, out_backprop):
        return input

    def kernel(xp, input, filter, out_backprop, strides, rates, padding):
        frame = _Frame(input.shape, filter.shape, strides, rates, padding)
        _, index = frame.best(xp, input, filter)
        zero = xp.zeros((), input.dtype)
        parts = ((o, xp.where(index == i, out_backprop, zero)) for i, o in enumerate(frame.offsets))
        padded = tuple(lo + n + hi for (lo, hi), n in zip(frame.pads, frame.sizes, strict=True))
        dx = xp.scatter_strided((input.shape[0], *padded, input.shape[3]), frame.strides, parts)
        return xp.array(windows.unpad(dx, frame.pads, frame.sizes))

    grad = NOT_DIFFERENTIABLE


@declare("Dilation2DBackpropFilter(input: T, filter: T, out_backprop: T) -> filter_backprop: T",
    T=REAL, strides=_SIZES, rates=_SIZES, padding=_PADDINGS)  # fmt: skip
class Dilation2DBackpropFilter:
    """The gradient of Dilation2D in its filter."""

    def shape(input, filter, out_backprop):
        return filter

    def kernel(xp, input, filter, out_backprop, strides, rates, padding):
        frame = _Frame(input.shape, filter.shape, strides, rates, padding)
        _, index = frame.best(xp, input, filter)
        zero = xp.zeros((), input.dtype)
        rows = [
            xp.sum(xp.where(index == i, out_backprop, zero), axis=(0, 1, 2), dtype=input.dtype)
            for i in range(len(frame.offsets))
        ]
        return xp.reshape(xp.stack(rows), filter.shape)

    grad = NOT_DIFFERENTIABLE


@public("nn.dilation2d")
def dilation2d(
    input: Any,
    filter: Any = None,
    strides: Any = None,
    rates: Any = None,
    padding: Any = None,
    name: str | None = None,
    filters: Any = None,
    dilations: Any = None,
) -> Tensor:
    """Grey-scale dilation: the largest of input plus filter in each window.

    Args:
      input: `[batch, height, width, depth]`, real.
      filter: `[filter_height, filter_width, depth]`, the same dtype.
      strides: four integers: the steps of the window; 1 for batch and depth.
      rates: four integers: the steps between the filter's elements.
      padding: "SAME" or "VALID".
      name: op name; default "Dilation2D".
      filters, dilations: other spellings of `filter` and `rates`.

    Returns:
      `[batch, out_height, out_width, depth]`, the dtype of `input`.

    Raises:
      ValueError: the shapes or the attributes do not fit together.
    """
    filter = window_args.one_of_two("filter", filter, "filters", filters)
    rates = window_args.one_of_two("rates", rates, "dilations", dilations)
    return raw.Dilation2D(input, filter, strides=strides, rates=rates, padding=padding, name=name)


@public("nn.erosion2d")
def erosion2d(
    value: Any, kernel: Any, strides: Any, rates: Any, padding: str, name: str | None = None
) -> Tensor:
    """Grey-scale erosion: the smallest of input minus filter in each window; the dual of `dilation2d`.

    Args:
      value: `[batch, height, width, depth]`, real.
      kernel: `[kernel_height, kernel_width, depth]`, the same dtype.
      strides, rates, padding: as for `dilation2d`.
      name: scope; default "erosion2d".

    Returns:
      `[batch, out_height, out_width, depth]`, the dtype of `value`.

    Raises:
      ValueError: the shapes or the attributes do not fit together.
    """
    with name_scope(name, "erosion2d", [value, kernel]) as scope:
        value = to_tensor(value, name="value")
        kernel = to_tensor(kernel, value.dtype.base_dtype, "kernel")
        negated, mirrored = raw.Neg(value), raw.ReverseV2(kernel, [0, 1])
        widened = raw.Dilation2D(negated, mirrored, strides=strides, rates=rates, padding=padding, name=scope)
        return raw.Neg(widened)


@public("compat.v2.nn.dilation2d")
def dilation2d_v2(
    input: Any,
    filters: Any,
    strides: Any,
    padding: Any,
    data_format: str,
    dilations: Any,
    name: str | None = None,
) -> Tensor:
    """`tf.nn.dilation2d` with the arguments of version 2; `data_format` is "NHWC".

    Raises:
      ValueError: another format, or the shapes or the attributes do not fit together.
    """
    _only_channels_last(data_format)
    return raw.Dilation2D(input, filters, strides=strides, rates=dilations, padding=padding, name=name)


@public("compat.v2.nn.erosion2d")
def erosion2d_v2(
    value: Any,
    filters: Any,
    strides: Any,
    padding: Any,
    data_format: str,
    dilations: Any,
    name: str | None = None,
) -> Tensor:
    """`tf.nn.erosion2d` with the arguments of version 2; `data_format` is "NHWC".

    Raises:
      ValueError: another format, or the shapes or the attributes do not fit together.
    """
    _only_channels_last(data_format)
    return erosion2d(value, filters, strides, dilations, padding, name)


def _only_channels_last(data_format: str) -> None:
    if data_format != "NHWC":
        raise ValueError(f"Data formats other than 'NHWC' are not yet supported. Received: {data_format!r}")
