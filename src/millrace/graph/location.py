"""Where in the user's program an operation was created: captured cheaply, turned into text only when asked
for.
"""

from __future__ import annotations

import linecache
import re
import sys
from pathlib import Path
from types import CodeType
from typing import Any

PACKAGE = str(Path(__file__).resolve().parent.parent) + "/"
_DEPTH = 8
_inside: dict[str, bool] = {}  # by file: the hash of a code object takes five times as long as that of a name

Frames = tuple[Any, ...]  # a code object and an instruction offset for each frame, flat: one object, not nine


def capture(skip: int = 1) -> Frames:
    """The innermost frames outside millrace, as code and instruction offset: a fifth of the time of a
    formatted traceback.

    Args:
      skip: how many frames around the caller are known to be millrace's.
    """
    frame = sys._getframe(skip + 1)  # pyright: ignore[reportPrivateUsage] - nothing else is as fast
    inside = _inside
    while frame is not None:
        file = frame.f_code.co_filename
        known = inside.get(file)
        if known is None:
            known = inside[file] = file.startswith(PACKAGE)
        if not known:
            break
        frame = frame.f_back
    found: list[Any] = []
    left = _DEPTH
    while frame is not None and left:
        found += frame.f_code, frame.f_lasti
        frame = frame.f_back
        left -= 1
    return tuple(found)


def _line(code: CodeType, offset: int) -> int:
    for start, end, line in code.co_lines():
        if start <= offset < end and line is not None:
            return line
    return code.co_firstlineno


def describe(frames: Frames) -> str:
    """The innermost user frame as `place` names it, empty when there is none."""
    if not frames:
        return ""
    code, offset = frames[:2]
    return place(code.co_filename, _line(code, offset))


def place(file: str, line: int) -> str:
    """A line of a file as messages name it: `file.py:42`, or `cell 3, line 2` in a notebook."""
    cell = _cell(file)
    return f"{cell}, line {line}" if cell else f"{Path(file).name}:{line}"


def _cell(file: str) -> str:
    """`cell 3` for the source of the notebook's third input, empty for a file."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = get_ipython() if get_ipython is not None else None
    named = getattr(getattr(shell, "compile", None), "format_code_name", None)
    _, text = (named(file) if named is not None else None) or ("", "")
    number = re.fullmatch(r"In\s?\[(\d+)\]", text)
    return f"cell {number[1]}" if number else ""


def traceback(frames: Frames) -> list[tuple[str, int, str, str]]:
    """(file, line, function, source line) from the outermost kept frame to the innermost."""
    rows: list[tuple[str, int, str, str]] = []
    for code, offset in reversed(list(zip(frames[::2], frames[1::2], strict=True))):
        line = _line(code, offset)
        rows.append((code.co_filename, line, code.co_name, linecache.getline(code.co_filename, line).strip()))
    return rows
