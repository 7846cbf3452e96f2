"""Sorted tables of byte strings, the container of checkpoints: blocks of key-value pairs, each with a
checksum, an index of the blocks, and a footer.

A block lists its pairs in the order of their keys. A key is written as how many bytes it shares with the key
before, and the rest; every sixteenth ("restart") is written whole, and the block ends with their places.
"""

from __future__ import annotations

import bisect
import struct
from collections.abc import Iterator

from millrace.core.errors import DataLossError
from millrace.opkit.checkpoint import checksums
from millrace.opkit.records.tfrecord import mask

MAGIC = 0xDB4775248B80FB57
_FOOTER = 48
_TRAILER = 5  # a byte for the compression, four for the checksum
_BLOCK = 1 << 18
_RESTART = 16
_SNAPPY = 1


def varint(number: int) -> bytes:
    """A number in groups of seven bits, the lowest first."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at a place and the place behind it.

    Raises:
      IndexError: the data ends within it.
      ValueError: it has more than 64 bits.
    """
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")


class _Block:
    """A block that is being written."""

    def __init__(self, interval: int) -> None:
        self.interval = interval
        self.data = bytearray()
        self.restarts = [0]
        self.count = 0
        self.last = b""

    def add(self, key: bytes, value: bytes) -> None:
        shared = 0
        if self.count < self.interval:
            longest = min(len(key), len(self.last))
            while shared < longest and key[shared] == self.last[shared]:
                shared += 1
        else:
            self.restarts.append(len(self.data))
            self.count = 0
        self.data += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        self.last, self.count = key, self.count + 1

    def size(self) -> int:
        return len(self.data) + 4 * len(self.restarts) + 4

    def finish(self) -> bytes:
        return bytes(self.data) + struct.pack(
            f"<{len(self.restarts) + 1}I", *self.restarts, len(self.restarts)
        )


def _between(low: bytes, high: bytes) -> bytes:
    """A short key that is not below `low` and below `high`."""
    for i, (a, b) in enumerate(zip(low, high, strict=False)):
        if a != b:
            return low[:i] + bytes([a + 1]) if a < 0xFF and a + 1 < b else low
    return low


def _above(key: bytes) -> bytes:
    """A short key that is not below `key`."""
    for i, byte in enumerate(key):
        if byte != 0xFF:
            return key[:i] + bytes([byte + 1])
    return key


def table(pairs: Iterator[tuple[bytes, bytes]]) -> Iterator[bytes]:
    """The parts of a table file, one after another, from pairs in the order of their keys."""
    place, index, block = 0, _Block(1), _Block(_RESTART)
    last, waiting = b"", None  # the handle of a block whose key in the index awaits the next key

    def stored(contents: bytes) -> tuple[bytes, bytes]:
        nonlocal place
        handle = varint(place) + varint(len(contents))
        crc = checksums.extend(checksums.extend(0, contents), b"\0")
        place += len(contents) + _TRAILER
        return handle, contents + b"\0" + struct.pack("<I", mask(crc))

    for key, value in pairs:
        if waiting is not None:
            index.add(_between(last, key), waiting)
            waiting = None
        block.add(key, value)
        last = key
        if block.size() >= _BLOCK:
            waiting, part = stored(block.finish())
            yield part
            block = _Block(_RESTART)
    if block.data:
        waiting, part = stored(block.finish())
        yield part
    meta, part = stored(_Block(_RESTART).finish())
    yield part
    if waiting is not None:
        index.add(_above(last), waiting)
    handle, part = stored(index.finish())
    yield part
    yield (meta + handle).ljust(_FOOTER - 8, b"\0") + struct.pack("<Q", MAGIC)


def is_table(data: bytes) -> bool:
    """Whether a file's contents end as a table does."""
    return len(data) >= _FOOTER and struct.unpack("<Q", data[-8:])[0] == MAGIC


class Table:
    """A table that is read: its blocks are decoded, and their checksums verified, when they are needed.

    Args:
      data: the file's contents, or a map of it.
      path: its name, for messages.

    Raises:
      DataLossError: the file is not a table, is cut off, or its index is damaged.
    """

    def __init__(self, data: bytes, path: str) -> None:
        self._data, self._path = data, path
        if len(data) < _FOOTER:
            raise DataLossError(None, None, f"{path} is too short to be an sstable: it has {len(data)} bytes")
        footer = data[-_FOOTER:]
        if struct.unpack("<Q", footer[-8:])[0] != MAGIC:
            raise DataLossError(None, None, f"{path} is not an sstable (bad magic number)")
        with self._decoding("its footer"):
            meta = self._handle(footer)
            place = len(varint(meta[0]) + varint(meta[1]))
            index = self._handle(footer[place:])
        self._block(meta)  # it is empty, but its checksum tells whether the file is whole
        self._index = [(key, self._handle(value)) for key, value in self._block(index)]

    def _decoding(self, what: str) -> _Decoding:
        return _Decoding(self._path, what)

    def _handle(self, value: bytes) -> tuple[int, int]:
        with self._decoding("its index"):
            start, at = read_varint(value, 0)
            return start, read_varint(value, at)[0]

    def _block(self, handle: tuple[int, int]) -> list[tuple[bytes, bytes]]:
        start, size = handle
        stored = self._data[start : start + size + _TRAILER]
        if len(stored) != size + _TRAILER:
            raise DataLossError(
                None,
                None,
                f"{self._path} is cut off: the block at {start} has {len(stored)} of {size + _TRAILER} bytes",
            )
        crc = checksums.extend(0, bytes(stored[:-4]))
        checksums.check(crc, struct.unpack("<I", stored[-4:])[0], f"the block at {start} of {self._path}")
        contents = bytes(stored[:size])
        with self._decoding(f"the block at {start}"):
            return list(_entries(_plain(contents, stored[size])))

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        """All pairs, in the order of their keys."""
        for _, handle in self._index:
            yield from self._block(handle)

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        place = bisect.bisect_left(self._index, key, key=lambda pair: pair[0])
        if place == len(self._index):
            return None
        return next((value for found, value in self._block(self._index[place][1]) if found == key), None)


class _Decoding:
    """Turns what goes wrong while bytes are taken apart into an error that names the file."""

    def __init__(self, path: str, what: str) -> None:
        self._path, self._what = path, what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (IndexError, ValueError, struct.error)):
            raise DataLossError(None, None, f"{self._path} is damaged: {self._what}: {error}") from None


def _plain(contents: bytes, compression: int) -> bytes:
    if compression == 0:
        return contents
    if compression != _SNAPPY:
        raise ValueError(f"a compression of type {compression} is not known")
    import cramjam  # costs 20 ms, and only old files are compressed

    try:
        return bytes(cramjam.snappy.decompress_raw(contents))
    except cramjam.DecompressionError as error:
        raise ValueError(f"not decompressed: {error}") from None


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    (restarts,) = struct.unpack("<I", block[-4:])
    end, at, key = len(block) - 4 * (restarts + 1), 0, b""
    if end < 0:
        raise ValueError(f"a block of {len(block)} bytes has {restarts} restarts")
    while at < end:
        shared, at = read_varint(block, at)
        rest, at = read_varint(block, at)
        size, at = read_varint(block, at)
        if shared > len(key) or at + rest + size > end:
            raise ValueError("a pair reaches beyond its block")
        key = key[:shared] + block[at : at + rest]
        at += rest
        yield key, block[at : at + size]
        at += size
