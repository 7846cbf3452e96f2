"""Steps of single elements that may be done for a whole batch at once.

They may where every row comes out as it would by itself, to the bit, and nothing can fail: arithmetic,
comparison, conversion and one-hot encoding of elements whose shapes are known. Records may be parsed at once,
too, by those who try single ones again when that fails.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from millrace.core import shapes
from millrace.runtime.plan.planner import Plan, Step

_VERBS = frozenset(
    (
        *("add", "subtract", "multiply", "maximum", "minimum", "negative", "absolute", "abs", "square"),
        *("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"),
        *("logical_and", "logical_or", "logical_not"),
    )
)
_DIVISIONS = frozenset(("RealDiv", "Div"))  # of floating point: of integers it can fail
_UNARY = frozenset(("Cast", "Identity"))


def rows_of(
    plan: Plan, given: dict[int, int], steps: Sequence[Step], gathers: bool = False, parses: bool = False
) -> dict[int, int] | None:
    """The ranks of the rows of all values that have rows; None where rows would not come out as by
    themselves.

    Args:
      plan: of single elements.
      given: the ranks of the values that have rows from the outset.
      steps: what is computed from them.
      gathers: rows may be gathered by number, too, which fails for a wrong number.
      parses: rows may be parsed as records, too, which fails for damaged ones.
    """
    ranks = dict(given)
    for step in steps:
        if parses and (parsed := _ranks_parsed(step, plan, ranks)):
            ranks.update(parsed)
            continue
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


def _ranks_parsed(step: Step, plan: Plan, ranks: dict[int, int]) -> dict[int, int]:
    """The ranks of the rows of all features of a record that have a fixed length; empty for another step."""
    op = step.op
    record, *defaults = step.inputs
    if op.opdef.name != "ParseSingleExample" or op.attrs["num_sparse"] or ranks.get(record) != 0:
        return {}
    lengths = op.attrs["dense_shapes"]
    if not all(v in plan.constants for v in defaults) or not all(map(shapes.fully_defined, lengths)):
        return {}
    return {v: len(dims) for v, dims in zip(step.outputs, lengths, strict=True)}


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
    if len(found) != 1 or not all(_is_number(plan, v) for v in step.inputs if v in ranks):
        return None
    rank = found.pop()
    for value in step.inputs:
        dims = plan.dims.get(value)
        if value not in ranks and (dims is None or len(dims) > rank):
            return None
    return rank


def row_bytes(plan: Plan, value: int) -> int | None:
    """How large a row is, or None where that is not known."""
    tensor = plan.tensors.get(value)
    dims = plan.dims.get(value)
    if tensor is None or dims is None or not shapes.fully_defined(dims):
        return None
    return math.prod(dims) * np.dtype(tensor.dtype.base_dtype.as_numpy_dtype).itemsize


def rows_last(plan: Plan, explicit: int, results: int, size: int) -> tuple[Plan, Plan] | None:
    """What is done for each element, and what is done at last for a whole batch of what that gives.

    Args:
      plan: of a function of single elements.
      explicit: how many of its feeds are arguments; those that follow are captured.
      results: how many of its fetches are results; the others are done for their effects.
      size: of a batch.

    Returns:
      Two plans; for each result the first fetches what the second takes a batch of, before what is captured.
      None where nothing is better done for a batch.
    """
    captured = plan.feeds[explicit:]
    ends = [_end_of(plan, value, captured) for value in plan.fetches[:results]]
    later = {id(step) for _, steps in ends for step in steps}
    if not later:
        return None
    cuts = [value for value, _ in ends]
    first = [step for step in plan.steps if id(step) not in later]
    last = [step for step in plan.steps if id(step) in later]
    batched = {v: (size, *(plan.dims[v] or ())) for step in last for v in step.outputs}
    batched.update((v, (size, *(plan.dims[v] or ()))) for v, steps in ends if steps)
    return (
        replace(plan, steps=first, fetches=[*cuts, *plan.fetches[results:]]),
        replace(
            plan,
            feeds=[*cuts, *captured],
            steps=last,
            fetches=plan.fetches[:results],
            cells=[],
            dims=plan.dims | batched,
        ),
    )


def _end_of(plan: Plan, result: int, captured: Sequence[int]) -> tuple[int, list[Step]]:
    """The value from which on a result may be made for a batch, and the steps that do it.

    The value takes no more memory than the result does, and nothing else needs what the steps make.
    """
    makers = {v: step for step in plan.steps for v in step.makes}
    value, steps, found = result, list[Step](), (result, list[Step]())
    while value in makers and _uses(plan, value) == 1:
        step = makers[value]
        taken = {v for v in step.inputs if v not in plan.constants and v not in captured}
        if len(taken) != 1 or step.state or len(step.makes) != 1:
            break
        steps.insert(0, step)
        (value,) = taken
        dims = plan.dims.get(value)
        if dims is None or _rank_of(step, plan, {value: len(dims)}) is None:
            break
        before, after = row_bytes(plan, value), row_bytes(plan, result)
        if before is not None and after is not None and before <= after:
            found = value, [*steps]
    return found


def _is_number(plan: Plan, value: int) -> bool:
    tensor = plan.tensors.get(value)
    dtype = None if tensor is None else tensor.dtype.base_dtype
    return dtype is not None and dtype.is_numpy_compatible and dtype.name != "string"


def _uses(plan: Plan, value: int) -> int:
    """How many steps, results and cells take a value."""
    steps = sum(value in step.takes for step in plan.steps)
    return steps + plan.fetches.count(value) + sum(use.final == value for use in plan.cells)
