"""Scans Examples for wanted features, one record after another.

Programs write the same names again and again, so what the first bytes of an entry say, its name, kind and
length, is read once and then looked up, in whatever order and number the entries come.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from millrace.opkit.records import wire
from millrace.opkit.records.wire import Feature, MalformedRecord

_MOST_KNOWN = 4096  # beginnings of entries
_LONGEST_KNOWN = 100  # bytes of such a beginning
_SKIP = -1

Cell = bytes | Feature | None
"""What a record has of a feature: the bytes of its one packed list or its one string, else where its list
lies; None where it has none."""

_Entry = tuple[int, int, int, int]
"""How an entry that begins with certain bytes goes on: where it goes (the number of a feature, _SKIP, or less
for a list that is decoded by itself), where its bytes begin, where they end, its kind."""


class Scanner:
    """Finds features.

    Args:
      wanted: their names, and their kinds; 0 for any kind.
    """

    def __init__(self, wanted: tuple[tuple[bytes, int], ...]) -> None:
        self._slots = {key: slot for slot, (key, _) in enumerate(wanted)}
        self._kinds = [kind for _, kind in wanted]
        self._sizes: dict[bytes, int] = {}  # by five bytes of an entry: how many tell how it goes on
        self._entries: dict[bytes, _Entry] = {}  # by these

    def columns(self, records: Sequence[bytes]) -> list[list[Cell]]:
        """For each wanted feature what each record has; of a repeated name the last counts.

        Raises:
          MalformedRecord: one is not an Example, or not of the usual form: read each by itself.
        """
        columns: list[list[Cell]] = [[None] * len(records) for _ in self._kinds]
        sizes, entries = self._sizes.get, self._entries.get
        for row, record in enumerate(records):
            at, end = _begin(record), len(record)
            while at < end:
                slot, first, size, kind = entries(
                    record[at : at + sizes(record[at : at + 5], 0)]
                ) or self._entry(record, at)
                if slot >= 0:
                    columns[slot][row] = record[at + first : at + size]
                elif slot != _SKIP:
                    columns[_SKIP - 1 - slot][row] = (kind, at + first, at + size) if kind else None
                at += size
            if at != end:
                raise MalformedRecord("a field reaches beyond its message")
        return columns

    def _entry(self, record: bytes, at: int) -> _Entry:
        """Reads the beginning of the entry at `at`, and remembers it where such ones may come again."""
        found = wire.entry(record, at, len(record))
        feature = None if found is None else wire.feature(record, *found[1:])
        if found is None or feature is None or feature[2] != found[2]:
            raise MalformedRecord("an entry is not of the usual form")
        key, _, stop = found
        kind, first, _ = feature
        slot = self._slots.get(key, _SKIP)
        if slot != _SKIP:
            place = wire.packed(record, feature)
            if kind != self._kinds[slot] or (place is None and (kind == wire.BYTES or first != stop)):
                slot = _SKIP - 1 - slot
            elif place is not None:
                first = place[0]
        entry = slot, first - at, stop - at, kind
        self._remember(record[at : at + 5], record[at:first], entry)
        return entry

    def _remember(self, five: bytes, beginning: bytes, entry: _Entry) -> None:
        if 5 <= len(beginning) <= _LONGEST_KNOWN:
            if len(self._entries) >= _MOST_KNOWN:
                self._entries.clear()
                self._sizes.clear()
            self._sizes[five] = len(beginning)
            self._entries[beginning] = entry


def _begin(record: bytes) -> int:
    """Where the entries of a record begin, which reach to its end."""
    if not record:
        return 0
    size, at = wire.varint(record, 1)
    if record[0] != 0x0A or at + size != len(record):
        raise MalformedRecord("more than one message")
    return at


@functools.lru_cache(maxsize=256)
def scanner(wanted: tuple[tuple[bytes, int], ...]) -> Scanner:
    """The scanner for some features, which keeps what it has learned."""
    return Scanner(wanted)
