"""String hashes with published, stable values: FarmHash Fingerprint64, SipHash-2-4 and a 64-bit Murmur hash.

Bucket numbers end up in trained embeddings and in feature columns, so they must never change by a bit. Every
hash here works on a whole array of strings at once: the strings are laid end to end in one byte buffer and
each step of the algorithm is one NumPy operation over all strings of the same length class.
"""

from collections.abc import Sequence

import numpy as np

_U64 = np.uint64
_K0 = _U64(0xC3A5C85C97CB3127)
_K1 = _U64(0xB492B66FBE98F273)
_K2 = _U64(0x9AE16A3B2F90404F)
_MURMUR_M = _U64(0xC6A4A7935BD1E995)
_MURMUR_SEED = _U64(0xDECAFCAFFE)
_BYTE = np.arange(8)
# Words of a text come again and again: looking one up costs a hundredth of the arithmetic for a few.
_FEW, _LONG, _MOST_KNOWN = 256, 64, 1 << 16
_known: dict[bytes, int] = {}  # fingerprints


class _Packed:
    """Strings end to end in one buffer, with eight spare zero bytes so that a load past the end is safe."""

    def __init__(self, strings: np.ndarray) -> None:
        items = strings.ravel().tolist()
        self.length = np.fromiter(map(len, items), np.int64, len(items))
        self.start = np.cumsum(self.length) - self.length
        self.bytes = np.frombuffer(b"".join(items) + bytes(8), np.uint8)

    def load64(self, at: np.ndarray) -> np.ndarray:
        """The little-endian 64-bit words that start at the byte positions `at`."""
        return self.bytes[at[:, None] + _BYTE].view("<u8")[:, 0].astype(_U64, copy=False)

    def load32(self, at: np.ndarray) -> np.ndarray:
        """The little-endian 32-bit words that start at the byte positions `at`, widened."""
        return self.bytes[at[:, None] + _BYTE[:4]].view("<u4")[:, 0].astype(_U64)

    def load8(self, at: np.ndarray) -> np.ndarray:
        """The bytes at the positions `at`, widened."""
        return self.bytes[at].astype(_U64)


def _rotate_right(value: np.ndarray, count: int) -> np.ndarray:
    return (value >> _U64(count)) | (value << _U64(64 - count))


def _shift_mix(value: np.ndarray) -> np.ndarray:
    return value ^ (value >> _U64(47))


def _hash_16(u: np.ndarray, v: np.ndarray, mul: np.ndarray) -> np.ndarray:
    a = _shift_mix((u ^ v) * mul)
    return _shift_mix((v ^ a) * mul) * mul


# ---------------------------------------------------------------- FarmHash Fingerprint64


def fingerprint64(strings: np.ndarray) -> np.ndarray:
    """FarmHash Fingerprint64 of every string.

    Args:
      strings: `[...]`, an object array of `bytes`.

    Returns:
      uint64 of the same shape.
    """
    if strings.size > _FEW:
        return _fingerprints(strings)
    items = strings.ravel().tolist()
    try:
        return np.array([_known[text] for text in items], _U64).reshape(strings.shape)
    except KeyError:
        found = _fingerprints(strings)
        if len(_known) > _MOST_KNOWN:
            _known.clear()
        known = zip(items, found.ravel().tolist(), strict=True)
        _known.update((text, value) for text, value in known if len(text) <= _LONG)
        return found


def _fingerprints(strings: np.ndarray) -> np.ndarray:
    packed = _Packed(strings)
    out = np.empty(len(packed.length), _U64)
    classes = np.searchsorted((1, 4, 8, 17, 33, 65), packed.length, side="right")
    for number, hash_class in enumerate(
        (_farm_0, _farm_3, _farm_7, _farm_16, _farm_32, _farm_64, _farm_long)
    ):
        rows = np.flatnonzero(classes == number)
        if rows.size:
            out[rows] = hash_class(packed, packed.start[rows], packed.length[rows])
    return out.reshape(strings.shape)


def _farm_0(packed: _Packed, at: np.ndarray, length: np.ndarray) -> np.ndarray:
    return np.full(at.shape, _K2)


def _farm_3(packed: _Packed, at: np.ndarray, length: np.ndarray) -> np.ndarray:
    first, middle, last = (packed.load8(at + offset) for offset in (0, length >> 1, length - 1))
    y = first + (middle << _U64(8))
    z = length.astype(_U64) + (last << _U64(2))
    return _shift_mix((y * _K2) ^ (z * _K0)) * _K2


def _farm_mul(length: np.ndarray) -> np.ndarray:
    return _K2 + length.astype(_U64) * _U64(2)


def _farm_7(packed: _Packed, at: np.ndarray, length: np.ndarray) -> np.ndarray:
    a = packed.load32(at)
    return _hash_16(length.astype(_U64) + (a << _U64(3)), packed.load32(at + length - 4), _farm_mul(length))


def _farm_16(packed: _Packed, at: np.ndarray, length: np.ndarray) -> np.ndarray:
    mul = _farm_mul(length)
    a = packed.load64(at) + _K2
    b = packed.load64(at + length - 8)
    c = _rotate_right(b, 37) * mul + a
    d = (_rotate_right(a, 25) + b) * mul
    return _hash_16(c, d, mul)


def _farm_edges(packed: _Packed, at: np.ndarray, length: np.ndarray, first_mul: np.uint64):
    """The part that the classes 17-32 and 33-64 share: four words at the two ends, mixed into two."""
    mul = _farm_mul(length)
    a = packed.load64(at) * first_mul
    b = packed.load64(at + 8)
    c = packed.load64(at + length - 8) * mul
    d = packed.load64(at + length - 16) * _K2
    y = _rotate_right(a + b, 43) + _rotate_right(c, 30) + d
    z = _hash_16(y, a + _rotate_right(b + _K2, 18) + c, mul)
    return mul, a, y, z


def _farm_32(packed: _Packed, at: np.ndarray, length: np.ndarray) -> np.ndarray:
    return _farm_edges(packed, at, length, _K1)[3]


def _farm_64(packed: _Packed, at: np.ndarray, length: np.ndarray) -> np.ndarray:
    mul, a, y, z = _farm_edges(packed, at, length, _K2)
    e = packed.load64(at + 16) * mul
    f = packed.load64(at + 24)
    g = (y + packed.load64(at + length - 32)) * mul
    h = (z + packed.load64(at + length - 24)) * mul
    return _hash_16(
        _rotate_right(e + f, 43) + _rotate_right(g, 30) + h, e + _rotate_right(f + a, 18) + g, mul
    )


def _weak_32(packed: _Packed, at: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    w, x, y, z = (packed.load64(at + offset) for offset in (0, 8, 16, 24))
    a = a + w
    b = _rotate_right(b + a + z, 21)
    total = a + x + y
    return total + z, b + _rotate_right(total, 44) + a


def _farm_block(
    packed: _Packed, at: np.ndarray, state: list[np.ndarray], mul, factor: int
) -> list[np.ndarray]:
    """One 64-byte round; the last round uses its own multiplier and weighs two words by `factor`."""
    x, y, z, v0, v1, w0, w1 = state
    weight = _U64(factor)
    x = _rotate_right(x + y + v0 + packed.load64(at + 8), 37) * mul
    y = _rotate_right(y + v1 + packed.load64(at + 48), 42) * mul
    x = x ^ (w1 * weight)
    y = y + v0 * weight + packed.load64(at + 40)
    z = _rotate_right(z + w0, 33) * mul
    v0, v1 = _weak_32(packed, at, v1 * mul, x + w0)
    w0, w1 = _weak_32(packed, at + 32, z + w1, y + packed.load64(at + 16))
    return [z, y, x, v0, v1, w0, w1]


def _farm_long(packed: _Packed, at: np.ndarray, length: np.ndarray) -> np.ndarray:
    rounds = (length - 1) // 64
    order = np.argsort(-rounds, kind="stable")  # longest first: the rows still at work are always a prefix
    at, length, rounds = at[order], length[order], rounds[order]
    seed = np.full(at.shape, 81, _U64)
    y = seed * _K1 + _U64(113)
    zero = np.zeros_like(seed)
    state = [seed * _K2 + packed.load64(at), y, _shift_mix(y * _K2 + _U64(113)) * _K2, zero, zero, zero, zero]
    state = [part.copy() for part in state]
    for number in range(int(rounds[0])):
        live = int(np.searchsorted(-rounds, -number, side="left"))
        new = _farm_block(packed, at[:live] + 64 * number, [part[:live] for part in state], _K1, 1)
        for part, value in zip(state, new, strict=True):
            part[:live] = value
    x, y, z, v0, v1, w0, w1 = state
    mul = _K1 + ((z & _U64(0xFF)) << _U64(1))
    w0 = w0 + ((length - 1) & 63).astype(_U64)
    v0 = v0 + w0
    w0 = w0 + v0
    x, y, z, v0, v1, w0, w1 = _farm_block(packed, at + length - 64, [x, y, z, v0, v1, w0, w1], mul, 9)
    left = _hash_16(v0, w0, mul) + _shift_mix(y) * _K0 + z
    out = np.empty_like(seed)
    out[order] = _hash_16(left, _hash_16(v1, w1, mul) + x, mul)
    return out


# ---------------------------------------------------------------- word-at-a-time hashes


def _tail(packed: _Packed, at: np.ndarray, count: np.ndarray) -> np.ndarray:
    """The last `count` (0 to 7) bytes at `at` as a little-endian number."""
    word = packed.load64(at)
    return word & ((_U64(1) << (count.astype(_U64) * _U64(8))) - _U64(1))


def murmur64(strings: np.ndarray) -> np.ndarray:
    """The 64-bit Murmur hash behind the first `string_to_hash_bucket`.

    Args:
      strings: `[...]`, an object array of `bytes`.

    Returns:
      uint64 of the same shape.
    """
    packed = _Packed(strings)
    words = packed.length // 8
    order = np.argsort(-words, kind="stable")
    at, length, words = packed.start[order], packed.length[order], words[order]
    h = _MURMUR_SEED ^ (length.astype(_U64) * _MURMUR_M)
    for number in range(int(words[0]) if len(words) else 0):
        live = int(np.searchsorted(-words, -number, side="left"))
        k = packed.load64(at[:live] + 8 * number) * _MURMUR_M
        k = _shift_mix(k) * _MURMUR_M
        h[:live] = (h[:live] ^ k) * _MURMUR_M
    rest = length % 8
    h = np.where(rest > 0, (h ^ _tail(packed, at + 8 * words, rest)) * _MURMUR_M, h)
    h = _shift_mix(_shift_mix(h) * _MURMUR_M)
    out = np.empty_like(h)
    out[order] = h
    return out.reshape(strings.shape)


def siphash24(strings: np.ndarray, key: Sequence[int]) -> np.ndarray:
    """SipHash-2-4 of every string under a 128-bit key.

    Args:
      strings: `[...]`, an object array of `bytes`.
      key: two integers of 64 bits, low half first.

    Returns:
      uint64 of the same shape.
    """
    packed = _Packed(strings)
    words = packed.length // 8
    order = np.argsort(-words, kind="stable")
    at, length, words = packed.start[order], packed.length[order], words[order]
    low, high = (_U64(int(half) & 0xFFFFFFFFFFFFFFFF) for half in key)
    constants = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
    state = [np.full(at.shape, _U64(c) ^ k) for c, k in zip(constants, (low, high, low, high), strict=True)]

    def absorb(part: list[np.ndarray], word: np.ndarray) -> list[np.ndarray]:
        v0, v1, v2, v3 = part
        v0, v1, v2, v3 = _sip_rounds([v0, v1, v2, v3 ^ word], 2)
        return [v0 ^ word, v1, v2, v3]

    for number in range(int(words[0]) if len(words) else 0):
        live = int(np.searchsorted(-words, -number, side="left"))
        new = absorb([part[:live] for part in state], packed.load64(at[:live] + 8 * number))
        for part, value in zip(state, new, strict=True):
            part[:live] = value
    last = _tail(packed, at + 8 * words, length % 8) | (length.astype(_U64) << _U64(56))
    v0, v1, v2, v3 = absorb(state, last)
    v0, v1, v2, v3 = _sip_rounds([v0, v1, v2 ^ _U64(0xFF), v3], 4)
    out = np.empty(len(at), _U64)
    out[order] = v0 ^ v1 ^ v2 ^ v3
    return out.reshape(strings.shape)


def _sip_rounds(state: list[np.ndarray], count: int) -> list[np.ndarray]:
    v0, v1, v2, v3 = state
    for _ in range(count):
        v0 = v0 + v1
        v1 = _rotate_right(v1, 64 - 13) ^ v0
        v0 = _rotate_right(v0, 32)
        v2 = v2 + v3
        v3 = _rotate_right(v3, 64 - 16) ^ v2
        v0 = v0 + v3
        v3 = _rotate_right(v3, 64 - 21) ^ v0
        v2 = v2 + v1
        v1 = _rotate_right(v1, 64 - 17) ^ v2
        v2 = _rotate_right(v2, 32)
    return [v0, v1, v2, v3]


def to_buckets(hashes: np.ndarray, num_buckets: int) -> np.ndarray:
    """Hashes reduced to bucket numbers: unsigned remainder, given as int64.

    Args:
      hashes: `[...]` uint64.
      num_buckets: how many buckets, at least 1.

    Returns:
      `[...]` int64 in `[0, num_buckets)`.
    """
    return (hashes % _U64(num_buckets)).astype(np.int64)
