"""The tables of TensorFlow 1.15's private modules, read when the first of them is asked for."""

from __future__ import annotations

import ast
from functools import cache

from millrace.api._private import PRIVATE
from millrace.hook.lists import lines, sections


@cache
def table() -> dict[str, list[tuple[str, str]]]:
    """Private module -> (public namespace, the names there), not yet taken apart."""
    found: dict[str, list[tuple[str, str]]] = {}
    for line in lines("paths.tsv"):
        module, space, names = line.split("\t")
        found.setdefault(module, []).append((space, names))
    return found


@cache
def generated() -> dict[str, dict[str, tuple[str, list[str]]]]:
    """Module of generated operations -> function -> (operation type, arguments in order)."""
    found: dict[str, dict[str, tuple[str, list[str]]]] = {}
    for line in lines("generated_ops.txt"):
        if line[0] == "[":
            functions = found[line[1:-1]] = {}
        else:
            function, op_type, *arguments = line.split()
            functions[function] = op_type, arguments  # pyright: ignore[reportPossiblyUnboundVariable]
    return found


@cache
def second_version() -> dict[str, dict[str, tuple[str, list[str]]]]:
    """Module of `compat.v2` -> function -> (version 1's name, words that say which arguments it takes)."""
    found: dict[str, dict[str, tuple[str, list[str]]]] = {}
    for line in lines("second_version.txt"):
        path, first_name, *words = line.split()
        module, _, name = path.rpartition(".")
        found.setdefault(module, {})[name] = first_name, words
    return found


@cache
def _contents() -> dict[str, tuple[str, str]]:
    """Private module -> its constants and the modules that it imports, not yet taken apart."""
    found: dict[str, tuple[str, str]] = {}
    for module, line in sections("contents.txt"):
        if line[0] == ">":
            found[module] = found.get(module, ("", ""))[0], line[2:]
        else:
            found[module] = line, ""
    return found


@cache
def constants(path: str) -> dict[str, int | float | str]:
    """The constants of a private module by name."""
    words = (word.partition("=") for word in _contents().get(path, ("", ""))[0].split())
    return {name: ast.literal_eval(value) for name, _, value in words}


@cache
def imported(path: str) -> dict[str, str]:
    """The modules that a private module imports, by its names for them; "!" before one not of TensorFlow."""
    found: dict[str, str] = {}
    for word in _contents().get(path, ("", ""))[1].split():
        name, _, module = word.partition("=")
        own = f"{path}.{name}"
        found[name] = module or (own if has(own) else by_last_name().get(name, own))
    return found


@cache
def messages() -> dict[str, str]:
    """Module of protocol messages -> the last name of the schema's file."""
    from millrace.core.protos.library import MESSAGES

    files = MESSAGES.files
    modules = {f: path.removeprefix("tensorflow/").removesuffix(".proto") for f, path in files.items()}
    return {f"{path.replace('/', '.')}_pb2": file for file, path in modules.items()}


@cache
def known_modules() -> tuple[str, ...]:
    """The private modules of 1.15, those included of which millrace has nothing.

    A program may import such a module and never use it; what it looks up in there says that it is absent.
    """
    words = (line.split() for line in lines("modules.txt"))
    return tuple(f"{package}.{module}" for package, *modules in words for module in modules)


@cache
def _modules(below: str) -> frozenset[str]:
    """Every private module below `core`, or everywhere else, and the packages around them."""
    found: set[str] = set()
    own = (*table(), *generated(), *second_version(), *PRIVATE)
    for module in messages() if below == "core" else (*own, *known_modules()):
        while module and module not in found:
            found.add(module)
            module = module.rpartition(".")[0]
    return frozenset(found)


_NEAREST = ("framework", "ops", "util", "training", "platform", "eager", "layers", "summary", "client")


@cache
def by_last_name() -> dict[str, str]:
    """Last name of a private module -> the module; of several, the one that most others import."""

    def far(path: str) -> tuple[int, int]:
        package = path.split(".")[1]
        return (_NEAREST.index(package) if package in _NEAREST else len(_NEAREST), path.count("."))

    found: dict[str, str] = {}
    modules = {*table(), *generated(), *PRIVATE}
    for path in sorted((m for m in modules if m.startswith("python.")), key=far):
        found.setdefault(path.rpartition(".")[2], path)
    return found


@cache
def twin(path: str) -> str | None:
    """The module of the same last name that stands for one of which millrace has nothing of its own."""
    own = path in table() or path in generated() or path in PRIVATE
    found = None if own or path not in known_modules() else by_last_name().get(path.rpartition(".")[2])
    return None if found == path else found


def has(path: str) -> bool:
    """True for a private module, relative to `tensorflow`, and for the packages around one."""
    return path in modules(path)


def modules(path: str) -> frozenset[str]:
    """The private modules and packages in that part of the tree to which `path` belongs."""
    return _modules("core" if path.partition(".")[0] == "core" else "")


@cache
def names(path: str) -> dict[str, str]:
    """Name in a private module -> the public name that it stands for."""
    found: dict[str, str] = {}
    for space, names in table().get(path, ()):
        for word in names.split():
            name, _, leaf = word.partition("=")
            found[name] = f"{space}.{leaf or name}".lstrip(".")
    return found
