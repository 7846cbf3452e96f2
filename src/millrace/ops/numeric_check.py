"""Checks that numbers are finite."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.core import errors
from millrace.core.dtypes import FLOATING
from millrace.core.public import public
from millrace.graph import attrs, raw
from millrace.graph.apply import apply
from millrace.graph.opdef import declare
from millrace.graph.tensor import Tensor


# On the host: a compiled program cannot stop in the middle.
@declare("CheckNumerics(tensor: T) -> output: T", T=FLOATING, message=attrs.text(), alias=True, host=True)
class CheckNumerics:
    """`tensor`, which must not hold infinities or NaNs."""

    def shape(tensor):
        return tensor

    def kernel(xp, tensor, message):
        if not np.isfinite(tensor).all():
            found = [name for name, test in (("Inf", np.isinf), ("NaN", np.isnan)) if test(tensor).any()]
            raise errors.InvalidArgumentError(
                None, None, f"{message} : Tensor had {' and '.join(found)} values"
            )
        return tensor

    def grad(op, dy):
        return raw.CheckNumerics(
            dy, message=f"infinite or NaN gradient of a checked tensor. {op.attrs['message']}"
        )


@public("check_numerics", "debugging.check_numerics")
def check_numerics(tensor: Any, message: str, name: str | None = None) -> Tensor:
    """`tensor`; running it is an error if it holds infinities or NaNs.

    Args:
      tensor: `[...]`, floating.
      message: what the error says first.
      name: op name; default "CheckNumerics".

    Returns:
      Shape and dtype of `tensor`.

    Raises:
      InvalidArgumentError: when run, if a number is not finite.
    """
    return apply(CheckNumerics, tensor, message=message, name=name)
