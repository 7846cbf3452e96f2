"""`public`: says under which `tf.` names a function, class or value is offered.

The decorator changes nothing. `tools/gen_api.py` reads it from the source without importing anything and
writes the lazy namespaces of `millrace.api`, so exporting a name costs no time when the package is imported.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

from millrace.core import late

_T = TypeVar("_T")


def _unchanged(thing: _T) -> _T:
    return thing


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
      A function that returns its argument unchanged.
    """
    return _unchanged


def namespace(
    module: dict[str, Any],
    names: dict[str, str],
    children: tuple[str, ...] = (),
    aliases: dict[str, str] | None = None,
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Makes `__getattr__` and `__dir__` of a lazy public namespace (PEP 562).

    A name is looked up once: the value found is kept in the module, where Python finds it from then on.

    Args:
      module: `globals()` of the namespace.
      names: public name to the module that holds it, with `:attribute` where the name there differs.
      children: names of nested namespaces.
      aliases: nested names that stand for another namespace's module.

    Returns:
      The pair `(__getattr__, __dir__)`.
    """
    own = module["__name__"]
    module.setdefault("__path__", [])  # private modules may lie below
    spaces = {name: f"{own}.{name}" for name in children} | (aliases or {})

    def find(name: str) -> Any:
        source = names.get(name)
        if source is not None:
            where, _, attribute = source.partition(":")
            value = getattr(import_module(where), attribute or name)
        elif name in spaces:
            value = import_module(spaces[name])
        else:
            value = late.module("paths").find(own.removeprefix("millrace.api").lstrip("."), name)
        module[name] = value
        return value

    def names_offered() -> list[str]:
        return sorted({*names, *spaces, *(n for n in module if n.startswith("__"))})

    return find, names_offered
