"""Array functions composed of several operations: grids, masks, identity matrices, sorting, repetition."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building import raw
from millrace.building.composites import CompositeTensor
from millrace.building.convert import is_tensor_like, to_tensor
from millrace.building.slicing import boolean_mask
from millrace.building.static import static_value
from millrace.core import dtypes, shapes
from millrace.core.deprecation import deprecated
from millrace.core.dtypes import float32, int32, int64
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.graph.tensor import Tensor
from millrace.lib.math.reductions import reduce_max
from millrace.opkit.rules.idioms import constant
from millrace.ops.array.concat import concat, stack, unstack
from millrace.ops.array.constant import ones, zeros
from millrace.ops.array.fill import range_
from millrace.ops.array.reshape import expand_dims, reshape, transpose
from millrace.ops.array.shape import rank as rank_of
from millrace.ops.array.shape import shape as shape_of
from millrace.ops.array.shape import size
from millrace.ops.array.tile import broadcast_to, tile
from millrace.ops.math.select import maximum


@public("sequence_mask")
def sequence_mask(
    lengths: Any, maxlen: Any = None, dtype: Any = dtypes.bool_, name: str | None = None
) -> Tensor:
    """For each length n, a row with n times True and then False.

    Args:
      lengths: `[...]`, integer.
      maxlen: int scalar, the rows' length; default the largest of `lengths`.
      dtype: the dtype of the result.
      name: op name; default "SequenceMask".

    Returns:
      `[..., maxlen]`.

    Raises:
      ValueError: `maxlen` is not a scalar.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.sequence_mask([1, 3], maxlen=3)))
      [[ True False False]
       [ True  True  True]]
    """
    with get_default_graph().name_scope(name or "SequenceMask"):
        lengths = to_tensor(lengths)
        if maxlen is None:
            maxlen = raw.Max(lengths, _all_dimensions(lengths))
            maxlen = raw.Maximum(_like(lengths, 0), maxlen)
        else:
            maxlen = to_tensor(maxlen)
        if maxlen.dims not in (None, ()):
            raise ValueError(f"sequence_mask: maxlen must be scalar. Received: shape {maxlen.shape}")
        kind = maxlen.dtype.base_dtype
        row = raw.Range(_like(maxlen, 0), maxlen, _like(maxlen, 1))
        column = raw.ExpandDims(lengths, -1)
        column = raw.Cast(column, DstT=kind, name="Cast")
        mask = raw.Less(row, column)
        chosen = dtypes.as_dtype(dtype).base_dtype
        return mask if chosen is dtypes.bool_ else raw.Cast(mask, DstT=chosen)


def _like(x: Tensor, value: int) -> Tensor:
    return constant(value, "Const", x.dtype.base_dtype)


def _all_dimensions(x: Tensor) -> Tensor:
    if x.dims is None:
        return raw.Range(0, raw.Rank(x), 1, name="range")
    return constant(np.arange(len(x.dims)), "Const")


@public("meshgrid")
def meshgrid(*args: Any, indexing: str = "xy", name: str = "meshgrid") -> list[Tensor]:
    """Grids of coordinates from vectors.

    Args:
      *args: vectors of one dtype.
      indexing: "xy": the first two dimensions change places, as for plots; "ij": as for matrices.
      name: op name.

    Returns:
      As many tensors as arguments, each of rank `len(args)`; number i changes along dimension i of the grid.

    Raises:
      ValueError: `indexing` is another word.
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing must be 'xy' or 'ij'. Received: {indexing!r}")
    with get_default_graph().name_scope(name):
        single = (1,) * (n := len(args))
        columns = [raw.Reshape(stack(x), single[:i] + (-1,) + single[i + 1 :]) for i, x in enumerate(args)]
        lengths = [size(x) for x in args]
        kind = to_tensor(args[0]).dtype.base_dtype if args else float32
        if indexing == "xy" and n > 1:
            columns[0] = raw.Reshape(columns[0], (1, -1) + single[2:])
            columns[1] = raw.Reshape(columns[1], (-1, 1) + single[2:])
            lengths[0], lengths[1] = lengths[1], lengths[0]
        if not args:
            return []
        grid = ones(lengths, kind)
        return [raw.Mul(x, grid, name="mul") for x in columns]


@public("eye", "linalg.eye")
def eye(
    num_rows: Any,
    num_columns: Any = None,
    batch_shape: Any = None,
    dtype: Any = float32,
    name: str | None = None,
) -> Tensor:
    """Identity matrices.

    Args:
      num_rows: int scalar.
      num_columns: int scalar; default `num_rows`.
      batch_shape: int vector, the leading dimensions; default none.
      dtype: the dtype.
      name: op name; default "eye".

    Returns:
      `batch_shape + [num_rows, num_columns]`.

    Example:
      >>> with tf.Session() as sess:
      ...     print(sess.run(tf.eye(2)))
      [[1. 0.]
       [0. 1.]]
    """
    chosen = dtypes.as_dtype(dtype).base_dtype
    with get_default_graph().name_scope(name or "eye"):
        is_square = num_columns is None
        columns = num_rows if is_square else num_columns
        known = not isinstance(num_rows, Tensor) and not isinstance(columns, Tensor)
        length = min(num_rows, columns) if known else raw.Minimum(num_rows, columns)
        if known and not isinstance(batch_shape, Tensor):
            batch = [] if batch_shape is None else list(batch_shape)
            dims, whole = [*batch, length], [*batch, num_rows, columns]
        else:
            lead = to_tensor([] if batch_shape is None else batch_shape, int32, "shape")
            dims = raw.ConcatV2([lead, [length]], 0, name="concat")
            whole = None if is_square else raw.ConcatV2([lead, [num_rows, columns]], 0, name="concat")
        diagonal = ones(dims, chosen)
        if is_square:
            return raw.MatrixDiag(diagonal, name="diag")
        return raw.MatrixSetDiag(zeros(whole, chosen), diagonal, name="set_diag")


@public("required_space_to_batch_paddings")
def required_space_to_batch_paddings(
    input_shape: Any, block_shape: Any, base_paddings: Any = None, name: str | None = None
) -> tuple[Tensor, Tensor]:
    """The paddings that make each dimension divisible by its block, and the crops that undo them.

    Args:
      input_shape: `[n]`, int32.
      block_shape: `[n]`, int32.
      base_paddings: `[n, 2]`, int32, least paddings; default zeros.
      name: op name; default "required_space_to_batch_paddings".

    Returns:
      `(paddings, crops)`, both `[n, 2]`, for `space_to_batch_nd` and `batch_to_space_nd`.
    """
    with get_default_graph().name_scope(name or "required_space_to_batch_paddings"):
        lengths = to_tensor(input_shape, int32, "input_shape")
        blocks = to_tensor(block_shape, int32, "block_shape")
        if not shapes.fully_defined(blocks.dims) or len(blocks.dims) != 1:  # type: ignore[arg-type]
            raise ValueError(f"block_shape must be a vector of known length. Received: shape {blocks.shape}")
        count: Any = blocks.dims[0]  # type: ignore[index]
        if count == 0:
            nothing = raw.ZerosLike(constant(np.zeros((0, 2)), "Const"))
            return nothing, nothing
        base = to_tensor(
            np.zeros((count, 2), np.int32) if base_paddings is None else base_paddings, int32, "base_paddings"
        )
        known = [static_value(t) for t in (lengths, blocks, base)]
        if all(v is not None for v in known):
            sizes, block, least = known
            missing = (block - (sizes + least.sum(1)) % block) % block  # type: ignore[operator, union-attr]
            paddings = least + np.stack([0 * missing, missing], 1)  # type: ignore[operator]
            crops = np.stack([0 * missing, missing], 1)
            return constant(paddings, "paddings"), constant(crops, "crops")
        start, end = base[:, 0], base[:, 1]
        full = lengths + start + end
        missing_end = raw.FloorMod(blocks - raw.FloorMod(full, blocks), blocks)
        ends = end + missing_end
        paddings = stack([[start[i], ends[i]] for i in range(count)], name="paddings")
        crops = stack([[0, missing_end[i]] for i in range(count)], name="crops")
        return paddings, crops


_DIRECTIONS = ("ASCENDING", "DESCENDING")


@public("sort", "contrib.framework.sort")
def sort(values: Any, axis: Any = -1, direction: str = "ASCENDING", name: str | None = None) -> Tensor:
    """`values` in order along one dimension.

    Args:
      values: `[...]`, real numbers, at least one dimension.
      axis: int constant, the dimension.
      direction: "ASCENDING" or "DESCENDING".
      name: op name; default "sort".

    Raises:
      ValueError: `axis` is not a constant or out of range, or `direction` is another word.
    """
    with get_default_graph().name_scope(name or "sort"):
        return _sorted(values, axis, direction, False)


@public("argsort", "contrib.framework.argsort")
def argsort(
    values: Any, axis: Any = -1, direction: str = "ASCENDING", stable: bool = False, name: str | None = None
) -> Tensor:
    """The places that put `values` in order along one dimension; of equal values the first stays first.

    Args:
      values: `[...]`, real numbers, at least one dimension.
      axis: int constant, the dimension.
      direction: "ASCENDING" or "DESCENDING".
      stable: equal values keep their order, as they always do here.
      name: op name; default "argsort".

    Returns:
      The shape of `values`, int32.

    Raises:
      ValueError: `axis` is not a constant or out of range, or `direction` is another word.
    """
    with get_default_graph().name_scope(name or "argsort"):
        return _sorted(values, axis, direction, True)


def _sorted(values: Any, axis: Any, direction: str, places: bool) -> Tensor:
    if direction not in _DIRECTIONS:
        raise ValueError(f"sort: direction must be one of {_DIRECTIONS}. Received: {direction!r}")
    at = static_value(to_tensor(axis, name="axis"))
    if at is None:
        raise ValueError(f"sort: axis must be a constant. Received: {axis}")
    at = int(at)
    values = to_tensor(values, name="values")
    rank = None if values.dims is None else len(values.dims)
    if rank is not None and not -rank <= at < rank:
        raise ValueError(f"sort: axis must be in [{-rank}, {rank}). Received: {at}")
    ascending = direction == "ASCENDING"
    keys = _reversed_order(values) if ascending else values
    length = shape_of(keys)[at]
    count = rank_of(keys)  # TensorFlow leaves it in the graph where the axis is the last
    if at == -1 or at + 1 == rank:
        found = raw.TopKV2(keys, length, sorted=True)
        result = found.indices if places else found.values
    else:
        perm = _swapped(at, rank, count)
        found = raw.TopKV2(transpose(keys, perm), length, sorted=True)
        result = transpose(found.indices if places else found.values, perm)
    return _reversed_order(result) if ascending and not places else result


def _reversed_order(x: Tensor) -> Tensor:
    """A value for each element such that the least has the greatest: its negative, or the bits turned."""
    kind = x.dtype.base_dtype
    if kind.is_floating or kind in (int32, int64):
        return raw.Neg(x)
    return raw.Sub(constant(kind.max if kind.is_unsigned else -1, "Const", kind), x)


def _swapped(axis: int, rank: int | None, count: Tensor) -> Tensor:
    """The order of dimensions in which `axis` and the last have changed places."""
    if rank is not None:
        order = np.arange(rank, dtype=np.int32)
        order[axis], order[-1] = order[-1], order[axis]
        return constant(order, "transposition")
    at: Any = axis if axis >= 0 else axis + count
    before = range_(at)
    last = count - 1
    between = range_(at + 1, count - 1)
    return concat([before, [last], between, [at]], axis=0)


@public("repeat")
def repeat(input: Any, repeats: Any, axis: int | None = None, name: str | None = None) -> Tensor:
    """Each element, or each slice along `axis`, several times in a row.

    Args:
      input: `[...]`.
      repeats: int scalar, or a vector with a number for each slice.
      axis: the dimension; default: `input` is flattened first.
      name: op name; default "Repeat".

    Returns:
      A tensor like `input` whose dimension `axis` is longer; a vector where `axis` is None.
    """
    if axis is None:
        input, axis = reshape(input, [-1]), 0
    with get_default_graph().name_scope(name or "Repeat"):
        data = to_tensor(input, name="data")
        counts = raw.Cast(to_tensor(repeats, name="repeats"), DstT=int32)
        if data.dims is None:
            return _repeated_of_unknown_rank(data, counts, axis)
        at = axis + len(data.dims) if axis < 0 else axis
        if counts.dims == (1,):
            counts = reshape(counts, [])
        whole = shape_of(data)
        if counts.dims == ():
            tiled = tile(expand_dims(data, at + 1), _times(len(data.dims) + 1, at + 1, counts))
            return reshape(tiled, concat([whole[:at], [-1], whole[at + 1 :]], axis=0))
        if at:
            counts = _for_each(counts, whole, at + 1)
        most = maximum(0, reduce_max(counts))
        mask = sequence_mask(counts, most)
        tiled = tile(expand_dims(data, at + 1), _times(len(data.dims) + 1, at + 1, most))
        kept = boolean_mask(tiled, mask)
        if not at:
            return kept
        return reshape(kept, concat([whole[:at], [-1], whole[at + 1 :]], axis=0))


def _times(rank: int, axis: int, count: Tensor) -> list[Any]:
    return [1] * axis + [count] + [1] * (rank - axis - 1)


def _for_each(counts: Tensor, whole: Tensor, dimensions: int) -> Tensor:
    """The counts for each slice of the last of some dimensions, repeated for all dimensions before it."""
    given = shape_of(counts)
    before = whole[: dimensions - rank_of(counts)]
    return broadcast_to(counts, concat([before, given], axis=0))


def _repeated_of_unknown_rank(data: Tensor, counts: Tensor, axis: int) -> Tensor:
    """Slices by their numbers, each as often as it is wanted."""
    size = raw.GatherV2(shape_of(data), axis if axis >= 0 else rank_of(data) + axis, 0)
    counts = raw.BroadcastTo(counts, raw.Reshape(size, [1]))
    most = raw.Maximum(0, raw.Max(counts, [0]))
    mask = raw.Less(raw.Range(0, most, 1), raw.ExpandDims(counts, -1))
    return raw.GatherV2(data, raw.Where(mask)[:, 0], axis if axis >= 0 else rank_of(data) + axis)


@public("is_tensor", "contrib.framework.is_tensor")
def is_tensor(x: Any) -> bool:
    """Whether `x` is a tensor, a composite, a variable, or of a type with a registered conversion."""
    return is_tensor_like(x) or isinstance(x, CompositeTensor)


@public("pack")
def pack(values: Any, axis: int = 0, name: str = "pack") -> Tensor:
    """The name of `stack` before TensorFlow 1.0."""
    deprecated("tf.pack", "tf.stack")
    return stack(values, axis, name)


@public("unpack")
def unpack(value: Any, num: int | None = None, axis: int = 0, name: str = "unpack") -> list[Tensor]:
    """The name of `unstack` before TensorFlow 1.0."""
    deprecated("tf.unpack", "tf.unstack")
    return unstack(value, num, axis, name)


@public("concat_v2")
def concat_v2(values: Any, axis: Any, name: str = "concat_v2") -> Tensor:
    """The name of `concat` while TensorFlow 1.0 was prepared."""
    deprecated("tf.concat_v2", "tf.concat")
    return concat(values, axis, name)
