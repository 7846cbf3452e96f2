"""Readers: the Python face."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.core.public import public
from millrace.graph.tensor import Tensor
from millrace.lib.input.record_files import TFRecordOptions


@public("ReaderBase")
class ReaderBase:
    """Takes names of work from a queue of strings and gives keys and values; see its subclasses.

    Args:
      reader_ref: the handle.
      supports_serialize: accepted.
    """

    def __init__(self, reader_ref: Tensor, supports_serialize: bool = False) -> None:
        self._reader_ref = reader_ref
        self._supports_serialize = supports_serialize

    @property
    def reader_ref(self) -> Tensor:
        """The handle."""
        return self._reader_ref

    @property
    def supports_serialize(self) -> bool:
        """Whether the reader's state can be saved."""
        return self._supports_serialize

    def _queue(self, queue: Any) -> Tensor:
        return queue if isinstance(queue, Tensor) else queue.queue_ref

    def read(self, queue: Any, name: str | None = None) -> Any:
        """The next (key, value), scalar strings; takes work from `queue` when needed.

        Raises:
          OutOfRangeError: when run, if the queue is closed and has no more work.
        """
        return raw.ReaderReadV2(self._reader_ref, self._queue(queue), name=name)

    def read_up_to(self, queue: Any, num_records: Any, name: str | None = None) -> Any:
        """At most `num_records` (keys, values), string vectors."""
        return raw.ReaderReadUpToV2(self._reader_ref, self._queue(queue), num_records, name=name)

    def num_records_produced(self, name: str | None = None) -> Tensor:
        """How many pairs were read, a scalar int64."""
        return raw.ReaderNumRecordsProducedV2(self._reader_ref, name=name)

    def num_work_units_completed(self, name: str | None = None) -> Tensor:
        """How many work units were read to their end, a scalar int64."""
        return raw.ReaderNumWorkUnitsCompletedV2(self._reader_ref, name=name)

    def serialize_state(self, name: str | None = None) -> Tensor:
        """Where the reader stands, a scalar string for `restore_state`.

        Raises:
          UnimplementedError: when run, if this kind of reader cannot tell.
        """
        return raw.ReaderSerializeStateV2(self._reader_ref, name=name)

    def restore_state(self, state: Any, name: str | None = None) -> Any:
        """An operation that takes the reader back to where `serialize_state` was run."""
        return raw.ReaderRestoreStateV2(self._reader_ref, state, name=name)

    def reset(self, name: str | None = None) -> Any:
        """An operation that starts the reader anew."""
        return raw.ReaderResetV2(self._reader_ref, name=name)


@public("WholeFileReader")
class WholeFileReader(ReaderBase):
    """Gives each file's name and contents."""

    def __init__(self, name: str | None = None) -> None:
        super().__init__(raw.WholeFileReaderV2(name=name), supports_serialize=True)


@public("IdentityReader")
class IdentityReader(ReaderBase):
    """Gives each work unit as key and value."""

    def __init__(self, name: str | None = None) -> None:
        super().__init__(raw.IdentityReaderV2(name=name), supports_serialize=True)


@public("TextLineReader")
class TextLineReader(ReaderBase):
    """Gives lines of text without their line ends; the key is `file:number`.

    Args:
      skip_header_lines: how many lines of each file to pass over.
      name: op name.
    """

    def __init__(self, skip_header_lines: int | None = None, name: str | None = None) -> None:
        super().__init__(raw.TextLineReaderV2(skip_header_lines=skip_header_lines or 0, name=name))


@public("TFRecordReader")
class TFRecordReader(ReaderBase):
    """Gives the records of TFRecord files; the key is `file:offset`.

    Args:
      name: op name.
      options: a `TFRecordOptions`.
    """

    def __init__(self, name: str | None = None, options: Any = None) -> None:
        compression = TFRecordOptions.get_compression_type_string(options)
        super().__init__(raw.TFRecordReaderV2(compression_type=compression, name=name))


@public("LMDBReader")
class LMDBReader(ReaderBase):
    """Gives the keys and values of LMDB databases; needs the package lmdb."""

    def __init__(self, name: str | None = None, options: Any = None) -> None:
        super().__init__(raw.LMDBReader(name=name))


@public("FixedLengthRecordReader")
class FixedLengthRecordReader(ReaderBase):
    """Gives pieces of one length; the key is `file:number`.

    Args:
      record_bytes: the length of a piece.
      header_bytes, footer_bytes: how much to leave out at either end of a file.
      hop_bytes: how far apart pieces start; default: their length.
      name: op name.
      encoding: "", "GZIP" or "ZLIB".
    """

    def __init__(
        self,
        record_bytes: int,
        header_bytes: int | None = None,
        footer_bytes: int | None = None,
        hop_bytes: int | None = None,
        name: str | None = None,
        encoding: str | None = None,
    ) -> None:
        handle = raw.FixedLengthRecordReaderV2(
            record_bytes=record_bytes,
            header_bytes=header_bytes or 0,
            footer_bytes=footer_bytes or 0,
            hop_bytes=hop_bytes or 0,
            encoding=encoding or "",
            name=name,
        )
        super().__init__(handle)
