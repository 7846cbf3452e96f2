"""`public`: says under which `tf.` names a function, class or value is offered.

What it offers gets its border ([border.py](border.py)). `tools/gen_api.py` reads the names from the source
without importing anything and writes the lazy namespaces of `millrace.api`, so exporting a name costs no
time when the package is imported.
"""

from __future__ import annotations

from importlib import import_module
from types import FunctionType

from millrace.core import homes, late

TYPE_CHECKING = False  # importing `typing` itself takes time that `import millrace` should not
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    _T = TypeVar("_T")


def public(*names: str) -> Callable[[_T], _T]:
    """Offers a definition as `tf.<name>` for each of `names`.

    Three spellings are understood by the generator, all at module level:

        @public("add", "math.add")             # a function or class
        def add(x, y, name=None): ...

        AUTO_REUSE = public("AUTO_REUSE")(ReuseMode())      # a value, where it is made

        public("GraphDef", "graph.Def")(GraphDef)  # a name that this module already has

    Args:
      *names: string literals, dotted and relative to `tf`.

    Returns:
      A function that returns its argument: a function or class of this package with its border, anything
      else unchanged.
    """
    from millrace.core.border import bordered  # not before anything is offered: `inspect` takes its time

    def offered(thing: _T) -> _T:
        made = bordered(thing, names)
        if isinstance(made, type | FunctionType):
            homes.offer(made, names)
        return made

    return offered


def namespace(
    module: dict[str, Any],
    modules: dict[str, str],
    children: tuple[str, ...] = (),
    aliases: dict[str, str] | None = None,
) -> tuple[list[str], Callable[[str], Any], Callable[[], list[str]]]:
    """Makes `__all__`, `__getattr__` and `__dir__` of a lazy public namespace (PEP 562).

    A name is looked up once: the value found is kept in the module, where Python finds it from then on.

    Args:
      module: `globals()` of the namespace.
      modules: a module to the public names it holds, with `=attribute` where the name there differs.
      children: names of nested namespaces.
      aliases: nested names that stand for another namespace's module.

    Returns:
      `(__all__, __getattr__, __dir__)`.
    """
    own = module["__name__"]
    module.setdefault("__path__", [])  # private modules may lie below
    spaces = {name: f"{own}.{name}" for name in children} | (aliases or {})
    sources: dict[str, tuple[str, str]] = {}
    for where, names in modules.items():
        for entry in names.split():
            name, _, attribute = entry.partition("=")
            sources[name] = where, attribute or name

    def find(name: str) -> Any:
        source = sources.get(name)
        if source is not None:
            value = getattr(import_module(source[0]), source[1])
        elif name in spaces:
            value = import_module(spaces[name])
        else:
            value = late.module("paths").find(own.removeprefix("millrace.api").lstrip("."), name)
        module[name] = value
        return value

    def names_offered() -> list[str]:
        return sorted({*sources, *spaces, *(n for n in module if n.startswith("__"))})

    return sorted({*sources, *spaces}), find, names_offered
