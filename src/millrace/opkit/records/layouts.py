"""Records of one form, read by columns.

A program mostly writes its records alike: the same features, in the same order, with the same numbers of
values. Where only the values differ, the places found in the first record are those of all others of its
length, and a whole column is decoded at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from millrace.opkit.records import wire
from millrace.opkit.records.wire import Feature, MalformedRecord

_FEWEST = 4  # records for which comparing their form pays
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

    def matches(self, records: np.ndarray) -> bool:
        """True where all rows of bytes are records of this form."""
        return bool((records.take(self._fixed, axis=1) == self._form).all())

    def column(
        self, records: Sequence[bytes], data: np.ndarray, feature: Feature
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """The values of one feature in records of this form, one record after the other, and how many each
        has; None for a list that must be decoded record by record.

        Args:
          records: the records.
          data: their bytes, `[n, length]`.
          feature: one of `features`.
        """
        kind = feature[0]
        place = self._packed.get(feature)
        if place is None:
            return None
        first, stop = place
        if kind == wire.BYTES:
            return wire.column([record[first:stop] for record in records], kind)
        values = np.ascontiguousarray(data[:, first:stop])
        if kind == wire.FLOATS:
            if (stop - first) % 4:
                return None
            values = values.view("<f4")
        elif values.size and values.max() < 0x80:
            values = values.astype(np.int64)
        else:
            return wire.column([record[first:stop] for record in records], kind)
        return values.reshape(-1), np.full(len(records), values.shape[1], np.int64)


_known: dict[int, Layout | None] = {}  # by the length of the records: their form, or that they have several


def layout_of(records: Sequence[bytes]) -> tuple[np.ndarray, Layout] | None:
    """The bytes `[n, length]` of records of one form, and that form; None where they differ."""
    if len(records) < _FEWEST or len(set(map(len, records))) != 1:
        return None
    length = len(records[0])
    layout = _known.get(length)
    if not length or (layout is None and length in _known):
        return None
    data = np.frombuffer(b"".join(records), np.uint8).reshape(-1, length)
    if layout is None or not layout.matches(data):
        try:
            layout = Layout(records[0])
        except MalformedRecord:
            return None  # who reads it by itself says why
        matches = layout.matches(data)
        _remember(length, layout if matches else None)
        if not matches:
            return None
    return data, layout


def _remember(length: int, layout: Layout | None) -> None:
    if length <= _LONGEST_KNOWN:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[length] = layout
