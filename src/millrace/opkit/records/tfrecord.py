"""TFRecord files: length, checksum of the length, payload, checksum of the payload (CRC-32C, rotated and
offset).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Generator
from typing import IO, Any

import google_crc32c

from millrace.core import errors, filesystems
from millrace.opkit.records.opening import BROKEN, open_packed

_OFFSET = 0xA282EAD8
_HEAD, _CHECK = struct.Struct("<QI"), struct.Struct("<I")
_PIECE = 1 << 18  # bytes read at once
_MOST_LENGTHS = 1024
_GZIP = 31  # zlib's number for the form of gzip


def mask(crc: int) -> int:
    """A checksum as files hold it: rotated and offset, so that checksums of checksums stay useful."""
    return ((crc >> 15 | crc << 17) + _OFFSET) & 0xFFFFFFFF


def masked_crc(data: bytes) -> int:
    """The masked CRC-32C of `data`."""
    return mask(google_crc32c.value(data))


def iterate(path: str, compression: str = "") -> Generator[bytes, None, None]:
    """The records of a file, one after another.

    Raises:
      NotFoundError: there is no such file.
      DataLossError: the file is cut off, or a checksum does not match.
    """
    file = open_packed(path, compression)
    try:
        yield from _records_in(file, path)
    except BROKEN as error:
        raise errors.DataLossError(None, None, f"{path} cannot be decompressed: {error}") from None
    finally:
        file.close()


def _records_in(file: Any, path: str) -> Generator[bytes, None, None]:
    """The records of an open file, which is read in large pieces."""
    checksum, offset, unpacked = google_crc32c.value, _OFFSET, _CHECK.unpack_from
    lengths: dict[bytes, int] = {}  # by headers that were right: most files have few different ones
    data, at = b"", 0
    while True:
        begin = at + 12
        if begin > len(data):
            data, at = _more(file, data[at:], 12), 0
            begin = 12
            if len(data) < begin:
                if not data:
                    return
                raise _lost(path, "truncated record", f"its header has {len(data)} of 12 bytes")
        head = data[at:begin]
        length = lengths.get(head)
        if length is None:
            length = _length(head, path)
            if len(lengths) < _MOST_LENGTHS:
                lengths[head] = length
        end = begin + length
        if end + 4 > len(data):
            data, at, begin, end = _more(file, data[at:], end + 4 - at), 0, 12, 12 + length
            if end + 4 > len(data):
                found = min(length, len(data) - 12)
                raise _lost(path, "truncated record", f"{found} of {length} bytes")
        record = data[begin:end]
        crc = checksum(record)
        if unpacked(data, end)[0] != ((crc >> 15 | crc << 17) + offset) & 0xFFFFFFFF:
            raise _lost(path, "corrupted record", "the checksum of its data does not match")
        at = end + 4
        yield record


def _more(file: Any, data: bytes, least: int) -> bytes:
    """`data` and what follows in the file: at least `least` bytes in all, fewer at its end."""
    pieces, size = [data], len(data)
    while size < least:
        piece = file.read1(max(_PIECE, least - size))
        if not piece:
            break
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)


def _length(head: bytes, path: str) -> int:
    length, check = _HEAD.unpack(head)
    if masked_crc(head[:8]) != check:
        raise _lost(path, "corrupted record", "the checksum of its length does not match")
    return length


def _lost(path: str, what: str, why: str) -> errors.DataLossError:
    return errors.DataLossError(None, None, f"{what} in {path}: {why}")


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
        self._file: IO[bytes] = filesystems.open_file(path, "wb")
        if compression == "GZIP":
            self._zlib = zlib.compressobj(9 if level < 0 else level, wbits=_GZIP)
        elif compression == "ZLIB":
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
