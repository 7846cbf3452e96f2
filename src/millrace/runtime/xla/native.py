"""Builds the native kernels (`kernels.c`) and makes them known to XLA.

The machine's own C compiler translates them for its own processor when the first program is compiled that can
use them; the library is kept beside the compiled programs (see `cache`). Where there is no compiler, or
`MILLRACE_NATIVE` is "0", XLA's own kernels do their work.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false
# JAX does not type all that it offers.

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

from millrace.dialect.numpy import rows as numpy_rows
from millrace.runtime.xla import cache as xla_cache

KERNELS = (
    *("matmul", "pack", "conv", "conv_input_grad", "conv_filter_grad", "column_sums", "adam", "add_rows"),
    *("depthwise", "depthwise_input_grad", "depthwise_filter_grad"),
)
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
    except (OSError, ValueError, subprocess.SubprocessError) as error:  # CC may have unbalanced quotes
        _log.info("millrace: no native kernels, XLA's own take their place: %s", error)
        return False
    for name in KERNELS:
        handler = jax.ffi.pycapsule(getattr(library, f"millrace_{name}"))
        jax.ffi.register_ffi_target(f"millrace_{name}", handler, platform="cpu")
    add_rows = library.millrace_host_add_rows
    pointer, size = ctypes.c_void_p, ctypes.c_int64
    add_rows.argtypes = [pointer, size, size, pointer, pointer, size, ctypes.c_int]
    numpy_rows.add_with(add_rows)
    return True


@functools.cache
def source() -> str:
    """The text of the kernels."""
    return importlib.resources.files("millrace.runtime.xla").joinpath("kernels.c").read_text("utf-8")


def _library() -> ctypes.CDLL:
    compiler = shlex.split(os.environ.get("CC", "cc"))
    key = xla_cache.key_of("native", source(), importlib.metadata.version("jaxlib"), *compiler)
    content = xla_cache.load(key)
    with tempfile.TemporaryDirectory(prefix="millrace-") as place:  # of this user alone
        built = Path(place, "kernels.so")
        if content is None:
            _build(compiler, built)
            xla_cache.save(key, built.read_bytes())
        else:
            built.write_bytes(content)  # the bytes that were checked, whatever happens to the file meanwhile
        return ctypes.CDLL(str(built))


def _build(compiler: list[str], built: Path) -> None:
    """Makes the library `built`.

    Raises:
      OSError: there is no such compiler.
      SubprocessError: it refused.
    """
    text = built.with_suffix(".c")
    text.write_text(source(), "utf-8")
    command = [*compiler, *_OPTIONS, f"-I{jax.ffi.include_dir()}", "-o", str(built), str(text)]
    subprocess.run(command, check=True, capture_output=True, timeout=_PATIENCE)
