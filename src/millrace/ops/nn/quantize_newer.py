"""Quantization as later releases write it: uniform steps, and the gradient of there and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core import dtypes
from millrace.core.dtypes import FLOATING, QUANTIZED
from millrace.core.errors import refusal
from millrace.graph.attrs import dtype, integer
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.rules.quantized import as_quantized, as_steps

_STEPS = frozenset((dtypes.qint8, dtypes.qint32)) & QUANTIZED
_AXIS: dict[str, Any] = {"quantization_axis": integer(-1)}
_ENDS: dict[str, Any] = {"quantization_min_val": integer(), "quantization_max_val": integer()}


@declare(
    "QuantizeAndDequantizeV4Grad(gradients: T, input: T, input_min: T, input_max: T) -> "
    "input_backprop: T, input_min_backprop: T, input_max_backprop: T",
    T=FLOATING,
    axis=integer(-1),
)
class QuantizeAndDequantizeV4Grad:
    """The gradient inside of the range; none reaches what was cut off, nor the ends."""

    def shape(gradients, input, input_min, input_max):
        return [input, input_min, input_max]

    def kernel(xp, gradients, input, input_min, input_max, axis):
        low, high = input_min, input_max
        if axis != -1:
            sizes = [1] * input.ndim
            sizes[axis] = input.shape[axis]
            low, high = xp.reshape(low, sizes), xp.reshape(high, sizes)
        inside = (input >= low) & (input <= high)
        zero = gradients.dtype.type(0)
        return [xp.where(inside, gradients, zero), xp.zeros_like(input_min), xp.zeros_like(input_max)]

    grad = NOT_DIFFERENTIABLE


def _laid_out(values: Any, like: Any, axis: int, name: str) -> Any:
    """Scales or zero points so that they broadcast with what they belong to."""
    if axis == -1:
        if np.ndim(values):
            raise refusal(f"{name} must be a scalar where there is no axis. Received: {list(values.shape)}")
        return values
    if not 0 <= axis < like.ndim or values.shape != (like.shape[axis],):
        raise refusal(
            f"{name} must have one element for each slice along axis {axis}. "
            f"Received: {list(values.shape)} for {list(like.shape)}"
        )
    sizes = [1] * like.ndim
    sizes[axis] = like.shape[axis]
    return values.reshape(sizes)


def _quantized(x: Any, scales: Any, zeros: Any, axis: int, least: int, most: int, qtype: Any) -> Any:
    scales = _laid_out(scales, x, axis, "scales")
    zeros = _laid_out(zeros, x, axis, "zero_points")
    if not (scales > 0).all():
        raise refusal(f"scales must be positive. Received: {scales.ravel().tolist()[:10]}")
    steps = np.floor(x / scales + np.float32(0.5)) + zeros
    return as_quantized(np.clip(steps, least, most).astype(np.float64), qtype)


def _restored(steps: Any, scales: Any, zeros: Any, axis: int) -> Any:
    scales = _laid_out(scales, steps, axis, "scales")
    zeros = _laid_out(zeros, steps, axis, "zero_points")
    return ((as_steps(steps) - zeros) * scales).astype(np.float32)


@declare(
    "UniformQuantize(input: Tin, scales: float, zero_points: int32) -> output: Tout",
    Tin=dtype(frozenset((dtypes.float32,))),
    Tout=dtype(_STEPS),
    **_AXIS,
    **_ENDS,
    host=True,
)
class UniformQuantize:
    """Floats as steps of one size from a zero point on."""

    def shape(input, scales, zero_points):
        return input

    def kernel(xp, input, scales, zero_points, Tout, quantization_axis, quantization_min_val,
               quantization_max_val):  # fmt: skip
        ends = quantization_min_val, quantization_max_val
        return _quantized(input, scales, zero_points, quantization_axis, *ends, Tout.np_dtype)

    grad = NOT_DIFFERENTIABLE


@declare(
    "UniformDequantize(input: Tin, scales: float, zero_points: int32) -> output: Tout",
    Tin=dtype(_STEPS),
    Tout=dtype(frozenset((dtypes.float32,))),
    **_AXIS,
    **_ENDS,
    host=True,
)
class UniformDequantize:
    """The floats that steps of one size stand for."""

    def shape(input, scales, zero_points):
        return input

    def kernel(xp, input, scales, zero_points, quantization_axis):
        return _restored(input, scales, zero_points, quantization_axis)

    grad = NOT_DIFFERENTIABLE
