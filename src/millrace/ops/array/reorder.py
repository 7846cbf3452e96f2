"""The same elements in another order: reversed, reversed per sequence, rolled."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.apply import apply
from millrace.core import dtypes, shapes
from millrace.core.dtypes import ALL, BOOL, COMPLEX, FLOATING, INDEX, STRING, int32, int64
from millrace.core.errors import InvalidArgumentError, refusal
from millrace.core.public import public
from millrace.core.shapes import format_dims
from millrace.graph.attrs import dtype, integer
from millrace.graph.opdef import declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.idioms import shown
from millrace.opkit.rules.shape_rules import axis_in, with_rank

_REVERSIBLE = FLOATING | COMPLEX | STRING | BOOL | dtypes.SIGNED | frozenset({dtypes.uint8, dtypes.uint16})


@declare("Reverse(tensor: T, dims: bool) -> output: T", T=_REVERSIBLE, static=("dims",), alias=True)
class Reverse:
    """`tensor` reversed in each dimension i where `dims[i]` is True."""

    def shape(tensor, dims):
        with_rank(dims.dims, 1, "dims")
        if tensor is not None and dims.dims is not None and dims.dims[0] not in (None, len(tensor)):
            raise ValueError(f"dims must have {len(tensor)} elements. Received: {dims.dims[0]}")
        return tensor

    def kernel(xp, tensor, dims):
        if len(dims) != len(np.shape(tensor)):
            raise refusal(f"dims must have {len(np.shape(tensor))} elements. Received: {len(dims)}")
        return xp.flip(tensor, tuple(np.flatnonzero(dims).tolist()))

    def grad(op, dy):
        return raw.Reverse(dy, op.inputs[1]), None


@declare("ReverseV2(tensor: T, axis: Tidx) -> output: T", T=_REVERSIBLE, Tidx=dtype(INDEX, default=int32),
         static=("axis",), alias=True)  # fmt: skip
class ReverseV2:
    """`tensor` reversed in the dimensions `axis`."""

    def shape(tensor, axis):
        if axis.dims is not None and len(axis.dims) != 1:
            raise ValueError(f"axis must be a vector. Received: shape {format_dims(axis.dims)}")
        if tensor is not None and axis.value is not None:
            over = [axis_in(int(a), len(tensor)) for a in axis.value]
            if len(set(over)) != len(over):
                raise ValueError(f"axis names a dimension twice. Received: {axis.value.tolist()}")
        return tensor

    def kernel(xp, tensor, axis):
        rank = len(np.shape(tensor))
        over = [a + rank if a < 0 else a for a in axis.tolist()]
        if any(not 0 <= a < rank for a in over) or len(set(over)) != len(over):
            raise refusal(
                f"axis must name each of {rank} dimensions at most once. Received: {axis.tolist()}",
            )
        return xp.flip(tensor, tuple(over))

    def grad(op, dy):
        return raw.ReverseV2(dy, op.inputs[1]), None


@declare("ReverseSequence(input: T, seq_lengths: Tlen) -> output: T", T=ALL, Tlen=dtype(INDEX, default=int64),
         seq_dim=integer(), batch_dim=integer(default=0))  # fmt: skip
class ReverseSequence:
    """The first `seq_lengths[i]` elements of slice i of `batch_dim` reversed along `seq_dim`."""

    def shape(input, seq_lengths, seq_dim, batch_dim):
        with_rank(seq_lengths, 1, "seq_lengths")
        if input is None:
            return None
        if seq_dim == batch_dim:
            raise ValueError(f"batch_dim and seq_dim must differ. Received: {seq_dim}")
        if not 0 <= seq_dim < len(input) or not 0 <= batch_dim < len(input):
            raise ValueError(
                f"seq_dim and batch_dim must be in [0, {len(input)}). Received: {seq_dim} and {batch_dim}"
            )
        length = None if seq_lengths is None else seq_lengths[0]
        (count,) = shapes.merge((input[batch_dim],), (length,))  # type: ignore[misc]
        return (*input[:batch_dim], count, *input[batch_dim + 1 :])

    def kernel(xp, input, seq_lengths, seq_dim, batch_dim):
        dims = np.shape(input)
        length = dims[seq_dim]

        def unfit() -> InvalidArgumentError:
            rule = f"seq_lengths must be {dims[batch_dim]} numbers in [0, {length}]"
            return refusal(f"{rule}. Received: {shown(xp, seq_lengths)}")

        if np.shape(seq_lengths) != (dims[batch_dim],):
            raise unfit()
        xp.check((seq_lengths >= 0) & (seq_lengths <= length), unfit)
        along, across = [1] * len(dims), [1] * len(dims)
        along[seq_dim], across[batch_dim] = length, dims[batch_dim]
        place = np.arange(length).reshape(along)
        ends = xp.reshape(seq_lengths, across)
        return xp.take_along_axis(input, xp.where(place < ends, ends - 1 - place, place), seq_dim)

    def grad(op, dy):
        return raw.ReverseSequence(dy, op.inputs[1], **op.params), None


@declare("Roll(input: T, shift: Tshift, axis: Taxis) -> output: T", T=ALL, Tshift=INDEX, Taxis=INDEX,
         static=("shift", "axis"))  # fmt: skip
class Roll:
    """`input` shifted by `shift` along `axis`; what leaves at one end enters at the other."""

    def shape(input, shift, axis):
        if input is not None and len(input) == 0:
            raise ValueError("input must have at least one dimension. Received: a scalar")
        for known in (shift, axis):
            if known.dims is not None and len(known.dims) > 1:
                raise ValueError(
                    f"shift and axis must be scalars or vectors. Received: shape {format_dims(known.dims)}"
                )
        shapes.merge(shift.dims, axis.dims)
        return input

    def kernel(xp, input, shift, axis):
        rank = len(np.shape(input))
        axes, shifts = axis.reshape(-1).tolist(), shift.reshape(-1).tolist()
        if any(not -rank <= a < rank for a in axes) or len(axes) != len(shifts) or rank == 0:
            raise refusal(
                f"axis and shift must be of one length, axes in [{-rank}, {rank}). "
                f"Received: {axes}, {shifts}",
            )
        return xp.roll(input, tuple(shifts), tuple(axes))

    def grad(op, dy):
        _, shift, axis = op.inputs
        return raw.Roll(dy, raw.Neg(shift), axis), None, None


@public("reverse", "manip.reverse", "reverse_v2")
def reverse(tensor: Any, axis: Any, name: str | None = None) -> Tensor:
    """`tensor` reversed in some dimensions.

    Args:
      tensor: `[...]` of rank n.
      axis: int vector, the dimensions, each in [-n, n) and named once.
      name: op name; default "ReverseV2".

    Raises:
      ValueError: a dimension is out of range or named twice.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.reverse([[1, 2, 3]], axis=[1])))
      [[3 2 1]]
    """
    return apply(ReverseV2, tensor, axis, name=name)


@public("reverse_sequence")
def reverse_sequence(
    input: Any,
    seq_lengths: Any,
    seq_axis: int | None = None,
    batch_axis: int | None = None,
    name: str | None = None,
    seq_dim: int | None = None,
    batch_dim: int | None = None,
) -> Tensor:
    """Reverses a part of each sequence of a batch.

    Args:
      input: `[...]`.
      seq_lengths: `[b]`, int32 or int64: how many elements of each sequence to reverse.
      seq_axis: the dimension of the sequences' elements.
      batch_axis: the dimension of length b that numbers the sequences; default 0.
      name: op name; default "ReverseSequence".
      seq_dim, batch_dim: old names of `seq_axis` and `batch_axis`.

    Raises:
      ValueError: the axes are equal, missing or out of range.
    """
    seq = seq_axis if seq_axis is not None else seq_dim
    batch = batch_axis if batch_axis is not None else batch_dim
    if (
        seq is None
        or (seq_axis is not None and seq_dim is not None)
        or (batch_axis is not None and batch_dim is not None)
    ):
        raise ValueError(
            "reverse_sequence: give each of seq_axis and batch_axis once. "
            f"Received: seq_axis={seq_axis}, seq_dim={seq_dim}, batch_axis={batch_axis}, "
            f"batch_dim={batch_dim}"
        )
    return apply(ReverseSequence, input, seq_lengths, seq_dim=seq, batch_dim=batch or 0, name=name)


@public("roll", "manip.roll")
def roll(input: Any, shift: Any, axis: Any, name: str | None = None) -> Tensor:
    """`input` shifted along dimensions; what leaves at one end enters at the other.

    Args:
      input: `[...]`, at least one dimension.
      shift: int scalar or vector, how far; negative towards the front.
      axis: int scalar or vector of the same shape, the dimensions; one named twice is shifted by the sum.
      name: op name; default "Roll".
    """
    return apply(Roll, input, shift, axis, name=name)
