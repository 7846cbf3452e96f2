"""Operations around control flow that programs write seldom and files hold: clocks, stops, truths."""

from __future__ import annotations

import time

import numpy as np

from millrace.building import raw
from millrace.core import errors
from millrace.core.dtypes import ALL, float64
from millrace.core.public import public
from millrace.graph.attrs import dtype, flag, shape, text
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor


@declare("ToBool(input: T) -> output: bool", T=ALL, host=True)
class ToBool:
    """Whether a number is not 0, a text not empty, and of other shapes: whether there is any element."""

    def shape(input):
        return ()

    def kernel(xp, input):
        value = np.asarray(input)
        if value.ndim:
            return np.asarray(value.size > 0)
        return np.asarray(bool(len(value.item())) if value.dtype.kind in "OSU" else bool(value != 0))

    grad = NOT_DIFFERENTIABLE


@declare("FakeParam() -> output: dtype", dtype=dtype(ALL), shape=shape(), host=True)
class FakeParam:
    """What a branch gives in place of what only the other one computes: zeros that nobody reads."""

    def shape(shape):
        return shape

    def kernel(xp, dtype, shape):
        dims = tuple(0 if d is None else d for d in shape or ())
        if dtype.np_dtype.kind == "O":
            return np.full(dims, b"", object)
        return np.zeros(dims, dtype.np_dtype)

    grad = NOT_DIFFERENTIABLE


@declare("Timestamp() -> ts: float64", host=True, effect=True)
class Timestamp:
    """The seconds since 1970, when it runs."""

    def shape():
        return ()

    def kernel(xp):
        return np.asarray(time.time(), float64.np_dtype)

    grad = NOT_DIFFERENTIABLE


@declare("Abort()", error_msg=text(""), exit_without_error=flag(False), host=True, effect=True)
class Abort:
    """Ends the run with an error; TensorFlow ends the process."""

    def shape():
        return []

    def kernel(xp, error_msg, exit_without_error, op):
        raise errors.AbortedError(None, op, f"Abort: {error_msg or 'the graph asked for it'}")

    grad = NOT_DIFFERENTIABLE


@public("timestamp")
def timestamp(name: str | None = None) -> Tensor:
    """The seconds since 1970 when it runs, a float64 scalar; each run looks at the clock again."""
    return raw.Timestamp(name=name)
