"""Quantized products with bias, sum, activation and new range in one, as converters for CPUs write them.

The ranges of these are symmetric: the step 0 is the number 0, and the larger end of a range tells the size of
a step. A filter may have one range for each of its output channels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core.dtypes import QUANTIZED, float32, qint8, qint32, quint8
from millrace.core.errors import refusal
from millrace.graph import attrs
from millrace.graph.opdef import NOT_DIFFERENTIABLE, OpDef, declare
from millrace.opkit.rules import quantized, windows
from millrace.opkit.rules.convolution import Frame, check_channels, forward
from millrace.opkit.rules.quantized import as_quantized, as_steps
from millrace.opkit.rules.shape_rules import with_rank

_BIAS = frozenset((float32, qint32))
_UNSIGNED = quint8.np_dtype
_CONV: dict[str, Any] = {
    "strides": attrs.ints(),
    "padding": attrs.one_of("SAME", "VALID"),
}
_RESULT = "min_output: float32, max_output: float32"


def _step(low: Any, high: Any, qtype: np.dtype[Any]) -> Any:
    """The size of one step of a symmetric range, for each channel where there are several."""
    most = np.maximum(np.abs(low), np.abs(high)).astype(np.float64)
    return most / quantized.limits(qtype)[1]


def _accumulator_range(given: dict[str, Any], x: str, w: str) -> tuple[np.ndarray, np.ndarray]:
    """The range of 32 bits that results of products are reported in."""
    step: Any = 1.0
    for name in (x, w):
        low, high = (np.float64(given[f"{end}_{name}"]) for end in ("min", "max"))
        step = step * (high - low) / (255 if given[name].dtype == _UNSIGNED else 254)
    most = np.asarray(step * 2.0**31, np.float32)
    return -most, most


def _finished(given: dict[str, Any], sums: Any, step: Any, parts: frozenset[str], out: Any) -> list[Any]:
    """Adds bias and summand to the sums of a product, and brings them to the range asked for."""
    if "Bias" in parts:
        bias = given["bias"]
        sums = sums + (np.rint(bias / step) if bias.dtype == np.float32 else as_steps(bias))
    if "Sum" in parts:
        summand = given["summand"]
        if summand.dtype != np.float32:
            own = _step(given["min_summand"], given["max_summand"], summand.dtype)
            summand = as_steps(summand) * own
        sums = sums + summand / step
    if "Relu" in parts:
        sums = np.maximum(sums, 0)
    if "Requantize" not in parts:
        low, high = given["range"]
        return [as_quantized(np.rint(sums), out), low, high]
    ends = np.float32(given["min_freezed_output"]), np.float32(given["max_freezed_output"])
    return [as_quantized(np.rint(sums * (step / _step(*ends, out))), out), *ends]


def _rows(filter: np.ndarray) -> np.ndarray:
    """A depthwise filter as a filter of all channels, zero where a channel meets another."""
    height, width, channels, multiplier = filter.shape
    full = np.zeros((height, width, channels, channels, multiplier))
    places = np.arange(channels)
    full[:, :, places, places] = filter
    return full.reshape(height, width, channels, channels * multiplier)


def _conv(name: str, parts: str, doc: str, depthwise: bool = False, padded: bool = True) -> OpDef:
    """Declares one convolution; `parts` says what it does besides."""
    wanted = frozenset(parts.split())
    taken = ["input: Tinput", "filter: Tfilter"]
    options: dict[str, Any] = {"Tinput": QUANTIZED, "Tfilter": QUANTIZED, **_CONV}
    requantizes = "Requantize" in wanted
    if "Bias" in wanted:
        taken.append("bias: Tbias" if requantizes else "bias: float32")
        if requantizes:
            options["Tbias"] = _BIAS
    taken += [f"{end}_{of}: float32" for of in ("input", "filter") for end in ("min", "max")]
    if requantizes:
        taken += ["min_freezed_output: float32", "max_freezed_output: float32"]
    if "Sum" in wanted:
        taken.append("summand: Tsummand" if requantizes else "summand: float32")
        if requantizes:
            taken += ["min_summand: float32", "max_summand: float32"]
            options["Tsummand"] = QUANTIZED
    eight = quint8 if "Relu" in wanted else qint8
    options["out_type"] = attrs.dtype(QUANTIZED, eight if requantizes else qint32)
    options["dilations"] = attrs.ints(default=(1, 1, 1, 1))
    if padded:
        options["padding_list"] = attrs.ints(default=())
    names = [text.partition(":")[0] for text in taken]

    def shape(*dims, strides, padding, dilations, **others):
        windows.check_attr(strides, 4, "strides")
        windows.check_attr(dilations, 4, "dilations")
        x, w = with_rank(dims[0], 4, "input"), with_rank(dims[1], 4, "filter")
        check_channels(x[3], w, x)
        explicit = windows.explicit_pairs(others.get("padding_list", ()), "NHWC")
        kind = "EXPLICIT" if explicit else padding
        sizes = windows.out_sizes(x[1:3], w[:2], strides[1:3], kind, dilations[1:3], explicit)
        last = w[3]
        if depthwise:
            last = None if None in w[2:] else w[2] * w[3]
        ends = () if requantizes else None
        return [(x[0], *sizes, last), ends, ends]

    def kernel(xp, *args, strides, padding, dilations, out_type, **others):
        given = dict(zip(names, args, strict=True))
        x, w = given["input"], given["filter"]
        steps, weights = as_steps(x).astype(np.float64), as_steps(w).astype(np.float64)
        explicit = others.get("padding_list", ())
        weights = _rows(weights) if depthwise else weights
        kind = "EXPLICIT" if explicit else padding
        frame = Frame(steps.shape, weights.shape, strides, kind, dilations, "NHWC", explicit)
        sums = np.rint(forward(xp, steps, weights, frame))
        step = _step(given["min_input"], given["max_input"], x.dtype) * _step(
            given["min_filter"], given["max_filter"], w.dtype
        )
        given["range"] = _accumulator_range(given, "input", "filter")
        return _finished(given, sums, step, wanted, out_type.np_dtype)

    signature = f"{name}({', '.join(taken)}) -> output: out_type, {_RESULT}"
    members = {"__doc__": doc, "shape": shape, "kernel": kernel, "grad": NOT_DIFFERENTIABLE}
    return declare(signature, host=True, **options)(type(name, (), {**members, "__module__": __name__}))


QuantizedConv2DPerChannel = _conv(
    "QuantizedConv2DPerChannel", "", "A convolution whose filter has a range for each channel.", padded=False
)
QuantizedConv2DAndRelu = _conv("QuantizedConv2DAndRelu", "Relu", "A convolution and a rectifier.")
QuantizedConv2DAndRequantize = _conv(
    "QuantizedConv2DAndRequantize", "Requantize", "A convolution in the range asked for."
)
QuantizedConv2DAndReluAndRequantize = _conv(
    "QuantizedConv2DAndReluAndRequantize",
    "Relu Requantize",
    "A rectified convolution in the range asked for.",
)
QuantizedConv2DWithBias = _conv("QuantizedConv2DWithBias", "Bias", "A convolution and a bias.")
QuantizedConv2DWithBiasAndRelu = _conv(
    "QuantizedConv2DWithBiasAndRelu", "Bias Relu", "A convolution, a bias and a rectifier."
)
QuantizedConv2DWithBiasAndRequantize = _conv(
    "QuantizedConv2DWithBiasAndRequantize",
    "Bias Requantize",
    "A convolution and a bias in the range asked for.",
)
QuantizedConv2DWithBiasAndReluAndRequantize = _conv(
    "QuantizedConv2DWithBiasAndReluAndRequantize",
    "Bias Relu Requantize",
    "A convolution, a bias and a rectifier in the range asked for.",
)
QuantizedConv2DWithBiasSumAndRelu = _conv(
    "QuantizedConv2DWithBiasSumAndRelu",
    "Bias Sum Relu",
    "A convolution, a bias, a float summand, a rectifier.",
)
QuantizedConv2DWithBiasSumAndReluAndRequantize = _conv(
    "QuantizedConv2DWithBiasSumAndReluAndRequantize",
    "Bias Sum Relu Requantize",
    "A convolution, a bias, a quantized summand and a rectifier in the range asked for.",
)
QuantizedConv2DWithBiasSignedSumAndReluAndRequantize = _conv(
    "QuantizedConv2DWithBiasSignedSumAndReluAndRequantize",
    "Bias Sum Relu Requantize",
    "QuantizedConv2DWithBiasSumAndReluAndRequantize with a summand that may be negative.",
)
QuantizedDepthwiseConv2D = _conv(
    "QuantizedDepthwiseConv2D", "", "A quantized depthwise convolution.", depthwise=True, padded=False
)
QuantizedDepthwiseConv2DWithBias = _conv(
    "QuantizedDepthwiseConv2DWithBias", "Bias", "A depthwise convolution and a bias.", True, False
)
QuantizedDepthwiseConv2DWithBiasAndRelu = _conv(
    "QuantizedDepthwiseConv2DWithBiasAndRelu",
    "Bias Relu",
    "A depthwise convolution, a bias and a rectifier.",
    True,
    False,
)
QuantizedDepthwiseConv2DWithBiasAndReluAndRequantize = _conv(
    "QuantizedDepthwiseConv2DWithBiasAndReluAndRequantize",
    "Bias Relu Requantize",
    "A depthwise convolution, a bias and a rectifier in the range asked for.",
    True,
    False,
)


def _matmul(name: str, parts: str, doc: str) -> OpDef:
    """Declares one matrix product; `parts` says what it does besides."""
    wanted = frozenset(parts.split())
    requantizes = "Requantize" in wanted
    any_bias = requantizes or "Relu" not in wanted
    taken = ["a: T1", "b: T2", "bias: Tbias" if any_bias else "bias: float32"]
    taken += [f"{end}_{of}: float32" for of in ("a", "b") for end in ("min", "max")]
    if requantizes:
        taken += ["min_freezed_output: float32", "max_freezed_output: float32"]
    names = [text.partition(":")[0] for text in taken]

    def shape(*dims, transpose_a, transpose_b):
        rows, inner = with_rank(dims[0], 2, "a")[:: -1 if transpose_a else 1]
        others, columns = with_rank(dims[1], 2, "b")[:: -1 if transpose_b else 1]
        if None not in (inner, others) and inner != others:
            raise ValueError(f"inner dimensions must be equal. Received: a {dims[0]}, b {dims[1]}")
        return [(rows, columns), (), ()]

    def kernel(xp, *args, transpose_a, transpose_b, input_quant_mode, Toutput):
        given = dict(zip(names, args, strict=True))
        a, b = given["a"], given["b"]
        left, right = as_steps(a).astype(np.float64), as_steps(b).astype(np.float64)
        left, right = left.T if transpose_a else left, right.T if transpose_b else right
        if left.shape[1] != right.shape[0]:
            raise refusal(f"Matrix size-incompatible: In[0]: {list(a.shape)}, In[1]: {list(b.shape)}")
        sums = left @ right
        b_step = _step(given["min_b"], given["max_b"], b.dtype)
        if input_quant_mode == "MIN_FIRST" and a.dtype == _UNSIGNED:
            low, high = np.float64(given["min_a"]), np.float64(given["max_a"])
            a_step = (high - low) / 255
            sums = sums + np.rint(low / a_step) * right.sum(0)
        else:
            a_step = _step(given["min_a"], given["max_a"], a.dtype)
        given["range"] = _accumulator_range(given, "a", "b")
        return _finished(given, sums, a_step * b_step, wanted, Toutput.np_dtype)

    options: dict[str, Any] = {
        "T1": QUANTIZED,
        "T2": QUANTIZED,
        **({"Tbias": _BIAS} if any_bias else {}),
        "Toutput": attrs.dtype(QUANTIZED, quint8 if requantizes else qint32),
        "transpose_a": attrs.flag(False),
        "transpose_b": attrs.flag(False),
        "input_quant_mode": attrs.one_of("MIN_FIRST", "SCALED", default="MIN_FIRST"),
    }
    signature = f"{name}({', '.join(taken)}) -> out: Toutput, min_out: float32, max_out: float32"
    members = {"__doc__": doc, "shape": shape, "kernel": kernel, "grad": NOT_DIFFERENTIABLE}
    return declare(signature, host=True, **options)(type(name, (), {**members, "__module__": __name__}))


QuantizedMatMulWithBias = _matmul("QuantizedMatMulWithBias", "Bias", "A matrix product and a bias.")
QuantizedMatMulWithBiasAndRelu = _matmul(
    "QuantizedMatMulWithBiasAndRelu", "Bias Relu", "A matrix product, a bias and a rectifier."
)
QuantizedMatMulWithBiasAndReluAndRequantize = _matmul(
    "QuantizedMatMulWithBiasAndReluAndRequantize",
    "Bias Relu Requantize",
    "A matrix product, a bias and a rectifier in the range asked for.",
)


@declare(
    "RequantizationRangePerChannel(input: T, input_min: float32, input_max: float32) -> output_min: float32, "
    "output_max: float32",
    T=attrs.dtype(QUANTIZED, qint32),
    clip_value_max=attrs.number(),
    host=True,
)
class RequantizationRangePerChannel:
    """The symmetric range that the elements of all channels span, each with a range of its own."""

    def shape(input, input_min, input_max):
        return [(), ()]

    def kernel(xp, input, input_min, input_max, clip_value_max):
        steps = as_steps(input)
        own = _step(input_min, input_max, input.dtype) * steps.reshape(-1, steps.shape[-1])
        low, high = (float(f(own)) if own.size else 0.0 for f in (np.min, np.max))
        most = min(max(abs(low), abs(high)), float(clip_value_max))
        return [np.float32(-most if low < 0 else 0.0), np.float32(most)]

    grad = NOT_DIFFERENTIABLE


@declare(
    "RequantizePerChannel(input: T, input_min: float32, input_max: float32, requested_output_min: float32, "
    "requested_output_max: float32) -> output: out_type, output_min: float32, output_max: float32",
    T=attrs.dtype(QUANTIZED, qint32),
    out_type=attrs.dtype(QUANTIZED, quint8),
    host=True,
)
class RequantizePerChannel:
    """Integers of 32 bits, each channel with a range of its own, in one range of 8 bits."""

    def shape(input, input_min, input_max, requested_output_min, requested_output_max):
        return [input, (), ()]

    def kernel(xp, input, input_min, input_max, requested_output_min, requested_output_max, out_type):
        ends = np.float32(requested_output_min), np.float32(requested_output_max)
        out = out_type.np_dtype
        scale = _step(input_min, input_max, input.dtype) / _step(*ends, out)
        return [as_quantized(np.rint(as_steps(input) * scale), out), *ends]

    grad = NOT_DIFFERENTIABLE
