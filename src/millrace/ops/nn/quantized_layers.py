"""What quantized networks do between their products: new ranges, activations, pools and norms."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building.apply import apply
from millrace.core.dtypes import QUANTIZED, quint8
from millrace.core.public import public
from millrace.graph.attrs import dtype, flag, ints, number, one_of
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.rules import quantized
from millrace.opkit.rules.pooling import Frame, max_pool, pool_shape
from millrace.opkit.rules.quantized import a_range, as_quantized, as_steps
from millrace.opkit.rules.shape_rules import with_rank
from millrace.opkit.rules.windows import place, tap, taps

_ANY = dtype(QUANTIZED)
_INTO_8 = dtype(QUANTIZED, quint8)
_WIDE = a_range(-(1 << 20), 1 << 20)  # the range of normalized values


# --- ranges ------------------------------------------------------------------------------------------------


@declare(
    "RequantizationRange(input: Tinput, input_min: float32, input_max: float32) -> output_min: float32, "
    "output_max: float32",
    Tinput=_ANY,
    host=True,
)
class RequantizationRange:
    """The range that the elements really span, zero included."""

    def shape(input, input_min, input_max):
        quantized.check_scalars(input_min=input_min, input_max=input_max)
        return [(), ()]

    def kernel(xp, input, input_min, input_max):
        return list(quantized.used_range(input, a_range(input_min, input_max)))

    grad = NOT_DIFFERENTIABLE


@declare(
    "Requantize(input: Tinput, input_min: float32, input_max: float32, requested_output_min: float32, "
    "requested_output_max: float32) -> output: out_type, output_min: float32, output_max: float32",
    Tinput=_ANY,
    out_type=_ANY,
    host=True,
)
class Requantize:
    """The same numbers in the steps of another range and type."""

    def shape(input, input_min, input_max, requested_output_min, requested_output_max):
        quantized.check_scalars(
            input_min=input_min,
            input_max=input_max,
            requested_output_min=requested_output_min,
            requested_output_max=requested_output_max,
        )
        return [input, (), ()]

    def kernel(xp, input, input_min, input_max, requested_output_min, requested_output_max, out_type):
        new = quantized.check_requested(requested_output_min, requested_output_max)
        return [quantized.requantized(input, a_range(input_min, input_max), new, out_type.np_dtype), *new]

    grad = NOT_DIFFERENTIABLE


@declare(
    "QuantizeDownAndShrinkRange(input: Tinput, input_min: float32, input_max: float32) -> output: out_type, "
    "output_min: float32, output_max: float32",
    Tinput=_ANY,
    out_type=_ANY,
    host=True,
)
class QuantizeDownAndShrinkRange:
    """Requantize to the range that the elements really span."""

    def shape(input, input_min, input_max):
        quantized.check_scalars(input_min=input_min, input_max=input_max)
        return [input, (), ()]

    def kernel(xp, input, input_min, input_max, out_type):
        ends = a_range(input_min, input_max)
        new = quantized.used_range(input, ends)
        return [quantized.requantized(input, ends, new, out_type.np_dtype), *new]

    grad = NOT_DIFFERENTIABLE


# --- activations -------------------------------------------------------------------------------------------


def _held(features: Any, low: Any, high: Any, most: float | None) -> list[Any]:
    ends = a_range(low, high)
    steps = as_steps(features)
    held = np.maximum(steps, quantized.held_steps(0.0, ends, features.dtype))
    if most is not None:
        held = np.minimum(held, quantized.held_steps(most, ends, features.dtype))
    return [as_quantized(held, features.dtype), *ends]


_ACTIVATION = {"Tinput": _ANY, "out_type": _INTO_8, "host": True}


def _activation_shape(features, min_features, max_features):
    quantized.check_scalars(min_features=min_features, max_features=max_features)
    return [features, (), ()]


@declare(
    "QuantizedRelu(features: Tinput, min_features: float32, max_features: float32) -> activations: "
    "out_type, min_activations: float32, max_activations: float32",
    **_ACTIVATION,
)
class QuantizedRelu:
    """max(x, 0) on quantized integers; the range stays."""

    shape = _activation_shape

    def kernel(xp, features, min_features, max_features):
        return _held(features, min_features, max_features, None)

    grad = NOT_DIFFERENTIABLE


@declare(
    "QuantizedRelu6(features: Tinput, min_features: float32, max_features: float32) -> activations: "
    "out_type, min_activations: float32, max_activations: float32",
    **_ACTIVATION,
)
class QuantizedRelu6:
    """min(max(x, 0), 6) on quantized integers; the range stays."""

    shape = _activation_shape

    def kernel(xp, features, min_features, max_features):
        return _held(features, min_features, max_features, 6.0)

    grad = NOT_DIFFERENTIABLE


@declare(
    "QuantizedReluX(features: Tinput, max_value: float32, min_features: float32, max_features: float32) -> "
    "activations: out_type, min_activations: float32, max_activations: float32",
    **_ACTIVATION,
)
class QuantizedReluX:
    """min(max(x, 0), max_value) on quantized integers; the range stays."""

    def shape(features, max_value, min_features, max_features):
        with_rank(max_value, 0, "max_value")
        return _activation_shape(features, min_features, max_features)

    def kernel(xp, features, max_value, min_features, max_features):
        return _held(features, min_features, max_features, float(max_value))

    grad = NOT_DIFFERENTIABLE


# --- pools -------------------------------------------------------------------------------------------------

_POOL = {"T": _ANY, "ksize": ints(), "strides": ints(), "padding": one_of("SAME", "VALID"), "host": True}


def _pool_shape(input, min_input, max_input, ksize, strides, padding):
    quantized.check_scalars(min_input=min_input, max_input=max_input)
    return [pool_shape(input, ksize, strides, padding, "NHWC"), (), ()]


@declare(
    "QuantizedMaxPool(input: T, min_input: float32, max_input: float32) -> output: T, min_output: float32, "
    "max_output: float32",
    **_POOL,
)
class QuantizedMaxPool:
    """The largest quantized element of each window."""

    shape = _pool_shape

    def kernel(xp, input, min_input, max_input, ksize, strides, padding):
        steps = as_steps(input).astype(np.int64)
        found = max_pool(xp, steps, Frame(steps.shape, ksize, strides, padding, "NHWC"))
        return [as_quantized(found, input.dtype), np.float32(min_input), np.float32(max_input)]

    grad = NOT_DIFFERENTIABLE


@declare(
    "QuantizedAvgPool(input: T, min_input: float32, max_input: float32) -> output: T, min_output: float32, "
    "max_output: float32",
    **_POOL,
)
class QuantizedAvgPool:
    """The mean quantized element of each window, rounded down."""

    shape = _pool_shape

    def kernel(xp, input, min_input, max_input, ksize, strides, padding):
        steps = as_steps(input).astype(np.int64)
        outs, pads = place(steps.shape[1:3], ksize[1:3], strides[1:3], padding, (1, 1))
        wide = [(0, 0), *pads, (0, 0)]
        sums, counts = (
            sum(tap(np.pad(part, wide), offset, outs, strides[1:3]) for offset in taps(ksize[1:3]))
            for part in (steps, np.ones_like(steps[:1, :, :, :1]))
        )
        return [as_quantized(sums // counts, input.dtype), np.float32(min_input), np.float32(max_input)]

    grad = NOT_DIFFERENTIABLE


@public("nn.quantized_relu_x")
def quantized_relu_x(
    features: Any,
    max_value: Any,
    min_features: Any,
    max_features: Any,
    out_type: Any = quint8,
    name: str | None = None,
) -> Any:
    """min(max(x, 0), max_value) of quantized numbers.

    Args:
      features: quantized, any shape.
      max_value: float32 scalar.
      min_features, max_features: float32 scalars, the range of `features`.
      out_type: a quantized dtype.
      name: op name; default "QuantizedReluX".

    Returns:
      A named tuple: `activations`, `min_activations` and `max_activations`.
    """
    return apply(
        QuantizedReluX, features, max_value, min_features, max_features, out_type=out_type, name=name
    )


@public("nn.quantized_max_pool")
def quantized_max_pool(
    input: Any,
    min_input: Any,
    max_input: Any,
    ksize: Any,
    strides: Any,
    padding: str,
    name: str | None = None,
) -> Any:
    """The largest quantized number of each window.

    Args:
      input: quantized `[batch, height, width, channels]`.
      min_input, max_input: float32 scalars, its range.
      ksize, strides: four integers each: how large a window is, and how far the next.
      padding: "SAME" or "VALID".
      name: op name; default "QuantizedMaxPool".

    Returns:
      A named tuple: `output`, `min_output` and `max_output`.
    """
    window = {"ksize": ksize, "strides": strides, "padding": padding}
    return apply(QuantizedMaxPool, input, min_input, max_input, name=name, **window)


@public("nn.quantized_avg_pool")
def quantized_avg_pool(
    input: Any,
    min_input: Any,
    max_input: Any,
    ksize: Any,
    strides: Any,
    padding: str,
    name: str | None = None,
) -> Any:
    """The mean quantized number of each window; arguments and result as of `tf.nn.quantized_max_pool`."""
    window = {"ksize": ksize, "strides": strides, "padding": padding}
    return apply(QuantizedAvgPool, input, min_input, max_input, name=name, **window)


# --- norms -------------------------------------------------------------------------------------------------


@declare(
    "QuantizedBatchNormWithGlobalNormalization(t: Tinput, t_min: float32, t_max: float32, m: Tinput, "
    "m_min: float32, m_max: float32, v: Tinput, v_min: float32, v_max: float32, beta: Tinput, "
    "beta_min: float32, beta_max: float32, gamma: Tinput, gamma_min: float32, gamma_max: float32) -> "
    "result: out_type, result_min: float32, result_max: float32",
    Tinput=_ANY,
    out_type=_ANY,
    variance_epsilon=number(),
    scale_after_normalization=flag(),
    host=True,
)
class QuantizedBatchNormWithGlobalNormalization:
    """Normalizes each channel of a quantized image with a mean and a variance that are given."""

    def shape(t, t_min, t_max, m, m_min, m_max, v, v_min, v_max, beta, beta_min, beta_max, gamma, gamma_min,
              gamma_max):  # fmt: skip
        with_rank(t, 4, "t")
        for name, given in (("m", m), ("v", v), ("beta", beta), ("gamma", gamma)):
            with_rank(given, 1, name)
        return [t, (), ()]

    def kernel(xp, t, t_min, t_max, m, m_min, m_max, v, v_min, v_max, beta, beta_min, beta_max, gamma,
               gamma_min, gamma_max, out_type, variance_epsilon, scale_after_normalization):  # fmt: skip
        def values(x, low, high):
            return quantized.values_of(as_steps(x), a_range(low, high), x.dtype)

        out = out_type.np_dtype
        variance = values(v, v_min, v_max) + np.float32(variance_epsilon)
        scale = np.float32(1) / np.sqrt(variance, where=variance > 0, out=np.full_like(variance, np.nan))
        if scale_after_normalization:
            scale = values(gamma, gamma_min, gamma_max) * scale
        offset = values(beta, beta_min, beta_max) - values(m, m_min, m_max) * scale
        one, scale, offset, x = (
            quantized.held_steps(np.nan_to_num(part), _WIDE, out)
            for part in (1.0, scale, offset, values(t, t_min, t_max))
        )
        scaled = np.trunc((x * scale).astype(np.longdouble) / one) + offset
        return [as_quantized(scaled, out), *_WIDE]

    grad = NOT_DIFFERENTIABLE


@declare(
    "QuantizedInstanceNorm(x: T, x_min: float32, x_max: float32) -> y: T, y_min: float32, y_max: float32",
    T=_ANY,
    output_range_given=flag(False),
    given_y_min=number(0.0),
    given_y_max=number(0.0),
    variance_epsilon=number(1e-5),
    min_separation=number(1e-3),
    host=True,
)
class QuantizedInstanceNorm:
    """Normalizes each channel of each quantized image with its own mean and variance."""

    def shape(x, x_min, x_max):
        with_rank(x, 4, "x")
        quantized.check_scalars(x_min=x_min, x_max=x_max)
        return [x, (), ()]

    def kernel(xp, x, x_min, x_max, output_range_given, given_y_min, given_y_max, variance_epsilon,
               min_separation):  # fmt: skip
        values = quantized.values_of(as_steps(x), a_range(x_min, x_max), x.dtype).astype(np.float64)
        mean, variance = (f(values, axis=(1, 2), keepdims=True) for f in (np.mean, np.var))
        normal = ((values - mean) / np.sqrt(variance + variance_epsilon)).astype(np.float32)
        if output_range_given:
            ends = a_range(given_y_min, given_y_max)
        else:
            low, high = np.float32(normal.min()), np.float32(normal.max())
            ends = a_range(low, max(high, np.float32(low + np.float32(min_separation))))
        return [as_quantized(quantized.steps_of(normal, ends, x.dtype), x.dtype), *ends]

    grad = NOT_DIFFERENTIABLE
