"""The string hashes against bucket numbers recorded from TensorFlow 1.15, for all lengths from 0 to 300."""

import pathlib

import numpy as np
import pytest

from millrace.opkit.text import hashing
from millrace.opkit.text.pieces import objects

GOLDEN = np.load(pathlib.Path(__file__).with_name("string_hashes.npz"))
STRINGS = objects([bytes((i * i * 7 + n * 13 + i * 3) % 256 for i in range(n)) for n in range(301)])
BUCKETS = 2**63 - 1
HASHES = {
    "fast": hashing.fingerprint64,
    "legacy": hashing.murmur64,
    "strong": lambda strings: hashing.siphash24(strings, [123456789123, 987654321]),
}


@pytest.mark.parametrize("name", HASHES)
def test_all_lengths(name):
    np.testing.assert_array_equal(hashing.to_buckets(HASHES[name](STRINGS), BUCKETS), GOLDEN[name])


@pytest.mark.parametrize("name", HASHES)
def test_a_string_hashes_alike_alone_and_among_others(name):
    shuffled = np.random.RandomState(0).permutation(len(STRINGS))
    together = HASHES[name](STRINGS[shuffled])
    alone = [HASHES[name](STRINGS[i : i + 1])[0] for i in shuffled]
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("name", HASHES)
@pytest.mark.parametrize("shape", [(), (0,), (2, 0), (2, 3, 1)])
def test_shapes(name, shape):
    strings = np.full(shape, b"abc", object)
    found = HASHES[name](strings)
    assert found.shape == shape
    assert found.dtype == np.uint64
    assert len(np.unique(found)) <= 1
