"""TensorFlow 1.15's private modules: `tensorflow.python.framework.ops` and the like, as programs import them.

One table, `paths.tsv`, says which public object each private name stands for, and the object is that very
one. `generated_ops.txt` does so for the functions of `gen_*_ops`, and the modules of protocol messages
(`tensorflow.core.framework.graph_pb2`) follow from the schemas. Names of millrace's own that only a private
path has are exported where they are defined, as `@public("python.ops.rnn_cell_impl._linear")`.

A module here is made when it is imported; a name in it is looked up when it is used.
"""

from __future__ import annotations

import ast
import contextlib
import dis
import importlib
import inspect
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from millrace.api._private import PRIVATE
from millrace.hook import absent, old_homes, table

_API = "millrace.api."
_BETWEEN = ("millrace", "importlib")  # frames between the user's and this file


def _resolve(public_name: str) -> Any:
    """The public object of that name.

    Raises:
      AttributeError: millrace does not have it.
    """
    thing: Any = importlib.import_module("millrace.api")
    for part in public_name.removeprefix("compat.v1.").split("."):
        thing = getattr(thing, part)
    return thing


def find(path: str, name: str) -> Any:
    """What a module of the API offers under `name` beyond what its generated table has.

    Args:
      path: the module, relative to `tensorflow`; "" is `tf` itself.
      name: the attribute asked for.

    Raises:
      AttributeError: nothing; the message says what is absent and what is near.
      ImportError: the same, in `from ... import`.
    """
    if not name.startswith("__"):
        inner = f"{path}.{name}".lstrip(".")
        if table.has(path) and (found := _private(path, name)) is not None:
            return found[0]
        if table.has(inner):
            return importlib.import_module(_API + inner)
    error = absent.error(path, name, table.names(path).get(name) if table.has(path) else None)
    # `from module import name` would replace the message of an AttributeError by one of its own.
    raise ImportError(str(error), name=path) if _is_from_import() else error


def _private(path: str, name: str) -> tuple[Any] | None:
    if (own := PRIVATE.get(path, {}).get(name)) is not None:
        module, _, attribute = own.partition(":")
        return (getattr(importlib.import_module(module), attribute),)
    target = table.names(path).get(name)
    if target is not None:
        first_version = target.removeprefix("compat.v2.")
        for spelled in (target, first_version) if name.endswith("_v2") else (first_version, target):
            try:
                return (_resolve(spelled),)
            except AttributeError:
                continue
        return None
    if path in table.messages():
        from millrace.core.protos.library import MESSAGES

        exports = MESSAGES.exports(table.messages()[path])
        return (exports[name],) if name in exports else None
    space, _, leaf = path.rpartition(".")
    # a module takes everything from its generated one, which may be of the core where it is of contrib
    for module in (path, f"{space}.gen_{leaf}", f"python.ops.gen_{leaf}"):
        if (generated := table.generated().get(module, {}).get(name)) is not None:
            public_name = old_homes.public_at(module, name)
            return (_operation(name, *generated) if public_name is None else _resolve(public_name),)
    if (second := table.second_version().get(path, {}).get(name)) is not None:
        return (_second(name, *second),)
    if name in (constants := table.constants(path)):
        return (constants[name],)
    if (twin := table.twin(path)) is not None:
        return _private(twin, name)
    if table.has(f"{path}.{name}"):
        return None
    # TensorFlow's private modules import one another, and programs reach one through another.
    if path.startswith("python.") and (module := table.by_last_name().get(name)) is not None:
        return (importlib.import_module(_API + module),)
    return None


def _operation(name: str, op_type: str, arguments: list[str]) -> Callable[..., Any] | None:
    """The function of a `gen_*` module: arguments by position or by name, then `name`."""
    from millrace.building.raw import raw_ops  # pyright: ignore[reportAttributeAccessIssue]  # stub of types

    by_name = getattr(raw_ops, op_type)
    order = [*arguments, "name"]

    def function(*given: Any, **named: Any) -> Any:
        if len(given) > len(order):
            raise TypeError(f"{name} takes at most {len(order)} arguments. Received: {len(given)}")
        return by_name(**dict(zip(order, given)), **named)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Adds an operation of type {op_type}: {name}({', '.join(order)})."
    return function


def _second(name: str, first_name: str, words: list[str]) -> Callable[..., Any]:
    """A function of `tf.compat.v2`, which version 1's function does under its own names of arguments."""
    first = _resolve(first_name)
    always = dict(word[1:].split("=") for word in words if word[0] == "!")
    taken = inspect.signature(first).parameters
    parameters, renamed, defaults = [], {}, {}
    for word in (word for word in words if word[0] != "!"):
        key, _, default = word.partition(":")
        key, _, old = key.partition("=")
        parameters.append(inspect.Parameter(key, inspect.Parameter.POSITIONAL_OR_KEYWORD))
        renamed[key] = old or key
        if default:
            value = _resolve(default[1:]) if default[0] == "@" else ast.literal_eval(default)
            parameters[-1] = parameters[-1].replace(default=value)
            if (old or key) in taken and taken[old or key].default != value:
                defaults[key] = value
    for i in range(1, len(parameters)):  # a default that a word cannot say: version 1's
        if parameters[i - 1].default is not inspect.Parameter.empty is parameters[i].default:
            old = taken.get(renamed[parameters[i].name])
            default = None if old is None or old.default is inspect.Parameter.empty else old.default
            parameters[i] = parameters[i].replace(default=default)
    signature = inspect.Signature(parameters)

    def function(*given: Any, **named: Any) -> Any:
        arguments = {**defaults, **signature.bind(*given, **named).arguments}
        return first(**{renamed[key]: value for key, value in arguments.items()}, **always)

    function.__signature__ = signature  # pyright: ignore[reportFunctionMemberAccess]
    function.__module__ = first.__module__
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`{first_name}` with the arguments {', '.join(renamed)}."
    return function


def _is_from_import() -> bool:
    """Whether the frame that asks for a name is at `from ... import name`."""
    frame = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _BETWEEN:
        frame = frame.f_back
    return frame is not None and dis.opname[frame.f_code.co_code[frame.f_lasti]] == "IMPORT_FROM"


class Maker:
    """Makes the module of a private path."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """An empty module, which looks its names up when they are used."""
        return _Private(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Makes it a package: its own private modules lie in no folder."""
        module.__path__ = []


class _Private(ModuleType):
    """A module whose names are looked up when they are first used."""

    def __init__(self, name: str) -> None:
        super().__init__(name, f"The names of `tensorflow.{name.removeprefix(_API)}`.")

    def __getattr__(self, name: str) -> Any:
        value = find(self.__name__.removeprefix(_API), name)
        setattr(self, name, value)
        return value

    def __dir__(self) -> list[str]:
        path = self.__name__.removeprefix(_API)
        inner = [p.rpartition(".")[2] for p in table.modules(path) if p.rpartition(".")[0] == path]
        tables = (table.names(path), table.generated(), table.second_version(), PRIVATE)
        offered = {
            *tables[0],
            *inner,
            *table.constants(path),
            *(name for names in tables[1:] for name in names.get(path, ())),
        }
        return sorted({*super().__dir__(), *offered})

    @property
    def __all__(self) -> list[str]:
        """What `from ... import *` takes: what millrace has of it, and the modules that it imports."""
        path = self.__name__.removeprefix(_API)
        for name, module in table.imported(path).items():
            if name not in vars(self) and (module[0] == "!" or table.has(module)):
                full = module[1:] if module[0] == "!" else _API + module
                with contextlib.suppress(ImportError):
                    setattr(self, name, importlib.import_module(full))
        return [n for n in dir(self) if not n.startswith("_") and _offered(self, n)]


def _offered(module: ModuleType, name: str) -> bool:
    try:
        getattr(module, name)
    except (AttributeError, ImportError):
        return False
    return True
