"""`Guard`: the checks of a program as a program of its own, which runs before it."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false
# JAX does not type all that it offers.

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from millrace.core import errors
from millrace.graph.operation import Operation
from millrace.runtime.xla.executables import Kept
from millrace.runtime.xla.products import ON_HOST, is_variable, read, walk

Rows = list[tuple[Operation, Callable[[], Exception]]]
"""The operation and the error of each check."""

_LARGEST = 1 << 20  # bytes that the steps of a guard may write
_SLOW = frozenset(("dot_general", "conv_general_dilated", "while", "scan", "cond", "ffi_call", "sort"))
_SIMPLE: dict[str, Callable[..., Any]] = ON_HOST | {
    "reduce_and": lambda x, axes, **_: np.logical_and.reduce(x, axes),
    "reduce_or": lambda x, axes, **_: np.logical_or.reduce(x, axes),
    "stack": lambda *xs, axis: np.stack(xs, axis) if np.ndim(xs[0]) else np.array(xs),
    "reshape": lambda x, new_sizes, **_: np.reshape(x, new_sizes),
    "concatenate": lambda *xs, dimension: np.concatenate(xs, dimension),
}
"""What NumPy computes alike: enough for labels and rows that must lie in a range."""


class Guard:
    """Checks that need little beside the inputs of a program.

    Where they are simple and look at arrays that are fed they run on NumPy: 13 us for the labels of a batch,
    as a program of XLA 41.
    """

    def __init__(
        self,
        known: dict[Any, np.ndarray],
        places: list[int],
        invars: list[Any],
        eqns: list[Any],
        held: Any,
        rows: Rows,
    ) -> None:
        self._known = known
        self._places = places
        self._invars = invars
        self._eqns = eqns
        self._held = held
        self._rows = rows
        self._function = Kept(self._traced)
        self._simple = all(eqn.primitive.name in _SIMPLE for eqn in eqns)
        self._on_host, self._last = _once(eqns, held, known) if self._simple else ([], held)

    @classmethod
    def of(cls, program: Any, args: Sequence[Any], rows: Rows) -> Guard | None:
        """The guard for the last result of a program; None where that is too much to do apart.

        Args:
          program: a closed jaxpr.
          args: its variables, in the structure of the arguments.
          rows: what the last result says of.
        """
        jaxpr = program.jaxpr
        held = jaxpr.outvars[-1]
        needed = {held}
        eqns = []
        size = 0
        for eqn in reversed(jaxpr.eqns):
            if needed.isdisjoint(eqn.outvars):
                continue
            if eqn.primitive.name in _SLOW:
                return None
            size += sum(v.aval.size * v.aval.dtype.itemsize for v in eqn.outvars)
            needed.update(filter(is_variable, eqn.invars))
            eqns.append(eqn)
        if size > _LARGEST:
            return None
        consts = zip(jaxpr.constvars, program.consts, strict=True)
        known = {v: np.asarray(value) for v, value in consts if v in needed}
        places = [i for i, arg in enumerate(args) if not needed.isdisjoint(jax.tree.leaves(arg))]
        return cls(known, places, jax.tree.leaves([args[i] for i in places]), eqns[::-1], held, rows)

    def __call__(self, values: Sequence[Any]) -> None:
        """Raises the error of the first check that does not hold for these inputs of the program."""
        some = [values[i] for i in self._places]
        on_host = self._simple and all(isinstance(value, np.ndarray) for value in some)
        raise_failed(self._rows, self._computed(some) if on_host else self._function(*some))

    def _computed(self, values: Sequence[Any]) -> Any:
        env = self._known | dict(zip(self._invars, values, strict=True))
        for verb, takes, made, params in self._on_host:
            env[made] = verb(*[env[v] for v in takes], **params)
        return read(env, self._last)

    def _traced(self, *values: Any) -> Any:
        env = self._known | dict(zip(self._invars, jax.tree.leaves(values), strict=True))
        walk(self._eqns, env)
        return read(env, self._held)


def _once(eqns: list[Any], held: Any, known: dict[Any, Any]) -> tuple[list[Any], Any]:
    """Simple equations as (function, names of the arguments, of the result, parameters), each computed once:
    several operations look at the same rows; and the name of the last result. Literals are added to `known`.
    """
    steps: list[Any] = []
    same: dict[Any, Any] = {}  # variable -> the first that has its value
    found: dict[Any, Any] = {}
    for eqn in eqns:
        takes = [same.get(v, v) if is_variable(v) else f"{v.aval} {v.val!r}" for v in eqn.invars]
        known.update((name, np.asarray(v.val)) for name, v in zip(takes, eqn.invars) if not is_variable(v))
        key = (eqn.primitive.name, *takes, repr(eqn.params))
        made = eqn.outvars[0]
        if key in found:
            same[made] = found[key]
            continue
        found[key] = made
        steps.append((_SIMPLE[eqn.primitive.name], takes, made, eqn.params))
    return steps, same.get(held, held)


def raise_failed(rows: Rows, held: Any) -> None:
    """Raises the error of the first check that does not hold."""
    held = np.asarray(held)
    if held.all():
        return
    op, error = rows[int(np.argmin(held))]
    raised = error()
    if isinstance(raised, errors.OpError) and raised.op is None:
        raised = type(raised)(None, op, raised.message)  # type: ignore[call-arg, arg-type]
    raise raised
