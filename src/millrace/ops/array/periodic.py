"""Periodic resampling: some dimensions grow by what another one gives up."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.convert import convert_to_tensor
from millrace.core import shapes
from millrace.core.dtypes import NUMERIC
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.core.shapes import Dims
from millrace.graph import attrs
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor


def _places(sizes: tuple[int, ...], wanted: tuple[int | None, ...]) -> np.ndarray:
    """For each element of the result its place among the elements of an array of `sizes`."""
    if len(wanted) != len(sizes):
        raise refusal(
            f"periodic_resample expects the ranks of values and shape to agree. Received: {len(sizes)} and "
            f"{len(wanted)}"
        )
    if sum(d is None for d in wanted) != 1:
        raise refusal(
            f"periodic_resample expects one adjustable dimension in shape. Received: {list(wanted)}"
        )
    axis = wanted.index(None)
    for i, (size, new) in enumerate(zip(sizes, wanted, strict=True)):
        if new is not None and new < size:
            raise refusal(
                "periodic_resample expects the size of non-adjustable dimensions be at least as large as "
                f"size of input tensor. Dimension {i} input tensor has size {size}, desired shape has size "
                f"{new}."
            )
    rest = int(np.prod([d for d in wanted if d is not None]))
    own = int(np.prod(sizes)) // rest if rest else 0
    shape = tuple(own if d is None else d for d in wanted)
    grids = np.meshgrid(*(np.arange(d) for d in shape), indexing="ij", sparse=True)
    # An index beyond a dimension's old size goes on in the adjustable dimension.
    steps = np.cumprod([1, *sizes[:0:-1]])[::-1]
    place, moved, factor = 0, grids[axis], own
    for i, grid in enumerate(grids):
        if i != axis:
            times = -(-shape[i] // sizes[i])
            place, moved = place + grid // times * steps[i], moved + grid % times * factor
            factor *= times
    return np.broadcast_to(place + moved * steps[axis], shape)


def _resampled_dims(values: Dims, wanted: Dims) -> Dims:
    if values is None or wanted is None or None in values or len(values) != len(wanted):
        return wanted
    if sum(d is None for d in wanted) != 1:
        return wanted
    rest = int(np.prod([d for d in wanted if d is not None]))
    own = int(np.prod(values)) // rest if rest else 0  # type: ignore[arg-type]
    return tuple(own if d is None else d for d in wanted)


@declare("PeriodicResample(values: T) -> output_values: T", T=NUMERIC, shape=attrs.shape())
class PeriodicResample:
    """The elements of `values` in another shape, of which one dimension is left open."""

    def shape(values, shape):
        return _resampled_dims(values, shape)

    def kernel(xp, values, shape):
        at = _places(values.shape, shape)
        flat, last = xp.reshape(values, (-1,)), int(np.prod(values.shape)) - 1
        found = xp.take(flat, np.minimum(at, last))
        return (
            xp.where(at > last, xp.zeros((), values.dtype), found) if at.size and at.max() > last else found
        )

    def grad(op, dy):
        given = op.inputs[0].dims
        if given is None or None in given:
            raise ValueError(f"the gradient of PeriodicResample needs a known shape. Received: {given}")
        return raw.PeriodicResampleOpGrad(dy, original_values_shape=given, desired_shape=op.params["shape"])


@declare(
    "PeriodicResampleOpGrad(grad: T) -> grad_values: T",
    T=NUMERIC,
    original_values_shape=attrs.shape(),
    desired_shape=attrs.shape(),
)
class PeriodicResampleOpGrad:
    """The gradients of the elements, back in their places."""

    def shape(grad, original_values_shape, desired_shape):
        return original_values_shape

    def kernel(xp, grad, original_values_shape, desired_shape):
        count = int(np.prod(original_values_shape))
        at = np.ravel(_places(original_values_shape, desired_shape))
        inside = np.flatnonzero(at < count)
        values = xp.take(xp.reshape(grad, (-1,)), inside)
        return xp.reshape(xp.scatter_add_flat(count, at[inside], values), original_values_shape)

    grad = NOT_DIFFERENTIABLE


@public("contrib.periodic_resample.periodic_resample")
def periodic_resample(values: Any, shape: Any, name: str | None = None) -> Tensor:
    """The elements of `values` in a shape whose one open dimension gives what the others take.

    Where a dimension grows n times, n elements after one another come from the open dimension, as in the
    depth-to-space step of a network that enlarges pictures.

    Args:
      values: `[...]`, numeric.
      shape: of the same rank, with one None; each other size at least that of `values`.
      name: op name.

    Returns:
      The elements in their new places; what would lie outside of `values` is 0.

    Raises:
      InvalidArgumentError: when run, the shape is none of these.
    """
    values = convert_to_tensor(values, name="values")
    return raw.PeriodicResample(values, shape=shapes.TensorShape(shape), name=name)
