"""CRC-32C as checkpoints use it: over long memory in pieces, and continued from a checksum before."""

from __future__ import annotations

import functools
from typing import Any

import google_crc32c

from millrace.core.errors import DataLossError
from millrace.opkit.records.tfrecord import mask

PIECE = 1 << 18  # bytes that fit into a core's own cache, so that checksum and copy read memory once
_POLYNOMIAL = 0x82F63B78  # that of CRC-32C without its highest power, the lowest power in the highest bit
_ONE = 1 << 31


def extend(crc: int, data: Any) -> int:
    """The checksum of what gave `crc` so far, followed by `data`: bytes, or an array of them."""
    return google_crc32c.extend(crc, data)


def joined(first: int, second: int, size: int) -> int:
    """The checksum of two stretches of bytes, one behind the other, of which the second has that size."""
    return _product(_power(8 * size), first) ^ second


@functools.lru_cache
def _power(exponent: int) -> int:
    """x to a power, modulo the polynomial."""
    result, square = _ONE, _ONE >> 1
    while exponent:
        if exponent & 1:
            result = _product(result, square)
        square = _product(square, square)
        exponent >>= 1
    return result


def _product(a: int, b: int) -> int:
    """The product of two polynomials modulo that of the checksum."""
    result = 0
    while a:
        if a & _ONE:
            result ^= b
        a = a << 1 & 0xFFFFFFFF
        b = b >> 1 ^ (_POLYNOMIAL if b & 1 else 0)
    return result


def check(crc: int, expected: int, what: str) -> None:
    """Compares the checksum of what was read with the masked one that was stored.

    Raises:
      DataLossError: they differ; the message names `what`.
    """
    if mask(crc) != expected:
        raise DataLossError(
            None,
            None,
            f"Checksum does not match: {what} is damaged "
            f"(stored {expected:#010x}, computed {mask(crc):#010x})",
        )


def pieces(memory: Any) -> Any:
    """One-dimensional byte memory, a piece at a time."""
    for start in range(0, len(memory), PIECE):
        yield memory[start : start + PIECE]
