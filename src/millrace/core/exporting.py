"""Names and modules as libraries built on TensorFlow export them: `tf_export`, `remove_undocumented`, lazy
modules, and identity of objects as keys.
"""

from __future__ import annotations

import importlib
import sys
import types
import weakref
from collections.abc import Callable, Iterator, MutableMapping, MutableSet
from typing import Any

from millrace.core import decorators
from millrace.core.public import public

ESTIMATOR_API_NAME = public("python.util.tf_export.ESTIMATOR_API_NAME")("estimator")
KERAS_API_NAME = public("python.util.tf_export.KERAS_API_NAME")("keras")
TENSORFLOW_API_NAME = public("python.util.tf_export.TENSORFLOW_API_NAME")("tensorflow")


class _Export:
    """Notes under which names something is offered, and returns it unchanged."""

    api = TENSORFLOW_API_NAME

    def __init__(self, *args: str, **kwargs: Any) -> None:
        """Makes the decorator.

        Args:
          *args: dotted names.
          **kwargs: `v1`, other names in version 1; `overrides`, `allow_multiple_exports` and `api_name` are
            accepted.
        """
        self._names = args
        self._names_v1 = tuple(kwargs.get("v1", args))
        self._api = kwargs.get("api_name", self.api)

    def __call__(self, func: Any) -> Any:
        try:
            setattr(func, f"_{self._api}_api_names", self._names)
            setattr(func, f"_{self._api}_api_names_v1", self._names_v1)
        except (AttributeError, TypeError):
            pass  # a builtin bears no notes
        return func

    def export_constant(self, module_name: str, name: str) -> None:
        """Notes that `name` of the module is a public constant."""
        module = sys.modules.get(module_name)
        if module is not None:
            noted = module.__dict__.setdefault(f"_{self._api}_api_constants", [])
            noted.append((self._names, name))


@public("python.util.tf_export.tf_export")
class TfExport(_Export):
    """Decorator: the names under which a function or class is public."""


@public("python.util.tf_export.keras_export")
class KerasExport(_Export):
    """Decorator: the names under which something of Keras is public."""

    api = KERAS_API_NAME


@public("python.util.tf_export.estimator_export")
class EstimatorExport(_Export):
    """Decorator: the names under which something of estimators is public."""

    api = ESTIMATOR_API_NAME


public("python.util.tf_export.api_export")(_Export)


def _names(symbol: Any, api_name: str, suffix: str) -> list[str]:
    return list(getattr(symbol, f"_{api_name}_api_names{suffix}", ()))


@public("python.util.tf_export.get_v1_names")
def get_v1_names(symbol: Any) -> list[str]:
    """The names of version 1 that `tf_export` noted."""
    return _names(symbol, TENSORFLOW_API_NAME, "_v1") + _names(symbol, ESTIMATOR_API_NAME, "_v1")


@public("python.util.tf_export.get_v2_names")
def get_v2_names(symbol: Any) -> list[str]:
    """The names of version 2 that `tf_export` noted."""
    return _names(symbol, TENSORFLOW_API_NAME, "") + _names(symbol, ESTIMATOR_API_NAME, "")


@public("python.util.tf_export.get_canonical_name_for_symbol")
def get_canonical_name_for_symbol(
    symbol: Any, api_name: str = "tensorflow", add_prefix_to_v1_names: bool = False
) -> str | None:
    """The name to call `symbol` by in a text; None where none is noted."""
    names = _names(symbol, api_name, "")
    if names:
        return names[0]
    names = _names(symbol, api_name, "_v1")
    if names:
        return f"compat.v1.{names[0]}" if add_prefix_to_v1_names else names[0]
    return None


@public("python.util.tf_export.kwarg_only")
def kwarg_only(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function that calls `f` and takes its arguments by name alone.

    Raises:
      TypeError: when called, for an argument by position.
    """
    spec = decorators.getargspec(f)

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if args:
            known = ", ".join(spec.args)
            raise TypeError(
                f"{f.__name__} takes its arguments by name ({known}). Received by position: {args}"
            )
        return f(**kwargs)

    return decorators.make_decorator(f, wrapper, decorator_argspec=spec)


def _mentioned(module: types.ModuleType, doc_string_modules: Any) -> set[str]:
    """The names that docstrings mention as `@@name` and the module has."""
    lines = [
        line.strip()
        for documented in doc_string_modules or [module]
        for line in (documented.__doc__ or "").splitlines()
    ]
    return {line[2:].strip() for line in lines if line.startswith("@@")} & set(vars(module))


@public("python.util.all_util.make_all")
def make_all(module_name: str, doc_string_modules: Any = None) -> list[str]:
    """The names of a module that docstrings mention as `@@name`.

    Args:
      module_name: an imported module.
      doc_string_modules: modules whose docstrings count; default: the module itself.
    """
    return sorted(_mentioned(sys.modules[module_name], doc_string_modules))


@public("python.util.all_util.remove_undocumented")
def remove_undocumented(
    module_name: str, allowed_exception_list: Any = None, doc_string_modules: Any = None
) -> None:
    """Removes the names of a module that no docstring mentions as `@@name`; private ones stay.

    Args:
      module_name: an imported module.
      allowed_exception_list: names that stay as well.
      doc_string_modules: modules whose docstrings count; default: the module itself.
    """
    module = sys.modules[module_name]
    keep = _mentioned(module, doc_string_modules) | set(allowed_exception_list or ())
    for name in [n for n in vars(module) if not n.startswith("_") and n not in keep]:
        delattr(module, name)


@public("python.util.all_util.reveal_undocumented")
def reveal_undocumented(symbol_name: str, target_module: Any = None) -> None:
    """Does nothing for a name that is there.

    Raises:
      LookupError: the module does not have it.
    """
    module_name, _, leaf = symbol_name.rpartition(".")
    module = target_module or sys.modules.get(module_name)
    if module is None or not hasattr(module, leaf):
        raise LookupError(f"reveal_undocumented: no such name. Received: {symbol_name!r}")


@public("python.util.lazy_loader.LazyLoader")
class LazyLoader(types.ModuleType):
    """A module that is imported when it is first used."""

    def __init__(
        self, local_name: str, parent_module_globals: dict[str, Any], name: str, warning: str | None = None
    ) -> None:
        """Stands for a module.

        Args:
          local_name: its name in the module that uses it.
          parent_module_globals: `globals()` of that module.
          name: the module to import.
          warning: text to log when it is imported.
        """
        self._local_name = local_name
        self._parent_module_globals = parent_module_globals
        self._warning = warning
        super().__init__(name)

    def _load(self) -> types.ModuleType:
        module = importlib.import_module(self.__name__)
        self._parent_module_globals[self._local_name] = module
        if self._warning:
            import logging

            logging.getLogger("tensorflow").warning(self._warning)
            self._warning = None
        self.__dict__.update(module.__dict__)
        return module

    def __getattr__(self, item: str) -> Any:
        return getattr(self._load(), item)

    def __dir__(self) -> list[str]:
        return dir(self._load())


class _Key:
    """An object by its identity."""

    def __init__(self, wrapped: Any) -> None:
        self._wrapped = wrapped

    @property
    def unwrapped(self) -> Any:
        """The object."""
        return self._wrapped

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.unwrapped is other.unwrapped

    def __hash__(self) -> int:
        return id(self.unwrapped)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.unwrapped!r}>"


class _WeakKey(_Key):
    """The same without keeping the object alive."""

    def __init__(self, wrapped: Any) -> None:
        self._id = id(wrapped)
        super().__init__(weakref.ref(wrapped))

    @property
    def unwrapped(self) -> Any:
        """The object, or None once it is gone."""
        return self._wrapped()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _WeakKey) and self._id == other._id

    def __hash__(self) -> int:
        return self._id


public("python.util.object_identity._ObjectIdentityWrapper")(_Key)
public("python.util.object_identity._WeakObjectIdentityWrapper")(_WeakKey)


@public("python.util.object_identity.Reference")
class Reference(_Key):
    """An object by its identity, which gives it back."""

    def deref(self) -> Any:
        """The object."""
        return self.unwrapped


@public("python.util.object_identity.ObjectIdentityDictionary")
class ObjectIdentityDictionary(MutableMapping[Any, Any]):
    """A dict whose keys count as equal only if they are the same object, hashable or not."""

    _wrap: Callable[[Any], _Key] = _Key

    def __init__(self) -> None:
        self._storage: dict[_Key, Any] = {}

    def __getitem__(self, key: Any) -> Any:
        return self._storage[type(self)._wrap(key)]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._storage[type(self)._wrap(key)] = value

    def __delitem__(self, key: Any) -> None:
        del self._storage[type(self)._wrap(key)]

    def __len__(self) -> int:
        return len(self._storage)

    def __iter__(self) -> Iterator[Any]:
        return iter([key.unwrapped for key in self._storage])


@public("python.util.object_identity.ObjectIdentityWeakKeyDictionary")
class ObjectIdentityWeakKeyDictionary(ObjectIdentityDictionary):
    """The same, not keeping its keys alive."""

    _wrap = _WeakKey

    def __iter__(self) -> Iterator[Any]:
        for key in list(self._storage):
            if (found := key.unwrapped) is None:
                del self._storage[key]
            else:
                yield found

    def __len__(self) -> int:
        return len(list(iter(self)))


@public("python.util.object_identity.ObjectIdentitySet")
class ObjectIdentitySet(MutableSet[Any]):
    """A set whose elements count as equal only if they are the same object."""

    _wrap: Callable[[Any], _Key] = _Key

    def __init__(self, *args: Any) -> None:
        self._storage = {type(self)._wrap(element) for element in (args[0] if args else ())}

    def __contains__(self, key: object) -> bool:
        return type(self)._wrap(key) in self._storage

    def add(self, value: Any) -> None:
        """Takes an object in."""
        self._storage.add(type(self)._wrap(value))

    def discard(self, value: Any) -> None:
        """Leaves an object out, if it is there."""
        self._storage.discard(type(self)._wrap(value))

    def update(self, items: Any) -> None:
        """Takes several objects in."""
        self._storage.update(type(self)._wrap(item) for item in items)

    def __len__(self) -> int:
        return len(self._storage)

    def __iter__(self) -> Iterator[Any]:
        return iter([key.unwrapped for key in self._storage])


@public("python.util.object_identity.ObjectIdentityWeakSet")
class ObjectIdentityWeakSet(ObjectIdentitySet):
    """The same, not keeping its elements alive."""

    _wrap = _WeakKey

    def __iter__(self) -> Iterator[Any]:
        for key in list(self._storage):
            if (found := key.unwrapped) is None:
                self._storage.discard(key)
            else:
                yield found

    def __len__(self) -> int:
        return len(list(iter(self)))
