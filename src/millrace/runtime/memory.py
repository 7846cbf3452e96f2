"""Keeps the memory that a step frees for the next one.

A step asks the C library for the memory of its values, compiled or not. From glibc a large block
comes fresh from the kernel, a page fault for each 4 KiB: 42,000 for a step of a small transformer, a
quarter of its processor time (309 ms; 230 with this module), and the same share of a pipeline of pictures
(25 ms a batch; 18). So once, when the first session is made, glibc is told to keep blocks of up to a
gigabyte, in one arena that all threads share; with an arena for each, blocks larger than 64 MiB would still
come from the kernel. That holds for the whole process; `MILLRACE_KEEP_MEMORY=0` leaves the library as it is.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os

_KEPT = 1 << 30  # bytes
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # from malloc.h


@functools.cache
def keep_memory() -> bool:
    """Tells glibc to keep what is freed; True where that has been done."""
    if os.environ.get("MILLRACE_KEEP_MEMORY") == "0":
        return False
    with contextlib.suppress(
        AttributeError, OSError, ValueError
    ):  # not of another system, or another library
        if not (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc"):
            return False
        mallopt = ctypes.CDLL(None).mallopt
        settings = ((_ARENA_MAX, 1), (_MMAP_THRESHOLD, _KEPT), (_TRIM_THRESHOLD, _KEPT))
        return all(mallopt(name, value) for name, value in settings)
    return False


def release_memory() -> None:
    """Gives back what is free: a compiler leaves hundreds of megabytes, which no program's call will need."""
    if keep_memory():
        ctypes.CDLL(None).malloc_trim(0)
