"""Old names: what Python 3.7 and NumPy 1.18 had and today's lack, where the meaning is unchanged.

Each is added only where it is absent, when the module that had it is imported. The list is `SHIMS`;
`millrace run --explain-shims` prints it. `numpy-copy`, an option, gives `np.array(x, copy=False)` its old
meaning: copy only if necessary.
"""

from __future__ import annotations

import importlib
import importlib.resources
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class Shim:
    """An old name.

    Attributes:
      module: the module that had it.
      name: what it was called.
      source: where its meaning lives today, `module:attribute` or `module`; or a function of the module.
      gone: since when it is absent.
    """

    module: str
    name: str
    source: str | Callable[[ModuleType], Any]
    gone: str


def _many(module: str, names: str, source: str, gone: str) -> list[Shim]:
    return [Shim(module, name, source.replace("*", name), gone) for name in names.split()]


def _renamed(module: str, pairs: str, gone: str) -> list[Shim]:
    """`old=new` within the module; a source without a module stands for a builtin."""
    return [
        Shim(module, old, new if ":" in new else f"{module}:{new}", gone)
        for old, _, new in (pair.partition("=") for pair in pairs.split())
    ]


def _argspec(module: ModuleType) -> Any:
    from collections import namedtuple

    ArgSpec = namedtuple("ArgSpec", "args varargs keywords defaults")

    def getargspec(func: Any) -> Any:
        """Names and default values of a function's positional arguments."""
        full = module.getfullargspec(func)  # annotations are left out: 1.15's functions have none
        if full.kwonlyargs:
            raise ValueError("Function has keyword-only parameters, use getfullargspec()")
        return ArgSpec(full.args, full.varargs, full.varkw, full.defaults)

    return getargspec


def _scalar(module: ModuleType) -> Any:
    def asscalar(a: Any) -> Any:
        """An array of one element as a Python scalar."""
        return a.item()

    return asscalar


def _find_common_type(module: ModuleType) -> Any:
    def find_common_type(array_types: Any, scalar_types: Any) -> Any:
        """The dtype to which arrays and scalars of these types are promoted."""
        types = [*array_types, *scalar_types]
        return module.result_type(*types) if types else None

    return find_common_type


SHIMS: tuple[Shim, ...] = (
    *_many(
        "collections",
        "Awaitable Coroutine AsyncIterable AsyncIterator AsyncGenerator Hashable Iterable Iterator Generator "
        "Reversible Container Collection Callable Set MutableSet Mapping MutableMapping MappingView KeysView "
        "ItemsView ValuesView Sequence MutableSequence ByteString Sized",
        "collections.abc:*",
        "Python 3.10",
    ),
    Shim("inspect", "getargspec", _argspec, "Python 3.11"),
    Shim("time", "clock", "time:perf_counter", "Python 3.8"),
    Shim("fractions", "gcd", "math:gcd", "Python 3.9"),
    Shim("cgi", "escape", "html:escape", "Python 3.8"),
    Shim("base64", "encodestring", "base64:encodebytes", "Python 3.9"),
    Shim("base64", "decodestring", "base64:decodebytes", "Python 3.9"),
    Shim("asyncio", "coroutine", "types:coroutine", "Python 3.11"),
    Shim("xml.etree", "cElementTree", "xml.etree.ElementTree", "Python 3.9"),
    *_renamed("PIL.Image", "ANTIALIAS=LANCZOS LINEAR=BILINEAR CUBIC=BICUBIC", "Pillow 10"),
    *_renamed(
        "numpy",
        "float_=float64 complex_=complex128 cfloat=complex128 singlecomplex=complex64 clongfloat=clongdouble "
        "longfloat=longdouble longcomplex=clongdouble string_=bytes_ unicode_=str_ str0=str_ bytes0=bytes_ "
        "object0=object_ void0=void Inf=inf Infinity=inf infty=inf PINF=inf NaN=nan product=prod "
        "cumproduct=cumprod sometrue=any alltrue=all round_=round in1d=isin row_stack=vstack trapz=trapezoid "
        "float=builtins:float int=builtins:int complex=builtins:complex object=builtins:object "
        "str=builtins:str unicode=builtins:str issubclass_=builtins:issubclass mat=asmatrix",
        "NumPy 2.0, or 1.24 for Python's own types",
    ),
    Shim("numpy", "NINF", lambda np: -np.inf, "NumPy 2.0"),
    Shim("numpy", "asscalar", _scalar, "NumPy 1.23"),
    Shim("numpy", "find_common_type", _find_common_type, "NumPy 2.0"),
    Shim("numpy", "msort", lambda np: lambda a: np.sort(a, axis=0), "NumPy 2.0"),
    Shim("numpy", "asfarray", lambda np: lambda a, dtype=np.float64: np.asarray(a, dtype), "NumPy 2.0"),
    Shim("numpy", "safe_eval", "ast:literal_eval", "NumPy 2.0"),
    Shim("numpy", "cast", lambda np: _Casts(np), "NumPy 2.0"),
    Shim("numpy", "typeDict", lambda np: np.sctypeDict, "NumPy 1.24"),
    Shim("numpy", "warnings", "warnings", "NumPy 2.0"),
    Shim("numpy", "math", "math", "NumPy 1.25"),
    Shim("numpy", "VisibleDeprecationWarning", "numpy.exceptions:VisibleDeprecationWarning", "NumPy 2.0"),
    Shim("numpy", "ComplexWarning", "numpy.exceptions:ComplexWarning", "NumPy 2.0"),
    Shim("numpy", "RankWarning", "numpy.exceptions:RankWarning", "NumPy 2.0"),
    Shim("numpy", "AxisError", "numpy.exceptions:AxisError", "NumPy 2.0"),
    Shim("numpy", "TooHardError", "numpy.exceptions:TooHardError", "NumPy 2.0"),
)
# Whole modules that are gone: a module of ours stands for them.
MODULES = {"imp": "Python 3.12", "distutils": "Python 3.12"}


class _Casts(dict[Any, Any]):
    """`np.cast[dtype](x)`: x as an array of that dtype."""

    def __init__(self, np: Any) -> None:
        self._np = np

    def __missing__(self, dtype: Any) -> Any:
        return lambda x: self._np.asarray(x).astype(dtype)


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
    if module.__name__ == "numpy":
        from millrace.hook import old_numpy

        old_numpy.restore(module)
        if "numpy-copy" in chosen:
            old_numpy.allow_copies(module)
    if module.__name__ == "h5py":
        from millrace.hook import old_h5py

        old_h5py.restore(module)
    if module.__name__ == "threading" and not hasattr(module.Thread, "isAlive"):
        module.Thread.isAlive = module.Thread.is_alive


class _Completing:
    """A finder that lets the others find a module, and completes it once it has been executed."""

    def __init__(self, chosen: frozenset[str]) -> None:
        self._chosen = chosen
        self._modules = {shim.module for shim in SHIMS} | {"h5py", "threading"}
        self._busy: set[str] = set()

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """The spec of a module that has shims, with a loader that completes it; None for others."""
        if fullname in self._busy:
            return None
        if fullname in MODULES:
            return self._stand_in(fullname, path)
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

    def _stand_in(self, fullname: str, path: Any) -> ModuleSpec | None:
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


def apply(choice: str = "default") -> None:
    """Adds the old names, now to modules that are loaded, later to others when they are.

    Args:
      choice: "none"; "default"; or "default,numpy-copy".

    Raises:
      ValueError: there is no such choice.
    """
    chosen = frozenset(choice.split(","))
    if unknown := chosen - {"none", "default", "numpy-copy"}:
        raise ValueError(
            f"shims: choose from none, default, numpy-copy. Received: {', '.join(sorted(unknown))}"
        )
    if "none" in chosen or any(isinstance(f, _Completing) for f in sys.meta_path):
        return
    finder = _Completing(chosen)
    for name in finder._modules & set(sys.modules):
        _complete(sys.modules[name], chosen)
    sys.meta_path.insert(0, finder)  # pyright: ignore[reportArgumentType]


def explain() -> list[str]:
    """A line for each old name: what it is, and since when it is gone."""
    from millrace.hook import old_numpy

    lines = [f"{s.module}.{s.name}: gone since {s.gone}" for s in SHIMS]
    lines += [f"{name} (module): gone since {gone}" for name, gone in MODULES.items()]
    lines += old_numpy.EXPLAINED
    lines.append("threading.Thread.isAlive: gone since Python 3.9")
    lines.append(
        "h5py: texts can be decoded, files are opened to be written, datasets have a value, as in h5py 2"
    )
    lines.append("numpy-copy (on request): np.array(x, copy=False) copies where it must, as before NumPy 2.0")
    return lines
