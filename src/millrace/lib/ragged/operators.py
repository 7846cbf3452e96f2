"""Python's operators on ragged tensors: the functions of elements, with rows broadcast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from millrace.building.operators import public_div
from millrace.ops.math import arithmetic, comparison, division, elementwise


def _reflected(function: Callable[..., Any]) -> Callable[..., Any]:
    def reflected(self: Any, other: Any) -> Any:
        return function(other, self)

    return reflected


class Operators:
    """What `+`, `<`, `~` and the others do with a ragged tensor."""

    __add__ = arithmetic.add
    __radd__ = _reflected(arithmetic.add)
    __sub__ = arithmetic.subtract
    __rsub__ = _reflected(arithmetic.subtract)
    __mul__ = arithmetic.multiply
    __rmul__ = _reflected(arithmetic.multiply)
    __div__ = public_div
    __rdiv__ = _reflected(public_div)
    __truediv__ = division.truediv
    __rtruediv__ = _reflected(division.truediv)
    __floordiv__ = division.floordiv
    __rfloordiv__ = _reflected(division.floordiv)
    __mod__ = division.floormod
    __rmod__ = _reflected(division.floormod)
    __pow__ = arithmetic.pow
    __rpow__ = _reflected(arithmetic.pow)
    __neg__ = elementwise.negative
    __abs__ = elementwise.abs
    __lt__ = comparison.less
    __le__ = comparison.less_equal
    __gt__ = comparison.greater
    __ge__ = comparison.greater_equal
    __and__ = comparison.logical_and
    __rand__ = _reflected(comparison.logical_and)
    __or__ = comparison.logical_or
    __ror__ = _reflected(comparison.logical_or)
    __xor__ = comparison.logical_xor
    __rxor__ = _reflected(comparison.logical_xor)
    __invert__ = comparison.logical_not

    def __bool__(self) -> bool:
        raise TypeError("RaggedTensor may not be used as a boolean.")

    __nonzero__ = __bool__
