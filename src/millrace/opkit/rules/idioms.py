"""Idioms: small pieces of graph that operations and gradients share, named and ordered as in TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any, Final

import numpy as np

from millrace.building import raw
from millrace.building.convert import shape_tensor as shape_tensor
from millrace.core import shapes
from millrace.core.dtypes import DType, int32
from millrace.graph.graph import Graph
from millrace.graph.tensor import Tensor

_OF_AN_UNBROADCAST: Final = 7  # two shapes, the axes, two sums, each reshaped
_OF_AXES: Final = 3  # the axes, and two shapes as constants
_OF_A_SUM: Final = 4  # a sum and its reshaping, with axes and shape as constants
LEAST_FILLED: Final = 1000  # elements: from so many on, zeros and ones are not constants but filled when run


class Unbroadcast:
    """Sums gradients of a broadcasting operation back to its inputs' shapes.

    The shapes and reduction indices are added first, the sums when asked for, as TensorFlow's gradients do:

        to = Unbroadcast(x, y)
        return to.x(dz * y), to.y(dz * x)

    Args:
      dz: the gradient of an operation for which TensorFlow 1.15 adds other operations where shapes are known,
        none if all three are the same: these are counted.
      only_same: it does so for three equal shapes alone.
      same: it does so for three equal shapes in a way of its own.
    """

    def __init__(
        self, x: Tensor, y: Tensor, dz: Tensor | None = None, only_same: bool = False, same: bool = True
    ) -> None:
        self._shapes = shape_tensor(x), shape_tensor(y)
        self._axes = raw.BroadcastGradientArgs(*self._shapes)
        self._absent = (False, False)
        if dz is not None:
            x.graph.get_scoped("broadcasts of drawn shapes", set).add(self._axes[0].op)
        if same and dz is not None and x.dims == y.dims == dz.dims and shapes.fully_defined(x.dims):
            x.graph.count(-_OF_AN_UNBROADCAST)
            self._absent = (True, True)
        elif dz is not None and not only_same:
            self._absent = count_known_unbroadcast(x, y)

    def x(self, gradient: Tensor) -> Tensor:
        """`gradient` summed to the shape of x."""
        return self._reshaped(raw.Sum(gradient, self._axes[0]), 0)

    def y(self, gradient: Tensor, negate: bool = False) -> Tensor:
        """`gradient` summed to the shape of y; `negate` changes its sign once it is small."""
        total = raw.Sum(gradient, self._axes[1])
        return self._reshaped(total, 1, negate)

    def _reshaped(self, total: Tensor, side: int, negate: bool = False) -> Tensor:
        result = raw.Reshape(raw.Neg(total) if negate else total, self._shapes[side])
        if self._absent[side]:
            total.graph.absent |= {total.op, result.op}
        return result


def count_known_unbroadcast(x: Tensor, y: Tensor) -> tuple[bool, bool]:
    """Counts what TensorFlow 1.15 adds to sum two gradients to known shapes.

    Which axes are summed is worked out once for each pair of shapes, and only what was broadcast is summed.

    Returns:
      For each of the two whether 1.15 knows that nothing is to be summed.
    """
    if not (shapes.fully_defined(x.dims) and shapes.fully_defined(y.dims)):
        return False, False
    x.graph.count(-_OF_AN_UNBROADCAST)
    z = shapes.broadcast(x.dims, y.dims)
    x.graph.count(_OF_A_SUM * sum(t.dims != z for t in (x, y)))
    if comes_first(x.graph, ("broadcast", x.dims, y.dims)):
        x.graph.count(_OF_AXES)
    return x.dims == z, y.dims == z


def comes_first(graph: Graph, question: Hashable) -> bool:
    """True the first time that a graph is asked: TensorFlow 1.15 keeps what it works out for known shapes."""
    asked: set[Hashable] = graph.get_scoped("asked about shapes", set)
    if question in asked:
        return False
    asked.add(question)
    graph.on_undo(lambda: asked.discard(question))
    return True


def after(gradient: Tensor) -> Any:
    """A scope whose operations run after `gradient`, so that what only the gradient needs is not computed
    early.
    """
    return gradient.graph.control_dependencies([gradient])


def conj(x: Tensor) -> Tensor:
    """The complex conjugate; real tensors as they are."""
    return raw.Conj(x) if x.dtype.is_complex else x


def shown(xp: Any, x: Any) -> str:
    """The numbers of a kernel's argument `x` for a message; its shape where they are not there."""
    known = xp.known(x)
    return f"numbers of shape {list(np.shape(x))}" if known is None else str(known.tolist())


def constant(value: Any, name: str, dtype: DType = int32) -> Tensor:
    """A Const of `dtype`."""
    return raw.Const(value=np.array(value, dtype.np_dtype), dtype=dtype, name=name)


def filled(dims: tuple[int, ...], value: Any, dtype: DType, name: str, least: int = LEAST_FILLED) -> Tensor:
    """A tensor of known `dims` with `value` everywhere: a constant where it is small, else filled when run.

    Args:
      name: the scope, with a trailing slash, that the operation is named after.
      least: with how many elements it is not small.
    """
    if math.prod(dims) < least:
        one = np.array(value, dtype.np_dtype)  # takes no memory, and is written as one element
        return raw.Const(value=np.broadcast_to(one, dims), dtype=dtype, name=name)
    if any(not -(2**31) <= d < 2**31 for d in dims):
        raise ValueError(f"The dimensions of a shape must fit int32. Received: shape {tuple(dims)}")
    shape = constant(np.array(dims, np.int32), "shape_as_tensor")
    return raw.Fill(shape, constant(value, "Const", dtype), name=name)


def rank_tensor(x: Tensor, name: str = "Rank") -> Tensor:
    """The rank of `x`: a constant where it is known."""
    return raw.Rank(x, name=name) if x.dims is None else constant(len(x.dims), name)


def size_tensor(x: Tensor, name: str = "Size", dtype: DType = int32) -> Tensor:
    """The number of elements of `x`: a constant where it is known."""
    if x.dims is None or None in x.dims:
        return raw.Size(x, out_type=dtype, name=name)
    return constant(np.prod(x.dims, dtype=np.int64), name, dtype)  # pyright: ignore[reportArgumentType, reportCallIssue]


def all_axes(x: Tensor) -> Tensor:
    """The numbers of all dimensions of `x`, for a reduction to a scalar."""
    if x.dims is not None:
        return constant(np.arange(len(x.dims)), "Const")
    return raw.Range(0, raw.Rank(x), 1, name="range")


def reversing_perm(a: Tensor) -> Tensor:
    """The permutation that reverses the dimensions of `a`, computed when it runs."""
    rank = raw.Rank(a, name="Rank")
    below = raw.Sub(rank, 1, name="sub")
    steps = raw.Range(0, rank, 1, name="Range")
    return raw.Sub(below, steps, name="sub_1")
