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

import jax

from millrace.dialect.numpy import rows as numpy_rows
from millrace.runtime import native_code

KERNELS = (
    *("matmul", "pack", "conv", "conv_input_grad", "conv_filter_grad", "column_sums", "adam", "add_rows"),
    *("depthwise", "depthwise_input_grad", "depthwise_filter_grad"),
)
_OPTIONS = ("-O3", "-march=native", "-std=gnu11", "-fno-math-errno")

_log = logging.getLogger("millrace")


@functools.cache
def ready() -> bool:
    """True where programs may call the kernels, which are built and registered at the first question."""
    if not native_code.wanted() or jax.default_backend() != "cpu":
        return False
    try:
        library = _library()
    except native_code.FAILURES as error:
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
    options = (*_OPTIONS, f"-I{jax.ffi.include_dir()}")
    version = importlib.metadata.version("jaxlib")
    return native_code.library(ctypes.CDLL, "kernels", source(), options, version)
