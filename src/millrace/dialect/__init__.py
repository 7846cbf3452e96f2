"""Array verbs that kernels speak: one vocabulary, spoken by NumPy and by JAX."""

from __future__ import annotations

from typing import Any


def numpy_dialect() -> Any:
    """The dialect of the interpreter."""
    from millrace.dialect import numpy_

    return numpy_.DIALECT


def jax_dialect() -> Any:
    """The dialect of the compiled tier; imports jax."""
    from millrace.dialect import jax_

    return jax_.DIALECT
