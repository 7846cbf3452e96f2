"""Arrays as the bytes that checkpoints in the format V2 hold, and back."""

from __future__ import annotations

import functools
import struct
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.core import dtypes
from millrace.core.dtypes import DType
from millrace.core.errors import DataLossError, UnimplementedError
from millrace.opkit.checkpoint import checksums, threads
from millrace.opkit.checkpoint.table import read_varint, varint
from millrace.opkit.records.tfrecord import mask
from millrace.opkit.text.pieces import objects, strings

LARGE = 1 << 25  # bytes from which on several threads read; fewer are there before a thread has started
_STRETCH = 1 << 22  # bytes that a thread takes at once
_LONG_PIECE = 1 << 20  # as a piece of a checksum, where threads hand Python's lock to each other in between
_LONG = 1 << 32  # a length from here on enters the checksum as 64 bits


def memory_of(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The elements of a numeric array as bytes, the lowest of a number first."""
    flat = np.ascontiguousarray(array).reshape(-1)
    if sys.byteorder == "big":
        flat = flat.byteswap()
    return flat.view(np.uint8)


def write(value: Any, dtype: DType, put: Callable[[Any], None]) -> tuple[int, int]:
    """Writes the elements of a tensor through `put`; returns how many bytes they are, and their checksum.

    Raises:
      UnimplementedError: the dtype has no such form.
    """
    if dtype in (dtypes.string, dtypes.variant):  # of variants, the states of iterators
        return _write_strings(strings(value).ravel().tolist(), put)
    if dtype is dtypes.resource:
        raise UnimplementedError(None, None, f"a tensor of dtype {dtype.name} cannot be saved")
    size = crc = 0
    for piece in checksums.pieces(memory_of(np.asarray(value))):
        crc = checksums.extend(crc, piece)
        put(piece)
        size += len(piece)
    return size, crc


def _write_strings(texts: list[bytes], put: Callable[[Any], None]) -> tuple[int, int]:
    """All lengths, the checksum of the lengths, then all bytes."""
    crc = checksums.extend(0, b"".join(_length(len(text)) for text in texts))
    check = struct.pack("<I", mask(crc))
    head = b"".join(varint(len(text)) for text in texts) + check
    body = b"".join(texts)
    put(head)
    put(body)
    return len(head) + len(body), checksums.extend(checksums.extend(crc, check), body)


def _length(size: int) -> bytes:
    return struct.pack("<I" if size < _LONG else "<Q", size)


def read(
    into: Callable[[Any, int], None],
    dtype: DType,
    shape: tuple[int, ...],
    size: int,
    check: int,
    swap: bool,
    what: str,
) -> np.ndarray[Any, Any]:
    """The array of what a checkpoint holds.

    Args:
      into: fills memory with the bytes from a place on; several threads call it.
      dtype, shape: of the array.
      size: how many bytes there must be.
      check: their masked checksum.
      swap: whether the highest byte of a number comes first.
      what: what is read, for messages.

    Raises:
      DataLossError: the bytes are not those that were written.
      UnimplementedError: the dtype cannot be read.
    """
    if dtype in (dtypes.string, dtypes.variant):
        data = bytearray(size)
        into(data, 0)
        return _read_strings(bytes(data), shape, check, what)
    if dtype is dtypes.resource:
        raise UnimplementedError(None, None, f"{what}: a tensor of dtype {dtype.name} cannot be read")
    array = np.empty(shape, dtype.np_dtype)
    if size != array.nbytes:
        raise DataLossError(
            None,
            None,
            f"{what}: dtype {dtype.name} and shape {list(shape)} need {array.nbytes} bytes, not {size}",
        )
    checksums.check(_fill(array.reshape(-1).view(np.uint8), into), check, what)
    return array.byteswap(inplace=True) if swap != (sys.byteorder == "big") else array


def _fill(memory: np.ndarray[Any, Any], into: Callable[[Any, int], None]) -> int:
    """Fills memory through `into`, in several threads where it is large; returns its checksum."""

    def stretch(start: int, size: int, step: int) -> int:
        crc, end = 0, min(start + size, len(memory))
        for at in range(start, end, step):
            piece = memory[at : min(at + step, end)]
            into(piece, at)
            crc = checksums.extend(crc, piece)
        return crc

    if len(memory) < LARGE or threads.readers() == 1:
        return stretch(0, len(memory), checksums.PIECE)
    starts = range(0, len(memory), _STRETCH)
    tasks = [functools.partial(stretch, start, _STRETCH, _LONG_PIECE) for start in starts]
    crc = 0
    for start, part in zip(starts, threads.beside_each_other(tasks, threads.readers()), strict=True):
        crc = checksums.joined(crc, part, min(_STRETCH, len(memory) - start))
    return crc


def _read_strings(data: bytes, shape: tuple[int, ...], check: int, what: str) -> np.ndarray[Any, Any]:
    count = int(np.prod(shape, dtype=np.int64))
    lengths, at = [], 0
    try:
        for _ in range(count):
            length, at = read_varint(data, at)
            lengths.append(length)
        crc = checksums.extend(0, b"".join(_length(n) for n in lengths))
        checksums.check(crc, struct.unpack("<I", data[at : at + 4])[0], f"the lengths of {what}")
    except (IndexError, ValueError, struct.error):
        raise DataLossError(None, None, f"{what} is damaged: no {count} lengths of strings") from None
    begin = at + 4
    checksums.check(checksums.extend(checksums.extend(crc, data[at:begin]), data[begin:]), check, what)
    if begin + sum(lengths) != len(data):
        raise DataLossError(None, None, f"{what} is damaged: its strings have another length")
    texts = []
    for length in lengths:
        texts.append(data[begin : begin + length])
        begin += length
    return objects(texts, shape)
