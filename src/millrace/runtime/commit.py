"""Storing what a step has made: all of it or nothing, whatever signals come meanwhile.

Python calls the handlers of signals between its own instructions, and never inside one call into C or among
instructions that only store. So a step's values are stored by one such call, or by one assignment.
"""

from __future__ import annotations

import itertools
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from types import FrameType
from typing import Any

import numpy as np

from millrace.runtime.store import Cell

_ARRAYS: tuple[type, ...] = (np.ndarray,)
_consume = deque[Any](maxlen=0).extend


def store_all(cells: Iterable[Cell], values: Iterable[Any]) -> None:
    """Gives each cell its value, all at once."""
    _consume(map(setattr, cells, itertools.repeat("value"), values))


def owned(value: Any) -> Any:
    """A copy that nobody else can change, to be kept in a cell."""
    return np.array(value) if isinstance(value, _ARRAYS) else value


class Settle:
    """Moves the values of cells to where compiled programs take them from.

    A program that reads an array of the host copies it at each call: the weights of a network that was
    restored, a fifth of a step. What it finds unchanged at a second call is moved there for good.

    Args:
      place: gives the value where programs take it.
    """

    def __init__(self, place: Callable[[Any], Any]) -> None:
        self._place = place
        self._seen: dict[str, int] = {}

    def __call__(self, cell: Cell, value: np.ndarray) -> Any:
        """The value of `cell`, there if it was the same at the last call."""
        if self._seen.get(cell.key) != id(value):
            self._seen[cell.key] = id(value)
            return value
        placed = self._place(value)
        if cell.value is value:
            cell.value = placed
        return placed


class Read:
    """Reads the cells of a plan with many variables.

    Args:
      uses: for each cell the register that gets its value, what makes the value where there is none, and
        what is called where there must be one.
      known: the types of values that need no conversion, or None for values that programs take as they are.
      convert: makes any other value one of these.
      settle: moves the arrays of the cells at `settled` to where programs take them.
    """

    def __init__(
        self,
        uses: Sequence[tuple[int, Callable[[Cell], Any] | None, Callable[[], Exception] | None]],
        known: frozenset[type] | None,
        convert: Callable[[Any], Any],
        settle: Settle | None,
        settled: Sequence[int],
    ) -> None:
        self._registers = [register for register, _, _ in uses]
        self._wanting = [(i, make, refuse) for i, (_, make, refuse) in enumerate(uses) if make or refuse]
        self._known = known
        self._convert = convert
        self._settle = settle
        self._settled = settled

    def __call__(self, registers: list[Any], cells: Sequence[Cell]) -> None:
        """Puts the values into `registers`."""
        values = [cell.value for cell in cells]
        kinds = set(map(type, values))
        if self._known is not None and not kinds <= self._known:
            values = [value if type(value) in self._known else self._convert(value) for value in values]
        if type(None) in kinds:
            for i, make, refuse in self._wanting:
                if values[i] is None and make is not None:
                    values[i] = make(cells[i])
                elif values[i] is None and refuse is not None:
                    raise refuse()
        if self._settle is not None and np.ndarray in kinds:
            for i in self._settled:
                if type(values[i]) is np.ndarray:
                    values[i] = self._settle(cells[i], values[i])
        _consume(map(registers.__setitem__, self._registers, values))


class Commit:
    """Stores the values of a plan with many variables.

    Args:
      places: of the cells to write, in the plan's.
      values: for each the register, or the constant, that it gets.
      copied: which of them are copied.
      journal: of the rows that steps changed in place: what is stored is not taken back any more.
    """

    def __init__(
        self, places: Sequence[int], values: Sequence[tuple[int, Any]], copied: Sequence[bool], journal: Any
    ) -> None:
        self._places = places
        self._registers = [register for register, _ in values]
        self._constants = [(i, value) for i, (_, value) in enumerate(values) if value is not None]
        self._copied = [i for i, copies in enumerate(copied) if copies]
        self._journal = journal
        self._names = ["value"] * len(places) + ["entries"]

    def __call__(self, registers: Sequence[Any], cells: Sequence[Cell]) -> None:
        """Stores what `registers` hold."""
        new = [registers[i] for i in self._registers]
        for i, constant in self._constants:
            new[i] = constant
        for i in self._copied:
            new[i] = owned(new[i])
        targets: list[Any] = [cells[i] for i in self._places]
        if self._journal is not None:
            targets.append(self._journal)
            new.append([])
        _consume(map(setattr, targets, self._names, new))


class held:  # noqa: N801 - reads as the context that it is
    """A context in which signals wait for its end before the program's own functions for them are called."""

    def __enter__(self) -> None:
        self._before: dict[int, Any] = {}
        self._noted: list[tuple[int, FrameType | None]] = []
        if threading.current_thread() is not threading.main_thread():
            return  # only the main thread handles signals
        for number in signal.valid_signals():
            handler = signal.getsignal(number)
            if callable(handler) and not isinstance(handler, signal.Handlers):
                self._before[number] = handler
                signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._noted.append((number, frame))

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        for number, frame in self._noted:
            self._before[number](number, frame)
