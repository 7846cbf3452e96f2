"""Numbers as vectors of one mark, and the numbers of places: one_hot, unravel_index, sorted search."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.building.convert import to_tensor
from millrace.building.dispatch import overridable
from millrace.core import dtypes
from millrace.core.dtypes import ALL, INDEX, float32, int32, int64, uint8
from millrace.core.errors import InvalidArgumentError, refusal
from millrace.core.public import public
from millrace.core.shapes import format_dims
from millrace.graph.attrs import dtype, integer
from millrace.graph.defaults import get_default_graph
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.idioms import shape_tensor, shown
from millrace.opkit.rules.shape_rules import with_rank


@declare(
    "OneHot(indices: TI, depth: int32, on_value: T, off_value: T) -> output: T",
    T=ALL,
    TI=dtype(frozenset({uint8, int32, int64}), default=int64),
    axis=integer(default=-1),
    static=("depth",),
)
class OneHot:
    """A new dimension of length `depth` that is `on_value` at the place each index names, `off_value`
    elsewhere.
    """

    def shape(indices, depth, on_value, off_value, axis):
        for dims, what in ((depth.dims, "depth"), (on_value, "on_value"), (off_value, "off_value")):
            if dims not in (None, ()):
                raise ValueError(f"'{what}' must be a scalar. Received: shape {format_dims(dims)}")
        if axis < -1:
            raise ValueError(f"axis must be >= -1. Received: {axis}")
        size = depth.scalar("depth")
        if size is not None and size < 0:
            raise ValueError(f"depth must be non-negative. Received: {size}")
        if indices is None:
            return None
        at = len(indices) if axis == -1 else axis
        if at > len(indices):  # an error when it runs, as in TensorFlow
            return (None,) * (len(indices) + 1)
        return (*indices[:at], size, *indices[at:])

    def kernel(xp, indices, depth, on_value, off_value, axis):
        size, rank = int(depth), len(np.shape(indices))
        if size < 0 or not -1 <= axis <= rank:
            raise refusal(f"depth must be >= 0 and axis in [-1, {rank}]. Received: {size}, {axis}")
        at = rank if axis == -1 else axis
        places = [1] * (rank + 1)
        places[at] = size
        steps = np.arange(size, dtype=np.int64 if size > 255 else np.uint8).reshape(places)
        return xp.chosen(xp.expand_dims(indices, at) == steps, on_value, off_value)

    grad = NOT_DIFFERENTIABLE


@declare(
    "UnravelIndex(indices: Tidx, dims: Tidx) -> output: Tidx",
    Tidx=dtype(INDEX, default=int32),
    static=("dims",),
)
class UnravelIndex:
    """Places in a flat array as coordinates in an array of shape `dims`, one column per place."""

    def shape(indices, dims):
        with_rank(dims.dims, 1, "dims")
        if indices is None:
            return None
        rank = None if dims.dims is None else dims.dims[0]
        return (rank,) if indices == () else (rank, *indices) if len(indices) == 1 else (rank, None)

    def kernel(xp, indices, dims):
        if (dims == 0).any():
            raise refusal(f"Input dims cannot contain a dim of zero. Received: {dims.tolist()}")

        def outside() -> InvalidArgumentError:
            return refusal(f"index is out of bound as with dims. Received: {shown(xp, indices)}")

        xp.check((indices >= 0) & (indices < np.prod(dims)), outside)
        rest, columns = indices, []
        for length in dims[::-1].tolist():
            columns.append(rest % length)
            rest = rest // length
        return (
            xp.stack(columns[::-1]).astype(dims.dtype)
            if columns
            else xp.zeros((0, *np.shape(indices)), dims.dtype)
        )

    grad = NOT_DIFFERENTIABLE


def _bound_dims(sorted_inputs: Any, values: Any) -> Any:
    with_rank(sorted_inputs, 2, "sorted_inputs")
    return with_rank(values, 2, "values")


def _searched(xp: Any, rows: Any, values: Any, side: str, out_type: Any) -> Any:
    if len(np.shape(rows)) != 2 or np.shape(rows)[0] != np.shape(values)[0]:
        raise refusal("Leading dim_size of both tensors must match. "
            f"Received: {list(np.shape(rows))} and {list(np.shape(values))}"
        )  # fmt: skip
    return xp.searched(rows, values, side).astype(out_type.np_dtype)


@declare(
    "LowerBound(sorted_inputs: T, values: T) -> output: out_type", T=ALL, out_type=dtype(INDEX, default=int32)
)
class LowerBound:
    """For each value, how many elements of its sorted row are less."""

    def shape(sorted_inputs, values):
        return _bound_dims(sorted_inputs, values)

    def kernel(xp, sorted_inputs, values, out_type):
        return _searched(xp, sorted_inputs, values, "left", out_type)

    grad = NOT_DIFFERENTIABLE


@declare(
    "UpperBound(sorted_inputs: T, values: T) -> output: out_type", T=ALL, out_type=dtype(INDEX, default=int32)
)
class UpperBound:
    """For each value, how many elements of its sorted row are less or equal."""

    def shape(sorted_inputs, values):
        return _bound_dims(sorted_inputs, values)

    def kernel(xp, sorted_inputs, values, out_type):
        return _searched(xp, sorted_inputs, values, "right", out_type)

    grad = NOT_DIFFERENTIABLE


@public("one_hot")
@overridable
def one_hot(
    indices: Any,
    depth: Any,
    on_value: Any = None,
    off_value: Any = None,
    axis: int | None = None,
    dtype: Any = None,
    name: str | None = None,
) -> Tensor:
    """Vectors that are `on_value` at one place.

    Args:
      indices: `[...]`, uint8, int32 or int64; one that is out of range gives no mark.
      depth: int32 scalar, the length of the new dimension.
      on_value: scalar; default 1.
      off_value: scalar; default 0.
      axis: where the new dimension stands; default last.
      dtype: the dtype; default that of the values, or float32.
      name: op name; default "one_hot".

    Raises:
      TypeError: `on_value`, `off_value` and `dtype` do not agree.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.one_hot([2, 0], depth=3)))
      [[0. 0. 1.]
       [1. 0. 0.]]
    """
    with get_default_graph().name_scope(name or "one_hot") as scope:
        chosen = None if dtype is None else dtypes.as_dtype(dtype)
        for value, what in ((on_value, "on_value"), (off_value, "off_value")):
            if value is None:
                continue
            found = to_tensor(value).dtype.base_dtype  # looked at alone: the operation converts it again
            if found is not (chosen := chosen or found):
                raise TypeError(f"one_hot: {what} must have dtype {chosen.name}. Received: {found.name}")
        chosen = chosen or float32
        if on_value is None:
            on_value = to_tensor(1, chosen, "on_value")
        if off_value is None:
            off_value = to_tensor(0, chosen, "off_value")
        indices, depth = to_tensor(indices, name="indices"), to_tensor(depth, int32, "depth")
        on_value, off_value = (
            to_tensor(on_value, chosen, "on_value"),
            to_tensor(off_value, chosen, "off_value"),
        )
        return apply(
            OneHot, indices, depth, on_value, off_value, axis=-1 if axis is None else axis, name=scope
        )


@public("unravel_index")
def unravel_index(indices: Any, dims: Any, name: str | None = None) -> Tensor:
    """Places in a flat array as coordinates.

    Args:
      indices: scalar or `[n]`, int32 or int64.
      dims: `[rank]`, same dtype, the shape of the array.
      name: op name; default "UnravelIndex".

    Returns:
      `[rank]` or `[rank, n]`.
    """
    return apply(UnravelIndex, indices, dims, name=name)


@public("searchsorted")
def searchsorted(
    sorted_sequence: Any, values: Any, side: str = "left", out_type: Any = int32, name: str | None = None
) -> Tensor:
    """Where values belong in sorted rows.

    Args:
      sorted_sequence: `[..., n]`, each row ascending.
      values: `[..., m]`, same leading dimensions and dtype.
      side: "left": before equal elements; "right": after them.
      out_type: int32 or int64.
      name: op name; default that of the operation.

    Returns:
      `[..., m]`, numbers in [0, n].

    Raises:
      ValueError: `side` is another word.
    """
    if side not in ("left", "right"):
        raise ValueError(f"searchsorted: side must be 'left' or 'right'. Received: {side!r}")
    rows = to_tensor(sorted_sequence, name="sorted_sequence")
    wanted = to_tensor(values, rows.dtype.base_dtype, "values")
    rows_2d = raw.Reshape(rows, [-1, shape_tensor(rows)[-1]])
    values_2d = raw.Reshape(wanted, [-1, shape_tensor(wanted)[-1]])
    opdef = LowerBound if side == "left" else UpperBound
    found = apply(opdef, rows_2d, values_2d, out_type=dtypes.as_dtype(out_type), name=name)
    return raw.Reshape(found, shape_tensor(wanted))
