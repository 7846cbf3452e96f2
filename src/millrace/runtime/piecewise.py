"""Arithmetic at the end of a pipeline's function, done for a batch one piece after the other.

NumPy makes a whole array for each operation, which goes through memory once more. A piece of a batch stays in
the processor's cache from the first operation to the last, and the results are made where they belong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from millrace.core import compiled, shapes
from millrace.runtime.plan.planner import Plan, Step
from millrace.runtime.spare import ufunc_of

_PIECE = 1 << 19  # bytes of a result: with what it is made of, it fits into the cache of a core
_NUMBERS = frozenset((np.dtype(np.float32), np.dtype(np.float64)))

_LETTERS = {np.add: "++", np.subtract: "-~", np.multiply: "**", np.divide: "/|"}  # before, after the other


class _Converted:
    """Numbers in another dtype."""

    def __call__(self, before: np.ndarray, after: np.ndarray) -> None:
        """Writes the numbers after the operation."""
        np.copyto(after, before, casting="unsafe")


class _Figured:
    """An operation on numbers alone, or with a constant.

    Attributes:
      ufunc: the operation.
      other: the constant; None where there is none.
      turned: the constant comes first.
    """

    def __init__(self, ufunc: Any, other: Any = None, turned: bool = False) -> None:
        self.ufunc, self.other, self.turned = ufunc, other, turned

    def __call__(self, before: np.ndarray, after: np.ndarray) -> None:
        """Writes the numbers after the operation."""
        if self.other is None:
            self.ufunc(before, out=after)
        elif self.turned:
            self.ufunc(self.other, before, out=after)
        else:
            self.ufunc(before, self.other, out=after)

    @property
    def letter(self) -> str:
        """What `brief.c` calls it; "" where it does not know it."""
        return _LETTERS.get(self.ufunc, "")[self.turned :][:1] if np.ndim(self.other) == 0 else ""


_Into = _Converted | _Figured


def piecewise(plan: Plan) -> Callable[..., list[Any]] | None:
    """A function of batches to batches; None where something else is done than arithmetic with constants.

    Args:
      plan: of chains of steps, one for each fetch, from the feed at the same place: the last of a function.
    """
    makers = {step.outputs[0]: step for step in plan.steps}
    chains = [
        _chain(plan, feed, fetch, makers)
        for feed, fetch in zip(plan.feeds[: len(plan.fetches)], plan.fetches, strict=True)
    ]
    made = [chain for chain in chains if chain is not None]
    if len(made) < len(chains):
        return None
    return lambda *batches: [chain(batch) for chain, batch in zip(made, batches, strict=False)]


def _chain(plan: Plan, feed: int, fetch: int, makers: dict[int, Step]) -> Callable[[Any], Any] | None:
    """The function from one batch to its result."""
    calls: list[_Into] = []
    value = fetch
    while value != feed:
        step = makers[value]
        taken = [v for v in step.inputs if v not in plan.constants]
        call = _into(plan, step, fetch, taken)
        if call is None:
            return None
        calls.insert(0, call)
        (value,) = taken
    if not calls:
        return _same
    dtype = np.dtype(plan.tensors[fetch].dtype.base_dtype.as_numpy_dtype)
    return partial(_in_pieces, calls, _letters(calls, dtype), dtype)


def _letters(calls: Sequence[_Into], dtype: np.dtype) -> tuple[bytes, np.ndarray] | None:
    """What `compiled.figured` is to be called with; None where it cannot do this."""
    figured = [call for call in calls if isinstance(call, _Figured)]
    letters = [call.letter for call in figured]
    after_one = figured == calls[1:] and isinstance(calls[0], _Converted)
    if dtype != np.float32 or not all(letters) or not (after_one or figured == calls):
        return None
    return "".join(letters).encode(), np.array([call.other for call in figured], np.float32)


def _same(batch: Any) -> Any:
    return batch


def _into(plan: Plan, step: Step, fetch: int, taken: Sequence[int]) -> _Into | None:
    """The call of a step that writes into memory of its result's shape and the dtype of `fetch`."""
    dtypes = [plan.tensors[v].dtype.base_dtype.as_numpy_dtype for v in (*taken, *step.outputs, fetch)]
    if len(taken) != 1 or dtypes[1] != dtypes[2] or np.dtype(dtypes[2]) not in _NUMBERS:
        return None
    if step.op.opdef.name == "Cast" and not step.op.attrs["Truncate"]:
        return _Converted() if np.dtype(dtypes[0]).kind in "biuf" else None
    ufunc: Any = np.divide if step.op.opdef.name in ("RealDiv", "Div") else ufunc_of(step)
    if ufunc is None or dtypes[0] != dtypes[1] or not _keeps_shape(plan, step, taken[0]):
        return None
    if len(step.inputs) == 1:
        return _Figured(ufunc)
    other = next(plan.constants[v] for v in step.inputs if v in plan.constants)
    return _Figured(ufunc, other, turned=step.inputs[0] != taken[0])


def _keeps_shape(plan: Plan, step: Step, taken: int) -> bool:
    """True where rows of the result have the shape of the rows that the step takes."""
    others = [plan.constants[v] for v in step.inputs if v != taken]
    if len(step.inputs) != len(others) + 1:
        return False  # both are the batch
    if all(not np.ndim(other) for other in others):
        return True
    row = plan.dims[taken] if taken in plan.feeds else (plan.dims[taken] or ())[1:]
    return shapes.fully_defined(row) and all(np.broadcast_shapes(o.shape, row) == row for o in others)


def _in_pieces(
    calls: Sequence[_Into], letters: tuple[bytes, np.ndarray] | None, dtype: np.dtype, batch: Any
) -> np.ndarray:
    batch = np.asarray(batch)
    made = np.empty(batch.shape, dtype)
    if letters is not None and compiled.figured(batch, made, *letters):
        return made
    row = math.prod(batch.shape[1:]) * dtype.itemsize
    rows = max(1, _PIECE // max(row, 1))
    for start in range(0, len(batch), rows):
        before, after = batch[start : start + rows], made[start : start + rows]
        for call in calls:
            call(before, after)
            before = after
    return made
