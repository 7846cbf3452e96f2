"""How large the values of a segment can be, where that follows from its operations and the size of what is
fed.

For one purpose: sines and cosines of small numbers have a recipe that is five times as fast as XLA's
(`dialect/jax/trig`), and is wrong for large ones. A bound is a number b with |x| <= b for every element.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from millrace.core import dtypes
from millrace.graph.operation import Operation
from millrace.runtime.plan.planner import Plan, Step
from millrace.runtime.plan.segments import Segment

ASSUMED = 512.0  # what is fed is taken to be no larger; a program checks it before it runs
LIMIT = 100.0  # the recipe is good to 1.6 units in the last place up to here

_ARRAYS: tuple[type, ...] = (np.ndarray,)
_Rule = Callable[[Sequence[float]], float]


def _first(bounds: Sequence[float]) -> float:
    return bounds[0]


_RULES: dict[str, _Rule] = {
    **dict.fromkeys(("Sin", "Cos", "Tanh", "Sigmoid", "Sign", "Softmax", "Erf"), lambda b: 1.0),
    **dict.fromkeys(("Add", "AddV2", "Sub", "AddN"), sum),
    **dict.fromkeys(("Mul",), math.prod),
    **dict.fromkeys(("Maximum", "Minimum"), max),
    **dict.fromkeys(
        ("Neg", "Abs", "Relu", "Reshape", "Transpose", "Tile", "ExpandDims", "Squeeze", "StridedSlice",
         "Slice", "Fill", "BroadcastTo", "Identity", "Max", "Min", "Mean"), _first
    ),
    "Relu6": lambda b: min(b[0], 6.0),
    "Square": lambda b: b[0] * b[0],
    "SquaredDifference": lambda b: (b[0] + b[1]) ** 2,
}  # fmt: skip


def small_angles(segment: Segment, plan: Plan) -> tuple[frozenset[Operation], list[int]]:
    """The sines and cosines of a segment whose arguments are small if what is fed is no larger than
    `ASSUMED`.

    Returns:
      The operations, and the fed values that they depend on.
    """
    fed = [v for v in segment.inputs if v in plan.feeds and plan.tensors[v].dtype is dtypes.float32]
    bounds = dict.fromkeys(fed, ASSUMED)
    depends = {v: frozenset((v,)) for v in fed}
    chosen: set[Operation] = set()
    needed: set[int] = set()
    for step in segment.steps:
        if _is_angle(step) and bounds.get(step.inputs[0], math.inf) <= LIMIT:
            chosen.add(step.op)
            needed |= depends.get(step.inputs[0], frozenset())
        rule = _RULES.get(step.op.type)
        if rule is None:
            continue
        values = [bounds.get(v, _of_constant(plan, v)) for v in step.inputs]
        bound = rule([values[1]] if step.op.type == "Fill" else values)
        if bound < math.inf:
            bounds[step.outputs[0]] = bound
            depends[step.outputs[0]] = frozenset().union(*(depends.get(v, frozenset()) for v in step.inputs))
    return frozenset(chosen), sorted(needed)


def _is_angle(step: Step) -> bool:
    return step.op.type in ("Sin", "Cos") and step.op.outputs[0].dtype is dtypes.float32


def _of_constant(plan: Plan, value: int) -> float:
    array = plan.constants.get(value)
    if array is None or not isinstance(array, _ARRAYS) or array.dtype.kind not in "fiu" or not array.size:
        return math.inf
    largest = float(np.max(np.abs(array.astype(np.float64))))
    return largest if largest == largest else math.inf
