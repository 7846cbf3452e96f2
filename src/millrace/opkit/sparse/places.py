"""Places of sparse tensors: their row-major numbers, what is checked about them, shapes of the parts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from millrace.core import shapes
from millrace.core.errors import InvalidArgumentError, refusal
from millrace.core.shapes import Dims
from millrace.opkit.rules.shape_rules import with_rank

_LARGEST = 1 << 62  # more places than this cannot be numbered


def invalid(message: str) -> InvalidArgumentError:
    """The error of a kernel that was given wrong values; the runtime adds the operation."""
    return refusal(message)


# --- shape rules -------------------------------------------------------------------------------------------


def sparse_rank(indices: Dims, values: Dims, shape: Any, who: str = "") -> tuple[int | None, int | None]:
    """The number of stored values and the rank, as far as the parts' shapes tell.

    Args:
      indices, values: dims of the parts.
      shape: dims of the dense shape, or its `Known`.
      who: what the parts' names begin with.

    Raises:
      ValueError: the parts do not fit together.
    """
    count, rank = with_rank(indices, 2, f"{who}indices")  # type: ignore[misc]
    shape = shape if shape is None or isinstance(shape, tuple) else shape.dims
    (rank,) = shapes.merge((rank,), with_rank(shape, 1, f"{who}shape"))  # type: ignore[misc]
    (count,) = shapes.merge((count,), with_rank(values, 1, f"{who}values"))  # type: ignore[misc]
    return count, rank


def parts(count: int | None, rank: int | None) -> list[Dims]:
    """The dims of indices, values and dense shape."""
    return [(count, rank), (count,), (rank,)]


# --- run-time checks ---------------------------------------------------------------------------------------


def check_parts(indices: Any, values: Any, shape: Any, who: str = "") -> None:
    """Checks the ranks and lengths of the parts.

    Raises:
      InvalidArgumentError: they do not fit together.
    """
    dims = tuple(map(np.shape, (indices, values, shape)))
    fit = [len(d) for d in dims] == [2, 1, 1] and dims[0] == (*dims[1], *dims[2])
    if not fit:
        shown = ", ".join(str(list(d)) for d in dims)
        raise invalid(
            f"a sparse tensor needs {who}indices [n, rank], {who}values [n] and {who}shape [rank]. "
            f"Received: shapes {shown}"
        )


def check_inside(xp: Any, indices: Any, dims: Sequence[int]) -> None:
    """Checks that every place exists in a tensor of `dims`.

    Raises:
      InvalidArgumentError: one does not.
    """
    limit = np.array([max(d, 0) for d in dims], np.uint64)
    inside = indices.astype(np.uint64) < limit  # where a negative place is a very large one

    def error() -> InvalidArgumentError:
        return invalid(f"indices are out of bounds: need 0 <= index < {list(dims)}. {_received(indices)}")

    xp.check(inside, error)


def check_increasing(xp: Any, indices: Any, numbers: Any) -> None:
    """Checks that places stand in row-major order and none twice, given their row-major `numbers`.

    Raises:
      InvalidArgumentError: they do not.
    """

    def error() -> InvalidArgumentError:
        return invalid(f"indices are out of order or repeated. {_received(indices)}")

    xp.check(numbers[1:] > numbers[:-1], error)


def _received(indices: Any) -> str:
    if isinstance(indices, np.ndarray):
        return f"Received: {indices[:20].tolist()}"
    return f"Received: places of shape {list(indices.shape)}"


# --- numbering ---------------------------------------------------------------------------------------------


def strides(dims: Sequence[int]) -> np.ndarray:
    """How far apart neighbours along each dimension are in row-major numbering, int64."""
    return np.array([math.prod(dims[k + 1 :]) for k in range(len(dims))], np.int64)


def numbers(xp: Any, indices: Any, dims: Sequence[int]) -> Any:
    """The row-major number of each place in a tensor of `dims`, `[n]` int64."""
    if not len(dims):
        return xp.zeros((indices.shape[0],), np.int64)
    total = indices[:, -1].astype(np.int64)
    step = 1
    for k in range(len(dims) - 1, 0, -1):
        step *= int(dims[k])
        total = total + indices[:, k - 1].astype(np.int64) * step
    return total


def places(xp: Any, numbers: Any, dims: Sequence[int]) -> Any:
    """The places that have the given row-major numbers, `[n, rank]` int64."""
    steps = strides(dims)
    columns = [numbers // max(int(s), 1) % max(d, 1) for s, d in zip(steps, dims, strict=True)]
    if not columns:
        return xp.zeros((numbers.shape[0], 0), np.int64)
    return xp.stack(columns, axis=1).astype(np.int64)


def row_order(xp: Any, indices: Any, dims: Sequence[int]) -> Any:
    """The stable permutation that brings places in a tensor of `dims` into row-major order."""
    if not len(dims):
        return xp.arange(indices.shape[0])
    if math.prod(dims) < _LARGEST:
        return xp.argsort(numbers(xp, indices, dims), stable=True)
    return xp.lexsort(tuple(indices[:, k] for k in reversed(range(len(dims)))))


def order_keys(*lists: np.ndarray) -> list[np.ndarray]:
    """For each list of places, a number for each place that orders all of them as row-major order does."""
    places_ = np.concatenate(lists)
    if not places_.size:
        return [np.zeros(len(x), np.int64) for x in lists]
    low = [int(places_[:, k].min()) for k in range(places_.shape[1])]
    dims = [int(places_[:, k].max()) - low[k] + 1 for k in range(places_.shape[1])]
    if math.prod(dims) < _LARGEST:
        keys = numbers(np, places_, dims) - int(np.dot(low, strides(dims)))
    else:
        keys = np.unique(places_, axis=0, return_inverse=True)[1].reshape(-1)
    return _split(keys, lists)


def _split(joined: np.ndarray, lists: Sequence[np.ndarray]) -> list[np.ndarray]:
    return np.split(joined, np.cumsum([len(x) for x in lists])[:-1])


def ranks(*keys: np.ndarray) -> list[np.ndarray]:
    """For each list of keys, the numbers of its keys among all different ones in order."""
    joined = np.concatenate(keys)
    order = np.argsort(joined, stable=True)  # takes linear time for a few lists that are in order themselves
    ordered = joined[order]
    begins = np.ones(len(joined), bool)
    begins[1:] = ordered[1:] != ordered[:-1]
    found = np.empty(len(joined), np.int64)
    found[order] = np.cumsum(begins) - 1
    return _split(found, keys)
