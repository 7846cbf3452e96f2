"""How often a loop runs, and how long the tensor arrays get that it fills, as far as constants tell.

A loop is followed round by round before anything runs: only what its condition and the places that it writes
to depend on is computed, and a value that is not known stays unknown. A condition that is unknown may hold,
so that what comes out is the most rounds there can be; where it is always known, it is the number of rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from millrace.building.evaluate import evaluate
from millrace.runtime.plan.planner import Plan, Step

_MOST_STEPS = 1 << 15  # computed while a loop is followed: some tenths of a second
_LARGEST = 1 << 12  # elements: what a condition depends on is small
_SETTLES = {"LogicalAnd": False, "LogicalOr": True}  # what one input alone decides


@dataclass(frozen=True, slots=True)
class Trips:
    """A loop that was followed.

    Attributes:
      most: rounds.
      exact: it runs as often as that, not less.
      sizes: for each carried value the size that it has at last, at most, where it is an array in work; None
        for any other, and where that is not known.
    """

    most: int
    exact: bool
    sizes: list[int | None]


def follow(step: Step, plan: Plan, bodies: tuple[Plan, Plan], arrays: Mapping[int, int]) -> Trips | None:
    """Follows a loop; None where it may run without an end or for too long to tell.

    Args:
      step: of the loop, in `plan`.
      plan: what is around it.
      bodies: the plans of its condition and its body.
      arrays: tensor arrays in work -> their sizes, as values of `plan`.
    """
    return _Follower(step, plan, bodies, arrays).trips()


class _Follower:
    def __init__(self, step: Step, plan: Plan, bodies: tuple[Plan, Plan], arrays: Mapping[int, int]) -> None:
        self._cond, self._body = bodies
        self._carried: int = step.op.attrs["carried"]
        self._start = [plan.constants.get(v) for v in step.inputs[: self._carried]]
        self._fixed = [plan.constants.get(v) for v in step.inputs[self._carried :]]
        self._sizes = [arrays.get(v) for v in step.inputs[: self._carried]]
        self._asked, self._turned = self._needed()

    def _needed(self) -> tuple[list[Step], list[Step]]:
        """The steps of the condition, and those of the body that lead to it and to the places written to."""
        wanted = set(self._cond.fetches[:1])
        asked = _leading_to(self._cond, wanted)
        places = dict(zip(self._cond.feeds, range(self._carried), strict=False))
        carried = {places[v] for v in wanted if v in places}
        wanted = {step.inputs[1] for step in self._body.steps if step.op.type == "TensorArrayWriteV3"}
        feeds = dict(zip(self._body.feeds, range(self._carried), strict=False))
        while True:
            wanted.update(self._body.fetches[k] for k in carried)
            turned = _leading_to(self._body, wanted)
            more = {feeds[v] for v in wanted if v in feeds} - carried
            if not more:
                return asked, turned
            carried |= more

    def trips(self) -> Trips | None:
        values, sizes = self._start, self._sizes
        done = rounds = 0
        exact = True
        while True:
            env = self._computed(self._cond, self._asked, values)
            going = env.get(self._cond.fetches[0])
            if going is not None and not going:
                return Trips(rounds, exact, sizes)
            exact &= going is not None
            rounds += 1
            done += len(self._asked) + len(self._turned)
            env = self._computed(self._body, self._turned, values)
            after = [env.get(v) for v in self._body.fetches[: self._carried]]
            if done > _MOST_STEPS or (going is None and _unchanged(values, after)):
                return None
            sizes = self._filled(sizes, env)
            values = after

    def _computed(self, body: Plan, steps: Sequence[Step], carried: Sequence[Any]) -> dict[int, Any]:
        """The values of a body that are known, for what is known of its arguments."""
        env: dict[int, Any] = dict(body.constants)
        arguments = zip(body.feeds, [*carried, *self._fixed], strict=False)
        env.update((v, value) for v, value in arguments if value is not None and np.size(value) <= _LARGEST)
        for step in steps:
            found = _results(step, [env.get(v) for v in step.inputs])
            if found is not None:
                env.update(zip(step.outputs, found, strict=True))
        return env

    def _filled(self, before: Sequence[int | None], env: Mapping[int, Any]) -> list[int | None]:
        """The sizes of the carried arrays after a round."""
        body = self._body
        sizes = {v: size for v, size in zip(body.feeds, before, strict=False) if size is not None}
        for step in body.steps:
            taken = [v for v in step.takes if v in sizes]
            if not taken:
                continue
            place = env.get(step.inputs[1]) if step.op.type == "TensorArrayWriteV3" else None
            if place is None or taken != step.inputs[3:] or int(place) < 0:
                for v in taken:  # read, measured or written to who knows where
                    del sizes[v]
                continue
            sizes[step.outputs[0]] = max(sizes[taken[0]], int(place) + 1)
        return [sizes.get(v) for v in body.fetches[: self._carried]]


def _leading_to(plan: Plan, wanted: set[int]) -> list[Step]:
    """The steps that the `wanted` values come from; what they take is added to these."""
    found: list[Step] = []
    for step in reversed(plan.steps):
        if not wanted.isdisjoint(step.makes):
            wanted.update(step.takes)
            found.append(step)
    return found[::-1]


def _results(step: Step, inputs: list[Any]) -> list[Any] | None:
    """What a step gives for known inputs, None among them for unknown ones; None where that is unknown."""
    opdef = step.op.opdef
    if all(value is not None for value in inputs):
        usable = opdef.pure and not opdef.has_body and not opdef.host and not step.state
        if not usable or not all(t.dtype.is_numpy_compatible for t in (*step.op.inputs, *step.op.outputs)):
            return None
        return evaluate(step.op, inputs)
    settled = _SETTLES.get(step.op.type)
    if settled is not None and any(np.ndim(x) == 0 and x == settled for x in inputs if x is not None):
        return [np.asarray(settled)] if step.op.outputs[0].dims == () else None
    return None


def _unchanged(before: Sequence[Any], after: Sequence[Any]) -> bool:
    same: Callable[[Any, Any], bool] = np.array_equal
    return all(
        a is b or (a is not None and b is not None and same(a, b)) for a, b in zip(before, after, strict=True)
    )
