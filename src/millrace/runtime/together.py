"""Small updates of one kind as one: an optimizer's steps for many small variables cost the interpreter calls
of NumPy, not arithmetic.

Variables of one shape that are updated by the same formula, with the same learning rate and so on, are
stacked, and the formula runs once. The formulas that are stacked compute element by element with operations
that IEEE 754 defines to the last bit, so that the values are those of the updates one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter, is_
from typing import Any

import numpy as np

from millrace.core import shapes
from millrace.dialect import numpy_dialect
from millrace.opkit.state.updates import Update
from millrace.runtime.plan.planner import Plan, Step
from millrace.runtime.plan.segments import Segment

_LEAST = 4  # variables: fewer cost as much one by one
_SMALL = 1 << 11  # elements of a variable: for a larger one the arithmetic is what takes time
_MOST = 1 << 16  # elements of all of them: what stays in a processor's cache

_shape = attrgetter("shape")


@dataclass(slots=True)
class Together:
    """Updates that run as one.

    Attributes:
      steps: in execution order; none takes what another makes.
      takes: the values that it takes: the first variable of each step, then the second of each and so on,
        the gradients, and what all steps share.
      makes: the values that it makes: the new values of the first variables, then of the second and so on.
    """

    steps: list[Step]
    takes: list[int]
    makes: list[int]

    def function(self) -> _Stacked:
        """What computes `makes` from `takes`."""
        return _Stacked(self.steps[0], len(self.steps))


Part = Step | Segment | Together
"""What the interpreter runs as one."""


class _Stacked:
    """The function of updates that run as one.

    The new values of variables are rows of one array. Where the next run gets these rows again, it takes the
    array as it is.

    Args:
      step: one of the updates.
      count: how many there are.
    """

    def __init__(self, step: Step, count: int) -> None:
        kernel = step.op.opdef.kernel
        assert isinstance(kernel, Update)
        self._kernel = kernel
        self._count = count
        self._attrs = {a: step.op.attrs[a] for a in step.op.opdef.kernel_attrs}
        self._xp = numpy_dialect()
        self._made: list[tuple[Any, list[Any]]] = []  # for each kind of variable the array and its rows

    def __call__(self, *args: Any) -> list[Any]:
        kernel, count = self._kernel, self._count
        stacked = (kernel.variables + 1) * count
        arrays, shared = args[:stacked], args[stacked:]
        if len(set(map(_shape, arrays))) != 1:  # a variable has got another shape, or a gradient
            return self._one_by_one(arrays, shared)
        shape = (count, *arrays[0].shape)
        whole = [
            self._whole(k, arrays[k * count : (k + 1) * count], shape) for k in range(kernel.variables + 1)
        ]
        results = kernel.formula(self._xp, *self._placed(whole, shared), **self._attrs)
        if kernel.variables == 1:
            results = (results,)
        self._made = [(result, list(result)) for result in results]
        return [value for _, rows in self._made for value in rows]

    def _whole(self, kind: int, rows: Sequence[Any], shape: tuple[int, ...]) -> Any:
        """The rows as one array."""
        if kind < len(self._made):
            array, known = self._made[kind]
            if all(map(is_, rows, known)):
                return array
        return np.concatenate(rows).reshape(shape)

    def _placed(self, own: Sequence[Any], shared: Sequence[Any]) -> list[Any]:
        """The arguments of the formula: variables and gradient, and what the updates share."""
        *variables, gradient = own
        placed = [*variables, *shared]
        placed.insert(self._kernel.gradient, gradient)
        return placed

    def _one_by_one(self, arrays: Sequence[Any], shared: Sequence[Any]) -> list[Any]:
        results = [
            self._kernel(self._xp, *self._placed(arrays[i :: self._count], shared), **self._attrs)
            for i in range(self._count)
        ]
        if self._kernel.variables == 1:
            return results
        return [value for part in zip(*results, strict=True) for value in part]


def gathered(plan: Plan, steps: Sequence[Step]) -> list[Step | Together]:
    """The steps, small updates of one kind gathered where nothing between them asks for their results."""
    parts: list[Step | Together] = []
    open_groups: dict[Any, list[Step]] = {}
    waiting: dict[int, Any] = {}  # value -> the group that will make it
    for step in steps:
        for value in (*step.inputs, *step.state):
            if value in waiting:
                _close(waiting[value], open_groups, waiting, parts)
        key = _kind(plan, step)
        if key is None:
            parts.append(step)
            continue
        group = open_groups.setdefault(key, [])
        group.append(step)
        waiting.update((value, key) for value in step.makes)
        size = shapes.num_elements(plan.dims.get(step.inputs[0])) or 1
        if (len(group) + 1) * size > _MOST:
            _close(key, open_groups, waiting, parts)
    for key in list(open_groups):
        _close(key, open_groups, waiting, parts)
    return parts


def _close(key: Any, groups: dict[Any, list[Step]], waiting: dict[int, Any], parts: list[Any]) -> None:
    steps = groups.pop(key)
    for step in steps:
        for value in step.makes:
            waiting.pop(value, None)
    if len(steps) < _LEAST:
        parts.extend(steps)
        return
    kernel = steps[0].op.opdef.kernel
    assert isinstance(kernel, Update)
    own = [*range(kernel.variables), kernel.gradient]
    takes = [step.inputs[i] for i in own for step in steps]
    takes += [v for i, v in enumerate(steps[0].inputs) if i not in own]
    makes = [step.new_state[i] for i in range(kernel.variables) for step in steps]
    parts.append(Together(steps, takes, makes))


def _kind(plan: Plan, step: Step) -> Any:
    """What updates that may be gathered have in common; None for any other step."""
    op = step.op
    kernel = op.opdef.kernel
    if not isinstance(kernel, Update) or not kernel.exact or not kernel.whole:
        return None
    if len(step.new_state) != kernel.variables:
        return None
    if any(value not in step.new_state for value in step.outputs):
        return None
    own = {*range(kernel.variables), kernel.gradient}
    dims = {plan.dims.get(step.inputs[i]) for i in own}
    if len(dims) != 1:
        return None
    dims = dims.pop()
    if not dims or not shapes.fully_defined(dims) or not 0 < (shapes.num_elements(dims) or 0) <= _SMALL:
        return None
    shared = tuple(v for i, v in enumerate(step.inputs) if i not in own)
    attrs = tuple(op.attrs[a] for a in op.opdef.kernel_attrs)
    return op.opdef.name, op.attrs["T"], dims, shared, attrs
