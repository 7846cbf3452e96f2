"""Lets no interrupt get lost in the garbage collector.

JAX gives Python's collector a function of its own, written in Python. A signal that comes while it runs,
which is often where a step makes hundreds of arrays, raises KeyboardInterrupt inside of the collector, and
Python drops that with a line on stderr. The same call without Python code has no such gap.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import importlib


@functools.cache
def keep_interrupts() -> None:
    """Puts a function in C in the place of JAX's, where this version of JAX has it."""
    with contextlib.suppress(ImportError, AttributeError):
        lib = importlib.import_module("jax._src.lib")
        found, collect = lib._xla_gc_callback, lib._jax.collect_garbage
        if found in gc.callbacks:
            # the collector gives two arguments, which the C function does not look at
            kinds = [ctypes.py_object] * 4
            call = ctypes.PYFUNCTYPE(*kinds)(("PyObject_CallNoArgs", ctypes.pythonapi))
            gc.callbacks[gc.callbacks.index(found)] = functools.partial(call, collect)
