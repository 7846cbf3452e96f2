"""Putting slices at coordinates: into zeros, or into a tensor."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.core import shapes
from millrace.core.dtypes import ALL, BOOL, INDEX, NUMERIC
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.core.shapes import format_dims
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.shape_rules import at_least


def _checked(indices: Any, updates: Any, target: Any) -> Any:
    """`target`, after `updates` was found to hold one slice of it for each coordinate."""
    at_least(indices, 1, "indices")
    if target is None or indices is None or updates is None:
        return target
    if 0 in indices or 0 in updates:
        return target
    if target and 0 in target:
        raise ValueError(
            f"Indices and updates specified for empty output. Received: shape {format_dims(target)}"
        )
    depth = indices[-1]
    if depth is None or depth > len(target):  # too deep: an error when it runs, as in TensorFlow
        return target
    wanted = (*indices[:-1], *target[depth:])
    if not shapes.compatible(updates, wanted):
        raise ValueError(f"updates must have shape {format_dims(wanted)}. Received: {format_dims(updates)}")
    return target


@declare("ScatterNd(indices: Tindices, updates: T, shape: Tindices) -> output: T", T=ALL, Tindices=INDEX,
         static=("shape",))  # fmt: skip
class ScatterNd:
    """Zeros of `shape` with `updates` added at the coordinates `indices`."""

    def shape(indices, updates, shape):
        return _checked(indices, updates, shape.as_dims())

    def kernel(xp, indices, updates, shape):
        return xp.scattered_nd(None, tuple(shape.tolist()), indices, updates, "add")

    def grad(op, dy):
        return None, raw.GatherNd(dy, op.inputs[0]), None


@declare(
    "ScatterNdNonAliasingAdd(input: T, indices: Tindices, updates: T) -> output: T",
    T=NUMERIC | BOOL,
    Tindices=INDEX,
)
class ScatterNdNonAliasingAdd:
    """`input` with `updates` added at the coordinates `indices`."""

    def shape(input, indices, updates):
        return _checked(indices, updates, input)

    def kernel(xp, input, indices, updates):
        return xp.scattered_nd(input, None, indices, updates, "add")

    def grad(op, dy):
        return dy, None, raw.GatherNd(dy, op.inputs[1])


@declare("TensorScatterUpdate(tensor: T, indices: Tindices, updates: T) -> output: T", T=ALL, Tindices=INDEX)
class TensorScatterUpdate:
    """`tensor` with the slices at the coordinates `indices` replaced by `updates`."""

    def shape(tensor, indices, updates):
        return _checked(indices, updates, tensor)

    def kernel(xp, tensor, indices, updates):
        return xp.scattered_nd(tensor, None, indices, updates, "set")

    def grad(op, dy):
        _, indices, updates = op.inputs
        kept = raw.TensorScatterUpdate(raw.Identity(dy), indices, raw.ZerosLike(updates))
        return kept, None, raw.GatherNd(dy, indices)


@declare("TensorScatterAdd(tensor: T, indices: Tindices, updates: T) -> output: T", T=ALL, Tindices=INDEX)
class TensorScatterAdd:
    """`tensor` with `updates` added at the coordinates `indices`."""

    def shape(tensor, indices, updates):
        return _checked(indices, updates, tensor)

    def kernel(xp, tensor, indices, updates):
        return xp.scattered_nd(tensor, None, indices, updates, "add")

    def grad(op, dy):
        return raw.Identity(dy), None, raw.GatherNd(dy, op.inputs[1])


@declare("TensorScatterSub(tensor: T, indices: Tindices, updates: T) -> output: T", T=ALL, Tindices=INDEX)
class TensorScatterSub:
    """`tensor` with `updates` subtracted at the coordinates `indices`."""

    def shape(tensor, indices, updates):
        return _checked(indices, updates, tensor)

    def kernel(xp, tensor, indices, updates):
        return xp.scattered_nd(tensor, None, indices, updates, "sub")

    def grad(op, dy):
        return raw.Identity(dy), None, raw.Neg(raw.GatherNd(dy, op.inputs[1]))


def _extreme(ufunc: np.ufunc) -> Any:
    """A kernel that keeps the smaller or the larger of what is there and what comes."""

    def kernel(xp, tensor, indices, updates):
        found, places = np.array(tensor), np.asarray(indices)
        depth = places.shape[-1]
        outer = found.shape[:depth]
        if depth > found.ndim or np.shape(updates) != places.shape[:-1] + found.shape[depth:]:
            raise refusal(
                f"updates must have shape {[*places.shape[:-1], *found.shape[depth:]]}. "
                f"Received: {list(np.shape(updates))}"
            )
        if ((places < 0) | (places >= np.array(outer, places.dtype))).any():
            raise refusal(f"indices must be inside of {list(outer)}. Received: {places.tolist()}")
        ufunc.at(found, tuple(np.moveaxis(places, -1, 0)), updates)
        return found

    return kernel


@declare(
    "TensorScatterMax(tensor: T, indices: Tindices, updates: T) -> output: T",
    T=NUMERIC,
    Tindices=INDEX,
    host=True,
)
class TensorScatterMax:
    """`tensor` with the larger of itself and `updates` at the coordinates `indices`."""

    def shape(tensor, indices, updates):
        return _checked(indices, updates, tensor)

    kernel = _extreme(np.maximum)
    grad = NOT_DIFFERENTIABLE


@declare(
    "TensorScatterMin(tensor: T, indices: Tindices, updates: T) -> output: T",
    T=NUMERIC,
    Tindices=INDEX,
    host=True,
)
class TensorScatterMin:
    """`tensor` with the smaller of itself and `updates` at the coordinates `indices`."""

    def shape(tensor, indices, updates):
        return _checked(indices, updates, tensor)

    kernel = _extreme(np.minimum)
    grad = NOT_DIFFERENTIABLE


@public("scatter_nd", "manip.scatter_nd")
def scatter_nd(indices: Any, updates: Any, shape: Any, name: str | None = None) -> Tensor:
    """Zeros of `shape` with `updates` added at coordinates; updates of one place add up.

    Args:
      indices: `[..., k]`, int32 or int64.
      updates: `indices.shape[:-1] + shape[k:]`.
      shape: int vector, same dtype as `indices`.
      name: op name; default "ScatterNd".

    Raises:
      ValueError: the shapes are known not to fit.
    """
    return apply(ScatterNd, indices, updates, shape, name=name)


@public("tensor_scatter_update", "tensor_scatter_nd_update")
def tensor_scatter_update(tensor: Any, indices: Any, updates: Any, name: str | None = None) -> Tensor:
    """`tensor` with the slices at coordinates replaced.

    Args:
      tensor: `[...]` of rank r.
      indices: `[..., k]`, int32 or int64, k <= r.
      updates: `indices.shape[:-1] + tensor.shape[k:]`, dtype of `tensor`.
      name: op name; default "TensorScatterUpdate".

    Raises:
      ValueError: the shapes are known not to fit.
    """
    return apply(TensorScatterUpdate, tensor, indices, updates, name=name)


@public("tensor_scatter_add", "tensor_scatter_nd_add")
def tensor_scatter_add(tensor: Any, indices: Any, updates: Any, name: str | None = None) -> Tensor:
    """`tensor` with `updates` added at coordinates; arguments as for `tensor_scatter_update`."""
    return apply(TensorScatterAdd, tensor, indices, updates, name=name)


@public("tensor_scatter_sub", "tensor_scatter_nd_sub")
def tensor_scatter_sub(tensor: Any, indices: Any, updates: Any, name: str | None = None) -> Tensor:
    """`tensor` with `updates` subtracted at coordinates; arguments as for `tensor_scatter_update`."""
    return apply(TensorScatterSub, tensor, indices, updates, name=name)
