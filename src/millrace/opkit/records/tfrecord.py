"""TFRecord files: length, checksum of the length, payload, checksum of the payload (CRC-32C, rotated and
offset).
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator
from typing import IO, Any

import google_crc32c

from millrace.core import errors

_OFFSET = 0xA282EAD8


def mask(crc: int) -> int:
    """A checksum as files hold it: rotated and offset, so that checksums of checksums stay useful."""
    return ((crc >> 15 | crc << 17) + _OFFSET) & 0xFFFFFFFF


def masked_crc(data: bytes) -> int:
    """The masked CRC-32C of `data`."""
    return mask(google_crc32c.value(data))


class _ZlibFile:
    """A zlib stream as a readable file."""

    def __init__(self, path: str) -> None:
        with open(path, "rb") as file:
            self._data = memoryview(zlib.decompress(file.read()))
        self._place = 0

    def read(self, count: int) -> bytes:
        found = bytes(self._data[self._place : self._place + count])
        self._place += len(found)
        return found

    def close(self) -> None:
        self._data.release()


def open_records(path: str, compression: str = "") -> Any:
    """A file of records, opened for reading.

    Args:
      path: of the file.
      compression: "", "GZIP" or "ZLIB".

    Raises:
      NotFoundError: there is no such file.
    """
    try:
        if compression == "GZIP":
            return gzip.open(path, "rb")
        if compression == "ZLIB":
            return _ZlibFile(path)
        return open(path, "rb")
    except FileNotFoundError:
        raise errors.NotFoundError(None, None, f"{path}; No such file or directory") from None


def next_record(file: Any, path: str) -> bytes | None:
    """The next record of an open file, or None at its end.

    Raises:
      DataLossError: the file is cut off, or a checksum does not match.
    """
    try:
        head = file.read(12)
        if not head:
            return None
        if len(head) < 12:
            raise errors.DataLossError(
                None, None, f"truncated record in {path}: its header has {len(head)} of 12 bytes"
            )
        length, check = struct.unpack("<QI", head)
        if masked_crc(head[:8]) != check:
            raise errors.DataLossError(
                None, None, f"corrupted record in {path}: the checksum of its length does not match"
            )
        data, tail = file.read(length), file.read(4)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise errors.DataLossError(None, None, f"{path} cannot be decompressed: {error}") from None
    if len(data) < length or len(tail) < 4:
        raise errors.DataLossError(None, None, f"truncated record in {path}: {len(data)} of {length} bytes")
    if masked_crc(data) != struct.unpack("<I", tail)[0]:
        raise errors.DataLossError(
            None, None, f"corrupted record in {path}: the checksum of its data does not match"
        )
    return data


def iterate(path: str, compression: str = "") -> Iterator[bytes]:
    """The records of a file, one after another."""
    file = open_records(path, compression)
    try:
        while (record := next_record(file, path)) is not None:
            yield record
    finally:
        file.close()


def framed(record: bytes) -> bytes:
    """A record with its length and checksums, as files hold it."""
    head = struct.pack("<Q", len(record))
    return b"".join(
        (head, struct.pack("<I", masked_crc(head)), record, struct.pack("<I", masked_crc(record)))
    )


class Writer:
    """Writes records to a file.

    Args:
      path: of the file, which is replaced.
      compression: "", "GZIP" or "ZLIB".
      level: of compression, 0 to 9, or -1 for the usual one.
    """

    def __init__(self, path: str, compression: str = "", level: int = -1) -> None:
        self._zlib: Any = None
        self._file: IO[bytes] | Any
        if compression == "GZIP":
            self._file = gzip.open(path, "wb", 9 if level < 0 else level)  # noqa: SIM115 - closed by close()
        else:
            self._file = open(path, "wb")  # noqa: SIM115 - closed by close()
            if compression == "ZLIB":
                self._zlib = zlib.compressobj(level)

    def write(self, record: bytes) -> None:
        """Appends one record."""
        data = framed(record)
        self._file.write(data if self._zlib is None else self._zlib.compress(data))

    def flush(self) -> None:
        """Hands what was written to the operating system."""
        if self._zlib is not None:
            self._file.write(self._zlib.flush(zlib.Z_SYNC_FLUSH))
        self._file.flush()

    def close(self) -> None:
        """Finishes the file."""
        if self._zlib is not None:
            self._file.write(self._zlib.flush())
        self._file.close()
