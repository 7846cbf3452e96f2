"""Classes to test values for that a program hands in.

`isinstance(value, list)` would make `value` a list of unknown elements to a type checker, and after a check
that a string is a string there would be nothing left to refuse. What is tested with these stays what it was
declared to be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

LISTS: tuple[type, ...] = (list, tuple)
MAPPINGS: tuple[type, ...] = (Mapping,)
ITERABLES: tuple[type, ...] = (Iterable,)
TEXT: tuple[type, ...] = (str,)
TEXTS: tuple[type, ...] = (str, bytes)
