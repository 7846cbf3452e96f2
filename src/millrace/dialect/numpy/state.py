"""NumPy verbs that change rows of a variable's value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.core.errors import refusal
from millrace.dialect.numpy.namespace import NumPyDialect
from millrace.dialect.numpy.rows import added

# How a row and its update combine; "update" replaces the row.
_COMBINE: dict[str, np.ufunc] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "min": np.minimum,
    "max": np.maximum,
}

_SIGNS = {"add": 1, "sub": -1}


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
        raise refusal(f"indices[{where}] = {wrong} is not in [0, {length})")
    return rows


def _combine_into(values: np.ndarray, rows: np.ndarray, updates: np.ndarray, how: str) -> None:
    """Changes `values` itself, one update after the other."""
    flat, shape = rows.reshape(-1), rows.shape + values.shape[1:]
    if updates.shape != shape:
        updates = np.broadcast_to(updates, shape)
    if rows.ndim != 1:
        updates = updates.reshape(flat.shape + values.shape[1:])
    if how == "update":
        values[flat] = updates  # NumPy keeps the last of several
    elif how in _SIGNS and added(values, flat, updates, _SIGNS[how]):
        return
    elif how != "div" and _distinct(flat):
        values[flat] = _COMBINE[how](values[flat], updates)  # a third of the time of ufunc.at
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
        raise refusal("Integer division by zero")
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
        values = self.writable(ref, rows)
        _combine_into(values, rows, np.asarray(updates), how)
        return values

    def writable(self, ref: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """An array with the contents of `ref` whose `rows` may be changed: a copy."""
        return np.array(ref)

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
        values = [self.writable(r, rows) for r in refs]
        for turn in _turns(rows):
            chosen = rows[turn]
            # `take` needs a third of the time of `v[chosen]`
            found = formula(tuple([v.take(chosen, 0) for v in values]), gradient[turn])
            for value, new in zip(values, found if isinstance(found, tuple) else (found,), strict=True):
                value[chosen] = new
        return values[0] if len(values) == 1 else tuple(values)


class Journal:
    """What a run changed in place, so that a run that fails can leave everything as it was.

    Attributes:
      entries: each array, the rows that changed, and what they held; emptied by a run that succeeds.
    """

    def __init__(self) -> None:
        self.entries: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def note(self, values: np.ndarray, rows: np.ndarray) -> None:
        """Remembers the contents of `rows`, which are about to change; a row may be named more than once."""
        self.entries.append((values, rows, values.take(rows, 0)))

    def undo(self) -> None:
        """Puts everything back, the last change first."""
        while self.entries:
            values, rows, before = self.entries.pop()
            values[rows] = before


class OwningDialect(NumPyDialect):
    """The dialect for values that nobody else can see: their rows change in place, and a journal can undo
    it.

    A step that changes 64 rows of a table of 50 MB costs the rows then, not the table (docs/benchmarks.md).
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def writable(self, ref: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """`ref` itself."""
        if type(ref) is not np.ndarray or not ref.flags.writeable:
            return np.array(ref)
        self.journal.note(ref, rows)
        return ref


def _distinct(rows: np.ndarray) -> bool:
    """True when no row is named twice."""
    if rows.size <= 512:
        return len(set(rows.tolist())) == rows.size
    ordered = np.sort(rows)  # a tenth of the time of `np.unique`
    return not (ordered[1:] == ordered[:-1]).any()


def _turns(rows: np.ndarray) -> list[Any]:
    """The positions of the first occurrence of each row, then of the second, and so on."""
    if _distinct(rows):
        return [slice(None)]
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    lengths = np.diff(np.r_[starts, rows.size])
    occurrence = np.empty(rows.size, np.int64)
    occurrence[order] = np.arange(rows.size) - np.repeat(starts, lengths)
    return [np.flatnonzero(occurrence == k) for k in range(int(lengths.max()))]
