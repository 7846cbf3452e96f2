"""The folder of this file is on PYTHONPATH of children of `millrace run`: they get the hook, too.

A `sitecustomize` that stands behind this one on the path runs as it would have.
"""

import contextlib
import importlib.machinery
import importlib.util
import os
import sys

if os.environ.get("MILLRACE_HOOK") == "1":
    with contextlib.suppress(ImportError):  # a Python of another environment, which does not have millrace
        import millrace.hook.startup  # noqa: F401

_own = os.path.dirname(os.path.abspath(__file__))
_spec = importlib.machinery.PathFinder.find_spec(
    "sitecustomize", [p for p in sys.path if os.path.abspath(p or ".") != _own]
)
if _spec is not None and _spec.loader is not None:
    _module = importlib.util.module_from_spec(_spec)
    sys.modules["sitecustomize"] = _module
    _spec.loader.exec_module(_module)
