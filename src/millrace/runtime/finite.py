"""`FiniteWatch`: stops a run at the first operation that makes NaN or infinity out of finite inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from millrace.core import errors
from millrace.runtime.plan.planner import Step
from millrace.runtime.stepwise import Part


class FiniteWatch:
    """An observer of one run that is taken apart into steps.

    Args:
      fed: (tensor, value) of each feed.
    """

    def __init__(self, fed: Sequence[tuple[Any, Any]]) -> None:
        self._values: dict[Any, Any] = dict(fed)

    def __call__(self, part: Part, start: int, end: int, results: Sequence[Any]) -> None:
        """Looks at what a part gives.

        Raises:
          InvalidArgumentError: it has made a value that is not finite; the run changes nothing.
        """
        given = dict(zip(part.gives, results, strict=True))
        for step in part.steps:
            if not isinstance(step, Step):
                continue
            op = step.op
            outputs = [(t, given[v]) for t, v in zip(op.outputs, step.outputs, strict=False) if v in given]
            self._values.update(outputs)
            written = [(None, given[v]) for v in step.new_state if v in given]
            bad = next((value for _, value in (*outputs, *written) if not is_finite(value)), None)
            known = [self._values[t] for t in op.inputs if t in self._values]
            if bad is not None and all(map(is_finite, known)):
                raise errors.InvalidArgumentError(None, op, self._message(op, bad))

    def _message(self, op: Any, bad: Any) -> str:
        array = np.asarray(bad)
        nans, size = int(np.isnan(array).sum()), array.size
        infinite = int(np.isinf(array).sum())
        lines = [f"check-numerics: {nans} NaN and {infinite} infinite of {size} values"]
        for tensor in op.inputs:
            value = self._values.get(tensor)
            lines.append(f"  {tensor.name} = {describe(value)}")
        return "\n".join(lines)


def is_finite(value: Any) -> bool:
    """Whether an array of floating point numbers has only finite ones; true for anything else."""
    array = np.asarray(value) if hasattr(value, "dtype") else None
    if array is None or array.dtype.kind not in "fc":
        return True
    return bool(np.isfinite(array).all())


def describe(value: Any) -> str:
    """A value in one line: dtype, shape, and its numbers or their range."""
    if value is None or not hasattr(value, "dtype"):
        return "a value that is not looked at" if value is None else type(value).__name__
    array = np.asarray(value)
    kind = f"{array.dtype} {list(array.shape)}"
    if array.size <= 8 or array.dtype.kind not in "fciu":
        text = np.array2string(array.reshape(-1)[:8], separator=", ", precision=6)
        return f"{kind} {text}"
    with np.errstate(all="ignore"):
        return f"{kind} from {array.min():.6g} to {array.max():.6g}, mean {array.mean():.6g}"
