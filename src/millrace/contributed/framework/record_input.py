"""`tf.contrib.framework.RecordInput`: batches of records of many files, in random order."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.ops.array.concat import split


@public("contrib.framework.RecordInput")
class RecordInput:
    """Reads TFRecord files asynchronously and gives their records in random order, for ever.

    Args:
      file_pattern: which files; a glob.
      batch_size: how many records one batch has.
      buffer_size: how many records are kept, from which a batch is drawn.
      parallelism: how many files are read at once.
      shift_ratio: the share by which the list of files is shifted from one pass to the next.
      seed: of the order.
      name: of the operation.
      batches: None, or how many batches one call makes.
      compression_type: None, or a `TFRecordCompressionType`.

    Raises:
      ValueError: `batch_size` or `batches` is less than 1.
    """

    def __init__(
        self,
        file_pattern: str,
        batch_size: int = 1,
        buffer_size: int = 1,
        parallelism: int = 1,
        shift_ratio: float = 0,
        seed: int = 0,
        name: str | None = None,
        batches: int | None = None,
        compression_type: Any = None,
    ) -> None:
        self._batch_size = batch_size
        if batches is not None:
            self._batch_size *= batches
        self._batches = batches
        self._name = name
        compression = "" if compression_type in (None, 0) else compression_type
        if isinstance(compression, int):
            compression = {1: "ZLIB", 2: "GZIP"}[compression]
        self._settings = {
            "file_pattern": file_pattern,
            "file_buffer_size": buffer_size,
            "file_parallelism": parallelism,
            "file_shuffle_shift_ratio": float(shift_ratio),
            "file_random_seed": seed,
            "batch_size": self._batch_size,
            "compression_type": compression,
        }

    def get_yield_op(self) -> Any:
        """The next records: a string vector; with `batches` a list of scalars for each batch."""
        records: Tensor = raw.RecordInput(name=self._name, **self._settings)
        if self._batches is None:
            return records
        batches: list[list[Tensor]] = [[] for _ in range(self._batches)]
        for i, part in enumerate(split(records, self._batch_size, 0)):
            batches[i % self._batches].append(raw.Reshape(part, []))
        return batches
