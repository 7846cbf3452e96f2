"""`if` and the conditional expression: Python's own, or `tf.cond` where a tensor decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.building import convert
from millrace.core import nest
from millrace.graph.tensor import Tensor
from millrace.lib.autograph.changes import Changes
from millrace.lib.autograph.jumps import RESULT
from millrace.lib.autograph.values import NOTHING, Missing, as_tensors, is_tensor, shown
from millrace.lib.flow.control_flow import cond

Block = Callable[[], Any]


def if_(test: Any, then: Block, other: Block, *changes: Any) -> None:
    """Runs one of two blocks, or adds both to the graph.

    Args:
      test: the condition.
      then, other: the blocks.
      *changes: what they change, as `Changes` takes it.

    Raises:
      ValueError: a tensor decides, and only one block returns, or gives a value to what is read later.
      TypeError: a tensor decides, and the blocks give values of different dtypes.
    """
    if not is_tensor(test):
        then() if test else other()
        return
    branch = _Branch((then, other), Changes(*changes))
    try:
        results = cond(test, lambda: branch.side(0), lambda: branch.side(1), strict=True)
    except BaseException:
        branch.changes.reset()
        raise
    branch.changes.settle(results[branch.filled :], branch.kept)


class _Branch:
    """Two blocks that are drawn."""

    def __init__(self, blocks: tuple[Block, Block], changes: Changes) -> None:
        self.blocks = blocks
        self.changes = changes
        self.kept = changes.kept
        self.filled = 0 if changes.live else 1  # a branch gives something in any case
        self._first: list[Any] = []

    def side(self, number: int) -> list[Any]:
        """Draws a block; the values that leave it."""
        changes = self.changes
        changes.reset()
        self.blocks[number]()
        after = changes.get()
        side = ("if", "else")[number]
        self._check_return(after, number, side)
        lacking = [after[i].name for i in self.kept if isinstance(after[i], Missing)]
        if lacking:
            raise ValueError(
                "both branches of a conditional on a tensor must give a value to what is used after it. "
                f"Received: no value in the {side} branch for {shown(lacking)}; give it one there, or before "
                "the conditional"
            )
        values = [convert.convert_to_tensor(1)] if self.filled else []
        values += [as_tensors(after[i]) if i < changes.live else after[i] for i in self.kept]
        if number == 0:
            self._first = values
        else:
            for i, a, b in zip(self.kept, self._first[self.filled :], values[self.filled :], strict=True):
                _check_dtypes(repr(changes.names[i]), a, b)
        return values

    def _check_return(self, after: Any, number: int, side: str) -> None:
        """Both blocks return, or none."""
        names = self.changes.names[: self.changes.live]
        if RESULT not in names:
            return
        place = names.index(RESULT)
        nothing = after[place] is NOTHING
        if number == 0 and nothing:
            self.kept = [i for i in self.kept if i != place]
        elif number and nothing == (place in self.kept):
            side = side if nothing else "if"
            raise ValueError(
                "where one branch of a conditional on a tensor returns a value, the other must return one "
                f"too. Received: no return value from the {side} branch"
            )


def choose(test: Any, then: Block, other: Block) -> Any:
    """`then() if test else other()`; of a tensor, `tf.cond`."""
    if not is_tensor(test):
        return then() if test else other()
    drawn: list[Any] = []

    def side(block: Block) -> Any:
        drawn.append(nest.map_structure(_as_tensor, block()))
        if len(drawn) == 2:
            _check_dtypes("the result", *drawn)
        return drawn[-1]

    return cond(test, lambda: side(then), lambda: side(other))


def _as_tensor(value: Any) -> Any:
    plain = isinstance(value, bool | int | float | complex | str | bytes | np.ndarray | np.generic)
    return convert.convert_to_tensor(value) if plain else value


def _check_dtypes(name: str, first: Any, second: Any) -> None:
    for x, y in zip(nest.flatten(first), nest.flatten(second), strict=False):
        if isinstance(x, Tensor) and isinstance(y, Tensor) and x.dtype.base_dtype is not y.dtype.base_dtype:
            raise TypeError(
                f"{name} must have the same dtype in both branches of a conditional on a tensor. Received: "
                f"{x.dtype.name} and {y.dtype.name}"
            )
