"""What a StridedSlice's masks and bounds mean: the result's shape, and the index that Python would write."""

from __future__ import annotations

from typing import Any

from millrace.core.errors import refusal
from millrace.core.shapes import Dims, format_dims
from millrace.graph.attrs import Attr, integer

MASKS: dict[str, Attr] = {
    name: integer(default=0)
    for name in ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
}


def _entries(count: int, ellipsis_mask: int, new_axis_mask: int, rank: int) -> list[tuple[str, int, int]]:
    """(kind, position in the bounds, axis of the input) for each index, ellipses written out.

    Raises:
      ValueError: two ellipses, or more indices than axes.
    """
    if ellipsis_mask & (ellipsis_mask - 1) & ((1 << count) - 1):
        raise ValueError("Multiple ellipses in slice spec not allowed")
    ellipses = [i for i in range(count) if ellipsis_mask >> i & 1]
    added = [i for i in range(count) if new_axis_mask >> i & 1 and i not in ellipses]
    used = count - len(ellipses) - len(added)
    if used > rank:
        raise ValueError(f"Index out of range: {used} indices for an input of {rank} dimensions")
    entries: list[tuple[str, int, int]] = []
    axis = 0
    for i in range(count):
        if i in ellipses:
            entries.extend(("all", i, axis + k) for k in range(rank - used))
            axis += rank - used
        elif i in added:
            entries.append(("new", i, -1))
        else:
            entries.append(("at", i, axis))
            axis += 1
    entries.extend(("all", count, k) for k in range(axis, rank))
    return entries


def result_dims(x: Dims, begin: Any, end: Any, strides: Any, masks: dict[str, int]) -> Dims:
    """The shape of the slice, as far as it is known.

    Args:
      x: the input's dims.
      begin, end, strides: `Known` int vectors.
      masks: the five masks.

    Raises:
      ValueError: the bounds do not fit the input, or a stride is zero.
    """
    lengths = {k.dims[0] for k in (begin, end, strides) if k.dims and k.dims[0] is not None}
    for known in (begin, end, strides):
        if known.dims is not None and len(known.dims) != 1:
            raise ValueError(
                f"begin, end and strides must be vectors. Received: shape {format_dims(known.dims)}"
            )
    if len(lengths) > 1:
        raise ValueError(f"begin, end and strides must have one length. Received: {sorted(lengths)}")
    steps = strides.value
    if x is None or steps is None:
        return None
    starts, stops = begin.value, end.value
    dims: list[int | None] = []
    for kind, i, axis in _entries(len(steps), masks["ellipsis_mask"], masks["new_axis_mask"], len(x)):
        if kind == "new":
            dims.append(1)
            continue
        size = x[axis]
        if kind == "all":
            dims.append(size)
            continue
        step = int(steps[i])
        if step == 0:
            raise ValueError(f"strides[{i}] must be non-zero. Received: {steps.tolist()}")
        if masks["shrink_axis_mask"] >> i & 1:
            if step < 0:
                raise ValueError(f"only stride 1 allowed on non-range indexing. Received: stride {step}")
            if size is not None and starts is not None and not -size <= int(starts[i]) < size:
                raise ValueError(
                    f"slice index {int(starts[i])} of dimension {axis} out of bounds for length {size}"
                )
            continue
        first, last = masks["begin_mask"] >> i & 1, masks["end_mask"] >> i & 1
        if size is None:
            dims.append(None)
        elif starts is not None and stops is not None:
            bounds = slice(None if first else int(starts[i]), None if last else int(stops[i]), step)
            dims.append(len(range(*bounds.indices(size))))
        else:
            dims.append(len(range(0, size, abs(step))) if first and last else None)
    return tuple(dims)


def single_places(dims: Any, values: Any, masks: dict[str, int], count: Any) -> bool:
    """Whether only places depend on the bounds: each index is a single one or takes a whole dimension.

    Args:
      dims: of the inputs of a slicing operation, bounds included.
      values: of the inputs, None where unknown.
      masks: the five masks.
      count: the position of `strides` among the inputs.
    """
    steps = values[count]
    if steps is None or dims[0] is None:
        return False
    either = masks["shrink_axis_mask"] | masks["new_axis_mask"] | masks["ellipsis_mask"]
    either |= masks["begin_mask"] & masks["end_mask"]
    return all(either >> i & 1 for i in range(len(steps)))


def traced_key(
    xp: Any, dims: tuple[int, ...], begin: Any, strides: Any, masks: dict[str, int]
) -> tuple[Any, ...]:
    """The key of a slice for which `single_places` holds; `begin` may be a tracer."""
    key: list[Any] = []
    for kind, i, axis in _entries(len(strides), masks["ellipsis_mask"], masks["new_axis_mask"], len(dims)):
        if kind == "new":
            key.append(None)
        elif kind == "at" and masks["shrink_axis_mask"] >> i & 1:
            place, length = begin[i], dims[axis]
            rule = f"slice index of dimension {axis} out of bounds. Received: length {length}"
            xp.check(
                (place >= -length) & (place < length),
                lambda rule=rule: refusal(rule),
            )
            key.append(place)
        else:
            key.append(slice(None, None, int(strides[i]) if kind == "at" else None))
    return tuple(key)


def index_key(
    rank: int, dims: Any, begin: Any, end: Any, strides: Any, masks: dict[str, int]
) -> tuple[Any, ...]:
    """The key for which `x[key]` is the slice; it holds an Ellipsis, so that the result is always an array.

    Args:
      rank: the input's rank.
      dims: the input's shape, or None to leave the range of single indices to NumPy.
      begin, end, strides: int vectors.
      masks: the five masks.

    Raises:
      InvalidArgumentError: the bounds do not fit the input.
    """
    key: list[Any] = []
    whole: list[Any] = [Ellipsis]
    try:
        entries = _entries(len(begin), masks["ellipsis_mask"], masks["new_axis_mask"], rank)
    except ValueError as error:
        raise refusal(str(error)) from None
    skipped = False
    for kind, i, axis in entries:
        if kind == "all":
            if not skipped:
                key += whole
                skipped = True
            continue
        if kind == "new":
            key.append(None)
            continue
        step = int(strides[i])
        start = int(begin[i])
        if step == 0:
            raise refusal(f"strides[{i}] must be non-zero")
        if masks["shrink_axis_mask"] >> i & 1:
            if step < 0:
                raise refusal("only stride 1 allowed on non-range indexing")
            if dims is not None and not -dims[axis] <= start < dims[axis]:
                raise refusal(
                    f"slice index {start} of dimension {axis} out of bounds. Received: length {dims[axis]}",
                )
            key.append(start)
        else:
            first, last = masks["begin_mask"] >> i & 1, masks["end_mask"] >> i & 1
            key.append(slice(None if first else start, None if last else int(end[i]), step))
    return tuple(key if skipped else key + whole)
