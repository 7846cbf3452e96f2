"""The JAX dialect: jax.numpy's own functions, and the verbs that it lacks or spells differently.

Every name that `numpy` and `jax.numpy` share with one meaning is a verb by itself; `protocol.py` lists the
others.
"""

from __future__ import annotations

import logging
from typing import Any

import jax.numpy as jnp

from millrace.dialect.jax.array import ArrayVerbs
from millrace.dialect.jax.control import ControlVerbs
from millrace.dialect.jax.conv import ConvVerbs
from millrace.dialect.jax.linalg import LinalgVerbs
from millrace.dialect.jax.math import MathVerbs
from millrace.dialect.jax.random import RandomVerbs
from millrace.dialect.jax.segment import SegmentVerbs
from millrace.dialect.jax.sparse import SparseVerbs
from millrace.dialect.jax.state import StateVerbs
from millrace.dialect.jax.trig import TrigVerbs

# `absl.app.run` lets messages of level INFO through; which accelerators jax lacks does not concern a script.
_log = logging.getLogger("jax")
if _log.level == logging.NOTSET:
    _log.setLevel(logging.WARNING)


class JaxDialect(
    ArrayVerbs,
    ControlVerbs,
    ConvVerbs,
    LinalgVerbs,
    MathVerbs,
    RandomVerbs,
    SegmentVerbs,
    SparseVerbs,
    StateVerbs,
    TrigVerbs,
):
    """Verbs on JAX arrays and tracers. Attributes not defined here are jax.numpy's functions."""

    name = "jax"

    def __getattr__(self, verb: str) -> Any:
        function = getattr(jnp, verb)
        setattr(self, verb, function)
        return function


DIALECT = JaxDialect()
