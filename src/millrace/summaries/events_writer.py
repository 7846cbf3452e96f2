"""`EventsWriter` and `EventFileWriter`, the event files below TensorFlow's writers of summaries."""

from __future__ import annotations

import os
from typing import Any

from millrace.core import protos
from millrace.core.parsing import parsed
from millrace.core.public import public
from millrace.opkit.records.event_file import EventFile


@public("python.pywrap_tensorflow.EventsWriter")
class EventsWriter:
    """One event file; it is made when the first event is written.

    Args:
      file_prefix: the path before `.out.tfevents.`, as bytes or a string.
    """

    def __init__(self, file_prefix: Any) -> None:
        self._prefix = file_prefix.decode() if isinstance(file_prefix, bytes) else file_prefix
        self._suffix = ""
        self._file: EventFile | None = None
        self._path = ""

    def InitWithSuffix(self, suffix: Any) -> None:  # noqa: N802 - TensorFlow's name
        """Opens the file, whose name ends in `suffix`."""
        self._suffix = suffix.decode() if isinstance(suffix, bytes) else suffix
        self._open()

    def FileName(self) -> bytes:  # noqa: N802 - TensorFlow's name
        """The path of the file, which is opened."""
        self._open()
        return self._path.encode()

    def WriteEvent(self, event: Any) -> None:  # noqa: N802 - TensorFlow's name
        """Writes an `Event`.

        Raises:
          TypeError: it is none.
        """
        if not hasattr(event, "SerializeToString"):
            raise TypeError(f"EventsWriter: takes an Event. Received: {event!r}")
        self._WriteSerializedEvent(event.SerializeToString())

    def _WriteSerializedEvent(self, event_str: bytes) -> None:  # noqa: N802 - TensorFlow's name
        event = parsed(protos.Event, event_str, "EventsWriter: the event")
        self._open().write(event, max_queue=10, flush_secs=120.0)

    def Flush(self) -> None:  # noqa: N802 - TensorFlow's name
        """Hands what is pending to the operating system."""
        if self._file is not None:
            self._file.flush()

    def Close(self) -> None:  # noqa: N802 - TensorFlow's name
        """Closes the file; the next event begins another."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> EventFile:
        if self._file is None:
            folder, _, name = self._prefix.rpartition("/")
            self._file = EventFile(folder or ".", self._suffix, f"{name}.out" if name else "events.out")
            self._path = self._file.path
        return self._file


@public("python.summary.writer.event_file_writer.EventFileWriter")
class EventFileWriter:
    """Writes events to a new event file.

    Args:
      logdir: the folder; made where it does not exist.
      max_queue: how many events may wait before they are handed to the operating system.
      flush_secs: how many seconds they may.
      filename_suffix: ends the file's name.

    Attributes:
      closed: whether `close` was called, and `reopen` not since.
    """

    def __init__(
        self, logdir: Any, max_queue: int = 10, flush_secs: float = 120, filename_suffix: str | None = None
    ) -> None:
        self._logdir = os.fspath(logdir)
        self._max_queue, self._flush_secs = max_queue, flush_secs
        self._suffix = filename_suffix or ""
        self.closed = False
        self._file = EventFile(self._logdir, self._suffix)

    def get_logdir(self) -> str:
        """The folder of the event file."""
        return self._logdir

    def reopen(self) -> None:
        """Begins another event file after `close`; nothing where the file is open."""
        if self.closed:
            self._file = EventFile(self._logdir, self._suffix)
            self.closed = False

    def add_event(self, event: Any) -> None:
        """Writes an `Event`; nothing after `close`."""
        if not self.closed:
            self._file.write(event, self._max_queue, self._flush_secs)

    def flush(self) -> None:
        """Hands what is pending to the operating system."""
        if not self.closed:
            self._file.flush()

    def close(self) -> None:
        """Closes the file; `reopen` begins another."""
        if not self.closed:
            self.closed = True
            self._file.close()
