"""Batches of beams: `[batch, beams, ...]` as `[batch * beams, ...]` and back."""

from __future__ import annotations

from typing import Any

from millrace.building import convert
from millrace.building.scopes import name_scope
from millrace.building.static import static_value
from millrace.core import dtypes, nest, shapes
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.flow.tensor_array import TensorArray
from millrace.lib.math.array import sequence_mask
from millrace.lib.math.lengths import length
from millrace.lib.math.reductions import reduce_max
from millrace.ops.array.concat import concat, stack
from millrace.ops.array.fill import range_
from millrace.ops.array.gather import gather, gather_nd
from millrace.ops.array.reshape import expand_dims, reshape, transpose
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.array.tile import tile
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import equal
from millrace.ops.math.select import where
from millrace.ops.nn.gather_tree import gather_tree


@public("contrib.seq2seq.python.ops.beam_search_decoder._tile_batch")
def tiled(t: Any, multiplier: int) -> Tensor:
    """One tensor `[batch, ...]` with each row `multiplier` times."""
    t = convert.to_tensor(t, name="t")
    if t.dims is None:
        raise ValueError("tile_batch: t must have statically known rank")
    if not t.dims:
        raise ValueError("tile_batch: t must have a batch. Received: a scalar")
    dims = shape_of(t)
    times = [1] * (len(t.dims) + 1)
    times[1] = multiplier
    count = None if t.dims[0] is None else t.dims[0] * multiplier
    tiled = tile(expand_dims(t, 1), times)
    tiled = reshape(tiled, concat([[dims[0] * multiplier], dims[1:]], 0))
    tiled.set_shape([count, *t.dims[1:]])
    return tiled


@public("contrib.seq2seq.tile_batch")
def tile_batch(t: Any, multiplier: int, name: str | None = None) -> Any:
    """Each row of a batch `multiplier` times, one after the other: what a beam search needs of its memories.

    Args:
      t: `[batch, ...]`, nested.
      multiplier: how many times, the width of the beam.
      name: of the scope; default "tile_batch".

    Returns:
      `[batch * multiplier, ...]`, nested as `t`.

    Raises:
      ValueError: a rank is unknown or 0.
    """
    with name_scope(name, "tile_batch", [*nest.flatten(t), multiplier]):
        return nest.map_structure(lambda x: tiled(x, multiplier), t)


class Beams:
    """The two ways to see a batch of beams.

    Args:
      batch_size: how many sequences, a scalar int32 tensor.
      width: how many beams each has.
    """

    def __init__(self, batch_size: Tensor, width: int) -> None:
        self.batch_size, self.width = batch_size, width

    def _known_batch(self) -> int | None:
        value = static_value(self.batch_size)
        return None if value is None else int(value)

    def merge(self, t: Tensor, size: Any) -> Tensor:
        """`[batch, beams, *size]` as `[batch * beams, *size]`."""
        rest = _as_shape(size)
        dims = shape_of(t)
        batch = self._known_batch()
        merged = reshape(t, concat([[self.batch_size * self.width], dims[2:]], 0))
        merged.set_shape(
            shapes.TensorShape([None if batch is None else batch * self.width]).concatenate(rest)
        )
        return merged

    def split(self, t: Tensor, size: Any) -> Tensor:
        """`[batch * beams, *size]` as `[batch, beams, *size]`.

        Raises:
          ValueError: the static shape does not allow it.
        """
        rest = _as_shape(size)
        dims = shape_of(t)
        parted = reshape(t, concat([[self.batch_size, self.width], dims[1:]], 0))
        expected = shapes.TensorShape([self._known_batch(), self.width]).concatenate(rest)
        if not parted.get_shape().is_compatible_with(expected):
            raise ValueError(
                f"Beams: a state must have batch * beam_width rows, to be seen as shape {expected}. "
                f"Received: {t.name} of shape {t.shape}. Make it with zero_state(batch * beam_width, ...)"
            )
        parted.set_shape(expected)
        return parted

    def merge_state(self, t: Any, size: Any) -> Any:
        """A state's tensor merged; scalars and TensorArrays as they are."""
        return self.merge(t, size) if _has_batch(t, self._check_rank) else t

    def split_state(self, t: Any, size: Any) -> Any:
        """A state's tensor split; scalars and TensorArrays as they are."""
        return self.split(t, size) if _has_batch(t, self._check_rank) else t

    @staticmethod
    def _check_rank(t: Any) -> None:
        if not isinstance(t, TensorArray) and t.dims is None:
            raise ValueError(f"Expected tensor ({t.name}) to have known rank, but ndims == None.")

    def sort_array(self, t: Any, parent_ids: Tensor, lengths: Tensor) -> Any:
        """A history of all steps, `[time, batch * beams, ...]`, in the order of the beams that came out.

        Anything but a TensorArray whose elements have a batch of beams is returned as it is.
        """
        if not isinstance(t, TensorArray) or not self._may_hold_beams(t.element_shape):
            return t
        stacked = t.stack()
        if stacked.dims is not None and len(stacked.dims) < 2:
            return t
        dims = shape_of(stacked)
        parted = reshape(stacked, concat([[dims[0], self.batch_size, self.width], dims[2:]], 0))
        if stacked.dims is not None:
            parted.set_shape([stacked.dims[0], self._known_batch(), self.width, *stacked.dims[2:]])
        return gather_tree_from_array(parted, parent_ids, lengths)

    def _may_hold_beams(self, element: shapes.TensorShape) -> bool:
        batch = self._known_batch()
        if element.ndims is None or element.ndims < 1:
            return False
        rows, *rest = element.as_list()
        if rows is None or batch is None:
            return True
        # As in TensorFlow: a known second dimension is taken for the beams.
        second = rest[0] if rest else None
        return rows == batch * self.width and (second is None or (rows, second) == (batch, self.width))


def _as_shape(size: Any) -> shapes.TensorShape:
    return size if isinstance(size, shapes.TensorShape) else _of_size(size)


def _of_size(size: Any) -> shapes.TensorShape:
    if isinstance(size, Tensor):
        value = static_value(size)
        return shapes.TensorShape([None if value is None else int(value)])
    return shapes.as_shape([size] if isinstance(size, int) else size)


def _has_batch(t: Any, check: Any) -> bool:
    if isinstance(t, TensorArray):
        return False
    check(t)
    return len(t.dims) >= 1


@public("contrib.seq2seq.python.ops.beam_search_decoder.gather_tree_from_array")
def gather_tree_from_array(t: Tensor, parent_ids: Tensor, sequence_length: Tensor) -> Tensor:
    """`[time, batch, beams, ...]` with each step's beams in the order of the sequences that came out.

    Steps beyond the length of a sequence are zero.
    """
    times, batch, width = (length(parent_ids, axis) for axis in range(3))
    own = tile(expand_dims(expand_dims(range_(width), 0), 0), [times, batch, 1])
    longest = cast(reduce_max(sequence_length, axis=1), dtypes.int32)
    order = gather_tree(
        step_ids=own,
        parent_ids=parent_ids,
        max_sequence_lengths=longest,
        end_token=convert.to_tensor(width + 1, dtypes.int32),
    )
    inside = cast(sequence_mask(sequence_length, maxlen=times), dtypes.int32)
    inside = transpose(inside, perm=[2, 0, 1])
    order = where(equal(inside, 1), order, own)
    time_index = tile(expand_dims(expand_dims(range_(times), -1), -1), [1, batch, width])
    batch_index = tile(expand_dims(expand_dims(range_(batch), -1), 0), [times, 1, width])
    ordered = gather_nd(t, stack([time_index, batch_index, order], -1))
    ordered.set_shape(t.get_shape())
    return ordered


def gather_beams(
    indices: Tensor, values: Tensor, batch_size: Tensor, range_size: Any, shape: Any, name: str | None = None
) -> Tensor:
    """For each sequence the values at `indices` `[batch, beams]` of its own range.

    Args:
      indices: places within a sequence's range.
      values: `[batch, range, ...]`, of known rank, what is taken from.
      batch_size: how many sequences.
      range_size: how long the range of one is.
      shape: as which `values` is flattened first: `[-1]` for single elements, which leaves
        `[batch, beams]`, or `[batch * range, -1]` for rows.
      name: of the scope.
    """
    with name_scope(name, "tensor_gather_helper"):
        offset = expand_dims(range_(batch_size) * range_size, 1)
        places = reshape(indices + offset, [-1])
        taken = gather(reshape(values, shape), places)
        dims = values.dims or ()
        rank = 2 if len(shape) == 1 else len(dims)
        known = static_value(batch_size)
        found = reshape(taken, shape_of(values)[:rank], name="output")
        found.set_shape([None if known is None else int(known), *dims[1:rank]])
    return found
