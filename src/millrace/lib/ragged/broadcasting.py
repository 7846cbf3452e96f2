"""Broadcasting of ragged tensors: a dimension of size 1 is repeated, a ragged one matches its own lengths."""

from __future__ import annotations

from typing import Any

from millrace.core import dtypes, shapes
from millrace.graph.tensor import Tensor
from millrace.lib.flow.assertion import Assert
from millrace.lib.flow.control_flow import with_dependencies
from millrace.lib.math.array import repeat
from millrace.lib.math.reductions import reduce_all
from millrace.lib.ragged.ragged_tensor import RaggedTensor
from millrace.lib.ragged.splits import shape_of
from millrace.ops.array.concat import concat
from millrace.ops.array.fill import fill, range_
from millrace.ops.array.gather import gather
from millrace.ops.array.reshape import reshape
from millrace.ops.math.cast import cast
from millrace.ops.math.comparison import equal, logical_or, not_equal
from millrace.ops.math.cumulative import cumsum
from millrace.ops.math.select import where


class _Side:
    """One of two values: its dimensions from the outside in, ragged ones as splits, uniform ones as sizes."""

    def __init__(self, value: Any, rank: int, kind: dtypes.DType) -> None:
        nested = value.nested_row_splits if isinstance(value, RaggedTensor) else ()
        flat = value.flat_values if isinstance(value, RaggedTensor) else value
        dims = list(flat.dims or ())
        own = len(nested) + len(dims)
        whole = shape_of(flat, kind)
        rows = shape_of(nested[0], kind)[0] - 1 if nested else None
        self.dimensions: list[Any] = [_one(kind)] * (rank - own)
        if nested:
            self.dimensions += [rows, *nested, *[whole[i] for i in range(1, len(dims))]]
            self.fixed = [1] * (rank - own) + [_known(nested[0]), *[-1] * len(nested), *dims[1:]]
        else:
            self.dimensions += [whole[i] for i in range(len(dims))]
            self.fixed = [1] * (rank - own) + dims
        self.flat = flat
        self.kind = kind

    def ragged(self, axis: int) -> bool:
        return self.fixed[axis] == -1

    def at_depth(self, depth: int) -> Tensor:
        """The elements behind the first `depth` dimensions, one behind the other."""
        inner = len(self.fixed) - depth
        dims = len(self.flat.dims or ())
        tail = shape_of(self.flat)[dims - inner :] if inner else []
        return reshape(self.flat, concat([[-1], tail], axis=0) if inner else [-1])


def _one(kind: dtypes.DType) -> Tensor:
    return fill([], cast(1, kind))


def _known(row_splits: Tensor) -> int | None:
    return None if row_splits.dims is None or row_splits.dims[0] is None else row_splits.dims[0] - 1


def broadcast(x: Any, y: Any) -> tuple[Any, Any]:
    """Two values with the same rows: what is smaller is repeated; dense dimensions inside stay as they are.

    Args:
      x, y: tensors of known rank and ragged tensors, at least one ragged.

    Raises:
      ValueError: an inner shape has an unknown rank, or the splits are of different dtypes.
    """
    if all(isinstance(v, RaggedTensor) for v in (x, y)) and x.nested_row_splits == y.nested_row_splits:
        return x, y
    kinds = {v.row_splits.dtype for v in (x, y) if isinstance(v, RaggedTensor)}
    if len(kinds) > 1:
        raise ValueError(
            "Input RaggedTensors have mismatched row_splits dtypes; use with_row_splits_dtype(). "
            f"Received: {sorted(k.name for k in kinds)}"
        )
    (kind,) = kinds
    ranks = [shapes.as_dims(v.shape) for v in (x, y)]
    if any(dims is None for dims in ranks):
        raise ValueError(f"Broadcasting needs values of known rank. Received: {x!r} and {y!r}")
    rank = max(len(dims) for dims in ranks if dims is not None)
    depth = 1 + max(_ragged_depth(v, rank) for v in (x, y))
    one, two = _Side(x, rank, kind), _Side(y, rank, kind)
    places, nested = _outermost(one, two)
    for axis in range(1, depth):
        places, lengths = _inward(one, two, axis, places)
        nested.append(lengths)
    found = [gather(side.at_depth(depth), place) for side, place in zip((one, two), places, strict=True)]
    return tuple(  # type: ignore[return-value]
        RaggedTensor.from_nested_row_lengths(flat, nested, validate=False) for flat in found
    )


def _ragged_depth(value: Any, rank: int) -> int:
    """The place of its innermost ragged dimension among all `rank`."""
    if not isinstance(value, RaggedTensor):
        return 0
    return value.ragged_rank + rank - len(shapes.as_dims(value.shape) or ())


def _matched(one: Any, two: Any, same: Tensor) -> Any:
    check = Assert(same, ["Unable to broadcast: dimension size mismatch", one, two])
    return with_dependencies([check], one)


def _outermost(one: _Side, two: _Side) -> tuple[tuple[Tensor, Tensor], list[Any]]:
    """Which row of either side stands in each row of the result."""
    rows, others = one.dimensions[0], two.dimensions[0]
    fits = logical_or(logical_or(equal(rows, 1), equal(others, 1)), equal(rows, others))
    count = _matched(where(equal(rows, 1), others, rows), others, fits)
    numbers = range_(count)
    return (numbers * cast(not_equal(rows, 1), one.kind), numbers * cast(not_equal(others, 1), one.kind)), []


def _inward(
    one: _Side, two: _Side, axis: int, places: tuple[Tensor, Tensor]
) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """The same for the elements of one more dimension, and the lengths of its rows."""
    sides = one, two
    spans = [_span(side, axis, place) for side, place in zip(sides, places, strict=True)]
    (starts, lengths), (other_starts, other_lengths) = spans
    if one.ragged(axis) and two.ragged(axis):
        fits = reduce_all(equal(lengths, other_lengths))
        count = _matched(lengths, other_lengths, fits)
    elif one.ragged(axis):
        count = lengths
        fits = logical_or(equal(two.dimensions[axis], 1), reduce_all(equal(lengths, other_lengths)))
        count = _matched(lengths, other_lengths, fits)
    elif two.ragged(axis):
        fits = logical_or(equal(one.dimensions[axis], 1), reduce_all(equal(lengths, other_lengths)))
        count = _matched(other_lengths, lengths, fits)
    else:
        count = where(equal(lengths, 1), other_lengths, lengths)
    row = repeat(range_(shape_of(count, one.kind)[0]), count, axis=0)
    ends = cumsum(count)
    column = range_(shape_of(row, one.kind)[0]) - gather(ends - count, row)
    found = []
    for side, begin in zip(sides, (starts, other_starts), strict=True):
        moved = column if side.ragged(axis) else column * cast(not_equal(side.dimensions[axis], 1), one.kind)
        found.append(gather(begin, row) + moved)
    return (found[0], found[1]), count


def _span(side: _Side, axis: int, places: Tensor) -> tuple[Tensor, Tensor]:
    """Where the rows at `places` begin among the elements of a dimension, and how long they are."""
    dimension = side.dimensions[axis]
    if side.ragged(axis):
        return gather(dimension[:-1], places), gather(dimension[1:] - dimension[:-1], places)
    return places * dimension, fill(shape_of(places), dimension)
