"""Rounding floats to the few values that a quantized integer could hold, for training with quantization in
mind.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph.attrs import flag, integer, number
from millrace.graph.opdef import declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.shape_rules import merged, with_rank


def _nudged(xp: Any, low: Any, high: Any, num_bits: int, narrow_range: bool) -> tuple[Any, Any, Any]:
    """The range moved so that zero is one of its steps, and the length of a step; all in float32."""
    _check_bits(num_bits)
    steps_from, steps_to = np.float32(narrow_range), np.float32((1 << num_bits) - 1)
    scale = (high - low) / (steps_to - steps_from)
    from_low = steps_from - low / scale
    zero = xp.where(
        from_low < steps_from,
        steps_from,
        xp.where(from_low > steps_to, steps_to, xp.floor(from_low + np.float32(0.5))),
    )
    return (steps_from - zero) * scale, (steps_to - zero) * scale, scale


def _quantized(
    xp: Any, x: Any, low: Any, high: Any, num_bits: int, narrow_range: bool, by_inverse: bool = False
) -> Any:
    """`x` held to the range and rounded to a step; TensorFlow multiplies by the inverse step for fixed
    ranges only.
    """
    with np.errstate(all="ignore"):
        least, most, scale = _nudged(xp, low, high, num_bits, narrow_range)
        shifted = xp.maximum(xp.minimum(x, most), least) - least
        steps = shifted * (np.float32(1) / scale) if by_inverse else shifted / scale
        found = xp.floor(steps + np.float32(0.5)) * scale + least
    return xp.where((low == 0) & (high == 0), np.float32(0), found)


def _passed(xp: Any, x: Any, low: Any, high: Any, num_bits: int, narrow_range: bool) -> tuple[Any, Any, Any]:
    """Which elements are below, inside and above the range; all inside where the range is empty."""
    with np.errstate(all="ignore"):
        least, most, _ = _nudged(xp, low, high, num_bits, narrow_range)
    empty = (low == 0) & (high == 0)
    below, above = (x < least) & ~empty, (x > most) & ~empty
    inside = empty | ((x >= least) & (x <= most))
    return below, inside, above


def _check_bits(num_bits: int) -> None:
    if not 2 <= num_bits <= 16:
        raise refusal(f"num_bits must be between 2 and 16, inclusive. Received: {num_bits}")


@declare("FakeQuantWithMinMaxArgs(inputs: float32) -> outputs: float32", min=number(-6.0), max=number(6.0),
         num_bits=integer(8), narrow_range=flag(False))  # fmt: skip
class FakeQuantWithMinMaxArgs:
    """`inputs` rounded to 2 ** num_bits steps from `min` to `max`."""

    def shape(inputs):
        return inputs

    def kernel(xp, inputs, min, max, num_bits, narrow_range):
        if min >= max:
            raise refusal(f"min has to be smaller than max. Received: {min} and {max}")
        return _quantized(
            xp, inputs, np.float32(min), np.float32(max), num_bits, narrow_range, by_inverse=True
        )

    def grad(op, dy):
        return raw.FakeQuantWithMinMaxArgsGradient(dy, op.inputs[0], **op.params)


@declare(
    "FakeQuantWithMinMaxArgsGradient(gradients: float32, inputs: float32) -> backprops: float32",
    min=number(-6.0),
    max=number(6.0),
    num_bits=integer(8),
    narrow_range=flag(False),
)
class FakeQuantWithMinMaxArgsGradient:
    """`gradients` where the inputs are inside the range, zero elsewhere."""

    def shape(gradients, inputs):
        return merged(gradients, inputs)

    def kernel(xp, gradients, inputs, min, max, num_bits, narrow_range):
        _, inside, _ = _passed(xp, inputs, np.float32(min), np.float32(max), num_bits, narrow_range)
        return xp.where(inside, gradients, np.float32(0))

    def grad(op, dy):
        return raw.FakeQuantWithMinMaxArgsGradient(dy, op.inputs[1], **op.params), None


@declare("FakeQuantWithMinMaxVars(inputs: float32, min: float32, max: float32) -> outputs: float32",
         num_bits=integer(8), narrow_range=flag(False))  # fmt: skip
class FakeQuantWithMinMaxVars:
    """`inputs` rounded to 2 ** num_bits steps from `min` to `max`, which are tensors."""

    def shape(inputs, min, max):
        with_rank(min, 0, "min")
        with_rank(max, 0, "max")
        return inputs

    def kernel(xp, inputs, min, max, num_bits, narrow_range):
        return _quantized(xp, inputs, min, max, num_bits, narrow_range)

    def grad(op, dy):
        return raw.FakeQuantWithMinMaxVarsGradient(dy, *op.inputs, **op.params)


def _second_order(op: Any, d_inputs: Tensor, d_min: Tensor, d_max: Tensor) -> tuple[Tensor, None, None, None]:
    """What the incoming gradient contributed to each of the three results."""
    _, x, low, high = op.inputs
    gradient = getattr(raw, op.type)
    inside = gradient(raw.OnesLike(x), x, low, high, **op.params)[0]
    below = (1.0 - inside) * raw.Cast(raw.Less(x, (low + high) * 0.5), DstT=x.dtype)
    return d_inputs * inside + d_min * below + d_max * (1.0 - inside - below), None, None, None


@declare(
    "FakeQuantWithMinMaxVarsGradient(gradients: float32, inputs: float32, min: float32, max: float32) -> "
    "backprops_wrt_input: float32, backprop_wrt_min: float32, backprop_wrt_max: float32",
    num_bits=integer(8), narrow_range=flag(False),
)  # fmt: skip
class FakeQuantWithMinMaxVarsGradient:
    """`gradients` for the inputs inside the range, and the sums of those below and above for its ends."""

    def shape(gradients, inputs, min, max):
        return [merged(gradients, inputs), with_rank(min, 0, "min"), with_rank(max, 0, "max")]

    def kernel(xp, gradients, inputs, min, max, num_bits, narrow_range):
        below, inside, above = _passed(xp, inputs, min, max, num_bits, narrow_range)
        zero = np.float32(0)
        return [
            xp.where(inside, gradients, zero),
            *[xp.sum(xp.where(m, gradients, zero)) for m in (below, above)],
        ]

    def grad(op, *dys):
        return _second_order(op, *dys)


@declare("FakeQuantWithMinMaxVarsPerChannel(inputs: float32, min: float32, max: float32) -> outputs: float32",
         num_bits=integer(8), narrow_range=flag(False))  # fmt: skip
class FakeQuantWithMinMaxVarsPerChannel:
    """As FakeQuantWithMinMaxVars, with a range for each place of the last dimension."""

    def shape(inputs, min, max):
        return _per_channel(inputs, min, max)[0]

    def kernel(xp, inputs, min, max, num_bits, narrow_range):
        return _quantized(xp, inputs, min, max, num_bits, narrow_range)

    def grad(op, dy):
        return raw.FakeQuantWithMinMaxVarsPerChannelGradient(dy, *op.inputs, **op.params)


def _per_channel(inputs: Any, low: Any, high: Any) -> list[Any]:
    low, high = with_rank(low, 1, "min"), with_rank(high, 1, "max")
    channels = merged(low, high)
    if inputs is not None:
        channels = merged(channels, inputs[-1:])
        inputs = (*inputs[:-1], *channels)  # pyright: ignore[reportOptionalIterable]
    return [inputs, channels, channels]


@declare(
    "FakeQuantWithMinMaxVarsPerChannelGradient(gradients: float32, inputs: float32, min: float32, "
    "max: float32) -> "
    "backprops_wrt_input: float32, backprop_wrt_min: float32, backprop_wrt_max: float32",
    num_bits=integer(8),
    narrow_range=flag(False),
)
class FakeQuantWithMinMaxVarsPerChannelGradient:
    """As FakeQuantWithMinMaxVarsGradient, with a range for each place of the last dimension."""

    def shape(gradients, inputs, min, max):
        return _per_channel(merged(gradients, inputs), min, max)

    def kernel(xp, gradients, inputs, min, max, num_bits, narrow_range):
        below, inside, above = _passed(xp, inputs, min, max, num_bits, narrow_range)
        zero, over = np.float32(0), tuple(range(len(np.shape(inputs)) - 1))
        return [
            xp.where(inside, gradients, zero),
            *[xp.sum(xp.where(m, gradients, zero), over) for m in (below, above)],
        ]

    def grad(op, *dys):
        return _second_order(op, *dys)


@public("fake_quant_with_min_max_args", "quantization.fake_quant_with_min_max_args")
def fake_quant_with_min_max_args(
    inputs: Any,
    min: float = -6,
    max: float = 6,
    num_bits: int = 8,
    narrow_range: bool = False,
    name: str | None = None,
) -> Tensor:
    """`inputs` rounded to evenly spaced values, one of which is zero.

    Args:
      inputs: `[...]`, float32.
      min, max: the range, numbers.
      num_bits: there are 2 ** num_bits values, 2 to 16 bits.
      narrow_range: leave the lowest value out.
      name: op name; default "FakeQuantWithMinMaxArgs".

    Raises:
      ValueError: `min` is not less than `max`, or `num_bits` is out of range.
    """
    options = dict(min=min, max=max, num_bits=num_bits, narrow_range=narrow_range)
    return apply(FakeQuantWithMinMaxArgs, inputs, name=name, **options)


@public("fake_quant_with_min_max_args_gradient", "quantization.fake_quant_with_min_max_args_gradient")
def fake_quant_with_min_max_args_gradient(
    gradients: Any,
    inputs: Any,
    min: float = -6,
    max: float = 6,
    num_bits: int = 8,
    narrow_range: bool = False,
    name: str | None = None,
) -> Tensor:
    """The gradient of `fake_quant_with_min_max_args`: `gradients` where `inputs` are inside the range, else
    0.
    """
    options = dict(min=min, max=max, num_bits=num_bits, narrow_range=narrow_range)
    return apply(FakeQuantWithMinMaxArgsGradient, gradients, inputs, name=name, **options)


@public("fake_quant_with_min_max_vars", "quantization.fake_quant_with_min_max_vars")
def fake_quant_with_min_max_vars(
    inputs: Any, min: Any, max: Any, num_bits: int = 8, narrow_range: bool = False, name: str | None = None
) -> Tensor:
    """As `fake_quant_with_min_max_args`, with float32 scalar tensors `min` and `max`, which get gradients
    too.
    """
    return apply(
        FakeQuantWithMinMaxVars, inputs, min, max, num_bits=num_bits, narrow_range=narrow_range, name=name
    )


@public("fake_quant_with_min_max_vars_gradient", "quantization.fake_quant_with_min_max_vars_gradient")
def fake_quant_with_min_max_vars_gradient(
    gradients: Any,
    inputs: Any,
    min: Any,
    max: Any,
    num_bits: int = 8,
    narrow_range: bool = False,
    name: str | None = None,
) -> Any:
    """The gradients of `fake_quant_with_min_max_vars` for inputs, min and max, a named tuple."""
    options = dict(num_bits=num_bits, narrow_range=narrow_range)
    return apply(FakeQuantWithMinMaxVarsGradient, gradients, inputs, min, max, name=name, **options)


@public("fake_quant_with_min_max_vars_per_channel", "quantization.fake_quant_with_min_max_vars_per_channel")
def fake_quant_with_min_max_vars_per_channel(
    inputs: Any, min: Any, max: Any, num_bits: int = 8, narrow_range: bool = False, name: str | None = None
) -> Tensor:
    """As `fake_quant_with_min_max_vars`, with `min` and `max` of shape `[d]` for inputs `[..., d]`."""
    options = dict(num_bits=num_bits, narrow_range=narrow_range)
    return apply(FakeQuantWithMinMaxVarsPerChannel, inputs, min, max, name=name, **options)


@public(
    "fake_quant_with_min_max_vars_per_channel_gradient",
    "quantization.fake_quant_with_min_max_vars_per_channel_gradient",
)
def fake_quant_with_min_max_vars_per_channel_gradient(
    gradients: Any,
    inputs: Any,
    min: Any,
    max: Any,
    num_bits: int = 8,
    narrow_range: bool = False,
    name: str | None = None,
) -> Any:
    """The gradients of `fake_quant_with_min_max_vars_per_channel` for inputs, min and max, a named tuple."""
    options = dict(num_bits=num_bits, narrow_range=narrow_range)
    return apply(FakeQuantWithMinMaxVarsPerChannelGradient, gradients, inputs, min, max, name=name, **options)
