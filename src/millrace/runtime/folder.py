"""The folder of compiled programs that processes share: where it is, and whether it is safe to use.

`MILLRACE_CACHE` names another folder, or turns it off when it is "0", "off" or empty. What lies in the folder
runs, so a folder or file of another user, or one that others may write to, is not used.
"""

from __future__ import annotations

import logging
import os
import stat
import sys
from pathlib import Path

_OFF = ("", "0", "off")
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
    if not is_own(facts):
        _log.warning(
            "millrace: %s is not used to keep compiled programs: it belongs to somebody else, or others may "
            "write to it (chmod go-w)",
            place,
        )
        return None
    return place


def is_own(facts: os.stat_result) -> bool:
    """True for what belongs to this user and nobody else may change."""
    if not hasattr(os, "getuid"):
        return True
    return facts.st_uid == os.getuid() and not facts.st_mode & _OTHERS_WRITE
