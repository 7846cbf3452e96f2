"""Floats to quantized integers and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building.apply import apply
from millrace.core import dtypes
from millrace.core.dtypes import ALL, FLOATING, INDEX, QUANTIZED, int32
from millrace.core.errors import InvalidArgumentError, refusal
from millrace.core.public import public
from millrace.graph.attrs import count, dtype, flag, integer, later, number, one_of
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.idioms import shown
from millrace.opkit.rules.quantized import as_quantized, as_steps, away, limits
from millrace.opkit.rules.shape_rules import concatenated, with_rank

_MODES = one_of("MIN_COMBINED", "MIN_FIRST", "SCALED", default="MIN_COMBINED")
_LARGEST = np.finfo(np.float32).max


def _usable_range(low: Any, high: Any, narrowest: float = 0.01) -> tuple[np.float32, np.float32]:
    """A range that holds zero and is not too narrow to divide by."""
    low, high = np.float32(low), np.float32(high)
    if low > high:
        raise refusal(f"min_range must not exceed max_range. Received: {low} and {high}")
    least = np.float32(min(0.0, low))
    margin = max(np.float32(1), abs(low), abs(high)) * np.float32(narrowest)
    return least, np.float32(max(0.0, high, least + margin))


def first_steps(x: Any, low: Any, high: Any, qtype: np.dtype[Any]) -> np.ndarray:
    """The steps of mode MIN_FIRST: the range's start is rounded before it is subtracted."""
    least, most = limits(qtype)
    scale = (
        np.float32(0) if high == low else np.float32((most - least) / (np.float64(high) - np.float64(low)))
    )
    return away(np.asarray(x) * scale) - away(np.float32(low * scale)) + np.float64(least)


def first_values(steps: np.ndarray, low: Any, high: Any, qtype: np.dtype[Any]) -> np.ndarray:
    """The floats that steps of mode MIN_FIRST stand for."""
    least, most = limits(qtype)
    scale = np.float32((np.float64(high) - np.float64(low)) / (most - least))
    start = np.float32(low) if high == low else np.float32(away(np.float32(low / scale)) * scale)
    return ((steps.astype(np.float64) - least) * scale + start).astype(np.float32)


@declare(
    "QuantizeV2(input: float32, min_range: float32, max_range: float32) -> output: T, output_min: float32, "
    "output_max: float32",
    T=dtype(QUANTIZED),
    mode=_MODES,
    round_mode=one_of("HALF_AWAY_FROM_ZERO", "HALF_TO_EVEN", default="HALF_AWAY_FROM_ZERO"),
    narrow_range=later(flag(False)),
    axis=later(integer(-1)),
    ensure_minimum_range=later(number(0.01)),
    host=True,
)
class QuantizeV2:
    """`input` in the steps of a quantized type that spans a range, and the range really used."""

    def shape(input, min_range, max_range, mode, round_mode, axis):
        ends = [with_rank(v, 0 if axis == -1 else 1, n) for v, n in _ends(min_range, max_range)]
        if round_mode == "HALF_TO_EVEN" and mode != "SCALED":
            raise ValueError(f"Round mode HALF_TO_EVEN is only supported for mode SCALED. Received: {mode}")
        return [input, *ends]

    def kernel(
        xp,
        input,
        min_range,
        max_range,
        T,
        mode,
        round_mode,
        narrow_range,
        axis,
        ensure_minimum_range,
    ):
        options = T.np_dtype, mode, round_mode, narrow_range, ensure_minimum_range
        if axis == -1:
            return _steps(input, min_range, max_range, *options)
        parts = _slices(input, axis, min_range, max_range)
        found = [_steps(part, low, high, *options) for part, low, high in parts]
        out, low, high = zip(*found, strict=True) if found else ((), (), ())
        steps = np.stack(out, axis) if out else input.astype(T.np_dtype)
        return [steps, np.array(low, np.float32), np.array(high, np.float32)]

    grad = NOT_DIFFERENTIABLE


def _ends(low: Any, high: Any) -> tuple[tuple[Any, str], tuple[Any, str]]:
    return (low, "min_range"), (high, "max_range")


def _slices(x: Any, axis: int, low: Any, high: Any) -> Any:
    """The slices of `x` along an axis, each with its range."""
    if not 0 <= axis < x.ndim or low.shape != (x.shape[axis],) or high.shape != low.shape:
        raise refusal(
            f"min_range and max_range must have one element for each slice along axis {axis}. "
            f"Received: {list(low.shape)} and {list(high.shape)} for an input of shape {list(x.shape)}"
        )
    return zip(np.moveaxis(x, axis, 0), low, high, strict=True)


def _steps(
    input: Any,
    min_range: Any,
    max_range: Any,
    qtype: Any,
    mode: str,
    round_mode: str,
    narrow: bool,
    width: float,
) -> list[Any]:
    """Floats in the steps of a type that spans a range, and the range really used."""
    low, high = _usable_range(min_range, max_range, width)
    least, most = limits(qtype)
    least = least + 1 if narrow and mode == "SCALED" else least
    if mode == "MIN_FIRST":
        return [as_quantized(first_steps(input, low, high, qtype), qtype), low, high]
    inside = np.maximum(np.minimum(input, high), low)
    if mode == "MIN_COMBINED":
        scale = np.float32((np.float64(most) - np.float64(least)) / np.float64(high - low))
        half = np.float32((np.float64(most) - least + 1) / 2) if least < 0 else np.float32(0)
        return [as_quantized(away((inside - low) * scale - half).astype(np.float64), qtype), low, high]
    from_low = np.float32(least) / low if least * low > 0 else _LARGEST
    from_high = np.float32(most) / high if most * high > 0 else _LARGEST
    scale = np.float32(min(from_low, from_high))
    low, high = np.float32(least / scale), np.float32(most / scale)
    scaled = np.maximum(np.minimum(input, high), low) * scale
    steps = np.rint(scaled) if round_mode == "HALF_TO_EVEN" else away(scaled)
    return [as_quantized(steps.astype(np.float64), qtype), low, high]


@declare(
    "Dequantize(input: T, min_range: float32, max_range: float32) -> output: dtype",
    T=QUANTIZED,
    mode=_MODES,
    narrow_range=later(flag(False)),
    axis=later(integer(-1)),
    dtype=later(dtype(frozenset((dtypes.bfloat16, dtypes.float32)), dtypes.float32)),
    host=True,
)
class Dequantize:
    """The floats that quantized steps stand for."""

    def shape(input, min_range, max_range, axis):
        for value, name in _ends(min_range, max_range):
            with_rank(value, 0 if axis == -1 else 1, name)
        return input

    def kernel(xp, input, min_range, max_range, T, mode, narrow_range, axis, dtype):
        options = T.np_dtype, mode, narrow_range
        if axis == -1:
            found = _floats(input, min_range, max_range, *options)
        else:
            parts = _slices(input, axis, min_range, max_range)
            rows = [_floats(part, low, high, *options) for part, low, high in parts]
            found = np.stack(rows, axis) if rows else np.zeros(input.shape, np.float32)
        return found.astype(dtype.np_dtype, copy=False)

    grad = NOT_DIFFERENTIABLE


def _floats(input: Any, min_range: Any, max_range: Any, qtype: Any, mode: str, narrow: bool) -> Any:
    """The floats that the steps of a type that spans a range stand for."""
    steps, low, high = as_steps(input), np.float32(min_range), np.float32(max_range)
    least, most = limits(qtype)
    least = least + 1 if narrow and mode == "SCALED" else least
    if mode == "MIN_FIRST":
        return first_values(steps, low, high, qtype)
    if mode == "MIN_COMBINED":
        scale = np.float32((high - low) / np.float32(np.float64(most) - least))
        half = np.float32((np.float64(most) - least + 1) / 2) if least < 0 else np.float32(0)
        return (steps.astype(np.float32) + half) * scale + low
    scale = high / np.float32(most) if least == 0 else max(low / np.float32(least), high / np.float32(most))
    return steps.astype(np.float32) * np.float32(scale)


def _there_and_back(
    xp: Any, x: Any, low: Any, high: Any, signed: bool, bits: Any, given: bool, rounding: str, narrow: bool
) -> Any:
    """`x` rounded to the steps of an integer type of `bits` bits, in the arithmetic of its own dtype."""
    kind = x.dtype.type
    if not given:
        low, high = (xp.min(x), xp.max(x)) if np.size(x) else (kind(0), kind(0))
    if given:

        def turned() -> InvalidArgumentError:
            ends = f"input_min {shown(xp, low)} > input_max {shown(xp, high)}"
            return refusal(f"Invalid range: {ends}")

        xp.check(xp.logical_not(low > high), turned)
    least = kind(-(2.0 ** (bits - 1)) + narrow if signed else 0)
    most = kind(2.0 ** (bits - 1) - 1 if signed else 2.0**bits - 1)
    huge = kind(np.finfo(np.float32).max) if np.dtype(kind).itemsize > 2 else kind(65504)
    one = kind(1)
    from_low = xp.where(least * low > 0, least / xp.where(low == 0, one, low), huge)
    from_high = xp.where(most * high > 0, most / xp.where(high == 0, one, high), huge)
    by_low = from_low < from_high
    scale = xp.where(by_low, from_low, from_high)
    inverse = xp.where(by_low, low / (least if least else one), high / most)
    new_low, new_high = xp.where(by_low, low, least * inverse), xp.where(by_low, most * inverse, high)
    inside = xp.maximum(xp.minimum(x, new_high), new_low) if given else x
    scaled = inside * scale
    steps = xp.rint(scaled) if rounding == "HALF_TO_EVEN" else xp.floor(scaled + kind(0.5))
    return (steps * inverse).astype(x.dtype)


def _along(xp: Any, x: Any, ends: tuple[Any, Any], axis: int, options: tuple[Any, ...]) -> Any:
    """`_there_and_back`, of each slice along an axis on its own where there is one."""
    if axis == -1:
        return _there_and_back(xp, x, *ends, *options)
    count = x.shape[axis] if -x.ndim <= axis < x.ndim else -1
    given = options[2]
    if count < 0 or (given and (ends[0].shape != (count,) or ends[1].shape != (count,))):
        shown = f"{list(ends[0].shape)} and {list(ends[1].shape)}, axis {axis}"
        raise refusal(f"input_min and input_max must have one element for each slice. Received: {shown}")
    slices = xp.moveaxis(x, axis, 0)
    made = [
        _there_and_back(xp, slices[i], *((e[i] if given else e) for e in ends), *options)
        for i in range(count)
    ]
    return xp.moveaxis(xp.stack(made), 0, axis) if made else x


@declare(
    "QuantizeAndDequantize(input: T) -> output: T",
    T=FLOATING,
    signed_input=flag(True),
    num_bits=integer(8),
    range_given=flag(False),
    input_min=number(0.0),
    input_max=number(0.0),
)
class QuantizeAndDequantize:
    """The first version of QuantizeAndDequantizeV2, with its range as numbers."""

    def shape(input):
        return input

    def kernel(xp, input, signed_input, num_bits, range_given, input_min, input_max):
        kind = input.dtype.type
        ends = kind(input_min), kind(input_max)
        return _there_and_back(xp, input, *ends, signed_input, num_bits, range_given, "HALF_TO_EVEN", False)

    def grad(op, dy):
        return dy


@declare(
    "QuantizeAndDequantizeV2(input: T, input_min: T, input_max: T) -> output: T",
    T=FLOATING,
    signed_input=flag(True),
    num_bits=integer(8),
    range_given=flag(False),
    round_mode=one_of("HALF_TO_EVEN", "HALF_UP", default="HALF_TO_EVEN"),
    narrow_range=flag(False),
    axis=later(integer(-1)),
)
class QuantizeAndDequantizeV2:
    """`input` rounded to the steps of an integer type that spans its range or a given one."""

    def shape(input, input_min, input_max, axis):
        with_rank(input_min, 0 if axis == -1 else 1, "input_min")
        with_rank(input_max, 0 if axis == -1 else 1, "input_max")
        return input

    def kernel(
        xp, input, input_min, input_max, signed_input, num_bits, range_given, round_mode, narrow_range, axis
    ):
        ends = input_min, input_max
        options = signed_input, num_bits, range_given, round_mode, narrow_range
        return _along(xp, input, ends, axis, options)

    def grad(op, dy):
        return dy, None, None


@declare(
    "QuantizeAndDequantizeV3(input: T, input_min: T, input_max: T, num_bits: int32) -> output: T",
    T=FLOATING,
    signed_input=flag(True),
    range_given=flag(True),
    narrow_range=flag(False),
    axis=later(integer(-1)),
    static=("num_bits",),
)
class QuantizeAndDequantizeV3:
    """As QuantizeAndDequantizeV2, with the number of bits as a tensor."""

    def shape(input, input_min, input_max, num_bits, axis):
        with_rank(input_min, 0 if axis == -1 else 1, "input_min")
        with_rank(input_max, 0 if axis == -1 else 1, "input_max")
        return input

    def kernel(xp, input, input_min, input_max, num_bits, signed_input, range_given, narrow_range, axis):
        ends, bits = (input_min, input_max), int(num_bits)
        options = signed_input, bits, range_given, "HALF_TO_EVEN", narrow_range
        return _along(xp, input, ends, axis, options)

    def grad(op, dy):
        return dy, None, None, None


@declare(
    "QuantizedConcat(concat_dim: int32, values: N*T, input_mins: N*float32, input_maxes: N*float32) -> "
    "output: T, output_min: float32, output_max: float32",
    N=count(minimum=2),
    T=ALL,
    static=("concat_dim",),
    host=True,
)
class QuantizedConcat:
    """Quantized tensors one after the other, requantized to the range that holds all of theirs."""

    def shape(concat_dim, values, input_mins, input_maxes):
        return [concatenated(values, concat_dim), (), ()]

    def kernel(xp, concat_dim, values, input_mins, input_maxes):
        qtype = np.asarray(values[0]).dtype
        low, high = np.float32(min(input_mins)), np.float32(max(input_maxes))
        if limits(qtype)[0] < 0:
            high = max(abs(low), abs(high))
            low = -high
        parts = []
        for value, start, end in zip(values, input_mins, input_maxes, strict=True):
            if start != low or end != high:
                value = as_quantized(
                    first_steps(first_values(as_steps(value), start, end, qtype), low, high, qtype), qtype
                )
            parts.append(value)
        return [np.concatenate(parts, int(concat_dim)), low, high]

    grad = NOT_DIFFERENTIABLE


@declare(
    "QuantizedReshape(tensor: T, shape: Tshape, input_min: float32, input_max: float32) -> output: T, "
    "output_min: float32, output_max: float32",
    T=ALL,
    Tshape=dtype(INDEX, default=int32),
    static=("shape",),
    host=True,
    alias=True,
)
class QuantizedReshape:
    """Reshape of a quantized tensor, with its range."""

    def shape(tensor, shape, input_min, input_max):
        return [shape.as_dims(), (), ()]

    def kernel(xp, tensor, shape, input_min, input_max):
        try:
            return [np.reshape(tensor, tuple(shape.tolist())), input_min, input_max]
        except ValueError as error:
            raise refusal(str(error)) from None

    grad = NOT_DIFFERENTIABLE


@public("quantize", "quantization.quantize")
def quantize(
    input: Any,
    min_range: Any,
    max_range: Any,
    T: Any,
    mode: str = "MIN_COMBINED",
    round_mode: str = "HALF_AWAY_FROM_ZERO",
    name: str | None = None,
) -> Any:
    """Floats in the steps of a quantized type.

    Args:
      input: `[...]`, float32.
      min_range, max_range: float32 scalars, the range that the type spans.
      T: qint8, quint8, qint16, quint16 or qint32.
      mode: "MIN_COMBINED", "MIN_FIRST" or "SCALED".
      round_mode: "HALF_AWAY_FROM_ZERO", or, with "SCALED", "HALF_TO_EVEN".
      name: op name; default "QuantizeV2".

    Returns:
      A named tuple: `output` `[...]` of dtype `T`, and the range used, `output_min` and `output_max`.
    """
    options = dict(T=dtypes.as_dtype(T), mode=mode, round_mode=round_mode)
    return apply(QuantizeV2, input, min_range, max_range, name=name, **options)


@public("quantize_v2")
def quantize_v2(
    input: Any,
    min_range: Any,
    max_range: Any,
    T: Any,
    mode: str = "MIN_COMBINED",
    name: str | None = None,
    round_mode: str = "HALF_AWAY_FROM_ZERO",
) -> Any:
    """As `quantize`, with `name` before `round_mode`."""
    return quantize(input, min_range, max_range, T, mode, round_mode, name)


@public("dequantize", "quantization.dequantize")
def dequantize(
    input: Any, min_range: Any, max_range: Any, mode: str = "MIN_COMBINED", name: str | None = None
) -> Tensor:
    """The floats that quantized steps stand for.

    Args:
      input: `[...]` of a quantized dtype.
      min_range, max_range: float32 scalars, the range that the type spans.
      mode: as for `quantize`.
      name: op name; default "Dequantize".
    """
    return apply(Dequantize, input, min_range, max_range, mode=mode, name=name)


@public("quantization.quantize_and_dequantize")
def quantize_and_dequantize(
    input: Any,
    input_min: Any,
    input_max: Any,
    signed_input: bool = True,
    num_bits: int = 8,
    range_given: bool = False,
    round_mode: str = "HALF_TO_EVEN",
    name: str | None = None,
    narrow_range: bool = False,
) -> Tensor:
    """`input` rounded to the steps of an integer type; its gradient is that of the identity.

    Args:
      input: `[...]`, floating.
      input_min, input_max: scalars, same dtype; used with `range_given`.
      signed_input: the integers are signed.
      num_bits: how many bits they have.
      range_given: hold `input` to the range given; otherwise the range is that of `input`.
      round_mode: "HALF_TO_EVEN" or "HALF_UP".
      name: op name; default "QuantizeAndDequantizeV2".
      narrow_range: leave the lowest integer out.
    """
    options = dict(
        signed_input=signed_input,
        num_bits=num_bits,
        range_given=range_given,
        round_mode=round_mode,
        narrow_range=narrow_range,
    )
    return apply(QuantizeAndDequantizeV2, input, input_min, input_max, name=name, **options)


@public("quantized_concat", "quantization.quantized_concat")
def quantized_concat(
    concat_dim: Any, values: Any, input_mins: Any, input_maxes: Any, name: str | None = None
) -> Any:
    """Quantized tensors one after the other.

    Args:
      concat_dim: int32 scalar, the dimension that grows.
      values: a list of tensors of one quantized dtype.
      input_mins, input_maxes: lists of float32 scalars, the range of each.
      name: op name; default "QuantizedConcat".

    Returns:
      A named tuple: `output`, `output_min` and `output_max`.
    """
    return apply(QuantizedConcat, concat_dim, values, input_mins, input_maxes, name=name)
