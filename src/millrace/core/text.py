"""Text and bytes: conversions that take either, and the groups of Python types that programs ask for."""

from __future__ import annotations

import numbers
import os
from typing import Any

import numpy as np

from millrace.core.public import public

complex_types = public("compat.complex_types")((numbers.Complex, np.number))
integral_types = public("compat.integral_types")((numbers.Integral, np.integer))
real_types = public("compat.real_types")((numbers.Real, np.integer, np.floating))
bytes_or_text_types = public("compat.bytes_or_text_types")((bytes, str))


@public("compat.as_bytes")
def as_bytes(bytes_or_text: Any, encoding: str = "utf-8") -> bytes:
    """Text as bytes; bytes as they are.

    Args:
      bytes_or_text: `bytes`, `bytearray` or `str`.
      encoding: how to write text.

    Raises:
      TypeError: it is neither.
    """
    if isinstance(bytes_or_text, str):
        return bytes_or_text.encode(encoding)
    if isinstance(bytes_or_text, bytes | bytearray):
        return bytes(bytes_or_text)
    raise TypeError(f"Expected binary or unicode string. Received: {bytes_or_text!r}")


@public("compat.as_text")
def as_text(bytes_or_text: Any, encoding: str = "utf-8") -> str:
    """Bytes as text; text as it is.

    Args:
      bytes_or_text: `bytes` or `str`.
      encoding: how to read bytes.

    Raises:
      TypeError: it is neither.
    """
    if isinstance(bytes_or_text, str):
        return bytes_or_text
    if isinstance(bytes_or_text, bytes):
        return bytes_or_text.decode(encoding)
    raise TypeError(f"Expected binary or unicode string. Received: {bytes_or_text!r}")


as_str = public("compat.as_str")(as_text)


@public("compat.as_str_any")
def as_str_any(value: Any) -> str:
    """Bytes as text, anything else by `str`."""
    return as_text(value) if isinstance(value, bytes) else str(value)


@public("compat.path_to_str")
def path_to_str(path: Any) -> Any:
    """A path object as text; anything else as it is."""
    return as_str_any(os.fspath(path)) if hasattr(path, "__fspath__") else path
