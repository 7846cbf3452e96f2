"""Comparisons, tests of floating-point numbers, and logic on bools."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.building.dispatch import elementwise
from millrace.core import dtypes, shapes
from millrace.core.dtypes import COMPLEX, FLOATING, NUMERIC, QUANTIZED, REAL, STRING
from millrace.core.public import public
from millrace.graph import attrs
from millrace.graph.defaults import get_default_graph
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules import shape_rules
from millrace.opkit.rules.families import comparison, predicate

_EQUATABLE = (
    FLOATING
    | COMPLEX
    | STRING
    | {dtypes.uint8, dtypes.int8, dtypes.int16, dtypes.int32, dtypes.int64, dtypes.bool_}
    | {dtypes.quint8, dtypes.qint8, dtypes.qint32}
)

Less = comparison("Less", REAL, "less", NOT_DIFFERENTIABLE, "x < y.", __name__)
LessEqual = comparison("LessEqual", REAL, "less_equal", NOT_DIFFERENTIABLE, "x <= y.", __name__)
Greater = comparison("Greater", REAL, "greater", NOT_DIFFERENTIABLE, "x > y.", __name__)
GreaterEqual = comparison("GreaterEqual", REAL, "greater_equal", NOT_DIFFERENTIABLE, "x >= y.", __name__)

IsNan = predicate("IsNan", FLOATING, "isnan", "True where x is not a number.", __name__)
IsInf = predicate("IsInf", FLOATING, "isinf", "True where x is infinite.", __name__)
IsFinite = predicate("IsFinite", FLOATING, "isfinite", "True where x is neither infinite nor NaN.", __name__)

LogicalNot = predicate("LogicalNot", None, "logical_not", "not x.", __name__)


def _equality_shape(x, y, incompatible_shape_error):
    if incompatible_shape_error:
        return shape_rules.broadcast(x, y)
    if not (shapes.fully_defined(x) and shapes.fully_defined(y)):
        return None
    return shape_rules.broadcast(x, y) if _broadcast(x, y) else ()


def _equality(verb: str, unequal: bool):
    def kernel(xp, x, y, incompatible_shape_error):
        if not incompatible_shape_error and not _broadcast(x.shape, y.shape):
            return np.bool_(unequal)
        return getattr(xp, verb)(dtypes.plain_numbers(x), dtypes.plain_numbers(y))

    return kernel


def _broadcast(x: Any, y: Any) -> bool:
    return all(m == n or 1 in (m, n) for m, n in zip(reversed(x), reversed(y), strict=False))


def _bind_equality(function):
    def bind(dims, values, attributes):
        plain = attributes["incompatible_shape_error"] and not attributes["T"].is_quantized
        return function if plain else None

    return bind


@declare(
    "Equal(x: T, y: T) -> z: bool", T=_EQUATABLE, incompatible_shape_error=attrs.flag(True), commutative=True
)
class Equal:
    """x == y; shapes that do not broadcast are an error, or simply unequal."""

    shape = _equality_shape
    kernel = _equality("equal", unequal=False)
    bind = _bind_equality(np.equal)
    grad = NOT_DIFFERENTIABLE


@declare(
    "NotEqual(x: T, y: T) -> z: bool",
    T=_EQUATABLE,
    incompatible_shape_error=attrs.flag(True),
    commutative=True,
)
class NotEqual:
    """x != y; shapes that do not broadcast are an error, or simply unequal."""

    shape = _equality_shape
    kernel = _equality("not_equal", unequal=True)
    bind = _bind_equality(np.not_equal)
    grad = NOT_DIFFERENTIABLE


@declare(
    "ApproximateEqual(x: T, y: T) -> z: bool",
    T=NUMERIC | QUANTIZED,
    tolerance=attrs.number(1e-5),
    commutative=True,
)
class ApproximateEqual:
    """|x - y| < tolerance."""

    def shape(x, y):
        return shape_rules.merged(x, y)

    def kernel(xp, x, y, tolerance):
        return xp.absolute(xp.subtract(x, y)) < tolerance

    grad = NOT_DIFFERENTIABLE


@declare("LogicalAnd(x: bool, y: bool) -> z: bool", commutative=True)
class LogicalAnd:
    """x and y."""

    def shape(x, y):
        return shape_rules.broadcast(x, y)

    def kernel(xp, x, y):
        return xp.logical_and(x, y)

    def bind(dims, values, attributes):
        return np.logical_and

    grad = NOT_DIFFERENTIABLE


@declare("LogicalOr(x: bool, y: bool) -> z: bool", commutative=True)
class LogicalOr:
    """x or y."""

    def shape(x, y):
        return shape_rules.broadcast(x, y)

    def kernel(xp, x, y):
        return xp.logical_or(x, y)

    def bind(dims, values, attributes):
        return np.logical_or

    grad = NOT_DIFFERENTIABLE


@public("less", "math.less")
@elementwise("binary")
def less(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x < y, element by element.

    Args:
      x: `[...]`, real.
      y: broadcasts with `x`; same dtype.
      name: op name; default "Less".

    Returns:
      The broadcast shape, bool.

    Raises:
      TypeError: the dtypes differ or have no order.
      ValueError: the shapes do not broadcast.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.less([1, 5], [4, 2])))
      [ True False]
    """
    return apply(Less, x, y, name=name)


@public("less_equal", "math.less_equal")
@elementwise("binary")
def less_equal(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x <= y, element by element; arguments, result and errors as for `less`."""
    return apply(LessEqual, x, y, name=name)


@public("greater", "math.greater")
@elementwise("binary")
def greater(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x > y, element by element; arguments, result and errors as for `less`.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.greater([1, 5], [4, 2])))
      [False  True]
    """
    return apply(Greater, x, y, name=name)


@public("greater_equal", "math.greater_equal")
@elementwise("binary")
def greater_equal(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x >= y, element by element; arguments, result and errors as for `less`."""
    return apply(GreaterEqual, x, y, name=name)


@public("equal", "math.equal")
@elementwise("binary")
def equal(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x == y, element by element.

    Args:
      x: `[...]`, numeric, bool or string.
      y: broadcasts with `x`; same dtype.
      name: op name; default "Equal".

    Returns:
      The broadcast shape, bool.

    Raises:
      TypeError: the dtypes differ.
      ValueError: the shapes do not broadcast.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.equal([1, 2, 3], [1, 0, 3])))
      [ True False  True]
    """
    return apply(Equal, x, y, name=name)


@public("not_equal", "math.not_equal")
@elementwise("binary")
def not_equal(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x != y, element by element; arguments, result and errors as for `equal`."""
    return apply(NotEqual, x, y, name=name)


@public("is_nan", "math.is_nan", "debugging.is_nan")
@elementwise("unary")
def is_nan(x: Any, name: str | None = None) -> Tensor:
    """True where `x` is not a number.

    Args:
      x: `[...]`, floating.
      name: op name; default "IsNan".

    Returns:
      Shape of `x`, bool.
    """
    return apply(IsNan, x, name=name)


@public("is_inf", "math.is_inf", "debugging.is_inf")
@elementwise("unary")
def is_inf(x: Any, name: str | None = None) -> Tensor:
    """True where `x` is infinite; arguments and result as for `is_nan`."""
    return apply(IsInf, x, name=name)


@public("is_finite", "math.is_finite", "debugging.is_finite")
@elementwise("unary")
def is_finite(x: Any, name: str | None = None) -> Tensor:
    """True where `x` is neither infinite nor NaN; arguments and result as for `is_nan`."""
    return apply(IsFinite, x, name=name)


@public("logical_not", "math.logical_not")
@elementwise("unary")
def logical_not(x: Any, name: str | None = None) -> Tensor:
    """not x, element by element. Shape of `x`, bool."""
    return apply(LogicalNot, x, name=name)


@public("logical_and", "math.logical_and")
@elementwise("binary")
def logical_and(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x and y, element by element.

    Args:
      x: `[...]`, bool.
      y: broadcasts with `x`; bool.
      name: op name; default "LogicalAnd".

    Returns:
      The broadcast shape, bool.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.logical_and([True, True], [True, False])))
      [ True False]
    """
    return apply(LogicalAnd, x, y, name=name)


@public("logical_or", "math.logical_or")
@elementwise("binary")
def logical_or(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x or y, element by element; arguments and result as for `logical_and`."""
    return apply(LogicalOr, x, y, name=name)


@public("logical_xor", "math.logical_xor")
@elementwise("binary")
def logical_xor(x: Any, y: Any, name: str = "LogicalXor") -> Tensor:
    """Exactly one of x and y, element by element; arguments and result as for `logical_and`."""
    graph = next((t.graph for t in (x, y) if isinstance(t, Tensor)), None) or get_default_graph()
    with graph.as_default():
        either = apply(LogicalOr, x, y)
        both = raw.LogicalNot(apply(LogicalAnd, x, y))
        return apply(LogicalAnd, either, both, name=name)
