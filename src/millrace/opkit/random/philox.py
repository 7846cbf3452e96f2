"""Philox4x32-10: the counter-based generator behind every random op.

The generator (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011) turns a
128-bit counter and a 64-bit key into 128 random bits, one *block* of four 32-bit words. It keeps nothing
else, so a generator's state is six words, `counter[4]` then `key[2]`, lowest word first; draws are pure
functions of a state, and any number of lanes can be computed at once because each only needs its own
counter.

Everything here is written against an array namespace `xp`. On the host (`xp` is NumPy) 32 x 32 -> 64 bit
products use `uint64`; a traced namespace may lack 64-bit integers, and then the product is put together
from 16-bit halves.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

Array = Any  # a NumPy array, or an array of the namespace a kernel is traced with

RESERVED: Final = 256
"""Blocks that a stateful op sets aside for each number it returns, whether it needs them or not."""

_ROUNDS: Final = 10
_MULTIPLIERS: Final = (0xD2511F53, 0xCD9E8D57)
_WEYL: Final = (0x9E3779B9, 0xBB67AE85)
_MASK32: Final = 0xFFFFFFFF
_MASK64: Final = 0xFFFFFFFFFFFFFFFF
_MASK128: Final = (1 << 128) - 1
# What each round adds to the key, shaped to broadcast over [2, lanes].
_KEY_STEPS: Final = np.array([[[(r * w) & _MASK32] for w in _WEYL] for r in range(_ROUNDS)], np.uint32)
_WIDE_MULTIPLIERS: Final = np.array([[m] for m in _MULTIPLIERS], np.uint64)
_NARROW_MULTIPLIERS: Final = _WIDE_MULTIPLIERS.astype(np.uint32)
# Below this many blocks Python's own integers beat the fixed cost of about forty NumPy calls.
_FEW_BLOCKS: Final = 6
# Lanes computed together on the host: the working set of a chunk stays in the second-level cache.
_CHUNK: Final = 16384
# Words of a little-endian uint64 seen as two uint32.
_LOW, _HIGH = (0, 1) if np.little_endian else (1, 0)


def on_host(xp: Any) -> bool:
    """Says whether `xp` computes now, with NumPy, rather than being traced for a compiler."""
    return xp is np or getattr(xp, "name", None) == "numpy"


def initial_state(seed: int, seed2: int) -> np.ndarray:
    """Makes the state of a generator that has drawn nothing yet.

    Args:
      seed: the op's `seed` attribute, 64 bits, negative allowed: the key.
      seed2: the op's `seed2` attribute, 64 bits: the upper half of the counter.

    Returns:
      uint32 `[6]`: counter (lowest word first), then key. Callers replace seeds that are both 0 by fresh
      entropy.
    """
    seed, seed2 = seed & _MASK64, seed2 & _MASK64
    return np.array([0, 0, seed2 & _MASK32, seed2 >> 32, seed & _MASK32, seed >> 32], dtype=np.uint32)


def stateless_state(xp: Any, seed: Array) -> Array:
    """Makes the state used by one stateless op from its two-number seed.

    The seed itself is first run through the generator, under a fixed key, so that neighbouring seeds give
    unrelated streams.

    Args:
      xp: array namespace.
      seed: int32 or int64 `[2]`.

    Returns:
      uint32 `[6]`.
    """
    seed = xp.asarray(seed)
    if seed.dtype == np.int64:
        low = (seed & _MASK32).astype(np.uint32)
        high = ((seed >> 32) & _MASK32).astype(np.uint32)
    else:
        low = seed.astype(np.uint32)
        high = (seed >> 31).astype(np.uint32)
    key = xp.asarray(np.array([0x3EC8F720, 0x02461E29], np.uint32))
    scrambled = blocks(xp, xp.concatenate([low[:1], high[:1], low[1:], high[1:], key]), 1)[0]
    zeros = xp.zeros((2,), np.uint32)
    return xp.concatenate([zeros, scrambled[2:], scrambled[:2]])


def skip(xp: Any, state: Array, count: int) -> Array:
    """Moves a generator `count` blocks forward.

    Args:
      xp: array namespace.
      state: uint32 `[6]`.
      count: blocks to skip, 0 <= count < 2**64.

    Returns:
      uint32 `[6]`, a new array.
    """
    if on_host(xp):
        held = state.astype("<u4", copy=False).tobytes()
        moved = (int.from_bytes(held[:16], "little") + count) & _MASK128
        words = np.frombuffer(bytearray(moved.to_bytes(16, "little") + held[16:]), "<u4")
        return words.astype(np.uint32, copy=False)
    words = _add(xp, state, np.uint32(count & _MASK32), np.uint32(count >> 32))
    return xp.concatenate([xp.stack(words), state[4:]])


def reserve(xp: Any, state: Array, count: int) -> Array:
    """Moves a generator past the blocks that a stateful op with `count` output numbers sets aside."""
    return skip(xp, state, count * RESERVED)


def blocks(xp: Any, state: Array, lanes: int | Array, *, stride: int = 1, step: int | Array = 0) -> Array:
    """Draws one block of four words for each lane.

    Lane `i` uses the counter `state + i * stride + step`.

    Args:
      xp: array namespace.
      state: uint32 `[6]`, left as it is.
      lanes: how many lanes, numbered from 0; or their numbers, unsigned `[n]`.
      stride: distance between neighbouring lanes, in blocks.
      step: blocks already drawn in a lane: a number, or one for each lane, `[n]`.

    Returns:
      uint32 `[n, 4]`.
    """
    if not on_host(xp):
        even, odd = _traced_counters(xp, state, lanes, stride, step)
        # Three times faster, where the trace has them: a CPU multiplies 32 x 32 -> 64 in one instruction.
        wide = xp.asarray(np.uint64(0)).dtype == np.uint64
        multiply = _multiply_traced_wide if wide else _multiply_halves
        even, odd = _rounds(multiply, even, odd, state[4:, None] + _KEY_STEPS)
        return xp.stack([even[0], odd[0], even[1], odd[1]], axis=-1)
    total = lanes if isinstance(lanes, int) else len(lanes)
    if total <= _FEW_BLOCKS:
        numbers = range(lanes) if isinstance(lanes, int) else lanes.tolist()
        steps = [step] * total if isinstance(step, int) else step.tolist()
        return _few_blocks(state, [lane * stride + done for lane, done in zip(numbers, steps, strict=True)])
    keys = state[4:, None] + _KEY_STEPS
    out = np.empty((total, 4), np.uint32)
    for begin in range(0, total, _CHUNK):
        end = min(begin + _CHUNK, total)
        part = np.arange(begin, end, dtype=np.uint64) if isinstance(lanes, int) else lanes[begin:end]
        even, odd = _host_counters(state, part, stride, step if isinstance(step, int) else step[begin:end])
        even, odd = _rounds(_multiply_wide, even, odd, keys)
        out[begin:end, 0::2] = even.T
        out[begin:end, 1::2] = odd.T
    return out


def words(xp: Any, state: Array, count: int) -> Array:
    """Draws the first `count` 32-bit words of a generator's stream, uint32 `[count]`."""
    return blocks(xp, state, -(-count // 4)).reshape(-1)[:count]


def _rounds(multiply: Any, even: Array, odd: Array, keys: Array) -> tuple[Array, Array]:
    # even = counter words 0 and 2, odd = words 1 and 3, each [2, lanes]: both halves of a round in one
    # operation.
    for r in range(_ROUNDS):
        high, low = multiply(even)
        even, odd = high[::-1] ^ odd ^ keys[r], low[::-1]
    return even, odd


def _multiply_wide(even: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    halves = np.multiply(even, _WIDE_MULTIPLIERS).view(np.uint32)
    return halves[:, _HIGH::2], halves[:, _LOW::2]


def _multiply_traced_wide(even: Array) -> tuple[Array, Array]:
    product = even.astype(np.uint64) * _WIDE_MULTIPLIERS
    return (product >> np.uint64(32)).astype(np.uint32), product.astype(np.uint32)


def _multiply_halves(even: Array) -> tuple[Array, Array]:
    m = _NARROW_MULTIPLIERS
    return umulhi32(even, m), even * m


def umulhi32(a: Array, b: Array) -> Array:
    """Gives the upper 32 bits of the 64-bit products of uint32 arrays, with 32-bit arithmetic only."""
    a0, a1, b0, b1 = a & 0xFFFF, a >> 16, b & 0xFFFF, b >> 16
    middle = a1 * b0 + ((a0 * b0) >> 16)
    return a1 * b1 + (middle >> 16) + (((middle & 0xFFFF) + a0 * b1) >> 16)


def _host_counters(
    state: np.ndarray, lanes: np.ndarray, stride: int, step: int | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    c0, c1, c2, c3 = state[:4].tolist()
    base = np.uint64(c0 | c1 << 32)
    lower = lanes.astype(np.uint64) * np.uint64(stride)
    lower += np.uint64(step) if isinstance(step, int) else step.astype(np.uint64)
    lower += base
    even = np.empty((2, lower.size), np.uint32)
    odd = np.empty((2, lower.size), np.uint32)
    halves = lower.view(np.uint32)
    even[0], odd[0] = halves[_LOW::2], halves[_HIGH::2]
    upper = c2 | c3 << 32
    wrapped = lower < base
    if wrapped.any():
        upper = (np.uint64(upper) + wrapped.astype(np.uint64)).view(np.uint32)
        even[1], odd[1] = upper[_LOW::2], upper[_HIGH::2]
    else:
        even[1], odd[1] = c2, c3
    return even, odd


def _traced_counters(
    xp: Any, state: Array, lanes: int | Array, stride: int, step: int | Array
) -> tuple[Array, Array]:
    lanes = xp.arange(lanes, dtype=np.uint32) if isinstance(lanes, int) else lanes.astype(np.uint32)
    stride32 = xp.asarray(np.uint32(stride))
    low = lanes * stride32
    high = umulhi32(lanes, stride32)
    moved = low + xp.asarray(step, dtype=np.uint32)
    high = high + (moved < low).astype(np.uint32)
    c0, c1, c2, c3 = _add(xp, state, moved, high)
    return xp.stack([c0, c2]), xp.stack([c1, c3])


def _add(xp: Any, state: Array, low: Array, high: Array) -> tuple[Array, Array, Array, Array]:
    # 128-bit addition in 32-bit words; low and high may have a lanes axis.
    c0 = state[0] + low
    c1 = state[1] + high
    carried = c1 + (c0 < state[0]).astype(np.uint32)
    carry = (c1 < high) | (carried < c1)
    c2 = state[2] + carry.astype(np.uint32)
    c3 = state[3] + (c2 < state[2]).astype(np.uint32)
    return c0, carried, c2, c3


def _few_blocks(state: np.ndarray, offsets: list[int]) -> np.ndarray:
    w0, w1, w2, w3, key0, key1 = state.tolist()
    base = w0 | w1 << 32 | w2 << 64 | w3 << 96
    m0, m1 = _MULTIPLIERS
    weyl0, weyl1 = _WEYL
    out: list[int] = []
    for offset in offsets:
        counter = base + offset
        c0, c1 = counter & _MASK32, counter >> 32 & _MASK32
        c2, c3 = counter >> 64 & _MASK32, counter >> 96 & _MASK32
        k0, k1 = key0, key1
        for _ in range(_ROUNDS):
            p, q = c0 * m0, c2 * m1
            c0, c1, c2, c3 = q >> 32 ^ c1 ^ k0, q & _MASK32, p >> 32 ^ c3 ^ k1, p & _MASK32
            k0, k1 = k0 + weyl0 & _MASK32, k1 + weyl1 & _MASK32
        out += (c0, c1, c2, c3)
    return np.array(out, np.uint32).reshape(-1, 4)
