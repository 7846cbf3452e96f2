"""Bit patterns of integers."""

from __future__ import annotations

from typing import Any

import numpy as np

from millrace.building.apply import apply
from millrace.building.dispatch import elementwise
from millrace.core import dtypes
from millrace.core.dtypes import FLOATING, INTEGER
from millrace.core.errors import refusal
from millrace.core.public import public
from millrace.graph.opdef import NOT_DIFFERENTIABLE, declare
from millrace.graph.tensor import Tensor
from millrace.opkit.rules.families import binary, unary

_PACKABLE = FLOATING - {dtypes.bfloat16} | {
    dtypes.bool_,
    dtypes.int8,
    dtypes.int16,
    dtypes.int32,
    dtypes.int64,
}


def _shift(verb: str):
    def kernel(xp, x, y):
        # Shifts by more than the width, or by less than nothing, are undefined in C; TensorFlow clamps them.
        most = np.asarray(x.dtype.itemsize * 8 - 1, y.dtype)
        return getattr(xp, verb)(x, xp.clip(y, np.zeros((), y.dtype), most))

    return kernel


BitwiseAnd = binary(
    "BitwiseAnd", INTEGER, "bitwise_and", NOT_DIFFERENTIABLE, "Bits set in both.", __name__, commutative=True
)
BitwiseOr = binary(
    "BitwiseOr", INTEGER, "bitwise_or", NOT_DIFFERENTIABLE, "Bits set in either.", __name__, commutative=True
)
BitwiseXor = binary(
    "BitwiseXor", INTEGER, "bitwise_xor", NOT_DIFFERENTIABLE, "Bits set in one.", __name__, commutative=True
)
LeftShift = binary(
    "LeftShift", INTEGER, _shift("left_shift"), NOT_DIFFERENTIABLE, "x moved up by y bits.", __name__
)
RightShift = binary(
    "RightShift", INTEGER, _shift("right_shift"), NOT_DIFFERENTIABLE, "x moved down by y bits.", __name__
)
Invert = unary("Invert", INTEGER, "invert", NOT_DIFFERENTIABLE, "The other bits.", __name__)


@declare("PopulationCount(x: T) -> y: uint8", T=INTEGER)
class PopulationCount:
    """The number of bits that are set; of negative numbers, in two's complement."""

    def shape(x):
        return x

    def kernel(xp, x):
        unsigned = xp.bits_as(x, np.dtype(f"u{x.dtype.itemsize}"))
        return xp.cast(xp.bitwise_count(unsigned), np.dtype(np.uint8))

    grad = NOT_DIFFERENTIABLE


@declare("CompareAndBitpack(input: T, threshold: T) -> output: uint8", T=_PACKABLE)
class CompareAndBitpack:
    """input > threshold, or booleans as they are, as bits: eight to a byte, the first one highest."""

    def shape(input, threshold):
        if input is None:
            return None
        if not input or (input[-1] is not None and input[-1] % 8):
            raise ValueError(f"the last dimension must be a multiple of 8. Received: shape {list(input)}")
        return (*input[:-1], None if input[-1] is None else input[-1] // 8)

    def kernel(xp, input, threshold):
        if not input.shape or input.shape[-1] % 8:
            raise refusal(f"the last dimension must be a multiple of 8. Received: shape {list(input.shape)}")
        bits = input if input.dtype == bool else xp.greater(input, threshold)
        return xp.packbits(bits, axis=-1)

    grad = NOT_DIFFERENTIABLE


@public("bitwise.bitwise_and")
@elementwise("binary")
def bitwise_and(x: Any, y: Any, name: str | None = None) -> Tensor:
    """The bits set in both x and y.

    Args:
      x: `[...]`, integer.
      y: broadcasts with `x`; same dtype.
      name: op name; default "BitwiseAnd".

    Returns:
      The broadcast shape, dtype of `x`.
    """
    return apply(BitwiseAnd, x, y, name=name)


@public("bitwise.bitwise_or")
@elementwise("binary")
def bitwise_or(x: Any, y: Any, name: str | None = None) -> Tensor:
    """The bits set in x or y; arguments and result as for `bitwise_and`."""
    return apply(BitwiseOr, x, y, name=name)


@public("bitwise.bitwise_xor")
@elementwise("binary")
def bitwise_xor(x: Any, y: Any, name: str | None = None) -> Tensor:
    """The bits set in just one of x and y; arguments and result as for `bitwise_and`."""
    return apply(BitwiseXor, x, y, name=name)


@public("bitwise.left_shift")
@elementwise("binary")
def left_shift(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x with its bits moved up by y, clamped to the width; arguments and result as for `bitwise_and`."""
    return apply(LeftShift, x, y, name=name)


@public("bitwise.right_shift")
@elementwise("binary")
def right_shift(x: Any, y: Any, name: str | None = None) -> Tensor:
    """x with its bits moved down by y, clamped to the width; the sign stays. As `bitwise_and` otherwise."""
    return apply(RightShift, x, y, name=name)


@public("bitwise.invert")
@elementwise("unary")
def invert(x: Any, name: str | None = None) -> Tensor:
    """x with every bit changed. Shape and dtype of `x`, an integer."""
    return apply(Invert, x, name=name)
