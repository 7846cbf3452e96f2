"""NumPy verbs that change rows of a variable's value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.core.errors import InvalidArgumentError

# How a row and its update combine; "update" replaces the row.
_COMBINE: dict[str, np.ufunc] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "min": np.minimum,
    "max": np.maximum,
}


def checked_rows(indices: Any, length: int) -> np.ndarray:
    """`indices` as an array.

    Raises:
      InvalidArgumentError: one of them is out of [0, length).
    """
    rows = np.asarray(indices)
    if rows.size and (rows.min() < 0 or rows.max() >= length):
        wrong = rows.ravel()[np.argmax(((rows < 0) | (rows >= length)).ravel())]
        place = np.unravel_index(np.argmax((rows < 0) | (rows >= length)), rows.shape)
        where = ",".join(map(str, map(int, place)))
        raise InvalidArgumentError(None, None, f"indices[{where}] = {wrong} is not in [0, {length})")
    return rows


def _combine_into(values: np.ndarray, rows: np.ndarray, updates: np.ndarray, how: str) -> None:
    """Changes `values` itself, one update after the other."""
    flat = rows.reshape(-1)
    updates = np.broadcast_to(updates, rows.shape + values.shape[1:]).reshape(flat.shape + values.shape[1:])
    if how == "update":
        values[flat] = updates  # NumPy keeps the last of several
    elif how == "div" and values.dtype.kind in "iu":
        for turn in _turns(flat):
            values[flat[turn]] = _truncated_quotient(values[flat[turn]], updates[turn])
    else:
        _COMBINE[how].at(values, flat, updates)


def _truncated_quotient(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x / y rounded towards zero.

    Raises:
      InvalidArgumentError: an element of `y` is zero.
    """
    if not np.all(y):
        raise InvalidArgumentError(None, None, "Integer division by zero")
    return np.floor_divide(x, y) + ((np.remainder(x, y) != 0) & ((x < 0) != (y < 0)))


class StateVerbs:
    """Variables and their rows: combined, and put through an optimizer's formula."""

    def scatter_rows(self, ref: Any, indices: Any, updates: Any, how: str) -> np.ndarray:
        """A copy of `ref` whose rows `indices` are combined with `updates`, in order.

        Args:
          ref: `[n, ...]`.
          indices: integers, `[...]`.
          updates: `indices.shape + ref.shape[1:]`, or a scalar.
          how: "update", "add", "sub", "mul", "div", "min" or "max".

        Raises:
          InvalidArgumentError: an index is out of range.
        """
        rows = checked_rows(indices, ref.shape[0])
        values = np.array(ref)
        _combine_into(values, rows, np.asarray(updates), how)
        return values

    def scatter_rows_inplace(self, ref: np.ndarray, indices: Any, updates: Any, how: str) -> tuple[Any, Any]:
        """Changes `ref` itself as `scatter_rows` changes a copy.

        Returns:
          The distinct rows' numbers and old contents: `ref[numbers] = contents` undoes the change.
        """
        rows = checked_rows(indices, ref.shape[0])
        touched = np.unique(rows)
        before = ref[touched]
        _combine_into(ref, rows, np.asarray(updates), how)
        return touched, before

    def update_rows(
        self,
        refs: tuple[Any, ...],
        indices: Any,
        gradient: Any,
        formula: Callable[[tuple[Any, ...], Any], Any],
    ) -> Any:
        """Copies of `refs` whose rows `indices` went through an optimizer's formula.

        A row named several times goes through it several times, each time from where it got.

        Args:
          refs: arrays `[n, ...]` of one shape.
          indices: integers, `[m]`.
          gradient: `[m, ...]`.
          formula: `(rows of refs, rows of the gradient) -> new rows`, one array for one ref, else a tuple.

        Raises:
          InvalidArgumentError: an index is out of range.
        """
        rows = checked_rows(indices, refs[0].shape[0])
        values = [np.array(r) for r in refs]
        for turn in _turns(rows):
            found = formula(tuple([v[rows[turn]] for v in values]), gradient[turn])
            for value, new in zip(values, found if isinstance(found, tuple) else (found,), strict=True):
                value[rows[turn]] = new
        return values[0] if len(values) == 1 else tuple(values)


def _turns(rows: np.ndarray) -> list[Any]:
    """The positions of the first occurrence of each row, then of the second, and so on."""
    if rows.size < 2 or len(np.unique(rows)) == rows.size:
        return [slice(None)]
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    lengths = np.diff(np.r_[starts, rows.size])
    occurrence = np.empty(rows.size, np.int64)
    occurrence[order] = np.arange(rows.size) - np.repeat(starts, lengths)
    return [np.flatnonzero(occurrence == k) for k in range(int(lengths.max()))]
