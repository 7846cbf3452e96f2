"""Checks that numbers are finite."""

from __future__ import annotations

from typing import Any

from millrace.building import raw
from millrace.building.apply import apply
from millrace.building.dispatch import elementwise
from millrace.core.dtypes import FLOATING
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph import attrs
from millrace.graph.opdef import declare
from millrace.graph.tensor import Tensor


def _found(message: str, what: str):
    return lambda: refusal(f"{message} : Tensor had {what} values")


@declare("CheckNumerics(tensor: T) -> output: T", T=FLOATING, message=attrs.text(), alias=True, effect=True)
class CheckNumerics:
    """`tensor`, which must not hold infinities or NaNs; an effect, so that a check nobody reads is made all
    the same.
    """

    def shape(tensor):
        return tensor

    def kernel(xp, tensor, message):
        nan, inf = xp.any(xp.isnan(tensor)), xp.any(xp.isinf(tensor))
        xp.check(xp.logical_not(xp.logical_and(nan, inf)), _found(message, "Inf and NaN"))
        xp.check(xp.logical_not(nan), _found(message, "NaN"))
        xp.check(xp.logical_not(inf), _found(message, "Inf"))
        return tensor

    def grad(op, dy):
        return raw.CheckNumerics(
            dy, message=f"infinite or NaN gradient of a checked tensor. {op.attrs['message']}"
        )


@public("check_numerics", "debugging.check_numerics")
@elementwise("unary")
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
