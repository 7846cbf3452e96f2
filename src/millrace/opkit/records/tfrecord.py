"""TFRecord files: length, checksum of the length, payload, checksum of the payload (CRC-32C, rotated and
offset).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Generator
from typing import IO, Any

import google_crc32c
import numpy as np

from millrace.core import errors, filesystems
from millrace.opkit.records.opening import BROKEN, open_packed

_OFFSET = 0xA282EAD8
_HEAD, _CHECK = struct.Struct("<QI"), struct.Struct("<I")
_PIECE = 1 << 18  # bytes read at once
_MOST_LENGTHS = 1024
_GZIP = 31  # zlib's number for the form of gzip
_FEWEST_ALIKE, _MOST_ALIKE = 4, 128  # records of one length that are taken at once
_FOUR = np.arange(4)


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
    for records in pieces(path, compression):
        yield from records


def pieces(path: str, compression: str = "") -> Generator[list[bytes], None, None]:
    """The records of a file, in their order, as many at once as were read at once.

    Raises:
      NotFoundError: there is no such file.
      DataLossError: the file is cut off, or a checksum does not match; the records before have been given.
    """
    file = open_packed(path, compression)
    lengths: dict[bytes, int] = {}
    try:
        data, least = b"", _HEAD.size
        while True:
            data = _more(file, data, least)
            if not data:
                return
            piece = _Piece(data, path, lengths)
            if piece.records:
                yield piece.records
            if piece.problem is None and piece.at == 0 and len(data) < least:
                piece.problem = piece.truncated()
            if piece.problem is not None:
                raise piece.problem
            data, least = data[piece.at :], piece.wanted
    except BROKEN as error:
        raise errors.DataLossError(None, None, f"{path} cannot be decompressed: {error}") from None
    finally:
        file.close()


class _Piece:
    """The whole records in some bytes of a file.

    Args:
      data: the bytes, which begin with a record.
      path: of the file, for messages.
      lengths: the length that each header told that was right; most files have few different ones. Added to.

    Attributes:
      records: their payloads, up to the first that is wrong.
      at: where the first record begins that is not whole.
      wanted: how many bytes that one has at least.
      problem: what is wrong with the record behind those in `records`.
    """

    def __init__(self, data: bytes, path: str, lengths: dict[bytes, int]) -> None:
        self._data, self._path = data, path
        self.records: list[bytes] = []
        self.at, self.wanted = 0, _HEAD.size
        self.problem: errors.DataLossError | None = None
        self._find(lengths)
        self._check()

    def _find(self, lengths: dict[bytes, int]) -> None:
        data, at, size, records = self._data, 0, len(self._data), self.records
        self._ends: list[int] = []
        while at + 12 <= size:
            head = data[at : at + 12]
            length = lengths.get(head)
            if length is None:
                try:
                    length = _length(head, self._path)
                except errors.DataLossError as problem:
                    self.problem = problem
                    break
                if len(lengths) < _MOST_LENGTHS:
                    lengths[head] = length
            step = length + 16
            if at + step > size:
                self.wanted = step
                break
            probe = at + _FEWEST_ALIKE * step
            run = _run(data, at, step) if data[probe : probe + 12] == head else 1
            stop = at + run * step
            if run == 1:
                records.append(data[at + 12 : stop - 4])
                self._ends.append(stop - 4)
            else:
                records += [data[i : i + length] for i in range(at + 12, stop, step)]
                self._ends += range(at + 12 + length, stop, step)
            at = stop
        self.at = at

    def _check(self) -> None:
        """Compares all checksums at once, and keeps what comes before the first that is wrong."""
        if not self.records:
            return
        computed = np.fromiter(map(google_crc32c.value, self.records), np.uint32, len(self.records))
        masked = (computed >> 15 | computed << 17) + np.uint32(_OFFSET)
        places = np.array(self._ends)[:, None] + _FOUR
        stored = np.frombuffer(self._data, np.uint8)[places].view("<u4")[:, 0]
        wrong = np.flatnonzero(masked != stored)
        if wrong.size:
            del self.records[wrong[0] :]
            self.problem = _lost(self._path, "corrupted record", "the checksum of its data does not match")

    def truncated(self) -> errors.DataLossError:
        """The error of a file that ends in the midst of the first record."""
        size = len(self._data)
        if size < 12:
            return _lost(self._path, "truncated record", f"its header has {size} of 12 bytes")
        length = self.wanted - 16
        return _lost(self._path, "truncated record", f"{min(length, size - 12)} of {length} bytes")


def _run(data: bytes, at: int, step: int) -> int:
    """How many records of `step` bytes each, all with the same header, follow one another; not all are
    looked at.
    """
    most = min((len(data) - at) // step, _MOST_ALIKE)
    rows = np.frombuffer(data, np.uint8, most * step, at).reshape(most, step)
    different = (rows[:, :12] != rows[0, :12]).any(axis=1)
    return int(different.argmax()) or most


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
