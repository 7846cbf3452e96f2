"""`RecordInput`: the records of many files without end, in random order."""

from __future__ import annotations

import glob
import random
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from millrace.core import errors
from millrace.opkit.records.tfrecord import iterate
from millrace.opkit.state.resource import Resource


class RecordInput(Resource):
    """Gives batches of records. Each record comes once an epoch; epochs follow each other without end.

    Args:
      attrs: of the operation: `file_pattern`, `file_random_seed`, `file_shuffle_shift_ratio`,
        `file_buffer_size`, `batch_size`, `compression_type`.
    """

    kind = "RecordInput"

    def __init__(self, attrs: Mapping[str, Any]) -> None:
        self._pattern = attrs["file_pattern"]
        self._compression = attrs["compression_type"]
        self._size = max(attrs["file_buffer_size"], 1)
        self._batch = attrs["batch_size"]
        self._shift = attrs["file_shuffle_shift_ratio"]
        self._random = random.Random(attrs["file_random_seed"])
        self._lock = threading.Lock()
        self._records = self._shuffled()

    def next_batch(self) -> np.ndarray:
        """The next records, bytes `[batch_size]`.

        Raises:
          NotFoundError: no file matches the pattern.
        """
        out = np.empty(self._batch, object)
        with self._lock:
            for i in range(self._batch):
                out[i] = next(self._records)
        return out

    def _shuffled(self) -> Iterator[bytes]:
        """Records drawn from a buffer that is kept full as long as the epoch lasts."""
        while True:
            buffer: list[bytes] = []
            count = 0
            for record in self._epoch():
                count += 1
                buffer.append(record)
                if len(buffer) >= self._size:
                    yield self._drawn(buffer)
            if not count:
                raise errors.NotFoundError(None, None, f"No records found in {self._pattern}")
            while buffer:
                yield self._drawn(buffer)

    def _drawn(self, buffer: list[bytes]) -> bytes:
        i = self._random.randrange(len(buffer))
        buffer[i], buffer[-1] = buffer[-1], buffer[i]
        return buffer.pop()

    def _epoch(self) -> Iterator[bytes]:
        files = sorted(glob.glob(self._pattern))
        if not files:
            raise errors.NotFoundError(None, None, f"No files match {self._pattern}")
        self._random.shuffle(files)
        shift = int(len(files) * self._shift)
        for path in files[shift:] + files[:shift]:
            yield from iterate(path, self._compression)
