"""CRC-32C as checkpoints use it: over long memory in pieces, and continued from a checksum before."""

from __future__ import annotations

from typing import Any

import google_crc32c

from millrace.core.errors import DataLossError
from millrace.opkit.records.tfrecord import mask

PIECE = 1 << 18  # bytes that fit into a core's own cache, so that checksum and copy read memory once


def extend(crc: int, data: Any) -> int:
    """The checksum of what gave `crc` so far, followed by `data`: bytes, or an array of them."""
    return google_crc32c.extend(crc, data)


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
