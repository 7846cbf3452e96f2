"""Array verbs that kernels speak: one vocabulary, spoken by NumPy and by JAX."""

from __future__ import annotations

from typing import Any


def numpy_dialect() -> Any:
    """The dialect of the interpreter."""
    from millrace.dialect import numpy_

    return numpy_.DIALECT


def owning_dialect() -> Any:
    """A dialect of the interpreter that changes rows in place; its `journal` undoes a failed run."""
    from millrace.dialect import numpy_
    from millrace.dialect.numpy_state import Journal

    return numpy_.OwningNumPyDialect(Journal())


def jax_dialect() -> Any:
    """The dialect of the compiled tier; imports jax."""
    from millrace.dialect import jax_

    return jax_.DIALECT
