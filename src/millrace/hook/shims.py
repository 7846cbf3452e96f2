"""Old names: what Python 3.7 and NumPy 1.18 had and today's lack, where the meaning is unchanged.

Each is added only where it is absent, when the module that had it is imported. The lists are `SHIMS` (names
of modules), `METHODS` (of classes), `MODULES` and `MOVED` (whole modules); `millrace run --explain-shims`
prints them. An option gives calls that mean something else today their old meaning: `numpy-kinds` lets
`np.issubdtype(x, float)` ask for the kind.
"""

from __future__ import annotations

import importlib
import importlib.resources
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from millrace.hook import old_messages, old_plots, old_types
from millrace.hook.old_names import SHIMS, Shim

# Whole modules that are gone: a module of ours stands for them.
MODULES = {"imp": "Python 3.12", "distutils": "Python 3.12"}
# Modules whose contents live elsewhere today.
MOVED = {
    "dummy_threading": ("threading", "Python 3.9"),
    "numpy.core.umath_tests": ("numpy._core._umath_tests", "NumPy 1.20"),
    "numpy.dual": ("numpy.linalg", "NumPy 1.20"),
    "numpy.lib.arraysetops": ("numpy", "NumPy 2.0"),
    "numpy.lib.function_base": ("numpy", "NumPy 2.0"),
    "numpy.lib.index_tricks": ("numpy", "NumPy 2.0"),
    "numpy.testing.utils": ("numpy.testing", "NumPy 2.0"),
    "scipy.misc.pilutil": ("millrace.hook.old_pictures", "SciPy 1.3"),
    "scipy.sparse.linalg.eigen": ("scipy.sparse.linalg", "SciPy 1.8"),
    "scipy.sparse.linalg.eigen.arpack": ("scipy.sparse.linalg", "SciPy 1.8"),
    "scipy.sparse.linalg.isolve": ("scipy.sparse.linalg", "SciPy 1.8"),
    "scipy.spatial.kdtree": ("scipy.spatial", "SciPy 2.0"),
    "sklearn.externals.joblib": ("joblib", "scikit-learn 0.23"),
    "sklearn.externals.six": ("six", "scikit-learn 0.23"),
}
_OPTIONS = frozenset(("none", "default", "numpy-kinds"))


def _value(shim: Shim, module: ModuleType) -> Any:
    if callable(shim.source):
        return shim.source(module)
    where, _, attribute = shim.source.partition(":")
    found = importlib.import_module(where)
    return getattr(found, attribute) if attribute else found


def _complete(module: ModuleType, chosen: frozenset[str]) -> None:
    """Adds to a module what it lacks."""
    for shim in SHIMS:
        if shim.module == module.__name__ and shim.name not in vars(module):
            setattr(module, shim.name, _value(shim, module))
    old_types.complete(module)
    if module.__name__ == "numpy":
        from millrace.hook import old_numpy

        old_numpy.restore(module)
        if "numpy-kinds" in chosen:
            old_numpy.ask_for_kinds(module)
    if module.__name__ == "scipy":
        _arrays(module)
    if module.__name__ == "h5py":
        from millrace.hook import old_h5py

        old_h5py.restore(module)
    if module.__name__ == "yaml":
        from millrace.hook import old_yaml

        old_yaml.restore(module)
    if module.__name__ in old_plots.MODULES:
        old_plots.restore(module)


def _arrays(scipy: ModuleType) -> None:
    """SciPy before 1.4 had NumPy's functions, too: `scipy.array`, `scipy.sqrt`."""
    import numpy as np

    for name in np.__all__:
        if name not in vars(scipy) and name not in scipy.__all__:
            setattr(scipy, name, getattr(np, name))


class _Completing:
    """A finder that lets the others find a module, and completes it once it has been executed."""

    def __init__(self, chosen: frozenset[str]) -> None:
        self._chosen = chosen
        self._modules = (
            {shim.module for shim in SHIMS}
            | {method.module for method in old_types.METHODS}
            | {"h5py", "scipy", "yaml"}
            | old_plots.MODULES
        )
        self._busy: set[str] = set()

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """The spec of a module that has shims, with a loader that completes it; None for others."""
        if fullname in self._busy:
            return None
        if fullname in MODULES:
            return self._stand_in(fullname)
        if fullname in MOVED:
            return ModuleSpec(fullname, _Moved(MOVED[fullname][0]), is_package=True)  # pyright: ignore[reportArgumentType]
        if fullname.endswith("_pb2"):
            return old_messages.specified(self._elsewhere(fullname))
        if fullname not in self._modules:
            return None
        spec = self._elsewhere(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self._chosen)  # pyright: ignore[reportAttributeAccessIssue]
        return spec

    def _elsewhere(self, fullname: str) -> ModuleSpec | None:
        self._busy.add(fullname)
        try:
            return importlib.util.find_spec(fullname)
        finally:
            self._busy.discard(fullname)

    def _stand_in(self, fullname: str) -> ModuleSpec | None:
        spec = self._elsewhere(fullname)
        if spec is not None:
            return spec
        return importlib.util.spec_from_file_location(
            fullname,
            str(importlib.resources.files("millrace.hook").joinpath("old", fullname, "__init__.py")),
            submodule_search_locations=[str(importlib.resources.files("millrace.hook") / "old" / fullname)],
        )


class _Loader:
    """Another loader's module, completed."""

    def __init__(self, inner: Any, chosen: frozenset[str]) -> None:
        self._inner = inner
        self._chosen = chosen

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._inner.exec_module(module)
        _complete(module, self._chosen)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _Moved:
    """A module that has what another one has."""

    def __init__(self, where: str) -> None:
        self._where = where

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        module.__getattr__ = self._find  # pyright: ignore[reportAttributeAccessIssue]

    def _find(self, name: str) -> Any:
        return getattr(importlib.import_module(self._where), name)


def apply(choice: str = "default") -> None:
    """Adds the old names, now to modules that are loaded, later to others when they are.

    Args:
      choice: "none"; "default"; or "default,numpy-kinds".

    Raises:
      ValueError: there is no such choice.
    """
    chosen = frozenset(choice.split(","))
    if unknown := chosen - _OPTIONS:
        known = "none, default, numpy-kinds"
        raise ValueError(f"shims: choose from {known}. Received: {', '.join(sorted(unknown))}")
    if "none" in chosen or any(isinstance(f, _Completing) for f in sys.meta_path):
        return
    finder = _Completing(chosen)
    sys.meta_path.insert(0, finder)  # pyright: ignore[reportArgumentType]
    for name in finder._modules & set(sys.modules):
        _complete(sys.modules[name], chosen)


def explain() -> list[str]:
    """A line for each old name: what it is, and since when it is gone."""
    from millrace.hook import old_numpy

    lines = [f"{s.module}.{s.name}: gone since {s.gone}" for s in SHIMS]
    lines += [f"{name} (module): gone since {gone}" for name, gone in MODULES.items()]
    lines += [f"{name} (module): {where} has it, gone since {gone}" for name, (where, gone) in MOVED.items()]
    lines += [f"{m.module}.{m.owner}.{m.name}: gone since {m.gone}" for m in old_types.METHODS]
    lines += (*old_numpy.EXPLAINED, *old_plots.EXPLAINED)
    lines.append("scipy: NumPy's functions (scipy.array, scipy.sqrt), gone since SciPy 1.12")
    lines.append("modules *_pb2 of old protocol compilers are read by today's protobuf")
    lines.append(
        "h5py: texts can be decoded, files are opened to be written, datasets have a value, as in h5py 2"
    )
    lines.append("numpy-kinds (on request): np.issubdtype(x, float) asks for the kind, as before NumPy 1.20")
    return lines
