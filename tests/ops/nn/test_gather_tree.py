"""The way back through a beam search against walking it by hand."""

import numpy as np
import pytest

import millrace as tf
from ops.opcases import OpCase, OpSuite

_IDS = np.int32([[[1, 2, 3], [7, 8, 9]], [[4, 5, 9], [2, 9, 4]], [[6, 9, 8], [5, 3, 9]]])
_PARENTS = np.int32([[[0, 0, 0], [0, 0, 0]], [[0, 1, 1], [2, 0, 1]], [[1, 2, 0], [2, 1, 0]]])
_LENGTHS = np.int32([3, 2])


def _walk(ids, parents, lengths, end):
    out = np.full_like(ids, end)
    for b in range(ids.shape[1]):
        for k in range(ids.shape[2]):
            beam = k
            for t in reversed(range(min(lengths[b], len(ids)))):
                out[t, b, k] = ids[t, b, beam]
                beam = parents[t, b, beam]
            seen = False
            for t in range(len(ids)):
                seen, out[t, b, k] = seen or out[t, b, k] == end, end if seen else out[t, b, k]
    return out


class TestGatherTree(OpSuite):
    """Whole, cut and ended sequences."""

    cases = (
        OpCase("GatherTree", [_IDS, _PARENTS, _LENGTHS, 9], _walk),
        OpCase("GatherTree", [_IDS, _PARENTS, np.int32([9, 0]), 0], _walk),
    )


def test_a_parent_that_is_not_a_beam_is_refused():
    tree = tf.contrib.seq2seq.gather_tree(_IDS, _PARENTS + 2, _LENGTHS, 9)
    with tf.Session() as sess, pytest.raises(tf.errors.InvalidArgumentError, match="parent_ids"):
        sess.run(tree)
