"""`tf.contrib.specs`: functions of tensors that are joined by operators, and names for expressions."""

from __future__ import annotations

import importlib
import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Callable as AnyCallable
from types import TracebackType
from typing import Any

from millrace.core.public import public
from millrace.lib.platform import log as logging

QUOTED = re.compile(r"""("([^"\\]|\\.)*"|'([^'\\]|\\.)*')""")
KEYWORDS = re.compile(r"\b(import|while|def|exec)\b")
_debugging = [False]


@public("contrib.specs.debug", "contrib.specs.specs_lib.debug")
def debug(mode: bool = True) -> None:
    """Turns on that each function of an expression logs what it is called with."""
    _debugging[0] = mode


@public("contrib.specs.check_keywords", "contrib.specs.specs_lib.check_keywords")
def check_keywords(spec: str) -> None:
    """Refuses expressions that do more than describe a network.

    Raises:
      ValueError: `spec` has a statement such as `import`.
    """
    found = KEYWORDS.search(QUOTED.sub("", spec))
    if found:
        raise ValueError(f"keyword '{found.group(1)}' found in spec")


@public("contrib.specs.get_positional", "contrib.specs.specs_lib.get_positional")
def get_positional(
    args: Any, kw: dict[str, Any], kw_overrides: bool = False
) -> tuple[list[Any], dict[str, Any]]:
    """Moves what keywords `_0`, `_1`, ... hold to these positions.

    Args:
      args: positional arguments.
      kw: keyword arguments.
      kw_overrides: whether a keyword may take the place of a positional argument.

    Returns:
      Positional arguments, None where nothing was given, and the other keyword arguments.
    """
    found: list[Any] = list(args)
    rest: dict[str, Any] = {}
    for name, value in kw.items():
        if not re.fullmatch(r"_\d+", name):
            rest[name] = value
            continue
        place = int(name[1:])
        found += [None] * (place + 1 - len(found))
        if kw_overrides or place >= len(args):
            found[place] = value
    return found, rest


@public("contrib.specs.Composable", "contrib.specs.specs_lib.Composable")
class Composable(ABC):
    """Something that is applied to tensors, and joined with others of its kind.

    `f | g` applies `f`, then `g`; `f ** n` applies `f` n times, each with variables of its own.
    """

    @abstractmethod
    def funcall(self, x: Any) -> Any:
        """Applies it."""

    def __or__(self, f: Any) -> Composition:
        return Composition(self, f)

    def __pow__(self, n: int) -> Composable:
        if n < 1:
            raise AssertionError(f"A function is repeated at least once. Received: {n}")
        found: Composable = self
        for _ in range(n - 1):
            found = Composition(found, self)
        return found

    def __add__(self, g: Any) -> Operator:
        return Operator(lambda x, y: x + y, self, g)

    def __mul__(self, g: Any) -> Operator:
        return Operator(lambda x, y: x * y, self, g)


@public("contrib.specs.Callable", "contrib.specs.specs_lib.Callable")
class Callable(Composable):
    """A function of one tensor."""

    def __init__(self, f: AnyCallable[[Any], Any]) -> None:
        self.f = f

    def funcall(self, x: Any) -> Any:
        """Calls it."""
        return self.f(x)


@public("contrib.specs.Operator", "contrib.specs.specs_lib.Operator")
class Operator(Composable):
    """Joins what several functions give for the same tensor.

    Args:
      op: takes as many tensors.
      *args: the functions.
    """

    def __init__(self, op: AnyCallable[..., Any], *args: Any) -> None:
        self.op, self.funs = op, args

    def funcall(self, x: Any) -> Any:
        """Applies the functions, then `op`."""
        return self.op(*[f.funcall(x) for f in self.funs])


@public("contrib.specs.Function", "contrib.specs.specs_lib.Function", "contrib.specs.Fun")
class Function(Composable):
    """A function of a tensor and of parameters, some of which are there already.

    Calling it adds parameters; `funcall` applies it.

    Args:
      f: takes the tensor first.
      *args, **kw: parameters.
    """

    def __init__(self, f: AnyCallable[..., Any], *args: Any, **kw: Any) -> None:
        if not callable(f):
            raise ValueError(f"{f!r}: is not callable")
        self.f, self.args, self.kw = f, list(args), kw

    def __call__(self, *args: Any, **kw: Any) -> Function:  # noqa: D102 - the class says it
        return Function(self.f, *args, *self.args, **{**self.kw, **kw})

    def funcall(self, x: Any) -> Any:
        """Applies it to `x`."""
        args, kw = get_positional(self.args, self.kw)
        if _debugging[0]:
            logging.info("DEBUG: %s %s %s %s", self.f, x, args, kw)
        return self.f(x, *args, **kw)


@public("contrib.specs.Composition", "contrib.specs.specs_lib.Composition")
class Composition(Composable):
    """One function after another."""

    def __init__(self, f: Any, g: Any) -> None:
        self.f, self.g = f, g

    def funcall(self, x: Any) -> Any:
        """Applies both."""
        return self.g.funcall(self.f.funcall(x))


@public("contrib.specs.External", "contrib.specs.specs_lib.External")
def External(module_name: str, function_name: str) -> Function:  # noqa: N802
    """A function of a module, by its name."""
    return Function(getattr(importlib.import_module(module_name), function_name))


@public("contrib.specs.Import", "contrib.specs.specs_lib.Import")
def Import(statements: str) -> Function:  # noqa: N802
    """The function that statements, which may import, leave under the name `f`.

    Raises:
      ValueError: they leave none.
    """
    environment: dict[str, Any] = {}
    exec(statements, environment)
    if "f" not in environment:
        raise ValueError(f"{statements}: failed to define f")
    return Function(environment["f"])


@public("contrib.specs.LocalImport", "contrib.specs.specs.LocalImport")
class LocalImport:
    """Names that the caller's functions see inside a `with` statement, as if they had been imported.

    Args:
      names: a dictionary, or an object whose attributes are the names.
    """

    def __init__(self, names: Any) -> None:
        if not isinstance(names, dict):
            names = {name: getattr(names, name) for name in dir(names) if name[0] != "_"}
        self.names = names

    def __enter__(self) -> None:
        frame = inspect.currentframe()
        assert frame is not None
        assert frame.f_back is not None
        self._globals = frame.f_back.f_globals
        self._old = {name: self._globals.get(name) for name in self.names}
        self._globals.update(self.names)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name, value in self._old.items():
            if value is None:
                del self._globals[name]
            else:
                self._globals[name] = value
