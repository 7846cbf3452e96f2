"""Draws that turn a fixed number of random bits into each number: uniform, uniform integers, normal.

Every function is a pure, vectorised function of a generator state (`opkit.philox`) and returns numbers in
the order in which TensorFlow's CPU kernels fill an output: block after block. Uniform bits and integers are
exact; numbers that pass through a logarithm or a sine may differ from another machine's by a few units in
the last place.
"""

from __future__ import annotations

from typing import Any, Final

import ml_dtypes
import numpy as np

from millrace.opkit.random.philox import Array, blocks, on_host

_BFLOAT16: Final = np.dtype(ml_dtypes.bfloat16)
# For each type made from one word: the integer type that holds its bits, the mantissa mask, and the bits of
# 1.0.
_ONE_WORD: Final = {
    np.dtype(np.float16): (np.uint16, 0x3FF, 0x3C00),
    _BFLOAT16: (np.uint16, 0x7F, 0x3F80),
    np.dtype(np.float32): (np.uint32, 0x7FFFFF, 0x3F800000),
}
_TWO_PI: Final = 2.0 * np.pi
# Smallest uniform number the logarithm is allowed to see.
_TINY: Final = 1e-7


def uniform(xp: Any, state: Array, count: int, dtype: np.dtype) -> Array:
    """Draws uniform numbers in [0, 1).

    Random mantissa bits under the exponent of 1.0 give a number in [1, 2), from which 1 is taken away.

    Args:
      xp: array namespace.
      state: uint32 `[6]`.
      count: how many numbers.
      dtype: float16, bfloat16, float32 or float64.

    Returns:
      `[count]` of `dtype`.
    """
    dtype = np.dtype(dtype)
    each = 2 if dtype == np.float64 else 4
    return uniform_of(blocks(xp, state, -(-count // each)), count, dtype)


def uniform_of(block: Array, count: int, dtype: np.dtype) -> Array:
    """Uniform numbers in [0, 1), `[..., count]`, from blocks, uint32 `[..., n, 4]`."""
    flat = _flat(block)
    if dtype == np.float64:
        return double(flat.reshape(*flat.shape[:-1], -1, 2))[..., :count]
    return fraction(flat[..., :count], dtype)


def uniform_int(xp: Any, state: Array, count: int, minval: Array, maxval: Array) -> Array:
    """Draws integers in [minval, maxval): random bits modulo the width of the range, as unsigned numbers.

    Args:
      xp: array namespace.
      state: uint32 `[6]`.
      count: how many numbers.
      minval: int32 or int64 scalar.
      maxval: scalar of the same dtype, above `minval`.

    Returns:
      `[count]` of the dtype of `minval`.
    """
    each = 16 // np.dtype(minval.dtype).itemsize
    return integers_of(xp, blocks(xp, state, -(-count // each)), count, minval, maxval)


def integers_of(xp: Any, block: Array, count: int, minval: Array, maxval: Array) -> Array:
    """Integers in [minval, maxval), `[..., count]`, from blocks, uint32 `[..., n, 4]`."""
    dtype = np.dtype(minval.dtype)
    unsigned = np.uint32 if dtype.itemsize == 4 else np.uint64
    low = xp.asarray(minval).astype(unsigned)
    width = xp.asarray(maxval).astype(unsigned) - low
    bits = _flat(block)
    if dtype.itemsize != 4:
        bits = _joined(bits.reshape(*bits.shape[:-1], -1, 2))
    return (low + bits[..., :count] % width).astype(dtype)


def normal(xp: Any, state: Array, count: int, dtype: np.dtype) -> Array:
    """Draws standard normal numbers by Box and Muller's transform.

    Args:
      xp: array namespace.
      state: uint32 `[6]`.
      count: how many numbers.
      dtype: float16, bfloat16, float32 or float64. The 16-bit types are rounded float32 draws.

    Returns:
      `[count]` of `dtype`.
    """
    dtype = np.dtype(dtype)
    each = 2 if dtype == np.float64 else 4
    return normal_of(xp, blocks(xp, state, -(-count // each)), count, dtype)


def normal_of(xp: Any, block: Array, count: int, dtype: np.dtype) -> Array:
    """Standard normal numbers, `[..., count]`, from blocks, uint32 `[..., n, 4]`."""
    outer, rows = block.shape[:-2], block.reshape(-1, 4)
    if dtype == np.float64:
        return normal_pairs64(xp, rows).reshape(*outer, -1)[..., :count]
    return normal_quads32(xp, rows).reshape(*outer, -1)[..., :count].astype(dtype, copy=False)


def fraction(word: Array, dtype: np.dtype) -> Array:
    """Turns random uint32 words into numbers of `dtype` (16 or 32 bits) in [0, 1)."""
    holder, mantissa, one = _ONE_WORD[dtype]
    bits = word.astype(holder, copy=False) & holder(mantissa) | holder(one)
    return bits.view(dtype) - dtype.type(1)


def double(pair: Array) -> Array:
    """Turns word pairs, uint32 `[..., 2]` (upper mantissa bits first), into float64 `[...]` in [0, 1)."""
    upper = pair[..., 0].astype(np.uint64) & np.uint64(0xFFFFF) | np.uint64(0x3FF00000)
    return (upper << np.uint64(32) | pair[..., 1]).view(np.float64) - 1.0


def normal_quads32(xp: Any, block: Array) -> Array:
    """Turns blocks, uint32 `[n, 4]`, into float32 normals `[n, 4]`: (sine, cosine) of each word pair."""
    uniforms = fraction(block, np.dtype(np.float32))
    radius, angle = uniforms[:, 0::2], uniforms[:, 1::2]
    radius = xp.maximum(radius, np.float32(_TINY))
    if on_host(xp):
        # Double precision, then one rounding: nearest to a good single-precision library, and still fast.
        radius = np.sqrt(np.float32(-2) * np.log(radius.astype(np.float64)).astype(np.float32))
        wide = (angle * _TWO_PI_64).astype(np.float32).astype(np.float64)
        sine, cosine = np.sin(wide).astype(np.float32), np.cos(wide).astype(np.float32)
    else:
        radius = xp.sqrt(np.float32(-2) * xp.log(radius))
        angle = _times_two_pi(xp, angle)
        sine, cosine = xp.sin(angle), xp.cos(angle)
    return xp.stack([sine * radius, cosine * radius], axis=-1).reshape(-1, 4)


def normal_pairs64(xp: Any, block: Array) -> Array:
    """Turns blocks, uint32 `[n, 4]`, into float64 normal numbers `[n, 2]`: sine and cosine parts."""
    radius = xp.maximum(double(block[:, :2]), _TINY)
    angle = _TWO_PI * double(block[:, 2:])
    radius = xp.sqrt(-2.0 * xp.log(radius))
    return xp.stack([xp.sin(angle) * radius, xp.cos(angle) * radius], axis=-1)


_TWO_PI_64: Final = np.float64(_TWO_PI)
# 2 pi in a part of 12 bits and the rest, for a product that single precision rounds only once.
_TWO_PI_HIGH: Final = np.float32(np.round(_TWO_PI * 2**9) / 2**9)
_TWO_PI_LOW: Final = np.float32(_TWO_PI - float(_TWO_PI_HIGH))


def _times_two_pi(xp: Any, x: Array) -> Array:
    # Without 64-bit floats: x in [0, 1) is a multiple of 2**-23, so its upper 12 bits times 12 bits of 2 pi
    # is exact.
    upper = xp.floor(x * np.float32(4096)) * np.float32(1 / 4096)
    return upper * _TWO_PI_HIGH + ((x - upper) * _TWO_PI_HIGH + x * _TWO_PI_LOW)


def _flat(block: Array) -> Array:
    return block.reshape(*block.shape[:-2], -1)


def _joined(pair: Array) -> Array:
    return pair[..., 1].astype(np.uint64) << np.uint64(32) | pair[..., 0]
