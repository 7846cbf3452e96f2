"""Denormal numbers count as zero while the interpreter multiplies, as in TensorFlow and in compiled programs.

A processor takes a hundred times as long for a denormal number as for any other, and deep networks make many
of them: a product of 32 x 64 such numbers takes 33 us instead of 4.
"""

from __future__ import annotations

import os
import threading
from typing import Any

_ROOM = 64  # bytes: more than the C library's `fenv_t` anywhere
# processor -> where `fenv_t` keeps the control word, and the bits of it that make denormal numbers zero
_CONTROL = {"x86_64": (28, 1 << 15 | 1 << 6), "aarch64": (0, 1 << 24)}


class Flushing(threading.local):
    """The mode of the present thread; `begin` and `end` come in pairs, which may lie in each other."""

    def __init__(self) -> None:
        self._depth = 0
        self._environment = _environment()

    def begin(self) -> None:
        """From now on denormal numbers are zero in this thread."""
        self._depth += 1
        if self._depth == 1 and self._environment is not None:
            self._environment.begin()

    def end(self) -> None:
        """As before `begin`."""
        self._depth -= 1
        if self._depth == 0 and self._environment is not None:
            self._environment.end()


class _Environment:
    """The floating point environment of a thread, through the C library."""

    def __init__(self, library: Any, place: int, bits: int) -> None:
        import ctypes

        self._get, self._set = library.fegetenv, library.fesetenv
        before = ctypes.create_string_buffer(_ROOM)
        self._before = ctypes.byref(before)
        self._get(self._before)
        content = bytearray(before.raw)
        control = int.from_bytes(content[place : place + 4], "little") | bits
        content[place : place + 4] = control.to_bytes(4, "little")
        self._inside = ctypes.byref(ctypes.create_string_buffer(bytes(content), _ROOM))

    def begin(self) -> None:
        self._get(self._before)
        self._set(self._inside)

    def end(self) -> None:
        self._set(self._before)


def _environment() -> _Environment | None:
    """None on a machine whose environment is not known: then denormal numbers are what they are."""
    control = _CONTROL.get(os.uname().machine) if hasattr(os, "uname") else None
    if control is None or not _is_glibc():
        return None
    import ctypes

    return _Environment(ctypes.PyDLL("libm.so.6"), *control)


def _is_glibc() -> bool:
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (AttributeError, ValueError):  # not on this system; another C library
        return False
