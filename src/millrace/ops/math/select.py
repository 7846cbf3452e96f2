"""Choosing element by element: by a condition, the larger or smaller of two, within bounds."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.building.convert import convert_to_tensor
from millrace.building.dispatch import elementwise, overridable
from millrace.core import dtypes, errors, shapes
from millrace.core.dtypes import ALL, FLOATING, NUMERIC, QUANTIZED, float32, float64
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.opdef import declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules import shape_rules
from millrace.opkit.rules.families import binary
from millrace.opkit.rules.idioms import Unbroadcast, shape_tensor

_ORDERED = FLOATING | {dtypes.int32, dtypes.int64}


@declare("Select(condition: bool, t: T, e: T) -> output: T", T=ALL)
class Select:
    """`t` where the condition holds, else `e`; the condition is a scalar, a vector for the rows, or of their
    shape.
    """

    def shape(condition, t, e):
        out = shape_rules.merged(t, e)
        if condition is None or condition == () or out is None:
            return out
        if len(condition) == 1 and len(out) > 1:
            return (shapes.merge(out[:1], condition)[0], *out[1:])  # type: ignore[index]
        return shapes.merge(out, condition)

    def kernel(xp, condition, t, e):
        if t.shape != e.shape:
            raise _unequal(condition, t, e)
        if condition.shape not in ((), t.shape):
            if len(condition.shape) != 1 or not t.shape or condition.shape[0] != t.shape[0]:
                raise _unequal(condition, t, e)
            condition = xp.reshape(condition, (-1,) + (1,) * (len(t.shape) - 1))
        return xp.where(condition, t, e)

    def bind(dims, values, attributes):
        known = all(shapes.fully_defined(d) for d in dims)
        return np.where if known and dims[1] == dims[2] and dims[0] in ((), dims[1]) else None

    def grad(op, dy):
        condition, t, _ = op.inputs
        zeros = raw.ZerosLike(t, name="zeros_like")
        return None, raw.Select(condition, dy, zeros), raw.Select(condition, zeros, dy)


def _unequal(condition: Any, t: Any, e: Any) -> errors.InvalidArgumentError:
    return refusal(
        "the choices must have one shape, and the condition that one, or be a scalar or one flag a row. "
        f"Received: condition {list(condition.shape)}, {list(t.shape)} and {list(e.shape)}",
    )


@declare("SelectV2(condition: bool, t: T, e: T) -> output: T", T=ALL)
class SelectV2:
    """`t` where the condition holds, else `e`, with NumPy broadcasting of all three."""

    def shape(condition, t, e):
        return shape_rules.broadcast(condition, shape_rules.broadcast(t, e))

    def kernel(xp, condition, t, e):
        return xp.where(condition, t, e)

    def bind(dims, values, attributes):
        return np.where

    def grad(op, dy):
        condition, t, e = op.inputs
        zeros = raw.ZerosLike(dy, name="zeros_like")
        dt = Unbroadcast(t, dy).x(raw.SelectV2(condition, dy, zeros))
        de = Unbroadcast(e, dy).x(raw.SelectV2(condition, zeros, dy))
        return None, dt, de


def _extremum_grad(order: str):
    """The gradient goes to the input that was chosen, to x where both are equal."""

    def grad(op, dz):
        x, y = op.inputs
        to = Unbroadcast(x, y)
        shape = shape_tensor(dz)
        with dz.graph.name_scope("zeros") as scope:
            zero = raw.Const(value=np.zeros((), dz.dtype.base_dtype.np_dtype), dtype=dz.dtype.base_dtype)
            zeros = raw.Fill(shape, zero, name=scope)
        chosen = getattr(raw, order)(x, y)
        dx = raw.Select(chosen, dz, zeros)
        with dz.graph.counted_as(1):  # TensorFlow 1.15 chooses from zeros and dz
            dy = raw.Select(raw.LogicalNot(chosen), dz, zeros)
        return to.x(dx), to.y(dy)

    return grad


Maximum = binary(
    "Maximum",
    _ORDERED,
    "maximum",
    _extremum_grad("GreaterEqual"),
    "The larger; NaN where either is NaN.",
    __name__,
    commutative=True,
)
Minimum = binary(
    "Minimum",
    _ORDERED,
    "minimum",
    _extremum_grad("LessEqual"),
    "The smaller; NaN where either is NaN.",
    __name__,
    commutative=True,
)


@declare("ClipByValue(t: T, clip_value_min: T, clip_value_max: T) -> output: T", T=NUMERIC | QUANTIZED)
class ClipByValue:
    """`t` moved into [clip_value_min, clip_value_max], each a scalar or of t's shape."""

    def shape(t, clip_value_min, clip_value_max):
        return t

    def kernel(xp, t, clip_value_min, clip_value_max):
        for bound in (clip_value_min, clip_value_max):
            if bound.shape not in ((), t.shape):
                raise refusal(
                    f"bounds must be scalars or of shape {list(t.shape)}. Received: {list(bound.shape)}",
                )
        return xp.maximum(xp.minimum(t, clip_value_max), clip_value_min)

    def grad(op, dy):
        t, low, high = op.inputs
        zeros = raw.ZerosLike(dy, name="zeros_like")
        below, above = raw.Less(t, low), raw.Greater(t, high)
        dt = raw.SelectV2(raw.LogicalOr(below, above), zeros, dy)
        return (
            dt,
            Unbroadcast(low, t).x(raw.SelectV2(below, dy, zeros)),
            Unbroadcast(high, t).x(raw.SelectV2(above, dy, zeros)),
        )


def _next_after_grad(op, dy):
    to = Unbroadcast(*op.inputs)
    return to.x(dy), raw.ZerosLike(op.inputs[1])  # the step is too small to have a slope of its own


NextAfter = binary(
    "NextAfter",
    frozenset({float32, float64}),
    "nextafter",
    _next_after_grad,
    "The number after x1 in the direction of x2.",
    __name__,
    names=("x1", "x2", "output"),
)


@public("where")
@overridable
def where(condition: Any, x: Any = None, y: Any = None, name: str | None = None) -> Tensor:
    """`x` where the condition holds, else `y`; without them, the places where it holds.

    Args:
      condition: bool: a scalar, a vector with one element for each row of `x`, or of the shape of `x`.
      x: `[...]`, any dtype.
      y: the shape and dtype of `x`.
      name: op name; default "Select", or "Where" without `x` and `y`.

    Returns:
      Shape and dtype of `x`; without `x` and `y`, int64 `[number of true elements, rank]`, in row-major
      order.

    Raises:
      ValueError: only one of `x` and `y` is given, or the shapes do not fit.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.where([True, False], [1, 2], [10, 20])))
      ...     print(sess.run(tf.where([False, True, True])))
      [ 1 20]
      [[1]
       [2]]
    """
    if x is None and y is None:
        with get_default_graph().name_scope(name or "Where") as scope:
            condition = convert_to_tensor(condition, preferred_dtype=dtypes.bool_, name="condition")
            return raw.Where(condition, name=scope)
    if x is None or y is None:
        raise ValueError(f"where: x and y must both be given or both be left out. Received: x={x!r}, y={y!r}")
    return apply(Select, condition, x, y, name=name)


@public("where_v2")
def where_v2(condition: Any, x: Any = None, y: Any = None, name: str | None = None) -> Tensor:
    """`x` where the condition holds, else `y`, with NumPy broadcasting; without them, the places where it
    holds.

    Args:
      condition: `[...]`, bool.
      x: broadcasts with `condition`; any dtype.
      y: broadcasts with both; dtype of `x`.
      name: op name; default "SelectV2", or "Where" without `x` and `y`.

    Returns:
      The broadcast shape, dtype of `x`; without `x` and `y` as `where`.

    Raises:
      ValueError: only one of `x` and `y` is given, or the shapes do not broadcast.
    """
    if x is None or y is None:
        return where(condition, x, y, name)
    return apply(SelectV2, condition, x, y, name=name)


@public("maximum", "math.maximum")
@elementwise("binary")
def maximum(x: Any, y: Any, name: str | None = None) -> Tensor:
    """The larger of x and y, element by element; NaN where either is NaN.

    Args:
      x: `[...]`, floating, int32 or int64.
      y: broadcasts with `x`; same dtype.
      name: op name; default "Maximum".

    Returns:
      The broadcast shape, dtype of `x`.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.maximum([1, 5], [4, 2])))
      [4 5]
    """
    return apply(Maximum, x, y, name=name)


@public("minimum", "math.minimum")
@elementwise("binary")
def minimum(x: Any, y: Any, name: str | None = None) -> Tensor:
    """The smaller of x and y, element by element; arguments and result as for `maximum`.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.minimum([1, 5], [4, 2])))
      [1 2]
    """
    return apply(Minimum, x, y, name=name)


@public("math.nextafter")
def nextafter(x1: Any, x2: Any, name: str | None = None) -> Tensor:
    """The representable number that follows x1 in the direction of x2, element by element.

    Args:
      x1: `[...]`, float32 or float64.
      x2: broadcasts with `x1`; same dtype.
      name: op name; default "NextAfter".

    Returns:
      The broadcast shape, dtype of `x1`.
    """
    return apply(NextAfter, x1, x2, name=name)
