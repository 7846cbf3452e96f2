"""Where the largest and smallest elements are."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building.apply import apply
from millrace.core import dtypes, shapes
from millrace.core.dtypes import INDEX, NUMERIC, QUANTIZED
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph import attrs
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules import shape_rules

_ATTRS = {
    "T": NUMERIC | QUANTIZED,
    "Tidx": attrs.dtype(INDEX, dtypes.int32),
    "output_type": attrs.dtype(INDEX, dtypes.int64),
}

_QUICK = frozenset({dtypes.float32, dtypes.float64})  # dtypes whose maximum says quickly whether there is NaN


def _shape(input, dimension):
    if dimension.dims not in (None, ()):
        shown = shapes.format_dims(dimension.dims)
        raise ValueError(f"the dimension must be a scalar. Received: shape {shown}")
    if input is None:
        return None
    if len(input) <= 1:
        return ()  # whatever the axis: a wrong one is told in the run, as in 1.15
    if dimension.value is None:
        return (None,) * (len(input) - 1)
    axis = shape_rules.axis_in(int(dimension.value), len(input), "dimension")
    return input[:axis] + input[axis + 1 :]


def _passed_over(xp, verb: str, x):
    """`x` with numbers that lose every comparison instead of NaN, which has no place among others."""
    if x.dtype.kind in "iub":
        return x
    return xp.where(xp.isnan(x), np.asarray(-np.inf if verb == "argmax" else np.inf, x.dtype), x)


def _position(verb: str):
    def kernel(xp, input, dimension, output_type):
        axis = shape_rules.axis_in(int(dimension), len(input.shape), "dimension")
        if input.shape[axis] == 0:
            raise refusal(f"Reduction axis {axis} is empty. Received: shape {list(input.shape)}")
        places = getattr(xp, verb)(_passed_over(xp, verb, input), axis=axis)
        return xp.cast(places, output_type.np_dtype)

    return kernel


def _bind(verb: str):
    reduce = getattr(np, verb)

    def bind(dims, values, attributes):
        if dims[0] is None or values[1] is None or attributes["output_type"] is not dtypes.int64:
            return None
        rank, axis = len(dims[0]), int(values[1])
        if not -rank <= axis < rank or dims[0][axis] in (None, 0):
            return None  # the kernel reports what is wrong
        if attributes["T"] not in _QUICK:
            return lambda x, _: reduce(_passed_over(np, verb, x), axis)  # its positions are int64 already

        def positions(x, _):
            if np.isnan(np.max(x, initial=-np.inf)):
                x = _passed_over(np, verb, x)
            return reduce(x, axis)

        return positions

    return bind


@declare("ArgMax(input: T, dimension: Tidx) -> output: output_type", static=("dimension",), **_ATTRS)
class ArgMax:
    """The position of the largest element along an axis, the first one of several; NaN is passed over."""

    shape = _shape
    kernel = _position("argmax")
    bind = _bind("argmax")
    grad = NOT_DIFFERENTIABLE


@declare("ArgMin(input: T, dimension: Tidx) -> output: output_type", static=("dimension",), **_ATTRS)
class ArgMin:
    """The position of the smallest element along an axis, the first one of several."""

    shape = _shape
    kernel = _position("argmin")
    bind = _bind("argmin")
    grad = NOT_DIFFERENTIABLE


def _axis(axis: Any, dimension: Any) -> Any:
    if axis is not None and dimension is not None:
        raise ValueError(f"Cannot specify both 'dimension' and 'axis'. Received: {dimension!r} and {axis!r}")
    return dimension if dimension is not None else 0 if axis is None else axis


@public("argmax", "math.argmax")
def argmax(
    input: Any,
    axis: Any = None,
    name: str | None = None,
    dimension: Any = None,
    output_type: Any = dtypes.int64,
) -> Tensor:
    """The position of the largest element along an axis, the first one of several.

    Args:
      input: `[...]`, real.
      axis: the axis, negative ones counted from the end; default 0.
      name: op name; default "ArgMax".
      dimension: the old name of `axis`.
      output_type: int32 or int64.

    Returns:
      The shape without the axis, dtype `output_type`.

    Raises:
      ValueError: the axis is out of range, or given under both names.
      InvalidArgumentError: when run, if the axis has no elements.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.argmax([[1, 9, 3], [7, 5, 6]], axis=1)))
      [1 0]
    """
    return apply(ArgMax, input, _axis(axis, dimension), output_type=output_type, name=name)


@public("argmin", "math.argmin")
def argmin(
    input: Any,
    axis: Any = None,
    name: str | None = None,
    dimension: Any = None,
    output_type: Any = dtypes.int64,
) -> Tensor:
    """The position of the smallest element along an axis; arguments, result and errors as for `argmax`."""
    return apply(ArgMin, input, _axis(axis, dimension), output_type=output_type, name=name)


@public("arg_max")
def arg_max(input: Any, dimension: Any, output_type: Any = dtypes.int64, name: str | None = None) -> Tensor:
    """The old spelling of `argmax`."""
    return apply(ArgMax, input, dimension, output_type=output_type, name=name)


@public("arg_min")
def arg_min(input: Any, dimension: Any, output_type: Any = dtypes.int64, name: str | None = None) -> Tensor:
    """The old spelling of `argmin`."""
    return apply(ArgMin, input, dimension, output_type=output_type, name=name)
