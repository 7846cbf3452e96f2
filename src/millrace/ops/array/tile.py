"""Repeating a tensor: whole copies along dimensions, and broadcasting to a shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.building.dispatch import overridable
from millrace.core.dtypes import ALL, INDEX, NUMERIC, int32
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.core.shapes import format_dims
from millrace.graph.attrs import dtype
from millrace.graph.opdef import declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.idioms import reversing_perm, shape_tensor, size_tensor
from millrace.opkit.rules.shape_rules import with_rank


@declare("Tile(input: T, multiples: Tmultiples) -> output: T", T=ALL, Tmultiples=dtype(INDEX, default=int32),
         static=("multiples",))  # fmt: skip
class Tile:
    """`multiples[i]` copies of `input` one after the other along dimension i."""

    def shape(input, multiples):
        with_rank(multiples.dims, 1, "multiples")
        times = multiples.as_dims()
        if times is None:
            return None if input is None else (None,) * len(input)
        if input is None:
            return (None,) * len(times)
        if len(times) != len(input):
            raise ValueError(f"multiples must have {len(input)} elements. Received: {format_dims(times)}")
        pairs = zip(input, times, strict=True)
        return tuple(0 if 0 in pair else None if None in pair else pair[0] * pair[1] for pair in pairs)

    def kernel(xp, input, multiples):
        times = multiples.tolist()
        if len(times) != len(np.shape(input)) or any(n < 0 for n in times):
            raise refusal(f"multiples must be {len(np.shape(input))} numbers >= 0. Received: {times}")
        return xp.tile(input, tuple(times))

    def forward(dims, values, attrs):
        return 0 if values[1] is not None and (values[1] == 1).all() else None

    def grad(op, dy):
        x, multiples = op.inputs
        shape = shape_tensor(x, multiples.dtype.base_dtype)
        pairs = raw.Pack([multiples, shape], name="stack")
        split = raw.Reshape(_transposed(pairs), [-1])
        size = size_tensor(split)
        evens = raw.Range(0, size, 2, name="range")
        summed = raw.Sum(raw.Reshape(dy, split), evens)
        summed.set_shape(x.dims)
        return summed, None


@declare("TileGrad(input: T, multiples: int32) -> output: T", T=NUMERIC, static=("multiples",))
class TileGrad:
    """The copies that Tile made, added up; newer graphs say it with Reshape and Sum."""

    def shape(input, multiples):
        times = multiples.as_dims()
        if input is None or times is None:
            return None if input is None else (None,) * len(input)
        return tuple(None if d is None or not n else d // n for d, n in zip(input, times, strict=True))

    def kernel(xp, input, multiples):
        times = multiples.tolist()
        if len(times) != len(np.shape(input)) or any(n < 1 or d % n for d, n in zip(np.shape(input), times)):
            raise refusal(f"multiples must divide {list(np.shape(input))}. Received: {times}")
        split = [part for d, n in zip(np.shape(input), times, strict=True) for part in (n, d // n)]
        return xp.sum(xp.reshape(input, split), tuple(range(0, len(split), 2)), dtype=input.dtype)

    def grad(op, dy):
        return raw.Tile(dy, op.inputs[1]), None


def _transposed(pairs: Tensor) -> Tensor:
    with pairs.graph.name_scope("transpose") as scope:
        return raw.Transpose(pairs, reversing_perm(pairs), name=scope)


@declare(
    "BroadcastTo(input: T, shape: Tidx) -> output: T",
    T=ALL,
    Tidx=dtype(INDEX, default=int32),
    static=("shape",),
)
class BroadcastTo:
    """`input` repeated to `shape` by the rules of broadcasting."""

    def shape(input, shape):
        out = shape.as_dims()
        if out is None or input is None:
            return out
        if len(input) > len(out):
            raise ValueError(f"shape must have rank at least {len(input)}. Received: {format_dims(out)}")
        missing = len(out) - len(input)
        dims = list(out)
        for i, have in enumerate(input):
            want = out[missing + i]
            if have in (None, 1):
                continue
            if want not in (None, have):
                raise ValueError(
                    f"Incompatible shapes: {format_dims(input)} does not broadcast to {format_dims(out)}"
                )
            dims[missing + i] = have
        return tuple(dims)

    def kernel(xp, input, shape):
        try:
            return xp.repeated(input, tuple(shape.tolist()))
        except ValueError:
            raise refusal(
                f"Incompatible shapes: {list(np.shape(input))} does not broadcast to {shape.tolist()}",
            ) from None

    def forward(dims, values, attrs):
        return 0 if values[1] is not None and dims[0] == tuple(values[1].tolist()) else None

    def grad(op, dy):
        x, shape = op.inputs
        own = shape_tensor(x, shape.dtype.base_dtype)
        axes = raw.BroadcastGradientArgs(shape, own)[1]
        return raw.Reshape(raw.Sum(dy, axes, keep_dims=True), own), None


@public("tile", "manip.tile")
@overridable
def tile(input: Any, multiples: Any, name: str | None = None) -> Tensor:
    """Copies of `input` one after the other.

    Args:
      input: `[...]` of rank n.
      multiples: `[n]`, int32 or int64, how many copies along each dimension.
      name: op name; default "Tile".

    Returns:
      Dimension i has length `input.shape[i] * multiples[i]`.

    Raises:
      ValueError: `multiples` is not n long.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.tile([[1, 2]], [2, 2])))
      [[1 2 1 2]
       [1 2 1 2]]
    """
    return apply(Tile, input, multiples, name=name)


@public("broadcast_to")
def broadcast_to(input: Any, shape: Any, name: str | None = None) -> Tensor:
    """`input` repeated to `shape` by the rules of broadcasting.

    Args:
      input: `[...]`.
      shape: int vector.
      name: op name; default "BroadcastTo".

    Raises:
      ValueError: `input` is known not to broadcast to `shape`.
    """
    return apply(BroadcastTo, input, shape, name=name)
