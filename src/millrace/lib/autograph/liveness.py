"""Which variables statements read and write, and which of them matter after a statement."""

from __future__ import annotations

import ast
from typing import Any

from millrace.lib.autograph.jumps import blocks

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
Names = frozenset[str]
LIVE = "ag_live"  # the attribute of nodes
_NONE: Names = frozenset()


def _parameters(node: Any) -> set[str]:
    a = node.args
    several = [*a.posonlyargs, *a.args, *a.kwonlyargs, *(x for x in (a.vararg, a.kwarg) if x)]
    return {p.arg for p in several}


def reads(node: ast.AST | None) -> set[str]:
    """The names that a node reads, those of functions inside of it included."""
    if node is None:
        return set()
    if isinstance(node, ast.Name):
        return {node.id} if isinstance(node.ctx, ast.Load) else set()
    if isinstance(node, ast.AugAssign):
        target = {node.target.id} if isinstance(node.target, ast.Name) else reads(node.target)
        return target | reads(node.value)
    found: set[str] = set()
    for child in ast.iter_child_nodes(node):
        found |= reads(child)
    if isinstance(node, _FUNCTIONS):
        body = node.body if isinstance(node.body, list) else [node.body]
        own = _parameters(node)
        for statement in body:
            own |= writes(statement)
        return found - own
    if isinstance(node, _COMPREHENSIONS):
        return found - set().union(*(_stored(g.target) for g in node.generators))
    return found


def _stored(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def writes(node: ast.AST) -> set[str]:
    """The names that a node binds or deletes in the function around it."""
    if isinstance(node, ast.Name):
        return set() if isinstance(node.ctx, ast.Load) else {node.id}
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Lambda):
        return set()
    if isinstance(node, _COMPREHENSIONS):  # only `:=` gets out
        return {n.target.id for n in ast.walk(node) if isinstance(n, ast.NamedExpr)}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(a.asname or a.name).partition(".")[0] for a in node.names}
    found = set().union(*map(writes, ast.iter_child_nodes(node)))
    if isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
        found.add(node.name)
    if isinstance(node, ast.MatchMapping) and node.rest:
        found.add(node.rest)
    return found


def written(statements: list[ast.stmt]) -> set[str]:
    """The names that a block binds or deletes."""
    return set().union(*map(writes, statements))


def places(statements: list[ast.stmt], changed: set[str]) -> list[ast.expr]:
    """The attributes and items that a block assigns to, of variables that it does not bind itself."""
    found: dict[str, ast.expr] = {}
    for statement in statements:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        inner = blocks(statement)
        if inner:
            for block in inner:
                found.update({ast.unparse(p): p for p in places(block, changed)})
            continue
        for node in ast.walk(statement):
            if (
                isinstance(node, ast.Attribute | ast.Subscript)
                and isinstance(node.ctx, ast.Store)
                and _root(node) not in (None, *changed)
            ):
                found.setdefault(ast.unparse(node), node)
    return list(found.values())


def _root(node: ast.expr) -> str | None:
    """The variable that a place is reached from; None where something is called or computed on the way."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Constant | ast.Name):
            return None
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


class Liveness:
    """Notes on each branch and loop of a function without jumps which names are read after it.

    `ag_live` of an `if` are the names that matter behind it, of a loop those that matter before each of its
    iterations or behind it.

    Args:
      always: names that matter everywhere, since functions inside or the world outside read them.
    """

    def __init__(self, always: set[str]) -> None:
        self._always = frozenset(always)

    def block(self, statements: list[ast.stmt], after: Names) -> Names:
        """What matters before a block, from what matters after it."""
        for statement in reversed(statements):
            after = self._statement(statement, after) | self._always
        return after

    def _statement(self, node: Any, after: Names) -> Names:
        if isinstance(node, ast.If):
            setattr(node, LIVE, after)
            return self.block(node.body, after) | self.block(node.orelse, after) | reads(node.test)
        if isinstance(node, ast.While | ast.For):
            return self._loop(node, after)
        if isinstance(node, ast.With):
            body = self.block(node.body, after)
            items = set().union(*(reads(i) for i in node.items))
            return (body - set().union(*(writes(i) for i in node.items))) | items
        if blocks(node):
            return self._other(node, after)
        return (after - writes(node)) | reads(node)

    def _loop(self, node: Any, after: Names) -> Names:
        flags = {getattr(node, name, "") for name in ("ag_returned", "ag_broken")} - {""}
        target = _stored(node.target) if isinstance(node, ast.For) else set()
        head = after | flags | (reads(node.test) if isinstance(node, ast.While) else _NONE)
        while True:
            wider = head | (self.block(node.body, head) - target)
            if wider == head:
                break
            head = wider
        setattr(node, LIVE, head)
        return head | (reads(node.iter) if isinstance(node, ast.For) else _NONE)

    def _other(self, node: Any, after: Names) -> Names:
        """`try`, `match` and the like: what any of their blocks may need matters in all of them."""
        needed = after | reads(node)
        always, self._always = self._always, self._always | needed
        for block in blocks(node):
            self.block(block, needed)
        self._always = always
        return needed
