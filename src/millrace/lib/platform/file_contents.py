"""Whole files at once: reading, writing, comparing them, and their checksums."""

from __future__ import annotations

import uuid
import zlib
from typing import Any

from millrace.core import errors
from millrace.core.public import public
from millrace.lib.platform.gfile import GFile, exists, remove, rename

_BLOCK = 1 << 24


@public("python.lib.io.file_io.read_file_to_string")
def read_file_to_string(filename: Any, binary_mode: bool = False) -> str | bytes:
    """What a file holds, as text or, with `binary_mode`, as bytes.

    Raises:
      NotFoundError: there is no such file.
    """
    with GFile(filename, "rb" if binary_mode else "r") as file:
        return file.read()


@public("python.lib.io.file_io.write_string_to_file")
def write_string_to_file(filename: Any, file_content: str | bytes) -> None:
    """Makes a file with this text, or these bytes, in place of one of that name."""
    with GFile(filename, "w") as file:
        file.write(file_content)


@public("python.lib.io.file_io.atomic_write_string_to_file")
def atomic_write_string_to_file(filename: str, contents: str | bytes, overwrite: bool = True) -> None:
    """Writes a file under another name first, so that nobody reads half of it.

    Args:
      filename: the file.
      contents: text or bytes.
      overwrite: take the place of a file of that name.

    Raises:
      AlreadyExistsError: there is one, and `overwrite` is False.
    """
    if not overwrite and exists(filename):
        raise errors.AlreadyExistsError(None, None, "file already exists")
    written = f"{filename}.tmp{uuid.uuid4().hex}"
    write_string_to_file(written, contents)
    try:
        rename(written, filename, overwrite)
    except errors.OpError:
        remove(written)
        raise


@public("python.lib.io.file_io.filecmp")
def filecmp(filename_a: Any, filename_b: Any) -> bool:
    """Whether two files hold the same bytes."""
    with GFile(filename_a, "rb") as first, GFile(filename_b, "rb") as second:
        if first.size() != second.size():
            return False
        while block := first.read(_BLOCK):
            if block != second.read(_BLOCK):
                return False
    return True


@public("python.lib.io.file_io.file_crc32")
def file_crc32(filename: Any, block_size: int = _BLOCK) -> str:
    """The CRC-32 of a file, as hexadecimal digits behind `0x`.

    Args:
      filename: the file.
      block_size: how many bytes are read at a time.
    """
    checksum = 0
    with GFile(filename, "rb") as file:
        while block := file.read(block_size):
            checksum = zlib.crc32(block, checksum)
    return hex(checksum & 0xFFFFFFFF)
