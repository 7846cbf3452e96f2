"""Functions of single elements, called for a whole batch at once.

A map before a batch may be computed after it where every row comes out as it would by itself, to the
bit, and nothing can fail: where the function is arithmetic, comparison, conversion and one-hot encoding
of elements whose shapes are known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from millrace.building.function import FunctionGraph
from millrace.core import shapes
from millrace.runtime import interpret
from millrace.runtime.plan.planner import Plan, Step, make_plan
from millrace.runtime.plan.simplify import simplify

_VERBS = frozenset(
    (
        *("add", "subtract", "multiply", "maximum", "minimum", "negative", "absolute", "abs", "square"),
        *("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"),
        *("logical_and", "logical_or", "logical_not"),
    )
)
_DIVISIONS = frozenset(("RealDiv", "Div"))  # of floating point: of integers it can fail
_UNARY = frozenset(("Cast", "Identity"))


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
    if plan.cells or not all(t.dtype.is_numpy_compatible and t.dtype.name != "string" for t in feeds):
        return None
    given = {v: len(t.dims or ()) for v, t in zip(plan.feeds, inputs, strict=False)}
    ranks = rows_of(plan, given, plan.steps)
    if ranks is None or not all(v in ranks for v in plan.fetches):
        return None
    return interpret.compile_function(replace(plan, dims={}))


def rows_of(
    plan: Plan, given: dict[int, int], steps: Sequence[Step], gathers: bool = False
) -> dict[int, int] | None:
    """The ranks of the rows of all values that have rows; None where rows would not come out as by
    themselves.

    Args:
      plan: of single elements.
      given: the ranks of the values that have rows from the outset.
      steps: what is computed from them.
      gathers: rows may be gathered by number, too, which fails for a wrong number.
    """
    ranks = dict(given)
    for step in steps:
        rank = _rank_of(step, plan, ranks)
        if rank is None and gathers:
            rank = _rank_gathered(step, plan, ranks)
        if rank is None:
            return None
        ranks[step.outputs[0]] = rank
    return ranks


def _rank_gathered(step: Step, plan: Plan, ranks: dict[int, int]) -> int | None:
    """The rank of the rows that a scalar number chooses from a tensor that has no rows itself."""
    op = step.op
    if op.opdef.name == "GatherV2":
        axis = plan.constants.get(step.inputs[2])
        if axis is None or int(axis) != 0 or op.attrs["batch_dims"]:
            return None
    elif op.opdef.name != "Gather":
        return None
    params, indices = step.inputs[:2]
    rank = op.inputs[0].shape.rank
    if params in ranks or ranks.get(indices) != 0 or not rank:
        return None
    return rank - 1


def _rank_of(step: Step, plan: Plan, ranks: dict[int, int]) -> int | None:
    """The rank of a row of the result of a step; None where rows would not come out as by themselves."""
    op = step.op
    kind = op.opdef.name
    if kind == "OneHot":
        fixed = all(v in plan.constants for v in step.inputs[1:])
        indices = ranks.get(step.inputs[0])
        return indices + 1 if fixed and op.attrs["axis"] == -1 and indices is not None else None
    verb = getattr(op.opdef.kernel, "verb", None)
    division = kind in _DIVISIONS and op.inputs[0].dtype.is_floating
    if not (verb in _VERBS or division or kind in _UNARY):
        return None
    found = {ranks[v] for v in step.inputs if v in ranks}
    if len(found) != 1:
        return None
    rank = found.pop()
    for value in step.inputs:
        dims = plan.dims.get(value)
        if value not in ranks and (dims is None or len(dims) > rank):
            return None
    return rank
