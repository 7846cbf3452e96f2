"""Version numbers that compare by their parts."""

import re
from functools import total_ordering
from typing import Any


@total_ordering
class LooseVersion:
    """A version of numbers and words: parts compare in order.

    Args:
      vstring: as "1.15.0rc1".
    """

    def __init__(self, vstring: str | None = None) -> None:
        self.vstring = vstring or ""
        self.version: list[Any] = []
        if vstring:
            self.parse(vstring)

    def parse(self, vstring: str) -> None:
        """Takes the text apart."""
        self.vstring = vstring
        self.version = [int(p) if p.isdigit() else p for p in re.findall(r"\d+|[a-z]+", vstring.lower())]

    def _other(self, other: Any) -> list[Any]:
        return other.version if isinstance(other, LooseVersion) else type(self)(other).version

    def __eq__(self, other: object) -> bool:
        return self.version == self._other(other)

    def __lt__(self, other: Any) -> bool:
        return self.version < self._other(other)

    def __hash__(self) -> int:
        return hash(tuple(self.version))

    def __str__(self) -> str:
        return self.vstring

    def __repr__(self) -> str:
        return f"{type(self).__name__} ('{self.vstring}')"


class StrictVersion(LooseVersion):
    """A version of two or three numbers, perhaps followed by `a` or `b` and a number.

    Raises:
      ValueError: the text is another.
    """

    def parse(self, vstring: str) -> None:
        """Takes the text apart; a version without `a` or `b` is later than one with it."""
        match = re.fullmatch(r"(\d+)\.(\d+)(?:\.(\d+))?(?:([ab])(\d+))?", vstring)
        if match is None:
            raise ValueError(f"invalid version number {vstring!r}")
        major, minor, patch, letter, number = match.groups()
        self.vstring = vstring
        self.version = [int(major), int(minor), int(patch or 0), letter or "final", int(number or 0)]
