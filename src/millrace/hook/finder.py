"""Import aliases: `millrace.nn` for `millrace.api.nn`, and `tensorflow` for the whole public API.

Both are one small `sys.meta_path` finder. It never copies a module: `sys.modules` holds the same object
under each name.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec

from millrace.api._namespaces import ALIASES, HIDDEN, NAMESPACES
from millrace.core import homes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType
    from typing import Any

# Folders of protocol messages below `core`; millrace's own package of that name has none of them.
_MESSAGES = frozenset(
    {"debug", "example", "framework", "grappler", "kernels", "lib", "profiler", "protobuf", "util"}
)
_PRIVATE = frozenset({"python", "core", "contrib", "examples", "compat"})  # where private modules lie


class _AliasLoader:
    """Puts an existing module where a new one was about to be made."""

    def __init__(self, real: str):
        self._real = real

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        # The import system hands out whatever sys.modules holds once the loader is done, so the real module
        # keeps its own name and spec.
        sys.modules[module.__name__] = import_module(self._real)


class AliasFinder:
    """Finds `<root>.<public path>` as `millrace.api.<public path>`."""

    def __init__(self, root: str):
        """Makes a finder for one name.

        Args:
          root: the top-level package name that answers for the public API.
        """
        self._root = root
        self._prefix = root + "."

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Finds the spec of a public namespace; None for names that are not ours."""
        if fullname.startswith(self._prefix):
            public_path = fullname[len(self._prefix) :]
        elif fullname == self._root:
            public_path = ""
        else:
            return None
        return self._spec(fullname, _without_aliases(self._inner(public_path)))

    def _inner(self, path: str) -> str:
        """What a path below the root is below `tensorflow`."""
        return path

    def _spec(self, fullname: str, public_path: str) -> ModuleSpec | None:
        if public_path and public_path not in NAMESPACES and not is_private(public_path):
            return self._unknown(fullname)
        real = f"millrace.api.{public_path}" if public_path else "millrace.api"
        return ModuleSpec(fullname, _AliasLoader(real))  # pyright: ignore[reportArgumentType]

    def _unknown(self, fullname: str) -> ModuleSpec | None:
        from millrace.hook import absent

        raise absent.module_error(self._root, fullname[len(self._prefix) :])


class _EstimatorLoader:
    """Makes the package around `tf.estimator`: it has that module as `estimator`, and its private ones."""

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        module.estimator = import_module("millrace.api.estimator")  # pyright: ignore[reportAttributeAccessIssue]


class EstimatorFinder(AliasFinder):
    """The finder for `tensorflow_estimator`, a package of its own in 1.15: `tf.estimator` and its modules."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Finds the spec of the package or of a module below it; None for names that are not ours."""
        if fullname == self._root:
            return ModuleSpec(fullname, _EstimatorLoader(), is_package=True)  # pyright: ignore[reportArgumentType]
        return super().find_spec(fullname, path, target)

    def _inner(self, path: str) -> str:
        path = path.removeprefix("python.estimator.api._v1.")
        inner = path.partition(".")[0] in ("contrib", "estimator", "python")
        return path if inner else f"estimator.{path}".rstrip(".")


class PackageFinder(AliasFinder):
    """The finder for `millrace` itself, where millrace's own packages come first."""

    def _spec(self, fullname: str, public_path: str) -> ModuleSpec | None:
        first, _, rest = public_path.partition(".")
        if first in HIDDEN and rest.partition(".")[0] not in _MESSAGES:
            return None
        return super()._spec(fullname, public_path)

    def _unknown(self, fullname: str) -> ModuleSpec | None:
        return None


class PrivateFinder:
    """Finds the private modules that are made from a table; stands behind the finders of files."""

    @staticmethod
    def find_spec(fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """A spec for `millrace.api.<private path>`; None for anything else."""
        if not fullname.startswith("millrace.api.") or not is_private(fullname[len("millrace.api.") :]):
            return None
        from millrace.hook.paths import Maker

        return ModuleSpec(fullname, Maker(), is_package=True)  # pyright: ignore[reportArgumentType]


def is_private(path: str) -> bool:
    """True for a module, relative to `tensorflow`, that only the table of private paths has."""
    if path.partition(".")[0] not in _PRIVATE:
        return False
    from millrace.hook import table

    return table.has(path)


def _without_aliases(path: str) -> str:
    for alias, stands_for in ALIASES.items():
        while path == alias or path.startswith(alias + "."):
            path = (stands_for + path[len(alias) :]).lstrip(".")
    return path


def _home_of(names: Sequence[str]) -> str | None:
    """Asks the list of homes, which is not read before there is a class: every process may come here."""
    from millrace.hook.old_homes import home_of

    return home_of(names)


def install(name: str = "tensorflow") -> None:
    """Makes `import tensorflow` and imports below it give millrace, in this process.

    Installing twice is harmless.

    Args:
      name: the package name to answer for.

    Raises:
      ImportError: another package of that name has been imported already.
    """
    present = sys.modules.get(name)
    if present is not None and present is not sys.modules.get("millrace.api"):
        raise ImportError(
            f"millrace.hook.install: {name!r} must not be imported before the hook is installed; "
            f"found {getattr(present, '__file__', None) or present!r}",
            name=name,
        )
    if not any(isinstance(f, AliasFinder) and f._root == name for f in sys.meta_path):
        sys.meta_path.insert(0, AliasFinder(name))
        if name == "tensorflow":  # what 1.15 is made of, which a few programs import
            sys.meta_path[1:1] = [AliasFinder("tensorflow_core"), EstimatorFinder("tensorflow_estimator")]
            homes.move_to(_home_of)


def uninstall(name: str = "tensorflow") -> None:
    """Undoes `install`; modules that were imported stay usable where they are bound.

    Args:
      name: the package name given to `install`.
    """
    roots = {name}
    if name == "tensorflow":
        roots |= {"tensorflow_core", "tensorflow_estimator"}
        homes.move_back()
    sys.meta_path[:] = [f for f in sys.meta_path if not (isinstance(f, AliasFinder) and f._root in roots)]
    for module in [m for m in sys.modules if m.partition(".")[0] in roots]:
        spec = sys.modules[module].__spec__
        own = spec is not None and isinstance(spec.loader, _EstimatorLoader)
        if own or sys.modules[module].__name__.startswith("millrace.api"):
            del sys.modules[module]
