"""Gathers and scatters against NumPy's fancy indexing."""

import numpy as np
import pytest

import millrace as tf
from ops.opcases import OpCase, OpSuite, floats, ints

_X = floats(4, 3, 2)
_I = np.int32([[0, 3], [1, 1]])
_PAIRS = np.int32([[0, 1], [3, 2], [0, 1]])


def _batched(x, i, axis):
    return np.stack([np.take(a, b, int(axis) - 1) for a, b in zip(x, i)])


def _scattered(x, indices, updates, sign=1, replace=False):
    x = x.copy()
    for place, row in zip(
        indices.reshape(-1, indices.shape[-1]), updates.reshape(len(indices), *updates.shape[1:])
    ):
        key = tuple(place)
        x[key] = row if replace else x[key] + sign * row
    return x


class TestGather(OpSuite):
    """Gather, GatherV2 with axes and batches, GatherNd."""

    cases = (
        OpCase("Gather", [_X, _I], lambda x, i: x[i]),
        OpCase("Gather", [_X, np.int64(2)], lambda x, i: x[2]),
        OpCase("Gather", [ints(4), np.int32([])], lambda x, i: x[i]),
        OpCase("GatherV2", [_X, _I, 0], lambda x, i, a: x[i]),
        OpCase("GatherV2", [_X, np.int32([2, 0, 2]), 1], lambda x, i, a: np.take(x, i, 1)),
        OpCase("GatherV2", [_X, np.int32([[1], [0]]), -1], lambda x, i, a: np.take(x, i, 2)),
        OpCase("GatherV2", [_X, np.int32([[0, 2], [1, 1], [2, 0], [0, 0]]), 1], _batched, batch_dims=1),
        OpCase("GatherV2", [_X, np.int32([[0, 1], [1, 1], [1, 0], [0, 0]]), 2], _batched, batch_dims=1),
        OpCase("GatherNd", [_X, _PAIRS], lambda x, i: x[i[:, 0], i[:, 1]]),
        OpCase("GatherNd", [_X, np.int64([[[2]], [[0]]])], lambda x, i: x[i[..., 0]]),
        OpCase("GatherNd", [_X, np.zeros((2, 0), np.int32)], lambda x, i: np.stack([x, x])),
    )


class TestScatterNd(OpSuite):
    """Slices put at coordinates."""

    cases = (
        OpCase(
            "ScatterNd",
            [_PAIRS, floats(3, 2), [4, 3, 2]],
            lambda i, u, s: _scattered(np.zeros((4, 3, 2), np.float32), i, u),
        ),
        OpCase(
            "ScatterNd",
            [np.int64([[1], [1]]), ints(2), np.int64([3])],
            lambda i, u, s: np.int32([0, u.sum(), 0]),
        ),
        OpCase("ScatterNdNonAliasingAdd", [_X, _PAIRS, floats(3, 2)], _scattered),
        OpCase("TensorScatterAdd", [_X, _PAIRS, floats(3, 2)], _scattered),
        OpCase("TensorScatterSub", [_X, _PAIRS, floats(3, 2)], lambda *a: _scattered(*a, sign=-1)),
        OpCase(
            "TensorScatterUpdate",
            [_X, np.int32([[2], [0]]), floats(2, 3, 2)],
            lambda *a: _scattered(*a, replace=True),
        ),
    )


def test_the_gradient_of_rows_is_indexed_slices():
    x = tf.placeholder(tf.float32, [4, 2])
    found = tf.gradients(tf.gather(x, [1, 1, 0]), x)[0]
    assert isinstance(found, tf.IndexedSlices)
    with tf.Session() as session:
        assert session.run(tf.convert_to_tensor(found)).tolist() == [[1, 1], [2, 2], [0, 0], [0, 0]]


@pytest.mark.parametrize("bad", [-1, 4])
def test_indices_out_of_range(bad):
    x = tf.constant(_X)
    at = tf.placeholder(tf.int32, [1])
    with tf.Session() as session:
        for build in (
            lambda: tf.gather(x, at),
            lambda: tf.gather_nd(x, at),
            lambda: tf.scatter_nd([at], [1.0], [4]),
        ):
            with pytest.raises(tf.errors.InvalidArgumentError):
                session.run(build(), {at: [bad]})


def test_batch_functions():
    params, indices = tf.constant(_X[0]), tf.constant([[0, 1], [1, 1], [0, 0]])
    with tf.Session() as session:
        assert np.array_equal(
            session.run(tf.batch_gather(params, indices)),
            np.take_along_axis(_X[0], np.int32([[0, 1], [1, 1], [0, 0]]), 1),
        )
        picked = session.run(tf.gather_nd(params, [[1], [0], [1]], batch_dims=1))
        assert np.array_equal(picked, _X[0][np.arange(3), [1, 0, 1]])
        spread = session.run(tf.gather(params, [1, 0], axis=tf.constant(1)))
        assert np.array_equal(spread, _X[0][:, [1, 0]])


def test_strings_are_gathered():
    with tf.Session() as session:
        words = tf.constant(["a", "b", "c"])
        assert session.run(tf.gather(words, [2, 0])).tolist() == [b"c", b"a"]
        assert session.run(tf.gather(words, 1)) == b"b"
        assert session.run(tf.gather_nd(words, [[1]])).tolist() == [b"b"]
