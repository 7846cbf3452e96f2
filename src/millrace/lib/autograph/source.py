"""The syntax tree of a function, from the file or notebook cell that it was written in."""

from __future__ import annotations

import ast
import linecache
import threading
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

Function = ast.FunctionDef | ast.Lambda


class SourceError(Exception):
    """The source of a function is not to be had."""


@dataclass
class Found:
    """A function's tree: shared, so copy it before changing it.

    Attributes:
      node: the definition.
      owner: the class around it, by whose name private names are written; None for a plain function.
    """

    node: Function
    owner: str | None


class _Files:
    """The functions of the files read so far."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.known: dict[str, tuple[list[str], dict[tuple[str, int], list[Found]]]] = {}

    def functions(self, name: str, module: Any) -> dict[tuple[str, int], list[Found]]:
        """By name and first line, the functions of a file.

        Raises:
          SourceError: there is no such file.
        """
        lines = linecache.getlines(name, module)
        if not lines:
            raise SourceError(f"no source of {name}")
        with self.lock:
            known = self.known.get(name)
            if known is None or known[0] is not lines:
                tree = ast.parse("".join(lines))
                found: dict[tuple[str, int], list[Found]] = {}
                _collect(tree, None, found)
                known = self.known[name] = lines, found
            return known[1]


_files = _Files()


def _collect(node: ast.AST, owner: str | None, found: dict[tuple[str, int], list[Found]]) -> None:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            _collect(child, child.name, found)
            continue
        if isinstance(child, ast.FunctionDef):
            first = min([child.lineno, *(d.lineno for d in child.decorator_list)])
            found.setdefault((child.name, first), []).append(Found(child, owner))
        elif isinstance(child, ast.Lambda):
            found.setdefault(("<lambda>", child.lineno), []).append(Found(child, owner))
        _collect(child, owner, found)


def find(function: FunctionType) -> Found:
    """The tree of a function.

    Raises:
      SourceError: its source is not there, or does not tell which function it is.
    """
    code = function.__code__
    try:
        functions = _files.functions(code.co_filename, function.__globals__)
    except SyntaxError as error:
        raise SourceError(str(error)) from error
    candidates = functions.get((code.co_name, code.co_firstlineno), [])
    if len(candidates) > 1:
        candidates = [f for f in candidates if _spans(f.node, code)]
        candidates.sort(key=lambda f: _size(f.node))
    if not candidates:
        raise SourceError(f"line {code.co_firstlineno} of {code.co_filename} does not hold the function")
    return candidates[0]


def _span(node: Function) -> tuple[tuple[int, int], tuple[int, int]]:
    first = node.body if isinstance(node, ast.Lambda) else node.body[0]
    last = node.body if isinstance(node, ast.Lambda) else node.body[-1]
    return (first.lineno, first.col_offset), (last.end_lineno or 0, last.end_col_offset or 0)


def _size(node: Function) -> tuple[int, int]:
    start, end = _span(node)
    return end[0] - start[0], end[1] - start[1]


def _spans(node: Function, code: CodeType) -> bool:
    """Whether all that the code does stands inside the function's body."""
    start, end = _span(node)
    for line, end_line, column, end_column in code.co_positions():
        if line is None or end_line is None or not end_column:  # what precedes the body has no columns
            continue
        if not (start <= (line, column or 0) and (end_line, end_column) <= end):
            return False
    return True
