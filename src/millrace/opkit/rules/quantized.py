"""The arithmetic of quantized integers: steps of a range, and what they stand for.

A quantized type of n bits divides a range [low, high] into 2ⁿ - 1 steps; its lowest integer stands for `low`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core import dtypes
from millrace.core.errors import refusal
from millrace.opkit.rules.shape_rules import with_rank

Range = tuple[np.float32, np.float32]
_INT32 = dtypes.qint32.np_dtype
_WIDER = 17  # a sum's range is 2¹⁷ times that of its terms, so that it cannot overflow
_WIDER_SUM = 14


def limits(qtype: np.dtype[Any]) -> tuple[int, int]:
    """The lowest and the highest integer of a quantized type."""
    info = np.iinfo(qtype[0])
    return int(info.min), int(info.max)


def as_quantized(steps: Any, qtype: np.dtype[Any]) -> np.ndarray:
    """Whole numbers, held to the type's range, as elements of the quantized type."""
    low, high = limits(qtype)
    return np.clip(steps, low, high).astype(qtype[0])[..., None].view(qtype)[..., 0]


def as_steps(quantized: Any) -> np.ndarray:
    """The whole numbers that quantized elements hold."""
    return dtypes.plain_numbers(np.asarray(quantized))


def away(x: Any) -> Any:
    """Rounds halves away from zero."""
    return np.trunc(x + np.copysign(np.float32(0.5), x))


def a_range(low: Any, high: Any) -> Range:
    """A range as two numbers of float32."""
    return np.float32(low), np.float32(high)


def check_scalars(**dims: Any) -> None:
    """Refuses a range whose ends are not scalars."""
    for name, given in dims.items():
        with_rank(given, 0, name)


def _steps_and_width(ends: Range, qtype: np.dtype[Any]) -> tuple[float, float]:
    """The number of integers of a type, and the width that all of them cover together."""
    steps = 2.0 ** (8 * qtype.itemsize)
    return steps, float(ends[1] - ends[0]) * (steps / (steps - 1.0))


def steps_of(values: Any, ends: Range, qtype: np.dtype[Any]) -> Any:
    """The steps nearest to `values`, not yet held to the type's range."""
    if ends[0] == ends[1]:
        return np.zeros_like(np.asarray(values, np.float64))
    steps, width = _steps_and_width(ends, qtype)
    scale = steps / width
    return away(np.float64(values) * scale) - away(np.float64(ends[0]) * scale) + limits(qtype)[0]


def held_steps(values: Any, ends: Range, qtype: np.dtype[Any]) -> Any:
    """The steps nearest to `values` in the type's range, as int64."""
    return np.clip(steps_of(values, ends, qtype), *limits(qtype)).astype(np.int64)


def values_of(steps: Any, ends: Range, qtype: np.dtype[Any]) -> Any:
    """The float32 numbers that steps stand for."""
    if ends[0] == ends[1]:
        return np.full(np.shape(steps), ends[0])
    count, width = _steps_and_width(ends, qtype)
    scale = width / count
    rounded = np.float32(scale)
    start = float(away(ends[0] / rounded) * rounded)
    return np.asarray(start + (np.float64(steps) - limits(qtype)[0]) * scale, np.float32)[()]


def zero_of(ends: Range, qtype: np.dtype[Any]) -> int:
    """The step that stands for zero; outside of the type where the range does not hold zero."""
    return int(steps_of(0.0, ends, qtype))


def _level(ends: Range, qtype: np.dtype[Any]) -> np.float32:
    low, high = limits(qtype)
    return np.float32((ends[1] - ends[0]) / np.float32(high - low))


def range_of_product(
    a: Range, b: Range, a_type: np.dtype[Any], b_type: np.dtype[Any], out_type: np.dtype[Any] = _INT32
) -> Range:
    """The range of `out_type` in which one step is a step of `a` times a step of `b`."""
    step = _level(a, a_type) * _level(b, b_type)
    low, high = limits(out_type)
    return np.float32(step * np.float32(low)), np.float32(step * np.float32(high))


def _widest(a: Range, b: Range, bits: int) -> Range:
    most = np.float32(max(a[1], -a[0], b[1], -b[0]) * (1 << bits))
    return np.float32(-most), most


def biased(x: Any, bias: Any, x_range: Range, bias_range: Range, out_type: np.dtype[Any]) -> list[Any]:
    """The sum of quantized arrays in a range that is wide enough for both, and that range."""
    ends = _widest(x_range, bias_range, _WIDER)
    total = sum(
        held_steps(values_of(as_steps(part), own, part.dtype), ends, out_type)
        for part, own in ((x, x_range), (bias, bias_range))
    )
    return [as_quantized(total, out_type), *ends]


def added(x: Any, y: Any, x_range: Range, y_range: Range, out_type: np.dtype[Any]) -> list[Any]:
    """As `biased` in a narrower range, a step of each input being a whole number of steps of the output."""
    ends = _widest(x_range, y_range, _WIDER_SUM)
    total: Any = 0
    for part, own in ((x, x_range), (y, y_range)):
        at_zero, at_one = (
            int(steps_of(values_of(np.int64(k), own, part.dtype), ends, out_type)) for k in (0, 1)
        )
        total = total + as_steps(part).astype(np.int64) * (at_one - at_zero) + at_zero
    return [as_quantized(total, out_type), *ends]


def requantized(x: Any, old: Range, new: Range, out_type: np.dtype[Any]) -> np.ndarray:
    """A quantized array in the steps of another range and type."""
    if x.dtype == _INT32 and out_type == dtypes.quint8.np_dtype:
        return as_quantized(_by_shifts(as_steps(x), old, new), out_type)
    return as_quantized(steps_of(values_of(as_steps(x), old, x.dtype), new, out_type), out_type)


def _by_shifts(steps: np.ndarray, old: Range, new: Range) -> np.ndarray:
    """32 bits to 8 in fixed point, with 16 bits behind the point."""
    one = 1 << 16
    old_width, new_width = old[1] - old[0], new[1] - new[0]
    if not new_width:
        return np.zeros_like(steps)
    middle = np.float32((old[0] + old[1]) / np.float32(2)) * (np.float32(255) / new_width)
    scale = int(255.0 * one * float(old_width) / float(new_width))
    start = int(one * (float(new[0]) * 255.0) / float(new_width))
    shifted = ((steps.astype(np.int64) * scale) >> 32) + int(np.float32(middle) * np.float32(one))
    return (shifted - start + one // 2) >> 16


def used_range(x: Any, ends: Range) -> Range:
    """The range that the elements of a quantized array span, zero included."""
    steps = as_steps(x)
    if not steps.size:
        return a_range(0.0, 0.0)
    low, high = (values_of(np.int64(k), ends, x.dtype) for k in (steps.min(), steps.max()))
    return a_range(min(float(low), 0.0), high)


def check_requested(low: Any, high: Any) -> Range:
    """The range that a result is wanted in.

    Raises:
      InvalidArgumentError: it does not hold zero, or its ends are the wrong way round.
    """
    if low > 0:
        raise refusal(f"requested_output_min must be <= 0, but got {low:g}")
    if high < low:
        raise refusal(f"requested_output_max must be >= requested_output_min, but got {high:g} and {low:g}")
    return a_range(low, high)
