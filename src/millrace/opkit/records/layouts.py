"""Records of one form, read by columns.

A program mostly writes its records alike: the same features, in the same order, with the same numbers of
values. Where only the values differ, the places found in the first record are those of all others of its
length, and a whole column is decoded at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from millrace.opkit.records import wire
from millrace.opkit.records.wire import Feature, MalformedRecord

_FEWEST = 4  # records of one length for which comparing their form pays
_MOST_FORMS = 4  # among the records of one length
_MOST_KNOWN, _LONGEST_KNOWN = 256, 1 << 14  # forms that are kept for later batches, and bytes of each


class Layout:
    """Where the values lie in records of one form.

    Args:
      record: one of them.

    Attributes:
      features: where each feature's list lies, by name.

    Raises:
      MalformedRecord: it is not an Example.
    """

    def __init__(self, record: bytes) -> None:
        table = wire.read_example(record)
        self.features: dict[bytes, Feature] = {}
        self._packed: dict[Feature, tuple[int, int]] = {}
        fixed = np.ones(len(record), bool)
        for key in table:
            feature = wire.find(record, table, key)
            if feature is not None:
                self.features[key] = feature
                packed = wire.packed(record, feature)
                if packed is not None:
                    self._packed[feature] = packed
                    fixed[packed[0] : packed[1]] = False
        self._fixed = np.flatnonzero(fixed)
        self._form = np.frombuffer(record, np.uint8)[self._fixed]

    def matching(self, records: np.ndarray) -> np.ndarray:
        """Which rows of bytes are records of this form, bool `[n]`."""
        return (records.take(self._fixed, axis=1) == self._form).all(axis=1)

    def column(self, records: np.ndarray, feature: Feature) -> np.ndarray | None:
        """The values of one feature in records of this form, `[n, values]`; None for a list that must be
        decoded record by record.

        Args:
          records: their bytes, `[n, length]`.
          feature: one of `features`.
        """
        kind = feature[0]
        place = self._packed.get(feature)
        if place is None or kind == wire.BYTES:
            return None
        values = np.ascontiguousarray(records[:, place[0] : place[1]])
        if kind == wire.FLOATS:
            return values.view("<f4") if values.shape[1] % 4 == 0 else None
        return values.astype(np.int64) if values.size and values.max() < 0x80 else None


Group = tuple[np.ndarray, np.ndarray, Layout]
"""Records of one form: their numbers, their bytes `[n, length]`, and where their values lie."""

_known: dict[int, Layout] = {}  # by the length of the records: the form that the last ones had


def grouped(records: Sequence[bytes]) -> list[Group]:
    """The records that have their form in common with others."""
    if len(records) < _FEWEST:
        return []
    if len(set(map(len, records))) == 1:
        return list(_of_length(np.arange(len(records)), records))
    by_length: dict[int, list[int]] = {}
    for i, record in enumerate(records):
        by_length.setdefault(len(record), []).append(i)
    found: list[Group] = []
    for numbers in by_length.values():
        if len(numbers) >= _FEWEST:
            found += _of_length(np.array(numbers), [records[i] for i in numbers])
    return found


def _of_length(rows: np.ndarray, records: Sequence[bytes]) -> Iterator[Group]:
    """The groups among records of one length, whose numbers are `rows`."""
    length = len(records[0])
    if not length:
        return
    data = np.frombuffer(b"".join(records), np.uint8).reshape(len(rows), length)
    layout = _known.get(length)
    for _ in range(_MOST_FORMS):
        alike = None if layout is None else layout.matching(data)
        if layout is None or alike is None or not alike[0]:
            try:
                layout = Layout(data[0].tobytes())
            except MalformedRecord:
                return  # who reads it by itself says why
            _remember(length, layout)
            alike = layout.matching(data)
        if alike.all():
            yield rows, data, layout
            return
        yield rows[alike], data[alike], layout
        rows, data, layout = rows[~alike], data[~alike], None
        if len(rows) < _FEWEST:
            return


def _remember(length: int, layout: Layout) -> None:
    if length <= _LONGEST_KNOWN:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[length] = layout
