"""How much memory the process uses and the machine has, as the system tells."""

from __future__ import annotations

import os
import resource
import sys

import numpy as np

from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare

_PAGE = resource.getpagesize()


def _resident() -> int:
    """The bytes of memory that the process holds now; its peak where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * _PAGE
    except OSError:
        return _peak()


def _peak() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


@declare("BytesInUse() -> out: int64", host=True, effect=True)
class BytesInUse:
    """The bytes of memory that the process holds."""

    def shape():
        return ()

    def kernel(xp):
        return np.int64(_resident())

    grad = NOT_DIFFERENTIABLE


@declare("MaxBytesInUse() -> out: int64", host=True, effect=True)
class MaxBytesInUse:
    """The most bytes of memory that the process ever held."""

    def shape():
        return ()

    def kernel(xp):
        return np.int64(max(_peak(), _resident()))

    grad = NOT_DIFFERENTIABLE


@declare("BytesLimit() -> out: int64", host=True, effect=True)
class BytesLimit:
    """The bytes of memory that the machine has."""

    def shape():
        return ()

    def kernel(xp):
        return np.int64(_PAGE * os.sysconf("SC_PHYS_PAGES"))

    grad = NOT_DIFFERENTIABLE
