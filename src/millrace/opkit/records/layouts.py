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

_FEWEST = 4  # records of one length for which comparing their form pays
_MOST_FORMS = 4  # among the records of one length


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
        fixed = np.ones(len(record), bool)
        for key in table:
            feature = wire.find(record, table, key)
            if feature is not None:
                self.features[key] = feature
                packed = wire.packed(record, feature)
                if packed is not None:
                    fixed[packed[0] : packed[1]] = False
        self._fixed = np.flatnonzero(fixed)
        self._form = np.frombuffer(record, np.uint8)[self._fixed]
        self._record = record

    def matching(self, records: np.ndarray) -> np.ndarray:
        """Which rows of bytes are records of this form, bool `[n]`."""
        return (records[:, self._fixed] == self._form).all(axis=1)

    def column(self, records: np.ndarray, feature: Feature) -> np.ndarray | None:
        """The values of one feature in records of this form, `[n, values]`; None for a list that must be
        decoded record by record.

        Args:
          records: their bytes, `[n, length]`.
          feature: one of `features`.
        """
        kind = feature[0]
        place = wire.packed(self._record, feature)
        if place is None or kind == wire.BYTES:
            return None
        values = np.ascontiguousarray(records[:, place[0] : place[1]])
        if kind == wire.FLOATS:
            return values.view("<f4") if values.shape[1] % 4 == 0 else None
        return values.astype(np.int64) if values.size and values.max() < 0x80 else None


def grouped(records: Sequence[bytes]) -> list[tuple[np.ndarray, np.ndarray, Layout]]:
    """The records that have their form in common with others.

    Returns:
      For each form the numbers of its records, their bytes `[n, length]`, and where their values lie.
    """
    by_length: dict[int, list[int]] = {}
    for i, record in enumerate(records):
        by_length.setdefault(len(record), []).append(i)
    found = []
    for length, numbers in by_length.items():
        if len(numbers) < _FEWEST or not length:
            continue
        rows = np.array(numbers)
        chosen = records if len(numbers) == len(records) else [records[i] for i in numbers]
        data = np.frombuffer(b"".join(chosen), np.uint8).reshape(len(numbers), length)
        for _ in range(_MOST_FORMS):
            try:
                layout = Layout(data[0].tobytes())
            except MalformedRecord:
                break  # who reads it by itself says why
            alike = layout.matching(data)
            if alike.all():
                found.append((rows, data, layout))
                break
            found.append((rows[alike], data[alike], layout))
            rows, data = rows[~alike], data[~alike]
            if len(rows) < _FEWEST:
                break
    return found
