"""Shape rules that many operations share. Dims in, dims out; a clash is a ValueError that `apply`
completes.
"""

from __future__ import annotations

from typing import Any

from millrace.building.static import Known
from millrace.core import shapes
from millrace.core.shapes import Dims


def unchanged(x: Dims) -> Dims:
    """The output has the input's shape."""
    return x


def broadcast(x: Dims, y: Dims) -> Dims:
    """NumPy's broadcasting of two shapes."""
    return shapes.broadcast(x, y)


def scalar(*_: Any) -> Dims:
    """A scalar, whatever the inputs."""
    return ()


def unknown(*_: Any) -> Dims:
    """Nothing is known before the run."""
    return None


def merged(*dims: Dims) -> Dims:
    """All inputs have one shape, which is also the output's."""
    result = dims[0]
    for d in dims[1:]:
        result = shapes.merge(result, d)
    return result


def with_rank(dims: Dims, rank: int, what: str = "input") -> tuple[int | None, ...]:
    """`dims`, which must be able to have `rank`; unknown dims become that many unknown ones.

    Raises:
      ValueError: it has another rank.
    """
    if dims is None:
        return (None,) * rank
    if len(dims) != rank:
        raise ValueError(f"'{what}' must have rank {rank}. Received: shape {shapes.format_dims(dims)}")
    return dims


def at_least(dims: Dims, rank: int, what: str = "input") -> Dims:
    """`dims`, which must have at least `rank` dimensions where known.

    Raises:
      ValueError: it has fewer.
    """
    if dims is not None and len(dims) < rank:
        raise ValueError(
            f"'{what}' must have rank at least {rank}. Received: shape {shapes.format_dims(dims)}"
        )
    return dims


def partial_size(size: Known) -> tuple[int | None, int | None]:
    """Height and width of images as far as the graph says them.

    Raises:
      ValueError: one is negative.
    """
    value = size.value
    if value is None:
        height, width = (size.as_dims() or (None, None))[:2]
        return height, width
    if min(value.tolist()) < 0:
        raise ValueError(f"output dimensions must not be negative. Received: {value.tolist()}")
    return int(value[0]), int(value[1])


def axis_in(axis: int, rank: int, what: str = "axis") -> int:
    """`axis` counted from the front.

    Raises:
      ValueError: it is out of range.
    """
    if not -rank <= axis < rank:
        raise ValueError(f"'{what}' must be in [{-rank}, {rank}). Received: {axis}")
    return axis + rank if axis < 0 else axis


def reduced(x: Dims, axes: Known, keep_dims: bool) -> Dims:
    """The shape after reducing over the axes that `axes` holds, where it is known.

    Raises:
      ValueError: an axis is out of range, or they are a matrix.
    """
    if axes.dims is not None and len(axes.dims) > 1:
        raise ValueError(
            f"axes must be a scalar or a vector. Received: shape {shapes.format_dims(axes.dims)}"
        )
    if x is None:
        return None
    value = axes.value
    if value is None:
        if keep_dims:
            return (None,) * len(x)
        if axes.dims == ():
            return (None,) * (len(x) - 1) if x else None
        return None
    over = {axis_in(int(a), len(x), "reduction index") for a in value.reshape(-1)}
    if keep_dims:
        return tuple(1 if i in over else d for i, d in enumerate(x))
    return tuple(d for i, d in enumerate(x) if i not in over)


def concatenated(values: tuple[Dims, ...], axis: Known) -> Dims:
    """The shape of `values` one after the other along `axis`.

    Raises:
      ValueError: the shapes do not fit together.
    """
    place = axis.scalar("axis")
    ranks = {len(v) for v in values if v is not None}
    if len(ranks) > 1:
        raise ValueError(
            f"all values must have one rank. Received: shapes {', '.join(map(shapes.format_dims, values))}"
        )
    if not ranks:
        return None
    (rank,) = ranks
    if rank == 0:
        raise ValueError("Can't concatenate scalars (use tf.stack instead). Received: scalars")
    if place is None:
        return (None,) * rank
    at = axis_in(place, rank)
    total: int | None = 0
    rest: Any = None
    for dims in values:
        length = None if dims is None else dims[at]
        total = None if total is None or length is None else total + length
        others = (None,) * rank if dims is None else (*dims[:at], None, *dims[at + 1 :])
        rest = others if rest is None else shapes.merge(rest, others)
    return (*rest[:at], total, *rest[at + 1 :])
