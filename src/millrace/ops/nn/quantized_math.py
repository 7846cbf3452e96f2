"""Products, sums and convolutions of quantized integers, with the range that their results are in.

Results are integers of 32 bits, whose range is so wide that one step is a step of one input times a step of
the other; `requantize` brings them back to 8 bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building.apply import apply
from millrace.core.dtypes import QUANTIZED, qint32, quint8
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph.attrs import dtype, flag, ints, one_of
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.opkit.rules import quantized, windows
from millrace.opkit.rules.convolution import Frame, check_channels, forward
from millrace.opkit.rules.quantized import a_range, as_quantized, as_steps
from millrace.opkit.rules.shape_rules import broadcast, with_rank

_INTO_32 = dtype(QUANTIZED, qint32)
_PADDINGS = one_of("SAME", "VALID")
_ONES = ints(default=(1, 1, 1, 1))


def _centred(x: Any, ends: quantized.Range) -> np.ndarray:
    """The distances of the steps from the step that is zero; sums of their products are exact."""
    return as_steps(x).astype(np.float64) - quantized.zero_of(ends, x.dtype)


@declare(
    "QuantizedMatMul(a: T1, b: T2, min_a: float32, max_a: float32, min_b: float32, max_b: float32) -> "
    "out: Toutput, min_out: float32, max_out: float32",
    T1=dtype(QUANTIZED),
    T2=dtype(QUANTIZED),
    Toutput=_INTO_32,
    transpose_a=flag(False),
    transpose_b=flag(False),
    Tactivation=dtype(QUANTIZED, quint8),
    host=True,
)
class QuantizedMatMul:
    """The product of two quantized matrices."""

    def shape(a, b, min_a, max_a, min_b, max_b, transpose_a, transpose_b):
        quantized.check_scalars(min_a=min_a, max_a=max_a, min_b=min_b, max_b=max_b)
        rows, inner = with_rank(a, 2, "a")[:: -1 if transpose_a else 1]
        others, columns = with_rank(b, 2, "b")[:: -1 if transpose_b else 1]
        if None not in (inner, others) and inner != others:
            raise ValueError(f"inner dimensions must be equal. Received: a {list(a)}, b {list(b)}")
        return [(rows, columns), (), ()]

    def kernel(xp, a, b, min_a, max_a, min_b, max_b, Toutput, transpose_a, transpose_b):
        a_ends, b_ends = a_range(min_a, max_a), a_range(min_b, max_b)
        left, right = _centred(a, a_ends), _centred(b, b_ends)
        left, right = left.T if transpose_a else left, right.T if transpose_b else right
        if left.shape[-1] != right.shape[0]:
            raise refusal(f"Matrix size-incompatible: In[0]: {list(a.shape)}, In[1]: {list(b.shape)}")
        out = Toutput.np_dtype
        ends = quantized.range_of_product(a_ends, b_ends, a.dtype, b.dtype, out)
        return [as_quantized(left @ right, out), *ends]

    grad = NOT_DIFFERENTIABLE


@declare(
    "QuantizedConv2D(input: Tinput, filter: Tfilter, min_input: float32, max_input: float32, "
    "min_filter: float32, max_filter: float32) -> output: out_type, min_output: float32, max_output: float32",
    Tinput=dtype(QUANTIZED),
    Tfilter=dtype(QUANTIZED),
    out_type=_INTO_32,
    strides=ints(),
    padding=_PADDINGS,
    dilations=_ONES,
    host=True,
)
class QuantizedConv2D:
    """Cross-correlates a quantized image with a quantized filter; the border is zero."""

    def shape(input, filter, min_input, max_input, min_filter, max_filter, strides, padding, dilations):
        quantized.check_scalars(
            min_input=min_input, max_input=max_input, min_filter=min_filter, max_filter=max_filter
        )
        windows.check_attr(strides, 4, "strides")
        windows.check_attr(dilations, 4, "dilations")
        x, w = with_rank(input, 4, "input"), with_rank(filter, 4, "filter")
        check_channels(x[3], w, x)
        return [
            (x[0], *windows.out_sizes(x[1:3], w[:2], strides[1:3], padding, dilations[1:3], ()), w[3]),
            (),
            (),
        ]

    def kernel(xp, input, filter, min_input, max_input, min_filter, max_filter, out_type, strides, padding,
               dilations):  # fmt: skip
        x_ends, w_ends = a_range(min_input, max_input), a_range(min_filter, max_filter)
        frame = Frame(input.shape, filter.shape, strides, padding, dilations, "NHWC", ())
        found = forward(xp, _centred(input, x_ends), _centred(filter, w_ends), frame)
        out = out_type.np_dtype
        ends = quantized.range_of_product(x_ends, w_ends, input.dtype, filter.dtype, out)
        return [as_quantized(np.rint(found), out), *ends]

    grad = NOT_DIFFERENTIABLE


@public("nn.quantized_conv2d")
def quantized_conv2d(
    input: Any,
    filter: Any,
    min_input: Any,
    max_input: Any,
    min_filter: Any,
    max_filter: Any,
    strides: Any,
    padding: str,
    out_type: Any = qint32,
    dilations: Any = (1, 1, 1, 1),
    name: str | None = None,
) -> Any:
    """The cross-correlation of quantized images with a quantized filter.

    Args:
      input: quantized `[batch, height, width, channels]`.
      filter: quantized `[height, width, channels, filters]`.
      min_input, max_input, min_filter, max_filter: float32 scalars, the ranges of both.
      strides, dilations: four integers each.
      padding: "SAME" or "VALID".
      out_type: a quantized dtype.
      name: op name; default "QuantizedConv2D".

    Returns:
      A named tuple: `output`, `min_output` and `max_output`.
    """
    return apply(
        QuantizedConv2D,
        input,
        filter,
        min_input,
        max_input,
        min_filter,
        max_filter,
        strides=strides,
        padding=padding,
        out_type=out_type,
        dilations=list(dilations),
        name=name,
    )


@declare(
    "QuantizedBiasAdd(input: T1, bias: T2, min_input: float32, max_input: float32, min_bias: float32, "
    "max_bias: float32) -> output: out_type, min_out: float32, max_out: float32",
    T1=dtype(QUANTIZED),
    T2=dtype(QUANTIZED),
    out_type=dtype(QUANTIZED),
    host=True,
)
class QuantizedBiasAdd:
    """Adds a quantized vector to the last dimension."""

    def shape(input, bias, min_input, max_input, min_bias, max_bias):
        quantized.check_scalars(
            min_input=min_input, max_input=max_input, min_bias=min_bias, max_bias=max_bias
        )
        (size,) = with_rank(bias, 1, "bias")
        if input and None not in (input[-1], size) and input[-1] != size:
            raise ValueError(
                f"bias must be as long as the last dimension of input. Received: {list(input)} and {[size]}"
            )
        return [input, (), ()]

    def kernel(xp, input, bias, min_input, max_input, min_bias, max_bias, out_type):
        if not input.ndim or input.shape[-1] != bias.shape[0]:
            raise refusal(
                "Must provide as many biases as the last dimension of the input tensor: "
                f"{list(bias.shape)} vs. {list(input.shape)}"
            )
        ends = a_range(min_input, max_input), a_range(min_bias, max_bias)
        return quantized.biased(input, bias, *ends, out_type.np_dtype)

    grad = NOT_DIFFERENTIABLE


_PAIR = {"T1": dtype(QUANTIZED), "T2": dtype(QUANTIZED), "Toutput": _INTO_32, "host": True}


def _pair_shape(x, y, min_x, max_x, min_y, max_y):
    quantized.check_scalars(min_x=min_x, max_x=max_x, min_y=min_y, max_y=max_y)
    return [broadcast(x, y), (), ()]


@declare(
    "QuantizedAdd(x: T1, y: T2, min_x: float32, max_x: float32, min_y: float32, max_y: float32) -> "
    "z: Toutput, min_z: float32, max_z: float32",
    commutative=True,
    **_PAIR,
)
class QuantizedAdd:
    """The sum of two quantized tensors, with broadcasting."""

    shape = _pair_shape

    def kernel(xp, x, y, min_x, max_x, min_y, max_y, Toutput):
        ends = a_range(min_x, max_x), a_range(min_y, max_y)
        return quantized.added(x, y, *ends, Toutput.np_dtype)

    grad = NOT_DIFFERENTIABLE


@declare(
    "QuantizedMul(x: T1, y: T2, min_x: float32, max_x: float32, min_y: float32, max_y: float32) -> "
    "z: Toutput, min_z: float32, max_z: float32",
    commutative=True,
    **_PAIR,
)
class QuantizedMul:
    """The product of two quantized tensors, element by element, with broadcasting."""

    shape = _pair_shape

    def kernel(xp, x, y, min_x, max_x, min_y, max_y, Toutput):
        x_ends, y_ends = a_range(min_x, max_x), a_range(min_y, max_y)
        out = Toutput.np_dtype
        ends = quantized.range_of_product(x_ends, y_ends, x.dtype, y.dtype, out)
        return [as_quantized(_centred(x, x_ends) * _centred(y, y_ends), out), *ends]

    grad = NOT_DIFFERENTIABLE
