"""Compiled programs, kept in a folder between processes; it is safe to delete at any time.

Files that were not used for longest go first when the folder has grown too large. A file begins with the
digest of its content: what was damaged is not used.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import platform
import tempfile
from pathlib import Path

from millrace.runtime.folder import folder, is_own, own_folder

_LARGEST = 1 << 29  # bytes in the folder
_DIGEST = 32  # bytes of SHA-256 before the content of each file


def key_of(*parts: str) -> str:
    """The name of the file for a program that `parts` describe, on this processor; "" where none is kept."""
    if folder() is None:
        return ""
    return hashlib.sha256("\0".join((*parts, _processor())).encode()).hexdigest()[:40]


def load(key: str) -> bytes | None:
    """What was kept under `key`; None where it is not there, was changed since, or is not the user's own."""
    place = own_folder() if key else None
    if place is None:
        return None
    path = place / key
    try:
        with open(path, "rb") as file:
            if not is_own(os.fstat(file.fileno())):
                return None
            data = file.read()
        os.utime(path)
    except OSError:
        return None
    digest, content = data[:_DIGEST], data[_DIGEST:]
    return content if hashlib.sha256(content).digest() == digest else None


def save(key: str, data: bytes) -> None:
    """Keeps `data` under `key`, as far as the file system lets it."""
    place = own_folder() if key else None
    if place is None:
        return
    with contextlib.suppress(OSError):
        handle, name = tempfile.mkstemp(dir=place, prefix=".new-")
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(data).digest() + data)
        os.replace(name, place / key)
        _make_room(place)


def _make_room(place: Path) -> None:
    files = sorted((entry.stat().st_mtime, entry.stat().st_size, entry.path) for entry in os.scandir(place))
    total = sum(size for _, size, _ in files)
    for _, size, path in files:
        if total <= _LARGEST:
            break
        os.unlink(path)
        total -= size


@functools.cache
def _processor() -> str:
    """What machine code depends on: instructions that a processor lacks would kill the process."""
    features = ""
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as lines:
        features = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return f"{platform.machine()} {platform.processor()} {features}"
