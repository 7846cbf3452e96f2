"""Fingerprints of 128 bits: CityHash128, whose values are published and never change.

A text of 16 bytes or more is hashed after its first two words, which are the seed; texts shorter
than 128 bytes are mixed word pair by word pair, longer ones in blocks of 128 bytes.
"""

from __future__ import annotations

import struct

_MASK = (1 << 64) - 1
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F
_K_128 = 0x9DDFEA08EB382D69
_LONG, _MOST_KNOWN = 64, 1 << 16
_known: dict[bytes, tuple[int, int]] = {}


def fingerprint128(text: bytes) -> tuple[int, int]:
    """The fingerprint of a text.

    Args:
      text: any bytes.

    Returns:
      The lower and the upper 64 bits, unsigned.
    """
    found = _known.get(text)
    if found is None:
        if len(text) >= 16:
            found = _seeded(text[16:], _word(text, 0), (_word(text, 8) + _K0) & _MASK)
        else:
            found = _seeded(text, _K0, _K1)
        if len(_known) > _MOST_KNOWN:
            _known.clear()
        if len(text) <= _LONG:
            _known[text] = found
    return found


def _word(text: bytes, at: int) -> int:
    return struct.unpack_from("<Q", text, at)[0]


def _turned(value: int, count: int) -> int:
    return ((value >> count) | (value << (64 - count))) & _MASK


def _mixed(value: int) -> int:
    return value ^ (value >> 47)


def _joined(u: int, v: int, mul: int = _K_128) -> int:
    """Two words as one."""
    a = _mixed(((u ^ v) * mul) & _MASK)
    return (_mixed(((v ^ a) * mul) & _MASK) * mul) & _MASK


def _short(text: bytes) -> int:
    """The 64-bit hash of at most 16 bytes."""
    length = len(text)
    mul = (_K2 + 2 * length) & _MASK
    if length >= 8:
        a, b = (_word(text, 0) + _K2) & _MASK, _word(text, length - 8)
        c, d = _turned(b, 37) * mul + a, (_turned(a, 25) + b) * mul
        return _joined(c & _MASK, d & _MASK, mul)
    if length >= 4:
        first, last = struct.unpack_from("<I", text, 0)[0], struct.unpack_from("<I", text, length - 4)[0]
        return _joined(length + (first << 3), last, mul)
    if length:
        y, z = text[0] + (text[length >> 1] << 8), length + (text[-1] << 2)
        return (_mixed((y * _K2 & _MASK) ^ (z * _K0 & _MASK)) * _K2) & _MASK
    return _K2


def _weak(text: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    """Four words mixed into two."""
    w, x, y, z = struct.unpack_from("<4Q", text, at)
    a = (a + w) & _MASK
    b = _turned((b + a + z) & _MASK, 21)
    total = (a + x + y) & _MASK
    return (total + z) & _MASK, (b + _turned(total, 44) + a) & _MASK


def _by_pairs(text: bytes, a: int, b: int) -> tuple[int, int]:
    """Less than 128 bytes, by pairs of words."""
    left = len(text) - 16
    if left <= 0:
        a = (_mixed(a * _K1 & _MASK) * _K1) & _MASK
        c = (b * _K1 + _short(text)) & _MASK
        d = _mixed((a + (_word(text, 0) if len(text) >= 8 else c)) & _MASK)
    else:
        c = _joined((_word(text, len(text) - 8) + _K1) & _MASK, a)
        d = _joined((b + len(text)) & _MASK, (c + _word(text, left)) & _MASK)
        a = (a + d) & _MASK
        for at in range(0, left, 16):
            a = ((a ^ (_mixed(_word(text, at) * _K1 & _MASK) * _K1)) * _K1) & _MASK
            b ^= a
            c = ((c ^ (_mixed(_word(text, at + 8) * _K1 & _MASK) * _K1)) * _K1) & _MASK
            d ^= c
    a, b = _joined(a, c), _joined(d, b)
    return a ^ b, _joined(b, a)


def _seeded(text: bytes, low: int, high: int) -> tuple[int, int]:
    if len(text) < 128:
        return _by_pairs(text, low, high)
    x, y, z = low, high, len(text) * _K1 & _MASK
    v0 = (_turned(y ^ _K1, 49) * _K1 + _word(text, 0)) & _MASK
    v1 = (_turned(v0, 42) * _K1 + _word(text, 8)) & _MASK
    w0 = (_turned((y + z) & _MASK, 35) * _K1 + x) & _MASK
    w1 = _turned((x + _word(text, 88)) & _MASK, 53) * _K1 & _MASK
    rest = len(text) % 128
    for at in range(0, len(text) - rest, 64):
        x = _turned((x + y + v0 + _word(text, at + 8)) & _MASK, 37) * _K1 & _MASK
        y = _turned((y + v1 + _word(text, at + 48)) & _MASK, 42) * _K1 & _MASK
        x ^= w1
        y = (y + v0 + _word(text, at + 40)) & _MASK
        z = _turned((z + w0) & _MASK, 33) * _K1 & _MASK
        v0, v1 = _weak(text, at, v1 * _K1 & _MASK, (x + w0) & _MASK)
        w0, w1 = _weak(text, at + 32, (z + w1) & _MASK, (y + _word(text, at + 16)) & _MASK)
        z, x = x, z
    x = (x + _turned((v0 + z) & _MASK, 49) * _K0) & _MASK
    y = (y * _K0 + _turned(w1, 37)) & _MASK
    z = (z * _K0 + _turned(w0, 27)) & _MASK
    w0, v0 = w0 * 9 & _MASK, v0 * _K0 & _MASK
    for back in range(32, rest + 32, 32):  # the last blocks of 32 bytes, which may reach into what was read
        at = len(text) - back
        y = (_turned((x + y) & _MASK, 42) * _K0 + v1) & _MASK
        w0 = (w0 + _word(text, at + 16)) & _MASK
        x = (x * _K0 + w0) & _MASK
        z = (z + w1 + _word(text, at)) & _MASK
        w1 = (w1 + v0) & _MASK
        v0, v1 = _weak(text, at, (v0 + z) & _MASK, v1)
        v0 = v0 * _K0 & _MASK
    x, y = _joined(x, v0), _joined((y + z) & _MASK, w0)
    return (_joined((x + v1) & _MASK, w1) + y) & _MASK, _joined((x + w1) & _MASK, (y + v1) & _MASK)
