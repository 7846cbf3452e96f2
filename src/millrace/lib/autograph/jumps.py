"""`return`, `break` and `continue` as flags and conditions, so that every block runs to its end.

After a statement that may jump, the rest of its block is guarded by `if not flag`. Where one side of an `if`
returns in any case, what follows moves to the other side instead, so that both sides give the same results.
"""

from __future__ import annotations

import ast
from typing import Any

RESULT = "ag__result"
RETURNED = "ag__returned"
FLAGS = ("ag__returned", "ag__break", "ag__skip")


def assign(name: str, value: ast.expr, where: ast.AST) -> ast.Assign:
    """`name = value`, at the place of another node."""
    made = ast.Assign([ast.Name(name, ast.Store())], value)
    return ast.fix_missing_locations(ast.copy_location(made, where))


def blocks(node: ast.AST) -> list[list[ast.stmt]]:
    """The blocks of statements right inside of a statement."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return []
    found = [getattr(node, name, None) for name in ("body", "orelse", "finalbody")]
    inner = [b for h in getattr(node, "handlers", ()) for b in [h.body]]
    inner += [c.body for c in getattr(node, "cases", ())]
    return [b for b in found if isinstance(b, list)] + inner


def holds(statement: ast.stmt, kinds: Any, stop: Any = ()) -> bool:
    """Whether a statement of these kinds is inside, but not in a statement of kinds `stop`."""
    if isinstance(statement, kinds):
        return True
    return any(holds(s, kinds, stop) for block in blocks(statement) for s in block if not isinstance(s, stop))


def _negated(flag: str) -> ast.expr:
    return ast.UnaryOp(ast.Not(), ast.Name(flag, ast.Load()))


def _guarded(flag: str, rest: list[ast.stmt]) -> list[ast.stmt]:
    if not rest:
        return []
    guard = ast.If(_negated(flag), rest, [])
    return [ast.fix_missing_locations(ast.copy_location(guard, rest[0]))]


class Jumps:
    """Removes the jumps of one function."""

    def __init__(self) -> None:
        self._count = 0

    def removed(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """The body of a function without jumps, but for one `return` as its last statement."""
        self._loops(body)
        if not any(holds(s, ast.Return) for s in body[:-1]) and not (
            body and not isinstance(body[-1], ast.Return) and holds(body[-1], ast.Return)
        ):
            return body
        start = body[0]
        body = self._without_returns(_moved(body))
        last = ast.Return(_call("result", ast.Name(RETURNED, ast.Load()), ast.Name(RESULT, ast.Load())))
        ast.fix_missing_locations(ast.copy_location(last, body[-1]))
        return [
            assign(RETURNED, ast.Constant(False), start),
            assign(RESULT, _attribute("NOTHING"), start),
            *body,
            last,
        ]

    def _without_returns(self, block: list[ast.stmt]) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        for i, statement in enumerate(block):
            if isinstance(statement, ast.Return):
                out.append(assign(RETURNED, ast.Constant(True), statement))
                out.append(assign(RESULT, statement.value or ast.Constant(None), statement))
                return out
            out.append(statement)
            if holds(statement, ast.Return):
                for inner in blocks(statement):
                    inner[:] = self._without_returns(inner)
                if isinstance(statement, ast.While | ast.For):
                    setattr(statement, "ag_returned", RETURNED)  # noqa: B010 - no field of the class
                return out + _guarded(RETURNED, self._without_returns(block[i + 1 :]))
        return out

    def _loops(self, block: list[ast.stmt]) -> None:
        """Removes `break`, `continue` and `else` from the loops of a block, in place."""
        found: list[ast.stmt] = []
        for statement in block:
            for inner in blocks(statement):
                self._loops(inner)
            if isinstance(statement, ast.While | ast.For):
                found += self._loop(statement)
            else:
                found.append(statement)
        block[:] = found

    def _loop(self, loop: ast.While | ast.For) -> list[ast.stmt]:
        inside = (ast.While, ast.For, ast.AsyncFor)
        breaks = any(holds(s, ast.Break, inside) for s in loop.body if not isinstance(s, inside))
        skips = any(holds(s, ast.Continue, inside) for s in loop.body if not isinstance(s, inside))
        before: list[ast.stmt] = []
        after, loop.orelse = loop.orelse, []
        if breaks or skips:
            self._count += 1
            broken, skip = f"ag__break_{self._count}", f"ag__skip_{self._count}"
            start = loop.body[0]
            loop.body = self._without_breaks(loop.body, broken, skip)
            loop.body.insert(0, assign(skip, ast.Constant(False), start))
            if breaks:
                before.append(assign(broken, ast.Constant(False), loop))
                setattr(loop, "ag_broken", broken)  # noqa: B010 - no field of the class
                after = _guarded(broken, after)
        return [*before, loop, *after]

    def _without_breaks(self, block: list[ast.stmt], broken: str, skip: str) -> list[ast.stmt]:
        inside = (ast.While, ast.For, ast.AsyncFor)
        out: list[ast.stmt] = []
        for i, statement in enumerate(block):
            if isinstance(statement, ast.Break | ast.Continue):
                if isinstance(statement, ast.Break):
                    out.append(assign(broken, ast.Constant(True), statement))
                out.append(assign(skip, ast.Constant(True), statement))
                return out
            out.append(statement)
            if not isinstance(statement, inside) and holds(statement, (ast.Break, ast.Continue), inside):
                for inner in blocks(statement):
                    inner[:] = self._without_breaks(inner, broken, skip)
                return out + _guarded(skip, self._without_breaks(block[i + 1 :], broken, skip))
        return out


def _moved(block: list[ast.stmt]) -> list[ast.stmt]:
    """The block with what follows an `if` that returns on one side moved to its other side."""
    out: list[ast.stmt] = []
    target = out
    for statement in block:
        for inner in blocks(statement):
            inner[:] = _moved(inner)
        target.append(statement)
        if isinstance(statement, ast.If):
            if _returns(statement.body):
                target = statement.orelse
            elif _returns(statement.orelse):
                target = statement.body
    return out


def _returns(block: list[ast.stmt]) -> bool:
    """Whether a block returns in any case."""
    return any(
        isinstance(s, ast.Return)
        or (isinstance(s, ast.If) and _returns(s.body) and _returns(s.orelse))
        or (isinstance(s, ast.With) and _returns(s.body))
        for s in block
    )


def _attribute(name: str) -> ast.expr:
    return ast.Attribute(ast.Name("ag__", ast.Load()), name, ast.Load())


def _call(name: str, *args: ast.expr) -> ast.expr:
    return ast.Call(_attribute(name), list(args), [])
