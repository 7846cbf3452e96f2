"""One BLAS thread while the interpreter runs, in which denormal numbers are zero.

NumPy's OpenBLAS keeps its threads spinning: where another process holds one of the cores a product of 1 ms
takes 24, and the sums come out differently with another number of threads. Large products belong to the
compiled tier anyway.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np

from millrace.runtime.flushing import Flushing

_BLAS = (
    "MatMul",
    "BatchMatMul",
    "SparseMatMul",
    "Conv",
    "Depthwise",
    "Dilation",
    "Matrix",
    "Cholesky",
    "Qr",
    "Svd",
    "SelfAdjointEig",
    "LogMatrix",
    "Lu",
    "Einsum",
    "SparseTensorDense",
)


def uses_blas(op_type: str) -> bool:
    """True for operation types whose kernels call BLAS or LAPACK."""
    return op_type.startswith(_BLAS)


class _NumPysOwn:
    """The OpenBLAS in NumPy's wheel, found by its file: a search through all takes ten times as long."""

    def __init__(self, file: str) -> None:
        import ctypes  # NumPy has imported it

        library = ctypes.CDLL(file)
        self.get_num_threads = library.scipy_openblas_get_num_threads64_
        self.set_num_threads = library.scipy_openblas_set_num_threads64_


def libraries() -> list[Any]:
    """What there is of BLAS in this process: things with `get_num_threads` and `set_num_threads`."""
    folder = Path(np.__file__).parent.with_name("numpy.libs")
    files = list(folder.glob("libscipy_openblas64_*"))
    if len(files) == 1 and "scipy" not in sys.modules:  # which brings one of its own
        try:
            return [_NumPysOwn(str(files[0]))]
        except (OSError, AttributeError):
            pass
    controller: Any = importlib.import_module("threadpoolctl").ThreadpoolController()
    return list(controller.select(user_api="blas").lib_controllers)


class OneThread:
    """A context in which BLAS uses one thread; entered by several threads at once, it ends with the last of
    them.

    Denormal numbers are zero in each thread that is inside.
    """

    def __init__(self) -> None:
        self._flushing = Flushing()
        self._lock = threading.Lock()
        self._inside = 0
        self._libraries: list[Any] | None = None
        self._before: list[int] = []

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                if self._libraries is None:
                    self._libraries = libraries()
                self._before = [library.get_num_threads() for library in self._libraries]
                for library in self._libraries:
                    library.set_num_threads(1)
        self._flushing.begin()

    def __exit__(self, *error: Any) -> None:
        self._flushing.end()
        with self._lock:
            if self._inside == 0:  # in a child of fork, that began inside
                return
            self._inside -= 1
            if self._inside == 0:
                for library, count in zip(self._libraries or (), self._before, strict=True):
                    library.set_num_threads(count)

    def begin_anew(self) -> None:
        """In a child of fork: no other thread is inside any more."""
        self._lock = threading.Lock()
        self._inside = 0


ONE_THREAD = OneThread()


def _after_fork() -> None:
    ONE_THREAD.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
