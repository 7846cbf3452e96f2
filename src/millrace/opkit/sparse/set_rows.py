"""Sets held in the last dimension of dense and sparse arrays: sizes, unions, intersections, differences."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from millrace.core.errors import refusal

_OPERATIONS = {
    "a-b": lambda a, b: a - b,
    "b-a": lambda a, b: b - a,
    "intersection": lambda a, b: a & b,
    "union": lambda a, b: a | b,
}


@dataclass(frozen=True, slots=True)
class SetRows:
    """Sets by their place in the outer dimensions.

    Attributes:
      shape: the outer dimensions.
      groups: place to the set there; empty sets may be left out.
    """

    shape: tuple[int, ...]
    groups: dict[tuple[int, ...], set[Any]]

    @classmethod
    def dense(cls, array: np.ndarray) -> SetRows:
        """Sets from an array of rank 2 or more."""
        if array.ndim < 2:
            raise refusal(f"a set needs a rank of at least 2. Received: shape {list(array.shape)}")
        outer = array.shape[:-1]
        rows = array.reshape((math.prod(outer), array.shape[-1])).tolist()
        return cls(outer, {place: set(row) for place, row in zip(np.ndindex(*outer), rows, strict=True)})

    @classmethod
    def sparse(cls, indices: np.ndarray, values: np.ndarray, shape: np.ndarray) -> SetRows:
        """Sets from the parts of a sparse tensor of rank 2 or more.

        Raises:
          InvalidArgumentError: the indices are out of bounds or out of order.
        """
        if len(shape) < 2:
            raise refusal(f"a set needs a rank of at least 2. Received: rank {len(shape)}")
        check_indices(indices, shape)
        groups: dict[tuple[int, ...], set[Any]] = {}
        for place, value in zip(map(tuple, indices[:, :-1].tolist()), values.tolist(), strict=True):
            groups.setdefault(place, set()).add(value)
        return cls(tuple(shape[:-1].tolist()), groups)


def check_indices(indices: np.ndarray, shape: np.ndarray) -> None:
    """Checks that a sparse tensor's indices are within bounds and in order.

    Args:
      indices: `[n, rank]` int64.
      shape: `[rank]` int64.

    Raises:
      InvalidArgumentError: they are not.
    """
    outside = ((indices < 0) | (indices >= shape)).any(axis=1)
    if outside.any():
        at = int(outside.argmax())
        raise refusal(
            f"indices[{at}] is out of bounds: need 0 <= index < {shape.tolist()}. "
            f"Received: {indices[at].tolist()}"
        )
    if len(indices) < 2:
        return
    steps = np.diff(indices, axis=0)
    first = (steps != 0).argmax(axis=1)
    backwards = steps[np.arange(len(steps)), first] < 0
    if backwards.any():
        at = int(backwards.argmax()) + 1
        raise refusal(
            f"indices[{at}] is out of order; tf.sparse.reorder puts them in order. "
            f"Received: {indices[at].tolist()}"
        )


def sizes(rows: SetRows) -> np.ndarray:
    """How many different elements each set has; int32 of the outer dimensions."""
    out = np.zeros(rows.shape, np.int32)
    for place, group in rows.groups.items():
        out[place] = len(group)
    return out


def combine(
    a: SetRows, b: SetRows, operation: str, dtype: np.dtype
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Combines sets place by place.

    Args:
      a, b: sets of the same outer dimensions.
      operation: "a-b", "b-a", "intersection" or "union", in any case.
      dtype: of the elements.

    Returns:
      The parts of a sparse tensor whose last dimension lists each set's elements in ascending order.

    Raises:
      InvalidArgumentError: the outer dimensions differ, or the operation is unknown.
    """
    function = _OPERATIONS.get(operation.lower())
    if function is None:
        raise refusal(f"set_operation must be one of {', '.join(_OPERATIONS)}. Received: {operation!r}")
    if a.shape != b.shape:
        raise refusal(f"Mismatched shapes: {list(a.shape)} vs {list(b.shape)}")
    empty: set[Any] = set()
    indices, values, longest = [], [], 0
    for place in _places(a, b):
        group = sorted(function(a.groups.get(place, empty), b.groups.get(place, empty)))
        longest = max(longest, len(group))
        indices += [(*place, column) for column in range(len(group))]
        values += group
    out = np.empty(len(values), dtype)
    out[:] = values
    shape = np.array((*a.shape, longest), np.int64)
    return np.array(indices, np.int64).reshape((len(values), len(shape))), out, shape


def _places(a: SetRows, b: SetRows) -> Iterator[tuple[int, ...]]:
    return iter(sorted(a.groups.keys() | b.groups.keys()))
