"""The folder in which compiled programs are kept between processes; safe to delete at any time.

`MILLRACE_CACHE` names another folder, or turns it off when it is "0", "off" or empty. Files that were not
used for longest go first when the folder has grown too large. A file begins with the digest of its content:
what was damaged is not used. What lies in the folder runs, so a folder or file of another user, or one that
others may write to, is not used either.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import os
import platform
import stat
import sys
import tempfile
from pathlib import Path

_LARGEST = 1 << 29  # bytes in the folder
_OFF = ("", "0", "off")
_DIGEST = 32  # bytes of SHA-256 before the content of each file
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH

_log = logging.getLogger("millrace")


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
    """What was kept under `key`; None where it is not there, was changed since, or is not the user's own."""
    place = own_folder() if key else None
    if place is None:
        return None
    path = place / key
    try:
        with open(path, "rb") as file:
            if not _is_own(os.fstat(file.fileno())):
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


def own_folder() -> Path | None:
    """The folder, made where it is missing; None where programs of others could lie in it.

    What is in it runs in this process: so it must belong to the user, and nobody else may write to it.
    """
    place = folder()
    if place is None:
        return None
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        facts = os.stat(place)
    except OSError:
        return None
    if not _is_own(facts):
        _log.warning(
            "millrace: %s is not used to keep compiled programs: it belongs to somebody else, or others may "
            "write to it (chmod go-w)",
            place,
        )
        return None
    return place


def _is_own(facts: os.stat_result) -> bool:
    """True for what belongs to this user and nobody else may change."""
    if not hasattr(os, "getuid"):
        return True
    return facts.st_uid == os.getuid() and not facts.st_mode & _OTHERS_WRITE


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
