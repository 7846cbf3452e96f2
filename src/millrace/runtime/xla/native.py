"""Builds the native kernels (`kernels.c`) and makes them known to XLA.

The machine's own C compiler translates them for its own processor when the first program is compiled that can
use them; the library is kept beside the compiled programs (see `xla_cache`). Where there is no compiler, or
`MILLRACE_NATIVE` is "0", XLA's own kernels do their work.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.metadata
import importlib.resources
import logging
import os
import shlex
import subprocess
import tempfile
from pathlib import Path

import jax

from millrace.runtime.xla import cache as xla_cache

KERNELS = ("matmul", "conv", "conv_input_grad", "conv_filter_grad", "column_sums", "adam")
_OPTIONS = ("-O3", "-march=native", "-std=gnu11", "-fno-math-errno", "-shared", "-fPIC")
_PATIENCE = 120  # seconds for the compiler

_log = logging.getLogger("millrace")


@functools.cache
def ready() -> bool:
    """True where programs may call the kernels, which are built and registered at the first question."""
    if os.environ.get("MILLRACE_NATIVE") == "0" or jax.default_backend() != "cpu":
        return False
    try:
        library = _library()
    except (OSError, subprocess.SubprocessError) as error:
        _log.info("millrace: no native kernels, XLA's own take their place: %s", error)
        return False
    for name in KERNELS:
        handler = jax.ffi.pycapsule(getattr(library, f"millrace_{name}"))
        jax.ffi.register_ffi_target(f"millrace_{name}", handler, platform="cpu")
    return True


@functools.cache
def source() -> str:
    """The text of the kernels."""
    return importlib.resources.files("millrace.runtime.xla").joinpath("kernels.c").read_text("utf-8")


def _library() -> ctypes.CDLL:
    compiler = shlex.split(os.environ.get("CC", "cc"))
    key = xla_cache.key_of("native", source(), importlib.metadata.version("jaxlib"), *compiler)
    folder = xla_cache.folder()
    if key and folder is not None:
        kept = folder / f"{key}.so"
        if not kept.exists():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as place:
                os.replace(_build(compiler, Path(place)), kept)
        os.utime(kept)
        return ctypes.CDLL(str(kept))
    with tempfile.TemporaryDirectory(prefix="millrace-") as place:
        return ctypes.CDLL(str(_build(compiler, Path(place))))


def _build(compiler: list[str], place: Path) -> Path:
    """The library, in the folder `place`.

    Raises:
      OSError: there is no such compiler.
      SubprocessError: it refused.
    """
    text, built = place / "kernels.c", place / "kernels.so"
    text.write_text(source(), "utf-8")
    command = [*compiler, *_OPTIONS, f"-I{jax.ffi.include_dir()}", "-o", str(built), str(text)]
    subprocess.run(command, check=True, capture_output=True, timeout=_PATIENCE)
    return built
