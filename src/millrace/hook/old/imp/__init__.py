"""`imp`, which Python 3.12 removed, on `importlib`: loading and reloading of source files."""

import importlib
import importlib.machinery
import importlib.util
import sys
from types import ModuleType
from typing import Any

reload = importlib.reload


def new_module(name: str) -> ModuleType:
    """An empty module, not in `sys.modules`."""
    return ModuleType(name)


def load_source(name: str, pathname: str, file: Any = None) -> ModuleType:
    """Executes a source file as module `name`.

    Raises:
      ImportError: the file cannot be a module.
    """
    spec = importlib.util.spec_from_file_location(name, pathname)
    if spec is None or spec.loader is None:
        raise ImportError(f"imp.load_source: not a source file. Received: {pathname!r}", name=name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def find_module(name: str, path: Any = None) -> tuple[Any, str, tuple[str, str, int]]:
    """Where a module lies: (open file, path, (suffix, mode, type)).

    Raises:
      ImportError: there is no such module.
    """
    spec = importlib.machinery.PathFinder.find_spec(name, path)
    if spec is None or spec.origin is None:
        raise ImportError(f"No module named {name!r}", name=name)
    return open(spec.origin, encoding="utf-8"), spec.origin, (".py", "r", 1)
