"""Which Python processes get the hook: children of this one, or all of an environment."""

from __future__ import annotations

import importlib.metadata
import os
import sysconfig
from pathlib import Path

_PTH = "millrace-tensorflow.pth"


def inherit(shims: str = "default") -> None:
    """Makes the Python processes that this one starts give millrace for `tensorflow`, too.

    Spawned and forked workers, servers of forks, subprocesses, kernels and pytest's workers inherit the
    environment; processes started with `-I`, `-E` or `-S` do not look at it.

    Args:
      shims: which old names they get, see `millrace.hook.shims.apply`.
    """
    os.environ["MILLRACE_HOOK"] = "1"
    os.environ["MILLRACE_SHIMS"] = shims
    folder = str(Path(__file__).with_name("site"))
    before = os.environ.get("PYTHONPATH", "")
    if folder not in before.split(os.pathsep):
        os.environ["PYTHONPATH"] = folder + (os.pathsep + before if before else "")


def _switch() -> Path:
    return Path(sysconfig.get_path("purelib")) / _PTH


def is_enabled() -> bool:
    """Whether every Python of this environment starts with the hook."""
    return _switch().exists()


def enable() -> str:
    """Makes every Python of this environment give millrace for `tensorflow`; returns what to tell the user.

    Raises:
      OSError: the environment's folder of packages cannot be written.
    """
    _switch().write_text("import millrace.hook.startup\n", encoding="utf-8")
    said = f"`import tensorflow` gives millrace in {sysconfig.get_path('purelib')} from now on"
    real = real_tensorflow()
    if real:
        said += f"; {real} is installed there too and is hidden until `millrace disable`"
    return said


def disable() -> str:
    """Takes `enable` back; returns what to tell the user.

    Raises:
      OSError: the environment's folder of packages cannot be written.
    """
    if not is_enabled():
        return "`millrace enable` is not in force in this environment"
    _switch().unlink()
    real = real_tensorflow()
    return f"`import tensorflow` gives {real or 'nothing'} again"


def real_tensorflow() -> str:
    """The name and version of an installed TensorFlow; "" where there is none."""
    for name in ("tensorflow", "tensorflow-cpu", "tensorflow-gpu", "tf-nightly", "tensorflow-macos"):
        try:
            return f"{name} {importlib.metadata.version(name)}"
        except importlib.metadata.PackageNotFoundError:
            continue
    return ""
