"""`Following`: one body after the other of a loop, as far as its values are known while tracing.

A value of a loop is *known*, a number while tracing, or *unknown*, a tracer; a value that a round leaves
*unchanged* is what it was before the round, known or unknown. Which of the three a result is may differ from
round to round: a flag may be known when a loop begins and follow from data later. So a pattern, which of the
values are known and the shapes of all, is met by tracing the whole body once. Every further round with that
pattern runs again only what numbers can change: the steps whose inputs are all known, those that gave
something known or checked something known, and those with bodies. A loop of thousands of rounds is followed
in less than a second, and what is unknown is never taken for what it once was.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false
# JAX does not type all that it offers.

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from millrace.dialect.jax.control import Checks, Uncompilable
from millrace.runtime.plan.planner import Step

_MOST_PATTERNS = 32  # of one body: a loop that makes more changes the shapes of its values, as no program can
_MOST_CHECKED = 512  # rounds in which conditions of counters are decided; later ones are left to the program


def is_known(value: Any) -> bool:
    """True for a value that is a number while tracing."""
    return isinstance(value, np.ndarray | np.generic | bool | int | float)


@dataclass
class _Round:
    """A pattern: the values of its first round, and the steps that another round runs again."""

    env: dict[int, Any]
    again: list[Step]
    numbers: list[Step]
    checks: set[Any]


class Following:
    """A body, called once for each round, with numbers for what is known and tracers of one trace for the
    rest.

    Attributes:
      undecided: the operations whose conditions the last call has not decided.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        constants: Mapping[int, Any],
        enter: Callable[[Sequence[Any]], dict[int, Any]],
        leave: Callable[[dict[int, Any], Sequence[Any]], list[Any]],
        run: Callable[[Sequence[Step], dict[int, Any]], None],
        fixed: slice,
    ) -> None:
        """Follows a body.

        Args:
          steps: of its plan.
          constants: of its plan.
          enter: arguments -> value id -> value.
          leave: all values and the arguments -> results.
          run: runs steps on values.
          fixed: which arguments are the same in each round.
        """
        self._steps, self._constants = steps, constants
        self._enter, self._leave, self._run = enter, leave, run
        self._fixed = fixed
        self._patterns: dict[Any, _Round] = {}
        self._calls = 0
        self.undecided: set[Any] = set()

    def __call__(self, args: Sequence[Any]) -> list[Any]:
        """The results of one round.

        Raises:
          Uncompilable: the values take on more shapes than a program can have.
        """
        self._calls += 1
        pattern = jax.tree.structure(list(args)), tuple(map(_kind, jax.tree.leaves(list(args))))
        known = self._patterns.get(pattern)
        if known is not None:
            env = self._repeated(known, args)
            if env is not None:
                return self._leave(env, args)
        elif len(self._patterns) >= _MOST_PATTERNS:
            raise Uncompilable("a loop whose values change their shapes")
        return self._leave(self._whole(pattern, args), args)

    def _whole(self, pattern: Any, args: Sequence[Any]) -> dict[int, Any]:
        env = dict(self._constants) | self._enter(args)
        free = self._enter([not self._fixed.start <= i < self._fixed.stop for i in range(len(args))])
        changing = {v for v, may in free.items() if may and is_known(env[v])}
        checks = Checks.current()
        with checks.watched() as watch:
            self._run(self._steps, env)
        again, numbers = [], []
        for step in self._steps:
            inputs = step.takes
            if changing.isdisjoint(inputs):
                continue
            outputs = step.makes
            if (
                all(is_known(env[v]) for v in inputs)
                or step.op.opdef.has_body
                or any(is_known(env[v]) for v in outputs)
            ):
                numbers.append(step)
                again.append(step)
                changing.update(outputs)
            elif step.op in watch.decided:
                again.append(step)
        self.undecided = watch.undecided
        self._patterns[pattern] = _Round(env, again, numbers, watch.decided)
        return env

    def _repeated(self, before: _Round, args: Sequence[Any]) -> dict[int, Any] | None:
        """The values of another round with a pattern; None where other values are known at its end."""
        env = before.env | self._enter(args)
        checked = self._calls <= _MOST_CHECKED
        with Checks.current().watched() as watch:
            self._run(before.again if checked else before.numbers, env)
        self.undecided = watch.undecided if checked else watch.undecided | before.checks
        for step in before.numbers:
            for value in step.makes:
                if is_known(env[value]) != is_known(before.env[value]):
                    return None
        return env


def _kind(leaf: Any) -> Any:
    """What two rounds must have in common."""
    return not isinstance(leaf, Tracer), np.shape(leaf), jax.numpy.result_type(leaf)
