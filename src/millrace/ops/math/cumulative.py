"""Running sums, products and log-sum-exps along an axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.core import dtypes
from millrace.core.dtypes import INDEX, NUMERIC, QUANTIZED, float16, float32, float64
from millrace.core.public import public
from millrace.graph import attrs
from millrace.graph.opdef import declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules import shape_rules
from millrace.opkit.rules.idioms import conj

_ATTRS = {
    "exclusive": attrs.flag(False),
    "reverse": attrs.flag(False),
    "Tidx": attrs.dtype(INDEX, dtypes.int32),
}


def _shape(x, axis):
    if x is not None and not x:
        raise ValueError("'x' must have rank at least 1. Received: a scalar")
    return x


def _running(kind: str, neutral):
    def kernel(xp, x, axis, exclusive, reverse):
        place = shape_rules.axis_in(int(axis), len(x.shape), "axis")
        return xp.cumulative(kind, x, place, exclusive, reverse, neutral(x.dtype))

    return kernel


@declare("Cumsum(x: T, axis: Tidx) -> out: T", T=NUMERIC | QUANTIZED, static=("axis",), **_ATTRS)
class Cumsum:
    """Each element is the sum of those up to it."""

    shape = _shape
    kernel = _running("sum", lambda dtype: 0)

    def grad(op, dy):
        exclusive, reverse = op.attrs["exclusive"], op.attrs["reverse"]
        return raw.Cumsum(dy, op.inputs[1], exclusive=exclusive, reverse=not reverse), None


@declare("Cumprod(x: T, axis: Tidx) -> out: T", T=NUMERIC | QUANTIZED, static=("axis",), **_ATTRS)
class Cumprod:
    """Each element is the product of those up to it."""

    shape = _shape
    kernel = _running("prod", lambda dtype: 1)

    def grad(op, dy):
        """The running product is divided by each factor, except by the first zero, which is left out instead.

        All that follows a zero is zero, so no factor after the first one matters. Dividing by zero, as
        TensorFlow 1 does, gives NaN.
        """
        x, axis = op.inputs
        exclusive, reverse = op.attrs["exclusive"], op.attrs["reverse"]
        dtype = x.dtype.base_dtype
        zero = raw.Const(value=np.zeros((), dtype.np_dtype), dtype=dtype, name="zero")
        one = raw.Const(value=np.ones((), dtype.np_dtype), dtype=dtype, name="one")
        is_zero = raw.Equal(x, zero)
        zeros_before = raw.Cumsum(raw.Cast(is_zero, DstT=dtypes.int32), axis, reverse=reverse)
        first = raw.LogicalAnd(is_zero, raw.Equal(zeros_before, 1))

        def summed(product: Tensor) -> Tensor:
            return raw.Cumsum(conj(product) * dy, axis, exclusive=exclusive, reverse=not reverse)

        usual = summed(raw.Cumprod(x, axis, exclusive=exclusive, reverse=reverse))
        usual = usual / conj(raw.SelectV2(is_zero, one, x))
        without = raw.Cumprod(raw.SelectV2(first, one, x), axis, exclusive=exclusive, reverse=reverse)
        rest = raw.SelectV2(first, summed(without), zero)
        return raw.SelectV2(raw.Equal(zeros_before, 0), usual, rest), None


@declare(
    "CumulativeLogsumexp(x: T, axis: Tidx) -> out: T",
    T=frozenset({float16, float32, float64}),
    static=("axis",),
    **_ATTRS,
)
class CumulativeLogsumexp:
    """Each element is the logarithm of the sum of the exponentials of those up to it."""

    shape = _shape
    kernel = _running("logsumexp", lambda dtype: np.finfo(dtype).min)

    def grad(op, dy):
        """Positive and negative gradients go separately, through logarithms, so that nothing overflows."""
        x, axis = op.inputs
        out = op.outputs[0]
        exclusive, reverse = op.attrs["exclusive"], op.attrs["reverse"]
        lowest = raw.Const(
            value=np.asarray(x.dtype.min, x.dtype.base_dtype.np_dtype), dtype=x.dtype.base_dtype
        )

        def part(sign: Tensor, size: Tensor) -> Tensor:
            log = raw.SelectV2(sign, raw.Log(raw.SelectV2(sign, size, raw.OnesLike(size))), lowest)
            total = raw.CumulativeLogsumexp(log - out, axis, exclusive=exclusive, reverse=not reverse)
            return raw.Exp(total + x)

        return part(raw.Greater(dy, 0), dy) - part(raw.Less(dy, 0), raw.Neg(dy)), None


@public("cumsum", "math.cumsum")
def cumsum(
    x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None
) -> Tensor:
    """Running sums along an axis.

    Args:
      x: `[...]`, numeric, not a scalar.
      axis: which axis, negative ones counted from the end.
      exclusive: leave each element out of its own sum: the first one is 0.
      reverse: run from the end.
      name: op name; default "Cumsum".

    Returns:
      Shape and dtype of `x`.

    Raises:
      InvalidArgumentError: when run, if the axis is out of range.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.cumsum([1, 2, 3])))
      [1 3 6]
    """
    return apply(Cumsum, x, axis, exclusive=exclusive, reverse=reverse, name=name)


@public("cumprod", "math.cumprod")
def cumprod(
    x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None
) -> Tensor:
    """Running products along an axis; arguments, result and errors as for `cumsum`, an exclusive run starts
    with 1.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.cumprod([1, 2, 3])))
      [1 2 6]
    """
    return apply(Cumprod, x, axis, exclusive=exclusive, reverse=reverse, name=name)


@public("math.cumulative_logsumexp")
def cumulative_logsumexp(
    x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False, name: str | None = None
) -> Tensor:
    """log(cumsum(exp(x))) without overflow; arguments, result and errors as for `cumsum`, for floating
    numbers.

    An exclusive run starts with the lowest finite number, which stands for log(0).
    """
    return apply(
        CumulativeLogsumexp, x, axis, exclusive=exclusive, reverse=reverse, name=name or "CumulativeLogsumexp"
    )
