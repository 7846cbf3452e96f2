"""Regular expressions in linear time, by RE2 itself where its package is installed.

TensorFlow's patterns are RE2's. Python's own engine takes exponential time for some of them, `(a+)+$` for
example, which is enough to stop a program with a pattern from a file. Where RE2 has no wheel for a platform,
`regex` translates patterns for Python's engine instead.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from millrace.core.errors import refusal

_LENGTHS = ((0xF0, 4), (0xE0, 3), (0xC0, 2))  # of a character, by its first byte


@functools.cache
def _re2() -> Any:
    try:
        import re2
    except ImportError:  # no wheel for this platform
        return None
    return re2


@functools.lru_cache(maxsize=256)
def compiled(pattern: bytes) -> Any:
    """RE2's object for a pattern, which works on bytes that hold UTF-8; None without RE2.

    Raises:
      InvalidArgumentError: the pattern is not valid.
    """
    re2 = _re2()
    if re2 is None:
        return None
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as problem:
        reason = problem.args[0].decode() if isinstance(problem.args[0], bytes) else problem
        text = pattern.decode("utf-8", "replace")
        raise refusal(f"Invalid pattern: {text}, error: {reason}") from None


def replaced(pattern: Any, text: bytes, pieces: Sequence[bytes | int], everywhere: bool) -> bytes:
    """The text with matches replaced.

    Args:
      pattern: from `compiled`.
      text: where.
      pieces: what comes in the place of a match: bytes, and numbers of groups.
      everywhere: each match, else the first.
    """
    at, last_end = 0, -1
    out: list[bytes] = []
    while at <= len(text):
        match = pattern.search(text, at)
        if match is None:
            break
        begin, end = match.span()
        out.append(text[at:begin])
        if begin == end == last_end:  # no empty match directly behind another
            step = _length(text, begin)
            out.append(text[begin : begin + step])
            at = begin + step
            continue
        out.extend(p if isinstance(p, bytes) else match.group(p) or b"" for p in pieces)
        at = last_end = end
        if not everywhere:
            break
    out.append(text[at:])
    return b"".join(out)


def _length(text: bytes, at: int) -> int:
    """How many bytes the character at a place has; 1 where it is not UTF-8."""
    first = text[at] if at < len(text) else 0
    size = next((length for least, length in _LENGTHS if first >= least), 1)
    try:
        text[at : at + size].decode("utf-8")
    except UnicodeDecodeError:
        return 1
    return size
