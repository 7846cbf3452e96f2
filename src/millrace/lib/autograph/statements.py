"""The statements of a function, rewritten: branches and loops become functions that an operator calls.

    if c:                       def then(): nonlocal y; y = 1
        y = 1                   def other(): nonlocal y; y = 2
    else:             ->        def get(): return (ag__.bound(lambda: y, "y"),)
        y = 2                   def put(values): nonlocal y; (y,) = values; ...
                                ag__.if_(c, then, other, get, put, ("y",), 1)

The functions share the variables of the function around them, so that a plain condition runs exactly what it
ran before, and the operators reach the variables by `get` and `put` where a tensor decides.
"""

from __future__ import annotations

import ast
from typing import Any

from millrace.lib.autograph import liveness
from millrace.lib.autograph.expressions import Expressions, ListStatements, call
from millrace.lib.autograph.jumps import Jumps, blocks
from millrace.lib.autograph.settings import Feature, Options


class Scope:
    """The variables of one function.

    Attributes:
      parameters: its own.
      outside: the names that it declares global, and those that it declares nonlocal.
      bound: all that it binds.
    """

    def __init__(self, node: ast.FunctionDef) -> None:
        self.parameters = liveness._parameters(node)
        self.globals: set[str] = set()
        self.nonlocals: set[str] = set()
        self._declarations(node.body)
        self.bound = liveness.written(node.body) | self.parameters
        self.first = next(iter(a.arg for a in (*node.args.posonlyargs, *node.args.args)), None)

    def _declarations(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            if isinstance(statement, ast.Global):
                self.globals.update(statement.names)
            elif isinstance(statement, ast.Nonlocal):
                self.nonlocals.update(statement.names)
            for block in blocks(statement):
                self._declarations(block)

    def declared(self, names: list[str]) -> list[ast.stmt]:
        """`nonlocal` and `global` for names that a function made of a block shares with this one."""
        outer = [n for n in names if n in self.globals]
        shared = [n for n in names if n not in self.globals]
        found: list[ast.stmt] = [ast.Global(outer)] if outer else []
        return found + ([ast.Nonlocal(shared)] if shared else [])


def convert_body(node: ast.FunctionDef, options: Options) -> None:
    """Rewrites a function in place."""
    scope = Scope(node)
    if options.uses(Feature.LISTS):
        lists = ListStatements(scope.bound - scope.globals - scope.nonlocals)
        node.body = [lists.visit(s) for s in node.body]
    node.body = Jumps().removed(node.body)
    inner = {n for s in node.body for n in _read_by_functions(s)}
    live = liveness.Liveness((inner & scope.bound) | scope.globals | scope.nonlocals)
    live.block(node.body, frozenset())
    scope.bound = liveness.written(node.body) | scope.parameters
    writer = _Writer(scope, options)
    body = writer.block(node.body)
    shared = writer.shared - scope.parameters - scope.globals - scope.nonlocals
    declared = [ast.AnnAssign(ast.Name(n, ast.Store()), ast.Constant(None), None, 1) for n in sorted(shared)]
    first = 1 if _is_text(body[0]) else 0
    for statement in declared:
        ast.fix_missing_locations(ast.copy_location(statement, node.body[0]))
    node.body = [*body[:first], *declared, *body[first:]]


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _read_by_functions(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return liveness.reads(statement)
    return {n for block in blocks(statement) for s in block for n in _read_by_functions(s)}


class _Writer:
    """Rewrites the blocks of one function."""

    def __init__(self, scope: Scope, options: Options) -> None:
        self._scope = scope
        self._options = options
        self._expressions = Expressions(options, scope.first)
        self._count = 0
        self.shared: set[str] = set()  # variables that functions made of blocks assign to

    def block(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        """The statements, rewritten."""
        return [new for s in statements for new in self._statement(s)]

    def _statement(self, node: Any) -> list[ast.stmt]:
        if isinstance(node, ast.If):
            return self._if(node)
        if isinstance(node, ast.While):
            return self._while(node)
        if isinstance(node, ast.For):
            return self._for(node)
        if isinstance(node, ast.FunctionDef):
            if not is_generator(node):
                convert_body(node, self._options)
            return [node]
        if isinstance(node, ast.AsyncFunctionDef | ast.ClassDef):
            return [node]
        if isinstance(node, ast.Assert) and self._options.uses(Feature.ASSERT_STATEMENTS):
            return self._assert(node)
        for inner in blocks(node):
            inner[:] = self.block(inner)
        if blocks(node):
            self._expressions.visit_head(node)
            return [node]
        return [self._expressions.visit(node)]

    def _names(self, node: Any, statements: list[ast.stmt]) -> tuple[list[str], list[ast.expr], int]:
        """What a block changes: variables, those that matter first; then places; how many matter."""
        changed = liveness.written(statements)
        live = sorted(changed & node.ag_live)
        rest = sorted(changed - node.ag_live)
        found = liveness.places(statements, changed)
        self.shared |= changed
        return live + rest, found, len(live)

    def _function(self, name: str, parameters: list[str], body: list[ast.stmt], where: ast.AST) -> ast.stmt:
        arguments = ast.arguments([], [ast.arg(p) for p in parameters], None, [], [], None, [])
        return function_node(name, arguments, body, where)

    def _of_block(self, name: str, statements: list[ast.stmt], where: ast.AST, *parameters: str) -> ast.stmt:
        names = sorted(liveness.written(statements))
        inside = self._scope.declared(names) + self.block(statements)
        return self._function(name, list(parameters), inside or [ast.Pass()], where)

    def _accessors(
        self, number: int, names: list[str], found: list[ast.expr], where: ast.AST
    ) -> list[ast.stmt]:
        """The functions that get and put what a block changes."""
        values = [
            call("bound", ast.Lambda(_no_arguments(), ast.Name(n, ast.Load())), ast.Constant(n))
            for n in names
        ]
        got = ast.Return(ast.Tuple([*values, *map(_loaded, found)], ast.Load()))
        targets: list[ast.expr] = [ast.Name(n, ast.Store()) for n in names] + [_stored(p) for p in found]
        put: list[ast.stmt] = [*self._scope.declared(names)]
        if targets:
            put.append(ast.Assign([ast.Tuple(targets, ast.Store())], ast.Name("ag__values", ast.Load())))
        for n in names:
            missing = call("is_missing", ast.Name(n, ast.Load()))
            put.append(ast.If(missing, [ast.Delete([ast.Name(n, ast.Del())])], []))
        return [
            self._function(f"ag__get_{number}", [], [got], where),
            self._function(f"ag__put_{number}", ["ag__values"], put or [ast.Pass()], where),
        ]

    def _operated(
        self, operator: str, number: int, args: list[ast.expr], names: list[str], extra: Any, where: ast.AST
    ) -> ast.stmt:
        found, live, keywords = extra
        made = call(
            operator,
            *args,
            ast.Name(f"ag__get_{number}", ast.Load()),
            ast.Name(f"ag__put_{number}", ast.Load()),
            ast.Tuple([ast.Constant(n) for n in (*names, *map(ast.unparse, found))], ast.Load()),
            ast.Constant(live),
            ast.Constant(len(names)),
        )
        made.keywords = [ast.keyword(k, v) for k, v in keywords.items()]
        return ast.fix_missing_locations(ast.copy_location(ast.Expr(made), where))

    def _if(self, node: ast.If) -> list[ast.stmt]:
        self._count += 1
        k = self._count
        names, found, live = self._names(node, [*node.body, *node.orelse])
        test = self._expressions.visit(node.test)
        then, other = f"ag__then_{k}", f"ag__else_{k}"
        return [
            self._of_block(then, node.body, node),
            self._of_block(other, node.orelse, node.orelse[0] if node.orelse else node),
            *self._accessors(k, names, found, node),
            self._operated("if_", k, [test, _name(then), _name(other)], names, (found, live, {}), node),
        ]

    def _while(self, node: ast.While) -> list[ast.stmt]:
        self._count += 1
        k = self._count
        names, found, live = self._names(node, node.body)
        test, body = f"ag__test_{k}", f"ag__body_{k}"
        tested = ast.copy_location(ast.Return(self._expressions.visit(node.test)), node.test)
        return [
            self._function(test, [], [tested], node),
            self._of_block(body, node.body, node),
            *self._accessors(k, names, found, node),
            self._operated("while_", k, [_name(test), _name(body)], names, (found, live, _flags(node)), node),
        ]

    def _for(self, node: ast.For) -> list[ast.stmt]:
        self._count += 1
        k = self._count
        taken = ast.copy_location(ast.Assign([node.target], _name("ag__item")), node.target)
        ast.fix_missing_locations(taken)
        statements = [taken, *node.body]
        names, found, live = self._names(node, statements)
        iterable, body = self._expressions.visit(node.iter), f"ag__body_{k}"
        return [
            self._of_block(body, statements, node, "ag__item"),
            *self._accessors(k, names, found, node),
            self._operated("for_", k, [iterable, _name(body)], names, (found, live, _flags(node)), node),
        ]

    def _assert(self, node: ast.Assert) -> list[ast.stmt]:
        message = self._expressions.visit(node.msg) if node.msg else ast.Constant(None)
        made = call("assert_", self._expressions.visit(node.test), ast.Lambda(_no_arguments(), message))
        return [ast.fix_missing_locations(ast.copy_location(ast.Expr(made), node))]


def function_node(
    name: str, arguments: ast.arguments, body: list[ast.stmt], where: ast.AST
) -> ast.FunctionDef:
    """The definition of a function, at the place of another node."""
    made: Any = ast.FunctionDef(name, arguments, body, [], None, None)
    if "type_params" in ast.FunctionDef._fields:
        made.type_params = []
    return ast.fix_missing_locations(ast.copy_location(made, where))


def is_generator(node: ast.AST) -> bool:
    """Whether a function yields or awaits."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
    return any(
        isinstance(child, ast.Yield | ast.YieldFrom | ast.Await)
        or (not isinstance(child, functions) and is_generator(child))
        for child in ast.iter_child_nodes(node)
    )


def _flags(node: Any) -> dict[str, ast.expr]:
    """The functions that tell whether a loop has been left."""
    return {
        name: ast.Lambda(_no_arguments(), _name(flag))
        for name in ("returned", "broken")
        if (flag := getattr(node, f"ag_{name}", None))
    }


def _name(name: str) -> ast.expr:
    return ast.Name(name, ast.Load())


def _no_arguments() -> ast.arguments:
    return ast.arguments([], [], None, [], [], None, [])


def _loaded(place: Any) -> ast.expr:
    return type(place)(**{**_fields(place), "ctx": ast.Load()})


def _stored(place: Any) -> ast.expr:
    return type(place)(**{**_fields(place), "ctx": ast.Store()})


def _fields(node: ast.AST) -> dict[str, Any]:
    return dict(ast.iter_fields(node))
