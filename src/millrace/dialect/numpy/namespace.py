"""The NumPy dialect: NumPy's own functions, and the verbs that NumPy lacks.

Every name that `numpy` and `jax.numpy` share with one meaning is a verb by itself; `protocol.py` lists the
others.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.dialect.numpy.array import ArrayVerbs
from millrace.dialect.numpy.control import ControlVerbs
from millrace.dialect.numpy.conv import ConvVerbs
from millrace.dialect.numpy.linalg import LinalgVerbs
from millrace.dialect.numpy.math import MathVerbs
from millrace.dialect.numpy.random import RandomVerbs
from millrace.dialect.numpy.segment import SegmentVerbs
from millrace.dialect.numpy.sparse import SparseVerbs
from millrace.dialect.numpy.state import Journal, OwningVerbs, StateVerbs


class NumPyDialect(
    ControlVerbs,
    ArrayVerbs,
    ConvVerbs,
    LinalgVerbs,
    MathVerbs,
    RandomVerbs,
    SegmentVerbs,
    SparseVerbs,
    StateVerbs,
):
    """Verbs on NumPy arrays. Attributes not defined here are NumPy's functions."""

    name = "numpy"

    def __getattr__(self, verb: str) -> Any:
        function = getattr(np, verb)
        setattr(self, verb, function)  # the next look-up finds it without this detour
        return function


class OwningNumPyDialect(OwningVerbs, NumPyDialect):
    """The dialect for steps that own the variables they change."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal


DIALECT = NumPyDialect()
