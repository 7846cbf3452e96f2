"""Array verbs that kernels speak: one vocabulary, spoken by NumPy and by JAX."""

from __future__ import annotations

from typing import Any


def numpy_dialect() -> Any:
    """The dialect of the interpreter."""
    from millrace.dialect.numpy import namespace

    return namespace.DIALECT


def owning_dialect() -> Any:
    """A dialect of the interpreter that changes rows in place; its `journal` undoes a failed run."""
    from millrace.dialect.numpy import namespace
    from millrace.dialect.numpy.state import Journal

    return namespace.OwningNumPyDialect(Journal())


def jax_dialect() -> Any:
    """The dialect of the compiled tier; imports jax."""
    from millrace.dialect.jax import namespace

    return namespace.DIALECT
