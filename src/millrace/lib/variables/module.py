"""`tf.Module`: an object that has variables, found among its attributes."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from millrace.core import nest
from millrace.core.public import public
from millrace.graph.defaults import get_default_graph
from millrace.lib.variables.variable import Variable

_INDEPENDENT = "_independent_attributes"
_BEFORE_CAPITAL = re.compile("((?<=[a-z0-9])[A-Z]|(?!^)[A-Z](?=[a-z]))")


class _Scope:
    """A name scope that can be entered again and again, and by itself.

    Attributes:
      name: the full name with a trailing slash.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._entered: list[Any] = []

    def __enter__(self) -> str:
        scope = get_default_graph().name_scope(self.name)
        entered = scope.__enter__()
        self._entered.append(scope)
        return entered

    def __exit__(self, *error: Any) -> None:
        self._entered.pop().__exit__(*error)


@public("contrib.checkpoint.NoDependency", "python.training.tracking.data_structures.NoDependency")
class NoDependency:
    """What becomes an attribute that checkpoints of objects do not hold.

    Args:
      value: the attribute's value; that is what a layer, module or checkpoint then has.
    """

    def __init__(self, value: Any) -> None:
        self.value = value


def attribute_of(owner: Any, name: str, value: Any) -> Any:
    """The value of an attribute that is about to be set; notes whether checkpoints hold it."""
    if isinstance(value, NoDependency):
        owner.__dict__.setdefault(_INDEPENDENT, set()).add(name)
        return value.value
    if _INDEPENDENT in owner.__dict__:
        owner.__dict__[_INDEPENDENT].discard(name)
    return value


def dependent(owner: Any, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes of an object without those that checkpoints do not hold."""
    independent = owner.__dict__.get(_INDEPENDENT, ())
    return {name: value for name, value in attributes.items() if name not in independent}


@public("Module", "python.module.module.Module")
class Module:
    """The base of objects with variables and other modules among their attributes.

    Args:
      name: a Python identifier; the class's name with underscores without it.

    Raises:
      ValueError: `name` is not an identifier.
    """

    _TF_MODULE_IGNORED_PROPERTIES: frozenset[str] = frozenset()

    def __init__(self, name: str | None = None) -> None:
        if name is None:
            name = _BEFORE_CAPITAL.sub(r"_\1", type(self).__name__).lower()
        if not name.isidentifier():
            raise ValueError(
                f"{name!r} is not a valid module name. Module names must be valid Python identifiers "
                "(e.g. a valid class name)."
            )
        self._name = name
        with get_default_graph().name_scope(name) as scope:
            self._scope_name = scope
        self._name_scope = _Scope(scope)

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, attribute_of(self, name, value))

    @property
    def name(self) -> str:
        """The name given at construction."""
        return self._name

    @property
    def name_scope(self) -> Any:
        """A context in which names begin with the module's."""
        return self._name_scope

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The variables of the module and of those inside it, attribute by attribute in order of name."""
        return tuple(self._flatten(predicate=_is_variable))

    @property
    def trainable_variables(self) -> tuple[Variable, ...]:
        """Those of the variables that are trained."""
        return tuple(self._flatten(predicate=_is_trainable))

    @property
    def submodules(self) -> tuple[Any, ...]:
        """The modules inside this one, and those inside them."""
        return tuple(self._flatten(predicate=lambda value: isinstance(value, Module)))

    def _flatten(
        self,
        recursive: bool = True,
        predicate: Callable[[Any], bool] | None = None,
        attribute_traversal_key: Callable[[str], Any] | None = None,
        with_path: bool = False,
    ) -> Iterator[Any]:
        """What the attributes hold.

        Args:
          recursive: go into modules found on the way.
          predicate: which values are wanted; all without it.
          attribute_traversal_key: the order of attributes; their names' without it.
          with_path: give (path, value).
        """
        wanted = predicate or (lambda _: True)
        return _walk(self, recursive, wanted, attribute_traversal_key, with_path, (), set())

    def _no_dependency(self, value: Any) -> Any:
        """`value`, which is not to be saved with the module where it becomes an attribute."""
        return value

    @classmethod
    def with_name_scope(cls, method: Callable[..., Any]) -> Callable[..., Any]:
        """Decorates a method so that it runs in the module's name scope."""

        @functools.wraps(method)
        def scoped(self: Any, *args: Any, **kwargs: Any) -> Any:
            with self.name_scope:
                return method(self, *args, **kwargs)

        return scoped


def _walk(
    module: Any,
    recursive: bool,
    wanted: Callable[[Any], bool],
    order: Callable[[str], Any] | None,
    with_path: bool,
    path: tuple[Any, ...],
    seen: set[int],
) -> Iterator[Any]:
    seen.add(id(module))
    inner: list[tuple[tuple[Any, ...], Any]] = []
    ignored = module._TF_MODULE_IGNORED_PROPERTIES
    for key in sorted(vars(module), key=order):
        if key in ignored or key == "_name_scope":
            continue
        for rest, leaf in _leaves(vars(module)[key]):
            if id(leaf) in seen:
                continue
            here = (*path, key, *rest)
            if wanted(leaf):
                seen.add(id(leaf))
                yield (here, leaf) if with_path else leaf
            if recursive and isinstance(leaf, Module):
                inner.append((here, leaf))
    for here, leaf in inner:
        yield from _walk(leaf, recursive, wanted, order, with_path, here, seen)


def _leaves(value: Any) -> list[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, Variable):
        return [((), value)]
    if not nest.is_nested(value):
        return [((), value)]
    keyed = value.items() if isinstance(value, Mapping) else enumerate(value)
    return [((key, *path), leaf) for key, inner in sorted(keyed) for path, leaf in _leaves(inner)]


def _is_variable(value: Any) -> bool:
    return isinstance(value, Variable)


def _is_trainable(value: Any) -> bool:
    return isinstance(value, Variable) and value.trainable
