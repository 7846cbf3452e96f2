"""`EventsWriter`, the event file below TensorFlow's summary writers, which some programs use themselves."""

from __future__ import annotations

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
