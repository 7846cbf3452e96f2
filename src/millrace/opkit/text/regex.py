r"""RE2's regular expressions for byte strings, on Python's `re`.

RE2 and Python agree on leftmost-first matching but not on syntax: what `$`, `\s`, `\b` and `.` mean, which
escapes exist, what a flag in the middle of a pattern reaches. A pattern is therefore read by RE2's grammar
here and written again in the part of Python's syntax in which both mean the same. Text is UTF-8; a byte that
is not UTF-8 becomes a lone surrogate, which no class and no `.` matches, just as RE2 refuses it. Two limits
remain: matching backtracks, so a hostile pattern can take long, and `\C` takes a whole character instead of
one byte of it.
"""

import functools
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from millrace.core.errors import refusal
from millrace.opkit.text import linear
from millrace.opkit.text.unicode_tables import Ranges, complement, property_ranges

_CLASSES = {
    "d": ((48, 57),),
    "s": ((9, 10), (12, 13), (32, 32)),
    "w": ((48, 57), (65, 90), (95, 95), (97, 122)),
}
_POSIX = {
    "alnum": ((48, 57), (65, 90), (97, 122)),
    "alpha": ((65, 90), (97, 122)),
    "ascii": ((0, 127),),
    "blank": ((9, 9), (32, 32)),
    "cntrl": ((0, 31), (127, 127)),
    "digit": ((48, 57),),
    "graph": ((33, 126),),
    "lower": ((97, 122),),
    "print": ((32, 126),),
    "punct": ((33, 47), (58, 64), (91, 96), (123, 126)),
    "space": ((9, 13), (32, 32)),
    "upper": ((65, 90),),
    "word": _CLASSES["w"],
    "xdigit": ((48, 57), (65, 70), (97, 102)),
}
_CONTROL = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}
_MAX_REPEAT = 1000
_REPEAT = re.compile(r"\{([0-9]+)(,([0-9]*))?\}")
_GROUP = re.compile(r"\(\?(?:P<([0-9A-Za-z_]+)>|([imsU]*)(-[imsU]+)?([:)]))")
_BAD_NAME = re.compile(r"\(\?P<[^>]*>?")
_OCTAL = re.compile(r"[1-7][0-7]{1,2}|0[0-7]{0,2}")
_HEX = re.compile(r"x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]+)\})")
_PROPERTY = re.compile(r"[pP](?:\{(\^?)([A-Za-z_]*)\}|(.))", re.DOTALL)
_POSIX_ITEM = re.compile(r"\[:(\^?)(\w+):\]")


class _SyntaxError(Exception):
    """The pattern breaks RE2's grammar; the text says how, in RE2's words."""


class _Translator:
    """One pass over an RE2 pattern, writing the Python pattern atom by atom."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.out: list[str] = []
        self.flags: frozenset[str] = frozenset()
        self.open: list[tuple[int, frozenset[str]]] = []  # where each open group began, flags to restore
        self.repeatable = False  # the last piece of `out` is an atom that an operator may follow
        self.repeated: int | None = None  # where the operator directly before this place began

    def translate(self) -> str:
        pattern = self.pattern
        while self.at < len(pattern):
            char = pattern[self.at]
            if char in "*+?":
                self.repeat(char, 1)
            elif char == "{" and (found := _REPEAT.match(pattern, self.at)):
                self.bounded_repeat(found)
            else:
                self.repeated = None
                self.item(char)
        if self.open:
            raise _SyntaxError(f"missing ): {pattern}")
        return "".join(self.out)

    def item(self, char: str) -> None:
        if char == "(":
            self.open_group()
            return
        if char == ")":
            self.close_group()
            return
        if char == "|":
            self.out.append("|")
            self.repeatable = False
        elif char == "[":
            self.bracket()
            return
        elif char == "\\":
            self.escape()
            return
        elif char == "^":
            self.atom("(?m:^)" if "m" in self.flags else r"(?:\A)")
        elif char == "$":
            self.atom("(?m:$)" if "m" in self.flags else r"(?:\Z)")
        elif char == ".":
            self.ranges(complement(() if "s" in self.flags else ((10, 10),)))
        else:
            self.literal(char)
        self.at += 1

    # ------------------------------------------------------------ atoms

    def atom(self, text: str) -> None:
        self.out.append(text)
        self.repeatable = True

    def literal(self, char: str) -> None:
        text = char if char.isalnum() or char > "\x7f" else "\\" + char
        self.atom(f"(?i:{text})" if "i" in self.flags and char.lower() != char.upper() else text)

    def ranges(self, ranges: Ranges) -> None:
        if not ranges:
            self.atom("(?:(?!))")
            return
        text = "[" + "".join(_range_text(low, high) for low, high in ranges) + "]"
        self.atom(f"(?i:{text})" if "i" in self.flags else text)

    def escape(self) -> None:
        pattern = self.pattern
        if self.at + 1 >= len(pattern):
            raise _SyntaxError("trailing \\")
        char = pattern[self.at + 1]
        if char == "Q":
            end = pattern.find("\\E", self.at)
            for quoted in pattern[self.at + 2 : end if end >= 0 else len(pattern)]:
                self.literal(quoted)
            self.at = end + 2 if end >= 0 else len(pattern)
            return
        simple = {"A": r"(?:\A)", "z": r"(?:\Z)", "b": r"(?a:\b)", "B": r"(?!(?a:\b))", "C": "(?s:.)"}.get(
            char
        )
        if simple:
            self.at += 2
            self.atom(simple)
        elif (ranges := self.class_escape()) is not None:
            self.ranges(ranges)
        else:
            self.literal(chr(self.char_escape()))

    def class_escape(self) -> Ranges | None:
        r"""`\d`, `\W`, `\pN`, `\p{^Greek}` at the current place; None when no such escape begins here."""
        char = self.pattern[self.at + 1 : self.at + 2]
        known = _CLASSES.get(char.lower()) if char else None
        if known is not None:
            self.at += 2
            return known if char.islower() else complement(known)
        if char not in ("p", "P"):
            return None
        found = _PROPERTY.match(self.pattern, self.at + 1)
        if found is None:
            raise _SyntaxError(f"invalid character class range: {self.pattern[self.at :]}")
        name = found[2] if found[3] is None else found[3]
        ranges = property_ranges(name)
        if ranges is None:
            raise _SyntaxError(f"invalid character class range: \\{found[0]}")
        self.at = found.end()
        negated = (char == "P") != (found[1] == "^")
        return complement(ranges) if negated else ranges

    def char_escape(self) -> int:
        """The code point that the escape at the current place stands for."""
        pattern, start = self.pattern, self.at + 1
        if start >= len(pattern):
            raise _SyntaxError("trailing \\")
        char = pattern[start]
        self.at = start + 1
        if char in _CONTROL:
            return _CONTROL[char]
        if found := _OCTAL.match(pattern, start):
            self.at = found.end()
            return int(found[0], 8)
        if found := _HEX.match(pattern, start):
            code = int(found[1] or found[2], 16)
            if code <= 0x10FFFF:
                self.at = found.end()
                return code
        elif char < "\x80" and not char.isalnum():
            return ord(char)
        raise _SyntaxError(f"invalid escape sequence: \\{char}")

    # ------------------------------------------------------------ classes

    def bracket(self) -> None:
        pattern, start = self.pattern, self.at
        self.at += 1
        negated = pattern.startswith("^", self.at)
        self.at += negated
        ranges: list[tuple[int, int]] = []
        first = True
        while True:
            if self.at >= len(pattern):
                raise _SyntaxError(f"missing ]: {pattern[start:]}")
            if pattern[self.at] == "]" and not first:
                break
            first = False
            ranges.extend(self.bracket_item(start))
        self.at += 1
        merged = complement(complement(ranges))
        self.ranges(self.folded_complement(merged) if negated else merged)

    def folded_complement(self, ranges: Ranges) -> Ranges:
        """A negated class refuses every case of its letters, so fold before turning it round."""
        if "i" not in self.flags:
            return complement(ranges)
        folded = list(ranges)
        for low, high in ranges:
            for code in range(low, min(high, low + 0x3000) + 1):
                folded.extend((ord(c), ord(c)) for c in (chr(code).lower(), chr(code).upper()) if len(c) == 1)
        return complement(folded)

    def bracket_item(self, start: int) -> Ranges:
        pattern = self.pattern
        if found := _POSIX_ITEM.match(pattern, self.at):
            known = _POSIX.get(found[2])
            if known is None:
                raise _SyntaxError(f"invalid character class range: {found[0]}")
            self.at = found.end()
            return complement(known) if found[1] else known
        if pattern[self.at] == "\\" and (ranges := self.class_escape()) is not None:
            return ranges
        begin = self.at
        low = self.bracket_char(start)
        high = low
        if pattern.startswith("-", self.at) and not pattern.startswith("-]", self.at):
            self.at += 1
            high = self.bracket_char(start)
            if high < low:
                raise _SyntaxError(f"invalid character class range: {pattern[begin : self.at]}")
        return ((low, high),)

    def bracket_char(self, start: int) -> int:
        if self.at >= len(self.pattern):
            raise _SyntaxError(f"missing ]: {self.pattern[start:]}")
        if self.pattern[self.at] == "\\":
            return self.char_escape()
        self.at += 1
        return ord(self.pattern[self.at - 1])

    # ------------------------------------------------------------ groups and repetition

    def open_group(self) -> None:
        pattern = self.pattern
        saved = self.flags
        if not pattern.startswith("(?", self.at):
            self.at += 1
            text = "("
        else:
            found = _GROUP.match(pattern, self.at)
            if found is None and (named := _BAD_NAME.match(pattern, self.at)):
                raise _SyntaxError(f"invalid named capture group: {named[0]}")
            if found is None:
                raise _SyntaxError(f"invalid perl operator: {pattern[self.at : self.at + 3]}")
            self.at = found.end()
            if found[1]:
                text = "("
            else:
                self.flags = (saved | frozenset(found[2] or "")) - frozenset((found[3] or "")[1:])
                if found[4] == ")":  # the new flags reach to the end of the enclosing group
                    self.repeatable = False
                    return
                text = "(?:"
        self.open.append((len(self.out), saved))
        self.out.append(text)
        self.repeatable = False

    def close_group(self) -> None:
        if not self.open:
            raise _SyntaxError(f"missing ): {self.pattern}")
        begin, self.flags = self.open.pop()
        self.out[begin:] = ["".join(self.out[begin:]) + ")"]
        self.repeatable = True
        self.at += 1

    def repeat(self, operator: str, width: int) -> None:
        """Writes a repetition whose RE2 text is `width` characters long, and its `?` if one follows."""
        begin = self.at
        self.at += width
        lazy = self.pattern.startswith("?", self.at)
        self.at += lazy
        text = self.pattern[begin : self.at]
        if self.repeated is not None:
            raise _SyntaxError(f"bad repetition operator: {self.pattern[self.repeated : self.at]}")
        if not self.repeatable:
            raise _SyntaxError(f"no argument for repetition operator: {text}")
        self.out[-1] += operator + ("?" if lazy != ("U" in self.flags) else "")
        self.repeated = begin

    def bounded_repeat(self, found: re.Match[str]) -> None:
        low = int(found[1])
        high = low if found[2] is None else int(found[3]) if found[3] else None
        if low > _MAX_REPEAT or (high is not None and (high > _MAX_REPEAT or high < low)):
            raise _SyntaxError(f"invalid repetition size: {found[0]}")
        self.repeat(f"{{{low},{'' if high is None else high}}}", len(found[0]))


def _range_text(low: int, high: int) -> str:
    return f"\\U{low:08x}" if low == high else f"\\U{low:08x}-\\U{high:08x}"


@functools.lru_cache(maxsize=256)
def compile_re2(pattern: bytes) -> re.Pattern[str]:
    """Compiles an RE2 pattern for text that was decoded with `surrogateescape`.

    Args:
      pattern: the RE2 pattern, UTF-8.

    Returns:
      A Python pattern with the same numbered groups.

    Raises:
      InvalidArgumentError: RE2's grammar refuses the pattern.
    """
    text = pattern.decode("utf-8", "replace")
    try:
        if "\ufffd" in text and b"\xef\xbf\xbd" not in pattern:
            raise _SyntaxError("invalid UTF-8")
        return re.compile(_Translator(text).translate())
    except (_SyntaxError, re.error, OverflowError, RecursionError) as problem:
        raise refusal(f"Invalid pattern: {text}, error: {problem}") from None


def full_match(strings: np.ndarray, pattern: bytes) -> np.ndarray:
    """Whether the pattern matches each whole string.

    Args:
      strings: `[...]` object array of `bytes`.
      pattern: RE2 pattern.

    Returns:
      bool of the same shape.

    Raises:
      InvalidArgumentError: the pattern is not valid.
    """
    fast = _linear(pattern)
    if fast is not None:
        found = [fast.fullmatch(item) is not None for item in strings.ravel().tolist()]
    else:
        match = compile_re2(pattern).fullmatch
        found = [match(_text(item)) is not None for item in strings.ravel().tolist()]
    return np.array(found, np.bool_).reshape(strings.shape)


def replace(strings: np.ndarray, pattern: bytes, rewrite: bytes, replace_global: bool = True) -> np.ndarray:
    r"""Replaces matches of the pattern by the rewrite, in which `\0` to `\9` stand for groups.

    Args:
      strings: `[...]` object array of `bytes`.
      pattern: RE2 pattern.
      rewrite: what to put in place of a match.
      replace_global: replace every match, else the first only.

    Returns:
      Object array of `bytes`, same shape. A group that the pattern lacks or that took no part in a match
      is empty; after an escape other than a digit or a backslash the rewrite ends.

    Raises:
      InvalidArgumentError: the pattern is not valid.
    """
    fast = _linear(pattern)
    compiled = compile_re2(pattern) if fast is None else fast
    pieces, valid = _read_rewrite(_text(rewrite))
    out = np.empty(strings.size, object)
    items = strings.ravel().tolist()
    if not valid and not replace_global:
        out[:] = items
        return out.reshape(strings.shape)
    pieces = [p for p in pieces if isinstance(p, str) or p <= compiled.groups]
    if fast is not None:
        parts = [p.encode("utf-8", "surrogateescape") if isinstance(p, str) else p for p in pieces]
        out[:] = [linear.replaced(fast, item, parts, replace_global) for item in items]
        return out.reshape(strings.shape)
    expand = _expander(pieces)
    one = _replace_all if replace_global else _replace_first
    for i, item in enumerate(items):
        out[i] = one(compiled, _text(item), expand).encode("utf-8", "surrogateescape")
    return out.reshape(strings.shape)


def _linear(pattern: bytes) -> Any:
    """RE2's own object for a pattern; None without RE2."""
    if b"(?<" in pattern:  # newer than TensorFlow's RE2, whose grammar the translator knows
        compile_re2(pattern)
    return linear.compiled(pattern)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _read_rewrite(rewrite: str) -> tuple[list[str | int], bool]:
    """The rewrite's pieces and group numbers up to its first wrong escape, and whether it had none."""
    pieces: list[str | int] = []
    at = 0
    while at < len(rewrite):
        slash = rewrite.find("\\", at)
        if slash < 0:
            pieces.append(rewrite[at:])
            break
        pieces.append(rewrite[at:slash])
        following = rewrite[slash + 1 : slash + 2]
        if following and following in "0123456789":
            pieces.append(int(following))
        elif following == "\\":
            pieces.append("\\")
        else:
            return pieces, False
        at = slash + 2
    return pieces, True


def _expander(pieces: list[str | int]) -> Callable[[re.Match[str]], str]:
    if not any(isinstance(piece, int) for piece in pieces):
        constant = "".join(map(str, pieces))
        return lambda match: constant
    return lambda match: "".join(p if isinstance(p, str) else match[p] or "" for p in pieces)


def _replace_first(compiled: re.Pattern[str], text: str, expand: Callable[[re.Match[str]], str]) -> str:
    match = compiled.search(text)
    return text if match is None else text[: match.start()] + expand(match) + text[match.end() :]


def _replace_all(compiled: re.Pattern[str], text: str, expand: Callable[[re.Match[str]], str]) -> str:
    """RE2's global replacement: unlike `re.sub`, no empty match directly after a match, and none retried."""
    at, last_end = 0, -1
    out = []
    while at <= len(text):
        match = compiled.search(text, at)
        if match is None:
            break
        begin, end = match.span()
        out.append(text[at:begin])
        if begin == end == last_end:
            out.append(text[begin : begin + 1])
            at = begin + 1
            continue
        out.append(expand(match))
        at = last_end = end
    out.append(text[at:])
    return "".join(out)
