"""The folder in which compiled programs are kept between processes; safe to delete at any time.

`MILLRACE_CACHE` names another folder, or turns it off when it is "0", "off" or empty. Files that were not
used for longest go first when the folder has grown too large.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import platform
import sys
import tempfile
from pathlib import Path

_LARGEST = 1 << 29  # bytes in the folder
_OFF = ("", "0", "off")


def folder() -> Path | None:
    """Where programs are kept; None where the user has turned it off, or has no folder for caches."""
    named = os.environ.get("MILLRACE_CACHE")
    if named is not None:
        return None if named.lower() in _OFF else Path(named).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
    elif sys.platform == "darwin":
        base = os.path.expanduser("~/Library/Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base, "millrace") if base and not base.startswith("~") else None


def key_of(*parts: str) -> str:
    """The name of the file for a program that `parts` describe, on this processor; "" where none is kept."""
    if folder() is None:
        return ""
    return hashlib.sha256("\0".join((*parts, _processor())).encode()).hexdigest()[:40]


def load(key: str) -> bytes | None:
    """What was kept under `key`."""
    place = folder()
    if not key or place is None:
        return None
    path = place / key
    try:
        data = path.read_bytes()
        os.utime(path)
    except OSError:
        return None
    return data


def save(key: str, data: bytes) -> None:
    """Keeps `data` under `key`, as far as the file system lets it."""
    place = folder()
    if not key or place is None:
        return
    with contextlib.suppress(OSError):
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=place, prefix=".new-")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
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
