"""Functions of single elements, called for a whole batch at once.

A map before a batch may be computed after it where every row comes out as it would by itself, to the
bit (`plan/rows.py`), whoever calls it for single elements where it fails for a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from millrace.building.function import FunctionGraph
from millrace.core import shapes
from millrace.runtime import interpret
from millrace.runtime.plan.planner import make_plan
from millrace.runtime.plan.rows import rows_of
from millrace.runtime.plan.simplify import simplify


def rowwise_function(graph: FunctionGraph, has_effects: bool) -> Callable[..., Sequence[Any]] | None:
    """A function of batches of the arguments, then the captured values; None where there is none.

    Args:
      graph: the function of single elements.
      has_effects: it does something besides its results.
    """
    inputs = graph.inputs
    if has_effects or not inputs or not all(shapes.fully_defined(t.dims) for t in inputs):
        return None
    feeds = [*inputs, *graph.captures.values()]
    plan = simplify(make_plan(graph.outputs, feeds))
    if plan.cells or not all(t.dtype.is_numpy_compatible for t in feeds):
        return None
    given = {v: len(t.dims or ()) for v, t in zip(plan.feeds, inputs, strict=False)}
    ranks = rows_of(plan, given, plan.steps, parses=True)
    if ranks is None or not all(v in ranks for v in plan.fetches):
        return None
    return interpret.compile_function(replace(plan, dims={}))
