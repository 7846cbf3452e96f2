"""Results whose size depends on the data, against NumPy."""

import numpy as np
import pytest

import millrace as tf
from ops.opcases import OpCase, OpSuite, floats, ints

_V = np.float32([3, 1, 3, 2, 1, 3])
_ROWS = np.int32([[1, 2], [3, 4], [1, 2]])


def _unique(x):
    values, first, inverse, counts = np.unique(x, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(first)
    place = np.argsort(order)
    return values[order], place[inverse].astype(np.int32), counts[order].astype(np.int32)


def _partition(x, p):
    return [x[p == i] for i in range(3)]


def _stitch(indices, data):
    size = max(int(i.max()) for i in indices) + 1
    merged = np.zeros((size, 2), np.float32)
    for places, part in zip(indices, data):
        for place, row in zip(places.reshape(-1), part.reshape(-1, 2)):
            merged[place] = row
    return merged


class TestWhere(OpSuite):
    """Positions, distinct values, partitions."""

    cases = (
        OpCase("Where", [np.array([[True, False], [True, True]])], lambda x: np.argwhere(x)),
        OpCase("Where", [ints(3, 4, low=0, high=2)], lambda x: np.argwhere(x)),
        OpCase("Unique", [_V], lambda x: _unique(x)[:2]),
        OpCase(
            "Unique",
            [_V.astype(np.int64)],
            lambda x: [_unique(x)[0], _unique(x)[1].astype(np.int64)],
            out_idx=tf.int64,
        ),
        OpCase("UniqueWithCounts", [_V], _unique),
        OpCase("UniqueV2", [_ROWS, [0]], lambda x, a: [x[:2], np.int32([0, 1, 0])]),
        OpCase("UniqueV2", [_V, np.int64([])], lambda x, a: _unique(x)[:2]),
        OpCase(
            "UniqueWithCountsV2", [_ROWS, [0]], lambda x, a: [x[:2], np.int32([0, 1, 0]), np.int32([2, 1])]
        ),
        OpCase(
            "ListDiff",
            [_V, np.float32([1])],
            lambda x, y: [x[x != 1], np.flatnonzero(x != 1).astype(np.int32)],
        ),
        OpCase("DynamicPartition", [floats(5, 2), np.int32([0, 2, 0, 1, 2])], _partition, num_partitions=3),
        OpCase(
            "DynamicStitch",
            [(np.int32([0, 3]), np.int32([1, 2])), (floats(2, 2), floats(2, 2, seed=1))],
            _stitch,
        ),
        OpCase(
            "DynamicStitch",
            [(np.int32([0, 1]), np.int32([[2, 3]])), (floats(2, 2), floats(1, 2, 2))],
            _stitch,
        ),
        OpCase(
            "ParallelDynamicStitch",
            [(np.int32([1]), np.int32([0])), (floats(1, 2), floats(1, 2, seed=1))],
            _stitch,
        ),
    )


def test_strings_and_nan():
    with tf.Session() as session:
        values, places = session.run(tf.unique(tf.constant(["b", "a", "b"])))
        assert values.tolist() == [b"b", b"a"] and places.tolist() == [0, 1, 0]
        kept, _ = session.run(tf.setdiff1d(tf.constant(["b", "a"]), tf.constant(["a"])))
        assert kept.tolist() == [b"b"]
        assert len(session.run(tf.unique(tf.constant([np.nan, np.nan])))[0]) == 2


def test_static_shapes():
    x = tf.placeholder(tf.float32, [None, 2])
    assert tf.dynamic_partition(x, tf.placeholder(tf.int32, [4]), 2)[0].shape.as_list() == [None, 2]
    assert tf.dynamic_stitch([[0, 4]], [x]).shape.as_list() == [5, 2]
    assert tf.where(x > 0).shape.as_list() == [None, 2]


def test_refusals():
    with pytest.raises(ValueError, match="rank 1"):
        tf.unique(tf.zeros([2, 2]))
    with pytest.raises(ValueError, match="start with"):
        tf.dynamic_partition(tf.zeros([3]), [0, 1], 2)
    with tf.Session() as session:
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"partitions\[1\] = 2"):
            session.run(tf.dynamic_partition(tf.zeros([2]), [0, 2], 2))
        with pytest.raises(tf.errors.InvalidArgumentError, match="scalar"):
            session.run(tf.where(tf.placeholder_with_default(True, None)))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64, np.uint64])
@pytest.mark.parametrize("span", [3, 200, 10**7])
def test_unique_integers_of_any_span(dtype, span):
    rng = np.random.RandomState(0)
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    for start in (0, low, high - min(span, high)):
        x = (start + rng.randint(0, min(span, high), 300).astype(object)).astype(dtype)
        given = tf.placeholder(dtype, [None])
        with tf.Session() as sess:
            y, idx, counts = sess.run(tf.unique_with_counts(given), {given: x})
        wanted = list(dict.fromkeys(x.tolist()))
        assert y.tolist() == wanted and y.dtype == dtype
        assert [wanted[i] for i in idx.tolist()] == x.tolist()
        assert counts.tolist() == [x.tolist().count(v) for v in wanted]
