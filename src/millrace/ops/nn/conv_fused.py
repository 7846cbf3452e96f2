"""Convolutions that resize and mirror their input first, as optimisers of frozen graphs make them."""

from __future__ import annotations

from typing import Any

from millrace.building.static import Known
from millrace.core.dtypes import float16, float32, float64
from millrace.core.shapes import Dims
from millrace.graph.attrs import flag, ints, one_of
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare, lookup

_TYPES = frozenset({float16, float32, float64})
_FUSED = {
    "T": _TYPES,
    "mode": one_of("REFLECT", "SYMMETRIC"),
    "strides": ints(),
    "padding": one_of("SAME", "VALID"),
}
_PLAIN: dict[str, Any] = {"explicit_paddings": (), "data_format": "NHWC", "dilations": (1, 1, 1, 1)}


def _dims(input: Dims, paddings: Known, filter: Dims, mode: str, strides: Any, padding: str) -> Dims:
    padded = lookup("MirrorPad").shape(input, paddings, mode=mode)
    return lookup("Conv2D").shape(padded, filter, strides=strides, padding=padding, **_PLAIN)


def _convolved(xp: Any, x: Any, paddings: Any, filter: Any, mode: str, strides: Any, padding: str) -> Any:
    padded = _kernel("MirrorPad")(xp, x, paddings, mode=mode)
    return _kernel("Conv2D")(xp, padded, filter, strides=strides, padding=padding, **_PLAIN)


def _kernel(op_type: str) -> Any:
    return lookup(op_type).kernel


@declare("FusedPadConv2D(input: T, paddings: int32, filter: T) -> output: T", static=("paddings",), **_FUSED)
class FusedPadConv2D:
    """Conv2D of `input` with a mirrored border."""

    def shape(input, paddings, filter, mode, strides, padding):
        return _dims(input, paddings, filter, mode, strides, padding)

    def kernel(xp, input, paddings, filter, mode, strides, padding):
        return _convolved(xp, input, paddings, filter, mode, strides, padding)

    grad = NOT_DIFFERENTIABLE


@declare(
    "FusedResizeAndPadConv2D(input: T, size: int32, paddings: int32, filter: T) -> output: T",
    static=("size", "paddings"),
    resize_align_corners=flag(False),
    **_FUSED,
)
class FusedResizeAndPadConv2D:
    """Conv2D of `input` resized, bilinearly, and then given a mirrored border."""

    def shape(input, size, paddings, filter, mode, strides, padding):
        return _dims(lookup("ResizeBilinear").shape(input, size), paddings, filter, mode, strides, padding)

    def kernel(xp, input, size, paddings, filter, resize_align_corners, mode, strides, padding):
        resized = _kernel("ResizeBilinear")(
            xp, input, size, align_corners=resize_align_corners, half_pixel_centers=False
        )
        return _convolved(xp, xp.cast(resized, input.dtype), paddings, filter, mode, strides, padding)

    grad = NOT_DIFFERENTIABLE
