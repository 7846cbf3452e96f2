"""Array verbs that kernels speak: one vocabulary, spoken by NumPy and by JAX."""

from __future__ import annotations

from typing import Any

from millrace.dialect.numpy.namespace import DIALECT as _NUMPY


def numpy_dialect() -> Any:
    """The dialect of the interpreter."""
    return _NUMPY


def owning_dialect() -> Any:
    """A dialect of the interpreter that changes rows in place; its `journal` undoes a failed run."""
    from millrace.dialect.numpy.state import Journal, OwningDialect

    return OwningDialect(Journal())


def jax_dialect() -> Any:
    """The dialect of the compiled tier; imports jax."""
    from millrace.dialect.jax import namespace

    return namespace.DIALECT
