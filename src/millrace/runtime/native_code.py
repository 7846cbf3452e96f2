"""Builds libraries with the machine's own C compiler, and keeps them beside the compiled programs."""

from __future__ import annotations

import ctypes
import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import TypeVar

_PATIENCE = 120  # seconds for the compiler
_Kind = TypeVar("_Kind", bound=ctypes.CDLL)

FAILURES = (OSError, ValueError, subprocess.SubprocessError)
"""What there may be instead of a library: no compiler, one that refuses, quotes that do not match in `CC`."""


def wanted() -> bool:
    """False where the user has turned compiled code of our own off: `MILLRACE_NATIVE` is "0"."""
    return os.environ.get("MILLRACE_NATIVE") != "0"


def library(kind: type[_Kind], name: str, text: str, options: tuple[str, ...], *facts: str) -> _Kind:
    """The library that the compiler makes of some C code for this processor.

    Args:
      kind: of the library: whether calls hold the interpreter.
      name: of the file.
      text: the code.
      options: for the compiler.
      facts: what else the library depends on.

    Raises:
      OSError: there is no such compiler.
      ValueError: the name of the compiler cannot be read.
      SubprocessError: it refused.
    """
    from millrace.runtime.xla import cache  # whose package sets JAX's environment

    compiler = shlex.split(os.environ.get("CC", "cc"))
    key = cache.key_of(name, text, *facts, *compiler)
    content = cache.load(key)
    with tempfile.TemporaryDirectory(prefix="millrace-") as place:  # of this user alone
        built = Path(place, f"{name}.so")
        if content is None:
            _build([*compiler, *options], built, text)
            cache.save(key, built.read_bytes())
        else:
            built.write_bytes(content)  # the bytes that were checked, whatever happens to the file meanwhile
        return kind(str(built))


def _build(command: list[str], built: Path, text: str) -> None:
    source = built.with_suffix(".c")
    source.write_text(text, "utf-8")
    command = [*command, "-shared", "-fPIC", "-o", str(built), str(source)]
    subprocess.run(command, check=True, capture_output=True, timeout=_PATIENCE)
