"""Opens files for reading, decompressed on the way."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import IO, Any

from millrace.core import filesystems
from millrace.core.file_errors import naming

_PIECE = 1 << 18  # bytes read at once

BROKEN = (EOFError, gzip.BadGzipFile, zlib.error)
"""What reading a compressed file raises where its bytes are wrong or end too soon."""


class _Unpacked(io.RawIOBase):
    """What a zlib stream holds.

    Args:
      file: the stream; closed with this one.
    """

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file
        self._unpacker = zlib.decompressobj()

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """The next bytes, at most as many as fit into `buffer`; how many they are.

        Raises:
          EOFError: the stream is cut off.
        """
        unpacker = self._unpacker
        while not unpacker.eof:
            packed = unpacker.unconsumed_tail or self._file.read(_PIECE)
            found = unpacker.decompress(packed, len(buffer))
            if found:
                buffer[: len(found)] = found
                return len(found)
            if not packed:
                raise EOFError("the compressed stream ended before its end was marked")
        return 0

    def close(self) -> None:
        """Closes the stream."""
        self._file.close()
        super().close()


class _Gzip(gzip.GzipFile):
    """What a gzip stream holds.

    Args:
      file: the stream; closed with this one.
    """

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(fileobj=file, mode="rb")
        self._stream = file

    def close(self) -> None:
        """Closes the stream."""
        super().close()
        self._stream.close()


def open_packed(path: str, compression: str = "") -> Any:
    """A file opened for reading bytes.

    Args:
      path: of the file.
      compression: "", "GZIP" or "ZLIB".

    Raises:
      NotFoundError: there is no such file.
      FailedPreconditionError: it is a folder.
    """
    with naming(path):
        file = filesystems.open_file(path)
    if compression == "GZIP":
        return _Gzip(file)
    return io.BufferedReader(_Unpacked(file), _PIECE) if compression == "ZLIB" else file
