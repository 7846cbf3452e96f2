"""Row replacements, copies, edit distances, fingerprints (Fingerprint)."""

import numpy as np
import pytest

import millrace as tf
from ops.opcases import OpCase, OpSuite, floats, ints

_X = floats(4, 3)
_I = np.int32([2, 0])
_V = floats(2, 3)


def _rows(how):
    def oracle(x, i, v):
        x = x.copy()
        for place, row in zip(i, v):
            x[place] = how(x[place], row)
        return x

    return oracle


_SPARSE = [np.int64([[0, 0], [0, 1], [1, 0]]), ints(3, low=1, high=2), np.int64([2, 2])]
_TRUTH = [np.int64([[0, 0], [2, 0]]), np.int32([5, 1]), np.int64([3, 1])]


class TestInplace(OpSuite):
    """Small operations on whole tensors."""

    cases = (
        OpCase("InplaceUpdate", [_X, _I, _V], _rows(lambda a, b: b)),
        OpCase("InplaceAdd", [_X, _I, _V], _rows(np.add)),
        OpCase("InplaceSub", [_X, _I, _V], _rows(np.subtract)),
        OpCase("DeepCopy", [_X], np.copy),
        OpCase("Snapshot", [_X], np.copy),
        OpCase("GuaranteeConst", [_X], np.copy),
        OpCase("DebugGradientIdentity", [_X], np.copy),
        OpCase("EditDistance", [*_SPARSE, *_TRUTH], lambda *_: np.float32([2, np.inf, 1])),
        OpCase("EditDistance", [*_SPARSE, *_TRUTH], lambda *_: np.float32([2, 1, 1]), normalize=False),
    )


def test_fingerprint():
    rows = np.arange(6, dtype=np.int32).reshape(2, 3)
    with tf.Session() as session:
        numbers = session.run(tf.fingerprint(rows))
        words = session.run(tf.fingerprint([row.tobytes() for row in rows]))
    assert numbers.shape == (2, 8) and numbers.dtype == np.uint8
    assert np.array_equal(numbers, words)
    assert (numbers[0] != numbers[1]).any()
    with pytest.raises(ValueError, match="algorithm"):
        tf.fingerprint(rows, "md5")
    with pytest.raises(ValueError, match="dimension"):
        tf.fingerprint(1)


def _sparse(words):
    places = [[i, j] for i, w in enumerate(words) for j in range(len(w))]
    return tf.SparseTensor(places, [c for w in words for c in w], [len(words), max(map(len, words))])


def test_edit_distance_of_words():
    guess, truth = _sparse(["kitten", "same"]), _sparse(["sitting", "same"])
    with tf.Session() as session:
        assert session.run(tf.edit_distance(guess, truth, normalize=False)).tolist() == [3, 0]
        np.testing.assert_allclose(session.run(tf.edit_distance(guess, truth)), [3 / 7, 0])
    with pytest.raises(TypeError, match="SparseTensor"):
        tf.edit_distance(tf.zeros([2, 2]), truth)
