"""TFRecord files from Python."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from millrace.core.public import public
from millrace.opkit.records import tfrecord as records


@public("python_io.TFRecordCompressionType", "io.TFRecordCompressionType")
class TFRecordCompressionType:
    """The ways in which a file of records may be compressed."""

    NONE = 0
    ZLIB = 1
    GZIP = 2


_NAMES = {
    TFRecordCompressionType.NONE: "",
    TFRecordCompressionType.ZLIB: "ZLIB",
    TFRecordCompressionType.GZIP: "GZIP",
}


@public("python_io.TFRecordOptions", "io.TFRecordOptions")
class TFRecordOptions:
    """How a file of records is compressed.

    Args:
      compression_type: a `TFRecordCompressionType`, or "GZIP", "ZLIB" or "".
      flush_mode, input_buffer_size, output_buffer_size, window_bits, compression_method, mem_level,
        compression_strategy: accepted; they do not change what a reader sees.
      compression_level: 0 to 9.

    Raises:
      ValueError: there is no such compression.
    """

    compression_type_map = _NAMES

    def __init__(
        self,
        compression_type: Any = None,
        flush_mode: Any = None,
        input_buffer_size: Any = None,
        output_buffer_size: Any = None,
        window_bits: Any = None,
        compression_level: int | None = None,
        compression_method: Any = None,
        mem_level: Any = None,
        compression_strategy: Any = None,
    ) -> None:
        if isinstance(compression_type, TFRecordOptions):
            compression_type = compression_type.compression_type
        name = _NAMES.get(compression_type, compression_type) or ""
        if name not in _NAMES.values():
            raise ValueError(f"TFRecordOptions: unknown compression type. Received: {compression_type!r}")
        self.compression_type = name
        self.compression_level = compression_level

    @staticmethod
    def get_compression_type_string(options: Any) -> str:
        """The name of the compression that options, a type, or None stand for; empty for none."""
        return TFRecordOptions(options).compression_type


@public("python_io.TFRecordWriter", "io.TFRecordWriter")
class TFRecordWriter:
    """Writes records to a file; a context manager closes it.

    Args:
      path: of the file, which is replaced.
      options: a `TFRecordOptions`, compression type, or None.
    """

    def __init__(self, path: Any, options: Any = None) -> None:
        found = options if isinstance(options, TFRecordOptions) else TFRecordOptions(options)
        level = -1 if found.compression_level is None else found.compression_level
        self._writer = records.Writer(os.fsdecode(path), found.compression_type, level)

    def __enter__(self) -> TFRecordWriter:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def write(self, record: bytes) -> None:
        """Appends one record, a bytes object (a serialized `Example`, mostly)."""
        self._writer.write(record if isinstance(record, bytes) else record.encode())

    def flush(self) -> None:
        """Hands what was written to the operating system."""
        self._writer.flush()

    def close(self) -> None:
        """Finishes the file."""
        self._writer.close()


@public("python_io.tf_record_iterator", "io.tf_record_iterator")
def tf_record_iterator(path: Any, options: Any = None) -> Iterator[bytes]:
    """The records of the file `path`, one after another.

    Args:
      path: of the file.
      options: a `TFRecordOptions`, compression type, or None.

    Raises:
      NotFoundError: there is no such file.
      DataLossError: the file is damaged.
    """
    return records.iterate(os.fsdecode(path), TFRecordOptions.get_compression_type_string(options))
