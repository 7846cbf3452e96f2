"""Compiled code of our own that works beside compiled programs: for the features of records (`records.c`),
and for what is over in microseconds (`brief.c`).
"""

from __future__ import annotations

import ctypes
import importlib.resources
import logging
import os
import sys
from types import SimpleNamespace

from millrace.runtime import native_code

_OPTIONS = ("-O3", "-march=native", "-std=gnu11", "-ffp-contract=off")
_RECORDS = {  # name: result and arguments; b: bytes, p: an address, n: a number
    "find": "ibpnbpnnp",
    "steps": "nbpnp",
    "step_cells": "ibpnp",
    "count": "nbpnnp",
    "values": "ibpnnp",
    "dense": "nbpnnnp",
    "list_dense": "ibpnnnnp",
}
_BRIEF = {"read": "nbpn", "figured": "vppnnnbp", "turned": "vpnpnnn"}
_LETTING_IN = ("read", "figured")  # others are over before another thread has taken the interpreter
_TYPES = {"b": ctypes.c_char_p, "i": ctypes.c_int, "n": ctypes.c_int64, "p": ctypes.c_void_p, "v": None}

_log = logging.getLogger("millrace")


def records() -> SimpleNamespace | None:
    """The functions of `records.c`; None where there are none, or the user wants none."""
    library = _library("records") if sys.byteorder == "little" else None
    return None if library is None else _functions(library, "records", _RECORDS)


def brief() -> SimpleNamespace | None:
    """The functions of `brief.c`; None where there are none, or the user wants none."""
    library = _library("brief") if os.name == "posix" else None
    if library is None:
        return None
    found = _functions(library, "brief", _BRIEF)
    letting_in = ctypes.CDLL(None, handle=library._handle)
    vars(found).update(vars(_functions(letting_in, "brief", {name: _BRIEF[name] for name in _LETTING_IN})))
    return found


def _library(name: str) -> ctypes.PyDLL | None:
    if not native_code.wanted():
        return None
    text = importlib.resources.files("millrace.runtime").joinpath(f"{name}.c").read_text("utf-8")
    try:  # a call is too short for another thread to take the interpreter meanwhile
        return native_code.library(ctypes.PyDLL, name, text, _OPTIONS)
    except native_code.FAILURES as error:
        _log.info("millrace: there is no compiled code for %s: %s", name, error)
        return None


def _functions(library: ctypes.CDLL, name: str, signatures: dict[str, str]) -> SimpleNamespace:
    found = {}
    for word, signature in signatures.items():
        function = found[word] = getattr(library, f"millrace_{name}_{word}")
        function.restype, *function.argtypes = (_TYPES[letter] for letter in signature)
    return SimpleNamespace(**found)
