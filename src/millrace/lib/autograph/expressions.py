"""The expressions of a function, rewritten: logic, conditional expressions, and whom a call calls."""

from __future__ import annotations

import ast
from typing import Any

from millrace.lib.autograph.settings import Feature, Options

# What looks at the frame that calls it, or has no function to convert.
_AS_THEY_ARE = frozenset(("locals", "globals", "vars", "dir", "eval", "exec", "breakpoint", "print"))


def call(operator: str, *args: ast.expr) -> ast.Call:
    """`ag__.operator(args)`."""
    return ast.Call(ast.Attribute(ast.Name("ag__", ast.Load()), operator, ast.Load()), list(args), [])


def _later(expression: ast.expr) -> ast.Lambda:
    """`lambda: expression`."""
    return ast.Lambda(ast.arguments([], [], None, [], [], None, []), expression)


def _binds(node: ast.AST) -> bool:
    """Whether an expression cannot move into a function: it binds a name of the function around it."""
    return any(isinstance(n, ast.NamedExpr | ast.Yield | ast.YieldFrom | ast.Await) for n in ast.walk(node))


class Expressions(ast.NodeTransformer):
    """Rewrites the expressions of one function.

    Args:
      options: which features are asked for.
      first: the name of the function's first parameter, for `super()`.
    """

    def __init__(self, options: Options, first: str | None) -> None:
        self._options = options
        self._first = first
        self._recursive = options.recursive
        self._lists = options.uses(Feature.LISTS)

    def visit_head(self, node: Any) -> None:
        """Rewrites what a statement with blocks holds besides them."""
        for item in getattr(node, "items", ()):
            item.context_expr = self.visit(item.context_expr)
        if isinstance(node, ast.Match):
            node.subject = self.visit(node.subject)

    def _placed(self, new: ast.expr, old: ast.AST) -> Any:
        return ast.fix_missing_locations(ast.copy_location(new, old))

    def visit_BoolOp(self, node: ast.BoolOp) -> Any:
        """`a and b` -> `ag__.and_(lambda: a, lambda: b)`."""
        if any(map(_binds, node.values)):
            return node
        self.generic_visit(node)
        operator = "and_" if isinstance(node.op, ast.And) else "or_"
        return self._placed(call(operator, *map(_later, node.values)), node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Any:
        """`not a` -> `ag__.not_(a)`."""
        self.generic_visit(node)
        return self._placed(call("not_", node.operand), node) if isinstance(node.op, ast.Not) else node

    def visit_IfExp(self, node: ast.IfExp) -> Any:
        """`a if c else b` -> `ag__.choose(c, lambda: a, lambda: b)`."""
        if _binds(node.body) or _binds(node.orelse):
            return node
        self.generic_visit(node)
        return self._placed(call("choose", node.test, _later(node.body), _later(node.orelse)), node)

    def visit_Compare(self, node: ast.Compare) -> Any:
        """`a == b` -> `ag__.equal(a, b)`, where equality is asked for."""
        self.generic_visit(node)
        if len(node.ops) == 1 and self._options.uses(Feature.EQUALITY_OPERATORS):
            operator = {ast.Eq: "equal", ast.NotEq: "not_equal"}.get(type(node.ops[0]))
            if operator:
                return self._placed(call(operator, node.left, node.comparators[0]), node)
        return node

    def visit_Call(self, node: ast.Call) -> Any:
        """`f(x)` -> `ag__.callee(f)(x)`."""
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "ag__":
            node.args = [self.visit(a) for a in node.args]
            return node
        self.generic_visit(node)
        if name == "super":
            if not node.args and self._first:
                node.args = [ast.Name("__class__", ast.Load()), ast.Name(self._first, ast.Load())]
                ast.fix_missing_locations(node)
            return node
        if name == "print" and self._options.uses(Feature.BUILTIN_FUNCTIONS):
            node.func = self._placed(call("printer", node.func), node.func)
        elif self._recursive and name not in _AS_THEY_ARE:
            node.func = self._placed(call("callee", node.func), node.func)
        return node

    def visit_Lambda(self, node: ast.Lambda) -> Any:
        """The body of a lambda is rewritten in place."""
        node.body = self.visit(node.body)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        """`l[i]` -> `ag__.item(l, i)`, where lists are asked for."""
        self.generic_visit(node)
        if (
            self._lists
            and isinstance(node.ctx, ast.Load)
            and not isinstance(node.slice, ast.Slice | ast.Tuple)
        ):
            return self._placed(call("item", node.value, node.slice), node)
        return node

    def visit_List(self, node: ast.List) -> Any:
        """`[]` -> `ag__.new_list(...)`, where lists are asked for."""
        self.generic_visit(node)
        if self._lists and isinstance(node.ctx, ast.Load):
            return self._placed(call("new_list", node), node)
        return node


class ListStatements(ast.NodeTransformer):
    """Rewrites `l.append(x)`, `y = l.pop()` and `l[i] = x` as statements that bind the list anew.

    Args:
      names: the variables of the function; a list of another function is left as it is.
    """

    def __init__(self, names: set[str]) -> None:
        self._names = names
        self._dtypes: dict[str, ast.expr] = {}  # what set_element_type says

    def visit_Call(self, node: ast.Call) -> Any:
        """`stack(l)` gets the dtype that `set_element_type(l, dtype)` says."""
        self.generic_visit(node)
        called = ast.unparse(node.func).rpartition(".")[2]
        if not node.args or not isinstance(node.args[0], ast.Name):
            return node
        if called == "set_element_type" and len(node.args) > 1:
            self._dtypes[node.args[0].id] = node.args[1]
        said = self._dtypes.get(node.args[0].id)
        if called == "stack" and len(node.args) == 1 and not node.keywords and said is not None:
            node.keywords = [ast.keyword("element_dtype", said)]
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        """Functions inside have variables of their own."""
        return node

    def visit_Expr(self, node: ast.Expr) -> Any:
        """`l.append(x)` -> `l = ag__.append(l, x)`."""
        value: Any = node.value
        if not self._is_method(value, "append", 1):
            return self.generic_visit(node)
        name = value.func.value.id
        return self._bound(name, call("append", ast.Name(name, ast.Load()), value.args[0]), node)

    def visit_Assign(self, node: ast.Assign) -> Any:
        """`y = l.pop()` -> `l, y = ag__.pop(l)`; `l[i] = x` -> `l = ag__.set_item(l, i, x)`."""
        value: Any = node.value
        target: Any = node.targets[0]
        self.generic_visit(node)
        if len(node.targets) > 1:
            return node
        if self._is_method(value, "pop", 0):
            name = value.func.value.id
            both = ast.Tuple([ast.Name(name, ast.Store()), target], ast.Store())
            made = ast.Assign([both], call("pop", ast.Name(name, ast.Load())))
            return ast.fix_missing_locations(ast.copy_location(made, node))
        if _is_item(target) and target.value.id in self._names:
            name = target.value.id
            return self._bound(name, call("set_item", ast.Name(name, ast.Load()), target.slice, value), node)
        return node

    def _is_method(self, node: Any, name: str, arguments: int) -> bool:
        return (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == name
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id in self._names
            and len(node.args) == arguments
            and not node.keywords
        )

    def _bound(self, name: str, value: ast.expr, where: ast.AST) -> ast.stmt:
        made = ast.Assign([ast.Name(name, ast.Store())], value)
        return ast.fix_missing_locations(ast.copy_location(made, where))


def _is_item(node: Any) -> bool:
    return (
        isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and not isinstance(node.slice, ast.Slice | ast.Tuple)
    )
