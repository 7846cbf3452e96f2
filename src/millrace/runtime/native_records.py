"""Compiled code that finds and decodes the features of records (`records.c`), for who parses many of them."""

from __future__ import annotations

import ctypes
import importlib.resources
import logging
import sys

from millrace.runtime import native_code

_OPTIONS = ("-O3", "-std=gnu11")
_SIGNATURES = {  # name: result and arguments; b: bytes, p: an address, n: a number
    "find": "ibpnbpnnp",
    "steps": "nbpnp",
    "step_cells": "ibpnp",
    "count": "nbpnnp",
    "values": "ibpnnp",
    "dense": "nbpnnnp",
    "list_dense": "ibpnnnnp",
}
_TYPES = {"b": ctypes.c_char_p, "i": ctypes.c_int, "n": ctypes.c_int64, "p": ctypes.c_void_p}

_log = logging.getLogger("millrace")


def load() -> ctypes.CDLL | None:
    """The library; None where there is none, or the user wants none."""
    if sys.byteorder != "little" or not native_code.wanted():
        return None
    text = importlib.resources.files("millrace.runtime").joinpath("records.c").read_text("utf-8")
    try:  # a call is too short for another thread to take the interpreter meanwhile
        library = native_code.library(ctypes.PyDLL, "records", text, _OPTIONS)
    except native_code.FAILURES as error:
        _log.info("millrace: records are read without compiled code: %s", error)
        return None
    for name, signature in _SIGNATURES.items():
        function = getattr(library, f"millrace_records_{name}")
        function.restype, *function.argtypes = (_TYPES[letter] for letter in signature)
    return library
