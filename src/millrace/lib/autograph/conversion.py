"""Functions converted: each code object once, then bound to the variables of the function at hand."""

from __future__ import annotations
import __future__

import ast
import copy
import threading
from types import CellType, CodeType, FunctionType
from typing import Any

from millrace.lib.autograph import source
from millrace.lib.autograph.settings import Options
from millrace.lib.autograph.statements import convert_body, function_node, is_generator

_FUTURES = 0
for _name in __future__.all_feature_names:
    _FUTURES |= getattr(__future__, _name).compiler_flag


class _Done:
    """What has been converted; the code objects are kept, so that their ids stay theirs."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.known: dict[tuple[int, Options], tuple[CodeType, CodeType]] = {}


_done = _Done()


def converted(function: FunctionType, options: Options, operators: Any) -> FunctionType:
    """A function with the same variables, defaults and lines whose control flow goes through `operators`.

    Raises:
      SourceError: its source is not to be had.
    """
    code = function.__code__
    if "ag__" in code.co_freevars:  # converted already
        return FunctionType(
            code, function.__globals__, function.__name__, function.__defaults__, function.__closure__
        )
    key = (id(code), options)
    with _done.lock:
        known = _done.known.get(key)
    if known is None:
        known = code, _compiled(function, options)
        with _done.lock:
            _done.known[key] = known
    new = known[1]
    cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
    closure = tuple(CellType(operators) if n == "ag__" else cells[n] for n in new.co_freevars)
    made = FunctionType(new, function.__globals__, function.__name__, function.__defaults__, closure)
    made.__kwdefaults__ = function.__kwdefaults__
    made.__qualname__, made.__doc__ = function.__qualname__, function.__doc__
    made.__module__ = function.__module__
    made.__dict__.update(function.__dict__)
    return made


def tree_of(function: FunctionType, options: Options) -> ast.FunctionDef:
    """The converted syntax tree of a function.

    Raises:
      SourceError: its source is not to be had.
      NotImplementedError: it is a generator.
    """
    found = source.find(function)
    node = copy.deepcopy(found.node)
    if isinstance(node, ast.Lambda):
        returned = ast.copy_location(ast.Return(node.body), node.body)
        node = function_node("lambda_", node.args, [returned], node)
    if is_generator(node):
        raise NotImplementedError(f"generators are not converted. Received: {function!r}")
    node.decorator_list, node.returns = [], None
    for arg in (
        *node.args.posonlyargs,
        *node.args.args,
        *node.args.kwonlyargs,
        node.args.vararg,
        node.args.kwarg,
    ):
        if arg is not None:
            arg.annotation = None
    node.args.defaults, node.args.kw_defaults = [], [None] * len(node.args.kwonlyargs)
    if found.owner is not None:
        _Private(found.owner).visit(node)
    convert_body(node, options)
    return node


def _compiled(function: FunctionType, options: Options) -> CodeType:
    code = function.__code__
    node = tree_of(function, options)
    node.name = "ag__function"  # its own name is that of the original, for recursion
    parameters = [ast.arg(n) for n in ("ag__", *code.co_freevars)]
    arguments = ast.arguments([], parameters, None, [], [], None, [])
    module = ast.Module([function_node("ag__factory", arguments, [node], node)], [])
    whole = compile(module, code.co_filename, "exec", flags=code.co_flags & _FUTURES, dont_inherit=True)
    new = _inner(_inner(whole))
    return new.replace(co_name=code.co_name, co_qualname=code.co_qualname, co_firstlineno=code.co_firstlineno)


def _inner(code: CodeType) -> CodeType:
    return next(c for c in code.co_consts if isinstance(c, CodeType))


class _Private(ast.NodeTransformer):
    """Writes private names (`self.__x`) as the class around makes them."""

    def __init__(self, owner: str) -> None:
        self._owner = owner.lstrip("_")

    def _name(self, name: str) -> str:
        private = name.startswith("__") and not name.endswith("__") and self._owner
        return f"_{self._owner}{name}" if private else name

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        """`x.__name`."""
        self.generic_visit(node)
        node.attr = self._name(node.attr)
        return node

    def visit_Name(self, node: ast.Name) -> Any:
        """`__name`."""
        node.id = self._name(node.id)
        return node
