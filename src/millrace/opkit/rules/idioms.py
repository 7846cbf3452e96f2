"""Gradient idioms, in the order in which TensorFlow adds their operations."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.convert import shape_tensor as shape_tensor
from millrace.graph.tensor import Tensor


class Unbroadcast:
    """Sums gradients of a broadcasting operation back to its inputs' shapes.

    The shapes and reduction indices are added first, the sums when asked for, as TensorFlow's gradients do:

        to = Unbroadcast(x, y)
        return to.x(dz * y), to.y(dz * x)
    """

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self._shapes = shape_tensor(x), shape_tensor(y)
        self._axes = raw.BroadcastGradientArgs(*self._shapes)

    def x(self, gradient: Tensor) -> Tensor:
        """`gradient` summed to the shape of x."""
        return raw.Reshape(raw.Sum(gradient, self._axes[0]), self._shapes[0])

    def y(self, gradient: Tensor, negate: bool = False) -> Tensor:
        """`gradient` summed to the shape of y; `negate` changes its sign once it is small."""
        total = raw.Sum(gradient, self._axes[1])
        return raw.Reshape(raw.Neg(total) if negate else total, self._shapes[1])


def after(gradient: Tensor) -> Any:
    """A scope whose operations run after `gradient`, so that what only the gradient needs is not computed
    early.
    """
    return gradient.graph.control_dependencies([gradient])


def conj(x: Tensor) -> Tensor:
    """The complex conjugate; real tensors as they are."""
    return raw.Conj(x) if x.dtype.is_complex else x
