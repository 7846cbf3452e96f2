"""What the blocks of a branch or loop change, and the ways to read and write it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


class Changes:
    """All that blocks change: variables that are read later, other variables, places in objects.

    Args:
      get, put: read and write all of it.
      names: of all of it, in that order.
      live: how many are of the first kind.
      variables: how many are variables.

    Attributes:
      before: the values at the start.
      kept: where the variables of the first kind and the places are: what leaves a branch or loop.
    """

    def __init__(
        self,
        get: Callable[[], Sequence[Any]],
        put: Callable[[Any], None],
        names: tuple[str, ...],
        live: int,
        variables: int,
    ) -> None:
        self.get = get
        self.put = put
        self.names = names
        self.live = live
        self.before = list(get())
        self.kept = [*range(live), *range(variables, len(names))]

    def reset(self) -> None:
        """Gives everything the values from the start."""
        self.put(self.before)

    def settle(self, values: Sequence[Any], kept: list[int]) -> None:
        """Gives what is kept new values, and everything else those from the start."""
        settled = list(self.before)
        for place, value in zip(kept, values, strict=True):
            settled[place] = value
        self.put(settled)
